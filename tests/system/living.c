/* Watches, leases and the application's own loop with real members, some of which are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/ensemble.h"

#define WRITES      400
#define PATIENCE_MS 60000
#define TTL_MS      2000

static struct ensemble ensemble;

static void
start(unsigned size)
{
	ensemble_init(&ensemble, size);
	assert_true(ensemble_start_all(&ensemble));
	assert_true(ensemble_leader(&ensemble, 30000) >= 0);
}

/* ---- watches ---- */

/* What a watch with a callback was told, to be compared with the log. */
struct told {
	atomic_uint change_count;
	atomic_uint fault_count;
	uint64_t revision;
	uint64_t ordinal;
};

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct told *told = context;

	(void)watch;
	if (event->kind != SYNOD_EVENT_CHANGES) {
		atomic_fetch_add(&told->fault_count, 1);
		return;
	}
	for (size_t i = 0; i < event->change_count; i++) {
		const struct synod_change *change = &event->changes[i];

		if (change->revision < told->revision ||
		    (change->revision == told->revision && change->ordinal <= told->ordinal))
			atomic_fetch_add(&told->fault_count, 1);
		told->revision = change->revision;
		told->ordinal = change->ordinal;
		atomic_fetch_add(&told->change_count, 1);
	}
}

static void
write_while_members_die(struct synod *synod)
{
	char path[32];

	for (unsigned i = 0; i < WRITES; i++) {
		snprintf(path, sizeof path, "/w/n%u", i % 10);
		assert_int_equal(synod_put(synod, path, "x", 1, NULL, NULL), SYNOD_OK);
		if (i % 100 == 50) {
			unsigned victim = i / 100 % ensemble.size;

			ensemble_signal(&ensemble, victim, SIGKILL);
			assert_true(ensemble_start(&ensemble, victim));
		}
	}
}

