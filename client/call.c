/* Calls and the threads that wait for them. */
#include "client/call.h"

#include <stdlib.h>

#include "client/pages.h"
#include "shared/error.h"

/* What is kept for reuse, and the largest body kept with it. */
#define UNUSED_MAX     4096
#define BODY_SIZE_KEPT 4096

void
waiter_init(struct waiter *waiter, bool wants_result)
{
	*waiter = (struct waiter){.wants_result = wants_result};
	pthread_mutex_init(&waiter->lock, NULL);
	pthread_cond_init(&waiter->changed, NULL);
}

void
waiter_fini(struct waiter *waiter)
{
	pthread_cond_destroy(&waiter->changed);
	pthread_mutex_destroy(&waiter->lock);
}

void
waiter_wait(struct waiter *waiter)
{
	pthread_mutex_lock(&waiter->lock);
	while (!waiter->is_done)
		pthread_cond_wait(&waiter->changed, &waiter->lock);
	pthread_mutex_unlock(&waiter->lock);
}

bool
waiter_is_done(struct waiter *waiter)
{
	bool is_done;

	pthread_mutex_lock(&waiter->lock);
	is_done = waiter->is_done;
	pthread_mutex_unlock(&waiter->lock);
	return is_done;
}

void
waiter_finish(struct waiter *waiter, int error, struct outcome *outcome)
{
	pthread_mutex_lock(&waiter->lock);
	waiter->error = error;
	waiter->outcome = outcome;
	waiter->is_done = true;
	pthread_cond_signal(&waiter->changed);
	pthread_mutex_unlock(&waiter->lock);
}

int
call_pool_init(struct call_pool *pool)
{
	*pool = (struct call_pool){0};
	TAILQ_INIT(&pool->unused);
	return pthread_mutex_init(&pool->lock, NULL) == 0 ? SYNOD_OK : SYNOD_NO_MEMORY;
}

static void
call_destroy(struct call *call)
{
	buffer_fini(&call->body);
	free(call);
}

void
call_pool_fini(struct call_pool *pool)
{
	struct call *call;

	while ((call = TAILQ_FIRST(&pool->unused)) != NULL) {
		TAILQ_REMOVE(&pool->unused, call, link);
		call_destroy(call);
	}
	pthread_mutex_destroy(&pool->lock);
}

struct call *
call_new(struct call_pool *pool)
{
	struct call *call;

	pthread_mutex_lock(&pool->lock);
	call = TAILQ_FIRST(&pool->unused);
	if (call != NULL) {
		TAILQ_REMOVE(&pool->unused, call, link);
		pool->unused_count--;
	}
	pthread_mutex_unlock(&pool->lock);
	return call != NULL ? call : calloc(1, sizeof *call);
}

void
call_free(struct call_pool *pool, struct call *call)
{
	struct buffer body = call->body;
	bool is_kept = false;

	pages_free(call->pages);
	if (body.capacity > BODY_SIZE_KEPT)
		buffer_fini(&body);
	buffer_clear(&body);
	*call = (struct call){.body = body};
	pthread_mutex_lock(&pool->lock);
	if (pool->unused_count < UNUSED_MAX) {
		TAILQ_INSERT_HEAD(&pool->unused, call, link);
		pool->unused_count++;
		is_kept = true;
	}
	pthread_mutex_unlock(&pool->lock);
	if (!is_kept)
		call_destroy(call);
}

int
call_pool_admit(struct call_pool *pool, struct call *call)
{
	unsigned count = atomic_fetch_add(&pool->outstanding_count, 1);
	size_t bytes = atomic_fetch_add(&pool->outstanding_bytes, call->body.size);

	call->admitted_bytes = call->body.size;
	if (count < CALLS_MAX && bytes + call->body.size <= CALLS_BYTES_MAX)
		return SYNOD_OK;
	call_pool_leave(pool, call);
	return SYNOD_BUSY;
}

void
call_pool_leave(struct call_pool *pool, struct call *call)
{
	atomic_fetch_sub(&pool->outstanding_count, 1);
	atomic_fetch_sub(&pool->outstanding_bytes, call->admitted_bytes);
}
