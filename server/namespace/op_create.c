/* CREATE: a node that does not exist, perhaps under a name that the server chooses. */
#include <inttypes.h>
#include <stdio.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"
#include "shared/planted.h"

/* The nearest ancestor of PATH that exists; the root always does. */
static int
find_ancestor(struct namespace *namespace, struct slice path, struct node **node)
{
	int error;

	do {
		path = path_parent(path);
		error = node_find(namespace, path, node);
	} while (error == SYNOD_OK && *node == NULL);
	return error;
}

int
parent_check(struct namespace *namespace, const struct operation *operation, struct slice path,
             struct answer *answer)
{
	struct node *parent;
	int error;

	if ((operation->flags & OP_PARENTS) != 0)
		error = find_ancestor(namespace, path, &parent);
	else
		error = node_find(namespace, path_parent(path), &parent);
	if (error != SYNOD_OK)
		return error;
	if (parent == NULL)
		return answer_error(answer, SYNOD_NO_PARENT, NULL);
	if (parent->stat.owner != 0 || parent->stat.kind == NODE_SUSPECT)
		return answer_error(answer, SYNOD_NO_CHILDREN, NULL);
	if (parent->stat.kind == NODE_LOCK)
		return answer_error(answer, SYNOD_BAD_ARGUMENT,
		                    "children of a lock are made by acquiring it");
	return SYNOD_OK;
}

int
create_with_parents(struct namespace *namespace, struct slice path, struct slice data,
                    const struct node_life *life, struct node **node)
{
	struct slice missing[PATH_DEPTH_MAX + 1];
	unsigned count = 0;

	/* Up to the first that is there; the root always is. */
	for (;;) {
		int error;

		CHECK(count <= PATH_DEPTH_MAX);
		missing[count++] = path;
		path = path_parent(path);
		error = node_find(namespace, path, node);
		if (error != SYNOD_OK)
			return error;
		if (*node != NULL)
			break;
	}
	while (count-- > 0)
		node_create(namespace, *node, missing[count],
		            count == 0 ? data : (struct slice){NULL, 0}, count == 0 ? life : NULL,
		            node);
	return SYNOD_OK;
}

/*
 * The prefix and the parent's counter, which says how many children were created
 * under it before: in namespace->name.
 */
static int
choose_name(struct namespace *namespace, struct slice prefix)
{
	struct buffer *name = &namespace->name;
	struct node *parent;
	char digits[24];
	int size;
	int error;

	buffer_clear(name);
	buffer_append(name, prefix.bytes, prefix.size);
	buffer_append(name, "0", 1); /* the prefix may end in '/' */
	error = node_find(namespace, path_parent(buffer_slice(name)), &parent);
	if (error != SYNOD_OK)
		return error;
	size = snprintf(digits, sizeof digits, "%010" PRIu64,
	                parent == NULL                    ? 0
	                : PLANTED(SEQUENCE_FROM_CHILDREN) ? parent->stat.children
	                                                  : parent->stat.sequence);
	name->size = prefix.size;
	buffer_append(name, digits, (size_t)size);
	CHECK(!name->failed);
	return SYNOD_OK;
}

/* Is PATH free to be created? */
static int
check_absent(struct namespace *namespace, const struct operation *operation, struct slice path,
             struct answer *answer)
{
	struct node *node;
	int error = parent_check(namespace, operation, path, answer);

	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	error = node_find(namespace, path, &node);
	if (error != SYNOD_OK)
		return error;
	if (node != NULL)
		return answer_error(answer, SYNOD_EXISTS, NULL);
	return operation_check(namespace, operation, answer);
}

int
op_create(struct namespace *namespace, const struct operation *operation, struct answer *answer)
{
	struct slice path = operation->path;
	struct node_life life;
	struct node *node;
	int error = SYNOD_OK;

	if ((operation->flags & OP_SEQUENTIAL) != 0) {
		error = choose_name(namespace, operation->path);
		path = buffer_slice(&namespace->name);
	}
	if (error == SYNOD_OK)
		error = check_absent(namespace, operation, path, answer);
	if (error == SYNOD_OK && answer->error == SYNOD_OK)
		error = operation_life(namespace, operation, answer, &life);
	if (error != SYNOD_OK || answer->error != SYNOD_OK)
		return error;
	error = create_with_parents(namespace, path, operation->data, &life, &node);
	if (error == SYNOD_OK)
		answer_written(answer->result, operation, node, (struct slice){NULL, 0});
	return error;
}
