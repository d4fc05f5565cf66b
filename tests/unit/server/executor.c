/* The executor over a database in a file, run by hand: what it applies, answers and commits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/executor.h"
#include "server/paxos/ballot.h"
#include "server/paxos/codec.h"
#include "server/status.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/sink.h"

#define SESSION   1 /* what the first session opened at slot 1 is called */
#define ASKED_MAX 64

struct fixture {
	char directory[64];
	char path[80];
	struct clock clock;
	uint64_t now_ms;
	struct actor *member;
	struct database *database; /* the executor's */
	struct executor *executor;
	struct sink sink;
	struct pending *asked[ASKED_MAX];
	unsigned asked_count;
	uint64_t seq;
	uint64_t generation;
	uint64_t slot; /* last fed */
	/* What the member was told. */
	unsigned progress_count;
	uint64_t applied;
	uint64_t checkpoint_slot;
	struct state_hash checkpoint;
	struct session_event events[8];
	unsigned event_count;
	unsigned done_count;
	struct survey_item *survey;
	unsigned rewound_count;
	uint64_t rewound_to;
	unsigned fatal_count;
	int fatal_error;
	/* What reopening finds. */
	unsigned reopen_count;
	int reopen_error;
};

static bool is_disk_full;

/* The file system of the database, as full as the tests say. */
int
statvfs(const char *restrict path, struct statvfs *restrict status)
{
	(void)path;
	memset(status, 0, sizeof *status);
	status->f_frsize = 4096;
	status->f_bavail = is_disk_full ? 1 : 1 << 20;
	return 0;
}

/* ---- the world around it ---- */

static uint64_t
now_us(struct clock *clock)
{
	return ((struct fixture *)((char *)clock - offsetof(struct fixture, clock)))->now_ms * 1000;
}

static void
note_progress(struct fixture *fixture, struct progress_item *item)
{
	fixture->progress_count++;
	fixture->applied = item->applied;
	fixture->checkpoint_slot = item->checkpoint_slot;
	fixture->checkpoint = item->checkpoint;
	for (uint32_t i = 0; i < item->session_count; i++) {
		CHECK(fixture->event_count < 8);
		fixture->events[fixture->event_count++] = item->sessions[i];
	}
	for (struct pending *pending = item->done; pending; pending = pending->next)
		fixture->done_count++;
	progress_free(item);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct fixture *fixture = owner;

	switch (item->kind) {
	case EXECUTOR_ITEM_PROGRESS: note_progress(fixture, (struct progress_item *)item); return;
	case EXECUTOR_ITEM_SURVEY:
		CHECK(!fixture->survey);
		fixture->survey = (struct survey_item *)item;
		return;
	case EXECUTOR_ITEM_REWOUND:
		fixture->rewound_count++;
		fixture->rewound_to = ((struct rewound_item *)item)->applied;
		fixture->generation = ((struct rewound_item *)item)->generation;
		fixture->slot = fixture->rewound_to;
		free(item);
		return;
	default: CHECK(!"an item of the executor");
	}
}

static void
on_fatal(void *context, int error, const char *why)
{
	struct fixture *fixture = context;

	(void)why;
	fixture->fatal_count++;
	fixture->fatal_error = error;
}

static int
open_state(struct fixture *fixture, struct namespace **namespace, struct database **database)
{
	static const struct namespace_options options = {0};
	char why[512] = "";
	int error = database_open(fixture->path, NULL, database, why);

	if (!error)
		error = namespace_open(namespace, database_handle(*database), &options, why);
	fixture->database = *database;
	return error;
}

static int
reopen(void *context, struct namespace **namespace, struct database **database)
{
	struct fixture *fixture = context;

	fixture->reopen_count++;
	if (fixture->reopen_error)
		return fixture->reopen_error;
	return open_state(fixture, namespace, database);
}

static void
start(struct fixture *fixture)
{
	struct executor_options options = {
		.mode = ACTOR_MANUAL,
		.clock = &fixture->clock,
		.member = fixture->member,
		.fatal = on_fatal,
		.reopen = reopen,
		.context = fixture,
	};

	assert_int_equal(open_state(fixture, &options.namespace, &options.database), SYNOD_OK);
	fixture->slot = namespace_applied(options.namespace);
	fixture->executor = executor_new(&options);
}

