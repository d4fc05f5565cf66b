/*
 * Lanes: calls of one kind in their order, those to be sent and those that were sent.
 *
 * Writes, reads and local reads have a lane each, so that one kind being refused
 * does not hold up the others.
 *
 * A transient refusal ("no leader at the moment") puts the lane in trouble: after
 * a pause everything unanswered is sent again in order, and only one call at a
 * time until one gets through.  The pause is an eighth of the time the trouble
 * has lasted, from 5 ms to 250 ms, with jitter: a short outage is hardly
 * prolonged and a long one costs little.
 */
#ifndef CLIENT_LANE_H
#define CLIENT_LANE_H

#include "client/call.h"

struct lane {
	struct call_list queue; /* to be sent */
	struct call_list sent;  /* on this connection; those refused since have xid 0 */
	unsigned window;        /* calls that may be sent and unanswered */
	unsigned sent_count;
	uint64_t retry_us;         /* send everything again then; 0: no need */
	uint64_t trouble_since_us; /* 0: none */
	int trouble_error; /* the last transient refusal; SYNOD_OK: none since the last success */
};

void lane_init(struct lane *lane);

bool lane_is_empty(const struct lane *lane);

/* The next call may be sent. */
bool lane_is_open(const struct lane *lane);

/* Move the first of the queue to the sent. */
struct call *lane_send(struct lane *lane);

/* Take CALL out of whichever list it is in; calls in the queue have IS_SENT false. */
void lane_remove(struct lane *lane, struct call *call, bool is_sent);

/* Put everything that was sent back in front of the queue, in order. */
void lane_go_back(struct lane *lane);

/* Put a write back among the queue's, by its number; after lane_go_back(). */
void lane_insert_by_seq(struct lane *lane, struct call *call);

/* A call was refused for now with ERROR; CHANCE is a random number. */
void lane_on_refusal(struct lane *lane, int error, uint64_t now_us, uint64_t chance);

/* A call was answered for good. */
void lane_on_answer(struct lane *lane);

/* There is a new connection: no need to wait. */
void lane_on_connection(struct lane *lane);

#endif
