/* Health checks: thresholds, validation, what each kind says, and that stopping is quick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/discovery/check.h"
#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/error.h"
#include "shared/utf8.h"
#include "tests/support/stub_server.h"

#define PATIENCE_MS   30000
#define FOREVER_MS    600000
#define STOP_MAX_MS   1000 /* it takes a few; machines that are busy get the rest */
#define WHY_SIZE      128
#define VERDICTS_MAX  64
#define STOPS         10
#define WAIT_SLICE_NS 1000000

/* ---- what was told ---- */

struct verdict {
	size_t check;
	enum synod_health health;
	enum synod_health together; /* checks_health() at that moment */
	char why[4 * WHY_SIZE];
};

struct told {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct checks *checks;
	struct verdict verdicts[VERDICTS_MAX];
	size_t count;
	bool is_over; /* checks_stop() has returned */
	bool was_told_after;
	bool was_told_at_once; /* two calls at a time */
	atomic_bool is_telling;
};

static void
told_init(struct told *told)
{
	pthread_condattr_t attributes;

	memset(told, 0, sizeof *told);
	pthread_mutex_init(&told->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&told->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void
told_fini(struct told *told)
{
	pthread_cond_destroy(&told->changed);
	pthread_mutex_destroy(&told->mutex);
}

static void
on_verdict(void *context, size_t check, enum synod_health health, const char *why)
{
	struct told *told = context;
	enum synod_health together = checks_health(told->checks);
	bool was_telling = atomic_exchange(&told->is_telling, true);

	pthread_mutex_lock(&told->mutex);
	told->was_told_at_once = told->was_told_at_once || was_telling;
	told->was_told_after = told->was_told_after || told->is_over;
	if (told->count < VERDICTS_MAX) {
		struct verdict *verdict = &told->verdicts[told->count++];

		*verdict = (struct verdict){check, health, together, ""};
		snprintf(verdict->why, sizeof verdict->why, "%s", why);
	}
	pthread_cond_broadcast(&told->changed);
	pthread_mutex_unlock(&told->mutex);
	atomic_store(&told->is_telling, false);
}

/* Whether COUNT verdicts have been told, within half a minute. */
static bool
told_wait(struct told *told, size_t count)
{
	struct timespec until;
	bool is_there;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_MS / 1000;
	pthread_mutex_lock(&told->mutex);
	while (told->count < count &&
	       pthread_cond_timedwait(&told->changed, &told->mutex, &until) == 0)
		;
	is_there = told->count >= count;
	pthread_mutex_unlock(&told->mutex);
	return is_there;
}

static void
start(struct told *told, const struct synod_check *checks, size_t count)
{
	char why[WHY_SIZE];

	told_init(told);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(check_validate(&checks[i], why), SYNOD_OK);
	assert_int_equal(checks_start(checks, count, on_verdict, told, &told->checks), SYNOD_OK);
}

static uint64_t
stop(struct told *told)
{
	uint64_t before_ms = clock_now_ms(clock_real());
	uint64_t took_ms;

	checks_stop(told->checks);
	took_ms = clock_now_ms(clock_real()) - before_ms;
	pthread_mutex_lock(&told->mutex);
	told->is_over = true;
	pthread_mutex_unlock(&told->mutex);
	assert_false(told->was_told_after);
	assert_false(told->was_told_at_once);
	told_fini(told);
	return took_ms;
}

/* The first verdict of one check. */
static struct verdict
first_verdict(const struct synod_check *check)
{
	struct told told;
	struct verdict verdict;

	start(&told, check, 1);
	assert_true(told_wait(&told, 1));
	verdict = told.verdicts[0];
	stop(&told);
	assert_int_equal(verdict.check, 0);
	assert_int_equal(verdict.together, verdict.health);
	assert_true(strlen(verdict.why) < WHY_SIZE);
	assert_true(utf8_is_valid(slice_of(verdict.why)));
	return verdict;
}

static bool
wait_until(bool (*is_so)(const void *context), const void *context)
{
	const struct timespec slice = {.tv_nsec = WAIT_SLICE_NS};

	for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
		if (is_so(context))
			return true;
		nanosleep(&slice, NULL);
	}
	return false;
}

/* ---- thresholds ---- */

/* What the header promises, from the whole history each time. */
static enum synod_health
verdict_of(const enum synod_health *outcomes, size_t count, unsigned rise, unsigned fall)
{
	enum synod_health verdict = outcomes[0];
	unsigned good = 0, bad = 0;

	for (size_t i = 0; i < count; i++) {
		good = outcomes[i] == SYNOD_CRITICAL ? 0 : good + 1;
		bad = outcomes[i] == SYNOD_CRITICAL ? bad + 1 : 0;
		if (bad >= fall || (good > 0 && (verdict != SYNOD_CRITICAL || good >= rise)))
			verdict = outcomes[i];
	}
	return verdict;
}

static void
check_history(const enum synod_health *outcomes, size_t count, unsigned rise, unsigned fall)
{
	struct threshold threshold = {.rise = rise, .fall = fall};
	enum synod_health before = SYNOD_PASSING;

	for (size_t i = 0; i < count; i++) {
		bool is_news = threshold_take(&threshold, outcomes[i]);
		enum synod_health expected = verdict_of(outcomes, i + 1, rise, fall);

		assert_true(threshold.has_verdict);
		assert_int_equal(threshold.verdict, expected);
		assert_int_equal(is_news, i == 0 || expected != before);
		before = expected;
	}
}

static void
every_history_of_eight_outcomes_gets_the_verdict_of_its_thresholds(void **state)
{
	static const enum synod_health choices[] = {SYNOD_PASSING, SYNOD_WARNING, SYNOD_CRITICAL};
	enum synod_health outcomes[8];

	(void)state;
	for (unsigned rise = 1; rise <= 4; rise++) {
		for (unsigned fall = 1; fall <= 4; fall++) {
			for (unsigned history = 0; history < 6561; history++) {
				unsigned rest = history;

				for (size_t i = 0; i < 8; i++, rest /= 3)
					outcomes[i] = choices[rest % 3];
				check_history(outcomes, 8, rise, fall);
			}
		}
	}
}

static void
a_verdict_falls_after_three_failures_and_rises_after_two_good_ones(void **state)
{
	static const struct {
		enum synod_health outcome, verdict;
		bool is_news;
	} steps[] = {
		{SYNOD_PASSING, SYNOD_PASSING, true},   {SYNOD_CRITICAL, SYNOD_PASSING, false},
		{SYNOD_CRITICAL, SYNOD_PASSING, false}, {SYNOD_WARNING, SYNOD_WARNING, true},
		{SYNOD_CRITICAL, SYNOD_WARNING, false}, {SYNOD_CRITICAL, SYNOD_WARNING, false},
		{SYNOD_CRITICAL, SYNOD_CRITICAL, true}, {SYNOD_CRITICAL, SYNOD_CRITICAL, false},
		{SYNOD_PASSING, SYNOD_CRITICAL, false}, {SYNOD_CRITICAL, SYNOD_CRITICAL, false},
		{SYNOD_WARNING, SYNOD_CRITICAL, false}, {SYNOD_PASSING, SYNOD_PASSING, true},
		{SYNOD_PASSING, SYNOD_PASSING, false},
	};
	struct threshold threshold = {.rise = 2, .fall = 3};

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		assert_int_equal(threshold_take(&threshold, steps[i].outcome), steps[i].is_news);
		assert_int_equal(threshold.verdict, steps[i].verdict);
	}
}

