/*
 * Watches over a namespace in memory, onlookers that hold them, and a model of what
 * each must be told: the changes since its start that are in its scope, in order,
 * each once, none left out.  Everything an onlooker is told is compared at once.
 */
#ifndef TESTS_UNIT_SERVER_WATCHING_H
#define TESTS_UNIT_SERVER_WATCHING_H

#include "server/watches.h"
#include "tests/support/sink.h"
#include "tests/unit/namespace/random.h"

#define VIEWS_MAX 16

/* A watch as its client sees it. */
struct view {
	uint64_t number; /* 0: none */
	char path[64];
	uint8_t scope;
	uint64_t session; /* OWNED */
	bool with_data;
	bool awaits_state; /* it asked for the state to begin with */
	bool owes_rest;    /* the last event said that more follows */
	size_t next;       /* of all changes, the first that it was not told or that is not its */
	unsigned event_count, state_count, compacted_count;
	int ended; /* the error of END */
};

struct onlooker {
	struct sink sink;
	struct view views[VIEWS_MAX];
	unsigned mark_count;
	uint64_t marked;
	unsigned answer_count;
};

struct hall {
	struct fixture fixture;
	struct flusher flusher;
	struct watches *watches;
	uint64_t now_ms;
	struct change *changes; /* all there ever were */
	size_t change_count;
	struct buffer result;
	int error; /* of the last watch asked for */
};

static inline void
hall_open(struct hall *hall, const struct namespace_options *options)
{
	*hall = (struct hall){.now_ms = 1000};
	fixture_open_with(&hall->fixture, ":memory:", options);
	hall->fixture.acknowledged = 0;
	hall->watches = watches_new(&hall->flusher, 0);
	watches_tick(hall->watches, hall->now_ms);
	assert_int_equal(
		watches_publish(hall->watches, hall->fixture.namespace, hall->fixture.slot, true),
		SYNOD_OK);
}

static inline void
hall_close(struct hall *hall)
{
	watches_close(hall->watches);
	watches_free(hall->watches);
	flusher_flush(&hall->flusher);
	fixture_close(&hall->fixture);
	for (size_t i = 0; i < hall->change_count; i++) {
		free((void *)hall->changes[i].path.bytes);
		free((void *)hall->changes[i].data.bytes);
	}
	free(hall->changes);
	buffer_fini(&hall->result);
}

/* ---- what happens ---- */

static inline struct slice
copy_slice(struct slice from)
{
	uint8_t *bytes = check_malloc(from.size + 1);

	if (from.bytes == NULL) {
		free(bytes);
		return absent();
	}
	memcpy(bytes, from.bytes, from.size);
	return (struct slice){bytes, from.size};
}

static inline bool
remember(void *context, const struct change *change)
{
	struct hall *hall = context;
	struct change *kept;

	if (hall->change_count % 1024 == 0)
		hall->changes =
			check_realloc(hall->changes, (hall->change_count + 1024) * sizeof *kept);
	kept = &hall->changes[hall->change_count++];
	*kept = *change;
	kept->path = copy_slice(change->path);
	kept->data = copy_slice(change->data);
	return true;
}

/* The command just applied is published. */
static inline void
publish(struct hall *hall)
{
	assert_int_equal(
		namespace_each_change(hall->fixture.namespace, hall->fixture.slot, remember, hall),
		SYNOD_OK);
	hall->fixture.acknowledged = hall->fixture.seq;
	assert_int_equal(
		watches_publish(hall->watches, hall->fixture.namespace, hall->fixture.slot, true),
		SYNOD_OK);
}

static inline void
hall_put(struct hall *hall, const char *path, const char *data)
{
	assert_int_equal(put(&hall->fixture, path, data), SYNOD_OK);
	publish(hall);
}

static inline void
hall_put_bytes(struct hall *hall, const char *path, size_t size)
{
	struct operation operation = {.op = OP_PUT, .flags = OP_PARENTS, .path = slice_of(path)};
	uint8_t *bytes = check_calloc(1, size);

	operation.data = (struct slice){bytes, size};
	assert_int_equal(write_operation(&hall->fixture, &operation, NULL), SYNOD_OK);
	free(bytes);
	publish(hall);
}

