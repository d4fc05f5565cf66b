/* Applying commands: exactly once, in order, whatever the bytes. */
#include "tests/unit/namespace/fixture.h"

/* Send the write of SEQ (again). */
static int
put_as(struct fixture *fixture, uint64_t seq, uint64_t acknowledged, const char *path,
       const char *data)
{
	fixture->seq = seq - 1;
	fixture->acknowledged = acknowledged;
	return write_node(fixture, OP_PUT, OP_WITH_STAT, path, data);
}

static void
gives_a_repeated_write_the_same_answer(void **state)
{
	struct fixture fixture;
	uint64_t revision;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(put_as(&fixture, 1, 0, "/a", "1"), SYNOD_OK);
	revision = fixture.applied.revision;
	assert_int_equal(put_as(&fixture, 2, 0, "/a", "2"), SYNOD_OK);
	assert_int_equal(put_as(&fixture, 1, 0, "/a", "1"), SYNOD_OK);
	assert_true(fixture.applied.revision == revision);
	assert_int_equal(written(&fixture).version, 0);
	assert_true(written(&fixture).stat.modified == revision);
	assert_data(&fixture, "/a", "2");
	fixture_close(&fixture);
}

static void
gives_a_repeated_failure_the_same_answer(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(put_as(&fixture, 1, 0, "/p/a", "1"), SYNOD_NO_PARENT);
	assert_int_equal(put_as(&fixture, 2, 0, "/p", "1"), SYNOD_OK);
	assert_int_equal(put_as(&fixture, 1, 0, "/p/a", "1"), SYNOD_NO_PARENT);
	assert_int_equal(fixture.applied.revision, 1);
	assert_false(exists(&fixture, "/p/a"));
	fixture_close(&fixture);
}