static void
the_first_outcome_is_the_first_verdict(void **state)
{
	struct threshold threshold = {.rise = 5, .fall = 5};

	(void)state;
	assert_true(threshold_take(&threshold, SYNOD_CRITICAL));
	assert_int_equal(threshold.verdict, SYNOD_CRITICAL);
}

/* ---- validation ---- */

static enum synod_health
say_passing(void *context)
{
	(void)context;
	return SYNOD_PASSING;
}

static void
accepts_checks_and_their_defaults(void **state)
{
	static const struct synod_check checks[] = {
		{.kind = SYNOD_CHECK_HTTP, .target = "http://127.0.0.1:80/health"},
		{.kind = SYNOD_CHECK_HTTP, .target = "http://[::1]/"},
		{.kind = SYNOD_CHECK_TCP, .target = "some.example:80"},
		{.kind = SYNOD_CHECK_TCP, .target = "[::1]:80"},
		{.kind = SYNOD_CHECK_COMMAND, .target = "true"},
		{.kind = SYNOD_CHECK_FUNCTION, .run = say_passing},
		{.kind = SYNOD_CHECK_FUNCTION,
	         .run = say_passing,
	         .interval_ms = 100,
	         .timeout_ms = 86400000,
	         .rise = 1000,
	         .fall = 1000},
	};
	char why[WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
		assert_int_equal(check_validate(&checks[i], why), SYNOD_OK);
}

static void
refuses_bad_checks_and_says_why(void **state)
{
	static const struct {
		struct synod_check check;
		const char *why;
	} cases[] = {
		{{.kind = (enum synod_check_kind)0, .target = "x"}, "kind"},
		{{.kind = (enum synod_check_kind)5, .target = "x"}, "kind"},
		{{.kind = (enum synod_check_kind) - 1, .target = "x"}, "kind"},
		{{.kind = SYNOD_CHECK_HTTP}, "target"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = ""}, "target"},
		{{.kind = SYNOD_CHECK_HTTP, .target = "https://127.0.0.1/"}, "https"},
		{{.kind = SYNOD_CHECK_HTTP, .target = "127.0.0.1:80"}, "http://"},
		{{.kind = SYNOD_CHECK_HTTP, .target = "http://::1:80/"}, "host"},
		{{.kind = SYNOD_CHECK_TCP, .target = "127.0.0.1"}, "HOST:PORT"},
		{{.kind = SYNOD_CHECK_TCP, .target = "127.0.0.1:0"}, "HOST:PORT"},
		{{.kind = SYNOD_CHECK_TCP, .target = "::1:80"}, "HOST:PORT"},
		{{.kind = SYNOD_CHECK_FUNCTION}, "function"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = "x", .interval_ms = 99}, "interval"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = "x", .interval_ms = 86400001}, "interval"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = "x", .timeout_ms = 99}, "timeout"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = "x", .timeout_ms = 86400001}, "timeout"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = "x", .rise = 1001}, "rise"},
		{{.kind = SYNOD_CHECK_COMMAND, .target = "x", .fall = 1001}, "fall"},
	};
	char why[WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(check_validate(&cases[i].check, why), SYNOD_BAD_ARGUMENT);
		assert_non_null(strstr(why, cases[i].why));
	}
}

