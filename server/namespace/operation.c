/* The table of operations, and what several of them share. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"

static operation_function *const functions[] = {
	[OP_GET] = op_get,         [OP_STAT] = op_stat,       [OP_LIST] = op_list,
	[OP_LOG] = op_log,         [OP_CHECK] = op_check,     [OP_CREATE] = op_create,
	[OP_SET] = op_set,         [OP_PUT] = op_put,         [OP_DELETE] = op_delete,
	[OP_ACQUIRE] = op_acquire, [OP_RELEASE] = op_release, [OP_OWNED] = op_owned,
};

int
operation_run(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	int error;

	CHECK(operation->op < sizeof functions / sizeof functions[0]);
	CHECK(functions[operation->op] != NULL);

	error = nodes_trim(namespace);
	if (error != SYNOD_OK)
		return error;
	return functions[operation->op](namespace, operation, answer);
}

int
answer_error(struct answer *answer, int error, const char *why)
{
	answer->error = error;
	answer->why = why;
	return SYNOD_OK;
}

void
answer_finish(struct answer *answer, size_t start)
{
	if (answer->error != SYNOD_OK && answer->result->size == start) {
		if (answer->why != NULL)
			pack_string(answer->result, slice_of(answer->why));
		else
			pack_nil(answer->result);
	}
	CHECK(!answer->result->failed);
	CHECK(answer->result->size > start);
}

int
operation_check(struct namespace *namespace, const struct operation *operation,
                struct answer *answer)
{
	int verdict;
	int error = conditions_check(namespace, operation->path, operation->condition_count,
	                             operation->conditions, &verdict);

	if (error == SYNOD_OK && verdict != SYNOD_OK)
		answer_error(answer, verdict, NULL);
	return error;
}

int
operation_target(struct namespace *namespace, const struct operation *operation,
                 struct answer *answer, struct node **node)
{
	int error = node_find(namespace, operation->path, node);

	if (error != SYNOD_OK)
		return error;
	if (*node == NULL)
		return answer_error(answer, SYNOD_NOT_FOUND, NULL);
	if (operation->condition_count == 0)
		return SYNOD_OK;
	/* Looking at the conditions' nodes may push this one out of the cache. */
	*node = NULL;
	error = operation_check(namespace, operation, answer);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	return node_find(namespace, operation->path, node);
}

int
operation_life(struct namespace *namespace, const struct operation *operation,
               struct answer *answer, struct node_life *life)
{
	const struct session *lease;

	*life = (struct node_life){.kind = operation->kind, .ttl_ms = operation->ttl_ms};
	if (operation->kind == NODE_SERVICE)
		life->mode =
			operation->brake_percent > 0 ? operation->brake_percent : BRAKE_PERCENT;
	if (operation->kind == NODE_EPHEMERAL)
		life->owner = namespace->session;
	if (operation->kind != NODE_LEASED)
		return SYNOD_OK;
	life->owner = operation->lease;
	lease = session_find(namespace, operation->lease);
	if (lease == NULL)
		return answer_error(answer, SYNOD_NO_LEASE, NULL);
	if (!lease->is_lease)
		return answer_error(answer, SYNOD_NO_LEASE,
		                    "this is the id of a session, not of a lease");
	return SYNOD_OK;
}

void
answer_node(struct buffer *out, const struct node *node)
{
	pack_array(out, 2);
	stat_encode(out, &node->stat);
	pack_binary(out, node_data(node));
}

struct slice
previous_of(struct namespace *namespace, const struct operation *operation, const struct node *node)
{
	buffer_clear(&namespace->previous);
	if ((operation->flags & OP_PREVIOUS) != 0)
		answer_node(&namespace->previous, node);
	return buffer_slice(&namespace->previous);
}

void
answer_written(struct buffer *out, const struct operation *operation, const struct node *node,
               struct slice previous)
{
	pack_array(out, 4);
	pack_u64(out, node->stat.version);
	if ((operation->flags & OP_SEQUENTIAL) != 0)
		pack_string(out, node_path(node));
	else
		pack_nil(out);
	if ((operation->flags & OP_WITH_STAT) != 0)
		stat_encode(out, &node->stat);
	else
		pack_nil(out);
	if (previous.size > 0)
		pack_raw(out, previous);
	else
		pack_nil(out);
}
