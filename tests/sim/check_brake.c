/*
 * The brake, judged by the commands and the changes alone.
 *
 * Of what an owner has whose time ran out, the children of services become suspect in
 * that revision, with nobody as their owner, and everything else goes in it: contenders,
 * locks' holders and plain ephemerals are never spared.  Nothing becomes suspect in any
 * other way.  A suspect is judged once, by the first collection after its owner's
 * timeout has passed once more: if more than the service's share of its children, and at
 * least three, are suspect, it stays for an hour, else it goes then and not before.  At
 * the end no suspect is left that was not judged, and the rows say the same.
 */
#include <stdlib.h>
#include <string.h>

#include "server/namespace/command.h"
#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

/* A node, as the commands and the changes make it. */
struct known {
	char path[CHRONICLE_PATH];
	uint64_t path_hash;
	size_t parent_size; /* of the parent's path */
	uint64_t parent_hash;
	bool exists;
	unsigned kind;
	uint64_t percent; /* of a service */
	uint64_t owner, version, data_hash;
	uint64_t ended_ms, due_ms; /* of a suspect */
	bool is_held;
};

struct verdict {
	const struct known *service;
	bool is_certain;
	bool holds;
};

#define VERDICTS_MAX 16

struct check_brake {
	struct living *living;
	struct known *nodes;
	size_t count, capacity;
	size_t next_command, next_change;
	uint64_t uptime_ms;
	/* The command that is looked at, and its changes. */
	const struct commanded *command;
	const struct chronicled *changes;
	size_t change_count;
	struct verdict verdicts[VERDICTS_MAX];
	size_t verdict_count;
	size_t found; /* suspects in the rows of a member */
};

struct check_brake *
check_brake_new(struct living *living)
{
	struct check_brake *check = check_calloc(1, sizeof *check);

	check->living = living;
	return check;
}

void
check_brake_free(struct check_brake *check)
{
	free(check->nodes);
	free(check);
}

static void
fail(struct check_brake *check, const char *why, const char *path)
{
	world_fail(check->living->world, "brake", "%s: %s at revision %lu, uptime %lu ms", path,
	           why, check->command ? (unsigned long)check->command->slot : 0,
	           (unsigned long)check->uptime_ms);
}

/* ---- nodes ---- */

static struct known *
find(struct check_brake *check, const char *path)
{
	uint64_t hash = chronicle_hash(path, strlen(path));

	for (size_t i = 0; i < check->count; i++)
		if (check->nodes[i].exists && check->nodes[i].path_hash == hash &&
		    strcmp(check->nodes[i].path, path) == 0)
			return &check->nodes[i];
	return NULL;
}

static struct known *
add(struct check_brake *check, const char *path)
{
	struct known *node = NULL;

	for (size_t i = 0; i < check->count && !node; i++)
		if (!check->nodes[i].exists)
			node = &check->nodes[i];
	if (!node) {
		LIVING_GROW(check->nodes, check->count, check->capacity);
		node = &check->nodes[check->count++];
	}
	memset(node, 0, sizeof *node);
	memcpy(node->path, path, strlen(path) + 1);
	node->path_hash = chronicle_hash(path, strlen(path));
	node->parent_size = (size_t)(strrchr(path, '/') - path);
	node->parent_hash = chronicle_hash(path, node->parent_size);
	node->exists = true;
	return node;
}

static bool
is_child(const struct known *node, const struct known *parent)
{
	return node->exists && node->parent_hash == parent->path_hash &&
	       strlen(parent->path) == node->parent_size &&
	       memcmp(node->path, parent->path, node->parent_size) == 0;
}

/* The service whose instance NODE is or was; NULL: its parent is none. */
static const struct known *
service_of(const struct check_brake *check, const struct known *node)
{
	for (size_t i = 0; i < check->count; i++)
		if (check->nodes[i].exists && check->nodes[i].kind == SYNOD_SERVICE &&
		    is_child(node, &check->nodes[i]))
			return &check->nodes[i];
	return NULL;
}

