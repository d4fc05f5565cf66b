/* The grammar of names, addresses, numbers and lists of peers. */
#include "server/config_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/error.h"

#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

const char *
value_name(const char *text)
{
	size_t size = strlen(text);

	if (size == 0 || strspn(text, NAME_LETTERS) != size)
		return "a name consists of letters, digits, '.', '_' and '-'";
	if (size > MEMBER_NAME_MAX)
		return "a name has at most 63 bytes";
	return NULL;
}

const char *
value_path(const char *text)
{
	return text[0] ? NULL : "must not be empty";
}

/* The port of ADDRESS after its last colon, or -1. */
static long
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return -1;
	if (!colon[1] || strlen(colon + 1) > 5)
		return -1;
	return strtol(colon + 1, NULL, 10);
}

const char *
value_address(const char *text)
{
	static const char form[] = "must be HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535";
	long port = port_of(text);
	size_t host_size;

	if (strlen(text) > MEMBER_ADDRESS_MAX)
		return "an address has at most 261 bytes";
	if (port < 0 || port > 65535)
		return form;
	host_size = (size_t)(strrchr(text, ':') - text);
	if (text[0] == '[') {
		size_t inside = strspn(text + 1, "0123456789abcdefABCDEF:.%");

		return inside && inside + 2 == host_size && text[host_size - 1] == ']' ? NULL
		                                                                       : form;
	}
	return host_size && strspn(text, NAME_LETTERS) == host_size ? NULL : form;
}

bool
value_port_is_free(const char *address)
{
	return port_of(address) == 0;
}

bool
value_host_is_any(const char *address)
{
	return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

int
value_number(const char *text, bool is_size, uint64_t *number)
{
	size_t digits = strspn(text, "0123456789");
	unsigned shift = 0;
	uint64_t value = 0;

	if (digits == 0 || digits > 18) /* 18 digits cannot overflow */
		return SYNOD_BAD_CONFIG;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	text += digits;
	if (is_size && *text) {
		const char *unit = strchr("KMG", *text++);

		if (!unit)
			return SYNOD_BAD_CONFIG;
		shift = 10 * (unsigned)(unit - "KMG" + 1);
	}
	if (*text || value > UINT64_MAX >> shift)
		return SYNOD_BAD_CONFIG;
	*number = value << shift;
	return SYNOD_OK;
}

/* ---- peers ---- */

static int
compare_names(const void *a, const void *b)
{
	const struct member_identity *first = a;
	const struct member_identity *second = b;

	return strcmp(first->name, second->name);
}

/* One "NAME=HOST:PORT" of SIZE bytes. */
static int
parse_peer(const char *text, size_t size, struct member_identity *member, char *why)
{
	char part[MEMBER_NAME_MAX + 1 + MEMBER_ADDRESS_MAX + 1];
	const char *wrong;

	if (size == 0 || size >= sizeof part) {
		snprintf(why, VALUE_WHY_SIZE, "\"%.*s\": must be NAME=HOST:PORT,NAME=HOST:PORT,...",
		         size > 100 ? 100 : (int)size, text);
		return SYNOD_BAD_CONFIG;
	}
	memcpy(part, text, size);
	part[size] = 0;

	char *equals = strchr(part, '=');

	if (!equals) {
		snprintf(why, VALUE_WHY_SIZE, "\"%.100s\": must be NAME=HOST:PORT", part);
		return SYNOD_BAD_CONFIG;
	}
	*equals = 0;
	wrong = value_name(part);
	if (!wrong)
		wrong = value_address(equals + 1);
	if (!wrong && value_port_is_free(equals + 1))
		wrong = "the other members need a port from 1 to 65535";
	if (!wrong && value_host_is_any(equals + 1))
		wrong = "must be an address that the other members reach; see listen for binding";
	if (wrong) {
		snprintf(why, VALUE_WHY_SIZE, "\"%.100s=%.100s\": %s", part, equals + 1, wrong);
		return SYNOD_BAD_CONFIG;
	}
	*member = (struct member_identity){0};
	memcpy(member->name, part, strlen(part) + 1);
	memcpy(member->address, equals + 1, strlen(equals + 1) + 1);
	return SYNOD_OK;
}

static int
check_differences(const struct member_identity *members, unsigned count, char *why)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(members[i].name, members[j].name) == 0) {
				snprintf(why, VALUE_WHY_SIZE,
				         "\"%s\" stands there twice: every member needs a name of "
				         "its own",
				         members[i].name);
				return SYNOD_BAD_CONFIG;
			}
			if (strcmp(members[i].address, members[j].address) == 0) {
				snprintf(why, VALUE_WHY_SIZE,
				         "%s and %s have the same address %.100s", members[j].name,
				         members[i].name, members[i].address);
				return SYNOD_BAD_CONFIG;
			}
		}
	}
	return SYNOD_OK;
}

int
value_peers(const char *text, struct member_identity *members, unsigned *count, char *why)
{
	struct member_identity found[PAXOS_VOTERS_MAX];
	unsigned found_count = 0;
	int error;

	for (const char *part = text;; part++) {
		size_t size = strcspn(part, ",");

		if (found_count == PAXOS_VOTERS_MAX) {
			snprintf(why, VALUE_WHY_SIZE,
			         "more than %d members: an ensemble has at most %d voters",
			         PAXOS_VOTERS_MAX, PAXOS_VOTERS_MAX);
			return SYNOD_BAD_CONFIG;
		}
		error = parse_peer(part, size, &found[found_count], why);
		if (error != SYNOD_OK)
			return error;
		found_count++;
		part += size;
		if (!*part)
			break;
	}
	error = check_differences(found, found_count, why);
	if (error != SYNOD_OK)
		return error;
	qsort(found, found_count, sizeof found[0], compare_names);
	for (unsigned i = 0; i < found_count; i++)
		found[i].id = i + 1;
	memcpy(members, found, found_count * sizeof found[0]);
	*count = found_count;
	return SYNOD_OK;
}

/* ---- suggestions ---- */

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	unsigned less = a < b ? a : b;

	return less < c ? less : c;
}

/* Levenshtein's distance, with one row of his table. */
unsigned
value_distance(const char *a, const char *b)
{
	unsigned row[40];
	size_t a_size = strlen(a);
	size_t b_size = strlen(b);

	if (a_size >= 40 || b_size >= 40)
		return 99;
	for (unsigned j = 0; j <= b_size; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_size; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_size; j++) {
			unsigned above = row[j];

			row[j] =
				least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_size];
}
