/*
 * Locks: who contends for which.
 *
 * The rows are the truth.  What is here is an index over them that spares every
 * hand-off a query: for each lock in use its contenders, in the order of their
 * sequence.  Holders come before those who wait, since grants are given in order
 * and to nobody out of it (lock_grant.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"
#include "shared/planted.h"

#define BUCKETS_MIN 64

/* ---- the table ---- */

void
locks_init(struct lock_table *locks)
{
	*locks = (struct lock_table){.bucket_count = BUCKETS_MIN};
	locks->buckets = check_calloc(BUCKETS_MIN, sizeof(struct lock *));
}

static void
lock_free(struct lock *lock)
{
	free(lock->contenders);
	free(lock);
}

/* All of them; what was touched is left to the caller. */
static void
drop_all(struct lock_table *locks)
{
	for (size_t i = 0; locks->buckets != NULL && i < locks->bucket_count; i++) {
		while (locks->buckets[i] != NULL) {
			struct lock *lock = locks->buckets[i];

			locks->buckets[i] = lock->next;
			lock_free(lock);
		}
	}
	locks->count = 0;
	locks->contender_count = 0;
}

void
locks_fini(struct lock_table *locks)
{
	drop_all(locks);
	free(locks->buckets);
	free(locks->touched);
}

static struct lock **
bucket_of(struct lock_table *locks, uint64_t key)
{
	return &locks->buckets[key & (locks->bucket_count - 1)];
}

static struct slice
lock_path(const struct lock *lock)
{
	return (struct slice){(const uint8_t *)lock->path, lock->path_size};
}

static struct lock *
table_find(struct lock_table *locks, struct slice path)
{
	uint64_t key = XXH3_64bits(path.bytes, path.size);
	struct lock *lock = *bucket_of(locks, key);

	while (lock != NULL && (lock->key != key || !slice_equal(lock_path(lock), path)))
		lock = lock->next;
	return lock;
}

static void
grow(struct lock_table *locks)
{
	struct lock **old = locks->buckets;
	size_t old_count = locks->bucket_count;

	locks->bucket_count = old_count * 2;
	locks->buckets = check_calloc(locks->bucket_count, sizeof(struct lock *));
	for (size_t i = 0; i < old_count; i++) {
		struct lock *lock = old[i];

		while (lock != NULL) {
			struct lock *next = lock->next;
			struct lock **bucket = bucket_of(locks, lock->key);

			lock->next = *bucket;
			*bucket = lock;
			lock = next;
		}
	}
	free(old);
}

/* An entry whose contenders are not known yet. */
static struct lock *
table_add(struct lock_table *locks, struct slice path)
{
	struct lock *lock = check_calloc(1, sizeof *lock + path.size);
	struct lock **bucket;

	if (locks->count >= locks->bucket_count)
		grow(locks);
	lock->key = XXH3_64bits(path.bytes, path.size);
	lock->path_size = (uint16_t)path.size;
	memcpy(lock->path, path.bytes, path.size);
	bucket = bucket_of(locks, lock->key);
	lock->next = *bucket;
	*bucket = lock;
	locks->count++;
	return lock;
}

static void
table_remove(struct lock_table *locks, struct lock *lock)
{
	struct lock **link = bucket_of(locks, lock->key);

	CHECK(!lock->is_touched);

	while (*link != lock)
		link = &(*link)->next;
	*link = lock->next;
	locks->count--;
	locks->contender_count -= lock->count;
	lock_free(lock);
}

static void
touch(struct lock_table *locks, struct lock *lock)
{
	if (lock->is_touched)
		return;
	lock->is_touched = true;
	if (locks->touched_count == locks->touched_capacity) {
		locks->touched_capacity =
			locks->touched_capacity > 0 ? locks->touched_capacity * 2 : 16;
		locks->touched = check_realloc(locks->touched,
		                               locks->touched_capacity * sizeof(struct lock *));
	}
	locks->touched[locks->touched_count++] = lock;
}

/* ---- contenders ---- */

static void
contender_append(struct lock_table *locks, struct lock *lock, const struct contender *contender)
{
	if (lock->count == lock->capacity) {
		lock->capacity = lock->capacity > 0 ? lock->capacity * 2 : 4;
		lock->contenders =
			check_realloc(lock->contenders, lock->capacity * sizeof *contender);
	}
	lock->contenders[lock->count++] = *contender;
	locks->contender_count++;
}

static void
contender_remove(struct lock_table *locks, struct lock *lock, struct contender *contender)
{
	const struct contender *end = &lock->contenders[lock->count];

	memmove(contender, contender + 1, (size_t)((end - contender) - 1) * sizeof *contender);
	lock->count--;
	locks->contender_count--;
}

static uint64_t
sequence_of(struct slice name)
{
	uint64_t sequence = 0;

	for (size_t i = 0; i < name.size; i++)
		sequence = sequence * 10 + (uint64_t)(name.bytes[i] - '0');
	return sequence;
}

static int
compare_sequences(const void *a, const void *b)
{
	const struct contender *left = a;
	const struct contender *right = b;

	return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

/* From the rows, in the order of the numbers: that of the names is another beyond ten digits. */
static int
load_contenders(struct namespace *namespace, struct lock *lock)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_CONTENDERS);
	bool has_row;
	int error = nodes_write_back(namespace);

	if (error != SYNOD_OK)
		return error;
	bind_text(statement, 1, lock_path(lock));
	while ((error = statement_step(namespace, STATEMENT_CONTENDERS, &has_row)) == SYNOD_OK &&
	       has_row) {
		struct contender contender = {
			.sequence = sequence_of(column_text(statement, 0)),
			.session = column_u64(statement, 1),
			.token = column_u64(statement, 2),
			.mode = (uint8_t)column_u64(statement, 3),
		};

		contender_append(&namespace->locks, lock, &contender);
	}
	if (lock->count > 1)
		qsort(lock->contenders, lock->count, sizeof lock->contenders[0], compare_sequences);
	return error;
}

