/*
 * The breaker of one instance: when calls to it fail, let it alone for a while.
 *
 * Closed, open, half open (M. Nygard, "Release It!", 2007).  It opens after so many
 * failures in a row, or when the share of failures in the window is too large.
 * After open_ms one call at a time may try; so many good ones close it, and a bad
 * one opens it again, for twice as long.
 *
 * A call that began before the last trial did says nothing any more, whenever its
 * outcome becomes known: when an instance hangs, calls run into their timeouts long
 * after the breaker has opened, and must not be taken for the trial.
 *
 * The times are the caller's: monotonic milliseconds.  From any thread; lock-free while
 * closed or open, a lock where the state changes and while half open.
 */
#ifndef CLIENT_DISCOVERY_BREAKER_H
#define CLIENT_DISCOVERY_BREAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/discovery.h"

/* The window is so many slices, which are forgotten one at a time. */
#define BREAKER_SLICES 10

struct breaker {
	atomic_uint state; /* enum synod_breaker_state */
	atomic_uint failures_in_a_row;
	atomic_uint_fast64_t trial_begun_ms; /* of the last trial */
	atomic_uint_fast64_t open_until_ms;
	/* Of the calls while it is closed: which slice of time, calls, failures; see breaker.c. */
	atomic_uint_fast64_t slices[BREAKER_SLICES];
	pthread_mutex_t mutex; /* for what follows, and for changes of state */
	unsigned open_ms;      /* of the last time */
	unsigned trials_good;
	bool is_trying; /* half open: a call goes on */
};

/* Defaults for what is 0.  SYNOD_OK, or BAD_ARGUMENT: a window below 10 ms, times above a day,
 * open_ms above open_max_ms. */
int breaker_options_complete(struct synod_breaker_options *options);

void breaker_init(struct breaker *breaker);
void breaker_fini(struct breaker *breaker);

/* The way of nearly every call: nothing is wrong. */
static inline bool
breaker_is_closed(const struct breaker *breaker)
{
	return atomic_load_explicit(&breaker->state, memory_order_relaxed) == SYNOD_BREAKER_CLOSED;
}

/* May a call go through now?  If it is half open, the caller's is the trial, and its outcome must
 * be told (a trial whose outcome is not told within open_max_ms is given up). */
bool breaker_admits(struct breaker *breaker, const struct synod_breaker_options *options,
                    uint64_t now_ms);

/* Would it, without taking the trial? */
bool breaker_would_admit(struct breaker *breaker, const struct synod_breaker_options *options,
                         uint64_t now_ms);

/* The outcome of a call that was admitted at BEGUN_MS.  Returns whether the state changed. */
bool breaker_tell(struct breaker *breaker, const struct synod_breaker_options *options,
                  enum synod_outcome outcome, uint64_t begun_ms, uint64_t now_ms);

/* Half open as soon as a trial may be made. */
enum synod_breaker_state breaker_state(const struct breaker *breaker, uint64_t now_ms);

#endif
