/* Whole members and their clients in a fake world. */
#include "tests/support/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/support/disk_memory.h"

/* Long enough for anything that is to happen at all. */
#define PATIENCE_MS 20000

/* ---- time ---- */

/* member_run(), but for what is stuck. */
static void
run_member(struct stage_member *row)
{
	struct member *member = row->member;
	bool has_run;

	do {
		has_run = actor_run(member->actor);
		if (!row->is_recorder_stuck)
			has_run |= recorder_run(member->recorder);
		if (!row->is_executor_stuck)
			has_run |= executor_run(member->executor);
	} while (has_run);
}

static void
run_members(struct stage *stage)
{
	for (unsigned i = 0; i < stage->count; i++)
		if (stage->members[i].member != NULL)
			run_member(&stage->members[i]);
}

bool
stage_run_until(struct stage *stage, unsigned ms, bool (*done)(void *context), void *context)
{
	uint64_t end_ms = fake_world_now_ms(stage->world) + ms;

	for (;;) {
		run_members(stage);
		if (done != NULL && done(context))
			return true;
		if (fake_world_now_ms(stage->world) >= end_ms || !fake_world_step(stage->world))
			return false;
	}
}

void
stage_run(struct stage *stage, unsigned ms)
{
	stage_run_until(stage, ms, NULL, NULL);
}

/* ---- members ---- */

static void
on_fatal(void *context, int error, const char *why)
{
	struct stage_member *row = context;

	row->fatal_count++;
	row->fatal_error = error;
	snprintf(row->why, sizeof row->why, "%s", why);
}

int
stage_start(struct stage *stage, unsigned index)
{
	struct stage_member *row = &stage->members[index];
	struct member_options options = {
		.disk = row->disk,
		.transport = fake_world_transport(stage->world),
		.clock = fake_world_clock(stage->world),
		.manual = true,
		.fatal = on_fatal,
		.context = row,
		.name = row->name,
		.data = row->name,
		.peer_count = stage->count,
		.clients = row->clients,
		.software = "synod test",
		.heartbeat_ms = 20,
		.election_timeout_min_ms = index == 0 ? 100 : 400,
		.election_timeout_max_ms = index == 0 ? 150 : 600,
		.link_silence_ms = 300,
		.segment_bytes = 256 << 10,
		.space_reserve = STAGE_RESERVE,
		.cache_entries = stage->cache_entries,
		.window_entries = stage->window_entries,
	};

	for (unsigned i = 0; i < stage->count; i++) {
		memcpy(options.peers[i].name, stage->members[i].name, sizeof row->name);
		memcpy(options.peers[i].address, stage->members[i].peers, sizeof row->peers);
	}
	return member_new(&options, &row->member, row->why);
}

static bool
is_stopped(void *context)
{
	return ((struct stage_member *)context)->member->is_closed;
}

void
stage_stop(struct stage *stage, unsigned index)
{
	struct stage_member *row = &stage->members[index];
	struct actor_item *stop = check_calloc(1, sizeof *stop);

	stop->kind = MEMBER_ITEM_STOP;
	actor_post(row->member->actor, stop);
	CHECK(stage_run_until(stage, PATIENCE_MS, is_stopped, row));
	free(stop);
	member_stop(row->member);
	member_free(row->member);
	row->member = NULL;
}

int
stage_leader(struct stage *stage)
{
	for (unsigned i = 0; i < stage->count; i++) {
		const struct member *member = stage->members[i].member;

		if (member != NULL && member->view.is_serving && member->is_surveyed)
			return (int)i;
	}
	return -1;
}

static bool
first_leads_all(void *context)
{
	struct stage *stage = context;

	if (stage_leader(stage) != 0)
		return false;
	for (unsigned i = 0; i < stage->count; i++) {
		const struct member *member = stage->members[i].member;

		if (member->view.leader != 1)
			return false;
		for (unsigned k = 0; k < stage->count; k++)
			if (k != i && !links_is_up(member->links, k + 1))
				return false;
	}
	return true;
}

struct other {
	struct stage *stage;
	unsigned index;
};

static bool
another_leads(void *context)
{
	const struct other *other = context;

	for (unsigned i = 0; i < other->stage->count; i++) {
		const struct member *member = other->stage->members[i].member;

		if (i != other->index && member != NULL && member->view.is_serving &&
		    member->is_surveyed)
			return true;
	}
	return false;
}

