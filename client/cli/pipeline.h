/* A bound on calls in flight: the caller enters, the call's callback leaves. */
#ifndef CLIENT_CLI_PIPELINE_H
#define CLIENT_CLI_PIPELINE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct pipeline {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t calls;
	size_t calls_max;
	size_t bytes;
	size_t bytes_max;
};

void pipeline_init(struct pipeline *pipeline, size_t calls_max, size_t bytes_max);
void pipeline_fini(struct pipeline *pipeline);

/* Wait until there is room for a call of SIZE bytes (one larger than the bound goes alone). */
void pipeline_enter(struct pipeline *pipeline, size_t size);

/* The call of SIZE bytes is over.  From any thread. */
void pipeline_leave(struct pipeline *pipeline, size_t size);

/* Wait until every call is over. */
void pipeline_drain(struct pipeline *pipeline);

#endif
