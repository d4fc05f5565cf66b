/*
 * Synod: the C client library.
 *
 * Opaque handles, one call per idea.  Every call takes an options structure
 * whose zero (or a NULL pointer) means the defaults.
 *
 * Blocking or not.  Without options->call.done a call blocks until its outcome
 * is known, returns its error, and hands the result over through its last
 * argument.  With options->call.done it returns at once: SYNOD_OK means that
 * the callback will be called, exactly once, with the result, which is valid
 * only during the callback; any other code (an invalid argument, SYNOD_BUSY,
 * SYNOD_NO_MEMORY, SYNOD_CLOSED) means that it will not.
 *
 * Callbacks of one handle run one at a time, in the order in which the outcomes
 * became known, on a thread of the library or on one that is inside a call on
 * the same handle.  So they must not block, and a lock that a callback takes must
 * not be held while a call is made.  A callback may make calls that have a
 * callback; one that would block returns SYNOD_BAD_ARGUMENT, and synod_close()
 * does nothing there.  Calls made in callbacks leave together, in one send.
 *
 * Outcomes.  A call ends as SYNOD_OK, as a definite error (nothing was changed),
 * or, for a write that was sent, as SYNOD_UNKNOWN: the session ended, or the
 * call's time ran out, before the answer came.  The library finds the members,
 * follows the leader, reconnects with jitter and repeats what was lost; a
 * repeated write is executed exactly once, because every write carries its
 * session and number.  Writes of one handle are executed in the order in which
 * they were made.  After SYNOD_UNKNOWN by time a write may already have been
 * executed or still be on its way inside the ensemble, but always before the
 * handle's next write is executed; the library does not repeat it any more.
 *
 * Bounds.  At most 65,536 calls or 64 MiB of requests may be outstanding on a
 * handle; more are refused with SYNOD_BUSY.
 *
 * Times are in milliseconds, sizes in bytes.  All functions may be called from
 * any thread.  The library never aborts its host: out of memory is
 * SYNOD_NO_MEMORY.
 */
#ifndef SYNOD_H
#define SYNOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SYNOD_API     __attribute__((visibility("default")))

#define SYNOD_VERSION "0.1.0"

#ifndef SYNOD_ERROR_CODES
#define SYNOD_ERROR_CODES
enum synod_error {
	SYNOD_OK = 0,
	SYNOD_NOT_FOUND = 1,
	SYNOD_EXISTS = 2,
	SYNOD_NO_PARENT = 3,
	SYNOD_NOT_EMPTY = 4,
	SYNOD_CONFLICT = 5, /* a condition does not hold */
	SYNOD_COMPACTED = 6,
	SYNOD_SESSION_ENDED = 7,
	SYNOD_BAD_PATH = 20,
	SYNOD_RESERVED = 21,
	SYNOD_TOO_LARGE = 22,
	SYNOD_BAD_ARGUMENT = 23,
	SYNOD_BAD_MESSAGE = 24,
	SYNOD_UNSUPPORTED = 25,
	SYNOD_BAD_CONFIG = 26,
	SYNOD_WRONG_PROTOCOL = 30,
	SYNOD_WRONG_CLUSTER = 31,
	SYNOD_WRONG_MEMBER = 32,
	SYNOD_WRONG_DISK = 33,
	SYNOD_WRONG_SECRET = 34,
	SYNOD_RETRY = 40,
	SYNOD_NO_QUORUM = 41,
	SYNOD_BUSY = 42,
	SYNOD_NO_SPACE = 43,
	SYNOD_OUT_OF_ORDER = 44,
	SYNOD_TIMEOUT = 45,
	SYNOD_UNKNOWN = 46, /* it may or may not have happened */
	SYNOD_CLOSED = 47,
	SYNOD_IO = 60,
	SYNOD_CORRUPT = 61,
	SYNOD_LOCKED = 62,
	SYNOD_NO_MEMORY = 63,
	SYNOD_IN_USE = 64,
};
#endif

/* "NOT_FOUND"; what happened; what to do next.  Static texts, never NULL. */
SYNOD_API const char *synod_error_name(int error);
SYNOD_API const char *synod_error_text(int error);
SYNOD_API const char *synod_error_hint(int error);

/* ---- the handle ---- */

