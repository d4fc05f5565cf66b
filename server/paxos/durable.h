/*
 * What the disk holds, as far as it has told us, and what it still owes us.
 *
 * Operations are carried out in order.  Each is remembered with the state that
 * it leaves behind; when its token comes back, that state is durable.  A cut
 * lowers the lengths that older operations may still report, so that an old
 * completion never vouches for slots that have been replaced meanwhile.
 */
#ifndef SERVER_PAXOS_DURABLE_H
#define SERVER_PAXOS_DURABLE_H

#include "server/paxos/ballot.h"

struct durable_state {
	struct ballot promised;
	struct ballot accepted;
	uint64_t length; /* up to here the log in memory is durable, accepted at `accepted` or
	                    before */
};

struct durable_pending {
	uint64_t token;
	struct durable_state state;
};

struct durable {
	struct durable_state now;
	uint64_t token; /* the last one given out */
	/* A queue in a ring: pending_count elements from pending_head on. */
	struct durable_pending *pending;
	uint32_t pending_head, pending_count, pending_capacity;
};

void durable_init(struct durable *durable, const struct durable_state *restored);
void durable_fini(struct durable *durable);

/* The log is about to be cut after PREVIOUS: nothing beyond it is durable any more. */
void durable_cut(struct durable *durable, uint64_t previous);

/* An operation leaves the disk in STATE; returns its token. */
uint64_t durable_push(struct durable *durable, const struct durable_state *state);

/* Everything up to TOKEN is on disk. */
void durable_complete(struct durable *durable, uint64_t token);

/* Nothing is under way. */
int durable_is_settled(const struct durable *durable);

#endif
