/*
 * The transport over nng: timers.
 *
 * nng's own timers (nng_sleep_aio, 1.5.2) are not used: the thread behind them
 * spins through the last millisecond before each deadline, a quarter of a
 * member's processor time under load.  Here one thread for each transport, the
 * timekeeper, sleeps until the next deadline.  It never runs a handler itself: the
 * handler may run a strand, which may keep it for as long as the load lasts, and
 * then no other timer would fire.  It finishes the timer's aio, and nng runs the
 * handler on one of its threads.
 */
#include "shared/transport_nng.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "shared/check.h"

struct tcp_timer {
	struct timer base;
	struct tcp_transport *transport;
	struct tcp_timer *next; /* of the transport's, under its timers_mutex, as all below */
	void (*fire)(void *context);
	void *context;
	nng_aio *aio;
	uint64_t due_us; /* while is_set */
	bool is_set;
	bool is_in_flight; /* finished by the timekeeper, callback not yet begun */
};

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Locked.  Let everything fire that is due; when the next one is, UINT64_MAX if there is none. */
static uint64_t
let_fire(struct tcp_transport *transport, uint64_t at_us)
{
	uint64_t next_us = UINT64_MAX;

	for (struct tcp_timer *timer = transport->timers; timer != NULL; timer = timer->next) {
		if (!timer->is_set || timer->is_in_flight)
			continue;
		if (timer->due_us > at_us) {
			if (timer->due_us < next_us)
				next_us = timer->due_us;
			continue;
		}
		if (!nng_aio_begin(timer->aio))
			continue; /* it is being freed */
		timer->is_set = false;
		timer->is_in_flight = true;
		nng_aio_finish(timer->aio, 0);
	}
	return next_us;
}

static void *
timekeeper_main(void *argument)
{
	struct tcp_transport *transport = argument;

	pthread_mutex_lock(&transport->timers_mutex);
	while (!transport->timers_stopping) {
		uint64_t next_us = let_fire(transport, now_us());

		transport->timers_wake_us = next_us;
		if (next_us == UINT64_MAX) {
			pthread_cond_wait(&transport->timers_changed, &transport->timers_mutex);
		} else {
			struct timespec until = {.tv_sec = (time_t)(next_us / 1000000),
			                         .tv_nsec = (long)(next_us % 1000000) * 1000};

			pthread_cond_timedwait(&transport->timers_changed, &transport->timers_mutex,
			                       &until);
		}
	}
	pthread_mutex_unlock(&transport->timers_mutex);
	return NULL;
}

static void
on_aio(void *argument)
{
	struct tcp_timer *timer = argument;
	struct tcp_transport *transport = timer->transport;

	pthread_mutex_lock(&transport->timers_mutex);
	timer->is_in_flight = false;
	if (timer->is_set)
		pthread_cond_signal(&transport->timers_changed); /* it was set again meanwhile */
	pthread_mutex_unlock(&transport->timers_mutex);
	timer->fire(timer->context);
}

int
timers_start(struct tcp_transport *transport)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int error;

	pthread_mutex_init(&transport->timers_mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&transport->timers_changed, &attributes);
	pthread_condattr_destroy(&attributes);
	transport->timers_wake_us = UINT64_MAX;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&transport->timekeeper, NULL, timekeeper_main, transport);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		pthread_cond_destroy(&transport->timers_changed);
		pthread_mutex_destroy(&transport->timers_mutex);
	}
	return error;
}

void
timers_stop(struct tcp_transport *transport)
{
	CHECK(transport->timers == NULL);

	pthread_mutex_lock(&transport->timers_mutex);
	transport->timers_stopping = true;
	pthread_cond_signal(&transport->timers_changed);
	pthread_mutex_unlock(&transport->timers_mutex);
	pthread_join(transport->timekeeper, NULL);
	pthread_cond_destroy(&transport->timers_changed);
	pthread_mutex_destroy(&transport->timers_mutex);
}

struct timer *
timer_tcp_new(struct transport *base, void (*fire)(void *context), void *context)
{
	struct tcp_transport *transport = (struct tcp_transport *)base;
	struct tcp_timer *timer = calloc(1, sizeof *timer);

	if (timer == NULL)
		return NULL;
	timer->base.ops = base->ops;
	timer->transport = transport;
	timer->fire = fire;
	timer->context = context;
	if (nng_aio_alloc(&timer->aio, on_aio, timer) != 0) {
		free(timer);
		return NULL;
	}
	pthread_mutex_lock(&transport->timers_mutex);
	timer->next = transport->timers;
	transport->timers = timer;
	pthread_mutex_unlock(&transport->timers_mutex);
	return &timer->base;
}

void
timer_tcp_set(struct timer *base, unsigned delay_ms)
{
	struct tcp_timer *timer = (struct tcp_timer *)base;
	struct tcp_transport *transport = timer->transport;
	uint64_t due_us = now_us() + (uint64_t)delay_ms * 1000;

	pthread_mutex_lock(&transport->timers_mutex);
	timer->is_set = true;
	timer->due_us = due_us;
	if (due_us < transport->timers_wake_us) {
		transport->timers_wake_us = due_us;
		pthread_cond_signal(&transport->timers_changed);
	}
	pthread_mutex_unlock(&transport->timers_mutex);
}

void
timer_tcp_free(struct timer *base)
{
	struct tcp_timer *timer = (struct tcp_timer *)base;
	struct tcp_timer **link;

	if (timer == NULL)
		return;
	pthread_mutex_lock(&timer->transport->timers_mutex);
	for (link = &timer->transport->timers; *link != timer; link = &(*link)->next)
		CHECK(*link);
	*link = timer->next;
	pthread_mutex_unlock(&timer->transport->timers_mutex);
	nng_aio_stop(timer->aio);
	nng_aio_free(timer->aio);
	free(timer);
}
