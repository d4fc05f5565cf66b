/* Resolvers over a fake of the public interface: what is heard, what is picked, what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "client/discovery/resolver.h"
#include "tests/unit/client/fake_synod.h"

#define RECORD "{\"address\": \"10.0.0.7\", \"port\": 8080}"
#define WEB    "/services/web"

/* ---- the rest of the interface ---- */

int
synod_stat(struct synod *synod, const char *path, const struct synod_read_options *options,
           struct synod_result **result)
{
	(void)synod;
	(void)result;
	return fake_submit("stat", path, &options->call, options->at_least);
}

int
synod_list(struct synod *synod, const char *path, const struct synod_read_options *options,
           struct synod_result **result)
{
	(void)synod;
	(void)result;
	assert_true(options->with_data && options->with_stat && options->limit == 0);
	return fake_submit("list", path, &options->call, options->at_least);
}

static uint64_t now_ms;

static uint64_t
test_now_us(struct clock *clock)
{
	(void)clock;
	return now_ms * 1000;
}

static uint64_t
test_wall_ms(struct clock *clock)
{
	(void)clock;
	return 0;
}

static void
test_random(struct clock *clock, void *bytes, size_t size)
{
	(void)clock;
	memset(bytes, 0x5a, size);
}

static const struct clock_ops test_ops = {test_now_us, test_wall_ms, test_random};
static struct clock test_clock = {&test_ops};

/* ---- the resolver ---- */

static struct synod_resolver *resolver;
static unsigned told_count;
static bool should_close;

static void
on_change(void *context, struct synod_resolver *told)
{
	assert_ptr_equal(context, &told_count);
	assert_ptr_equal(told, resolver);
	told_count++;
	if (should_close) {
		synod_resolver_close(resolver);
		resolver = NULL;
	}
}

static void
open_with(struct synod_resolver_options options)
{
	options.on_change = on_change;
	options.context = &told_count;
	assert_int_equal(resolver_open(&fake.handle, "web", &options, &test_clock, &resolver),
	                 SYNOD_OK);
}

static int
set_up(void **state)
{
	(void)state;
	fake_reset();
	now_ms = 1000000;
	told_count = 0;
	should_close = false;
	resolver = NULL;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	synod_resolver_close(resolver);
	for (unsigned i = 0; i < fake.call_count; i++) {
		if (!fake.calls[i].is_done)
			fake_finish(i, &(struct synod_result){.error = SYNOD_CLOSED});
	}
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++)
		assert_false(fake.hooks[i].is_used);
	for (unsigned i = 0; i < fake.watch_count; i++)
		assert_false(fake.watches[i].is_open);
	return 0;
}

static struct synod_resolver_status
status(void)
{
	struct synod_resolver_status answer;

	synod_resolver_status(resolver, &answer);
	return answer;
}

/* ---- what the ensemble says ---- */

static struct synod_node
node(const char *path, enum synod_node_kind kind)
{
	struct synod_node made = {.path = path, .has_stat = true};

	made.stat.kind = kind;
	if (kind == SYNOD_SERVICE) {
		made.stat.mode = 50;
		return made;
	}
	made.stat.owner = kind == SYNOD_EPHEMERAL ? 7 : 0;
	made.data = RECORD;
	made.size = strlen(RECORD);
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
send_end(int error)
{
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_END, .error = error});
}

static struct synod_change
change(uint64_t revision, const char *path, enum synod_change_kind kind)
{
	struct synod_change made = {.revision = revision, .path = path, .kind = kind};

	if (kind != SYNOD_DELETED && strcmp(path, WEB) != 0) {
		made.owner = 7;
		made.data = RECORD;
		made.size = strlen(RECORD);
	}
	return made;
}

