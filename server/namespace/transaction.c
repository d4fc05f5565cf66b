/* TXN: if conditions then operations else operations, all or nothing, in one revision. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

/* What stands around the results of the operations. */
#define ENVELOPE_SIZE 64

struct branch {
	bool is_then;
	uint32_t count;
	struct cursor operations;
};

/* Without its lock a transaction has no branch: FENCED in ANSWER. */
static int
choose(struct namespace *namespace, const struct transaction *transaction, struct branch *branch,
       struct answer *answer)
{
	int verdict;
	int error =
		conditions_check(namespace, (struct slice){NULL, 0}, transaction->condition_count,
	                         transaction->conditions, &verdict);

	if (error != SYNOD_OK)
		return error;
	if (verdict == SYNOD_FENCED)
		return answer_error(answer, SYNOD_FENCED, NULL);
	branch->is_then = verdict == SYNOD_OK;
	branch->count = branch->is_then ? transaction->then_count : transaction->else_count;
	branch->operations =
		branch->is_then ? transaction->then_operations : transaction->else_operations;
	return SYNOD_OK;
}

/* One operation, as [error, result] at the end of namespace->results. */
static int
run_one(struct namespace *namespace, struct branch *branch, struct answer *answer)
{
	struct operation operation;
	int error;

	pack_array(answer->result, 2);
	pack_u64(answer->result, SYNOD_OK);
	operation_next(&branch->operations, &operation);
	error = operation_run(namespace, &operation, answer);
	if (error == SYNOD_OK && answer->error == SYNOD_OK &&
	    answer->result->size > RESPONSE_SIZE_MAX - ENVELOPE_SIZE)
		answer_error(answer, SYNOD_TOO_LARGE, NULL);
	return error;
}

/* All of them, or up to the one that fails, whose index is left in *DONE. */
static int
run_all(struct namespace *namespace, struct branch *branch, struct answer *each, uint32_t *done)
{
	for (*done = 0; *done < branch->count; ++*done) {
		int error = run_one(namespace, branch, each);

		if (error != SYNOD_OK || each->error != SYNOD_OK)
			return error;
	}
	return SYNOD_OK;
}

static void
answer_branch(struct buffer *out, const struct branch *branch, const struct answer *each,
              uint32_t done)
{
	bool has_failed = each->error != SYNOD_OK;

	pack_array(out, 3);
	pack_bool(out, branch->is_then);
	if (has_failed)
		pack_u64(out, done);
	else
		pack_nil(out);
	pack_array(out, has_failed ? 0 : done);
	if (!has_failed)
		pack_raw(out, buffer_slice(each->result));
}

int
transaction_run(struct namespace *namespace, struct slice body, struct answer *answer)
{
	struct answer each = {.result = &namespace->results};
	struct transaction transaction;
	struct branch branch;
	const char *why = NULL;
	uint32_t done = 0;
	int error = transaction_decode(body, &transaction, &why);

	if (error != SYNOD_OK)
		return answer_error(answer, error, why);
	error = choose(namespace, &transaction, &branch, answer);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	buffer_clear(each.result);
	undo_begin(namespace);
	error = run_all(namespace, &branch, &each, &done);
	if (error != SYNOD_OK)
		return error;
	CHECK(!each.result->failed);
	error = each.error != SYNOD_OK ? undo_rollback(namespace) : undo_forget(namespace);
	answer_branch(answer->result, &branch, &each, done);
	answer->error = each.error;
	return error;
}
