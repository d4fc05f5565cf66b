/* Watches against fake members, in virtual time: order, resumption, bounds, closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "tests/support/fake_client.h"

#define LOG_SIZE 4096

static struct setting *setting;

/* What a watch told, as text: "C101 101.0/a 101.1/b;" "S105+ /a;" "M110;" "E NO_MEMORY;" */
struct record {
	char text[LOG_SIZE];
	struct synod_watch *close_at_next; /* close this one inside the next callback */
};

static struct record record;

static int
set_up(void **state)
{
	(void)state;
	setting = setting_new(2);
	record = (struct record){0};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	setting_free(setting);
	return 0;
}

/* ---- what was told ---- */

static void
append(struct record *to, const char *format, ...)
{
	size_t used = strlen(to->text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(to->text + used, sizeof to->text - used, format, arguments);
	va_end(arguments);
}

static void
append_event(struct record *to, const struct synod_event *event)
{
	append(to, "%c", "?CSME"[event->kind]);
	if (event->kind == SYNOD_EVENT_END) {
		append(to, " %s;", synod_error_name(event->error));
		return;
	}
	append(to, "%u%s%s", (unsigned)event->revision, event->more ? "+" : "",
	       event->compacted ? "!" : "");
	for (size_t i = 0; i < event->change_count; i++)
		append(to, " %u.%u%s", (unsigned)event->changes[i].revision,
		       (unsigned)event->changes[i].ordinal, event->changes[i].path);
	for (size_t i = 0; i < event->node_count; i++)
		append(to, " %s", event->nodes[i].path);
	append(to, ";");
}

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct record *to = context;

	(void)watch;
	append_event(to, event);
	if (to->close_at_next != NULL)
		synod_watch_close(to->close_at_next);
	to->close_at_next = NULL;
}

static struct synod_watch *
open_watch(const char *path, struct synod_watch_options options)
{
	struct synod_watch *watch;

	options.on_event = on_event;
	options.context = &record;
	assert_int_equal(synod_watch_open(setting->synod, path, &options, &watch), SYNOD_OK);
	fake_world_run_for(setting->world, 20);
	return watch;
}

/* ---- what the members tell ---- */

struct told {
	uint64_t revision;
	uint64_t ordinal;
	const char *path;
};

static const struct fake_watch *
at_member(const char *path)
{
	const struct fake_watch *watch = fake_watches_find(setting->ensemble->watches, path);

	assert_non_null(watch);
	return watch;
}

static void
pack_changes(struct buffer *items, const struct told *told, unsigned count)
{
	pack_array(items, count);
	for (unsigned i = 0; i < count; i++) {
		const struct change change = {
			.revision = told[i].revision,
			.ordinal = told[i].ordinal,
			.path = slice_of(told[i].path),
			.kind = CHANGE_MODIFIED,
		};

		change_encode(items, &change);
	}
}

static void
tell_changes(const char *path, uint64_t revision, bool more, const struct told *told,
             unsigned count)
{
	const struct fake_watch *watch = at_member(path);
	struct buffer items = BUFFER_EMPTY;

	pack_changes(&items, told, count);
	fake_watch_tell(watch->connection, watch->number, EVENT_CHANGES, revision, more,
	                buffer_slice(&items), false);
	buffer_fini(&items);
	fake_world_run_for(setting->world, 20);
}

static void
tell_change(const char *path, uint64_t revision)
{
	const struct told told = {revision, 0, path};

	tell_changes(path, revision, false, &told, 1);
}

static void
tell_state(const char *path, uint64_t revision, bool more, unsigned first, unsigned count,
           bool compacted)
{
	const struct fake_watch *watch = at_member(path);
	const struct node_stat stat = {.created = 1};
	struct buffer items = BUFFER_EMPTY;
	char name[32];

	pack_array(&items, count);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "/n%u", first + i);
		pack_array(&items, 3);
		pack_string(&items, slice_of(name));
		stat_encode(&items, &stat);
		pack_nil(&items);
	}
	fake_watch_tell(watch->connection, watch->number, EVENT_STATE, revision, more,
	                buffer_slice(&items), compacted);
	buffer_fini(&items);
	fake_world_run_for(setting->world, 20);
}

