/*
 * The breaker: its three states, and the window of the calls' outcomes.
 *
 * A slice of the window is one word, so that counting a call is one atomic
 * exchange without a lock:
 *
 *    bits 40-63  which slice of time (modulo 2^24)
 *    bits 20-39  calls
 *    bits  0-19  failures
 *
 * A word of another slice of time is stale, and begins anew.  A count that would
 * overflow is halved together with the other one: only their ratio matters then.
 */
#include <limits.h>

#include "client/discovery/breaker.h"
#include "shared/error.h"

#define DAY_MS     86400000u
#define COUNT_BITS 20
#define COUNT_MAX  ((1u << COUNT_BITS) - 1)
#define INDEX_MAX  ((1u << 24) - 1)

static unsigned
or_default(unsigned value, unsigned preset)
{
	return value != 0 ? value : preset;
}

int
breaker_options_complete(struct synod_breaker_options *options)
{
	options->failures = or_default(options->failures, 5);
	options->failure_percent = or_default(options->failure_percent, 50);
	options->window_ms = or_default(options->window_ms, 10000);
	options->calls_min = or_default(options->calls_min, 20);
	options->open_ms = or_default(options->open_ms, 1000);
	if (options->open_max_ms == 0)
		options->open_max_ms = options->open_ms > 30000 ? options->open_ms : 30000;
	options->trials = or_default(options->trials, 1);
	if (options->window_ms < BREAKER_SLICES || options->window_ms > DAY_MS ||
	    options->open_max_ms > DAY_MS || options->open_ms > options->open_max_ms)
		return SYNOD_BAD_ARGUMENT;
	return SYNOD_OK;
}

void
breaker_init(struct breaker *breaker)
{
	*breaker = (struct breaker){.state = SYNOD_BREAKER_CLOSED};
	pthread_mutex_init(&breaker->mutex, NULL);
}

void
breaker_fini(struct breaker *breaker)
{
	pthread_mutex_destroy(&breaker->mutex);
}

/* ---- the window ---- */

static uint64_t
slice_pack(uint64_t index, uint64_t calls, uint64_t failures)
{
	return (index & INDEX_MAX) << (2 * COUNT_BITS) | calls << COUNT_BITS | failures;
}

static uint64_t
slice_index(const struct synod_breaker_options *options, uint64_t now_ms)
{
	return now_ms / (options->window_ms / BREAKER_SLICES);
}

static void
window_count(struct breaker *breaker, const struct synod_breaker_options *options, bool has_failed,
             uint64_t now_ms)
{
	uint64_t index = slice_index(options, now_ms);
	atomic_uint_fast64_t *slice = &breaker->slices[index % BREAKER_SLICES];
	uint64_t old = atomic_load_explicit(slice, memory_order_relaxed);
	uint64_t calls, failures;

	do {
		bool is_stale = old >> (2 * COUNT_BITS) != (index & INDEX_MAX);

		calls = is_stale ? 0 : old >> COUNT_BITS & COUNT_MAX;
		failures = is_stale ? 0 : old & COUNT_MAX;
		if (calls == COUNT_MAX) {
			calls /= 2;
			failures /= 2;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		slice, &old, slice_pack(index, calls + 1, failures + has_failed),
		memory_order_relaxed, memory_order_relaxed));
}

static bool
window_is_bad(struct breaker *breaker, const struct synod_breaker_options *options, uint64_t now_ms)
{
	uint64_t index = slice_index(options, now_ms);
	uint64_t calls = 0, failures = 0;

	for (unsigned age = 0; age < BREAKER_SLICES && age <= index; age++) {
		uint64_t slice = atomic_load_explicit(
			&breaker->slices[(index - age) % BREAKER_SLICES], memory_order_relaxed);

		if (slice >> (2 * COUNT_BITS) != ((index - age) & INDEX_MAX))
			continue;
		calls += slice >> COUNT_BITS & COUNT_MAX;
		failures += slice & COUNT_MAX;
	}
	return calls >= options->calls_min && failures * 100 >= calls * options->failure_percent;
}

/* ---- the states; the lock is held ---- */

static void
open_for(struct breaker *breaker, unsigned open_ms, uint64_t now_ms)
{
	breaker->open_ms = open_ms;
	breaker->trials_good = 0;
	breaker->is_trying = false;
	atomic_store_explicit(&breaker->open_until_ms, now_ms + open_ms, memory_order_relaxed);
	/* Whoever sees that it is open also sees until when. */
	atomic_store_explicit(&breaker->state, SYNOD_BREAKER_OPEN, memory_order_release);
}

static void
open_again(struct breaker *breaker, const struct synod_breaker_options *options, uint64_t now_ms)
{
	unsigned open_ms = options->open_max_ms;

	if (breaker->open_ms < open_ms / 2)
		open_ms = 2 * breaker->open_ms;
	open_for(breaker, open_ms, now_ms);
}

/* What happened before is forgotten, or old failures would soon open it again. */
static void
close_now(struct breaker *breaker)
{
	for (unsigned i = 0; i < BREAKER_SLICES; i++)
		atomic_store_explicit(&breaker->slices[i], 0, memory_order_relaxed);
	atomic_store_explicit(&breaker->failures_in_a_row, 0, memory_order_relaxed);
	breaker->is_trying = false;
	atomic_store_explicit(&breaker->state, SYNOD_BREAKER_CLOSED, memory_order_release);
}

static unsigned
state_of(const struct breaker *breaker)
{
	return atomic_load_explicit(&breaker->state, memory_order_acquire);
}

