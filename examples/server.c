/*
 * A web server that registers itself, so that others find it: see caller.c.
 *
 *     ./server &  ./server &
 *
 * It listens first, on a port that the system chooses, and registers then: whoever finds
 * an instance can reach it.  The registration lives as long as the server.  If the server
 * dies, it becomes suspect after the session's timeout, which callers avoid, and goes
 * after that time once more.  If the ensemble loses the session although the server
 * lives, the library registers it again.
 *
 * On SIGTERM it is drained: no new calls come once everybody has noticed, and the
 * calls that are there already are finished.
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <synod/discovery.h>

static volatile sig_atomic_t should_stop;

static void
on_signal(int number)
{
	(void)number;
	should_stop = 1;
}

static int
listen_somewhere(unsigned *port)
{
	struct sockaddr_in local = {.sin_family = AF_INET};
	socklen_t size = sizeof local;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) != 0 ||
	    listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *)&local, &size) != 0)
		return -1;
	*port = ntohs(local.sin_port);
	return fd;
}

static void
answer(int listener, unsigned port)
{
	char request[1024], body[64], text[256];
	int client = accept(listener, NULL, NULL);

	if (client < 0)
		return;
	if (read(client, request, sizeof request) > 0) {
		int size = snprintf(body, sizeof body, "hello from %u\n", port);

		size = snprintf(text, sizeof text,
		                "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body);
		(void)!write(client, text, (size_t)size);
	}
	close(client);
}

int
main(void)
{
	struct synod_options options = {.session_timeout_ms = 2000};
	struct synod_service_options web = {.instance = {.address = "127.0.0.1", .version = "1.0"}};
	struct pollfd listener = {.events = POLLIN};
	struct synod_service *service = NULL;
	struct synod *synod;
	int error;

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	listener.fd = listen_somewhere(&web.instance.port);
	if (listener.fd < 0 || synod_open(&options, &synod) != SYNOD_OK)
		return 1;
	error = synod_service_register(synod, "example-web", &web, &service);
	if (error == SYNOD_OK) {
		printf("registered as %s\n", synod_service_id(service));
		fflush(stdout);
		while (!should_stop) {
			if (poll(&listener, 1, 200) > 0)
				answer(listener.fd, web.instance.port);
		}
		/* Answering goes on in a thread of its own in a server that has more to do. */
		synod_service_set_health(service, SYNOD_DRAINING);
		while (poll(&listener, 1, 500) > 0)
			answer(listener.fd, web.instance.port);
		synod_service_deregister(service, 0);
	} else {
		fprintf(stderr, "register: %s\n", synod_error_text(error));
	}
	synod_close(synod);
	return error != SYNOD_OK;
}
