/*
 * The messages between clients and members, as MessagePack arrays inside frames.
 *
 * Rules of every message: fields are positional; new fields are appended;
 * fields beyond those known are skipped; a missing trailing field takes its
 * default.  A decoder never allocates: slices point into the frame.
 *
 *   HELLO     [versions_min, versions_max, role, cluster(16 bytes or nil),
 *              member_id, disk_id(16 bytes or nil), epoch, name, software]
 *             role: 1 client, 2 member.  A client sends nil identities; a member
 *             answers with its own.  The version used is the highest common one.
 *   REFUSED   [error, text]
 *   REQUEST   [xid, op, a, b, body]
 *             WRITE, SESSION_CLOSE: a = seq, b = acknowledged
 *             READ:                 a = consistency, b = at_least
 *             WATCH:                a = 0, b = at_least
 *             else 0, 0.  BODY is the operation's own array, below.
 *   RESPONSE  [xid, error, revision, stale_ms, result]
 *             REVISION: the one at which the answer is true (a write: its own).
 *             STALE_MS: 0, or for local reads how long the leader was last heard.
 *             RESULT: the operation's own array; for an error nil or a text that
 *             says what was wrong.
 *
 * Bodies and results
 *
 *   operation  [path, flags, data, conditions, argument...]
 *     GET, STAT                no argument
 *     LIST                     [.., after, limit, revision]  after: name, or nil
 *     LOG                      [.., from, limit]             flags: RECURSIVE
 *     CREATE PUT               [.., kind, lease, ttl_ms, brake_percent]  see enum node_kind
 *     SET DELETE               no argument
 *     OWNED                    [.., after, limit, owner]     path: "/"; after: a path, or nil
 *     ACQUIRE                  [.., limit, delay_ms]         flags: SHARED, TRY; data: the value
 *     RELEASE                  [.., token]                   0: whatever it is
 *     TXN                      [conditions, then, else]; then, else: [[op, operation]...]
 *                              op: GET STAT LIST CHECK CREATE SET PUT DELETE; every
 *                              condition of the transaction itself names its path
 *     SESSION_OPEN             [timeout_ms, secret(16..64 bytes)]
 *     SESSION_ATTACH           [session, secret]
 *     SESSION_CLOSE STATUS MEMBERS  []
 *     TRANSFER                 [member name]
 *     LEASE_GRANT              [ttl_ms]
 *     REVOKE                   [id, is a session]
 *     SESSIONS                 [after id, limit]
 *     WATCH                    [watch, path, scope, flags, from]
 *     UNWATCH                  [watch]
 *   condition  [kind, relation, path or nil (the operation's own), value]
 *
 *   results
 *     GET        [stat, data or nil]
 *     STAT       [stat]
 *     LIST       [parent stat, [[name, stat or nil, data or nil]...], more]
 *     LOG        [[change...], oldest revision kept, more]
 *     CREATE SET PUT   [version, path or nil, stat or nil, previous or nil]
 *                path only when the server chose the name; previous: [stat, data]
 *     DELETE     [count, previous or nil]
 *     CHECK      []
 *     ACQUIRE    [token, path of the contender, how many are ahead]  token 0: it waits
 *     RELEASE    [token it had, or 0]
 *     LEASE_GRANT [lease, ttl_ms]
 *     REVOKE     [how many nodes went]
 *     OWNED      [[path...], more]
 *     SESSIONS   [is leader, [[id, is lease, timeout_ms, remaining_ms or nil]...], more]
 *     WATCH      [first revision that will be told]
 *     UNWATCH    []
 *     TXN        [branch (true: then), failed index or nil, [[error, result]...]]
 *     SESSION_OPEN, SESSION_ATTACH   [session, timeout_ms, last seq applied]
 *     STATUS     struct member_status, in its order
 *     MEMBERS    [[id, name, peer address, client address, role, reachable, matched]...]
 *   stat       [created, modified, children_modified, version, children_version,
 *               access_version, created_ms, modified_ms, owner, data_size or nil,
 *               children, sequence, kind, ttl_ms, token, mode]
 *   change     [revision, ordinal, path, change kind, version, owner, cause, data or nil,
 *               previous owner]
 *
 * Kinds of nodes.  Ephemeral ones belong to the session of the request, leased
 * ones to LEASE: they go with it, and have no children.  A container goes some
 * time after its last child went, a ttl node once it was not written for TTL_MS
 * and has no children.  PUT of an existing node with a kind other than persistent
 * makes it that kind with that owner, whoever owned it before; persistent, which
 * is 0, leaves it as it is.
 *
 * Locks.  ACQUIRE makes the lock node (and its missing parents) if there is none,
 * and under it a contender: an ephemeral, sequential child of the session with
 * the request's data as its value.  Contenders are granted in the order of their
 * sequence; those that go make room for the next ones in the same revision.  A
 * grant is a change of the contender, of kind GRANTED, and its revision is the
 * token.  LIMIT is how many may hold at a time (0: 1; all contenders name the
 * same); shared holders keep exclusive ones out and count as one.  Those that are
 * granted in one revision share its token.  DELAY_MS: for
 * this long after the expiry of this holder's session nobody is granted.  A
 * session contends once for a lock: EXISTS.  TRY: HELD instead of waiting.
 * A condition of kind TOKEN is a guard: FENCED unless the token is that of a
 * present holder.
 *
 * Watches.  The number of a watch is the client's, unique on its connection, not
 * 0.  FROM: the first revision to be told; 0: the first after the answer's
 * revision.  With INITIAL the present state comes first, whatever FROM is.  If
 * FROM is no longer kept, the present state comes with `compacted`; if it is in
 * the future, the answer is BAD_ARGUMENT.  Events begin after the answer:
 *
 *   EVENT  [watch, event kind, revision, more, items, compacted]
 *     CHANGES  items: changes, in order, of one or more whole revisions up to
 *              REVISION.  MORE: the last of them goes on in the next event
 *     STATE    items: [path, stat, data or nil], parents before children, as of
 *              REVISION; changes after it follow.  MORE: so does the rest of the state
 *     MARK     watch 0: all watches of this connection have been told everything
 *              up to REVISION
 *     END      items: [error]; the watch is no more
 *
 * On one connection an event comes before every answer that reflects it.
 */
