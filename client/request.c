/* Encoding of requests in the thread that makes the call. */
#include "client/request.h"

#include "shared/error.h"
#include "shared/frame.h"

/* Room for the frame and the head of the request. */
#define BODY_SIZE_MAX (FRAME_CLIENT_MAX - 1024)

struct slice
request_data(const void *data, size_t size)
{
	if (data == NULL && size == 0)
		return (struct slice){NULL, 0};
	return (struct slice){data, size};
}

static int
refuse(const char **why, int error, const char *text)
{
	*why = text;
	return error;
}

static uint8_t
relation_of(enum synod_relation relation)
{
	return relation == SYNOD_EQUAL ? RELATION_EQUAL : (uint8_t)relation;
}

static void
convert_conditions(const struct synod_condition *from, size_t count, struct condition *to)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (struct condition){
			.kind = (uint8_t)from[i].kind,
			.relation = relation_of(from[i].relation),
			.path = from[i].path != NULL ? slice_of(from[i].path)
		                                     : (struct slice){NULL, 0},
			.number = from[i].number,
			.data = request_data(from[i].data, from[i].size),
		};
}

/* What cannot even be looked at. */
static int
check_conditions(const struct synod_condition *conditions, size_t count, const char **why)
{
	if (count > CONDITIONS_MAX)
		return refuse(why, SYNOD_BAD_ARGUMENT, "more than 64 conditions");
	if (count > 0 && conditions == NULL)
		return refuse(why, SYNOD_BAD_ARGUMENT, "conditions are counted but not given");
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)conditions[i].kind > UINT8_MAX ||
		    (unsigned)conditions[i].relation > UINT8_MAX)
			return refuse(why, SYNOD_BAD_ARGUMENT,
			              "unknown kind or relation of a condition");
		if (conditions[i].data == NULL && conditions[i].size > 0)
			return refuse(why, SYNOD_BAD_ARGUMENT,
			              "data is NULL but its size is not 0");
		if (conditions[i].size > DATA_SIZE_MAX)
			return refuse(why, SYNOD_TOO_LARGE,
			              "the data of a condition is larger than 1 MiB");
	}
	return SYNOD_OK;
}

static int
check_operation(const char *path, struct slice data, const char **why)
{
	if (path == NULL)
		return refuse(why, SYNOD_BAD_ARGUMENT, "the path is NULL");
	if (data.bytes == NULL && data.size > 0)
		return refuse(why, SYNOD_BAD_ARGUMENT, "data is NULL but its size is not 0");
	if (data.size > DATA_SIZE_MAX)
		return refuse(why, SYNOD_TOO_LARGE, "the data is larger than 1 MiB");
	return SYNOD_OK;
}

static uint32_t
write_flags(const struct synod_write_options *options)
{
	uint32_t flags = 0;

	flags |= options->sequential ? OP_SEQUENTIAL : 0;
	flags |= options->make_parents ? OP_PARENTS : 0;
	flags |= options->recursive ? OP_RECURSIVE : 0;
	flags |= options->want_previous ? OP_PREVIOUS : 0;
	flags |= options->want_stat ? OP_WITH_STAT : 0;
	return flags;
}

uint32_t
request_read_flags(uint8_t op, const struct synod_read_options *options)
{
	uint32_t flags = 0;

	if (op != OP_LIST && op != OP_LOG)
		return 0;
	flags |= options->with_data ? OP_WITH_DATA : 0;
	if (op == OP_LIST)
		flags |= options->with_stat ? OP_WITH_STAT : 0;
	else
		flags |= options->recursive ? OP_RECURSIVE : 0;
	return flags;
}

/* CONDITIONS, and the guard as one more of them, as the wire has them. */
static int
prepare_conditions(const struct synod_condition *conditions, size_t count,
                   const struct synod_guard *guard, struct condition *to, uint32_t *to_count,
                   const char **why)
{
	int error = check_conditions(conditions, count, why);

	if (error != SYNOD_OK)
		return error;
	convert_conditions(conditions, count, to);
	*to_count = (uint32_t)count;
	if (guard == NULL || guard->lock == NULL)
		return SYNOD_OK;
	if (count == CONDITIONS_MAX)
		return refuse(why, SYNOD_BAD_ARGUMENT, "more than 64 conditions with the guard");
	to[(*to_count)++] = (struct condition){
		.kind = CONDITION_TOKEN,
		.relation = RELATION_EQUAL,
		.path = slice_of(guard->lock),
		.number = guard->token,
	};
	return SYNOD_OK;
}

