/*
 * Queues: items are sequential children, and the first that can be deleted is
 * taken.  Names are never used again, so who deletes an item has taken it, alone.
 */
#include <stdio.h>
#include <string.h>

#include "client/children.h"
#include "client/synod.h"

#define ITEM           "item-"
#define ITEM_PATH_SIZE 1100 /* longer ones are refused by the calls that they are given to */

/* Items looked at in one listing: more than one, because several may be taking at a time. */
#define GLANCE 16

/* Listings whose items were all taken by others, in a row. */
#define TRIES 10000

static bool
path_of(const char *path, const char *name, char *item, size_t size)
{
	int length = snprintf(item, size, "%s/%s", strcmp(path, "/") != 0 ? path : "", name);

	return length >= 0 && (size_t)length < size;
}

int
synod_queue_put(struct synod *synod, const char *path, const void *data, size_t size)
{
	const struct synod_write_options options = {.sequential = true, .make_parents = true};
	char item[ITEM_PATH_SIZE];

	if (synod == NULL || path == NULL)
		return SYNOD_BAD_ARGUMENT;
	if (!path_of(path, ITEM, item, sizeof item))
		return SYNOD_BAD_PATH;
	return synod_create(synod, item, data, size, &options, NULL);
}

/* SYNOD_NOT_FOUND: somebody else was faster. */
static int
take_item(const struct children *children, const char *name, struct synod_result **result)
{
	struct synod_write_options options = {.want_previous = true};
	char item[ITEM_PATH_SIZE];
	int error;

	if (!path_of(children->path, name, item, sizeof item))
		return SYNOD_BAD_PATH;
	options.call.timeout_ms = children_call_ms(children);
	error = synod_delete(children->synod, item, &options, result);
	if (error == SYNOD_OK && *result != NULL) {
		const char *taken = (*result)->node.path;

		(*result)->node = (*result)->previous;
		(*result)->node.path = taken;
		(*result)->node.has_stat = true;
	}
	return error;
}

/* Of the items listed the first that is still there.  CONFLICT: none is. */
static int
take_listed(const struct children *children, const struct synod_result *listing,
            struct synod_result **result)
{
	int error = SYNOD_NOT_FOUND;

	for (size_t i = 0; i < listing->child_count; i++) {
		const char *name = listing->children[i].path;

		if (strncmp(name, ITEM, strlen(ITEM)) != 0)
			break; /* they are in order */
		synod_result_free(*result);
		*result = NULL;
		error = take_item(children, name, result);
		if (error != SYNOD_NOT_FOUND)
			break;
		error = SYNOD_CONFLICT;
	}
	return error;
}

/* One listing.  NOT_FOUND: empty, as of *REVISION.  CONFLICT: others took all that was there. */
static int
take_first(const struct children *children, struct synod_result **result, uint64_t *revision)
{
	struct synod_read_options options = {.after = ITEM, .limit = GLANCE};
	struct synod_result *listing = NULL;
	int error;

	options.call.timeout_ms = children_call_ms(children);
	error = synod_list(children->synod, children->path, &options, &listing);
	if (listing != NULL)
		*revision = listing->revision;
	if (error == SYNOD_OK)
		error = take_listed(children, listing, result);
	if (*result == NULL && listing != NULL) {
		listing->error = error;
		*result = listing;
	} else {
		synod_result_free(listing);
	}
	return error;
}

static int
take(struct children *children, bool may_wait, struct synod_result **result)
{
	unsigned tries = 0;

	for (;;) {
		uint64_t revision = 0;
		int error;

		synod_result_free(*result);
		*result = NULL;
		error = take_first(children, result, &revision);
		if (error == SYNOD_CONFLICT && ++tries < TRIES)
			continue;
		if (error != SYNOD_NOT_FOUND || !may_wait)
			return error;
		tries = 0;
		error = children_wait(children, revision);
		if (error != SYNOD_OK) {
			if (*result != NULL)
				(*result)->error = error;
			return error;
		}
	}
}

int
synod_queue_take(struct synod *synod, const char *path, unsigned timeout_ms,
                 struct synod_result **result)
{
	struct synod_result *unwanted = NULL;
	struct children children;
	int error;

	if (result == NULL)
		result = &unwanted;
	*result = NULL;
	if (synod == NULL || path == NULL || synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	children_init(&children, synod, path, timeout_ms);
	error = take(&children, timeout_ms != 0, result);
	children_fini(&children);
	synod_result_free(unwanted);
	return error;
}
