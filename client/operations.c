/* The calls on nodes.  Each encodes and checks its request in the calling thread. */
#include "client/pages.h"
#include "client/request.h"
#include "client/submit.h"
#include "shared/error.h"

static const struct synod_call blocking;

/* ---- writes ---- */

static int
write_node(struct synod *synod, uint8_t op, const char *path, struct slice data,
           const struct synod_write_options *options, struct synod_result **result)
{
	const struct synod_call *how = options != NULL ? &options->call : &blocking;
	const char *why = NULL;
	struct call *call;
	int error;

	error = submit_begin(synod, how, op, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = request_write(&call->body, op, path, data, options, &why);
	return submit(synod, call, how, error, why, result);
}

int
synod_create(struct synod *synod, const char *path, const void *data, size_t size,
             const struct synod_write_options *options, struct synod_result **result)
{
	return write_node(synod, OP_CREATE, path, request_data(data, size), options, result);
}

int
synod_set(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	return write_node(synod, OP_SET, path, request_data(data, size), options, result);
}

int
synod_put(struct synod *synod, const char *path, const void *data, size_t size,
          const struct synod_write_options *options, struct synod_result **result)
{
	return write_node(synod, OP_PUT, path, request_data(data, size), options, result);
}

int
synod_delete(struct synod *synod, const char *path, const struct synod_write_options *options,
             struct synod_result **result)
{
	return write_node(synod, OP_DELETE, path, request_data(NULL, 0), options, result);
}

int
synod_txn(struct synod *synod, const struct synod_transaction *transaction,
          const struct synod_write_options *options, struct synod_result **result)
{
	const struct synod_call *how = options != NULL ? &options->call : &blocking;
	const char *why = NULL;
	struct call *call;
	int error;

	error = submit_begin(synod, how, OP_TXN, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = request_txn(&call->body, transaction, options != NULL ? &options->guard : NULL,
	                    &why);
	return submit(synod, call, how, error, why, result);
}

/* ---- reads ---- */

static int
encode_read(struct call *call, const char *path, const struct synod_read_options *options,
            const char **why)
{
	struct operation operation = {.op = call->op};

	if (path == NULL) {
		*why = "the path is NULL";
		return SYNOD_BAD_ARGUMENT;
	}
	if ((unsigned)options->consistency > SYNOD_LOCAL) {
		*why = "unknown consistency";
		return SYNOD_BAD_ARGUMENT;
	}
	call->consistency = (uint8_t)options->consistency;
	call->at_least = options->at_least;
	if (call->op == OP_LIST || call->op == OP_LOG || call->op == OP_OWNED) {
		call->pages = pages_new(call->op, path, options);
		if (call->pages == NULL)
			return SYNOD_NO_MEMORY;
		return pages_request(call->pages, &call->body, why);
	}
	operation.path = slice_of(path);
	return request_read(&call->body, &operation, why);
}

static int
read_node(struct synod *synod, uint8_t op, const char *path,
          const struct synod_read_options *options, struct synod_result **result)
{
	static const struct synod_read_options defaults;
	const char *why = NULL;
	struct call *call;
	int error;

	if (options == NULL)
		options = &defaults;
	error = submit_begin(synod, &options->call, op, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = encode_read(call, path, options, &why);
	return submit(synod, call, &options->call, error, why, result);
}

int
synod_get(struct synod *synod, const char *path, const struct synod_read_options *options,
          struct synod_result **result)
{
	return read_node(synod, OP_GET, path, options, result);
}

int
synod_stat(struct synod *synod, const char *path, const struct synod_read_options *options,
           struct synod_result **result)
{
	return read_node(synod, OP_STAT, path, options, result);
}

int
synod_list(struct synod *synod, const char *path, const struct synod_read_options *options,
           struct synod_result **result)
{
	return read_node(synod, OP_LIST, path, options, result);
}

int
synod_log(struct synod *synod, const char *path, const struct synod_read_options *options,
          struct synod_result **result)
{
	return read_node(synod, OP_LOG, path, options, result);
}

int
synod_owned(struct synod *synod, uint64_t owner, const struct synod_read_options *options,
            struct synod_result **result)
{
	struct synod_read_options owned = {0};

	if (options != NULL)
		owned = *options;
	owned.from = owner;
	return read_node(synod, OP_OWNED, "/", &owned, result);
}
