/* Opening, writing back, and the facts of the whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

#define SCHEMA_FORMAT 2

static const char schema[] =
#include "schema.sql.h"
	;

static const struct namespace_options defaults = {
	.cache_nodes = 65536,
	.cache_bytes = 8u << 20,
	.change_count_max = 100000,
	.change_bytes_max = 64u << 20,
	.change_age_ms_max = 3600 * 1000,
	.commit_operations = 20000,
};

#define OR_DEFAULT(options, field)                                                                 \
	do {                                                                                       \
		if ((options)->field == 0)                                                         \
			(options)->field = defaults.field;                                         \
	} while (0)

static void
set_options(struct namespace_options *options, const struct namespace_options *given)
{
	*options = given != NULL ? *given : defaults;
	OR_DEFAULT(options, cache_nodes);
	OR_DEFAULT(options, cache_bytes);
	OR_DEFAULT(options, change_count_max);
	OR_DEFAULT(options, change_bytes_max);
	OR_DEFAULT(options, change_age_ms_max);
	OR_DEFAULT(options, commit_operations);
}

static int
run_sql(struct namespace *namespace, const char *what, const char *sql)
{
	int code = sqlite3_exec(namespace->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? SYNOD_OK : fault(namespace, what, code);
}

/* Does the database hold a namespace already? */
static int
has_schema(struct namespace *namespace, bool *result)
{
	static const char sql[] =
		"SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'";
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(namespace->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	*result = code == SQLITE_ROW && sqlite3_column_int(statement, 0) > 0;
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? SYNOD_OK : fault(namespace, "reading the schema", code);
}

static void
meta_of_row(struct namespace *namespace, sqlite3_stmt *statement)
{
	namespace->applied = column_u64(statement, 1);
	namespace->written = namespace->applied;
	namespace->committed = namespace->applied;
	namespace->revision = column_u64(statement, 2);
	namespace->uptime_ms = column_u64(statement, 3);
	namespace->ballot.epoch = column_u64(statement, 4);
	namespace->ballot.round = column_u64(statement, 5);
	namespace->ballot.member = column_u64(statement, 6);
	namespace->nodes = column_u64(statement, 7);
	namespace->hash.low = column_u64(statement, 8);
	namespace->hash.high = column_u64(statement, 9);
	namespace->history.open.id = column_u64(statement, 10);
	namespace->history.from = column_u64(statement, 11);
	namespace->history.count = column_u64(statement, 12);
	namespace->history.bytes = column_u64(statement, 13);
}

static int
meta_read(struct namespace *namespace)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_META_READ);
	bool has_row;
	int error = statement_step(namespace, STATEMENT_META_READ, &has_row);

	if (error != SYNOD_OK)
		return error;
	if (!has_row)
		return fault_corrupt(namespace, "the table meta is empty");
	if (column_u64(statement, 0) != SCHEMA_FORMAT) {
		statement_reset(namespace, STATEMENT_META_READ);
		return fault_corrupt(namespace, "the database has a schema of another version");
	}
	meta_of_row(namespace, statement);
	statement_reset(namespace, STATEMENT_META_READ);
	return SYNOD_OK;
}

static int
meta_write(struct namespace *namespace)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_META_WRITE);
	const uint64_t columns[] = {
		SCHEMA_FORMAT,
		namespace->applied,
		namespace->revision,
		namespace->uptime_ms,
		namespace->ballot.epoch,
		namespace->ballot.round,
		namespace->ballot.member,
		namespace->nodes,
		namespace->hash.low,
		namespace->hash.high,
		namespace->history.open.id,
		namespace->history.from,
		namespace->history.count,
		namespace->history.bytes,
	};

	for (unsigned i = 0; i < sizeof columns / sizeof columns[0]; i++)
		bind_u64(statement, (int)i + 1, columns[i]);
	return statement_run(namespace, STATEMENT_META_WRITE);
}