static void
tell_mark(const char *path, uint64_t revision)
{
	struct buffer items = BUFFER_EMPTY;

	pack_array(&items, 0);
	fake_watch_tell(at_member(path)->connection, 0, EVENT_MARK, revision, false,
	                buffer_slice(&items), false);
	buffer_fini(&items);
	fake_world_run_for(setting->world, 20);
}

static void
tell_end(const char *path, int error)
{
	const struct fake_watch *watch = at_member(path);
	struct buffer items = BUFFER_EMPTY;

	pack_array(&items, 1);
	pack_u64(&items, (uint64_t)error);
	fake_watch_tell(watch->connection, watch->number, EVENT_END, 0, false, buffer_slice(&items),
	                false);
	buffer_fini(&items);
	fake_world_run_for(setting->world, 20);
}

static void
lose_connections(void)
{
	fake_member_drop_all(setting->members[0]);
	fake_member_drop_all(setting->members[1]);
	fake_world_run_for(setting->world, 1000);
}

static unsigned
connections(void)
{
	return fake_member_connections(setting->members[0]) +
	       fake_member_connections(setting->members[1]);
}

/* ---- telling ---- */

static void
tells_changes_from_now_on(void **state)
{
	const struct told two[] = {{102, 0, "/a/b"}, {103, 4, "/a"}};
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 1, 0);
	watch = open_watch("/a", (struct synod_watch_options){.scope = SYNOD_WATCH_SUBTREE,
	                                                      .with_data = true});
	assert_int_equal(at_member("/a")->scope, WATCH_SUBTREE);
	assert_int_equal(at_member("/a")->flags, WATCH_WITH_DATA);
	assert_int_equal(at_member("/a")->from, 0);
	assert_int_equal(synod_watch_revision(watch), 100);
	tell_changes("/a", 103, false, two, 2);
	assert_string_equal(record.text, "C103 102.0/a/b 103.4/a;");
	assert_int_equal(synod_watch_revision(watch), 103);
}

/* A new ensemble is at revision 0. */
static void
begins_with_the_state_of_an_ensemble_that_was_never_written(void **state)
{
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 1, 0);
	watch = open_watch("/a", (struct synod_watch_options){.initial = true});
	tell_state("/a", 0, false, 0, 1, false);
	assert_int_equal(fake_member_connections(setting->members[0]), 1);
	assert_int_equal(synod_watch_revision(watch), 0);
	tell_change("/a", 3);
	assert_int_equal(synod_watch_revision(watch), 3);
}

static void
resumes_after_the_last_revision_told(void **state)
{
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 2, 0);
	watch = open_watch("/a", (struct synod_watch_options){.initial = true});
	tell_state("/a", 105, false, 0, 1, false);
	tell_change("/a", 107);
	lose_connections();
	assert_int_equal(at_member("/a")->from, 108);
	assert_int_equal(at_member("/a")->flags, 0);
	tell_change("/a", 108);
	assert_string_equal(record.text, "S105 /n0;C107 107.0/a;C108 108.0/a;");
	assert_int_equal(synod_watch_revision(watch), 108);
}

static void
asks_again_as_at_first_while_nothing_was_told(void **state)
{
	(void)state;
	setting_open(setting, 2, 0);
	open_watch("/a", (struct synod_watch_options){.initial = true});
	open_watch("/b", (struct synod_watch_options){.from = 50});
	lose_connections();
	assert_int_equal(at_member("/a")->flags, WATCH_INITIAL);
	assert_int_equal(at_member("/b")->from, 50);
}

static void
loses_nothing_between_the_answer_and_the_first_event(void **state)
{
	(void)state;
	setting_open(setting, 2, 0);
	open_watch("/a", (struct synod_watch_options){0});
	setting->ensemble->revision = 150;
	lose_connections();
	assert_int_equal(at_member("/a")->from, 101);
}

