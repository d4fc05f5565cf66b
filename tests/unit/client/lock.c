/* Locks over a fake of the public interface: every way in, every way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/client/fake_synod.h"

#define CONTENDER "/lock/0000000001"

static struct told {
	unsigned acquired;
	int error;
	unsigned lost;
	bool should_release;
	int release_error;
	uint64_t token;
} told;

static struct synod_lock *lock;

static int
set_up(void **state)
{
	(void)state;
	fake_reset();
	told = (struct told){0};
	lock = NULL;
	return 0;
}

static void
on_acquired(void *context, struct synod_lock *acquired, int error)
{
	assert_ptr_equal(context, &told);
	assert_ptr_equal(acquired, lock);
	told.acquired++;
	told.error = error;
	told.token = synod_lock_token(acquired);
	if (told.should_release)
		told.release_error = synod_lock_release(acquired, 0);
}

static void
on_lost(void *context, struct synod_lock *lost)
{
	assert_ptr_equal(context, &told);
	assert_int_equal(synod_lock_token(lost), 0);
	assert_int_equal(synod_lock_remaining_ms(lost), 0);
	told.lost++;
	if (told.should_release)
		told.release_error = synod_lock_release(lost, 0);
}

static int
ask(unsigned wait_ms, bool try_only)
{
	const struct synod_lock_options options = {
		.wait_ms = wait_ms,
		.try_only = try_only,
		.on_acquired = on_acquired,
		.on_lost = on_lost,
		.context = &told,
	};

	return synod_lock_acquire(&fake.handle, "/lock", &options, &lock);
}

static void
answer(unsigned index, int error, uint64_t token)
{
	struct synod_result result = {.error = error, .revision = 100, .token = token};

	result.node.path = error == SYNOD_OK ? CONTENDER : NULL;
	fake_finish(index, &result);
}

static void
grant(uint64_t token)
{
	fake_change(
		(struct synod_change){.revision = token, .path = CONTENDER, .kind = SYNOD_GRANTED});
}

static void
take_away(unsigned cause)
{
	fake_change((struct synod_change){
		.revision = 500, .path = CONTENDER, .kind = SYNOD_DELETED, .cause = cause});
}

static void
hold(void)
{
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 100);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.error, SYNOD_OK);
}

static unsigned
hooks_in_use(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++)
		count += fake.hooks[i].is_used;
	return count;
}

/* Give back what is held, without waiting. */
static void
release_in_callback(int expected)
{
	fake_enter();
	assert_int_equal(synod_lock_release(lock, 0), expected);
	fake_leave();
}

static void
assert_withdrawn_once(unsigned index)
{
	assert_int_equal(fake.call_count, index + 1);
	assert_string_equal(fake.calls[index].what, "withdraw /lock");
	answer(index, SYNOD_OK, 0);
	assert_int_equal(hooks_in_use(), 0);
	for (unsigned i = 0; i < fake.watch_count; i++)
		assert_false(fake.watches[i].is_open);
}

static void
a_free_lock_is_held_with_the_answer(void **state)
{
	(void)state;
	hold();
	assert_int_equal(synod_lock_token(lock), 100);
	assert_int_equal(synod_lock_remaining_ms(lock), 9000);
	assert_string_equal(synod_lock_guard(lock).lock, "/lock");
	assert_int_equal(synod_lock_guard(lock).token, 100);
	assert_string_equal(synod_lock_contender(lock), CONTENDER);
	assert_string_equal(fake.watches[0].path, CONTENDER);
	assert_int_equal(fake.watches[0].options.from, 101);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(1);
}

static void
a_grant_after_waiting_brings_its_revision_as_the_token(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 0);
	assert_int_equal(told.acquired, 0);
	assert_int_equal(synod_lock_token(lock), 0);
	assert_int_equal(synod_lock_remaining_ms(lock), 0);
	assert_int_equal(fake.watches[0].options.from, 101);
	grant(140);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.token, 140);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(1);
}

static void
a_grant_hidden_by_compaction_is_found_in_the_state(void **state)
{
	const struct synod_node node = {.path = CONTENDER, .stat.token = 130};
	const struct synod_event event = {.kind = SYNOD_EVENT_STATE,
	                                  .revision = 900,
	                                  .compacted = true,
	                                  .nodes = &node,
	                                  .node_count = 1};

	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 0);
	fake_event(&event);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.token, 130);
	fake_event(&event);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.lost, 0);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(1);
}

