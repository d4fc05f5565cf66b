/*
 * Linearizability by witness, exactly once, nothing acknowledged lost.
 *
 * Every answer names the revision at which it is true, and at the end the ensemble
 * tells every change it has made.  So there is no order to search for: the changes
 * are replayed in the order of revisions on a model that knows nothing of the
 * ensemble's code, and each answer must be what the model says at its revision;
 * the order of revisions must respect the order of time; each change must have
 * been asked for, once, and each acknowledged write must be among the changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/history.h"

struct node {
	char path[PATH_SIZE_SIM];
	char data[DATA_SIZE_SIM];
	bool exists;
	uint64_t version, created, modified;
};

struct replay {
	struct world *world;
	struct history *history;
	struct node *nodes;
	size_t node_count, node_capacity;
	struct record **by_revision; /* those with an answer */
	size_t record_count;
	size_t next; /* of by_revision */
};

static void
fail_record(struct replay *replay, const struct record *record, const char *why)
{
	char text[400];

	world_fail(replay->world, "history", "%s: %s", why, record_text(record, text, sizeof text));
}

/* ---- the model ---- */

static struct node *
find(struct replay *replay, const char *path)
{
	for (size_t i = 0; i < replay->node_count; i++)
		if (strcmp(replay->nodes[i].path, path) == 0)
			return &replay->nodes[i];
	return NULL;
}

static struct node *
find_or_add(struct replay *replay, const char *path)
{
	struct node *node = find(replay, path);

	if (node)
		return node;
	if (replay->node_count == replay->node_capacity) {
		replay->node_capacity = replay->node_capacity ? 2 * replay->node_capacity : 64;
		replay->nodes =
			check_realloc(replay->nodes, replay->node_capacity * sizeof *replay->nodes);
	}
	node = &replay->nodes[replay->node_count++];
	memset(node, 0, sizeof *node);
	snprintf(node->path, sizeof node->path, "%s", path);
	return node;
}

static bool
exists(struct replay *replay, const char *path)
{
	const struct node *node = find(replay, path);

	return strcmp(path, "/") == 0 || (node && node->exists);
}

static bool
is_child(const char *parent, const char *path)
{
	size_t size = strcmp(parent, "/") == 0 ? 0 : strlen(parent);

	return strncmp(parent, path, size) == 0 && path[size] == '/' &&
	       strchr(path + size + 1, '/') == NULL;
}

static uint64_t
count_children(struct replay *replay, const char *parent)
{
	uint64_t count = 0;

	for (size_t i = 0; i < replay->node_count; i++)
		count += replay->nodes[i].exists && is_child(parent, replay->nodes[i].path);
	return count;
}

static void
parent_of(const char *path, char *parent)
{
	char *slash;

	snprintf(parent, PATH_SIZE_SIM, "%s", path);
	slash = strrchr(parent, '/');
	slash[slash == parent] = '\0';
}

/* ---- answers ---- */

static bool
condition_holds(struct replay *replay, const struct record *record)
{
	const struct node *node = find(replay, record->path);

	if (!node || !node->exists)
		return false;
	if (record->kind == RECORD_SET_IF_VERSION)
		return node->version == record->wanted_version;
	return strcmp(node->data, record->wanted_data) == 0;
}

static bool
error_is_true(struct replay *replay, const struct record *record)
{
	char parent[PATH_SIZE_SIM];

	switch (record->error) {
	case SYNOD_NOT_FOUND: return !exists(replay, record->path);
	case SYNOD_EXISTS: return record->kind == RECORD_CREATE && exists(replay, record->path);
	case SYNOD_NOT_EMPTY:
		return record->kind == RECORD_DELETE && count_children(replay, record->path) > 0;
	case SYNOD_CONFLICT:
		return (record->kind == RECORD_SET_IF_VERSION ||
		        record->kind == RECORD_SET_IF_DATA) &&
		       !condition_holds(replay, record);
	case SYNOD_NO_PARENT: parent_of(record->path, parent); return !exists(replay, parent);
	default: return false;
	}
}

static void
check_get(struct replay *replay, const struct record *record)
{
	const struct node *node = find(replay, record->path);

	if (!node || !node->exists)
		fail_record(replay, record, "a node was read that did not exist");
	else if (strcmp(node->data, record->result_data) != 0)
		fail_record(replay, record, "other data than there was at that revision");
	else if (node->version != record->version || node->created != record->created ||
	         node->modified != record->modified)
		fail_record(replay, record, "another version than there was at that revision");
	else if (record->children != count_children(replay, record->path))
		fail_record(replay, record, "another count of children than there was");
}