int
stage_await_other_leader(struct stage *stage, unsigned index)
{
	struct other other = {stage, index};

	if (!stage_run_until(stage, PATIENCE_MS, another_leads, &other))
		return -1;
	for (unsigned i = 0; i < stage->count; i++) {
		const struct member *member = stage->members[i].member;

		if (i != index && member != NULL && member->view.is_serving)
			return (int)i;
	}
	return -1;
}

void
stage_part_first(struct stage *stage, bool is_parted)
{
	fake_world_cut(stage->world, stage->members[0].peers, is_parted);
}

struct stage *
stage_new(unsigned count)
{
	struct stage *stage = check_calloc(1, sizeof *stage);

	CHECK(count <= STAGE_MEMBERS_MAX);
	stage->count = count;
	stage->world = fake_world_new(1);
	snprintf(stage->directory, sizeof stage->directory, "/tmp/synod-stage-XXXXXX");
	CHECK(mkdtemp(stage->directory) != NULL);
	CHECK(chdir(stage->directory) == 0);
	for (unsigned i = 0; i < count; i++) {
		struct stage_member *row = &stage->members[i];

		row->name[0] = (char)('a' + i);
		snprintf(row->peers, sizeof row->peers, "127.0.0.1:%u", 7401 + i);
		snprintf(row->clients, sizeof row->clients, "127.0.0.1:%u", 7501 + i);
		row->disk = memory_disk_new(i + 1);
		memory_disk_set_capacity(row->disk, STAGE_ROOM);
		CHECK(mkdir(row->name, 0700) == 0);
	}
	for (unsigned i = 0; i < count; i++)
		CHECK(stage_start(stage, i) == SYNOD_OK);
	CHECK(stage_run_until(stage, PATIENCE_MS, first_leads_all, stage));
	return stage;
}

void
stage_free(struct stage *stage)
{
	char path[32];

	for (unsigned i = 0; i < stage->count; i++) {
		struct stage_member *row = &stage->members[i];

		if (row->member != NULL)
			stage_stop(stage, i);
		memory_disk_free(row->disk);
		snprintf(path, sizeof path, "%s/namespace.db", row->name);
		unlink(path);
		snprintf(path, sizeof path, "%s/namespace.db-wal", row->name);
		unlink(path);
		rmdir(row->name);
	}
	fake_world_free(stage->world);
	CHECK(chdir("/") == 0);
	rmdir(stage->directory);
	free(stage);
}

/* ---- callers ---- */

static struct told *
new_told(struct caller *caller, uint8_t type)
{
	struct told *told;

	if (caller->told_count == caller->told_capacity) {
		caller->told_capacity = caller->told_capacity ? caller->told_capacity * 2 : 64;
		caller->told =
			check_realloc(caller->told, caller->told_capacity * sizeof *caller->told);
	}
	told = &caller->told[caller->told_count++];
	*told = (struct told){.type = type};
	return told;
}

static void
note_response(struct caller *caller, struct slice body)
{
	struct told *told = new_told(caller, FRAME_RESPONSE);
	struct response response;

	CHECK(response_decode(body, &response) == SYNOD_OK);
	told->xid = response.xid;
	told->error = response.error;
	told->revision = response.revision;
	told->stale_ms = response.stale_ms;
	buffer_append(&told->result, response.result.bytes, response.result.size);
}

static void
note_event(struct caller *caller, struct slice body)
{
	struct told *told = new_told(caller, FRAME_EVENT);
	struct event event;

	CHECK(event_decode(body, &event) == SYNOD_OK);
	told->xid = event.watch;
	told->revision = event.revision;
}

static void
note_alive(struct caller *caller, struct slice body)
{
	struct told *told = new_told(caller, FRAME_ALIVE);
	struct cursor cursor;
	uint32_t count;

	cursor_init(&cursor, body);
	count = cursor_array(&cursor);
	told->xid = cursor_u64(&cursor);
	told->error = (int)cursor_u64(&cursor);
	told->timeout_ms = cursor_u64(&cursor);
	if (count > 3)
		told->lease_count = cursor_array(&cursor);
	for (unsigned i = 0; i < told->lease_count && i < STAGE_LEASES_MAX; i++)
		told->lease_timeouts_ms[i] = cursor_u64(&cursor);
	CHECK(count >= 3 && !cursor.failed);
}

