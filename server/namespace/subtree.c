/* The present state as watches begin with it: a node and what is below it, or what is owned. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"

typedef bool item_function(void *context, const struct state_item *item);

/* Give EACH the rows of STATEMENT, which is bound; *GO_ON becomes false when it has seen enough. */
static int
each_row(struct namespace *namespace, enum statement which, item_function *each, void *context,
         bool *go_on)
{
	sqlite3_stmt *statement = statement_of(namespace, which);
	struct buffer *path = &namespace->name;
	bool has_row = true;
	int error = SYNOD_OK;

	while (*go_on) {
		struct state_item item;

		error = statement_step(namespace, which, &has_row);
		if (error != SYNOD_OK || !has_row)
			return error;
		buffer_clear(path);
		path_of_row(path, statement);
		CHECK(!path->failed);
		item.path = buffer_slice(path);
		node_of_row(statement, 2, &item.stat, &item.data);
		*go_on = each(context, &item);
	}
	statement_reset(namespace, which);
	return error;
}

/* The nodes with parents from FIRST up to the path that is PATH and LAST, exclusive. */
static int
each_in_range(struct namespace *namespace, struct slice first, struct slice path, const char *last,
              item_function *each, void *context, bool *go_on)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_SUBTREE);
	struct buffer end = BUFFER_EMPTY;
	int error;

	buffer_append(&end, path.bytes, path.size);
	buffer_append(&end, last, 1);
	CHECK(!end.failed);
	bind_text(statement, 1, first);
	bind_text(statement, 2, buffer_slice(&end));
	error = each_row(namespace, STATEMENT_SUBTREE, each, context, go_on);
	buffer_fini(&end);
	return error;
}

/* The one parent PATH: it and U+0001 would be the next, and paths have no control characters. */
static int
each_child(struct namespace *namespace, struct slice path, item_function *each, void *context,
           bool *go_on)
{
	return each_in_range(namespace, path, path, "\1", each, context, go_on);
}

/* Parents that begin with "PATH/" are those before "PATH0"; of the root, all that begin with "/"
 * and are longer. */
static int
each_deeper(struct namespace *namespace, struct slice path, item_function *each, void *context,
            bool *go_on)
{
	struct slice start = path_is_root(path) ? slice_of("") : path;
	struct buffer first = BUFFER_EMPTY;
	int error;

	buffer_append(&first, start.bytes, start.size);
	buffer_append(&first, path_is_root(path) ? "/\1" : "/", path_is_root(path) ? 2 : 1);
	CHECK(!first.failed);
	error = each_in_range(namespace, buffer_slice(&first), start, "0", each, context, go_on);
	buffer_fini(&first);
	return error;
}

int
namespace_each_node(struct namespace *namespace, struct slice path, uint8_t scope,
                    item_function *each, void *context)
{
	struct state_item item = {.path = path};
	struct node *node;
	bool go_on;
	int error = nodes_write_back(namespace);

	if (error == SYNOD_OK)
		error = node_find(namespace, path, &node);
	if (error != SYNOD_OK || node == NULL)
		return error;
	item.stat = node->stat;
	item.data = node_data(node);
	go_on = each(context, &item);
	if (scope >= WATCH_CHILDREN && go_on)
		error = each_child(namespace, path, each, context, &go_on);
	if (scope == WATCH_SUBTREE && go_on && error == SYNOD_OK)
		error = each_deeper(namespace, path, each, context, &go_on);
	return error;
}

int
namespace_each_owned(struct namespace *namespace, uint64_t owner, item_function *each,
                     void *context)
{
	bool go_on = true;
	int error = nodes_write_back(namespace);

	if (error != SYNOD_OK)
		return error;
	owned_select(namespace, owner, (struct slice){NULL, 0}, -1);
	return each_row(namespace, STATEMENT_OWNED, each, context, &go_on);
}