#ifndef SHARED_PROTOCOL_H
#define SHARED_PROTOCOL_H

#include <stdbool.h>

#include "shared/frame.h"
#include "shared/pack.h"

#define PROTOCOL_VERSION_MIN       1
#define PROTOCOL_VERSION_MAX       1

#define DATA_SIZE_MAX              (1u << 20) /* of one node, bytes */
#define TXN_OPERATIONS_MAX         128        /* in each branch */
#define CONDITIONS_MAX             64         /* of one operation or transaction */
#define SEQUENCE_DIGITS_MAX        20         /* of the counter in a sequential node's name */
#define LIST_LIMIT_MAX             10000      /* children in one page */
#define RESPONSE_SIZE_MAX          (FRAME_CLIENT_MAX - 4096)
#define LIST_PAGE_SIZE_MAX         (1u << 20) /* bytes in one page of a listing or log */
#define SESSION_TIMEOUT_MIN_MS     1000
#define SESSION_TIMEOUT_MAX_MS     3600000
#define SESSION_TIMEOUT_DEFAULT_MS 10000
#define SESSION_SECRET_MIN         16
#define SESSION_SECRET_MAX         64
#define SESSION_WINDOW             1024 /* writes of one session in flight */
#define LEASE_TTL_MIN_MS           1000
#define LEASE_TTL_MAX_MS           (7u * 24 * 3600 * 1000)
#define NODE_TTL_MIN_MS            1000
#define NODE_TTL_MAX_MS            (UINT64_C(10) * 366 * 24 * 3600 * 1000)
#define LOCK_LIMIT_MAX             10000  /* holders of one semaphore */
#define LOCK_DELAY_MAX_MS          600000 /* 10 min */
#define CONTENDERS_PER_LOCK_MAX    10000
#define CONTENDERS_PER_SESSION_MAX 1024
#define LEASES_MAX                 1000000 /* sessions and leases together */
#define KEEPALIVE_LEASES_MAX       1024    /* in one KEEPALIVE */
#define WATCHES_PER_CLIENT_MAX     10000
#define WATCH_STATE_SIZE_MAX       (16u << 20) /* of the present state that a watch begins with */
#define EVENT_SIZE_MAX             (1u << 20)  /* events are split with `more` beyond it */
#define OWNED_LIMIT_MAX            10000
#define SESSIONS_LIMIT_MAX         10000