static int
load(struct namespace *namespace)
{
	int error = meta_read(namespace);

	if (error == SYNOD_OK)
		error = sessions_load(namespace);
	if (error == SYNOD_OK)
		error = history_load(namespace);
	if (error == SYNOD_OK)
		error = collect_load(namespace);
	return error;
}

static int
open_database(struct namespace *namespace)
{
	bool is_old;
	int error = has_schema(namespace, &is_old);

	if (error == SYNOD_OK && !is_old)
		error = run_sql(namespace, "making the schema", schema);
	if (error == SYNOD_OK)
		error = statements_prepare(namespace);
	if (error != SYNOD_OK)
		return error;
	if (is_old)
		return load(namespace);
	namespace->history.open.id = 1;
	namespace->history.from = 1;
	/* What an empty namespace answers has a revision too: 0 is for refusals outside of the log,
	 * and slot 1 holds no command but LEADER_START. */
	namespace->revision = 1;
	nodes_plant(namespace);
	return namespace_write_back(namespace);
}

int
namespace_open(struct namespace **result, sqlite3 *db, const struct namespace_options *options,
               char *why)
{
	struct namespace *namespace = check_calloc(1, sizeof *namespace);
	int error;

	CHECK(!sqlite3_get_autocommit(db));

	namespace->db = db;
	set_options(&namespace->options, options);
	cache_init(&namespace->cache, namespace->options.cache_nodes,
	           namespace->options.cache_bytes);
	sessions_init(&namespace->sessions);
	locks_init(&namespace->locks);
	namespace->next_due_ms = UINT64_MAX;
	error = open_database(namespace);
	if (error != SYNOD_OK) {
		memcpy(why, namespace->why, WHY_SIZE);
		namespace_close(namespace);
		namespace = NULL;
	}
	*result = namespace;
	return error;
}

void
namespace_close(struct namespace *namespace)
{
	if (namespace == NULL)
		return;
	statements_finalize(namespace);
	cache_fini(&namespace->cache);
	sessions_fini(&namespace->sessions);
	locks_fini(&namespace->locks);
	undo_fini(&namespace->undo);
	buffer_fini(&namespace->history.changes);
	buffer_fini(&namespace->history.closed);
	buffer_fini(&namespace->items);
	buffer_fini(&namespace->results);
	buffer_fini(&namespace->previous);
	buffer_fini(&namespace->name);
	free(namespace);
}

int
namespace_write_back(struct namespace *namespace)
{
	int error = nodes_write_back(namespace);

	if (error == SYNOD_OK)
		error = nodes_trim(namespace);
	if (error == SYNOD_OK)
		error = sessions_write_back(namespace);
	if (error == SYNOD_OK)
		error = history_write_back(namespace);
	if (error == SYNOD_OK)
		error = meta_write(namespace);
	if (error == SYNOD_OK)
	namespace->written = namespace->applied;
	return error;
}

void
namespace_committed(struct namespace *namespace)
{
	namespace->committed = namespace->written;
	namespace->operations = 0;
}

bool
namespace_wants_commit(const struct namespace *namespace)
{
	return namespace->operations >= namespace->options.commit_operations;
}

bool
namespace_is_dirty(const struct namespace *namespace)
{
	return namespace->applied != namespace->committed;
}

uint64_t
namespace_applied(const struct namespace *namespace)
{
	return namespace->applied;
}

uint64_t
namespace_committed_slot(const struct namespace *namespace)
{
	return namespace->committed;
}

uint64_t
namespace_revision(const struct namespace *namespace)
{
	return namespace->revision;
}

uint64_t
namespace_uptime_ms(const struct namespace *namespace)
{
	return namespace->uptime_ms;
}

uint64_t
namespace_nodes(const struct namespace *namespace)
{
	return namespace->nodes;
}

uint64_t
namespace_sessions(const struct namespace *namespace)
{
	return namespace->sessions.count - namespace->sessions.lease_count;
}

struct state_hash
namespace_hash(const struct namespace *namespace)
{
	return namespace->hash;
}

const char *
namespace_why(const struct namespace *namespace)
{
	return namespace->why;
}
