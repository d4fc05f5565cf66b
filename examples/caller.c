/*
 * Calling a service: a healthy instance for each call, and another one if it fails.
 *
 *     ./caller 100        100 calls to the servers of server.c
 *
 * The resolver keeps a local copy of the instances, so picking one costs no message and
 * goes on while the ensemble is away.  What became of each call is told back: an
 * instance that fails gets no more calls for a while (its breaker is open).  A failed
 * call is tried again, elsewhere, after a short random delay, as long as the budget
 * allows: retries may add a tenth to the load, so that they cannot make a bad day worse.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <synod/discovery.h>

static struct synod_retry_budget budget = SYNOD_RETRY_BUDGET(10, 10);

/* One GET; true if the answer is 200. */
static bool
get(const struct synod_instance *instance, char *answer, size_t size)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	const struct timeval patience = {.tv_sec = 1};
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)instance->port)};
	ssize_t got = -1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (inet_pton(AF_INET, instance->address, &to.sin_addr) == 1 &&
	    connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
	    send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
		got = recv(fd, answer, size - 1, MSG_WAITALL);
	close(fd);
	answer[got > 0 ? got : 0] = '\0';
	return strncmp(answer, "HTTP/1.0 200", 12) == 0;
}

static bool
call(struct synod_resolver *resolver, char *answer, size_t size)
{
	const struct synod_retry_options options = {.attempts_max = 10, .budget = &budget};
	struct synod_pick_options elsewhere = {0};
	struct synod_retry retry;
	struct synod_pick pick;
	char last[64] = "";

	synod_retry_begin(&retry, &options);
	do {
		bool is_done;

		if (synod_resolver_pick(resolver, &elsewhere, &pick) != SYNOD_OK)
			continue;
		is_done = get(pick.instance, answer, size);
		snprintf(last, sizeof last, "%s", pick.instance->id);
		synod_pick_done(&pick, is_done ? SYNOD_SUCCEEDED : SYNOD_FAILED);
		if (is_done)
			return true;
		elsewhere.avoid = last;
	} while (synod_retry_wait(&retry));
	return false;
}

int
main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 10, failed = 0;
	struct synod_resolver *resolver;
	struct synod *synod;
	char answer[512];

	if (synod_open(NULL, &synod) != SYNOD_OK ||
	    synod_resolver_open(synod, "example-web", NULL, &resolver) != SYNOD_OK)
		return 1;
	if (synod_resolver_wait(resolver, 1, 10000) != SYNOD_OK)
		fprintf(stderr, "nobody offers example-web: start ./server\n");
	for (int i = 0; i < count; i++) {
		if (call(resolver, answer, sizeof answer))
			printf("%s",
			       strstr(answer, "\r\n\r\n") ? strstr(answer, "\r\n\r\n") + 4 : "?\n");
		else
			failed++;
		fflush(stdout);
		poll(NULL, 0, 10); /* not more than 100 calls a second */
	}
	printf("%d calls, %d failed\n", count, failed);
	synod_resolver_close(resolver);
	synod_close(synod);
	return failed != 0;
}
