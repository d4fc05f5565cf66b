/* Decoding of answers into results.  A member's answer is outside input like any other. */
#include "client/result.h"

#include <stdlib.h>
#include <string.h>

#include "shared/fields.h"

/* Fewer bytes than these cannot hold one: a count that promises more is a lie. */
#define PATH_SIZE_MIN   2
#define CHILD_SIZE_MIN  4
#define CHANGE_SIZE_MIN 8
#define PAIR_SIZE_MIN   3

struct outcome *
outcome_new(void)
{
	return calloc(1, sizeof(struct outcome));
}

void
outcome_clear(struct outcome *outcome)
{
	free(outcome->result.children);
	free(outcome->result.changes);
	outcome->result = (struct synod_result){.failed_index = -1};
	outcome->child_capacity = 0;
	outcome->change_capacity = 0;
	arena_clear(&outcome->arena);
}

void
outcome_free(struct outcome *outcome)
{
	if (outcome == NULL)
		return;
	outcome_clear(outcome);
	arena_fini(&outcome->arena);
	free(outcome);
}

void
outcome_fail(struct outcome *outcome, int error, const char *message)
{
	outcome_clear(outcome);
	outcome->result.error = error;
	if (message != NULL)
		outcome->result.message = arena_copy(
			&outcome->arena, (struct slice){(const uint8_t *)message, strlen(message)});
}

/* ---- the parts of results ---- */

struct synod_stat
result_stat(const struct node_stat *stat)
{
	return (struct synod_stat){
		.created = stat->created,
		.modified = stat->modified,
		.children_modified = stat->children_modified,
		.version = stat->version,
		.children_version = stat->children_version,
		.access_version = stat->access_version,
		.created_ms = stat->created_ms,
		.modified_ms = stat->modified_ms,
		.owner = stat->owner,
		.data_size = stat->data_size,
		.children = stat->children,
		.sequence = stat->sequence,
		.has_data = stat->has_data,
		.kind = (enum synod_node_kind)stat->kind,
		.ttl_ms = stat->ttl_ms,
		.token = stat->token,
		.mode = stat->mode,
	};
}

static void
read_stat(struct cursor *cursor, struct synod_node *node)
{
	struct node_stat stat;

	stat_decode(cursor, &stat);
	node->has_stat = true;
	node->stat = result_stat(&stat);
}

static void
read_optional_stat(struct fields *fields, struct synod_node *node)
{
	if (fields_next(fields) && !cursor_nil(fields->cursor))
		read_stat(fields->cursor, node);
}

static void
set_data(struct arena *arena, struct slice data, const void **to, size_t *size)
{
	*to = arena_copy(arena, data);
	*size = data.size;
}

static void
read_get(struct arena *arena, struct cursor *cursor, struct synod_node *node)
{
	struct fields fields = fields_enter(cursor, 1);

	fields_next(&fields);
	read_stat(cursor, node);
	set_data(arena, field_binary(&fields), &node->data, &node->size);
	fields_leave(&fields);
}

static void
read_previous(struct arena *arena, struct fields *fields, struct synod_result *result)
{
	if (!fields_next(fields) || cursor_nil(fields->cursor))
		return;
	result->has_previous = true;
	result->previous.path = result->node.path;
	read_get(arena, fields->cursor, &result->previous);
}

static void
read_written(struct arena *arena, struct cursor *cursor, struct synod_result *result)
{
	struct fields fields = fields_enter(cursor, 1);
	uint64_t version = field_u64(&fields);
	struct slice path = field_optional_string(&fields);

	if (path.bytes != NULL)
		result->node.path = arena_copy(arena, path);
	read_optional_stat(&fields, &result->node);
	result->node.stat.version = version;
	read_previous(arena, &fields, result);
	fields_leave(&fields);
}

static void
read_deleted(struct arena *arena, struct cursor *cursor, struct synod_result *result)
{
	struct fields fields = fields_enter(cursor, 1);

	result->deleted = field_u64(&fields);
	read_previous(arena, &fields, result);
	fields_leave(&fields);
}

static void
read_contended(struct arena *arena, struct cursor *cursor, struct synod_result *result)
{
	struct fields fields = fields_enter(cursor, 2);

	result->token = field_u64(&fields);
	result->node.path = arena_copy(arena, field_string(&fields));
	result->ahead = field_u64(&fields);
	fields_leave(&fields);
}

