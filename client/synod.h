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
 * Closing a handle lets go in order: locks and elections; leases that it granted
 * and still keeps (revoked); then its session, with every ephemeral node.
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
	SYNOD_NO_CHILDREN = 8, /* nodes that a session or a lease owns have none */
	SYNOD_NO_LEASE = 9,
	SYNOD_FENCED = 10, /* the lock of the guard is not held with this token */
	SYNOD_NOT_HELD = 11,
	SYNOD_HELD = 12, /* by others */
	SYNOD_NOT_A_LOCK = 13,
	SYNOD_LIMIT = 14, /* on how many there may be */
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
struct synod_change;

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
	/* A node that the session owned was deleted on somebody's request, or taken over (then
	 * cause is SYNOD_CAUSE_SUPERSEDED and OWNER the new one).  What this handle itself deletes
	 * is told too.  Not called when the session itself ended: on_state says that. */
	void (*on_loss)(void *context, const struct synod_change *change);
	void *context;
	bool own_loop; /* see synod_fd() */
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

/*
 * In the application's own loop.  With options->own_loop the library starts no
 * work by itself: whenever synod_fd() is readable (poll for POLLIN), or before,
 * call synod_dispatch(), in which everything happens and all callbacks run.
 * Blocking calls still work: they dispatch while they wait.
 *
 * synod_fd: a descriptor that stays the library's, or -1 without own_loop.
 * synod_dispatch: does what there is to do, never waits.  SYNOD_OK, or
 * SYNOD_BAD_ARGUMENT without own_loop or inside a callback.
 */
SYNOD_API int synod_fd(struct synod *synod);
SYNOD_API int synod_dispatch(struct synod *synod);

/* How long the present session can still be counted on, by the library's own cautious clock. */
SYNOD_API unsigned synod_session_remaining_ms(struct synod *synod);

/* The present session's id; 0 when none is open. */
SYNOD_API uint64_t synod_session_id(struct synod *synod);

/* ---- results ---- */

enum synod_node_kind {
	SYNOD_PERSISTENT = 0,
	SYNOD_EPHEMERAL = 1, /* goes with this handle's session; no children */
	SYNOD_LEASED = 2,    /* goes with a lease; no children */
	SYNOD_CONTAINER = 3, /* goes a minute after its last child went */
	SYNOD_TTL = 4,       /* goes when not written for its ttl, and childless */
	SYNOD_LOCK = 5,      /* made by the lock calls, as are: */
	SYNOD_CONTENDER = 6, /* a lock's children */
	SYNOD_SERVICE = 7,   /* as a container; owned children whose time runs out become suspect */
	SYNOD_SUSPECT = 8,   /* such a child: see <synod/discovery.h> */
};

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
	enum synod_node_kind kind;
	/* Of a ttl node; a contender's lock delay; of a suspect: from its owner's end until it is
	 * judged or, once the brake holds it, until it goes: an hour. */
	uint64_t ttl_ms;
	uint64_t token; /* of a lock's contender: 0 while it waits */
	uint64_t mode; /* of a contender: 1 exclusive, 2 shared; of a lock: how many may hold it; of
	                * a service: the share of suspects in percent above which they are kept */
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
	SYNOD_GRANTED = 4, /* a contender got its lock; the revision is its token */
};

/* Why a node was deleted or changed hands. */
enum synod_cause {
	SYNOD_CAUSE_REQUEST = 0,    /* somebody asked for just this */
	SYNOD_CAUSE_CLOSED = 1,     /* its owner closed its session */
	SYNOD_CAUSE_EXPIRED = 2,    /* its owner's, or its own, time ran out */
	SYNOD_CAUSE_REVOKED = 3,    /* its owner was ended by somebody */
	SYNOD_CAUSE_SUPERSEDED = 4, /* another owner took it over */
};

/* "request", "closed", "expired", ...  Static texts, never NULL. */
SYNOD_API const char *synod_cause_name(unsigned cause);