static void
refuses_a_target_that_is_too_long(void **state)
{
	char target[5000];
	char why[WHY_SIZE];
	struct synod_check check = {.kind = SYNOD_CHECK_COMMAND, .target = target};

	(void)state;
	memset(target, 'x', sizeof target);
	target[4096] = '\0';
	assert_int_equal(check_validate(&check, why), SYNOD_OK);
	target[4096] = 'x';
	target[4097] = '\0';
	assert_int_equal(check_validate(&check, why), SYNOD_BAD_ARGUMENT);
}

/* ---- HTTP ---- */

static struct verdict
http_verdict(const struct stub_options *options, unsigned timeout_ms)
{
	struct stub_server server;
	struct verdict verdict;
	char target[100];

	assert_true(stub_server_start(&server, options));
	snprintf(target, sizeof target, "http://127.0.0.1:%u/health", server.port);
	verdict = first_verdict(&(struct synod_check){
		.kind = SYNOD_CHECK_HTTP, .target = target, .timeout_ms = timeout_ms});
	stub_server_stop(&server);
	return verdict;
}

static void
an_http_check_judges_by_the_status(void **state)
{
	static const struct {
		const char *answer;
		enum synod_health health;
		const char *why;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\nfine", SYNOD_PASSING, "HTTP 200 OK"},
		{"HTTP/1.1 204 No Content\r\n\r\n", SYNOD_PASSING, "HTTP 204 No Content"},
		{"HTTP/1.1 299 Odd\r\n\r\n", SYNOD_PASSING, "HTTP 299 Odd"},
		{"HTTP/1.1 300 Choose\r\n\r\n", SYNOD_CRITICAL, "HTTP 300 Choose"},
		{"HTTP/1.1 404 Not Found\r\n\r\n", SYNOD_CRITICAL, "HTTP 404 Not Found"},
		{"HTTP/1.1 429 Slow down\r\n\r\n", SYNOD_WARNING, "HTTP 429 Slow down"},
		{"HTTP/1.1 500 Oh no\r\n\r\n", SYNOD_CRITICAL, "HTTP 500 Oh no"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct verdict verdict = http_verdict(
			&(struct stub_options){.answer = cases[i].answer}, PATIENCE_MS);

		assert_int_equal(verdict.health, cases[i].health);
		assert_string_equal(verdict.why, cases[i].why);
	}
}

static void
an_http_check_passes_although_the_content_has_no_end(void **state)
{
	struct verdict verdict =
		http_verdict(&(struct stub_options){.answer = "HTTP/1.1 200 OK\r\n\r\n",
	                                            .endless = "and so on "},
	                     PATIENCE_MS);

	(void)state;
	assert_int_equal(verdict.health, SYNOD_PASSING);
}

static void
an_http_check_fails_on_garbage(void **state)
{
	struct verdict verdict =
		http_verdict(&(struct stub_options){.answer = "no\x01 HTTP\r\n\r\n"}, PATIENCE_MS);

	(void)state;
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_string_equal(verdict.why, "the answer is not well-formed HTTP");
}

static void
an_http_check_is_broken_off_at_its_timeout(void **state)
{
	struct verdict silent = http_verdict(&(struct stub_options){.is_kept_open = true}, 150);
	struct verdict slow =
		http_verdict(&(struct stub_options){.answer = "HTTP/1.1 200 OK\r\nContent-Length: "
	                                                      "99\r\n\r\nslowly",
	                                            .is_kept_open = true},
	                     150);

	(void)state;
	assert_int_equal(silent.health, SYNOD_CRITICAL);
	assert_string_equal(silent.why, "no answer within 150 ms");
	assert_int_equal(slow.health, SYNOD_CRITICAL);
	assert_string_equal(slow.why, "no answer within 150 ms");
}

static void
an_http_check_fails_when_nobody_listens(void **state)
{
	struct verdict verdict;
	char target[100];

	(void)state;
	snprintf(target, sizeof target, "http://127.0.0.1:%u/", stub_closed_port());
	verdict = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_HTTP, .target = target});
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_string_equal(verdict.why, "connection refused");
}