static struct synod_change
expiry(uint64_t revision, const char *path)
{
	struct synod_change made = change(revision, path, SYNOD_MODIFIED);

	made.owner = 0;
	made.previous_owner = 7;
	made.cause = SYNOD_CAUSE_EXPIRED;
	return made;
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

/* a, b, c. */
static void
begin(void)
{
	const struct synod_node nodes[] = {
		node(WEB, SYNOD_SERVICE),
		node(WEB "/a", SYNOD_EPHEMERAL),
		node(WEB "/b", SYNOD_EPHEMERAL),
		node(WEB "/c", SYNOD_EPHEMERAL),
	};

	open_with((struct synod_resolver_options){.balance = SYNOD_ROUND_ROBIN});
	send_state(20, nodes, 4, false);
	assert_int_equal(told_count, 1);
	assert_int_equal(status().usable, 3);
}

/* The ids of those in a list, in one word. */
static const char *
listed(const struct synod_filter *filter)
{
	static char text[256];
	struct synod_instances *instances;
	size_t used = 0;

	assert_int_equal(synod_resolver_list(resolver, filter, &instances), SYNOD_OK);
	text[0] = '\0';
	for (size_t i = 0; i < instances->count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
		                         instances->instances[i]->id,
		                         instances->instances[i]->is_suspect ? "?" : "");
	synod_instances_free(instances);
	return text;
}

/* ---- hearing ---- */

static void
knows_nothing_before_the_first_state(void **state)
{
	struct synod_pick pick;

	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	assert_string_equal(fake.watches[0].path, WEB);
	assert_int_equal(fake.watches[0].options.scope, SYNOD_WATCH_CHILDREN);
	assert_true(fake.watches[0].options.initial);
	assert_true(fake.watches[0].options.with_data);
	assert_int_equal(status().revision, 0);
	assert_int_equal(synod_resolver_pick(resolver, NULL, &pick), SYNOD_NOT_FOUND);
	assert_null(pick.instance);
	synod_pick_done(&pick, SYNOD_FAILED); /* nothing was picked */
	assert_string_equal(listed(NULL), "");
}

static void
a_service_that_does_not_exist_comes_and_goes(void **state)
{
	const struct synod_change born[] = {
		change(30, WEB, SYNOD_CREATED),
		change(30, WEB "/a", SYNOD_CREATED),
	};
	const struct synod_change gone[] = {
		change(31, WEB "/a", SYNOD_DELETED),
		change(31, WEB, SYNOD_DELETED),
	};

	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	send_state(20, NULL, 0, false);
	assert_int_equal(status().revision, 20);
	assert_int_equal(status().instances, 0);
	send_changes(born, 2, false);
	assert_int_equal(status().usable, 1);
	send_changes(gone, 2, false);
	assert_int_equal(status().instances, 0);
	send_changes(born, 2, false);
	assert_int_equal(status().usable, 1);
	assert_int_equal(told_count, 4);
}

static void
a_state_in_parts_is_seen_as_a_whole(void **state)
{
	const struct synod_node first = node(WEB "/a", SYNOD_EPHEMERAL);
	const struct synod_node second = node(WEB "/b", SYNOD_EPHEMERAL);

	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	send_state(20, &first, 1, true);
	assert_int_equal(status().revision, 0);
	assert_int_equal(status().usable, 0);
	send_state(20, &second, 1, false);
	assert_int_equal(status().usable, 2);
	send_state(21, &second, 1, true); /* begins anew: */
	send_state(25, &first, 1, false);
	assert_int_equal(status().usable, 1);
	assert_string_equal(listed(NULL), "a");
	assert_int_equal(status().revision, 25);
}

static void
an_event_is_told_once_and_a_part_of_a_revision_not_at_all(void **state)
{
	const struct synod_change changes[] = {
		change(30, WEB "/a", SYNOD_DELETED),
		change(31, WEB "/d", SYNOD_CREATED),
		change(32, WEB "/b", SYNOD_DELETED),
	};

	(void)state;
	begin();
	send_changes(changes, 2, true);
	assert_int_equal(told_count, 1);
	assert_int_equal(status().usable, 3);
	send_changes(changes + 2, 1, false);
	assert_int_equal(told_count, 2);
	assert_string_equal(listed(NULL), "cd");
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_MARK, .revision = 40});
	assert_int_equal(told_count, 2);
}

