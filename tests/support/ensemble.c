/* Real members for system tests. */
#include "tests/support/ensemble.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

unsigned long
ensemble_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_nsec / 1000000;
}

void
ensemble_pause(void)
{
	struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};

	nanosleep(&pause, NULL);
}

static bool
port_is_free(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	bool is_free;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
	close(fd);
	return is_free;
}

static unsigned
choose_port(void)
{
	static unsigned next;

	if (next == 0)
		next = 10000 + (unsigned)getpid() * 37 % 20000;
	do
		next = next >= 30000 ? 10000 : next + 1;
	while (!port_is_free(next));
	return next;
}

/* Whatever is running or on the disk, in case a failed test does not get to its end. */
static struct {
	pid_t pids[256];
	unsigned pid_count;
	char directories[64][256];
	unsigned directory_count;
} left;

static void
remember_process(pid_t pid)
{
	if (left.pid_count < 256)
		left.pids[left.pid_count++] = pid;
}

static void
forget_process(pid_t pid)
{
	for (unsigned i = 0; i < left.pid_count; i++) {
		if (left.pids[i] == pid)
			left.pids[i] = left.pids[--left.pid_count];
	}
}

static void
remove_directory(const char *directory)
{
	const char *arguments[] = {"rm", "-rf", directory, NULL};
	pid_t pid;

	if (getenv("SYNOD_KEEP"))
		return;
	if (posix_spawnp(&pid, "rm", NULL, NULL, (char *const *)arguments, environ) == 0)
		waitpid(pid, NULL, 0);
}

int
ensemble_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < left.pid_count; i++) {
		kill(left.pids[i], SIGKILL);
		waitpid(left.pids[i], NULL, 0);
	}
	left.pid_count = 0;
	for (unsigned i = 0; i < left.directory_count; i++) {
		char mounted[300];

		snprintf(mounted, sizeof mounted, "%s/small", left.directories[i]);
		umount2(mounted, MNT_DETACH);
		remove_directory(left.directories[i]);
	}
	left.directory_count = 0;
	return 0;
}

void
ensemble_init(struct ensemble *ensemble, unsigned size)
{
	const char *base = getenv("TMPDIR");

	memset(ensemble, 0, sizeof *ensemble);
	ensemble->size = size;
	snprintf(ensemble->directory, sizeof ensemble->directory, "%s/synod-test-XXXXXX",
	         base ? base : "/tmp");
	if (!mkdtemp(ensemble->directory))
		abort();
	if (left.directory_count < 64)
		strcpy(left.directories[left.directory_count++], ensemble->directory);
	for (unsigned i = 0; i < size; i++) {
		struct ensemble_member *member = &ensemble->members[i];
		size_t used = strlen(ensemble->peers);

		snprintf(member->name, sizeof member->name, "%c", 'a' + (int)i);
		snprintf(member->data, sizeof member->data, "%s/%s", ensemble->directory,
		         member->name);
		snprintf(member->log, sizeof member->log, "%s/%s.log", ensemble->directory,
		         member->name);
		snprintf(member->peer, sizeof member->peer, "127.0.0.1:%u", choose_port());
		snprintf(member->client, sizeof member->client, "127.0.0.1:%u", choose_port());
		snprintf(ensemble->peers + used, sizeof ensemble->peers - used, "%s%s=%s",
		         i ? "," : "", member->name, member->peer);
		used = strlen(ensemble->endpoints);
		snprintf(ensemble->endpoints + used, sizeof ensemble->endpoints - used, "%s%s",
		         i ? "," : "", member->client);
	}
}

static void
binary_path(char *path, size_t size, const char *name)
{
	const char *directory = getenv("SYNOD_BIN");

	snprintf(path, size, "%s/%s", directory ? directory : "build/release", name);
}

bool
ensemble_start(struct ensemble *ensemble, unsigned index)
{
	struct ensemble_member *member = &ensemble->members[index];
	char path[512];
	const char *arguments[32] = {path,           "--name",  member->name,    "--data",
	                             member->data,   "--peers", ensemble->peers, "--clients",
	                             member->client, "-d"};
	posix_spawn_file_actions_t actions;
	unsigned count = 10;
	int error;

	for (unsigned i = 0; ensemble->extra[i]; i++)
		arguments[count++] = ensemble->extra[i];
	arguments[count] = NULL;
	binary_path(path, sizeof path, "synodd");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, member->log, O_WRONLY | O_CREAT | O_APPEND,
	                                 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	error = posix_spawn(&member->pid, path, &actions, NULL, (char *const *)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		member->pid = 0;
	else
		remember_process(member->pid);
	return error == 0;
}

bool
ensemble_start_all(struct ensemble *ensemble)
{
	for (unsigned i = 0; i < ensemble->size; i++) {
		if (ensemble->members[i].pid == 0 && !ensemble_start(ensemble, i))
			return false;
	}
	return true;
}

static int
wait_for(pid_t pid, unsigned limit_ms)
{
	unsigned long end_ms = ensemble_now_ms() + limit_ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (ensemble_now_ms() > end_ms)
			return -1;
		ensemble_pause();
	}
	return status;
}

