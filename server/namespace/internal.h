/*
 * What the files of the namespace share: the struct itself and the parts it is
 * made of, in the order in which they build on each other.
 *
 * Two kinds of failure are kept apart.  An operation's own error is an answer:
 * it goes into struct answer, and the function returns SYNOD_OK.  A code that is
 * returned is a fault of SQLite or of the disk, and this member must stop.
 */
#ifndef SERVER_NAMESPACE_INTERNAL_H
#define SERVER_NAMESPACE_INTERNAL_H

#include "server/namespace/namespace.h"

#define WHY_SIZE 256

struct answer;
struct operation;
typedef int operation_function(struct namespace *namespace, const struct operation *operation,
                               struct answer *answer);

/* ---- state hash (hash.c) ---- */

void hash_add(struct state_hash *sum, struct state_hash row);
void hash_subtract(struct state_hash *sum, struct state_hash row);
struct state_hash hash_of(struct slice bytes);

/* Fields of one row laid end to end, little-endian, so that they hash alike everywhere. */
struct row {
	size_t size;
	uint8_t bytes[2048];
};

void row_number(struct row *row, uint64_t number);
void row_bytes(struct row *row, struct slice bytes); /* with its size before it */
void row_hash(struct row *row, struct state_hash hash);
struct state_hash hash_of_row(const struct row *row);

/* ---- SQL (statement.c) ---- */

enum statement {
#define STATEMENT(name, sql) STATEMENT_##name,
#include "server/namespace/statements.def"
#undef STATEMENT
	STATEMENT_COUNT
};

/* Bind, by position.  A failed bind can only be lack of memory, which stops the server. */
void bind_u64(sqlite3_stmt *statement, int index, uint64_t number);
void bind_text(sqlite3_stmt *statement, int index, struct slice text);   /* borrowed until reset */
void bind_bytes(sqlite3_stmt *statement, int index, struct slice bytes); /* borrowed until reset */
uint64_t column_u64(sqlite3_stmt *statement, int index);
struct slice column_text(sqlite3_stmt *statement, int index);  /* valid until the next step */
struct slice column_bytes(sqlite3_stmt *statement, int index); /* the same; NULL gives absent */

sqlite3_stmt *statement_of(struct namespace *namespace, enum statement statement);
int statements_prepare(struct namespace *namespace);
void statements_finalize(struct namespace *namespace);

/* The next row: *HAS_ROW tells.  Without one, or with a fault, the statement is reset. */
int statement_step(struct namespace *namespace, enum statement statement, bool *has_row);
/* A statement that gives no rows, from bind to reset. */
int statement_run(struct namespace *namespace, enum statement statement);
void statement_reset(struct namespace *namespace, enum statement statement);

/* Remember why, and translate SQLite's code. */
int fault(struct namespace *namespace, const char *what, int sqlite_code);
int fault_corrupt(struct namespace *namespace, const char *what);

/* ---- nodes and their cache (cache.c, node.c) ---- */

struct node {
	struct node *next;          /* in its bucket */
	struct node *newer, *older; /* by last use */
	uint64_t key;               /* hash of the path */
	struct state_hash hash;     /* what it adds to the state hash; zero when absent */
	struct state_hash data_hash;
	struct node_stat stat;
	uint8_t *data;
	size_t data_capacity;
	uint64_t recorded; /* the transaction that has its image from before */
	bool exists;       /* false: deleted, and kept until its row is deleted too */
	bool has_row;
	bool is_dirty;
	uint16_t path_size;
	char path[];
};

struct node_cache {
	struct node **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	size_t count_max;
	size_t bytes;
	size_t bytes_max;
	struct node *newest, *oldest;
	struct node **dirty; /* in no order */
	size_t dirty_count;
	size_t dirty_capacity;
};

