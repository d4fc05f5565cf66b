/* Locks, elections and the other recipes with real members, some of which are killed meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/ensemble.h"

#define INCREMENTERS 16
#define INCREMENTS   20
#define READERS      4
#define PERMITS      3
#define CANDIDATES   4
#define ROUNDS       5
#define CONSUMERS    4
#define ITEMS        200

static struct ensemble ensemble;

/* One thread of a test: what it does is the test's, what it finds is looked at by the test. */
struct worker {
	pthread_t thread;
	unsigned number;
	struct synod *synod;
	int error;  /* the first that was not expected */
	int broken; /* a promise that was */
	unsigned done;
	bool taken[ITEMS];
};

static void
start(struct worker *workers, unsigned count, void *(*work)(void *))
{
	for (unsigned i = 0; i < count; i++) {
		workers[i] = (struct worker){.number = i, .synod = ensemble_open(&ensemble)};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
}

static void
finish(struct worker *workers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < count; i++) {
		if (workers[i].error != SYNOD_OK)
			fail_msg("worker %u: %s", i, synod_error_name(workers[i].error));
		assert_int_equal(workers[i].broken, 0);
		synod_close(workers[i].synod);
	}
}

static void
wait_for(atomic_uint *value, unsigned least)
{
	unsigned long end_ms = ensemble_now_ms() + 60000;

	while (atomic_load(value) < least && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_true(atomic_load(value) >= least);
}

static int
set_up(void **state)
{
	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	return ensemble_leader(&ensemble, 30000) >= 0 ? 0 : -1;
}

static int
tear_down(void **state)
{
	return ensemble_teardown(state);
}

static void
kill_leader_and_restart(void)
{
	int leader = ensemble_leader(&ensemble, 30000);

	assert_true(leader >= 0);
	ensemble_signal(&ensemble, (unsigned)leader, SIGKILL);
	assert_true(ensemble_leader(&ensemble, 30000) >= 0);
	assert_true(ensemble_start(&ensemble, (unsigned)leader));
}

/* ---- a lock ---- */

static atomic_uint increments;
static atomic_ulong last_token;

/* Read, add one, write: correct only because of the lock. */
static int
increment(struct worker *worker, struct synod_lock *lock)
{
	struct synod_write_options fenced = {.guard = synod_lock_guard(lock)};
	struct synod_result *result = NULL;
	char text[24];
	int error = synod_get(worker->synod, "/sum", NULL, &result);

	if (error == SYNOD_OK) {
		int size = snprintf(text, sizeof text, "%lu",
		                    strtoul(result->node.data, NULL, 10) + 1);

		error = synod_set(worker->synod, "/sum", text, (size_t)size, &fenced, NULL);
	}
	synod_result_free(result);
	return error;
}

static void *
increment_often(void *context)
{
	struct worker *worker = context;

	while (worker->done < INCREMENTS && worker->error == SYNOD_OK) {
		struct synod_lock *lock;
		unsigned long token;
		int error = synod_lock_acquire(worker->synod, "/locks/sum", NULL, &lock);

		if (error != SYNOD_OK) {
			worker->error = error;
			break;
		}
		token = synod_lock_token(lock);
		if (token <= atomic_exchange(&last_token, token))
			worker->broken++;
		error = increment(worker, lock);
		if (error == SYNOD_OK) {
			worker->done++;
			atomic_fetch_add(&increments, 1);
		} else {
			worker->error = error;
		}
		error = synod_lock_release(lock, 0);
		if (error != SYNOD_OK && worker->error == SYNOD_OK)
			worker->error = error;
	}
	return NULL;
}

static void
no_update_is_lost_under_a_lock_while_leaders_are_killed(void **state)
{
	struct worker workers[INCREMENTERS];
	struct synod_result *result;
	struct synod *synod = ensemble_open(&ensemble);

	(void)state;
	atomic_store(&increments, 0);
	atomic_store(&last_token, 0);
	assert_int_equal(synod_put(synod, "/sum", "0", 1, NULL, NULL), SYNOD_OK);
	start(workers, INCREMENTERS, increment_often);
	wait_for(&increments, INCREMENTERS * INCREMENTS / 4);
	kill_leader_and_restart();
	wait_for(&increments, INCREMENTERS * INCREMENTS / 2);
	kill_leader_and_restart();
	finish(workers, INCREMENTERS);
	assert_int_equal(synod_get(synod, "/sum", NULL, &result), SYNOD_OK);
	assert_int_equal(strtoul(result->node.data, NULL, 10), INCREMENTERS * INCREMENTS);
	synod_result_free(result);
	assert_int_equal(synod_list(synod, "/locks/sum", NULL, &result), SYNOD_OK);
	assert_int_equal(result->child_count, 0); /* nobody was left behind */
	synod_result_free(result);
	synod_close(synod);
	assert_true(ensemble_agrees(&ensemble, 30000));
	ensemble_fini(&ensemble);
}

/* ---- shared locks and semaphores ---- */

static atomic_int readers, writers, most_readers;

static void
note_most(atomic_int *most, int value)
{
	int before = atomic_load(most);

	while (value > before && !atomic_compare_exchange_weak(most, &before, value))
		continue;
}

static void
use_shared(struct worker *worker)
{
	int inside = atomic_fetch_add(&readers, 1) + 1;
	unsigned long end_ms = ensemble_now_ms() + 20;

	note_most(&most_readers, inside);
	while (ensemble_now_ms() < end_ms && atomic_load(&most_readers) < READERS)
		ensemble_pause(); /* give the others a chance to join */
	worker->broken += atomic_load(&writers) != 0;
	atomic_fetch_sub(&readers, 1);
}

static void
use_alone(struct worker *worker)
{
	worker->broken += atomic_fetch_add(&writers, 1) != 0;
	worker->broken += atomic_load(&readers) != 0;
	atomic_fetch_sub(&writers, 1);
}

/* Readers but for two writers. */
static void *
read_or_write(void *context)
{
	struct worker *worker = context;
	const struct synod_lock_options options = {.shared = worker->number < READERS};

	for (unsigned i = 0; i < ROUNDS * 4 && worker->error == SYNOD_OK; i++) {
		struct synod_lock *lock;

		worker->error = synod_lock_acquire(worker->synod, "/locks/rw", &options, &lock);
		if (worker->error != SYNOD_OK)
			break;
		if (options.shared)
			use_shared(worker);
		else
			use_alone(worker);
		worker->error = synod_lock_release(lock, 0);
	}
	return NULL;
}

static void
readers_share_a_lock_and_writers_have_it_alone(void **state)
{
	struct worker workers[READERS + 2];

	(void)state;
	atomic_store(&most_readers, 0);
	start(workers, READERS + 2, read_or_write);
	finish(workers, READERS + 2);
	assert_true(atomic_load(&most_readers) > 1);
}

static atomic_int permits, most_permits;

static void *
use_permit(void *context)
{
	const struct synod_lock_options options = {.limit = PERMITS};
	struct worker *worker = context;

	for (unsigned i = 0; i < ROUNDS * 4 && worker->error == SYNOD_OK; i++) {
		struct synod_lock *lock;
		unsigned long end_ms;
		int inside;

		worker->error =
			synod_lock_acquire(worker->synod, "/locks/permits", &options, &lock);
		if (worker->error != SYNOD_OK)
			break;
		inside = atomic_fetch_add(&permits, 1) + 1;
		note_most(&most_permits, inside);
		worker->broken += inside > PERMITS;
		end_ms = ensemble_now_ms() + 20;
		while (ensemble_now_ms() < end_ms && atomic_load(&most_permits) < PERMITS)
			ensemble_pause();
		atomic_fetch_sub(&permits, 1);
		worker->error = synod_lock_release(lock, 0);
	}
	return NULL;
}

static void
a_semaphore_lets_in_as_many_as_it_says(void **state)
{
	struct worker workers[PERMITS * 2];

	(void)state;
	atomic_store(&most_permits, 0);
	start(workers, PERMITS * 2, use_permit);
	finish(workers, PERMITS * 2);
	assert_int_equal(atomic_load(&most_permits), PERMITS);
}

static void
waiting_for_a_lock_ends_in_time_and_leaves_nothing_behind(void **state)
{
	const struct synod_lock_options briefly = {.wait_ms = 200};
	const struct synod_lock_options only_try = {.try_only = true};
	struct synod *first = ensemble_open(&ensemble);
	struct synod *second = ensemble_open(&ensemble);
	struct synod_result *result;
	struct synod_lock *held, *other;

	(void)state;
	assert_int_equal(synod_lock_acquire(first, "/locks/one", NULL, &held), SYNOD_OK);
	assert_int_equal(synod_lock_acquire(first, "/locks/one", NULL, &other), SYNOD_EXISTS);
	assert_int_equal(synod_lock_acquire(second, "/locks/one", &only_try, &other), SYNOD_HELD);
	assert_int_equal(synod_lock_acquire(second, "/locks/one", &briefly, &other), SYNOD_TIMEOUT);
	assert_null(other);
	/* The withdrawing was asked for before this write, and writes keep their order. */
	assert_int_equal(synod_put(second, "/after", "", 0, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_list(second, "/locks/one", NULL, &result), SYNOD_OK);
	assert_int_equal(result->child_count, 1);
	synod_result_free(result);
	assert_int_equal(synod_lock_release(held, 0), SYNOD_OK);
	assert_int_equal(synod_lock_acquire(second, "/locks/one", &only_try, &other), SYNOD_OK);
	synod_close(second); /* gives it back */
	assert_int_equal(synod_lock_acquire(first, "/locks/one", &briefly, &held), SYNOD_OK);
	synod_close(first);
}

struct loss {
	atomic_uint count;
	atomic_uint remaining_ms;
};

static void
on_lost(void *context, struct synod_lock *lock)
{
	struct loss *loss = context;

	atomic_store(&loss->remaining_ms, synod_lock_remaining_ms(lock));
	atomic_fetch_add(&loss->count, 1);
}

/* Its contender deleted by hand; its session ended by somebody; no member that answers. */
static void
a_lost_lock_is_told_and_its_token_refused(void **state)
{
	struct synod *synod = ensemble_open(&ensemble);
	struct synod *other = ensemble_open(&ensemble);
	struct loss loss = {0};
	const struct synod_lock_options options = {.on_lost = on_lost, .context = &loss};
	struct synod_write_options fenced = {0};
	struct synod_lock *lock;
	int error;

	(void)state;
	assert_int_equal(synod_lock_acquire(synod, "/locks/lost", &options, &lock), SYNOD_OK);
	assert_int_equal(synod_delete(other, synod_lock_contender(lock), NULL, NULL), SYNOD_OK);
	wait_for(&loss.count, 1);
	fenced.guard = synod_lock_guard(lock);
	assert_int_equal(synod_put(synod, "/fenced", "x", 1, &fenced, NULL), SYNOD_FENCED);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_NOT_HELD);

	assert_int_equal(synod_lock_acquire(synod, "/locks/lost", &options, &lock), SYNOD_OK);
	assert_int_equal(synod_session_end(other, synod_session_id(synod), NULL, NULL), SYNOD_OK);
	wait_for(&loss.count, 2);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_NOT_HELD);
	synod_close(other);

	/* The library may learn only now that the session was ended. */
	error = synod_lock_acquire(synod, "/locks/lost", &options, &lock);
	if (error == SYNOD_SESSION_ENDED)
		error = synod_lock_acquire(synod, "/locks/lost", &options, &lock);
	assert_int_equal(error, SYNOD_OK);
	assert_true(synod_lock_remaining_ms(lock) > 0);
	for (unsigned i = 0; i < 3; i++)
		ensemble_signal(&ensemble, i, SIGSTOP);
	wait_for(&loss.count, 3);
	assert_int_equal(atomic_load(&loss.remaining_ms), 0);
	assert_int_equal(synod_lock_remaining_ms(lock), 0);
	for (unsigned i = 0; i < 3; i++)
		ensemble_signal(&ensemble, i, SIGCONT);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_NOT_HELD);
	assert_int_equal(atomic_load(&loss.count), 3);
	synod_close(synod);
}

