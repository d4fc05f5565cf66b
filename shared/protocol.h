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
 *     CREATE SET PUT DELETE    no argument; room for: owner, ttl_ms, guard
 *     TXN                      [conditions, then, else]; then, else: [[op, operation]...]
 *                              op: GET STAT LIST CHECK CREATE SET PUT DELETE; every
 *                              condition of the transaction itself names its path
 *     SESSION_OPEN             [timeout_ms, secret(16..64 bytes)]
 *     SESSION_ATTACH           [session, secret]
 *     SESSION_CLOSE STATUS MEMBERS  []
 *     TRANSFER                 [member name]
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
 *     TXN        [branch (true: then), failed index or nil, [[error, result]...]]
 *     SESSION_OPEN, SESSION_ATTACH   [session, timeout_ms, last seq applied]
 *     STATUS     struct member_status, in its order
 *     MEMBERS    [[id, name, peer address, client address, role, reachable, matched]...]
 *   stat       [created, modified, children_modified, version, children_version,
 *               access_version, created_ms, modified_ms, owner, data_size or nil,
 *               children, sequence, kind]
 *   change     [revision, ordinal, path, change kind, version, owner, cause, data or nil]
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
	OP_FLAGS_KNOWN = (1 << 6) - 1,
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
	struct slice after;       /* LIST */
	uint64_t limit;           /* LIST, LOG; 0: as many as fit */
	uint64_t revision;        /* LIST: of the first page, or 0.  LOG: from */
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
	uint64_t at_least;     /* READ */
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
	/* 1 ephemeral, 2 leased, 3 container, 4 ttl: numbers kept for them */
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
};

enum change_kind {
	CHANGE_CREATED = 1,
	CHANGE_MODIFIED = 2,
	CHANGE_DELETED = 3,
};

enum change_cause {
	CAUSE_REQUEST = 0, /* somebody asked */
			   /* 1 closed, 2 expired, 3 revoked, 4 superseded: numbers kept for them */
};

struct change {
	uint64_t revision;
	uint64_t ordinal; /* order within the revision, from 0 */
	struct slice path;
	uint8_t kind;
	uint64_t version;
	uint64_t owner;
	uint8_t cause;
	struct slice data; /* absent for deletions, when not asked for, and when absent */
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

void stat_decode(struct cursor *cursor, struct node_stat *stat);
void change_decode(struct cursor *cursor, struct change *change);
int member_status_decode(struct slice body, struct member_status *status);

#endif
