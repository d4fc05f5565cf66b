/* The flusher: every connection that was written to is flushed, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "server/flusher.h"
#include "tests/support/sink.h"

static void
say(struct flusher *flusher, struct sink *sink)
{
	connection_write(sink->connection, slice_of("x"));
	flusher_touch(flusher, sink->connection);
}

static void
what_is_written_meanwhile_leaves_in_one_send(void **state)
{
	struct flusher flusher = {0};
	struct sink one, other;

	(void)state;
	sink_init(&one);
	sink_init(&other);
	say(&flusher, &one);
	say(&flusher, &other);
	say(&flusher, &one);
	assert_int_equal(one.flush_count + other.flush_count, 0);
	flusher_flush(&flusher);
	assert_int_equal(one.sent.size, 2);
	assert_int_equal(one.flush_count, 1);
	assert_int_equal(other.sent.size, 1);
	assert_int_equal(other.flush_count, 1);
	say(&flusher, &one);
	flusher_flush(&flusher);
	assert_int_equal(one.flush_count, 2);
	assert_int_equal(other.flush_count, 1);
	sink_fini(&one);
	sink_fini(&other);
}

/* It keeps the connection alive until then, and no longer. */
static void
a_connection_is_held_while_it_is_to_be_flushed(void **state)
{
	struct flusher flusher = {0};
	struct sink sink;

	(void)state;
	sink_init(&sink);
	say(&flusher, &sink);
	say(&flusher, &sink);
	assert_int_equal(sink.connection->references, 3);
	flusher_flush(&flusher);
	assert_int_equal(sink.connection->references, 2);
	sink_fini(&sink);
}

static void
more_connections_than_fit_are_flushed_at_once(void **state)
{
	static struct sink sinks[FLUSHER_MAX + 1];
	struct flusher flusher = {0};

	(void)state;
	for (unsigned i = 0; i <= FLUSHER_MAX; i++)
		sink_init(&sinks[i]);
	for (unsigned i = 0; i < FLUSHER_MAX; i++)
		say(&flusher, &sinks[i]);
	assert_int_equal(sinks[0].flush_count, 0);
	say(&flusher, &sinks[FLUSHER_MAX]);
	for (unsigned i = 0; i < FLUSHER_MAX; i++)
		assert_int_equal(sinks[i].flush_count, 1);
	assert_int_equal(sinks[FLUSHER_MAX].flush_count, 0);
	flusher_flush(&flusher);
	for (unsigned i = 0; i <= FLUSHER_MAX; i++) {
		assert_int_equal(sinks[i].flush_count, 1);
		sink_fini(&sinks[i]);
	}
}

/* Connections whose ids fall on the same place, in any order, many times. */
static void
each_is_flushed_once_however_often_it_is_written_to(void **state)
{
	static struct sink sinks[500];
	struct flusher flusher = {0};

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		sink_init(&sinks[i]);
		sinks[i].connection->id = 7 + (i % 50) * FLUSHER_MAX;
	}
	for (unsigned round = 1; round <= 3; round++) {
		for (unsigned i = 0; i < 1500; i++)
			say(&flusher, &sinks[i * 7 % 500]);
		flusher_flush(&flusher);
		for (unsigned i = 0; i < 500; i++)
			assert_int_equal(sinks[i].flush_count, round);
	}
	for (unsigned i = 0; i < 500; i++)
		sink_fini(&sinks[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_meanwhile_leaves_in_one_send),
		cmocka_unit_test(a_connection_is_held_while_it_is_to_be_flushed),
		cmocka_unit_test(each_is_flushed_once_however_often_it_is_written_to),
		cmocka_unit_test(more_connections_than_fit_are_flushed_at_once),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
