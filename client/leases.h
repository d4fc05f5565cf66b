/*
 * Leases that this handle keeps alive.
 *
 * Kept leases travel in KEEPALIVE frames, with the session's or without one.  Each
 * is due a third of its ttl after the last confirmation, and whatever is due soon
 * travels along.  As with sessions, a lease can be counted on from when the last
 * confirmed keepalive was sent, minus a margin.
 *
 * The table is shared between the application's threads and the session's actor.
 */
#ifndef CLIENT_LEASES_H
#define CLIENT_LEASES_H

#include <pthread.h>

#include "client/synod.h"
#include "shared/pack.h"

struct call;
struct session;

#define LEASES_KEPT_MAX    1000
#define LEASES_GRANTED_MAX 1024 /* remembered, in case they are to be kept */

/* Numbers of KEEPALIVE frames whose answers are still understood. */
#define KEEPALIVES_REMEMBERED 16

struct kept_lease {
	uint64_t id;
	uint64_t ttl_ms;
	uint64_t deadline_us; /* until then it can be counted on; 0: not confirmed yet */
	uint64_t next_us;     /* when to send the next keepalive */
	bool is_granted;      /* by this handle: revoked when it closes */
	void (*on_end)(void *context, uint64_t lease);
	void *context;
};

struct granted_lease {
	uint64_t id;
	uint64_t ttl_ms;
	uint64_t asked_us; /* it cannot have been granted before */
};

/* The leases that one KEEPALIVE named. */
struct lease_frame {
	uint64_t number;
	uint64_t *ids;
	uint32_t count;
};

struct leases {
	pthread_mutex_t lock;
	struct kept_lease *kept; /* by id */
	unsigned count;
	unsigned capacity;
	struct granted_lease *granted; /* a ring, once there is one */
	unsigned granted_count;        /* ever */
	/* The actor's. */
	struct lease_frame frames[KEEPALIVES_REMEMBERED];
	uint64_t unanswered_us; /* the first unanswered keepalive was sent then; 0: none */
};

void leases_init(struct leases *leases);
void leases_fini(struct leases *leases);

/* ---- in the session's actor ---- */

/* When the first is due; UINT64_MAX: none is kept. */
uint64_t leases_next_us(struct leases *leases);

/* Append the array of those that are due, to be confirmed by the answer to NUMBER. */
void leases_pack(struct leases *leases, uint64_t number, uint64_t now_us, struct buffer *out);

/* The answer to NUMBER, sent at SENT_US; CURSOR is at the array of ttls. */
void leases_on_alive(struct leases *leases, uint64_t number, uint64_t sent_us, uint64_t now_us,
                     struct cursor *cursor);

/* How long the member may leave them unanswered; 0: none is kept. */
uint64_t leases_patience_us(struct leases *leases);

/* CALL has ended with RESULT: perhaps a grant, or a revocation. */
void leases_on_result(struct leases *leases, const struct call *call,
                      const struct synod_result *result);

/* Ask for the end of those that this handle granted and keeps; nobody waits for the answers. */
void leases_revoke(struct session *session);

#endif
