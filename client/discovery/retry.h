/*
 * Retrying, with the time given: what synod_retry_begin() and its like do now.
 *
 * The budget is a bucket of tokens.  Each call that begins puts PERCENT/100 of one into
 * it, PER_SECOND flow in with time, and each retry takes one.  It holds what flows in
 * ten seconds and what a thousand calls put in, and begins with the former.
 */
#ifndef CLIENT_DISCOVERY_RETRY_H
#define CLIENT_DISCOVERY_RETRY_H

#include "client/discovery.h"

void retry_begin_at(struct synod_retry *retry, const struct synod_retry_options *options,
                    uint64_t now_ms);

/* RETRY->random is not 0. */
bool retry_next_at(struct synod_retry *retry, uint64_t now_ms, unsigned *delay_ms);

unsigned retry_remaining_at(const struct synod_retry *retry, uint64_t now_ms);

/* A call begins. */
void budget_deposit(struct synod_retry_budget *budget, uint64_t now_ms);

/* May a retry begin?  Then its token is taken. */
bool budget_take(struct synod_retry_budget *budget, uint64_t now_ms);

#endif
