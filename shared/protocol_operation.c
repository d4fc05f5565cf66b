/* Operations on nodes, their conditions, and transactions: encoding, and all checks of bad input.
 */
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/fields.h"
#include "shared/path.h"
#include "shared/protocol.h"

/* ---- encoding ---- */

static void
pack_optional_string(struct buffer *out, struct slice text)
{
	if (text.bytes == NULL)
		pack_nil(out);
	else
		pack_string(out, text);
}

void
condition_encode(struct buffer *out, const struct condition *condition)
{
	pack_array(out, 4);
	pack_u64(out, condition->kind);
	pack_u64(out, condition->relation);
	pack_optional_string(out, condition->path);
	if (condition->kind == CONDITION_DATA)
		pack_binary(out, condition->data);
	else
		pack_u64(out, condition->number);
}

static uint32_t
arguments_of(uint8_t op)
{
	switch (op) {
	case OP_CREATE:
	case OP_PUT: return 4;
	case OP_LIST:
	case OP_OWNED: return 3;
	case OP_LOG:
	case OP_ACQUIRE: return 2;
	case OP_RELEASE: return 1;
	default: return 0;
	}
}

static void
arguments_encode(struct buffer *out, const struct operation *operation)
{
	switch (operation->op) {
	case OP_LIST:
	case OP_OWNED:
		pack_optional_string(out, operation->after);
		pack_u64(out, operation->limit);
		pack_u64(out, operation->revision);
		return;
	case OP_LOG:
		pack_u64(out, operation->revision);
		pack_u64(out, operation->limit);
		return;
	case OP_CREATE:
	case OP_PUT:
		pack_u64(out, operation->kind);
		pack_u64(out, operation->lease);
		pack_u64(out, operation->ttl_ms);
		pack_u64(out, operation->brake_percent);
		return;
	case OP_ACQUIRE:
		pack_u64(out, operation->limit);
		pack_u64(out, operation->ttl_ms);
		return;
	case OP_RELEASE: pack_u64(out, operation->token); return;
	default: return;
	}
}

void
operation_encode(struct buffer *out, const struct operation *operation,
                 const struct condition *conditions)
{
	pack_array(out, 4 + arguments_of(operation->op));
	pack_string(out, operation->path);
	pack_u64(out, operation->flags);
	pack_binary(out, operation->data);
	pack_array(out, operation->condition_count);
	for (uint32_t i = 0; i < operation->condition_count; i++)
		condition_encode(out, &conditions[i]);
	arguments_encode(out, operation);
}

/* ---- reading the shape ---- */

static void
condition_read(struct cursor *cursor, struct condition *condition)
{
	struct fields fields = fields_enter(cursor, 4);

	*condition = (struct condition){0};
	condition->kind = (uint8_t)field_number(&fields, UINT8_MAX);
	condition->relation = (uint8_t)field_number(&fields, UINT8_MAX);
	condition->path = field_optional_string(&fields);
	if (condition->kind == CONDITION_DATA)
		condition->data = field_binary(&fields);
	else if (condition->kind <= CONDITION_TOKEN)
		condition->number = field_u64(&fields);
	fields_leave(&fields);
}

/* Leaves *FIRST at the first condition, to be read again later, and CURSOR behind the last. */
static uint32_t
conditions_read(struct cursor *cursor, struct cursor *first)
{
	uint32_t count = cursor_array(cursor);

	*first = *cursor;
	cursor_skip(cursor, count);
	cursor_leave(cursor);
	return count;
}

static void
arguments_read(struct fields *fields, struct operation *operation)
{
	switch (operation->op) {
	case OP_LIST:
	case OP_OWNED:
		operation->after = field_optional_string(fields);
		operation->limit = field_u64(fields);
		operation->revision = field_u64(fields);
		return;
	case OP_LOG:
		operation->revision = field_u64(fields);
		operation->limit = field_u64(fields);
		return;
	case OP_CREATE:
	case OP_PUT:
		operation->kind = (uint8_t)field_number(fields, UINT8_MAX);
		operation->lease = field_u64(fields);
		operation->ttl_ms = field_u64(fields);
		operation->brake_percent = field_u64(fields);
		return;
	case OP_ACQUIRE:
		operation->limit = field_u64(fields);
		operation->ttl_ms = field_u64(fields);
		return;
	case OP_RELEASE: operation->token = field_u64(fields); return;
	default: return;
	}
}