static int
append_operation(struct buffer *out, struct operation *operation,
                 const struct synod_condition *conditions, size_t count,
                 const struct synod_guard *guard, const char **why)
{
	struct condition converted[CONDITIONS_MAX];
	int error = prepare_conditions(conditions, count, guard, converted,
	                               &operation->condition_count, why);

	if (error != SYNOD_OK)
		return error;
	operation_encode(out, operation, converted);
	return SYNOD_OK;
}

/* The members' own check, on what is about to be sent. */
static int
check_encoded(const struct buffer *out, size_t begin, uint8_t op, const char **why)
{
	struct slice body = {out->bytes + begin, out->size - begin};
	struct transaction transaction;
	struct operation operation;
	int error;

	if (out->failed)
		return refuse(why, SYNOD_NO_MEMORY, NULL);
	if (body.size > BODY_SIZE_MAX)
		return refuse(why, SYNOD_TOO_LARGE, "the request is larger than 2 MiB");
	error = op == OP_TXN ? transaction_decode(body, &transaction, why)
	                     : operation_decode(op, body, &operation, why);
	/* We do not encode malformed messages, except that texts are as they were given. */
	if (error == SYNOD_BAD_MESSAGE)
		return refuse(why, SYNOD_BAD_PATH, "a path or name is not valid UTF-8");
	return error;
}

/* Whose the node is and how long it lives. */
static int
set_kind(struct operation *operation, const struct synod_write_options *options, const char **why)
{
	bool is_placed = operation->op == OP_CREATE || operation->op == OP_PUT;

	if (!is_placed && (options->kind != SYNOD_PERSISTENT || options->lease != 0 ||
	                   options->ttl_ms != 0 || options->brake_percent != 0))
		return refuse(why, SYNOD_BAD_ARGUMENT,
		              "a kind, lease, ttl or brake in an operation that places no node");
	if ((unsigned)options->kind > UINT8_MAX)
		return refuse(why, SYNOD_BAD_ARGUMENT, "unknown kind of node");
	operation->kind = (uint8_t)options->kind;
	operation->lease = options->lease;
	operation->ttl_ms = options->ttl_ms;
	operation->brake_percent = options->brake_percent;
	return SYNOD_OK;
}

static int
append_write(struct buffer *out, uint8_t op, const char *path, struct slice data,
             const struct synod_write_options *options, const char **why)
{
	static const struct synod_write_options none;
	struct operation operation = {.op = op, .data = data};
	int error = check_operation(path, data, why);

	if (error != SYNOD_OK)
		return error;
	if (options == NULL)
		options = &none;
	error = set_kind(&operation, options, why);
	if (error != SYNOD_OK)
		return error;
	operation.path = slice_of(path);
	operation.flags = write_flags(options);
	return append_operation(out, &operation, options->conditions, options->condition_count,
	                        &options->guard, why);
}

int
request_write(struct buffer *out, uint8_t op, const char *path, struct slice data,
              const struct synod_write_options *options, const char **why)
{
	size_t begin = out->size;
	int error = append_write(out, op, path, data, options, why);

	return error != SYNOD_OK ? error : check_encoded(out, begin, op, why);
}

int
request_read(struct buffer *out, const struct operation *operation, const char **why)
{
	size_t begin = out->size;

	operation_encode(out, operation, NULL);
	return check_encoded(out, begin, operation->op, why);
}

/* ---- transactions ---- */

static int
append_read_inside(struct buffer *out, const struct synod_operation *from, const char **why)
{
	static const struct synod_read_options none;
	const struct synod_read_options *options = from->read != NULL ? from->read : &none;
	struct operation operation = {.op = (uint8_t)from->op};
	const struct synod_write_options *write = from->write;
	int error = check_operation(from->path, (struct slice){NULL, 0}, why);

	if (error != SYNOD_OK)
		return error;
	operation.path = slice_of(from->path);
	operation.flags = request_read_flags(operation.op, options);
	if (operation.op == OP_LIST) {
		operation.after =
			options->after != NULL ? slice_of(options->after) : (struct slice){NULL, 0};
		operation.limit = options->limit;
	}
	/* CHECK is nothing but conditions; they come in the write options, as everywhere. */
	return append_operation(out, &operation, write != NULL ? write->conditions : NULL,
	                        write != NULL ? write->condition_count : 0,
	                        write != NULL ? &write->guard : NULL, why);
}

static bool
is_read(enum synod_op op)
{
	return op == SYNOD_OP_GET || op == SYNOD_OP_STAT || op == SYNOD_OP_LIST ||
	       op == SYNOD_OP_CHECK;
}

