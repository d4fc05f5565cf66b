/* Watches: started, ended, told what is applied, and forgotten. */
#include "server/watches.h"

#include <stdlib.h>

#include "server/watch_table.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

/* Connections looked at, and marks sent, in one tick at most. */
#define MARK_LOOKS_MAX 1024
#define MARKS_MAX      256

struct watches *
watches_new(struct flusher *flusher, size_t output_max)
{
	struct watches *watches = check_calloc(1, sizeof *watches);

	table_init(&watches->table);
	watches->flusher = flusher;
	watches->output_max = output_max > 0 ? output_max : WATCH_OUTPUT_MAX;
	watches->queue_end = &watches->queue;
	return watches;
}

void
watches_free(struct watches *watches)
{
	if (!watches)
		return;
	watches_close(watches);
	CHECK(!watches->released);
	table_fini(&watches->table);
	run_fini(&watches->run);
	buffer_fini(&watches->state.items);
	buffer_fini(&watches->scratch);
	free(watches);
}

uint64_t
watches_count(const struct watches *watches)
{
	return watches->table.count;
}

/* ---- starting ---- */

/* Answers in RESULT why a watch cannot be started. */
static int
refuse(int *error, int refusal, const char *why, struct buffer *result)
{
	*error = refusal;
	if (why)
		pack_string(result, slice_of(why));
	return SYNOD_OK;
}

static const char *
complaint(const struct watches *watches, const struct namespace *namespace,
          const struct pending *pending, const struct watch_request *request, int *error)
{
	const struct subscriber *subscriber =
		table_subscriber(&watches->table, pending->connection->id);

	*error = SYNOD_SESSION_ENDED;
	if (request->scope == WATCH_OWNED && pending->session == 0)
		return "this connection has no session: open or attach one";
	*error = SYNOD_BAD_ARGUMENT;
	if (table_find(&watches->table, pending->connection->id, request->watch))
		return "this connection has a watch of that number";
	if (request->from > namespace_applied(namespace) + 1)
		return "the first revision to be told is in the future";
	*error = SYNOD_LIMIT;
	if (subscriber && subscriber->count >= WATCHES_PER_CLIENT_MAX)
		return "this connection has as many watches as it may";
	if (watches->table.count >= WATCHES_MAX)
		return "this member keeps as many watches as it may";
	*error = SYNOD_OK;
	return NULL;
}

static void
remove_watch(struct watches *watches, struct watch *watch)
{
	queue_remove(watches, watch);
	table_remove(&watches->table, watch);
}

static struct watch *
add(struct watches *watches, const struct pending *pending, const struct watch_request *request)
{
	struct subscriber *subscriber = table_add_subscriber(&watches->table, pending->connection);

	if (subscriber->count == 0) {
		subscriber->marked_ms = watches->now_ms;
		subscriber->marked = watches->told;
	}
	return table_add(&watches->table, subscriber, request, pending->session);
}

int
watches_start(struct watches *watches, struct namespace *namespace, const struct pending *pending,
              int *error, uint64_t *revision, struct buffer *result)
{
	struct slice body = {pending->body, pending->body_size};
	uint64_t applied = namespace_applied(namespace);
	struct watch_request request;
	const char *why = NULL;
	struct watch *watch;
	uint64_t from;

	CHECK(!watches->begun);
	if (watches->told < applied)
		watches->told = applied;
	*revision = namespace_revision(namespace);
	*error = watch_request_decode(body, &request, &why);
	if (*error == SYNOD_OK)
		why = complaint(watches, namespace, pending, &request, error);
	if (*error != SYNOD_OK)
		return refuse(error, *error, why, result);
	from = request.from && !(request.flags & WATCH_INITIAL) ? request.from : *revision + 1;
	watch = add(watches, pending, &request);
	if (request.flags & WATCH_INITIAL) {
		int failure = state_gather(watches, namespace, watch);

		if (failure == SYNOD_OK && !watches->state.is_too_large) {
			watches->begun = watch;
		} else {
			remove_watch(watches, watch);
			if (failure != SYNOD_OK)
				return failure;
			return refuse(error, SYNOD_TOO_LARGE,
			              "the present state is too large to begin with", result);
		}
	} else if (from <= applied && from <= *revision) {
		if (PLANTED(WATCH_OFF_BY_ONE) && from < applied)
			from++;
		queue_add(watches, watch, (struct position){from, 0});
		/* If nothing of the past is for it, only a mark tells how far it has come. */
		if (watch->subscriber->marked >= from)
			watch->subscriber->marked = from - 1;
	}
	pack_array(result, 1);
	pack_u64(result, from);
	return SYNOD_OK;
}

void
watches_begin(struct watches *watches)
{
	if (watches->begun)
		state_tell(watches, watches->begun, false);
	watches->begun = NULL;
}

int
watches_end(struct watches *watches, const struct pending *pending, struct buffer *result)
{
	struct watch *watch;
	struct cursor cursor;
	uint64_t number;

	cursor_init(&cursor, (struct slice){pending->body, pending->body_size});
	cursor_array(&cursor);
	number = cursor_u64(&cursor);
	watch = table_find(&watches->table, pending->connection->id, number);
	if (cursor.failed || !watch) {
		pack_string(result, slice_of("this connection has no watch of that number"));
		return SYNOD_NOT_FOUND;
	}
	remove_watch(watches, watch);
	holding_release(watches);
	pack_array(result, 0);
	return SYNOD_OK;
}

