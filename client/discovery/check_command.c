/*
 * Checks by a command.
 *
 * The command runs below a shell of ours, in a process group of their own:
 *
 *     sh (ours, the head of the group) -- sh -c COMMAND -- ...
 *
 * Our shell waits for the other and writes its exit code into a pipe.  So the
 * code comes through even when the program ignores SIGCHLD or waits for all
 * children itself, the end of the command is something to poll for, and what is
 * waited for, our shell, always can be killed.  When the command has ended, its
 * time is over or the check is stopped, whatever is left of the group is killed:
 * who wants to outlive a check needs a session of its own (setsid).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/discovery/check_run.h"
#include "shared/clock.h"

#define OUTPUT_MAX                                                                                 \
	1024 /* of it the first line is shown; the rest is read, so that it can be written */
#define EXIT_WARNING   1
#define EXIT_BY_SIGNAL 128

/* Descriptors of ours lie above those that a child's are put on. */
#define CHILD_STATUS_FD 3
#define LOWEST_FD       10

struct command {
	pid_t pid;
	int output_fd; /* -1: nothing more comes */
	int status_fd;
	char output[OUTPUT_MAX + 1];
	size_t output_size;
	char status[16]; /* decimal digits and a newline; nothing if our shell was killed */
	size_t status_size;
	bool has_ended;
};

extern char **environ;

/* A pipe whose ends are closed in every other child. */
static bool
open_pipe(int ends[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) != 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, LOWEST_FD);
		close(low[i]);
	}
	if (ends[0] >= 0 && ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return true;
	for (unsigned i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
	}
	return false;
}

/* 0 or an errno. */
static int
spawn(const char *target, int output_fd, int status_fd, pid_t *pid)
{
	static const char script[] = "/bin/sh -c \"$1\" 3>&-; echo $? >&3";
	const char *const words[] = {"sh", "-c", script, "sh", target, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output_fd, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&actions, status_fd, CHILD_STATUS_FD);
	/* The program's own descriptors may lack the flag that closes them. */
	posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_STATUS_FD + 1);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
	                                              POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	error = posix_spawn(pid, "/bin/sh", &actions, &attributes, (char *const *)words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static int
command_start(struct command *command, const char *target)
{
	int output[2], status[2];
	int error = 0;

	if (!open_pipe(output))
		return errno;
	if (!open_pipe(status)) {
		error = errno;
		close(output[0]);
		close(output[1]);
		return error;
	}
	error = spawn(target, output[1], status[1], &command->pid);
	close(output[1]);
	close(status[1]);
	command->output_fd = output[0];
	command->status_fd = status[0];
	if (error != 0) {
		close(output[0]);
		close(status[0]);
	}
	return error;
}

/* Take what there is at the moment; false when nothing more will come. */
static bool
read_output(struct command *command)
{
	char surplus[4096];
	size_t room = OUTPUT_MAX - command->output_size;
	ssize_t got =
		room > 0 ? read(command->output_fd, command->output + command->output_size, room)
			 : read(command->output_fd, surplus, sizeof surplus);

	if (got > 0 && room > 0)
		command->output_size += (size_t)got;
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool
read_status(struct command *command)
{
	size_t room = sizeof command->status - 1 - command->status_size;
	ssize_t got = read(command->status_fd, command->status + command->status_size, room);

	if (got > 0)
		command->status_size += (size_t)got;
	if (got > 0 && (size_t)got < room && strchr(command->status, '\n') == NULL)
		return true;
	return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Until the command has ended: CHECK_READY. */
static enum check_wait
attend(struct check_run *run, struct command *command)
{
	for (;;) {
		struct pollfd polls[] = {
			{.fd = run->stop_fd, .events = POLLIN},
			{.fd = command->status_fd, .events = POLLIN},
			{.fd = command->output_fd, .events = POLLIN},
		};
		int left_ms = check_run_left_ms(run);

		if (poll(polls, 3, left_ms) > 0) {
			if (polls[0].revents != 0)
				return CHECK_STOPPED;
			if (polls[2].revents != 0 && !read_output(command)) {
				close(command->output_fd);
				command->output_fd = -1;
			}
			if (polls[1].revents != 0 && !read_status(command))
				return CHECK_READY;
		}
		/* Not only when nothing was ready: a command may write without end. */
		if (left_ms == 0)
			return CHECK_LATE;
	}
}

/* Kill what is left of the group, and reap our shell; it was not reaped before, so that the group's
 * number is still ours. */
static void
command_end(struct command *command)
{
	kill(-command->pid, SIGKILL);
	/* ECHILD: the program ignores SIGCHLD, or has reaped it. */
	while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (command->output_fd >= 0) {
		/* What it wrote last.  A process that left the group may write on: once is enough.
		 */
		(void)read_output(command);
		close(command->output_fd);
	}
	close(command->status_fd);
}

static const char *
first_line(struct command *command)
{
	char *line = command->output;

	command->output[command->output_size] = '\0';
	line += strspn(line, "\r\n");
	line[strcspn(line, "\r\n")] = '\0';
	return line;
}

static enum synod_health
judge(struct check_run *run, struct command *command)
{
	const char *line = first_line(command);
	const char *colon = line[0] != '\0' ? ": " : "";
	int code;

	if (command->status[0] == '\0')
		return check_run_fail(run, "the command was killed with its group%s%s", colon,
		                      line);
	code = atoi(command->status);
	if (code > EXIT_BY_SIGNAL && code < EXIT_BY_SIGNAL + NSIG)
		return check_run_fail(run, "exit code %d, as by signal %d%s%s", code,
		                      code - EXIT_BY_SIGNAL, colon, line);
	check_run_say(run, "exit code %d%s%s", code, colon, line);
	if (code == EXIT_SUCCESS)
		return SYNOD_PASSING;
	return code == EXIT_WARNING ? SYNOD_WARNING : SYNOD_CRITICAL;
}

enum synod_health
check_run_command(struct check_run *run)
{
	struct command command = {0};
	enum check_wait wait;
	int error = command_start(&command, run->check->target);

	if (error != 0)
		return check_run_fail(run, "cannot start /bin/sh: %s", strerrordesc_np(error));
	wait = attend(run, &command);
	command_end(&command);
	return wait == CHECK_READY ? judge(run, &command) : check_run_late(run);
}