/* A result of up to two numbers. */
static void
read_numbers(struct cursor *cursor, uint64_t *first, uint64_t *second)
{
	struct fields fields = fields_enter(cursor, 1);

	*first = field_u64(&fields);
	if (second != NULL)
		*second = field_u64(&fields);
	fields_leave(&fields);
}

/* Room for COUNT more elements of SIZE bytes in *ARRAY, all zero; NULL when memory ran out. */
static void *
grow(void **array, size_t used, size_t *capacity, size_t count, size_t size)
{
	if (*capacity - used < count) {
		size_t wanted = *capacity * 2 > used + count ? *capacity * 2 : used + count;
		void *larger = realloc(*array, wanted * size);

		if (larger == NULL)
			return NULL;
		*array = larger;
		*capacity = wanted;
	}
	return memset((char *)*array + used * size, 0, count * size);
}

static bool
is_plausible(const struct cursor *cursor, uint32_t count, size_t size_min)
{
	return count <= (size_t)(cursor->end - cursor->at) / size_min;
}

static void
read_child(struct arena *arena, struct cursor *cursor, struct synod_node *child)
{
	struct fields fields = fields_enter(cursor, 1);

	child->path = arena_copy(arena, field_string(&fields));
	read_optional_stat(&fields, child);
	set_data(arena, field_binary(&fields), &child->data, &child->size);
	fields_leave(&fields);
}

/* What lies in an array of children: a child of a listing, or the whole path of a node. */
typedef void read_element(struct arena *arena, struct cursor *cursor, struct synod_node *to);

static void
read_owned_path(struct arena *arena, struct cursor *cursor, struct synod_node *node)
{
	node->path = arena_copy(arena, cursor_string(cursor));
}

static void
read_children(struct outcome *outcome, struct cursor *cursor, uint32_t count_max, size_t size_min,
              read_element *read)
{
	struct synod_result *result = &outcome->result;
	uint32_t count = cursor_array(cursor);
	void *array = result->children;
	struct synod_node *child;

	if (count > count_max || !is_plausible(cursor, count, size_min)) {
		cursor_fail(cursor);
		return;
	}
	if (count > 0) {
		child = grow(&array, result->child_count, &outcome->child_capacity, count,
		             sizeof *child);
		result->children = array;
		if (child == NULL) {
			outcome->arena.has_failed = true;
			return;
		}
		for (uint32_t i = 0; i < count && !cursor->failed; i++)
			read(&outcome->arena, cursor, child++);
		result->child_count += count;
	}
	cursor_leave(cursor);
}

static void
read_list(struct outcome *outcome, struct cursor *cursor)
{
	struct fields fields = fields_enter(cursor, 2);

	fields_next(&fields);
	read_stat(cursor, &outcome->result.node);
	fields_next(&fields);
	read_children(outcome, cursor, LIST_LIMIT_MAX, CHILD_SIZE_MIN, read_child);
	outcome->result.more = fields_next(&fields) && cursor_bool(cursor);
	fields_leave(&fields);
}

static void
read_owned(struct outcome *outcome, struct cursor *cursor)
{
	struct fields fields = fields_enter(cursor, 1);

	fields_next(&fields);
	read_children(outcome, cursor, OWNED_LIMIT_MAX, PATH_SIZE_MIN, read_owned_path);
	outcome->result.more = fields_next(&fields) && cursor_bool(cursor);
	fields_leave(&fields);
}

static bool
comes_after(const struct change *change, const struct synod_change *last)
{
	if (change->revision != last->revision)
		return change->revision > last->revision;
	return change->ordinal > last->ordinal;
}

/* A page starts again with the revision in which the last one ended: what is known is skipped. */
static void
read_change(struct outcome *outcome, struct cursor *cursor)
{
	struct synod_result *result = &outcome->result;
	struct synod_change *to = result->changes + result->change_count;
	struct change change;

	change_decode(cursor, &change);
	if (cursor->failed)
		return;
	if (result->change_count > 0 && !comes_after(&change, to - 1))
		return;
	*to = (struct synod_change){
		.revision = change.revision,
		.ordinal = change.ordinal,
		.path = arena_copy(&outcome->arena, change.path),
		.kind = (enum synod_change_kind)change.kind,
		.version = change.version,
		.owner = change.owner,
		.cause = change.cause,
		.previous_owner = change.previous_owner,
	};
	set_data(&outcome->arena, change.data, &to->data, &to->size);
	result->change_count++;
}

