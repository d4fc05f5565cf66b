/*
 * The words of the discovery commands: health, rules, pairs, checks, addresses.
 *
 * Each function that can refuse a text returns false with WHY (WORDS_WHY_SIZE bytes)
 * saying what is wrong with it, as the end of a sentence.
 */
#ifndef CLIENT_CLI_DISCOVERY_WORDS_H
#define CLIENT_CLI_DISCOVERY_WORDS_H

#include "client/discovery.h"

#define WORDS_WHY_SIZE    256
#define ADDRESS_TEXT_SIZE 320 /* a host name of 253 bytes, brackets, a port */
#define HEALTH_TEXT_SIZE  32

/* "passing,warning": the sum of 1 << health.  "any" is all of them. */
bool parse_health(const char *text, unsigned *health, char *why);

/* Every health. */
unsigned any_health(void);

/* "two-choices", ..., "hash:KEY": *KEY points into TEXT, NULL without one. */
bool parse_rule(const char *text, enum synod_balance *balance, const char **key, char *why);

/* "NAME=VALUE" into *PAIR; the name is a copy, to be freed.  With MAY_BE_NAME "NAME" alone is one
 * too, with a NULL value. */
bool parse_pair(const char *text, bool may_be_name, struct synod_pair *pair, char *why);

/* "http://...", "tcp:HOST:PORT", "cmd:COMMAND": the kind and the target, which points into TEXT. */
bool parse_check(const char *text, struct synod_check *check, char *why);

/* A number from 1 to 100, with or without '%'. */
bool parse_percent(const char *text, unsigned *percent);

/* "10.0.0.7:8080", "[::1]:8080". */
const char *address_text(char *text, const char *address, unsigned port);

/* "passing", "passing,suspect". */
const char *health_text(char *text, const struct synod_instance *instance);

#endif
