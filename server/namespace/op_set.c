/* SET and PUT: the data of a node that exists, or of one that need not. */
#include "server/namespace/internal.h"
#include "shared/error.h"

static void
replace(struct namespace *namespace, const struct operation *operation, struct node *node,
        struct answer *answer)
{
	struct slice previous = previous_of(namespace, operation, node);

	node_write(namespace, node, operation->data);
	answer_written(answer->result, operation, node, previous);
}

int
op_set(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node *node;
	int error = operation_target(namespace, operation, answer, &node);

	if (node != NULL)
		replace(namespace, operation, node, answer);
	return error;
}

/* PUT of a node that is missing: its conditions can still be about that, or about other nodes. */
static int
put_new(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node *node;
	int error = parent_check(namespace, operation, operation->path, answer);

	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		error = operation_check(namespace, operation, answer);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	error = create_with_parents(namespace, operation->path, operation->data, &node);
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
	return node == NULL ? put_new(namespace, operation, answer)
	                    : op_set(namespace, operation, answer);
}
