/* Opening, closing, expiring and attaching sessions. */
#include <sodium.h>

#include "server/namespace/internal.h"
#include "shared/error.h"
#include "shared/planted.h"

static uint64_t
clamp_timeout(uint64_t timeout_ms)
{
	if (timeout_ms == 0)
		return SESSION_TIMEOUT_DEFAULT_MS;
	if (timeout_ms < SESSION_TIMEOUT_MIN_MS)
		return SESSION_TIMEOUT_MIN_MS;
	if (timeout_ms > SESSION_TIMEOUT_MAX_MS)
		return SESSION_TIMEOUT_MAX_MS;
	return timeout_ms;
}

static void
answer_session(struct buffer *out, const struct session *session)
{
	pack_array(out, 3);
	pack_u64(out, session->id);
	pack_u64(out, session->timeout_ms);
	pack_u64(out, session->seq);
}

/* [timeout_ms, hash of the secret] */
static int
open_decode(struct slice body, uint64_t *timeout_ms, struct slice *secret_hash)
{
	struct cursor cursor;
	uint32_t count;

	cursor_init(&cursor, body);
	count = cursor_array(&cursor);
	*timeout_ms = cursor_u64(&cursor);
	*secret_hash = cursor_binary(&cursor);
	if (count < 2)
		cursor_fail(&cursor);
	if (!cursor.failed)
		cursor_skip(&cursor, count - 2);
	cursor_leave(&cursor);
	if (secret_hash->size != SECRET_HASH_SIZE)
		return SYNOD_BAD_MESSAGE;
	return cursor_finish(&cursor);
}

/* A repeated command must not make a second session: the secret tells that it is the same one. */
int
session_command_open(struct namespace *namespace, const struct command *command,
                     struct answer *answer, struct applied *applied)
{
	struct session *session;
	struct slice secret_hash;
	uint64_t timeout_ms;

	if (open_decode(command->body, &timeout_ms, &secret_hash) != SYNOD_OK)
		return answer_error(answer, SYNOD_BAD_MESSAGE, NULL);
	session = session_find_by_secret(namespace, secret_hash);
	if (session == NULL && namespace->sessions.count >= LEASES_MAX)
		return answer_error(answer, SYNOD_LIMIT, "too many sessions and leases");
	if (session == NULL)
		session = session_open(namespace, namespace->slot, clamp_timeout(timeout_ms),
		                       secret_hash);
	applied->session_opened = session->id;
	applied->timeout_ms = session->timeout_ms;
	answer_session(answer->result, session);
	return SYNOD_OK;
}

int
session_command_end(struct namespace *namespace, struct session *session, enum change_cause cause,
                    struct applied *applied, uint64_t *count)
{
	int error = SYNOD_OK;

	*count = 0;
	if (session->has_owned)
		error = owned_delete(namespace, session, cause, count);
	if (error != SYNOD_OK)
		return error;
	applied->session_ended = session->id;
	return session_end(namespace, session);
}

int
session_command_close(struct namespace *namespace, struct session *session, struct answer *answer,
                      struct applied *applied)
{
	uint64_t count;

	pack_array(answer->result, 0);
	return session_command_end(namespace, session, CAUSE_CLOSED, applied, &count);
}

static bool
is_current(const struct namespace *namespace, const struct command_ballot *ballot)
{
	if (PLANTED(EXPIRY_UNGUARDED))
		return true;
	return ballot->epoch == namespace->ballot.epoch &&
	       ballot->round == namespace->ballot.round &&
	       ballot->member == namespace->ballot.member;
}

/* Only the present leader may expire a session or a lease, and only as the session is now: a
 * deposed leader's command, chosen late, must not end a session that another leader keeps alive. */
int
session_command_expire(struct namespace *namespace, const struct command *command,
                       struct answer *answer, struct applied *applied)
{
	struct session *session = session_find(namespace, command->session);
	uint64_t count;

	if (session == NULL)
		return answer_error(answer, SYNOD_SESSION_ENDED, NULL);
	if (session->generation != command->generation || !is_current(namespace, &command->ballot))
		return answer_error(answer, SYNOD_CONFLICT, NULL);
	pack_array(answer->result, 0);
	return session_command_end(namespace, session, CAUSE_EXPIRED, applied, &count);
}

int
namespace_attach(struct namespace *namespace, uint64_t id, struct slice secret_hash, int *error,
                 struct buffer *result)
{
	struct answer answer = {.result = result};
	struct session *session = session_find(namespace, id);
	size_t start = result->size;

	if (session == NULL || session->is_lease)
		answer_error(&answer, SYNOD_SESSION_ENDED, NULL);
	else if (secret_hash.size != SECRET_HASH_SIZE ||
	         sodium_memcmp(session->secret_hash, secret_hash.bytes, SECRET_HASH_SIZE) != 0)
		answer_error(&answer, SYNOD_WRONG_SECRET, NULL);
	else
		answer_session(result, session);
	answer_finish(&answer, start);
	*error = answer.error;
	return SYNOD_OK;
}