static void
suspects_are_left_out_until_the_brake_holds(void **state)
{
	const struct synod_change changes[] = {
		expiry(30, WEB "/a"),
		expiry(31, WEB "/b"),
		expiry(32, WEB "/c"),
	};

	(void)state;
	begin();
	send_changes(changes, 1, false);
	assert_int_equal(status().usable, 2);
	assert_int_equal(status().suspects, 1);
	assert_string_equal(listed(NULL), "a?bc");
	send_changes(changes + 1, 1, false);
	assert_int_equal(status().usable, 1);
	assert_false(status().brake_holds);
	send_changes(changes + 2, 1, false);
	assert_int_equal(status().usable, 3);
	assert_true(status().brake_holds);
}

/* a, b, c are suspect, d, e, f are not. */
static void
begin_with_suspects(void)
{
	const struct synod_node nodes[] = {
		node(WEB, SYNOD_SERVICE),      node(WEB "/a", SYNOD_SUSPECT),
		node(WEB "/b", SYNOD_SUSPECT), node(WEB "/c", SYNOD_SUSPECT),
		node(WEB "/d", SYNOD_LEASED),  node(WEB "/e", SYNOD_LEASED),
		node(WEB "/f", SYNOD_LEASED),
	};

	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	send_state(20, nodes, 7, false);
	assert_false(status().brake_holds);
	assert_int_equal(status().usable, 3);
}

static void
answer_stat(unsigned index, unsigned percent)
{
	struct synod_result result = {.error = SYNOD_OK};

	assert_string_equal(fake.calls[index].what, "stat " WEB);
	result.node.stat.kind = SYNOD_SERVICE;
	result.node.stat.mode = percent;
	fake_finish(index, &result);
}

static void
another_share_of_the_brake_is_asked_for_and_told(void **state)
{
	(void)state;
	begin_with_suspects();
	fake_change(change(30, WEB, SYNOD_MODIFIED));
	assert_int_equal(fake.call_count, 1);
	assert_int_equal(fake.calls[0].number, 30); /* not older than the change */
	told_count = 0;
	answer_stat(0, 40);
	assert_true(status().brake_holds);
	assert_int_equal(status().usable, 6);
	assert_int_equal(told_count, 1);
	fake_change(change(31, WEB, SYNOD_MODIFIED)); /* the same again */
	told_count = 0;
	answer_stat(1, 40);
	assert_int_equal(told_count, 0);
}

static void
a_share_that_changes_while_it_is_asked_for_is_asked_for_again(void **state)
{
	(void)state;
	begin_with_suspects();
	fake_change(change(30, WEB, SYNOD_MODIFIED));
	fake_change(change(31, WEB, SYNOD_MODIFIED));
	assert_int_equal(fake.call_count, 1);
	answer_stat(0, 60);
	fake_time();
	assert_int_equal(fake.call_count, 2);
	answer_stat(1, 40);
	assert_true(status().brake_holds);
	fake_time();
	assert_int_equal(fake.call_count, 2);
}

static void
a_share_that_could_not_be_asked_for_is_asked_for_again(void **state)
{
	(void)state;
	begin_with_suspects();
	fake.refuse_next = SYNOD_BUSY;
	fake_change(change(30, WEB, SYNOD_MODIFIED));
	assert_int_equal(fake.call_count, 0);
	fake_time();
	assert_int_equal(fake.call_count, 1);
	fake_finish(0, &(struct synod_result){.error = SYNOD_TIMEOUT});
	fake_time();
	assert_int_equal(fake.call_count, 2);
	answer_stat(1, 40);
	assert_true(status().brake_holds);
}

static void
malformed_records_are_counted_and_their_reason_is_kept(void **state)
{
	(void)state;
	begin();
	fake_change((struct synod_change){.revision = 30,
	                                  .path = WEB "/b",
	                                  .kind = SYNOD_MODIFIED,
	                                  .owner = 7,
	                                  .data = "no",
	                                  .size = 2});
	assert_int_equal(status().malformed, 1);
	assert_int_equal(status().instances, 3);
	assert_int_equal(status().usable, 2);
	assert_string_equal(listed(NULL), "ac");
}

static void
note_malformed(void *context, const char *id, const char *why)
{
	unsigned *count = context;

	assert_string_equal(id, "b");
	assert_true(strlen(why) > 0);
	++*count;
}

