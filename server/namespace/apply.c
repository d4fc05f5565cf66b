/* Applying commands, each once and in order. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

/* ---- writes ---- */

static int
run_operation(struct namespace *namespace, const struct command *command, struct answer *answer)
{
	struct operation operation;
	const char *why = NULL;
	int error = operation_decode(command->op, command->body, &operation, &why);

	if (error != SYNOD_OK)
		return answer_error(answer, error, why);
	return operation_run(namespace, &operation, answer);
}

/* The leader would not propose it, but its number has to be used up: the refusal is the answer. */
static int
run_refused(const struct command *command, struct answer *answer)
{
	struct cursor cursor;
	uint64_t error;

	cursor_init(&cursor, command->body);
	error = cursor_u64(&cursor);
	if (cursor_finish(&cursor) != SYNOD_OK || error == SYNOD_OK || error > INT32_MAX ||
	    !error_is_known((int)error))
		error = SYNOD_BAD_MESSAGE;
	return answer_error(answer, (int)error, NULL);
}

static int
run_write(struct namespace *namespace, const struct command *command, struct answer *answer,
          struct applied *applied)
{
	switch (command->op) {
	case OP_REFUSED: return run_refused(command, answer);
	case OP_TXN: return transaction_run(namespace, command->body, answer);
	case OP_LEASE_GRANT: return lease_command_grant(namespace, command, answer, applied);
	case OP_REVOKE: return lease_command_revoke(namespace, command, answer, applied);
	default: return run_operation(namespace, command, answer);
	}
}

static void
repeat_answer(const struct session *session, const struct command *command, struct answer *answer,
              struct applied *applied)
{
	struct kept_answer kept;

	if (command->seq <= session->acknowledged) {
		answer_error(answer, SYNOD_BAD_ARGUMENT, "the write was acknowledged already");
		return;
	}
	answers_find(session, command->seq, &kept);
	answer->error = kept.error;
	answer->is_repeated = true;
	applied->revision = kept.revision;
	pack_raw(answer->result, kept.result);
}

/* Run it and keep the answer, a definite error too: whoever asks again gets the same. */
static int
run_and_keep(struct namespace *namespace, struct session *session, const struct command *command,
             struct answer *answer, struct applied *applied)
{
	struct kept_answer kept;
	size_t start = answer->result->size;
	int error = run_write(namespace, command, answer, applied);

	if (error != SYNOD_OK)
		return error;
	answer_finish(answer, start);
	kept = (struct kept_answer){
		.error = answer->error,
		.revision = namespace->revision,
		.result = {answer->result->bytes + start, answer->result->size - start},
	};
	session_begin_change(namespace, session);
	if (command->acknowledged > session->acknowledged)
		answers_drop(session, command->acknowledged);
	answers_append(session, &kept);
	session_end_change(namespace, session);
	return SYNOD_OK;
}

/* Of a planted bug: the numbers of all sessions are taken for one sequence. */
static struct session *
session_oldest(const struct session_table *sessions)
{
	struct session *oldest = NULL;

	for (size_t i = 0; i < sessions->bucket_count; i++)
		for (struct session *at = sessions->by_id[i]; at != NULL; at = at->next)
			if (!at->is_lease && (oldest == NULL || at->id < oldest->id))
				oldest = at;
	return oldest;
}

static int
apply_write(struct namespace *namespace, const struct command *command, struct answer *answer,
            struct applied *applied)
{
	struct session *session = session_find(namespace, command->session);

	if (session == NULL || session->is_lease)
		return answer_error(answer, SYNOD_SESSION_ENDED, NULL);
	if (PLANTED(DEDUPE_BY_SEQ_ALONE))
		session = session_oldest(&namespace->sessions);
	if (command->seq == 0 || command->acknowledged >= command->seq)
		return answer_error(answer, SYNOD_BAD_ARGUMENT, "seq must be above acknowledged");
	if (command->seq <= session->seq && !PLANTED(REPEATED_WRITE_EXECUTED)) {
		repeat_answer(session, command, answer, applied);
		return SYNOD_OK;
	}
	if (command->seq != session->seq + 1 && !PLANTED(REPEATED_WRITE_EXECUTED))
		return answer_error(answer, SYNOD_OUT_OF_ORDER, NULL);
	if (command->op == OP_SESSION_CLOSE)
		return session_command_close(namespace, session, answer, applied);
	if (answers_are_full(session, command->acknowledged))
		return answer_error(answer, SYNOD_BUSY, "too many answers are not acknowledged");
	return run_and_keep(namespace, session, command, answer, applied);
}