static void
read_changes(struct outcome *outcome, struct cursor *cursor)
{
	struct synod_result *result = &outcome->result;
	uint32_t count = cursor_array(cursor);
	void *array = result->changes;

	if (!is_plausible(cursor, count, CHANGE_SIZE_MIN)) {
		cursor_fail(cursor);
		return;
	}
	if (count > 0) {
		if (grow(&array, result->change_count, &outcome->change_capacity, count,
		         sizeof *result->changes) == NULL) {
			outcome->arena.has_failed = true;
			return;
		}
		result->changes = array;
		for (uint32_t i = 0; i < count && !cursor->failed; i++)
			read_change(outcome, cursor);
	}
	cursor_leave(cursor);
}

static void
read_log(struct outcome *outcome, struct cursor *cursor)
{
	struct fields fields = fields_enter(cursor, 1);

	fields_next(&fields);
	read_changes(outcome, cursor);
	outcome->result.oldest_revision = field_u64(&fields);
	outcome->result.more = fields_next(&fields) && cursor_bool(cursor);
	fields_leave(&fields);
}

/* ---- transactions ---- */

/* A LIST inside a transaction is one page whose array lies in the arena like the rest. */
static void
read_list_inside(struct arena *arena, struct cursor *cursor, struct synod_result *result)
{
	struct outcome page = {.arena = *arena};

	read_list(&page, cursor);
	*arena = page.arena;
	result->node.stat = page.result.node.stat;
	result->node.has_stat = page.result.node.has_stat;
	result->more = page.result.more;
	if (page.result.child_count > 0)
		result->children =
			arena_alloc(arena, page.result.child_count * sizeof *result->children);
	if (result->children != NULL) {
		result->child_count = page.result.child_count;
		memcpy(result->children, page.result.children,
		       result->child_count * sizeof *result->children);
	}
	free(page.result.children);
}

/* The result of one operation: everything but LIST, LOG and OWNED at the top, and TXN. */
static void
read_simple(struct arena *arena, uint8_t op, struct cursor *cursor, struct synod_result *result)
{
	struct fields fields;

	switch (op) {
	case OP_GET: read_get(arena, cursor, &result->node); break;
	case OP_STAT:
		fields = fields_enter(cursor, 1);
		fields_next(&fields);
		read_stat(cursor, &result->node);
		fields_leave(&fields);
		break;
	case OP_LIST: read_list_inside(arena, cursor, result); break;
	case OP_CREATE:
	case OP_SET:
	case OP_PUT: read_written(arena, cursor, result); break;
	case OP_DELETE: read_deleted(arena, cursor, result); break;
	case OP_ACQUIRE: read_contended(arena, cursor, result); break;
	case OP_RELEASE: read_numbers(cursor, &result->token, NULL); break;
	case OP_LEASE_GRANT: read_numbers(cursor, &result->id, &result->ttl_ms); break;
	case OP_REVOKE: read_numbers(cursor, &result->deleted, NULL); break;
	default: cursor_skip(cursor, 1); break;
	}
}

static bool
is_string(const struct cursor *cursor)
{
	uint8_t code = cursor->at < cursor->end ? *cursor->at : 0;

	return (code >= 0xa0 && code <= 0xbf) || (code >= 0xd9 && code <= 0xdb);
}

/* For an error: nil, or a text that says what was wrong, or something newer than we know. */
static void
read_message(struct arena *arena, struct cursor *cursor, struct synod_result *result)
{
	if (is_string(cursor))
		result->message = arena_copy(arena, cursor_string(cursor));
	else
		cursor_skip(cursor, 1);
}

static void
read_pair(struct arena *arena, const struct operation *operation, struct cursor *cursor,
          struct synod_result *result)
{
	struct fields fields = fields_enter(cursor, 2);

	result->error = (int)field_number(&fields, INT32_MAX);
	result->failed_index = -1;
	result->node.path = arena_copy(arena, operation->path);
	fields_next(&fields);
	if (result->error == SYNOD_OK)
		read_simple(arena, operation->op, cursor, result);
	else
		read_message(arena, cursor, result);
	fields_leave(&fields);
}

