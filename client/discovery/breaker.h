/*
 * The breaker of one instance: when calls to it fail, let it alone for a while.
 *
 * Closed, open, half open (M. Nygard, "Release It!", 2007).  It opens after so many
 * failures in a row, or when the share of failures in the window is too large.
 * After open_ms one call at a time may try; so many good ones close it, and a bad
 * one opens it again, for twice as long.
 *
 * The times are the caller's: monotonic milliseconds.  From any thread; lock-free while
 * closed and in good order, a lock otherwise.
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
	pthread_mutex_t mutex; /* for all below */
	struct {
		uint64_t index; /* which slice of time */
		unsigned calls;
		unsigned failures;
	} slices[BREAKER_SLICES];
	uint64_t open_until_ms;
	unsigned open_ms; /* of the last time */
	unsigned trials_good;
	bool is_trying; /* half open: a call goes on */
	uint64_t trial_begun_ms;
};

/* Defaults for what is 0.  SYNOD_OK or BAD_ARGUMENT. */
int breaker_options_complete(struct synod_breaker_options *options);

void breaker_init(struct breaker *breaker);
void breaker_fini(struct breaker *breaker);

/* May a call go through now?  If it is half open, the caller's is the trial, and its outcome must
 * be told (a trial whose outcome is not told within open_max_ms is given up). */
bool breaker_admits(struct breaker *breaker, const struct synod_breaker_options *options,
                    uint64_t now_ms);

/* Would it, without taking the trial? */
bool breaker_would_admit(struct breaker *breaker, const struct synod_breaker_options *options,
                         uint64_t now_ms);

/* Returns whether the state changed. */
bool breaker_tell(struct breaker *breaker, const struct synod_breaker_options *options,
                  enum synod_outcome outcome, uint64_t now_ms);

enum synod_breaker_state breaker_state(struct breaker *breaker,
                                       const struct synod_breaker_options *options,
                                       uint64_t now_ms);

#endif