static void
a_watch_misses_nothing_while_members_are_killed(void **state)
{
	struct synod_watch_options options = {.scope = SYNOD_WATCH_SUBTREE, .initial = true};
	struct told told = {0};
	const struct synod_event *event;
	struct synod_watch *queued;
	struct synod_watch *called;
	struct synod *watching;
	struct synod *writing;
	unsigned count = 0;

	(void)state;
	start(3);
	writing = ensemble_open(&ensemble);
	watching = ensemble_open(&ensemble);
	assert_int_equal(synod_put(writing, "/w", NULL, 0, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_watch_open(watching, "/w", &options, &queued), SYNOD_OK);
	assert_int_equal(synod_watch_next(queued, PATIENCE_MS, &event), SYNOD_OK);
	assert_int_equal(event->kind, SYNOD_EVENT_STATE);
	assert_int_equal(event->node_count, 1);
	options = (struct synod_watch_options){.scope = SYNOD_WATCH_SUBTREE,
	                                       .from = event->revision + 1,
	                                       .on_event = on_event,
	                                       .context = &told};
	assert_int_equal(synod_watch_open(watching, "/w", &options, &called), SYNOD_OK);
	write_while_members_die(writing);
	while (count < WRITES) {
		assert_int_equal(synod_watch_next(queued, PATIENCE_MS, &event), SYNOD_OK);
		assert_int_equal(event->kind, SYNOD_EVENT_CHANGES);
		count += (unsigned)event->change_count;
	}
	assert_int_equal(count, WRITES);
	assert_int_equal(synod_watch_next(queued, 0, &event), SYNOD_TIMEOUT);
	/* An event precedes every result that reflects it, on whichever connection. */
	assert_int_equal(synod_get(watching, "/w", NULL, NULL), SYNOD_OK);
	assert_int_equal(atomic_load(&told.change_count), WRITES);
	assert_int_equal(atomic_load(&told.fault_count), 0);
	synod_watch_close(called);
	synod_watch_close(queued);
	synod_close(watching);
	synod_close(writing);
	ensemble_fini(&ensemble);
}

/* ---- leases ---- */

static bool
exists(struct synod *synod, const char *path)
{
	return synod_stat(synod, path, NULL, NULL) == SYNOD_OK;
}

static bool
vanishes(struct synod *synod, const char *path)
{
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;

	while (exists(synod, path) && ensemble_now_ms() < end_ms)
		ensemble_pause();
	return !exists(synod, path);
}

static uint64_t
grant(struct synod *synod)
{
	struct synod_result *result;
	uint64_t id;

	assert_int_equal(synod_lease_grant(synod, TTL_MS, NULL, &result), SYNOD_OK);
	id = result->id;
	synod_result_free(result);
	return id;
}

static void
put_leased(struct synod *synod, const char *path, uint64_t lease)
{
	const struct synod_write_options options = {.kind = SYNOD_LEASED, .lease = lease};

	assert_int_equal(synod_put(synod, path, "x", 1, &options, NULL), SYNOD_OK);
}

static void
a_lease_lives_while_it_is_kept_and_no_longer(void **state)
{
	struct synod_result *result;
	struct synod *granting;
	struct synod *looking;
	unsigned long until_ms;
	uint64_t kept;
	uint64_t left;

	(void)state;
	start(3);
	looking = ensemble_open(&ensemble);
	granting = ensemble_open(&ensemble);
	kept = grant(granting);
	left = grant(granting);
	put_leased(granting, "/kept", kept);
	put_leased(granting, "/left", left);
	assert_int_equal(synod_lease_keep(granting, kept, TTL_MS, NULL, NULL), SYNOD_OK);
	until_ms = ensemble_now_ms() + 3 * TTL_MS;
	while (ensemble_now_ms() < until_ms) {
		assert_true(exists(looking, "/kept"));
		assert_true(synod_lease_remaining_ms(granting, kept) > 0);
		ensemble_pause();
	}
	assert_true(vanishes(looking, "/left"));
	assert_int_equal(synod_owned(looking, kept, NULL, &result), SYNOD_OK);
	assert_int_equal(result->child_count, 1);
	assert_string_equal(result->children[0].path, "/kept");
	synod_result_free(result);
	synod_close(granting); /* revokes it */
	assert_false(exists(looking, "/kept"));
	synod_close(looking);
	ensemble_fini(&ensemble);
}

static void
a_lease_survives_a_killed_leader(void **state)
{
	struct synod *synod;
	uint64_t lease;
	int leader;

	(void)state;
	start(3);
	synod = ensemble_open(&ensemble);
	lease = grant(synod);
	put_leased(synod, "/leased", lease);
	assert_int_equal(synod_lease_keep(synod, lease, TTL_MS, NULL, NULL), SYNOD_OK);
	leader = ensemble_leader(&ensemble, 30000);
	assert_true(leader >= 0);
	ensemble_signal(&ensemble, (unsigned)leader, SIGKILL);
	assert_true(ensemble_leader(&ensemble, 30000) >= 0);
	for (unsigned long end_ms = ensemble_now_ms() + 2 * TTL_MS; ensemble_now_ms() < end_ms;)
		ensemble_pause();
	assert_true(exists(synod, "/leased"));
	assert_true(synod_lease_remaining_ms(synod, lease) > 0);
	synod_close(synod);
	ensemble_fini(&ensemble);
}

/* ---- losses ---- */

struct loss {
	atomic_uint count;
	unsigned cause;
	char path[32];
};

static void
on_loss(void *context, const struct synod_change *change)
{
	struct loss *loss = context;

	loss->cause = change->cause;
	snprintf(loss->path, sizeof loss->path, "%s", change->path);
	atomic_fetch_add(&loss->count, 1);
}

static void
an_owner_is_told_who_took_its_node(void **state)
{
	const struct synod_write_options ephemeral = {.kind = SYNOD_EPHEMERAL};
	struct loss loss = {0};
	struct synod_options options = {.on_loss = on_loss, .context = &loss};
	struct synod *first;
	struct synod *second;
	unsigned long end_ms = ensemble_now_ms() + PATIENCE_MS;

	(void)state;
	start(3);
	options.endpoints = ensemble.endpoints;
	assert_int_equal(synod_open(&options, &first), SYNOD_OK);
	second = ensemble_open(&ensemble);
	assert_int_equal(synod_put(first, "/mine", "1", 1, &ephemeral, NULL), SYNOD_OK);
	assert_int_equal(synod_put(second, "/mine", "2", 1, &ephemeral, NULL), SYNOD_OK);
	while (atomic_load(&loss.count) == 0 && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_int_equal(atomic_load(&loss.count), 1);
	assert_int_equal(loss.cause, SYNOD_CAUSE_SUPERSEDED);
	assert_string_equal(loss.path, "/mine");
	synod_close(first);
	assert_true(exists(second, "/mine"));
	synod_close(second);
	ensemble_fini(&ensemble);
}

/* ---- the application's own loop ---- */

static void
on_own_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	(void)watch;
	*(unsigned *)context += (unsigned)event->change_count;
}

static void
everything_works_in_a_loop_of_its_own(void **state)
{
	struct synod_options options = {.own_loop = true};
	unsigned count = 0;
	const struct synod_watch_options watching = {
		.scope = SYNOD_WATCH_SUBTREE, .on_event = on_own_event, .context = &count};
	struct synod_watch *watch;
	struct pollfd readable = {.events = POLLIN};
	struct synod *synod;
	struct synod *other;

	(void)state;
	start(3);
	options.endpoints = ensemble.endpoints;
	assert_int_equal(synod_open(&options, &synod), SYNOD_OK);
	other = ensemble_open(&ensemble);
	readable.fd = synod_fd(synod);
	assert_int_equal(synod_watch_open(synod, "/w", &watching, &watch), SYNOD_OK);
	assert_int_equal(synod_put(synod, "/w", "1", 1, NULL, NULL), SYNOD_OK);
	assert_int_equal(count, 1);
	assert_int_equal(synod_put(other, "/w", "2", 1, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_put(other, "/w/x", "3", 1, NULL, NULL), SYNOD_OK);
	while (count < 3) {
		assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
		assert_int_equal(synod_dispatch(synod), SYNOD_OK);
	}
	synod_watch_close(watch);
	synod_close(synod);
	synod_close(other);
	ensemble_fini(&ensemble);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_watch_misses_nothing_while_members_are_killed,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_lease_lives_while_it_is_kept_and_no_longer,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_lease_survives_a_killed_leader, ensemble_teardown),
		cmocka_unit_test_teardown(an_owner_is_told_who_took_its_node, ensemble_teardown),
		cmocka_unit_test_teardown(everything_works_in_a_loop_of_its_own, ensemble_teardown),
	};

	alarm(600);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
