/* Elections over fake locks and a small fake namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/client/fake_nodes.h"

#define CONTENDER "/e/0000000003"

/* ---- one fake lock, and the election's hook ---- */

struct synod_lock {
	struct synod_lock_options options;
	char value[16];
	uint64_t token;
	bool is_released;
};

struct synod_hook {
	struct synod_hook_options options;
	bool is_removed;
};

static struct synod_lock lock;
static struct synod_hook hook;
static int acquire_error;

int
synod_lock_acquire(struct synod *synod, const char *path, const struct synod_lock_options *options,
                   struct synod_lock **result)
{
	(void)synod;
	assert_string_equal(path, "/e");
	if (acquire_error != SYNOD_OK)
		return acquire_error;
	lock = (struct synod_lock){.options = *options};
	snprintf(lock.value, sizeof lock.value, "%.*s", (int)options->size,
	         (const char *)options->value);
	*result = &lock;
	return SYNOD_OK;
}

int
synod_lock_release(struct synod_lock *released, unsigned timeout_ms)
{
	assert_int_equal(timeout_ms, 5);
	released->is_released = true;
	return SYNOD_UNKNOWN;
}

uint64_t
synod_lock_token(struct synod_lock *asked)
{
	return asked != NULL ? asked->token : 0;
}

unsigned
synod_lock_remaining_ms(struct synod_lock *asked)
{
	return asked != NULL ? 4321 : 0;
}

struct synod_guard
synod_lock_guard(struct synod_lock *asked)
{
	return asked != NULL ? (struct synod_guard){"/e", asked->token}
	                     : (struct synod_guard){NULL, 0};
}

const char *
synod_lock_contender(struct synod_lock *asked)
{
	return asked != NULL ? CONTENDER : NULL;
}

int
synod_hook_add(struct synod *synod, const struct synod_hook_options *options,
               struct synod_hook **result)
{
	(void)synod;
	hook = (struct synod_hook){.options = *options};
	*result = &hook;
	return SYNOD_OK;
}

void
synod_hook_remove(struct synod_hook *removed)
{
	assert_false(removed->is_removed);
	removed->is_removed = true;
}

/* ---- the tests ---- */

static struct told {
	unsigned elected;
	unsigned deposed;
	int error;
	bool should_resign;
	unsigned answers;
	int answer_error;
	char value[64];
} told;

static struct synod_election *election;

static int
set_up(void **state)
{
	(void)state;
	nodes_reset();
	told = (struct told){0};
	acquire_error = SYNOD_OK;
	election = NULL;
	return 0;
}

static void
on_elected(void *context, struct synod_election *elected, int error)
{
	assert_ptr_equal(context, &told);
	assert_ptr_equal(elected, election);
	told.elected++;
	told.error = error;
	if (told.should_resign)
		synod_election_resign(elected, 5);
}

static void
on_deposed(void *context, struct synod_election *deposed)
{
	assert_ptr_equal(context, &told);
	assert_ptr_equal(deposed, election);
	told.deposed++;
}

static void
campaign(void)
{
	const struct synod_election_options options = {
		.delay_ms = 70,
		.wait_ms = 80,
		.on_elected = on_elected,
		.on_deposed = on_deposed,
		.context = &told,
	};

	assert_int_equal(synod_election_campaign(&nodes.handle, "/e", "me", 2, &options, &election),
	                 SYNOD_OK);
	assert_string_equal(lock.value, "me");
	assert_int_equal(lock.options.delay_ms, 70);
	assert_int_equal(lock.options.wait_ms, 80);
	assert_int_equal(lock.options.limit, 0);
	assert_false(lock.options.shared);
}

static void
gone(void)
{
	assert_true(hook.is_removed);
	hook.options.on_gone(hook.options.context);
}

static void
is_told_of_its_lock(void **state)
{
	(void)state;
	campaign();
	lock.options.on_acquired(lock.options.context, &lock, SYNOD_OK);
	assert_int_equal(told.elected, 1);
	assert_int_equal(told.error, SYNOD_OK);
	lock.token = 9;
	assert_int_equal(synod_election_token(election), 9);
	assert_int_equal(synod_election_remaining_ms(election), 4321);
	assert_int_equal(synod_election_guard(election).token, 9);
	lock.options.on_lost(lock.options.context, &lock);
	assert_int_equal(told.deposed, 1);
	assert_int_equal(synod_election_resign(election, 5), SYNOD_UNKNOWN);
	assert_true(lock.is_released);
	gone();
}

static void
may_be_resigned_by_its_own_callback(void **state)
{
	(void)state;
	campaign();
	told.should_resign = true;
	lock.options.on_acquired(lock.options.context, &lock, SYNOD_HELD);
	assert_int_equal(told.error, SYNOD_HELD);
	gone();
}

static void
without_callbacks_the_lock_blocks(void **state)
{
	(void)state;
	assert_int_equal(synod_election_campaign(&nodes.handle, "/e", "me", 2, NULL, &election),
	                 SYNOD_OK);
	assert_null(lock.options.on_acquired);
	assert_null(lock.options.on_lost);
	synod_election_resign(election, 5);
	gone();
}

static void
a_lock_that_is_refused_leaves_nothing(void **state)
{
	(void)state;
	acquire_error = SYNOD_EXISTS;
	assert_int_equal(synod_election_campaign(&nodes.handle, "/e", "me", 2, NULL, &election),
	                 SYNOD_EXISTS);
	assert_null(election);
	gone();
}

