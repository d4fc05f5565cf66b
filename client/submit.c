/* From the application's thread into the session's actor, and back. */
#include "client/submit.h"

#include "shared/error.h"

int
submit_refuse(struct synod_result **result, int error, const char *why)
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
	loop_wait(synod->loop, &waiter);
	error = waiter.error;
	if (result != NULL)
		*result = waiter.outcome != NULL ? &waiter.outcome->result : NULL;
	waiter_fini(&waiter);
	return error;
}

/* Check what has nothing to do with the operation. */
static int
check_handle(struct synod *synod, const struct synod_call *how, const char **why)
{
	if (synod == NULL) {
		*why = "the handle is NULL";
		return SYNOD_BAD_ARGUMENT;
	}
	if (how->done == NULL && session_is_in_callback()) {
		*why = "a call that blocks, from inside a callback";
		return SYNOD_BAD_ARGUMENT;
	}
	return atomic_load(&synod->is_closing) ? SYNOD_CLOSED : SYNOD_OK;
}

int
submit_begin(struct synod *synod, const struct synod_call *how, uint8_t op,
             struct synod_result **result, struct call **call)
{
	const char *why = NULL;
	int error = check_handle(synod, how, &why);

	if (result != NULL)
		*result = NULL;
	if (error != SYNOD_OK)
		return submit_refuse(result, error, why);
	*call = call_new(&synod->pool);
	if (*call == NULL)
		return SYNOD_NO_MEMORY;
	(*call)->op = op;
	return SYNOD_OK;
}

int
submit(struct synod *synod, struct call *call, const struct synod_call *how, int error,
       const char *why, struct synod_result **result)
{
	if (error == SYNOD_OK)
		error = call_pool_admit(&synod->pool, call);
	if (error != SYNOD_OK) {
		call_free(&synod->pool, call);
		return submit_refuse(result, error, why);
	}
	call->timeout_ms = how->timeout_ms;
	if (how->done == NULL)
		return wait_for(synod, call, result);
	call->done = how->done;
	call->context = how->context;
	session_submit(synod->session, call);
	return SYNOD_OK;
}
