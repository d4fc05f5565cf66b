/* The table of sessions. */
#include "tests/unit/namespace/fixture.h"

#define COUNT 500

static uint64_t
open_numbered(struct fixture *fixture, uint64_t number)
{
	struct command command = {.type = COMMAND_CLIENT, .op = OP_SESSION_OPEN};
	struct buffer body = BUFFER_EMPTY;
	uint8_t secret_hash[32] = {9};

	memcpy(secret_hash + 8, &number, sizeof number); /* all in one bucket by secret */
	pack_array(&body, 2);
	pack_u64(&body, 2000 + number);
	pack_binary(&body, (struct slice){secret_hash, sizeof secret_hash});
	command.body = buffer_slice(&body);
	assert_int_equal(apply(fixture, &command), SYNOD_OK);
	buffer_fini(&body);
	return fixture->applied.session_opened;
}

struct seen {
	uint64_t last;
	unsigned count;
};

static void
see(void *context, uint64_t session, uint64_t generation, uint64_t timeout_ms)
{
	struct seen *seen = context;

	assert_true(session > seen->last);
	assert_int_equal(generation, 1);
	assert_true(timeout_ms >= SESSION_TIMEOUT_MIN_MS);
	seen->last = session;
	seen->count++;
}

static unsigned
count_sessions(struct fixture *fixture)
{
	struct seen seen = {0};

	assert_int_equal(namespace_each_session(fixture->namespace, see, &seen), SYNOD_OK);
	assert_int_equal(seen.count, namespace_sessions(fixture->namespace));
	return seen.count;
}

static void
holds_many_and_gives_them_in_order(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	for (uint64_t i = 0; i < COUNT; i++)
		open_numbered(&fixture, i);
	assert_int_equal(count_sessions(&fixture), COUNT + 1);
	assert_hash_is_true(&fixture);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(count_sessions(&fixture), COUNT + 1);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
ends_some_between_commits(void **state)
{
	struct fixture fixture;
	uint64_t ids[COUNT];

	(void)state;
	fixture_open(&fixture);
	for (uint64_t i = 0; i < COUNT; i++) {
		ids[i] = open_numbered(&fixture, i);
		if (i == COUNT / 2)
			commit(&fixture);
	}
	for (unsigned i = 0; i < COUNT; i += 3) {
		fixture.session = ids[i];
		fixture.seq = 0;
		assert_int_equal(write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90")),
		                 SYNOD_OK);
	}
	assert_int_equal(count_sessions(&fixture), COUNT + 1 - (COUNT + 2) / 3);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(count_sessions(&fixture), COUNT + 1 - (COUNT + 2) / 3);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
refuses_a_damaged_row(void **state)
{
	struct fixture fixture;
	char why[256];

	(void)state;
	fixture_open(&fixture);
	commit(&fixture);
	namespace_close(fixture.namespace);
	execute(fixture.db, "UPDATE session SET seq = 3");
	assert_int_equal(namespace_open(&fixture.namespace, fixture.db, NULL, why), SYNOD_CORRUPT);
	assert_null(fixture.namespace);
	assert_string_equal(why, "the row of a session is damaged");
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_many_and_gives_them_in_order),
		cmocka_unit_test(ends_some_between_commits),
		cmocka_unit_test(refuses_a_damaged_row),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