/* The stub listens on IPv4 only, while localhost may well be ::1 first. */
static void
checks_by_name_find_the_address_that_answers(void **state)
{
	struct stub_server server;
	struct verdict http, tcp;
	char target[100];

	(void)state;
	assert_true(stub_server_start(&server,
	                              &(struct stub_options){.answer = "HTTP/1.1 200 OK\r\n\r\n"}));
	snprintf(target, sizeof target, "http://localhost:%u/", server.port);
	http = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_HTTP, .target = target});
	stub_server_stop(&server);
	assert_int_equal(http.health, SYNOD_PASSING);

	assert_true(stub_server_start(&server, &(struct stub_options){.is_kept_open = true}));
	snprintf(target, sizeof target, "localhost:%u", server.port);
	tcp = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_TCP, .target = target});
	stub_server_stop(&server);
	assert_int_equal(tcp.health, SYNOD_PASSING);
}

/* Its label is longer than a name may have, so that nobody outside is asked. */
static void
a_name_that_nobody_knows_is_a_failure(void **state)
{
	char target[] =
		"nobody-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:80";
	struct verdict verdict = first_verdict(&(struct synod_check){
		.kind = SYNOD_CHECK_TCP, .target = target, .timeout_ms = PATIENCE_MS});

	(void)state;
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_ptr_equal(strstr(verdict.why, "the name nobody-x"), verdict.why);
	assert_non_null(strstr(verdict.why, "is not known"));
}

/* ---- TCP ---- */

static void
a_tcp_check_passes_when_a_connection_is_taken(void **state)
{
	struct stub_server server;
	struct verdict verdict;
	char target[100], expected[200];

	(void)state;
	assert_true(stub_server_start(&server, &(struct stub_options){.is_kept_open = true}));
	snprintf(target, sizeof target, "127.0.0.1:%u", server.port);
	verdict = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_TCP, .target = target});
	stub_server_stop(&server);
	assert_int_equal(verdict.health, SYNOD_PASSING);
	snprintf(expected, sizeof expected, "connected to %s", target);
	assert_string_equal(verdict.why, expected);
}

static void
a_tcp_check_fails_when_nobody_listens(void **state)
{
	struct verdict verdict;
	char target[100];

	(void)state;
	snprintf(target, sizeof target, "127.0.0.1:%u", stub_closed_port());
	verdict = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_TCP, .target = target});
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_string_equal(verdict.why, "no connection: Connection refused");
}

/* A listener whose queue is full: the system answers no more connections. */
struct full_listener {
	int fds[16];
	size_t count;
	unsigned port;
};

static void
full_listener_open(struct full_listener *listener)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	listener->port = ntohs(address.sin_port);
	listener->fds[0] = fd;
	for (listener->count = 1; listener->count < 16; listener->count++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(fd >= 0);
		connect(fd, (struct sockaddr *)&address, size);
		listener->fds[listener->count] = fd;
	}
}

static void
full_listener_close(struct full_listener *listener)
{
	for (size_t i = 0; i < listener->count; i++)
		close(listener->fds[i]);
}

static void
a_tcp_check_is_broken_off_at_its_timeout(void **state)
{
	struct full_listener listener;
	struct verdict verdict;
	char target[100];

	(void)state;
	full_listener_open(&listener);
	snprintf(target, sizeof target, "127.0.0.1:%u", listener.port);
	verdict = first_verdict(&(struct synod_check){
		.kind = SYNOD_CHECK_TCP, .target = target, .timeout_ms = 150});
	full_listener_close(&listener);
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_string_equal(verdict.why, "no answer within 150 ms");
}

/* ---- commands ---- */

static struct verdict
command_verdict(const char *target)
{
	return first_verdict(&(struct synod_check){
		.kind = SYNOD_CHECK_COMMAND, .target = target, .timeout_ms = PATIENCE_MS});
}

