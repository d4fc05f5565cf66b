/* Fetching listings, logs and what an owner owns page by page. */
#include "client/pages.h"

#include <stdlib.h>
#include <string.h>

#include "client/request.h"
#include "shared/error.h"

#define PAGE_LIMIT_MAX (LIST_LIMIT_MAX < OWNED_LIMIT_MAX ? LIST_LIMIT_MAX : OWNED_LIMIT_MAX)

static void
start(struct pages *pages)
{
	outcome_clear(pages->outcome);
	pages->is_first = true;
	pages->operation.after =
		pages->after != NULL ? slice_of(pages->after) : (struct slice){NULL, 0};
	pages->operation.revision = pages->from;
}

static bool
copy_texts(struct pages *pages, const char *path, const char *after)
{
	pages->path = strdup(path);
	pages->after = after != NULL ? strdup(after) : NULL;
	return pages->path != NULL && (after == NULL || pages->after != NULL);
}

struct pages *
pages_new(uint8_t op, const char *path, const struct synod_read_options *options)
{
	struct pages *pages = calloc(1, sizeof *pages);

	if (pages == NULL)
		return NULL;
	pages->outcome = outcome_new();
	if (pages->outcome == NULL ||
	    !copy_texts(pages, path, op != OP_LOG ? options->after : NULL)) {
		pages_free(pages);
		return NULL;
	}
	pages->from = op == OP_LIST ? 0 : options->from;
	pages->limit = options->limit;
	pages->operation.op = op;
	pages->operation.flags = request_read_flags(op, options);
	pages->operation.path = slice_of(pages->path);
	start(pages);
	return pages;
}

void
pages_free(struct pages *pages)
{
	if (pages == NULL)
		return;
	outcome_free(pages->outcome);
	free(pages->path);
	free(pages->after);
	free(pages);
}

/* Changes at the end that the next page of a log will bring again. */
static size_t
overlap(const struct synod_result *result)
{
	size_t count = 0;

	while (count < result->change_count &&
	       result->changes[result->change_count - 1 - count].revision ==
	               result->changes[result->change_count - 1].revision)
		count++;
	return count;
}

static uint64_t
page_limit(const struct pages *pages)
{
	const struct synod_result *result = &pages->outcome->result;
	uint64_t limit;

	if (pages->limit == 0)
		return 0;
	if (pages->operation.op == OP_LOG)
		return pages->limit - result->change_count + overlap(result);
	limit = pages->limit - result->child_count;
	return limit < PAGE_LIMIT_MAX ? limit : PAGE_LIMIT_MAX;
}

int
pages_request(struct pages *pages, struct buffer *body, const char **why)
{
	pages->operation.limit = page_limit(pages);
	return request_read(body, &pages->operation, why);
}

static size_t
count_of(const struct pages *pages)
{
	const struct synod_result *result = &pages->outcome->result;

	return pages->operation.op == OP_LOG ? result->change_count : result->child_count;
}

/* Changes made after the first page was read belong to another revision than the result's. */
static void
cut_log(struct pages *pages)
{
	struct synod_result *result = &pages->outcome->result;

	while (result->change_count > 0 &&
	       result->changes[result->change_count - 1].revision > pages->revision) {
		result->change_count--;
		result->more = false;
	}
	if (pages->limit > 0 && result->change_count > pages->limit) {
		result->change_count = pages->limit;
		result->more = true;
	}
}

static void
set_next(struct pages *pages)
{
	const struct synod_result *result = &pages->outcome->result;

	if (pages->operation.op == OP_LOG)
		pages->operation.revision = result->changes[result->change_count - 1].revision;
	else
		pages->operation.after = slice_of(result->children[result->child_count - 1].path);
	if (pages->operation.op == OP_LIST)
		pages->operation.revision = pages->revision;
}

bool
pages_on_response(struct pages *pages, struct slice body, const struct response *response)
{
	struct synod_result *result = &pages->outcome->result;
	size_t had = count_of(pages);

	if (response->error == SYNOD_CONFLICT && !pages->is_first &&
	    pages->restarts < PAGES_RESTARTS_MAX) {
		pages->restarts++;
		start(pages);
		return true;
	}
	outcome_decode(pages->outcome, pages->operation.op, body, response);
	if (result->error != SYNOD_OK)
		return false;
	if (pages->is_first)
		pages->revision = result->revision;
	pages->is_first = false;
	result->revision = pages->revision;
	if (pages->operation.op == OP_LOG)
		cut_log(pages);
	if (!result->more || (pages->limit > 0 && count_of(pages) >= pages->limit))
		return false;
	if (count_of(pages) == had) {
		outcome_fail(pages->outcome, SYNOD_BAD_MESSAGE, "a page brought nothing new");
		return false;
	}
	set_next(pages);
	return true;
}