enum op {
#define OP(name, number, class, text) OP_##name = (number),
#include "shared/ops.def"
#undef OP
};

enum op_class {
	OP_CLASS_NONE, /* no such operation */
	OP_CLASS_READ,
	OP_CLASS_WRITE,
	OP_CLASS_SESSION,
	OP_CLASS_MEMBER,
	OP_CLASS_WATCH,
};

enum op_class op_class(unsigned op);
const char *op_name(unsigned op); /* "CREATE", or "?" */

enum consistency {
	CONSISTENCY_LINEARIZABLE = 0,
	CONSISTENCY_AT_LEAST = 1, /* any member that has applied the given revision */
	CONSISTENCY_LOCAL = 2,    /* whatever this member has; the answer says how stale */
};

enum op_flags {
	OP_SEQUENTIAL = 1 << 0, /* CREATE: append the parent's counter to the name, %010 */
	OP_PARENTS = 1 << 1,    /* CREATE, PUT: create missing parents, persistent */
	OP_RECURSIVE = 1 << 2,  /* DELETE: the whole subtree.  LOG: the subtree */
	OP_PREVIOUS = 1 << 3,   /* writes: answer with the node as it was */
	OP_WITH_STAT = 1 << 4,  /* writes: answer with the new stat.  LIST: each child's stat */
	OP_WITH_DATA = 1 << 5,  /* LIST, LOG: data too */
	OP_SHARED = 1 << 6,     /* ACQUIRE: together with other shared contenders */
	OP_TRY = 1 << 7,        /* ACQUIRE: at once or not at all */
	OP_FLAGS_KNOWN = (1 << 8) - 1,
};

enum condition_kind {
	CONDITION_EXISTS = 1,  /* value 1 or 0, relation EQUAL */
	CONDITION_VERSION = 2, /* of an existing node */
	CONDITION_CREATED = 3,
	CONDITION_MODIFIED = 4,
	CONDITION_OWNER = 5,
	CONDITION_DATA = 6, /* value: bytes or nil; relation EQUAL or NOT_EQUAL */
	CONDITION_CHILDREN_VERSION = 7,
	CONDITION_CHILDREN = 8, /* how many */
	CONDITION_TOKEN =
		9, /* relation EQUAL: a present holder of the lock has it.  FENCED if not */
};

enum relation {
	RELATION_EQUAL = 1,
	RELATION_NOT_EQUAL = 2,
	RELATION_LESS = 3,
	RELATION_GREATER = 4,
};

struct condition {
	uint8_t kind;
	uint8_t relation;
	struct slice path; /* bytes NULL: the operation's own */
	uint64_t number;
	struct slice data; /* CONDITION_DATA; bytes NULL: absent */
};

