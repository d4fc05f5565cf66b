/*
 * Watches: kept in the session's actor, resumed on every connection.
 *
 * Each WATCH request has a number of its own, so that events of an earlier one are
 * known by it and dropped.  A number is the watch's slot in a table plus a serial
 * number, so that an event finds its watch without searching.
 *
 * On a new connection the watches are asked for first.  Until all are answered no
 * other request leaves, but for SYNOD_LOCAL reads: the member holds back answers
 * only for watches that it knows.
 */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include <pthread.h>

#include "client/call.h"
#include "client/telling.h"

struct session;

#define WATCH_SLOTS          16384 /* a power of two above WATCHES_PER_CLIENT_MAX */
#define WATCH_QUEUE_SIZE_MAX (4u << 20)

enum watch_life {
	WATCH_ASKING, /* its call is in the lane, or will be */
	WATCH_OPEN,
	WATCH_PAUSED, /* its queue is full */
	WATCH_ENDED,
};

STAILQ_HEAD(telling_list, telling);

struct synod_watch {
	struct session *session;
	struct actor_item open_item;
	struct actor_item close_item;
	struct actor_item resume_item;
	struct waiter *close_waiter; /* whoever waits until it is closed; may be NULL */
	TAILQ_ENTRY(synod_watch) link;
	atomic_uint references; /* the actor's, and each thread's inside synod_watch_next() */
	atomic_bool is_closed;
	atomic_uint_least64_t told_revision;
	/* What it is about. */
	char *path;
	uint8_t scope; /* enum watch_scope */
	bool initial;
	bool with_data;
	bool marks;
	uint64_t from;
	synod_on_event *on_event; /* NULL: queued */
	void *context;
	/* The actor's. */
	enum watch_life life;
	struct call call; /* WATCH */
	bool is_in_lane;
	bool is_holding;   /* requests are held back until it is answered */
	bool asks_initial; /* the WATCH that is on its way */
	bool was_answered; /* at least once */
	uint64_t number;   /* of its WATCH on this connection; 0: none */
	unsigned slot;     /* in the table */
	struct position position;
	/* Its queue. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct telling_list queue;
	size_t queue_size;
	bool is_queue_paused; /* when it is empty, resume */
	bool has_told_end;
	struct telling *current; /* handed out by synod_watch_next() */
};

TAILQ_HEAD(watch_list, synod_watch);

/* The watches of a session. */
struct watches {
	struct watch_list list;
	struct synod_watch **slots; /* WATCH_SLOTS of them, once there is a watch */
	unsigned next_slot;
	uint64_t serial;
	unsigned holding_count;
	uint64_t marked_revision;  /* on this connection */
	struct telling *scratch;   /* what only a callback sees */
	atomic_uint count;         /* opened and not closed */
	struct synod_watch *owned; /* for options->on_loss; NULL: none */
};

/* ---- in the session's actor ---- */

void watches_init(struct session *session);
void watches_fini(struct session *session);

/* One of the items above, by kind. */
void watches_on_item(struct session *session, struct actor_item *item);

/* Must reads and writes wait? */
bool watches_hold(const struct session *session);

/* CALL is about to be sent: with what has been told by now. */
void watches_prepare(struct session *session, struct call *call);

/* True if WATCH's ERROR is no reason to end it. */
bool watches_is_transient(const struct call *call, int error);
void watches_on_refusal(struct session *session, struct call *call);
/* The answer; CALL has left the lane. */
void watches_on_answer(struct session *session, struct call *call, const struct response *response);

/* Not SYNOD_OK: the member talks nonsense. */
int watches_on_event(struct session *session, const struct frame *frame);

void watches_on_down(struct session *session);

/* The session was opened at REVISION (0: it is an old one), and this connection is bound to it. */
void watches_on_attached(struct session *session, uint64_t revision);

/* It has ended. */
void watches_on_session_end(struct session *session);

/* Nobody will ever answer: end those that never were. */
void watches_refuse_all(struct session *session, int error, const char *message);

/* Nothing is told from here on. */
void watches_close(struct session *session);

/* ---- between their parts ---- */

/* Ask for it, now or when the lane lets it.  IS_HOLDING: the application may have been told more
 * than the member knows to tell first. */
void watches_ask(struct session *session, struct synod_watch *watch, bool is_holding);

/* Into the table, and asked for; out of it, and released. */
void watches_take_in(struct session *session, struct synod_watch *watch);
void watches_drop(struct session *session, struct synod_watch *watch);

/* ---- a watch (watch.c) ---- */

/* NULL when memory ran out. */
struct synod_watch *watch_new(struct session *session, const char *path, uint8_t scope,
                              const struct synod_watch_options *options);
void watch_release(struct synod_watch *watch);

/* Into the queue; *TELLING is set to NULL.  True if the queue is full now, and told so only once
 * until it has drained (MAY_PAUSE). */
bool watch_enqueue(struct synod_watch *watch, struct telling **telling, bool may_pause);

#endif