static void
tells_the_rest_of_a_revision_that_was_cut_short(void **state)
{
	const struct told first[] = {{102, 0, "/a"}, {103, 0, "/b"}, {103, 1, "/c"}};
	const struct told again[] = {{103, 0, "/b"}, {103, 1, "/c"}, {103, 5, "/d"}};
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 2, 0);
	watch = open_watch("/", (struct synod_watch_options){.scope = SYNOD_WATCH_SUBTREE});
	tell_changes("/", 103, true, first, 3);
	assert_int_equal(synod_watch_revision(watch), 102);
	lose_connections();
	assert_int_equal(at_member("/")->from, 103);
	tell_changes("/", 103, true, again, 1);
	tell_changes("/", 103, false, again + 1, 2);
	assert_string_equal(record.text, "C103+ 102.0/a 103.0/b 103.1/c;C103 103.5/d;");
	assert_int_equal(synod_watch_revision(watch), 103);
}

static void
goes_on_with_a_state_that_was_cut_short_if_it_is_the_same(void **state)
{
	(void)state;
	setting_open(setting, 2, 0);
	open_watch("/", (struct synod_watch_options){.initial = true});
	tell_state("/", 105, true, 0, 2, false);
	lose_connections();
	assert_int_equal(at_member("/")->flags, WATCH_INITIAL);
	tell_state("/", 105, true, 0, 1, false);
	tell_state("/", 105, false, 1, 2, false);
	assert_string_equal(record.text, "S105+ /n0 /n1;S105 /n2;");
}

static void
begins_a_state_anew_if_it_is_another(void **state)
{
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 2, 0);
	watch = open_watch("/", (struct synod_watch_options){.initial = true});
	tell_state("/", 105, true, 0, 2, false);
	assert_int_equal(synod_watch_revision(watch), 0);
	lose_connections();
	tell_state("/", 106, false, 0, 3, false);
	assert_string_equal(record.text, "S105+ /n0 /n1;S106 /n0 /n1 /n2;");
	assert_int_equal(synod_watch_revision(watch), 106);
}

static void
takes_the_state_for_a_history_that_is_gone(void **state)
{
	(void)state;
	setting_open(setting, 2, 0);
	open_watch("/a", (struct synod_watch_options){0});
	tell_change("/a", 107);
	lose_connections();
	tell_state("/a", 500, false, 0, 1, true);
	tell_change("/a", 501);
	assert_string_equal(record.text, "C107 107.0/a;S500! /n0;C501 501.0/a;");
}

static void
tells_marks_to_those_who_want_them_and_resumes_from_them(void **state)
{
	struct synod_watch *quiet;

	(void)state;
	setting_open(setting, 2, 0);
	open_watch("/a", (struct synod_watch_options){.marks = true});
	quiet = open_watch("/b", (struct synod_watch_options){0});
	tell_mark("/a", 140);
	assert_string_equal(record.text, "M140;");
	assert_int_equal(synod_watch_revision(quiet), 140);
	lose_connections();
	assert_int_equal(at_member("/a")->from, 141);
	assert_int_equal(at_member("/b")->from, 141);
}

/* ---- order among events and results ---- */

