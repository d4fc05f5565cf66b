/* The executor: applies chosen commands, serves reads, writes every answer, commits. */
#include "server/executor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/flusher.h"
#include "server/paxos/codec.h"
#include "server/status.h"
#include "server/watches.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/planted.h"

/* Items that the executor gets. */
enum {
	ITEM_APPLY = 1,
	ITEM_READ,
	ITEM_SURVEY,
	ITEM_TICK,
	ITEM_FORGET,
	ITEM_CATCH_UP,
};

struct forget_item {
	struct actor_item item;
	uint64_t connection;
};

/* A read that waits longer for its slot is given back to the client to try elsewhere. */
#define READ_WAIT_MAX_MS   5000

#define COMMIT_INTERVAL_MS 100

struct executor {
	struct actor *actor;
	struct executor_options options;
	struct namespace *namespace;
	struct database *database;
	struct pending *waiting; /* reads whose slot is not applied yet, any order */
	struct pending *done;    /* answered since the last progress report */
	struct session_event *session_events;
	uint32_t session_count, session_capacity;
	uint64_t reported;
	uint64_t committed_ms;
	uint64_t checkpoint_slot;
	struct state_hash checkpoint;
	struct buffer result;
	struct buffer scratch;
	struct flusher flusher;
	struct watches *watches;
	struct actor_item catch_up_item;
	bool is_catching_up; /* the item is posted */
	atomic_bool is_ticking;
	struct actor_item tick_item;
	bool has_failed;
	/* The disk was full in the middle of a transaction: what was not committed is gone, and is
	 * applied again from the journal.  Until the database is open again: */
	bool is_down;
	bool lacks_room;     /* the last commit had to wait */
	uint64_t generation; /* of the feed; items of an older one are void */
	uint64_t floor;      /* the highest slot ever applied: no read goes back behind it */
};

static void
stop_process(struct executor *executor, int error, const char *what)
{
	char why[512];

	if (executor->has_failed)
		return;
	executor->has_failed = true;
	snprintf(why, sizeof why,
	         "%s: %s (%s); the journal has everything: start again once the cause is mended",
	         what, error_text(error),
	         executor->namespace ? namespace_why(executor->namespace) : "");
	executor->options.fatal(executor->options.context, error, why);
}

/*
 * An error of the database.  Full disks are survived: the database goes back to
 * its last commit, and the member feeds the rest again.  Everything else stops
 * the process.
 */
static void
break_off(struct executor *executor, int error, const char *what)
{
	if (error != SYNOD_NO_SPACE) {
		stop_process(executor, error, what);
		return;
	}
	if (!executor->is_down)
		log_error("%s: the disk is full; going back to the last commit, the journal has "
		          "the rest",
		          what);
	/* What was applied in this run has been answered already. */
	if (!executor->is_down && namespace_applied(executor->namespace) > executor->floor)
		executor->floor = namespace_applied(executor->namespace);
	executor->is_down = true;
	executor->generation++;
}

/* ---- answers ---- */

static bool
is_answered_by_member(const struct pending *pending)
{
	return pending->op == OP_SESSION_OPEN || pending->op == OP_SESSION_ATTACH ||
	       pending->op == OP_SESSION_CLOSE || pending->op == OP_SESSIONS;
}

/* Write the response that is packed, unless the member does, and hand the request back with the
 * next report. */
static void
hand_back(struct executor *executor, struct pending *pending)
{
	if (!is_answered_by_member(pending)) {
		pending_write(pending, buffer_slice(&pending->response), &executor->scratch);
		buffer_fini(&pending->response);
		flusher_touch(&executor->flusher, pending->connection);
	}
	pending->next = executor->done;
	executor->done = pending;
}

/* Those that waited for the events that they reflect. */
static void
hand_back_released(struct executor *executor)
{
	struct pending *pending = watches_released(executor->watches);

	while (pending) {
		struct pending *next = pending->next;

		hand_back(executor, pending);
		pending = next;
	}
}

static void
finish_packed(struct executor *executor, struct pending *pending, uint64_t revision, bool must_hold)
{
	if (must_hold)
		watches_hold(executor->watches, pending, revision);
	else
		hand_back(executor, pending);
}

