/* Members are killed, stopped and restarted under load: nothing acknowledged is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ensemble.h"

#define WRITERS 4
#define KEYS    50
#define ROUNDS  6

struct writer {
	pthread_t thread;
	const struct ensemble *ensemble;
	unsigned number;
	atomic_bool *should_stop;
	atomic_ulong acknowledged;
	unsigned long last_acknowledged[KEYS];
	unsigned long last_tried[KEYS];
	int unexpected; /* a definite error that should not occur */
};

static void
key_path(char *path, size_t size, unsigned writer, unsigned long key)
{
	snprintf(path, size, "/w%u/k%lu", writer, key);
}

static void *
write_until_stopped(void *context)
{
	struct writer *writer = context;
	struct synod *synod = ensemble_open(writer->ensemble);
	struct synod_write_options options = {.make_parents = true, .call.timeout_ms = 60000};

	for (unsigned long n = 1; !*writer->should_stop; n++) {
		char path[64], value[32];
		int error;

		key_path(path, sizeof path, writer->number, n % KEYS);
		snprintf(value, sizeof value, "%lu", n);
		writer->last_tried[n % KEYS] = n;
		error = synod_put(synod, path, value, strlen(value), &options, NULL);
		if (error == SYNOD_OK) {
			writer->last_acknowledged[n % KEYS] = n;
			writer->acknowledged++;
		} else if (error != SYNOD_UNKNOWN && error != SYNOD_TIMEOUT &&
		           error != SYNOD_NO_QUORUM) {
			writer->unexpected = error;
			break;
		}
	}
	synod_close(synod);
	return NULL;
}

static void
start_writers(struct writer *writers, const struct ensemble *ensemble, atomic_bool *should_stop)
{
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].ensemble = ensemble;
		writers[i].number = i;
		writers[i].should_stop = should_stop;
		assert_int_equal(
			pthread_create(&writers[i].thread, NULL, write_until_stopped, &writers[i]),
			0);
	}
}

static unsigned long
acknowledged(const struct writer *writers)
{
	unsigned long sum = 0;

	for (unsigned i = 0; i < WRITERS; i++)
		sum += writers[i].acknowledged;
	return sum;
}

