/* Granting, expiring and revoking leases. */
#include "tests/unit/namespace/living.h"

static int
expire_id(struct fixture *fixture, uint64_t id)
{
	struct party party = {.session = id};

	return expire(fixture, &party);
}

static void
grants_with_the_slot_as_id(void **state)
{
	struct fixture fixture;
	struct cursor cursor;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	assert_true(fixture.applied.session_opened == lease);
	assert_int_equal(fixture.applied.timeout_ms, 5000);
	assert_int_equal(fixture.applied.session_ended, 0);
	cursor_init(&cursor, buffer_slice(&fixture.result));
	assert_int_equal(cursor_array(&cursor), 2);
	assert_true(cursor_u64(&cursor) == lease);
	assert_int_equal(cursor_u64(&cursor), 5000);
	assert_true(namespace_is_lease(fixture.namespace, lease));
	assert_false(namespace_is_lease(fixture.namespace, fixture.session));
	assert_false(namespace_is_lease(fixture.namespace, 0));
	assert_int_equal(namespace_sessions(fixture.namespace), 1);
	fixture.seq--; /* asked again */
	assert_int_equal(try_grant(&fixture, 5000), SYNOD_OK);
	assert_int_equal(fixture.applied.session_opened, 0);
	assert_false(namespace_is_lease(fixture.namespace, fixture.slot));
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

static void
refuses_a_ttl_out_of_bounds(void **state)
{
	static const uint64_t bad[] = {0, LEASE_TTL_MIN_MS - 1, LEASE_TTL_MAX_MS + 1, UINT64_MAX};
	struct fixture fixture;

	(void)state;
	fixture_open(&fixture);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(try_grant(&fixture, bad[i]), SYNOD_BAD_ARGUMENT);
	assert_int_equal(try_grant(&fixture, LEASE_TTL_MIN_MS), SYNOD_OK);
	assert_int_equal(try_grant(&fixture, LEASE_TTL_MAX_MS), SYNOD_OK);
	assert_int_equal(write_body(&fixture, OP_LEASE_GRANT, slice_of("\x90")), SYNOD_BAD_MESSAGE);
	assert_int_equal(write_body(&fixture, OP_LEASE_GRANT, slice_of("\x91\xff")),
	                 SYNOD_BAD_MESSAGE);
	assert_int_equal(write_body(&fixture, OP_REVOKE, slice_of("\x91\x01")), SYNOD_BAD_MESSAGE);
	fixture_close(&fixture);
}

static void
refuses_more_than_there_may_be(void **state)
{
	struct fixture fixture;
	size_t count;

	(void)state;
	fixture_open(&fixture);
	count = fixture.namespace->sessions.count;
	fixture.namespace->sessions.count = LEASES_MAX;
	assert_int_equal(try_grant(&fixture, 5000), SYNOD_LIMIT);
	assert_int_equal(open_session_as(&fixture, 5000, 77), SYNOD_LIMIT);
	assert_int_equal(fixture.applied.session_opened, 0);
	assert_int_equal(open_session_as(&fixture, 5000, 1), SYNOD_OK); /* it is open already */
	fixture.namespace->sessions.count = count;
	assert_int_equal(try_grant(&fixture, 5000), SYNOD_OK);
	fixture_close(&fixture);
}

static void
is_kept_across_restarts(void **state)
{
	struct fixture fixture;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	create_leased(&fixture, "/l", lease);
	commit(&fixture);
	crash(&fixture);
	assert_true(namespace_is_lease(fixture.namespace, lease));
	assert_hash_is_true(&fixture);
	assert_int_equal(expire_id(&fixture, lease), SYNOD_OK);
	assert_true(fixture.applied.session_ended == lease);
	assert_int_equal(last_change(&fixture, 0).cause, CAUSE_EXPIRED);
	assert_false(exists(&fixture, "/l"));
	commit(&fixture);
	crash(&fixture);
	assert_false(namespace_is_lease(fixture.namespace, lease));
	assert_int_equal(expire_id(&fixture, lease), SYNOD_SESSION_ENDED);
	fixture_close(&fixture);
}

static void
outlives_the_session_that_granted_it(void **state)
{
	struct fixture fixture;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	create_leased(&fixture, "/l", lease);
	write_body(&fixture, OP_SESSION_CLOSE, slice_of("\x90"));
	assert_true(exists(&fixture, "/l"));
	assert_true(namespace_is_lease(fixture.namespace, lease));
	fixture_close(&fixture);
}

static void
is_no_session_and_a_session_is_no_lease(void **state)
{
	uint8_t nothing[32] = {0};
	struct fixture fixture;
	struct buffer result = BUFFER_EMPTY;
	uint64_t lease;
	uint64_t session;
	int error;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	session = fixture.session;
	assert_int_equal(create_leased(&fixture, "/l", session), SYNOD_NO_LEASE);
	assert_int_equal(create_leased(&fixture, "/l", lease + 1000), SYNOD_NO_LEASE);
	assert_int_equal(write_kind(&fixture, OP_PUT, "/l", NODE_LEASED, session, 0),
	                 SYNOD_NO_LEASE);
	assert_int_equal(revoke_id(&fixture, session, false), SYNOD_NO_LEASE);
	assert_int_equal(revoke_id(&fixture, lease, true), SYNOD_NO_LEASE);
	assert_int_equal(revoke_id(&fixture, 999, false), SYNOD_NO_LEASE);
	assert_int_equal(revoke_id(&fixture, 999, true), SYNOD_NO_LEASE);
	assert_int_equal(revoke_id(&fixture, session, true), SYNOD_BAD_ARGUMENT); /* its own */
	assert_int_equal(namespace_attach(fixture.namespace, lease,
	                                  (struct slice){nothing, sizeof nothing}, &error, &result),
	                 SYNOD_OK);
	assert_int_equal(error, SYNOD_SESSION_ENDED);
	buffer_fini(&result);
	assert_int_equal(namespace_sessions(fixture.namespace), 1);
	fixture.session = lease;
	fixture.seq = 0;
	assert_int_equal(put(&fixture, "/x", "as a lease"), SYNOD_SESSION_ENDED);
	assert_int_equal(open_session_as(&fixture, 5000, 0), SYNOD_OK); /* nobody's hash */
	assert_true(fixture.applied.session_opened == fixture.slot);
	fixture_close(&fixture);
}

static void
answers_a_repeated_revocation_alike(void **state)
{
	struct fixture fixture;
	uint64_t lease;

	(void)state;
	fixture_open(&fixture);
	lease = grant_lease(&fixture);
	create_leased(&fixture, "/l", lease);
	assert_int_equal(revoke_id(&fixture, lease, false), SYNOD_OK);
	fixture.seq--;
	assert_int_equal(revoke_id(&fixture, lease, false), SYNOD_OK);
	assert_int_equal(answered_count(&fixture), 1);
	assert_int_equal(fixture.applied.session_ended, 0);
	assert_int_equal(revoke_id(&fixture, lease, false), SYNOD_NO_LEASE);
	assert_hash_is_true(&fixture);
	fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_with_the_slot_as_id),
		cmocka_unit_test(refuses_a_ttl_out_of_bounds),
		cmocka_unit_test(refuses_more_than_there_may_be),
		cmocka_unit_test(is_kept_across_restarts),
		cmocka_unit_test(outlives_the_session_that_granted_it),
		cmocka_unit_test(is_no_session_and_a_session_is_no_lease),
		cmocka_unit_test(answers_a_repeated_revocation_alike),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
