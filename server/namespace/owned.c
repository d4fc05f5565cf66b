/* What a session or a lease owns: told, and deleted (or made suspect) when it ends. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"
#include "shared/planted.h"

/* Nodes that are looked up before the first of them is deleted. */
#define BATCH 256

sqlite3_stmt *
owned_select(struct namespace *namespace, uint64_t owner, struct slice after, int64_t limit)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_OWNED);
	bool is_start = after.size == 0 || path_is_root(after);

	bind_u64(statement, 1, owner);
	bind_text(statement, 2, is_start ? slice_of("") : path_parent(after));
	bind_text(statement, 3, is_start ? slice_of("") : path_name(after));
	bind_u64(statement, 4, (uint64_t)limit);
	return statement;
}

/* ---- deleting ---- */

/* Leave in PATHS those that follow AFTER. */
static int
gather_batch(struct namespace *namespace, uint64_t owner, struct slice after, struct buffer *paths,
             uint32_t *count)
{
	sqlite3_stmt *statement = owned_select(namespace, owner, after, BATCH);
	struct buffer *path = &namespace->name;
	bool has_row;
	int error;

	buffer_clear(paths);
	*count = 0;
	while ((error = statement_step(namespace, STATEMENT_OWNED, &has_row)) == SYNOD_OK &&
	       has_row) {
		buffer_clear(path);
		path_of_row(path, statement);
		pack_string(paths, buffer_slice(path));
		++*count;
	}
	CHECK(!path->failed);
	CHECK(!paths->failed);
	return error;
}

static int
delete_one(struct namespace *namespace, struct slice path, const struct session *owner)
{
	struct node *parent;
	struct node *node;
	int error = nodes_trim(namespace);

	if (error == SYNOD_OK)
		error = node_find(namespace, path, &node);
	if (error == SYNOD_OK)
		error = node_find(namespace, path_parent(path), &parent);
	if (error != SYNOD_OK)
		return error;
	CHECK(node != NULL);
	CHECK(node->stat.owner == owner->id);
	CHECK(parent != NULL);
	if (brake_spares(namespace, parent, node))
		brake_suspect(namespace, node, owner->timeout_ms);
	else
		error = node_delete(namespace, parent, node);
	return error == SYNOD_OK ? history_relieve(namespace) : error;
}

/* LAST gets the last path of the batch. */
static int
delete_batch(struct namespace *namespace, const struct session *owner, struct slice paths,
             uint32_t count, struct buffer *last)
{
	struct slice path = {NULL, 0};
	struct cursor cursor;
	int error = SYNOD_OK;

	cursor_init(&cursor, paths);
	for (uint32_t i = 0; i < count && error == SYNOD_OK; i++) {
		path = cursor_string(&cursor);
		error = delete_one(namespace, path, owner);
	}
	buffer_clear(last);
	buffer_append(last, path.bytes, path.size);
	CHECK(!last->failed);
	return error;
}

static int
delete_all(struct namespace *namespace, const struct session *owner, uint64_t *count)
{
	struct buffer paths = BUFFER_EMPTY;
	struct buffer last = BUFFER_EMPTY;
	uint32_t found = BATCH;
	int error = SYNOD_OK;

	while (found == BATCH && error == SYNOD_OK) {
		error = gather_batch(namespace, owner->id, buffer_slice(&last), &paths, &found);
		if (error == SYNOD_OK)
			error = delete_batch(namespace, owner, buffer_slice(&paths), found, &last);
		*count += found;
	}
	buffer_fini(&paths);
	buffer_fini(&last);
	return error;
}

int
owned_delete(struct namespace *namespace, const struct session *owner, enum change_cause cause,
             uint64_t *count)
{
	int error = SYNOD_OK;

	CHECK(!namespace->undo.is_active);

	*count = 0;
	if (!PLANTED(EPHEMERAL_LEFT))
		error = nodes_write_back(namespace);
	if (error != SYNOD_OK)
		return error;
	namespace->cause = cause;
	error = delete_all(namespace, owner, count);
	namespace->cause = CAUSE_REQUEST;
	return error;
}

/* ---- telling ---- */

/* Fill namespace->items; at least one path, if there is one. */
static int
gather_page(struct namespace *namespace, const struct operation *operation, uint32_t *count,
            bool *more)
{
	uint64_t limit = operation->limit > 0 ? operation->limit : OWNED_LIMIT_MAX;
	sqlite3_stmt *statement =
		owned_select(namespace, operation->revision, operation->after, -1);
	struct buffer *items = &namespace->items;
	struct buffer *path = &namespace->name;
	int error;

	buffer_clear(items);
	*count = 0;
	for (;;) {
		error = statement_step(namespace, STATEMENT_OWNED, more);
		if (error != SYNOD_OK || !*more || *count == limit ||
		    items->size > LIST_PAGE_SIZE_MAX)
			break;
		buffer_clear(path);
		path_of_row(path, statement);
		pack_string(items, buffer_slice(path));
		++*count;
	}
	CHECK(!path->failed);
	statement_reset(namespace, STATEMENT_OWNED);
	return error;
}

int
op_owned(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	uint32_t count;
	bool more;
	int error = operation_check(namespace, operation, answer);

	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	if (session_find(namespace, operation->revision) == NULL)
		return answer_error(answer, SYNOD_NO_LEASE,
		                    "neither a session nor a lease has this id");
	error = nodes_write_back(namespace);
	if (error == SYNOD_OK)
		error = gather_page(namespace, operation, &count, &more);
	if (error != SYNOD_OK)
		return error;
	pack_array(answer->result, 2);
	pack_array(answer->result, count);
	pack_raw(answer->result, buffer_slice(&namespace->items));
	pack_bool(answer->result, more);
	return SYNOD_OK;
}
