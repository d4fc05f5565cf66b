/* SET and PUT: the data of a node that exists, or of one that need not. */
#include "server/namespace/internal.h"
#include "shared/error.h"

int
op_set(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct slice previous;
	struct node *node;
	int error = operation_target(namespace, operation, answer, &node);

	if (node == NULL)
		return error;
	previous = previous_of(namespace, operation, node);
	node_write(namespace, node, operation->data);
	answer_written(answer->result, operation, node, previous);
	return SYNOD_OK;
}

/* May NODE become one of another kind? */
static void
check_take_over(const struct node *node, const struct node_life *life, struct answer *answer)
{
	if (node->stat.kind == NODE_LOCK || node->stat.kind == NODE_CONTENDER)
		answer_error(answer, SYNOD_BAD_ARGUMENT,
		             "a lock and its contenders keep their kinds");
	else if (life->owner != 0 && node->stat.children > 0)
		answer_error(answer, SYNOD_NOT_EMPTY, NULL);
}

static int
put_over(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node_life life;
	struct slice previous;
	struct node *node;
	int error = operation_target(namespace, operation, answer, &node);

	if (node == NULL)
		return error;
	error = operation_life(namespace, operation, answer, &life);
	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		check_take_over(node, &life, answer);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	previous = previous_of(namespace, operation, node);
	node_take_over(namespace, node, operation->data, &life);
	answer_written(answer->result, operation, node, previous);
	return SYNOD_OK;
}

/* PUT of a node that is missing: its conditions can still be about that, or about other nodes. */
static int
put_new(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node_life life;
	struct node *node;
	int error = parent_check(namespace, operation, operation->path, answer);

	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		error = operation_check(namespace, operation, answer);
	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		error = operation_life(namespace, operation, answer, &life);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	error = create_with_parents(namespace, operation->path, operation->data, &life, &node);
	if (error == SYNOD_OK)
		answer_written(answer->result, operation, node, (struct slice){NULL, 0});
	return error;
}

int
op_put(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node *node;
	int error = node_find(namespace, operation->path, &node);

	if (error != SYNOD_OK)
		return error;
	if (node == NULL)
		return put_new(namespace, operation, answer);
	return operation->kind == NODE_PERSISTENT ? op_set(namespace, operation, answer)
	                                          : put_over(namespace, operation, answer);
}
