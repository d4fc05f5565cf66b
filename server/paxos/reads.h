/*
 * Linearizable reads: an index that covers every write answered before the read came.
 *
 * On the leader: r = chosen, then a heartbeat round that *begins after the read came*; when a
 * quorum has answered it, no higher ballot had been promised by a quorum when
 * the read came, so nothing beyond r was answered by anybody else.  Reads that come while rounds
 * are under way share the next one.  Ongaro's dissertation, 6.4.
 *
 * Elsewhere: all reads waiting share one READ_INDEX to the leader, with a nonce of our own.
 */
#ifndef SERVER_PAXOS_READS_H
#define SERVER_PAXOS_READS_H

#include "server/paxos/paxos.h"

#define READ_ROUNDS_MAX   2
#define READS_WAITING_MAX 65536

struct read_waiter {
	member_id member; /* who asks; 0: this member's shell */
	uint64_t cookie;  /* its cookie, or the other member's nonce */
};

struct read_round {
	uint64_t sequence; /* of the heartbeat on the leader, else our nonce */
	uint64_t index;    /* on the leader */
	uint64_t deadline_ms;
	struct read_waiter *waiters;
	uint32_t count, capacity;
};

struct reads {
	struct read_round waiting;
	struct read_round rounds[READ_ROUNDS_MAX]; /* under way, oldest first */
	unsigned round_count;
	uint64_t nonce;
};

/* The first nonce is random: an answer to an earlier life of this member must not fit. */
void reads_init(struct paxos *paxos);
void reads_fini(struct reads *reads);

void reads_on_read(struct paxos *paxos, uint64_t cookie, struct paxos_update *update);
void reads_on_read_index(struct paxos *paxos, const struct paxos_message *message,
                         struct paxos_update *update);
void reads_on_read_index_answer(struct paxos *paxos, const struct paxos_message *message,
                                struct paxos_update *update);

/* The role or the leader has changed: everything that waits must be asked anew. */
void reads_fail(struct paxos *paxos, struct paxos_update *update);

/* Start the rounds that can start, complete those that are confirmed or late. */
void reads_settle(struct paxos *paxos, struct paxos_update *update);

/* When the oldest round is given up; NEVER on the leader. */
uint64_t reads_deadline(const struct paxos *paxos);

#endif
