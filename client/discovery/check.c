/* Health checks: their threads, their thresholds, and what they say together. */
#include "client/discovery/check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/discovery/check_run.h"
#include "shared/check.h"
#include "shared/clock.h"
#include "shared/error.h"

#define TIME_MIN_MS         100
#define TIME_MAX_MS         (24 * 60 * 60 * 1000)
#define COUNT_LIMIT         1000
#define TARGET_MAX          4096

#define DEFAULT_INTERVAL_MS 10000
#define DEFAULT_TIMEOUT_MS  2000
#define DEFAULT_RISE        1
#define DEFAULT_FALL        3

/* ---- what is a valid check ---- */

static const char *
refuse_http(const struct synod_check *check)
{
	struct http_url url;
	const char *why;

	return http_url_parse(check->target, &url, &why) == SYNOD_OK ? NULL : why;
}

static const char *
refuse_tcp(const struct synod_check *check)
{
	struct address address;

	if (address_parse(check->target, &address) != SYNOD_OK || atoi(address.port) == 0)
		return "the target is not HOST:PORT";
	return NULL;
}

static const char *
refuse_function(const struct synod_check *check)
{
	return check->run == NULL ? "there is no function to run" : NULL;
}

static const struct kind {
	bool has_target;
	const char *(*refuse)(const struct synod_check *check); /* NULL: nothing more to look at */
	enum synod_health (*run)(struct check_run *run);
} kinds[] = {
	[SYNOD_CHECK_HTTP] = {true, refuse_http, check_run_http},
	[SYNOD_CHECK_TCP] = {true, refuse_tcp, check_run_tcp},
	[SYNOD_CHECK_COMMAND] = {true, NULL, check_run_command},
	[SYNOD_CHECK_FUNCTION] = {false, refuse_function, check_run_function},
};

static bool
time_is_valid(unsigned time_ms)
{
	return time_ms == 0 || (time_ms >= TIME_MIN_MS && time_ms <= TIME_MAX_MS);
}

static const char *
refuse(const struct synod_check *check)
{
	const struct kind *kind;

	if ((unsigned)check->kind >= sizeof kinds / sizeof kinds[0] ||
	    kinds[check->kind].run == NULL)
		return "there is no such kind of check";
	kind = &kinds[check->kind];
	if (kind->has_target && (check->target == NULL || check->target[0] == '\0'))
		return "the target is missing";
	if (kind->has_target && strnlen(check->target, TARGET_MAX + 1) > TARGET_MAX)
		return "the target is too long";
	if (!time_is_valid(check->interval_ms))
		return "the interval is not within 100 ms and a day";
	if (!time_is_valid(check->timeout_ms))
		return "the timeout is not within 100 ms and a day";
	if (check->rise > COUNT_LIMIT || check->fall > COUNT_LIMIT)
		return "rise or fall is above 1,000";
	return kind->refuse != NULL ? kind->refuse(check) : NULL;
}

int
check_validate(const struct synod_check *check, char *why)
{
	const char *fault = refuse(check);

	snprintf(why, CHECK_WHY_SIZE, "%s", fault != NULL ? fault : "");
	return fault != NULL ? SYNOD_BAD_ARGUMENT : SYNOD_OK;
}

/* ---- thresholds ---- */

/* Counts stand still where they decide nothing more. */
static unsigned
one_more(unsigned count, unsigned enough)
{
	return count < enough ? count + 1 : count;
}

bool
threshold_take(struct threshold *threshold, enum synod_health outcome)
{
	bool is_good = outcome != SYNOD_CRITICAL;
	bool was_good = threshold->verdict != SYNOD_CRITICAL;

	CHECK(outcome == SYNOD_PASSING || outcome == SYNOD_WARNING || outcome == SYNOD_CRITICAL);
	threshold->good = is_good ? one_more(threshold->good, threshold->rise) : 0;
	threshold->bad = is_good ? 0 : one_more(threshold->bad, threshold->fall);
	if (threshold->has_verdict) {
		if (outcome == threshold->verdict)
			return false;
		if (!is_good && threshold->bad < threshold->fall)
			return false;
		if (is_good && !was_good && threshold->good < threshold->rise)
			return false;
	}
	threshold->has_verdict = true;
	threshold->verdict = outcome;
	return true;
}

/* ---- running them ---- */

struct checker {
	struct checks *checks;
	size_t index;
	struct synod_check check; /* the target is a copy; no zero stands for a default */
	struct http_client *http;
	struct threshold threshold; /* under the mutex */
	pthread_t thread;
	bool has_thread;
};

struct checks {
	void (*on_verdict)(void *context, size_t check, enum synod_health health, const char *why);
	void *context;
	int stop_fd;
	pthread_mutex_t telling; /* held through a call: one at a time, in the order of verdicts */
	pthread_mutex_t mutex;   /* never held through a call, so that one may ask for the health */
	size_t count;
	struct checker checkers[];
};

static bool
is_stopped(struct checks *checks, unsigned wait_ms)
{
	uint64_t deadline_ms = clock_now_ms(clock_real()) + wait_ms;
	struct check_run pause = {.stop_fd = checks->stop_fd, .deadline_ms = deadline_ms};

	return check_run_wait(&pause, -1, 0) == CHECK_STOPPED;
}