static void
say(struct caller *caller, uint8_t type, struct slice body)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin = frame_begin(&out, type);

	buffer_append(&out, body.bytes, body.size);
	frame_end(&out, begin);
	if (!caller->is_closed) {
		connection_write(caller->connection, buffer_slice(&out));
		connection_flush(caller->connection);
	}
	buffer_fini(&out);
}

static void
say_number(struct caller *caller, uint8_t type, uint64_t number)
{
	struct buffer body = BUFFER_EMPTY;

	pack_array(&body, 1);
	pack_u64(&body, number);
	say(caller, type, buffer_slice(&body));
	buffer_fini(&body);
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct caller *caller = connection->owner;

	switch (frame->type) {
	case FRAME_HELLO: caller->is_greeted = true; break;
	case FRAME_RESPONSE: note_response(caller, frame->body); break;
	case FRAME_ALIVE: note_alive(caller, frame->body); break;
	case FRAME_EVENT: note_event(caller, frame->body); break;
	default: break;
	}
	return SYNOD_OK;
}

static void
on_closed(struct connection *connection, int error)
{
	(void)error;
	((struct caller *)connection->owner)->is_closed = true;
	connection_release(connection);
}

static void
on_item(void *owner, struct actor_item *item)
{
	(void)owner;
	connection_on_item(item, 1);
}

static bool
is_greeted(void *context)
{
	return ((struct caller *)context)->is_greeted;
}

static bool
is_closed(void *context)
{
	return ((struct caller *)context)->is_closed;
}

void
caller_open(struct caller *caller, struct stage *stage, unsigned index)
{
	static const struct connection_handler handler = {on_frame, on_closed};
	static const struct actor_handler actor_handler = {on_item, NULL};
	static uint8_t number;
	struct hello hello = {
		.version_min = PROTOCOL_VERSION_MIN,
		.version_max = PROTOCOL_VERSION_MAX,
		.role = HELLO_CLIENT,
		.name = slice_of("caller"),
		.software = slice_of("test"),
	};
	struct buffer body = BUFFER_EMPTY;

	memset(caller, 0, sizeof *caller);
	memset(caller->secret, ++number, sizeof caller->secret);
	caller->stage = stage;
	caller->actor = actor_new("caller", ACTOR_MANUAL, &actor_handler, caller);
	fake_world_add_actor(stage->world, caller->actor);
	CHECK(connection_dial(fake_world_transport(stage->world), stage->members[index].clients,
	                      1000, caller->actor, &handler, caller, FRAME_CLIENT_MAX, 1,
	                      &caller->connection) == SYNOD_OK);
	hello_encode(&body, &hello);
	say(caller, FRAME_HELLO, buffer_slice(&body));
	buffer_fini(&body);
	CHECK(stage_run_until(stage, PATIENCE_MS, is_greeted, caller));
}

void
caller_close(struct caller *caller)
{
	if (!caller->is_closed)
		connection_close(caller->connection);
	CHECK(stage_run_until(caller->stage, PATIENCE_MS, is_closed, caller));
	fake_world_remove_actor(caller->stage->world, caller->actor);
	actor_free(caller->actor);
	for (unsigned i = 0; i < caller->told_count; i++)
		buffer_fini(&caller->told[i].result);
	free(caller->told);
}

uint64_t
caller_ask(struct caller *caller, struct request request)
{
	struct buffer body = BUFFER_EMPTY;

	request.xid = ++caller->last_xid;
	request_encode(&body, &request);
	say(caller, FRAME_REQUEST, buffer_slice(&body));
	buffer_fini(&body);
	return request.xid;
}

static uint64_t
ask_with(struct caller *caller, uint8_t op, uint64_t number, const uint8_t *secret)
{
	struct buffer body = BUFFER_EMPTY;
	uint64_t xid;

	pack_array(&body, 2);
	pack_u64(&body, number);
	pack_binary(&body, (struct slice){secret, CALLER_SECRET_SIZE});
	xid = caller_ask(caller, (struct request){.op = op, .body = buffer_slice(&body)});
	buffer_fini(&body);
	return xid;
}

