/* The history. */
#include "tests/unit/namespace/living.h"

struct seen {
	uint64_t first;
	uint64_t last;
	uint64_t count;
	uint64_t stop_after;
};

static bool
see(void *context, const struct change *change)
{
	struct seen *seen = context;

	assert_true(change->revision >= seen->last);
	if (seen->count++ == 0)
		seen->first = change->revision;
	seen->last = change->revision;
	return seen->count != seen->stop_after;
}

static struct seen
look(struct fixture *fixture, uint64_t from)
{
	struct seen seen = {0};

	assert_int_equal(history_each(fixture->namespace, from, see, &seen), SYNOD_OK);
	return seen;
}

static void
write_many(struct fixture *fixture, unsigned count, size_t size)
{
	char *data = check_calloc(1, size + 1);

	memset(data, 'x', size);
	for (unsigned i = 0; i < count; i++) {
		fixture->acknowledged = fixture->seq;
		assert_int_equal(put(fixture, "/a", data), SYNOD_OK);
	}
	free(data);
}

static uint64_t
chunks(struct fixture *fixture)
{
	sqlite3_stmt *statement;
	uint64_t count;

	assert_int_equal(sqlite3_prepare_v2(fixture->db, "SELECT count(*) FROM change", -1,
	                                    &statement, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	count = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return count;
}

static void
gives_every_change_across_chunks_and_restarts(void **state)
{
	struct fixture fixture;
	uint64_t first;

	(void)state;
	fixture_open(&fixture);
	first = fixture.slot + 1;
	write_many(&fixture, 300, 200);
	commit(&fixture);
	assert_true(chunks(&fixture) > 3);
	write_many(&fixture, 10, 200);
	commit(&fixture);
	crash(&fixture);
	write_many(&fixture, 300, 200);
	assert_int_equal(look(&fixture, 0).count, 610);
	assert_true(look(&fixture, 0).first == first);
	assert_int_equal(look(&fixture, first + 305).count, 305);
	assert_true(look(&fixture, first + 305).first == first + 305);
	assert_int_equal(look(&fixture, fixture.slot + 1).count, 0);
	fixture_close(&fixture);
}

static void
stops_when_told(void **state)
{
	struct fixture fixture;
	struct seen seen = {.stop_after = 100};

	(void)state;
	fixture_open(&fixture);
	write_many(&fixture, 300, 200);
	assert_int_equal(history_each(fixture.namespace, 0, see, &seen), SYNOD_OK);
	assert_int_equal(seen.count, 100);
	fixture_close(&fixture);
}

/* Chunks differ in size, so a bound is kept to within two of them. */
static void
is_trimmed_by_count(void **state)
{
	struct namespace_options options = {.change_count_max = 200};
	struct fixture fixture;

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	write_many(&fixture, 2000, 200);
	assert_in_range(look(&fixture, 0).count, 200, 400);
	assert_true(look(&fixture, 0).first == fixture.namespace->history.from);
	assert_int_equal(look(&fixture, 0).count, fixture.namespace->history.count);
	fixture_close(&fixture);
}

static void
is_trimmed_by_bytes(void **state)
{
	struct namespace_options options = {.change_bytes_max = 100000};
	struct fixture fixture;

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	write_many(&fixture, 2000, 1000);
	assert_in_range(fixture.namespace->history.bytes, 100000, 140000);
	assert_in_range(look(&fixture, 0).count, 95, 140);
	fixture_close(&fixture);
}

static void
is_trimmed_by_age(void **state)
{
	struct namespace_options options = {.change_age_ms_max = 1000};
	struct fixture fixture;
	uint64_t written;

	(void)state;
	fixture_open_with(&fixture, ":memory:", &options);
	write_many(&fixture, 1000, 200);
	written = look(&fixture, 0).count;
	assert_int_equal(written, 1000);
	fixture.uptime_ms = 1001;
	write_many(&fixture, 100, 200);
	assert_in_range(look(&fixture, 0).count, 100, 200);
	commit(&fixture);
	crash(&fixture);
	fixture.uptime_ms = 5000;
	write_many(&fixture, 100, 200);
	assert_in_range(look(&fixture, 0).count, 100, 250);
	fixture_close(&fixture);
}

static void
refuses_a_damaged_chunk(void **state)
{
	struct fixture fixture;
	struct seen seen = {0};

	(void)state;
	fixture_open(&fixture);
	write_many(&fixture, 10, 200);
	commit(&fixture);
	execute(fixture.db, "UPDATE change SET changes = x'98c1'");
	assert_int_equal(history_each(fixture.namespace, 0, see, &seen), SYNOD_CORRUPT);
	assert_string_equal(namespace_why(fixture.namespace), "a chunk of the history is damaged");
	fixture_close(&fixture);
}

static void
keeps_the_changes_of_the_last_command(void **state)
{
	struct fixture fixture;
	char data[3000];
	unsigned closed = 0;

	(void)state;
	memset(data, 'x', sizeof data - 1);
	data[sizeof data - 1] = '\0';
	fixture_open(&fixture);
	assert_int_equal(last_change_count(&fixture), 0);
	for (unsigned i = 0; i < 40; i++) { /* some of them fill a chunk */
		uint64_t chunk = fixture.namespace->history.open.id;
		struct change change;

		put(&fixture, "/a", data);
		closed += fixture.namespace->history.open.id > chunk;
		assert_int_equal(last_change_count(&fixture), 1);
		change = last_change(&fixture, 0);
		assert_true(change.revision == fixture.slot);
		assert_int_equal(change.data.size, sizeof data - 1);
		assert_memory_equal(change.data.bytes, data, sizeof data - 1);
	}
	assert_in_range(closed, 3, 20);
	put(&fixture, "/b/c/d", "three");
	assert_int_equal(last_change_count(&fixture), 3);
	assert_true(slice_equal(last_change(&fixture, 2).path, slice_of("/b/c/d")));
	create(&fixture, "/b"); /* refused */
	assert_int_equal(last_change_count(&fixture), 0);
	put(&fixture, "/b", "x");
	namespace_skip(fixture.namespace, ++fixture.slot);
	assert_int_equal(last_change_count(&fixture), 0);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(last_change_count(&fixture), 0);
	assert_int_equal(namespace_history_from(fixture.namespace), 1);
	fixture_close(&fixture);
}

static void
keeps_nothing_of_a_transaction_that_fails(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a/b", "x");
	for (unsigned recursive = 0; recursive < 2; recursive++) {
		struct batch batch = {0};

		batch_add(&batch, THEN, OP_PUT, 0, "/c", "x");
		if (recursive)
			batch_add(&batch, THEN, OP_DELETE, OP_RECURSIVE, "/a", NULL);
		batch_add(&batch, THEN, OP_DELETE, 0, "/missing", NULL);
		assert_int_equal(batch_run(&fixture, &batch), SYNOD_NOT_FOUND);
		assert_int_equal(last_change_count(&fixture), 0);
		put(&fixture, "/c", "y");
		assert_int_equal(last_change_count(&fixture), 1);
	}
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_change_across_chunks_and_restarts),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(is_trimmed_by_count),
		cmocka_unit_test(is_trimmed_by_bytes),
		cmocka_unit_test(is_trimmed_by_age),
		cmocka_unit_test(refuses_a_damaged_chunk),
		cmocka_unit_test(keeps_the_changes_of_the_last_command),
		cmocka_unit_test(keeps_nothing_of_a_transaction_that_fails),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
