/*
 * Who is granted a lock, and when: in the order of the sequence, up to the first
 * that has to wait, and nobody while a delay is in force.
 *
 * While it is, the lock's node has the delay in ttl_ms and the end of it in
 * expires_ms.  Without one ttl_ms is 0, and expires_ms is that of an empty
 * container.
 */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

int
lock_delay(struct namespace *namespace, struct slice path, uint64_t delay_ms)
{
	uint64_t end_ms = due_after(namespace->uptime_ms, delay_ms);
	struct node *node;
	int error = lock_find_node(namespace, path, &node);

	if (error != SYNOD_OK || node == NULL)
		return error;
	if (node->stat.ttl_ms != 0 && node->stat.expires_ms >= end_ms)
		return SYNOD_OK;
	node_begin_change(namespace, node);
	node->stat.ttl_ms = delay_ms;
	node->stat.expires_ms = end_ms;
	node_set_due(namespace, node);
	node_end_change(namespace, node);
	return SYNOD_OK;
}

struct holders {
	uint64_t shared;
	uint64_t exclusive;
};

static void
holders_add(struct holders *holders, uint8_t mode)
{
	if (mode == LOCK_SHARED)
		holders->shared++;
	else
		holders->exclusive++;
}

static bool
holders_admit(const struct holders *holders, uint8_t mode, uint64_t limit)
{
	if (mode == LOCK_SHARED)
		return holders->exclusive == 0;
	if (PLANTED(GRANT_BEFORE_GONE))
		limit++;
	return holders->shared == 0 && holders->exclusive < limit;
}

static bool
is_delayed(const struct namespace *namespace, const struct node *node)
{
	return node->stat.ttl_ms != 0 && node->stat.expires_ms > namespace->uptime_ms &&
	       !PLANTED(DELAY_IGNORED);
}

bool
lock_admits(const struct namespace *namespace, const struct lock *lock, const struct node *node,
            uint8_t mode, uint64_t limit)
{
	struct holders holders = {0};

	if (is_delayed(namespace, node))
		return false;
	for (uint32_t i = 0; i < lock->count; i++) {
		const struct contender *contender = &lock->contenders[i];

		if (contender->token == 0 && !holders_admit(&holders, contender->mode, limit))
			return false;
		holders_add(&holders, contender->mode);
	}
	return holders_admit(&holders, mode, limit);
}

/* GRANTED is a change of the contender, but none of its data: the version stays. */
static int
grant(struct namespace *namespace, struct lock *lock, struct contender *contender)
{
	enum change_cause cause = namespace->cause;
	struct node *node;
	int error = nodes_trim(namespace); /* thousands of readers may be let in at once */

	if (error != SYNOD_OK)
		return error;
	buffer_clear(&namespace->name);
	lock_contender_path(&namespace->name, lock, contender->sequence);
	error = node_find(namespace, buffer_slice(&namespace->name), &node);
	if (error != SYNOD_OK)
		return error;
	CHECK(node != NULL);
	CHECK(node->stat.token == 0);
	contender->token = PLANTED(TOKEN_REUSED) ? namespace->slot | 15 : namespace->slot;
	node_begin_change(namespace, node);
	node->stat.token = contender->token;
	node->stat.modified = namespace->slot;
	node->stat.modified_ms = namespace->wall_ms;
	node_end_change(namespace, node);
	namespace->cause = CAUSE_REQUEST; /* whatever made room for it */
	history_append(namespace, CHANGE_GRANTED, node_path(node), &node->stat, node_data(node));
	namespace->cause = cause;
	return history_relieve(namespace);
}

/* The next ones in the order of their sequence, up to the first that has to wait. */
static int
grant_next(struct namespace *namespace, struct lock *lock, uint64_t limit)
{
	struct holders holders = {0};

	for (uint32_t i = 0; i < lock->count; i++) {
		struct contender *contender = &lock->contenders[i];
		int error = SYNOD_OK;

		if (contender->token == 0) {
			if (!holders_admit(&holders, contender->mode, limit))
				break;
			if (PLANTED(GRANT_OUT_OF_ORDER) && i == 0 && lock->count > 1)
				continue;
			error = grant(namespace, lock, contender);
		}
		if (error != SYNOD_OK)
			return error;
		holders_add(&holders, contender->mode);
	}
	return SYNOD_OK;
}

int
lock_settle(struct namespace *namespace, struct lock *lock, struct node *node)
{
	if (is_delayed(namespace, node))
		return SYNOD_OK;
	if (node->stat.ttl_ms != 0) {
		node_begin_change(namespace, node);
		node->stat.ttl_ms = 0;
		node_set_due(namespace, node);
		node_end_change(namespace, node);
	}
	return grant_next(namespace, lock, node->stat.mode);
}

int
lock_on_due(struct namespace *namespace, struct node *node)
{
	struct lock *lock;
	int error;

	CHECK(node->stat.kind == NODE_LOCK);

	error = lock_find(namespace, node_path(node), &lock);
	if (error == SYNOD_OK)
		error = lock_settle(namespace, lock, node);
	return error;
}