struct synod;

enum synod_state {
	SYNOD_CONNECTED, /* a member answers, and the session, if one is open, is confirmed */
	SYNOD_SUSPENDED, /* not so; the session may still live */
	SYNOD_EXPIRED,   /* the session has ended; the next write opens a new one */
};

struct synod_options {
	/* "HOST:PORT,HOST:PORT,...": any of the members, IPv6 in brackets, port 7400 if none is
	 * given; default $SYNOD_ENDPOINTS, else "127.0.0.1:7400".  The other members' addresses
	 * are learnt from those that answer. */
	const char *endpoints;
	unsigned session_timeout_ms; /* 1,000 to 3,600,000; default 10,000 */
	unsigned call_timeout_ms;    /* of each call, unless it has its own; default 30,000 */
	/* A callback at every change.  A handle begins suspended.  REMAINING_MS: how long the
	 * session can still be counted on (0 when expired or none is open).  Called once more with
	 * SYNOD_SUSPENDED and 0 when that time has passed. */
	void (*on_state)(void *context, enum synod_state state, unsigned remaining_ms);
	void *context;
};

/*
 * Open a handle.  Returns at once: members are searched for in the background,
 * and the session is opened with the first write.
 *
 * Returns SYNOD_OK, SYNOD_BAD_ARGUMENT (endpoints, timeouts) or SYNOD_NO_MEMORY.
 * OPTIONS may be NULL; what it points to is copied.  Free with synod_close().
 */
SYNOD_API int synod_open(const struct synod_options *options, struct synod **synod);

/*
 * End the session, complete every outstanding call with SYNOD_CLOSED (a write that was sent and is
 * not answered within a second: SYNOD_UNKNOWN), and free the handle.  All callbacks have returned
 * before it does.  No other call on the handle may be in progress or follow.  Ignored in a
 * callback. Accepts NULL.
 */
SYNOD_API void synod_close(struct synod *synod);

/* How long the present session can still be counted on, by the library's own cautious clock. */
SYNOD_API unsigned synod_session_remaining_ms(struct synod *synod);

/* The present session's id; 0 when none is open. */
SYNOD_API uint64_t synod_session_id(struct synod *synod);

/* ---- results ---- */

struct synod_stat {
	uint64_t created; /* revisions */
	uint64_t modified;
	uint64_t children_modified;
	uint64_t version;          /* data writes since creation, from 0 */
	uint64_t children_version; /* creations and deletions of children */
	uint64_t access_version;
	uint64_t created_ms; /* Unix time, informational */
	uint64_t modified_ms;
	uint64_t owner; /* session or lease; 0: none */
	uint64_t data_size;
	uint64_t children; /* how many now */
	uint64_t sequence; /* how many ever */
	bool has_data;     /* absent data is not empty data */
};

struct synod_node {
	const char *path; /* in a listing: the child's name */
	const void *data; /* NULL when absent or not asked for; a zero byte follows the data */
	size_t size;
	struct synod_stat stat;
	bool has_stat;
};

enum synod_change_kind {
	SYNOD_CREATED = 1,
	SYNOD_MODIFIED = 2,
	SYNOD_DELETED = 3,
};

struct synod_change {
	uint64_t revision;
	uint64_t ordinal;
	const char *path;
	enum synod_change_kind kind;
	uint64_t version;
	uint64_t owner;
	unsigned cause; /* 0: a request */
	const void *data;
	size_t size;
};

/*
 * The outcome of a call.  The library owns everything in it: free with
 * synod_result_free().  A blocking call sets its result on errors too (with
 * `error` and perhaps `message`), and to NULL only when memory ran out.
 */
struct synod_result {
	int error;
	const char *message; /* says what was wrong, when there is more to say than the error */
	uint64_t revision;   /* at which this is true; for a write, its own */
	uint64_t stale_ms;   /* local reads: how long the answering member has not heard a leader */
	/* get, stat; list: the parent; create, set, put: the path really written, stat.version, and
	 * the whole stat if it was wanted. */
	struct synod_node node;
	bool has_previous;
	struct synod_node previous;
	struct synod_node *children; /* list */
	size_t child_count;
	struct synod_change *changes; /* log */
	size_t change_count;
	uint64_t oldest_revision;     /* log: history before this is not kept */
	bool more;                    /* list, log: the limit cut it */
	uint64_t deleted;             /* delete: how many nodes */
	bool then_taken;              /* txn: the conditions held */
	int failed_index;             /* txn: operation that failed, -1: none */
	struct synod_result *results; /* txn: one per operation */
	size_t result_count;
};

