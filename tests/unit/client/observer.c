/* Observers over a fake of the public interface: every leader once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/client/fake_synod.h"

#define A       "/e/0000000001"
#define B       "/e/0000000002"
#define C       "/e/0000000003"
#define TOLDMAX 16

static struct told {
	uint64_t token;
	uint64_t session;
	uint64_t revision;
	char value[16]; /* "-": absent */
} told[TOLDMAX];
static unsigned told_count;
static struct synod_observer *observer;
static bool should_close;

static void
on_leader(void *context, const struct synod_leader *leader)
{
	struct told *next = &told[told_count++];

	assert_ptr_equal(context, &told);
	assert_true(told_count < TOLDMAX);
	next->token = leader->token;
	next->session = leader->session;
	next->revision = leader->revision;
	snprintf(next->value, sizeof next->value, "%s",
	         leader->value != NULL ? (const char *)leader->value : "-");
	if (should_close)
		synod_observer_close(observer);
}

static int
set_up(void **state)
{
	(void)state;
	fake_reset();
	told_count = 0;
	should_close = false;
	assert_int_equal(synod_election_observe(&fake.handle, "/e", on_leader, &told, &observer),
	                 SYNOD_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (!should_close)
		synod_observer_close(observer);
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++)
		assert_false(fake.hooks[i].is_used);
	for (unsigned i = 0; i < fake.watch_count; i++)
		assert_false(fake.watches[i].is_open);
	return 0;
}

static void
assert_told(unsigned index, uint64_t token, const char *value)
{
	assert_true(index < told_count);
	assert_int_equal(told[index].token, token);
	assert_string_equal(told[index].value, value);
}

static struct synod_node
node(const char *path, enum synod_node_kind kind, uint64_t token, const char *value)
{
	struct synod_node made = {.path = path, .data = value, .has_stat = true};

	made.size = value != NULL ? strlen(value) : 0;
	made.stat.kind = kind;
	made.stat.token = token;
	made.stat.owner = 40 + token;
	return made;
}

static struct synod_change
change(uint64_t revision, const char *path, enum synod_change_kind kind, const char *value)
{
	struct synod_change made = {.revision = revision, .path = path, .kind = kind, .owner = 40};

	made.data = value;
	made.size = value != NULL ? strlen(value) : 0;
	return made;
}

static void
send_state(uint64_t revision, const struct synod_node *nodes, size_t count, bool more)
{
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_STATE,
	                                 .revision = revision,
	                                 .nodes = nodes,
	                                 .node_count = count,
	                                 .more = more});
}

static void
send_changes(const struct synod_change *changes, size_t count, bool more)
{
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_CHANGES,
	                                 .revision = changes[count - 1].revision,
	                                 .changes = changes,
	                                 .change_count = count,
	                                 .more = more});
}

/* A leads with "a", B waits with "b". */
static void
begin(void)
{
	const struct synod_node nodes[] = {
		node("/e", SYNOD_LOCK, 0, NULL),
		node(A, SYNOD_CONTENDER, 10, "a"),
		node(B, SYNOD_CONTENDER, 0, "b"),
	};

	send_state(20, nodes, 3, false);
	assert_int_equal(told_count, 1);
	assert_told(0, 10, "a");
	assert_int_equal(told[0].session, 50);
	assert_int_equal(told[0].revision, 20);
}

static void
tells_the_present_leader_and_that_there_is_none(void **state)
{
	(void)state;
	assert_true(fake.watches[0].options.initial);
	assert_int_equal(fake.watches[0].options.scope, SYNOD_WATCH_CHILDREN);
	send_state(5, NULL, 0, false);
	assert_int_equal(told_count, 1);
	assert_told(0, 0, "-");
}

static void
tells_the_next_leader_once_in_the_revision_of_the_hand_over(void **state)
{
	const struct synod_change changes[] = {
		change(30, A, SYNOD_DELETED, NULL),
		change(30, B, SYNOD_GRANTED, NULL),
	};

	(void)state;
	begin();
	send_changes(changes, 2, false);
	assert_int_equal(told_count, 2);
	assert_told(1, 30, "b");
}

static void
a_revision_in_two_events_is_told_as_one(void **state)
{
	const struct synod_change gone = change(30, A, SYNOD_DELETED, NULL);
	const struct synod_change granted = change(30, B, SYNOD_GRANTED, NULL);

	(void)state;
	begin();
	send_changes(&gone, 1, true);
	assert_int_equal(told_count, 1);
	send_changes(&granted, 1, false);
	assert_int_equal(told_count, 2);
	assert_told(1, 30, "b");
}