static void
a_contender_missing_from_the_state_is_lost(void **state)
{
	(void)state;
	hold();
	fake_event(&(struct synod_event){
		.kind = SYNOD_EVENT_STATE, .revision = 900, .compacted = true});
	assert_int_equal(told.lost, 1);
	release_in_callback(SYNOD_NOT_HELD);
	assert_int_equal(fake.call_count, 1); /* there is nothing to withdraw */
	assert_int_equal(hooks_in_use(), 0);
}

static void
a_deleted_contender_is_a_lost_lock_once(void **state)
{
	(void)state;
	hold();
	take_away(SYNOD_CAUSE_REQUEST);
	assert_int_equal(told.lost, 1);
	assert_int_equal(synod_lock_guard(lock).token, 100); /* so that its writes are refused */
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_int_equal(told.lost, 1);
	release_in_callback(SYNOD_NOT_HELD);
	assert_int_equal(hooks_in_use(), 0);
}

static void
the_end_of_the_session_is_the_end_of_the_lock(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_SUSPENDED, 7, 4000);
	assert_int_equal(told.lost, 0);
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_int_equal(told.lost, 1);
	fake_state(SYNOD_CONNECTED, 8, 9000); /* another session does not bring it back */
	assert_int_equal(synod_lock_remaining_ms(lock), 0);
	release_in_callback(SYNOD_NOT_HELD);
	assert_int_equal(fake.call_count, 1);
}

static void
a_lock_that_can_no_longer_be_counted_on_is_lost_and_still_given_back(void **state)
{
	(void)state;
	hold();
	fake_state(SYNOD_SUSPENDED, 7, 0);
	assert_int_equal(told.lost, 1);
	fake_state(SYNOD_CONNECTED, 7, 9000); /* the session lived after all */
	assert_int_equal(synod_lock_remaining_ms(lock), 0);
	assert_int_equal(synod_lock_token(lock), 0);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
who_saw_that_no_time_remains_has_lost_it_for_good(void **state)
{
	(void)state;
	hold();
	fake.handle.remaining_ms = 0;
	assert_int_equal(synod_lock_remaining_ms(lock), 0);
	fake.handle.remaining_ms = 9000; /* a keepalive came late */
	assert_int_equal(synod_lock_remaining_ms(lock), 0);
	assert_int_equal(told.lost, 0);
	fake_time();
	assert_int_equal(told.lost, 1);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
a_grant_in_a_doubtful_session_is_told_when_the_session_is_confirmed(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 0);
	fake_state(SYNOD_SUSPENDED, 7, 0);
	grant(140);
	assert_int_equal(told.acquired, 0);
	fake_state(SYNOD_CONNECTED, 7, 9000);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.token, 140);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(1);
}

static void
waiting_ends_with_the_session(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 0);
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.error, SYNOD_SESSION_ENDED);
	assert_false(fake.watches[0].is_open);
	release_in_callback(SYNOD_NOT_HELD);
	assert_int_equal(fake.call_count, 1);
	assert_int_equal(hooks_in_use(), 0);
}

static void
waiting_ends_when_the_contender_is_deleted(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 0);
	take_away(SYNOD_CAUSE_REQUEST);
	assert_int_equal(told.error, SYNOD_NOT_HELD);
	release_in_callback(SYNOD_NOT_HELD);
	assert_int_equal(fake.call_count, 1);
}

static void
waiting_too_long_withdraws(void **state)
{
	(void)state;
	assert_int_equal(ask(50, false), SYNOD_OK);
	assert_int_equal(fake.hooks[0].delay_ms, 50);
	answer(0, SYNOD_OK, 0);
	fake_time();
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.error, SYNOD_TIMEOUT);
	assert_int_equal(fake.calls[1].call.timeout_ms, UINT_MAX);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
a_grant_that_races_with_the_timeout_is_withdrawn_too(void **state)
{
	(void)state;
	assert_int_equal(ask(50, false), SYNOD_OK);
	fake_time(); /* before the answer */
	assert_int_equal(told.error, SYNOD_TIMEOUT);
	assert_string_equal(fake.calls[1].what, "withdraw /lock");
	answer(0, SYNOD_OK, 100);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(fake.watch_count, 0);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
time_after_the_grant_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(ask(50, false), SYNOD_OK);
	answer(0, SYNOD_OK, 100);
	fake_time();
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.lost, 0);
	assert_int_equal(synod_lock_token(lock), 100);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(1);
}