/* One namespace operation, decoded.  What does not apply to OP is zero. */
struct operation {
	uint8_t op;
	uint32_t flags;
	struct slice path;
	struct slice data; /* bytes NULL: absent, which is not empty */
	uint32_t condition_count;
	struct cursor conditions; /* at the first of them: condition_next() */
	struct slice after;       /* LIST, OWNED */
	uint64_t limit;           /* LIST, LOG, OWNED; 0: as many as fit.  ACQUIRE: holders */
	uint64_t revision;        /* LIST: of the first page, or 0.  LOG: from.  OWNED: the owner */
	uint8_t kind;             /* CREATE, PUT: enum node_kind */
	uint64_t lease;           /* CREATE, PUT: of a leased node */
	uint64_t ttl_ms;          /* CREATE, PUT: of a ttl node.  ACQUIRE: delay after an expiry */
	uint64_t brake_percent;   /* CREATE, PUT: of a service; 0: BRAKE_PERCENT */
	uint64_t token;           /* RELEASE; 0: any */
};

/* Each branch: a count of pairs [op, operation] and a cursor at the first: operation_next(). */
struct transaction {
	uint32_t condition_count;
	struct cursor conditions;
	uint32_t then_count;
	struct cursor then_operations;
	uint32_t else_count;
	struct cursor else_operations;
};

struct request {
	uint64_t xid;
	uint8_t op;
	uint64_t seq;          /* WRITE */
	uint64_t acknowledged; /* WRITE: every seq up to this one has been answered */
	uint8_t consistency;   /* READ */
	uint64_t at_least;     /* READ, WATCH: what the client has seen of elsewhere */
	struct slice body;     /* one packed element */
};

struct response {
	uint64_t xid;
	int error;
	uint64_t revision;
	uint64_t stale_ms;
	struct slice result; /* one packed element */
};

#define CLUSTER_ID_SIZE 16
#define DISK_ID_SIZE    16

struct hello {
	uint32_t version_min;
	uint32_t version_max;
	uint8_t role; /* HELLO_CLIENT, HELLO_MEMBER */
	uint64_t member_id;
	uint64_t epoch;
	struct slice cluster_id; /* CLUSTER_ID_SIZE bytes, or absent */
	struct slice disk_id;    /* DISK_ID_SIZE bytes, or absent */
	struct slice name;
	struct slice software; /* "synod 0.1.0" */
};

enum hello_role {
	HELLO_CLIENT = 1,
	HELLO_MEMBER = 2,
};

enum node_kind {
	NODE_PERSISTENT = 0,
	NODE_EPHEMERAL = 1, /* goes with the session that owns it */
	NODE_LEASED = 2,    /* goes with the lease that owns it */
	NODE_CONTAINER = 3, /* goes some time after its last child */
	NODE_TTL = 4,       /* goes when not written for its ttl, without children */
	NODE_LOCK = 5,      /* made by ACQUIRE; its children are contenders; goes as a container */
	NODE_CONTENDER = 6, /* made by ACQUIRE: ephemeral */
	NODE_SERVICE = 7,   /* goes as a container; children whose owner expires become suspect */
	NODE_SUSPECT = 8,   /* such a child: no owner; made by an expiry only; goes in time */
};

/*
 * The brake.  A child of a service that would go because its owner's time ran out
 * becomes suspect in that revision (a MODIFIED change with the cause EXPIRED and the
 * previous owner), and is judged when its owner's timeout has passed once more, at
 * most SUSPECT_MAX_MS later.  If then more than the service's share of its children, and
 * at least BRAKE_MIN, are suspect, it stays until BRAKE_MS after it became suspect;
 * otherwise it is deleted (EXPIRED).  It is judged once.  Taking it over with put ends the
 * suspicion.
 */
#define BRAKE_PERCENT  50
#define BRAKE_MIN      3
#define BRAKE_MS       (UINT64_C(3600) * 1000)
#define SUSPECT_MAX_MS 60000

static inline bool
brake_holds(uint64_t suspects, uint64_t children, uint64_t percent)
{
	return suspects >= BRAKE_MIN && suspects * 100 > children * percent;
}

/* Of a contender, in its stat; a lock's mode is its limit, a service's its brake's share in
 * percent. */
enum lock_mode {
	LOCK_EXCLUSIVE = 1,
	LOCK_SHARED = 2,
};