static void
malformed_records_can_be_shown(void **state)
{
	unsigned count = 0;
	struct synod_node nodes[] = {
		node(WEB "/a", SYNOD_EPHEMERAL),
		node(WEB "/b", SYNOD_EPHEMERAL),
	};

	(void)state;
	nodes[1].data = "[]";
	nodes[1].size = 2;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	send_state(20, nodes, 2, false);
	resolver_malformed(resolver, note_malformed, &count);
	assert_int_equal(count, 1);
}

static void
the_filter_of_the_resolver_and_of_a_list_are_two(void **state)
{
	static const char zoned[] = "{\"address\": \"x\", \"port\": 1, \"zone\": \"z\"}";
	const struct synod_filter zone = {.zone = "z"};
	struct synod_node nodes[] = {
		node(WEB "/a", SYNOD_EPHEMERAL),
		node(WEB "/b", SYNOD_EPHEMERAL),
	};

	(void)state;
	nodes[1].data = zoned;
	nodes[1].size = strlen(zoned);
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM, .filter = zone});
	send_state(20, nodes, 2, false);
	assert_int_equal(status().usable, 1);
	assert_string_equal(listed(NULL), "ab");
	assert_string_equal(listed(&zone), "b");
}

static void
a_list_stays_as_it_was(void **state)
{
	struct synod_instances *instances;

	(void)state;
	begin();
	assert_int_equal(synod_resolver_list(resolver, NULL, &instances), SYNOD_OK);
	fake_change(change(30, WEB "/a", SYNOD_DELETED));
	synod_resolver_close(resolver);
	resolver = NULL;
	assert_int_equal(instances->count, 3);
	assert_string_equal(instances->instances[0]->id, "a");
	assert_int_equal(instances->instances[0]->owner, 7);
	synod_instances_free(instances);
	synod_instances_free(NULL);
}

/* ---- staleness ---- */

static void
is_stale_while_the_ensemble_is_away_and_goes_on(void **state)
{
	struct synod_pick pick;

	(void)state;
	begin();
	assert_false(status().is_stale);
	now_ms += 100;
	fake_state(SYNOD_SUSPENDED, 7, 5000);
	assert_int_equal(told_count, 2);
	now_ms += 300;
	fake_state(SYNOD_SUSPENDED, 7, 0); /* the second time */
	assert_int_equal(told_count, 2);
	assert_true(status().is_stale);
	assert_int_equal(status().age_ms, 300);
	assert_int_equal(synod_resolver_pick(resolver, NULL, &pick), SYNOD_OK);
	synod_pick_done(&pick, SYNOD_SUCCEEDED);
	fake_state(SYNOD_CONNECTED, 7, 9000);
	assert_int_equal(told_count, 3);
	assert_false(status().is_stale);
	assert_int_equal(status().age_ms, 0);
}

/* That the ensemble is there says nothing of the service yet. */
static void
is_stale_until_it_has_heard_a_state(void **state)
{
	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	fake_state(SYNOD_CONNECTED, 7, 9000);
	assert_true(status().is_stale);
	assert_int_equal(told_count, 0);
	send_state(20, NULL, 0, false);
	assert_false(status().is_stale);
	assert_int_equal(told_count, 1);
}

static void
after_the_sessions_end_the_watch_says_whether_the_ensemble_is_there(void **state)
{
	(void)state;
	begin();
	fake_state(SYNOD_EXPIRED, 0, 0);
	assert_true(status().is_stale);
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_MARK, .revision = 40});
	assert_false(status().is_stale);
	assert_int_equal(told_count, 3);
	now_ms += 10000;
	assert_false(status().is_stale);
	now_ms += 10000; /* no state tells it: silence does */
	assert_true(status().is_stale);
	assert_int_equal(status().age_ms, 20000);
}

/* ---- when the watch cannot go on ---- */

static void
begins_again_when_the_watch_ends(void **state)
{
	const struct synod_node left = node(WEB "/c", SYNOD_EPHEMERAL);

	(void)state;
	begin();
	send_end(SYNOD_LIMIT);
	assert_int_equal(status().error, SYNOD_LIMIT);
	assert_int_equal(told_count, 2);
	assert_int_equal(status().usable, 3); /* what was known stays in use */
	fake.refuse_next = SYNOD_NO_MEMORY;
	fake_time();
	assert_int_equal(status().error, SYNOD_NO_MEMORY);
	assert_int_equal(fake.watch_count, 1);
	fake_time();
	assert_int_equal(fake.watch_count, 2);
	assert_false(fake.watches[0].is_open);
	send_state(30, &left, 1, false);
	assert_int_equal(status().error, SYNOD_OK);
	assert_int_equal(status().usable, 1);
}