static struct fixture *
fixture_new(void)
{
	static const struct clock_ops clock_ops = {now_us, now_us, NULL};
	static const struct actor_handler handler = {on_item, NULL};
	struct fixture *fixture = check_calloc(1, sizeof *fixture);

	is_disk_full = false;
	snprintf(fixture->directory, sizeof fixture->directory, "/tmp/synod-executor-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof fixture->path, "%s/namespace.db", fixture->directory);
	fixture->clock.ops = &clock_ops;
	fixture->now_ms = 10000;
	fixture->member = actor_new("member", ACTOR_MANUAL, &handler, fixture);
	sink_init(&fixture->sink);
	start(fixture);
	return fixture;
}

static void
run(struct fixture *fixture)
{
	while (executor_run(fixture->executor) | actor_run(fixture->member))
		continue;
}

static void
tick_after(struct fixture *fixture, uint64_t ms)
{
	fixture->now_ms += ms;
	executor_tick(fixture->executor);
	run(fixture);
}

static void
stop(struct fixture *fixture)
{
	executor_stop(fixture->executor);
	actor_run(fixture->member);
	executor_free(fixture->executor);
	fixture->executor = NULL;
}

static void
fixture_free(struct fixture *fixture)
{
	char wal[96];

	if (fixture->executor)
		stop(fixture);
	for (unsigned i = 0; i < fixture->asked_count; i++) {
		struct pending *pending = fixture->asked[i];

		connection_release(pending->connection);
		buffer_fini(&pending->response);
		free(pending->body);
		free(pending);
	}
	if (fixture->survey)
		survey_free(fixture->survey);
	sink_fini(&fixture->sink);
	actor_free(fixture->member);
	snprintf(wal, sizeof wal, "%s-wal", fixture->path);
	unlink(wal);
	unlink(fixture->path);
	rmdir(fixture->directory);
	free(fixture);
}

/* ---- what the member would ask for ---- */

static struct pending *
ask(struct fixture *fixture, struct sink *sink, uint8_t op, uint64_t xid)
{
	struct pending *pending = check_calloc(1, sizeof *pending);

	CHECK(fixture->asked_count < ASKED_MAX);
	fixture->asked[fixture->asked_count++] = pending;
	pending->op = op;
	pending->xid = xid;
	pending->session = SESSION;
	pending->started_ms = fixture->now_ms;
	pending->connection = connection_retain(sink->connection);
	return pending;
}

static void
feed_entry(struct fixture *fixture, struct entry *entry, struct pending *pending)
{
	struct apply_item *item = apply_item_new(++fixture->slot, 1, fixture->generation);

	item->rows[0].entry = entry;
	item->rows[0].pending = pending;
	item->count = 1;
	executor_apply(fixture->executor, item);
}

static struct entry *
entry_of(const struct command *command)
{
	struct buffer out = BUFFER_EMPTY;
	struct entry *entry;

	command_encode(&out, command);
	entry = entry_new_copy(ENTRY_COMMAND, out.bytes, (uint32_t)out.size);
	buffer_fini(&out);
	return entry;
}

static void
feed_open(struct fixture *fixture, struct pending *pending)
{
	struct command command = {.type = COMMAND_CLIENT, .uptime_ms = 500, .op = OP_SESSION_OPEN};
	struct buffer body = BUFFER_EMPTY;
	uint8_t hash[32] = {(uint8_t)(fixture->slot + 1)};

	pack_array(&body, 2);
	pack_u64(&body, 5000);
	pack_binary(&body, (struct slice){hash, sizeof hash});
	command.body = buffer_slice(&body);
	feed_entry(fixture, entry_of(&command), pending);
	buffer_fini(&body);
}

static struct entry *
put_of(struct fixture *fixture, const char *path, struct slice data)
{
	struct operation operation = {.op = OP_PUT, .path = slice_of(path), .data = data};
	struct command command = {
		.type = COMMAND_CLIENT,
		.uptime_ms = 700,
		.session = SESSION,
		.seq = ++fixture->seq,
		.op = OP_PUT,
	};
	struct buffer body = BUFFER_EMPTY;
	struct entry *entry;

	operation_encode(&body, &operation, NULL);
	command.body = buffer_slice(&body);
	entry = entry_of(&command);
	buffer_fini(&body);
	return entry;
}

static void
feed_put(struct fixture *fixture, const char *path, const char *data, struct pending *pending)
{
	feed_entry(fixture, put_of(fixture, path, slice_of(data)), pending);
}

static void
read_node(struct fixture *fixture, const char *path, uint64_t xid, uint64_t index)
{
	struct operation operation = {.op = OP_GET, .path = slice_of(path)};
	struct pending *pending = ask(fixture, &fixture->sink, OP_GET, xid);
	struct buffer body = BUFFER_EMPTY;

	operation_encode(&body, &operation, NULL);
	pending->body = body.bytes;
	pending->body_size = body.size;
	pending->index = index;
	executor_read(fixture->executor, pending);
}

/* The next answer is to XID. */
static struct response
answered(struct fixture *fixture, uint64_t xid)
{
	struct response response = {0};

	assert_true(sink_response(&fixture->sink, &response));
	assert_int_equal(response.xid, xid);
	return response;
}

static void
assert_nothing_answered(struct fixture *fixture)
{
	struct frame frame;

	assert_false(sink_frame(&fixture->sink, &frame));
}

static void
assert_data(struct response response, const char *data)
{
	struct cursor cursor;
	struct node_stat stat;
	struct slice found;

	assert_int_equal(response.error, SYNOD_OK);
	cursor_init(&cursor, response.result);
	assert_int_equal(cursor_array(&cursor), 2);
	stat_decode(&cursor, &stat);
	found = cursor_binary(&cursor);
	assert_false(cursor.failed);
	assert_int_equal(found.size, strlen(data));
	assert_memory_equal(found.bytes, data, found.size);
}

static uint64_t
committed_slot(struct fixture *fixture)
{
	return namespace_committed_slot(executor_namespace(fixture->executor));
}

/* ---- answers ---- */

static void
a_read_waits_for_its_slot_and_sees_it(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	feed_put(fixture, "/a", "old", NULL);
	read_node(fixture, "/a", 7, 3);
	read_node(fixture, "/a", 8, 2);
	run(fixture);
	assert_data(answered(fixture, 8), "old");
	assert_nothing_answered(fixture);
	feed_put(fixture, "/a", "new", NULL);
	run(fixture);
	assert_data(answered(fixture, 7), "new");
	fixture_free(fixture);
}

static void
a_read_gives_up_after_five_seconds(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	read_node(fixture, "/a", 7, 3);
	run(fixture);
	tick_after(fixture, 4999);
	assert_nothing_answered(fixture);
	tick_after(fixture, 1);
	assert_int_equal(answered(fixture, 7).error, SYNOD_RETRY);
	assert_int_equal(fixture->done_count, 1);
	tick_after(fixture, 5000);
	assert_nothing_answered(fixture);
	fixture_free(fixture);
}

static void
answers_go_to_who_asked_in_one_send_each(void **state)
{
	struct fixture *fixture = fixture_new();
	struct response response;
	struct sink other;

	(void)state;
	sink_init(&other);
	feed_open(fixture, NULL);
	feed_put(fixture, "/a", "1", ask(fixture, &fixture->sink, OP_PUT, 11));
	read_node(fixture, "/a", 12, 2);
	feed_put(fixture, "/a", "2", ask(fixture, &other, OP_PUT, 21));
	run(fixture);
	response = answered(fixture, 11);
	assert_int_equal(response.error, SYNOD_OK);
	assert_int_equal(response.revision, 2);
	assert_data(answered(fixture, 12), "1");
	assert_nothing_answered(fixture);
	assert_true(sink_response(&other, &response));
	assert_int_equal(response.xid, 21);
	assert_int_equal(response.revision, 3);
	assert_int_equal(other.flush_count, 1);
	fixture_free(fixture);
	sink_fini(&other);
}

static void
many_answers_of_one_batch_leave_in_one_send(void **state)
{
	struct fixture *fixture = fixture_new();
	struct apply_item *item;

	(void)state;
	feed_open(fixture, NULL);
	run(fixture);
	item = apply_item_new(fixture->slot + 1, 10, 0);
	for (unsigned i = 0; i < 10; i++) {
		item->rows[i].entry = put_of(fixture, "/a", slice_of("x"));
		item->rows[i].pending = ask(fixture, &fixture->sink, OP_PUT, 100 + i);
		item->count++;
	}
	fixture->progress_count = 0;
	executor_apply(fixture->executor, item);
	run(fixture);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(answered(fixture, 100 + i).revision, 2 + i);
	assert_int_equal(fixture->sink.flush_count, 1);
	assert_int_equal(fixture->progress_count, 1);
	assert_int_equal(fixture->applied, 11);
	assert_int_equal(fixture->done_count, 10);
	fixture_free(fixture);
}

static void
a_forwarded_request_is_answered_under_its_origins_number(void **state)
{
	struct fixture *fixture = fixture_new();
	struct pending *pending = ask(fixture, &fixture->sink, OP_PUT, 9);
	struct response response;
	struct cursor cursor;
	struct frame frame;

	(void)state;
	pending->origin = 2;
	pending->origin_tag = 4711;
	feed_open(fixture, NULL);
	feed_put(fixture, "/a", "x", pending);
	run(fixture);
	assert_true(sink_frame(&fixture->sink, &frame));
	assert_int_equal(frame.type, FRAME_FORWARDED);
	cursor_init(&cursor, frame.body);
	assert_int_equal(cursor_array(&cursor), 2);
	assert_int_equal(cursor_u64(&cursor), 4711);
	assert_int_equal(response_decode(cursor_raw(&cursor), &response), SYNOD_OK);
	assert_int_equal(response.xid, 9);
	assert_int_equal(response.revision, 2);
	fixture_free(fixture);
}

/* The member binds the connection before the answer leaves. */
static void
answers_about_sessions_go_back_through_the_member(void **state)
{
	struct fixture *fixture = fixture_new();
	struct pending *opened = ask(fixture, &fixture->sink, OP_SESSION_OPEN, 5);
	struct pending *attached = ask(fixture, &fixture->sink, OP_SESSION_ATTACH, 6);
	struct pending *stranger = ask(fixture, &fixture->sink, OP_SESSION_ATTACH, 7);
	struct response response;

	(void)state;
	feed_open(fixture, opened);
	attached->body = check_calloc(1, 32);
	attached->body[0] = 1;
	attached->body_size = 32;
	executor_read(fixture->executor, attached);
	stranger->body = check_calloc(1, 32);
	stranger->body_size = 32;
	executor_read(fixture->executor, stranger);
	run(fixture);
	assert_nothing_answered(fixture);
	assert_int_equal(fixture->sink.written.size, 0);
	assert_int_equal(fixture->done_count, 3);
	assert_int_equal(opened->error, SYNOD_OK);
	assert_int_equal(opened->bound_session, SESSION);
	assert_int_equal(response_decode(buffer_slice(&opened->response), &response), SYNOD_OK);
	assert_int_equal(response.xid, 5);
	assert_int_equal(attached->bound_session, SESSION);
	assert_int_equal(stranger->error, SYNOD_WRONG_SECRET);
	assert_int_equal(stranger->bound_session, 0);
	assert_int_equal(fixture->event_count, 1);
	assert_int_equal(fixture->events[0].session, SESSION);
	assert_int_equal(fixture->events[0].timeout_ms, 5000);
	fixture_free(fixture);
}

static void
the_end_of_a_session_is_told(void **state)
{
	struct fixture *fixture = fixture_new();
	struct command command = {
		.type = COMMAND_EXPIRE, .uptime_ms = 900, .session = SESSION, .generation = 1};
	struct ballot ballot = {1, 4, 2};
	struct buffer packed = BUFFER_EMPTY;

	(void)state;
	feed_open(fixture, NULL);
	ballot_encode(&packed, ballot);
	feed_entry(fixture, entry_new_copy(ENTRY_LEADER_START, packed.bytes, (uint32_t)packed.size),
	           NULL);
	buffer_fini(&packed);
	command.ballot = (struct command_ballot){1, 3, 2};
	feed_entry(fixture, entry_of(&command), NULL);
	run(fixture);
	assert_int_equal(fixture->event_count, 1); /* a deposed leader expires nobody */
	command.ballot = (struct command_ballot){1, 4, 2};
	feed_entry(fixture, entry_of(&command), NULL);
	run(fixture);
	assert_int_equal(fixture->event_count, 2);
	assert_int_equal(fixture->events[1].session, SESSION);
	assert_int_equal(fixture->events[1].timeout_ms, 0);
	fixture_free(fixture);
}

/* ---- committing ---- */

static void
commits_once_the_interval_has_passed(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	run(fixture);
	assert_int_equal(committed_slot(fixture), 1);
	feed_put(fixture, "/a", "x", NULL);
	run(fixture);
	tick_after(fixture, 99);
	assert_int_equal(committed_slot(fixture), 1);
	tick_after(fixture, 1);
	assert_int_equal(committed_slot(fixture), 2);
	fixture_free(fixture);
}

static void
stopping_commits_what_was_applied(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	run(fixture);
	feed_put(fixture, "/a", "x", NULL);
	stop(fixture);
	start(fixture);
	assert_int_equal(namespace_applied(executor_namespace(fixture->executor)), 2);
	fixture_free(fixture);
}

static void
without_room_a_commit_waits_and_nothing_is_lost_sight_of(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	run(fixture);
	is_disk_full = true;
	feed_put(fixture, "/a", "x", NULL);
	tick_after(fixture, 200);
	tick_after(fixture, 200);
	assert_int_equal(committed_slot(fixture), 1);
	read_node(fixture, "/a", 7, 2);
	run(fixture);
	assert_data(answered(fixture, 7), "x");
	assert_int_equal(fixture->rewound_count, 0);
	assert_int_equal(fixture->fatal_count, 0);
	is_disk_full = false;
	tick_after(fixture, 200);
	assert_int_equal(committed_slot(fixture), 2);
	fixture_free(fixture);
}

/* ---- a disk that fills up in the middle of a transaction ---- */

static void
limit_pages(struct fixture *fixture)
{
	char *message = NULL;

	/* As many as there are: SQLite never goes below. */
	assert_int_equal(sqlite3_exec(database_handle(fixture->database), "PRAGMA max_page_count=1",
	                              NULL, NULL, &message),
	                 SQLITE_OK);
}

/* Slots 1 and 2 are committed and 3 is applied; then 4 fills the disk. */
static void
fill_up(struct fixture *fixture)
{
	static uint8_t large[16000];

	feed_open(fixture, NULL);
	feed_put(fixture, "/a", "committed", NULL);
	tick_after(fixture, 200);
	assert_int_equal(committed_slot(fixture), 2);
	feed_put(fixture, "/a", "applied", NULL);
	run(fixture);
	assert_int_equal(fixture->applied, 3);
	limit_pages(fixture);
	feed_entry(fixture, put_of(fixture, "/large", (struct slice){large, sizeof large}), NULL);
	run(fixture);
	fixture->now_ms += 200;
	/* The commit that finds no room; the tick that opens the database again comes later. */
	read_node(fixture, "/a", 1, 0);
	run(fixture);
	assert_data(answered(fixture, 1), "applied");
}

static void
a_full_disk_goes_back_to_the_last_commit_and_asks_for_the_rest(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	fill_up(fixture);
	fixture->reopen_error = SYNOD_NO_SPACE;
	tick_after(fixture, 100);
	assert_int_equal(fixture->reopen_count, 1);
	assert_int_equal(fixture->rewound_count, 0);
	fixture->reopen_error = SYNOD_OK;
	tick_after(fixture, 100);
	assert_int_equal(fixture->rewound_count, 1);
	assert_int_equal(fixture->rewound_to, 2);
	assert_int_equal(fixture->generation, 1);
	assert_int_equal(fixture->fatal_count, 0);
	fixture->seq = 1;
	feed_put(fixture, "/a", "applied", NULL);
	feed_put(fixture, "/b", "further", ask(fixture, &fixture->sink, OP_PUT, 9));
	tick_after(fixture, 200);
	assert_int_equal(answered(fixture, 9).revision, 4);
	assert_int_equal(fixture->applied, 4);
	assert_int_equal(committed_slot(fixture), 4);
	fixture_free(fixture);
}

/* The member does not know yet: what it feeds meanwhile must not be applied out of order. */
static void
rows_fed_before_the_rewinding_is_known_are_given_back(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	fill_up(fixture);
	feed_put(fixture, "/b", "x", ask(fixture, &fixture->sink, OP_PUT, 9));
	run(fixture);
	assert_int_equal(answered(fixture, 9).error, SYNOD_RETRY);
	executor_tick(fixture->executor);
	executor_run(fixture->executor); /* reopened, but the member has not heard of it */
	feed_put(fixture, "/b", "x", ask(fixture, &fixture->sink, OP_PUT, 10));
	run(fixture);
	assert_int_equal(answered(fixture, 10).error, SYNOD_RETRY);
	assert_int_equal(namespace_applied(executor_namespace(fixture->executor)), 2);
	fixture_free(fixture);
}

static void
no_read_goes_back_behind_what_was_applied(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	fill_up(fixture);
	read_node(fixture, "/a", 7, 0);
	run(fixture);
	assert_nothing_answered(fixture);
	tick_after(fixture, 100);
	assert_int_equal(fixture->rewound_to, 2);
	read_node(fixture, "/a", 8, 0);
	run(fixture);
	assert_nothing_answered(fixture);
	fixture->seq = 1;
	feed_put(fixture, "/a", "applied", NULL);
	run(fixture);
	assert_nothing_answered(fixture); /* slot 4 had been applied too */
	feed_put(fixture, "/b", "further", NULL);
	run(fixture);
	assert_data(answered(fixture, 8), "applied");
	assert_data(answered(fixture, 7), "applied");
	fixture_free(fixture);
}

/* Large data goes to the database at once, so the disk can be full already as it is applied. */
static void
a_write_that_finds_the_disk_full_is_given_back(void **state)
{
	static uint8_t large[1000000];
	struct slice data = {large, sizeof large};
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	tick_after(fixture, 200);
	limit_pages(fixture);
	for (unsigned i = 0; i < 12; i++)
		feed_entry(fixture, put_of(fixture, "/a", data),
		           ask(fixture, &fixture->sink, OP_PUT, i));
	tick_after(fixture, 0);
	for (unsigned i = 0; i < 12; i++) {
		struct response response = answered(fixture, i);

		if (response.error != SYNOD_OK)
			assert_int_equal(response.error, SYNOD_RETRY);
		if (i == 11)
			assert_int_equal(response.error, SYNOD_RETRY);
	}
	assert_int_equal(fixture->done_count, 12);
	assert_int_equal(fixture->rewound_count, 1);
	assert_int_equal(fixture->rewound_to, 1);
	fixture_free(fixture);
}

/* The answers of the rows before the one that found the disk full are out. */
static void
no_read_goes_back_behind_the_answers_of_a_run_that_broke_off(void **state)
{
	static uint8_t large[1000000];
	struct slice data = {large, sizeof large};
	struct fixture *fixture = fixture_new();
	struct apply_item *item;
	unsigned answered_count = 0;

	(void)state;
	feed_open(fixture, NULL);
	tick_after(fixture, 200);
	limit_pages(fixture);
	item = apply_item_new(fixture->slot + 1, 12, fixture->generation);
	for (unsigned i = 0; i < 12; i++) {
		item->rows[i].entry = put_of(fixture, "/a", i == 0 ? slice_of("small") : data);
		item->rows[i].pending = ask(fixture, &fixture->sink, OP_PUT, i);
		item->count++;
	}
	executor_apply(fixture->executor, item);
	tick_after(fixture, 0);
	for (unsigned i = 0; i < 12; i++)
		answered_count += answered(fixture, i).error == SYNOD_OK;
	assert_in_range(answered_count, 1, 11);
	assert_int_equal(fixture->rewound_to, 1);
	read_node(fixture, "/a", 20, 0);
	run(fixture);
	assert_nothing_answered(fixture);
	fixture_free(fixture);
}

static void
a_database_that_cannot_be_opened_again_is_fatal(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	fill_up(fixture);
	fixture->reopen_error = SYNOD_CORRUPT;
	tick_after(fixture, 100);
	assert_int_equal(fixture->fatal_count, 1);
	assert_int_equal(fixture->fatal_error, SYNOD_CORRUPT);
	assert_int_equal(fixture->rewound_count, 0);
	fixture_free(fixture);
}

/* ---- watches ---- */

static struct pending *
ask_watch(struct fixture *fixture, struct sink *sink, uint64_t number, const char *path,
          uint64_t from, uint64_t xid)
{
	struct watch_request request = {number, slice_of(path), WATCH_SUBTREE, 0, from};
	struct pending *pending = ask(fixture, sink, OP_WATCH, xid);
	struct buffer body = BUFFER_EMPTY;

	watch_request_encode(&body, &request);
	pending->body = body.bytes;
	pending->body_size = body.size;
	executor_read(fixture->executor, pending);
	return pending;
}

/* The next frame is an event of this kind and revision. */
static void
told(struct sink *sink, uint8_t kind, uint64_t revision)
{
	struct frame frame;
	struct event event;

	assert_true(sink_frame(sink, &frame));
	assert_int_equal(frame.type, FRAME_EVENT);
	assert_int_equal(event_decode(frame.body, &event), SYNOD_OK);
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.revision, revision);
}