/* Wait until COUNT more writes have been acknowledged. */
static void
wait_progress(const struct writer *writers, unsigned long count)
{
	unsigned long target = acknowledged(writers) + count;
	unsigned long end_ms = ensemble_now_ms() + 60000;

	while (acknowledged(writers) < target && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_true(acknowledged(writers) >= target);
}

static void
check_writer(struct synod *synod, const struct writer *writer)
{
	assert_int_equal(writer->unexpected, SYNOD_OK);
	for (unsigned long key = 0; key < KEYS; key++) {
		struct synod_result *result;
		unsigned long value;
		char path[64];

		if (writer->last_acknowledged[key] == 0)
			continue;
		key_path(path, sizeof path, writer->number, key);
		assert_int_equal(synod_get(synod, path, NULL, &result), SYNOD_OK);
		value = strtoul(result->node.data, NULL, 10);
		if (value < writer->last_acknowledged[key] || value > writer->last_tried[key])
			fail_msg("%s holds %lu, acknowledged %lu, tried %lu", path, value,
			         writer->last_acknowledged[key], writer->last_tried[key]);
		synod_result_free(result);
	}
}

static void
finish_writers(const struct ensemble *ensemble, struct writer *writers, atomic_bool *should_stop)
{
	struct synod *synod;

	*should_stop = true;
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	synod = ensemble_open(ensemble);
	for (unsigned i = 0; i < WRITERS; i++)
		check_writer(synod, &writers[i]);
	synod_close(synod);
}

static void
nothing_acknowledged_is_lost_when_leaders_and_followers_are_killed(void **state)
{
	struct writer writers[WRITERS] = {0};
	atomic_bool should_stop = false;
	struct ensemble ensemble;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	start_writers(writers, &ensemble, &should_stop);
	wait_progress(writers, 100);
	for (unsigned round = 0; round < ROUNDS; round++) {
		int victim = ensemble_leader(&ensemble, 30000);

		assert_true(victim >= 0);
		if (round % 2 == 1)
			victim = (victim + 1) % 3; /* a follower this time */
		assert_true(WIFSIGNALED(ensemble_signal(&ensemble, (unsigned)victim, SIGKILL)));
		wait_progress(writers, 100);
		assert_true(ensemble_start(&ensemble, (unsigned)victim));
		wait_progress(writers, 100);
	}
	finish_writers(&ensemble, writers, &should_stop);
	assert_true(ensemble_agrees(&ensemble, 30000));
	ensemble_fini(&ensemble);
}

static void
nothing_acknowledged_is_lost_when_all_members_are_killed_at_once(void **state)
{
	struct writer writers[WRITERS] = {0};
	atomic_bool should_stop = false;
	struct ensemble ensemble;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	start_writers(writers, &ensemble, &should_stop);
	wait_progress(writers, 500);
	for (unsigned i = 0; i < 3; i++)
		kill(ensemble.members[i].pid, SIGKILL);
	for (unsigned i = 0; i < 3; i++)
		ensemble_signal(&ensemble, i, SIGKILL);
	assert_true(ensemble_start_all(&ensemble));
	wait_progress(writers, 100);
	finish_writers(&ensemble, writers, &should_stop);
	assert_true(ensemble_agrees(&ensemble, 30000));
	ensemble_fini(&ensemble);
}

/* The number that MEMBER answers with for /n, or 0 if it cannot answer. */
static unsigned long
read_at(const struct ensemble *ensemble, unsigned member)
{
	struct synod_read_options options = {.call.timeout_ms = 10000};
	struct synod *synod = ensemble_open_one(ensemble, member);
	struct synod_result *result = NULL;
	unsigned long value = 0;

	if (synod_get(synod, "/n", &options, &result) == SYNOD_OK)
		value = strtoul(result->node.data, NULL, 10);
	synod_result_free(result);
	synod_close(synod);
	return value;
}

static void
a_leader_that_was_stopped_never_answers_with_the_past(void **state)
{
	struct ensemble ensemble;
	struct synod *synod;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	synod = ensemble_open(&ensemble);
	for (unsigned round = 1; round <= 3; round++) {
		int old = ensemble_leader(&ensemble, 30000);
		char value[16];

		assert_true(old >= 0);
		ensemble_signal(&ensemble, (unsigned)old, SIGSTOP);
		snprintf(value, sizeof value, "%u", round);
		assert_int_equal(synod_put(synod, "/n", value, strlen(value), NULL, NULL),
		                 SYNOD_OK);
		ensemble_signal(&ensemble, (unsigned)old, SIGCONT);
		assert_int_equal(read_at(&ensemble, (unsigned)old), round);
	}
	assert_true(ensemble_agrees(&ensemble, 30000));
	synod_close(synod);
	ensemble_fini(&ensemble);
}

static void
a_member_ends_cleanly_when_asked(void **state)
{
	struct ensemble ensemble;
	struct synod *synod;
	int leader;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	leader = ensemble_leader(&ensemble, 30000);
	assert_true(leader >= 0);
	assert_int_equal(ensemble_signal(&ensemble, (unsigned)leader, SIGTERM), 0);
	synod = ensemble_open(&ensemble);
	assert_int_equal(synod_put(synod, "/after", "x", 1, NULL, NULL), SYNOD_OK);
	synod_close(synod);
	for (unsigned i = 0; i < 3; i++) {
		if (i != (unsigned)leader)
			assert_int_equal(ensemble_signal(&ensemble, i, SIGTERM), 0);
	}
	ensemble_fini(&ensemble);
}

static void
a_follower_that_was_away_catches_up(void **state)
{
	struct ensemble ensemble;
	struct synod *synod;

	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start(&ensemble, 0));
	assert_true(ensemble_start(&ensemble, 1));
	synod = ensemble_open(&ensemble);
	for (unsigned i = 0; i < 500; i++) {
		char path[32];

		snprintf(path, sizeof path, "/n%u", i);
		assert_int_equal(synod_put(synod, path, "x", 1, NULL, NULL), SYNOD_OK);
	}
	assert_true(ensemble_start(&ensemble, 2));
	assert_true(ensemble_agrees(&ensemble, 30000));
	synod_close(synod);
	ensemble_fini(&ensemble);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			nothing_acknowledged_is_lost_when_leaders_and_followers_are_killed,
			ensemble_teardown),
		cmocka_unit_test_teardown(
			nothing_acknowledged_is_lost_when_all_members_are_killed_at_once,
			ensemble_teardown),
		cmocka_unit_test_teardown(a_leader_that_was_stopped_never_answers_with_the_past,
	                                  ensemble_teardown),
		cmocka_unit_test_teardown(a_member_ends_cleanly_when_asked, ensemble_teardown),
		cmocka_unit_test_teardown(a_follower_that_was_away_catches_up, ensemble_teardown),
	};

	alarm(600);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