/* The branch's results, fewer than its operations when one failed. */
static void
read_pairs(struct outcome *outcome, struct cursor *cursor, struct cursor operations,
           uint32_t operation_count)
{
	struct synod_result *result = &outcome->result;
	uint32_t count = cursor_array(cursor);
	struct operation operation;

	if (count > operation_count || !is_plausible(cursor, count, PAIR_SIZE_MIN)) {
		cursor_fail(cursor);
		return;
	}
	if (count > 0)
		result->results = arena_alloc(&outcome->arena, count * sizeof *result->results);
	if (count > 0 && result->results == NULL)
		return;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		operation_next(&operations, &operation);
		read_pair(&outcome->arena, &operation, cursor, &result->results[i]);
		result->results[i].revision = result->revision;
		result->result_count = i + 1;
	}
	cursor_leave(cursor);
}

static void
read_txn(struct outcome *outcome, struct slice body, struct cursor *cursor)
{
	struct synod_result *result = &outcome->result;
	struct transaction transaction;
	struct fields fields = fields_enter(cursor, 3);
	uint64_t failed_index;

	fields_next(&fields);
	result->then_taken = cursor_bool(cursor);
	fields_next(&fields);
	if (!cursor_nil(cursor)) {
		failed_index = cursor_u64(cursor);
		if (failed_index >= TXN_OPERATIONS_MAX)
			cursor_fail(cursor);
		else
			result->failed_index = (int)failed_index;
	}
	fields_next(&fields);
	if (transaction_decode(body, &transaction, NULL) != SYNOD_OK)
		cursor_fail(cursor);
	else if (result->then_taken)
		read_pairs(outcome, cursor, transaction.then_operations, transaction.then_count);
	else
		read_pairs(outcome, cursor, transaction.else_operations, transaction.else_count);
	fields_leave(&fields);
	/* Who failed names the error, unless the response has named it already. */
	if (result->failed_index < 0 || result->error != SYNOD_OK)
		return;
	if ((size_t)result->failed_index >= result->result_count)
		cursor_fail(cursor);
	else
		result->error = result->results[result->failed_index].error;
}

/* ---- the whole ---- */

/* The path is the first field of every operation on a node. */
static const char *
path_of(struct outcome *outcome, uint8_t op, struct slice body)
{
	struct cursor cursor;
	struct slice path;

	if (op == OP_TXN || op == OP_OWNED || op == OP_LEASE_GRANT || op == OP_REVOKE ||
	    outcome->result.node.path != NULL)
		return outcome->result.node.path;
	cursor_init(&cursor, body);
	cursor_array(&cursor);
	path = cursor_string(&cursor);
	return cursor.failed ? NULL : arena_copy(&outcome->arena, path);
}

static void
read_result(struct outcome *outcome, uint8_t op, struct slice body, struct cursor *cursor)
{
	struct synod_result *result = &outcome->result;

	if (op == OP_TXN &&
	    (result->error == SYNOD_OK || !(cursor_is_nil(cursor) || is_string(cursor))))
		read_txn(outcome, body, cursor);
	else if (result->error != SYNOD_OK)
		read_message(&outcome->arena, cursor, result);
	else if (op == OP_LIST)
		read_list(outcome, cursor);
	else if (op == OP_LOG)
		read_log(outcome, cursor);
	else if (op == OP_OWNED)
		read_owned(outcome, cursor);
	else
		read_simple(&outcome->arena, op, cursor, result);
}

void
outcome_decode(struct outcome *outcome, uint8_t op, struct slice body,
               const struct response *response)
{
	struct synod_result *result = &outcome->result;
	struct cursor cursor;

	result->error = response->error;
	result->revision = response->revision;
	result->stale_ms = response->stale_ms;
	result->failed_index = -1;
	result->node.path = path_of(outcome, op, body);
	cursor_init(&cursor, response->result);
	read_result(outcome, op, body, &cursor);
	if (outcome->arena.has_failed)
		outcome_fail(outcome, SYNOD_NO_MEMORY, NULL);
	else if (cursor_finish(&cursor) != SYNOD_OK)
		outcome_fail(
			outcome, SYNOD_BAD_MESSAGE,
			"the member's answer does not have the form that this operation's has");
}
