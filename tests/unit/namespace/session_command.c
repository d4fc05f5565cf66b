/* Opening, attaching, closing and expiring sessions. */
#include "tests/unit/namespace/fixture.h"

static int
close_session(struct fixture *fixture)
{
	return write_body(fixture, OP_SESSION_CLOSE, slice_of("\x90"));
}

static int
expire(struct fixture *fixture, uint64_t session, uint64_t generation, struct command_ballot ballot)
{
	struct command command = {.type = COMMAND_EXPIRE,
	                          .session = session,
	                          .generation = generation,
	                          .ballot = ballot};

	return apply(fixture, &command);
}

static int
attach(struct fixture *fixture, uint64_t session, uint8_t secret)
{
	uint8_t secret_hash[32];
	int error;

	memset(secret_hash, secret, sizeof secret_hash);
	buffer_clear(&fixture->result);
	assert_int_equal(namespace_attach(fixture->namespace, session,
	                                  (struct slice){secret_hash, sizeof secret_hash}, &error,
	                                  &fixture->result),
	                 SYNOD_OK);
	return error;
}

static void
assert_session_facts(const struct fixture *fixture, uint64_t session, uint64_t timeout_ms,
                     uint64_t seq)
{
	struct cursor cursor;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 3);
	assert_int_equal(cursor_u64(&cursor), session);
	assert_int_equal(cursor_u64(&cursor), timeout_ms);
	assert_int_equal(cursor_u64(&cursor), seq);
}

static void
opens_with_the_slot_as_id_and_a_bounded_timeout(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(open_session_as(&fixture, 5000, 2), SYNOD_OK);
	assert_true(fixture.applied.session_opened == fixture.slot);
	assert_int_equal(fixture.applied.timeout_ms, 5000);
	assert_session_facts(&fixture, fixture.slot, 5000, 0);
	open_session_as(&fixture, 1, 3);
	assert_int_equal(fixture.applied.timeout_ms, SESSION_TIMEOUT_MIN_MS);
	open_session_as(&fixture, UINT64_MAX, 4);
	assert_int_equal(fixture.applied.timeout_ms, SESSION_TIMEOUT_MAX_MS);
	open_session_as(&fixture, 0, 5);
	assert_int_equal(fixture.applied.timeout_ms, SESSION_TIMEOUT_DEFAULT_MS);
	assert_int_equal(namespace_sessions(fixture.namespace), 5);
	assert_int_equal(namespace_revision(fixture.namespace), 1);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
opens_only_one_session_for_a_secret(void **state)
{
	struct fixture fixture;
	uint64_t session;

	(void)state;
	fixture_open(&fixture);
	open_session_as(&fixture, 5000, 2);
	session = fixture.applied.session_opened;
	open_session_as(&fixture, 9000, 2);
	assert_true(fixture.applied.session_opened == session);
	assert_int_equal(fixture.applied.timeout_ms, 5000);
	assert_int_equal(namespace_sessions(fixture.namespace), 2);
	commit(&fixture);
	crash(&fixture);
	open_session_as(&fixture, 9000, 2);
	assert_true(fixture.applied.session_opened == session);
	fixture_close(&fixture);
}

static void
refuses_to_open_with_a_malformed_body(void **state)
{
	struct command command = {.type = COMMAND_CLIENT, .op = OP_SESSION_OPEN};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	command.body = slice_of("\x92\x01\xc4\x03"
	                        "abc"); /* a hash of three bytes */
	assert_int_equal(apply(&fixture, &command), SYNOD_BAD_MESSAGE);
	command.body = slice_of("\x91\x01");
	assert_int_equal(apply(&fixture, &command), SYNOD_BAD_MESSAGE);
	assert_int_equal(fixture.applied.session_opened, 0);
	assert_int_equal(namespace_sessions(fixture.namespace), 1);
	fixture_close(&fixture);
}

static void
attaches_with_the_right_secret_only(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "x");
	assert_int_equal(attach(&fixture, fixture.session, 1), SYNOD_OK);
	assert_session_facts(&fixture, fixture.session, 10000, 1);
	assert_int_equal(attach(&fixture, fixture.session, 2), SYNOD_WRONG_SECRET);
	assert_int_equal(attach(&fixture, fixture.session + 1, 1), SYNOD_SESSION_ENDED);
	fixture_close(&fixture);
}

static void
closes_once(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	put(&fixture, "/a", "x");
	commit(&fixture);
	assert_int_equal(close_session(&fixture), SYNOD_OK);
	assert_true(fixture.applied.session_ended == fixture.session);
	assert_int_equal(namespace_sessions(fixture.namespace), 0);
	fixture.seq--;
	assert_int_equal(close_session(&fixture), SYNOD_SESSION_ENDED);
	assert_int_equal(fixture.applied.session_ended, 0);
	assert_int_equal(put(&fixture, "/a", "y"), SYNOD_SESSION_ENDED);
	assert_int_equal(attach(&fixture, fixture.session, 1), SYNOD_SESSION_ENDED);
	assert_data(&fixture, "/a", "x");
	assert_hash_is_true(&fixture);
	commit(&fixture);
	crash(&fixture);
	assert_int_equal(namespace_sessions(fixture.namespace), 0);
	fixture_close(&fixture);
}

static void
expires_for_the_present_leader_only(void **state)
{
	struct command_ballot old = {1, 2, 3};
	struct command_ballot new = {1, 3, 1};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	namespace_apply_start(fixture.namespace, ++fixture.slot, old);
	namespace_apply_start(fixture.namespace, ++fixture.slot, new);
	assert_int_equal(expire(&fixture, fixture.session, 1, old), SYNOD_CONFLICT);
	assert_int_equal(expire(&fixture, fixture.session, 2, new), SYNOD_CONFLICT);
	assert_int_equal(expire(&fixture, fixture.session + 9, 1, new), SYNOD_SESSION_ENDED);
	assert_int_equal(fixture.applied.session_ended, 0);
	assert_int_equal(namespace_sessions(fixture.namespace), 1);
	commit(&fixture);
	crash(&fixture); /* the ballot is remembered */
	assert_int_equal(expire(&fixture, fixture.session, 1, new), SYNOD_OK);
	assert_true(fixture.applied.session_ended == fixture.session);
	assert_int_equal(namespace_sessions(fixture.namespace), 0);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_with_the_slot_as_id_and_a_bounded_timeout),
		cmocka_unit_test(opens_only_one_session_for_a_secret),
		cmocka_unit_test(refuses_to_open_with_a_malformed_body),
		cmocka_unit_test(attaches_with_the_right_secret_only),
		cmocka_unit_test(closes_once),
		cmocka_unit_test(expires_for_the_present_leader_only),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