int
lock_find_node(struct namespace *namespace, struct slice path, struct node **node)
{
	int error = node_find(namespace, path, node);

	if (error == SYNOD_OK && *node != NULL && (*node)->stat.kind != NODE_LOCK)
		*node = NULL;
	return error;
}

int
lock_find(struct namespace *namespace, struct slice path, struct lock **result)
{
	struct lock *lock = table_find(&namespace->locks, path);
	struct node *node;
	int error = SYNOD_OK;

	*result = NULL;
	/* One that has contenders has a node: nothing to look up. */
	if (lock == NULL || lock->count == 0) {
		error = lock_find_node(namespace, path, &node);
		if (error != SYNOD_OK || node == NULL)
			return error;
		if (lock == NULL)
			lock = table_add(&namespace->locks, path);
		if (!lock->is_loaded && node->stat.children > 0)
			error = load_contenders(namespace, lock);
		lock->is_loaded = true;
	}
	*result = lock;
	return error;
}

int
lock_has_holder(struct namespace *namespace, struct slice path, uint64_t token, bool *has)
{
	struct lock *lock;
	int error = lock_find(namespace, path, &lock);

	*has = false;
	if (error != SYNOD_OK || lock == NULL)
		return error;
	for (uint32_t i = 0; i < lock->count && lock->contenders[i].token != 0; i++)
		if (lock->contenders[i].token == token ||
		    (PLANTED(FENCED_ACCEPTED) && token < lock->contenders[i].token))
			*has = true;
	if (lock->count == 0 && !lock->is_touched)
		table_remove(&namespace->locks, lock);
	return SYNOD_OK;
}

struct contender *
lock_contender_of(const struct lock *lock, uint64_t session)
{
	for (uint32_t i = 0; i < lock->count; i++)
		if (lock->contenders[i].session == session)
			return &lock->contenders[i];
	return NULL;
}

void
lock_contender_path(struct buffer *out, const struct lock *lock, uint64_t sequence)
{
	char name[24];

	snprintf(name, sizeof name, "%010" PRIu64, sequence);
	path_join(out, lock_path(lock), slice_of(name));
	CHECK(!out->failed);
}

/* ---- gaining and losing ---- */

void
lock_gain(struct namespace *namespace, struct lock *lock, const struct node *node)
{
	struct contender contender = {
		.sequence = sequence_of(path_name(node_path(node))),
		.session = node->stat.owner,
		.mode = (uint8_t)node->stat.mode,
	};

	CHECK(lock->is_loaded);
	if (lock->count > 0)
		CHECK(lock->contenders[lock->count - 1].sequence < contender.sequence);

	contender_append(&namespace->locks, lock, &contender);
}

int
lock_lose(struct namespace *namespace, struct slice path, const struct node_stat *stat,
          enum change_cause cause)
{
	struct lock_table *locks = &namespace->locks;
	struct lock *lock = table_find(locks, path_parent(path));
	struct contender *contender;

	CHECK(stat->kind == NODE_CONTENDER);

	if (lock == NULL)
		lock = table_add(locks, path_parent(path));
	contender = lock_contender_of(lock, stat->owner);
	if (lock->is_loaded)
		CHECK(contender != NULL);
	if (contender != NULL)
		contender_remove(locks, lock, contender);
	touch(locks, lock);
	if (cause == CAUSE_EXPIRED && stat->token != 0 && stat->ttl_ms > 0)
		return lock_delay(namespace, path_parent(path), stat->ttl_ms);
	return SYNOD_OK;
}

void
locks_forget(struct namespace *namespace)
{
	struct lock_table *locks = &namespace->locks;

	locks->touched_count = 0;
	drop_all(locks);
}

/* ---- settling ---- */

static int
settle_touched(struct namespace *namespace, struct lock *touched)
{
	struct lock *lock;
	struct node *node;
	int error = lock_find(namespace, lock_path(touched), &lock);

	if (error == SYNOD_OK && lock != NULL)
		error = lock_find_node(namespace, lock_path(lock), &node);
	if (error == SYNOD_OK && lock != NULL && lock->count > 0)
		error = lock_settle(namespace, lock, node);
	touched->is_touched = false;
	if (touched->count == 0)
		table_remove(&namespace->locks, touched);
	return error;
}

static int
compare_paths(const void *a, const void *b)
{
	const struct lock *const *left = a;
	const struct lock *const *right = b;

	return slice_compare(lock_path(*left), lock_path(*right));
}

/* The index is no larger than the cache of nodes. */
static void
trim(struct namespace *namespace)
{
	struct lock_table *locks = &namespace->locks;

	if (locks->count + locks->contender_count > namespace->options.cache_nodes)
		drop_all(locks);
}

int
locks_settle(struct namespace *namespace)
{
	struct lock_table *locks = &namespace->locks;

	if (locks->touched_count > 1)
		qsort(locks->touched, locks->touched_count, sizeof(struct lock *), compare_paths);
	for (size_t i = 0; i < locks->touched_count; i++) {
		int error = settle_touched(namespace, locks->touched[i]);

		if (error != SYNOD_OK)
			return error;
	}
	locks->touched_count = 0;
	trim(namespace);
	return SYNOD_OK;
}