static bool
is_listed(const struct record *record, const char *name)
{
	for (uint32_t i = 0; i < record->child_count; i++)
		if (strcmp(record->child_names[i], name) == 0)
			return true;
	return false;
}

static void
check_list(struct replay *replay, const struct record *record)
{
	uint32_t count = 0;

	if (!exists(replay, record->path))
		fail_record(replay, record, "a node was listed that did not exist");
	for (size_t i = 0; i < replay->node_count; i++) {
		const struct node *node = &replay->nodes[i];

		if (!node->exists || !is_child(record->path, node->path))
			continue;
		count++;
		if (!is_listed(record, strrchr(node->path, '/') + 1))
			fail_record(replay, record, "a child is missing in a listing");
	}
	count += is_listed(record, "live"); /* of those whose history is another */
	if (count != record->child_count && !is_listed(record, "synod"))
		fail_record(replay, record, "a listing has children that there were not");
}

static void
check_answer(struct replay *replay, const struct record *record)
{
	struct statistics *statistics = &replay->world->statistics;

	if (record->consistency == SYNOD_LINEARIZABLE)
		statistics->reads++;
	else
		statistics->weak_reads++;
	if (record->at_least > record->revision)
		fail_record(replay, record, "an answer older than what was asked for");
	if (record->error != SYNOD_OK) {
		if (!error_is_true(replay, record))
			fail_record(replay, record, "an error that was not so at that revision");
	} else if (record->kind == RECORD_GET) {
		check_get(replay, record);
	} else if (record->kind == RECORD_LIST) {
		check_list(replay, record);
	} else {
		fail_record(replay, record, "an acknowledged write is not among the changes");
	}
}

/* Everything answered at a revision before REVISION. */
static void
check_answers_before(struct replay *replay, uint64_t revision)
{
	while (replay->next < replay->record_count &&
	       replay->by_revision[replay->next]->revision < revision) {
		const struct record *record = replay->by_revision[replay->next++];

		if (!record->is_applied)
			check_answer(replay, record);
	}
}

/* ---- changes ---- */

static bool
is_successful_write(const struct record *record)
{
	return record->outcome == OUTCOME_DONE && record->error == SYNOD_OK &&
	       record_is_write(record);
}

static struct record *
acknowledged_at(struct replay *replay, uint64_t revision)
{
	struct record *found = NULL;

	for (size_t i = replay->next;
	     i < replay->record_count && replay->by_revision[i]->revision == revision; i++) {
		struct record *record = replay->by_revision[i];

		if (!is_successful_write(record))
			continue;
		if (found)
			fail_record(replay, record, "two writes were told the same revision");
		found = record;
	}
	return found;
}

/* RECORD asked for a deletion such as the COUNT changes from FIRST on. */
static bool
may_have_deleted(const struct record *record, const struct change_record *first, size_t count)
{
	if (record->is_applied || record->outcome == OUTCOME_DONE ||
	    record->outcome == OUTCOME_NOTHING)
		return false;
	if (record->kind == RECORD_DELETE)
		return count == 1 && strcmp(first->path, record->path) == 0;
	if (record->kind != RECORD_DELETE_ALL)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(first[i].path, record->path) == 0)
			return true;
	return false;
}

/* Who asked for the changes, if the answer never came: their data tells; a deletion has none.
 * Those that can have deleted nothing else come first. */
static struct record *
unanswered(struct replay *replay, const struct change_record *first, size_t count)
{
	struct history *history = replay->history;
	struct record *found = NULL;

	if (first->kind != SYNOD_DELETED) {
		size_t id = strtoul(first->data, NULL, 10);

		return id < history->count ? history->records[id] : NULL;
	}
	for (size_t i = 0; i < history->count; i++) {
		struct record *record = history->records[i];

		if (may_have_deleted(record, first, count) &&
		    (!found || (found->kind == RECORD_DELETE_ALL && record->kind == RECORD_DELETE)))
			found = record;
	}
	return found;
}

