/* Connections: frames whole and in pieces, refusals, and lifetimes, over a scripted stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/connection.h"
#include "shared/error.h"

#define BODY_MAX 100000

/* ---- a stream without a network ---- */

struct fake_stream {
	struct stream base;
	const struct stream_handler *handler;
	void *context;
	struct buffer written;
	unsigned receive_count;
	unsigned flush_count;
	unsigned references;
	bool is_finished;
	bool is_closed;
	uint8_t *handed; /* what on_data handed over: freed when given back, so that ASan sees
	                    misuse */
};

static void
fake_start(struct stream *stream, const struct stream_handler *handler, void *context)
{
	struct fake_stream *fake = (struct fake_stream *)stream;

	fake->handler = handler;
	fake->context = context;
}

static void
fake_receive(struct stream *stream)
{
	struct fake_stream *fake = (struct fake_stream *)stream;

	free(fake->handed);
	fake->handed = NULL;
	fake->receive_count++;
}

static void
fake_write(struct stream *stream, struct slice bytes)
{
	buffer_append(&((struct fake_stream *)stream)->written, bytes.bytes, bytes.size);
}

static void
fake_flush(struct stream *stream)
{
	((struct fake_stream *)stream)->flush_count++;
}

static void
fake_close(struct stream *stream)
{
	struct fake_stream *fake = (struct fake_stream *)stream;

	if (fake->is_closed)
		return;
	fake->is_closed = true;
	fake->handler->on_close(fake->context, SYNOD_CLOSED);
}

static void
fake_finish(struct stream *stream)
{
	((struct fake_stream *)stream)->is_finished = true;
}

static void
fake_release(struct stream *stream)
{
	((struct fake_stream *)stream)->references--;
}

static const struct transport_ops fake_ops = {
	.start = fake_start,
	.receive = fake_receive,
	.write = fake_write,
	.flush = fake_flush,
	.close = fake_close,
	.finish = fake_finish,
	.release = fake_release,
};

/* ---- the world of one test ---- */

struct world {
	struct actor *actor;
	struct fake_stream stream;
	struct connection *connection;
	unsigned frame_count;
	size_t last_size;
	uint8_t last_type;
	uint64_t checksum;
	int answer;  /* of on_frame */
	bool closes; /* on_frame closes the connection */
	unsigned closed_count;
	int closed_error;
};

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct world *w = connection->owner;

	w->frame_count++;
	w->last_size = frame->body.size;
	w->last_type = frame->type;
	for (size_t i = 0; i < frame->body.size; i++)
		w->checksum = w->checksum * 31 + frame->body.bytes[i];
	if (w->closes)
		connection_close(connection);
	return w->answer;
}

static void
on_closed(struct connection *connection, int error)
{
	struct world *w = connection->owner;

	w->closed_count++;
	w->closed_error = error;
	connection_release(connection);
}

static const struct connection_handler handler = {on_frame, on_closed};

static void
on_item(void *owner, struct actor_item *item)
{
	(void)owner;
	assert_true(connection_is_item(item));
	connection_on_item(item, 42);
}

static const struct actor_handler actor_handler = {on_item, NULL};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->actor = actor_new("test", ACTOR_MANUAL, &actor_handler, w);
	w->stream.base.ops = &fake_ops;
	w->stream.references = 1;
	w->connection = connection_accept(&w->stream.base, w->actor, &handler, w, BODY_MAX, 7);
	*state = w;
	return 0;
}

/* Whatever the test left: the connection ends once, and nothing of it stays. */
static int
tear_down(void **state)
{
	struct world *w = *state;

	fake_close(&w->stream.base);
	actor_run(w->actor);
	actor_free(w->actor);
	assert_int_equal(1, w->closed_count);
	assert_int_equal(0, w->stream.references);
	free(w->stream.handed);
	buffer_fini(&w->stream.written);
	free(w);
	return 0;
}

static void
arrive(struct world *w, struct slice bytes)
{
	w->stream.handed = malloc(bytes.size);
	memcpy(w->stream.handed, bytes.bytes, bytes.size);
	w->stream.handler->on_data(w->stream.context, (struct slice){w->stream.handed, bytes.size});
	actor_run(w->actor);
}

