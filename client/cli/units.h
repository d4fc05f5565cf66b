/* Numbers with units, as people write and read them. */
#ifndef CLIENT_CLI_UNITS_H
#define CLIENT_CLI_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define UNIT_TEXT_SIZE 40

/* Digits only, no sign, no space; false if it is anything else or does not fit. */
bool parse_count(const char *text, uint64_t *number);

/* A count of bytes, or of KiB with k or K, or of MiB with m or M. */
bool parse_size(const char *text, uint64_t *bytes);

/* A decimal number of seconds, at most a million, as milliseconds. */
bool parse_seconds(const char *text, uint64_t *milliseconds);

/* Each returns TEXT, which has UNIT_TEXT_SIZE bytes. */
const char *format_size(char *text, uint64_t bytes);      /* "12.3 MiB" */
const char *format_count(char *text, uint64_t count);     /* "4,212" */
const char *format_us(char *text, uint64_t microseconds); /* "1.2 ms" */
const char *format_uptime(char *text, uint64_t ms);       /* "3h12m" */
const char *format_time(char *text, uint64_t unix_ms);    /* "2026-01-31T12:00:00.000Z" */

#endif
