/* Runs a command in a process group of its own, and stops the group in time. */
#include "client/cli/child.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/memory.h"

extern char **environ;

/* The longest that REMAINING_MS is not asked again: keepalives are answered meanwhile. */
#define LOOK_MS 100

/* Ours goes on by SIGURG, which nobody else sends and which is ignored by default. */
#define SIGNAL_WAKE SIGURG

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static sigset_t original; /* the mask before child_prepare() */
static pid_t own_pid;

static sigset_t
handled_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGNAL_WAKE);
	for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
		sigaddset(&set, forwarded[i]);
	return set;
}

void
child_prepare(void)
{
	sigset_t set = handled_signals();

	own_pid = getpid();
	pthread_sigmask(SIG_BLOCK, &set, &original);
}

void
child_wake(void)
{
	kill(own_pid, SIGNAL_WAKE);
}

/* ---- the terminal ---- */

/* Give the terminal's foreground to GROUP.  Who does that from the background is stopped by
 * SIGTTOU, unless it is blocked. */
static void
set_foreground(pid_t group)
{
	sigset_t set, before;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	tcsetpgrp(STDIN_FILENO, group);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool
is_foreground(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* ---- starting ---- */

/* Do both set the same variable? */
static bool
is_same_variable(const char *a, const char *b)
{
	size_t size = strcspn(a, "=");

	return strncmp(a, b, size + 1) == 0;
}

static bool
is_replaced(const char *variable, const char *const *variables)
{
	for (; *variables != NULL; variables++) {
		if (is_same_variable(*variables, variable))
			return true;
	}
	return false;
}

/* Ours with VARIABLES; the array is to be freed.  (setenv() is not for programs with threads.) */
static char **
environment_with(const char *const *variables)
{
	size_t count = 1, used = 0;
	char **result;

	for (char **own = environ; *own != NULL; own++)
		count++;
	for (const char *const *more = variables; *more != NULL; more++)
		count++;
	result = must(malloc(count * sizeof *result));
	for (char **own = environ; *own != NULL; own++) {
		if (!is_replaced(*own, variables))
			result[used++] = *own;
	}
	for (; *variables != NULL; variables++)
		result[used++] = (char *)*variables;
	result[used] = NULL;
	return result;
}

int
child_start(struct child *child, char **words, const char *const *variables, int input)
{
	char **environment = environment_with(variables);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	bool takes_terminal = input < 0 && is_foreground();
	int error;

	*child = (struct child){0};
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	if (input >= 0)
		posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &original);
	error = posix_spawnp(&child->pid, words[0], &actions, &attributes, words, environment);
	free(environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (error == 0 && takes_terminal) {
		set_foreground(child->pid);
		/* It may have asked for input before the terminal was its own. */
		kill(-child->pid, SIGCONT);
		child->has_terminal = true;
	}
	return error;
}

/* ---- waiting ---- */

/* The child has ended and is not yet collected, so its group's number is still its own. */
bool
child_has_ended(struct child *child, int *code)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
		*code = 1;
		return errno != EINTR;
	}
	if (info.si_pid == 0)
		return false;
	*code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return true;
}

void
child_collect(struct child *child)
{
	waitpid(child->pid, NULL, 0);
	if (child->has_terminal)
		set_foreground(getpgrp());
}

void
child_send(struct child *child, int signal)
{
	kill(-child->pid, signal);
}

static void
stop_in_time(struct child *child, unsigned remaining_ms, unsigned term_ms, unsigned kill_ms)
{
	if (remaining_ms <= kill_ms && !child->is_killed) {
		child->is_killed = true;
		kill(-child->pid, SIGKILL);
	} else if (remaining_ms <= term_ms && !child->is_terminated) {
		child->is_terminated = true;
		kill(-child->pid, SIGTERM);
		kill(-child->pid, SIGCONT); /* a stopped one could not end */
	}
}

static unsigned
pause_ms(const struct child *child, unsigned remaining_ms, unsigned term_ms, unsigned kill_ms)
{
	unsigned bound = child->is_terminated ? kill_ms : term_ms;
	unsigned left = remaining_ms > bound ? remaining_ms - bound : 1;

	return left < LOOK_MS ? left : LOOK_MS;
}

int
child_pause(unsigned wait_ms)
{
	struct timespec pause = {.tv_sec = wait_ms / 1000, .tv_nsec = (wait_ms % 1000) * 1000000L};
	sigset_t set = handled_signals();
	int signal = sigtimedwait(&set, NULL, &pause);

	for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++) {
		if (signal == forwarded[i])
			return signal;
	}
	return 0;
}

static void
take_signal(struct child *child, unsigned wait_ms)
{
	int signal = child_pause(wait_ms);

	if (signal == 0)
		return;
	child->signal = signal;
	kill(-child->pid, signal);
}

int
child_wait(struct child *child, unsigned (*remaining_ms)(void *context), void *context,
           unsigned term_ms, unsigned kill_ms)
{
	int code;

	while (!child_has_ended(child, &code)) {
		unsigned wait_ms = LOOK_MS;

		if (remaining_ms != NULL) {
			unsigned left = remaining_ms(context);

			stop_in_time(child, left, term_ms, kill_ms);
			wait_ms = pause_ms(child, left, term_ms, kill_ms);
		}
		take_signal(child, wait_ms);
	}
	/* What the command left running in its group must not outlive the lock either. */
	if (remaining_ms != NULL)
		kill(-child->pid, SIGKILL);
	child_collect(child);
	return code;
}
