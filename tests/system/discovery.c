/* Fifty instances of a service and those who call them: instances are killed, members restarted,
 * the whole ensemble is away for longer than any session lives, and no call fails for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/callers.h"

#define SERVICE     "web"
#define INSTANCES   50
#define FIRST       17 /* a third: killed while all is well */
#define AWAY        3  /* killed while the ensemble is away */
#define LEAVING     5  /* told to stop, at the end */
#define PATIENCE_MS 60000

/* A session's time, after which an instance is suspect, and as much again until it goes; and how
 * much later than that on a busy machine. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SESSION_MS 6000
#define SLACK_MS   6000
#else
#define SESSION_MS 2500
#define SLACK_MS   2500
#endif
#define BOUND_MS (2 * SESSION_MS + SLACK_MS)

static struct ensemble ensemble;
static struct instance instances[INSTANCES];
static struct callers callers;

/* ---- looking ---- */

/* What the ensemble says of the service now; all zero if there is no such service. */
static struct synod_service_summary
summary(struct synod *synod)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;
	struct synod_service_summary summary = {0};
	struct synod_services *services;
	int error;

	do
		error = synod_services(synod, 5000, &services);
	while (error != SYNOD_OK && ensemble_now_ms() < end_ms);
	assert_int_equal(error, SYNOD_OK);
	for (size_t i = 0; i < services->count; i++) {
		if (strcmp(services->services[i].name, SERVICE) == 0)
			summary = services->services[i];
	}
	synod_services_free(services);
	return summary;
}

/* Exactly COUNT instances are there, all of them passing. */
static bool
is_passing(const struct synod_service_summary *service, size_t count)
{
	return service->instances == count && service->health[SYNOD_PASSING] == count &&
	       service->suspects == 0;
}

static void
assert_passing(struct synod *synod, size_t count)
{
	struct synod_service_summary service = summary(synod);

	if (!is_passing(&service, count))
		fail_msg("%zu instances, %zu of them passing, %zu suspect, and not %zu%s",
		         service.instances, service.health[SYNOD_PASSING], service.suspects, count,
		         service.brake_holds ? "; the brake holds" : "");
}

static void
wait_passing(struct synod *synod, size_t count)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;
	struct synod_service_summary service = summary(synod);

	while (!is_passing(&service, count) && ensemble_now_ms() < end_ms) {
		ensemble_pause();
		service = summary(synod);
	}
	assert_passing(synod, count);
}

static struct synod_resolver_status
resolver_status(void)
{
	struct synod_resolver_status status;

	synod_resolver_status(callers.resolver, &status);
	return status;
}

/* Wait until so many calls more have been made. */
static void
wait_calls(unsigned count)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;
	unsigned target = atomic_load(&callers.call_count) + count;

	while (atomic_load(&callers.call_count) < target && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_true(atomic_load(&callers.call_count) >= target);
}

/* Who leads, in which ballot. */
static void
read_ballot(struct synod *synod, char *ballot, size_t size)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;
	struct synod_status *status;

	ballot[0] = '\0';
	while (ballot[0] == '\0' && ensemble_now_ms() < end_ms) {
		if (synod_status(synod, 5000, &status) != SYNOD_OK)
			continue;
		for (size_t i = 0; i < status->member_count; i++) {
			const struct synod_member_status *row = &status->members[i];

			if (row->error == SYNOD_OK && strcmp(row->role, "leader") == 0)
				snprintf(ballot, size, "%s", row->ballot);
		}
		synod_status_free(status);
	}
	assert_true(ballot[0] != '\0');
}

/* Instances that were killed may be picked until a bound has passed.  A new leader grants every
 * session its whole time once more: then the bound begins anew. */
static void
wait_for_the_bound(struct synod *synod, unsigned first, unsigned count)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;
	unsigned long bound_ms;
	char before[64], after[64];

	do {
		read_ballot(synod, before, sizeof before);
		bound_ms = ensemble_now_ms() + BOUND_MS;
		while (ensemble_now_ms() < bound_ms)
			ensemble_pause();
		read_ballot(synod, after, sizeof after);
	} while (strcmp(before, after) != 0 && ensemble_now_ms() < end_ms);
	for (unsigned i = first; i < first + count; i++)
		instances[i].may_be_picked_until_ms = ensemble_now_ms();
}

static void
assert_nobody_gone_was_picked(void)
{
	for (unsigned i = 0; i < INSTANCES; i++) {
		unsigned long picked_ms = atomic_load(&instances[i].picked_ms);
		unsigned long until_ms = instances[i].may_be_picked_until_ms;

		if (until_ms > 0 && picked_ms > until_ms)
			fail_msg("%s was picked %lu ms after the bound", instances[i].id,
			         picked_ms - until_ms);
	}
}

