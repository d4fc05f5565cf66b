/* Nodes: reading and writing their rows, and what every change of one brings with it. */
#include <stdlib.h>
#include <string.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"
#include "shared/planted.h"

/* ---- rows ---- */

/* The root is the child of nobody, under no name. */
static void
bind_key(sqlite3_stmt *statement, struct slice path)
{
	bool is_root = path_is_root(path);

	bind_text(statement, 1, is_root ? slice_of("") : path_parent(path));
	bind_text(statement, 2, path_name(path));
}

void
path_of_row(struct buffer *out, sqlite3_stmt *statement)
{
	struct slice parent = column_text(statement, 0);

	if (parent.size == 0)
		buffer_append(out, "/", 1);
	else
		path_join(out, parent, column_text(statement, 1));
}

void
node_of_row(sqlite3_stmt *statement, int first, struct node_stat *stat, struct slice *data)
{
	*data = column_bytes(statement, first + 16);
	*stat = (struct node_stat){
		.created = column_u64(statement, first),
		.modified = column_u64(statement, first + 1),
		.children_modified = column_u64(statement, first + 2),
		.version = column_u64(statement, first + 3),
		.children_version = column_u64(statement, first + 4),
		.access_version = column_u64(statement, first + 5),
		.created_ms = column_u64(statement, first + 6),
		.modified_ms = column_u64(statement, first + 7),
		.owner = column_u64(statement, first + 8),
		.children = column_u64(statement, first + 9),
		.sequence = column_u64(statement, first + 10),
		.kind = (uint8_t)column_u64(statement, first + 11),
		.ttl_ms = column_u64(statement, first + 12),
		.token = column_u64(statement, first + 13),
		.mode = column_u64(statement, first + 14),
		.expires_ms = column_u64(statement, first + 15),
		.has_data = data->bytes != NULL,
		.data_size = data->size,
	};
}

static void
bind_node(sqlite3_stmt *statement, const struct node *node)
{
	const struct node_stat *stat = &node->stat;

	bind_u64(statement, 3, stat->created);
	bind_u64(statement, 4, stat->modified);
	bind_u64(statement, 5, stat->children_modified);
	bind_u64(statement, 6, stat->version);
	bind_u64(statement, 7, stat->children_version);
	bind_u64(statement, 8, stat->access_version);
	bind_u64(statement, 9, stat->created_ms);
	bind_u64(statement, 10, stat->modified_ms);
	bind_u64(statement, 11, stat->owner);
	bind_u64(statement, 12, stat->children);
	bind_u64(statement, 13, stat->sequence);
	bind_u64(statement, 14, stat->kind);
	bind_u64(statement, 15, stat->ttl_ms);
	bind_u64(statement, 16, stat->token);
	bind_u64(statement, 17, stat->mode);
	bind_u64(statement, 18, stat->expires_ms);
	bind_bytes(statement, 19, node_data(node));
}

static int
write_row(struct namespace *namespace, const struct node *node)
{
	enum statement which = STATEMENT_NODE_DELETE;
	sqlite3_stmt *statement;

	if (!node->exists && !node->has_row)
		return SYNOD_OK;
	if (node->exists)
		which = node->has_row ? STATEMENT_NODE_UPDATE : STATEMENT_NODE_INSERT;
	statement = statement_of(namespace, which);
	bind_key(statement, node_path(node));
	if (node->exists)
		bind_node(statement, node);
	return statement_run(namespace, which);
}

/* In the order of the paths, so that rows which share a page are written together. */
static int
compare_paths(const void *a, const void *b)
{
	const struct node *const *left = a;
	const struct node *const *right = b;

	return slice_compare(node_path(*left), node_path(*right));
}

int
nodes_write_back(struct namespace *namespace)
{
	struct node_cache *cache = &namespace->cache;

	if (cache->dirty_count > 1)
		qsort(cache->dirty, cache->dirty_count, sizeof *cache->dirty, compare_paths);
	for (size_t i = 0; i < cache->dirty_count; i++) {
		struct node *node = cache->dirty[i];
		int error = write_row(namespace, node);

		if (error != SYNOD_OK)
			return error;
	}
	for (size_t i = 0; i < cache->dirty_count; i++) {
		struct node *node = cache->dirty[i];

		node->is_dirty = false;
		node->has_row = node->exists;
		if (!node->exists)
			cache_remove(cache, node);
	}
	cache->dirty_count = 0;
	return SYNOD_OK;
}