static bool
is_instance(const struct check_brake *check, const struct known *node)
{
	return (node->kind == SYNOD_EPHEMERAL || node->kind == SYNOD_LEASED) &&
	       service_of(check, node);
}

static const struct chronicled *
change_of(const struct check_brake *check, const struct known *node)
{
	for (size_t i = 0; i < check->change_count; i++)
		if (strcmp(check->changes[i].path, node->path) == 0)
			return &check->changes[i];
	return NULL;
}

static bool
goes(const struct check_brake *check, const struct known *node)
{
	const struct chronicled *change = change_of(check, node);

	return change && change->kind == SYNOD_DELETED && change->cause == SYNOD_CAUSE_EXPIRED;
}

/* ---- owners whose time has run out ---- */

static void
check_expiry(struct check_brake *check)
{
	bool is_effective = check->command->error == SYNOD_OK;

	for (size_t i = 0; i < check->count; i++) {
		const struct known *node = &check->nodes[i];
		const struct chronicled *change;

		if (!node->exists || node->owner != check->command->session)
			continue;
		change = change_of(check, node);
		if (!is_effective && change)
			fail(check, "an expiry that was refused had an effect", node->path);
		if (!is_effective)
			continue;
		if (!is_instance(check, node))
			check->living->world->statistics.brake_plain++;
		else if (!change || !chronicled_is_suspicion(change))
			fail(check, "an instance whose owner expired is not suspect", node->path);
		if (!is_instance(check, node) && !goes(check, node))
			fail(check, "not gone with its owner, though it is no instance",
			     node->path);
	}
}

static void
check_suspicion(struct check_brake *check, const struct chronicled *change,
                const struct known *node)
{
	if (check->command->type != COMMAND_EXPIRE || !node || !is_instance(check, node) ||
	    node->owner != check->command->session)
		fail(check, "suspect without reason", change->path);
	else if (change->owner != 0 || change->previous_owner != node->owner)
		fail(check, "a suspect of the wrong owner", change->path);
	else if (change->version != node->version || change->data_hash != node->data_hash)
		fail(check, "a suspect with other data", change->path);
}

/* ---- judgement ---- */

/* How many went before the first suspect came to be judged is not known, so both are tried: all
 * that went, and none. */
static struct verdict
verdict_on(const struct check_brake *check, const struct known *service)
{
	uint64_t children = 0, suspects = 0, gone = 0;
	bool most, least;

	for (size_t i = 0; i < check->count; i++) {
		const struct known *node = &check->nodes[i];

		if (!is_child(node, service))
			continue;
		children++;
		if (node->kind == SYNOD_SUSPECT)
			suspects++;
		else
			gone += goes(check, node);
	}
	least = suspects >= 3 && suspects * 100 > service->percent * children;
	most = suspects >= 3 && suspects * 100 > service->percent * (children - gone);
	return (struct verdict){service, least == most, least};
}

static struct verdict *
verdict_of(struct check_brake *check, const struct known *service)
{
	for (size_t i = 0; i < check->verdict_count; i++)
		if (check->verdicts[i].service == service)
			return &check->verdicts[i];
	CHECK(check->verdict_count < VERDICTS_MAX);
	check->verdicts[check->verdict_count] = verdict_on(check, service);
	return &check->verdicts[check->verdict_count++];
}

static void
judge(struct check_brake *check, struct known *node)
{
	struct statistics *statistics = &check->living->world->statistics;
	const struct known *service = service_of(check, node);
	struct verdict *verdict = service ? verdict_of(check, service) : NULL;
	uint64_t last_ms = node->ended_ms + BRAKE_MS;
	bool stays;

	if (verdict && !verdict->is_certain) {
		verdict->is_certain = true;
		verdict->holds = !goes(check, node);
	}
	stays = verdict && verdict->holds && last_ms > check->uptime_ms;
	if (stays && goes(check, node))
		fail(check, "a suspect went though the brake holds", node->path);
	if (!stays && !goes(check, node))
		fail(check, "a suspect that was due stayed though the brake does not hold",
		     node->path);
	statistics->suspects_held += stays;
	statistics->suspects_gone += !stays;
	if (stays) {
		node->is_held = true;
		node->due_ms = last_ms;
	}
}

