/*
 * Actors: single-threaded inside, joined by inboxes, no other locks.
 *
 * An actor handles the items of its inbox one after the other, in the order in
 * which they were posted.  Items are intrusive (no allocation to post) and
 * belong to the actor from actor_post() until its handler returns them.
 *
 * How an actor runs is chosen when it is made:
 *   ACTOR_STRAND  whoever posts to an idle actor runs it until its inbox is
 *                 empty.  Measured twice as fast as waking a thread; for actors
 *                 that never block (the member).
 *   ACTOR_THREAD  a thread of its own sleeps until something is posted; for
 *                 actors that block (journal, namespace, snapshot).
 *   ACTOR_MANUAL  runs only when actor_run() is called: the simulator, tests, and
 *                 applications with a loop of their own.
 */
#ifndef SHARED_ACTOR_H
#define SHARED_ACTOR_H

#include <stdbool.h>

struct actor;

struct actor_item {
	struct actor_item *next; /* the actor's, while posted */
	unsigned kind;           /* the owner's */
};

enum actor_mode {
	ACTOR_STRAND,
	ACTOR_THREAD,
	ACTOR_MANUAL,
};

struct actor_handler {
	/* One item.  The item is the handler's from here on. */
	void (*on_item)(void *owner, struct actor_item *item);
	/* The inbox is empty for now, or a good many items came in a row: flush what was gathered.
	 * May be NULL. */
	void (*on_idle)(void *owner);
};

/* NAME (static) names the thread.  NULL only when memory or the system's threads run out. */
struct actor *actor_new(const char *name, enum actor_mode mode, const struct actor_handler *handler,
                        void *owner);

/* From any thread, also from inside a handler, the actor's own too: there it only enqueues.  A
 * poster to a strand may find itself running it: it holds no lock that a handler takes, and
 * touches nothing afterwards that a handler may free. */
void actor_post(struct actor *actor, struct actor_item *item);

/* ACTOR_MANUAL: handle everything posted; true if there was something.  One thread at a time. */
bool actor_run(struct actor *actor);

/* ACTOR_MANUAL: WAKE is called by whoever posts to an idle actor, which it must not run.  Before
 * anything is posted. */
void actor_set_wake(struct actor *actor, void (*wake)(void *context), void *context);

/* Items posted and not yet handled, about. */
unsigned actor_backlog(const struct actor *actor);

/* Wait until the inbox is empty and no handler runs; nothing may be posted afterwards.  A thread
 * is joined.  ACTOR_MANUAL: runs what is left.  Not from a handler. */
void actor_stop(struct actor *actor);

/* Stops it first, if that has not been done.  NULL is accepted. */
void actor_free(struct actor *actor);

#endif
