/*
 * Nodes whose time has come: when they are due, and their deletion then.
 *
 * Only COLLECT deletes them, so that all members do it at one point of the log.
 * The leader proposes one when namespace_next_due_ms() has passed.  That is never
 * later than the truth: it is lowered with every node that is due earlier, and
 * found anew after each COLLECT.  It may be earlier, for a node that was written
 * again meanwhile; then the next COLLECT has nothing to do.
 */
#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"
#include "shared/planted.h"

uint64_t
due_after(uint64_t uptime_ms, uint64_t ttl_ms)
{
	if (uptime_ms > INT64_MAX || ttl_ms > INT64_MAX - uptime_ms)
		return INT64_MAX;
	return uptime_ms + ttl_ms;
}

/* What the index of the rows holds. */
static bool
goes_by_itself(const struct node_stat *stat)
{
	return stat->expires_ms != 0 && (stat->children == 0 || stat->kind == NODE_LOCK);
}

static void
set_linger(const struct namespace *namespace, struct node_stat *stat)
{
	if (stat->children > 0 || stat->sequence == 0)
		stat->expires_ms = 0;
	else if (stat->expires_ms == 0)
		stat->expires_ms = due_after(namespace->uptime_ms, CONTAINER_LINGER_MS);
}

/* Only a write counts, which is told by its revision: children that come and go do not. */
static void
set_ttl(const struct namespace *namespace, struct node_stat *stat)
{
	if (PLANTED(TTL_NOT_RENEWED) && stat->expires_ms != 0)
		return;
	if (stat->modified == namespace->slot)
		stat->expires_ms = due_after(namespace->uptime_ms, stat->ttl_ms);
}

void
node_set_due(struct namespace *namespace, struct node *node)
{
	struct node_stat *stat = &node->stat;

	switch (stat->kind) {
	case NODE_TTL: set_ttl(namespace, stat); break;
	case NODE_CONTAINER:
	case NODE_SERVICE: set_linger(namespace, stat); break;
	case NODE_SUSPECT: break;
	case NODE_LOCK:
		if (stat->ttl_ms == 0)
			set_linger(namespace, stat);
		break;
	default: return;
	}
	if (goes_by_itself(stat) && stat->expires_ms < namespace->next_due_ms)
	namespace->next_due_ms = stat->expires_ms;
}

/* ---- collecting ---- */

static int
find_next_due(struct namespace *namespace)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_DUE_FIRST);
	bool has_row;
	int error = nodes_write_back(namespace);

	if (error == SYNOD_OK)
		error = statement_step(namespace, STATEMENT_DUE_FIRST, &has_row);
	if (error != SYNOD_OK)
		return error;
	namespace->next_due_ms = has_row ? column_u64(statement, 0) : UINT64_MAX;
	statement_reset(namespace, STATEMENT_DUE_FIRST);
	return SYNOD_OK;
}

int
collect_load(struct namespace *namespace)
{
	return find_next_due(namespace);
}

static int
gather_due(struct namespace *namespace, struct buffer *paths, uint32_t *count)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_DUE);
	struct buffer *path = &namespace->name;
	bool has_row;
	int error;

	bind_u64(statement, 1,
	         due_after(namespace->uptime_ms, PLANTED(COLLECT_EARLY) ? CONTAINER_LINGER_MS : 0));
	bind_u64(statement, 2, COLLECT_MAX);
	while ((error = statement_step(namespace, STATEMENT_DUE, &has_row)) == SYNOD_OK &&
	       has_row) {
		buffer_clear(path);
		path_of_row(path, statement);
		pack_string(paths, buffer_slice(path));
		++*count;
	}
	CHECK(!path->failed);
	CHECK(!paths->failed);
	return error;
}

/* A lock may be due for the end of a delay only: then it stays, and those who wait are granted.  A
 * suspect may be held by the brake. */
static int
collect_one(struct namespace *namespace, struct brake *brake, struct slice path, uint64_t *count)
{
	struct node *parent;
	struct node *node;
	bool stays = false;
	int error = nodes_trim(namespace);

	if (error == SYNOD_OK)
		error = node_find(namespace, path, &node);
	if (error == SYNOD_OK)
		error = node_find(namespace, path_parent(path), &parent);
	if (error != SYNOD_OK)
		return error;
	CHECK(node != NULL);
	CHECK(parent != NULL);
	CHECK(goes_by_itself(&node->stat));
	if (node->stat.kind == NODE_LOCK && node->stat.ttl_ms != 0)
		return lock_on_due(namespace, node);
	if (node->stat.kind == NODE_SUSPECT)
		error = brake_judge(namespace, brake, path, parent, node, &stays);
	if (error != SYNOD_OK || stays)
		return error;
	++*count;
	return node_delete(namespace, parent, node);
}

static int
collect_all(struct namespace *namespace, struct slice paths, uint32_t due, uint64_t *count)
{
	struct brake brake = {0};
	struct cursor cursor;
	int error = SYNOD_OK;

	cursor_init(&cursor, paths);
	namespace->cause = CAUSE_EXPIRED;
	for (uint32_t i = 0; i < due && error == SYNOD_OK; i++)
		error = collect_one(namespace, &brake, cursor_string(&cursor), count);
	namespace->cause = CAUSE_REQUEST;
	brake_fini(&brake);
	return error;
}

int
collect_run(struct namespace *namespace, struct answer *answer)
{
	struct buffer paths = BUFFER_EMPTY;
	uint64_t count = 0;
	uint32_t due = 0;
	int error = nodes_write_back(namespace);

	if (error == SYNOD_OK)
		error = gather_due(namespace, &paths, &due);
	if (error == SYNOD_OK)
		error = collect_all(namespace, buffer_slice(&paths), due, &count);
	if (error == SYNOD_OK)
		error = find_next_due(namespace);
	buffer_fini(&paths);
	pack_array(answer->result, 1);
	pack_u64(answer->result, count);
	return error;
}

uint64_t
namespace_next_due_ms(const struct namespace *namespace)
{
	return namespace->next_due_ms;
}