static void
check_collection(struct check_brake *check)
{
	check->verdict_count = 0;
	for (size_t i = 0; i < check->count; i++) {
		struct known *node = &check->nodes[i];

		if (!node->exists || node->kind != SYNOD_SUSPECT)
			continue;
		if (node->due_ms <= check->uptime_ms)
			judge(check, node);
		else if (goes(check, node))
			fail(check,
			     node->is_held ? "a suspect was judged again"
			                   : "a suspect went before its time",
			     node->path);
	}
}

/* ---- what changes make of nodes ---- */

static bool
is_asked_for(const struct commanded *command, const char *path)
{
	size_t size = strlen(command->path);

	return command->is_prefix ? strncmp(path, command->path, size) == 0
	                          : strcmp(path, command->path) == 0;
}

static void
set_kind(struct known *node, const struct commanded *command, uint64_t owner, bool is_new)
{
	bool is_named = is_asked_for(command, node->path);

	if (command->op == OP_ACQUIRE) {
		if (is_new)
			node->kind = owner != 0 ? SYNOD_CONTENDER
			             : is_named ? SYNOD_LOCK
			                        : SYNOD_PERSISTENT;
	} else if (is_named && (command->op == OP_CREATE || command->op == OP_PUT)) {
		if (!is_new && command->kind == SYNOD_PERSISTENT)
			return;
		node->kind = command->kind;
		node->percent = command->brake_percent ? command->brake_percent : BRAKE_PERCENT;
	} else if (owner != 0 && node->owner == 0) {
		node->kind = SYNOD_EPHEMERAL; /* in a transaction */
	}
}

static uint64_t
timeout_of(const struct check_brake *check, uint64_t owner)
{
	const struct commanded *command = chronicle_command(check->living->chronicle, owner);

	CHECK(command != NULL && command->opened == owner);
	return command->timeout_ms;
}

static void
become_suspect(struct check_brake *check, struct known *node, uint64_t owner)
{
	uint64_t timeout_ms = timeout_of(check, owner);

	node->kind = SYNOD_SUSPECT;
	node->is_held = false;
	node->ended_ms = check->uptime_ms;
	node->due_ms =
		check->uptime_ms + (timeout_ms < SUSPECT_MAX_MS ? timeout_ms : SUSPECT_MAX_MS);
}

static void
take_change(struct check_brake *check, const struct chronicled *change)
{
	struct known *node = find(check, change->path);
	bool was_suspect = node && node->kind == SYNOD_SUSPECT;
	bool is_new;

	if (chronicled_is_suspicion(change))
		check_suspicion(check, change, node);
	if (check->living->world->has_failed)
		return;
	if (change->kind == SYNOD_DELETED) {
		if (node)
			node->exists = false;
		return;
	}
	is_new = node == NULL;
	if (is_new)
		node = add(check, change->path);
	if (chronicled_is_suspicion(change))
		become_suspect(check, node, change->previous_owner);
	else
		set_kind(node, check->command, change->owner, is_new);
	if (was_suspect && node->kind != SYNOD_SUSPECT)
		check->living->world->statistics.suspects_back++;
	if (node->kind == SYNOD_SUSPECT && change->owner != 0)
		fail(check, "a suspect has an owner", change->path);
	node->owner = change->owner;
	node->version = change->version;
	node->data_hash = change->data_hash;
}

/* ---- command by command ---- */

static void
check_causes(struct check_brake *check)
{
	unsigned type = check->command->type;

	for (size_t i = 0; i < check->change_count; i++)
		if (check->changes[i].cause == SYNOD_CAUSE_EXPIRED && type != COMMAND_EXPIRE &&
		    type != COMMAND_COLLECT)
			fail(check, "expired, and nobody's time ran out", check->changes[i].path);
}