static void
operation_read(struct cursor *cursor, uint8_t op, struct operation *operation)
{
	struct fields fields = fields_enter(cursor, 1);

	*operation = (struct operation){.op = op};
	operation->path = field_string(&fields);
	operation->flags = (uint32_t)field_number(&fields, UINT32_MAX);
	operation->data = field_binary(&fields);
	if (fields_next(&fields))
		operation->condition_count = conditions_read(cursor, &operation->conditions);
	arguments_read(&fields, operation);
	fields_leave(&fields);
}

void
condition_next(struct cursor *conditions, struct condition *condition)
{
	condition_read(conditions, condition);
	CHECK(!conditions->failed);
}

static void
pair_read(struct cursor *cursor, struct operation *operation)
{
	struct fields fields = fields_enter(cursor, 2);
	uint8_t op = (uint8_t)field_number(&fields, UINT8_MAX);

	fields_next(&fields);
	operation_read(cursor, op, operation);
	fields_leave(&fields);
}

void
operation_next(struct cursor *operations, struct operation *operation)
{
	pair_read(operations, operation);
	CHECK(!operations->failed);
}

/* ---- checking what was read ---- */

/* The first thing found wrong. */
struct verdict {
	int error;
	const char *why;
};

static void
refuse(struct verdict *verdict, int error, const char *why)
{
	if (verdict->error == SYNOD_OK)
		*verdict = (struct verdict){error, why};
}

static uint32_t
flags_of(uint8_t op)
{
	switch (op) {
	case OP_LIST: return OP_WITH_STAT | OP_WITH_DATA;
	case OP_LOG: return OP_RECURSIVE | OP_WITH_DATA;
	case OP_CREATE: return OP_SEQUENTIAL | OP_PARENTS | OP_PREVIOUS | OP_WITH_STAT;
	case OP_SET: return OP_PREVIOUS | OP_WITH_STAT;
	case OP_PUT: return OP_PARENTS | OP_PREVIOUS | OP_WITH_STAT;
	case OP_DELETE: return OP_RECURSIVE | OP_PREVIOUS;
	case OP_ACQUIRE: return OP_SHARED | OP_TRY;
	default: return 0;
	}
}

static void
check_flags(struct verdict *verdict, const struct operation *operation)
{
	if ((operation->flags & ~(uint32_t)OP_FLAGS_KNOWN) != 0)
		refuse(verdict, SYNOD_UNSUPPORTED, "unknown flag");
	if ((operation->flags & ~flags_of(operation->op)) != 0)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a flag that this operation does not have");
}

static bool
is_write(uint8_t op)
{
	return op_class(op) == OP_CLASS_WRITE;
}

static bool
is_sequential(const struct operation *operation)
{
	return operation->op == OP_CREATE && (operation->flags & OP_SEQUENTIAL) != 0;
}

static void
check_path(struct verdict *verdict, struct slice path)
{
	const char *why = NULL;
	int error = path_check(path, &why);

	if (error != SYNOD_OK)
		refuse(verdict, error, why);
}

static void
check_written_path(struct verdict *verdict, struct slice path)
{
	check_path(verdict, path);
	if (verdict->error == SYNOD_OK && path_is_reserved(path))
		refuse(verdict, SYNOD_RESERVED, "/synod is written by the system only");
}

/* A prefix is as good as what it becomes with the longest counter. */
static void
check_prefix(struct verdict *verdict, struct slice prefix)
{
	uint8_t path[PATH_SIZE_MAX + SEQUENCE_DIGITS_MAX];

	if (prefix.size == 0 || prefix.size > PATH_SIZE_MAX) {
		check_path(verdict, prefix);
		return;
	}
	memcpy(path, prefix.bytes, prefix.size);
	memset(path + prefix.size, '0', SEQUENCE_DIGITS_MAX);
	check_written_path(verdict, (struct slice){path, prefix.size + SEQUENCE_DIGITS_MAX});
}

static void
check_target(struct verdict *verdict, const struct operation *operation)
{
	if (is_sequential(operation)) {
		check_prefix(verdict, operation->path);
		return;
	}
	if (!is_write(operation->op)) {
		check_path(verdict, operation->path);
		return;
	}
	check_written_path(verdict, operation->path);
	if (verdict->error == SYNOD_OK && path_is_root(operation->path) && operation->op != OP_SET)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "the root always exists: it can only be set");
}

static void
check_data(struct verdict *verdict, const struct operation *operation)
{
	if (operation->data.size > DATA_SIZE_MAX)
		refuse(verdict, SYNOD_TOO_LARGE, "the data is larger than 1 MiB");
	if (operation->data.bytes == NULL)
		return;
	if (!is_write(operation->op) || operation->op == OP_DELETE || operation->op == OP_RELEASE)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "data in an operation that writes none");
}