static void
append_frame(struct buffer *out, uint8_t type, size_t size)
{
	size_t begin = frame_begin(out, type);

	for (size_t i = 0; i < size; i++)
		buffer_append(out, &(uint8_t){(uint8_t)(i * 7 + size)}, 1);
	frame_end(out, begin);
}

/* The error in the REFUSED that was written, and its text. */
static int
refusal(struct world *w, char *text, size_t size)
{
	struct frame frame;
	size_t used;

	assert_int_equal(SYNOD_OK,
	                 frame_parse(buffer_slice(&w->stream.written), BODY_MAX, &frame, &used));
	assert_int_equal(FRAME_REFUSED, frame.type);
	assert_int_equal(w->stream.written.size, used);
	return connection_refusal(&frame, text, size);
}

static void
assert_refused(struct world *w, int error)
{
	char text[100];

	assert_int_equal(error, refusal(w, text, sizeof text));
	assert_string_equal(error_text(error), text);
	assert_true(w->stream.is_finished);
	assert_true(w->connection->is_closing);
}

/* ---- tests ---- */

static void
delivers_all_frames_of_one_arrival(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_PING, 0);
	append_frame(&out, FRAME_REQUEST, 300);
	append_frame(&out, 200, 5);
	arrive(w, buffer_slice(&out));
	assert_int_equal(3, w->frame_count);
	assert_int_equal(200, w->last_type);
	assert_int_equal(5, w->last_size);
	assert_int_equal(1, w->stream.receive_count);
	assert_int_equal(7, w->connection->opened_ms);
	assert_int_equal(42, w->connection->heard_ms);
	buffer_fini(&out);
}

static void
puts_frames_together_however_they_are_cut(void **state)
{
	static const size_t cuts[] = {1, 2, 3, 5, 15, 16, 17, 100, 331, 5000};
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;
	uint64_t expected;

	append_frame(&out, FRAME_REQUEST, 300);
	append_frame(&out, FRAME_REQUEST, 0);
	append_frame(&out, FRAME_REQUEST, 4000);
	append_frame(&out, FRAME_REQUEST, 1);
	arrive(w, buffer_slice(&out));
	expected = w->checksum;
	for (unsigned i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		w->checksum = 0;
		w->frame_count = 0;
		for (size_t at = 0; at < out.size; at += cuts[i])
			arrive(w,
			       (struct slice){out.bytes + at,
			                      out.size - at < cuts[i] ? out.size - at : cuts[i]});
		assert_int_equal(4, w->frame_count);
		assert_true(expected == w->checksum);
	}
	assert_int_equal(0, w->connection->partial.size);
	buffer_fini(&out);
}

static void
keeps_no_large_buffer_after_a_large_frame(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_REQUEST, BODY_MAX);
	arrive(w, (struct slice){out.bytes, out.size - 1});
	assert_int_equal(0, w->frame_count);
	assert_true(w->connection->partial.capacity >= out.size - 1);
	arrive(w, (struct slice){out.bytes + out.size - 1, 1});
	assert_int_equal(1, w->frame_count);
	assert_int_equal(BODY_MAX, w->last_size);
	assert_int_equal(0, w->connection->partial.capacity);
	buffer_fini(&out);
}

static void
copies_no_more_than_the_frame_that_was_cut(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;
	size_t first;

	append_frame(&out, FRAME_REQUEST, 100);
	first = out.size;
	append_frame(&out, FRAME_REQUEST, 50000);
	arrive(w, (struct slice){out.bytes, 20});
	arrive(w, (struct slice){out.bytes + 20, out.size - 20});
	assert_int_equal(2, w->frame_count);
	assert_true(w->connection->partial.capacity < 4 * first);
	buffer_fini(&out);
}

static void
refuses_garbage(void **state)
{
	struct world *w = *state;

	arrive(w, slice_of("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	assert_int_equal(0, w->frame_count);
	assert_refused(w, SYNOD_BAD_MESSAGE);
}

static void
refuses_garbage_that_comes_byte_by_byte(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < FRAME_HEADER_SIZE; i++)
		arrive(w, slice_of("x"));
	assert_refused(w, SYNOD_BAD_MESSAGE);
	assert_int_equal(FRAME_HEADER_SIZE, w->stream.receive_count);
}

static void
refuses_a_wrong_checksum(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_REQUEST, 30);
	out.bytes[20] ^= 1;
	arrive(w, buffer_slice(&out));
	assert_int_equal(0, w->frame_count);
	assert_refused(w, SYNOD_BAD_MESSAGE);
	buffer_fini(&out);
}