static void
a_watch_that_was_replaced_is_not_listened_to(void **state)
{
	const struct synod_change gone = change(30, WEB "/a", SYNOD_DELETED);
	const struct synod_event event = {
		.kind = SYNOD_EVENT_CHANGES, .revision = 30, .changes = &gone, .change_count = 1};

	(void)state;
	begin();
	send_end(SYNOD_LIMIT);
	fake_time();
	assert_int_equal(fake.watch_count, 2);
	fake.watches[0].options.on_event(fake.watches[0].options.context, &fake.watches[0], &event);
	assert_int_equal(status().usable, 3);
}

static void
a_state_too_large_for_a_watch_is_listed_in_pages(void **state)
{
	struct synod_node children[] = {
		node("a", SYNOD_EPHEMERAL),
		node("b", SYNOD_SUSPECT),
	};
	const struct synod_result result = {
		.revision = 50, .children = children, .child_count = 2, .failed_index = -1};

	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	send_end(SYNOD_TOO_LARGE);
	assert_int_equal(status().error, SYNOD_OK);
	fake_time();
	assert_string_equal(fake.calls[0].what, "list " WEB);
	assert_false(fake.watches[0].is_open);
	assert_true(status().is_stale);
	fake_finish(0, &result);
	assert_false(status().is_stale);
	assert_int_equal(status().revision, 50);
	assert_string_equal(listed(NULL), "ab?");
	assert_int_equal(told_count, 1);
	assert_int_equal(fake.watch_count, 2);
	assert_int_equal(fake.watches[1].options.from, 51);
	assert_false(fake.watches[1].options.initial);
	assert_string_equal(fake.calls[1].what, "stat " WEB);
	fake_change(change(51, WEB "/a", SYNOD_DELETED));
	assert_string_equal(listed(NULL), "b?");
}

static void
a_listing_that_fails_is_tried_again(void **state)
{
	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM});
	send_end(SYNOD_TOO_LARGE);
	fake_time();
	fake_finish(0, &(struct synod_result){.error = SYNOD_TIMEOUT});
	assert_int_equal(status().error, SYNOD_TIMEOUT);
	fake.refuse_next = SYNOD_BUSY;
	fake_time();
	assert_int_equal(status().error, SYNOD_BUSY);
	fake_time();
	assert_string_equal(fake.calls[1].what, "list " WEB);
	/* Then it has gone: a watch can tell that. */
	fake_finish(1, &(struct synod_result){.error = SYNOD_NOT_FOUND});
	assert_int_equal(fake.watch_count, 2);
	assert_true(fake.watches[1].options.initial);
	send_state(60, NULL, 0, false);
	assert_int_equal(status().error, SYNOD_OK);
}

/* ---- picking ---- */

static void
what_is_told_counts_for_the_breaker_of_the_instance(void **state)
{
	enum synod_breaker_state breaker = SYNOD_BREAKER_CLOSED;
	struct synod_pick pick;
	bool is_b;

	(void)state;
	begin();
	while (breaker == SYNOD_BREAKER_CLOSED) {
		assert_int_equal(synod_resolver_pick(resolver, NULL, &pick), SYNOD_OK);
		is_b = strcmp(pick.instance->id, "b") == 0;
		synod_pick_done(&pick, is_b ? SYNOD_FAILED : SYNOD_SUCCEEDED);
		assert_null(pick.instance);
		assert_int_equal(synod_resolver_breaker(resolver, "b", &breaker), SYNOD_OK);
	}
	assert_int_equal(breaker, SYNOD_BREAKER_OPEN);
	assert_int_equal(status().open, 1);
	assert_int_equal(synod_resolver_breaker(resolver, "a", &breaker), SYNOD_OK);
	assert_int_equal(breaker, SYNOD_BREAKER_CLOSED);
	assert_int_equal(synod_resolver_breaker(resolver, "z", &breaker), SYNOD_NOT_FOUND);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(synod_resolver_pick(resolver, NULL, &pick), SYNOD_OK);
		assert_string_not_equal(pick.instance->id, "b");
		synod_pick_done(&pick, SYNOD_SUCCEEDED);
	}
	/* Its record changes, it goes, and comes back: the breaker stays. */
	fake_change(change(30, WEB "/b", SYNOD_MODIFIED));
	fake_change(change(31, WEB "/b", SYNOD_DELETED));
	assert_int_equal(synod_resolver_breaker(resolver, "b", &breaker), SYNOD_NOT_FOUND);
	assert_int_equal(status().open, 0);
	fake_change(change(32, WEB "/b", SYNOD_CREATED));
	assert_int_equal(synod_resolver_breaker(resolver, "b", &breaker), SYNOD_OK);
	assert_int_equal(breaker, SYNOD_BREAKER_OPEN);
}

