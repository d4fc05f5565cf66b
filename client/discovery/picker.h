/*
 * Picking: a slate that any thread can pick from while another one replaces it.
 *
 * Threads are spread over stripes, each with a lock and chance of its own, so that
 * they meet only where the same instance is picked.  To replace the slate every
 * stripe is locked once, one after the other; after that nobody reads the old one.
 *
 * A pick keeps its target, and its stripe, until it is done, in whatever thread:
 * the picker goes when it is closed and the last pick is done.
 */
#ifndef CLIENT_DISCOVERY_PICKER_H
#define CLIENT_DISCOVERY_PICKER_H

#include "client/discovery/balance.h"
#include "shared/clock.h"

struct picker;

/* CLOCK must outlive every pick.  The zone is copied; breaker and load_percent are complete.  NULL
 * when memory ran out. */
struct picker *picker_new(const struct balance_options *options, struct clock *clock);

/* Nothing is picked any more. */
void picker_close(struct picker *picker);

uint64_t picker_now_ms(const struct picker *picker);

/* Replace the slate by one of TARGETS.  One thread at a time.  SYNOD_OK or NO_MEMORY: then the old
 * one stays. */
int picker_set(struct picker *picker, struct target *const *targets, size_t count);

/* As synod_resolver_pick() and synod_pick_done(). */
int picker_pick(struct picker *picker, const struct synod_pick_options *options,
                struct synod_pick *pick);
void picker_done(struct synod_pick *pick, enum synod_outcome outcome);

/* The machine's clock, to a few milliseconds and in a few nanoseconds. */
struct clock *picker_clock_coarse(void);

#endif
