/* Members' facts. */
#include "tests/unit/namespace/fixture.h"

static int
record(struct fixture *fixture, uint64_t id, const char *name, const char *client)
{
	struct command command = {.type = COMMAND_MEMBER,
	                          .member = id,
	                          .name = slice_of(name),
	                          .peer_address = slice_of("127.0.0.1:1"),
	                          .client_address = slice_of(client),
	                          .disk_id = slice_of("0123456789abcdef")};

	return apply(fixture, &command);
}

struct seen {
	unsigned count;
	uint64_t ids[4];
	char clients[4][32];
};

static void
see(void *context, const struct command *member)
{
	struct seen *seen = context;

	assert_int_equal(member->disk_id.size, DISK_ID_SIZE);
	seen->ids[seen->count] = member->member;
	snprintf(seen->clients[seen->count++], 32, "%.*s", (int)member->client_address.size,
	         (const char *)member->client_address.bytes);
}

static void
records_facts_and_their_changes(void **state)
{
	struct fixture fixture;
	struct seen seen = {0};
	struct state_hash first;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(record(&fixture, 2, "b", "127.0.0.1:22"), SYNOD_OK);
	assert_int_equal(record(&fixture, 1, "a", "127.0.0.1:11"), SYNOD_OK);
	first = namespace_hash(fixture.namespace);
	assert_int_equal(record(&fixture, 2, "b", "127.0.0.1:33"), SYNOD_OK);
	assert_false(hash_equal(first, namespace_hash(fixture.namespace)));
	assert_hash_is_true(&fixture);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(namespace_each_member(fixture.namespace, see, &seen), SYNOD_OK);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.ids[0], 1);
	assert_int_equal(seen.ids[1], 2);
	assert_string_equal(seen.clients[1], "127.0.0.1:33");
	assert_int_equal(record(&fixture, 2, "b", "127.0.0.1:22"), SYNOD_OK);
	assert_true(hash_equal(first, namespace_hash(fixture.namespace)));
	fixture_close(&fixture);
}

static void
refuses_facts_that_are_too_long(void **state)
{
	struct fixture fixture;
	char name[300];

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	fixture_open(&fixture);
	assert_int_equal(record(&fixture, 1, name, "127.0.0.1:11"), SYNOD_BAD_ARGUMENT);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_facts_and_their_changes),
		cmocka_unit_test(refuses_facts_that_are_too_long),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