static void
a_full_bulkhead_is_busy_until_a_call_is_done(void **state)
{
	const struct synod_node only = node(WEB "/a", SYNOD_EPHEMERAL);
	struct synod_pick first, second;

	(void)state;
	open_with((struct synod_resolver_options){.balance = SYNOD_RANDOM, .concurrent_max = 1});
	send_state(20, &only, 1, false);
	assert_int_equal(synod_resolver_pick(resolver, NULL, &first), SYNOD_OK);
	assert_int_equal(synod_resolver_pick(resolver, NULL, &second), SYNOD_BUSY);
	fake_change(change(30, WEB "/a", SYNOD_MODIFIED)); /* another record, the same program */
	assert_int_equal(synod_resolver_pick(resolver, NULL, &second), SYNOD_BUSY);
	synod_pick_done(&first, SYNOD_ABANDONED);
	assert_int_equal(synod_resolver_pick(resolver, NULL, &second), SYNOD_OK);
	synod_pick_done(&second, SYNOD_ABANDONED);
}

static void
a_pick_outlives_its_instance_and_the_resolver(void **state)
{
	struct synod_pick pick;

	(void)state;
	begin();
	assert_int_equal(synod_resolver_pick(resolver, NULL, &pick), SYNOD_OK);
	assert_int_equal(pick.begun_ms, now_ms);
	send_state(30, NULL, 0, false);
	assert_int_equal(pick.instance->port, 8080);
	synod_resolver_close(resolver);
	resolver = NULL;
	assert_string_equal(pick.instance->address, "10.0.0.7");
	synod_pick_done(&pick, SYNOD_FAILED);
}

/* ---- threads ---- */

#define THREADS 4

struct caller {
	pthread_t thread;
	unsigned long faults;
};

static atomic_bool should_stop;
static atomic_ulong calls_made;

static bool
is_sound(const struct synod_instance *instance)
{
	return strlen(instance->id) == 1 && instance->port == 8080;
}

static void
ask_everything(struct caller *caller)
{
	struct synod_resolver_status answer;
	struct synod_instances *instances;
	enum synod_breaker_state breaker;
	struct synod_pick pick;

	if (synod_resolver_pick(resolver, NULL, &pick) == SYNOD_OK) {
		caller->faults += !is_sound(pick.instance);
		synod_pick_done(&pick,
		                atomic_load(&calls_made) % 5 ? SYNOD_SUCCEEDED : SYNOD_FAILED);
	}
	if (synod_resolver_list(resolver, NULL, &instances) == SYNOD_OK) {
		for (size_t i = 0; i < instances->count; i++)
			caller->faults += !is_sound(instances->instances[i]);
		synod_instances_free(instances);
	}
	synod_resolver_status(resolver, &answer);
	caller->faults += answer.usable > answer.instances;
	synod_resolver_breaker(resolver, "a", &breaker);
	atomic_fetch_add(&calls_made, 1);
}

static void *
ask_until_stopped(void *context)
{
	while (!atomic_load(&should_stop))
		ask_everything(context);
	return NULL;
}

