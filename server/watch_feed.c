/* Catching up: watches that are behind read the history together, a slice at a time. */
#include "server/watch_table.h"
#include "shared/check.h"
#include "shared/error.h"

/* What a change costs beside its path and its data. */
#define CHANGE_OVERHEAD 64

struct scan {
	struct watches *watches;
	struct position begin;
	size_t size;       /* looked at */
	uint64_t revision; /* of the last change looked at */
	const struct change *change;
	bool is_kept; /* is it in the run? */
	bool is_over; /* the slice ended before the history did */
};

/* Is WATCH among those that read this slice? */
static bool
is_reading(const struct watch *watch, struct position begin)
{
	return watch->queue == QUEUE_CATCHING && !position_is_before(watch->position, begin);
}

static void
hit_if_reading(void *context, struct watch *watch)
{
	struct scan *scan = context;
	struct run *run = &scan->watches->run;
	struct position at = {scan->change->revision, scan->change->ordinal};

	if (!is_reading(watch, scan->begin) || position_is_before(at, watch->position))
		return;
	/* A change is valid only while it is looked at. */
	if (!scan->is_kept)
		change_encode(&run->bytes, scan->change);
	if (!scan->is_kept)
		run_add(run);
	scan->is_kept = true;
	run_hit(run, watch, run->count - 1);
}

/* A slice ends between two revisions, unless one is very large. */
static bool
is_enough(const struct scan *scan, const struct change *change)
{
	if (change->revision != scan->revision)
		return scan->size >= WATCH_SLICE_BYTES;
	return scan->size >= EVENT_SIZE_MAX;
}

static bool
look_at(void *context, const struct change *change)
{
	struct scan *scan = context;
	struct position at = {change->revision, change->ordinal};

	if (position_is_before(at, scan->begin))
		return true;
	if (is_enough(scan, change)) {
		scan->is_over = true;
		scan->watches->run.ends_inside = change->revision == scan->revision;
		scan->watches->run.end = scan->watches->run.ends_inside
		                                 ? at
		                                 : (struct position){scan->revision + 1, 0};
		return false;
	}
	scan->size += change->path.size + change->data.size + CHANGE_OVERHEAD;
	scan->revision = change->revision;
	scan->change = change;
	scan->is_kept = false;
	table_match(&scan->watches->table, change, hit_if_reading, scan);
	return true;
}

static void
decode_kept(struct run *run)
{
	struct cursor cursor;

	CHECK(!run->bytes.failed);
	cursor_init(&cursor, buffer_slice(&run->bytes));
	for (uint32_t i = 0; i < run->count; i++)
		change_decode(&cursor, &run->changes[i]);
	CHECK(cursor_finish(&cursor) == SYNOD_OK);
}

/* The rest of the revision that was begun holds nothing for WATCH, or has all been told. */
static void
tell_end_of_revision(struct watches *watches, struct watch *watch, uint64_t revision)
{
	if (!watch->owes_rest ||
	    position_is_before(watches->run.end, (struct position){revision + 1, 0}))
		return;
	watch->owes_rest = false;
	event_write(watches, watch, EVENT_CHANGES, revision, false, (struct slice){0}, 0, false);
}

/* WATCH has been part of the slice: it is told, and stands at its end. */
static void
advance(struct watches *watches, struct watch *watch, bool is_live)
{
	if (watch->first_hit != NO_HIT)
		run_tell(watches, watch);
	else
		tell_end_of_revision(watches, watch, watch->position.revision);
	watch->position = watches->run.end;
	if (is_live)
		queue_remove(watches, watch);
}

static void
tell_slice(struct watches *watches, struct position begin, bool is_live)
{
	struct watch *next;

	for (struct watch *watch = watches->queue; watch; watch = next) {
		next = watch->queue_next;
		if (!is_reading(watch, begin) ||
		    !position_is_before(watch->position, watches->run.end))
			continue;
		if (subscriber_is_slow(watches, watch->subscriber)) {
			run_forget(watch);
			queue_park(watches, watch);
		} else {
			advance(watches, watch, is_live);
		}
	}
}

static int
read_slice(struct watches *watches, struct namespace *namespace, struct watch *first)
{
	struct scan scan = {.watches = watches, .begin = first->position};
	int failure;

	run_clear(&watches->run);
	queue_rotate(watches, first);
	failure = namespace_each_change(namespace, scan.begin.revision, look_at, &scan);
	if (failure != SYNOD_OK) {
		for (uint32_t i = 0; i < watches->run.touched_count; i++)
			run_forget(watches->run.touched[i]);
		return failure;
	}
	if (!scan.is_over)
		watches->run.end = (struct position){watches->told + 1, 0};
	decode_kept(&watches->run);
	tell_slice(watches, scan.begin, !scan.is_over);
	return SYNOD_OK;
}

/* What WATCH missed is not kept any more: it gets the present state instead. */
static int
make_up(struct watches *watches, struct namespace *namespace, struct watch *watch)
{
	int failure = state_gather(watches, namespace, watch);

	if (failure != SYNOD_OK)
		return failure;
	queue_remove(watches, watch);
	if (!watches->state.is_too_large) {
		state_tell(watches, watch, true);
	} else {
		event_end(watches, watch, SYNOD_COMPACTED);
		table_remove(&watches->table, watch);
	}
	return SYNOD_OK;
}

int
watches_catch_up(struct watches *watches, struct namespace *namespace)
{
	struct watch *first = watches->queue;
	int failure;

	CHECK(namespace_applied(namespace) == watches->told);
	while (first && subscriber_is_slow(watches, first->subscriber)) {
		queue_park(watches, first);
		first = watches->queue;
	}
	if (!first)
		return SYNOD_OK;
	if (first->position.revision < namespace_history_from(namespace))
		failure = make_up(watches, namespace, first);
	else
		failure = read_slice(watches, namespace, first);
	holding_release(watches);
	return failure;
}

bool
watches_want_to_catch_up(const struct watches *watches, uint64_t applied)
{
	return watches->queue != NULL && applied == watches->told;
}