struct synod_change {
	uint64_t revision;
	uint64_t ordinal;
	const char *path;
	enum synod_change_kind kind;
	uint64_t version;
	uint64_t owner;
	unsigned cause;          /* enum synod_cause */
	uint64_t previous_owner; /* SUPERSEDED, and of what became suspect: whose it was */
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
	uint64_t id;                  /* lease_grant: the lease */
	uint64_t ttl_ms;              /* lease_grant: as granted */
	uint64_t token;               /* contend: of the lock; 0: it waits.  withdraw: it had */
	uint64_t ahead;               /* contend: how many contenders come before */
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
	SYNOD_IF_TOKEN = 9, /* a guard: PATH is a lock, a present holder's token is NUMBER; else the
	                     * call, or the whole transaction, ends with SYNOD_FENCED */
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

/* A fence: the write is refused with SYNOD_FENCED unless LOCK is held with TOKEN at that moment. */
struct synod_guard {
	const char *lock; /* NULL: no guard */
	uint64_t token;
};

struct synod_write_options {
	struct synod_call call;
	const struct synod_condition *conditions; /* all must hold, else SYNOD_CONFLICT */
	size_t condition_count;
	bool sequential;    /* create: append the parent's counter, %010u, to the name */
	bool make_parents;  /* create, put: create missing parents */
	bool recursive;     /* delete: the whole subtree, in one revision */
	bool want_previous; /* result->previous: the node as it was */
	bool want_stat;     /* result->node.stat: the node as it is now */
	/* create, put: what kind of node.  put of an existing node: anything but persistent makes
	 * it that, owned by this session or lease, whoever owned it before, in this revision. */
	enum synod_node_kind kind;
	uint64_t lease;           /* SYNOD_LEASED */
	uint64_t ttl_ms;          /* SYNOD_TTL: 1,000 to ten years */
	unsigned brake_percent;   /* SYNOD_SERVICE: 1 to 100; 0: 50 */
	struct synod_guard guard; /* counts as one of the at most 64 conditions */
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
 * result->failed_index, and nothing was changed.  Of OPTIONS only `call` and `guard`
 * are used: each operation has its own.  SYNOD_OP_CHECK consists of write->conditions.
 */
SYNOD_API int synod_txn(struct synod *synod, const struct synod_transaction *transaction,
                        const struct synod_write_options *options, struct synod_result **result);

/* ---- watches ---- */

enum synod_scope {
	SYNOD_WATCH_NODE = 0,     /* the node at the path, whether it exists or not */
	SYNOD_WATCH_CHILDREN = 1, /* it and its children */
	SYNOD_WATCH_SUBTREE = 2,  /* it and everything below */
};

enum synod_event_kind {
	SYNOD_EVENT_CHANGES = 1, /* whole revisions, in order, each change once */
	SYNOD_EVENT_STATE = 2,   /* the nodes as they are at a revision: forget what you knew */
	SYNOD_EVENT_MARK = 3,    /* everything up to this revision has been told */
	SYNOD_EVENT_END = 4,     /* the watch is over, for the reason in `error` */
};

struct synod_event {
	enum synod_event_kind kind;
	uint64_t revision;
	/* CHANGES: the last revision goes on in the next event.  STATE: so does the state, if the
	 * next event is a STATE of the same revision; otherwise it begins anew. */
	bool more;
	bool compacted; /* STATE: the history was not kept long enough; changes were missed, the
	                 * state replaces them */
	const struct synod_change *changes;
	size_t change_count;
	const struct synod_node *nodes; /* each with its whole path and its stat */
	size_t node_count;
	int error;           /* END */
	const char *message; /* END: may be NULL */
};

struct synod_watch;

typedef void synod_on_event(void *context, struct synod_watch *watch,
                            const struct synod_event *event);

struct synod_watch_options {
	enum synod_scope scope;
	uint64_t from;  /* the first revision to be told; 0: from now on */
	bool initial;   /* first the present state, as an event, then every change after it */
	bool with_data; /* changes and nodes with their data */
	bool marks;     /* progress marks too, about every five seconds */
	synod_on_event *on_event; /* NULL: synod_watch_next() */
	void *context;
};

/*
 * Watch PATH until synod_watch_close(): every change is told once, in order, none
 * is lost or merged, whatever happens to connections and members; when the
 * history needed to resume is gone, the present state is told instead
 * (`compacted`).  On one handle an event comes before every result that reflects
 * it (except results of SYNOD_LOCAL reads while no member is connected).
 *
 * Returns at once; what the ensemble has against the watch comes as END: BAD_ARGUMENT
 * (a revision in the future), LIMIT (10,000 watches per handle), TOO_LARGE (a state above
 * 16 MiB: list it in pages, and watch from the list's revision + 1).  Returns SYNOD_OK,
 * BAD_PATH, BAD_ARGUMENT, NO_MEMORY, LIMIT or CLOSED.
 *
 * Bounds.  Without on_event the library keeps up to 4 MiB of events, and a state as a whole;
 * beyond them it lets the ensemble keep the rest and fetches it later.
 */
SYNOD_API int synod_watch_open(struct synod *synod, const char *path,
                               const struct synod_watch_options *options,
                               struct synod_watch **watch);

/*
 * Wait for the next event, at most TIMEOUT_MS (0: look only; UINT_MAX: no limit).  SYNOD_OK;
 * SYNOD_TIMEOUT; SYNOD_BAD_ARGUMENT in a callback or with on_event; SYNOD_CLOSED after END.
 * *EVENT is valid until the next call on this watch.  One thread at a time.
 */
SYNOD_API int synod_watch_next(struct synod_watch *watch, unsigned timeout_ms,
                               const struct synod_event **event);

/* Everything up to this revision has been told. */
SYNOD_API uint64_t synod_watch_revision(struct synod_watch *watch);

/* No event comes after it has returned, but from inside a callback.  Accepts NULL.  Watches that
 * are open at synod_close() are closed by it, and must not be touched afterwards. */
SYNOD_API void synod_watch_close(struct synod_watch *watch);

/* ---- leases and sessions ---- */

/*
 * Grant a lease of TTL_MS (1,000 to 604,800,000) that any number of nodes can hang
 * on (write options: kind SYNOD_LEASED).  result->id is the lease.  It lives TTL_MS from
 * its last keepalive; who knows its id may keep it.  SYNOD_BAD_ARGUMENT, SYNOD_LIMIT.
 */
SYNOD_API int synod_lease_grant(struct synod *synod, uint64_t ttl_ms, const struct synod_call *call,
                                struct synod_result **result);

/*
 * Keep the lease alive from now on, until synod_lease_let_go(), its end, or synod_close().
 * TTL_MS: as granted.  ON_END (may be NULL) is called once if it ends: then what it owned is gone.
 * At most 1,000 leases per handle: SYNOD_LIMIT.
 */
SYNOD_API int synod_lease_keep(struct synod *synod, uint64_t lease, uint64_t ttl_ms,
                               void (*on_end)(void *context, uint64_t lease), void *context);
/* SYNOD_NO_LEASE: it is not kept; if it was, it has ended, and ON_END was or is being called. */
SYNOD_API int synod_lease_let_go(struct synod *synod, uint64_t lease);

/* How long a lease that this handle keeps can still be counted on; 0: not at all. */
SYNOD_API unsigned synod_lease_remaining_ms(struct synod *synod, uint64_t lease);

/* End a lease now; every node that hangs on it goes, in one revision.  result->deleted: how many.
 * SYNOD_NO_LEASE. */
SYNOD_API int synod_lease_revoke(struct synod *synod, uint64_t lease, const struct synod_call *call,
                                 struct synod_result **result);

/* End somebody's session, with everything that it owns.  SYNOD_NO_LEASE: there is none. */
SYNOD_API int synod_session_end(struct synod *synod, uint64_t session,
                                const struct synod_call *call, struct synod_result **result);

/* What a session or lease owns: result->children, each with its whole path.  Of OPTIONS: call,
 * consistency, at_least, after (a path), limit.  None: an empty list. */
SYNOD_API int synod_owned(struct synod *synod, uint64_t owner,
                          const struct synod_read_options *options, struct synod_result **result);

struct synod_owner {
	uint64_t id;
	bool is_lease;
	uint64_t timeout_ms;
	uint64_t remaining_ms; /* before it expires; known by the leader only */
	bool has_remaining;
};

struct synod_owners {
	struct synod_owner *owners; /* ascending by id */
	size_t owner_count;
};

/* All sessions and leases, as the leader knows them.  TIMEOUT_MS 0: 2,000.  Blocks. */
SYNOD_API int synod_owners(struct synod *synod, unsigned timeout_ms, struct synod_owners **owners);
SYNOD_API void synod_owners_free(struct synod_owners *owners);

/* ---- hooks: what recipes are told by their handle ---- */

/* True in a thread that is inside a callback, of whichever handle: calls that block refuse there.
 */
SYNOD_API bool synod_in_callback(void);

struct synod_hook;

struct synod_hook_options {
	/* As options->on_state of synod_open(), and after it. */
	void (*on_state)(void *context, enum synod_state state, unsigned remaining_ms);
	/* Once for each synod_hook_after() that was not replaced by a later one. */
	void (*on_time)(void *context);
	/* synod_close() has begun, and calls it before anything ends: the last moment for calls
	 * that have a callback.  Perhaps beside a callback of the handle. */
	void (*on_close)(void *context);
	/* Once, after synod_hook_remove() or at the end of synod_close(): whatever was called, on
	 * this handle, before the removal has returned, and nothing more is called for this hook.
	 * What CONTEXT points to can go. */
	void (*on_gone)(void *context);
	void *context;
};

/*
 * Be told what a handle goes through: for building recipes, such as the locks below, on it.
 * Each of the functions may be NULL.  SYNOD_OK, BAD_ARGUMENT, NO_MEMORY, CLOSED.  Hooks that are
 * left at synod_close() are removed by it, and must not be touched after on_gone.
 */
SYNOD_API int synod_hook_add(struct synod *synod, const struct synod_hook_options *options,
                             struct synod_hook **hook);

/* on_time in DELAY_MS from now, instead of whatever was asked for before; UINT_MAX: not at all. */
SYNOD_API void synod_hook_after(struct synod_hook *hook, unsigned delay_ms);

/* From any thread, also inside its own functions; once.  Returns at once.  Accepts NULL. */
SYNOD_API void synod_hook_remove(struct synod_hook *hook);

/* ---- locks: the parts they are made of ---- */

struct synod_contend_options {
	struct synod_call call;
	const void *value; /* shown with the contender; of an election: the leader's */
	size_t size;
	bool shared;       /* with other shared contenders */
	bool try_only;     /* SYNOD_HELD instead of waiting */
	unsigned limit;    /* how many may hold at a time; 0: 1.  The same for all contenders */
	unsigned delay_ms; /* nobody is granted for this long after this session's expiry; <=
	                      600,000 */
};

/*
 * Contend for the lock at PATH, which is made if there is none: one round trip.
 * result->token: it is held; 0: result->ahead contenders come before, and the
 * contender result->node.path (an ephemeral node) tells with a SYNOD_GRANTED
 * change.  SYNOD_EXISTS: this session contends already; SYNOD_HELD, SYNOD_NOT_A_LOCK,
 * SYNOD_CONFLICT (another limit), SYNOD_LIMIT, SYNOD_BAD_PATH.
 */
SYNOD_API int synod_contend(struct synod *synod, const char *path,
                            const struct synod_contend_options *options,
                            struct synod_result **result);

/* Give the lock back, or leave its queue.  TOKEN 0: whichever it is.  SYNOD_NOT_HELD. */
SYNOD_API int synod_withdraw(struct synod *synod, const char *path, uint64_t token,
                             const struct synod_call *call, struct synod_result **result);

/* ---- locks ---- */

struct synod_lock;

struct synod_lock_options {
	const void *value; /* shown with the contender, e.g. who holds it; copied */
	size_t size;
	bool shared;       /* a read lock: together with other shared holders */
	unsigned limit;    /* a semaphore: how many may hold it; 0: 1 */
	unsigned delay_ms; /* nobody is granted for this long after this holder's expiry */
	bool try_only;     /* SYNOD_HELD instead of waiting */
	unsigned wait_ms;  /* give up with SYNOD_TIMEOUT; 0: wait for ever */
	/* With on_acquired synod_lock_acquire() returns at once; this is called once, with SYNOD_OK
	 * when the lock is held, or the error with which waiting ended. */
	void (*on_acquired)(void *context, struct synod_lock *lock, int error);
	/* Called once if a held lock is lost: its session ended or can no longer be counted on, or
	 * somebody deleted the contender.  Stop what the lock protects before this: when
	 * synod_lock_remaining_ms() runs out. */
	void (*on_lost)(void *context, struct synod_lock *lock);
	void *context;
};

/*
 * Acquire the lock at PATH: fair, in the order of arrival, one round trip when it
 * is free.  *LOCK is set on SYNOD_OK (and, with on_acquired, before anything is called); free it
 * with synod_lock_release(), also to stop waiting.  One lock per path and handle: SYNOD_EXISTS.
 */
SYNOD_API int synod_lock_acquire(struct synod *synod, const char *path,
                                 const struct synod_lock_options *options,
                                 struct synod_lock **lock);

/* The fencing token: larger than that of every earlier holder.  0: not held. */
SYNOD_API uint64_t synod_lock_token(struct synod_lock *lock);

/* How long the lock can still be counted on without hearing from the ensemble; 0: lost. */
SYNOD_API unsigned synod_lock_remaining_ms(struct synod_lock *lock);

/* For synod_write_options: a write with it is refused once the lock is no longer held. */
SYNOD_API struct synod_guard synod_lock_guard(struct synod_lock *lock);

/* The contender's path, whose data is the value; NULL before the ensemble has answered.  Valid
 * until the release. */
SYNOD_API const char *synod_lock_contender(struct synod_lock *lock);

/* Give it back, or stop waiting, and free it, in any case.  Waits for the answer at most TIMEOUT_MS
 * (0: the handle's), and for callbacks of the lock that are running; in a callback it does not
 * wait.  SYNOD_OK, SYNOD_NOT_HELD (it was lost), SYNOD_UNKNOWN (no answer in time: the library
 * goes on trying).  Accepts NULL.  Locks that are left at synod_close() are released by it, and
 * must not be touched afterwards. */
SYNOD_API int synod_lock_release(struct synod_lock *lock, unsigned timeout_ms);

/* ---- elections ---- */

struct synod_election;

struct synod_election_options {
	unsigned delay_ms; /* as of locks */
	void (*on_elected)(void *context, struct synod_election *election, int error);
	void (*on_deposed)(void *context, struct synod_election *election); /* as on_lost */
	unsigned wait_ms;                                                   /* 0: for ever */
	void *context;
};

/* Campaign with VALUE (copied): as synod_lock_acquire(). */
SYNOD_API int synod_election_campaign(struct synod *synod, const char *path, const void *value,
                                      size_t size, const struct synod_election_options *options,
                                      struct synod_election **election);
SYNOD_API uint64_t synod_election_token(struct synod_election *election);
SYNOD_API unsigned synod_election_remaining_ms(struct synod_election *election);
SYNOD_API struct synod_guard synod_election_guard(struct synod_election *election);
/* Replace the leader's value, while leading: SYNOD_FENCED, SYNOD_NOT_HELD. */
SYNOD_API int synod_election_proclaim(struct synod_election *election, const void *value,
                                      size_t size, unsigned timeout_ms);
/* Step down, or stop campaigning, and free. */
SYNOD_API int synod_election_resign(struct synod_election *election, unsigned timeout_ms);

struct synod_leader {
	uint64_t token; /* 0: nobody leads */
	uint64_t session;
	const void *value;
	size_t size;
	uint64_t revision; /* at which this is so */
};

/* Who leads now: *RESULT's node is the contender; SYNOD_NOT_FOUND: nobody. */
SYNOD_API int synod_election_leader(struct synod *synod, const char *path,
                                    const struct synod_call *call, struct synod_result **result);

struct synod_observer;

/* Be told of the leader now, of every later one, of every proclamation, and when there is none.
 * SYNOD_OK, or as synod_watch_open(). */
SYNOD_API int synod_election_observe(struct synod *synod, const char *path,
                                     void (*on_leader)(void *context,
                                                       const struct synod_leader *leader),
                                     void *context, struct synod_observer **observer);
SYNOD_API void synod_observer_close(struct synod_observer *observer); /* accepts NULL */

/* ---- further recipes; each blocks ---- */

/*
 * A double barrier at PATH: enter returns once COUNT participants have entered, leave once
 * all have left.  TIMEOUT_MS 0: for ever.  SYNOD_OK, SYNOD_TIMEOUT, SYNOD_EXISTS (entered already).
 */
SYNOD_API int synod_barrier_enter(struct synod *synod, const char *path, unsigned count,
                                  unsigned timeout_ms);
SYNOD_API int synod_barrier_leave(struct synod *synod, const char *path, unsigned timeout_ms);

/* Add DELTA to the number at PATH (decimal text; absent: 0), atomically.  *VALUE: the sum.
 * SYNOD_BAD_ARGUMENT: no number is there, or the sum does not fit. */
SYNOD_API int synod_counter_add(struct synod *synod, const char *path, int64_t delta,
                                int64_t *value);

/* A queue at PATH: first in, first out.  Taking is exactly once unless the outcome is
 * SYNOD_UNKNOWN.  TIMEOUT_MS 0: do not wait; then SYNOD_NOT_FOUND means empty, else SYNOD_TIMEOUT.
 * *RESULT's node has the item's path and data. */
SYNOD_API int synod_queue_put(struct synod *synod, const char *path, const void *data, size_t size);
SYNOD_API int synod_queue_take(struct synod *synod, const char *path, unsigned timeout_ms,
                               struct synod_result **result);

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
