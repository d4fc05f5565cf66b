/* Reads and prints sizes, counts and times. */
#include "client/cli/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The number at the start of TEXT; returns what follows it, or NULL if there is none that fits. */
static const char *
digits(const char *text, uint64_t *number)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return NULL;
		value = value * 10 + digit;
	}
	*number = value;
	return text;
}

bool
parse_count(const char *text, uint64_t *number)
{
	const char *end = digits(text, number);

	return end && *end == '\0';
}

bool
parse_size(const char *text, uint64_t *bytes)
{
	const char *end = digits(text, bytes);
	unsigned shift = 0;

	if (!end)
		return false;
	if (*end == 'k' || *end == 'K')
		shift = 10;
	else if (*end == 'm' || *end == 'M')
		shift = 20;
	if (shift)
		end++;
	if (*end != '\0' || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

bool
parse_seconds(const char *text, uint64_t *milliseconds)
{
	uint64_t whole;
	uint64_t fraction_ms = 0;
	const char *end = digits(text, &whole);

	if (!end || whole > 1000000)
		return false;
	if (*end == '.') {
		uint64_t weight = 100;

		for (end++; *end >= '0' && *end <= '9'; end++, weight /= 10)
			fraction_ms += (uint64_t)(*end - '0') * weight;
	}
	*milliseconds = whole * 1000 + fraction_ms;
	return *end == '\0';
}

const char *
format_size(char *text, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 " B", bytes);
		return text;
	}
	/* What would round to "1024.0 KiB" is "1.0 MiB". */
	for (; value >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		value /= 1024;
	snprintf(text, UNIT_TEXT_SIZE, "%.1f %s", value, units[unit]);
	return text;
}

const char *
format_count(char *text, uint64_t count)
{
	char plain[UNIT_TEXT_SIZE];
	size_t length = (size_t)snprintf(plain, sizeof plain, "%" PRIu64, count);
	char *out = text;

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*out++ = ',';
		*out++ = plain[i];
	}
	*out = '\0';
	return text;
}

const char *
format_us(char *text, uint64_t microseconds)
{
	if (microseconds < 1000)
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 " us", microseconds);
	else if (microseconds < 999950)
		snprintf(text, UNIT_TEXT_SIZE, "%.1f ms", (double)microseconds / 1e3);
	else
		snprintf(text, UNIT_TEXT_SIZE, "%.1f s", (double)microseconds / 1e6);
	return text;
}

const char *
format_uptime(char *text, uint64_t ms)
{
	uint64_t seconds = ms / 1000;

	if (seconds < 60)
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 "s", seconds);
	else if (seconds < 3600)
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60,
		         seconds % 60);
	else if (seconds < 86400)
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600,
		         seconds / 60 % 60);
	else
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 "d%02" PRIu64 "h", seconds / 86400,
		         seconds / 3600 % 24);
	return text;
}

const char *
format_time(char *text, uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	size_t length;

	if (!gmtime_r(&seconds, &tm)) {
		snprintf(text, UNIT_TEXT_SIZE, "%" PRIu64 " ms", unix_ms);
		return text;
	}
	length = strftime(text, UNIT_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + length, UNIT_TEXT_SIZE - length, ".%03uZ", (unsigned)(unix_ms % 1000));
	return text;
}