static inline void
hall_delete(struct hall *hall, const char *path)
{
	assert_int_equal(write_node(&hall->fixture, OP_DELETE, OP_RECURSIVE, path, NULL), SYNOD_OK);
	publish(hall);
}

/* Catch up until nothing is left to do. */
static inline void
hall_settle(struct hall *hall)
{
	while (watches_want_to_catch_up(hall->watches, hall->fixture.slot))
		assert_int_equal(watches_catch_up(hall->watches, hall->fixture.namespace),
		                 SYNOD_OK);
	flusher_flush(&hall->flusher);
}

static inline void
hall_tick(struct hall *hall, unsigned ms)
{
	hall->now_ms += ms;
	watches_tick(hall->watches, hall->now_ms);
	flusher_flush(&hall->flusher);
}

/* ---- the model ---- */

static inline bool
is_for(const struct view *view, const struct change *change)
{
	struct slice path = slice_of(view->path);

	switch (view->scope) {
	case WATCH_OWNED:
		return change->owner == view->session || change->previous_owner == view->session;
	case WATCH_NODE: return slice_equal(change->path, path);
	case WATCH_CHILDREN:
		return slice_equal(change->path, path) ||
		       (!path_is_root(change->path) &&
		        slice_equal(path_parent(change->path), path));
	default: return path_is_within(change->path, path);
	}
}

/* The next change that VIEW is to be told, or the number of all. */
static inline size_t
next_for(const struct hall *hall, const struct view *view)
{
	size_t next = view->next;

	while (next < hall->change_count && !is_for(view, &hall->changes[next]))
		next++;
	return next;
}

/* Everything of revisions up to REVISION has been told. */
static inline void
assert_told_up_to(const struct hall *hall, const struct view *view, uint64_t revision)
{
	size_t next = next_for(hall, view);

	assert_true(next == hall->change_count || hall->changes[next].revision > revision);
	assert_false(view->owes_rest);
}

static inline size_t
first_after(const struct hall *hall, uint64_t revision)
{
	size_t at = hall->change_count;

	while (at > 0 && hall->changes[at - 1].revision > revision)
		at--;
	return at;
}

/* The last change of the node at CHANGE's path up to REVISION is this one, and it is there. */
static inline bool
is_present(const struct hall *hall, size_t at, uint64_t revision)
{
	for (size_t i = at + 1; i < hall->change_count && hall->changes[i].revision <= revision;
	     i++)
		if (slice_equal(hall->changes[i].path, hall->changes[at].path))
			return false;
	return hall->changes[at].kind != CHANGE_DELETED;
}

static inline void
hear_changes(struct hall *hall, struct view *view, struct event *event)
{
	assert_false(view->awaits_state);
	for (uint32_t i = 0; i < event->item_count; i++) {
		size_t next = next_for(hall, view);
		const struct change *expected = &hall->changes[next];
		struct change told;

		assert_true(next < hall->change_count);
		change_decode(&event->items, &told);
		assert_false(event->items.failed);
		assert_int_equal(told.revision, expected->revision);
		assert_int_equal(told.ordinal, expected->ordinal);
		assert_true(slice_equal(told.path, expected->path));
		assert_int_equal(told.kind, expected->kind);
		assert_int_equal(told.owner, expected->owner);
		if (view->with_data)
			assert_true(slice_equal(told.data, expected->data));
		else
			assert_null(told.data.bytes);
		view->next = next + 1;
	}
	view->owes_rest = event->more;
	if (!event->more)
		assert_told_up_to(hall, view, event->revision);
}

static inline bool
is_among(const struct slice *paths, uint32_t count, struct slice path)
{
	for (uint32_t i = 0; i < count; i++) {
		if (slice_equal(paths[i], path))
			return true;
	}
	return false;
}

