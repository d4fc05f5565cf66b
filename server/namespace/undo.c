/*
 * Undoing a transaction that fails half-way.
 *
 * The image of every node is kept from before its first change; undoing puts the
 * images back, last one first, and marks the nodes dirty, so it does not matter
 * whether their rows were written back meanwhile.
 *
 * The deletion of a subtree changes rows that are in no cache and may be many.
 * For it the cache is written back and an SQLite savepoint is set; undoing rolls
 * back to it, forgets the cache, and then puts back the images of what changed
 * before the savepoint.  Images from after it are not put back: they may show a
 * node as the deletion left it.
 */
#include <stdlib.h>
#include <string.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

void
undo_begin(struct namespace *namespace)
{
	struct undo *undo = &namespace->undo;

	CHECK(!undo->is_active);
	CHECK(undo->image_count == 0);

	undo->is_active = true;
	undo->has_savepoint = false;
	undo->number++;
	undo->hash = namespace->hash;
	undo->nodes = namespace->nodes;
	undo->revision = namespace->revision;
	undo->history = namespace->history;
}

static struct image *
image_of(const struct node *node)
{
	struct slice data = node_data(node);
	struct image *image = check_malloc(sizeof *image + node->path_size + data.size);

	*image = (struct image){.stat = node->stat, .exists = node->exists};
	image->path_size = node->path_size;
	image->data_size = data.size;
	memcpy(image->bytes, node->path, node->path_size);
	if (data.size > 0)
		memcpy(image->bytes + node->path_size, data.bytes, data.size);
	return image;
}

void
undo_record(struct namespace *namespace, struct node *node)
{
	struct undo *undo = &namespace->undo;

	if (!undo->is_active || node->recorded == undo->number)
		return;
	if (undo->image_count == undo->image_capacity) {
		undo->image_capacity = undo->image_capacity > 0 ? undo->image_capacity * 2 : 16;
		undo->images =
			check_realloc(undo->images, undo->image_capacity * sizeof *undo->images);
	}
	undo->images[undo->image_count++] = image_of(node);
	node->recorded = undo->number;
}

void
undo_record_contender(struct namespace *namespace, uint64_t session, int step)
{
	struct undo *undo = &namespace->undo;

	if (!undo->is_active)
		return;
	if (undo->contender_count > 0 &&
	    undo->contenders[undo->contender_count - 1].session == session) {
		undo->contenders[undo->contender_count - 1].step += step;
		return;
	}
	if (undo->contender_count == undo->contender_capacity) {
		undo->contender_capacity =
			undo->contender_capacity > 0 ? undo->contender_capacity * 2 : 16;
		undo->contenders = check_realloc(
			undo->contenders, undo->contender_capacity * sizeof *undo->contenders);
	}
	undo->contenders[undo->contender_count++] =
		(struct undo_contenders){.session = session, .step = step};
}

int
undo_savepoint(struct namespace *namespace)
{
	struct undo *undo = &namespace->undo;
	int error = nodes_write_back(namespace);

	if (error != SYNOD_OK || !undo->is_active || undo->has_savepoint)
		return error;
	error = history_write_back(namespace);
	if (error != SYNOD_OK)
		return error;
	buffer_clear(&undo->saved_changes);
	buffer_append(&undo->saved_changes, namespace->history.changes.bytes,
	              namespace->history.changes.size);
	CHECK(!undo->saved_changes.failed);
	undo->has_savepoint = true;
	undo->image_count_at_savepoint = undo->image_count;
	return statement_run(namespace, STATEMENT_SAVEPOINT);
}

static int
put_back(struct namespace *namespace, const struct image *image)
{
	struct slice path = {image->bytes, image->path_size};
	struct slice data = {NULL, 0};
	struct node *node;
	int error = node_find_entry(namespace, path, &node);

	if (error != SYNOD_OK)
		return error;
	if (image->stat.has_data)
		data = (struct slice){image->bytes + image->path_size, image->data_size};
	node_begin_change(namespace, node);
	node->stat = image->stat;
	cache_set_data(&namespace->cache, node, data);
	node->exists = image->exists;
	node_end_change(namespace, node);
	return SYNOD_OK;
}

static int
roll_back_rows(struct namespace *namespace)
{
	int error = statement_run(namespace, STATEMENT_SAVEPOINT_ROLLBACK);

	if (error == SYNOD_OK)
		error = statement_run(namespace, STATEMENT_SAVEPOINT_RELEASE);
	cache_discard(&namespace->cache);
	return error;
}

/* The history as it was: nothing but the content of the open chunk lies outside the struct, and
 * without a savepoint that has only grown. */
static void
roll_back_history(struct namespace *namespace)
{
	struct undo *undo = &namespace->undo;
	struct buffer changes = namespace->history.changes;
	struct buffer closed = namespace->history.closed;
	size_t size = undo->history.changes.size;

	namespace->history = undo->history;
	namespace->history.changes = changes;
	namespace->history.closed = closed;
	if (undo->has_savepoint) {
		buffer_clear(&namespace->history.changes);
		buffer_append(&namespace->history.changes, undo->saved_changes.bytes, size);
	}
	namespace->history.changes.size = size;
	namespace->history.is_dirty = true;
	CHECK(!namespace->history.changes.failed);
}

/* No session ends inside a transaction: all of them are there. */
static void
roll_back_contenders(struct namespace *namespace)
{
	const struct undo *undo = &namespace->undo;

	for (size_t i = 0; i < undo->contender_count; i++) {
		struct session *session = session_find(namespace, undo->contenders[i].session);

		CHECK(session != NULL);
		session->contender_count -= (uint32_t)undo->contenders[i].step;
	}
}

static void
finish(struct undo *undo)
{
	for (size_t i = 0; i < undo->image_count; i++)
		free(undo->images[i]);
	undo->image_count = 0;
	undo->contender_count = 0;
	buffer_clear(&undo->saved_changes);
}

int
undo_rollback(struct namespace *namespace)
{
	struct undo *undo = &namespace->undo;
	size_t count = undo->image_count;
	int error = SYNOD_OK;

	CHECK(undo->is_active);

	undo->is_active = false;
	if (undo->has_savepoint) {
		count = undo->image_count_at_savepoint;
		error = roll_back_rows(namespace);
	}
	for (size_t i = count; i > 0 && error == SYNOD_OK; i--)
		error = put_back(namespace, undo->images[i - 1]);
	roll_back_history(namespace);
	roll_back_contenders(namespace);
	locks_forget(namespace);
	namespace->hash = undo->hash;
	namespace->nodes = undo->nodes;
	namespace->revision = undo->revision;
	finish(undo);
	return error;
}

int
undo_forget(struct namespace *namespace)
{
	struct undo *undo = &namespace->undo;

	CHECK(undo->is_active);

	undo->is_active = false;
	finish(undo);
	return undo->has_savepoint ? statement_run(namespace, STATEMENT_SAVEPOINT_RELEASE)
	                           : SYNOD_OK;
}

void
undo_fini(struct undo *undo)
{
	finish(undo);
	free(undo->images);
	free(undo->contenders);
	buffer_fini(&undo->saved_changes);
}