SYNOD_API void synod_result_free(struct synod_result *result); /* accepts NULL */

typedef void synod_done(void *context, const struct synod_result *result);

/* First member of every options structure. */
struct synod_call {
	synod_done *done; /* NULL: block */
	void *context;
	unsigned timeout_ms; /* 0: the handle's */
};

/* ---- conditions ---- */

enum synod_condition_kind {
	SYNOD_IF_EXISTS = 1, /* number 1: exists, 0: does not */
	SYNOD_IF_VERSION = 2,
	SYNOD_IF_CREATED = 3,
	SYNOD_IF_MODIFIED = 4,
	SYNOD_IF_OWNER = 5,
	SYNOD_IF_DATA = 6,
	SYNOD_IF_CHILDREN_VERSION = 7,
	SYNOD_IF_CHILDREN = 8,
};

enum synod_relation {
	SYNOD_EQUAL = 0,
	SYNOD_NOT_EQUAL = 2,
	SYNOD_LESS = 3,
	SYNOD_GREATER = 4,
};

struct synod_condition {
	enum synod_condition_kind kind;
	enum synod_relation relation;
	const char *path; /* NULL: the operation's own */
	uint64_t number;
	const void *data; /* SYNOD_IF_DATA; NULL: absent */
	size_t size;
};

/* ---- writes ---- */

struct synod_write_options {
	struct synod_call call;
	const struct synod_condition *conditions; /* all must hold, else SYNOD_CONFLICT */
	size_t condition_count;
	bool sequential;    /* create: append the parent's counter, %010u, to the name */
	bool make_parents;  /* create, put: create missing parents */
	bool recursive;     /* delete: the whole subtree, in one revision */
	bool want_previous; /* result->previous: the node as it was */
	bool want_stat;     /* result->node.stat: the node as it is now */
};

/*
 * Create a node at PATH with a copy of DATA (NULL: absent data).
 *
 * SYNOD_OK, SYNOD_EXISTS, SYNOD_NO_PARENT, SYNOD_BAD_PATH, SYNOD_RESERVED,
 * SYNOD_TOO_LARGE, SYNOD_CONFLICT; any call: SYNOD_TIMEOUT or SYNOD_NO_QUORUM
 * (certainly not executed), SYNOD_UNKNOWN, SYNOD_BUSY, SYNOD_NO_SPACE, SYNOD_NO_MEMORY,
 * SYNOD_CLOSED.  result->node.path is the path really created.
 * RESULT may be NULL when only the code matters (here and everywhere).
 */
SYNOD_API int synod_create(struct synod *synod, const char *path, const void *data, size_t size,
                           const struct synod_write_options *options, struct synod_result **result);

/* Replace the data of an existing node: as synod_create, with SYNOD_NOT_FOUND. */
SYNOD_API int synod_set(struct synod *synod, const char *path, const void *data, size_t size,
                        const struct synod_write_options *options, struct synod_result **result);

/* Create the node or replace its data. */
SYNOD_API int synod_put(struct synod *synod, const char *path, const void *data, size_t size,
                        const struct synod_write_options *options, struct synod_result **result);

/* Delete a node: SYNOD_NOT_FOUND, SYNOD_NOT_EMPTY (unless recursive). */
SYNOD_API int synod_delete(struct synod *synod, const char *path,
                           const struct synod_write_options *options, struct synod_result **result);

/* ---- reads ---- */

enum synod_consistency {
	SYNOD_LINEARIZABLE = 0, /* reflects every write answered before it began, by anybody */
	SYNOD_AT_LEAST = 1,     /* from any member, at least as new as a revision */
	SYNOD_LOCAL = 2,        /* whatever the member has; result->stale_ms says how old at most */
};

