/*
 * The proposer: phase 1 as candidate, phase 2 as leader.
 *
 * proposer.c    prepares, collects promises, adopts the best log, proposes
 * replicate.c   brings each voter's log up to the leader's, and keeps it there
 */
#ifndef SERVER_PAXOS_PROPOSER_H
#define SERVER_PAXOS_PROPOSER_H

#include "server/paxos/paxos.h"

#define FLIGHTS_MAX 256 /* ACCEPTs under way to one voter; a power of two */

/* The suffix that a promiser sent, in pages: slots previous+1 .. previous+count. */
struct suffix {
	uint64_t previous;
	struct entry **entries;
	uint32_t count, capacity;
	size_t bytes;
};

enum voter_state {
	VOTER_UNPROMISED = 0,
	VOTER_SYNCING = 1, /* has promised; the adopted log is on its way, page by page */
	VOTER_SYNCED = 2,  /* has been sent all of the adopted log; plain ACCEPTs follow */
};

/* What the candidate or leader knows of one voter, at its own ballot. */
struct voter {
	member_id member;
	enum voter_state state;

	/* Phase 1. */
	bool is_out;            /* refused, or too far ahead of us: its promise will not count */
	struct ballot accepted; /* as promised */
	uint64_t length;
	uint64_t chosen;
	struct suffix suffix;
	uint64_t prepare_ms; /* when PREPARE was last sent, or a page of the promise came */

	/* Phase 2. */
	uint64_t base;    /* its log agrees with ours up to here, since before it promised */
	uint64_t next;    /* next slot to send */
	uint64_t matched; /* reported durable at our ballot */
	uint64_t told;    /* the `chosen` it was last told */
	uint64_t load;    /* id of the load under way, 0 for none */
	bool no_space;
	bool is_eager; /* wants to know at once what is chosen */
	/* ACCEPTs under way, oldest first: their last slots and sizes. */
	struct {
		uint64_t last;
		size_t bytes;
	} flights[FLIGHTS_MAX];
	uint32_t flight_head, flight_count;
	size_t flight_bytes;
	/* Everything sent before heartbeat probe_sequence must have come when it is answered. */
	uint64_t probe_sequence;
	uint64_t probe_next;

	uint64_t heard_ms;
	uint64_t answered; /* the latest heartbeat that it answered */
};

struct proposer {
	struct ballot ballot; /* the candidate's or leader's own */
	bool is_prepare_sent;
	bool by_transfer;
	uint64_t target; /* as leader: length of the adopted log with its LEADER_START */
	uint64_t start;  /* slot of LEADER_START; 0 when the adopted log ends in a STOP */
	bool is_serving;
	/* The adopted log: who has the same accepted ballot shares its prefix. */
	struct ballot adopted;
	uint64_t adopted_length;
	struct voter voters[PAXOS_VOTERS_MAX];
	unsigned voter_count;
	unsigned self; /* own index in voters */
};

void proposer_init(struct paxos *paxos);
void proposer_fini(struct proposer *proposer);

/* The voter called MEMBER, or NULL. */
struct voter *proposer_voter(struct paxos *paxos, member_id member);

/* ---- phase 1 ---- */

/* Begin a candidacy at BALLOT: promise it to oneself. */
void proposer_prepare(struct paxos *paxos, struct ballot ballot, bool by_transfer,
                      struct paxos_update *update);
/* Send PREPARE to VOTER (again). */
void proposer_send_prepare(struct paxos *paxos, struct voter *voter, struct paxos_update *update);
/* Send PREPARE again where neither it nor the promise seems to have arrived. */
void proposer_retry_prepare(struct paxos *paxos, struct paxos_update *update);

void proposer_on_promise(struct paxos *paxos, const struct paxos_message *message,
                         struct paxos_update *update);
void proposer_on_refuse(struct paxos *paxos, const struct paxos_message *message,
                        struct paxos_update *update);

/* Forget the candidacy or leadership. */
void proposer_reset(struct paxos *paxos);

/* ---- phase 2 ---- */

void proposer_on_propose(struct paxos *paxos, const struct paxos_event *event,
                         struct paxos_update *update);
void proposer_on_accepted(struct paxos *paxos, const struct paxos_message *message,
                          struct paxos_update *update);

/* What has become possible: PREPARE after the own promise, leadership, chosen, serving. */
void proposer_settle(struct paxos *paxos, struct paxos_update *update);

/* ---- phase 2, one voter (replicate.c) ---- */

/* VOTER has promised and its log agrees with ours up to BASE: bring it up to date. */
void replicate_start(struct paxos *paxos, struct voter *voter, uint64_t base,
                     struct paxos_update *update);
/* Send VOTER what it lacks, as far as bounds allow. */
void replicate(struct paxos *paxos, struct voter *voter, struct paxos_update *update);
/* VOTER has LENGTH durable at our ballot. */
void replicate_on_matched(struct paxos *paxos, struct voter *voter, uint64_t length,
                          struct paxos_update *update);
void replicate_on_resync(struct paxos *paxos, const struct paxos_message *message,
                         struct paxos_update *update);
/* An answered heartbeat also tells what has been lost before it. */
void replicate_on_heartbeat_answer(struct paxos *paxos, struct voter *voter,
                                   const struct paxos_message *message,
                                   struct paxos_update *update);
/* Entries for a voter, from the journal; false if the load is no voter's. */
bool replicate_on_loaded(struct paxos *paxos, const struct paxos_event *event,
                         struct paxos_update *update);
/* Tell the voters that have not heard of the newest `chosen`. */
void replicate_tell_chosen(struct paxos *paxos, bool only_eager, struct paxos_update *update);

#endif