static uint64_t
trial_begun_ms(const struct breaker *breaker)
{
	return atomic_load_explicit(&breaker->trial_begun_ms, memory_order_relaxed);
}

/* ---- may a call go through ---- */

static bool
is_still_open(const struct breaker *breaker, uint64_t now_ms)
{
	return state_of(breaker) == SYNOD_BREAKER_OPEN &&
	       now_ms < atomic_load_explicit(&breaker->open_until_ms, memory_order_relaxed);
}

/* The lock is held. */
static bool
trial_is_free(const struct breaker *breaker, const struct synod_breaker_options *options,
              uint64_t now_ms)
{
	return !is_still_open(breaker, now_ms) &&
	       (!breaker->is_trying || now_ms >= trial_begun_ms(breaker) + options->open_max_ms);
}

/* Not closed: is the trial free, and, if TAKES, it is the caller's. */
static bool
try_trial(struct breaker *breaker, const struct synod_breaker_options *options, bool takes,
          uint64_t now_ms)
{
	bool admits;

	if (is_still_open(breaker, now_ms))
		return false;
	pthread_mutex_lock(&breaker->mutex);
	admits = breaker_is_closed(breaker) || trial_is_free(breaker, options, now_ms);
	if (admits && takes && !breaker_is_closed(breaker)) {
		breaker->is_trying = true;
		atomic_store_explicit(&breaker->trial_begun_ms, now_ms, memory_order_relaxed);
		atomic_store_explicit(&breaker->state, SYNOD_BREAKER_HALF_OPEN,
		                      memory_order_release);
	}
	pthread_mutex_unlock(&breaker->mutex);
	return admits;
}

bool
breaker_admits(struct breaker *breaker, const struct synod_breaker_options *options,
               uint64_t now_ms)
{
	return breaker_is_closed(breaker) || try_trial(breaker, options, true, now_ms);
}

bool
breaker_would_admit(struct breaker *breaker, const struct synod_breaker_options *options,
                    uint64_t now_ms)
{
	return breaker_is_closed(breaker) || try_trial(breaker, options, false, now_ms);
}

/* ---- outcomes ---- */

/* Of a call that began at or after the last trial. */
static bool
tell_trial(struct breaker *breaker, const struct synod_breaker_options *options,
           enum synod_outcome outcome, uint64_t now_ms)
{
	breaker->is_trying = false;
	switch (outcome) {
	case SYNOD_ABANDONED: return false;
	case SYNOD_FAILED: open_again(breaker, options, now_ms); return true;
	case SYNOD_SUCCEEDED: break;
	}
	if (++breaker->trials_good < options->trials)
		return false;
	close_now(breaker);
	return true;
}

/* Takes the lock for what cannot be done without: CLOSED or HALF_OPEN was seen before. */
static bool
change(struct breaker *breaker, const struct synod_breaker_options *options,
       enum synod_outcome outcome, unsigned seen, uint64_t begun_ms, uint64_t now_ms)
{
	bool has_changed = false;

	pthread_mutex_lock(&breaker->mutex);
	if (state_of(breaker) != seen || begun_ms < trial_begun_ms(breaker)) {
		has_changed = false; /* another thread was faster */
	} else if (seen == SYNOD_BREAKER_CLOSED) {
		open_for(breaker, options->open_ms, now_ms);
		has_changed = true;
	} else if (breaker->is_trying) {
		has_changed = tell_trial(breaker, options, outcome, now_ms);
	}
	pthread_mutex_unlock(&breaker->mutex);
	return has_changed;
}

/* Counts the outcome of a call while closed.  Returns whether it is to be opened. */
static bool
count_closed(struct breaker *breaker, const struct synod_breaker_options *options, bool has_failed,
             uint64_t now_ms)
{
	bool counts_share = options->failure_percent <= 100;

	if (counts_share)
		window_count(breaker, options, has_failed, now_ms);
	if (!has_failed) {
		/* Reading it is cheap as long as nobody writes it. */
		if (atomic_load_explicit(&breaker->failures_in_a_row, memory_order_relaxed) != 0)
			atomic_store_explicit(&breaker->failures_in_a_row, 0, memory_order_relaxed);
		return false;
	}
	if (atomic_fetch_add_explicit(&breaker->failures_in_a_row, 1, memory_order_relaxed) + 1 >=
	            options->failures &&
	    options->failures != UINT_MAX)
		return true;
	return counts_share && window_is_bad(breaker, options, now_ms);
}

bool
breaker_tell(struct breaker *breaker, const struct synod_breaker_options *options,
             enum synod_outcome outcome, uint64_t begun_ms, uint64_t now_ms)
{
	unsigned seen = state_of(breaker);

	if (seen == SYNOD_BREAKER_OPEN || begun_ms < trial_begun_ms(breaker))
		return false;
	if (seen == SYNOD_BREAKER_CLOSED) {
		if (outcome != SYNOD_SUCCEEDED && outcome != SYNOD_FAILED)
			return false;
		if (!count_closed(breaker, options, outcome == SYNOD_FAILED, now_ms))
			return false;
	}
	return change(breaker, options, outcome, seen, begun_ms, now_ms);
}

enum synod_breaker_state
breaker_state(const struct breaker *breaker, uint64_t now_ms)
{
	unsigned state = state_of(breaker);

	if (state == SYNOD_BREAKER_OPEN && !is_still_open(breaker, now_ms))
		return SYNOD_BREAKER_HALF_OPEN;
	return state;
}
