/* Queues of calls with their back-off. */
#include "client/lane.h"

#include "shared/error.h"
#include "shared/protocol.h"

#define PAUSE_MIN_US 5000
#define PAUSE_MAX_US 250000

void
lane_init(struct lane *lane)
{
	*lane = (struct lane){.window = SESSION_WINDOW};
	TAILQ_INIT(&lane->queue);
	TAILQ_INIT(&lane->sent);
}

bool
lane_is_empty(const struct lane *lane)
{
	return TAILQ_EMPTY(&lane->queue) && TAILQ_EMPTY(&lane->sent);
}

bool
lane_is_open(const struct lane *lane)
{
	return lane->retry_us == 0 && lane->sent_count < lane->window && !TAILQ_EMPTY(&lane->queue);
}

struct call *
lane_send(struct lane *lane)
{
	struct call *call = TAILQ_FIRST(&lane->queue);

	TAILQ_REMOVE(&lane->queue, call, link);
	TAILQ_INSERT_TAIL(&lane->sent, call, link);
	lane->sent_count++;
	return call;
}

void
lane_remove(struct lane *lane, struct call *call, bool is_sent)
{
	if (is_sent) {
		TAILQ_REMOVE(&lane->sent, call, link);
		lane->sent_count--;
	} else {
		TAILQ_REMOVE(&lane->queue, call, link);
	}
}

void
lane_go_back(struct lane *lane)
{
	TAILQ_CONCAT(&lane->sent, &lane->queue, link);
	TAILQ_CONCAT(&lane->queue, &lane->sent, link);
	lane->sent_count = 0;
	lane->retry_us = 0;
}

void
lane_insert_by_seq(struct lane *lane, struct call *call)
{
	struct call *later = TAILQ_FIRST(&lane->queue);

	while (later != NULL && later->seq != 0 && later->seq < call->seq)
		later = TAILQ_NEXT(later, link);
	if (later != NULL)
		TAILQ_INSERT_BEFORE(later, call, link);
	else
		TAILQ_INSERT_TAIL(&lane->queue, call, link);
}

void
lane_on_refusal(struct lane *lane, int error, uint64_t now_us, uint64_t chance)
{
	uint64_t pause;

	lane->trouble_error = error;
	lane->window = 1;
	if (lane->trouble_since_us == 0)
		lane->trouble_since_us = now_us;
	if (lane->retry_us != 0)
		return;
	pause = (now_us - lane->trouble_since_us) / 8;
	if (pause < PAUSE_MIN_US)
		pause = PAUSE_MIN_US;
	if (pause > PAUSE_MAX_US)
		pause = PAUSE_MAX_US;
	lane->retry_us = now_us + pause * 3 / 4 + chance % (pause / 2);
}

void
lane_on_answer(struct lane *lane)
{
	lane->trouble_since_us = 0;
	lane->trouble_error = SYNOD_OK;
	lane->window = SESSION_WINDOW;
}

void
lane_on_connection(struct lane *lane)
{
	lane->retry_us = 0;
	lane->window = lane->trouble_since_us != 0 ? 1 : SESSION_WINDOW;
}