/* What a CREATE or PUT says of whose the node is and how long it lives. */
static void
check_kind(struct verdict *verdict, const struct operation *operation)
{
	if (operation->kind > NODE_SUSPECT)
		refuse(verdict, SYNOD_UNSUPPORTED, "unknown kind of node");
	if (operation->kind == NODE_LOCK || operation->kind == NODE_CONTENDER)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "locks and contenders are made by acquiring");
	if (operation->kind == NODE_SUSPECT)
		refuse(verdict, SYNOD_BAD_ARGUMENT,
		       "a node becomes suspect only when its owner's time runs out");
	if ((operation->kind == NODE_LEASED) != (operation->lease != 0))
		refuse(verdict, SYNOD_BAD_ARGUMENT,
		       "a lease belongs to a leased node, and to no other kind");
	if (operation->kind != NODE_TTL && operation->ttl_ms != 0)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a ttl belongs to a node of kind ttl");
	if (operation->kind == NODE_TTL &&
	    (operation->ttl_ms < NODE_TTL_MIN_MS || operation->ttl_ms > NODE_TTL_MAX_MS))
		refuse(verdict, SYNOD_BAD_ARGUMENT,
		       "the ttl of a node is 1 second to 10 years, in milliseconds");
	if (operation->kind != NODE_SERVICE && operation->brake_percent != 0)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a brake belongs to a service");
	if (operation->brake_percent > 100)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a brake is 1 to 100 percent");
}

static void
check_acquire(struct verdict *verdict, const struct operation *operation)
{
	if (operation->limit > LOCK_LIMIT_MAX)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "at most 10000 may hold a lock");
	if ((operation->flags & OP_SHARED) != 0 && operation->limit > 1)
		refuse(verdict, SYNOD_BAD_ARGUMENT,
		       "a lock is either shared or limited to a number of holders");
	if (operation->ttl_ms > LOCK_DELAY_MAX_MS)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "the delay of a lock is at most 10 minutes");
}

static void
check_owned(struct verdict *verdict, const struct operation *operation)
{
	if (operation->limit > OWNED_LIMIT_MAX)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a page of more than 10000 nodes");
	if (operation->after.bytes != NULL)
		check_path(verdict, operation->after);
}

static void
check_list(struct verdict *verdict, const struct operation *operation)
{
	const char *why = NULL;

	if (operation->limit > LIST_LIMIT_MAX)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a page of more than 10000 children");
	if (operation->after.bytes == NULL)
		return;
	if (path_check_component(operation->after, &why) != SYNOD_OK)
		refuse(verdict, SYNOD_BAD_PATH, why);
}

static void
check_relation(struct verdict *verdict, const struct condition *condition)
{
	uint8_t relation = condition->relation;

	if (relation < RELATION_EQUAL || relation > RELATION_GREATER)
		refuse(verdict, SYNOD_UNSUPPORTED, "unknown relation in a condition");
	if (condition->kind == CONDITION_EXISTS && relation != RELATION_EQUAL)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "existence can only be equal to 0 or 1");
	if (condition->kind == CONDITION_TOKEN && relation != RELATION_EQUAL)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a token can only be equal");
	if (condition->kind == CONDITION_DATA && relation > RELATION_NOT_EQUAL)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "data can only be equal or not equal");
}

static void
check_condition(struct verdict *verdict, const struct condition *condition, bool has_own_path)
{
	if (condition->kind < CONDITION_EXISTS || condition->kind > CONDITION_TOKEN)
		refuse(verdict, SYNOD_UNSUPPORTED, "unknown kind of condition");
	check_relation(verdict, condition);
	if (condition->path.bytes != NULL)
		check_path(verdict, condition->path);
	else if (!has_own_path)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a condition here must name its path");
	if (condition->kind == CONDITION_EXISTS && condition->number > 1)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "existence can only be equal to 0 or 1");
	if (condition->data.size > DATA_SIZE_MAX)
		refuse(verdict, SYNOD_TOO_LARGE, "the data of a condition is larger than 1 MiB");
}