static void
sends_no_request_before_the_watches_are_resumed(void **state)
{
	struct reply write;
	struct reply read;
	struct reply local;

	(void)state;
	setting_open(setting, 1, 0);
	setting_put(setting, "/x", 0, &write);
	assert_int_equal(setting_await(setting, &write, 1000), SYNOD_OK);
	open_watch("/a", (struct synod_watch_options){0});
	fake_member_fault(setting->members[0],
	                  (struct fake_fault){OP_WATCH, 1, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	lose_connections();
	setting_put(setting, "/x", 0, &write);
	setting_get(setting, "/x", SYNOD_LINEARIZABLE, 0, &read);
	setting_get(setting, "/x", SYNOD_LOCAL, 0, &local);
	fake_world_run_for(setting->world, 1000);
	assert_true(local.is_done);
	assert_false(write.is_done);
	assert_false(read.is_done);
	assert_int_equal(fake_member_requests(setting->members[0], OP_PUT), 1);
	assert_int_equal(setting_await(setting, &write, 20000), SYNOD_OK); /* WATCH is repeated */
	assert_int_equal(setting_await(setting, &read, 1000), SYNOD_OK);
}

static void
waits_with_requests_while_a_watch_is_refused_for_now(void **state)
{
	struct reply read;

	(void)state;
	setting_open(setting, 1, 0);
	fake_member_fault(
		setting->members[0],
		(struct fake_fault){OP_WATCH, 3, FAKE_ANSWER, SYNOD_RETRY, NULL, {NULL, 0}, 0});
	open_watch("/a", (struct synod_watch_options){0});
	setting_get(setting, "/x", SYNOD_LINEARIZABLE, 0, &read);
	assert_int_equal(setting_await(setting, &read, 5000), SYNOD_OK);
	assert_int_equal(fake_member_requests(setting->members[0], OP_WATCH), 4);
}

static void
tries_again_at_a_member_that_lags_behind_what_was_told(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	open_watch("/a", (struct synod_watch_options){0});
	tell_change("/a", 107);
	fake_member_fault(
		setting->members[0],
		(struct fake_fault){
			OP_WATCH, 2, FAKE_ANSWER, SYNOD_BAD_ARGUMENT, NULL, {NULL, 0}, 0});
	lose_connections();
	assert_int_equal(at_member("/a")->from, 108);
	tell_change("/a", 108);
	assert_string_equal(record.text, "C107 107.0/a;C108 108.0/a;");
}

static void
gives_up_a_watch_that_was_not_answered_before_it_asks_again(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	fake_member_fault(setting->members[0],
	                  (struct fake_fault){OP_WATCH, 1, FAKE_IGNORE, 0, NULL, {NULL, 0}, 0});
	open_watch("/a", (struct synod_watch_options){0});
	fake_world_run_for(setting->world, 10000);
	assert_int_equal(fake_member_requests(setting->members[0], OP_WATCH), 2);
	assert_int_equal(fake_member_requests(setting->members[0], OP_UNWATCH), 1);
	assert_int_equal(connections(), 1);
	tell_change("/a", 107);
	assert_string_equal(record.text, "C107 107.0/a;");
}

/* ---- members that talk nonsense ---- */

static void
leaves_a_member_whose_events_go_back(void **state)
{
	static const struct told backwards[] = {{109, 1, "/a"}, {109, 0, "/a"}};

	(void)state;
	setting_open(setting, 1, 0);
	open_watch("/a", (struct synod_watch_options){0});
	tell_change("/a", 107);
	tell_change("/a", 107);
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(connections(), 2);
	tell_changes("/a", 109, false, backwards, 2);
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(connections(), 3);
	tell_change("/a", 109);
	assert_string_equal(record.text, "C107 107.0/a;C109 109.0/a;");
}

static void
leaves_a_member_whose_marks_or_states_go_back(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	open_watch("/a", (struct synod_watch_options){.marks = true});
	tell_mark("/a", 140);
	tell_mark("/a", 139);
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(connections(), 2);
	tell_state("/a", 120, false, 0, 1, true);
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(connections(), 3);
	assert_string_equal(record.text, "M140;");
}

static void
leaves_a_member_that_skips_what_it_was_asked_for(void **state)
{
	static const uint8_t first_200[] = {0x91, 0xcc, 200};

	(void)state;
	setting_open(setting, 1, 0);
	open_watch("/a", (struct synod_watch_options){0});
	tell_change("/a", 107);
	fake_member_fault(setting->members[0], (struct fake_fault){OP_WATCH,
	                                                           1,
	                                                           FAKE_RESULT,
	                                                           SYNOD_OK,
	                                                           NULL,
	                                                           {first_200, sizeof first_200},
	                                                           0});
	lose_connections();
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(connections(), 3);
	assert_int_equal(at_member("/a")->from, 108);
}

static void
ignores_events_of_watches_that_it_does_not_know(void **state)
{
	const struct told told = {101, 0, "/a"};
	struct buffer items = BUFFER_EMPTY;

	(void)state;
	setting_open(setting, 1, 0);
	open_watch("/a", (struct synod_watch_options){0});
	pack_changes(&items, &told, 1);
	fake_watch_tell(at_member("/a")->connection, at_member("/a")->number + WATCH_SLOTS,
	                EVENT_CHANGES, 101, false, buffer_slice(&items), false);
	buffer_fini(&items);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(connections(), 1);
	assert_string_equal(record.text, "");
}

/* ---- the end ---- */

static void
tells_what_the_ensemble_has_against_a_watch(void **state)
{
	(void)state;
	setting_open(setting, 1, 0);
	fake_member_fault(
		setting->members[0],
		(struct fake_fault){
			OP_WATCH, 1, FAKE_ANSWER, SYNOD_BAD_ARGUMENT, NULL, {NULL, 0}, 0});
	open_watch("/a", (struct synod_watch_options){.from = 1000});
	open_watch("/b", (struct synod_watch_options){0});
	tell_end("/b", SYNOD_TOO_LARGE);
	assert_string_equal(record.text, "E BAD_ARGUMENT;E TOO_LARGE;");
	lose_connections();
	assert_null(fake_watches_find(setting->ensemble->watches, "/b"));
}

static void
tells_nothing_once_it_is_closed(void **state)
{
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 1, 0);
	watch = open_watch("/a", (struct synod_watch_options){0});
	synod_watch_close(watch);
	tell_change("/a", 107); /* on its way already */
	assert_string_equal(record.text, "");
	assert_null(fake_watches_find(setting->ensemble->watches, "/a"));
	lose_connections();
	assert_int_equal(setting->ensemble->watches->count, 1);
}

static void
may_be_closed_inside_its_own_callback_or_another(void **state)
{
	struct synod_watch *first;
	struct synod_watch *second;

	(void)state;
	setting_open(setting, 1, 0);
	first = open_watch("/a", (struct synod_watch_options){0});
	second = open_watch("/b", (struct synod_watch_options){0});
	record.close_at_next = second;
	tell_change("/a", 107);
	assert_null(fake_watches_find(setting->ensemble->watches, "/b"));
	record.close_at_next = first;
	tell_change("/a", 108);
	assert_null(fake_watches_find(setting->ensemble->watches, "/a"));
	assert_string_equal(record.text, "C107 107.0/a;C108 108.0/a;");
}

static void
may_be_closed_before_it_is_open_and_left_open(void **state)
{
	const struct synod_watch_options options = {.on_event = on_event, .context = &record};
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(synod_watch_open(setting->synod, "/a", &options, &watch), SYNOD_OK);
	synod_watch_close(watch);
	synod_watch_close(NULL);
	assert_int_equal(synod_watch_open(setting->synod, "/b", &options, &watch), SYNOD_OK);
	assert_int_equal(synod_watch_open(setting->synod, "/c", NULL, &watch), SYNOD_OK);
	fake_world_run_for(setting->world, 100);
	tell_change("/b", 107);
	setting_close(setting);
	assert_string_equal(record.text, "C107 107.0/b;");
}

static void
refuses_bad_arguments_and_too_many(void **state)
{
	static struct synod_watch *watches[WATCHES_PER_CLIENT_MAX + 1];
	const struct synod_watch_options strange = {.scope = (enum synod_scope)3};
	const struct synod_event *event;
	struct synod_watch *watch;

	(void)state;
	setting_open_at(setting, "127.0.0.1:9", 0);
	assert_int_equal(synod_watch_open(NULL, "/a", NULL, &watch), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_watch_open(setting->synod, "/a", NULL, NULL), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_watch_open(setting->synod, NULL, NULL, &watch), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_watch_open(setting->synod, "a", NULL, &watch), SYNOD_BAD_PATH);
	assert_int_equal(synod_watch_open(setting->synod, "/a", &strange, &watch),
	                 SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_watch_next(NULL, 0, &event), SYNOD_BAD_ARGUMENT);
	assert_int_equal(synod_watch_revision(NULL), 0);
	for (unsigned i = 0; i < WATCHES_PER_CLIENT_MAX; i++)
		assert_int_equal(synod_watch_open(setting->synod, "/a", NULL, &watches[i]),
		                 SYNOD_OK);
	fake_world_run_for(setting->world, 10);
	assert_int_equal(synod_watch_open(setting->synod, "/a", NULL, &watch), SYNOD_LIMIT);
	synod_watch_close(watches[7]);
	fake_world_run_for(setting->world, 10);
	assert_int_equal(synod_watch_open(setting->synod, "/a", NULL, &watch), SYNOD_OK);
}

static void
resumes_more_watches_than_requests_may_be_on_their_way(void **state)
{
	enum {
		MANY = 1500
	};
	struct synod_watch *watch;
	char path[32];

	(void)state;
	setting_open(setting, 2, 0);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "/w%u", i);
		assert_int_equal(synod_watch_open(setting->synod, path, NULL, &watch), SYNOD_OK);
	}
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(setting->ensemble->watches->count, MANY);
	lose_connections();
	fake_world_run_for(setting->world, 1000);
	assert_int_equal(setting->ensemble->watches->count, 2 * MANY);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path, sizeof path, "/w%u", i);
		assert_int_equal(at_member(path)->from, 101);
	}
}