static void
an_event_comes_before_the_answer_that_reflects_it(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	ask_watch(fixture, &fixture->sink, 1, "/a", 0, 5);
	feed_put(fixture, "/a", "1", ask(fixture, &fixture->sink, OP_PUT, 6));
	feed_put(fixture, "/a/b", "2", NULL);
	read_node(fixture, "/a", 7, 3);
	feed_put(fixture, "/other", "3", ask(fixture, &fixture->sink, OP_PUT, 8));
	run(fixture);
	assert_int_equal(answered(fixture, 5).error, SYNOD_OK);
	told(&fixture->sink, EVENT_CHANGES, 2);
	assert_int_equal(answered(fixture, 6).revision, 2);
	told(&fixture->sink, EVENT_CHANGES, 3);
	assert_data(answered(fixture, 7), "1");
	assert_int_equal(answered(fixture, 8).revision, 4);
	assert_nothing_answered(fixture);
	fixture_free(fixture);
}

static void
while_a_watch_catches_up_answers_wait_for_its_events(void **state)
{
	static uint8_t large[500000];
	struct slice data = {large, sizeof large};
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	for (unsigned i = 0; i < 3; i++)
		feed_entry(fixture, put_of(fixture, "/a", data), NULL);
	run(fixture);
	ask_watch(fixture, &fixture->sink, 1, "/a", 2, 5);
	read_node(fixture, "/a", 6, 4);
	feed_put(fixture, "/a", "1", ask(fixture, &fixture->sink, OP_PUT, 7));
	run(fixture);
	assert_int_equal(answered(fixture, 5).error, SYNOD_OK);
	for (uint64_t revision = 2; revision <= 4; revision++)
		told(&fixture->sink, EVENT_CHANGES, revision);
	assert_int_equal(answered(fixture, 6).revision, 4);
	told(&fixture->sink, EVENT_CHANGES, 5);
	assert_int_equal(answered(fixture, 7).revision, 5);
	assert_int_equal(fixture->done_count, 3);
	fixture_free(fixture);
}