void cache_init(struct node_cache *cache, size_t count_max, size_t bytes_max);
void cache_fini(struct node_cache *cache);
struct node *cache_find(struct node_cache *cache, struct slice path); /* and mark as used */
struct node *cache_add(struct node_cache *cache, struct slice path);  /* absent, clean */
void cache_remove(struct node_cache *cache, struct node *node);       /* not dirty: CHECKed */
void cache_mark_dirty(struct node_cache *cache, struct node *node);
void cache_set_data(struct node_cache *cache, struct node *node, struct slice data);
void cache_discard(struct node_cache *cache); /* everything, dirty or not */
bool cache_is_full(const struct node_cache *cache);

struct slice node_path(const struct node *node);
struct slice node_data(const struct node *node);

/*
 * Find the node at PATH, reading its row when it is not in the cache; NULL when
 * there is none.  The pointer is good until nodes_trim() or nodes_write_back().
 */
int node_find(struct namespace *namespace, struct slice path, struct node **node);
/* The same, with an absent entry where there is no node. */
int node_find_entry(struct namespace *namespace, struct slice path, struct node **node);

/* What a node is made as, or made into; all zero: persistent. */
struct node_life {
	uint8_t kind;
	uint64_t owner;
	uint64_t ttl_ms; /* of a ttl node; a contender's delay */
	uint64_t mode;   /* of a contender, a lock and a service */
};

/*
 * Changes to nodes, with everything that hangs on them: the parent's counters, the
 * history, the state hash, the image for undoing, when it is due, how many
 * contenders its owner has.  PARENT is that of the node.
 */
void node_create(struct namespace *namespace, struct node *parent, struct slice path,
                 struct slice data, const struct node_life *life, struct node **result);
void node_write(struct namespace *namespace, struct node *node, struct slice data);
/* Write DATA and make NODE what LIFE says, whoever owned it before. */
void node_take_over(struct namespace *namespace, struct node *node, struct slice data,
                    const struct node_life *life);
/* With namespace->cause.  NODE and PARENT may be written back; they are not trimmed before the end.
 */
int node_delete(struct namespace *namespace, struct node *parent, struct node *node);
/* Around every change of a node's fields. */
void node_begin_change(struct namespace *namespace, struct node *node);
void node_end_change(struct namespace *namespace, struct node *node);

/* From a row whose columns from FIRST on are those of NODE_COLUMNS; DATA is valid until the next
 * step. */
void node_of_row(sqlite3_stmt *statement, int first, struct node_stat *stat, struct slice *data);
/* From a row that begins with parent and name: append the path. */
void path_of_row(struct buffer *out, sqlite3_stmt *statement);
struct state_hash node_hash_of(struct slice path, const struct node_stat *stat,
                               struct state_hash data_hash);

int nodes_write_back(struct namespace *namespace);
/* Bring the cache back within its bounds.  No pointer to a node survives this. */
int nodes_trim(struct namespace *namespace);
/* Of the children of NODE, one went. */
void node_lose_child(struct namespace *namespace, struct node *node);
/* The root and /synod, in an empty database. */
void nodes_plant(struct namespace *namespace);

/* ---- sessions (session.c) and their kept answers (answers.c) ---- */

struct session {
	bool is_lease;            /* no secret, seq or answers */
	bool has_owned;           /* it may own nodes; never false when it does */
	uint32_t contender_count; /* locks it contends for, exactly: node_create(), node_delete()
	                           * and undo_rollback() keep it */
	struct session *next;     /* in its bucket, by id */
	struct session *next_by_secret; /* in its bucket, by secret */
	uint64_t id;
	uint64_t generation;
	uint64_t timeout_ms;
	uint64_t seq;          /* of the last write applied */
	uint64_t acknowledged; /* the answers up to this one are gone */
	struct buffer answers; /* from answers_start on: one for each seq above `acknowledged` */
	size_t answers_start;
	struct state_hash answers_hash;
	struct state_hash hash;
	size_t dirty_index; /* among the dirty ones; SIZE_MAX: clean */
	uint8_t secret_hash[32];
};

#define SECRET_HASH_SIZE 32

struct session_table {
	struct session **by_id;
	struct session **by_secret; /* no leases */
	size_t bucket_count;        /* a power of two */
	size_t count;
	size_t lease_count; /* of them */
	struct session **dirty;
	size_t dirty_count;
	size_t dirty_capacity;
};