bool
watches_may_start(const struct watches *watches, const struct pending *pending)
{
	const struct subscriber *subscriber =
		table_subscriber(&watches->table, pending->connection->id);

	return !subscriber || !subscriber->is_slow;
}

/* ---- publishing ---- */

struct publication {
	struct watches *watches;
	uint32_t change;
};

static void
hit_if_live(void *context, struct watch *watch)
{
	struct publication *publication = context;

	if (watch->queue == QUEUE_NONE)
		run_hit(&publication->watches->run, watch, publication->change);
}

static void
add_changes(struct watches *watches, struct slice packed, uint64_t slot)
{
	struct publication publication = {watches, 0};
	struct cursor cursor;

	cursor_init(&cursor, packed);
	while (cursor.at < cursor.end) {
		struct change *change = run_add(&watches->run);

		change_decode(&cursor, change);
		CHECK(!cursor.failed);
		CHECK(change->revision == slot);
		table_match(&watches->table, change, hit_if_live, &publication);
		publication.change++;
	}
}

/* Watches of slow connections read it in the history, later. */
static void
tell_live(struct watches *watches, struct watch *watch, uint64_t slot)
{
	if (!subscriber_is_slow(watches, watch->subscriber)) {
		run_tell(watches, watch);
		return;
	}
	run_forget(watch);
	if (PLANTED(EVENT_DROPPED))
		return;
	queue_add(watches, watch, (struct position){slot - PLANTED(EVENT_REPEATED), 0});
}

/* More changes than are kept in memory: whoever is told of any reads them in the history. */
static bool
mark_if_live(void *context, const struct change *change)
{
	struct publication *publication = context;

	table_match(&publication->watches->table, change, hit_if_live, publication);
	return true;
}

static void
all_fall_behind(struct watches *watches, uint64_t slot)
{
	for (struct subscriber *at = watches->table.first; at; at = at->next) {
		for (struct watch *watch = at->watches; watch; watch = watch->next_of) {
			if (watch->queue == QUEUE_NONE)
				queue_add(watches, watch, (struct position){slot, 0});
		}
	}
}

static int
publish_large(struct watches *watches, struct namespace *namespace, uint64_t slot)
{
	struct publication publication = {watches, 0};
	int failure = namespace_each_change(namespace, slot, mark_if_live, &publication);

	for (uint32_t i = 0; i < watches->run.touched_count; i++) {
		struct watch *watch = watches->run.touched[i];

		run_forget(watch);
		queue_add(watches, watch, (struct position){slot, 0});
	}
	if (failure != SYNOD_OK)
		all_fall_behind(watches, slot);
	return failure;
}

int
watches_publish(struct watches *watches, struct namespace *namespace, uint64_t slot,
                bool has_changes)
{
	bool is_whole = true;
	struct slice packed;

	if (slot <= watches->told)
		return SYNOD_OK;
	watches->told = slot;
	if (!has_changes || watches->table.count == 0)
		return SYNOD_OK;
	packed = namespace_last_changes(namespace, &is_whole);
	run_clear(&watches->run);
	if (!is_whole)
		return publish_large(watches, namespace, slot);
	add_changes(watches, packed, slot);
	for (uint32_t i = 0; i < watches->run.touched_count; i++)
		tell_live(watches, watches->run.touched[i], slot);
	return SYNOD_OK;
}

/* ---- marks ---- */

static bool
is_due(const struct watches *watches, const struct subscriber *subscriber)
{
	if (subscriber->count == 0 || subscriber->marked >= watches->told)
		return false;
	if (subscriber->behind_count > 0 && !PLANTED(MARK_AHEAD))
		return false;
	return watches->now_ms >= subscriber->marked_ms + WATCH_MARK_MS;
}

/* A part of all connections in each tick, so that a thousand marks do not leave at once. */
static void
send_marks(struct watches *watches)
{
	size_t looks = watches->table.subscriber_count;
	unsigned marks = 0;

	if (looks > MARK_LOOKS_MAX)
		looks = MARK_LOOKS_MAX;
	while (looks-- > 0 && marks < MARKS_MAX) {
		struct subscriber *subscriber =
			watches->mark_next ? watches->mark_next : watches->table.first;

		watches->mark_next = subscriber->next;
		if (!is_due(watches, subscriber))
			continue;
		event_mark(watches, subscriber, watches->told);
		subscriber->marked = watches->told;
		subscriber->marked_ms = watches->now_ms;
		marks++;
	}
}

void
watches_tick(struct watches *watches, uint64_t now_ms)
{
	watches->now_ms = now_ms;
	slow_look(watches);
	send_marks(watches);
}

/* ---- the end ---- */

static void
forget(struct watches *watches, struct subscriber *subscriber)
{
	while (subscriber->watches)
		remove_watch(watches, subscriber->watches);
	slow_forget(watches, subscriber);
	holding_forget(watches, subscriber);
	if (watches->mark_next == subscriber)
		watches->mark_next = subscriber->next;
	table_remove_subscriber(&watches->table, subscriber);
}

void
watches_forget(struct watches *watches, uint64_t connection)
{
	struct subscriber *subscriber = table_subscriber(&watches->table, connection);

	if (subscriber)
		forget(watches, subscriber);
}

void
watches_close(struct watches *watches)
{
	while (watches->table.first)
		forget(watches, watches->table.first);
}
