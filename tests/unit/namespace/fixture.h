/*
 * A namespace over a database in memory (or in a file), with one session, and the
 * calls that make tests short.  Every write goes through namespace_apply().
 */
#ifndef TESTS_UNIT_NAMESPACE_FIXTURE_H
#define TESTS_UNIT_NAMESPACE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"

struct fixture {
	sqlite3 *db;
	struct namespace *namespace;
	struct namespace_options options;
	uint64_t slot;
	uint64_t session;
	uint64_t seq;
	uint64_t acknowledged;
	uint64_t uptime_ms;
	uint64_t wall_ms;
	struct applied applied; /* of the last command, */
	struct buffer result;   /* and its result */
};

static inline struct slice
absent(void)
{
	return (struct slice){NULL, 0};
}

static inline void
execute(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static inline void
open_namespace(struct fixture *fixture)
{
	char why[256] = "";
	int error;

	execute(fixture->db, "BEGIN");
	error = namespace_open(&fixture->namespace, fixture->db, &fixture->options, why);
	if (error != SYNOD_OK)
		fail_msg("namespace_open: %s: %s", error_name(error), why);
	fixture->slot = namespace_applied(fixture->namespace);
}

/* Apply the bytes of a value at the next slot. */
static inline int
apply_value(struct fixture *fixture, struct slice value)
{
	int error;

	buffer_clear(&fixture->result);
	error = namespace_apply(fixture->namespace, ++fixture->slot, value, &fixture->applied,
	                        &fixture->result);
	if (error != SYNOD_OK)
		fail_msg("namespace_apply: %s: %s", error_name(error),
		         namespace_why(fixture->namespace));
	return fixture->applied.error;
}

static inline int
apply(struct fixture *fixture, struct command *command)
{
	struct buffer value = BUFFER_EMPTY;
	int error;

	command->uptime_ms = fixture->uptime_ms;
	command->wall_ms = fixture->wall_ms;
	command_encode(&value, command);
	error = apply_value(fixture, buffer_slice(&value));
	buffer_fini(&value);
	return error;
}

static inline int
open_session_as(struct fixture *fixture, uint64_t timeout_ms, uint8_t secret)
{
	struct command command = {.type = COMMAND_CLIENT, .op = OP_SESSION_OPEN};
	struct buffer body = BUFFER_EMPTY;
	uint8_t secret_hash[32];
	int error;

	memset(secret_hash, secret, sizeof secret_hash);
	pack_array(&body, 2);
	pack_u64(&body, timeout_ms);
	pack_binary(&body, (struct slice){secret_hash, sizeof secret_hash});
	command.body = buffer_slice(&body);
	error = apply(fixture, &command);
	buffer_fini(&body);
	return error;
}

static inline void
fixture_open_with(struct fixture *fixture, const char *file,
                  const struct namespace_options *options)
{
	*fixture = (struct fixture){.wall_ms = 1000};
	if (options != NULL)
		fixture->options = *options;
	assert_int_equal(sqlite3_open(file, &fixture->db), SQLITE_OK);
	open_namespace(fixture);
	assert_int_equal(open_session_as(fixture, 10000, 1), SYNOD_OK);
	fixture->session = fixture->applied.session_opened;
}

static inline void
fixture_open(struct fixture *fixture)
{
	fixture_open_with(fixture, ":memory:", NULL);
}

static inline void
fixture_close(struct fixture *fixture)
{
	namespace_close(fixture->namespace);
	sqlite3_close(fixture->db);
	buffer_fini(&fixture->result);
}

static inline void
commit(struct fixture *fixture)
{
	assert_int_equal(namespace_write_back(fixture->namespace), SYNOD_OK);
	execute(fixture->db, "COMMIT");
	execute(fixture->db, "BEGIN");
	namespace_committed(fixture->namespace);
}

/* Forget everything that is not committed, as a crash does. */
static inline void
crash(struct fixture *fixture)
{
	namespace_close(fixture->namespace);
	execute(fixture->db, "ROLLBACK");
	open_namespace(fixture);
}

/* ---- writes ---- */

static inline int
write_body(struct fixture *fixture, uint8_t op, struct slice body)
{
	struct command command = {.type = COMMAND_CLIENT, .op = op, .body = body};

	command.session = fixture->session;
	command.seq = ++fixture->seq;
	command.acknowledged = fixture->acknowledged;
	return apply(fixture, &command);
}

static inline int
write_operation(struct fixture *fixture, const struct operation *operation,
                const struct condition *conditions)
{
	struct buffer body = BUFFER_EMPTY;
	int error;

	operation_encode(&body, operation, conditions);
	error = write_body(fixture, operation->op, buffer_slice(&body));
	buffer_fini(&body);
	return error;
}

static inline int
write_node(struct fixture *fixture, uint8_t op, uint32_t flags, const char *path, const char *data)
{
	struct operation operation = {.op = op, .flags = flags, .path = slice_of(path)};

	if (data != NULL)
		operation.data = slice_of(data);
	return write_operation(fixture, &operation, NULL);
}

static inline int
create(struct fixture *fixture, const char *path)
{
	return write_node(fixture, OP_CREATE, 0, path, NULL);
}

static inline int
put(struct fixture *fixture, const char *path, const char *data)
{
	return write_node(fixture, OP_PUT, OP_PARENTS, path, data);
}

static inline int
delete_node(struct fixture *fixture, const char *path)
{
	return write_node(fixture, OP_DELETE, 0, path, NULL);
}

/* ---- results ---- */

struct written {
	uint64_t version;
	struct slice path;
	bool has_stat;
	struct node_stat stat;
	bool has_previous;
	struct node_stat previous;
	struct slice previous_data;
};

static inline struct written
written(const struct fixture *fixture)
{
	struct written written = {0};
	struct cursor cursor;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 4);
	written.version = cursor_u64(&cursor);
	if (!cursor_nil(&cursor))
		written.path = cursor_string(&cursor);
	written.has_stat = !cursor_nil(&cursor);
	if (written.has_stat)
		stat_decode(&cursor, &written.stat);
	written.has_previous = !cursor_nil(&cursor);
	if (written.has_previous) {
		assert_int_equal(cursor_array(&cursor), 2);
		stat_decode(&cursor, &written.previous);
		written.previous_data = cursor_binary(&cursor);
		cursor_leave(&cursor);
	}
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return written;
}