static bool
must_hold(const struct executor *executor, const struct pending *pending, uint64_t revision)
{
	return pending->op != OP_WATCH && pending->op != OP_UNWATCH &&
	       watches_must_hold(executor->watches, pending->connection->id, revision);
}

/* Answer, or keep the answer for the member or until its time, and hand the request back with the
 * next report. */
static void
finish(struct executor *executor, struct pending *pending, int error, uint64_t revision,
       uint64_t stale_ms, struct slice result, uint64_t bound_session)
{
	bool is_held = must_hold(executor, pending, revision);

	buffer_clear(&pending->response);
	if (is_held || is_answered_by_member(pending)) {
		response_encode_head(&pending->response, pending->xid, error, revision, stale_ms);
		if (result.size > 0)
			pack_raw(&pending->response, result);
		else
			pack_nil(&pending->response);
		pending->error = error;
		pending->bound_session = bound_session;
		finish_packed(executor, pending, revision, is_held);
		return;
	}
	pending_answer(pending, error, revision, stale_ms, result, &executor->scratch);
	flusher_touch(&executor->flusher, pending->connection);
	pending->next = executor->done;
	executor->done = pending;
}

/* ---- applying ---- */

static void
note_session(struct executor *executor, uint64_t session, uint64_t timeout_ms)
{
	if (executor->session_count == executor->session_capacity) {
		executor->session_capacity =
			executor->session_capacity ? executor->session_capacity * 2 : 16;
		executor->session_events = check_realloc(executor->session_events,
		                                         executor->session_capacity *
		                                                 sizeof *executor->session_events);
	}
	executor->session_events[executor->session_count++] = (struct session_event){
		session, timeout_ms, namespace_is_lease(executor->namespace, session)};
}

static int
apply_entry(struct executor *executor, uint64_t slot, const struct entry *entry,
            struct applied *applied)
{
	struct slice bytes = {entry->bytes, entry->size};
	struct ballot ballot;
	struct cursor cursor;

	switch (entry->kind) {
	case ENTRY_COMMAND:
		return namespace_apply(executor->namespace, slot, bytes, applied,
		                       &executor->result);
	case ENTRY_LEADER_START:
		cursor_init(&cursor, bytes);
		ballot_decode(&cursor, &ballot);
		if (cursor_finish(&cursor) == SYNOD_OK)
			return namespace_apply_start(
				executor->namespace, slot,
				(struct command_ballot){ballot.epoch, ballot.round, ballot.member});
		return namespace_skip(executor->namespace, slot);
	default: return namespace_skip(executor->namespace, slot);
	}
}

/* A failure is one of the database; whoever is to be told will be, from the history. */
static void
publish(struct executor *executor, uint64_t slot, bool has_changes)
{
	int error = watches_publish(executor->watches, executor->namespace, slot, has_changes);

	if (error)
		break_off(executor, error, "cannot read the history");
}

static void
apply_row(struct executor *executor, uint64_t slot, struct apply_row *row)
{
	bool is_command = row->entry->kind == ENTRY_COMMAND;
	struct applied applied = {0};
	int error;

	buffer_clear(&executor->result);
	error = apply_entry(executor, slot, row->entry, &applied);
	entry_release(row->entry);
	if (error) {
		break_off(executor, error, "cannot apply to the namespace");
		if (row->pending)
			finish(executor, row->pending, SYNOD_RETRY, 0, 0, (struct slice){0}, 0);
		return;
	}
	if (applied.session_opened)
		note_session(executor, applied.session_opened, applied.timeout_ms);
	if (applied.session_ended)
		note_session(executor, applied.session_ended, 0);
	if (slot % CHECKPOINT_SLOTS == 0) {
		executor->checkpoint_slot = slot;
		executor->checkpoint = namespace_hash(executor->namespace);
	}
	if (!PLANTED(EVENT_AFTER_ANSWER))
		publish(executor, slot, is_command);
	if (row->pending)
		finish(executor, row->pending, applied.error, applied.revision, 0,
		       buffer_slice(&executor->result), applied.session_opened);
	if (PLANTED(EVENT_AFTER_ANSWER))
		publish(executor, slot, is_command);
}