/* Forwarded, chosen and applied elsewhere: this member may be behind. */
static void
an_answer_from_the_leader_waits_until_its_event_was_told_here(void **state)
{
	struct fixture *fixture = fixture_new();
	struct pending *pending = ask(fixture, &fixture->sink, OP_PUT, 9);

	(void)state;
	feed_open(fixture, NULL);
	ask_watch(fixture, &fixture->sink, 1, "/a", 0, 5);
	response_encode_head(&pending->response, 9, SYNOD_OK, 3, 0);
	pack_nil(&pending->response);
	pending->index = 3;
	executor_relay(fixture->executor, pending);
	feed_put(fixture, "/a", "1", NULL);
	run(fixture);
	assert_int_equal(answered(fixture, 5).error, SYNOD_OK);
	told(&fixture->sink, EVENT_CHANGES, 2);
	assert_nothing_answered(fixture);
	feed_put(fixture, "/a", "2", NULL);
	run(fixture);
	told(&fixture->sink, EVENT_CHANGES, 3);
	assert_int_equal(answered(fixture, 9).revision, 3);
	assert_int_equal(fixture->done_count, 2);
	assert_int_equal(pending->response.size, 0);
	fixture_free(fixture);
}

static void
a_relayed_answer_that_waits_too_long_is_given_back(void **state)
{
	struct fixture *fixture = fixture_new();
	struct pending *pending = ask(fixture, &fixture->sink, OP_PUT, 9);

	(void)state;
	response_encode_head(&pending->response, 9, SYNOD_OK, 3, 0);
	pack_nil(&pending->response);
	pending->index = 3;
	executor_relay(fixture->executor, pending);
	tick_after(fixture, 5000);
	assert_int_equal(answered(fixture, 9).error, SYNOD_RETRY);
	assert_int_equal(pending->response.size, 0);
	fixture_free(fixture);
}