/* The application runs the library: blocking calls do, and so does its own loop. */
static void
locks_work_in_the_applications_own_loop(void **state)
{
	const struct synod_options own_loop = {.endpoints = ensemble.endpoints, .own_loop = true};
	struct loss loss = {0};
	const struct synod_lock_options options = {.on_lost = on_lost, .context = &loss};
	const struct synod_lock_options briefly = {.wait_ms = 200};
	unsigned long end_ms = ensemble_now_ms() + 60000;
	struct synod *synod, *other = ensemble_open(&ensemble);
	struct synod_lock *lock, *theirs;

	(void)state;
	assert_int_equal(synod_open(&own_loop, &synod), SYNOD_OK);
	assert_int_equal(synod_lock_acquire(other, "/locks/loop", NULL, &theirs), SYNOD_OK);
	assert_int_equal(synod_lock_acquire(synod, "/locks/loop", &briefly, &lock), SYNOD_TIMEOUT);
	assert_int_equal(synod_lock_release(theirs, 0), SYNOD_OK);
	assert_int_equal(synod_lock_acquire(synod, "/locks/loop", &options, &lock), SYNOD_OK);
	assert_int_equal(synod_delete(other, synod_lock_contender(lock), NULL, NULL), SYNOD_OK);
	while (atomic_load(&loss.count) == 0 && ensemble_now_ms() < end_ms) {
		struct pollfd fd = {.fd = synod_fd(synod), .events = POLLIN};

		poll(&fd, 1, 100);
		synod_dispatch(synod);
	}
	assert_int_equal(atomic_load(&loss.count), 1);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_NOT_HELD);
	assert_int_equal(synod_lock_acquire(synod, "/locks/loop", &options, &lock), SYNOD_OK);
	assert_int_equal(synod_lock_release(lock, 0), SYNOD_OK);
	synod_close(synod);
	synod_close(other);
}

