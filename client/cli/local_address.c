/* Asks the system from which address it would send. */
#include "client/cli/local_address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/endpoints.h"

/* Connecting a datagram socket sends nothing: it only chooses the way, and with it the address. */
static bool
address_towards(const struct addrinfo *to, char *address)
{
	struct sockaddr_storage own;
	socklen_t size = sizeof own;
	int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	found = connect(fd, to->ai_addr, to->ai_addrlen) == 0 &&
	        getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
	        getnameinfo((struct sockaddr *)&own, size, address, LOCAL_ADDRESS_SIZE, NULL, 0,
	                    NI_NUMERICHOST) == 0;
	close(fd);
	return found;
}

/* ENDPOINT is in the normal form of endpoints_init(). */
static bool
address_towards_endpoint(const char *endpoint, char *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *found;
	const char *colon = strrchr(endpoint, ':');
	bool is_bracketed = endpoint[0] == '[';
	char host[ENDPOINT_SIZE_MAX];
	bool done = false;

	snprintf(host, sizeof host, "%.*s", (int)(colon - endpoint - 2 * is_bracketed),
	         endpoint + is_bracketed);
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return false;
	for (const struct addrinfo *to = found; to != NULL && !done; to = to->ai_next)
		done = address_towards(to, address);
	freeaddrinfo(found);
	return done;
}

bool
local_address(const char *endpoints, char *address, char *via)
{
	struct endpoints list;
	bool found = false;

	if (endpoints_init(&list, endpoints) != 0)
		return false;
	for (unsigned i = 0; i < endpoints_count(&list) && !found; i++) {
		snprintf(via, ENDPOINT_SIZE_MAX, "%s", endpoints_at(&list, i));
		found = address_towards_endpoint(via, address);
	}
	endpoints_fini(&list);
	return found;
}
