/*
 * One run of a check, by its kind.
 *
 * A run blocks its thread until there is an outcome, its time is over or the
 * check is stopped; the last two break it off.
 */
#ifndef CLIENT_DISCOVERY_CHECK_RUN_H
#define CLIENT_DISCOVERY_CHECK_RUN_H

#include <pthread.h>
#include <stdint.h>

#include "client/discovery/check.h"
#include "shared/http.h"

#define CHECK_WHY_SIZE      128
#define CHECK_ADDRESSES_MAX 8

struct check_run {
	const struct synod_check *check;
	int stop_fd;              /* readable once the check is to stop */
	struct http_client *http; /* of HTTP checks; aborted to stop them */
	uint64_t deadline_ms;
	char why[CHECK_WHY_SIZE];
};

/* The outcomes; what they say means nothing once stop_fd is readable. */
enum synod_health check_run_http(struct check_run *run);
enum synod_health check_run_tcp(struct check_run *run);
enum synod_health check_run_command(struct check_run *run);
enum synod_health check_run_function(struct check_run *run);

/* The time that is left, as for poll(). */
int check_run_left_ms(const struct check_run *run);

enum check_wait {
	CHECK_READY,
	CHECK_LATE,
	CHECK_STOPPED,
};

/* Wait for EVENTS (as of poll()) of FD, the deadline or the stop. */
enum check_wait check_run_wait(const struct check_run *run, int fd, short events);

/*
 * The numeric addresses of ADDRESS: at most CHECK_ADDRESSES_MAX, *COUNT of them; 0: there are none,
 * and WHY says so.  The system's resolver cannot be broken off: a name is looked up on a thread of
 * its own, which is left behind when the run is over before it, with nothing that others use, and
 * ends by itself.
 */
void check_run_resolve(struct check_run *run, const struct address *address,
                       struct address_number *numbers, unsigned *count);

/* For a run that was not over in time. */
enum synod_health check_run_late(struct check_run *run);

/* Say why, in UTF-8 without control characters, cut at a character; the outcome is critical. */
__attribute__((format(printf, 2, 3))) enum synod_health check_run_fail(struct check_run *run,
                                                                       const char *format, ...);
__attribute__((format(printf, 2, 3))) void check_run_say(struct check_run *run, const char *format,
                                                         ...);

/* Start a thread of the library: no signal of the program's is for it.  0 or an errno. */
int check_thread_start(pthread_t *thread, bool is_detached, void *(*main)(void *), void *argument);

#endif