/* A row of a feed that was broken off.  It is chosen, and will be fed again: who asked may ask
 * again and gets the answer that is kept. */
static void
skip_row(struct executor *executor, struct apply_row *row)
{
	entry_release(row->entry);
	if (row->pending)
		finish(executor, row->pending, SYNOD_RETRY, 0, 0, (struct slice){0}, 0);
}

static void
apply(struct executor *executor, struct apply_item *item)
{
	for (uint32_t i = 0; i < item->count; i++) {
		if (executor->has_failed || item->generation != executor->generation)
			skip_row(executor, &item->rows[i]);
		else
			apply_row(executor, item->first + i, &item->rows[i]);
	}
	free(item);
	flusher_flush(&executor->flusher);
}

/* ---- reading ---- */

static int
read_one(struct executor *executor, struct pending *pending, int *error, uint64_t *revision)
{
	struct namespace *namespace = executor->namespace;
	struct slice body = {pending->body, pending->body_size};

	*error = SYNOD_OK;
	*revision = namespace_revision(namespace);
	switch (pending->op) {
	case OP_STATUS:
		status_encode(&executor->result, (const struct status_half *)pending->body,
		              namespace, database_bytes(executor->database));
		return SYNOD_OK;
	case OP_MEMBERS:
		return members_encode(&executor->result, (const struct status_half *)pending->body,
		                      namespace);
	case OP_SESSIONS: sessions_encode(&executor->result, body, namespace); return SYNOD_OK;
	case OP_SESSION_ATTACH:
		return namespace_attach(namespace, pending->session, body, error,
		                        &executor->result);
	case OP_WATCH:
		return watches_start(executor->watches, namespace, pending, error, revision,
		                     &executor->result);
	case OP_UNWATCH:
		*error = watches_end(executor->watches, pending, &executor->result);
		return SYNOD_OK;
	default:
		return namespace_read(namespace, pending->op, body, error, revision,
		                      &executor->result);
	}
}

static void
serve(struct executor *executor, struct pending *pending)
{
	bool is_watch = pending->op == OP_WATCH || pending->op == OP_UNWATCH;
	uint64_t revision = 0;
	int error = SYNOD_OK, failure;

	if (pending->response.size > 0) {
		finish_packed(executor, pending, pending->index,
		              must_hold(executor, pending, pending->index));
		return;
	}
	buffer_clear(&executor->result);
	failure = read_one(executor, pending, &error, &revision);
	if (failure) {
		break_off(executor, failure, "cannot read the namespace");
		error = SYNOD_RETRY;
		buffer_clear(&executor->result);
	}
	finish(executor, pending, error, revision, pending->stale_ms,
	       buffer_slice(&executor->result), error == SYNOD_OK ? pending->session : 0);
	if (is_watch) {
		watches_begin(executor->watches);
		hand_back_released(executor);
	}
}

static bool
is_readable(const struct executor *executor, const struct pending *pending)
{
	uint64_t applied;

	if (executor->is_down)
		return false;
	applied = namespace_applied(executor->namespace);
	if (pending->op == OP_WATCH && !watches_may_start(executor->watches, pending))
		return false;
	return applied >= pending->index && applied >= executor->floor;
}

/* Serve every read whose slot has been applied; give up those that wait too long. */
static void
serve_waiting(struct executor *executor)
{
	struct pending **link = &executor->waiting;

	while (*link) {
		struct pending *pending = *link;

		if (!is_readable(executor, pending)) {
			link = &pending->next;
			continue;
		}
		*link = pending->next;
		serve(executor, pending);
	}
}

static void
give_up_waiting(struct executor *executor, uint64_t now_ms)
{
	struct pending **link = &executor->waiting;

	while (*link) {
		struct pending *pending = *link;

		if (now_ms - pending->started_ms < READ_WAIT_MAX_MS) {
			link = &pending->next;
			continue;
		}
		*link = pending->next;
		finish(executor, pending, SYNOD_RETRY, 0, 0, (struct slice){0}, 0);
	}
}

/* ---- watches ---- */