int
nodes_trim(struct namespace *namespace)
{
	struct node_cache *cache = &namespace->cache;

	while (cache_is_full(cache) && cache->oldest != NULL) {
		int error = SYNOD_OK;

		if (cache->oldest->is_dirty)
			error = nodes_write_back(namespace);
		else
			cache_remove(cache, cache->oldest);
		if (error != SYNOD_OK)
			return error;
	}
	return SYNOD_OK;
}

/* ---- finding ---- */

struct state_hash
node_hash_of(struct slice path, const struct node_stat *stat, struct state_hash data_hash)
{
	struct row row;

	row.size = 0;
	row_number(&row, stat->created);
	row_number(&row, stat->modified);
	row_number(&row, stat->children_modified);
	row_number(&row, stat->version);
	row_number(&row, stat->children_version);
	row_number(&row, stat->access_version);
	row_number(&row, stat->created_ms);
	row_number(&row, stat->modified_ms);
	row_number(&row, stat->owner);
	row_number(&row, stat->children);
	row_number(&row, stat->sequence);
	row_number(&row, (uint64_t)stat->kind << 1 | (stat->has_data ? 1 : 0));
	row_hash(&row, data_hash);
	row_bytes(&row, path);
	/* Most nodes have none of these, and are written the most often. */
	if ((stat->ttl_ms | stat->token | stat->mode | stat->expires_ms) != 0) {
		row_number(&row, stat->ttl_ms);
		row_number(&row, stat->token);
		row_number(&row, stat->mode);
		row_number(&row, stat->expires_ms);
	}
	return hash_of_row(&row);
}

static struct state_hash
hash_of_node(const struct node *node)
{
	if (!node->exists)
		return (struct state_hash){0};
	return node_hash_of(node_path(node), &node->stat, node->data_hash);
}

/* NULL when there is no row. */
static int
load(struct namespace *namespace, struct slice path, struct node **result)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_NODE_READ);
	struct slice data;
	struct node *node;
	bool has_row;
	int error;

	*result = NULL;
	bind_key(statement, path);
	error = statement_step(namespace, STATEMENT_NODE_READ, &has_row);
	if (error != SYNOD_OK || !has_row)
		return error;
	node = cache_add(&namespace->cache, path);
	node_of_row(statement, 0, &node->stat, &data);
	cache_set_data(&namespace->cache, node, data);
	node->exists = true;
	node->has_row = true;
	node->hash = hash_of_node(node);
	statement_reset(namespace, STATEMENT_NODE_READ);
	*result = node;
	return SYNOD_OK;
}

int
node_find(struct namespace *namespace, struct slice path, struct node **node)
{
	*node = cache_find(&namespace->cache, path);
	if (*node == NULL)
		return load(namespace, path, node);
	if (!(*node)->exists)
		*node = NULL;
	return SYNOD_OK;
}

int
node_find_entry(struct namespace *namespace, struct slice path, struct node **node)
{
	int error = SYNOD_OK;

	*node = cache_find(&namespace->cache, path);
	if (*node == NULL)
		error = load(namespace, path, node);
	if (error == SYNOD_OK && *node == NULL)
		*node = cache_add(&namespace->cache, path);
	return error;
}

/* ---- changing ---- */

void
node_begin_change(struct namespace *namespace, struct node *node)
{
	undo_record(namespace, node);
	hash_subtract(&namespace->hash, node->hash);
}

void
node_end_change(struct namespace *namespace, struct node *node)
{
	node->hash = hash_of_node(node);
	hash_add(&namespace->hash, node->hash);
	cache_mark_dirty(&namespace->cache, node);
}

/* ZooKeeper's rule for a node's children_version and children_modified (cversion and pzxid): both
 * creations and deletions of children count, writes to children do not. */
static void
gain_child(struct namespace *namespace, struct node *node)
{
	node_begin_change(namespace, node);
	node->stat.children++;
	node->stat.sequence++;
	node->stat.children_version++;
	node->stat.children_modified = namespace->slot;
	node_set_due(namespace, node);
	node_end_change(namespace, node);
}

void
node_lose_child(struct namespace *namespace, struct node *node)
{
	CHECK(node->stat.children > 0);

	node_begin_change(namespace, node);
	node->stat.children--;
	node->stat.children_version++;
	node->stat.children_modified = namespace->slot;
	node_set_due(namespace, node);
	node_end_change(namespace, node);
}

static const struct node_life persistent;