/* a goes and comes, b is suspect and is not, c's record changes. */
static void
send_what_changes(uint64_t revision)
{
	const struct synod_change changes[] = {
		change(revision, WEB "/a", revision % 2 ? SYNOD_DELETED : SYNOD_CREATED),
		revision % 2 ? expiry(revision, WEB "/b")
			     : change(revision, WEB "/b", SYNOD_MODIFIED),
		change(revision, WEB "/c", SYNOD_MODIFIED),
	};

	send_changes(changes, 3, false);
}

static void
threads_ask_while_instances_change(void **state)
{
	static struct caller callers[THREADS];
	unsigned long faults = 0;

	(void)state;
	begin();
	atomic_store(&should_stop, false);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&callers[i].thread, NULL, ask_until_stopped, &callers[i]),
			0);
	for (uint64_t revision = 31; revision <= 230; revision++) {
		unsigned long wanted = atomic_load(&calls_made) + 5;

		send_what_changes(revision);
		while (atomic_load(&calls_made) < wanted)
			sched_yield();
	}
	atomic_store(&should_stop, true);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		faults += callers[i].faults;
	}
	assert_int_equal(faults, 0);
	assert_int_equal(status().usable, 3);
}

/* ---- figures ---- */

#define MANY 10000

static unsigned
since_us(const struct timespec *begun)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (unsigned)((now.tv_sec - begun->tv_sec) * 1000000 +
	                  (now.tv_nsec - begun->tv_nsec) / 1000);
}

static void
report_many(const char *rule, struct synod_resolver_options options, const struct synod_node *nodes)
{
	struct timespec begun;
	unsigned state_us;

	open_with(options);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	send_state(20, nodes, MANY, false);
	state_us = since_us(&begun);
	assert_int_equal(status().usable, MANY);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	for (unsigned i = 0; i < 100; i++)
		fake_change(change(30 + i, nodes[i * 99].path, SYNOD_DELETED));
	print_message("             %-12s %u instances: state %u us, a change %u us\n", rule, MANY,
	              state_us, since_us(&begun) / 100);
	assert_int_equal(status().usable, MANY - 100);
	synod_resolver_close(resolver);
	resolver = NULL;
}

static void
reports_what_many_instances_cost(void **state)
{
	static const char text[] =
		"{\"address\": \"10.0.0.7\", \"port\": 8080, \"state\": \"passing\", \"weight\": "
		"100, "
		"\"zone\": \"a\", \"version\": \"1.4.2\", \"tags\": [\"blue\"], \"metadata\": "
		"{\"team\": \"x\"}}";
	struct synod_node *nodes = calloc(MANY, sizeof *nodes);
	char(*paths)[32] = calloc(MANY, sizeof *paths);

	(void)state;
	assert_non_null(nodes);
	assert_non_null(paths);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(paths[i], sizeof paths[i], WEB "/i%05u", i);
		nodes[i] = node(paths[i], SYNOD_EPHEMERAL);
		nodes[i].data = text;
		nodes[i].size = strlen(text);
	}
	report_many("two choices", (struct synod_resolver_options){0}, nodes);
	report_many("weighted", (struct synod_resolver_options){.balance = SYNOD_WEIGHTED}, nodes);
	report_many("hash", (struct synod_resolver_options){.balance = SYNOD_HASH}, nodes);
	report_many("zones", (struct synod_resolver_options){.zone = "a"}, nodes);
	free(nodes);
	free(paths);
}

/* ---- closing ---- */

static void
may_be_closed_by_what_it_tells(void **state)
{
	(void)state;
	begin();
	should_close = true;
	fake_change(change(30, WEB "/a", SYNOD_DELETED));
	assert_null(resolver);
	assert_int_equal(told_count, 2);
}

static void
may_be_closed_while_a_call_is_under_way(void **state)
{
	(void)state;
	begin_with_suspects();
	fake_change(change(30, WEB, SYNOD_MODIFIED));
	synod_resolver_close(resolver);
	resolver = NULL;
	told_count = 0;
	answer_stat(0, 10);
	assert_int_equal(told_count, 0);
}

static void
outlives_its_handle(void **state)
{
	struct synod_pick pick;

	(void)state;
	begin();
	fake_change(change(30, WEB, SYNOD_MODIFIED));
	fake_close();
	assert_false(fake.watches[0].is_open);
	assert_true(status().is_stale);
	assert_int_equal(status().error, SYNOD_CLOSED);
	assert_int_equal(synod_resolver_pick(resolver, NULL, &pick), SYNOD_OK);
	synod_pick_done(&pick, SYNOD_SUCCEEDED);
	assert_int_equal(synod_resolver_wait(resolver, 9, 1000), SYNOD_CLOSED);
}

