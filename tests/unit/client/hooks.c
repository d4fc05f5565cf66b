/* Hooks of a handle, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/fake_client.h"

struct told {
	struct synod_hook *hook;
	struct synod *synod;
	unsigned states;
	enum synod_state last_state;
	unsigned times;
	uint64_t time_ms;
	unsigned closes;
	int close_call_error;
	unsigned gone;
	bool should_remove;
	bool was_in_callback;
};

static struct setting *setting;
static struct told first, second; /* beyond the test: closing the handle tells them */

static int
set_up(void **state)
{
	(void)state;
	setting = setting_new(1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	setting_free(setting);
	return 0;
}

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct told *told = context;

	(void)remaining_ms;
	told->states++;
	told->last_state = state;
	told->was_in_callback = synod_in_callback();
	if (told->should_remove)
		synod_hook_remove(told->hook);
}

static void
on_time(void *context)
{
	struct told *told = context;

	told->times++;
	told->time_ms = fake_world_now_ms(setting->world);
	if (told->should_remove)
		synod_hook_remove(told->hook);
}

static void
on_written(void *context, const struct synod_result *result)
{
	struct told *told = context;

	told->close_call_error = result->error;
}

static void
on_close(void *context)
{
	const struct synod_write_options options = {.call = {on_written, context, 0}};
	struct told *told = context;

	told->closes++;
	assert_int_equal(synod_put(told->synod, "/last", "x", 1, &options, NULL), SYNOD_OK);
}

static void
on_gone(void *context)
{
	struct told *told = context;

	told->gone++;
}

static void
add(struct told *told)
{
	const struct synod_hook_options options = {on_state, on_time, on_close, on_gone, told};

	*told = (struct told){.synod = setting->synod, .close_call_error = -1};
	assert_int_equal(synod_hook_add(setting->synod, &options, &told->hook), SYNOD_OK);
}

static void
every_hook_is_told_the_states_as_the_application_is(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	add(&first);
	add(&second);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(first.states, 1);
	assert_int_equal(first.last_state, SYNOD_CONNECTED);
	assert_true(first.was_in_callback);
	assert_false(synod_in_callback());
	assert_int_equal(second.states, 1);
	assert_int_equal(setting->state_count, 1);
}

static void
time_comes_once_when_it_was_asked_for_last(void **state)
{
	uint64_t begin_ms;

	(void)state;
	setting_open(setting, 1, 0);
	add(&first);
	fake_world_run_for(setting->world, 100);
	begin_ms = fake_world_now_ms(setting->world);
	synod_hook_after(first.hook, 50);
	synod_hook_after(first.hook, 700);
	fake_world_run_for(setting->world, 690);
	assert_int_equal(first.times, 0);
	fake_world_run_for(setting->world, 2000);
	assert_int_equal(first.times, 1);
	assert_in_range(first.time_ms, begin_ms + 700, begin_ms + 702);
	synod_hook_after(first.hook, 50);
	synod_hook_after(first.hook, UINT_MAX);
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(first.times, 1);
}

static void
a_removed_hook_goes_and_hears_nothing_more(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	add(&first);
	add(&second);
	synod_hook_after(first.hook, 10);
	synod_hook_remove(first.hook);
	assert_int_equal(first.gone, 0);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(first.gone, 1);
	assert_int_equal(first.times, 0);
	assert_int_equal(first.states, 0);
	assert_int_equal(second.states, 1);
	setting_close(setting);
	assert_int_equal(first.gone, 1);
	assert_int_equal(first.closes, 0);
	assert_int_equal(second.gone, 1);
}

static void
a_hook_may_be_removed_by_its_own_functions(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	add(&first);
	add(&second);
	first.should_remove = true;
	fake_world_run_for(setting->world, 100);
	assert_int_equal(first.states, 1);
	assert_int_equal(first.gone, 1);
	second.should_remove = true;
	synod_hook_after(second.hook, 0);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(second.times, 1);
	assert_int_equal(second.gone, 1);
}

static void
what_is_called_at_the_end_is_done_before_the_session_ends(void **state)
{
	struct reply reply;

	(void)state;
	setting_open(setting, 1, 0);
	setting_put(setting, "/first", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	add(&first);
	setting_close(setting);
	assert_int_equal(first.closes, 1);
	assert_int_equal(first.close_call_error, SYNOD_OK);
	assert_int_equal(first.gone, 1);
	assert_string_equal(setting->ensemble->writes[1], "PUT /last"); /* before SESSION_CLOSE */
}

static void
refuses_nonsense(void **state)
{
	const struct synod_hook_options options = {0};
	struct synod_hook *hook = NULL;

	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(synod_hook_add(NULL, &options, &hook), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_hook_add(setting->synod, NULL, &hook), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_hook_add(setting->synod, &options, NULL), SYNOD_BAD_ARGUMENT);
	synod_hook_remove(NULL);
	assert_int_equal(synod_hook_add(setting->synod, &options, &hook), SYNOD_OK);
	synod_hook_after(hook, 0);
	fake_world_run_for(setting->world, 10);
	synod_hook_remove(hook);
	fake_world_run_for(setting->world, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_hook_is_told_the_states_as_the_application_is,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(time_comes_once_when_it_was_asked_for_last, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_removed_hook_goes_and_hears_nothing_more, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_hook_may_be_removed_by_its_own_functions, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_called_at_the_end_is_done_before_the_session_ends, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(refuses_nonsense, set_up, tear_down),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