static void
a_watch_from_the_future_of_this_member_waits_for_its_index(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	feed_open(fixture, NULL);
	ask_watch(fixture, &fixture->sink, 1, "/a", 3, 5)->index = 2;
	run(fixture);
	assert_nothing_answered(fixture);
	feed_put(fixture, "/a", "1", NULL);
	ask_watch(fixture, &fixture->sink, 2, "/a", 4, 6);
	feed_put(fixture, "/a", "2", NULL);
	run(fixture);
	assert_int_equal(answered(fixture, 5).error, SYNOD_OK);
	assert_int_equal(answered(fixture, 6).error, SYNOD_BAD_ARGUMENT);
	told(&fixture->sink, EVENT_CHANGES, 3);
	assert_nothing_answered(fixture);
	fixture_free(fixture);
}

static void
a_connection_that_is_gone_is_told_nothing_more(void **state)
{
	struct fixture *fixture = fixture_new();
	struct pending *late = ask_watch(fixture, &fixture->sink, 2, "/a", 0, 6);

	(void)state;
	late->index = 3;
	feed_open(fixture, NULL);
	ask_watch(fixture, &fixture->sink, 1, "/a", 0, 5);
	run(fixture);
	assert_int_equal(answered(fixture, 5).error, SYNOD_OK);
	executor_forget(fixture->executor, fixture->sink.connection->id);
	feed_put(fixture, "/a", "1", NULL);
	feed_put(fixture, "/a", "2", NULL);
	run(fixture);
	assert_int_equal(answered(fixture, 6).error, SYNOD_CLOSED);
	assert_nothing_answered(fixture);
	fixture_free(fixture);
}

