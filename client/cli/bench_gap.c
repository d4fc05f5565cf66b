/*
 * bench gap: one writer without pause, to see how long writing stops when a member dies.
 *
 * Every value goes to a node of its own, PREFIX/gap/RUN/NUMBER, and with --record
 * each acknowledged one is written to a file as a line "PATH VALUE" at once.
 * --check reads every node on record back: whatever was acknowledged must be
 * there.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/bench.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/cli/pipeline.h"
#include "client/cli/units.h"
#include "shared/error.h"

#define GAP_SHOWN_MS      100
#define GAP_TIMEOUT_MS    60000
#define VALUE_SIZE        64
#define CHECK_CALLS       256
#define DIFFERENCES_NAMED 20

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

/* The first signal ends the run in order; a second one ends the program. */
static void
catch_interrupts(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	action.sa_flags = SA_RESETHAND;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* ---- writing ---- */

struct gap {
	struct cli *cli;
	char *directory; /* PREFIX/gap/RUN */
	FILE *record;
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t last_ns; /* of the last success */
	uint64_t longest_ns;
	uint64_t acknowledged;
	uint64_t errors;
	cJSON *gaps;
};

static double
milliseconds(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* Writing has been impossible from the last success until NOW. */
static void
gap_note(struct gap *gap, uint64_t now_ns)
{
	uint64_t length_ns = now_ns - gap->last_ns;

	if (length_ns > gap->longest_ns)
		gap->longest_ns = length_ns;
	if (length_ns <= GAP_SHOWN_MS * NANOSECONDS_PER_MS)
		return;
	if (gap->cli->json) {
		cJSON *json = json_object();

		json_add_real(json, "at_ms", milliseconds(gap->last_ns - gap->start_ns));
		json_add_real(json, "gap_ms", milliseconds(length_ns));
		json_append(gap->gaps, json);
		return;
	}
	printf("gap of %.0f ms, %.3f s after the start\n", milliseconds(length_ns),
	       milliseconds(gap->last_ns - gap->start_ns) / 1e3);
	fflush(stdout);
}

static void
gap_write(struct gap *gap, uint64_t number)
{
	struct synod_result *result = NULL;
	char value[VALUE_SIZE];
	char *path = must_format("%s/%010" PRIu64, gap->directory, number);
	int error;
	uint64_t now_ns;

	snprintf(value, sizeof value, "value-%" PRIu64, number);
	error = synod_put(gap->cli->synod, path, value, strlen(value), NULL, &result);
	now_ns = monotonic_ns();
	if (error) {
		gap->errors++;
		cli_fail(gap->cli, path, error, result);
	} else {
		gap->acknowledged++;
		if (gap->record)
			fprintf(gap->record, "%s %s\n", path, value);
		gap_note(gap, now_ns);
		gap->last_ns = now_ns;
	}
	synod_result_free(result);
	free(path);
}

static int
gap_report(const struct gap *gap)
{
	char text[UNIT_TEXT_SIZE];
	double seconds = milliseconds(monotonic_ns() - gap->start_ns) / 1e3;

	if (gap->cli->json) {
		cJSON *json = json_object();

		json_add_real(json, "longest_gap_ms", milliseconds(gap->longest_ns));
		json_add_number(json, "acknowledged", gap->acknowledged);
		json_add_number(json, "errors", gap->errors);
		json_add_real(json, "seconds", seconds);
		json_add_text(json, "path", gap->directory);
		json_add(json, "gaps", cJSON_Duplicate(gap->gaps, true));
		json_print(json);
	} else {
		printf("longest gap %.0f ms; %s writes acknowledged, %" PRIu64
		       " failed, in %.1f s below %s\n",
		       milliseconds(gap->longest_ns), format_count(text, gap->acknowledged),
		       gap->errors, seconds, gap->directory);
	}
	return gap->acknowledged > 0 ? EXIT_DONE : EXIT_ERROR;
}

static int
gap_run(struct gap *gap)
{
	struct synod_write_options options = {.make_parents = true};
	struct synod_result *result = NULL;
	uint64_t seconds_ms = bench_number(gap->cli, OPTION_SECONDS, 10000);
	int error = synod_create(gap->cli->synod, gap->directory, NULL, 0, &options, &result);
	int code = error ? cli_fail(gap->cli, gap->directory, error, result) : 0;

	synod_result_free(result);
	if (code)
		return code;
	catch_interrupts();
	gap->start_ns = monotonic_ns();
	gap->last_ns = gap->start_ns;
	gap->end_ns = gap->start_ns + seconds_ms * NANOSECONDS_PER_MS;
	for (uint64_t number = 1; !interrupted && monotonic_ns() < gap->end_ns; number++)
		gap_write(gap, number);
	gap_note(gap, monotonic_ns()); /* writing may not have come back */
	return gap_report(gap);
}

static char *
gap_directory(const char *prefix)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return must_format("%s/gap/%lld.%03ld", prefix, (long long)now.tv_sec,
	                   now.tv_nsec / 1000000);
}

int
bench_gap(struct cli *cli)
{
	struct gap gap = {.cli = cli};
	const char *record = cli->options.text[OPTION_RECORD];
	const char *prefix;
	int code = bench_prefix(cli, &prefix);

	if (code)
		return code;
	/* A write that waits for a new leader is what is measured: let it wait. */
	if (!cli->options.given[OPTION_TIMEOUT])
		cli->options.number[OPTION_TIMEOUT] = GAP_TIMEOUT_MS;
	if (record) {
		gap.record = fopen(record, "w");
		if (!gap.record)
			return cli_fail_system(record, errno);
		setvbuf(gap.record, NULL, _IOLBF, 0); /* on record as soon as acknowledged */
	}
	gap.gaps = json_array();
	gap.directory = gap_directory(prefix);
	code = cli_open(cli);
	if (code == 0)
		code = gap_run(&gap);
	if (gap.record && fclose(gap.record) != 0 && code == 0)
		code = cli_fail_system(record, errno);
	cJSON_Delete(gap.gaps);
	free(gap.directory);
	return code;
}

/* ---- checking ---- */

struct check {
	struct cli *cli;
	struct pipeline pipeline;
	atomic_uint_fast64_t lost;
	atomic_uint_fast64_t different;
	atomic_uint_fast64_t unread; /* could not be asked */
};

struct check_call {
	struct check *check;
	char *value;
	char *path;
};

static void
check_done(void *context, const struct synod_result *result)
{
	struct check_call *call = context;
	struct check *check = call->check;
	const struct synod_node *node = &result->node;
	const char *problem = NULL;

	if (result->error == SYNOD_NOT_FOUND) {
		check->lost++;
		problem = "acknowledged, but lost";
	} else if (result->error) {
		check->unread++;
		problem = error_name(result->error);
	} else if (node->size != strlen(call->value) ||
	           memcmp(node->data, call->value, node->size) != 0) {
		check->different++;
		problem = "holds another value than the acknowledged one";
	}
	if (problem && check->lost + check->different + check->unread <= DIFFERENCES_NAMED)
		cli_warn(call->path, "%s", problem);
	free(call->path);
	free(call->value);
	free(call);
	pipeline_leave(&check->pipeline, 0);
}

/* Ask for the node of one line, which ends with a newline.  False if the line is no record. */
static bool
check_line(struct check *check, char *line)
{
	struct synod_read_options options = {.call.done = check_done};
	struct check_call *call;
	char *space = strrchr(line, ' ');
	int error;

	if (!space)
		return false;
	line[strlen(line) - 1] = '\0';
	*space = '\0';
	call = must_calloc(1, sizeof *call);
	*call = (struct check_call){check, must_copy(space + 1), must_copy(line)};
	options.call.context = call;
	pipeline_enter(&check->pipeline, 0);
	error = synod_get(check->cli->synod, call->path, &options, NULL);
	if (error)
		check_done(call, &(struct synod_result){.error = error});
	return true;
}

static int
check_report(const struct check *check, uint64_t count)
{
	char text[UNIT_TEXT_SIZE];

	if (check->cli->json) {
		cJSON *json = json_object();

		json_add_number(json, "checked", count);
		json_add_number(json, "lost", check->lost);
		json_add_number(json, "different", check->different);
		json_add_number(json, "unread", check->unread);
		json_print(json);
	} else {
		printf("%s acknowledged writes checked: %" PRIuFAST64 " lost, %" PRIuFAST64
		       " different, %" PRIuFAST64 " could not be read\n",
		       format_count(text, count), check->lost, check->different, check->unread);
	}
	return check->lost + check->different + check->unread == 0 ? EXIT_DONE : EXIT_ERROR;
}

int
bench_gap_check(struct cli *cli)
{
	struct check check = {.cli = cli};
	const char *name = cli->options.text[OPTION_CHECK];
	FILE *file = fopen(name, "r");
	char *line = NULL;
	size_t capacity = 0;
	uint64_t count = 0;
	int code;

	if (!file)
		return cli_fail_system(name, errno);
	pipeline_init(&check.pipeline, CHECK_CALLS, SIZE_MAX);
	code = cli_open(cli);
	while (code == 0 && getline(&line, &capacity, file) > 0) {
		/* A writer that was killed may leave half a line, about a write whose
		 * acknowledgement nobody has seen. */
		if (!strchr(line, '\n'))
			break;
		if (check_line(&check, line))
			count++;
		else
			code = cli_usage(cli, "%s: line %" PRIu64 " is no record", name, count + 1);
	}
	pipeline_drain(&check.pipeline);
	pipeline_fini(&check.pipeline);
	free(line);
	fclose(file);
	return code ? code : check_report(&check, count);
}
