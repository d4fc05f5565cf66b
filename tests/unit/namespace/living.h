/* Nodes with owners and times, on the fixture: what tests of them say often. */
#ifndef TESTS_UNIT_NAMESPACE_LIVING_H
#define TESTS_UNIT_NAMESPACE_LIVING_H

#include "tests/unit/namespace/parties.h"

static inline int
write_kind(struct fixture *fixture, uint8_t op, const char *path, uint8_t kind, uint64_t lease,
           uint64_t ttl_ms)
{
	struct operation operation = {.op = op,
	                              .path = slice_of(path),
	                              .data = slice_of("kind"),
	                              .kind = kind,
	                              .lease = lease,
	                              .ttl_ms = ttl_ms};

	return write_operation(fixture, &operation, NULL);
}

static inline int
create_ephemeral(struct fixture *fixture, const char *path)
{
	return write_kind(fixture, OP_CREATE, path, NODE_EPHEMERAL, 0, 0);
}

static inline int
create_leased(struct fixture *fixture, const char *path, uint64_t lease)
{
	return write_kind(fixture, OP_CREATE, path, NODE_LEASED, lease, 0);
}

static inline int
create_container(struct fixture *fixture, const char *path)
{
	return write_kind(fixture, OP_CREATE, path, NODE_CONTAINER, 0, 0);
}

static inline int
create_ttl(struct fixture *fixture, const char *path, uint64_t ttl_ms)
{
	return write_kind(fixture, OP_CREATE, path, NODE_TTL, 0, ttl_ms);
}

static inline int
try_grant(struct fixture *fixture, uint64_t ttl_ms)
{
	struct buffer body = BUFFER_EMPTY;
	int error;

	pack_array(&body, 1);
	pack_u64(&body, ttl_ms);
	error = write_body(fixture, OP_LEASE_GRANT, buffer_slice(&body));
	buffer_fini(&body);
	return error;
}

/* The id of a new lease. */
static inline uint64_t
grant_lease(struct fixture *fixture)
{
	assert_int_equal(try_grant(fixture, 5000), SYNOD_OK);
	return fixture->slot;
}

static inline int
revoke_id(struct fixture *fixture, uint64_t id, bool is_session)
{
	struct buffer body = BUFFER_EMPTY;
	int error;

	pack_array(&body, 2);
	pack_u64(&body, id);
	pack_bool(&body, is_session);
	error = write_body(fixture, OP_REVOKE, buffer_slice(&body));
	buffer_fini(&body);
	return error;
}

/* The one number that REVOKE and COLLECT answer with. */
static inline uint64_t
answered_count(const struct fixture *fixture)
{
	struct cursor cursor;
	uint64_t count;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 1);
	count = cursor_u64(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return count;
}

/* COLLECT at UPTIME_MS: how many nodes went. */
static inline uint64_t
collect_at(struct fixture *fixture, uint64_t uptime_ms)
{
	fixture->uptime_ms = uptime_ms;
	collect(fixture);
	return answered_count(fixture);
}

/* The change at INDEX of the last command, out of memory. */
static inline struct change
last_change(const struct fixture *fixture, unsigned index)
{
	struct change change = {0};
	struct cursor cursor;
	bool is_whole;

	cursor_init(&cursor, namespace_last_changes(fixture->namespace, &is_whole));
	assert_true(is_whole);
	for (unsigned i = 0; i <= index; i++)
		change_decode(&cursor, &change);
	assert_false(cursor.failed);
	return change;
}

static inline unsigned
last_change_count(const struct fixture *fixture)
{
	struct change change;
	struct cursor cursor;
	bool is_whole;
	unsigned count = 0;

	cursor_init(&cursor, namespace_last_changes(fixture->namespace, &is_whole));
	assert_true(is_whole);
	for (; cursor.at < cursor.end; count++)
		change_decode(&cursor, &change);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return count;
}

#endif
