/* The calls on owners and locks: leases, other sessions, contending. */
#include "client/request.h"
#include "client/submit.h"
#include "shared/error.h"

static const struct synod_call blocking;

int
synod_lease_grant(struct synod *synod, uint64_t ttl_ms, const struct synod_call *how,
                  struct synod_result **result)
{
	const char *why = NULL;
	struct call *call;
	int error;

	if (how == NULL)
		how = &blocking;
	error = submit_begin(synod, how, OP_LEASE_GRANT, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = request_lease_grant(&call->body, ttl_ms, &why);
	return submit(synod, call, how, error, why, result);
}

static int
revoke(struct synod *synod, uint64_t id, bool is_session, const struct synod_call *how,
       struct synod_result **result)
{
	const char *why = NULL;
	struct call *call;
	int error;

	if (how == NULL)
		how = &blocking;
	error = submit_begin(synod, how, OP_REVOKE, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = request_revoke(&call->body, id, is_session, &why);
	return submit(synod, call, how, error, why, result);
}

int
synod_lease_revoke(struct synod *synod, uint64_t lease, const struct synod_call *how,
                   struct synod_result **result)
{
	return revoke(synod, lease, false, how, result);
}

int
synod_session_end(struct synod *synod, uint64_t session, const struct synod_call *how,
                  struct synod_result **result)
{
	return revoke(synod, session, true, how, result);
}

/* ---- locks ---- */

int
synod_contend(struct synod *synod, const char *path, const struct synod_contend_options *options,
              struct synod_result **result)
{
	static const struct synod_contend_options defaults;
	const char *why = NULL;
	struct call *call;
	int error;

	if (options == NULL)
		options = &defaults;
	error = submit_begin(synod, &options->call, OP_ACQUIRE, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = request_contend(&call->body, path, options, &why);
	return submit(synod, call, &options->call, error, why, result);
}

int
synod_withdraw(struct synod *synod, const char *path, uint64_t token, const struct synod_call *how,
               struct synod_result **result)
{
	const char *why = NULL;
	struct call *call;
	int error;

	if (how == NULL)
		how = &blocking;
	error = submit_begin(synod, how, OP_RELEASE, result, &call);
	if (error != SYNOD_OK)
		return error;
	error = request_withdraw(&call->body, path, token, &why);
	return submit(synod, call, how, error, why, result);
}
