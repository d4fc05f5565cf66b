/* The chronicle: taken from the namespace of whichever member applies first. */
#include "tests/sim/chronicle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/namespace/internal.h"
#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

struct chronicle *
chronicle_new(struct world *world)
{
	struct chronicle *chronicle = check_calloc(1, sizeof *chronicle);

	chronicle->world = world;
	return chronicle;
}

void
chronicle_free(struct chronicle *chronicle)
{
	for (size_t i = 0; i < chronicle->count; i++)
		free(chronicle->changes[i].data);
	free(chronicle->changes);
	free(chronicle->commands);
	free(chronicle);
}

uint64_t
chronicle_hash(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ size;

	if (!data)
		return 0;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash | 1;
}

static void
copy_text(char *out, size_t size, struct slice text)
{
	size_t count = text.size < size ? text.size : size - 1;

	if (count > 0)
		memcpy(out, text.bytes, count);
	out[count] = '\0';
}

/* ---- taking ---- */

struct taking {
	struct chronicle *chronicle;
	uint64_t after; /* what is known */
	uint64_t uptime_ms;
	size_t taken;
};

static bool
take(void *context, const struct change *change)
{
	struct taking *taking = context;
	struct chronicle *chronicle = taking->chronicle;
	struct chronicled *to;

	if (change->revision <= taking->after)
		return true;
	if (chronicle->count == chronicle->capacity) {
		chronicle->capacity = chronicle->capacity ? 2 * chronicle->capacity : 256;
		chronicle->changes = check_realloc(
			chronicle->changes, chronicle->capacity * sizeof *chronicle->changes);
	}
	to = &chronicle->changes[chronicle->count++];
	*to = (struct chronicled){
		.revision = change->revision,
		.ordinal = change->ordinal,
		.kind = (enum synod_change_kind)change->kind,
		.cause = change->cause,
		.version = change->version,
		.owner = change->owner,
		.previous_owner = change->previous_owner,
		.data_hash = chronicle_hash(change->data.bytes, change->data.size),
		.at_us = chronicle->world->now_us,
		.uptime_least_ms = chronicle->uptime_ms,
		.uptime_most_ms = taking->uptime_ms,
	};
	copy_text(to->path, sizeof to->path, change->path);
	copy_text(to->text, sizeof to->text, change->data);
	if (change->data.bytes &&
	    strncmp(to->path, CHRONICLE_SERVICES, strlen(CHRONICLE_SERVICES)) == 0) {
		to->data = check_calloc(1, change->data.size + 1);
		memcpy(to->data, change->data.bytes, change->data.size);
	}
	taking->taken++;
	return true;
}

/* *FIRST: the revision of the first change in PACKED, if there is one. */
static void
take_all(struct taking *taking, struct slice packed, uint64_t *first)
{
	struct cursor cursor;

	cursor_init(&cursor, packed);
	while (cursor.at < cursor.end) {
		struct change change;

		change_decode(&cursor, &change);
		CHECK(!cursor.failed);
		if (*first == 0)
			*first = change.revision;
		if (taking)
			take(taking, &change);
	}
}

/* Written back here and nowhere else than in its own actor: nothing else runs now. */
static void
take_from_rows(struct taking *taking, struct host *host, struct namespace *namespace)
{
	struct chronicle *chronicle = taking->chronicle;

	if (namespace_history_from(namespace) > taking->after + 1)
		chronicle->has_gap = true;
	chronicle->world->running = host;
	CHECK(namespace_each_change(namespace, taking->after + 1, take, taking) == SYNOD_OK);
	chronicle->world->running = NULL;
}

/* What is in memory reaches back to a change that is known: then nothing is missing in it. */
static bool
is_in_memory(const struct namespace *namespace, uint64_t known)
{
	const struct history *history = &namespace->history;
	uint64_t first = 0;

	if (history->closed.size > 0)
		take_all(NULL, buffer_slice(&history->closed), &first);
	if (first == 0)
		take_all(NULL, buffer_slice(&history->changes), &first);
	return first != 0 && first <= known;
}