static void
a_command_judges_by_its_exit_code_and_its_first_line(void **state)
{
	static const struct {
		const char *target;
		enum synod_health health;
		const char *why;
	} cases[] = {
		{"true", SYNOD_PASSING, "exit code 0"},
		{"echo all is well; echo more", SYNOD_PASSING, "exit code 0: all is well"},
		{"echo look at this >&2; exit 1", SYNOD_WARNING, "exit code 1: look at this"},
		{"printf '\\n\\nat last'; exit 2", SYNOD_CRITICAL, "exit code 2: at last"},
		{"exit 127", SYNOD_CRITICAL, "exit code 127"},
		{"exit 255", SYNOD_CRITICAL, "exit code 255"},
		{"printf 'a\\tb\\033[1m\\302\\233\\377c'", SYNOD_PASSING,
	         "exit code 0: a?b?[1m??c"},
		{"printf '\\303\\244\\342\\202\\254\\360\\237\\230\\200'", SYNOD_PASSING,
	         "exit code 0: \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"exit 0 3>&1; ", SYNOD_PASSING, "exit code 0"},
		{"exec 3>/dev/null; echo 1 >&3; exit 0", SYNOD_PASSING, "exit code 0"},
		{"kill 0", SYNOD_CRITICAL, "the command was killed with its group"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct verdict verdict = command_verdict(cases[i].target);

		assert_string_equal(verdict.why, cases[i].why);
		assert_int_equal(verdict.health, cases[i].health);
	}
}

static void
a_command_that_does_not_exist_or_dies_is_a_failure(void **state)
{
	struct verdict absent = command_verdict("/no/such/command");
	struct verdict broken = command_verdict("if then (");
	struct verdict killed = command_verdict("kill -KILL $$");

	(void)state;
	assert_int_equal(absent.health, SYNOD_CRITICAL);
	assert_non_null(strstr(absent.why, "exit code 127: "));
	assert_int_equal(broken.health, SYNOD_CRITICAL);
	assert_int_equal(killed.health, SYNOD_CRITICAL);
	assert_non_null(strstr(killed.why, "signal 9"));
}

static void
long_output_is_cut_at_a_character(void **state)
{
	struct verdict verdict = command_verdict(
		"i=0; while [ $i -lt 100 ]; do printf '\\342\\202\\254'; i=$((i+1)); done");

	(void)state;
	assert_int_equal(verdict.health, SYNOD_PASSING);
	assert_in_range(strlen(verdict.why), WHY_SIZE - 4, WHY_SIZE - 1);
}

static void
a_flood_of_output_does_not_stop_a_command(void **state)
{
	struct verdict verdict =
		command_verdict("echo first; head -c 1000000 /dev/zero; echo last; exit 1");

	(void)state;
	assert_int_equal(verdict.health, SYNOD_WARNING);
	assert_string_equal(verdict.why, "exit code 1: first");
}

static void
a_command_sees_a_clean_process(void **state)
{
	struct verdict verdict;
	sigset_t blocked, before;
	int input = dup(STDIN_FILENO);
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "line\n", 5), 5);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(dup2(ends[0], 57), 57); /* without the flag that closes it */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	signal(SIGUSR1, SIG_IGN);
	/* Only what the shell does by itself: while it waits for a child, it blocks signals. */
	verdict = command_verdict("[ ! -e /proc/$$/fd/57 ] || exit 2\n"
	                          "[ ! -e /proc/$$/fd/3 ] || exit 3\n"
	                          "read -r line && exit 4\n"
	                          "while read -r key value; do case $key=$value in\n"
	                          "SigBlk:=*[1-9a-f]*) exit 5 ;;\n"
	                          "SigIgn:=*0000000) ;;\n"
	                          "SigIgn:=*) exit 6 ;;\n"
	                          "esac; done </proc/self/status");
	signal(SIGUSR1, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	dup2(input, STDIN_FILENO);
	close(input);
	close(57);
	close(ends[0]);
	close(ends[1]);
	assert_string_equal(verdict.why, "exit code 0");
}

static void
the_exit_code_comes_through_when_the_program_ignores_its_children(void **state)
{
	struct verdict passing, warning;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	passing = command_verdict("exit 0");
	warning = command_verdict("exit 1");
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(passing.health, SYNOD_PASSING);
	assert_int_equal(warning.health, SYNOD_WARNING);
}

static void
other_children_of_the_program_are_left_to_it(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(7);
	assert_true(pid > 0);
	assert_int_equal(command_verdict("exit 1").health, SYNOD_WARNING);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	/* And the check's own are all reaped. */
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Gone, or dead and not reaped by whoever inherited it. */
static bool
process_is_gone(const void *context)
{
	const pid_t *pid = context;
	char name[64], line[512];
	FILE *file;
	char *mark;

	snprintf(name, sizeof name, "/proc/%d/stat", (int)*pid);
	file = fopen(name, "r");
	if (file == NULL)
		return true;
	mark = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
	fclose(file);
	return mark == NULL || mark[2] == 'Z' || mark[2] == 'X';
}

struct scratch {
	char directory[64];
	char file[80];
	char command[400];
};

/* A command that hangs, ignores SIGTERM and has a child that does the same; its pid is in FILE. */
static void
scratch_open(struct scratch *scratch)
{
	strcpy(scratch->directory, "/tmp/synod-check-XXXXXX");
	assert_non_null(mkdtemp(scratch->directory));
	snprintf(scratch->file, sizeof scratch->file, "%s/pid", scratch->directory);
	snprintf(scratch->command, sizeof scratch->command,
	         "trap '' TERM INT HUP\n"
	         "echo hanging\n"
	         "(while :; do sleep 100; done) &\n"
	         "echo $! >%s.new && mv %s.new %s\n"
	         "while :; do wait; done",
	         scratch->file, scratch->file, scratch->file);
}

static void
scratch_close(struct scratch *scratch)
{
	unlink(scratch->file);
	assert_int_equal(rmdir(scratch->directory), 0);
}

static bool
file_is_there(const void *context)
{
	return access(context, F_OK) == 0;
}

static pid_t
read_pid(const char *name)
{
	FILE *file = fopen(name, "r");
	int pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static void
a_hanging_command_is_killed_with_its_children_at_its_timeout(void **state)
{
	struct scratch scratch;
	struct verdict verdict;
	pid_t pid;

	(void)state;
	scratch_open(&scratch);
	verdict = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_COMMAND,
	                                              .target = scratch.command,
	                                              .timeout_ms = 1500,
	                                              .interval_ms = FOREVER_MS});
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_string_equal(verdict.why, "no answer within 1500 ms");
	pid = read_pid(scratch.file);
	assert_true(wait_until(process_is_gone, &pid));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	scratch_close(&scratch);
}

static void
what_a_command_leaves_behind_is_killed(void **state)
{
	struct scratch scratch;
	char command[400];
	pid_t pid;

	(void)state;
	scratch_open(&scratch);
	snprintf(command, sizeof command, "sleep 100 & echo $! >%s; exit 1", scratch.file);
	assert_int_equal(command_verdict(command).health, SYNOD_WARNING);
	pid = read_pid(scratch.file);
	assert_true(wait_until(process_is_gone, &pid));
	scratch_close(&scratch);
}

/* ---- functions ---- */

struct script {
	const enum synod_health *outcomes;
	size_t count;
	atomic_uint calls;
	unsigned late_ms;
	bool was_unblocked; /* a signal could have come to the thread */
	bool was_elsewhere; /* not on a thread of checks */
};

static enum synod_health
follow_script(void *context)
{
	struct script *script = context;
	unsigned call = atomic_fetch_add(&script->calls, 1);
	uint64_t until_ms = clock_now_ms(clock_real()) + script->late_ms;
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGCHLD))
		script->was_unblocked = true;
	if (!checks_in_thread())
		script->was_elsewhere = true;
	while (clock_now_ms(clock_real()) < until_ms)
		;
	return script->outcomes[call < script->count ? call : script->count - 1];
}

