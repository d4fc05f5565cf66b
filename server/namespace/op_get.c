/* GET, STAT and CHECK: one node, as it is. */
#include "server/namespace/internal.h"
#include "shared/error.h"

int
op_get(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node *node;
	int error = operation_target(namespace, operation, answer, &node);

	if (node != NULL)
		answer_node(answer->result, node);
	return error;
}

int
op_stat(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node *node;
	int error = operation_target(namespace, operation, answer, &node);

	if (node != NULL) {
		pack_array(answer->result, 1);
		stat_encode(answer->result, &node->stat);
	}
	return error;
}

int
op_check(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	int error = operation_check(namespace, operation, answer);

	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		pack_array(answer->result, 0);
	return error;
}
