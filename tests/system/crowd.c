/* Two hundred sessions with ephemeral nodes and locks lose none of them with a leader that is
 * killed or stopped; a client process that is killed loses all it had, and in one revision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ensemble.h"

#define SESSIONS    200
#define LOCKS       40 /* each with SESSIONS / LOCKS contenders */
#define DOOMED      10 /* sessions of the client process that is killed */
#define DOOMED_EACH 3  /* ephemeral nodes of each */
#define SEEN_MAX    20000

/* A session's time, and how much later than that it may end: the leader looks for deadlines that
 * have passed several times a second, and two cores are shared by all of this. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SESSION_MS 12000
#define BOUND_MS   6000
#else
#define SESSION_MS 4000
#define BOUND_MS   1500
#endif

extern char **environ;

static struct ensemble ensemble;

/* ---- a session of the crowd ---- */

struct person {
	struct synod *synod;
	struct synod_lock *lock; /* held, or waited for */
	struct synod_lock *next; /* waited for: one of the client's that is killed */
	atomic_ullong token;     /* of `lock`, once it is held */
	atomic_ullong next_token;
	atomic_uint expired_count;
	atomic_uint lost_count;
	atomic_uint error_count;
};

static struct person people[SESSIONS];

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct person *person = context;

	(void)remaining_ms;
	if (state == SYNOD_EXPIRED)
		atomic_fetch_add(&person->expired_count, 1);
}

static void
on_acquired(void *context, struct synod_lock *lock, int error)
{
	struct person *person = context;
	const char *contender = synod_lock_contender(lock);

	if (error != SYNOD_OK || contender == NULL)
		atomic_fetch_add(&person->error_count, 1);
	else if (strncmp(contender, "/crowd/locks/d", 14) == 0)
		atomic_store(&person->next_token, synod_lock_token(lock));
	else
		atomic_store(&person->token, synod_lock_token(lock));
}

static void
on_lost(void *context, struct synod_lock *lock)
{
	struct person *person = context;

	(void)lock;
	atomic_fetch_add(&person->lost_count, 1);
}

static void
contend(struct person *person, const char *path, struct synod_lock **lock)
{
	const struct synod_lock_options options = {
		.on_acquired = on_acquired, .on_lost = on_lost, .context = person};

	assert_int_equal(synod_lock_acquire(person->synod, path, &options, lock), SYNOD_OK);
}

/* The ephemeral node is written after contending, so contenders stand in the order of their
 * numbers: writes of a session keep their order. */
static void
join(unsigned number)
{
	const struct synod_write_options ephemeral = {.kind = SYNOD_EPHEMERAL};
	struct person *person = &people[number];
	const struct synod_options options = {.endpoints = ensemble.endpoints,
	                                      .session_timeout_ms = SESSION_MS,
	                                      .on_state = on_state,
	                                      .context = person};
	char path[64];

	assert_int_equal(synod_open(&options, &person->synod), SYNOD_OK);
	snprintf(path, sizeof path, "/crowd/locks/l%02u", number % LOCKS);
	contend(person, path, &person->lock);
	snprintf(path, sizeof path, "/crowd/s%03u", number);
	assert_int_equal(synod_put(person->synod, path, "", 0, &ephemeral, NULL), SYNOD_OK);
}

static uint64_t
wait_for_token(const atomic_ullong *token)
{
	unsigned long end_ms = ensemble_now_ms() + 60000;

	while (atomic_load(token) == 0 && ensemble_now_ms() < end_ms)
		ensemble_pause();
	assert_true(atomic_load(token) != 0);
	return atomic_load(token);
}

/* ---- the client process that is killed ---- */

static pid_t client_pid;
static uint64_t doomed[DOOMED]; /* its sessions */

static void
ignore_acquired(void *context, struct synod_lock *lock, int error)
{
	(void)context;
	(void)lock;
	(void)error;
}

/* Hold a lock nobody else has asked for yet, wait for one of the crowd's, and own some nodes. */
static int
client_session(const char *endpoints, unsigned number)
{
	const struct synod_write_options ephemeral = {.kind = SYNOD_EPHEMERAL};
	const struct synod_lock_options waiting = {.on_acquired = ignore_acquired};
	const struct synod_options options = {.endpoints = endpoints,
	                                      .session_timeout_ms = SESSION_MS};
	struct synod_lock *lock;
	struct synod *synod;
	char path[64];
	int error = synod_open(&options, &synod);

	snprintf(path, sizeof path, "/crowd/locks/d%02u", number);
	if (error == SYNOD_OK)
		error = synod_lock_acquire(synod, path, NULL, &lock);
	snprintf(path, sizeof path, "/crowd/locks/l%02u", number);
	if (error == SYNOD_OK)
		error = synod_lock_acquire(synod, path, &waiting, &lock);
	for (unsigned i = 0; i < DOOMED_EACH && error == SYNOD_OK; i++) {
		snprintf(path, sizeof path, "/crowd/d%02u-%u", number, i);
		error = synod_put(synod, path, "", 0, &ephemeral, NULL);
	}
	if (error == SYNOD_OK)
		printf("%" PRIu64 "\n", synod_session_id(synod));
	return error;
}