static void
assert_no_call_failed(const char *when)
{
	if (atomic_load(&callers.failed_count) > 0)
		fail_msg("%s: %u of %u calls failed for good, %u attempts, %u without anybody to "
		         "pick (last: %s)",
		         when, atomic_load(&callers.failed_count), atomic_load(&callers.call_count),
		         atomic_load(&callers.attempt_count), atomic_load(&callers.refused_count),
		         synod_error_name((int)atomic_load(&callers.last_pick_error)));
	assert_nobody_gone_was_picked();
	print_message("%s: %u calls, %u attempts\n", when, atomic_load(&callers.call_count),
	              atomic_load(&callers.attempt_count));
}

/* ---- what happens ---- */

static void
start_instances(struct synod *synod)
{
	for (unsigned i = 0; i < INSTANCES; i++)
		assert_true(instance_start(&instances[i], i, &ensemble, SERVICE, SESSION_MS));
	wait_passing(synod, INSTANCES);
}

static void
start_callers(struct synod *synod)
{
	struct synod_resolver *resolver;

	assert_int_equal(synod_resolver_open(synod, SERVICE, NULL, &resolver), SYNOD_OK);
	assert_int_equal(synod_resolver_wait(resolver, INSTANCES, PATIENCE_MS), SYNOD_OK);
	assert_true(callers_start(&callers, resolver, instances, INSTANCES));
	wait_calls(1000);
	for (unsigned i = 0; i < INSTANCES; i++)
		assert_true(atomic_load(&instances[i].picked_ms) > 0);
	/* Nobody is ill: not one attempt failed. */
	assert_int_equal(atomic_load(&callers.refused_count), 0);
	assert_no_call_failed("at first");
}

static void
kill_instances(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		instance_kill(&instances[i]);
}

/* They leave at once, and nobody picks them any more as soon as that has been told. */
static void
stop_instances(struct synod *synod)
{
	const unsigned first = FIRST + AWAY;
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;

	for (unsigned i = first; i < first + LEAVING; i++)
		assert_int_equal(instance_stop(&instances[i], PATIENCE_MS), 128 + SIGTERM);
	assert_passing(synod, INSTANCES - first - LEAVING);
	while (resolver_status().instances > INSTANCES - first - LEAVING &&
	       ensemble_now_ms() < end_ms)
		ensemble_pause();
	for (unsigned i = first; i < first + LEAVING; i++)
		instances[i].may_be_picked_until_ms = ensemble_now_ms();
}

static void
restart_members(void)
{
	for (unsigned i = 0; i < ensemble.size; i++) {
		assert_int_equal(ensemble_signal(&ensemble, i, SIGTERM), 0);
		assert_true(ensemble_start(&ensemble, i));
		assert_true(ensemble_agrees(&ensemble, PATIENCE_MS));
	}
}

/* Look-ups go on, and say how old they are, for longer than any session lives. */
static void
be_away(void)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;

	for (unsigned i = 0; i < ensemble.size; i++)
		assert_int_not_equal(ensemble_signal(&ensemble, i, SIGKILL), -1);
	kill_instances(FIRST, AWAY);
	while (resolver_status().age_ms < SESSION_MS * 3 / 2 && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_true(resolver_status().is_stale);
	assert_true(resolver_status().age_ms >= SESSION_MS * 3 / 2);
	assert_int_equal(resolver_status().instances, INSTANCES - FIRST);
	wait_calls(500);
	assert_true(resolver_status().is_stale);
}

static void
wait_fresh(void)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;

	while (resolver_status().is_stale && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_false(resolver_status().is_stale);
	assert_int_equal(resolver_status().age_ms, 0);
}

static void
no_call_fails_whatever_happens_to_instances_and_members(void **state)
{
	struct synod *asking;
	struct synod *synod;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	assert_true(ensemble_leader(&ensemble, 30000) >= 0);
	asking = ensemble_open(&ensemble);
	synod = ensemble_open(&ensemble);
	start_instances(asking);
	start_callers(synod);

	kill_instances(0, FIRST);
	wait_for_the_bound(asking, 0, FIRST);
	assert_passing(asking, INSTANCES - FIRST);
	assert_no_call_failed("a third was killed");

	restart_members();
	wait_calls(500);
	assert_no_call_failed("every member was restarted");

	be_away();
	assert_no_call_failed("the ensemble was away");
	assert_true(ensemble_start_all(&ensemble));
	assert_true(ensemble_leader(&ensemble, PATIENCE_MS) >= 0);
	wait_fresh();
	wait_for_the_bound(asking, FIRST, AWAY);
	/* Whoever had not come back would be suspect by now, or gone. */
	assert_passing(asking, INSTANCES - FIRST - AWAY);
	wait_calls(500);
	assert_no_call_failed("the ensemble is back");

	stop_instances(asking);
	wait_calls(500);
	callers_stop(&callers);
	assert_no_call_failed("five left");
	synod_resolver_close(callers.resolver);
	synod_close(synod);
	synod_close(asking);
}

static int
tear_down(void **state)
{
	for (unsigned i = 0; i < INSTANCES; i++)
		instance_kill(&instances[i]);
	return ensemble_teardown(state);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(no_call_fails_whatever_happens_to_instances_and_members,
	                                  tear_down),
	};

	if (argc == 2 && strcmp(argv[1], "server") == 0)
		instance_serve();
	alarm(280);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
