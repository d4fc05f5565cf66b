/* Running the session's actor inside the application's threads. */
#include "client/loop.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "shared/error.h"

static void
wake(void *context)
{
	struct loop *loop = context;

	/* Fails only when the counter is full, and then it is readable anyhow. */
	eventfd_write(loop->fd, 1);
}

int
loop_init(struct loop *loop)
{
	pthread_condattr_t monotonic;

	*loop = (struct loop){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (loop->fd < 0)
		return SYNOD_NO_MEMORY;
	pthread_mutex_init(&loop->running, NULL);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&loop->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return SYNOD_OK;
}

void
loop_fini(struct loop *loop)
{
	pthread_cond_destroy(&loop->changed);
	pthread_mutex_destroy(&loop->lock);
	pthread_mutex_destroy(&loop->running);
	close(loop->fd);
}

void
loop_attach(struct loop *loop, struct actor *actor)
{
	loop->actor = actor;
	actor_set_wake(actor, wake, loop);
}

void
loop_run(struct loop *loop)
{
	eventfd_t count;
	bool has_run;

	pthread_mutex_lock(&loop->running);
	/* Before the inbox is looked at: what is posted from here on makes it readable again. */
	eventfd_read(loop->fd, &count);
	has_run = actor_run(loop->actor);
	pthread_mutex_unlock(&loop->running);
	pthread_mutex_lock(&loop->lock);
	loop->turns++;
	if (has_run && loop->is_polled)
		wake(loop);
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

uint64_t
loop_turns(struct loop *loop)
{
	uint64_t turns;

	pthread_mutex_lock(&loop->lock);
	turns = loop->turns;
	pthread_mutex_unlock(&loop->lock);
	return turns;
}

static void
wait_for_another(struct loop *loop, unsigned timeout_ms)
{
	struct timespec until;

	if (timeout_ms == UINT_MAX) {
		pthread_cond_wait(&loop->changed, &loop->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&loop->changed, &loop->lock, &until);
}

void
loop_turn(struct loop *loop, uint64_t since, unsigned timeout_ms)
{
	struct pollfd readable = {.fd = loop->fd, .events = POLLIN};
	bool is_ours;

	pthread_mutex_lock(&loop->lock);
	is_ours = loop->turns == since && !loop->is_polled;
	if (is_ours)
		loop->is_polled = true;
	else if (loop->turns == since)
		wait_for_another(loop, timeout_ms);
	pthread_mutex_unlock(&loop->lock);
	if (!is_ours)
		return;
	poll(&readable, 1, timeout_ms > INT_MAX ? -1 : (int)timeout_ms);
	pthread_mutex_lock(&loop->lock);
	loop->is_polled = false;
	pthread_mutex_unlock(&loop->lock);
	loop_run(loop);
}

void
loop_wait(struct loop *loop, struct waiter *waiter)
{
	uint64_t turns;

	if (loop == NULL) {
		waiter_wait(waiter);
		return;
	}
	for (;;) {
		turns = loop_turns(loop);
		if (waiter_is_done(waiter))
			return;
		loop_turn(loop, turns, UINT_MAX);
	}
}
