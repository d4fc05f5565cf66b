/* The server of stub_server.h: one thread, one connection after the other. */
#include "tests/support/stub_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MAX      64
#define PATIENCE_MS   30000
#define WAIT_SLICE_NS 1000000

struct stub_state {
	struct stub_options options;
	int listen_fd;
	int stop_fd;
	pthread_t thread;
	int kept[KEPT_MAX];
	unsigned kept_count;
};

static int
listen_on_any_port(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
		close(fd);
		return -1;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

unsigned
stub_closed_port(void)
{
	unsigned port = 0;
	int fd = listen_on_any_port(&port);

	if (fd >= 0)
		close(fd);
	return port;
}

/* False once the server is to stop. */
static bool
wait_for(struct stub_state *state, int fd, short events)
{
	struct pollfd polls[] = {{.fd = state->stop_fd, .events = POLLIN},
	                         {.fd = fd, .events = events}};

	return poll(polls, 2, -1) > 0 && polls[0].revents == 0;
}

static bool
read_request(struct stub_server *server, int fd)
{
	size_t size = 0;

	while (size < STUB_REQUEST_MAX && wait_for(server->state, fd, POLLIN)) {
		ssize_t got = recv(fd, server->request + size, STUB_REQUEST_MAX - size, 0);

		if (got <= 0)
			return false;
		size += (size_t)got;
		server->request[size] = '\0';
		if (strstr(server->request, "\r\n\r\n") != NULL)
			return true;
	}
	return false;
}

static bool
write_text(struct stub_state *state, int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0 && wait_for(state, fd, POLLOUT)) {
		ssize_t sent = send(fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent <= 0)
			return false;
		text += sent;
		left -= (size_t)sent;
	}
	return left == 0;
}

static void
serve(struct stub_server *server, int fd)
{
	struct stub_state *state = server->state;
	bool goes_on = state->options.speaks_at_once ||
	               (state->options.answer != NULL && read_request(server, fd));

	goes_on = goes_on && write_text(state, fd, state->options.answer);
	while (goes_on && state->options.endless != NULL)
		goes_on = write_text(state, fd, state->options.endless);
	if (state->options.is_kept_open && state->kept_count < KEPT_MAX)
		state->kept[state->kept_count++] = fd;
	else
		close(fd);
}

static void *
stub_main(void *argument)
{
	struct stub_server *server = argument;

	while (wait_for(server->state, server->state->listen_fd, POLLIN)) {
		int fd = accept4(server->state->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		atomic_fetch_add(&server->accepted, 1);
		serve(server, fd);
	}
	return NULL;
}

bool
stub_server_start(struct stub_server *server, const struct stub_options *options)
{
	struct stub_state *state = calloc(1, sizeof *state);

	*server = (struct stub_server){.state = state};
	if (state == NULL)
		return false;
	state->options = *options;
	state->listen_fd = listen_on_any_port(&server->port);
	state->stop_fd = eventfd(0, EFD_CLOEXEC);
	return state->listen_fd >= 0 && state->stop_fd >= 0 &&
	       pthread_create(&state->thread, NULL, stub_main, server) == 0;
}

void
stub_server_stop(struct stub_server *server)
{
	struct stub_state *state = server->state;

	eventfd_write(state->stop_fd, 1);
	pthread_join(state->thread, NULL);
	for (unsigned i = 0; i < state->kept_count; i++)
		close(state->kept[i]);
	close(state->listen_fd);
	close(state->stop_fd);
	free(state);
}

bool
stub_server_wait(struct stub_server *server, unsigned count)
{
	const struct timespec slice = {.tv_nsec = WAIT_SLICE_NS};

	for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
		if (atomic_load(&server->accepted) >= count)
			return true;
		nanosleep(&slice, NULL);
	}
	return false;
}