/* ---- an election ---- */

struct observation {
	pthread_mutex_t lock;
	unsigned count;
	char values[64][16]; /* "-": nobody */
	uint64_t tokens[64];
	atomic_uint leaders;
};

static void
on_leader(void *context, const struct synod_leader *leader)
{
	struct observation *seen = context;

	pthread_mutex_lock(&seen->lock);
	if (seen->count < 64) {
		snprintf(seen->values[seen->count], 16, "%s",
		         leader->token != 0 ? (const char *)leader->value : "-");
		seen->tokens[seen->count++] = leader->token;
	}
	pthread_mutex_unlock(&seen->lock);
	if (leader->token != 0)
		atomic_fetch_add(&seen->leaders, 1);
}

static void
on_elected(void *context, struct synod_election *election, int error)
{
	(void)election;
	if (error == SYNOD_OK)
		atomic_fetch_add((atomic_uint *)context, 1);
}

/* The value of who leads, or "-". */
static void
ask_leader(struct synod *synod, char *value, size_t size)
{
	struct synod_result *result;
	int error = synod_election_leader(synod, "/election", NULL, &result);

	if (error != SYNOD_OK && error != SYNOD_NOT_FOUND)
		fail_msg("leader: %s", synod_error_name(error));
	snprintf(value, size, "%s", error == SYNOD_OK ? (const char *)result->node.data : "-");
	synod_result_free(result);
}