int
ensemble_signal(struct ensemble *ensemble, unsigned index, int number)
{
	struct ensemble_member *member = &ensemble->members[index];
	int status = 0;

	if (member->pid == 0)
		return -1;
	kill(member->pid, number);
	if (number == SIGKILL || number == SIGTERM) {
		status = wait_for(member->pid, 20000);
		if (status != -1) {
			forget_process(member->pid);
			member->pid = 0;
		}
	}
	return status;
}

void
ensemble_fini(struct ensemble *ensemble)
{
	for (unsigned i = 0; i < ensemble->size; i++) {
		ensemble_signal(ensemble, i, SIGCONT);
		ensemble_signal(ensemble, i, SIGKILL);
	}
	remove_directory(ensemble->directory);
}

static struct synod *
open_endpoints(const char *endpoints)
{
	struct synod_options options = {.endpoints = endpoints};
	struct synod *synod = NULL;

	return synod_open(&options, &synod) == SYNOD_OK ? synod : NULL;
}

struct synod *
ensemble_open(const struct ensemble *ensemble)
{
	return open_endpoints(ensemble->endpoints);
}

struct synod *
ensemble_open_one(const struct ensemble *ensemble, unsigned index)
{
	return open_endpoints(ensemble->members[index].client);
}

static int
find_leader(const struct ensemble *ensemble, const struct synod_status *status)
{
	for (size_t i = 0; i < status->member_count; i++) {
		const struct synod_member_status *row = &status->members[i];

		if (row->error || strcmp(row->role, "leader") != 0)
			continue;
		for (unsigned k = 0; k < ensemble->size; k++) {
			if (strcmp(ensemble->members[k].name, row->name) == 0)
				return (int)k;
		}
	}
	return -1;
}

int
ensemble_leader(const struct ensemble *ensemble, unsigned limit_ms)
{
	unsigned long end_ms = ensemble_now_ms() + limit_ms;
	struct synod *synod = ensemble_open(ensemble);
	int leader = -1;

	while (leader < 0 && ensemble_now_ms() < end_ms) {
		struct synod_read_options options = {.call.timeout_ms = limit_ms};
		struct synod_status *status;

		if (synod_get(synod, "/", &options, NULL) != SYNOD_OK)
			continue;
		if (synod_status(synod, 1000, &status) == SYNOD_OK) {
			leader = find_leader(ensemble, status);
			synod_status_free(status);
		}
	}
	synod_close(synod);
	return leader;
}

static bool
all_equal(const struct ensemble *ensemble, const struct synod_status *status)
{
	const struct synod_member_status *first = NULL;
	unsigned running = 0, seen = 0;

	for (unsigned i = 0; i < ensemble->size; i++)
		running += ensemble->members[i].pid != 0;
	for (size_t i = 0; i < status->member_count; i++) {
		const struct synod_member_status *row = &status->members[i];

		if (row->error)
			continue;
		seen++;
		if (!first)
			first = row;
		if (row->applied != first->applied ||
		    strcmp(row->state_hash, first->state_hash) != 0)
			return false;
	}
	return seen == running;
}

bool
ensemble_agrees(const struct ensemble *ensemble, unsigned limit_ms)
{
	unsigned long end_ms = ensemble_now_ms() + limit_ms;
	struct synod *synod = ensemble_open(ensemble);
	bool agrees = false;

	while (!agrees && ensemble_now_ms() < end_ms) {
		struct synod_status *status;

		if (synod_status(synod, 1000, &status) == SYNOD_OK) {
			agrees = all_equal(ensemble, status);
			synod_status_free(status);
		}
		ensemble_pause();
	}
	synod_close(synod);
	return agrees;
}

/* How long a program that is run to its end may take. */
#define RUN_MAX_MS 60000

static void
feed_and_read(int input_fd, const char *input, int output_fd, char *output, size_t size)
{
	unsigned long end_ms = ensemble_now_ms() + RUN_MAX_MS;
	struct pollfd poll_fd = {.fd = output_fd, .events = POLLIN};
	size_t used = 0;
	ssize_t count;

	if (input && write(input_fd, input, strlen(input)) < 0)
		perror("write");
	close(input_fd);
	while (used + 1 < size && ensemble_now_ms() < end_ms) {
		if (poll(&poll_fd, 1, 100) <= 0)
			continue;
		count = read(output_fd, output + used, size - used - 1);
		if (count <= 0)
			break;
		used += (size_t)count;
	}
	output[used] = '\0';
	close(output_fd);
}

int
ensemble_run(const struct ensemble *ensemble, const char *const arguments[], const char *input,
             char *output, size_t size)
{
	posix_spawn_file_actions_t actions;
	int to[2], from[2], error, status;
	char path[512];
	pid_t pid;

	(void)ensemble;
	binary_path(path, sizeof path, arguments[0]);
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], 0);
	posix_spawn_file_actions_adddup2(&actions, from[1], 1);
	posix_spawn_file_actions_adddup2(&actions, from[1], 2);
	error = posix_spawn(&pid, path, &actions, NULL, (char *const *)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	if (error) {
		close(to[1]);
		close(from[0]);
		return -1;
	}
	feed_and_read(to[1], input, from[0], output, size);
	remember_process(pid);
	status = wait_for(pid, 5000);
	if (status == -1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	forget_process(pid);
	return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