static void
take_changes(struct chronicle *chronicle, struct host *host, struct namespace *namespace)
{
	struct taking taking = {.chronicle = chronicle, .after = chronicle->revision};
	uint64_t first = 0;

	taking.uptime_ms = namespace_uptime_ms(namespace);
	if (is_in_memory(namespace, chronicle->revision)) {
		take_all(&taking, buffer_slice(&namespace->history.closed), &first);
		take_all(&taking, buffer_slice(&namespace->history.changes), &first);
	} else {
		take_from_rows(&taking, host, namespace);
	}
	chronicle->revision = namespace_revision(namespace);
	chronicle->uptime_ms = taking.uptime_ms;
	living_on_changes(chronicle->world->living, chronicle->count - taking.taken);
}

void
chronicle_on_run(struct chronicle *chronicle, struct host *host)
{
	struct namespace *namespace =
		(struct namespace *)executor_namespace(host->member->executor);

	if (!namespace)
		return;
	if (namespace_history_from(namespace) > chronicle->kept_from)
		chronicle->kept_from = namespace_history_from(namespace);
	if (namespace_revision(namespace) > chronicle->revision)
		take_changes(chronicle, host, namespace);
	if (namespace_applied(namespace) <= chronicle->complete_slot)
		return;
	chronicle->complete_slot = namespace_applied(namespace);
	check_brake_follow(chronicle->world->living->brake);
}

size_t
chronicle_find(const struct chronicle *chronicle, uint64_t revision)
{
	size_t low = 0, high = chronicle->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chronicle->changes[middle].revision < revision)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
chronicled_is_suspicion(const struct chronicled *change)
{
	return change->kind == SYNOD_MODIFIED && change->cause == SYNOD_CAUSE_EXPIRED;
}

uint64_t
chronicled_end(const struct chronicled *change)
{
	if (chronicled_is_suspicion(change))
		return change->previous_owner;
	if (change->kind == SYNOD_DELETED &&
	    (change->cause == SYNOD_CAUSE_CLOSED || change->cause == SYNOD_CAUSE_EXPIRED ||
	     change->cause == SYNOD_CAUSE_REVOKED))
		return change->owner;
	return 0;
}

/* ---- replaying ---- */

static struct replayed *
slot_of(struct replay_state *state, const char *path)
{
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->nodes[i].path, path) == 0)
			return &state->nodes[i];
	return NULL;
}

const struct replayed *
replay_find(const struct replay_state *state, const char *path)
{
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->nodes[i].path, path) == 0)
			return state->nodes[i].exists ? &state->nodes[i] : NULL;
	return NULL;
}

static struct replayed *
add(struct replay_state *state, const char *path)
{
	struct replayed *node = NULL;

	for (size_t i = 0; i < state->count && !node; i++)
		if (!state->nodes[i].exists)
			node = &state->nodes[i];
	if (!node) {
		if (state->count == state->capacity) {
			state->capacity = state->capacity ? 2 * state->capacity : 64;
			state->nodes =
				check_realloc(state->nodes, state->capacity * sizeof *state->nodes);
		}
		node = &state->nodes[state->count++];
	}
	memset(node, 0, sizeof *node);
	snprintf(node->path, sizeof node->path, "%s", path);
	node->exists = true;
	return node;
}

void
replay_change(struct replay_state *state, const struct chronicled *change)
{
	struct replayed *node = slot_of(state, change->path);

	if (change->kind == SYNOD_DELETED) {
		if (node) {
			node->exists = false;
			node->path[0] = '\0';
		}
		return;
	}
	if (!node)
		node = add(state, change->path);
	if (change->kind == SYNOD_CREATED)
		node->created = change->revision;
	if (change->kind == SYNOD_GRANTED)
		node->token = change->revision;
	if (chronicled_is_suspicion(change))
		node->is_suspect = true;
	else if (change->owner != 0)
		node->is_suspect = false;
	node->modified = change->revision;
	node->version = change->version;
	node->owner = change->owner;
	node->data_hash = change->data_hash;
	node->data = change->data;
	memcpy(node->text, change->text, sizeof node->text);
}

void
replay_fini(struct replay_state *state)
{
	free(state->nodes);
	*state = (struct replay_state){NULL, 0, 0};
}