static void
refuses_nonsense(void **state)
{
	struct synod_resolver_options options = {0};
	struct synod_resolver_status ignored;
	struct synod_pick pick = {0};
	struct synod_resolver *none;
	const char *no_tag = NULL;

	(void)state;
	assert_int_equal(synod_resolver_open(&fake.handle, "web", NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_resolver_open(NULL, "web", NULL, &none), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_resolver_open(&fake.handle, NULL, NULL, &none), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_resolver_open(&fake.handle, "a/b", NULL, &none), SYNOD_BAD_PATH);
	assert_int_equal(synod_resolver_open(&fake.handle, "", NULL, &none), SYNOD_BAD_PATH);
	options.balance = (enum synod_balance)99;
	assert_int_equal(synod_resolver_open(&fake.handle, "web", &options, &none),
	                 SYNOD_BAD_ARGUMENT);
	options = (struct synod_resolver_options){.load_percent = 99};
	assert_int_equal(synod_resolver_open(&fake.handle, "web", &options, &none),
	                 SYNOD_BAD_ARGUMENT);
	options = (struct synod_resolver_options){.filter.health = 1u << 5};
	assert_int_equal(synod_resolver_open(&fake.handle, "web", &options, &none),
	                 SYNOD_BAD_ARGUMENT);
	options = (struct synod_resolver_options){.filter = {.tags = &no_tag, .tag_count = 1}};
	assert_int_equal(synod_resolver_open(&fake.handle, "web", &options, &none),
	                 SYNOD_BAD_ARGUMENT);
	fake.refuse_next = SYNOD_LIMIT; /* the watch */
	assert_int_equal(synod_resolver_open(&fake.handle, "web", NULL, &none), SYNOD_LIMIT);
	assert_null(none);
	assert_int_equal(synod_resolver_pick(NULL, NULL, &pick), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_resolver_list(NULL, NULL, NULL), SYNOD_BAD_ARGUMENT);
	synod_resolver_status(NULL, &ignored);
	synod_pick_done(NULL, SYNOD_FAILED);
	synod_resolver_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(knows_nothing_before_the_first_state),
		TEST(a_service_that_does_not_exist_comes_and_goes),
		TEST(a_state_in_parts_is_seen_as_a_whole),
		TEST(an_event_is_told_once_and_a_part_of_a_revision_not_at_all),
		TEST(suspects_are_left_out_until_the_brake_holds),
		TEST(another_share_of_the_brake_is_asked_for_and_told),
		TEST(a_share_that_changes_while_it_is_asked_for_is_asked_for_again),
		TEST(a_share_that_could_not_be_asked_for_is_asked_for_again),
		TEST(malformed_records_are_counted_and_their_reason_is_kept),
		TEST(malformed_records_can_be_shown),
		TEST(the_filter_of_the_resolver_and_of_a_list_are_two),
		TEST(a_list_stays_as_it_was),
		TEST(is_stale_while_the_ensemble_is_away_and_goes_on),
		TEST(is_stale_until_it_has_heard_a_state),
		TEST(after_the_sessions_end_the_watch_says_whether_the_ensemble_is_there),
		TEST(begins_again_when_the_watch_ends),
		TEST(a_watch_that_was_replaced_is_not_listened_to),
		TEST(a_state_too_large_for_a_watch_is_listed_in_pages),
		TEST(a_listing_that_fails_is_tried_again),
		TEST(what_is_told_counts_for_the_breaker_of_the_instance),
		TEST(a_full_bulkhead_is_busy_until_a_call_is_done),
		TEST(a_pick_outlives_its_instance_and_the_resolver),
		TEST(threads_ask_while_instances_change),
		TEST(reports_what_many_instances_cost),
		TEST(may_be_closed_by_what_it_tells),
		TEST(may_be_closed_while_a_call_is_under_way),
		TEST(outlives_its_handle),
		TEST(refuses_nonsense),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
