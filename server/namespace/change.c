/*
 * The history: every change of every node, in order, packed into chunks of about
 * CHUNK_SIZE bytes, one row each.
 *
 * Which changes share a chunk, and what is trimmed when, depends on the commands
 * alone and not on when they are committed, so that members have the same rows.
 */
#include <string.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

#define CHUNK_SIZE 16384

/* Within one command chunks stay open, so that undoing is cheap, up to this size. */
#define CHUNK_SIZE_MAX (256 * 1024)

/* Chunks trimmed after one command at most: two for each one that can be added. */
#define TRIM_SLICE 2

void
history_append(struct namespace *namespace, enum change_kind kind, struct slice path,
               const struct node_stat *stat, struct slice data)
{
	struct history *history = &namespace->history;
	size_t before = history->changes.size;
	struct change change = {
		.revision = namespace->slot,
		.ordinal = history->ordinal++,
		.path = path,
		.kind = (uint8_t)kind,
		.version = stat->version,
		.owner = stat->owner,
		.cause = (uint8_t) namespace->cause,
		.data = data,
		.previous_owner = namespace->previous_owner,
	};

	change_encode(&history->changes, &change);
	CHECK(!history->changes.failed);
	history->open.last_revision = namespace->slot;
	history->open.uptime_ms = namespace->uptime_ms;
	history->open.count++;
	history->count++;
	history->bytes += history->changes.size - before;
	history->is_dirty = true;
	namespace->revision = namespace->slot;
}

static void
bind_chunk(sqlite3_stmt *statement, const struct history *history)
{
	bind_u64(statement, 1, history->open.id);
	bind_u64(statement, 2, history->open.last_revision);
	bind_u64(statement, 3, history->open.count);
	bind_u64(statement, 4, history->open.uptime_ms);
	bind_bytes(statement, 5, buffer_slice(&history->changes));
}

static int
delete_chunk(struct namespace *namespace, uint64_t id)
{
	bind_u64(statement_of(namespace, STATEMENT_CHANGE_DELETE), 1, id);
	return statement_run(namespace, STATEMENT_CHANGE_DELETE);
}

int
history_write_back(struct namespace *namespace)
{
	struct history *history = &namespace->history;

	if (!history->is_dirty)
		return SYNOD_OK;
	history->is_dirty = false;
	/* Empty but dirty: it was written with changes that have been undone. */
	if (history->open.count == 0)
		return delete_chunk(namespace, history->open.id);
	bind_chunk(statement_of(namespace, STATEMENT_CHANGE_WRITE), history);
	return statement_run(namespace, STATEMENT_CHANGE_WRITE);
}

static int
close_chunk(struct namespace *namespace)
{
	struct history *history = &namespace->history;
	struct buffer swapped;
	int error = history_write_back(namespace);

	history->open.size = history->changes.size;
	if (history->oldest.id == 0)
		history->oldest = history->open;
	history->closed_revision = history->open.last_revision;
	history->open = (struct change_chunk){.id = history->open.id + 1};
	swapped = history->closed; /* what was in it stays for namespace_last_changes() */
	history->closed = history->changes;
	history->changes = swapped;
	buffer_clear(&history->changes);
	return error;
}

int
history_relieve(struct namespace *namespace)
{
	if (namespace->history.changes.size < CHUNK_SIZE_MAX)
		return SYNOD_OK;
	namespace->history.is_relieved = true;
	namespace->history.start = 0;
	return close_chunk(namespace);
}

/* ---- trimming ---- */

/* Read what the chunk ID is, if it is one that is full. */
static int
describe(struct namespace *namespace, uint64_t id, struct change_chunk *chunk)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_CHANGE_DESCRIBE);
	bool has_row;
	int error;

	*chunk = (struct change_chunk){0};
	if (id == 0 || id >= namespace->history.open.id)
		return SYNOD_OK;
	bind_u64(statement, 1, id);
	error = statement_step(namespace, STATEMENT_CHANGE_DESCRIBE, &has_row);
	if (error != SYNOD_OK)
		return error;
	if (!has_row)
		return fault_corrupt(namespace, "a chunk of the history is missing");
	chunk->id = id;
	chunk->last_revision = column_u64(statement, 0);
	chunk->count = column_u64(statement, 1);
	chunk->uptime_ms = column_u64(statement, 2);
	chunk->size = (size_t)column_u64(statement, 3);
	statement_reset(namespace, STATEMENT_CHANGE_DESCRIBE);
	return SYNOD_OK;
}

static bool
is_due(const struct namespace *namespace)
{
	const struct history *history = &namespace->history;
	const struct namespace_options *options = &namespace->options;

	if (history->oldest.id == 0)
		return false;
	/* The chunk goes when what is left without it is still as much as is to be kept. */
	return history->count - history->oldest.count >= options->change_count_max ||
	       history->bytes - history->oldest.size >= options->change_bytes_max ||
	       namespace->uptime_ms - history->oldest.uptime_ms > options->change_age_ms_max;
}

