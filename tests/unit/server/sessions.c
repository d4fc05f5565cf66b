/* Tests of the leader's table of session deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/sessions.h"

struct expired {
	uint64_t sessions[64];
	unsigned count;
	bool refuses;
};

static bool
note(void *context, uint64_t session, uint64_t generation)
{
	struct expired *expired = context;

	assert_int_equal(generation, 1);
	if (expired->refuses)
		return false;
	expired->sessions[expired->count++] = session;
	return true;
}

static void
expires_a_silent_session_after_its_timeout_and_not_twice_at_once(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};

	(void)state;
	sessions_add(sessions, 7, 1, 1000, 100);
	sessions_expire(sessions, 1099, 10, note, &expired);
	assert_int_equal(expired.count, 0);
	sessions_expire(sessions, 1100, 10, note, &expired);
	sessions_expire(sessions, 2099, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	assert_int_equal(expired.sessions[0], 7);
	sessions_free(sessions);
}

static void
renewing_moves_the_deadline(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t timeout_ms = 0;

	(void)state;
	sessions_add(sessions, 7, 1, 1000, 0);
	assert_true(sessions_renew(sessions, 7, 900, &timeout_ms));
	assert_int_equal(timeout_ms, 1000);
	sessions_expire(sessions, 1899, 10, note, &expired);
	assert_int_equal(expired.count, 0);
	sessions_expire(sessions, 1900, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_free(sessions);
}

static void
a_session_being_expired_cannot_be_renewed(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t timeout_ms;

	(void)state;
	sessions_add(sessions, 7, 1, 1000, 0);
	sessions_expire(sessions, 2000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	assert_false(sessions_renew(sessions, 7, 2001, &timeout_ms));
	sessions_free(sessions);
}

static void
opening_a_session_again_does_not_call_its_expiry_back(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t timeout_ms;

	(void)state;
	sessions_add(sessions, 7, 1, 1000, 0);
	sessions_expire(sessions, 2000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_add(sessions, 7, 1, 1000, 2000);
	assert_false(sessions_renew(sessions, 7, 2001, &timeout_ms));
	sessions_free(sessions);
}

static void
an_expiry_that_could_not_be_proposed_is_tried_again(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {.refuses = true};

	(void)state;
	sessions_add(sessions, 7, 1, 1000, 0);
	sessions_expire(sessions, 2000, 10, note, &expired);
	expired.refuses = false;
	sessions_expire(sessions, 2001, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_free(sessions);
}

/* The window may have been full: the session must not stay half ended for the rest of the reign. */
static void
an_expiry_is_proposed_again_until_the_session_is_gone(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t again_ms, timeout_ms;

	(void)state;
	sessions_add(sessions, 7, 1, 1000, 0);
	again_ms = sessions_expire(sessions, 1000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_add(sessions, 7, 1, 30000, 1500);
	again_ms = sessions_expire(sessions, again_ms, 10, note, &expired);
	assert_int_equal(expired.count, 2);
	assert_false(sessions_renew(sessions, 7, again_ms, &timeout_ms));
	sessions_remove(sessions, 7);
	sessions_expire(sessions, again_ms + 5000, 10, note, &expired);
	assert_int_equal(expired.count, 2);
	sessions_free(sessions);
}

static void
an_unknown_session_cannot_be_renewed(void **state)
{
	struct sessions *sessions = sessions_new();
	uint64_t timeout_ms;

	(void)state;
	assert_false(sessions_renew(sessions, 7, 0, &timeout_ms));
	sessions_add(sessions, 7, 1, 1000, 0);
	sessions_remove(sessions, 7);
	assert_false(sessions_renew(sessions, 7, 0, &timeout_ms));
	assert_false(sessions_renew(sessions, 0, 0, &timeout_ms));
	sessions_free(sessions);
}

/* Removal shifts later rows back: nobody may become unreachable by it. */
static void
keeps_every_other_session_when_many_come_and_go(void **state)
{
	struct sessions *sessions = sessions_new();
	uint64_t timeout_ms;

	(void)state;
	for (uint64_t i = 1; i <= 5000; i++)
		sessions_add(sessions, i * 64, 1, 1000, 0);
	for (uint64_t i = 1; i <= 5000; i += 3)
		sessions_remove(sessions, i * 64);
	for (uint64_t i = 1; i <= 5000; i++) {
		bool is_removed = i % 3 == 1;

		assert_int_equal(sessions_renew(sessions, i * 64, 0, &timeout_ms), !is_removed);
	}
	assert_int_equal(sessions_count(sessions), 5000 - 1667);
	sessions_free(sessions);
}

static void
expires_no_more_than_the_limit_in_one_look(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t again_ms;

	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		sessions_add(sessions, i, 1, 1000, 0);
	again_ms = sessions_expire(sessions, 2000, 5, note, &expired);
	assert_int_equal(expired.count, 5);
	assert_int_equal(again_ms, 2001);
	sessions_expire(sessions, again_ms, 64, note, &expired);
	assert_int_equal(expired.count, 20);
	sessions_free(sessions);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expires_a_silent_session_after_its_timeout_and_not_twice_at_once),
		cmocka_unit_test(renewing_moves_the_deadline),
		cmocka_unit_test(a_session_being_expired_cannot_be_renewed),
		cmocka_unit_test(opening_a_session_again_does_not_call_its_expiry_back),
		cmocka_unit_test(an_expiry_that_could_not_be_proposed_is_tried_again),
		cmocka_unit_test(an_expiry_is_proposed_again_until_the_session_is_gone),
		cmocka_unit_test(an_unknown_session_cannot_be_renewed),
		cmocka_unit_test(keeps_every_other_session_when_many_come_and_go),
		cmocka_unit_test(expires_no_more_than_the_limit_in_one_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
