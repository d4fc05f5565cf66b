/* RELEASE: give a lock back, or leave its queue. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

/* The contender of this session, if it has the token that is asked for. */
static int
find_contender(struct namespace *namespace, const struct operation *operation, struct lock **lock,
               struct contender *contender, struct answer *answer)
{
	const struct contender *own = NULL;
	int error = lock_find(namespace, operation->path, lock);

	if (error != SYNOD_OK)
		return error;
	if (*lock != NULL)
		own = lock_contender_of(*lock, namespace->session);
	if (own == NULL || (operation->token != 0 && operation->token != own->token))
		return answer_error(answer, SYNOD_NOT_HELD, NULL);
	*contender = *own;
	return operation_check(namespace, operation, answer);
}

int
op_release(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct contender contender = {0};
	struct node *parent;
	struct node *node;
	struct lock *lock;
	int error = find_contender(namespace, operation, &lock, &contender, answer);

	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	buffer_clear(&namespace->name);
	lock_contender_path(&namespace->name, lock, contender.sequence);
	error = node_find(namespace, buffer_slice(&namespace->name), &node);
	if (error == SYNOD_OK)
		error = node_find(namespace, operation->path, &parent);
	if (error != SYNOD_OK)
		return error;
	CHECK(node != NULL);
	CHECK(parent != NULL);
	error = node_delete(namespace, parent, node);
	pack_array(answer->result, 1);
	pack_u64(answer->result, contender.token);
	return error;
}
