/* The commands run and register: an instance of a service, for as long as something runs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/cli/upkeep.h"
#include "shared/error.h"

#define KILL_AFTER_DEFAULT_MS 10000

#define LOOK_MS               100

enum phase {
	PHASE_RUNNING,
	PHASE_DRAINING, /* until the deadline; then it is deregistered, and told to stop */
	PHASE_STOPPING, /* until the deadline; then it is killed */
};

struct run {
	struct cli *cli;
	struct offer offer;
	struct upkeep upkeep;
	struct child child;
	bool has_child;
	enum phase phase;
	uint64_t deadline_ns;
	int signal;   /* with which it is told to stop */
	bool is_lost; /* that is why it stops */
	bool is_killed;
};

static uint64_t
in_ms(uint64_t ms)
{
	return monotonic_ns() + ms * NANOSECONDS_PER_MS;
}

/* ---- stopping ---- */

static void
tell_to_stop(struct run *run)
{
	const struct options *options = &run->cli->options;

	upkeep_leave(&run->upkeep);
	run->phase = PHASE_STOPPING;
	run->deadline_ns =
		in_ms(options->given[OPTION_KILL_AFTER] ? options->number[OPTION_KILL_AFTER]
	                                                : KILL_AFTER_DEFAULT_MS);
	if (run->has_child) {
		child_send(&run->child, run->signal);
		child_send(&run->child, SIGCONT); /* a stopped one could not end */
	}
}

static void
begin_to_stop(struct run *run, int signal)
{
	run->signal = signal;
	if (run->offer.drain_ms == 0 || !upkeep_is_there(&run->upkeep)) {
		tell_to_stop(run);
		return;
	}
	upkeep_drain(&run->upkeep);
	run->phase = PHASE_DRAINING;
	run->deadline_ns = in_ms(run->offer.drain_ms);
}

static void
kill_group(struct run *run)
{
	if (run->has_child && !run->is_killed)
		child_send(&run->child, SIGKILL);
	run->is_killed = true;
}

static void
take_signal(struct run *run, int signal)
{
	if (signal == SIGUSR1 || signal == SIGUSR2) {
		if (run->has_child)
			child_send(&run->child, signal);
	} else if (run->phase == PHASE_RUNNING) {
		begin_to_stop(run, signal);
	} else if (run->has_child) {
		kill_group(run);
	} else {
		run->deadline_ns = 0;
	}
}

static void
stop_when_lost(struct run *run)
{
	bool is_lost = upkeep_is_lost(&run->upkeep);

	if (run->phase != PHASE_RUNNING)
		return;
	if (run->has_child && !run->cli->options.given[OPTION_STOP_WHEN_LOST])
		return;
	if (!is_lost && !(run->has_child && upkeep_is_drained(&run->upkeep)))
		return;
	run->is_lost = is_lost;
	begin_to_stop(run, SIGTERM);
}

static void
keep_deadline(struct run *run)
{
	if (run->phase == PHASE_RUNNING || monotonic_ns() < run->deadline_ns)
		return;
	if (run->phase == PHASE_DRAINING) {
		tell_to_stop(run);
	} else if (run->has_child && !run->is_killed) {
		cli_warn(run->cli->words[0], "did not stop in time after signal %d: killed",
		         run->signal);
		kill_group(run);
	}
}

/* ---- running ---- */

static unsigned
pause_ms(const struct run *run)
{
	uint64_t now_ns = monotonic_ns();
	uint64_t left_ms;

	if (run->phase == PHASE_RUNNING || run->deadline_ns <= now_ns)
		return LOOK_MS;
	left_ms = (run->deadline_ns - now_ns) / NANOSECONDS_PER_MS + 1;
	return left_ms < LOOK_MS ? (unsigned)left_ms : LOOK_MS;
}

/* Until the command has ended, or there is none and we are told to stop.  Returns its code. */
static int
stay(struct run *run)
{
	int code = 0;

	for (;;) {
		int signal;

		upkeep_look(&run->upkeep);
		if (run->has_child && child_has_ended(&run->child, &code))
			return code;
		stop_when_lost(run);
		keep_deadline(run);
		if (run->phase == PHASE_STOPPING && !run->has_child)
			return code;
		signal = child_pause(pause_ms(run));
		if (signal)
			take_signal(run, signal);
	}
}

static int
start(struct run *run)
{
	struct upkeep *upkeep = &run->upkeep;
	char *variables[] = {
		must_format("SYNOD_SERVICE=%s", run->offer.service),
		must_format("SYNOD_INSTANCE=%s", synod_service_id(upkeep->service)),
		must_format("SYNOD_ENDPOINTS=%s", cli_endpoints(run->cli)),
		NULL,
	};
	/* An interrupt that is typed must come to us, for the draining, so the terminal stays ours.
	 * Who reads from a terminal that is not its own is stopped: then it is better there is
	 * none. */
	int input = isatty(STDIN_FILENO) ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	int error =
		child_start(&run->child, run->cli->words, (const char *const *)variables, input);

	if (input >= 0)
		close(input);
	for (size_t i = 0; variables[i]; i++)
		free(variables[i]);
	if (error) {
		cli_fail_system(run->cli->words[0], error);
		return error == ENOENT ? 127 : 126;
	}
	run->has_child = true;
	return 0;
}

static int
run_registered(struct run *run, bool has_command)
{
	int code = upkeep_init(&run->upkeep, run->cli, &run->offer, has_command);

	if (code == 0 && has_command)
		code = start(run);
	if (code == 0) {
		upkeep_begin(&run->upkeep);
		code = stay(run);
	}
	upkeep_fini(&run->upkeep);
	if (run->has_child)
		child_collect(&run->child);
	return run->is_lost ? error_exit_code(SYNOD_NOT_HELD) : code;
}

static int
offer_and_run(struct cli *cli, const char *service, bool has_command)
{
	struct run run = {.cli = cli};
	int code = offer_read(cli, service, &run.offer);

	if (code == 0) {
		child_prepare();
		code = run_registered(&run, has_command);
	}
	offer_fini(&run.offer);
	return code;
}

int
command_run(struct cli *cli)
{
	if (!cli->options.given[OPTION_SERVICE])
		return cli_usage(cli,
		                 "--service NAME is missing: of which service is it an instance?");
	if (cli->word_count == 0)
		return cli_usage(cli, "the COMMAND to run is missing: give it after '--'");
	return offer_and_run(cli, cli->options.text[OPTION_SERVICE], true);
}

int
command_register(struct cli *cli)
{
	if (cli->word_count == 0)
		return cli_usage(cli, "the NAME of the service is missing");
	return offer_and_run(cli, cli->words[0], false);
}
