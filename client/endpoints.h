/*
 * Endpoints: where members listen for clients.
 *
 * The user's list comes first and is never forgotten; addresses that members
 * tell are appended.  Any thread may use it.
 */
#ifndef CLIENT_ENDPOINTS_H
#define CLIENT_ENDPOINTS_H

#include <pthread.h>
#include <stdbool.h>

#include "shared/buffer.h"

#define ENDPOINTS_MAX         64
#define ENDPOINT_SIZE_MAX     280 /* a name of 253 bytes, brackets, a port */
#define ENDPOINT_PORT_DEFAULT "7400"

struct endpoints {
	pthread_mutex_t lock;
	char *addresses[ENDPOINTS_MAX]; /* appended to, never changed */
	unsigned count;
	unsigned given_count; /* the first of them, from the user */
};

/*
 * Parse "HOST:PORT,HOST:PORT,...": names, IPv4 addresses, IPv6 addresses in
 * brackets; a missing port is 7400; blanks around commas are skipped.  Returns
 * SYNOD_OK, SYNOD_BAD_ARGUMENT or SYNOD_NO_MEMORY; on failure nothing is kept.
 */
int endpoints_init(struct endpoints *endpoints, const char *text);
void endpoints_fini(struct endpoints *endpoints);

/* Append ADDRESS, which a member told, if it is one and not there yet.  True if it was. */
bool endpoints_learn(struct endpoints *endpoints, struct slice address);

unsigned endpoints_count(struct endpoints *endpoints);

/* The address stays valid until endpoints_fini(). */
const char *endpoints_at(struct endpoints *endpoints, unsigned index);

#endif