static void
a_function_says_itself(void **state)
{
	static const enum synod_health outcomes[] = {SYNOD_PASSING, SYNOD_WARNING, SYNOD_CRITICAL};

	(void)state;
	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		struct script script = {.outcomes = &outcomes[i], .count = 1};
		struct synod_check check = {
			.kind = SYNOD_CHECK_FUNCTION, .run = follow_script, .context = &script};

		assert_int_equal(first_verdict(&check).health, outcomes[i]);
		assert_false(script.was_unblocked);
		assert_false(script.was_elsewhere);
		assert_false(checks_in_thread());
	}
}

static void
a_function_that_says_something_else_has_failed(void **state)
{
	static const enum synod_health outcome = SYNOD_DRAINING;
	struct script script = {.outcomes = &outcome, .count = 1};
	struct verdict verdict = first_verdict(&(struct synod_check){
		.kind = SYNOD_CHECK_FUNCTION, .run = follow_script, .context = &script});

	(void)state;
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_non_null(strstr(verdict.why, "returned 4"));
}

static void
a_function_that_is_late_has_failed(void **state)
{
	static const enum synod_health outcome = SYNOD_PASSING;
	struct script script = {.outcomes = &outcome, .count = 1, .late_ms = 130};
	struct verdict verdict = first_verdict(&(struct synod_check){.kind = SYNOD_CHECK_FUNCTION,
	                                                             .run = follow_script,
	                                                             .context = &script,
	                                                             .timeout_ms = 100});

	(void)state;
	assert_int_equal(verdict.health, SYNOD_CRITICAL);
	assert_string_equal(verdict.why, "no answer within 100 ms");
}

/* ---- together ---- */

static void
only_changes_of_the_verdict_are_told(void **state)
{
	static const enum synod_health outcomes[] = {
		SYNOD_PASSING,  SYNOD_PASSING,  SYNOD_CRITICAL, SYNOD_PASSING,
		SYNOD_CRITICAL, SYNOD_CRITICAL, SYNOD_CRITICAL, SYNOD_WARNING,
	};
	struct script script = {.outcomes = outcomes, .count = 8};
	struct synod_check check = {.kind = SYNOD_CHECK_FUNCTION,
	                            .run = follow_script,
	                            .context = &script,
	                            .interval_ms = 100,
	                            .timeout_ms = PATIENCE_MS,
	                            .fall = 2};
	struct told told;

	(void)state;
	start(&told, &check, 1);
	assert_true(told_wait(&told, 3));
	assert_int_equal(told.verdicts[0].health, SYNOD_PASSING);
	assert_int_equal(told.verdicts[1].health, SYNOD_CRITICAL);
	assert_int_equal(told.verdicts[2].health, SYNOD_WARNING);
	assert_int_equal(checks_health(told.checks), SYNOD_WARNING);
	stop(&told);
	assert_true(atomic_load(&script.calls) >= 8);
}

