/* LIST: the children of a node in the order of their names, in pages of one revision. */
#include "server/namespace/internal.h"
#include "shared/error.h"
#include "shared/path.h"

/* What was asked about, while the history is searched for something that happened to it. */
struct search {
	struct slice parent;
	bool found;
};

static bool
is_child(struct slice path, struct slice parent)
{
	return !path_is_root(path) && slice_equal(path_parent(path), parent);
}

/* A child was written, or has other children than before: its stat is another. */
static bool
look_for_child(void *context, const struct change *change)
{
	struct search *search = context;

	search->found = is_child(change->path, search->parent) ||
	                (change->kind != CHANGE_MODIFIED && !path_is_root(change->path) &&
	                 is_child(path_parent(change->path), search->parent));
	return !search->found;
}

/*
 * Is what a page shows no longer as it was at the revision of the first page?
 * Names depend on the parent alone; stat and data on every child, which the
 * history knows.  Where that has been trimmed the answer is yes, to be safe.
 */
static int
has_moved_on(struct namespace *namespace, const struct operation *operation,
             const struct node_stat *parent, bool *result)
{
	struct search search = {.parent = operation->path};
	uint64_t since = operation->revision;
	int error;

	*result = false;
	if (since == 0 || since == namespace->revision)
		return SYNOD_OK;
	*result = since > namespace->revision || parent->created > since ||
	          parent->modified > since || parent->children_modified > since;
	if (*result || (operation->flags & (OP_WITH_STAT | OP_WITH_DATA)) == 0)
		return SYNOD_OK;
	*result = since + 1 < namespace->history.from;
	if (*result)
		return SYNOD_OK;
	error = history_each(namespace, since + 1, look_for_child, &search);
	*result = search.found;
	return error;
}

static void
pack_child(struct buffer *out, const struct operation *operation, sqlite3_stmt *statement)
{
	bool with_stat = (operation->flags & OP_WITH_STAT) != 0;
	bool with_data = (operation->flags & OP_WITH_DATA) != 0;
	struct node_stat stat;
	struct slice data = {NULL, 0};

	if (with_stat || with_data)
		node_of_row(statement, 1, &stat, &data);
	pack_array(out, 3);
	pack_string(out, column_text(statement, 0));
	if (with_stat)
		stat_encode(out, &stat);
	else
		pack_nil(out);
	pack_binary(out, with_data ? data : (struct slice){NULL, 0});
}

/* Fill namespace->items; at least one child, however large. */
static int
gather(struct namespace *namespace, const struct operation *operation, uint32_t *count, bool *more)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_CHILDREN);
	uint64_t limit = operation->limit > 0 ? operation->limit : LIST_LIMIT_MAX;
	struct buffer *items = &namespace->items;
	int error;

	buffer_clear(items);
	*count = 0;
	bind_text(statement, 1, operation->path);
	bind_text(statement, 2, operation->after);
	for (;;) {
		size_t before = items->size;

		error = statement_step(namespace, STATEMENT_CHILDREN, more);
		if (error != SYNOD_OK || !*more || *count == limit)
			break;
		pack_child(items, operation, statement);
		if (items->size > LIST_PAGE_SIZE_MAX && *count > 0) {
			items->size = before;
			break;
		}
		(*count)++;
	}
	statement_reset(namespace, STATEMENT_CHILDREN);
	return error;
}

static void
answer_page(struct buffer *out, const struct node_stat *parent, struct slice items, uint32_t count,
            bool more)
{
	pack_array(out, 3);
	stat_encode(out, parent);
	pack_array(out, count);
	pack_raw(out, items);
	pack_bool(out, more);
}

int
op_list(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node_stat parent;
	struct node *node;
	uint32_t count;
	bool flag;
	int error = operation_target(namespace, operation, answer, &node);

	if (node == NULL)
		return error;
	parent = node->stat;
	error = has_moved_on(namespace, operation, &parent, &flag);
	if (error != SYNOD_OK)
		return error;
	if (flag)
		return answer_error(answer, SYNOD_CONFLICT,
		                    "the listing has changed since its first page");
	error = nodes_write_back(namespace);
	if (error == SYNOD_OK)
		error = gather(namespace, operation, &count, &flag);
	if (error == SYNOD_OK)
		answer_page(answer->result, &parent, buffer_slice(&namespace->items), count, flag);
	return error;
}