static void
a_definite_error_leaves_nothing_to_withdraw(void **state)
{
	static const int errors[] = {SYNOD_HELD,     SYNOD_EXISTS, SYNOD_NOT_A_LOCK,
	                             SYNOD_CONFLICT, SYNOD_LIMIT,  SYNOD_TIMEOUT};

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		set_up(state);
		assert_int_equal(ask(0, true), SYNOD_OK);
		answer(0, errors[i], 0);
		assert_int_equal(told.acquired, 1);
		assert_int_equal(told.error, errors[i]);
		release_in_callback(SYNOD_NOT_HELD);
		assert_int_equal(fake.call_count, 1);
		assert_int_equal(hooks_in_use(), 0);
	}
}

static void
an_unknown_outcome_by_time_is_withdrawn(void **state)
{
	(void)state;
	assert_int_equal(ask(0, true), SYNOD_OK);
	answer(0, SYNOD_UNKNOWN, 0);
	assert_int_equal(told.error, SYNOD_TIMEOUT);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
an_unknown_outcome_by_the_end_of_the_session_needs_no_withdrawing(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	fake.handle.session = 0;
	answer(0, SYNOD_UNKNOWN, 0);
	assert_int_equal(told.error, SYNOD_SESSION_ENDED);
	release_in_callback(SYNOD_NOT_HELD);
	assert_int_equal(fake.call_count, 1);
}

static void
without_a_watch_the_lock_is_not_taken(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	fake.refuse_next = SYNOD_LIMIT;
	answer(0, SYNOD_OK, 100);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.error, SYNOD_LIMIT);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
the_end_of_the_watch_is_a_lost_lock(void **state)
{
	(void)state;
	hold();
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_END, .error = SYNOD_LIMIT});
	assert_int_equal(told.lost, 1);
	release_in_callback(SYNOD_NOT_HELD);
	assert_withdrawn_once(1);
}

static void
releasing_before_the_answer_cancels_without_a_word(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	release_in_callback(SYNOD_OK);
	assert_int_equal(fake.call_count, 2); /* in this order, so that it withdraws the other */
	answer(0, SYNOD_OK, 100);
	assert_int_equal(told.acquired, 0);
	assert_withdrawn_once(1);
}

static void
releasing_while_waiting_cancels_without_a_word(void **state)
{
	(void)state;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 0);
	release_in_callback(SYNOD_OK);
	assert_int_equal(told.acquired, 0);
	assert_withdrawn_once(1);
}

static void
a_lock_may_be_released_by_its_own_callbacks(void **state)
{
	(void)state;
	told.should_release = true;
	assert_int_equal(ask(0, false), SYNOD_OK);
	answer(0, SYNOD_OK, 100);
	assert_int_equal(told.acquired, 1);
	assert_int_equal(told.release_error, SYNOD_OK);
	assert_withdrawn_once(1);

	set_up(state);
	hold();
	told.should_release = true;
	take_away(SYNOD_CAUSE_REVOKED);
	assert_int_equal(told.lost, 1);
	assert_int_equal(told.release_error, SYNOD_NOT_HELD);
	assert_int_equal(hooks_in_use(), 0);
}

static void
a_path_is_locked_once_by_a_handle(void **state)
{
	const struct synod_lock_options options = {.on_acquired = on_acquired, .context = &told};
	struct synod_lock *second = (struct synod_lock *)&told;

	(void)state;
	hold();
	assert_int_equal(synod_lock_acquire(&fake.handle, "/lock", &options, &second),
	                 SYNOD_EXISTS);
	assert_null(second);
	assert_int_equal(fake.call_count, 1); /* nobody was asked */
	release_in_callback(SYNOD_OK);
	assert_int_equal(ask(0, false), SYNOD_OK); /* although withdrawing is not answered yet */
	answer(2, SYNOD_OK, 100);
	answer(1, SYNOD_OK, 0);
	assert_int_equal(synod_lock_token(lock), 100);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(3);
}

static void
a_failed_lock_leaves_the_path_free_before_it_is_released(void **state)
{
	struct synod_lock *first;

	(void)state;
	assert_int_equal(ask(0, true), SYNOD_OK);
	answer(0, SYNOD_HELD, 0);
	first = lock;
	assert_int_equal(ask(0, true), SYNOD_OK);
	answer(1, SYNOD_OK, 100);
	assert_int_equal(synod_lock_release(first, 0), SYNOD_NOT_HELD);
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(2);
}