static int
client_main(const char *endpoints)
{
	for (unsigned i = 0; i < DOOMED; i++) {
		if (client_session(endpoints, i) != SYNOD_OK)
			return 1;
	}
	fflush(stdout);
	for (;;)
		pause(); /* until it is killed */
}

static void
start_client(void)
{
	const char *arguments[] = {"crowd", "client", ensemble.endpoints, NULL};
	posix_spawn_file_actions_t actions;
	FILE *output;
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	assert_int_equal(posix_spawn(&client_pid, "/proc/self/exe", &actions, NULL,
	                             (char *const *)arguments, environ),
	                 0);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	output = fdopen(pipes[0], "r");
	assert_non_null(output);
	for (unsigned i = 0; i < DOOMED; i++)
		assert_int_equal(fscanf(output, "%" SCNu64, &doomed[i]), 1);
	fclose(output);
}

static void
kill_client(void)
{
	if (client_pid == 0)
		return;
	kill(client_pid, SIGKILL);
	waitpid(client_pid, NULL, 0);
	client_pid = 0;
}

/* ---- what a watch is told of all of it ---- */

struct seen {
	uint64_t revision, ordinal, owner;
	enum synod_change_kind kind;
	unsigned cause;
	unsigned long at_ms;
	char path[64];
};

static struct seen seen[SEEN_MAX];
static atomic_uint seen_count;
static atomic_uint seen_faults; /* events that were not expected */

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	unsigned count = atomic_load(&seen_count);

	(void)context;
	(void)watch;
	if (event->kind != SYNOD_EVENT_CHANGES || count + event->change_count > SEEN_MAX) {
		atomic_fetch_add(&seen_faults, 1);
		return;
	}
	for (size_t i = 0; i < event->change_count; i++) {
		const struct synod_change *change = &event->changes[i];
		struct seen *entry = &seen[count + i];

		*entry = (struct seen){.revision = change->revision,
		                       .ordinal = change->ordinal,
		                       .owner = change->owner,
		                       .kind = change->kind,
		                       .cause = change->cause,
		                       .at_ms = ensemble_now_ms()};
		snprintf(entry->path, sizeof entry->path, "%s", change->path);
	}
	atomic_store(&seen_count, count + (unsigned)event->change_count);
}

/* The watch was told just what the log has: nothing lost, nothing twice, in this order. */
static void
assert_seen_is_the_log(struct synod *synod, uint64_t from)
{
	const struct synod_read_options options = {.recursive = true, .from = from};
	struct synod_result *log;

	/* The watch is on the same handle, so it has been told all that the answer reflects. */
	assert_int_equal(synod_log(synod, "/crowd", &options, &log), SYNOD_OK);
	assert_int_equal(atomic_load(&seen_faults), 0);
	assert_true(atomic_load(&seen_count) >= log->change_count);
	for (size_t i = 0; i < log->change_count; i++) {
		assert_int_equal(seen[i].revision, log->changes[i].revision);
		assert_int_equal(seen[i].ordinal, log->changes[i].ordinal);
		assert_int_equal(seen[i].kind, log->changes[i].kind);
		assert_int_equal(seen[i].cause, log->changes[i].cause);
		assert_string_equal(seen[i].path, log->changes[i].path);
	}
	synod_result_free(log);
}

/* ---- the scene ---- */

struct scene {
	unsigned leader;
	struct synod *synod;    /* writes */
	struct synod *watching; /* by the leader, at first */
	struct synod_watch *watch;
	uint64_t from; /* the watch's first revision */
	uint64_t tokens[LOCKS];
	unsigned settled_count; /* changes that were seen before the trouble */
};