static void
assert_observed(struct observation *seen, const char *const *values, unsigned count)
{
	uint64_t last = 0;
	unsigned index = 0;

	pthread_mutex_lock(&seen->lock);
	for (unsigned i = 0; i < seen->count; i++) {
		assert_true(seen->tokens[i] == 0 || seen->tokens[i] >= last);
		if (seen->tokens[i] == 0)
			continue;
		last = seen->tokens[i];
		assert_true(index < count);
		assert_string_equal(seen->values[i], values[index++]);
	}
	assert_int_equal(index, count);
	pthread_mutex_unlock(&seen->lock);
}

static void
leadership_goes_from_one_to_the_next_and_is_observed(void **state)
{
	static const char *const values[] = {"c0", "c1", "c1 works", "c2", "c3"};
	struct observation seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct synod *watcher = ensemble_open(&ensemble);
	struct synod *synods[CANDIDATES];
	struct synod_election *elections[CANDIDATES];
	struct synod_observer *observer;
	atomic_uint elected = 0;
	const struct synod_election_options options = {.on_elected = on_elected,
	                                               .context = &elected};
	char value[16];

	(void)state;
	assert_int_equal(synod_election_observe(watcher, "/election", on_leader, &seen, &observer),
	                 SYNOD_OK);
	ask_leader(watcher, value, sizeof value);
	assert_string_equal(value, "-");
	for (unsigned i = 0; i < CANDIDATES; i++) {
		snprintf(value, sizeof value, "c%u", i);
		synods[i] = ensemble_open(&ensemble);
		assert_int_equal(synod_election_campaign(synods[i], "/election", value, 2, &options,
		                                         &elections[i]),
		                 SYNOD_OK);
		/* One after the other, so that their order is known. */
		assert_int_equal(synod_put(synods[i], "/x", "", 0, NULL, NULL), SYNOD_OK);
	}
	wait_for(&elected, 1);
	assert_int_equal(synod_election_proclaim(elections[1], "too soon", 8, 0), SYNOD_NOT_HELD);
	ask_leader(watcher, value, sizeof value);
	assert_string_equal(value, "c0");
	assert_int_equal(synod_election_resign(elections[0], 0), SYNOD_OK);
	wait_for(&elected, 2);
	assert_int_equal(synod_election_proclaim(elections[1], "c1 works", 8, 0), SYNOD_OK);
	kill_leader_and_restart(); /* the ensemble's: nobody loses this election by it */
	ask_leader(watcher, value, sizeof value);
	assert_string_equal(value, "c1 works");
	assert_true(synod_election_remaining_ms(elections[1]) > 0);
	synod_close(synods[1]); /* the leader goes without a word */
	wait_for(&elected, 3);
	assert_int_equal(synod_session_end(watcher, synod_session_id(synods[2]), NULL, NULL),
	                 SYNOD_OK);
	wait_for(&elected, 4);
	assert_true(synod_election_token(elections[3]) > 0);
	assert_int_equal(synod_election_resign(elections[2], 0), SYNOD_NOT_HELD);
	wait_for(&seen.leaders, 5);
	synod_observer_close(observer);
	assert_observed(&seen, values, 5);
	synod_close(synods[0]);
	synod_close(synods[2]);
	synod_close(synods[3]);
	synod_close(watcher);
}