static inline uint64_t
deleted_count(const struct fixture *fixture)
{
	struct cursor cursor;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 2);
	return cursor_u64(&cursor);
}

/* ---- reads ---- */

static inline int
read_operation(struct fixture *fixture, const struct operation *operation,
               const struct condition *conditions)
{
	struct buffer body = BUFFER_EMPTY;
	uint64_t revision;
	int error;

	operation_encode(&body, operation, conditions);
	buffer_clear(&fixture->result);
	assert_int_equal(namespace_read(fixture->namespace, operation->op, buffer_slice(&body),
	                                &error, &revision, &fixture->result),
	                 SYNOD_OK);
	assert_true(revision == namespace_revision(fixture->namespace));
	buffer_fini(&body);
	return error;
}

static inline int
get(struct fixture *fixture, const char *path, struct node_stat *stat, struct slice *data)
{
	struct operation operation = {.op = OP_GET, .path = slice_of(path)};
	struct cursor cursor;
	int error = read_operation(fixture, &operation, NULL);

	if (error != SYNOD_OK)
		return error;
	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 2);
	stat_decode(&cursor, stat);
	*data = cursor_binary(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return SYNOD_OK;
}

static inline struct node_stat
stat_of(struct fixture *fixture, const char *path)
{
	struct node_stat stat = {0};
	struct slice data;

	assert_int_equal(get(fixture, path, &stat, &data), SYNOD_OK);
	return stat;
}

static inline bool
exists(struct fixture *fixture, const char *path)
{
	struct node_stat stat;
	struct slice data;
	int error = get(fixture, path, &stat, &data);

	assert_true(error == SYNOD_OK || error == SYNOD_NOT_FOUND);
	return error == SYNOD_OK;
}

static inline void
assert_data(struct fixture *fixture, const char *path, const char *expected)
{
	struct node_stat stat;
	struct slice data;

	assert_int_equal(get(fixture, path, &stat, &data), SYNOD_OK);
	if (expected == NULL) {
		assert_null(data.bytes);
		assert_false(stat.has_data);
		return;
	}
	assert_non_null(data.bytes);
	assert_true(slice_equal(data, slice_of(expected)));
	assert_int_equal(stat.data_size, strlen(expected));
}

/* ---- the state hash ---- */

static inline bool
hash_equal(struct state_hash a, struct state_hash b)
{
	return a.low == b.low && a.high == b.high;
}

/* The incremental hash is the one of the rows. */
static inline void
assert_hash_is_true(struct fixture *fixture)
{
	struct state_hash before = namespace_hash(fixture->namespace);
	struct state_hash recomputed;

	assert_int_equal(namespace_rehash(fixture->namespace, &recomputed), SYNOD_OK);
	assert_true(hash_equal(before, recomputed));
}

#endif