struct node_stat {
	uint64_t created; /* revisions */
	uint64_t modified;
	uint64_t children_modified;
	uint64_t version;          /* data writes, from 0 */
	uint64_t children_version; /* creations and deletions of children */
	uint64_t access_version;
	uint64_t created_ms; /* Unix time, informational */
	uint64_t modified_ms;
	uint64_t owner; /* session or lease, 0: none */
	uint64_t data_size;
	bool has_data;
	uint64_t children;
	uint64_t sequence; /* children ever created */
	uint8_t kind;
	uint64_t ttl_ms;     /* of a ttl node; a contender's delay after its expiry; of a lock: the
	                      * delay that is in force; of a suspect: how long after its owner's
	                      * end it goes or, unless that is BRAKE_MS, is judged */
	uint64_t token;      /* of a contender: the revision of its grant, 0: it waits */
	uint64_t mode;       /* of a contender: enum lock_mode; of a lock: how many may hold it; of
	                      * a service: its brake's share in percent */
	uint64_t expires_ms; /* not on the wire: the cluster's uptime at which the node, or a
	                      * lock's delay, is due; 0: never */
};

enum change_kind {
	CHANGE_CREATED = 1,
	CHANGE_MODIFIED = 2,
	CHANGE_DELETED = 3,
	CHANGE_GRANTED = 4, /* a contender holds its lock: the revision is the token */
};

enum change_cause {
	CAUSE_REQUEST = 0,    /* somebody asked for just this */
	CAUSE_CLOSED = 1,     /* the owner's session was closed */
	CAUSE_EXPIRED = 2,    /* the owner's session or lease, or the node's own time, ran out */
	CAUSE_REVOKED = 3,    /* the owner was ended by somebody */
	CAUSE_SUPERSEDED = 4, /* another owner took the node over */
};

struct change {
	uint64_t revision;
	uint64_t ordinal; /* order within the revision, from 0 */
	struct slice path;
	uint8_t kind;
	uint64_t version;
	uint64_t owner;
	uint8_t cause;
	struct slice data;       /* absent for deletions, when not asked for, and when absent */
	uint64_t previous_owner; /* SUPERSEDED, and of what became suspect: whose it was */
};

/* What a watch is about. */
enum watch_scope {
	WATCH_NODE = 1,     /* the node at the path, whether it exists or not */
	WATCH_CHILDREN = 2, /* it and its children */
	WATCH_SUBTREE = 3,  /* it and everything below */
	WATCH_OWNED = 4,    /* what this connection's session owns or owned; the path is "/" */
};

enum watch_flags {
	WATCH_INITIAL = 1 << 0,
	WATCH_WITH_DATA = 1 << 1,
	WATCH_FLAGS_KNOWN = (1 << 2) - 1,
};

enum event_kind {
	EVENT_CHANGES = 1,
	EVENT_STATE = 2,
	EVENT_MARK = 3,
	EVENT_END = 4,
};

struct watch_request {
	uint64_t watch; /* not 0 */
	struct slice path;
	uint8_t scope;
	uint32_t flags;
	uint64_t from;
};

/* An EVENT as it arrives.  Changes and nodes follow ITEMS: change_decode(), state_item_decode(). */
struct event {
	uint64_t watch;
	uint8_t kind;
	uint64_t revision;
	bool more;
	bool compacted;
	int error; /* END */
	uint32_t item_count;
	struct cursor items; /* at the first */
};

struct state_item {
	struct slice path;
	struct node_stat stat;
	struct slice data; /* absent when not asked for, and when absent */
};

enum member_role {
	ROLE_FOLLOWER = 0,
	ROLE_CANDIDATE = 1,
	ROLE_LEADER = 2,
};

