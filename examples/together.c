/*
 * All three uses together: workers that find each other, one of them leads, and what
 * they write is fenced.
 *
 *     ./together alice &  ./together bob &  ./together carol &
 *
 * Each registers as a worker and campaigns.  The leader hands out tasks, to whichever
 * worker the resolver picks.  A worker that gets a task does it under a lock: it counts
 * it, and the lock's token makes sure that nobody counts with a lock that was lost.
 * Kill any of them: the others notice, elect, and go on.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <synod/discovery.h>

#define LOCK  "/example/together/lock"
#define COUNT "/example/together/count"

static atomic_bool leads;

static void
on_elected(void *name, struct synod_election *election, int error)
{
	(void)election;
	printf("%s leads: %s\n", (const char *)name, synod_error_name(error));
	fflush(stdout);
	atomic_store(&leads, error == SYNOD_OK);
}

static void
on_deposed(void *name, struct synod_election *election)
{
	(void)election;
	printf("%s is deposed\n", (const char *)name);
	atomic_store(&leads, false);
}

static void
hand_out(struct synod_resolver *workers, int fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct synod_pick pick;

	if (synod_resolver_pick(workers, NULL, &pick) != SYNOD_OK)
		return;
	to.sin_port = htons((uint16_t)pick.instance->port);
	inet_pton(AF_INET, pick.instance->address, &to.sin_addr);
	sendto(fd, "task", 4, 0, (struct sockaddr *)&to, sizeof to);
	synod_pick_done(&pick, SYNOD_SUCCEEDED);
}

static void
do_task(struct synod *synod, const char *name)
{
	struct synod_write_options fenced = {.make_parents = true};
	struct synod_lock *lock;
	struct synod_result *result;
	char text[24];
	int error;

	if (synod_lock_acquire(synod, LOCK, NULL, &lock) != SYNOD_OK)
		return;
	fenced.guard = synod_lock_guard(lock);
	error = synod_get(synod, COUNT, NULL, &result);
	snprintf(text, sizeof text, "%ld",
	         error == SYNOD_OK ? strtol(result->node.data, NULL, 10) + 1 : 1);
	synod_result_free(result);
	error = synod_put(synod, COUNT, text, strlen(text), &fenced, NULL);
	printf("%s: task %s: %s\n", name, text, synod_error_name(error));
	fflush(stdout);
	synod_lock_release(lock, 0);
}

int
main(int argc, char **argv)
{
	char *name = argc > 1 ? argv[1] : (char *)"worker", task[16];
	struct synod_options options = {.session_timeout_ms = 2000};
	struct synod_service_options worker = {.instance = {.id = name, .address = "127.0.0.1"}};
	struct synod_election_options campaign = {
		.on_elected = on_elected, .on_deposed = on_deposed, .context = name};
	struct sockaddr_in local = {.sin_family = AF_INET};
	struct pollfd tasks = {.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
	socklen_t size = sizeof local;
	struct synod *synod;
	struct synod_service *service;
	struct synod_resolver *workers;
	struct synod_election *election;

	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bind(tasks.fd, (struct sockaddr *)&local, sizeof local);
	getsockname(tasks.fd, (struct sockaddr *)&local, &size);
	worker.instance.port = ntohs(local.sin_port);
	if (synod_open(&options, &synod) != SYNOD_OK ||
	    synod_service_register(synod, "example-workers", &worker, &service) != SYNOD_OK ||
	    synod_resolver_open(synod, "example-workers", NULL, &workers) != SYNOD_OK ||
	    synod_election_campaign(synod, "/example/together/leader", name, strlen(name),
	                            &campaign, &election) != SYNOD_OK)
		return 1;
	for (;;) {
		if (poll(&tasks, 1, 50) > 0 && recv(tasks.fd, task, sizeof task, 0) > 0)
			do_task(synod, name);
		else if (atomic_load(&leads))
			hand_out(workers, tasks.fd);
	}
}
