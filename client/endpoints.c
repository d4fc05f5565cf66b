/* The list of the members' addresses: parsing it, and what is learnt on the way. */
#include "client/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/error.h"

#define HOST_SIZE_MAX 253 /* RFC 1035 */
#define BLANKS        " \t\r\n"

static bool
port_is_valid(const char *port, size_t size)
{
	unsigned number = 0;

	if (size == 0 || size > 5)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (port[i] < '0' || port[i] > '9')
			return false;
		number = number * 10 + (unsigned)(port[i] - '0');
	}
	return number >= 1 && number <= 65535;
}

static bool
host_is_valid(const char *host, size_t size)
{
	bool is_bracketed = size > 2 && host[0] == '[' && host[size - 1] == ']';

	if (size == 0 || size > HOST_SIZE_MAX)
		return false;
	if (is_bracketed) {
		host++;
		size -= 2;
	}
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)host[i];

		if (c <= ' ' || c >= 0x7f || strchr("/[],@?#", c) != NULL)
			return false;
		if (c == ':' && !is_bracketed)
			return false;
	}
	return true;
}

/* Where the colon before the port stands, or SIZE when there is no port. */
static size_t
port_offset(const char *text, size_t size)
{
	for (size_t i = size; i > 0; i--) {
		if (text[i - 1] == ']')
			break;
		if (text[i - 1] == ':')
			return i - 1;
	}
	return size;
}

/* One address in its normal form "HOST:PORT", into OUT (ENDPOINT_SIZE_MAX). */
static int
parse_one(const char *text, size_t size, char *out)
{
	size_t host_size = port_offset(text, size);
	const char *port = ENDPOINT_PORT_DEFAULT;
	size_t port_size = strlen(port);

	if (host_size < size) {
		port = text + host_size + 1;
		port_size = size - host_size - 1;
	}
	if (!host_is_valid(text, host_size) || !port_is_valid(port, port_size))
		return SYNOD_BAD_ARGUMENT;
	snprintf(out, ENDPOINT_SIZE_MAX, "%.*s:%.*s", (int)host_size, text, (int)port_size, port);
	return SYNOD_OK;
}

static bool
is_known(const struct endpoints *endpoints, const char *address)
{
	for (unsigned i = 0; i < endpoints->count; i++)
		if (strcmp(endpoints->addresses[i], address) == 0)
			return true;
	return false;
}

/* The same address twice is one endpoint. */
static int
add(struct endpoints *endpoints, const char *address)
{
	char *copy;

	if (is_known(endpoints, address))
		return SYNOD_OK;
	if (endpoints->count == ENDPOINTS_MAX)
		return SYNOD_BAD_ARGUMENT;
	copy = strdup(address);
	if (copy == NULL)
		return SYNOD_NO_MEMORY;
	endpoints->addresses[endpoints->count++] = copy;
	return SYNOD_OK;
}

static int
parse_list(struct endpoints *endpoints, const char *text)
{
	for (;;) {
		char address[ENDPOINT_SIZE_MAX];
		size_t size;
		int error;

		text += strspn(text, BLANKS);
		size = strcspn(text, "," BLANKS);
		error = parse_one(text, size, address);
		if (error == SYNOD_OK)
			error = add(endpoints, address);
		if (error != SYNOD_OK)
			return error;
		text += size;
		text += strspn(text, BLANKS);
		if (*text == '\0')
			return SYNOD_OK;
		if (*text++ != ',')
			return SYNOD_BAD_ARGUMENT;
	}
}

int
endpoints_init(struct endpoints *endpoints, const char *text)
{
	int error;

	*endpoints = (struct endpoints){0};
	if (pthread_mutex_init(&endpoints->lock, NULL) != 0)
		return SYNOD_NO_MEMORY;
	error = parse_list(endpoints, text);
	endpoints->given_count = endpoints->count;
	if (error != SYNOD_OK)
		endpoints_fini(endpoints);
	return error;
}

void
endpoints_fini(struct endpoints *endpoints)
{
	for (unsigned i = 0; i < endpoints->count; i++)
		free(endpoints->addresses[i]);
	endpoints->count = 0;
	pthread_mutex_destroy(&endpoints->lock);
}

/* A member that listens on every address tells one that leads nowhere from here. */
static bool
is_wildcard(const char *address)
{
	return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

bool
endpoints_learn(struct endpoints *endpoints, struct slice address)
{
	char normal[ENDPOINT_SIZE_MAX];
	unsigned count;

	if (address.bytes == NULL ||
	    parse_one((const char *)address.bytes, address.size, normal) != SYNOD_OK ||
	    is_wildcard(normal))
		return false;
	pthread_mutex_lock(&endpoints->lock);
	count = endpoints->count;
	add(endpoints, normal);
	count = endpoints->count - count;
	pthread_mutex_unlock(&endpoints->lock);
	return count > 0;
}

unsigned
endpoints_count(struct endpoints *endpoints)
{
	unsigned count;

	pthread_mutex_lock(&endpoints->lock);
	count = endpoints->count;
	pthread_mutex_unlock(&endpoints->lock);
	return count;
}

const char *
endpoints_at(struct endpoints *endpoints, unsigned index)
{
	const char *address;

	pthread_mutex_lock(&endpoints->lock);
	address = endpoints->addresses[index];
	pthread_mutex_unlock(&endpoints->lock);
	return address;
}
