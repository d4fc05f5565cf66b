/*
 * The application's own loop: the session's actor runs only when a thread of the
 * application lets it, and a descriptor says when there is something to do.
 *
 * Any thread may run it, one at a time.  A thread that waits for something runs it
 * meanwhile, unless another one does; then it waits for that one's turns.
 */
#ifndef CLIENT_LOOP_H
#define CLIENT_LOOP_H

#include <pthread.h>

#include "client/call.h"

struct loop {
	int fd; /* readable: there is something to do; or a thread that polls should look again */
	struct actor *actor;
	pthread_mutex_t running; /* held by the thread that runs the actor */
	pthread_mutex_t lock;    /* of what follows */
	pthread_cond_t changed;
	uint64_t turns; /* times the actor was run */
	bool is_polled; /* a thread waits for the descriptor in loop_turn() */
};

/* SYNOD_OK, SYNOD_NO_MEMORY (no descriptor left). */
int loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* From now on ACTOR (ACTOR_MANUAL) is run by it. */
void loop_attach(struct loop *loop, struct actor *actor);

/* Do what there is to do. */
void loop_run(struct loop *loop);

uint64_t loop_turns(struct loop *loop);

/* Wait until there is something to do and do it, at most TIMEOUT_MS (UINT_MAX: no limit).  Returns
 * at once if there were turns since loop_turns() was SINCE: look first whether they brought what
 * is waited for. */
void loop_turn(struct loop *loop, uint64_t since, unsigned timeout_ms);

/* waiter_wait(), running LOOP meanwhile, unless it is NULL. */
void loop_wait(struct loop *loop, struct waiter *waiter);

#endif