static void
refuses_a_huge_length_before_the_body_comes(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_REQUEST, BODY_MAX + 1);
	arrive(w, (struct slice){out.bytes, FRAME_HEADER_SIZE});
	assert_refused(w, SYNOD_TOO_LARGE);
	assert_true(w->connection->partial.capacity < 1024);
	buffer_fini(&out);
}

static void
refuses_with_the_error_of_the_handler_and_delivers_no_more(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_REQUEST, 1);
	append_frame(&out, FRAME_REQUEST, 2);
	w->answer = SYNOD_UNSUPPORTED;
	arrive(w, buffer_slice(&out));
	assert_int_equal(1, w->frame_count);
	assert_refused(w, SYNOD_UNSUPPORTED);
	arrive(w, buffer_slice(&out));
	assert_int_equal(1, w->frame_count);
	assert_int_equal(2, w->stream.receive_count); /* bytes are given back all the same */
	fake_close(&w->stream.base);
	actor_run(w->actor);
	assert_int_equal(SYNOD_UNSUPPORTED, w->closed_error);
	buffer_fini(&out);
}

static void
says_why_it_refuses_once(void **state)
{
	struct world *w = *state;
	char text[8];

	connection_refuse(w->connection, SYNOD_WRONG_CLUSTER, "another one");
	connection_refuse(w->connection, SYNOD_BUSY, "again");
	assert_int_equal(SYNOD_WRONG_CLUSTER, refusal(w, text, sizeof text));
	assert_string_equal("another", text);
}

static void
can_be_closed_inside_its_own_handler(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_REQUEST, 1);
	append_frame(&out, FRAME_REQUEST, 2);
	w->closes = true;
	w->answer = SYNOD_BUSY; /* too late for a refusal */
	arrive(w, buffer_slice(&out));
	assert_int_equal(1, w->frame_count);
	assert_int_equal(1, w->closed_count);
	assert_int_equal(SYNOD_CLOSED, w->closed_error);
	assert_int_equal(0, w->stream.written.size);
	assert_int_equal(1, w->stream.receive_count);
	buffer_fini(&out);
}

static void
can_be_closed_inside_its_handler_of_a_frame_in_pieces(void **state)
{
	struct world *w = *state;
	struct buffer out = BUFFER_EMPTY;

	append_frame(&out, FRAME_REQUEST, 40);
	append_frame(&out, FRAME_REQUEST, 40);
	w->closes = true;
	arrive(w, (struct slice){out.bytes, 10});
	arrive(w, (struct slice){out.bytes + 10, out.size - 10});
	assert_int_equal(1, w->frame_count);
	assert_int_equal(1, w->closed_count);
	buffer_fini(&out);
}

static void
outlives_its_stream_for_those_who_retain_it(void **state)
{
	struct world *w = *state;
	struct connection *mine = connection_retain(w->connection);

	fake_close(&w->stream.base);
	actor_run(w->actor);
	assert_int_equal(1, w->closed_count);
	assert_int_equal(1, w->stream.references);
	connection_write(mine, slice_of("x"));
	connection_flush(mine);
	connection_release(mine);
}

static void
reads_refusals_that_make_no_sense(void **state)
{
	static const uint8_t short_body[] = {0x91, 0x05};
	static const uint8_t no_text[] = {0x92, 0x05, 0x06};
	static const uint8_t huge_error[] = {0x92, 0xce, 0xff, 0xff, 0xff, 0xff, 0xa1, 'x'};
	static const uint8_t longer[] = {0x93, 0x05, 0xa1, 'x', 0x07};
	struct frame frame = {.type = FRAME_REFUSED};
	char text[64];

	(void)state;
	frame.body = (struct slice){short_body, sizeof short_body};
	assert_int_equal(SYNOD_BAD_MESSAGE, connection_refusal(&frame, text, sizeof text));
	frame.body = (struct slice){no_text, sizeof no_text};
	assert_int_equal(SYNOD_BAD_MESSAGE, connection_refusal(&frame, text, sizeof text));
	frame.body = (struct slice){huge_error, sizeof huge_error};
	assert_int_equal(SYNOD_BAD_MESSAGE, connection_refusal(&frame, text, sizeof text));
	frame.body = (struct slice){NULL, 0};
	assert_int_equal(SYNOD_BAD_MESSAGE, connection_refusal(&frame, text, sizeof text));
	frame.body = (struct slice){longer, sizeof longer};
	assert_int_equal(5, connection_refusal(&frame, text, sizeof text));
	assert_string_equal("x", text);
}

