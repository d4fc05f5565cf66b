/* Addresses of the network: "HOST:PORT" taken apart, names turned into numbers. */
#include "shared/address.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/error.h"

#define PORT_MAX 65535

static bool
port_is_valid(const char *port)
{
	size_t length = strlen(port);

	return length > 0 && length <= ADDRESS_PORT_MAX && strspn(port, "0123456789") == length &&
	       atoi(port) <= PORT_MAX;
}

static int
lookup(const struct address *address, int flags, struct addrinfo **results)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};

	return getaddrinfo(address->host, address->port, &hints, results);
}

int
address_parse(const char *text, struct address *address)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t length;
	struct addrinfo *results;

	if (colon == NULL || !port_is_valid(colon + 1))
		return SYNOD_BAD_ARGUMENT;
	length = (size_t)(colon - text);
	if (text[0] == '[') {
		if (length < 2 || colon[-1] != ']')
			return SYNOD_BAD_ARGUMENT;
		host++;
		length -= 2;
	} else if (memchr(text, ':', length) != NULL) {
		return SYNOD_BAD_ARGUMENT; /* IPv6 needs its brackets */
	}
	if (length == 0 || length > ADDRESS_HOST_MAX)
		return SYNOD_BAD_ARGUMENT;
	memcpy(address->host, host, length);
	address->host[length] = '\0';
	memcpy(address->port, colon + 1, strlen(colon + 1) + 1);
	address->is_number = lookup(address, AI_NUMERICHOST, &results) == 0;
	if (address->is_number)
		freeaddrinfo(results);
	else if (text[0] == '[' || strpbrk(address->host, "/ \t\r\n") != NULL)
		return SYNOD_BAD_ARGUMENT;
	return SYNOD_OK;
}

static bool
format_number(const struct addrinfo *info, struct address_number *number)
{
	char host[ADDRESS_NUMBER_MAX - ADDRESS_PORT_MAX - 4];
	char port[ADDRESS_PORT_MAX + 1];

	if (getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof host, port, sizeof port,
	                NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	snprintf(number->text, sizeof number->text,
	         info->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return true;
}

static void
collect(const struct addrinfo *results, int family, struct address_number *numbers, unsigned max,
        unsigned *count)
{
	for (const struct addrinfo *info = results; info != NULL && *count < max;
	     info = info->ai_next)
		if (info->ai_family == family && format_number(info, &numbers[*count]))
			(*count)++;
}

int
address_resolve(const struct address *address, struct address_number *numbers, unsigned max,
                unsigned *count)
{
	struct addrinfo *results;

	*count = 0;
	if (lookup(address, address->is_number ? AI_NUMERICHOST : 0, &results) != 0)
		return SYNOD_IO;
	collect(results, AF_INET, numbers, max, count);
	collect(results, AF_INET6, numbers, max, count);
	freeaddrinfo(results);
	return *count > 0 ? SYNOD_OK : SYNOD_IO;
}
