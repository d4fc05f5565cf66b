/*
 * LOG: the changes of a node or a subtree from a revision on.
 *
 * A page ends where a revision ends, so that the next one starts at the revision
 * after its last.
 */
#include "server/namespace/internal.h"
#include "shared/error.h"
#include "shared/path.h"

struct page {
	const struct operation *operation;
	struct buffer *items;
	uint64_t limit;
	uint32_t count;
	uint64_t revision;    /* of the last change taken */
	uint32_t whole_count; /* in the revisions before it */
	size_t whole_size;
	bool more;
	bool is_too_large;
};

static bool
is_asked_for(const struct operation *operation, struct slice path)
{
	if ((operation->flags & OP_RECURSIVE) != 0)
		return path_is_within(path, operation->path);
	return slice_equal(path, operation->path);
}

static void
pack_change(struct page *page, const struct change *change)
{
	struct change shown = *change;

	if ((page->operation->flags & OP_WITH_DATA) == 0)
		shown.data = (struct slice){NULL, 0};
	change_encode(page->items, &shown);
	page->count++;
}

/* Leave the revision that did not fit to the next page; if it is the only one, it must fit whole.
 */
static bool
cut(struct page *page)
{
	if (page->whole_count == 0) {
		page->is_too_large = page->items->size > RESPONSE_SIZE_MAX - 64;
		return !page->is_too_large;
	}
	page->items->size = page->whole_size;
	page->count = page->whole_count;
	page->more = true;
	return false;
}

static bool
take(void *context, const struct change *change)
{
	struct page *page = context;

	if (!is_asked_for(page->operation, change->path))
		return true;
	if (change->revision != page->revision) {
		page->whole_count = page->count;
		page->whole_size = page->items->size;
		page->revision = change->revision;
	}
	pack_change(page, change);
	if (page->count > page->limit || page->items->size > LIST_PAGE_SIZE_MAX)
		return cut(page);
	return true;
}

static void
answer_page(struct buffer *out, uint32_t count, struct slice items, uint64_t oldest, bool more)
{
	pack_array(out, 3);
	pack_array(out, count);
	pack_raw(out, items);
	pack_u64(out, oldest);
	pack_bool(out, more);
}

int
op_log(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	uint64_t oldest = namespace->history.from;
	struct page page = {
		.operation = operation,
		.items = &namespace->items,
		.limit = operation->limit > 0 ? operation->limit : LIST_LIMIT_MAX,
	};
	int error = operation_check(namespace, operation, answer);

	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	if (operation->revision != 0 && operation->revision < oldest) {
		answer_page(answer->result, 0, (struct slice){NULL, 0}, oldest, false);
		return answer_error(answer, SYNOD_COMPACTED, NULL);
	}
	buffer_clear(page.items);
	error = history_each(namespace, operation->revision > oldest ? operation->revision : oldest,
	                     take, &page);
	if (error != SYNOD_OK)
		return error;
	if (page.is_too_large)
		return answer_error(answer, SYNOD_TOO_LARGE,
		                    "the changes of the first revision do not fit in one answer");
	answer_page(answer->result, page.count, buffer_slice(page.items), oldest, page.more);
	return SYNOD_OK;
}