static int
append_branch(struct buffer *out, const struct synod_operation *operations, size_t count,
              const char **why)
{
	if (count > TXN_OPERATIONS_MAX)
		return refuse(why, SYNOD_BAD_ARGUMENT, "more than 128 operations in a branch");
	if (count > 0 && operations == NULL)
		return refuse(why, SYNOD_BAD_ARGUMENT, "operations are counted but not given");
	pack_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct synod_operation *operation = &operations[i];
		int error;

		if ((unsigned)operation->op > UINT8_MAX)
			return refuse(why, SYNOD_BAD_ARGUMENT,
			              "unknown operation in a transaction");
		pack_array(out, 2);
		pack_u64(out, (uint8_t)operation->op);
		error = is_read(operation->op)
		                ? append_read_inside(out, operation, why)
		                : append_write(out, (uint8_t)operation->op, operation->path,
		                               request_data(operation->data, operation->size),
		                               operation->write, why);
		if (error != SYNOD_OK)
			return error;
	}
	return SYNOD_OK;
}

static int
append_txn(struct buffer *out, const struct synod_transaction *transaction,
           const struct synod_guard *guard, const char **why)
{
	struct condition conditions[CONDITIONS_MAX];
	uint32_t count;
	int error = prepare_conditions(transaction->conditions, transaction->condition_count, guard,
	                               conditions, &count, why);

	if (error != SYNOD_OK)
		return error;
	pack_array(out, 3);
	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		condition_encode(out, &conditions[i]);
	error = append_branch(out, transaction->then_operations, transaction->then_count, why);
	if (error != SYNOD_OK)
		return error;
	return append_branch(out, transaction->else_operations, transaction->else_count, why);
}

int
request_txn(struct buffer *out, const struct synod_transaction *transaction,
            const struct synod_guard *guard, const char **why)
{
	size_t begin = out->size;
	int error;

	if (transaction == NULL)
		return refuse(why, SYNOD_BAD_ARGUMENT, "the transaction is NULL");
	error = append_txn(out, transaction, guard, why);
	return error != SYNOD_OK ? error : check_encoded(out, begin, OP_TXN, why);
}

/* ---- locks, leases, sessions ---- */

int
request_contend(struct buffer *out, const char *path, const struct synod_contend_options *options,
                const char **why)
{
	struct slice value = request_data(options->value, options->size);
	struct operation operation = {
		.op = OP_ACQUIRE,
		.data = value,
		.flags = (options->shared ? OP_SHARED : 0u) | (options->try_only ? OP_TRY : 0u),
		.limit = options->limit,
		.ttl_ms = options->delay_ms,
	};
	size_t begin = out->size;
	int error = check_operation(path, value, why);

	if (error != SYNOD_OK)
		return error;
	operation.path = slice_of(path);
	operation_encode(out, &operation, NULL);
	return check_encoded(out, begin, OP_ACQUIRE, why);
}

int
request_withdraw(struct buffer *out, const char *path, uint64_t token, const char **why)
{
	struct operation operation = {.op = OP_RELEASE, .token = token};
	size_t begin = out->size;
	int error = check_operation(path, (struct slice){NULL, 0}, why);

	if (error != SYNOD_OK)
		return error;
	operation.path = slice_of(path);
	operation_encode(out, &operation, NULL);
	return check_encoded(out, begin, OP_RELEASE, why);
}

int
request_lease_grant(struct buffer *out, uint64_t ttl_ms, const char **why)
{
	if (ttl_ms < LEASE_TTL_MIN_MS || ttl_ms > LEASE_TTL_MAX_MS)
		return refuse(why, SYNOD_BAD_ARGUMENT,
		              "the ttl of a lease is 1 second to 7 days, in milliseconds");
	pack_array(out, 1);
	pack_u64(out, ttl_ms);
	return out->failed ? SYNOD_NO_MEMORY : SYNOD_OK;
}

int
request_revoke(struct buffer *out, uint64_t id, bool is_session, const char **why)
{
	if (id == 0)
		return refuse(why, SYNOD_BAD_ARGUMENT, "0 is no lease and no session");
	pack_array(out, 2);
	pack_u64(out, id);
	pack_bool(out, is_session);
	return out->failed ? SYNOD_NO_MEMORY : SYNOD_OK;
}

void
request_nothing(struct buffer *out)
{
	/* No node was ever created at that revision, whether one is at this path or not. */
	const struct condition never = {
		.kind = CONDITION_CREATED,
		.relation = RELATION_EQUAL,
		.number = INT64_MAX,
	};
	const struct operation operation = {
		.op = OP_DELETE,
		.path = slice_of("/nothing"),
		.condition_count = 1,
	};

	operation_encode(out, &operation, &never);
}