static void
withdrawing_is_tried_again_when_the_library_is_busy(void **state)
{
	(void)state;
	hold();
	fake.refuse_next = SYNOD_BUSY;
	release_in_callback(SYNOD_UNKNOWN);
	assert_int_equal(fake.call_count, 1);
	assert_int_equal(hooks_in_use(), 1);
	assert_int_equal(ask(0, false), SYNOD_EXISTS); /* it may still be held */
	fake_time();
	assert_withdrawn_once(1);
}

static void
nothing_is_asked_for_when_contending_is_refused(void **state)
{
	(void)state;
	fake.refuse_next = SYNOD_BUSY;
	assert_int_equal(ask(50, false), SYNOD_BUSY);
	assert_null(lock);
	assert_int_equal(fake.call_count, 0);
	assert_int_equal(hooks_in_use(), 0);
	hold();
	release_in_callback(SYNOD_OK);
	assert_withdrawn_once(1);
}

static void
closing_the_handle_gives_back_and_frees(void **state)
{
	(void)state;
	hold();
	fake_close();
	assert_int_equal(fake.call_count, 2);
	assert_string_equal(fake.calls[1].what, "withdraw /lock");
	assert_int_equal(told.lost, 0);

	set_up(state); /* a failed one that nobody released */
	assert_int_equal(ask(0, true), SYNOD_OK);
	answer(0, SYNOD_HELD, 0);
	fake_close();
	assert_int_equal(fake.call_count, 1);

	set_up(state); /* and one that nobody answered */
	assert_int_equal(ask(0, true), SYNOD_OK);
	fake_close();
	assert_int_equal(fake.call_count, 2);
	assert_int_equal(told.acquired, 0);
}

static void
refuses_nonsense(void **state)
{
	const struct synod_lock_options options = {.on_acquired = on_acquired};

	(void)state;
	assert_int_equal(synod_lock_acquire(&fake.handle, "/lock", &options, NULL),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_lock_acquire(NULL, "/lock", &options, &lock), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_lock_acquire(&fake.handle, NULL, &options, &lock),
	                 SYNOD_BAD_ARGUMENT);
	fake_enter();
	assert_int_equal(synod_lock_acquire(&fake.handle, "/lock", NULL, &lock),
	                 SYNOD_BAD_ARGUMENT); /* it would block */
	fake_leave();
	assert_int_equal(synod_lock_release(NULL, 0), SYNOD_OK);
	assert_int_equal(synod_lock_token(NULL), 0);
	assert_int_equal(synod_lock_remaining_ms(NULL), 0);
	assert_null(synod_lock_guard(NULL).lock);
	assert_null(synod_lock_contender(NULL));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_free_lock_is_held_with_the_answer),
		TEST(a_grant_after_waiting_brings_its_revision_as_the_token),
		TEST(a_grant_hidden_by_compaction_is_found_in_the_state),
		TEST(a_contender_missing_from_the_state_is_lost),
		TEST(a_deleted_contender_is_a_lost_lock_once),
		TEST(the_end_of_the_session_is_the_end_of_the_lock),
		TEST(a_lock_that_can_no_longer_be_counted_on_is_lost_and_still_given_back),
		TEST(who_saw_that_no_time_remains_has_lost_it_for_good),
		TEST(a_grant_in_a_doubtful_session_is_told_when_the_session_is_confirmed),
		TEST(waiting_ends_with_the_session),
		TEST(waiting_ends_when_the_contender_is_deleted),
		TEST(waiting_too_long_withdraws),
		TEST(a_grant_that_races_with_the_timeout_is_withdrawn_too),
		TEST(time_after_the_grant_changes_nothing),
		TEST(a_definite_error_leaves_nothing_to_withdraw),
		TEST(an_unknown_outcome_by_time_is_withdrawn),
		TEST(an_unknown_outcome_by_the_end_of_the_session_needs_no_withdrawing),
		TEST(without_a_watch_the_lock_is_not_taken),
		TEST(the_end_of_the_watch_is_a_lost_lock),
		TEST(releasing_before_the_answer_cancels_without_a_word),
		TEST(releasing_while_waiting_cancels_without_a_word),
		TEST(a_lock_may_be_released_by_its_own_callbacks),
		TEST(a_path_is_locked_once_by_a_handle),
		TEST(a_failed_lock_leaves_the_path_free_before_it_is_released),
		TEST(withdrawing_is_tried_again_when_the_library_is_busy),
		TEST(nothing_is_asked_for_when_contending_is_refused),
		TEST(closing_the_handle_gives_back_and_frees),
		TEST(refuses_nonsense),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