/* The connection is gone, and those of its watches that were not started yet never will be. */
static void
forget(struct executor *executor, struct forget_item *item)
{
	struct pending **link = &executor->waiting;

	while (*link) {
		struct pending *pending = *link;

		if (pending->op != OP_WATCH || pending->connection->id != item->connection) {
			link = &pending->next;
			continue;
		}
		*link = pending->next;
		finish(executor, pending, SYNOD_CLOSED, 0, 0, (struct slice){0}, 0);
	}
	watches_forget(executor->watches, item->connection);
	hand_back_released(executor);
	free(item);
}

/* One slice, so that requests in between need not wait for long. */
static void
catch_up(struct executor *executor)
{
	int error;

	executor->is_catching_up = false;
	if (executor->is_down || executor->has_failed ||
	    !watches_want_to_catch_up(executor->watches, namespace_applied(executor->namespace)))
		return;
	error = watches_catch_up(executor->watches, executor->namespace);
	if (error)
		break_off(executor, error, "cannot read the history");
	hand_back_released(executor);
}

static void
want_to_catch_up(struct executor *executor)
{
	if (executor->is_catching_up || executor->is_down ||
	    !watches_want_to_catch_up(executor->watches, namespace_applied(executor->namespace)))
		return;
	executor->is_catching_up = true;
	executor->catch_up_item.kind = ITEM_CATCH_UP;
	actor_post(executor->actor, &executor->catch_up_item);
}

/* ---- committing and reporting ---- */

/* Without room for a commit the transaction stays open, and everything in it can be read: the next
 * interval tries again. */
static void
note_room(struct executor *executor, bool has_room)
{
	if (has_room == !executor->lacks_room)
		return;
	executor->lacks_room = !has_room;
	if (has_room)
		log_info("the database is committed again");
	else
		log_error(
			"the database cannot be committed: disk full; the journal has everything");
}

static void
commit(struct executor *executor)
{
	int error = namespace_write_back(executor->namespace);

	if (error) {
		break_off(executor, error, "cannot write to the database");
		return;
	}
	error = database_commit(executor->database);
	executor->committed_ms = clock_now_ms(executor->options.clock);
	if (error != SYNOD_OK && error != SYNOD_NO_SPACE) {
		stop_process(executor, error, "cannot commit the database");
		return;
	}
	note_room(executor, error == SYNOD_OK);
	if (error == SYNOD_OK)
		namespace_committed(executor->namespace);
}

static void
report(struct executor *executor)
{
	uint64_t applied = executor->is_down ? 0 : namespace_applied(executor->namespace);
	size_t events_size = executor->session_count * sizeof *executor->session_events;
	struct progress_item *item;

	if (applied > executor->floor)
		executor->floor = applied;
	if (applied == executor->reported && !executor->done)
		return;
	item = check_calloc(1, sizeof *item + events_size);
	item->item.kind = EXECUTOR_ITEM_PROGRESS;
	item->applied = applied;
	item->uptime_ms = executor->is_down ? 0 : namespace_uptime_ms(executor->namespace);
	item->next_due_ms =
		executor->is_down ? UINT64_MAX : namespace_next_due_ms(executor->namespace);
	item->done = executor->done;
	item->checkpoint_slot = executor->checkpoint_slot;
	item->checkpoint = executor->checkpoint;
	item->session_count = executor->session_count;
	if (events_size > 0)
		memcpy(item->sessions, executor->session_events, events_size);
	executor->done = NULL;
	executor->session_count = 0;
	executor->reported = applied;
	actor_post(executor->options.member, &item->item);
}

/* Try to open the database where its last commit left it, and say from where to feed. */
static void
reopen(struct executor *executor)
{
	struct rewound_item *item;
	int error;

	if (executor->namespace)
		namespace_close(executor->namespace);
	if (executor->database)
		database_close(executor->database);
	executor->namespace = NULL;
	executor->database = NULL;
	error = executor->options.reopen(executor->options.context, &executor->namespace,
	                                 &executor->database);
	if (error == SYNOD_NO_SPACE)
		return; /* the next tick tries again */
	if (error) {
		executor->has_failed = true;
		executor->options.fatal(
			executor->options.context, error,
			"cannot open the database again; the journal has everything");
		return;
	}
	executor->is_down = false;
	executor->reported = namespace_applied(executor->namespace);
	item = check_calloc(1, sizeof *item);
	item->item.kind = EXECUTOR_ITEM_REWOUND;
	item->applied = executor->reported;
	item->generation = executor->generation;
	actor_post(executor->options.member, &item->item);
	log_info("the database is open again; applying from slot %lu on",
	         (unsigned long)executor->reported + 1);
}