static void
no_leader_is_missed_in_an_event_of_many_revisions(void **state)
{
	const struct synod_change changes[] = {
		change(30, A, SYNOD_DELETED, NULL),    change(30, B, SYNOD_GRANTED, NULL),
		change(31, B, SYNOD_MODIFIED, "b2"),   change(32, B, SYNOD_DELETED, NULL),
		change(33, C, SYNOD_CREATED, "c"),     change(33, C, SYNOD_GRANTED, NULL),
		change(34, "/e", SYNOD_MODIFIED, "?"),
	};

	(void)state;
	begin();
	send_changes(changes, 7, false);
	assert_int_equal(told_count, 5);
	assert_told(1, 30, "b");
	assert_told(2, 30, "b2");
	assert_told(3, 0, "-");
	assert_told(4, 33, "c");
	assert_int_equal(told[4].revision, 33);
	assert_int_equal(told[4].session, 40);
}

static void
what_others_do_is_not_told(void **state)
{
	const struct synod_change changes[] = {
		change(30, C, SYNOD_CREATED, "c"), change(31, B, SYNOD_DELETED, NULL),
		change(32, C, SYNOD_MODIFIED, "c2"),
		change(33, A, SYNOD_MODIFIED, "a"), /* the same again */
	};

	(void)state;
	begin();
	send_changes(changes, 4, false);
	assert_int_equal(told_count, 1);
}

static void
after_compaction_the_leader_is_told_if_it_is_another(void **state)
{
	const struct synod_node same[] = {node(A, SYNOD_CONTENDER, 10, "a"),
	                                  node(C, SYNOD_CONTENDER, 0, "c")};
	const struct synod_node other = node(C, SYNOD_CONTENDER, 70, "c");

	(void)state;
	begin();
	send_state(50, same, 1, true);
	send_state(50, same + 1, 1, false);
	assert_int_equal(told_count, 1);
	send_state(80, &other, 1, false);
	assert_int_equal(told_count, 2);
	assert_told(1, 70, "c");
}

static void
begins_again_when_the_watch_ends(void **state)
{
	const struct synod_node other = node(B, SYNOD_CONTENDER, 70, "b");

	(void)state;
	begin();
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_END, .error = SYNOD_TOO_LARGE});
	assert_int_equal(fake.watch_count, 1);
	fake.refuse_next = SYNOD_LIMIT;
	fake_time();
	assert_int_equal(fake.watch_count, 1);
	fake_time();
	assert_int_equal(fake.watch_count, 2);
	send_state(80, &other, 1, false);
	assert_int_equal(told_count, 2);
	assert_told(1, 70, "b");
}

static void
may_be_closed_by_what_it_tells(void **state)
{
	const struct synod_change changes[] = {
		change(30, A, SYNOD_DELETED, NULL),
		change(31, B, SYNOD_GRANTED, NULL),
	};

	(void)state;
	begin();
	should_close = true;
	send_changes(changes, 2, false);
	assert_int_equal(told_count, 2); /* nothing after it was closed */
}

static void
is_closed_with_its_handle(void **state)
{
	(void)state;
	begin();
	should_close = true; /* it need not be done */
	fake_close();
	assert_false(fake.watches[0].is_open);
}

static void
refuses_nonsense(void **state)
{
	struct synod_observer *other;

	(void)state;
	assert_int_equal(synod_election_observe(NULL, "/e", on_leader, NULL, &other),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_observe(&fake.handle, NULL, on_leader, NULL, &other),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_observe(&fake.handle, "/e", NULL, NULL, &other),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_election_observe(&fake.handle, "/e", on_leader, NULL, NULL),
	                 SYNOD_BAD_ARGUMENT);
	fake.refuse_next = SYNOD_BAD_PATH;
	assert_int_equal(synod_election_observe(&fake.handle, "e", on_leader, NULL, &other),
	                 SYNOD_BAD_PATH);
	assert_null(other);
	synod_observer_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_the_present_leader_and_that_there_is_none),
		TEST(tells_the_next_leader_once_in_the_revision_of_the_hand_over),
		TEST(a_revision_in_two_events_is_told_as_one),
		TEST(no_leader_is_missed_in_an_event_of_many_revisions),
		TEST(what_others_do_is_not_told),
		TEST(after_compaction_the_leader_is_told_if_it_is_another),
		TEST(begins_again_when_the_watch_ends),
		TEST(may_be_closed_by_what_it_tells),
		TEST(is_closed_with_its_handle),
		TEST(refuses_nonsense),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