/* ---- a barrier, a counter, a queue ---- */

static atomic_uint entered, left;

static void *
pass_barrier(void *context)
{
	struct worker *worker = context;

	for (unsigned i = 1; i <= ROUNDS && worker->error == SYNOD_OK; i++) {
		atomic_fetch_add(&entered, 1);
		worker->error = synod_barrier_enter(worker->synod, "/barrier", CANDIDATES, 0);
		worker->broken += atomic_load(&entered) < i * CANDIDATES;
		atomic_fetch_add(&left, 1);
		if (worker->error == SYNOD_OK)
			worker->error = synod_barrier_leave(worker->synod, "/barrier", 0);
		worker->broken += atomic_load(&left) < i * CANDIDATES;
	}
	return NULL;
}

static void
a_barrier_lets_all_in_and_out_together_round_after_round(void **state)
{
	struct synod *synod = ensemble_open(&ensemble);
	struct worker workers[CANDIDATES];

	(void)state;
	atomic_store(&entered, 0);
	atomic_store(&left, 0);
	start(workers, CANDIDATES, pass_barrier);
	finish(workers, CANDIDATES);
	assert_int_equal(atomic_load(&left), CANDIDATES * ROUNDS);
	assert_int_equal(synod_barrier_enter(synod, "/barrier", 2, 3000), SYNOD_TIMEOUT);
	assert_int_equal(synod_barrier_leave(synod, "/barrier", 20000), SYNOD_NOT_FOUND);
	assert_int_equal(synod_barrier_enter(synod, "/barrier", 1, 20000), SYNOD_OK);
	assert_int_equal(synod_barrier_leave(synod, "/barrier", 20000), SYNOD_OK);
	synod_close(synod);
}

