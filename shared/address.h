/*
 * Addresses of the network as text: "HOST:PORT", IPv6 hosts in brackets.
 *
 * Names are looked up here and handed on as numbers, so that the transport's
 * library never does it: its resolver has races.
 */
#ifndef SHARED_ADDRESS_H
#define SHARED_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_HOST_MAX   255
#define ADDRESS_PORT_MAX   5
#define ADDRESS_NUMBER_MAX 64 /* "[...]:65535", scope and terminating zero included */

struct address {
	char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
	char port[ADDRESS_PORT_MAX + 1];
	bool is_number; /* HOST is an IPv4 or IPv6 address, not a name */
};

/* A numeric address, "127.0.0.1:2380" or "[::1]:2380". */
struct address_number {
	char text[ADDRESS_NUMBER_MAX];
};

/* SYNOD_OK or SYNOD_BAD_ARGUMENT: no port, a port above 65535, brackets that do not close, ... */
int address_parse(const char *text, struct address *address);

/*
 * The numeric addresses of ADDRESS, IPv4 first: at most MAX, *COUNT of them.
 * SYNOD_OK, or SYNOD_IO when the name is not known.  Blocks when ADDRESS is a
 * name, as long as the system's resolver likes.
 */
int address_resolve(const struct address *address, struct address_number *numbers, unsigned max,
                    unsigned *count);

#endif
