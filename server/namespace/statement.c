/* The prepared statements, and the translation of SQLite's failures. */
#include <stdio.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

static const char *const texts[STATEMENT_COUNT] = {
#define STATEMENT(name, sql) [STATEMENT_##name] = sql,
#include "server/namespace/statements.def"
#undef STATEMENT
};

static const char *const names[STATEMENT_COUNT] = {
#define STATEMENT(name, sql) [STATEMENT_##name] = #name,
#include "server/namespace/statements.def"
#undef STATEMENT
};

static int
translate(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_FULL: return SYNOD_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT: /* our writes break none, so the rows are not what we wrote */
	case SQLITE_MISMATCH: return SYNOD_CORRUPT;
	case SQLITE_NOMEM: return SYNOD_NO_MEMORY;
	default: return SYNOD_IO;
	}
}

int
fault(struct namespace *namespace, const char *what, int sqlite_code)
{
	snprintf(namespace->why, sizeof namespace->why, "%s: %s (SQLite code %d)", what,
	         sqlite3_errmsg(namespace->db), sqlite_code);
	return translate(sqlite_code);
}

int
fault_corrupt(struct namespace *namespace, const char *what)
{
	snprintf(namespace->why, sizeof namespace->why, "%s", what);
	return SYNOD_CORRUPT;
}

static const char *
text_of(unsigned statement)
{
	if (PLANTED(HASH_ORDER) && statement == STATEMENT_BELOW)
		return "SELECT parent, name, " NODE_COLUMNS
		       " FROM node WHERE parent >= ?1 AND parent < ?2 ORDER BY random()";
	return texts[statement];
}

int
statements_prepare(struct namespace *namespace)
{
	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		int code =
			sqlite3_prepare_v3(namespace->db, text_of(i), -1, SQLITE_PREPARE_PERSISTENT,
		                           &namespace->statements[i], NULL);

		if (code != SQLITE_OK)
			return fault(namespace, names[i], code);
	}
	return SYNOD_OK;
}

void
statements_finalize(struct namespace *namespace)
{
	for (unsigned i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(namespace->statements[i]);
}

sqlite3_stmt *
statement_of(struct namespace *namespace, enum statement statement)
{
	return namespace->statements[statement];
}

/*
 * After many an error, of a read too, SQLite has rolled the whole transaction back
 * and executes what follows on its own.  Rows written then would be there without
 * the applied slot that belongs to them, and be written once more after a restart.
 */
static bool
has_lost_its_transaction(const struct namespace *namespace)
{
	return sqlite3_get_autocommit(namespace->db) != 0;
}

int
statement_step(struct namespace *namespace, enum statement statement, bool *has_row)
{
	int error = SYNOD_OK;
	int code;

	*has_row = false;
	if (has_lost_its_transaction(namespace)) {
		sqlite3_reset(namespace->statements[statement]);
		snprintf(namespace->why, sizeof namespace->why,
		         "%s: the transaction was rolled back", names[statement]);
		return SYNOD_IO;
	}
	code = sqlite3_step(namespace->statements[statement]);
	*has_row = code == SQLITE_ROW;
	if (*has_row)
		return SYNOD_OK;
	if (code != SQLITE_DONE)
		error = fault(namespace, names[statement], code);
	sqlite3_reset(namespace->statements[statement]);
	return error;
}

int
statement_run(struct namespace *namespace, enum statement statement)
{
	bool has_row;
	int error = statement_step(namespace, statement, &has_row);

	if (error == SYNOD_OK)
		CHECK(!has_row);
	return error;
}

void
statement_reset(struct namespace *namespace, enum statement statement)
{
	sqlite3_reset(namespace->statements[statement]);
}

void
bind_u64(sqlite3_stmt *statement, int index, uint64_t number)
{
	int code = sqlite3_bind_int64(statement, index, (sqlite3_int64)number);

	CHECK(code == SQLITE_OK);
}

void
bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
	const char *start = text.bytes != NULL ? (const char *)text.bytes : "";
	int code = sqlite3_bind_text(statement, index, start, (int)text.size, SQLITE_STATIC);

	CHECK(code == SQLITE_OK);
}

void
bind_bytes(sqlite3_stmt *statement, int index, struct slice bytes)
{
	int code = bytes.bytes == NULL ? sqlite3_bind_null(statement, index)
	                               : sqlite3_bind_blob(statement, index, bytes.bytes,
	                                                   (int)bytes.size, SQLITE_STATIC);

	CHECK(code == SQLITE_OK);
}

uint64_t
column_u64(sqlite3_stmt *statement, int index)
{
	return (uint64_t)sqlite3_column_int64(statement, index);
}

struct slice
column_text(sqlite3_stmt *statement, int index)
{
	const uint8_t *text = sqlite3_column_text(statement, index);

	if (text == NULL)
		return slice_of("");
	return (struct slice){text, (size_t)sqlite3_column_bytes(statement, index)};
}

struct slice
column_bytes(sqlite3_stmt *statement, int index)
{
	const void *bytes = sqlite3_column_blob(statement, index);

	if (sqlite3_column_type(statement, index) == SQLITE_NULL)
		return (struct slice){NULL, 0};
	if (bytes == NULL)
		return slice_of(""); /* SQLite gives no address for an empty blob */
	return (struct slice){bytes, (size_t)sqlite3_column_bytes(statement, index)};
}
