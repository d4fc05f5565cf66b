/*
 * Election: who leads, since when it was last heard, and what the clock makes of it.
 *
 * Follower   no leader heard for a randomized timeout: ask for pre-votes (nothing
 *            changes by asking); with a quorum of them, become a candidate.
 * Candidate  gives up at its deadline.
 * Leader     heartbeats; steps down when a quorum has not answered for the
 *            longest timeout, when its own disk or namespace stalls as long, or
 *            when it meets a higher ballot.
 *
 * Ongaro's dissertation, 4.2.3 (stickiness), 6.2 (check-quorum), 9.6 (pre-vote), 3.10
 * (transfer).
 */
#ifndef SERVER_PAXOS_ELECTION_H
#define SERVER_PAXOS_ELECTION_H

#include "server/paxos/paxos.h"

#define NEVER UINT64_MAX

struct election {
	uint64_t deadline_ms;  /* of the follower's patience, the pre-vote or the candidacy */
	uint64_t heartbeat_ms; /* when to send heartbeats, or to ask again, next */
	uint64_t round_max;    /* the highest round seen */

	member_id leader; /* 0: none known */
	struct ballot leader_ballot;
	uint64_t heard_ms;   /* when the leader was last heard */
	uint64_t stalled_ms; /* when the own disk or namespace was last seen stalled; 0: never */
	bool is_stalled;

	bool is_prevoting;
	struct ballot prevote;
	bool is_granted[PAXOS_VOTERS_MAX]; /* by the index of proposer.voters */

	/* As leader. */
	uint64_t sequence;         /* of the last heartbeat */
	uint64_t chosen_due_ms;    /* when the voters must be told of `chosen`, or NEVER */
	member_id transfer_target; /* 0: none */
	uint64_t transfer_ms;      /* when to give the transfer up */
	bool is_transfer_sent;
	uint64_t no_space_ms; /* when to look for a successor again */
};

void election_init(struct paxos *paxos);

/* The next random deadline from now, DELAY_MS later than usual. */
void election_reset_deadline(struct paxos *paxos, uint64_t delay_ms);

void election_on_tick(struct paxos *paxos, struct paxos_update *update);
void election_on_prevote(struct paxos *paxos, const struct paxos_message *message,
                         struct paxos_update *update);
void election_on_prevote_answer(struct paxos *paxos, const struct paxos_message *message,
                                struct paxos_update *update);
void election_on_heartbeat(struct paxos *paxos, const struct paxos_message *message,
                           struct paxos_update *update);
void election_on_heartbeat_answer(struct paxos *paxos, const struct paxos_message *message,
                                  struct paxos_update *update);
void election_on_transfer_message(struct paxos *paxos, const struct paxos_message *message,
                                  struct paxos_update *update);
void election_on_stalled(struct paxos *paxos, const struct paxos_event *event,
                         struct paxos_update *update);
void election_on_transfer(struct paxos *paxos, member_id target, struct paxos_update *update);
void election_on_no_space(struct paxos *paxos, bool no_space, struct paxos_update *update);

/* A message that only the leader of MESSAGE's ballot sends has come, at a ballot not below ours. */
void election_on_leader_heard(struct paxos *paxos, const struct paxos_message *message,
                              struct paxos_update *update);

/* Another member's ballot is being promised: whoever we were, we follow now. */
void election_yield(struct paxos *paxos, struct ballot ballot, struct paxos_update *update);

/* From candidate back to follower; wait DELAY_MS longer than usual before the next try. */
void election_give_up(struct paxos *paxos, uint64_t delay_ms, struct paxos_update *update);

/* Phase 1 is complete. */
void election_won(struct paxos *paxos);

/* From leader to follower, for REASON. */
void election_step_down(struct paxos *paxos, enum transition_type reason, uint64_t ms,
                        struct paxos_update *update);

/* Heartbeats with a new sequence number to everybody. */
void election_broadcast(struct paxos *paxos, struct paxos_update *update);

/* True while a live leader (or this member itself, leading) makes an election unwanted. */
bool election_has_leader(const struct paxos *paxos);

/* When a quorum, the leader included, was last heard. */
uint64_t election_quorum_heard_ms(const struct paxos *paxos);

/* The target of a transfer has everything: let it go ahead. */
void election_settle(struct paxos *paxos, struct paxos_update *update);

uint64_t election_deadline(const struct paxos *paxos);

#endif