/* What is applied again after a full disk was told already. */
static void
nothing_is_told_twice_when_the_disk_was_full(void **state)
{
	struct fixture *fixture = fixture_new();

	(void)state;
	fill_up(fixture);
	tick_after(fixture, 100);
	assert_int_equal(fixture->rewound_to, 2);
	ask_watch(fixture, &fixture->sink, 1, "/", 3, 5);
	fixture->seq = 1;
	feed_put(fixture, "/a", "applied", NULL);
	run(fixture);
	assert_nothing_answered(fixture); /* it waits until all is applied again */
	feed_put(fixture, "/b", "further", NULL);
	run(fixture);
	assert_int_equal(answered(fixture, 5).error, SYNOD_OK);
	told(&fixture->sink, EVENT_CHANGES, 4);
	assert_nothing_answered(fixture);
	feed_put(fixture, "/b", "new", NULL);
	run(fixture);
	told(&fixture->sink, EVENT_CHANGES, 5);
	assert_nothing_answered(fixture);
	fixture_free(fixture);
}

static void
a_live_watch_survives_a_full_disk_without_gap_or_repetition(void **state)
{
	struct fixture *fixture = fixture_new();
	struct response response;
	struct sink other;
	struct frame frame;

	(void)state;
	sink_init(&other);
	ask_watch(fixture, &other, 1, "/", 0, 5);
	fill_up(fixture);
	tick_after(fixture, 100);
	assert_true(sink_response(&other, &response));
	assert_int_equal(response.xid, 5);
	for (uint64_t revision = 2; revision <= 4; revision++)
		told(&other, EVENT_CHANGES, revision);
	assert_int_equal(fixture->rewound_to, 2);
	fixture->seq = 1;
	for (unsigned i = 0; i < 3; i++)
		feed_put(fixture, "/a", "again", NULL);
	run(fixture);
	told(&other, EVENT_CHANGES, 5);
	assert_false(sink_frame(&other, &frame));
	fixture_free(fixture);
	sink_fini(&other);
}