static void
tell(struct checker *checker, enum synod_health outcome, const char *why)
{
	struct checks *checks = checker->checks;
	bool is_news;

	pthread_mutex_lock(&checks->telling);
	pthread_mutex_lock(&checks->mutex);
	is_news = threshold_take(&checker->threshold, outcome);
	pthread_mutex_unlock(&checks->mutex);
	if (is_news)
		checks->on_verdict(checks->context, checker->index, outcome, why);
	pthread_mutex_unlock(&checks->telling);
}

static _Thread_local bool is_checker;

bool
checks_in_thread(void)
{
	return is_checker;
}

static void *
checker_main(void *argument)
{
	struct checker *checker = argument;
	struct checks *checks = checker->checks;

	is_checker = true;
	do {
		struct check_run run = {
			.check = &checker->check,
			.stop_fd = checks->stop_fd,
			.http = checker->http,
			.deadline_ms = clock_now_ms(clock_real()) + checker->check.timeout_ms,
		};
		enum synod_health outcome = kinds[checker->check.kind].run(&run);

		if (is_stopped(checks, 0))
			break; /* the outcome may be that of breaking it off */
		tell(checker, outcome, run.why);
	} while (!is_stopped(checks, checker->check.interval_ms));
	return NULL;
}

static unsigned
or_default(unsigned value, unsigned otherwise)
{
	return value != 0 ? value : otherwise;
}

static bool
checker_init(struct checker *checker, const struct synod_check *check)
{
	char why[CHECK_WHY_SIZE];
	bool has_target = kinds[check->kind].has_target;

	CHECK(check_validate(check, why) == SYNOD_OK);
	checker->check = *check;
	checker->check.interval_ms = or_default(check->interval_ms, DEFAULT_INTERVAL_MS);
	checker->check.timeout_ms = or_default(check->timeout_ms, DEFAULT_TIMEOUT_MS);
	checker->threshold.rise = or_default(check->rise, DEFAULT_RISE);
	checker->threshold.fall = or_default(check->fall, DEFAULT_FALL);
	checker->check.target = has_target ? strdup(check->target) : NULL;
	if (check->kind == SYNOD_CHECK_HTTP)
		checker->http = http_client_new();
	return (!has_target || checker->check.target != NULL) &&
	       (check->kind != SYNOD_CHECK_HTTP || checker->http != NULL);
}

static bool
start_all(struct checks *checks)
{
	for (size_t i = 0; i < checks->count; i++) {
		struct checker *checker = &checks->checkers[i];

		if (check_thread_start(&checker->thread, false, checker_main, checker) != 0)
			return false;
		checker->has_thread = true;
	}
	return true;
}

int
checks_start(const struct synod_check *checks, size_t count,
             void (*on_verdict)(void *context, size_t check, enum synod_health health,
                                const char *why),
             void *context, struct checks **started)
{
	struct checks *all = calloc(1, sizeof *all + count * sizeof all->checkers[0]);
	bool is_ready;

	CHECK(count <= CHECKS_MAX);
	if (all == NULL)
		return SYNOD_NO_MEMORY;
	all->on_verdict = on_verdict;
	all->context = context;
	all->count = count;
	pthread_mutex_init(&all->telling, NULL);
	pthread_mutex_init(&all->mutex, NULL);
	all->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	is_ready = all->stop_fd >= 0;
	for (size_t i = 0; i < count; i++) {
		all->checkers[i].checks = all;
		all->checkers[i].index = i;
		is_ready = checker_init(&all->checkers[i], &checks[i]) && is_ready;
	}
	*started = all; /* before the first call, which may use it */
	if (is_ready && start_all(all))
		return SYNOD_OK;
	*started = NULL;
	checks_stop(all);
	return SYNOD_NO_MEMORY;
}

static void
checker_fini(struct checker *checker)
{
	if (checker->has_thread)
		pthread_join(checker->thread, NULL);
	http_client_free(checker->http);
	free((char *)checker->check.target);
}

void
checks_stop(struct checks *checks)
{
	if (checks == NULL)
		return;
	if (checks->stop_fd >= 0)
		eventfd_write(checks->stop_fd, 1);
	for (size_t i = 0; i < checks->count; i++) {
		if (checks->checkers[i].http != NULL)
			http_client_abort(checks->checkers[i].http);
	}
	for (size_t i = 0; i < checks->count; i++)
		checker_fini(&checks->checkers[i]);
	if (checks->stop_fd >= 0)
		close(checks->stop_fd);
	pthread_mutex_destroy(&checks->mutex);
	pthread_mutex_destroy(&checks->telling);
	free(checks);
}

enum synod_health
checks_health(struct checks *checks)
{
	enum synod_health worst = SYNOD_PASSING;
	bool has_all = true;

	pthread_mutex_lock(&checks->mutex);
	for (size_t i = 0; i < checks->count; i++) {
		const struct threshold *threshold = &checks->checkers[i].threshold;

		has_all = has_all && threshold->has_verdict;
		if (threshold->has_verdict && threshold->verdict > worst)
			worst = threshold->verdict;
	}
	pthread_mutex_unlock(&checks->mutex);
	return has_all ? worst : SYNOD_STARTING;
}
