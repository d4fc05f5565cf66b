/* Instances of a service for system tests. */
#include "tests/support/instances.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENER    3 /* the server's descriptor */
#define REQUEST     "GET / HTTP/1.0\r\n\r\n"
#define ANSWER      "HTTP/1.0 200 OK\r\n\r\n"
#define ANSWER_SIZE 64

extern char **environ;

/* ---- starting and stopping ---- */

/* A socket that listens, and its port. */
static int
listen_somewhere(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	    listen(fd, 64) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
		*port = ntohs(address.sin_port);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
spawn(pid_t *pid, const char *const arguments[], const char *log, int listener)
{
	posix_spawn_file_actions_t actions;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	posix_spawn_file_actions_adddup2(&actions, listener, LISTENER);
	error = posix_spawn(pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

bool
instance_start(struct instance *instance, unsigned number, const struct ensemble *ensemble,
               const char *service, unsigned session_timeout_ms)
{
	const char *directory = getenv("SYNOD_BIN");
	char program[512], self[512], log[300], port[16], timeout[16];
	const char *const arguments[] = {program,
	                                 "-e",
	                                 ensemble->endpoints,
	                                 "run",
	                                 "--service",
	                                 service,
	                                 "--id",
	                                 instance->id,
	                                 "--address",
	                                 "127.0.0.1",
	                                 "--port",
	                                 port,
	                                 "--session-timeout",
	                                 timeout,
	                                 "--drain",
	                                 "0.2",
	                                 "--",
	                                 self,
	                                 "server",
	                                 NULL};
	ssize_t self_size = readlink("/proc/self/exe", self, sizeof self - 1);
	int listener = listen_somewhere(&instance->port);
	int error;

	if (listener < 0 || self_size < 0)
		return false;
	self[self_size] = '\0';
	snprintf(instance->id, sizeof instance->id, "i%02u", number % 100);
	snprintf(program, sizeof program, "%s/synod", directory ? directory : "build/release");
	snprintf(log, sizeof log, "%s/instances.log", ensemble->directory);
	snprintf(port, sizeof port, "%u", instance->port);
	snprintf(timeout, sizeof timeout, "%u.%03u", session_timeout_ms / 1000,
	         session_timeout_ms % 1000);
	error = spawn(&instance->pid, arguments, log, listener);
	close(listener); /* so that the port is closed as soon as the server is gone */
	if (error)
		instance->pid = 0;
	return error == 0;
}

void
instance_kill(struct instance *instance)
{
	if (instance->pid == 0)
		return;
	kill(instance->pid, SIGKILL);
	waitpid(instance->pid, NULL, 0);
	instance->pid = 0;
}

int
instance_stop(struct instance *instance, unsigned limit_ms)
{
	unsigned long end_ms = ensemble_now_ms() + limit_ms;
	int status;

	kill(instance->pid, SIGTERM);
	while (waitpid(instance->pid, &status, WNOHANG) == 0) {
		if (ensemble_now_ms() > end_ms)
			return -1;
		ensemble_pause();
	}
	instance->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the server ---- */

static void
limit(int fd, unsigned timeout_ms)
{
	struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

static bool
send_all(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Read a text that ends with END, into SIZE bytes. */
static bool
receive_until(int fd, char *text, size_t size, const char *end)
{
	size_t used = 0, end_size = strlen(end);

	while (used + 1 < size) {
		ssize_t count = recv(fd, text + used, size - used - 1, 0);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return false;
		used += (size_t)count;
		text[used] = '\0';
		if (used >= end_size && strcmp(text + used - end_size, end) == 0)
			return true;
	}
	return false;
}

static void
answer(int fd, const char *id)
{
	char request[512], text[ANSWER_SIZE];

	limit(fd, 2000);
	snprintf(text, sizeof text, ANSWER "%s\n", id);
	if (receive_until(fd, request, sizeof request, "\r\n\r\n"))
		send_all(fd, text);
	close(fd);
}

void
instance_serve(void)
{
	const char *id = getenv("SYNOD_INSTANCE");

	/* A server does not outlive its `synod run`, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(LISTENER, NULL, NULL);

		if (fd >= 0)
			answer(fd, id ? id : "nobody");
		else if (errno != EINTR && errno != ECONNABORTED)
			_exit(1);
	}
}

/* ---- the caller ---- */

static bool
connect_within(int fd, const char *host, unsigned port, unsigned timeout_ms)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	limit(fd, timeout_ms);
	return inet_pton(AF_INET, host, &address.sin_addr) == 1 &&
	       connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

bool
instance_call(const char *address, unsigned port, const char *id, unsigned timeout_ms)
{
	/* A connection that was reset does not keep its port busy: there are many calls. */
	const struct linger reset = {.l_onoff = 1};
	char text[ANSWER_SIZE], expected[ANSWER_SIZE];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_good;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	snprintf(expected, sizeof expected, ANSWER "%s\n", id);
	is_good = connect_within(fd, address, port, timeout_ms) && send_all(fd, REQUEST) &&
	          receive_until(fd, text, sizeof text, expected + strlen(ANSWER)) &&
	          strcmp(text, expected) == 0;
	close(fd);
	return is_good;
}
