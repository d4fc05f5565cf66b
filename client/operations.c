/*
 * The calls on nodes.  Each encodes and checks its request in the calling thread,
 * hands it to the session's actor, and returns or waits.
 */
#include "client/handle.h"
#include "client/pages.h"
#include "client/request.h"
#include "shared/error.h"

/* What was wrong before anything was asked, in a result like any other if one is wanted. */
static int
refuse(struct synod_result **result, int error, const char *why)
{
	struct outcome *outcome;

	if (result == NULL)
		return error;
	outcome = outcome_new();
	if (outcome != NULL)
		outcome_fail(outcome, error, why);
	*result = outcome != NULL ? &outcome->result : NULL;
	return error;
}

static int
wait_for(struct synod *synod, struct call *call, struct synod_result **result)
{
	struct waiter waiter;
	int error;

	waiter_init(&waiter, result != NULL);
	/* The call is over before this function returns. */
	/* cppcheck-suppress autoVariables */
	call->waiter = &waiter;
	session_submit(synod->session, call);
	waiter_wait(&waiter);
	error = waiter.error;
	if (result != NULL)
		*result = waiter.outcome != NULL ? &waiter.outcome->result : NULL;
	waiter_fini(&waiter);
	return error;
}

/* Check what has nothing to do with the operation. */
static int
check_handle(struct synod *synod, const struct synod_call *options, const char **why)
{
	if (synod == NULL) {
		*why = "the handle is NULL";
		return SYNOD_BAD_ARGUMENT;
	}
	if (options->done == NULL && session_is_in_callback()) {
		*why = "a call that blocks, from inside a callback";
		return SYNOD_BAD_ARGUMENT;
	}
	return atomic_load(&synod->is_closing) ? SYNOD_CLOSED : SYNOD_OK;
}

/* CALL, encoded with ERROR, goes its way or is given back. */
static int
submit(struct synod *synod, struct call *call, const struct synod_call *options, int error,
       const char *why, struct synod_result **result)
{
	if (error == SYNOD_OK)
		error = call_pool_admit(&synod->pool, call);
	if (error != SYNOD_OK) {
		call_free(&synod->pool, call);
		return refuse(result, error, why);
	}
	call->timeout_ms = options->timeout_ms;
	if (options->done == NULL)
		return wait_for(synod, call, result);
	call->done = options->done;
	call->context = options->context;
	session_submit(synod->session, call);
	return SYNOD_OK;
}

/* ---- writes ---- */

static int
write_node(struct synod *synod, uint8_t op, const char *path, struct slice data,
           const struct synod_write_options *options, struct synod_result **result)
{
	static const struct synod_call blocking;
	const struct synod_call *how = options != NULL ? &options->call : &blocking;
	const char *why = NULL;
	struct call *call;
	int error;

	if (result != NULL)
		*result = NULL;
	error = check_handle(synod, how, &why);
	if (error != SYNOD_OK)
		return refuse(result, error, why);
	call = call_new(&synod->pool);
	if (call == NULL)
		return SYNOD_NO_MEMORY;
	call->op = op;
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
	static const struct synod_call blocking;
	const struct synod_call *how = options != NULL ? &options->call : &blocking;
	const char *why = NULL;
	struct call *call;
	int error;

	if (result != NULL)
		*result = NULL;
	error = check_handle(synod, how, &why);
	if (error != SYNOD_OK)
		return refuse(result, error, why);
	call = call_new(&synod->pool);
	if (call == NULL)
		return SYNOD_NO_MEMORY;
	call->op = OP_TXN;
	error = request_txn(&call->body, transaction, &why);
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
	if (call->op == OP_LIST || call->op == OP_LOG) {
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

	if (result != NULL)
		*result = NULL;
	if (options == NULL)
		options = &defaults;
	error = check_handle(synod, &options->call, &why);
	if (error != SYNOD_OK)
		return refuse(result, error, why);
	if ((unsigned)options->consistency > SYNOD_LOCAL)
		return refuse(result, SYNOD_BAD_ARGUMENT, "unknown consistency");
	call = call_new(&synod->pool);
	if (call == NULL)
		return SYNOD_NO_MEMORY;
	call->op = op;
	call->consistency = (uint8_t)options->consistency;
	call->at_least = options->at_least;
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