struct synod_read_options {
	struct synod_call call;
	enum synod_consistency consistency;
	uint64_t at_least; /* SYNOD_AT_LEAST */
	bool with_stat;    /* list: each child's stat */
	bool with_data;    /* list, log: data too */
	bool recursive;    /* log: the subtree */
	const char *after; /* list: only names greater than this */
	uint64_t from;     /* log: first revision */
	uint64_t limit;    /* list, log; 0: everything (fetched in pages of one revision) */
};

/* A node's data and stat.  SYNOD_NOT_FOUND, SYNOD_BAD_PATH. */
SYNOD_API int synod_get(struct synod *synod, const char *path,
                        const struct synod_read_options *options, struct synod_result **result);

SYNOD_API int synod_stat(struct synod *synod, const char *path,
                         const struct synod_read_options *options, struct synod_result **result);

/* The children of a node, by name. */
SYNOD_API int synod_list(struct synod *synod, const char *path,
                         const struct synod_read_options *options, struct synod_result **result);

/* The changes of a node or subtree, oldest first.  SYNOD_COMPACTED when FROM is no longer kept. */
SYNOD_API int synod_log(struct synod *synod, const char *path,
                        const struct synod_read_options *options, struct synod_result **result);

/* ---- transactions ---- */

enum synod_op {
	SYNOD_OP_GET = 1,
	SYNOD_OP_STAT = 2,
	SYNOD_OP_LIST = 3,
	SYNOD_OP_CHECK = 5,
	SYNOD_OP_CREATE = 10,
	SYNOD_OP_SET = 11,
	SYNOD_OP_PUT = 12,
	SYNOD_OP_DELETE = 13,
};

struct synod_operation {
	enum synod_op op;
	const char *path;
	const void *data;
	size_t size;
	const struct synod_write_options *write; /* its call is ignored; may be NULL */
	const struct synod_read_options *read;
};

struct synod_transaction {
	const struct synod_condition *conditions; /* each with its path */
	size_t condition_count;
	const struct synod_operation *then_operations; /* if all conditions hold */
	size_t then_count;
	const struct synod_operation *else_operations; /* otherwise */
	size_t else_count;
};

/*
 * Execute a transaction: one revision, all or nothing; reads see the writes
 * before them.  SYNOD_OK if a branch was executed as a whole (result->then_taken
 * says which); otherwise the error of the operation that failed, its index in
 * result->failed_index, and nothing was changed.  Of OPTIONS only `call` is
 * used: each operation has its own.  SYNOD_OP_CHECK consists of write->conditions.
 */
SYNOD_API int synod_txn(struct synod *synod, const struct synod_transaction *transaction,
                        const struct synod_write_options *options, struct synod_result **result);

/* ---- the ensemble ---- */

struct synod_member_status {
	int error; /* SYNOD_OK, or why the member could not be asked */
	const char *endpoint;
	const char *name;
	uint64_t member_id;
	const char *role; /* "leader", "follower", "candidate" */
	const char *leader;
	const char *ballot;
	uint64_t epoch, chosen, applied, length, revision, nodes, sessions, clients, pending;
	uint64_t database_bytes, journal_bytes, sync_p99_us, uptime_ms;
	const char *state_hash;
	const char *software;
	const char *problem;
	const char *cluster_id;
	uint64_t voters, tolerates;
};

struct synod_status {
	struct synod_member_status *members; /* one per endpoint that is known or was learnt */
	size_t member_count;
};

/* Ask every member about itself, each within TIMEOUT_MS (0: 2,000).  Blocks.  Free with
 * synod_status_free(). */
SYNOD_API int synod_status(struct synod *synod, unsigned timeout_ms, struct synod_status **status);
SYNOD_API void synod_status_free(struct synod_status *status);

struct synod_member {
	uint64_t id;
	const char *name;
	const char *peer_address;
	const char *client_address;
	const char *role;
	bool reachable;   /* from the member that answered */
	uint64_t matched; /* leader's knowledge: durable up to this slot */
};

struct synod_members {
	struct synod_member *members;
	size_t member_count;
};

SYNOD_API int synod_members(struct synod *synod, unsigned timeout_ms,
                            struct synod_members **members);
SYNOD_API void synod_members_free(struct synod_members *members);

/* Hand leadership to the member called NAME (NULL: any that is caught up).  SYNOD_OK once the
 * present leader has started to hand over. */
SYNOD_API int synod_transfer(struct synod *synod, const char *name, unsigned timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
