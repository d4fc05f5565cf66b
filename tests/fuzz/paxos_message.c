/*
 * The decoder of the messages between members, and the core that they reach.
 *
 * The input is a list of acts for member 1 of three: one byte says which, and MESSAGE is followed
 * by two bytes of length (big endian) and a packed message.  What decodes is encoded,
 * decoded and encoded again, with equal results; then the core takes it.  Whatever the
 * others send, and be it lies, the core's own checks must hold.
 */
#include "server/paxos/codec.h"
#include "server/paxos/paxos.h"
#include "shared/check.h"
#include "shared/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum act {
	ACT_MESSAGE = 0,
	ACT_TICK = 1,
	ACT_PROPOSE = 2,
	ACT_READ = 3,
	ACT_TRANSFER = 4,
	ACT_COUNT,
};

#define ACTS_MAX 200

struct stage {
	struct paxos *paxos;
	struct paxos_update update;
	uint64_t now_ms;
	uint64_t persisted; /* the last token, done but not yet told */
};

static void
step(struct stage *stage, struct paxos_event *event)
{
	paxos_update_clear(&stage->update);
	event->now_ms = stage->now_ms;
	paxos_step(stage->paxos, event, &stage->update);
	if (stage->update.persist_count > 0)
		stage->persisted = stage->update.persists[stage->update.persist_count - 1].token;
}

static void
step_and_work(struct stage *stage, struct paxos_event *event)
{
	struct paxos_view view;

	step(stage, event);
	while (stage->persisted > 0) {
		struct paxos_event persisted = {.type = EVENT_PERSISTED,
		                                .persisted = stage->persisted};

		stage->persisted = 0;
		step(stage, &persisted);
	}
	paxos_view(stage->paxos, &view);
	if (view.chosen > view.applied)
		step(stage, &(struct paxos_event){.type = EVENT_APPLIED, .applied = view.chosen});
}

static void
try_message(struct stage *stage, struct slice body)
{
	struct paxos_message message, again;
	struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;

	if (paxos_message_decode(body, &message) != SYNOD_OK)
		return;
	paxos_message_encode(&first, &message);
	CHECK(paxos_message_decode(buffer_slice(&first), &again) == SYNOD_OK);
	paxos_message_encode(&second, &again);
	CHECK(slice_equal(buffer_slice(&first), buffer_slice(&second)));
	buffer_fini(&first);
	buffer_fini(&second);
	paxos_message_fini(&again);

	step_and_work(stage, &(struct paxos_event){.type = EVENT_MESSAGE, .message = &message});
	paxos_message_fini(&message);
}

static void
propose(struct stage *stage)
{
	struct entry *entry = entry_new_copy(ENTRY_COMMAND, "value", 5);
	struct paxos_event event = {.type = EVENT_PROPOSE,
	                            .propose = {.entries = &entry, .count = 1}};
	struct paxos_view before, after;

	paxos_view(stage->paxos, &before);
	step(stage, &event);
	paxos_view(stage->paxos, &after);
	if (stage->update.proposed_count == 0)
		entry_release(entry);
	CHECK(after.length == before.length + stage->update.proposed_count);
	step_and_work(stage, &(struct paxos_event){.type = EVENT_READ, .read = 7});
}

static struct paxos *
make_core(void)
{
	struct paxos_options options = {
		.self = 1,
		.epoch = 1,
		.voters = {1, 2, 3},
		.voter_count = 3,
		.seed = 1,
		.window_entries = 50,
		.cache_entries = 20,
		.message_entries = 5,
	};
	struct paxos_restored restored = {.length = 0};

	return paxos_new(&options, &restored, 1000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct stage stage = {.paxos = make_core(), .now_ms = 1000};
	size_t at = 0;

	for (unsigned acts = 0; at < size && acts < ACTS_MAX; acts++) {
		size_t length;

		switch (bytes[at++] % ACT_COUNT) {
		case ACT_MESSAGE:
			if (size - at < 2)
				break;
			length = (size_t)bytes[at] << 8 | bytes[at + 1];
			at += 2;
			if (length > size - at)
				length = size - at;
			try_message(&stage, (struct slice){bytes + at, length});
			at += length;
			break;
		case ACT_TICK:
			stage.now_ms += 55;
			step_and_work(&stage, &(struct paxos_event){.type = EVENT_TICK});
			break;
		case ACT_PROPOSE: propose(&stage); break;
		case ACT_READ:
			step_and_work(&stage, &(struct paxos_event){.type = EVENT_READ, .read = 1});
			break;
		default:
			step_and_work(&stage, &(struct paxos_event){.type = EVENT_TRANSFER});
			break;
		}
	}
	paxos_update_fini(&stage.update);
	paxos_free(stage.paxos);
	return 0;
}
