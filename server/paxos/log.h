/*
 * The log in memory: the recent entries of the gap-free sequence, in a ring.
 *
 * Slots first .. length are held; older ones are in the journal only.  What is
 * not settled (chosen) is never evicted, so whoever may need to replace or resend an
 * undecided value has it at hand.  The one exception is a restart: then only the
 * tail that the journal returned is here.
 */
#ifndef SERVER_PAXOS_LOG_H
#define SERVER_PAXOS_LOG_H

#include "server/paxos/entry.h"

struct log {
	struct entry **ring;
	uint32_t capacity;      /* a power of two; grows as needed */
	uint64_t first;         /* the oldest slot in memory; length + 1 when there is none */
	uint64_t length;        /* the newest slot */
	uint64_t settled;       /* up to here chosen */
	uint64_t stop;          /* slot of the STOP entry, 0 if there is none in memory */
	size_t bytes;           /* of all entries in memory */
	size_t unsettled_bytes; /* of those after `settled` */
};

/* An empty memory of a log that ends at LENGTH. */
void log_init(struct log *log, uint64_t length);
void log_fini(struct log *log);

/* The entry of SLOT, or NULL if it is not in memory; no reference is taken. */
struct entry *log_get(const struct log *log, uint64_t slot);

/* Append after `length`, taking over the caller's reference.  Never after a STOP. */
void log_append(struct log *log, struct entry *entry);

/* Forget everything after PREVIOUS, which is not below `settled`. */
void log_cut(struct log *log, uint64_t previous);

/* Slots up to SLOT are chosen. */
void log_settle(struct log *log, uint64_t slot);

/* Drop the oldest entries, none beyond LIMIT or `settled`, until at most so many remain. */
void log_evict(struct log *log, uint64_t limit, uint32_t entries_max, size_t bytes_max);

/* What an entry costs in windows and caches. */
size_t log_cost(const struct entry *entry);

#endif