/* FIRST is a copy: the caller's cursor stays at the first condition. */
static void
check_conditions(struct verdict *verdict, struct cursor first, uint32_t count, bool has_own_path)
{
	struct condition condition;

	if (count > CONDITIONS_MAX) {
		refuse(verdict, SYNOD_BAD_ARGUMENT, "more than 64 conditions");
		return;
	}
	for (uint32_t i = 0; i < count && !first.failed; i++) {
		condition_read(&first, &condition);
		check_condition(verdict, &condition, has_own_path);
	}
	if (first.failed)
		*verdict = (struct verdict){SYNOD_BAD_MESSAGE, "malformed condition"};
}

static void
check_operation(struct verdict *verdict, const struct operation *operation)
{
	check_flags(verdict, operation);
	check_target(verdict, operation);
	check_data(verdict, operation);
	switch (operation->op) {
	case OP_LIST: check_list(verdict, operation); break;
	case OP_OWNED: check_owned(verdict, operation); break;
	case OP_CREATE:
	case OP_PUT: check_kind(verdict, operation); break;
	case OP_ACQUIRE: check_acquire(verdict, operation); break;
	default: break;
	}
	check_conditions(verdict, operation->conditions, operation->condition_count,
	                 !is_sequential(operation));
}

/* A malformed message outweighs what was found in the part of it that could be read. */
static int
conclude(struct verdict *verdict, const struct cursor *cursor, const char **why)
{
	if (cursor_finish(cursor) != SYNOD_OK)
		*verdict = (struct verdict){SYNOD_BAD_MESSAGE, "malformed message"};
	if (verdict->error != SYNOD_OK && why != NULL)
		*why = verdict->why;
	return verdict->error;
}

static bool
is_known_alone(uint8_t op)
{
	switch (op) {
	case OP_GET:
	case OP_STAT:
	case OP_LIST:
	case OP_LOG:
	case OP_CREATE:
	case OP_SET:
	case OP_PUT:
	case OP_DELETE:
	case OP_ACQUIRE:
	case OP_RELEASE:
	case OP_OWNED: return true;
	default: return false;
	}
}

int
operation_decode(uint8_t op, struct slice body, struct operation *operation, const char **why)
{
	struct verdict verdict = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	operation_read(&cursor, op, operation);
	if (op == OP_CHECK)
		refuse(&verdict, SYNOD_BAD_ARGUMENT, "CHECK stands only inside a transaction");
	else if (!is_known_alone(op))
		refuse(&verdict, SYNOD_UNSUPPORTED, "not an operation on a node");
	if (!cursor.failed)
		check_operation(&verdict, operation);
	return conclude(&verdict, &cursor, why);
}

/* ---- transactions ---- */

static void
check_member_op(struct verdict *verdict, uint8_t op)
{
	if (op_class(op) == OP_CLASS_NONE)
		refuse(verdict, SYNOD_UNSUPPORTED, "unknown operation in a transaction");
	if (op == OP_TXN)
		refuse(verdict, SYNOD_BAD_ARGUMENT, "a transaction inside a transaction");
	if (op == OP_LOG || op == OP_OWNED || (op != OP_CHECK && !is_known_alone(op)))
		refuse(verdict, SYNOD_BAD_ARGUMENT, "an operation that no transaction can contain");
}

/* As conditions_read(), checking each operation on the way. */
static uint32_t
branch_read(struct verdict *verdict, struct cursor *cursor, struct cursor *first)
{
	struct operation operation;
	uint32_t count = cursor_array(cursor);

	*first = *cursor;
	if (count > TXN_OPERATIONS_MAX) {
		refuse(verdict, SYNOD_BAD_ARGUMENT, "more than 128 operations in a branch");
		cursor_skip(cursor, count);
		cursor_leave(cursor);
		return 0;
	}
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		pair_read(cursor, &operation);
		if (cursor->failed)
			break;
		check_member_op(verdict, operation.op);
		check_operation(verdict, &operation);
	}
	cursor_leave(cursor);
	return count;
}

int
transaction_decode(struct slice body, struct transaction *transaction, const char **why)
{
	struct verdict verdict = {0};
	struct cursor cursor;
	struct fields fields;

	*transaction = (struct transaction){0};
	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 2);
	if (fields_next(&fields))
		transaction->condition_count = conditions_read(&cursor, &transaction->conditions);
	if (fields_next(&fields))
		transaction->then_count =
			branch_read(&verdict, &cursor, &transaction->then_operations);
	if (fields_next(&fields))
		transaction->else_count =
			branch_read(&verdict, &cursor, &transaction->else_operations);
	fields_leave(&fields);
	if (!cursor.failed)
		check_conditions(&verdict, transaction->conditions, transaction->condition_count,
		                 false);
	return conclude(&verdict, &cursor, why);
}
