/* Waiting for a resolver: handles with threads and with a loop of their own, and no ensemble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/discovery/resolver.h"
#include "client/watch.h"

#define NOBODY "127.0.0.1:1"

static struct synod *synod;
static struct synod_resolver *resolver;

static void
open_all(bool own_loop)
{
	const struct synod_options options = {.endpoints = NOBODY, .own_loop = own_loop};

	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
	assert_int_equal(synod_resolver_open(synod, "web", NULL, &resolver), SYNOD_OK);
}

static int
set_up(void **state)
{
	(void)state;
	open_all(false);
	return 0;
}

static int
set_up_loop(void **state)
{
	(void)state;
	open_all(true);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	synod_resolver_close(resolver);
	synod_close(synod);
	return 0;
}

/* What the watch would tell: a state of COUNT instances. */
static void
tell(unsigned count)
{
	static const char record[] = "{\"address\": \"10.0.0.7\", \"port\": 8080}";
	struct synod_node nodes[8];
	char paths[8][64];
	struct synod_event event = {
		.kind = SYNOD_EVENT_STATE, .revision = 10, .nodes = nodes, .node_count = count};
	struct synod_watch *watch = resolver->watch;

	for (unsigned i = 0; i < count; i++) {
		snprintf(paths[i], sizeof paths[i], "/services/web/i%u", i);
		nodes[i] = (struct synod_node){.path = paths[i],
		                               .data = record,
		                               .size = strlen(record),
		                               .stat.owner = 7,
		                               .has_stat = true};
	}
	watch->on_event(watch->context, watch, &event);
}

/* ---- a thread that waits ---- */

struct waiter_thread {
	pthread_t thread;
	size_t count;
	int error;
};

static void *
wait_in_thread(void *context)
{
	struct waiter_thread *waiter = context;

	waiter->error = synod_resolver_wait(resolver, waiter->count, UINT_MAX);
	return NULL;
}

/* Until COUNT threads wait. */
static void
await_waiting(unsigned count)
{
	unsigned waiting = 0;

	while (waiting < count) {
		sched_yield();
		monitor_lock(&resolver->monitor);
		waiting = resolver->references - 2; /* besides ours and the hook's */
		monitor_unlock(&resolver->monitor);
	}
}

static void
start(struct waiter_thread *waiter, size_t count, unsigned waiting)
{
	*waiter = (struct waiter_thread){.count = count, .error = -1};
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_in_thread, waiter), 0);
	await_waiting(waiting);
}

static int
join(struct waiter_thread *waiter)
{
	pthread_join(waiter->thread, NULL);
	return waiter->error;
}

/* ---- tests ---- */

static void
waits_no_longer_than_it_may(void **state)
{
	(void)state;
	assert_int_equal(synod_resolver_wait(resolver, 0, 0), SYNOD_TIMEOUT);
	assert_int_equal(synod_resolver_wait(resolver, 0, 20), SYNOD_TIMEOUT);
	tell(1);
	assert_int_equal(synod_resolver_wait(resolver, 2, 20), SYNOD_TIMEOUT);
}

static void
does_not_wait_for_what_is_so_already(void **state)
{
	(void)state;
	tell(2);
	assert_int_equal(synod_resolver_wait(resolver, 0, 0), SYNOD_OK);
	assert_int_equal(synod_resolver_wait(resolver, 2, UINT_MAX), SYNOD_OK);
}

static void
without_a_number_an_empty_state_is_enough(void **state)
{
	struct waiter_thread waiter;

	(void)state;
	start(&waiter, 0, 1);
	tell(0);
	assert_int_equal(join(&waiter), SYNOD_OK);
}

static void
each_thread_returns_when_there_are_enough_for_it(void **state)
{
	struct waiter_thread one, three;

	(void)state;
	start(&three, 3, 1);
	start(&one, 1, 2);
	tell(1);
	assert_int_equal(join(&one), SYNOD_OK);
	tell(2);
	await_waiting(1);
	tell(3);
	assert_int_equal(join(&three), SYNOD_OK);
}

struct attempt {
	atomic_int error;
};

static void
wait_in_callback(void *context)
{
	struct attempt *attempt = context;

	atomic_store(&attempt->error, synod_resolver_wait(resolver, 0, 20));
}

static void
refuses_in_a_callback(void **state)
{
	static struct attempt attempt;
	const struct synod_hook_options options = {.on_time = wait_in_callback,
	                                           .context = &attempt};
	struct synod_hook *hook;

	(void)state;
	atomic_store(&attempt.error, -1);
	assert_int_equal(synod_hook_add(synod, &options, &hook), SYNOD_OK);
	synod_hook_after(hook, 0);
	while (atomic_load(&attempt.error) == -1)
		sched_yield();
	synod_hook_remove(hook);
	assert_int_equal(atomic_load(&attempt.error), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_resolver_wait(NULL, 0, 20), SYNOD_BAD_ARGUMENT);
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_LOOP(name) cmocka_unit_test_setup_teardown(name, set_up_loop, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waits_no_longer_than_it_may),
		TEST_LOOP(waits_no_longer_than_it_may),
		TEST(does_not_wait_for_what_is_so_already),
		TEST(without_a_number_an_empty_state_is_enough),
		TEST_LOOP(without_a_number_an_empty_state_is_enough),
		TEST(each_thread_returns_when_there_are_enough_for_it),
		TEST_LOOP(each_thread_returns_when_there_are_enough_for_it),
		TEST(refuses_in_a_callback),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
