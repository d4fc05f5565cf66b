/*
 * What a handle tells the recipes that stand on it: states, time, the end.
 *
 * Hooks are added and removed by any thread, and called by the session's actor.
 * Only the actor takes them from the list, and frees them, so that it can walk
 * the list while they are added; from hooks_close() on nobody does, so that the
 * closing thread can walk it too.
 */
#ifndef CLIENT_HOOKS_H
#define CLIENT_HOOKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "client/synod.h"
#include "shared/clock.h"

TAILQ_HEAD(hook_list, synod_hook);

struct hooks {
	pthread_mutex_t lock;
	struct hook_list list;
	atomic_uint_least64_t next_us; /* nothing is due before; 0: something is now */
	bool is_closing;
	struct clock *clock;
	/* Let hooks_on_time() be called in the actor, soon. */
	void (*wake)(void *context);
	void *wake_context;
};

void hooks_init(struct hooks *hooks, struct clock *clock);

/* ---- in the actor ---- */

void hooks_report(struct hooks *hooks, enum synod_state state, unsigned remaining_ms);
void hooks_on_time(struct hooks *hooks, uint64_t now_us);

/* ---- any thread ---- */

uint64_t hooks_next_us(const struct hooks *hooks);

/* The handle is about to close: on_close of all. */
void hooks_close(struct hooks *hooks);

/* After the actor: on_gone of all that are left. */
void hooks_fini(struct hooks *hooks);

#endif
