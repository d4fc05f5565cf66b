/*
 * The acceptor: promises (1b) and accepts (2b).
 *
 * Its durable state is promised, accepted and the log.  The rules:
 *
 *   - it promises only ballots above its promise, and answers once the promise, and
 *     everything accepted before it, is durable;
 *   - being accepted at ballot b means: the log contains the whole log that b's leader
 *     adopted.  So ACCEPT_SYNC takes effect at once or not at all; pages of a long one
 *     are kept aside (staged) until they are complete;
 *   - a follower that lags far need not stage everything: pages of *chosen* values that reach
 *     beyond its own log may be written early, without changing `accepted` (they are
 *     learned, not accepted).  Reaching beyond its own log matters: until then, what it
 *     would cut may be a vote that some chosen value rests on.  Afterwards it has only
 *     exchanged votes for the values themselves, and a longer log of the same
 *     accepted ballot still wins over it.
 */
#ifndef SERVER_PAXOS_ACCEPTOR_H
#define SERVER_PAXOS_ACCEPTOR_H

#include "server/paxos/paxos.h"

/* The PROMISE owed to a candidate, and how far it has been sent. */
struct acceptor_promise {
	bool is_owed;
	struct ballot ballot;
	uint64_t first; /* first slot of the suffix that the candidate lacks */
	uint64_t next;  /* next slot to send */
	uint64_t load;  /* id of the load under way, 0 for none */
	bool is_held;   /* a load brought nothing: wait for the candidate to ask again */
};

/* The part of an ACCEPT_SYNC that has come: slots previous+1 .. previous+count. */
struct acceptor_staged {
	struct ballot ballot; /* none: nothing is staged */
	uint64_t previous;
	struct entry **entries;
	uint32_t count, capacity;
};

struct acceptor {
	struct acceptor_promise promise;
	struct acceptor_staged staged;
	uint64_t reported;      /* the durable length last told at the accepted ballot */
	bool is_report_owed;    /* tell it again */
	uint64_t resync_length; /* the last RESYNC sent: once per length and heartbeat is enough */
	uint64_t resync_ms;
};

void acceptor_fini(struct acceptor *acceptor);

void acceptor_on_prepare(struct paxos *paxos, const struct paxos_message *message,
                         struct paxos_update *update);
void acceptor_on_accept_sync(struct paxos *paxos, const struct paxos_message *message,
                             struct paxos_update *update);
void acceptor_on_accept(struct paxos *paxos, const struct paxos_message *message,
                        struct paxos_update *update);

/* Entries for the promise, from the journal; false if the load is not the acceptor's. */
bool acceptor_on_loaded(struct paxos *paxos, const struct paxos_event *event,
                        struct paxos_update *update);

/* Up to which slot the log here is known to agree with the log of BALLOT's leader. */
uint64_t acceptor_agreed(const struct paxos *paxos, struct ballot ballot);

/* Forget what was staged, because another ballot has begun. */
void acceptor_unstage(struct acceptor *acceptor);

void acceptor_refuse(struct paxos *paxos, const struct paxos_message *message,
                     struct paxos_update *update);

/* Send what has become durable: PROMISE, ACCEPTED. */
void acceptor_settle(struct paxos *paxos, struct paxos_update *update);

#endif
