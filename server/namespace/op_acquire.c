/* ACQUIRE: a place in the queue for a lock, which is made if there is none. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"

static uint64_t
limit_of(const struct operation *operation)
{
	return operation->limit > 0 ? operation->limit : 1;
}

static uint8_t
mode_of(const struct operation *operation)
{
	return (operation->flags & OP_SHARED) != 0 ? LOCK_SHARED : LOCK_EXCLUSIVE;
}

/* Can there be a lock at PATH, with contenders below it? */
static int
check_place(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct operation with_parents = *operation;
	struct node *node;
	int error;

	if (operation->path.size + 1 + SEQUENCE_DIGITS_MAX > PATH_SIZE_MAX ||
	    path_depth(operation->path) >= PATH_DEPTH_MAX)
		return answer_error(answer, SYNOD_BAD_PATH,
		                    "no room below the lock for the names of its contenders");
	error = node_find(namespace, operation->path, &node);
	if (error != SYNOD_OK)
		return error;
	if (node != NULL && node->stat.kind != NODE_LOCK)
		return answer_error(answer, SYNOD_NOT_A_LOCK, NULL);
	if (node != NULL)
		return SYNOD_OK;
	with_parents.flags |= OP_PARENTS;
	return parent_check(namespace, &with_parents, operation->path, answer);
}

/* What a lock that exists has against one more contender. */
static int
check_queue(struct namespace *namespace, const struct operation *operation, struct lock *lock,
            struct answer *answer)
{
	struct node *node;
	int error = node_find(namespace, operation->path, &node);

	if (error != SYNOD_OK)
		return error;
	CHECK(node != NULL);
	if (lock_contender_of(lock, namespace->session) != NULL)
		return answer_error(answer, SYNOD_EXISTS,
		                    "this session holds the lock already, or waits for it");
	if (lock->count > 0 && node->stat.mode != limit_of(operation))
		return answer_error(answer, SYNOD_CONFLICT,
		                    "others contend for the lock with another limit");
	if ((operation->flags & OP_TRY) != 0 &&
	    !lock_admits(namespace, lock, node, mode_of(operation), limit_of(operation)))
		return answer_error(answer, SYNOD_HELD, NULL);
	if (lock->count >= CONTENDERS_PER_LOCK_MAX)
		return answer_error(answer, SYNOD_LIMIT, "10000 contend for this lock");
	return SYNOD_OK;
}

static int
check(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct session *session = session_find(namespace, namespace->session);
	struct lock *lock;
	int error = check_place(namespace, operation, answer);

	CHECK(session != NULL);

	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		error = operation_check(namespace, operation, answer);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	error = lock_find(namespace, operation->path, &lock);
	if (error == SYNOD_OK && lock != NULL)
		error = check_queue(namespace, operation, lock, answer);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	if (session->contender_count >= CONTENDERS_PER_SESSION_MAX)
		return answer_error(answer, SYNOD_LIMIT, "this session contends for 1024 locks");
	return SYNOD_OK;
}

/* The lock and its node.  Without contenders it takes the limit of the first. */
static int
make_lock(struct namespace *namespace, const struct operation *operation, struct lock **lock,
          struct node **node)
{
	struct node_life life = {.kind = NODE_LOCK, .mode = limit_of(operation)};
	int error = node_find(namespace, operation->path, node);

	if (error == SYNOD_OK && *node == NULL)
		error = create_with_parents(namespace, operation->path, (struct slice){NULL, 0},
		                            &life, node);
	if (error == SYNOD_OK && (*node)->stat.mode != life.mode) {
		node_begin_change(namespace, *node);
		(*node)->stat.mode = life.mode;
		node_end_change(namespace, *node);
	}
	if (error == SYNOD_OK)
		error = lock_find(namespace, operation->path, lock);
	return error;
}

static void
answer_acquired(struct namespace *namespace, const struct lock *lock, struct answer *answer)
{
	const struct contender *contender = lock_contender_of(lock, namespace->session);

	CHECK(contender != NULL);

	buffer_clear(&namespace->name);
	lock_contender_path(&namespace->name, lock, contender->sequence);
	pack_array(answer->result, 3);
	pack_u64(answer->result, contender->token);
	pack_string(answer->result, buffer_slice(&namespace->name));
	pack_u64(answer->result,
	         contender->token != 0 ? 0 : (uint64_t)(contender - lock->contenders));
}

int
op_acquire(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct node_life life = {
		.kind = NODE_CONTENDER,
		.owner = namespace->session,
		.ttl_ms = operation->ttl_ms,
		.mode = mode_of(operation),
	};
	struct node *contender;
	struct node *node;
	struct lock *lock;
	int error = check(namespace, operation, answer);

	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	error = make_lock(namespace, operation, &lock, &node);
	if (error != SYNOD_OK)
		return error;
	buffer_clear(&namespace->name);
	lock_contender_path(&namespace->name, lock, node->stat.sequence);
	node_create(namespace, node, buffer_slice(&namespace->name), operation->data, &life,
	            &contender);
	lock_gain(namespace, lock, contender);
	error = lock_settle(namespace, lock, node);
	if (error == SYNOD_OK)
		answer_acquired(namespace, lock, answer);
	return error;
}