/* The items are the nodes in scope, each once, parents before children. */
static inline void
hear_state(struct hall *hall, struct view *view, struct event *event)
{
	static struct slice paths[4096];
	size_t expected = 0;

	assert_false(event->more);
	for (uint32_t i = 0; i < event->item_count; i++) {
		struct state_item item;

		state_item_decode(&event->items, &item);
		assert_false(event->items.failed);
		assert_true(i < 4096);
		paths[i] = item.path;
		assert_true(i == 0 || view->scope == WATCH_OWNED ||
		            is_among(paths, i, path_parent(item.path)));
		assert_false(is_among(paths, i, item.path));
		if (!view->with_data)
			assert_null(item.data.bytes);
	}
	for (size_t i = 0; i < hall->change_count; i++) {
		if (hall->changes[i].revision > event->revision)
			break;
		if (view->scope == WATCH_OWNED || !is_for(view, &hall->changes[i]) ||
		    !is_present(hall, i, event->revision))
			continue;
		assert_true(is_among(paths, event->item_count, hall->changes[i].path));
		expected++;
	}
	/* The root is there without ever having been created. */
	if (view->scope != WATCH_OWNED && !path_is_root(slice_of(view->path)))
		assert_int_equal(event->item_count, expected);
	view->awaits_state = false;
	view->owes_rest = false;
	view->next = first_after(hall, event->revision);
	view->state_count++;
	view->compacted_count += event->compacted;
}

static inline struct view *
view_of(struct onlooker *onlooker, uint64_t number)
{
	for (unsigned i = 0; i < VIEWS_MAX; i++) {
		if (onlooker->views[i].number == number)
			return &onlooker->views[i];
	}
	return NULL;
}

static inline void
hear_event(struct hall *hall, struct onlooker *onlooker, struct event *event)
{
	struct view *view;

	if (event->kind == EVENT_MARK) {
		assert_int_equal(event->watch, 0);
		assert_true(event->revision >= onlooker->marked);
		for (unsigned i = 0; i < VIEWS_MAX; i++) {
			if (onlooker->views[i].number != 0)
				assert_told_up_to(hall, &onlooker->views[i], event->revision);
		}
		onlooker->marked = event->revision;
		onlooker->mark_count++;
		return;
	}
	view = view_of(onlooker, event->watch);
	if (view == NULL)
		return; /* told before it was ended */
	view->event_count++;
	if (event->kind == EVENT_CHANGES)
		hear_changes(hall, view, event);
	else if (event->kind == EVENT_STATE)
		hear_state(hall, view, event);
	else
		view->ended = event->error;
	if (event->kind == EVENT_END)
		view->number = 0;
}

/* An answer of a revision comes after all events of that revision. */
static inline void
hear_answer(struct hall *hall, struct onlooker *onlooker, const struct response *response)
{
	onlooker->answer_count++;
	for (unsigned i = 0; i < VIEWS_MAX; i++) {
		if (onlooker->views[i].number != 0)
			assert_told_up_to(hall, &onlooker->views[i], response->revision);
	}
}

/* Read COUNT frames, or all there are; how many were read. */
static inline unsigned
hear(struct hall *hall, struct onlooker *onlooker, unsigned count)
{
	struct frame frame;
	unsigned heard = 0;

	flusher_flush(&hall->flusher);
	while (heard < count && sink_frame(&onlooker->sink, &frame)) {
		struct response response;
		struct event event;

		heard++;
		if (frame.type == FRAME_RESPONSE) {
			assert_int_equal(response_decode(frame.body, &response), SYNOD_OK);
			hear_answer(hall, onlooker, &response);
			continue;
		}
		assert_int_equal(frame.type, FRAME_EVENT);
		assert_int_equal(event_decode(frame.body, &event), SYNOD_OK);
		hear_event(hall, onlooker, &event);
	}
	return heard;
}

static inline unsigned
hear_all(struct hall *hall, struct onlooker *onlooker)
{
	return hear(hall, onlooker, UINT32_MAX);
}