/* ---- surveys ---- */

struct surveyed {
	struct survey_item *item;
	struct namespace *namespace;
};

static void
survey_session(void *context, uint64_t session, uint64_t generation, uint64_t timeout_ms)
{
	struct surveyed *surveyed = context;
	struct survey_item *survey = surveyed->item;
	bool is_lease = namespace_is_lease(surveyed->namespace, session);

	if (PLANTED(LEASE_NOT_SURVEYED) && is_lease)
		return;
	if (survey->session_count == survey->session_capacity) {
		survey->session_capacity =
			survey->session_capacity ? survey->session_capacity * 2 : 64;
		survey->sessions = check_realloc(
			survey->sessions, survey->session_capacity * sizeof *survey->sessions);
	}
	survey->sessions[survey->session_count++] =
		(struct survey_session){session, generation, timeout_ms, is_lease};
}

static void
copy_text(char *to, size_t size, struct slice from)
{
	size_t length = from.size < size ? from.size : size - 1;

	if (length > 0)
		memcpy(to, from.bytes, length);
	to[length] = '\0';
}

static void
survey_member(void *context, const struct command *recorded)
{
	struct survey_item *survey = context;
	struct survey_member *member;

	if (survey->member_count == MEMBERS_MAX)
		return;
	member = &survey->members[survey->member_count++];
	member->id = recorded->member;
	copy_text(member->name, sizeof member->name, recorded->name);
	copy_text(member->peer_address, sizeof member->peer_address, recorded->peer_address);
	copy_text(member->client_address, sizeof member->client_address, recorded->client_address);
	member->has_disk_id = recorded->disk_id.size == DISK_ID_SIZE;
	if (member->has_disk_id)
		memcpy(member->disk_id, recorded->disk_id.bytes, DISK_ID_SIZE);
}

static void
survey(struct executor *executor, struct survey_item *item)
{
	int error;

	if (executor->is_down) {
		survey_free(item); /* the member asks again when the feed begins anew */
		return;
	}
	error = namespace_each_session(executor->namespace, survey_session,
	                               &(struct surveyed){item, executor->namespace});
	if (!error)
		error = namespace_each_member(executor->namespace, survey_member, item);
	if (error)
		stop_process(executor, error, "cannot read the namespace");
	item->uptime_ms = namespace_uptime_ms(executor->namespace);
	item->item.kind = EXECUTOR_ITEM_SURVEY;
	report(executor);
	actor_post(executor->options.member, &item->item);
}

/* ---- items ---- */

static void
take_read(struct executor *executor, struct pending *pending)
{
	if (!is_readable(executor, pending)) {
		pending->next = executor->waiting;
		executor->waiting = pending;
		return;
	}
	serve(executor, pending);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct executor *executor = owner;

	switch (item->kind) {
	case ITEM_APPLY:
		apply(executor, (struct apply_item *)item);
		if (executor->waiting)
			serve_waiting(executor);
		if (!executor->is_down && !executor->lacks_room &&
		    namespace_wants_commit(executor->namespace))
			commit(executor);
		report(executor);
		return;
	case ITEM_READ: take_read(executor, (struct pending *)item); return;
	case ITEM_SURVEY: survey(executor, (struct survey_item *)item); return;
	case ITEM_TICK:
		executor->is_ticking = false;
		if (executor->is_down)
			reopen(executor);
		watches_tick(executor->watches, clock_now_ms(executor->options.clock));
		if (executor->waiting)
			serve_waiting(executor);
		return;
	case ITEM_FORGET: forget(executor, (struct forget_item *)item); return;
	case ITEM_CATCH_UP: catch_up(executor); return;
	default: CHECK(!"an item that the executor knows");
	}
}