static void
goes_with_its_handle(void **state)
{
	(void)state;
	campaign();
	hook.options.on_close(hook.options.context);
	hook.options.on_gone(hook.options.context);
}

static void
the_leader_alone_proclaims(void **state)
{
	(void)state;
	campaign();
	assert_int_equal(synod_election_proclaim(election, "new", 3, 0), SYNOD_NOT_HELD);
	assert_int_equal(nodes.calls, 0);
	lock.token = 9;
	nodes_write(CONTENDER, "me");
	assert_int_equal(synod_election_proclaim(election, "new", 3, 0), SYNOD_OK);
	assert_string_equal(nodes_find(CONTENDER)->data, "new");
	nodes.fail_with = SYNOD_FENCED;
	assert_int_equal(synod_election_proclaim(election, "newer", 5, 0), SYNOD_FENCED);
	nodes_delete(CONTENDER);
	assert_int_equal(synod_election_proclaim(election, "newer", 5, 0), SYNOD_NOT_HELD);
	synod_election_resign(election, 5);
	gone();
}

/* ---- who leads ---- */

static void
add_contender(const char *path, const char *value, uint64_t token)
{
	struct fake_node *node = nodes_write(path, value);

	node->stat.kind = SYNOD_CONTENDER;
	node->stat.token = token;
}

static void
on_answer(void *context, const struct synod_result *result)
{
	assert_ptr_equal(context, &told);
	told.answers++;
	told.answer_error = result->error;
	snprintf(told.value, sizeof told.value, "%s",
	         result->error == SYNOD_OK ? (const char *)result->node.data : "");
}

/* Both ways of asking give ERROR, or VALUE. */
static void
assert_leader(int error, const char *value)
{
	const struct synod_call call = {on_answer, &told, 0};
	struct synod_result *result;

	assert_int_equal(synod_election_leader(&nodes.handle, "/e", NULL, &result), error);
	assert_int_equal(result->error, error);
	if (error == SYNOD_OK)
		assert_string_equal(result->node.data, value);
	synod_result_free(result);
	told.answers = 0;
	assert_int_equal(synod_election_leader(&nodes.handle, "/e", &call, NULL), SYNOD_OK);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.answer_error, error);
	if (error == SYNOD_OK)
		assert_string_equal(told.value, value);
}

static void
nobody_leads_without_a_grant(void **state)
{
	(void)state;
	assert_leader(SYNOD_NOT_FOUND, NULL);
	nodes_write("/e", NULL);
	assert_leader(SYNOD_NOT_FOUND, NULL);
	add_contender("/e/0000000001", "waits", 0);
	nodes_write("/e/note", "no contender")->stat.token = 5;
	assert_leader(SYNOD_NOT_FOUND, NULL);
}

static void
the_leader_is_who_holds_the_lock(void **state)
{
	(void)state;
	add_contender("/e/0000000001", "waits", 0);
	add_contender("/e/0000000002", "leads", 50);
	add_contender("/e/0000000003", "waits too", 0);
	assert_leader(SYNOD_OK, "leads");
}

/* The leader goes when its value is asked for, and the next one leads. */
static void
depose(const char *what, const char *path)
{
	if (strcmp(what, "get") == 0 && strcmp(path, "/e/0000000001") == 0) {
		nodes_delete(path);
		add_contender("/e/0000000002", "second", 60);
	}
}

static void
a_leader_that_goes_meanwhile_is_looked_for_again(void **state)
{
	struct synod_result *result;
	const struct synod_call call = {on_answer, &told, 0};

	(void)state;
	nodes.meanwhile = depose;
	add_contender("/e/0000000001", "first", 50);
	assert_int_equal(synod_election_leader(&nodes.handle, "/e", NULL, &result), SYNOD_OK);
	assert_string_equal(result->node.data, "second");
	synod_result_free(result);
	nodes_delete("/e/0000000002");
	add_contender("/e/0000000001", "first", 70);
	assert_int_equal(synod_election_leader(&nodes.handle, "/e", &call, NULL), SYNOD_OK);
	assert_string_equal(told.value, "second");
}

static void
errors_are_passed_on(void **state)
{
	(void)state;
	nodes.fail_with = SYNOD_NO_QUORUM;
	assert_int_equal(synod_election_leader(&nodes.handle, "/e", NULL, NULL), SYNOD_NO_QUORUM);
	assert_int_equal(synod_election_leader(NULL, "/e", NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_leader(&nodes.handle, NULL, NULL, NULL),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_campaign(NULL, "/e", "", 0, NULL, &election),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_campaign(&nodes.handle, "/e", "", 0, NULL, NULL),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_token(NULL), 0);
	assert_int_equal(synod_election_remaining_ms(NULL), 0);
	assert_null(synod_election_guard(NULL).lock);
	assert_int_equal(synod_election_resign(NULL, 0), SYNOD_OK);
	assert_int_equal(synod_election_proclaim(NULL, "", 0, 0), SYNOD_BAD_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_told_of_its_lock),
		TEST(may_be_resigned_by_its_own_callback),
		TEST(without_callbacks_the_lock_blocks),
		TEST(a_lock_that_is_refused_leaves_nothing),
		TEST(goes_with_its_handle),
		TEST(the_leader_alone_proclaims),
		TEST(nobody_leads_without_a_grant),
		TEST(the_leader_is_who_holds_the_lock),
		TEST(a_leader_that_goes_meanwhile_is_looked_for_again),
		TEST(errors_are_passed_on),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
