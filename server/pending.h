/*
 * A pending request: from its arrival until its answer has been written.
 *
 * Made and freed by the member.  While the executor holds it (posted as an item,
 * or attached to an entry that it applies) the member does not touch it; the
 * executor writes the answer and hands it back.
 */
#ifndef SERVER_PENDING_H
#define SERVER_PENDING_H

#include "server/network/clients.h"
#include "server/paxos/entry.h"

struct pending {
	struct actor_item item; /* to the executor (reads) */
	struct pending *next;   /* in a list of the present holder */
	/* Where the answer goes.  Exactly one: */
	struct client *client;         /* a client of this member */
	uint64_t origin;               /* the member that forwarded it (0: none) */
	uint64_t origin_tag;           /* its number there */
	struct connection *connection; /* the client's or the origin's; one reference */
	/* What was asked. */
	uint64_t xid;
	uint8_t op;
	uint8_t consistency;
	uint64_t session;
	uint64_t started_ms;
	struct entry *entry; /* a write, until it is proposed */
	uint8_t *body;       /* a read's operation, or what SESSION_ATTACH needs */
	size_t body_size;
	/* Where it stands. */
	uint64_t tag;      /* forwarded to the leader under this number */
	uint64_t target;   /* ... which is this member */
	uint64_t index;    /* apply this far first */
	uint64_t slot;     /* a write that was proposed: its own */
	uint64_t stale_ms; /* a local read */
	/* The response as one packed element, where it is not written at once: SESSION_OPEN and
	 * SESSION_ATTACH are answered through the member, which binds the connection first; others
	 * wait for the events that they reflect. */
	struct buffer response;
	int error;
	uint64_t bound_session;
};

/* Write the answer of PENDING with RESULT (one packed element; empty: nil) to its connection, as a
 * RESPONSE or FORWARDED frame.  SCRATCH is reused memory. */
void pending_answer(struct pending *pending, int error, uint64_t revision, uint64_t stale_ms,
                    struct slice result, struct buffer *scratch);
/* The same with a response that is already packed. */
void pending_write(struct pending *pending, struct slice packed, struct buffer *scratch);

#endif