/* ---- commands ---- */

static int
apply_client(struct namespace *namespace, const struct command *command, struct answer *answer,
             struct applied *applied)
{
	if (command->op == OP_SESSION_OPEN)
		return session_command_open(namespace, command, answer, applied);
	if (op_class(command->op) != OP_CLASS_WRITE && command->op != OP_REFUSED)
		return answer_error(answer, SYNOD_UNSUPPORTED, "not a write");
	return apply_write(namespace, command, answer, applied);
}

static void
take_ballot(struct command_ballot *latest, const struct command_ballot *ballot)
{
	*latest = *ballot;
}

static int
apply_command(struct namespace *namespace, const struct command *command, struct answer *answer,
              struct applied *applied)
{
	switch (command->type) {
	case COMMAND_CLIENT: return apply_client(namespace, command, answer, applied);
	case COMMAND_EXPIRE: return session_command_expire(namespace, command, answer, applied);
	case COMMAND_MEMBER: return member_record(namespace, command, answer);
	case COMMAND_COLLECT: return collect_run(namespace, answer);
	case COMMAND_START:
		take_ballot(&namespace->ballot, &command->ballot);
		pack_array(answer->result, 0);
		return SYNOD_OK;
	default: CHECK(!"a known type of command"); return SYNOD_BAD_MESSAGE;
	}
}

static void
begin(struct namespace *namespace, uint64_t slot)
{
	CHECK(slot == namespace->applied + 1);

	namespace->slot = slot;
	namespace->session = 0;
	namespace->cause = CAUSE_REQUEST;
	namespace->operations++;
	history_begin_command(namespace);
}

static int
end(struct namespace *namespace)
{
	int error = locks_settle(namespace);

	if (error == SYNOD_OK)
		error = history_end_command(namespace);
	if (error == SYNOD_OK)
	namespace->applied = namespace->slot;
	return error;
}

/* The cluster's time never goes back, whatever a new leader believes. */
static void
set_clocks(struct namespace *namespace, const struct command *command)
{
	namespace->wall_ms = command->wall_ms;
	if (PLANTED(LOCAL_STATE_IN_APPLY))
	namespace->wall_ms += namespace_committed_slot(namespace) & 1;
	if (command->uptime_ms > namespace->uptime_ms)
	namespace->uptime_ms = command->uptime_ms;
}

int
namespace_apply(struct namespace *namespace, uint64_t slot, struct slice value,
                struct applied *applied, struct buffer *result)
{
	struct answer answer = {.result = result};
	struct command command;
	size_t start = result->size;
	int error = SYNOD_OK;

	begin(namespace, slot);
	*applied = (struct applied){0};
	if (command_decode(value, &command) != SYNOD_OK) {
		answer_error(&answer, SYNOD_BAD_MESSAGE, NULL);
	} else {
		set_clocks(namespace, &command);
		namespace->session = command.type == COMMAND_CLIENT ? command.session : 0;
		error = apply_command(namespace, &command, &answer, applied);
	}
	if (error == SYNOD_OK)
		error = end(namespace);
	if (error != SYNOD_OK)
		return error;
	answer_finish(&answer, start);
	applied->error = answer.error;
	if (!answer.is_repeated)
		applied->revision = namespace->revision;
	return SYNOD_OK;
}

int
namespace_apply_start(struct namespace *namespace, uint64_t slot, struct command_ballot ballot)
{
	begin(namespace, slot);
	namespace->ballot = ballot;
	return end(namespace);
}

int
namespace_skip(struct namespace *namespace, uint64_t slot)
{
	begin(namespace, slot);
	return end(namespace);
}