/* ---- surveys, checkpoints, status ---- */

static void
a_survey_lists_sessions_and_members_as_of_what_was_fed_before(void **state)
{
	struct fixture *fixture = fixture_new();
	uint8_t disk_id[DISK_ID_SIZE];
	struct command command = {
		.type = COMMAND_MEMBER,
		.uptime_ms = 1234,
		.member = 2,
		.name = slice_of("m2"),
		.peer_address = slice_of("127.0.0.1:7402"),
		.client_address = slice_of("127.0.0.1:7502"),
		.disk_id = {disk_id, sizeof disk_id},
	};

	(void)state;
	memset(disk_id, 0xd2, sizeof disk_id);
	feed_open(fixture, NULL);
	feed_open(fixture, NULL);
	feed_entry(fixture, entry_of(&command), NULL);
	executor_survey(fixture->executor, 3);
	run(fixture);
	assert_non_null(fixture->survey);
	assert_int_equal(fixture->survey->asked_at, 3);
	assert_int_equal(fixture->survey->uptime_ms, 1234);
	assert_int_equal(fixture->survey->session_count, 2);
	assert_int_equal(fixture->survey->sessions[0].session, SESSION);
	assert_int_equal(fixture->survey->sessions[0].timeout_ms, 5000);
	assert_int_equal(fixture->survey->sessions[0].generation, 1);
	assert_int_equal(fixture->survey->sessions[1].session, 2);
	assert_int_equal(fixture->survey->member_count, 1);
	assert_int_equal(fixture->survey->members[0].id, 2);
	assert_string_equal(fixture->survey->members[0].name, "m2");
	assert_string_equal(fixture->survey->members[0].client_address, "127.0.0.1:7502");
	assert_true(fixture->survey->members[0].has_disk_id);
	assert_memory_equal(fixture->survey->members[0].disk_id, disk_id, sizeof disk_id);
	fixture_free(fixture);
}