/* Everything `synod status` prints of a member, in the order of the wire. */
struct member_status {
	struct slice name;
	uint64_t member_id;
	uint8_t role;        /* enum member_role */
	struct slice leader; /* name; empty: none known */
	struct slice ballot; /* "1.7.2" */
	uint64_t epoch;
	uint64_t chosen; /* slots */
	uint64_t applied;
	uint64_t length;
	uint64_t revision;
	uint64_t nodes;
	uint64_t sessions;
	uint64_t clients; /* connections */
	uint64_t pending; /* requests in progress */
	uint64_t database_bytes;
	uint64_t journal_bytes;
	uint64_t sync_p99_us;    /* of the journal, since start */
	uint64_t uptime_ms;      /* of the process */
	struct slice state_hash; /* 32 hex digits, at `applied` */
	struct slice software;
	struct slice problem;    /* empty, or what is wrong in words: "disk nearly full" */
	struct slice cluster_id; /* 32 hex digits */
	uint64_t voters;
	uint64_t tolerates; /* how many more members may fail before writes stop */
};

/* ---- encoding: each appends one packed element ---- */

void hello_encode(struct buffer *out, const struct hello *hello);
void request_encode(struct buffer *out, const struct request *request);

/* The response's head; the caller then appends exactly one element, the result. */
void response_encode_head(struct buffer *out, uint64_t xid, int error, uint64_t revision,
                          uint64_t stale_ms);
void condition_encode(struct buffer *out, const struct condition *condition);

/* OPERATION with CONDITIONS (operation->condition_count of them). */
void operation_encode(struct buffer *out, const struct operation *operation,
                      const struct condition *conditions);
void stat_encode(struct buffer *out, const struct node_stat *stat);
void watch_request_encode(struct buffer *out, const struct watch_request *watch);
/* Everything up to the items: the caller appends an array of them, and then one bool, compacted. */
void event_encode_head(struct buffer *out, uint64_t watch, uint8_t kind, uint64_t revision,
                       bool more);
void change_encode(struct buffer *out, const struct change *change);
void member_status_encode(struct buffer *out, const struct member_status *status);

/*
 * ---- decoding: SYNOD_OK or SYNOD_BAD_MESSAGE ----
 *
 * request_decode() also returns SYNOD_UNSUPPORTED, for an op or a consistency of a
 * later version, with `xid` set so that it can be answered.
 */

int hello_decode(struct slice body, struct hello *hello);
int request_decode(struct slice body, struct request *request);
int response_decode(struct slice body, struct response *response);

/*
 * Decode and check one operation from BODY: shape, flags that OP knows, path
 * grammar, sizes, and every condition.  Returns SYNOD_OK, BAD_MESSAGE, BAD_PATH,
 * RESERVED (a write below /synod), TOO_LARGE, BAD_ARGUMENT or UNSUPPORTED (an
 * operation, flag, condition or relation of a later version); for an error *WHY
 * (may be NULL) receives a static text that names what was wrong.
 *
 * The root can be SET, and not created, put or deleted.  With OP_SEQUENTIAL the
 * path is a prefix, to which any counter of up to SEQUENCE_DIGITS_MAX digits can
 * be appended with a valid path as the result; "/dir/" is a prefix without a
 * name of its own, and conditions must name their path.  OP_CHECK is an operation
 * of transactions only.
 */
int operation_decode(uint8_t op, struct slice body, struct operation *operation, const char **why);

/* The same for a TXN: every operation of both branches is checked. */
int transaction_decode(struct slice body, struct transaction *transaction, const char **why);

/* The next of operation->conditions; only after a successful decode.  Cannot fail. */
void condition_next(struct cursor *conditions, struct condition *condition);

/* The next [op, operation] of a branch; only after a successful decode.  Cannot fail. */
void operation_next(struct cursor *operations, struct operation *operation);

/* WATCH: shape, path, scope and flags, like operation_decode(). */
int watch_request_decode(struct slice body, struct watch_request *watch, const char **why);

/* The whole EVENT is checked for its shape, each item when it is read. */
int event_decode(struct slice body, struct event *event);
void state_item_decode(struct cursor *cursor, struct state_item *item);

void stat_decode(struct cursor *cursor, struct node_stat *stat);
void change_decode(struct cursor *cursor, struct change *change);
int member_status_decode(struct slice body, struct member_status *status);

#endif