static bool
change_fits(const struct record *record, const struct change_record *change)
{
	switch (record->kind) {
	case RECORD_DELETE:
	case RECORD_DELETE_ALL:
		return change->kind == SYNOD_DELETED &&
		       strncmp(change->path, record->path, strlen(record->path)) == 0;
	case RECORD_SEQUENTIAL:
		return change->kind == SYNOD_CREATED &&
		       strncmp(change->path, record->path, strlen(record->path)) == 0 &&
		       strcmp(change->data, record->data) == 0;
	case RECORD_TXN:
		return strcmp(change->data, record->data) == 0 &&
		       (strcmp(change->path, record->path) == 0 ||
		        strcmp(change->path, record->other) == 0);
	case RECORD_CREATE:
		return change->kind == SYNOD_CREATED && strcmp(change->path, record->path) == 0 &&
		       strcmp(change->data, record->data) == 0;
	case RECORD_PUT:
		return change->kind != SYNOD_DELETED && strcmp(change->path, record->path) == 0 &&
		       strcmp(change->data, record->data) == 0;
	default:
		return change->kind == SYNOD_MODIFIED && strcmp(change->path, record->path) == 0 &&
		       strcmp(change->data, record->data) == 0;
	}
}

/* What must have been so before RECORD succeeded. */
static void
check_before(struct replay *replay, const struct record *record)
{
	bool is_conditional =
		record->kind == RECORD_SET_IF_VERSION || record->kind == RECORD_SET_IF_DATA;

	if (is_conditional && !condition_holds(replay, record))
		fail_record(replay, record, "written although the condition did not hold");
	if (record->kind == RECORD_DELETE && count_children(replay, record->path) > 0)
		fail_record(replay, record, "deleted although it had children");
	if (record->kind == RECORD_TXN && record->outcome == OUTCOME_DONE &&
	    record->then_taken != exists(replay, record->path))
		fail_record(replay, record, "the wrong branch of a transaction was taken");
}

static void
apply(struct replay *replay, const struct record *record, const struct change_record *change)
{
	struct node *node = find_or_add(replay, change->path);
	char parent[PATH_SIZE_SIM];

	if (!change_fits(record, change))
		fail_record(replay, record, "changed something that was not asked for");
	parent_of(change->path, parent);
	if (change->kind == SYNOD_CREATED) {
		if (node->exists || change->version != 0)
			fail_record(replay, record, "created what existed");
		if (!exists(replay, parent))
			fail_record(replay, record, "created without a parent");
		node->created = change->revision;
	} else if (!node->exists) {
		fail_record(replay, record, "changed what did not exist");
	} else if (change->kind == SYNOD_MODIFIED && change->version <= node->version) {
		fail_record(replay, record, "the version did not grow");
	} else if (change->kind == SYNOD_MODIFIED && record->kind != RECORD_TXN &&
	           change->version != node->version + 1) {
		fail_record(replay, record, "the version skipped");
	}
	node->exists = change->kind != SYNOD_DELETED;
	node->version = change->version;
	node->modified = change->revision;
	snprintf(node->data, sizeof node->data, "%s", change->data);
}

static void
check_after(struct replay *replay, const struct record *record, const struct change_record *change)
{
	const struct node *node;

	for (size_t i = 0; i < replay->node_count; i++) {
		char parent[PATH_SIZE_SIM];

		parent_of(replay->nodes[i].path, parent);
		if (replay->nodes[i].exists && !exists(replay, parent))
			fail_record(replay, record, "a node was left without its parent");
	}
	if (record->outcome != OUTCOME_DONE || record->kind == RECORD_DELETE ||
	    record->kind == RECORD_DELETE_ALL || record->kind == RECORD_TXN)
		return;
	node = find(replay, change->path);
	if (record->version != node->version)
		fail_record(replay, record, "was told another version than it wrote");
	if (record->kind == RECORD_SEQUENTIAL && strcmp(record->result_path, change->path) != 0)
		fail_record(replay, record, "was told another name than was made");
}

/* A counter never gives a number twice, even if the children are gone. */
static void
check_sequence(struct replay *replay, const struct record *record,
               const struct change_record *change)
{
	const struct history *history = replay->history;

	replay->world->statistics.sequentials++;
	for (const struct change_record *at = change - 1; at >= history->changes; at--) {
		size_t size = strlen(record->path);
		char parent[PATH_SIZE_SIM];

		parent_of(record->path, parent);
		if (at->kind == SYNOD_DELETED && strcmp(at->path, parent) == 0)
			return; /* another parent */
		if (at->kind != SYNOD_CREATED || strncmp(at->path, record->path, size) != 0)
			continue;
		if (strcmp(at->path, change->path) >= 0)
			fail_record(replay, record, "a sequential number did not grow");
		return;
	}
}