static void
runs_are_an_interval_apart(void **state)
{
	static const enum synod_health outcomes[] = {SYNOD_PASSING, SYNOD_WARNING, SYNOD_PASSING};
	struct script script = {.outcomes = outcomes, .count = 3};
	struct synod_check check = {.kind = SYNOD_CHECK_FUNCTION,
	                            .run = follow_script,
	                            .context = &script,
	                            .interval_ms = 150};
	uint64_t before_ms = clock_now_ms(clock_real());
	struct told told;

	(void)state;
	start(&told, &check, 1);
	assert_true(told_wait(&told, 3));
	assert_true(clock_now_ms(clock_real()) - before_ms >= 2 * 150 - 2);
	stop(&told);
}

static enum synod_health
wait_for_release(void *context)
{
	atomic_bool *is_released = context;
	const struct timespec slice = {.tv_nsec = WAIT_SLICE_NS};

	while (!atomic_load(is_released))
		nanosleep(&slice, NULL);
	return SYNOD_WARNING;
}

static void
the_worst_verdict_counts_once_each_check_has_one(void **state)
{
	atomic_bool is_released = false;
	const struct synod_check checks[] = {
		{.kind = SYNOD_CHECK_COMMAND, .target = "true"},
		{.kind = SYNOD_CHECK_FUNCTION,
	         .run = wait_for_release,
	         .context = &is_released,
	         .timeout_ms = PATIENCE_MS},
		{.kind = SYNOD_CHECK_COMMAND, .target = "exit 2"},
	};
	struct told told;

	(void)state;
	start(&told, checks, 2);
	assert_true(told_wait(&told, 1));
	assert_int_equal(checks_health(told.checks), SYNOD_STARTING);
	atomic_store(&is_released, true);
	assert_true(told_wait(&told, 2));
	assert_int_equal(told.verdicts[0].together, SYNOD_STARTING);
	assert_int_equal(told.verdicts[1].together, SYNOD_WARNING);
	stop(&told);

	start(&told, checks, 3);
	assert_true(told_wait(&told, 3));
	assert_int_equal(checks_health(told.checks), SYNOD_CRITICAL);
	stop(&told);
}

static void
a_check_that_hangs_delays_no_other(void **state)
{
	struct stub_server server;
	struct told told;
	char target[100];

	(void)state;
	assert_true(stub_server_start(&server, &(struct stub_options){.is_kept_open = true}));
	snprintf(target, sizeof target, "http://127.0.0.1:%u/", server.port);
	start(&told,
	      (const struct synod_check[]){
		      {.kind = SYNOD_CHECK_HTTP, .target = target, .timeout_ms = FOREVER_MS},
		      {.kind = SYNOD_CHECK_COMMAND, .target = "true"},
	      },
	      2);
	assert_true(told_wait(&told, 1));
	assert_int_equal(told.verdicts[0].check, 1);
	assert_int_equal(checks_health(told.checks), SYNOD_STARTING);
	stop(&told);
	stub_server_stop(&server);
}

static void
no_checks_at_all_pass(void **state)
{
	struct told told;

	(void)state;
	start(&told, NULL, 0);
	assert_int_equal(checks_health(told.checks), SYNOD_PASSING);
	stop(&told);
	checks_stop(NULL);
}

/* ---- stopping in the middle ---- */

static void
stopping_breaks_off_hanging_http_checks(void **state)
{
	struct stub_server server;
	char target[100];

	(void)state;
	assert_true(stub_server_start(&server, &(struct stub_options){.is_kept_open = true}));
	snprintf(target, sizeof target, "http://127.0.0.1:%u/", server.port);
	for (unsigned i = 0; i < STOPS; i++) {
		struct told told;

		start(&told,
		      &(struct synod_check){
			      .kind = SYNOD_CHECK_HTTP, .target = target, .timeout_ms = FOREVER_MS},
		      1);
		assert_true(stub_server_wait(&server, i + 1));
		assert_in_range(stop(&told), 0, STOP_MAX_MS);
		assert_int_equal(told.count, 0);
	}
	stub_server_stop(&server);
}

struct dials {
	unsigned port;
	unsigned above; /* so many were there before */
};

/* Connections to PORT on their way, as the system lists them. */
static unsigned
dials_to(unsigned port)
{
	FILE *file = fopen("/proc/self/net/tcp", "r");
	char line[512];
	unsigned count = 0;

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		unsigned to, state;

		if (sscanf(line, " %*u: %*x:%*x %*x:%x %x", &to, &state) == 2 && to == port &&
		    state == 2)
			count++;
	}
	if (file != NULL)
		fclose(file);
	return count;
}