/* ---- the queue ---- */

static void
queues_events_for_those_who_fetch_them(void **state)
{
	const struct synod_event *event;
	struct synod_watch *watch;

	(void)state;
	setting_open(setting, 1, 0);
	assert_int_equal(synod_watch_open(setting->synod, "/a", NULL, &watch), SYNOD_OK);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(synod_watch_next(watch, 0, &event), SYNOD_TIMEOUT);
	tell_change("/a", 107);
	tell_change("/a", 108);
	tell_end("/a", SYNOD_LIMIT);
	assert_int_equal(synod_watch_revision(watch), 100);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(synod_watch_next(watch, 0, &event), SYNOD_OK);
		append_event(&record, event);
	}
	assert_string_equal(record.text, "C107 107.0/a;C108 108.0/a;E LIMIT;");
	assert_int_equal(synod_watch_revision(watch), 108);
	assert_int_equal(synod_watch_next(watch, 0, &event), SYNOD_CLOSED);
	synod_watch_close(watch);
}

static void
lets_the_ensemble_keep_what_is_too_much(void **state)
{
	const struct synod_event *event;
	struct synod_watch *watch;
	uint64_t revision = 100;
	uint64_t told = 100;

	(void)state;
	setting_open(setting, 2, 0);
	assert_int_equal(synod_watch_open(setting->synod, "/a", NULL, &watch), SYNOD_OK);
	fake_world_run_for(setting->world, 100);
	while (fake_watches_find(setting->ensemble->watches, "/a") != NULL && revision < 5000)
		tell_change("/a", ++revision);
	assert_in_range(revision, 600, 2000);
	lose_connections(); /* what is paused is not resumed */
	assert_null(fake_watches_find(setting->ensemble->watches, "/a"));
	while (synod_watch_next(watch, 0, &event) == SYNOD_OK)
		assert_int_equal(event->revision, ++told);
	assert_int_equal(told, revision);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(at_member("/a")->from, revision + 1);
	tell_change("/a", ++revision);
	assert_int_equal(synod_watch_next(watch, 0, &event), SYNOD_OK);
	assert_int_equal(event->revision, revision);
	synod_watch_close(watch);
}