static void
take_command(struct check_brake *check, const struct commanded *command)
{
	const struct chronicle *chronicle = check->living->chronicle;
	size_t *at = &check->next_change;

	check->command = command;
	if (command->uptime_ms > check->uptime_ms)
		check->uptime_ms = command->uptime_ms;
	while (*at < chronicle->count && chronicle->changes[*at].revision < command->slot)
		++*at;
	check->changes = &chronicle->changes[*at];
	while (*at < chronicle->count && chronicle->changes[*at].revision == command->slot)
		++*at;
	check->change_count = (size_t)(&chronicle->changes[*at] - check->changes);
	check_causes(check);
	if (command->type == COMMAND_EXPIRE)
		check_expiry(check);
	else if (command->type == COMMAND_COLLECT)
		check_collection(check);
	for (size_t i = 0; i < check->change_count && !check->living->world->has_failed; i++)
		take_change(check, &check->changes[i]);
	check->changes = NULL; /* the array may move */
	check->change_count = 0;
}

void
check_brake_follow(struct check_brake *check)
{
	const struct chronicle *chronicle = check->living->chronicle;

	while (!chronicle->has_gap && !check->living->world->has_failed &&
	       check->next_command < chronicle->command_count &&
	       chronicle->commands[check->next_command].slot <= chronicle->complete_slot)
		take_command(check, &chronicle->commands[check->next_command++]);
	check->command = NULL;
}

const char *
check_brake_unjudged(const struct check_brake *check)
{
	if (check->living->chronicle->has_gap)
		return NULL;
	for (size_t i = 0; i < check->count; i++)
		if (check->nodes[i].exists && check->nodes[i].kind == SYNOD_SUSPECT &&
		    !check->nodes[i].is_held)
			return check->nodes[i].path;
	return NULL;
}

bool
check_brake_is_held(struct check_brake *check, const char *path)
{
	const struct known *node = find(check, path);

	return node && node->kind == SYNOD_SUSPECT && node->is_held;
}

uint64_t
check_brake_share(struct check_brake *check, const char *path)
{
	const struct known *node = find(check, path);

	return node && node->kind == SYNOD_SERVICE ? node->percent : BRAKE_PERCENT;
}

/* ---- the rows ---- */

static bool
check_row(void *context, const struct state_item *item)
{
	struct check_brake *check = context;
	char path[CHRONICLE_PATH];
	const struct known *node;

	if (item->path.size >= sizeof path)
		return true;
	memcpy(path, item->path.bytes, item->path.size);
	path[item->path.size] = '\0';
	node = find(check, path);
	if (!node)
		return true; /* what was there from the beginning; the others see to the rest */
	if (item->stat.kind != node->kind)
		world_fail(check->living->world, "brake", "%s: a row of kind %d, and not %d", path,
		           (int)item->stat.kind, (int)node->kind);
	else if (node->kind == SYNOD_SERVICE && item->stat.mode != node->percent)
		fail(check, "a service with another share", path);
	else if (node->kind == SYNOD_SUSPECT && item->stat.expires_ms != node->due_ms)
		fail(check, "a suspect is due at another time", path);
	check->found++;
	return !check->living->world->has_failed;
}

static void
check_rows(struct check_brake *check, struct host *host)
{
	struct namespace *namespace =
		(struct namespace *)executor_namespace(host->member->executor);
	size_t count = 0;
	int error;

	if (!namespace || namespace_revision(namespace) != check->living->chronicle->revision)
		return;
	for (size_t i = 0; i < check->count; i++)
		count += check->nodes[i].exists;
	check->found = 0;
	host->world->running = host;
	error = namespace_each_node(namespace, slice_of("/"), WATCH_SUBTREE, check_row, check);
	host->world->running = NULL;
	if (error == SYNOD_OK && check->found != count)
		fail(check, "rows are missing", host->name);
}

void
check_brake_at_end(struct check_brake *check)
{
	struct world *world = check->living->world;

	check_brake_follow(check);
	for (unsigned i = 0; i < world->options.members; i++) {
		struct host *host = world->hosts[i];

		if (host->is_up && !host->is_wiped && !world->has_failed)
			check_rows(check, host);
	}
}
