/*
 * A lock with a condition, for recipes whose callers wait for callbacks.
 *
 * Waiting works as the handle does: where the application has its own loop, the
 * waiting thread dispatches.  One thread waits at a time.
 */
#ifndef CLIENT_MONITOR_H
#define CLIENT_MONITOR_H

#include <pthread.h>

#include "client/synod.h"

struct monitor {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct synod *synod;
	int synod_fd; /* -1: the library has threads of its own */
	int wake_fd;
};

/* SYNOD_OK or SYNOD_NO_MEMORY. */
int monitor_init(struct monitor *monitor, struct synod *synod);
void monitor_fini(struct monitor *monitor);

void monitor_lock(struct monitor *monitor);
void monitor_unlock(struct monitor *monitor);

/* Held: what the waiting thread waits for may have come. */
void monitor_signal(struct monitor *monitor);

/* Held, and given up meanwhile: return after a signal, or without one.  Not in a callback. */
void monitor_wait(struct monitor *monitor);

#endif
