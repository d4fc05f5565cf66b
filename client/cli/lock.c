/* The commands lock and elect: run a command while a lock is held. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "client/cli/child.h"
#include "client/cli/cli.h"
#include "client/cli/memory.h"
#include "shared/error.h"
#include "shared/protocol.h"

#define SESSION_TIMEOUT_DEFAULT_MS 10000

/* When to stop the command, as shares of the session's timeout: the library's own deadline is
 * already a tenth before the ensemble's. */
#define TERM_SHARE 3 / 10
#define KILL_SHARE 1 / 10

#define RELEASE_MS 2000
#define LOOK_MS    1000

struct hold {
	struct cli *cli;
	const char *path;
	struct synod_lock *lock;
	unsigned session_timeout_ms;
	atomic_bool is_decided;
	atomic_int error;
};

static void
on_acquired(void *context, struct synod_lock *lock, int error)
{
	struct hold *hold = context;

	(void)lock;
	atomic_store(&hold->error, error);
	atomic_store(&hold->is_decided, true);
	child_wake();
}

static void
on_lost(void *context, struct synod_lock *lock)
{
	(void)context;
	(void)lock;
	child_wake(); /* synod_lock_remaining_ms() says the rest */
}

static unsigned
remaining_ms(void *context)
{
	const struct hold *hold = context;

	return synod_lock_remaining_ms(hold->lock);
}

/* ---- acquiring ---- */

static int
open_handle(struct hold *hold)
{
	struct cli *cli = hold->cli;
	struct synod_options options = cli_synod_options(cli);
	uint64_t timeout_ms = cli->options.number[OPTION_SESSION_TIMEOUT];
	int error;

	hold->session_timeout_ms = timeout_ms ? (unsigned)timeout_ms : SESSION_TIMEOUT_DEFAULT_MS;
	options.session_timeout_ms = hold->session_timeout_ms;
	error = synod_open(&options, &cli->synod);
	return error ? cli_fail(cli, cli_endpoints(cli), error, NULL) : 0;
}

/* Wait for the lock, or for a signal that ends the waiting. */
static int
await(struct hold *hold)
{
	while (!atomic_load(&hold->is_decided)) {
		int signal = child_pause(LOOK_MS);

		if (signal)
			return 128 + signal;
	}
	return 0;
}

static int
fail_acquire(const struct hold *hold, int error)
{
	struct synod_result more = {0};

	/* Not the ensemble's silence: others kept the lock for all of --wait. */
	if (error == SYNOD_TIMEOUT && hold->cli->options.given[OPTION_WAIT])
		error = SYNOD_HELD;
	if (error == SYNOD_CONFLICT)
		more.message = "others contend for the lock with another number of --holders";
	return cli_fail(hold->cli, hold->path, error, &more);
}

static int
acquire(struct hold *hold)
{
	const struct options *options = &hold->cli->options;
	const char *value = options->text[OPTION_VALUE];
	struct synod_lock_options how = {
		.value = value,
		.size = value ? strlen(value) : 0,
		.shared = options->given[OPTION_SHARED],
		.limit = (unsigned)options->number[OPTION_HOLDERS],
		.delay_ms = (unsigned)options->number[OPTION_DELAY],
		.try_only = options->given[OPTION_WAIT] && options->number[OPTION_WAIT] == 0,
		.wait_ms = (unsigned)options->number[OPTION_WAIT],
		.on_acquired = on_acquired,
		.on_lost = on_lost,
		.context = hold,
	};
	int error = synod_lock_acquire(hold->cli->synod, hold->path, &how, &hold->lock);
	int code;

	if (error)
		return fail_acquire(hold, error);
	code = await(hold);
	error = atomic_load(&hold->error);
	if (code || error) {
		synod_lock_release(hold->lock, RELEASE_MS);
		return code ? code : fail_acquire(hold, error);
	}
	return 0;
}

/* ---- holding ---- */

static uint64_t
unix_ms(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static int
start(const struct hold *hold, struct child *child)
{
	char *variables[] = {
		must_format("SYNOD_LOCK=%s", hold->path),
		must_format("SYNOD_LOCK_TOKEN=%" PRIu64, synod_lock_token(hold->lock)),
		must_format("SYNOD_LOCK_DEADLINE_MS=%" PRIu64,
	                    unix_ms() + synod_lock_remaining_ms(hold->lock)),
		NULL,
	};
	int error = child_start(child, hold->cli->words + 1, (const char *const *)variables, -1);

	for (size_t i = 0; variables[i]; i++)
		free(variables[i]);
	return error;
}

static int
run(struct hold *hold)
{
	struct child child;
	int error = start(hold, &child);
	int code;

	if (error) {
		cli_fail_system(hold->cli->words[1], error);
		return error == ENOENT ? 127 : 126;
	}
	code = child_wait(&child, remaining_ms, hold, hold->session_timeout_ms * TERM_SHARE,
	                  hold->session_timeout_ms * KILL_SHARE);
	if (!child.is_terminated && !child.is_killed)
		return code;
	cli_warn(hold->path,
	         "the lock could not be counted on any longer: the command was stopped");
	return error_exit_code(SYNOD_NOT_HELD);
}

static bool
is_outside(const struct options *options, enum option_name option, uint64_t least, uint64_t most)
{
	return options->given[option] &&
	       (options->number[option] < least || options->number[option] > most);
}

static int
check_options(struct cli *cli)
{
	const struct options *options = &cli->options;

	if (options->given[OPTION_SHARED] && options->given[OPTION_HOLDERS])
		return cli_usage(cli, "--shared and --holders exclude each other");
	if (is_outside(options, OPTION_HOLDERS, 1, LOCK_LIMIT_MAX))
		return cli_usage(cli, "--holders is 1 to %d", LOCK_LIMIT_MAX);
	if (is_outside(options, OPTION_DELAY, 0, LOCK_DELAY_MAX_MS))
		return cli_usage(cli, "--delay is at most %d seconds", LOCK_DELAY_MAX_MS / 1000);
	if (is_outside(options, OPTION_SESSION_TIMEOUT, SESSION_TIMEOUT_MIN_MS,
	               SESSION_TIMEOUT_MAX_MS))
		return cli_usage(cli, "--session-timeout is %d to %d seconds",
		                 SESSION_TIMEOUT_MIN_MS / 1000, SESSION_TIMEOUT_MAX_MS / 1000);
	return 0;
}

static int
hold_and_run(struct cli *cli)
{
	struct hold hold = {.cli = cli, .path = cli->words[0]};
	int code = check_options(cli);

	if (code)
		return code;
	child_prepare();
	code = open_handle(&hold);
	if (code == 0)
		code = acquire(&hold);
	if (code)
		return code;
	code = run(&hold);
	synod_lock_release(hold.lock, RELEASE_MS);
	return code;
}

int
command_lock(struct cli *cli)
{
	return hold_and_run(cli);
}

int
command_elect(struct cli *cli)
{
	if (!cli->options.given[OPTION_VALUE])
		return cli_usage(cli, "--value VALUE tells the others who leads");
	return hold_and_run(cli);
}