/* The changes FIRST .. FIRST+COUNT-1 of one revision. */
static void
replay_revision(struct replay *replay, const struct change_record *first, size_t count)
{
	struct record *record;

	check_answers_before(replay, first->revision);
	record = acknowledged_at(replay, first->revision);
	if (!record) {
		record = unanswered(replay, first, count);
		if (!record) {
			world_fail(replay->world, "history",
			           "nobody asked for the change of %s at revision %lu", first->path,
			           (unsigned long)first->revision);
			return;
		}
		if (record->outcome == OUTCOME_DONE || record->outcome == OUTCOME_NOTHING)
			fail_record(replay, record,
			            record->is_applied || is_successful_write(record)
			                    ? "executed twice, or at another revision than was told"
			                    : "executed, though it was told that it was not");
		record->revision = first->revision;
		replay->world->statistics.unknown_applied++;
	}
	if (record->is_applied)
		fail_record(replay, record, "executed twice");
	record->is_applied = true;
	check_before(replay, record);
	for (size_t i = 0; i < count; i++)
		apply(replay, record, &first[i]);
	check_after(replay, record, first);
	if (record->kind == RECORD_SEQUENTIAL)
		check_sequence(replay, record, first);
	if (record->kind == RECORD_TXN)
		replay->world->statistics.transactions++;
}

static int
compare_revisions(const void *a, const void *b)
{
	const struct record *left = *(struct record *const *)a;
	const struct record *right = *(struct record *const *)b;

	if (left->revision != right->revision)
		return left->revision < right->revision ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

/* ---- time ---- */

struct moment {
	uint64_t at_us;
	bool is_return;
	struct record *record;
};

static int
compare_moments(const void *a, const void *b)
{
	const struct moment *left = a, *right = b;

	if (left->at_us != right->at_us)
		return left->at_us < right->at_us ? -1 : 1;
	if (left->is_return != right->is_return) /* at the same instant nothing is before */
		return left->is_return ? 1 : -1;
	return left->record->id < right->record->id ? -1 : left->record->id > right->record->id;
}

static void
check_invocation(struct replay *replay, const struct record *record, uint64_t newest)
{
	bool is_answered = record->outcome == OUTCOME_DONE;
	bool is_deletion = record->kind == RECORD_DELETE || record->kind == RECORD_DELETE_ALL;

	if (record->consistency != SYNOD_LINEARIZABLE)
		return;
	if (is_answered && record->revision < newest)
		fail_record(replay, record, "does not see what was answered before it began");
	if (record->is_applied && (is_answered || !is_deletion) && record->revision <= newest)
		fail_record(replay, record, "executed before it was asked for");
}

static void
check_time(struct replay *replay)
{
	struct history *history = replay->history;
	struct moment *moments = check_calloc(2 * history->count + 1, sizeof *moments);
	size_t count = 0;
	uint64_t newest = 0;

	for (size_t i = 0; i < history->count; i++) {
		struct record *record = history->records[i];

		moments[count++] = (struct moment){record->invoked_us, false, record};
		if (record->outcome == OUTCOME_DONE && record->consistency == SYNOD_LINEARIZABLE)
			moments[count++] = (struct moment){record->returned_us, true, record};
	}
	qsort(moments, count, sizeof *moments, compare_moments);
	for (size_t i = 0; i < count; i++) {
		const struct record *record = moments[i].record;

		if (!moments[i].is_return)
			check_invocation(replay, record, newest);
		else if (record->revision > newest)
			newest = record->revision;
	}
	free(moments);
}

/* ---- all ---- */

void
check_history(struct world *world)
{
	struct history *history = world->history;
	struct replay replay = {.world = world, .history = history};

	if (!history->has_changes)
		return;
	replay.by_revision = check_calloc(history->count + 1, sizeof *replay.by_revision);
	for (size_t i = 0; i < history->count; i++)
		if (history->records[i]->outcome == OUTCOME_DONE)
			replay.by_revision[replay.record_count++] = history->records[i];
	qsort(replay.by_revision, replay.record_count, sizeof *replay.by_revision,
	      compare_revisions);
	for (size_t i = 0; i < history->change_count && !world->has_failed;) {
		size_t count = 1;

		while (i + count < history->change_count &&
		       history->changes[i + count].revision == history->changes[i].revision)
			count++;
		replay_revision(&replay, &history->changes[i], count);
		i += count;
	}
	if (!world->has_failed) {
		check_answers_before(&replay, UINT64_MAX);
		check_time(&replay);
	}
	free(replay.by_revision);
	free(replay.nodes);
}
