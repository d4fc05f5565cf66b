/*
 * Linearizability by search, for each node by itself: Wing and Gong's algorithm
 * with Lowe's memory of configurations already tried.
 *
 * It uses nothing but times, questions and answers, no revisions, so it checks the
 * checker by witness.  A node is a register here; its children are left to that one.
 *
 * A history is searched stretch by stretch.  Stretches meet where no call is under
 * way that was answered, so nothing of one can have happened in another; only
 * writes that were never answered may still happen in all that follow, and take
 * part in each.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/history.h"

#define RECORDS_MAX  64 /* bits of a configuration */
#define OPEN_MAX     16
#define GATHERED_MAX (RECORDS_MAX - OPEN_MAX)
#define STEPS_MAX    200000

/* A node as a register: the number of the record that wrote it, or one of these. */
#define ABSENT   UINT32_MAX
#define ANYTHING (UINT32_MAX - 1)

struct search {
	struct world *world;
	const char *path;
	const struct record *open[OPEN_MAX]; /* writes without an answer */
	unsigned open_count;
	const struct record *gathered[GATHERED_MAX]; /* in this stretch, and perhaps the next */
	unsigned gathered_count;
	unsigned clump; /* where those begin that are under way at once */
	const struct record *records[RECORDS_MAX]; /* what is searched: gathered and open */
	unsigned count;
	uint32_t start;  /* the state before the stretch */
	uint64_t *tried; /* hashes of configurations that lead nowhere */
	size_t tried_capacity, tried_count;
	unsigned steps;
};

static bool
was_tried(struct search *search, uint64_t key)
{
	size_t at = key & (search->tried_capacity - 1);

	while (search->tried[at] != 0 && search->tried[at] != key)
		at = (at + 1) & (search->tried_capacity - 1);
	if (search->tried[at] == key)
		return true;
	if (search->tried_count * 2 < search->tried_capacity) {
		search->tried[at] = key;
		search->tried_count++;
	}
	return false;
}

static uint32_t
written_by(const char *data)
{
	return (uint32_t)strtoul(data, NULL, 10);
}

static bool
read_fits(const struct record *record, uint32_t state, uint32_t *next)
{
	*next = record->error == SYNOD_NOT_FOUND ? ABSENT : written_by(record->result_data);
	return state == ANYTHING || state == *next;
}

/* Could RECORD succeed on STATE?  Where a version decides, what was told is taken for true. */
static bool
can_succeed(const struct record *record, const char *path, uint32_t state)
{
	bool succeeded = record->outcome != OUTCOME_DONE || record->error == SYNOD_OK;

	if (state == ANYTHING)
		return succeeded;
	switch (record->kind) {
	case RECORD_CREATE: return state == ABSENT;
	case RECORD_PUT: return true;
	case RECORD_TXN:
		if (record->outcome != OUTCOME_DONE || strcmp(record->path, path) != 0)
			return true;
		return record->then_taken == (state != ABSENT);
	case RECORD_SET_IF_DATA:
		return state != ABSENT && record->wanted_data[0] != '\0' &&
		       state == written_by(record->wanted_data);
	case RECORD_SET_IF_VERSION: return succeeded && state != ABSENT;
	case RECORD_DELETE:
		if (record->outcome == OUTCOME_DONE && record->error == SYNOD_NOT_EMPTY)
			return false;
		return state != ABSENT;
	default: return state != ABSENT;
	}
}

/* The state after RECORD on STATE; false if its answer could not have been given. */
static bool
step(const struct record *record, const char *path, uint32_t state, uint32_t *next)
{
	bool is_known = record->outcome == OUTCOME_DONE;
	bool succeeds = can_succeed(record, path, state);

	if (record->kind == RECORD_GET)
		return read_fits(record, state, next);
	*next = state;
	if (is_known && succeeds != (record->error == SYNOD_OK))
		return false;
	if (is_known && record->kind == RECORD_TXN && !record->then_taken &&
	    strcmp(record->path, path) != 0)
		return true; /* the other node was not written */
	if (succeeds)
		*next = record->kind == RECORD_DELETE || record->kind == RECORD_DELETE_ALL
		                ? ABSENT
		                : record->id;
	return true;
}

