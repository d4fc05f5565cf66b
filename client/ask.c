/* One question to each of several members, in an actor that lives as long as the question. */
#include "client/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/error.h"

#define TIMEOUT_DEFAULT_MS 2000
#define LOOK_MS            5

enum ask_item {
	ASK_ITEM_START = 1,
	ASK_ITEM_TIMEOUT,
};

struct round;

struct target {
	struct round *round;
	struct answer *answer;
	struct connection *connection; /* NULL once it is closing */
	bool is_done;
};

struct round {
	struct synod *synod;
	struct actor *actor;
	struct timer *timer;
	struct actor_item start_item;
	struct actor_item timeout_item;
	struct target *targets;
	unsigned count;
	unsigned open_count;
	uint8_t op;
	struct slice body;
	unsigned timeout_ms;
	struct waiter waiter;
};

static void
settle(struct target *target, int error, const char *text)
{
	struct connection *connection = target->connection;

	if (target->is_done)
		return;
	target->is_done = true;
	target->connection = NULL;
	target->answer->error = error;
	if (text != NULL)
		snprintf(target->answer->text, sizeof target->answer->text, "%s", text);
	if (connection != NULL)
		connection_close(connection);
}

/* ---- frames ---- */

static void
send_frame(struct target *target, struct buffer *out)
{
	if (out->failed)
		settle(target, SYNOD_NO_MEMORY, NULL);
	else
		connection_write(target->connection, buffer_slice(out));
	if (target->connection != NULL)
		connection_flush(target->connection);
	buffer_fini(out);
}

static void
send_hello(struct target *target)
{
	struct buffer out = BUFFER_EMPTY;

	contact_write_hello(&out);
	send_frame(target, &out);
}

static void
send_request(struct target *target)
{
	const struct request request = {
		.xid = 1,
		.op = target->round->op,
		.body = target->round->body,
	};
	struct buffer out = BUFFER_EMPTY;
	size_t begin = frame_begin(&out, FRAME_REQUEST);

	request_encode(&out, &request);
	frame_end(&out, begin);
	send_frame(target, &out);
}

static void
on_hello(struct target *target, const struct frame *frame)
{
	struct hello hello;
	int error = hello_decode(frame->body, &hello);

	if (error == SYNOD_OK &&
	    (hello.version_min > PROTOCOL_VERSION_MAX || hello.version_max < PROTOCOL_VERSION_MIN))
		error = SYNOD_WRONG_PROTOCOL;
	if (error == SYNOD_OK && hello.role != HELLO_MEMBER)
		error = SYNOD_BAD_MESSAGE;
	if (error != SYNOD_OK) {
		settle(target, error, error_text(error));
		return;
	}
	target->connection->is_up = true;
	send_request(target);
}

static void
copy_text(struct slice result, char *text, size_t size)
{
	struct cursor cursor;
	struct slice words;

	cursor_init(&cursor, result);
	words = cursor_string(&cursor);
	if (cursor_finish(&cursor) != SYNOD_OK || words.size >= size)
		return;
	memcpy(text, words.bytes, words.size);
	text[words.size] = '\0';
}

static void
on_response(struct target *target, const struct frame *frame)
{
	struct answer *answer = target->answer;
	struct response response;

	buffer_append(&answer->frame, frame->body.bytes, frame->body.size);
	if (answer->frame.failed) {
		settle(target, SYNOD_NO_MEMORY, NULL);
		return;
	}
	if (response_decode(buffer_slice(&answer->frame), &response) != SYNOD_OK) {
		settle(target, SYNOD_BAD_MESSAGE, NULL);
		return;
	}
	answer->result = response.result;
	if (response.error != SYNOD_OK)
		copy_text(response.result, answer->text, sizeof answer->text);
	settle(target, response.error, NULL);
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct target *target = connection->owner;
	char text[CONTACT_TEXT_MAX];
	int error;

	if (target->is_done)
		return SYNOD_OK;
	if (frame->type == FRAME_REFUSED) {
		error = connection_refusal(frame, text, sizeof text);
		settle(target, error != SYNOD_OK ? error : SYNOD_BAD_MESSAGE, text);
	} else if (!connection->is_up && frame->type == FRAME_HELLO) {
		on_hello(target, frame);
	} else if (!connection->is_up) {
		settle(target, SYNOD_BAD_MESSAGE, "it does not greet as a member of Synod does");
	} else if (frame->type == FRAME_RESPONSE) {
		on_response(target, frame);
	}
	return SYNOD_OK;
}

static void
leave(struct round *round)
{
	if (--round->open_count == 0)
		waiter_finish(&round->waiter, SYNOD_OK, NULL);
}

static void
on_closed(struct connection *connection, int error)
{
	struct target *target = connection->owner;

	target->connection = NULL;
	settle(target, error, error_text(error));
	connection_release(connection);
	leave(target->round);
}

