/*
 * The namespace: a deterministic state machine over SQLite.
 *
 * Same commands in the same order, same rows and same answers on every member.
 * No clock, no random numbers, no iteration in hash order.  One thread at a time.
 *
 * What is in memory.  SQLite holds everything; in front of it stand a bounded
 * cache of nodes (written back when the transaction is committed, so a node that
 * is written a thousand times between two commits costs one row), the sessions
 * with their kept answers, and the changes of the open transaction.  Any query
 * that could miss what is in memory writes it back first.  Memory does not grow
 * with the number of nodes.
 *
 * Durability.  namespace_commit() makes everything applied so far durable, with
 * the applied slot and the state hash, in one transaction.  After a crash the
 * journal is replayed from namespace_applied().
 *
 * The state hash.  H = sum over nodes, sessions and members of XXH3-128(row),
 * added as two 64-bit lanes modulo 2^64, so that a change costs one subtraction
 * and one addition (AdHash: Bellare and Micciancio 1997; ZooKeeper's digest does
 * the same).  Equal at equal applied slots on every member.
 *
 * Exactly once.  A session's writes are applied in the order of their seq: the
 * next one is applied, an earlier one gets the answer that was kept, one that
 * skips is answered OUT_OF_ORDER and changes nothing.  Answers are kept until
 * acknowledged; at most SESSION_WINDOW and SESSION_REPLY_BYTES_MAX per session,
 * beyond which a write is answered BUSY and changes nothing (nor uses its seq).
 */
#ifndef SERVER_NAMESPACE_NAMESPACE_H
#define SERVER_NAMESPACE_NAMESPACE_H

#include <sqlite3.h>

#include "server/namespace/command.h"

#define SESSION_REPLY_BYTES_MAX (16u << 20)

struct namespace;

struct namespace_options {
	unsigned cache_nodes;       /* default 65536 */
	size_t cache_bytes;         /* default 8 MiB; counts data, paths and overhead */
	uint64_t change_count_max;  /* history kept: default 100,000 changes, */
	uint64_t change_bytes_max;  /* 64 MiB of data, */
	uint64_t change_age_ms_max; /* and 1 h of uptime; whichever is reached first */
	unsigned commit_operations; /* namespace_wants_commit() after this many; default 20,000 */
};

struct state_hash {
	uint64_t low;
	uint64_t high;
};

/*
 * DB has a transaction open (server/storage/database.h); it stays the caller's
 * and must outlive the namespace.  Makes the schema in an empty database.
 * SYNOD_OK, SYNOD_CORRUPT (a schema of another version, or damage), SYNOD_IO;
 * WHY has at least 256 bytes.
 */
int namespace_open(struct namespace **result, sqlite3 *db, const struct namespace_options *options,
                   char *why);
void namespace_close(
	struct namespace *namespace); /* does not write back: uncommitted work is replayed */

/*
 * What an applied command answers: goes to the client that asked, if it asked
 * this member.  The RESULT buffer receives exactly one packed element.
 */
struct applied {
	int error;
	uint64_t revision; /* at which the answer is true */
	/* Session bookkeeping for the member: */
	uint64_t session_opened; /* or lease granted */
	uint64_t session_ended;  /* or lease */
	uint64_t timeout_ms;
};

/*
 * Apply the command of SLOT, which is namespace_applied() + 1 (CHECKed).  SYNOD_OK
 * even when the command's own answer is an error; other codes (IO, CORRUPT,
 * NO_SPACE from SQLite) mean that this member must stop.  A value that is no
 * command is skipped deterministically with BAD_MESSAGE as its answer.
 */
int namespace_apply(struct namespace *namespace, uint64_t slot, struct slice value,
                    struct applied *applied, struct buffer *result);

/* LEADER_START of this ballot was chosen at SLOT: expiries of other ballots are void from here on.
 * A STOP or an unknown kind of entry is applied with namespace_skip(). */
int namespace_apply_start(struct namespace *namespace, uint64_t slot, struct command_ballot ballot);
int namespace_skip(struct namespace *namespace, uint64_t slot);