static int
trim_oldest(struct namespace *namespace)
{
	struct history *history = &namespace->history;
	uint64_t id = history->oldest.id;
	int error = delete_chunk(namespace, id);

	if (error != SYNOD_OK)
		return error;
	history->count -= history->oldest.count;
	history->bytes -= history->oldest.size;
	history->from = history->oldest.last_revision + 1;
	return describe(namespace, id + 1, &history->oldest);
}

void
history_begin_command(struct namespace *namespace)
{
	struct history *history = &namespace->history;

	history->start = history->changes.size;
	history->is_relieved = false;
}

int
history_end_command(struct namespace *namespace)
{
	struct history *history = &namespace->history;
	int error = SYNOD_OK;

	history->ordinal = 0;
	history->last = (struct slice){NULL, history->changes.size - history->start};
	if (history->last.size > 0)
		history->last.bytes = history->changes.bytes + history->start;
	if (history->changes.size >= CHUNK_SIZE)
		error = close_chunk(namespace);
	for (unsigned i = 0; i < TRIM_SLICE && error == SYNOD_OK && is_due(namespace); i++)
		error = trim_oldest(namespace);
	return error;
}

/* ---- reading ---- */

static int
load_open_chunk(struct namespace *namespace)
{
	struct history *history = &namespace->history;
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_CHANGE_READ);
	struct slice changes;
	bool has_row;
	int error;

	bind_u64(statement, 1, history->open.id);
	error = statement_step(namespace, STATEMENT_CHANGE_READ, &has_row);
	if (error != SYNOD_OK || !has_row)
		return error;
	history->open.last_revision = column_u64(statement, 0);
	history->open.count = column_u64(statement, 1);
	history->open.uptime_ms = column_u64(statement, 2);
	changes = column_bytes(statement, 3);
	buffer_append(&history->changes, changes.bytes, changes.size);
	CHECK(!history->changes.failed);
	statement_reset(namespace, STATEMENT_CHANGE_READ);
	return SYNOD_OK;
}

int
history_load(struct namespace *namespace)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_CHANGE_FIRST);
	struct change_chunk newest;
	uint64_t first;
	bool has_row;
	int error = load_open_chunk(namespace);

	if (error != SYNOD_OK)
		return error;
	error = statement_step(namespace, STATEMENT_CHANGE_FIRST, &has_row);
	if (error != SYNOD_OK)
		return error;
	CHECK(has_row);
	first = column_u64(statement, 0); /* 0 when the table is empty */
	statement_reset(namespace, STATEMENT_CHANGE_FIRST);
	error = describe(namespace, first, &namespace->history.oldest);
	if (error != SYNOD_OK || namespace->history.oldest.id == 0)
		return error;
	error = describe(namespace, namespace->history.open.id - 1, &newest);
	namespace->history.closed_revision = newest.last_revision;
	return error;
}

/* Hand over the changes of one chunk; *GO_ON becomes false when EACH has seen enough. */
static int
each_in_chunk(struct namespace *namespace, struct slice packed, uint64_t from,
              bool (*each)(void *context, const struct change *change), void *context, bool *go_on)
{
	struct cursor cursor;

	cursor_init(&cursor, packed);
	while (*go_on && cursor.at < cursor.end) {
		struct change change;

		change_decode(&cursor, &change);
		if (cursor.failed)
			return fault_corrupt(namespace, "a chunk of the history is damaged");
		if (change.revision >= from)
			*go_on = each(context, &change);
	}
	return SYNOD_OK;
}

int
history_each(struct namespace *namespace, uint64_t from,
             bool (*each)(void *context, const struct change *change), void *context)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_CHANGE_EACH);
	bool go_on = true;
	bool has_row;
	int error;

	/* Most look for what has just happened: that is in memory. */
	if (from > namespace->history.closed_revision)
		return each_in_chunk(namespace, buffer_slice(&namespace->history.changes), from,
		                     each, context, &go_on);
	error = history_write_back(namespace);
	if (error != SYNOD_OK)
		return error;
	bind_u64(statement, 1, from);
	while (go_on) {
		error = statement_step(namespace, STATEMENT_CHANGE_EACH, &has_row);
		if (error != SYNOD_OK || !has_row)
			return error;
		error = each_in_chunk(namespace, column_bytes(statement, 0), from, each, context,
		                      &go_on);
		if (error != SYNOD_OK)
			break;
	}
	statement_reset(namespace, STATEMENT_CHANGE_EACH);
	return error;
}

/* ---- for watches ---- */

struct slice
namespace_last_changes(const struct namespace *namespace, bool *is_whole)
{
	*is_whole = !namespace->history.is_relieved;
	return namespace->history.last;
}

uint64_t
namespace_history_from(const struct namespace *namespace)
{
	return namespace->history.from;
}

int
namespace_each_change(struct namespace *namespace, uint64_t from,
                      bool (*each)(void *context, const struct change *change), void *context)
{
	return history_each(namespace, from, each, context);
}
