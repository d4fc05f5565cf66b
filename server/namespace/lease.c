/* Granting and revoking leases, and ending anybody's session. */
#include "server/namespace/internal.h"
#include "shared/error.h"
#include "shared/fields.h"

/* [ttl_ms] */
static int
grant_decode(struct slice body, uint64_t *ttl_ms)
{
	struct cursor cursor;
	struct fields fields;

	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 1);
	*ttl_ms = field_u64(&fields);
	fields_leave(&fields);
	return cursor_finish(&cursor);
}

int
lease_command_grant(struct namespace *namespace, const struct command *command,
                    struct answer *answer, struct applied *applied)
{
	struct session *lease;
	uint64_t ttl_ms;

	if (grant_decode(command->body, &ttl_ms) != SYNOD_OK)
		return answer_error(answer, SYNOD_BAD_MESSAGE, NULL);
	if (ttl_ms < LEASE_TTL_MIN_MS || ttl_ms > LEASE_TTL_MAX_MS)
		return answer_error(answer, SYNOD_BAD_ARGUMENT,
		                    "the ttl of a lease is 1 second to 7 days, in milliseconds");
	if (namespace->sessions.count >= LEASES_MAX)
		return answer_error(answer, SYNOD_LIMIT, "too many sessions and leases");
	lease = lease_open(namespace, namespace->slot, ttl_ms);
	applied->session_opened = lease->id;
	applied->timeout_ms = ttl_ms;
	pack_array(answer->result, 2);
	pack_u64(answer->result, lease->id);
	pack_u64(answer->result, ttl_ms);
	return SYNOD_OK;
}

/* [id, is a session] */
static int
revoke_decode(struct slice body, uint64_t *id, bool *is_session)
{
	struct cursor cursor;
	struct fields fields;

	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 2);
	*id = field_u64(&fields);
	*is_session = fields_next(&fields) && cursor_bool(&cursor);
	fields_leave(&fields);
	return cursor_finish(&cursor);
}

/* The caller says which of both it means, so that no session ends by a mistyped lease.  A missing
 * session is not SESSION_ENDED: that would tell the caller that its own has. */
static void
check_revocable(const struct command *command, uint64_t id, const struct session *session,
                bool is_session, struct answer *answer)
{
	if (session == NULL)
		answer_error(answer, SYNOD_NO_LEASE, NULL);
	else if (session->is_lease && is_session)
		answer_error(answer, SYNOD_NO_LEASE, "this is the id of a lease, not of a session");
	else if (!session->is_lease && !is_session)
		answer_error(answer, SYNOD_NO_LEASE, "this is the id of a session, not of a lease");
	else if (id == command->session)
		answer_error(answer, SYNOD_BAD_ARGUMENT, "a session ends itself by closing");
}

int
lease_command_revoke(struct namespace *namespace, const struct command *command,
                     struct answer *answer, struct applied *applied)
{
	struct session *session;
	uint64_t count;
	uint64_t id;
	bool is_session;
	int error;

	if (revoke_decode(command->body, &id, &is_session) != SYNOD_OK)
		return answer_error(answer, SYNOD_BAD_MESSAGE, NULL);
	session = session_find(namespace, id);
	check_revocable(command, id, session, is_session, answer);
	if (answer->error != SYNOD_OK)
		return SYNOD_OK;
	error = session_command_end(namespace, session, CAUSE_REVOKED, applied, &count);
	pack_array(answer->result, 1);
	pack_u64(answer->result, count);
	return error;
}