static void
a_checkpoint_carries_the_hash_of_its_own_slot(void **state)
{
	struct fixture *fixture = fixture_new();
	struct state_hash before, after;

	(void)state;
	feed_open(fixture, NULL);
	run(fixture);
	while (fixture->slot < CHECKPOINT_SLOTS)
		feed_entry(fixture, entry_new(ENTRY_STOP, 0), NULL);
	before = namespace_hash(executor_namespace(fixture->executor));
	feed_put(fixture, "/a", "x", NULL);
	run(fixture);
	after = namespace_hash(executor_namespace(fixture->executor));
	assert_int_equal(fixture->applied, CHECKPOINT_SLOTS + 1);
	assert_int_equal(fixture->checkpoint_slot, CHECKPOINT_SLOTS);
	assert_memory_equal(&fixture->checkpoint, &before, sizeof before);
	assert_memory_not_equal(&fixture->checkpoint, &after, sizeof after);
	fixture_free(fixture);
}

static void
status_tells_the_hash_at_what_is_applied(void **state)
{
	struct fixture *fixture = fixture_new();
	struct pending *pending;
	struct member_status status;
	struct response response;
	struct state_hash hash;
	char text[33];

	(void)state;
	feed_open(fixture, NULL);
	feed_put(fixture, "/a", "x", NULL);
	pending = ask(fixture, &fixture->sink, OP_STATUS, 3);
	pending->body = check_calloc(1, sizeof(struct status_half));
	executor_read(fixture->executor, pending);
	run(fixture);
	response = answered(fixture, 3);
	assert_int_equal(member_status_decode(response.result, &status), SYNOD_OK);
	hash = namespace_hash(executor_namespace(fixture->executor));
	snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)hash.high,
	         (unsigned long long)hash.low);
	assert_true(slice_equal(status.state_hash, slice_of(text)));
	assert_int_equal(status.applied, 2);
	assert_int_equal(status.sessions, 1);
	fixture_free(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_waits_for_its_slot_and_sees_it),
		cmocka_unit_test(a_read_gives_up_after_five_seconds),
		cmocka_unit_test(answers_go_to_who_asked_in_one_send_each),
		cmocka_unit_test(many_answers_of_one_batch_leave_in_one_send),
		cmocka_unit_test(a_forwarded_request_is_answered_under_its_origins_number),
		cmocka_unit_test(answers_about_sessions_go_back_through_the_member),
		cmocka_unit_test(the_end_of_a_session_is_told),
		cmocka_unit_test(commits_once_the_interval_has_passed),
		cmocka_unit_test(stopping_commits_what_was_applied),
		cmocka_unit_test(without_room_a_commit_waits_and_nothing_is_lost_sight_of),
		cmocka_unit_test(a_full_disk_goes_back_to_the_last_commit_and_asks_for_the_rest),
		cmocka_unit_test(rows_fed_before_the_rewinding_is_known_are_given_back),
		cmocka_unit_test(no_read_goes_back_behind_what_was_applied),
		cmocka_unit_test(a_write_that_finds_the_disk_full_is_given_back),
		cmocka_unit_test(no_read_goes_back_behind_the_answers_of_a_run_that_broke_off),
		cmocka_unit_test(a_database_that_cannot_be_opened_again_is_fatal),
		cmocka_unit_test(an_event_comes_before_the_answer_that_reflects_it),
		cmocka_unit_test(while_a_watch_catches_up_answers_wait_for_its_events),
		cmocka_unit_test(an_answer_from_the_leader_waits_until_its_event_was_told_here),
		cmocka_unit_test(a_relayed_answer_that_waits_too_long_is_given_back),
		cmocka_unit_test(a_watch_from_the_future_of_this_member_waits_for_its_index),
		cmocka_unit_test(a_connection_that_is_gone_is_told_nothing_more),
		cmocka_unit_test(nothing_is_told_twice_when_the_disk_was_full),
		cmocka_unit_test(a_live_watch_survives_a_full_disk_without_gap_or_repetition),
		cmocka_unit_test(a_survey_lists_sessions_and_members_as_of_what_was_fed_before),
		cmocka_unit_test(a_checkpoint_carries_the_hash_of_its_own_slot),
		cmocka_unit_test(status_tells_the_hash_at_what_is_applied),
	};

	alarm(120);
	log_open("/dev/null", "m1", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