/* Bring an absent entry to life. */
static void
appear(struct namespace *namespace, struct node *node, struct slice data,
       const struct node_life *life)
{
	CHECK(!node->exists);

	node_begin_change(namespace, node);
	node->stat = (struct node_stat){
		.created = namespace->slot,
		.modified = namespace->slot,
		.children_modified = namespace->slot,
		.created_ms = namespace->wall_ms,
		.modified_ms = namespace->wall_ms,
		.owner = life->owner,
		.kind = life->kind,
		.ttl_ms = life->ttl_ms,
		.mode = life->mode,
	};
	cache_set_data(&namespace->cache, node, data);
	node->exists = true;
	namespace->nodes++;
	node_set_due(namespace, node);
	node_end_change(namespace, node);
	session_count_owned(namespace, &node->stat, 1);
}

void
node_create(struct namespace *namespace, struct node *parent, struct slice path, struct slice data,
            const struct node_life *life, struct node **result)
{
	struct node *node = cache_find(&namespace->cache, path);

	CHECK(parent->stat.owner == 0);
	CHECK(parent->stat.kind != NODE_SUSPECT);

	if (node == NULL)
		node = cache_add(&namespace->cache, path);
	appear(namespace, node, data, life != NULL ? life : &persistent);
	gain_child(namespace, parent);
	history_append(namespace, CHANGE_CREATED, path, &node->stat, data);
	*result = node;
}

static void
write_data(struct namespace *namespace, struct node *node, struct slice data)
{
	cache_set_data(&namespace->cache, node, data);
	node->stat.version++;
	node->stat.modified = namespace->slot;
	node->stat.modified_ms = namespace->wall_ms;
	node_set_due(namespace, node);
}

void
node_write(struct namespace *namespace, struct node *node, struct slice data)
{
	node_begin_change(namespace, node);
	write_data(namespace, node, data);
	node_end_change(namespace, node);
	history_append(namespace, CHANGE_MODIFIED, node_path(node), &node->stat, data);
}

/* Whoever watches what the previous owner owns is told by this one change that it lost the node. */
static void
tell_superseded(struct namespace *namespace, const struct node *node, uint64_t previous_owner,
                struct slice data)
{
	enum change_cause cause = namespace->cause;

	namespace->cause = CAUSE_SUPERSEDED;
	namespace->previous_owner = previous_owner;
	history_append(namespace, CHANGE_MODIFIED, node_path(node), &node->stat, data);
	namespace->cause = cause;
	namespace->previous_owner = 0;
}

void
node_take_over(struct namespace *namespace, struct node *node, struct slice data,
               const struct node_life *life)
{
	uint64_t previous_owner = node->stat.owner;

	CHECK(node->stat.kind != NODE_LOCK);
	CHECK(node->stat.kind != NODE_CONTENDER);
	if (life->owner != 0)
		CHECK(node->stat.children == 0);

	node_begin_change(namespace, node);
	node->stat.kind = life->kind;
	node->stat.owner =
		PLANTED(TAKEN_BY_NOBODY) && previous_owner != 0 ? previous_owner : life->owner;
	node->stat.ttl_ms = life->ttl_ms;
	node->stat.mode = life->mode;
	node->stat.expires_ms = 0;
	write_data(namespace, node, data);
	node_end_change(namespace, node);
	session_count_owned(namespace, &node->stat, 1);
	if (previous_owner != 0 && previous_owner != life->owner)
		tell_superseded(namespace, node, previous_owner, data);
	else
		history_append(namespace, CHANGE_MODIFIED, node_path(node), &node->stat, data);
}

int
node_delete(struct namespace *namespace, struct node *parent, struct node *node)
{
	int error = SYNOD_OK;

	CHECK(node->stat.children == 0);

	if (node->stat.kind == NODE_CONTENDER)
		error = lock_lose(namespace, node_path(node), &node->stat, namespace->cause);
	if (error != SYNOD_OK)
		return error;
	history_append(namespace, CHANGE_DELETED, node_path(node), &node->stat,
	               (struct slice){NULL, 0});
	session_count_owned(namespace, &node->stat, -1);
	node_begin_change(namespace, node);
	cache_set_data(&namespace->cache, node, (struct slice){NULL, 0});
	node->exists = false;
	namespace->nodes--;
	node_end_change(namespace, node);
	node_lose_child(namespace, parent);
	return SYNOD_OK;
}

void
nodes_plant(struct namespace *namespace)
{
	struct node *root = cache_add(&namespace->cache, slice_of("/"));
	struct node *synod = cache_add(&namespace->cache, slice_of("/synod"));

	appear(namespace, root, (struct slice){NULL, 0}, &persistent);
	appear(namespace, synod, (struct slice){NULL, 0}, &persistent);
	gain_child(namespace, root);
}
