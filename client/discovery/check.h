/*
 * Checks: is an instance well?
 *
 * Each check runs on a thread of its own, so that one that hangs delays no other.
 * A verdict is what thresholds make of the single outcomes: RISE good ones in a row
 * until it passes, FALL failures in a row until it is critical; a warning counts as
 * good.  The first outcome is the first verdict.
 *
 * Nothing of the ensemble is known here.
 */
#ifndef CLIENT_DISCOVERY_CHECK_H
#define CLIENT_DISCOVERY_CHECK_H

#include "client/discovery.h"

#define CHECKS_MAX 8

/* SYNOD_OK, or BAD_ARGUMENT with WHY (128 bytes): kind, target, times (100 ms to a day), counts. */
int check_validate(const struct synod_check *check, char *why);

struct checks;

/*
 * Start COUNT checks (valid ones; copied).  ON_VERDICT is called on the threads of the checks, one
 * call at a time, when a verdict changes and for the first of each, perhaps before this returns;
 * *STARTED is set by then, and checks_health() tells the verdict already.  WHY lives as long as the
 * call.  SYNOD_OK, NO_MEMORY (or no thread).
 */
int checks_start(const struct synod_check *checks, size_t count,
                 void (*on_verdict)(void *context, size_t check, enum synod_health health,
                                    const char *why),
                 void *context, struct checks **started);

/* Stop all, breaking off what goes on (a FUNCTION is waited for, and so is ON_VERDICT), and free.
 * No call follows.  Not from a thread of checks.  Accepts NULL. */
void checks_stop(struct checks *checks);

/* Is this a thread of checks, of whichever?  It must not wait for their end. */
bool checks_in_thread(void);

/* The worst verdict; SYNOD_STARTING before each has had its first. */
enum synod_health checks_health(struct checks *checks);

/* ---- the thresholds, apart from time and outside ---- */

struct threshold {
	unsigned rise;
	unsigned fall;
	unsigned good; /* in a row */
	unsigned bad;
	bool has_verdict;
	enum synod_health verdict;
};

/* Returns whether the verdict changed or is the first. */
bool threshold_take(struct threshold *threshold, enum synod_health outcome);

#endif
