/* The address under which others reach this machine. */
#ifndef CLIENT_CLI_LOCAL_ADDRESS_H
#define CLIENT_CLI_LOCAL_ADDRESS_H

#include <stdbool.h>

#define LOCAL_ADDRESS_SIZE 64

/*
 * The own address that is used to reach the first of ENDPOINTS ("HOST:PORT,...") to which there
 * is a way; nothing is sent.  VIA (ENDPOINT_SIZE_MAX bytes) is that endpoint.  False if there
 * is a way to none of them.
 */
bool local_address(const char *endpoints, char *address, char *via);

#endif
