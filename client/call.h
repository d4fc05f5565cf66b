/*
 * Calls: what the application asked for, from the call to its outcome.
 *
 * A call is made in the application's thread, posted to the session's actor, and
 * belongs to that actor until it is completed.  Finished calls are kept for
 * reuse with their memory, because a program can make hundreds of thousands a
 * second.
 */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "client/result.h"
#include "shared/actor.h"

/* A thread that waits for one call. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	bool wants_result;
	int error;
	struct outcome *outcome; /* NULL if not wanted, or no memory was left for it */
};

void waiter_init(struct waiter *waiter, bool wants_result);
void waiter_fini(struct waiter *waiter);
void waiter_wait(struct waiter *waiter);
bool waiter_is_done(struct waiter *waiter);

/* OUTCOME (may be NULL) becomes the waiter's; WAITER may be gone when this returns. */
void waiter_finish(struct waiter *waiter, int error, struct outcome *outcome);

struct pages;

struct call {
	struct actor_item item; /* first: the actor hands it back */
	TAILQ_ENTRY(call) link; /* in its lane, or among the unused */
	uint8_t op;
	uint8_t consistency;
	bool is_abandoned; /* its caller has its outcome; only the session's number is still in use
	                    */
	unsigned attempts; /* times it was sent */
	unsigned timeout_ms;
	uint64_t deadline_us;
	uint64_t at_least;  /* SYNOD_AT_LEAST; 0: what the handle has seen */
	uint64_t xid;       /* while an answer is awaited, else 0 */
	uint64_t seq;       /* writes: from the first time it is sent */
	struct buffer body; /* one packed element */
	size_t admitted_bytes;
	struct pages *pages; /* a LIST or LOG; else NULL */
	synod_done *done;    /* the outcome goes to a callback, */
	void *context;
	struct waiter *waiter; /* or to a thread */
};

TAILQ_HEAD(call_list, call);

/* The calls of one handle. */
struct call_pool {
	pthread_mutex_t lock;
	struct call_list unused;
	unsigned unused_count;
	atomic_uint outstanding_count;
	atomic_size_t outstanding_bytes;
};

/* More than this outstanding is refused with SYNOD_BUSY. */
#define CALLS_MAX       65536
#define CALLS_BYTES_MAX (64u << 20)

int call_pool_init(struct call_pool *pool);
void call_pool_fini(struct call_pool *pool);

/* A zeroed call with an empty body; NULL when memory ran out. */
struct call *call_new(struct call_pool *pool);
void call_free(struct call_pool *pool, struct call *call);

/* Count CALL, whose body is complete, among the outstanding: SYNOD_OK or SYNOD_BUSY. */
int call_pool_admit(struct call_pool *pool, struct call *call);
/* The reverse, before call_free() or a change of the body. */
void call_pool_leave(struct call_pool *pool, struct call *call);

#endif