/* ---- what the session owns ---- */

static void
on_loss(void *context, const struct synod_change *change)
{
	append(context, "%s %s;", change->path, synod_cause_name(change->cause));
}

static void
tells_of_nodes_that_the_session_lost(void **state)
{
	const struct environment environment = {
		.transport = fake_world_transport(setting->world),
		.clock = fake_world_clock(setting->world),
		.mode = ACTOR_MANUAL,
	};
	const struct synod_options options = {
		.endpoints = fake_member_address(setting->members[0]),
		.on_loss = on_loss,
		.context = &record,
	};
	const struct change changes[] = {
		{.revision = 201, .path = slice_of("/a"), .kind = CHANGE_DELETED, .owner = 1001},
		{.revision = 202, .path = slice_of("/b"), .kind = CHANGE_CREATED, .owner = 1001},
		{.revision = 203,
	         .path = slice_of("/c"),
	         .kind = CHANGE_MODIFIED,
	         .owner = 1002,
	         .previous_owner = 1001,
	         .cause = CAUSE_SUPERSEDED},
		{.revision = 204,
	         .path = slice_of("/d"),
	         .kind = CHANGE_MODIFIED,
	         .owner = 1001,
	         .previous_owner = 1002,
	         .cause = CAUSE_SUPERSEDED},
		{.revision = 205,
	         .path = slice_of("/e"),
	         .kind = CHANGE_DELETED,
	         .owner = 1001,
	         .cause = CAUSE_EXPIRED},
	};
	struct buffer items = BUFFER_EMPTY;
	struct reply reply;

	(void)state;
	assert_int_equal(handle_open(&environment, &options, &setting->synod), SYNOD_OK);
	fake_world_add_actor(setting->world, setting->synod->session->actor);
	fake_world_run_for(setting->world, 100);
	assert_int_equal(setting->ensemble->watches->count, 0); /* no session yet */
	setting_put(setting, "/a", 0, &reply);
	assert_int_equal(setting_await(setting, &reply, 1000), SYNOD_OK);
	assert_int_equal(at_member("/")->scope, WATCH_OWNED);
	pack_array(&items, 5);
	for (unsigned i = 0; i < 5; i++)
		change_encode(&items, &changes[i]);
	fake_watch_tell(at_member("/")->connection, at_member("/")->number, EVENT_CHANGES, 205,
	                false, buffer_slice(&items), false);
	buffer_fini(&items);
	fake_world_run_for(setting->world, 100);
	assert_string_equal(record.text, "/a request;/c superseded;");
	lose_connections();
	assert_int_equal(at_member("/")->from, 206);
	assert_true(fake_member_requests(setting->members[0], OP_SESSION_ATTACH) == 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(tells_changes_from_now_on),
		TEST(begins_with_the_state_of_an_ensemble_that_was_never_written),
		TEST(resumes_after_the_last_revision_told),
		TEST(asks_again_as_at_first_while_nothing_was_told),
		TEST(loses_nothing_between_the_answer_and_the_first_event),
		TEST(tells_the_rest_of_a_revision_that_was_cut_short),
		TEST(goes_on_with_a_state_that_was_cut_short_if_it_is_the_same),
		TEST(begins_a_state_anew_if_it_is_another),
		TEST(takes_the_state_for_a_history_that_is_gone),
		TEST(tells_marks_to_those_who_want_them_and_resumes_from_them),
		TEST(sends_no_request_before_the_watches_are_resumed),
		TEST(waits_with_requests_while_a_watch_is_refused_for_now),
		TEST(tries_again_at_a_member_that_lags_behind_what_was_told),
		TEST(gives_up_a_watch_that_was_not_answered_before_it_asks_again),
		TEST(leaves_a_member_whose_events_go_back),
		TEST(leaves_a_member_whose_marks_or_states_go_back),
		TEST(leaves_a_member_that_skips_what_it_was_asked_for),
		TEST(ignores_events_of_watches_that_it_does_not_know),
		TEST(tells_what_the_ensemble_has_against_a_watch),
		TEST(tells_nothing_once_it_is_closed),
		TEST(may_be_closed_inside_its_own_callback_or_another),
		TEST(may_be_closed_before_it_is_open_and_left_open),
		TEST(refuses_bad_arguments_and_too_many),
		TEST(resumes_more_watches_than_requests_may_be_on_their_way),
		TEST(queues_events_for_those_who_fetch_them),
		TEST(lets_the_ensemble_keep_what_is_too_much),
		TEST(tells_of_nodes_that_the_session_lost),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