/*
 * Answer a READ operation (GET, STAT, LIST, LOG) on the present state.  Returns
 * like namespace_apply(); the operation's own error goes to *ERROR, its answer to
 * RESULT, and *REVISION gets the present revision.  BODY was checked with operation_decode() by
 * the caller and is decoded again here.
 *
 * LIST in pages: the request carries the revision of the first page; if the
 * parent or any of its children changed since, the answer is CONFLICT and the
 * client starts again, so that all pages are of one revision.
 */
int namespace_read(struct namespace *namespace, uint8_t op, struct slice body, int *error,
                   uint64_t *revision, struct buffer *result);

/* SESSION_ATTACH: SYNOD_OK with the session's facts in RESULT, SYNOD_SESSION_ENDED (no such
 * session) or SYNOD_WRONG_SECRET, in *ERROR. */
int namespace_attach(struct namespace *namespace, uint64_t session, struct slice secret_hash,
                     int *error, struct buffer *result);

/* Write back, with the applied slot and the hash, into the open transaction.  The caller then
 * commits the transaction (database_commit) and calls namespace_committed(). */
int namespace_write_back(struct namespace *namespace);
void namespace_committed(struct namespace *namespace);

/* Enough has gathered that a commit should not wait for the time to come. */
bool namespace_wants_commit(const struct namespace *namespace);
/* Something is applied and not committed. */
bool namespace_is_dirty(const struct namespace *namespace);

uint64_t namespace_applied(const struct namespace *namespace);
uint64_t namespace_committed_slot(const struct namespace *namespace);
uint64_t namespace_revision(const struct namespace *namespace);
uint64_t namespace_uptime_ms(const struct namespace *namespace);
uint64_t namespace_nodes(const struct namespace *namespace);
uint64_t namespace_sessions(const struct namespace *namespace);
struct state_hash namespace_hash(const struct namespace *namespace);

/* Recompute the hash from the rows, after writing back: for tests and `synodd --verify`. */
int namespace_rehash(struct namespace *namespace, struct state_hash *hash);

/* Every live session and lease, ascending: for a new leader, which gives each a full timeout. */
int namespace_each_session(struct namespace *namespace,
                           void (*each)(void *context, uint64_t session, uint64_t generation,
                                        uint64_t timeout_ms),
                           void *context);
/* Is ID a lease? */
bool namespace_is_lease(const struct namespace *namespace, uint64_t id);

/* When the next node is due, in the cluster's uptime: then the leader proposes a COLLECT.
 * UINT64_MAX: none is. */
uint64_t namespace_next_due_ms(const struct namespace *namespace);

/* ---- for watches ---- */

/*
 * The changes of the command that was applied last, packed one after the other
 * (change_decode()); valid until the next call.  *IS_WHOLE is false if there were
 * too many to keep: then namespace_each_change() has them.
 */
struct slice namespace_last_changes(const struct namespace *namespace, bool *is_whole);

/* The first revision of which every change is still kept. */
uint64_t namespace_history_from(const struct namespace *namespace);

/* Call EACH for every kept change from revision FROM on, in order, until it returns false.  EACH
 * must not call the namespace. */
int namespace_each_change(struct namespace *namespace, uint64_t from,
                          bool (*each)(void *context, const struct change *change), void *context);

/*
 * Call EACH for the node at PATH, and those in SCOPE (enum watch_scope, not OWNED)
 * below it, by parent and name: parents before children.  Until it returns false.
 * EACH must not call the namespace.
 */
int namespace_each_node(struct namespace *namespace, struct slice path, uint8_t scope,
                        bool (*each)(void *context, const struct state_item *item), void *context);
/* The same for what OWNER owns. */
int namespace_each_owned(struct namespace *namespace, uint64_t owner,
                         bool (*each)(void *context, const struct state_item *item), void *context);

/* Every member recorded with COMMAND_MEMBER, ascending. */
int namespace_each_member(struct namespace *namespace,
                          void (*each)(void *context, const struct command *member), void *context);

/* The last failure of SQLite in words, for the log. */
const char *namespace_why(const struct namespace *namespace);

#endif