/* ---- listening, on a real network ---- */

struct heard {
	struct actor *actor;
	struct connection_listener listener;
	struct transport *transport;
	struct connection *accepted, *dialled;
	unsigned frame_count;
	unsigned closed_count;
	bool is_unheard;
};

static int
heard_on_frame(struct connection *connection, const struct frame *frame)
{
	struct heard *h = connection->owner;

	assert_int_equal(FRAME_PING, frame->type);
	h->frame_count++;
	return SYNOD_OK;
}

static void
heard_on_closed(struct connection *connection, int error)
{
	struct heard *h = connection->owner;

	(void)error;
	h->closed_count++;
	connection_release(connection);
}

static const struct connection_handler heard_handler = {heard_on_frame, heard_on_closed};

static void
heard_on_stream(void *owner, struct stream *stream, uint64_t now_ms)
{
	struct heard *h = owner;

	h->accepted = connection_accept(stream, h->actor, &heard_handler, h, BODY_MAX, now_ms);
}

static void
heard_on_unheard(void *owner)
{
	((struct heard *)owner)->is_unheard = true;
}

#define run_until(condition)                                                                       \
	do {                                                                                       \
		for (unsigned i = 0; i < 50000 && !(condition); i++) {                             \
			actor_run(h.actor);                                                        \
			usleep(200);                                                               \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

static void
carries_frames_over_a_real_network(void **state)
{
	struct heard h = {0};
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	h.actor = actor_new("test", ACTOR_MANUAL, &actor_handler, &h);
	h.transport = transport_nng_new();
	h.listener = (struct connection_listener){
		h.actor, heard_on_stream, heard_on_unheard, &h, NULL, {0}};
	assert_int_equal(SYNOD_OK, connection_listen(&h.listener, h.transport, "127.0.0.1:0"));
	assert_int_equal(SYNOD_OK,
	                 connection_dial(h.transport, connection_listener_address(&h.listener),
	                                 1000, h.actor, &heard_handler, &h, BODY_MAX, 0,
	                                 &h.dialled));
	append_frame(&out, FRAME_PING, 90000);
	connection_write(h.dialled, buffer_slice(&out)); /* before the dial is through */
	connection_flush(h.dialled);
	run_until(h.frame_count == 1);
	connection_write(h.accepted, buffer_slice(&out));
	connection_flush(h.accepted);
	run_until(h.frame_count == 2);
	connection_close(h.dialled);
	run_until(h.closed_count == 2);
	connection_unlisten(&h.listener);
	run_until(h.is_unheard);
	actor_free(h.actor);
	h.transport->ops->free(h.transport);
	buffer_fini(&out);
}

/* ---- many connections between two strands, closed at random while frames fly ---- */

#define CROWD       32
#define CROWD_TURNS 200

struct strand {
	struct actor *actor;
	struct connection_listener listener;
	struct connection *written[CROWD]; /* to be flushed when idle */
	unsigned written_count;
	unsigned seed;
	unsigned closer; /* one frame in so many closes its connection in some way */
	atomic_uint open_count;
	atomic_uint closed_count;
	atomic_uint frame_count;
	atomic_bool is_unheard;
};

static int
strand_on_frame(struct connection *connection, const struct frame *frame)
{
	struct strand *strand = connection->owner;
	struct buffer out = BUFFER_EMPTY;
	int answer = SYNOD_OK;

	if (frame->type == FRAME_REFUSED) {
		connection_close(connection);
		return SYNOD_OK;
	}
	atomic_fetch_add(&strand->frame_count, 1);
	append_frame(&out, FRAME_PING, (size_t)rand_r(&strand->seed) % 3000);
	connection_write(connection, buffer_slice(&out));
	buffer_fini(&out);
	if (strand->written_count < CROWD)
		strand->written[strand->written_count++] = connection_retain(connection);
	else
		connection_flush(connection);
	if ((unsigned)rand_r(&strand->seed) % strand->closer == 0) {
		switch (rand_r(&strand->seed) % 3) {
		case 0: connection_close(connection); break;
		case 1: connection_refuse(connection, SYNOD_BUSY, "enough"); break;
		default: answer = SYNOD_BAD_MESSAGE; break;
		}
	}
	return answer;
}

static void
strand_on_closed(struct connection *connection, int error)
{
	struct strand *strand = connection->owner;

	(void)error;
	connection_release(connection);
	atomic_fetch_add(&strand->closed_count, 1);
}

static const struct connection_handler strand_handler = {strand_on_frame, strand_on_closed};

static void
strand_on_stream(void *owner, struct stream *stream, uint64_t now_ms)
{
	struct strand *strand = owner;

	connection_accept(stream, strand->actor, &strand_handler, strand, BODY_MAX, now_ms);
	atomic_fetch_add(&strand->open_count, 1);
}

static void
strand_on_unheard(void *owner)
{
	atomic_store(&((struct strand *)owner)->is_unheard, true);
}

static void
strand_on_item(void *owner, struct actor_item *item)
{
	(void)owner;
	connection_on_item(item, 1);
}

static void
strand_on_idle(void *owner)
{
	struct strand *strand = owner;

	for (unsigned i = 0; i < strand->written_count; i++) {
		connection_flush(strand->written[i]);
		connection_release(strand->written[i]);
	}
	strand->written_count = 0;
}

static void
wait_for_count(atomic_uint *count, unsigned wanted)
{
	for (unsigned i = 0; i < 100000 && atomic_load(count) < wanted; i++)
		usleep(200);
	assert_int_equal(wanted, atomic_load(count));
}

static void
connections_between_strands_end_exactly_once(void **state)
{
	static const struct actor_handler strand_actor = {strand_on_item, strand_on_idle};
	struct transport *transport = transport_nng_new();
	struct strand server = {.seed = 1, .closer = CROWD_TURNS};
	struct strand visitors = {.seed = 2, .closer = CROWD_TURNS};
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	server.actor = actor_new("server", ACTOR_STRAND, &strand_actor, &server);
	visitors.actor = actor_new("visitors", ACTOR_STRAND, &strand_actor, &visitors);
	server.listener = (struct connection_listener){
		server.actor, strand_on_stream, strand_on_unheard, &server, NULL, {0}};
	assert_int_equal(SYNOD_OK, connection_listen(&server.listener, transport, "127.0.0.1:0"));
	append_frame(&out, FRAME_PING, 10);
	for (unsigned i = 0; i < CROWD; i++) {
		struct connection *connection;

		assert_int_equal(SYNOD_OK,
		                 connection_dial(transport,
		                                 connection_listener_address(&server.listener),
		                                 5000, visitors.actor, &strand_handler, &visitors,
		                                 BODY_MAX, 0, &connection));
		connection_retain(connection); /* the strand may release it at any time */
		connection_write(connection, buffer_slice(&out));
		connection_flush(connection);
		connection_release(connection);
	}
	wait_for_count(&visitors.closed_count, CROWD);
	wait_for_count(&server.closed_count, atomic_load(&server.open_count));
	connection_unlisten(&server.listener);
	while (!atomic_load(&server.is_unheard))
		usleep(200);
	actor_free(server.actor);
	actor_free(visitors.actor);
	transport->ops->free(transport);
	assert_int_equal(CROWD, atomic_load(&server.open_count));
	assert_true(atomic_load(&server.frame_count) > CROWD);
	buffer_fini(&out);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(delivers_all_frames_of_one_arrival),
		test(puts_frames_together_however_they_are_cut),
		test(keeps_no_large_buffer_after_a_large_frame),
		test(copies_no_more_than_the_frame_that_was_cut),
		test(refuses_garbage),
		test(refuses_garbage_that_comes_byte_by_byte),
		test(refuses_a_wrong_checksum),
		test(refuses_a_huge_length_before_the_body_comes),
		test(refuses_with_the_error_of_the_handler_and_delivers_no_more),
		test(says_why_it_refuses_once),
		test(can_be_closed_inside_its_own_handler),
		test(can_be_closed_inside_its_handler_of_a_frame_in_pieces),
		test(outlives_its_stream_for_those_who_retain_it),
		cmocka_unit_test(reads_refusals_that_make_no_sense),
		cmocka_unit_test(carries_frames_over_a_real_network),
		cmocka_unit_test(connections_between_strands_end_exactly_once),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
