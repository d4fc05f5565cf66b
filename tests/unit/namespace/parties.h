/* Several sessions that contend for locks, on the fixture. */
#ifndef TESTS_UNIT_NAMESPACE_PARTIES_H
#define TESTS_UNIT_NAMESPACE_PARTIES_H

#include "tests/unit/namespace/batch.h"

struct party {
	uint64_t session;
	uint64_t seq;
};

/* Open a session whose secret is NUMBER. */
static inline struct party
join(struct fixture *fixture, uint64_t number)
{
	struct command command = {.type = COMMAND_CLIENT, .op = OP_SESSION_OPEN};
	uint64_t secret[4] = {UINT64_C(0x9e3779b97f4a7c15) * number, number, ~number, 7};
	struct buffer body = BUFFER_EMPTY;

	pack_array(&body, 2);
	pack_u64(&body, 10000);
	pack_binary(&body, (struct slice){(const uint8_t *)secret, sizeof secret});
	command.body = buffer_slice(&body);
	assert_int_equal(apply(fixture, &command), SYNOD_OK);
	buffer_fini(&body);
	return (struct party){.session = fixture->applied.session_opened};
}

/* The fixture's next write is PARTY's, which has seen all answers so far. */
static inline void
act_as(struct fixture *fixture, struct party *party)
{
	fixture->session = party->session;
	fixture->acknowledged = party->seq;
	fixture->seq = party->seq++;
}

static inline int
act(struct fixture *fixture, struct party *party, const struct operation *operation,
    const struct condition *conditions)
{
	act_as(fixture, party);
	return write_operation(fixture, operation, conditions);
}

static inline int
acquire_as(struct fixture *fixture, struct party *party, const char *path, uint32_t flags,
           uint64_t limit, uint64_t delay_ms)
{
	struct operation operation = {.op = OP_ACQUIRE,
	                              .path = slice_of(path),
	                              .flags = flags,
	                              .limit = limit,
	                              .ttl_ms = delay_ms};

	return act(fixture, party, &operation, NULL);
}

static inline int
acquire(struct fixture *fixture, struct party *party, const char *path)
{
	return acquire_as(fixture, party, path, 0, 0, 0);
}

static inline int
release_token(struct fixture *fixture, struct party *party, const char *path, uint64_t token)
{
	struct operation operation = {.op = OP_RELEASE, .path = slice_of(path), .token = token};

	return act(fixture, party, &operation, NULL);
}

static inline int
release(struct fixture *fixture, struct party *party, const char *path)
{
	return release_token(fixture, party, path, 0);
}

static inline int
leave(struct fixture *fixture, struct party *party)
{
	act_as(fixture, party);
	return write_body(fixture, OP_SESSION_CLOSE, slice_of("\x90"));
}

static inline int
expire(struct fixture *fixture, const struct party *party)
{
	struct command command = {
		.type = COMMAND_EXPIRE, .session = party->session, .generation = 1};

	return apply(fixture, &command);
}

static inline void
collect(struct fixture *fixture)
{
	struct command command = {.type = COMMAND_COLLECT};

	assert_int_equal(apply(fixture, &command), SYNOD_OK);
}

struct acquired {
	uint64_t token;
	char path[PATH_SIZE_MAX + 1];
	uint64_t ahead;
};

static inline struct acquired
acquired(const struct fixture *fixture)
{
	struct acquired acquired = {0};
	struct cursor cursor;
	struct slice path;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 3);
	acquired.token = cursor_u64(&cursor);
	path = cursor_string(&cursor);
	acquired.ahead = cursor_u64(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	memcpy(acquired.path, path.bytes, path.size);
	return acquired;
}

/* The token that RELEASE answers with. */
static inline uint64_t
released(const struct fixture *fixture)
{
	struct cursor cursor;
	uint64_t token;

	cursor_init(&cursor, buffer_slice(&fixture->result));
	assert_int_equal(cursor_array(&cursor), 1);
	token = cursor_u64(&cursor);
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	return token;
}

/* Acquire, which is granted at once; the token. */
static inline uint64_t
take(struct fixture *fixture, struct party *party, const char *path)
{
	assert_int_equal(acquire(fixture, party, path), SYNOD_OK);
	assert_true(acquired(fixture).token == fixture->slot);
	return fixture->slot;
}

/* Acquire, which has to wait. */
static inline void
wait_for(struct fixture *fixture, struct party *party, const char *path)
{
	assert_int_equal(acquire(fixture, party, path), SYNOD_OK);
	assert_true(acquired(fixture).token == 0);
}

/* The token of the contender at PATH. */
static inline uint64_t
token_of(struct fixture *fixture, const char *path)
{
	return stat_of(fixture, path).token;
}

/* ---- the changes of the last command ---- */

#define CHANGES_MAX 16

struct told {
	uint64_t revision;
	unsigned count;
	struct {
		uint8_t kind;
		uint8_t cause;
		uint64_t ordinal;
		uint64_t owner;
		char path[64];
		char data[64];
	} changes[CHANGES_MAX];
};

static inline bool
tell(void *context, const struct change *change)
{
	struct told *told = context;
	unsigned i = told->count;

	if (change->revision != told->revision || i == CHANGES_MAX)
		return change->revision <= told->revision;
	told->changes[i].kind = change->kind;
	told->changes[i].cause = change->cause;
	told->changes[i].ordinal = change->ordinal;
	told->changes[i].owner = change->owner;
	if (change->path.size < sizeof told->changes[i].path)
		memcpy(told->changes[i].path, change->path.bytes, change->path.size);
	if (change->data.size > 0 && change->data.size < sizeof told->changes[i].data)
		memcpy(told->changes[i].data, change->data.bytes, change->data.size);
	told->count++;
	return true;
}

static inline struct told
told(struct fixture *fixture)
{
	struct told told = {.revision = fixture->slot};

	assert_int_equal(namespace_each_change(fixture->namespace, fixture->slot, tell, &told),
	                 SYNOD_OK);
	return told;
}

static inline void
assert_told(const struct told *told, unsigned index, uint8_t kind, const char *path)
{
	assert_true(index < told->count);
	assert_int_equal(told->changes[index].kind, kind);
	assert_string_equal(told->changes[index].path, path);
	assert_int_equal(told->changes[index].ordinal, index);
}

#endif
