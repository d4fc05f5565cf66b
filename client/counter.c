/* Counters: a number in a node, changed by comparing and setting. */
#include <stdint.h>
#include <stdio.h>

#include "client/synod.h"

/* Each try that fails means that somebody else's succeeded; so many in a row are no accident. */
#define TRIES 10000

/* Decimal digits, with a '-' perhaps, and nothing else. */
static bool
parse(const char *text, size_t size, int64_t *value)
{
	bool is_negative = size > 0 && text[0] == '-';
	size_t i = is_negative ? 1 : 0;

	*value = 0;
	if (i == size)
		return false;
	for (; i < size; i++) {
		int digit = text[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, is_negative ? -digit : digit, value))
			return false;
	}
	return true;
}

/* Write VALUE if the node is as it was read, or is still not there. */
static int
write_sum(struct synod *synod, const char *path, const struct synod_node *read, int64_t value)
{
	struct synod_condition unchanged = {.kind = SYNOD_IF_MODIFIED};
	struct synod_write_options options = {.make_parents = true};
	char text[24];
	int size = snprintf(text, sizeof text, "%lld", (long long)value);

	if (read == NULL)
		return synod_create(synod, path, text, (size_t)size, &options, NULL);
	unchanged.number = read->stat.modified; /* tells apart also a node that was made anew */
	options.make_parents = false;
	options.conditions = &unchanged;
	options.condition_count = 1;
	return synod_set(synod, path, text, (size_t)size, &options, NULL);
}

static int
add_once(struct synod *synod, const char *path, int64_t delta, int64_t *value)
{
	const struct synod_node *node = NULL;
	struct synod_result *result = NULL;
	int error = synod_get(synod, path, NULL, &result);

	*value = 0;
	if (error == SYNOD_OK) {
		node = &result->node;
		if (node->data != NULL && !parse(node->data, node->size, value))
			error = SYNOD_BAD_ARGUMENT;
	} else if (error == SYNOD_NOT_FOUND) {
		error = SYNOD_OK;
	}
	if (error == SYNOD_OK && __builtin_add_overflow(*value, delta, value))
		error = SYNOD_BAD_ARGUMENT;
	if (error == SYNOD_OK && delta != 0)
		error = write_sum(synod, path, node, *value);
	synod_result_free(result);
	return error;
}

int
synod_counter_add(struct synod *synod, const char *path, int64_t delta, int64_t *value)
{
	int error = SYNOD_CONFLICT;
	int64_t sum = 0;

	if (synod == NULL || path == NULL)
		return SYNOD_BAD_ARGUMENT;
	for (unsigned i = 0; i < TRIES; i++) {
		error = add_once(synod, path, delta, &sum);
		if (error != SYNOD_CONFLICT && error != SYNOD_EXISTS && error != SYNOD_NOT_FOUND)
			break;
	}
	if (error == SYNOD_OK && value != NULL)
		*value = sum;
	return error;
}