/* DONE: which records have taken effect already. */
static bool
explore(struct search *search, uint64_t done, uint32_t state)
{
	uint64_t earliest_us = NEVER_US;
	bool is_complete = true;

	if (search->steps++ > STEPS_MAX)
		return true; /* not decided: leave it */
	if (was_tried(search, random_mix(random_mix(done) + state) | 1))
		return false;
	for (unsigned i = 0; i < search->count; i++) {
		const struct record *record = search->records[i];

		if (done >> i & 1)
			continue;
		if (record->outcome == OUTCOME_DONE) {
			is_complete = false;
			if (record->returned_us < earliest_us)
				earliest_us = record->returned_us;
		}
	}
	if (is_complete)
		return true;
	for (unsigned i = 0; i < search->count; i++) {
		uint32_t next;

		if (done >> i & 1 || search->records[i]->invoked_us > earliest_us)
			continue;
		if (step(search->records[i], search->path, state, &next) &&
		    explore(search, done | UINT64_C(1) << i, next))
			return true;
	}
	return false;
}

/* ---- stretches ---- */

/* Does RECORD say or change anything of the node PATH itself? */
static bool
concerns(const struct record *record, const char *path)
{
	if (record->outcome == OUTCOME_NOTHING || record->kind == RECORD_LIST ||
	    record->kind == RECORD_SEQUENTIAL)
		return false;
	if (record->kind == RECORD_GET &&
	    (record->outcome != OUTCOME_DONE || record->consistency != SYNOD_LINEARIZABLE))
		return false;
	return strcmp(record->path, path) == 0 ||
	       (record->kind == RECORD_TXN && strcmp(record->other, path) == 0);
}

static void
tell(const struct search *search)
{
	for (unsigned i = 0; i < search->count; i++) {
		char text[400];

		world_trace(search->world, NULL, "searched: %s",
		            record_text(search->records[i], text, sizeof text));
	}
	world_fail(search->world, "search", "the history of %s is not linearizable", search->path);
}

/* The first COUNT of the gathered are a stretch. */
static void
search_stretch(struct search *search, unsigned count)
{
	struct statistics *statistics = &search->world->statistics;

	if (count < 2)
		return;
	memcpy(search->records, search->gathered, count * sizeof *search->records);
	memcpy(search->records + count, search->open, search->open_count * sizeof *search->open);
	search->count = count + search->open_count;
	memset(search->tried, 0, search->tried_capacity * sizeof *search->tried);
	search->tried_count = 0;
	search->steps = 0;
	statistics->wing_gong++;
	statistics->wing_gong_calls += count;
	if (!explore(search, 0, search->start))
		tell(search);
	else if (search->steps > STEPS_MAX)
		statistics->wing_gong_undecided++;
}

/* There is no more room: what is under way at the end begins the next stretch, about whose start
 * nothing is known.  False if that is everything. */
static bool
begin_next(struct search *search)
{
	unsigned moved = search->gathered_count - search->clump;

	search_stretch(search, search->clump);
	memmove(search->gathered, search->gathered + search->clump,
	        moved * sizeof *search->gathered);
	search->gathered_count = moved < GATHERED_MAX ? moved : 0;
	search->clump = 0;
	search->start = ANYTHING;
	return moved < GATHERED_MAX;
}

/* All answered calls that concern the node, in the order in which they were asked. */
static void
search_node(struct search *search)
{
	const struct history *history = search->world->history;
	uint64_t busy_until_us = 0;
	bool is_too_large = false;

	search->open_count = search->gathered_count = search->clump = 0;
	search->start = ABSENT;
	for (size_t i = 0; i < history->count && !search->world->has_failed; i++) {
		const struct record *record = history->records[i];

		if (!concerns(record, search->path))
			continue;
		if (record->outcome != OUTCOME_DONE) {
			if (search->open_count == OPEN_MAX) { /* too much may happen from here on */
				search_stretch(search, search->clump);
				return;
			}
			search->open[search->open_count++] = record;
			continue;
		}
		if (record->invoked_us > busy_until_us) {
			search->clump = search->gathered_count;
			is_too_large = false;
		}
		if (record->returned_us > busy_until_us)
			busy_until_us = record->returned_us;
		if (!is_too_large && search->gathered_count == GATHERED_MAX)
			is_too_large = !begin_next(search);
		if (!is_too_large)
			search->gathered[search->gathered_count++] = record;
	}
	if (!search->world->has_failed)
		search_stretch(search, search->gathered_count);
}

void
check_search(struct world *world)
{
	struct search search = {.world = world, .tried_capacity = 1u << 16};
	char path[PATH_SIZE_SIM];

	search.tried = check_calloc(search.tried_capacity, sizeof *search.tried);
	search.path = path;
	for (unsigned i = 0; i < world->options.nodes && !world->has_failed; i++) {
		snprintf(path, sizeof path, "/n%u", i);
		search_node(&search);
	}
	free(search.tried);
}