/* The present row of SESSION_EACH; free session->answers. */
int session_of_row(struct namespace *namespace, struct session *session);

void sessions_init(struct session_table *sessions);
void sessions_fini(struct session_table *sessions);
int sessions_load(struct namespace *namespace);
int sessions_write_back(struct namespace *namespace);
/* A session or a lease. */
struct session *session_find(struct namespace *namespace, uint64_t id);
struct session *session_find_by_secret(struct namespace *namespace, struct slice secret_hash);
struct session *session_open(struct namespace *namespace, uint64_t id, uint64_t timeout_ms,
                             struct slice secret_hash);
struct session *lease_open(struct namespace *namespace, uint64_t id, uint64_t ttl_ms);
/* What it owned is gone already. */
int session_end(struct namespace *namespace, struct session *session);
/* A node with STAT came (STEP 1) or went (-1): its owner takes note. */
void session_count_owned(struct namespace *namespace, const struct node_stat *stat, int step);
/* Around every change of a session's fields. */
void session_begin_change(struct namespace *namespace, struct session *session);
void session_end_change(struct namespace *namespace, struct session *session);
struct state_hash session_hash_of(const struct session *session);

struct kept_answer {
	int error;
	uint64_t revision;
	struct slice result;
};

/* Is there no room for one more answer, once all up to ACKNOWLEDGED are dropped? */
bool answers_are_full(const struct session *session, uint64_t acknowledged);
void answers_drop(struct session *session, uint64_t acknowledged);
void answers_append(struct session *session, const struct kept_answer *answer);
/* The answer to SEQ, which is kept (CHECKed). */
void answers_find(const struct session *session, uint64_t seq, struct kept_answer *answer);
/* Take the blob of a row; SYNOD_CORRUPT unless it holds an answer for each seq not acknowledged. */
int answers_load(struct session *session, struct slice blob);
struct slice answers_blob(const struct session *session);

/* ---- history (change.c) ---- */

struct change_chunk {
	uint64_t id;
	uint64_t last_revision;
	uint64_t count;
	uint64_t uptime_ms; /* of the last change */
	size_t size;        /* once it is full */
};

struct history {
	struct change_chunk open; /* being filled; `changes` holds its content */
	struct buffer changes;
	bool is_dirty;              /* `open` is not in its row */
	struct change_chunk oldest; /* of those that are full; id 0: there is none */
	uint64_t closed_revision;   /* the last in a full chunk: later ones are all in `open` */
	uint64_t from;              /* every change from this revision on is kept */
	uint64_t count;             /* kept, the open chunk included */
	uint64_t bytes;
	uint64_t ordinal; /* of the next change of this revision */
	/* The changes of the command that is applied begin at START, unless some are in a chunk
	 * that was closed inside it. */
	size_t start;
	bool is_relieved;
	struct slice last;    /* those of the command that was applied last */
	struct buffer closed; /* the chunk that it closed, whose room is used again */
};

/* With namespace->cause and ->previous_owner. */
void history_append(struct namespace *namespace, enum change_kind kind, struct slice path,
                    const struct node_stat *stat, struct slice data);
void history_begin_command(struct namespace *namespace);
/* The command is complete: close the chunk if it is full, and trim. */
int history_end_command(struct namespace *namespace);
/* Inside a command that makes very many changes and will not be undone from memory. */
int history_relieve(struct namespace *namespace);
int history_load(struct namespace *namespace);
int history_write_back(struct namespace *namespace);

/* Call EACH for every kept change from revision FROM on, in order, until it returns false. */
int history_each(struct namespace *namespace, uint64_t from,
                 bool (*each)(void *context, const struct change *change), void *context);

/* ---- undoing a transaction (undo.c) ---- */

struct image {
	struct node_stat stat;
	bool exists;
	uint16_t path_size;
	size_t data_size;
	uint8_t bytes[]; /* path, then data */
};

/* How many contenders of a session came or went. */
struct undo_contenders {
	uint64_t session;
	int64_t step;
};