static void
on_idle(void *owner)
{
	struct executor *executor = owner;
	uint64_t now_ms = clock_now_ms(executor->options.clock);

	if (executor->has_failed)
		return;
	if (executor->waiting)
		give_up_waiting(executor, now_ms);
	want_to_catch_up(executor);
	flusher_flush(&executor->flusher);
	report(executor);
	if (!executor->is_down && namespace_is_dirty(executor->namespace) &&
	    now_ms >= executor->committed_ms + executor->options.commit_interval_ms)
		commit(executor);
}

/* ---- from outside ---- */

struct executor *
executor_new(const struct executor_options *options)
{
	static const struct actor_handler handler = {on_item, on_idle};
	struct executor *executor = check_calloc(1, sizeof *executor);

	executor->options = *options;
	if (executor->options.commit_interval_ms == 0)
		executor->options.commit_interval_ms = COMMIT_INTERVAL_MS;
	executor->namespace = options->namespace;
	executor->database = options->database;
	executor->reported = namespace_applied(options->namespace);
	executor->watches = watches_new(&executor->flusher, options->watch_output_max);
	watches_tick(executor->watches, clock_now_ms(options->clock));
	executor->actor = actor_new("executor", options->mode, &handler, executor);
	CHECK(executor->actor);
	return executor;
}

struct apply_item *
apply_item_new(uint64_t first, uint32_t capacity, uint64_t generation)
{
	struct apply_item *item = check_malloc(sizeof *item + capacity * sizeof item->rows[0]);

	item->item.kind = ITEM_APPLY;
	item->first = first;
	item->generation = generation;
	item->count = 0;
	item->capacity = capacity;
	return item;
}

void
executor_apply(struct executor *executor, struct apply_item *item)
{
	actor_post(executor->actor, &item->item);
}

void
executor_read(struct executor *executor, struct pending *pending)
{
	pending->item.kind = ITEM_READ;
	actor_post(executor->actor, &pending->item);
}

void
executor_relay(struct executor *executor, struct pending *pending)
{
	CHECK(pending->response.size > 0);
	executor_read(executor, pending);
}

void
executor_forget(struct executor *executor, uint64_t connection)
{
	struct forget_item *item = check_calloc(1, sizeof *item);

	item->item.kind = ITEM_FORGET;
	item->connection = connection;
	actor_post(executor->actor, &item->item);
}

void
executor_survey(struct executor *executor, uint64_t slot)
{
	struct survey_item *item = check_calloc(1, sizeof *item);

	item->item.kind = ITEM_SURVEY;
	item->asked_at = slot;
	actor_post(executor->actor, &item->item);
}

void
executor_tick(struct executor *executor)
{
	if (atomic_exchange(&executor->is_ticking, true))
		return;
	executor->tick_item.kind = ITEM_TICK;
	actor_post(executor->actor, &executor->tick_item);
}

bool
executor_run(struct executor *executor)
{
	return actor_run(executor->actor);
}

const struct namespace *
executor_namespace(const struct executor *executor)
{
	return executor->is_down ? NULL : executor->namespace;
}

void
executor_stop(struct executor *executor)
{
	actor_stop(executor->actor);
	give_up_waiting(executor, UINT64_MAX);
	watches_close(executor->watches);
	hand_back_released(executor);
	flusher_flush(&executor->flusher);
	report(executor);
	if (!executor->has_failed && !executor->is_down && namespace_is_dirty(executor->namespace))
		commit(executor);
}

void
executor_free(struct executor *executor)
{
	if (!executor)
		return;
	actor_free(executor->actor);
	flusher_flush(&executor->flusher);
	if (executor->namespace)
		namespace_close(executor->namespace);
	if (executor->database)
		database_close(executor->database);
	watches_free(executor->watches);
	free(executor->session_events);
	buffer_fini(&executor->result);
	buffer_fini(&executor->scratch);
	free(executor);
}

void
progress_free(struct progress_item *item)
{
	free(item);
}

void
survey_free(struct survey_item *item)
{
	free(item->sessions);
	free(item);
}
