/* What a program may get wrong about owners, locks and watches is refused by a real member, with an
 * error that says so, and what was right before goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/ensemble.h"

#define LOCKS_MAX   1024  /* that one session contends for */
#define WATCHES_MAX 10000 /* of one handle */
#define DAY_MS      UINT64_C(86400000)

static struct ensemble ensemble;
static struct synod *synod;

static int
start(void **state)
{
	(void)state;
	ensemble_init(&ensemble, 1);
	assert_true(ensemble_start_all(&ensemble));
	assert_true(ensemble_leader(&ensemble, 30000) >= 0);
	synod = ensemble_open(&ensemble);
	return 0;
}

static int
stop(void **state)
{
	synod_close(synod);
	ensemble_fini(&ensemble);
	return ensemble_teardown(state);
}

/* The call ended with ERROR, and says more than the error's own text. */
#define assert_refused(call, wanted)                                                               \
	do {                                                                                       \
		struct synod_result *result = NULL;                                                \
		int error = (call);                                                                \
                                                                                                   \
		if (error != (wanted))                                                             \
			fail_msg("%s: %s", #call, synod_error_name(error));                        \
		assert_non_null(result);                                                           \
		assert_true(result->message != NULL && strlen(result->message) > 5);               \
		synod_result_free(result);                                                         \
	} while (0)

static uint64_t
grant(uint64_t ttl_ms)
{
	struct synod_result *result;
	uint64_t lease;

	assert_int_equal(synod_lease_grant(synod, ttl_ms, NULL, &result), SYNOD_OK);
	lease = result->id;
	synod_result_free(result);
	return lease;
}

static int
put_as(const char *path, enum synod_node_kind kind, uint64_t lease, uint64_t ttl_ms,
       struct synod_result **result)
{
	const struct synod_write_options options = {.kind = kind, .lease = lease, .ttl_ms = ttl_ms};

	return synod_put(synod, path, "x", 1, &options, result);
}

static void
a_ttl_has_its_bounds(void **state)
{
	(void)state;
	assert_refused(synod_lease_grant(synod, 0, NULL, &result), SYNOD_BAD_ARGUMENT);
	assert_refused(synod_lease_grant(synod, 999, NULL, &result), SYNOD_BAD_ARGUMENT);
	assert_refused(synod_lease_grant(synod, 7 * DAY_MS + 1, NULL, &result), SYNOD_BAD_ARGUMENT);
	assert_refused(synod_lease_grant(synod, (uint64_t)-1, NULL, &result), SYNOD_BAD_ARGUMENT);
	grant(1000);
	grant(7 * DAY_MS);
	assert_refused(put_as("/ttl", SYNOD_TTL, 0, 0, &result), SYNOD_BAD_ARGUMENT);
	assert_refused(put_as("/ttl", SYNOD_TTL, 0, 999, &result), SYNOD_BAD_ARGUMENT);
	assert_refused(put_as("/ttl", SYNOD_TTL, 0, 4000 * DAY_MS, &result), SYNOD_BAD_ARGUMENT);
	assert_refused(put_as("/ttl", SYNOD_TTL, 0, (uint64_t)-1, &result), SYNOD_BAD_ARGUMENT);
	assert_int_equal(put_as("/ttl", SYNOD_TTL, 0, 3600 * DAY_MS, NULL), SYNOD_OK);
}

static void
an_owner_is_of_one_kind_and_lives(void **state)
{
	uint64_t lease = grant(60000);
	uint64_t session = synod_session_id(synod);

	(void)state;
	assert_refused(put_as("/leased", SYNOD_LEASED, session, 0, &result), SYNOD_NO_LEASE);
	assert_refused(synod_lease_revoke(synod, session, NULL, &result), SYNOD_NO_LEASE);
	assert_refused(synod_session_end(synod, lease, NULL, &result), SYNOD_NO_LEASE);
	assert_refused(put_as("/leased", SYNOD_LEASED, 0, 0, &result), SYNOD_BAD_ARGUMENT);
	assert_int_equal(put_as("/leased", SYNOD_LEASED, lease + 1000, 0, NULL), SYNOD_NO_LEASE);
	assert_int_equal(put_as("/leased", SYNOD_LEASED, lease, 0, NULL), SYNOD_OK);
	assert_int_equal(synod_lease_revoke(synod, lease, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_lease_revoke(synod, lease, NULL, NULL), SYNOD_NO_LEASE);
	assert_int_equal(put_as("/leased", SYNOD_LEASED, lease, 0, NULL), SYNOD_NO_LEASE);
	assert_int_equal(synod_session_id(synod), session);
}

static void
what_has_an_owner_has_no_children(void **state)
{
	const struct synod_write_options parents = {.make_parents = true};
	struct synod_lock *lock;
	char path[256];

	(void)state;
	assert_int_equal(put_as("/e", SYNOD_EPHEMERAL, 0, 0, NULL), SYNOD_OK);
	assert_int_equal(synod_create(synod, "/e/x", "", 0, NULL, NULL), SYNOD_NO_CHILDREN);
	assert_int_equal(synod_put(synod, "/e/x/y", "", 0, &parents, NULL), SYNOD_NO_CHILDREN);
	assert_int_equal(put_as("/e/x", SYNOD_EPHEMERAL, 0, 0, NULL), SYNOD_NO_CHILDREN);
	assert_int_equal(synod_lock_acquire(synod, "/e/lock", NULL, &lock), SYNOD_NO_CHILDREN);
	assert_int_equal(put_as("/l", SYNOD_LEASED, grant(60000), 0, NULL), SYNOD_OK);
	assert_int_equal(synod_create(synod, "/l/x", "", 0, NULL, NULL), SYNOD_NO_CHILDREN);
	assert_int_equal(synod_lock_acquire(synod, "/lock", NULL, &lock), SYNOD_OK);
	assert_refused(synod_create(synod, "/lock/x", "", 0, NULL, &result), SYNOD_BAD_ARGUMENT);
	snprintf(path, sizeof path, "%s/x", synod_lock_contender(lock));
	assert_int_equal(synod_create(synod, path, "", 0, NULL, NULL), SYNOD_NO_CHILDREN);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_OK);
}

static int
put_guarded(const char *lock, uint64_t token)
{
	const struct synod_write_options options = {.guard = {.lock = lock, .token = token}};

	return synod_put(synod, "/guarded", "x", 1, &options, NULL);
}

static void
a_guard_needs_a_lock_that_is_held_with_its_token(void **state)
{
	struct synod_lock *lock;
	uint64_t token;

	(void)state;
	assert_int_equal(put_guarded("/no/lock", 1), SYNOD_FENCED);
	assert_int_equal(put_guarded("/", 1), SYNOD_FENCED);
	assert_int_equal(put_guarded("no/slash", 1), SYNOD_BAD_PATH);
	assert_int_equal(synod_lock_acquire(synod, "/guard", NULL, &lock), SYNOD_OK);
	token = synod_lock_token(lock);
	assert_int_equal(put_guarded("/guard", token - 1), SYNOD_FENCED);
	assert_int_equal(put_guarded("/guard", token + 1), SYNOD_FENCED);
	assert_int_equal(put_guarded("/guard", (uint64_t)-1), SYNOD_FENCED);
	assert_int_equal(put_guarded("/guard", 0), SYNOD_FENCED);
	assert_int_equal(synod_stat(synod, "/guarded", NULL, NULL), SYNOD_NOT_FOUND);
	assert_int_equal(put_guarded("/guard", token), SYNOD_OK);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_OK);
	assert_int_equal(put_guarded("/guard", token), SYNOD_FENCED);
}