static void
open_watch(struct scene *scene)
{
	const struct synod_write_options parents = {.make_parents = true};
	const struct synod_options options = {.endpoints = ensemble.members[scene->leader].client,
	                                      .session_timeout_ms = SESSION_MS};
	struct synod_result *result;

	scene->synod = ensemble_open(&ensemble);
	assert_int_equal(synod_open(&options, &scene->watching), SYNOD_OK);
	/* A session's keepalives are what notices soon that the leader has fallen silent. */
	assert_int_equal(synod_put(scene->watching, "/watching", "", 0, NULL, NULL), SYNOD_OK);
	assert_int_equal(synod_put(scene->synod, "/crowd/locks", "", 0, &parents, &result),
	                 SYNOD_OK);
	scene->from = result->revision + 1;
	synod_result_free(result);
	assert_int_equal(synod_watch_open(scene->watching, "/crowd",
	                                  &(struct synod_watch_options){
						  .scope = SYNOD_WATCH_SUBTREE,
						  .from = scene->from,
						  .on_event = on_event,
					  },
	                                  &scene->watch),
	                 SYNOD_OK);
}

/* Write while time passes, so that the watch has something to miss. */
static void
let_pass(struct scene *scene, unsigned long until_ms)
{
	do {
		assert_int_equal(synod_put(scene->synod, "/crowd/tick", "", 0, NULL, NULL),
		                 SYNOD_OK);
		ensemble_pause();
	} while (ensemble_now_ms() < until_ms);
}

/* One of the crowd asks for a lock that the client holds. */
static void
wait_behind_the_client(unsigned number)
{
	struct person *person = &people[number];
	char path[64];

	snprintf(path, sizeof path, "/crowd/locks/d%02u", number);
	contend(person, path, &person->next);
	assert_int_equal(synod_set(person->synod, "/crowd/locks", "", 0, NULL, NULL), SYNOD_OK);
}

/* What is watched on a handle is told before an answer that reflects it. */
static void
hear_all(const struct scene *scene)
{
	assert_int_equal(synod_get(scene->watching, "/crowd", NULL, NULL), SYNOD_OK);
}

static void
set_the_scene(struct scene *scene)
{
	int leader;

	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	leader = ensemble_leader(&ensemble, 30000);
	assert_true(leader >= 0);
	scene->leader = (unsigned)leader;
	atomic_store(&seen_count, 0);
	memset(people, 0, sizeof people);
	open_watch(scene);
	for (unsigned i = 0; i < SESSIONS; i++)
		join(i);
	for (unsigned i = 0; i < LOCKS; i++)
		scene->tokens[i] = wait_for_token(&people[i].token);
	start_client();
	for (unsigned i = 0; i < DOOMED; i++)
		wait_behind_the_client(i);
	let_pass(scene, 0);
	hear_all(scene);
	scene->settled_count = atomic_load(&seen_count);
}

/* ---- what must not have happened ---- */

static bool
is_doomed(uint64_t session)
{
	for (unsigned i = 0; i < DOOMED; i++) {
		if (doomed[i] == session)
			return true;
	}
	return false;
}

static void
assert_keeps_all(const struct person *person, unsigned number)
{
	const struct synod_write_options fenced = {.guard = synod_lock_guard(person->lock)};
	struct synod_result *result;
	char path[64];

	snprintf(path, sizeof path, "/crowd/s%03u", number);
	assert_int_equal(atomic_load(&person->expired_count), 0);
	assert_int_equal(atomic_load(&person->lost_count), 0);
	assert_int_equal(atomic_load(&person->error_count), 0);
	assert_int_equal(synod_stat(person->synod, path, NULL, &result), SYNOD_OK);
	assert_int_equal(result->node.stat.owner, synod_session_id(person->synod));
	synod_result_free(result);
	if (number >= LOCKS) {
		assert_int_equal(synod_lock_token(person->lock), 0);
		return;
	}
	assert_true(synod_lock_remaining_ms(person->lock) > 0);
	assert_int_equal(synod_set(person->synod, path, "held", 4, &fenced, NULL), SYNOD_OK);
}

static void
assert_nobody_lost_anything(const struct scene *scene)
{
	unsigned count = atomic_load(&seen_count);

	for (unsigned i = 0; i < SESSIONS; i++)
		assert_keeps_all(&people[i], i);
	for (unsigned i = 0; i < LOCKS; i++)
		assert_int_equal(synod_lock_token(people[i].lock), scene->tokens[i]);
	for (unsigned i = scene->settled_count; i < count; i++) {
		if (seen[i].kind == SYNOD_DELETED && !is_doomed(seen[i].owner))
			fail_msg("%s was deleted: %s", seen[i].path,
			         synod_cause_name(seen[i].cause));
		if (seen[i].kind == SYNOD_GRANTED &&
		    strncmp(seen[i].path, "/crowd/locks/d", 14) != 0)
			fail_msg("%s was granted", seen[i].path);
	}
}

