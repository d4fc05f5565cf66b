/* The values of settings: their grammar, and words for what is wrong with one. */
#ifndef SERVER_CONFIG_VALUE_H
#define SERVER_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/paxos/paxos.h"
#include "server/storage/identity.h"

#define VALUE_WHY_SIZE 400

/* Each returns NULL for a good value, else a static text that says what is allowed. */
const char *value_name(const char *text);    /* [A-Za-z0-9._-]+ */
const char *value_path(const char *text);    /* not empty */
const char *value_address(const char *text); /* "HOST:PORT" or "[IPV6]:PORT", port 0 to 65535 */

/* Of an address that is good: does the system choose the port; does it mean every interface? */
bool value_port_is_free(const char *address);
bool value_host_is_any(const char *address);

/* Decimal digits; with IS_SIZE also one of K, M, G behind them.  SYNOD_OK or SYNOD_BAD_CONFIG. */
int value_number(const char *text, bool is_size, uint64_t *number);

/*
 * "NAME=HOST:PORT,..." into MEMBERS (PAXOS_VOTERS_MAX of them), sorted by name,
 * ids from 1.  SYNOD_OK, or SYNOD_BAD_CONFIG with words in WHY (VALUE_WHY_SIZE).
 */
int value_peers(const char *text, struct member_identity *members, unsigned *count, char *why);

/* How many letters must be inserted, removed or replaced to make B of A; 99 for long words. */
unsigned value_distance(const char *a, const char *b);

#endif