struct undo {
	bool is_active;
	bool has_savepoint;
	uint64_t number; /* of the transaction, in this process */
	struct image **images;
	size_t image_count;
	size_t image_capacity;
	size_t image_count_at_savepoint;
	struct undo_contenders *contenders;
	size_t contender_count;
	size_t contender_capacity;
	/* As they were: */
	struct state_hash hash;
	uint64_t nodes;
	uint64_t revision;
	struct history history;
	struct buffer saved_changes; /* the open chunk's content, once there is a savepoint */
};

void undo_begin(struct namespace *namespace);
/* NODE is about to change. */
void undo_record(struct namespace *namespace, struct node *node);
void undo_record_contender(struct namespace *namespace, uint64_t session, int step);
/* Rows are about to change without passing through the cache. */
int undo_savepoint(struct namespace *namespace);
int undo_rollback(struct namespace *namespace);
int undo_forget(struct namespace *namespace);
void undo_fini(struct undo *undo);

/* ---- what sessions and leases own (owned.c) ---- */

/*
 * Delete every node that OWNER owns, with CAUSE, in this revision; *COUNT gets how
 * many.  Contenders among them leave their locks; locks_settle() then grants.  With
 * EXPIRED, instances of services become suspect instead, and are counted too.
 */
int owned_delete(struct namespace *namespace, const struct session *owner, enum change_cause cause,
                 uint64_t *count);
/* What OWNER owns after the path AFTER, or from the first on, by parent and name: LIMIT of it, -1:
 * all. Returns STATEMENT_OWNED, bound; what is in memory was written back. */
sqlite3_stmt *owned_select(struct namespace *namespace, uint64_t owner, struct slice after,
                           int64_t limit);
operation_function op_owned;

/* ---- nodes whose time has come (collect.c) ---- */

/*
 * A node's stat.expires_ms says when it is due, in the cluster's uptime:
 *   ttl        its last write plus its ttl; if it has children then, once they are gone
 *   container, service
 *              CONTAINER_LINGER_MS after its last child went; never before its first
 *   suspect    stat.ttl_ms after its owner's end, which brake.c sets together with ttl_ms
 *   lock       while its stat.ttl_ms is not 0: the end of the delay after a holder expired,
 *              which lock.c sets together with ttl_ms, and ends; else as a container
 * Set it anew after every change of NODE that matters; inside node_begin_change().
 */
void node_set_due(struct namespace *namespace, struct node *node);
#define CONTAINER_LINGER_MS 60000
/* UPTIME_MS plus TTL_MS, as far as SQLite can count. */
uint64_t due_after(uint64_t uptime_ms, uint64_t ttl_ms);
int collect_run(struct namespace *namespace, struct answer *answer);
/* Find the first that is due, when the database is opened. */
int collect_load(struct namespace *namespace);

/* ---- the brake (brake.c) ---- */

/* Does NODE, whose owner has ended because of namespace->cause, become suspect instead of going? */
bool brake_spares(const struct namespace *namespace, const struct node *parent,
                  const struct node *node);
/* TIMEOUT_MS: of the owner. */
void brake_suspect(struct namespace *namespace, struct node *node, uint64_t timeout_ms);

struct brake_verdict {
	struct slice service; /* its path */
	bool holds;
};

/* What was found of services in one COLLECT; all zero: nothing yet. */
struct brake {
	struct brake_verdict *verdicts;
	size_t count, capacity;
};

/* NODE at PATH is a suspect that is due.  *STAYS: the brake holds it; else it is the caller's to
 * delete.  PATH must stay valid as long as BRAKE.  No node is trimmed. */
int brake_judge(struct namespace *namespace, struct brake *brake, struct slice path,
                const struct node *parent, struct node *node, bool *stays);
void brake_fini(struct brake *brake);

/* ---- locks (lock.c) ---- */

/*
 * The contenders of a lock, in the order of their sequence, as an index in memory
 * over the rows: loaded when it is first needed (what is in memory is written back
 * first), forgotten when it is empty or a transaction was undone.  The rows are
 * the truth: a contender's stat says its mode and token.
 */