uint64_t
caller_ask_session(struct caller *caller, unsigned timeout_ms)
{
	return ask_with(caller, OP_SESSION_OPEN, timeout_ms, caller->secret);
}

uint64_t
caller_attach(struct caller *caller, uint64_t session, const uint8_t *secret)
{
	return ask_with(caller, OP_SESSION_ATTACH, session, secret);
}

uint64_t
caller_write(struct caller *caller, uint8_t op, const char *path, const char *data)
{
	struct operation operation = {.op = op, .path = slice_of(path)};
	struct buffer body = BUFFER_EMPTY;
	uint64_t xid;

	if (data != NULL)
		operation.data = slice_of(data);
	operation_encode(&body, &operation, NULL);
	xid = caller_ask(
		caller,
		(struct request){.op = op, .seq = ++caller->seq, .body = buffer_slice(&body)});
	buffer_fini(&body);
	return xid;
}

uint64_t
caller_read(struct caller *caller, const char *path, enum consistency consistency,
            uint64_t at_least)
{
	struct operation operation = {.op = OP_GET, .path = slice_of(path)};
	struct buffer body = BUFFER_EMPTY;
	uint64_t xid;

	operation_encode(&body, &operation, NULL);
	xid = caller_ask(caller, (struct request){.op = OP_GET,
	                                          .consistency = (uint8_t)consistency,
	                                          .at_least = at_least,
	                                          .body = buffer_slice(&body)});
	buffer_fini(&body);
	return xid;
}

void
caller_keepalive(struct caller *caller, uint64_t number)
{
	say_number(caller, FRAME_KEEPALIVE, number);
}

void
caller_keepalive_leases(struct caller *caller, uint64_t number, const uint64_t *leases,
                        unsigned count)
{
	struct buffer body = BUFFER_EMPTY;

	pack_array(&body, 2);
	pack_u64(&body, number);
	pack_array(&body, count);
	for (unsigned i = 0; i < count; i++)
		pack_u64(&body, leases[i]);
	say(caller, FRAME_KEEPALIVE, buffer_slice(&body));
	buffer_fini(&body);
}

struct wanted {
	struct caller *caller;
	uint8_t type;
	uint64_t xid;
	const struct told *told;
};

static bool
was_told(void *context)
{
	struct wanted *wanted = context;

	for (unsigned i = 0; i < wanted->caller->told_count; i++) {
		const struct told *told = &wanted->caller->told[i];

		if (told->type == wanted->type && told->xid == wanted->xid)
			wanted->told = told;
	}
	return wanted->told != NULL;
}

const struct told *
caller_await(struct caller *caller, uint64_t xid, unsigned ms)
{
	struct wanted wanted = {caller, FRAME_RESPONSE, xid, NULL};

	stage_run_until(caller->stage, ms, was_told, &wanted);
	return wanted.told;
}

const struct told *
caller_alive(struct caller *caller, uint64_t number, unsigned ms)
{
	struct wanted wanted = {caller, FRAME_ALIVE, number, NULL};

	stage_run_until(caller->stage, ms, was_told, &wanted);
	return wanted.told;
}

int
caller_result(struct caller *caller, uint64_t xid)
{
	const struct told *told = caller_await(caller, xid, PATIENCE_MS);

	return told != NULL ? told->error : -1;
}

bool
told_is(const struct told *told, const char *data)
{
	struct cursor cursor;
	struct node_stat stat;
	struct slice found;

	if (told == NULL || told->error != SYNOD_OK)
		return false;
	cursor_init(&cursor, buffer_slice(&told->result));
	cursor_array(&cursor);
	stat_decode(&cursor, &stat);
	found = cursor_binary(&cursor);
	return !cursor.failed && slice_equal(found, slice_of(data));
}

void
caller_open_session(struct caller *caller, unsigned timeout_ms)
{
	const struct told *told =
		caller_await(caller, caller_ask_session(caller, timeout_ms), PATIENCE_MS);
	struct cursor cursor;

	CHECK(told != NULL);
	CHECK(told->error == SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&told->result));
	cursor_array(&cursor);
	caller->session = cursor_u64(&cursor);
	CHECK(!cursor.failed);
}
