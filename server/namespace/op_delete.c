/* DELETE: one node, or a whole subtree in one revision. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"

/* What is below a node is read and deleted in its rows: it may be far more than fits in memory. */
struct below {
	struct slice first; /* parents from here on */
	struct slice end;   /* up to here, exclusive */
};

static int
forget_row(struct namespace *namespace, sqlite3_stmt *statement, struct buffer *path)
{
	struct node_stat stat;
	struct slice data;
	struct node *cached;
	int error;

	buffer_clear(path);
	path_of_row(path, statement);
	CHECK(!path->failed);
	node_of_row(statement, 2, &stat, &data);
	hash_subtract(&namespace->hash, node_hash_of(buffer_slice(path), &stat, hash_of(data)));
	history_append(namespace, CHANGE_DELETED, buffer_slice(path), &stat,
	               (struct slice){NULL, 0});
	session_count_owned(namespace, &stat, -1);
	namespace->nodes--;
	cached = cache_find(&namespace->cache, buffer_slice(path));
	if (cached != NULL)
		cache_remove(&namespace->cache, cached);
	if (stat.kind == NODE_CONTENDER) {
		error = lock_lose(namespace, buffer_slice(path), &stat, namespace->cause);
		if (error != SYNOD_OK)
			return error;
	}
	return history_relieve(namespace);
}

static int
delete_below(struct namespace *namespace, const struct below *below, uint64_t *count)
{
	sqlite3_stmt *rows = statement_of(namespace, STATEMENT_BELOW);
	sqlite3_stmt *delete = statement_of(namespace, STATEMENT_BELOW_DELETE);
	struct buffer path = BUFFER_EMPTY;
	bool has_row;
	int error;

	bind_text(rows, 1, below->first);
	bind_text(rows, 2, below->end);
	while ((error = statement_step(namespace, STATEMENT_BELOW, &has_row)) == SYNOD_OK &&
	       has_row) {
		error = forget_row(namespace, rows, &path);
		if (error != SYNOD_OK)
			break;
		(*count)++;
	}
	statement_reset(namespace, STATEMENT_BELOW);
	buffer_fini(&path);
	if (error != SYNOD_OK)
		return error;
	bind_text(delete, 1, below->first);
	bind_text(delete, 2, below->end);
	return statement_run(namespace, STATEMENT_BELOW_DELETE);
}

static struct slice
joined(struct buffer *buffer, struct slice path, char last)
{
	buffer_append(buffer, path.bytes, path.size);
	buffer_append(buffer, &last, 1);
	CHECK(!buffer->failed);
	return buffer_slice(buffer);
}

/*
 * Everything below PATH.  First what is deeper than its children: parents that
 * begin with "PATH/", which are those before "PATH0".  Then its children: the one
 * parent PATH, which is all before "PATH" and U+0001, since paths have no control
 * characters.
 */
static int
delete_descendants(struct namespace *namespace, struct slice path, uint64_t *count)
{
	struct buffer slash = BUFFER_EMPTY;
	struct buffer zero = BUFFER_EMPTY;
	struct buffer one = BUFFER_EMPTY;
	struct below deeper = {joined(&slash, path, '/'), joined(&zero, path, '0')};
	struct below children = {path, joined(&one, path, '\1')};
	int error = undo_savepoint(namespace);

	if (error == SYNOD_OK)
		error = delete_below(namespace, &deeper, count);
	if (error == SYNOD_OK)
		error = delete_below(namespace, &children, count);
	buffer_fini(&slash);
	buffer_fini(&zero);
	buffer_fini(&one);
	return error;
}

/* The node itself, whose children are gone. */
static int
delete_top(struct namespace *namespace, struct slice path)
{
	struct node *node;
	struct node *parent;
	int error = node_find(namespace, path, &node);

	if (error == SYNOD_OK)
		error = node_find(namespace, path_parent(path), &parent);
	if (error != SYNOD_OK)
		return error;
	CHECK(node != NULL);
	CHECK(parent != NULL);
	node_begin_change(namespace, node);
	node->stat.children = 0;
	node_end_change(namespace, node);
	return node_delete(namespace, parent, node);
}

static void
answer_deleted(struct buffer *out, uint64_t count, struct slice previous)
{
	pack_array(out, 2);
	pack_u64(out, count);
	if (previous.size > 0)
		pack_raw(out, previous);
	else
		pack_nil(out);
}

int
op_delete(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct slice previous;
	struct node *node;
	uint64_t count = 1;
	int error = operation_target(namespace, operation, answer, &node);

	if (node == NULL)
		return error;
	if (node->stat.children > 0 && (operation->flags & OP_RECURSIVE) == 0)
		return answer_error(answer, SYNOD_NOT_EMPTY, NULL);
	previous = previous_of(namespace, operation, node);
	if (node->stat.children > 0)
		error = delete_descendants(namespace, operation->path, &count);
	if (error == SYNOD_OK)
		error = delete_top(namespace, operation->path);
	answer_deleted(answer->result, count, previous);
	return error;
}