struct contender {
	uint64_t sequence; /* its name */
	uint64_t session;
	uint64_t token; /* 0: waits */
	uint8_t mode;
};

struct lock {
	struct lock *next; /* in its bucket */
	uint64_t key;
	struct contender *contenders; /* ascending by sequence; those that hold come first */
	uint32_t count, capacity;
	bool is_loaded;
	bool is_touched; /* settled at the end of the command */
	uint16_t path_size;
	char path[];
};

struct lock_table {
	struct lock **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	size_t contender_count; /* of all of them */
	struct lock **touched;
	size_t touched_count, touched_capacity;
};

void locks_init(struct lock_table *locks);
void locks_fini(struct lock_table *locks);
/* The lock at PATH with its contenders; NULL if there is no lock node there. */
int lock_find(struct namespace *namespace, struct slice path, struct lock **lock);
/* *NODE is NULL unless a lock is at PATH. */
int lock_find_node(struct namespace *namespace, struct slice path, struct node **node);
struct contender *lock_contender_of(const struct lock *lock, uint64_t session);
/* Append the path of the contender with this sequence. */
void lock_contender_path(struct buffer *out, const struct lock *lock, uint64_t sequence);
/* NODE was just made under LOCK, as a contender: it is its last one. */
void lock_gain(struct namespace *namespace, struct lock *lock, const struct node *node);
/* Is TOKEN that of a present holder of the lock at PATH? */
int lock_has_holder(struct namespace *namespace, struct slice path, uint64_t token, bool *has);
/*
 * The contender at PATH is about to be deleted, because of CAUSE.  Called by
 * node_delete() and by everything else that removes contenders, rows too: it reads
 * no row but that of the lock, and writes none back.
 */
int lock_lose(struct namespace *namespace, struct slice path, const struct node_stat *stat,
              enum change_cause cause);
/* A transaction was undone: everything in memory is void. */
void locks_forget(struct namespace *namespace);
/* At the end of each command: settle all locks that lost a contender. */
int locks_settle(struct namespace *namespace);

/* ---- granting them (lock_grant.c) ---- */

/* Would a new contender be granted at once?  NODE is the lock's. */
bool lock_admits(const struct namespace *namespace, const struct lock *lock,
                 const struct node *node, uint8_t mode, uint64_t limit);
/* Grant LOCK, whose node is NODE, in this revision to whom there is room for.  No pointer to a node
 * survives this. */
int lock_settle(struct namespace *namespace, struct lock *lock, struct node *node);
/* Nobody is granted the lock at PATH for this long, nor before the end of an earlier delay. */
int lock_delay(struct namespace *namespace, struct slice path, uint64_t delay_ms);
/* The delay of the lock NODE, if it has one, is over: grant.  NODE stays a lock without a delay;
 * without contenders it is the caller's to collect. */
int lock_on_due(struct namespace *namespace, struct node *node);

/* ---- members (member.c) ---- */

int member_record(struct namespace *namespace, const struct command *command,
                  struct answer *answer);
struct state_hash member_hash_of(const struct command *member);

/* ---- operations ---- */

struct answer {
	int error;
	const char *why;       /* static, or NULL */
	bool is_repeated;      /* given before: it is true at the revision of then */
	struct buffer *result; /* receives one packed element when there is no error */
};

/* For `return answer_error(...)`: an answer is not a fault. */
int answer_error(struct answer *answer, int error, const char *why);
/* An error without a result of its own says why, from START on in the buffer. */
void answer_finish(struct answer *answer, size_t start);

operation_function op_get;
operation_function op_stat;
operation_function op_list;
operation_function op_log;
operation_function op_check;
operation_function op_create;
operation_function op_set;
operation_function op_put;
operation_function op_delete;
operation_function op_acquire;
operation_function op_release;

/* A decoded operation of any kind but TXN. */
int operation_run(struct namespace *namespace, const struct operation *operation,
                  struct answer *answer);
int transaction_run(struct namespace *namespace, struct slice body, struct answer *answer);