static void
remembers_answers_across_a_restart(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put_as(&fixture, 1, 0, "/a", "1");
	put_as(&fixture, 2, 0, "/a", "2");
	put_as(&fixture, 3, 1, "/a", "3");
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(put_as(&fixture, 2, 1, "/a", "2"), SYNOD_OK);
	assert_int_equal(written(&fixture).version, 1);
	assert_int_equal(put_as(&fixture, 4, 1, "/a", "4"), SYNOD_OK);
	assert_int_equal(written(&fixture).version, 3);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
refuses_what_skips_a_write(void **state)
{
	struct fixture fixture;
	struct state_hash hash;

	(void)state;
	fixture_open(&fixture);
	put_as(&fixture, 1, 0, "/a", "1");
	hash = namespace_hash(fixture.namespace);
	assert_int_equal(put_as(&fixture, 3, 1, "/a", "3"), SYNOD_OUT_OF_ORDER);
	assert_true(hash_equal(hash, namespace_hash(fixture.namespace)));
	assert_int_equal(put_as(&fixture, 2, 0, "/a", "2"), SYNOD_OK);
	assert_int_equal(put_as(&fixture, 3, 1, "/a", "3"), SYNOD_OK);
	fixture_close(&fixture);
}

static void
forgets_what_was_acknowledged(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put_as(&fixture, 1, 0, "/a", "1");
	put_as(&fixture, 2, 1, "/a", "2");
	assert_int_equal(put_as(&fixture, 1, 0, "/a", "1"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(put_as(&fixture, 3, 3, "/a", "3"), SYNOD_BAD_ARGUMENT);
	assert_int_equal(put_as(&fixture, 3, 2, "/a", "3"), SYNOD_OK);
	fixture_close(&fixture);
}

static void
is_busy_when_the_window_is_full(void **state)
{
	struct fixture fixture;
	struct state_hash hash;

	(void)state;
	fixture_open(&fixture);
	for (uint64_t seq = 1; seq <= SESSION_WINDOW; seq++)
		assert_int_equal(put_as(&fixture, seq, 0, "/a", "x"), SYNOD_OK);
	hash = namespace_hash(fixture.namespace);
	assert_int_equal(put_as(&fixture, SESSION_WINDOW + 1, 0, "/a", "x"), SYNOD_BUSY);
	assert_true(hash_equal(hash, namespace_hash(fixture.namespace)));
	assert_int_equal(put_as(&fixture, SESSION_WINDOW + 1, 1, "/a", "x"), SYNOD_OK);
	assert_int_equal(put_as(&fixture, SESSION_WINDOW + 2, 1, "/a", "x"), SYNOD_BUSY);
	fixture_close(&fixture);
}

static void
keeps_an_answer_to_a_malformed_write(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_body(&fixture, OP_PUT, slice_of("\x90")), SYNOD_BAD_MESSAGE);
	assert_int_equal(put_as(&fixture, 2, 0, "/a", "x"), SYNOD_OK);
	assert_int_equal(put_as(&fixture, 1, 0, "/a", "x"), SYNOD_BAD_MESSAGE);
	fixture_close(&fixture);
}

/* A write that the leader refuses to propose still uses up its seq: the refusal is its answer. */
static void
keeps_a_refusal_as_the_answer(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(write_body(&fixture, OP_REFUSED, slice_of("\x14")), SYNOD_BAD_PATH);
	assert_int_equal(write_body(&fixture, OP_REFUSED, slice_of("\xcd\x7f\xff")),
	                 SYNOD_BAD_MESSAGE); /* an error that nobody knows */
	assert_int_equal(put_as(&fixture, 3, 0, "/a", "x"), SYNOD_OK);
	assert_int_equal(put_as(&fixture, 1, 0, "/a", "x"), SYNOD_BAD_PATH);
	assert_int_equal(stat_of(&fixture, "/a").version, 0);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
refuses_writes_that_are_none(void **state)
{
	struct fixture fixture;
	struct state_hash hash;

	(void)state;
	fixture_open(&fixture);
	hash = namespace_hash(fixture.namespace);
	assert_int_equal(write_body(&fixture, OP_GET, slice_of("\x90")), SYNOD_UNSUPPORTED);
	assert_int_equal(write_body(&fixture, 200, slice_of("\x90")), SYNOD_UNSUPPORTED);
	fixture.seq = UINT64_MAX; /* so that the next one is 0 */
	assert_int_equal(put(&fixture, "/a", "x"), SYNOD_BAD_ARGUMENT);
	assert_true(hash_equal(hash, namespace_hash(fixture.namespace)));
	fixture_close(&fixture);
}

static void
skips_values_that_are_no_commands(void **state)
{
	struct fixture fixture;
	struct cursor cursor;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(apply_value(&fixture, slice_of("rubbish")), SYNOD_BAD_MESSAGE);
	cursor_init(&cursor, buffer_slice(&fixture.result));
	assert_true(cursor_nil(&cursor));
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	assert_int_equal(apply_value(&fixture, absent()), SYNOD_BAD_MESSAGE);
	assert_true(namespace_applied(fixture.namespace) == fixture.slot);
	assert_int_equal(namespace_skip(fixture.namespace, ++fixture.slot), SYNOD_OK);
	assert_true(namespace_applied(fixture.namespace) == fixture.slot);
	assert_int_equal(put(&fixture, "/a", "x"), SYNOD_OK);
	fixture_close(&fixture);
}

static void
never_turns_the_clusters_time_back(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	fixture.uptime_ms = 500;
	put(&fixture, "/a", "x");
	fixture.uptime_ms = 400;
	put(&fixture, "/a", "x");
	assert_int_equal(namespace_uptime_ms(fixture.namespace), 500);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(namespace_uptime_ms(fixture.namespace), 500);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_a_repeated_write_the_same_answer),
		cmocka_unit_test(gives_a_repeated_failure_the_same_answer),
		cmocka_unit_test(remembers_answers_across_a_restart),
		cmocka_unit_test(refuses_what_skips_a_write),
		cmocka_unit_test(forgets_what_was_acknowledged),
		cmocka_unit_test(is_busy_when_the_window_is_full),
		cmocka_unit_test(keeps_an_answer_to_a_malformed_write),
		cmocka_unit_test(keeps_a_refusal_as_the_answer),
		cmocka_unit_test(refuses_writes_that_are_none),
		cmocka_unit_test(skips_values_that_are_no_commands),
		cmocka_unit_test(never_turns_the_clusters_time_back),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
