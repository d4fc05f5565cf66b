/* The table of watches: hashed by path, by number and by connection. */
#include "server/watch_table.h"

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/path.h"

#define BUCKETS_MIN 64

/* FNV-1a: the hashes of all ancestors fall out of one pass over a path. */
#define HASH_START  UINT64_C(0xcbf29ce484222325)
#define HASH_FACTOR UINT64_C(0x100000001b3)

static uint64_t
hash_bytes(uint64_t hash, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * HASH_FACTOR;
	return hash;
}

static size_t
bucket_of(uint64_t hash, size_t buckets)
{
	return (size_t)(hash ^ hash >> 29) & (buckets - 1);
}

static uint64_t
hash_number(uint64_t connection, uint64_t number)
{
	return (connection * UINT64_C(0x9e3779b97f4a7c15) + number) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* ---- paths ---- */

/* No path begins with a zero. */
struct session_key {
	uint8_t bytes[1 + sizeof(uint64_t)];
};

static struct session_key
key_of_session(uint64_t session)
{
	struct session_key key = {{0}};

	memcpy(key.bytes + 1, &session, sizeof session);
	return key;
}

static struct spot *
find_spot(const struct watch_table *table, uint64_t hash, const uint8_t *key, size_t size)
{
	struct spot *spot = table->spots[bucket_of(hash, table->spot_buckets)];

	while (spot &&
	       (spot->hash != hash || spot->key_size != size || memcmp(spot->key, key, size) != 0))
		spot = spot->same_bucket;
	return spot;
}

static void
grow_spots(struct watch_table *table)
{
	size_t buckets = table->spot_buckets * 2;
	struct spot **spots = check_calloc(buckets, sizeof(struct spot *));

	for (size_t i = 0; i < table->spot_buckets; i++) {
		while (table->spots[i]) {
			struct spot *spot = table->spots[i];
			struct spot **bucket = &spots[bucket_of(spot->hash, buckets)];

			table->spots[i] = spot->same_bucket;
			spot->same_bucket = *bucket;
			*bucket = spot;
		}
	}
	free(table->spots);
	table->spots = spots;
	table->spot_buckets = buckets;
}

static struct spot *
add_spot(struct watch_table *table, struct slice key)
{
	uint64_t hash = hash_bytes(HASH_START, key.bytes, key.size);
	struct spot *spot = find_spot(table, hash, key.bytes, key.size);
	struct spot **bucket;

	if (spot)
		return spot;
	if (table->spot_count >= table->spot_buckets)
		grow_spots(table);
	spot = check_calloc(1, sizeof *spot + key.size);
	spot->hash = hash;
	spot->key_size = (uint16_t)key.size;
	memcpy(spot->key, key.bytes, key.size);
	bucket = &table->spots[bucket_of(hash, table->spot_buckets)];
	spot->same_bucket = *bucket;
	*bucket = spot;
	table->spot_count++;
	return spot;
}

static void
drop_spot_if_empty(struct watch_table *table, struct spot *spot)
{
	struct spot **at = &table->spots[bucket_of(spot->hash, table->spot_buckets)];

	for (unsigned i = 0; i < WATCH_SUBTREE; i++) {
		if (spot->watches[i])
			return;
	}
	while (*at != spot)
		at = &(*at)->same_bucket;
	*at = spot->same_bucket;
	table->spot_count--;
	free(spot);
}

/* ---- numbers ---- */

static struct watch **
number_bucket(const struct watch_table *table, uint64_t connection, uint64_t number)
{
	return &table->numbers[bucket_of(hash_number(connection, number), table->number_buckets)];
}

static void
grow_numbers(struct watch_table *table)
{
	struct watch **old = table->numbers;
	size_t old_buckets = table->number_buckets;

	table->number_buckets = old_buckets * 2;
	table->numbers = check_calloc(table->number_buckets, sizeof(struct watch *));
	for (size_t i = 0; i < old_buckets; i++) {
		while (old[i]) {
			struct watch *watch = old[i];
			struct watch **bucket =
				number_bucket(table, watch->subscriber->id, watch->number);

			old[i] = watch->same_bucket;
			watch->same_bucket = *bucket;
			*bucket = watch;
		}
	}
	free(old);
}

struct watch *
table_find(const struct watch_table *table, uint64_t connection, uint64_t number)
{
	struct watch *watch = *number_bucket(table, connection, number);

	while (watch && (watch->number != number || watch->subscriber->id != connection))
		watch = watch->same_bucket;
	return watch;
}

/* ---- connections ---- */

static struct subscriber **
subscriber_bucket(const struct watch_table *table, uint64_t connection)
{
	return &table->subscribers[connection & (table->subscriber_buckets - 1)];
}

static void
grow_subscribers(struct watch_table *table)
{
	free(table->subscribers);
	table->subscriber_buckets *= 2;
	table->subscribers = check_calloc(table->subscriber_buckets, sizeof(struct subscriber *));
	for (struct subscriber *at = table->first; at; at = at->next) {
		struct subscriber **bucket = subscriber_bucket(table, at->id);

		at->same_bucket = *bucket;
		*bucket = at;
	}
}

struct subscriber *
table_subscriber(const struct watch_table *table, uint64_t connection)
{
	struct subscriber *subscriber = *subscriber_bucket(table, connection);

	while (subscriber && subscriber->id != connection)
		subscriber = subscriber->same_bucket;
	return subscriber;
}

struct subscriber *
table_add_subscriber(struct watch_table *table, struct connection *connection)
{
	struct subscriber *subscriber = table_subscriber(table, connection->id);
	struct subscriber **bucket;

	if (subscriber)
		return subscriber;
	if (table->subscriber_count >= table->subscriber_buckets)
		grow_subscribers(table);
	subscriber = check_calloc(1, sizeof *subscriber);
	subscriber->connection = connection_retain(connection);
	subscriber->id = connection->id;
	bucket = subscriber_bucket(table, connection->id);
	subscriber->same_bucket = *bucket;
	*bucket = subscriber;
	subscriber->next = table->first;
	subscriber->link = &table->first;
	if (subscriber->next)
		subscriber->next->link = &subscriber->next;
	table->first = subscriber;
	table->subscriber_count++;
	return subscriber;
}

void
table_remove_subscriber(struct watch_table *table, struct subscriber *subscriber)
{
	struct subscriber **at = subscriber_bucket(table, subscriber->id);

	CHECK(!subscriber->watches);
	CHECK(!subscriber->held);
	while (*at != subscriber)
		at = &(*at)->same_bucket;
	*at = subscriber->same_bucket;
	*subscriber->link = subscriber->next;
	if (subscriber->next)
		subscriber->next->link = subscriber->link;
	table->subscriber_count--;
	connection_release(subscriber->connection);
	free(subscriber);
}

/* ---- watches ---- */

void
table_init(struct watch_table *table)
{
	table->spot_buckets = table->number_buckets = table->subscriber_buckets = BUCKETS_MIN;
	table->spots = check_calloc(BUCKETS_MIN, sizeof(struct spot *));
	table->numbers = check_calloc(BUCKETS_MIN, sizeof(struct watch *));
	table->subscribers = check_calloc(BUCKETS_MIN, sizeof(struct subscriber *));
}

void
table_fini(struct watch_table *table)
{
	CHECK(table->count == 0);
	CHECK(table->spot_count == 0);
	CHECK(table->subscriber_count == 0);
	free(table->spots);
	free(table->numbers);
	free(table->subscribers);
}

static void
link_watch(struct watch_table *table, struct watch *watch)
{
	unsigned list = watch->scope == WATCH_OWNED ? 0 : watch->scope - 1u;
	struct watch **first = &watch->spot->watches[list];
	struct watch **bucket = number_bucket(table, watch->subscriber->id, watch->number);

	watch->next = *first;
	watch->link = first;
	if (watch->next)
		watch->next->link = &watch->next;
	*first = watch;
	watch->next_of = watch->subscriber->watches;
	watch->link_of = &watch->subscriber->watches;
	if (watch->next_of)
		watch->next_of->link_of = &watch->next_of;
	watch->subscriber->watches = watch;
	watch->same_bucket = *bucket;
	*bucket = watch;
}

struct watch *
table_add(struct watch_table *table, struct subscriber *subscriber,
          const struct watch_request *request, uint64_t session)
{
	struct session_key key = key_of_session(session);
	struct watch *watch = check_calloc(1, sizeof *watch);

	if (table->count >= table->number_buckets)
		grow_numbers(table);
	watch->subscriber = subscriber;
	watch->number = request->watch;
	watch->scope = request->scope;
	watch->with_data = (request->flags & WATCH_WITH_DATA) != 0;
	watch->first_hit = watch->last_hit = NO_HIT;
	watch->spot = add_spot(table, request->scope == WATCH_OWNED
	                                      ? (struct slice){key.bytes, sizeof key.bytes}
	                                      : request->path);
	link_watch(table, watch);
	subscriber->count++;
	table->count++;
	return watch;
}

void
table_remove(struct watch_table *table, struct watch *watch)
{
	struct watch **at = number_bucket(table, watch->subscriber->id, watch->number);

	CHECK(watch->queue == QUEUE_NONE);
	while (*at != watch)
		at = &(*at)->same_bucket;
	*at = watch->same_bucket;
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
	*watch->link_of = watch->next_of;
	if (watch->next_of)
		watch->next_of->link_of = watch->link_of;
	drop_spot_if_empty(table, watch->spot);
	watch->subscriber->count--;
	table->count--;
	free(watch);
}

struct slice
watch_path(const struct watch *watch, uint64_t *session)
{
	if (watch->scope != WATCH_OWNED)
		return (struct slice){watch->spot->key, watch->spot->key_size};
	memcpy(session, watch->spot->key + 1, sizeof *session);
	return (struct slice){NULL, 0};
}

/* ---- matching ---- */

struct match {
	const struct watch_table *table;
	void (*each)(void *context, struct watch *watch);
	void *context;
};

static void
tell_list(const struct match *match, struct watch *watch)
{
	while (watch) {
		struct watch *next = watch->next;

		match->each(match->context, watch);
		watch = next;
	}
}

/* The ancestor of SIZE bytes, or the path itself: watches of SCOPE_MIN and wider are meant. */
static void
match_prefix(const struct match *match, uint64_t hash, struct slice path, size_t size,
             unsigned scope_min)
{
	const struct spot *spot = find_spot(match->table, hash, path.bytes, size);

	for (unsigned scope = scope_min; spot && scope <= WATCH_SUBTREE; scope++)
		tell_list(match, spot->watches[scope - 1]);
}

static void
match_path(const struct match *match, struct slice path)
{
	size_t parent_size = path_is_root(path) ? 0 : path_parent(path).size;
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < path.size; i++) {
		if (i == 1 ||
		    (i > 1 && path.bytes[i] == '/')) /* the root's own slash is all of it */
			match_prefix(match, hash, path, i,
			             i == parent_size ? WATCH_CHILDREN : WATCH_SUBTREE);
		hash = (hash ^ path.bytes[i]) * HASH_FACTOR;
	}
	match_prefix(match, hash, path, path.size, WATCH_NODE);
}

static void
match_session(const struct match *match, uint64_t session)
{
	struct session_key key = key_of_session(session);
	uint64_t hash = hash_bytes(HASH_START, key.bytes, sizeof key.bytes);
	const struct spot *spot = find_spot(match->table, hash, key.bytes, sizeof key.bytes);

	if (spot)
		tell_list(match, spot->watches[0]);
}

void
table_match(const struct watch_table *table, const struct change *change,
            void (*each)(void *context, struct watch *watch), void *context)
{
	struct match match = {table, each, context};

	if (table->count == 0)
		return;
	match_path(&match, change->path);
	if (change->owner != 0)
		match_session(&match, change->owner);
	if (change->previous_owner != 0 && change->previous_owner != change->owner)
		match_session(&match, change->previous_owner);
}