static const struct connection_handler connection_handler = {on_frame, on_closed};

/* ---- the actor ---- */

static void
dial(struct target *target, uint64_t now_ms)
{
	struct round *round = target->round;
	unsigned timeout_ms =
		round->timeout_ms < CONTACT_DIAL_MS ? round->timeout_ms : CONTACT_DIAL_MS;
	struct connection *connection;
	int error = connection_dial(round->synod->transport, target->answer->address, timeout_ms,
	                            round->actor, &connection_handler, target, FRAME_CLIENT_MAX,
	                            now_ms, &connection);

	if (error != SYNOD_OK) {
		settle(target, error, error_text(error));
		return;
	}
	target->connection = connection;
	round->open_count++;
	send_hello(target);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct round *round = owner;
	uint64_t now_ms = clock_now_ms(round->synod->clock);

	if (connection_is_item(item)) {
		connection_on_item(item, now_ms);
	} else if (item->kind == ASK_ITEM_START) {
		for (unsigned i = 0; i < round->count; i++)
			dial(&round->targets[i], now_ms);
		leave(round);
	} else {
		for (unsigned i = 0; i < round->count; i++)
			settle(&round->targets[i], SYNOD_TIMEOUT, error_text(SYNOD_TIMEOUT));
	}
}

static const struct actor_handler actor_handler = {on_item, NULL};

static void
on_timer(void *context)
{
	struct round *round = context;

	actor_post(round->actor, &round->timeout_item);
}

/* The answers come outside the application's loop and do not wake it: look for them now and then.
 */
static void
wait_for_answers(struct round *round)
{
	struct loop *loop = round->synod->loop;

	while (loop != NULL && !waiter_is_done(&round->waiter))
		loop_turn(loop, loop_turns(loop), LOOK_MS);
	waiter_wait(&round->waiter);
}

static void
run(struct round *round)
{
	round->start_item.kind = ASK_ITEM_START;
	round->timeout_item.kind = ASK_ITEM_TIMEOUT;
	round->open_count = 1; /* until all have been dialled */
	waiter_init(&round->waiter, false);
	round->timer->ops->timer_set(round->timer, round->timeout_ms);
	actor_post(round->actor, &round->start_item);
	wait_for_answers(round);
}

int
ask(struct synod *synod, struct answer *answers, unsigned count, uint8_t op, struct slice body,
    unsigned timeout_ms)
{
	struct round round = {
		.synod = synod, .count = count, .op = op, .body = body, .timeout_ms = timeout_ms};
	struct transport *transport = synod->transport;

	round.targets = calloc(count, sizeof *round.targets);
	round.timer = transport->ops->timer_new(transport, on_timer, &round);
	round.actor = actor_new("synod-ask", ACTOR_STRAND, &actor_handler, &round);
	for (unsigned i = 0; round.targets != NULL && i < count; i++)
		round.targets[i] = (struct target){.round = &round, .answer = &answers[i]};
	if (round.targets != NULL && round.timer != NULL && round.actor != NULL)
		run(&round);
	else
		count = 0;
	if (round.timer != NULL)
		round.timer->ops->timer_free(round.timer);
	actor_free(round.actor);
	if (round.waiter.is_done)
		waiter_fini(&round.waiter);
	free(round.targets);
	return count > 0 ? SYNOD_OK : SYNOD_NO_MEMORY;
}

void
answer_fini(struct answer *answer)
{
	buffer_fini(&answer->frame);
}

int
ask_all(struct synod *synod, uint8_t op, struct slice body, unsigned timeout_ms,
        struct answer **answers, unsigned *count)
{
	*count = endpoints_count(&synod->endpoints);
	*answers = calloc(*count, sizeof **answers);
	if (*answers == NULL)
		return SYNOD_NO_MEMORY;
	for (unsigned i = 0; i < *count; i++)
		(*answers)[i].address = endpoints_at(&synod->endpoints, i);
	return ask(synod, *answers, *count, op, body, timeout_ms);
}

void
answers_free(struct answer *answers, unsigned count)
{
	for (unsigned i = 0; answers != NULL && i < count; i++)
		answer_fini(&answers[i]);
	free(answers);
}

int
ask_check(struct synod *synod, const void *result)
{
	if (synod == NULL || result == NULL || session_is_in_callback())
		return SYNOD_BAD_ARGUMENT;
	if (atomic_load(&synod->is_closing))
		return SYNOD_CLOSED;
	return synod->mode == ACTOR_MANUAL && synod->loop == NULL ? SYNOD_UNSUPPORTED : SYNOD_OK;
}

unsigned
ask_timeout_ms(unsigned timeout_ms)
{
	return timeout_ms != 0 ? timeout_ms : TIMEOUT_DEFAULT_MS;
}