static bool
is_dialled(const void *context)
{
	const struct dials *dials = context;

	return dials_to(dials->port) > dials->above;
}

static void
stopping_breaks_off_hanging_tcp_checks(void **state)
{
	struct full_listener listener;
	char target[100];

	(void)state;
	full_listener_open(&listener);
	snprintf(target, sizeof target, "127.0.0.1:%u", listener.port);
	for (unsigned i = 0; i < STOPS; i++) {
		struct dials dials = {listener.port, dials_to(listener.port)};
		struct told told;

		start(&told,
		      &(struct synod_check){
			      .kind = SYNOD_CHECK_TCP, .target = target, .timeout_ms = FOREVER_MS},
		      1);
		assert_true(wait_until(is_dialled, &dials));
		assert_in_range(stop(&told), 0, STOP_MAX_MS);
		assert_int_equal(told.count, 0);
	}
	full_listener_close(&listener);
}

static void
stopping_kills_hanging_commands(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STOPS; i++) {
		struct scratch scratch;
		struct told told;
		pid_t pid;

		scratch_open(&scratch);
		start(&told,
		      &(struct synod_check){.kind = SYNOD_CHECK_COMMAND,
		                            .target = scratch.command,
		                            .timeout_ms = FOREVER_MS},
		      1);
		assert_true(wait_until(file_is_there, scratch.file));
		assert_in_range(stop(&told), 0, STOP_MAX_MS);
		assert_int_equal(told.count, 0);
		pid = read_pid(scratch.file);
		assert_true(wait_until(process_is_gone, &pid));
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		scratch_close(&scratch);
	}
}

static void
stopping_does_not_wait_for_an_interval(void **state)
{
	struct told told;

	(void)state;
	start(&told,
	      &(struct synod_check){
		      .kind = SYNOD_CHECK_COMMAND, .target = "true", .interval_ms = FOREVER_MS},
	      1);
	assert_true(told_wait(&told, 1));
	assert_in_range(stop(&told), 0, STOP_MAX_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_history_of_eight_outcomes_gets_the_verdict_of_its_thresholds),
		cmocka_unit_test(
			a_verdict_falls_after_three_failures_and_rises_after_two_good_ones),
		cmocka_unit_test(the_first_outcome_is_the_first_verdict),
		cmocka_unit_test(accepts_checks_and_their_defaults),
		cmocka_unit_test(refuses_bad_checks_and_says_why),
		cmocka_unit_test(refuses_a_target_that_is_too_long),
		cmocka_unit_test(an_http_check_judges_by_the_status),
		cmocka_unit_test(an_http_check_passes_although_the_content_has_no_end),
		cmocka_unit_test(an_http_check_fails_on_garbage),
		cmocka_unit_test(an_http_check_is_broken_off_at_its_timeout),
		cmocka_unit_test(an_http_check_fails_when_nobody_listens),
		cmocka_unit_test(checks_by_name_find_the_address_that_answers),
		cmocka_unit_test(a_name_that_nobody_knows_is_a_failure),
		cmocka_unit_test(a_tcp_check_passes_when_a_connection_is_taken),
		cmocka_unit_test(a_tcp_check_fails_when_nobody_listens),
		cmocka_unit_test(a_tcp_check_is_broken_off_at_its_timeout),
		cmocka_unit_test(a_command_judges_by_its_exit_code_and_its_first_line),
		cmocka_unit_test(a_command_that_does_not_exist_or_dies_is_a_failure),
		cmocka_unit_test(long_output_is_cut_at_a_character),
		cmocka_unit_test(a_flood_of_output_does_not_stop_a_command),
		cmocka_unit_test(a_command_sees_a_clean_process),
		cmocka_unit_test(the_exit_code_comes_through_when_the_program_ignores_its_children),
		cmocka_unit_test(other_children_of_the_program_are_left_to_it),
		cmocka_unit_test(a_hanging_command_is_killed_with_its_children_at_its_timeout),
		cmocka_unit_test(what_a_command_leaves_behind_is_killed),
		cmocka_unit_test(a_function_says_itself),
		cmocka_unit_test(a_function_that_says_something_else_has_failed),
		cmocka_unit_test(a_function_that_is_late_has_failed),
		cmocka_unit_test(only_changes_of_the_verdict_are_told),
		cmocka_unit_test(runs_are_an_interval_apart),
		cmocka_unit_test(the_worst_verdict_counts_once_each_check_has_one),
		cmocka_unit_test(a_check_that_hangs_delays_no_other),
		cmocka_unit_test(no_checks_at_all_pass),
		cmocka_unit_test(stopping_breaks_off_hanging_http_checks),
		cmocka_unit_test(stopping_breaks_off_hanging_tcp_checks),
		cmocka_unit_test(stopping_kills_hanging_commands),
		cmocka_unit_test(stopping_does_not_wait_for_an_interval),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
