/*
 * Linearizability by search, for each node by itself: Wing and Gong's algorithm
 * with Lowe's memory of configurations already tried.
 *
 * It uses nothing but times, questions and answers, no revisions, so it checks the
 * checker by witness.  Histories that touch nodes in other ways than one at a time
 * (transactions, deletion of subtrees, children) are left to that one.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/history.h"

#define RECORDS_MAX 60
#define STEPS_MAX   200000

struct search {
	struct record records[RECORDS_MAX]; /* copies */
	unsigned count;
	uint64_t *tried; /* hashes of configurations that lead nowhere */
	size_t tried_capacity, tried_count;
	unsigned steps;
};

/* A node as a register: absent, or the number of the record that wrote it. */
#define ABSENT UINT32_MAX

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

/* The state after RECORD on STATE; false if its answer could not have been given. */
static bool
step(const struct record *record, uint32_t state, uint32_t *next)
{
	bool is_known = record->outcome == OUTCOME_DONE;
	bool succeeds = !is_known || record->error == SYNOD_OK;
	bool can_succeed;

	*next = state;
	switch (record->kind) {
	case RECORD_GET:
		if (record->error == SYNOD_NOT_FOUND)
			return state == ABSENT;
		return state != ABSENT && state == written_by(record->result_data);
	case RECORD_CREATE: can_succeed = state == ABSENT; break;
	case RECORD_PUT: can_succeed = true; break;
	default: can_succeed = state != ABSENT; break;
	}
	if (is_known && succeeds != can_succeed)
		return false;
	if (can_succeed)
		*next = record->kind == RECORD_DELETE ? ABSENT : record->id;
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
		const struct record *record = &search->records[i];

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

		if (done >> i & 1 || search->records[i].invoked_us > earliest_us)
			continue;
		if (step(&search->records[i], state, &next) &&
		    explore(search, done | UINT64_C(1) << i, next))
			return true;
	}
	return false;
}

static bool
is_simple(const struct record *record)
{
	switch (record->kind) {
	case RECORD_GET: return record->consistency == SYNOD_LINEARIZABLE;
	case RECORD_CREATE:
	case RECORD_PUT:
	case RECORD_SET:
	case RECORD_DELETE: return true;
	default: return false;
	}
}

static bool
touches(const struct record *record, const char *path)
{
	return strncmp(record->path, path, strlen(path)) == 0 ||
	       strncmp(record->other, path, strlen(path)) == 0;
}

/* False: too long or too mixed a history of PATH. */
static bool
gather(struct search *search, const struct history *history, const char *path)
{
	search->count = 0;
	for (size_t i = 0; i < history->count; i++) {
		struct record *record = history->records[i];

		if (!touches(record, path) || record->kind == RECORD_LIST)
			continue;
		if (record->outcome == OUTCOME_NOTHING ||
		    (record->kind == RECORD_GET && record->outcome != OUTCOME_DONE) ||
		    (record->kind == RECORD_GET && record->consistency != SYNOD_LINEARIZABLE))
			continue;
		if (record_is_write(record) && record->outcome == OUTCOME_DONE &&
		    record->error != SYNOD_OK && !is_simple(record))
			continue; /* changed nothing */
		if (!is_simple(record) || record->error == SYNOD_NOT_EMPTY ||
		    search->count == RECORDS_MAX)
			return search->count >= 8; /* its beginning can be searched */
		search->records[search->count++] = *record;
	}
	return search->count > 1;
}

/* What is searched is a beginning of the history: records that overlap its end may not count. */
static void
trim(struct search *search, const struct history *history, const char *path)
{
	uint64_t end_us = NEVER_US;
	unsigned kept = 0;

	for (size_t i = 0; i < history->count; i++) {
		const struct record *record = history->records[i];
		bool is_in = false;

		if (!touches(record, path) || record->kind == RECORD_LIST)
			continue;
		for (unsigned k = 0; k < search->count; k++)
			is_in |= search->records[k].id == record->id;
		if (!is_in && record->outcome != OUTCOME_NOTHING && record->kind != RECORD_GET &&
		    !(record->outcome == OUTCOME_DONE && record->error != SYNOD_OK) &&
		    record->invoked_us < end_us)
			end_us = record->invoked_us;
	}
	for (unsigned k = 0; k < search->count; k++) {
		struct record *record = &search->records[k];

		if (record->outcome == OUTCOME_DONE && record->returned_us >= end_us) {
			if (!record_is_write(record) || record->error != SYNOD_OK)
				continue;
			/* Written, but perhaps after the end: it may be seen, and need not. */
			record->outcome = OUTCOME_UNKNOWN;
		}
		if (record->invoked_us < end_us)
			search->records[kept++] = *record;
	}
	search->count = kept;
}

void
check_search(struct world *world)
{
	struct search search = {.tried_capacity = 1u << 16};

	search.tried = check_calloc(search.tried_capacity, sizeof *search.tried);
	for (unsigned i = 0; i < world->options.nodes && !world->has_failed; i++) {
		char path[PATH_SIZE_SIM];

		snprintf(path, sizeof path, "/n%u", i);
		if (!gather(&search, world->history, path))
			continue;
		trim(&search, world->history, path);
		memset(search.tried, 0, search.tried_capacity * sizeof *search.tried);
		search.tried_count = 0;
		search.steps = 0;
		world->statistics.wing_gong++;
		if (!explore(&search, 0, ABSENT)) {
			for (unsigned k = 0; k < search.count; k++) {
				char text[400];

				world_trace(world, NULL, "searched: %s",
				            record_text(&search.records[k], text, sizeof text));
			}
			world_fail(world, "search", "the history of %s is not linearizable", path);
		}
	}
	free(search.tried);
}
