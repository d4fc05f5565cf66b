/* Conditions of operations and transactions. */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

static bool
compare(uint64_t left, uint8_t relation, uint64_t right)
{
	switch (relation) {
	case RELATION_EQUAL: return left == right;
	case RELATION_NOT_EQUAL: return left != right;
	case RELATION_LESS: return left < right;
	case RELATION_GREATER: return left > right;
	default: CHECK(!"a known relation"); return false;
	}
}

/* Absent data equals absent data only. */
static bool
data_is_equal(struct slice left, struct slice right)
{
	if (left.bytes == NULL || right.bytes == NULL)
		return left.bytes == right.bytes;
	return slice_equal(left, right);
}

static uint64_t
number_of(const struct node_stat *stat, uint8_t kind)
{
	switch (kind) {
	case CONDITION_VERSION: return stat->version;
	case CONDITION_CREATED: return stat->created;
	case CONDITION_MODIFIED: return stat->modified;
	case CONDITION_OWNER: return stat->owner;
	case CONDITION_CHILDREN_VERSION: return stat->children_version;
	case CONDITION_CHILDREN: return stat->children;
	default: CHECK(!"a known kind of condition"); return 0;
	}
}

/* Of a missing node only its absence is true. */
static bool
condition_holds(const struct condition *condition, const struct node *node)
{
	if (condition->kind == CONDITION_EXISTS)
		return (node != NULL) == (condition->number != 0);
	if (node == NULL)
		return false;
	if (condition->kind == CONDITION_DATA)
		return data_is_equal(node_data(node), condition->data) ==
		       (condition->relation == RELATION_EQUAL);
	if (PLANTED(CONDITION_IGNORED) && condition->kind == CONDITION_VERSION)
		return true;
	return compare(number_of(&node->stat, condition->kind), condition->relation,
	               condition->number);
}

static int
holds(struct namespace *namespace, const struct condition *condition, struct slice path,
      bool *result)
{
	struct node *node;
	int error;

	if (condition->kind == CONDITION_TOKEN)
		return lock_has_holder(namespace, path, condition->number, result);
	error = node_find(namespace, path, &node);
	if (error == SYNOD_OK)
		*result = condition_holds(condition, node);
	return error;
}

/* A guard that fails outweighs everything: whoever lost the lock must not get to any branch. */
int
conditions_check(struct namespace *namespace, struct slice own, uint32_t count,
                 struct cursor conditions, int *verdict)
{
	*verdict = SYNOD_OK;
	for (uint32_t i = 0; i < count && *verdict != SYNOD_FENCED; i++) {
		struct condition condition;
		bool result;
		int error;

		condition_next(&conditions, &condition);
		if (*verdict != SYNOD_OK && condition.kind != CONDITION_TOKEN)
			continue;
		error = nodes_trim(namespace); /* they may name thousands of large nodes */
		if (error == SYNOD_OK)
			error = holds(namespace, &condition,
			              condition.path.bytes != NULL ? condition.path : own, &result);
		if (error != SYNOD_OK)
			return error;
		if (!result)
			*verdict =
				condition.kind == CONDITION_TOKEN ? SYNOD_FENCED : SYNOD_CONFLICT;
	}
	return SYNOD_OK;
}