/* ---- shared by operations (condition.c, operation.c, op_create.c) ---- */

/* Do all hold?  *VERDICT is SYNOD_OK, FENCED if the token of one does not hold, else CONFLICT.  OWN
 * is the path of conditions that name none. */
int conditions_check(struct namespace *namespace, struct slice own, uint32_t count,
                     struct cursor conditions, int *verdict);

/* CONFLICT or FENCED in ANSWER unless the operation's conditions hold. */
int operation_check(struct namespace *namespace, const struct operation *operation,
                    struct answer *answer);
/* The node that OPERATION is about.  *NODE is NULL with NOT_FOUND in ANSWER if there is none, with
 * CONFLICT unless the conditions hold. */
int operation_target(struct namespace *namespace, const struct operation *operation,
                     struct answer *answer, struct node **node);

/* Is there a parent for PATH to be created under, or may there be?  NO_PARENT, NO_CHILDREN (under
 * what has an owner, or had one and is suspect), or BAD_ARGUMENT under a lock. */
int parent_check(struct namespace *namespace, const struct operation *operation, struct slice path,
                 struct answer *answer);
/* What OPERATION makes of a node; NO_LEASE in ANSWER if there is no such lease. */
int operation_life(struct namespace *namespace, const struct operation *operation,
                   struct answer *answer, struct node_life *life);
/* Create PATH, which is absent, and whichever of its ancestors are missing, persistent. */
int create_with_parents(struct namespace *namespace, struct slice path, struct slice data,
                        const struct node_life *life, struct node **node);

/* "[stat, data]": the result of GET, and `previous`. */
void answer_node(struct buffer *out, const struct node *node);
/* Keep NODE as it is now in namespace->previous if OPERATION asks for it. */
struct slice previous_of(struct namespace *namespace, const struct operation *operation,
                         const struct node *node);
/* The result of CREATE, SET and PUT.  PREVIOUS is packed, or empty. */
void answer_written(struct buffer *out, const struct operation *operation, const struct node *node,
                    struct slice previous);

/* ---- sessions' commands (session_command.c) ---- */

int session_command_open(struct namespace *namespace, const struct command *command,
                         struct answer *answer, struct applied *applied);
/* End SESSION, which may be a lease, with what it owns, of which *COUNT gets how many. */
int session_command_end(struct namespace *namespace, struct session *session,
                        enum change_cause cause, struct applied *applied, uint64_t *count);
int session_command_close(struct namespace *namespace, struct session *session,
                          struct answer *answer, struct applied *applied);
int session_command_expire(struct namespace *namespace, const struct command *command,
                           struct answer *answer, struct applied *applied);

/* ---- leases (lease.c) ---- */

int lease_command_grant(struct namespace *namespace, const struct command *command,
                        struct answer *answer, struct applied *applied);
int lease_command_revoke(struct namespace *namespace, const struct command *command,
                         struct answer *answer, struct applied *applied);

/* ---- the whole ---- */

struct namespace
{
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	struct namespace_options options;
	char why[WHY_SIZE];

	uint64_t applied;
	uint64_t written; /* the applied slot last written back */
	uint64_t committed;
	uint64_t revision;
	uint64_t uptime_ms;
	uint64_t nodes;
	struct command_ballot ballot;
	struct state_hash hash;
	unsigned operations;  /* since the last commit */
	uint64_t next_due_ms; /* no node is due earlier; not part of the state */

	/* The command that is being applied. */
	uint64_t slot;
	uint64_t wall_ms;
	uint64_t session; /* whose it is; 0: nobody's */
	enum change_cause cause;
	uint64_t previous_owner; /* of the node that is being taken over, or becomes suspect */

	struct node_cache cache;
	struct session_table sessions;
	struct history history;
	struct undo undo;
	struct lock_table locks;

	/* Room to build in, kept from one command to the next. */
	struct buffer items;    /* of a page */
	struct buffer results;  /* of a transaction's operations */
	struct buffer previous; /* the node as it was */
	struct buffer name;     /* the path that the server chose */
};

#endif