/* ---- what must have happened ---- */

/* All that a session of the killed client had went in one revision, and the next in line has its
 * lock since then.  Returns when that was told. */
static unsigned long
assert_gone_at_once(unsigned number)
{
	unsigned count = atomic_load(&seen_count), gone = 0, granted = 0;
	unsigned long at_ms = 0;
	uint64_t revision = 0;

	for (unsigned i = 0; i < count; i++) {
		if (seen[i].kind != SYNOD_DELETED || seen[i].owner != doomed[number])
			continue;
		if (gone++ == 0)
			revision = seen[i].revision;
		assert_int_equal(seen[i].revision, revision);
		assert_int_equal(seen[i].cause, SYNOD_CAUSE_EXPIRED);
		at_ms = seen[i].at_ms;
	}
	assert_int_equal(gone, DOOMED_EACH + 2); /* and two contenders */
	for (unsigned i = 0; i < count; i++)
		granted += seen[i].kind == SYNOD_GRANTED && seen[i].revision == revision &&
		           strcmp(seen[i].path, synod_lock_contender(people[number].next)) == 0;
	assert_int_equal(granted, 1);
	assert_int_equal(wait_for_token(&people[number].next_token), revision);
	return at_ms;
}

static void
assert_the_client_is_gone(unsigned long killed_ms)
{
	for (unsigned i = 0; i < DOOMED; i++) {
		unsigned long at_ms = assert_gone_at_once(i);

		/* Its last keepalive left at most a third of the timeout before. */
		if (at_ms < killed_ms + SESSION_MS * 2 / 3)
			fail_msg("gone %lu ms after the kill: too soon", at_ms - killed_ms);
		if (at_ms > killed_ms + SESSION_MS + BOUND_MS)
			fail_msg("gone %lu ms after the kill: too late", at_ms - killed_ms);
	}
}

/* The locks go through all of their contenders, in their order, each time with a larger token. */
static void
hand_over_every_lock(void)
{
	for (unsigned i = 0; i + LOCKS < SESSIONS; i++) {
		uint64_t token = atomic_load(&people[i].token);

		assert_int_equal(synod_lock_release(people[i].lock, 0), SYNOD_OK);
		people[i].lock = NULL;
		assert_true(wait_for_token(&people[i + LOCKS].token) > token);
	}
}

static void
leave_the_scene(struct scene *scene)
{
	synod_watch_close(scene->watch);
	synod_close(scene->watching);
	synod_close(scene->synod);
	for (unsigned i = 0; i < SESSIONS; i++)
		synod_close(people[i].synod);
	ensemble_fini(&ensemble);
}

/* The leader goes by SIGNAL, and when another one serves, the client is killed.  After a whole
 * timeout of the sessions the first comes back. */
static void
play(int signal)
{
	struct scene scene = {0};
	unsigned long killed_ms;

	set_the_scene(&scene);
	assert_int_equal(ensemble_leader(&ensemble, 30000), scene.leader);
	ensemble_signal(&ensemble, scene.leader, signal);
	let_pass(&scene, 0); /* another one leads */
	killed_ms = ensemble_now_ms();
	kill_client();
	let_pass(&scene, killed_ms + SESSION_MS + BOUND_MS);
	if (signal == SIGKILL)
		assert_true(ensemble_start(&ensemble, scene.leader));
	else
		ensemble_signal(&ensemble, scene.leader, SIGCONT);
	assert_true(ensemble_agrees(&ensemble, 60000));
	hear_all(&scene);
	assert_nobody_lost_anything(&scene);
	assert_the_client_is_gone(killed_ms);
	hand_over_every_lock();
	assert_seen_is_the_log(scene.watching, scene.from);
	leave_the_scene(&scene);
}

static void
nobody_loses_anything_with_a_leader_that_is_killed(void **state)
{
	(void)state;
	play(SIGKILL);
}

/* It wakes up with a clock by which every session has expired. */
static void
nobody_loses_anything_with_a_leader_that_is_stopped_and_goes_on(void **state)
{
	(void)state;
	play(SIGSTOP);
}

static int
tear_down(void **state)
{
	kill_client();
	return ensemble_teardown(state);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nobody_loses_anything_with_a_leader_that_is_killed,
	                                  tear_down),
		cmocka_unit_test_teardown(
			nobody_loses_anything_with_a_leader_that_is_stopped_and_goes_on, tear_down),
	};

	alarm(280);
	if (argc == 3 && strcmp(argv[1], "client") == 0)
		return client_main(argv[2]);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
