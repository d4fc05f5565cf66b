/*
 * The contact: one connection to some member, kept for as long as that member answers.
 *
 * Endpoints are tried in turn from a random one on; after a round in which none
 * answered there is a pause of 20 ms, doubling to 1 s, with jitter.  A contact is
 * up after HELLO both ways.  Dialling and greeting have a second each.  While an
 * answer is awaited, silence is met with a PING, and further silence ends the
 * connection: TCP alone takes minutes to notice that the way is gone.
 *
 * Runs in its owner's actor.
 */
#ifndef CLIENT_CONTACT_H
#define CLIENT_CONTACT_H

#include "client/endpoints.h"
#include "shared/clock.h"
#include "shared/connection.h"

#define CONTACT_DIAL_MS   1000
#define CONTACT_HELLO_MS  1000
#define CONTACT_IDLE_MS   15000 /* an idle connection is tried this often */
#define CONTACT_LISTEN_MS 2000  /* one on which events may come at any time, this often */
#define CONTACT_TEXT_MAX  512

enum contact_state {
	CONTACT_WAITING,  /* until retry_us */
	CONTACT_GREETING, /* dialled and greeted; until deadline_us */
	CONTACT_UP,
	CONTACT_STOPPED,
};

struct contact_handler {
	void (*on_up)(void *owner);
	void (*on_down)(void *owner); /* it was up; contact->error and problem say why */
	/* A frame other than HELLO, REFUSED, PING and PONG.  Not SYNOD_OK: the connection is
	 * closed. */
	int (*on_frame)(void *owner, const struct frame *frame);
	void (*on_stopped)(void *owner); /* after contact_stop(): no connection is left */
};

struct contact {
	const struct contact_handler *handler;
	void *owner;
	struct transport *transport;
	struct clock *clock;
	struct actor *actor;
	struct endpoints *endpoints;
	unsigned silence_ms;

	enum contact_state state;
	struct connection *connection; /* the present one; older ones may still be closing */
	unsigned open_connections;
	unsigned index;    /* of the endpoint */
	unsigned failures; /* since a member last answered something useful */
	uint64_t retry_us;
	uint64_t deadline_us;
	uint64_t up_since_us;
	uint64_t heard_us;
	uint64_t waiting_since_us; /* for an answer; 0: for none */
	bool is_listening;         /* the owner's: something may come unasked */
	uint64_t pinged_us;        /* 0: no PING is unanswered */
	uint64_t ping_number;
	bool was_useful;      /* this connection has brought an answer */
	struct buffer output; /* frames to be sent by contact_flush() */
	bool knows_cluster;
	uint8_t cluster_id[CLUSTER_ID_SIZE];
	/* Why the last attempt failed, "HOST:PORT: ..."; empty: none has. */
	int error;
	char problem[CONTACT_TEXT_MAX];
	uint64_t mismatches; /* bit i: endpoint i was refused for what it is, so waiting will not
	                        help */
};

/* Everything above the blank line is set by the owner before. */
void contact_start(struct contact *contact, uint64_t now_us);

/* Close and try no more; on_stopped follows, at once or later. */
void contact_stop(struct contact *contact);
void contact_fini(struct contact *contact);

/* Do what is due. */
void contact_on_time(struct contact *contact, uint64_t now_us);
/* When contact_on_time() is needed next; UINT64_MAX: not before something arrives. */
uint64_t contact_next_us(const struct contact *contact);

/* Something is awaited from the member, or nothing any more. */
void contact_set_waiting(struct contact *contact, bool is_waiting, uint64_t now_us);

/* The member has answered to the point: stay with it, and start from scratch if it is lost. */
void contact_was_useful(struct contact *contact);

/* Leave this member for the next one. */
void contact_switch(struct contact *contact, int error, const char *why, uint64_t now_us);

/* Append the HELLO of a client. */
void contact_write_hello(struct buffer *out);

void contact_flush(struct contact *contact, uint64_t now_us);

/* Every endpoint has refused us for a reason that will not go away by itself (another cluster,
 * another protocol). */
bool contact_is_hopeless(const struct contact *contact);

#endif