static void *
count_up_and_down(void *context)
{
	struct worker *worker = context;

	for (unsigned i = 0; i < 50 && worker->error == SYNOD_OK; i++)
		worker->error = synod_counter_add(worker->synod, "/deep/counter",
		                                  worker->number % 2 == 0 ? 3 : -1, NULL);
	return NULL;
}

static void
a_counter_counts_what_many_add(void **state)
{
	struct synod *synod = ensemble_open(&ensemble);
	struct worker workers[CANDIDATES];
	int64_t value;

	(void)state;
	start(workers, CANDIDATES, count_up_and_down);
	finish(workers, CANDIDATES);
	assert_int_equal(synod_counter_add(synod, "/deep/counter", 0, &value), SYNOD_OK);
	assert_int_equal(value, CANDIDATES / 2 * 50 * 2);
	assert_int_equal(synod_put(synod, "/deep/counter", "12 apples", 9, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_counter_add(synod, "/deep/counter", 1, &value), SYNOD_BAD_ARGUMENT);
	synod_close(synod);
}

static atomic_uint taken;

static void *
take_until_empty(void *context)
{
	struct worker *worker = context;

	while (atomic_load(&taken) < ITEMS && worker->error == SYNOD_OK) {
		struct synod_result *result;
		int error = synod_queue_take(worker->synod, "/queue", 500, &result);

		if (error == SYNOD_OK) {
			unsigned long item = strtoul(result->node.data, NULL, 10);

			worker->broken += item >= ITEMS || worker->taken[item];
			if (item < ITEMS)
				worker->taken[item] = true;
			worker->done++;
			atomic_fetch_add(&taken, 1);
		} else if (error != SYNOD_TIMEOUT) {
			worker->error = error;
		}
		synod_result_free(result);
	}
	return NULL;
}

static void
every_item_of_a_queue_is_taken_once(void **state)
{
	struct synod *synod = ensemble_open(&ensemble);
	struct worker workers[CONSUMERS];
	struct synod_result *result;

	(void)state;
	atomic_store(&taken, 0);
	assert_int_equal(synod_queue_take(synod, "/queue", 0, &result), SYNOD_NOT_FOUND);
	synod_result_free(result);
	start(workers, CONSUMERS, take_until_empty);
	for (unsigned i = 0; i < ITEMS; i++) {
		char text[16];
		int size = snprintf(text, sizeof text, "%u", i);

		assert_int_equal(synod_queue_put(synod, "/queue", text, (size_t)size), SYNOD_OK);
	}
	finish(workers, CONSUMERS);
	for (unsigned item = 0; item < ITEMS; item++) {
		unsigned times = 0;

		for (unsigned i = 0; i < CONSUMERS; i++)
			times += workers[i].taken[item];
		assert_int_equal(times, 1);
	}
	assert_int_equal(synod_queue_put(synod, "/queue", "first", 5), SYNOD_OK);
	assert_int_equal(synod_queue_put(synod, "/queue", "second", 6), SYNOD_OK);
	assert_int_equal(synod_queue_take(synod, "/queue", 0, &result), SYNOD_OK);
	assert_string_equal(result->node.data, "first");
	assert_non_null(strstr(result->node.path, "/queue/item-"));
	synod_result_free(result);
	synod_close(synod);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_update_is_lost_under_a_lock_while_leaders_are_killed),
		TEST(readers_share_a_lock_and_writers_have_it_alone),
		TEST(a_semaphore_lets_in_as_many_as_it_says),
		TEST(waiting_for_a_lock_ends_in_time_and_leaves_nothing_behind),
		TEST(a_lost_lock_is_told_and_its_token_refused),
		TEST(locks_work_in_the_applications_own_loop),
		TEST(leadership_goes_from_one_to_the_next_and_is_observed),
		TEST(a_barrier_lets_all_in_and_out_together_round_after_round),
		TEST(a_counter_counts_what_many_add),
		TEST(every_item_of_a_queue_is_taken_once),
	};

	alarm(600);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
