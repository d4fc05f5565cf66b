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
};

static void
note(void *context, uint64_t session, uint64_t generation)
{
	struct expired *expired = context;

	assert_int_equal(generation, 1);
	assert_true(expired->count < 64);
	expired->sessions[expired->count++] = session;
}

static void
expires_a_silent_session_after_its_timeout_and_not_twice_at_once(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};

	(void)state;
	sessions_add(sessions, 7, false, 1, 1000, 100);
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
	sessions_add(sessions, 7, false, 1, 1000, 0);
	assert_true(sessions_renew(sessions, 7, false, 900, &timeout_ms));
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
	sessions_add(sessions, 7, false, 1, 1000, 0);
	sessions_expire(sessions, 2000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	assert_false(sessions_renew(sessions, 7, false, 2001, &timeout_ms));
	sessions_free(sessions);
}

static void
opening_a_session_again_does_not_call_its_expiry_back(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t timeout_ms;

	(void)state;
	sessions_add(sessions, 7, false, 1, 1000, 0);
	sessions_expire(sessions, 2000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_add(sessions, 7, false, 1, 1000, 2000);
	assert_false(sessions_renew(sessions, 7, false, 2001, &timeout_ms));
	sessions_free(sessions);
}

/* The window may have been full: the session must not stay half ended for the rest of the reign. */
static void
an_expiry_is_proposed_again_until_the_session_is_gone(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t timeout_ms;

	(void)state;
	sessions_add(sessions, 7, false, 1, 1000, 0);
	sessions_expire(sessions, 1000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_add(sessions, 7, false, 1, 30000, 1500);
	sessions_expire(sessions, 2000, 10, note, &expired);
	assert_int_equal(expired.count, 2);
	assert_false(sessions_renew(sessions, 7, false, 2000, &timeout_ms));
	sessions_remove(sessions, 7);
	sessions_expire(sessions, 9000, 10, note, &expired);
	assert_int_equal(expired.count, 2);
	sessions_free(sessions);
}

static void
an_unknown_session_cannot_be_renewed(void **state)
{
	struct sessions *sessions = sessions_new();
	uint64_t timeout_ms;

	(void)state;
	assert_false(sessions_renew(sessions, 7, false, 0, &timeout_ms));
	sessions_add(sessions, 7, false, 1, 1000, 0);
	sessions_remove(sessions, 7);
	assert_false(sessions_renew(sessions, 7, false, 0, &timeout_ms));
	assert_false(sessions_renew(sessions, 0, false, 0, &timeout_ms));
	sessions_free(sessions);
}

/* Whoever knows the id of somebody's session must not keep it alive as a lease. */
static void
a_session_is_not_renewed_as_a_lease_nor_a_lease_as_a_session(void **state)
{
	struct sessions *sessions = sessions_new();
	uint64_t timeout_ms;

	(void)state;
	sessions_add(sessions, 7, false, 1, 1000, 0);
	sessions_add(sessions, 8, true, 1, 2000, 0);
	assert_false(sessions_renew(sessions, 7, true, 0, &timeout_ms));
	assert_false(sessions_renew(sessions, 8, false, 0, &timeout_ms));
	assert_true(sessions_renew(sessions, 8, true, 0, &timeout_ms));
	assert_int_equal(timeout_ms, 2000);
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
		sessions_add(sessions, i * 64, false, 1, 1000, 0);
	for (uint64_t i = 1; i <= 5000; i += 3)
		sessions_remove(sessions, i * 64);
	for (uint64_t i = 1; i <= 5000; i++) {
		bool is_removed = i % 3 == 1;

		assert_int_equal(sessions_renew(sessions, i * 64, false, 0, &timeout_ms),
		                 !is_removed);
	}
	assert_int_equal(sessions_count(sessions), 5000 - 1667);
	sessions_free(sessions);
}

static void
expires_no_more_than_the_limit_in_one_look(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};

	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		sessions_add(sessions, i, false, 1, 1000, 0);
	sessions_expire(sessions, 2000, 5, note, &expired);
	assert_int_equal(expired.count, 5);
	sessions_expire(sessions, 2001, 64, note, &expired);
	assert_int_equal(expired.count, 20);
	sessions_free(sessions);
}

static void
expires_in_the_order_of_the_deadlines(void **state)
{
	static const uint64_t timeouts_ms[] = {5000, 1000, 9000, 3000, 7000};
	static const uint64_t order[] = {2, 4, 5, 3, 1}; /* the first is renewed */
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t timeout_ms;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		sessions_add(sessions, i + 1, false, 1, timeouts_ms[i], 0);
	assert_true(sessions_renew(sessions, 1, false, 4500, &timeout_ms));
	sessions_expire(sessions, 10000, 10, note, &expired);
	assert_int_equal(expired.count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(expired.sessions[i], order[i]);
	sessions_free(sessions);
}

/* An id may come back with less time than it was queued for. */
static void
a_shorter_timeout_counts_from_when_it_is_known(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};

	(void)state;
	sessions_add(sessions, 7, false, 1, 60000, 0);
	sessions_add(sessions, 7, false, 1, 1000, 100);
	sessions_expire(sessions, 1099, 10, note, &expired);
	assert_int_equal(expired.count, 0);
	sessions_expire(sessions, 1100, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_remove(sessions, 7);
	sessions_expire(sessions, 60000, 10, note, &expired);
	assert_int_equal(expired.count, 1);
	sessions_free(sessions);
}

static void
tells_how_long_a_session_has(void **state)
{
	struct sessions *sessions = sessions_new();
	struct expired expired = {0};
	uint64_t remaining_ms = 0;

	(void)state;
	assert_false(sessions_remaining(sessions, 7, 0, &remaining_ms));
	sessions_add(sessions, 7, false, 1, 1000, 0);
	assert_true(sessions_remaining(sessions, 7, 400, &remaining_ms));
	assert_int_equal(remaining_ms, 600);
	sessions_expire(sessions, 1000, 10, note, &expired);
	assert_true(sessions_remaining(sessions, 7, 1000, &remaining_ms));
	assert_int_equal(remaining_ms, 0);
	assert_false(sessions_remaining(sessions, 8, 0, &remaining_ms));
	sessions_free(sessions);
}

/* ---- against a table that is searched from end to end ---- */

enum {
	PLAIN_COUNT = 200
};

struct plain {
	struct {
		uint64_t timeout_ms; /* 0: none */
		uint64_t deadline_ms;
		bool is_expiring;
	} rows[PLAIN_COUNT];
	uint64_t now_ms;
	unsigned expired_count;
};

static void
compare_expired(void *context, uint64_t session, uint64_t generation)
{
	struct plain *plain = context;

	assert_int_equal(generation, 1);
	assert_true(plain->rows[session - 1].timeout_ms > 0);
	assert_true(plain->rows[session - 1].deadline_ms <= plain->now_ms);
	plain->rows[session - 1].is_expiring = true;
	plain->rows[session - 1].deadline_ms = plain->now_ms + 1000;
	plain->expired_count++;
}

static unsigned
draw(uint64_t *seed, unsigned below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*seed >> 33) % below;
}

static void
change_one(struct sessions *sessions, struct plain *plain, uint64_t *seed)
{
	unsigned i = draw(seed, PLAIN_COUNT);
	uint64_t id = i + 1, told_ms = 0;
	bool lives = plain->rows[i].timeout_ms > 0 && !plain->rows[i].is_expiring;

	switch (draw(seed, 8)) {
	case 0:
		if (plain->rows[i].timeout_ms == 0 || lives) {
			plain->rows[i].timeout_ms = 1000 + draw(seed, 5000);
			plain->rows[i].deadline_ms = plain->now_ms + plain->rows[i].timeout_ms;
			sessions_add(sessions, id, false, 1, plain->rows[i].timeout_ms,
			             plain->now_ms);
		}
		return;
	case 1:
		plain->rows[i].timeout_ms = 0;
		plain->rows[i].is_expiring = false;
		sessions_remove(sessions, id);
		return;
	default:
		assert_int_equal(sessions_renew(sessions, id, false, plain->now_ms, &told_ms),
		                 lives);
		if (lives) {
			assert_int_equal(told_ms, plain->rows[i].timeout_ms);
			plain->rows[i].deadline_ms = plain->now_ms + told_ms;
		}
		return;
	}
}

static void
expires_the_same_as_a_search_of_all(void **state)
{
	struct sessions *sessions = sessions_new();
	static struct plain plain;
	uint64_t seed = 42;

	(void)state;
	for (plain.now_ms = 1; plain.now_ms < 200000; plain.now_ms += 1 + draw(&seed, 40)) {
		for (unsigned i = draw(&seed, 8); i > 0; i--)
			change_one(sessions, &plain, &seed);
		sessions_expire(sessions, plain.now_ms, PLAIN_COUNT, compare_expired, &plain);
		for (unsigned i = 0; i < PLAIN_COUNT; i++)
			assert_true(plain.rows[i].timeout_ms == 0 ||
			            plain.rows[i].deadline_ms > plain.now_ms);
	}
	assert_true(plain.expired_count > 1000);
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
		cmocka_unit_test(an_expiry_is_proposed_again_until_the_session_is_gone),
		cmocka_unit_test(an_unknown_session_cannot_be_renewed),
		cmocka_unit_test(a_session_is_not_renewed_as_a_lease_nor_a_lease_as_a_session),
		cmocka_unit_test(keeps_every_other_session_when_many_come_and_go),
		cmocka_unit_test(expires_no_more_than_the_limit_in_one_look),
		cmocka_unit_test(expires_in_the_order_of_the_deadlines),
		cmocka_unit_test(a_shorter_timeout_counts_from_when_it_is_known),
		cmocka_unit_test(tells_how_long_a_session_has),
		cmocka_unit_test(expires_the_same_as_a_search_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
