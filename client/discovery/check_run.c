/* What the runs of all kinds of checks share: time, stopping, words. */
#include "client/discovery/check_run.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/utf8.h"

int
check_run_left_ms(const struct check_run *run)
{
	uint64_t now_ms = clock_now_ms(clock_real());

	if (now_ms >= run->deadline_ms)
		return 0;
	return run->deadline_ms - now_ms < INT_MAX ? (int)(run->deadline_ms - now_ms) : INT_MAX;
}

enum check_wait
check_run_wait(const struct check_run *run, int fd, short events)
{
	struct pollfd polls[] = {{.fd = run->stop_fd, .events = POLLIN},
	                         {.fd = fd, .events = events}};

	for (;;) {
		int left_ms = check_run_left_ms(run);
		int ready = poll(polls, 2, left_ms);

		if (ready > 0 && polls[0].revents != 0)
			return CHECK_STOPPED;
		if (ready > 0)
			return CHECK_READY;
		if (left_ms == 0)
			return CHECK_LATE;
	}
}

enum synod_health
check_run_late(struct check_run *run)
{
	return check_run_fail(run, "no answer within %u ms", run->check->timeout_ms);
}

/* How many bytes the character at TEXT has, at least 1; *IS_SHOWN: whether it may be shown. */
static size_t
character_size(const uint8_t *text, size_t available, bool *is_shown)
{
	for (size_t size = 1; size <= 4 && size <= available; size++) {
		if (!utf8_is_valid((struct slice){text, size}))
			continue;
		/* The control characters, those of Unicode's second block as well. */
		*is_shown = size == 1 ? text[0] >= 0x20 && text[0] != 0x7f
		                      : text[0] != 0xc2 || text[1] >= 0xa0;
		return size;
	}
	*is_shown = false;
	return 1;
}

static void
copy_shown(char *to, size_t to_size, const char *from)
{
	const uint8_t *bytes = (const uint8_t *)from;
	size_t left = strlen(from);
	size_t at = 0;

	while (left > 0) {
		bool is_shown;
		size_t size = character_size(bytes, left, &is_shown);

		if (at + (is_shown ? size : 1) >= to_size)
			break;
		if (is_shown) {
			memcpy(to + at, bytes, size);
			at += size;
		} else {
			to[at++] = '?';
		}
		bytes += size;
		left -= size;
	}
	to[at] = '\0';
}

__attribute__((format(printf, 2, 0))) static void
say(struct check_run *run, const char *format, va_list arguments)
{
	char text[4 * CHECK_WHY_SIZE];

	vsnprintf(text, sizeof text, format, arguments);
	copy_shown(run->why, sizeof run->why, text);
}

void
check_run_say(struct check_run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(run, format, arguments);
	va_end(arguments);
}

enum synod_health
check_run_fail(struct check_run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(run, format, arguments);
	va_end(arguments);
	return SYNOD_CRITICAL;
}

enum synod_health
check_run_function(struct check_run *run)
{
	enum synod_health outcome = run->check->run(run->check->context);

	if (check_run_left_ms(run) == 0)
		return check_run_late(run);
	if (outcome == SYNOD_PASSING || outcome == SYNOD_WARNING || outcome == SYNOD_CRITICAL) {
		check_run_say(run, "the function says %s", synod_health_name(outcome));
		return outcome;
	}
	return check_run_fail(run, "the function returned %d, which is no outcome of a check",
	                      (int)outcome);
}

int
check_thread_start(pthread_t *thread, bool is_detached, void *(*main)(void *), void *argument)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, is_detached ? PTHREAD_CREATE_DETACHED
	                                                     : PTHREAD_CREATE_JOINABLE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, &attributes, main, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}
