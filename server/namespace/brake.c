/*
 * The brake: children of a service whose owner's time ran out become suspect
 * before they go, and stay when they are too many.
 *
 * A suspect is due twice at most.  Its stat.ttl_ms is the time from its owner's end
 * until then, so that the end itself is expires_ms - ttl_ms: first that of the
 * owner, when it is judged, and if the brake holds it BRAKE_MS, when it goes.
 */
#include <stdlib.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"
#include "shared/planted.h"

/* ---- becoming suspect ---- */

static bool
is_instance(const struct node *parent, const struct node *node)
{
	uint8_t kind = node->stat.kind;

	if (PLANTED(BRAKE_ON_LOCKS) && kind == NODE_CONTENDER)
		return true;
	return parent->stat.kind == NODE_SERVICE && (kind == NODE_EPHEMERAL || kind == NODE_LEASED);
}

bool
brake_spares(const struct namespace *namespace, const struct node *parent, const struct node *node)
{
	return namespace->cause == CAUSE_EXPIRED && is_instance(parent, node);
}

/* What has become of it is told by a change, but none of its data: the version stays. */
void
brake_suspect(struct namespace *namespace, struct node *node, uint64_t timeout_ms)
{
	uint64_t previous_owner = node->stat.owner;

	CHECK(node->stat.children == 0);
	CHECK(previous_owner != 0);

	node_begin_change(namespace, node);
	node->stat.kind = NODE_SUSPECT;
	node->stat.owner = PLANTED(SUSPECT_KEEPS_OWNER) ? previous_owner : 0;
	node->stat.ttl_ms = timeout_ms < SUSPECT_MAX_MS ? timeout_ms : SUSPECT_MAX_MS;
	node->stat.expires_ms = due_after(namespace->uptime_ms, node->stat.ttl_ms);
	node->stat.modified = namespace->slot;
	node->stat.modified_ms = namespace->wall_ms;
	node_set_due(namespace, node);
	node_end_change(namespace, node);
	namespace->previous_owner = previous_owner;
	history_append(namespace, CHANGE_MODIFIED, node_path(node), &node->stat, node_data(node));
	namespace->previous_owner = 0;
}

/* ---- judging ---- */

static int
count_suspects(struct namespace *namespace, struct slice service, uint64_t *count)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_SUSPECTS);
	bool has_row;
	int error;

	bind_text(statement, 1, service);
	error = statement_step(namespace, STATEMENT_SUSPECTS, &has_row);
	if (error != SYNOD_OK)
		return error;
	CHECK(has_row);
	*count = column_u64(statement, 0);
	statement_reset(namespace, STATEMENT_SUSPECTS);
	return SYNOD_OK;
}

static int
look_at(struct namespace *namespace, const struct node *parent, bool *holds)
{
	uint64_t suspects;
	int error;

	*holds = false;
	if (parent->stat.kind != NODE_SERVICE || PLANTED(BRAKE_NEVER_HOLDS))
		return SYNOD_OK;
	error = count_suspects(namespace, node_path(parent), &suspects);
	if (error == SYNOD_OK)
		*holds = brake_holds(suspects, parent->stat.children, parent->stat.mode);
	return error;
}

static const struct brake_verdict *
find_verdict(const struct brake *brake, struct slice service)
{
	for (size_t i = brake->count; i > 0; i--)
		if (slice_equal(brake->verdicts[i - 1].service, service))
			return &brake->verdicts[i - 1];
	return NULL;
}

/* All suspects of one service are judged by how many there were at the first of them: so it does
 * not matter which of them comes first, and their siblings are counted once. */
static int
verdict_on(struct namespace *namespace, struct brake *brake, const struct node *parent,
           struct slice service, bool *holds)
{
	const struct brake_verdict *verdict = find_verdict(brake, service);
	int error;

	if (verdict != NULL) {
		*holds = verdict->holds;
		return SYNOD_OK;
	}
	error = look_at(namespace, parent, holds);
	if (error != SYNOD_OK)
		return error;
	if (brake->count == brake->capacity) {
		brake->capacity = brake->capacity > 0 ? brake->capacity * 2 : 16;
		brake->verdicts =
			check_realloc(brake->verdicts, brake->capacity * sizeof *brake->verdicts);
	}
	brake->verdicts[brake->count++] = (struct brake_verdict){service, *holds};
	return SYNOD_OK;
}

int
brake_judge(struct namespace *namespace, struct brake *brake, struct slice path,
            const struct node *parent, struct node *node, bool *stays)
{
	uint64_t end_ms = node->stat.expires_ms - node->stat.ttl_ms;
	uint64_t limit_ms = due_after(end_ms, BRAKE_MS);
	int error;

	CHECK(node->stat.kind == NODE_SUSPECT);
	CHECK(node->stat.expires_ms >= node->stat.ttl_ms);

	error = verdict_on(namespace, brake, parent, path_parent(path), stays);
	if (error != SYNOD_OK)
		return error;
	*stays = *stays && limit_ms > namespace->uptime_ms;
	if (!*stays)
		return SYNOD_OK;
	node_begin_change(namespace, node);
	node->stat.ttl_ms = BRAKE_MS;
	node->stat.expires_ms = limit_ms;
	node_set_due(namespace, node);
	node_end_change(namespace, node);
	return SYNOD_OK;
}

void
brake_fini(struct brake *brake)
{
	free(brake->verdicts);
}