static void
a_lock_is_acquired_once_and_released_by_its_holder(void **state)
{
	struct synod *other = ensemble_open(&ensemble);
	const struct synod_contend_options semaphore = {.limit = 3};
	const struct synod_contend_options too_long = {.delay_ms = 600001};
	struct synod_result *held;

	(void)state;
	assert_int_equal(synod_withdraw(synod, "/once", 0, NULL, NULL), SYNOD_NOT_HELD);
	assert_int_equal(synod_contend(synod, "/once", NULL, &held), SYNOD_OK);
	assert_refused(synod_contend(synod, "/once", NULL, &result), SYNOD_EXISTS);
	assert_refused(synod_contend(other, "/once", &semaphore, &result), SYNOD_CONFLICT);
	assert_int_equal(synod_contend(other, "/new", &too_long, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_contend(other, "bad", NULL, NULL), SYNOD_BAD_PATH);
	assert_int_equal(synod_withdraw(other, "/once", 0, NULL, NULL), SYNOD_NOT_HELD);
	assert_int_equal(synod_withdraw(other, "/once", held->token, NULL, NULL), SYNOD_NOT_HELD);
	assert_int_equal(synod_withdraw(synod, "/once", held->token + 1, NULL, NULL),
	                 SYNOD_NOT_HELD);
	assert_int_equal(synod_withdraw(synod, "/once", held->token, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_withdraw(synod, "/once", held->token, NULL, NULL), SYNOD_NOT_HELD);
	assert_int_equal(synod_put(synod, "/plain", "", 0, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_contend(synod, "/plain", NULL, NULL), SYNOD_NOT_A_LOCK);
	synod_result_free(held);
	synod_close(other);
}

static void
on_contended(void *context, const struct synod_result *result)
{
	unsigned *errors =
		context; /* callbacks come one at a time, and before synod_close() ends */

	errors[result->error]++;
}

static void
a_session_contends_for_a_bounded_number_of_locks(void **state)
{
	struct synod *greedy = ensemble_open(&ensemble);
	unsigned errors[128] = {0};
	const struct synod_contend_options options = {
		.call = {.done = on_contended, .context = errors}};
	char path[32];

	(void)state;
	for (unsigned i = 0; i < LOCKS_MAX; i++) {
		snprintf(path, sizeof path, "/many/%u", i);
		assert_int_equal(synod_contend(greedy, path, &options, NULL), SYNOD_OK);
	}
	assert_refused(synod_contend(greedy, "/many/more", NULL, &result), SYNOD_LIMIT);
	assert_int_equal(synod_withdraw(greedy, "/many/0", 0, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_contend(greedy, "/many/more", NULL, NULL), SYNOD_OK);
	synod_close(greedy);
	assert_int_equal(errors[SYNOD_OK], LOCKS_MAX);
}

static void
assert_watch_ends(const struct synod_watch_options *options, int error)
{
	const struct synod_event *event;
	struct synod_watch *watch;

	assert_int_equal(synod_watch_open(synod, "/w", options, &watch), SYNOD_OK);
	assert_int_equal(synod_watch_next(watch, 30000, &event), SYNOD_OK);
	assert_int_equal(event->kind, SYNOD_EVENT_END);
	assert_int_equal(event->error, error);
	assert_non_null(event->message);
	assert_int_equal(synod_watch_next(watch, 30000, &event), SYNOD_CLOSED);
	synod_watch_close(watch);
}

static void
a_watch_is_of_a_path_and_of_the_past(void **state)
{
	static const char *const bad[] = {"", "w", "/w/", "/w//x", "/w/../x"};
	const struct synod_watch_options nonsense = {.scope = (enum synod_scope)7};
	struct synod_watch *watch;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(synod_watch_open(synod, bad[i], NULL, &watch), SYNOD_BAD_PATH);
	assert_int_equal(synod_watch_open(synod, "/w", &nonsense, &watch), SYNOD_BAD_ARGUMENT);
	assert_watch_ends(&(struct synod_watch_options){.from = 1000000000}, SYNOD_BAD_ARGUMENT);
	assert_watch_ends(&(struct synod_watch_options){.from = (uint64_t)-1}, SYNOD_BAD_ARGUMENT);
}

static void
a_handle_has_a_bounded_number_of_watches(void **state)
{
	struct synod_watch **watches = calloc(WATCHES_MAX, sizeof *watches);
	const struct synod_event *event;
	struct synod_watch *watch;
	struct synod *greedy = ensemble_open(&ensemble);

	(void)state;
	for (unsigned i = 0; i < WATCHES_MAX; i++)
		assert_int_equal(synod_watch_open(greedy, "/w", NULL, &watches[i]), SYNOD_OK);
	assert_int_equal(synod_watch_open(greedy, "/w", NULL, &watch), SYNOD_LIMIT);
	synod_watch_close(watches[0]);
	assert_int_equal(synod_watch_open(greedy, "/w", NULL, &watches[0]), SYNOD_OK);
	/* Each is told. */
	assert_int_equal(synod_put(greedy, "/w", "x", 1, NULL, NULL), SYNOD_OK);
	for (unsigned i = 0; i < WATCHES_MAX; i++) {
		assert_int_equal(synod_watch_next(watches[i], 30000, &event), SYNOD_OK);
		assert_int_equal(event->kind, SYNOD_EVENT_CHANGES);
		assert_int_equal(event->change_count, 1);
	}
	synod_close(greedy);
	free(watches);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ttl_has_its_bounds),
		cmocka_unit_test(an_owner_is_of_one_kind_and_lives),
		cmocka_unit_test(what_has_an_owner_has_no_children),
		cmocka_unit_test(a_guard_needs_a_lock_that_is_held_with_its_token),
		cmocka_unit_test(a_lock_is_acquired_once_and_released_by_its_holder),
		cmocka_unit_test(a_session_contends_for_a_bounded_number_of_locks),
		cmocka_unit_test(a_watch_is_of_a_path_and_of_the_past),
		cmocka_unit_test(a_handle_has_a_bounded_number_of_watches),
	};

	alarm(280);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, start, stop);
}
