/* Handles inside the application's own loop, over a real network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "client/synod.h"
#include "shared/error.h"
#include "tests/support/fake_member.h"

#define PATIENCE_MS 30000
#define CALLS       300

static struct transport *transport;
static struct fake_ensemble *ensemble;
static struct fake_member *member;
static struct synod *synod;
static pthread_t main_thread;
static unsigned done_count;
static atomic_uint strange_thread_count;

static int
set_up(void **state)
{
	const struct synod_options options = {.own_loop = true, .endpoints = NULL};
	struct synod_options with_endpoints = options;

	(void)state;
	transport = transport_nng_new();
	ensemble = fake_ensemble_new();
	member = fake_member_new(ensemble, transport, clock_real(), ACTOR_STRAND);
	with_endpoints.endpoints = fake_member_address(member);
	main_thread = pthread_self();
	done_count = 0;
	atomic_store(&strange_thread_count, 0);
	assert_int_equal(synod_open(&with_endpoints, &synod), SYNOD_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	synod_close(synod);
	fake_member_stop(member);
	fake_member_free(member);
	fake_ensemble_free(ensemble);
	transport->ops->free(transport);
	return 0;
}

static void
on_done(void *context, const struct synod_result *result)
{
	(void)context;
	if (!pthread_equal(pthread_self(), main_thread))
		atomic_fetch_add(&strange_thread_count, 1);
	if (result->error == SYNOD_OK)
		done_count++;
}

static void
put_many(unsigned count)
{
	const struct synod_write_options options = {.call = {.done = on_done}};

	for (unsigned i = 0; i < count; i++)
		assert_int_equal(synod_put(synod, "/a", "x", 1, &options, NULL), SYNOD_OK);
}

static void
does_everything_when_its_descriptor_says_so(void **state)
{
	struct pollfd readable = {.fd = synod_fd(synod), .events = POLLIN};

	(void)state;
	assert_true(readable.fd >= 0);
	put_many(CALLS);
	while (done_count < CALLS) {
		assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
		assert_int_equal(synod_dispatch(synod), SYNOD_OK);
	}
	assert_int_equal(ensemble->write_count, CALLS);
	assert_int_equal(atomic_load(&strange_thread_count), 0);
}

static void
does_nothing_by_itself(void **state)
{
	(void)state;
	put_many(1);
	/* A connection would be there long before this if anybody but us did something. */
	assert_int_equal(poll(NULL, 0, 50), 0);
	assert_int_equal(fake_member_connections(member), 0);
	assert_int_equal(done_count, 0);
}

static void
dispatches_while_it_waits(void **state)
{
	struct synod_status *status;
	struct synod_result *result;

	(void)state;
	put_many(1);
	fake_member_fault(member,
	                  (struct fake_fault){OP_STATUS, 1, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	assert_int_equal(synod_status(synod, 500, &status), SYNOD_OK);
	assert_int_equal(status->members[0].error, SYNOD_TIMEOUT);
	synod_status_free(status);
	assert_int_equal(done_count, 1);
	assert_int_equal(synod_get(synod, "/a", NULL, &result), SYNOD_OK);
	synod_result_free(result);
	assert_int_equal(synod_put(synod, "/a", "x", 1, NULL, NULL), SYNOD_OK);
	assert_int_equal(done_count, 1);
	assert_int_equal(atomic_load(&strange_thread_count), 0);
}

static void
waits_for_the_events_of_a_watch(void **state)
{
	const struct synod_event *event;
	struct synod_watch *watch;

	(void)state;
	fake_member_fault(
		member,
		(struct fake_fault){OP_WATCH, 1, FAKE_ANSWER, SYNOD_LIMIT, "enough", {NULL, 0}, 0});
	assert_int_equal(synod_watch_open(synod, "/a", NULL, &watch), SYNOD_OK);
	assert_int_equal(synod_watch_next(watch, PATIENCE_MS, &event), SYNOD_OK);
	assert_int_equal(event->kind, SYNOD_EVENT_END);
	assert_int_equal(event->error, SYNOD_LIMIT);
	assert_string_equal(event->message, "enough");
	assert_int_equal(synod_watch_next(watch, PATIENCE_MS, &event), SYNOD_CLOSED);
	synod_watch_close(watch);
	assert_int_equal(synod_watch_open(synod, "/a", NULL, &watch), SYNOD_OK);
	assert_int_equal(synod_watch_next(watch, 10, &event), SYNOD_TIMEOUT);
	synod_watch_close(watch);
}

static int in_callback_error;

static void
dispatch_inside(void *context, const struct synod_result *result)
{
	in_callback_error = synod_dispatch(synod);
	on_done(context, result);
}

static void
refuses_to_dispatch_where_it_cannot(void **state)
{
	const struct synod_options options = {.endpoints = "127.0.0.1:1"};
	const struct synod_read_options read = {.call = {.done = dispatch_inside}};
	struct synod *other;

	(void)state;
	assert_int_equal(synod_get(synod, "/a", &read, NULL), SYNOD_OK);
	assert_int_equal(synod_put(synod, "/a", "x", 1, NULL, NULL), SYNOD_OK);
	assert_int_equal(done_count, 1);
	assert_int_equal(in_callback_error, SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_open(&options, &other), SYNOD_OK);
	assert_int_equal(synod_fd(other), -1);
	assert_int_equal(synod_dispatch(other), SYNOD_BAD_ARGUMENT);
	synod_close(other);
	assert_int_equal(synod_fd(NULL), -1);
	assert_int_equal(synod_dispatch(NULL), SYNOD_BAD_ARGUMENT);
}

/* ---- several threads ---- */

static atomic_uint failed_count;
static atomic_uint ended_count;

static void *
write_many(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < CALLS; i++)
		if (synod_put(synod, "/a", "x", 1, NULL, NULL) != SYNOD_OK)
			atomic_fetch_add(&failed_count, 1);
	atomic_fetch_add(&ended_count, 1);
	return NULL;
}

static void
may_be_run_by_several_threads(void **state)
{
	struct pollfd readable = {.fd = synod_fd(synod), .events = POLLIN};
	pthread_t threads[3];

	(void)state;
	atomic_store(&failed_count, 0);
	atomic_store(&ended_count, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, NULL), 0);
	while (atomic_load(&ended_count) < 3) {
		poll(&readable, 1, 1);
		synod_dispatch(synod);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failed_count), 0);
	assert_int_equal(ensemble->write_count, 3 * CALLS);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(does_everything_when_its_descriptor_says_so),
		TEST(does_nothing_by_itself),
		TEST(dispatches_while_it_waits),
		TEST(waits_for_the_events_of_a_watch),
		TEST(refuses_to_dispatch_where_it_cannot),
		TEST(may_be_run_by_several_threads),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
