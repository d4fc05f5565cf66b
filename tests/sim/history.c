/* What clients asked and what they were told. */
#include "tests/sim/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/host.h"
#include "tests/sim/living.h"

static const char *const kind_names[RECORD_KINDS] = {
	"get",         "list", "create", "sequential", "set", "set-if-version",
	"set-if-data", "put",  "delete", "delete-all", "txn",
};

struct history *
history_new(void)
{
	return check_calloc(1, sizeof(struct history));
}

void
history_free(struct history *history)
{
	for (size_t i = 0; i < history->count; i++) {
		free(history->records[i]->child_names);
		free(history->records[i]);
	}
	free(history->records);
	free(history->changes);
	free(history);
}

bool
record_is_write(const struct record *record)
{
	return record->kind != RECORD_GET && record->kind != RECORD_LIST;
}

const char *
record_text(const struct record *record, char *text, size_t size)
{
	snprintf(text, size,
	         "#%u c%u %s %s%s%s data=%s if=%s/%lu [%.6f, %.6f] -> %s at %lu: %s \"%s\" version "
	         "%lu "
	         "created %lu modified %lu children %lu%s",
	         record->id, record->client - MEMBERS_LIMIT + 1, kind_names[record->kind],
	         record->path, record->other[0] ? " " : "", record->other, record->data,
	         record->wanted_data, (unsigned long)record->wanted_version,
	         (double)record->invoked_us / 1e6,
	         record->returned_us == NEVER_US ? -1.0 : (double)record->returned_us / 1e6,
	         record->outcome == OUTCOME_PENDING ? "pending" : error_name(record->error),
	         (unsigned long)record->revision, record->result_path, record->result_data,
	         (unsigned long)record->version, (unsigned long)record->created,
	         (unsigned long)record->modified, (unsigned long)record->children,
	         record->then_taken ? " then" : "");
	return text;
}

struct record *
history_begin(struct world *world, struct host *host)
{
	struct history *history = world->history;
	struct record *record = check_calloc(1, sizeof *record);

	if (history->count == history->capacity) {
		history->capacity = history->capacity ? 2 * history->capacity : 256;
		history->records = check_realloc(history->records,
		                                 history->capacity * sizeof *history->records);
	}
	record->id = (uint32_t)history->count;
	record->client = host->index;
	record->invoked_us = world->now_us;
	record->returned_us = NEVER_US;
	history->records[history->count++] = record;
	world->statistics.operations++;
	return record;
}

static void
copy_text(char *out, size_t size, const void *bytes, size_t count)
{
	if (count >= size)
		count = size - 1;
	memcpy(out, bytes, count);
	out[count] = '\0';
}

static bool
is_definite(int error)
{
	switch (error) {
	case SYNOD_OK:
	case SYNOD_NOT_FOUND:
	case SYNOD_EXISTS:
	case SYNOD_NO_PARENT:
	case SYNOD_NOT_EMPTY:
	case SYNOD_CONFLICT: return true;
	default: return false;
	}
}

static void
take_answer(struct record *record, const struct synod_result *result)
{
	const struct synod_node *node = &result->node;

	record->revision = result->revision;
	if (node->path)
		copy_text(record->result_path, sizeof record->result_path, node->path,
		          strlen(node->path));
	if (node->data) {
		record->has_result_data = true;
		copy_text(record->result_data, sizeof record->result_data, node->data, node->size);
	}
	record->version = node->stat.version;
	record->created = node->stat.created;
	record->modified = node->stat.modified;
	record->children = node->stat.children;
	record->then_taken = result->then_taken;
	record->more = result->more;
	if (result->child_count == 0)
		return;
	record->child_count = (uint32_t)result->child_count;
	record->child_names = check_calloc(result->child_count, sizeof *record->child_names);
	for (size_t i = 0; i < result->child_count; i++)
		copy_text(record->child_names[i], sizeof record->child_names[i],
		          result->children[i].path, strlen(result->children[i].path));
}

void
history_complete(struct world *world, struct record *record, const struct synod_result *result)
{
	char text[400];

	if (record->returned_us != NEVER_US) {
		world_fail(world, "client", "a callback was called twice for #%u", record->id);
		return;
	}
	record->returned_us = world->now_us;
	record->error = result->error;
	if (is_definite(result->error)) {
		record->outcome = OUTCOME_DONE;
		take_answer(record, result);
		if (result->error == SYNOD_OK)
			world->statistics.operations_ok++;
		else
			world->statistics.operations_failed++;
	} else if (result->error == SYNOD_UNKNOWN) {
		record->outcome = OUTCOME_UNKNOWN;
		world->statistics.operations_unknown++;
	} else {
		record->outcome = OUTCOME_NOTHING;
		world->statistics.operations_no++;
	}
	world_trace(world, world->hosts[record->client], "%s",
	            record_text(record, text, sizeof text));
}

/* What living clients do is judged elsewhere. */
static bool
is_living_path(const char *path)
{
	return strncmp(path, LIVING_ROOT, strlen(LIVING_ROOT)) == 0 ||
	       strncmp(path, SERVICES_ROOT, strlen(SERVICES_ROOT)) == 0;
}

void
history_take_changes(struct history *history, const struct synod_result *result)
{
	history->has_changes = true;
	history->change_count = 0;
	history->changes = check_realloc(history->changes,
	                                 (result->change_count + 1) * sizeof *history->changes);
	for (size_t i = 0; i < result->change_count; i++) {
		const struct synod_change *from = &result->changes[i];
		struct change_record *to = &history->changes[history->change_count];

		if (is_living_path(from->path))
			continue;
		history->change_count++;
		memset(to, 0, sizeof *to);
		to->revision = from->revision;
		to->kind = from->kind;
		to->version = from->version;
		copy_text(to->path, sizeof to->path, from->path, strlen(from->path));
		if (from->data)
			copy_text(to->data, sizeof to->data, from->data, from->size);
	}
}

void
history_take_chronicle(struct history *history, const struct chronicle *chronicle)
{
	struct synod_change *changes = check_calloc(chronicle->count + 1, sizeof *changes);
	const struct synod_result result = {.changes = changes, .change_count = chronicle->count};

	for (size_t i = 0; i < chronicle->count; i++) {
		const struct chronicled *from = &chronicle->changes[i];

		changes[i] = (struct synod_change){
			.revision = from->revision,
			.path = from->path,
			.kind = from->kind,
			.version = from->version,
			.data = from->data_hash ? from->text : NULL,
			.size = from->data_hash ? strlen(from->text) : 0,
		};
	}
	history_take_changes(history, &result);
	history->has_changes = !chronicle->has_gap;
	free(changes);
}
