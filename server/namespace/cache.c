/* The cache of nodes: found by path, dropped by age of last use, bounded by count and bytes. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "server/namespace/internal.h"
#include "shared/check.h"

#define BUCKETS_MIN 64

void
cache_init(struct node_cache *cache, size_t count_max, size_t bytes_max)
{
	*cache = (struct node_cache){.count_max = count_max, .bytes_max = bytes_max};
	cache->bucket_count = BUCKETS_MIN;
	cache->buckets = check_calloc(cache->bucket_count, sizeof *cache->buckets);
}

static void
node_free(struct node *node)
{
	free(node->data);
	free(node);
}

void
cache_discard(struct node_cache *cache)
{
	struct node *node = cache->newest;

	while (node != NULL) {
		struct node *older = node->older;

		node_free(node);
		node = older;
	}
	memset(cache->buckets, 0, cache->bucket_count * sizeof *cache->buckets);
	cache->newest = NULL;
	cache->oldest = NULL;
	cache->count = 0;
	cache->bytes = 0;
	cache->dirty_count = 0;
}

void
cache_fini(struct node_cache *cache)
{
	if (cache->buckets == NULL)
		return;
	cache_discard(cache);
	free(cache->buckets);
	free(cache->dirty);
}

bool
cache_is_full(const struct node_cache *cache)
{
	return cache->count > cache->count_max || cache->bytes > cache->bytes_max;
}

static uint64_t
key_of(struct slice path)
{
	return XXH3_64bits(path.bytes, path.size);
}

static struct node **
bucket_of(struct node_cache *cache, uint64_t key)
{
	return &cache->buckets[key & (cache->bucket_count - 1)];
}

static void
unlink_by_use(struct node_cache *cache, struct node *node)
{
	if (node->newer != NULL)
		node->newer->older = node->older;
	else
		cache->newest = node->older;
	if (node->older != NULL)
		node->older->newer = node->newer;
	else
		cache->oldest = node->newer;
}

static void
link_newest(struct node_cache *cache, struct node *node)
{
	node->newer = NULL;
	node->older = cache->newest;
	if (cache->newest != NULL)
		cache->newest->newer = node;
	else
		cache->oldest = node;
	cache->newest = node;
}

struct node *
cache_find(struct node_cache *cache, struct slice path)
{
	uint64_t key = key_of(path);
	struct node *node = *bucket_of(cache, key);

	while (node != NULL && (node->key != key || node->path_size != path.size ||
	                        memcmp(node->path, path.bytes, path.size) != 0))
		node = node->next;
	if (node != NULL && node != cache->newest) {
		unlink_by_use(cache, node);
		link_newest(cache, node);
	}
	return node;
}

static void
grow(struct node_cache *cache)
{
	size_t count = cache->bucket_count * 2;

	free(cache->buckets);
	cache->buckets = check_calloc(count, sizeof *cache->buckets);
	cache->bucket_count = count;
	for (struct node *node = cache->newest; node != NULL; node = node->older) {
		struct node **bucket = bucket_of(cache, node->key);

		node->next = *bucket;
		*bucket = node;
	}
}

static size_t
node_bytes(const struct node *node)
{
	return sizeof *node + node->path_size + node->data_capacity;
}

struct node *
cache_add(struct node_cache *cache, struct slice path)
{
	struct node *node = check_malloc(sizeof *node + path.size);
	struct node **bucket;

	CHECK(path.size <= UINT16_MAX);

	if (cache->count >= cache->bucket_count)
		grow(cache);
	*node = (struct node){.key = key_of(path), .path_size = (uint16_t)path.size};
	memcpy(node->path, path.bytes, path.size);
	bucket = bucket_of(cache, node->key);
	node->next = *bucket;
	*bucket = node;
	link_newest(cache, node);
	cache->count++;
	cache->bytes += node_bytes(node);
	return node;
}

void
cache_remove(struct node_cache *cache, struct node *node)
{
	struct node **link = bucket_of(cache, node->key);

	CHECK(!node->is_dirty);

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	unlink_by_use(cache, node);
	cache->count--;
	cache->bytes -= node_bytes(node);
	node_free(node);
}

void
cache_mark_dirty(struct node_cache *cache, struct node *node)
{
	if (node->is_dirty)
		return;
	if (cache->dirty_count == cache->dirty_capacity) {
		cache->dirty_capacity = cache->dirty_capacity > 0 ? cache->dirty_capacity * 2 : 64;
		cache->dirty =
			check_realloc(cache->dirty, cache->dirty_capacity * sizeof(struct node *));
	}
	cache->dirty[cache->dirty_count++] = node;
	node->is_dirty = true;
}

/* Memory that is not much larger than the data is kept: hot nodes keep their size. */
static bool
fits(const struct node *node, size_t size)
{
	return size <= node->data_capacity && node->data_capacity <= size + size / 2 + 64;
}

void
cache_set_data(struct node_cache *cache, struct node *node, struct slice data)
{
	if (!fits(node, data.size)) {
		free(node->data);
		node->data = data.size > 0 ? check_malloc(data.size) : NULL;
		cache->bytes += data.size;
		cache->bytes -= node->data_capacity;
		node->data_capacity = data.size;
	}
	if (data.size > 0)
		memcpy(node->data, data.bytes, data.size);
	node->stat.has_data = data.bytes != NULL;
	node->stat.data_size = data.size;
	node->data_hash = hash_of(data);
}

struct slice
node_path(const struct node *node)
{
	return (struct slice){(const uint8_t *)node->path, node->path_size};
}

struct slice
node_data(const struct node *node)
{
	if (!node->stat.has_data)
		return (struct slice){NULL, 0};
	if (node->stat.data_size == 0)
		return slice_of("");
	return (struct slice){node->data, (size_t)node->stat.data_size};
}