/* ---- watching ---- */

static inline void
onlooker_come(struct onlooker *onlooker)
{
	memset(onlooker, 0, sizeof *onlooker);
	sink_init(&onlooker->sink);
}

/* With its answers that still wait; those of others must have been written. */
static inline void
onlooker_go(struct hall *hall, struct onlooker *onlooker)
{
	struct pending *dropped;

	watches_forget(hall->watches, onlooker->sink.connection->id);
	dropped = watches_released(hall->watches);
	while (dropped) {
		struct pending *next = dropped->next;

		free(dropped);
		dropped = next;
	}
	flusher_flush(&hall->flusher);
	sink_fini(&onlooker->sink);
}

/* Ask for a watch; the error.  A view follows it from then on. */
static inline int
watch_from(struct hall *hall, struct onlooker *onlooker, uint64_t number, const char *path,
           uint8_t scope, uint32_t flags, uint64_t from)
{
	struct watch_request request = {number, slice_of(path), scope, flags, from};
	struct pending pending = {.op = OP_WATCH, .connection = onlooker->sink.connection};
	struct view *view = view_of(onlooker, 0);
	struct buffer body = BUFFER_EMPTY;
	uint64_t revision, first;
	struct cursor cursor;

	hear_all(hall, onlooker);
	watch_request_encode(&body, &request);
	pending.body = body.bytes;
	pending.body_size = body.size;
	pending.session = hall->fixture.session;
	buffer_clear(&hall->result);
	assert_int_equal(watches_start(hall->watches, hall->fixture.namespace, &pending,
	                               &hall->error, &revision, &hall->result),
	                 SYNOD_OK);
	buffer_fini(&body);
	if (hall->error != SYNOD_OK)
		return hall->error;
	assert_int_equal(revision, namespace_revision(hall->fixture.namespace));
	cursor_init(&cursor, buffer_slice(&hall->result));
	assert_int_equal(cursor_array(&cursor), 1);
	first = cursor_u64(&cursor);
	if (from != 0 && !(flags & WATCH_INITIAL))
		assert_int_equal(first, from);
	else
		assert_int_equal(first, revision + 1);
	if (view != NULL) {
		*view = (struct view){.number = number, .scope = scope, .next = 0};
		snprintf(view->path, sizeof view->path, "%s", path);
		view->session = hall->fixture.session;
		view->with_data = (flags & WATCH_WITH_DATA) != 0;
		view->awaits_state = (flags & WATCH_INITIAL) != 0;
		view->next = first_after(hall, first - 1);
	}
	watches_begin(hall->watches);
	return SYNOD_OK;
}

static inline void
watch(struct hall *hall, struct onlooker *onlooker, uint64_t number, const char *path,
      uint8_t scope)
{
	assert_int_equal(watch_from(hall, onlooker, number, path, scope, 0, 0), SYNOD_OK);
}

static inline int
unwatch(struct hall *hall, struct onlooker *onlooker, uint64_t number)
{
	struct pending pending = {.op = OP_UNWATCH, .connection = onlooker->sink.connection};
	struct view *view = view_of(onlooker, number);
	struct buffer body = BUFFER_EMPTY;
	int error;

	pack_array(&body, 1);
	pack_u64(&body, number);
	pending.body = body.bytes;
	pending.body_size = body.size;
	buffer_clear(&hall->result);
	error = watches_end(hall->watches, &pending, &hall->result);
	buffer_fini(&body);
	if (error == SYNOD_OK && view != NULL)
		view->number = 0;
	return error;
}

/* All that happened in its scope has been told to every watch. */
static inline void
assert_all_told(struct hall *hall, struct onlooker *onlooker)
{
	hear_all(hall, onlooker);
	for (unsigned i = 0; i < VIEWS_MAX; i++) {
		const struct view *view = &onlooker->views[i];

		if (view->number == 0)
			continue;
		assert_false(view->awaits_state);
		assert_told_up_to(hall, view, UINT64_MAX);
	}
}

#endif
