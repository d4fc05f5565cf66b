/*
 * What watches are told: a run of changes, which of them are for which watch, and
 * the events made of that.  Encoded once for all watches that are told the same.
 */
#include <stdlib.h>
#include <string.h>

#include "server/watch_table.h"
#include "shared/check.h"

/* ---- the run ---- */

static void *
grow(void *memory, uint32_t count, uint32_t *capacity, size_t size)
{
	if (count < *capacity)
		return memory;
	*capacity = *capacity ? *capacity * 2 : 64;
	return check_realloc(memory, *capacity * size);
}

void
run_clear(struct run *run)
{
	run->count = 0;
	run->hit_count = 0;
	run->touched_count = 0;
	run->ends_inside = false;
	run->composed[0].is_valid = run->composed[1].is_valid = false;
	buffer_clear(&run->bytes);
}

struct change *
run_add(struct run *run)
{
	run->changes = grow(run->changes, run->count, &run->capacity, sizeof *run->changes);
	return &run->changes[run->count++];
}

void
run_fini(struct run *run)
{
	for (unsigned i = 0; i < 2; i++) {
		free(run->composed[i].changes);
		buffer_fini(&run->composed[i].items);
		buffer_fini(&run->composed[i].frame);
	}
	free(run->changes);
	free(run->hits);
	free(run->touched);
	buffer_fini(&run->bytes);
}

/* CHANGE is for WATCH; in the order of the changes. */
void
run_hit(struct run *run, struct watch *watch, uint32_t change)
{
	run->hits = grow(run->hits, run->hit_count, &run->hit_capacity, sizeof *run->hits);
	run->hits[run->hit_count] = (struct hit){change, NO_HIT};
	if (watch->first_hit == NO_HIT) {
		watch->first_hit = run->hit_count;
		run->touched = grow(run->touched, run->touched_count, &run->touched_capacity,
		                    sizeof(struct watch *));
		run->touched[run->touched_count++] = watch;
	} else {
		run->hits[watch->last_hit].next = run->hit_count;
	}
	watch->last_hit = run->hit_count++;
}

void
run_forget(struct watch *watch)
{
	watch->first_hit = watch->last_hit = NO_HIT;
}

/* ---- events ---- */

static void
encode_event(struct buffer *out, const struct watch *watch, uint8_t kind, uint64_t revision,
             bool more, struct slice items, uint32_t count, bool compacted)
{
	size_t begin;

	buffer_clear(out);
	begin = frame_begin(out, FRAME_EVENT);
	event_encode_head(out, watch ? watch->number : 0, kind, revision, more);
	pack_array(out, count);
	buffer_append(out, items.bytes, items.size);
	pack_bool(out, compacted);
	frame_end(out, begin);
	CHECK(!out->failed);
}

static void
write_frame(struct watches *watches, struct subscriber *subscriber, const struct buffer *frame)
{
	connection_write(subscriber->connection, buffer_slice(frame));
	subscriber->unlooked_size += (uint32_t)frame->size;
	flusher_touch(watches->flusher, subscriber->connection);
}

void
event_write(struct watches *watches, struct watch *watch, uint8_t kind, uint64_t revision,
            bool more, struct slice items, uint32_t count, bool compacted)
{
	encode_event(&watches->scratch, watch, kind, revision, more, items, count, compacted);
	write_frame(watches, watch->subscriber, &watches->scratch);
}

void
event_end(struct watches *watches, struct watch *watch, int error)
{
	struct buffer item = BUFFER_EMPTY;

	pack_u64(&item, (uint64_t)error);
	event_write(watches, watch, EVENT_END, watches->told, false, buffer_slice(&item), 1, false);
	buffer_fini(&item);
}

void
event_mark(struct watches *watches, struct subscriber *subscriber, uint64_t revision)
{
	encode_event(&watches->scratch, NULL, EVENT_MARK, revision, false, (struct slice){0}, 0,
	             false);
	write_frame(watches, subscriber, &watches->scratch);
}

/* ---- changes ---- */

static void
encode_change(struct buffer *out, const struct change *change, bool with_data)
{
	struct change told = *change;

	if (!with_data)
		told.data = (struct slice){0};
	change_encode(out, &told);
}

/* Is what was composed last what WATCH is to be told? */
static bool
is_composed(const struct run *run, const struct composed *composed, const struct watch *watch)
{
	uint32_t count = 0;

	if (!composed->is_valid)
		return false;
	for (uint32_t at = watch->first_hit; at != NO_HIT; at = run->hits[at].next) {
		if (count == composed->count || composed->changes[count] != run->hits[at].change)
			return false;
		count++;
	}
	return count == composed->count;
}

static void
compose(const struct run *run, struct composed *composed, const struct watch *watch)
{
	buffer_clear(&composed->items);
	composed->count = 0;
	composed->frame_number = 0;
	composed->is_valid = true;
	for (uint32_t at = watch->first_hit; at != NO_HIT; at = run->hits[at].next) {
		uint32_t index = run->hits[at].change;

		composed->changes = grow(composed->changes, composed->count, &composed->capacity,
		                         sizeof *composed->changes);
		composed->changes[composed->count++] = index;
		encode_change(&composed->items, &run->changes[index], watch->with_data);
	}
	CHECK(!composed->items.failed);
}

/* Does more of the last revision that WATCH is told follow after this run? */
static bool
goes_on(const struct run *run, const struct watch *watch)
{
	const struct change *last = &run->changes[run->hits[watch->last_hit].change];

	return run->ends_inside && last->revision == run->end.revision;
}

static void
tell_composed(struct watches *watches, struct watch *watch, struct composed *composed)
{
	const struct run *run = &watches->run;
	const struct change *last = &run->changes[run->hits[watch->last_hit].change];

	watch->owes_rest = goes_on(run, watch);
	if (composed->frame_number != watch->number) {
		encode_event(&composed->frame, watch, EVENT_CHANGES, last->revision,
		             watch->owes_rest, buffer_slice(&composed->items), composed->count,
		             false);
		composed->frame_number = watch->number;
	}
	write_frame(watches, watch->subscriber, &composed->frame);
}

/* Too much for one event. */
static void
tell_in_parts(struct watches *watches, struct watch *watch)
{
	const struct run *run = &watches->run;
	struct buffer items = BUFFER_EMPTY;
	uint64_t revision = 0;
	uint32_t count = 0;

	for (uint32_t at = watch->first_hit; at != NO_HIT; at = run->hits[at].next) {
		const struct change *change = &run->changes[run->hits[at].change];
		size_t size = change->path.size + (watch->with_data ? change->data.size : 0);

		if (count > 0 && items.size + size > EVENT_SIZE_MAX) {
			event_write(watches, watch, EVENT_CHANGES, revision,
			            revision == change->revision, buffer_slice(&items), count,
			            false);
			buffer_clear(&items);
			count = 0;
		}
		encode_change(&items, change, watch->with_data);
		revision = change->revision;
		count++;
	}
	watch->owes_rest = goes_on(run, watch);
	event_write(watches, watch, EVENT_CHANGES, revision, watch->owes_rest, buffer_slice(&items),
	            count, false);
	buffer_fini(&items);
}

void
run_tell(struct watches *watches, struct watch *watch)
{
	struct composed *composed = &watches->run.composed[watch->with_data];

	if (!is_composed(&watches->run, composed, watch))
		compose(&watches->run, composed, watch);
	if (composed->items.size <= EVENT_SIZE_MAX || composed->count == 1)
		tell_composed(watches, watch, composed);
	else
		tell_in_parts(watches, watch);
	run_forget(watch);
}
