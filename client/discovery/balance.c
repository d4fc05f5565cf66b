/* Balancing: targets, slates of them, and the way of a pick through its rule. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "client/discovery/slate.h"
#include "shared/check.h"
#include "shared/error.h"

/* So often a rule is asked for one pick before everything is gone through. */
#define DRAWS_MAX 4

/* ---- what is known of an instance ---- */

struct health *
health_new(uint64_t now_ms)
{
	/* What every pick touches is in one line of the cache, which no other instance's shares. */
	size_t size = (sizeof(struct health) + 63) / 64 * 64;
	struct health *health = aligned_alloc(64, size);

	if (health == NULL)
		return NULL;
	*health = (struct health){.references = 1, .since_ms = now_ms};
	breaker_init(&health->breaker);
	return health;
}

void
health_retain(struct health *health)
{
	atomic_fetch_add_explicit(&health->references, 1, memory_order_relaxed);
}

void
health_release(struct health *health)
{
	if (health == NULL)
		return;
	if (atomic_fetch_sub_explicit(&health->references, 1, memory_order_acq_rel) != 1)
		return;
	breaker_fini(&health->breaker);
	free(health);
}

struct target *
target_new(struct record *record, struct health *health)
{
	struct target *target = malloc(sizeof *target);
	const char *id = record->instance.id;

	if (target == NULL)
		return NULL;
	record_retain(record);
	health_retain(health);
	*target = (struct target){
		.references = 1,
		.record = record,
		.health = health,
		.key = XXH3_64bits(id, strlen(id)),
	};
	return target;
}

void
target_retain(struct target *target)
{
	atomic_fetch_add_explicit(&target->references, 1, memory_order_relaxed);
}

void
target_release(struct target *target)
{
	if (target == NULL)
		return;
	if (atomic_fetch_sub_explicit(&target->references, 1, memory_order_acq_rel) != 1)
		return;
	record_release(target->record);
	health_release(target->health);
	free(target);
}

/* ---- the slate ---- */

static struct entry
entry_of(struct target *target, const struct balance_options *options)
{
	struct entry entry = {
		.target = target,
		.health = target->health,
		.weight = target->record->instance.weight,
		.tag = (uint32_t)target->key,
	};

	CHECK(entry.weight > 0);
	if (options->slow_start_ms != 0)
		entry.warm_ms = target->health->since_ms + options->slow_start_ms;
	return entry;
}

static bool
prepare_groups(struct slate *slate)
{
	slate->own.entries = slate->entries;
	slate->own.in_use = &slate->options->in_use[0];
	slate->spill.entries = slate->entries + slate->own.count;
	slate->spill.in_use = &slate->options->in_use[1];
	return group_prepare(&slate->own, slate->options) &&
	       group_prepare(&slate->spill, slate->options);
}

struct slate *
slate_new(struct balance_options *options, struct target *const *targets, size_t count)
{
	struct slate *slate = calloc(1, sizeof *slate);

	if (slate == NULL)
		return NULL;
	slate->options = options;
	slate->entries = malloc((count + 1) * sizeof *slate->entries);
	if (slate->entries == NULL) {
		free(slate);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		target_retain(targets[i]);
		slate->entries[i] = entry_of(targets[i], options);
	}
	slate->count = count;
	slate->own.count = count;
	if ((zones_matter(options) && !zones_split(slate)) || !prepare_groups(slate)) {
		slate_free(slate);
		return NULL;
	}
	return slate;
}

void
slate_free(struct slate *slate)
{
	if (slate == NULL)
		return;
	for (size_t i = 0; i < slate->count; i++)
		target_release(slate->entries[i].target);
	group_fini(&slate->own);
	group_fini(&slate->spill);
	free(slate->share);
	free(slate->entries);
	free(slate);
}

size_t
slate_count(const struct slate *slate)
{
	return slate->count;
}

/* ---- one entry ---- */

bool
entry_is_avoided(const struct picking *picking, const struct entry *entry)
{
	return picking->avoids && entry->tag == picking->avoid_tag &&
	       strcmp(entry->target->record->instance.id, picking->options->avoid) == 0;
}

/* What is not closed may change what the own zone can take. */
static bool
breaker_might_admit(const struct picking *picking, struct breaker *breaker)
{
	if (breaker_is_closed(breaker))
		return true;
	zones_doubt(picking->slate, picking->now_ms);
	return breaker_would_admit(breaker, &picking->slate->options->breaker, picking->now_ms);
}

bool
entry_can_take(const struct picking *picking, const struct entry *entry)
{
	const struct balance_options *options = picking->slate->options;
	struct health *health = entry->health;

	if (options->concurrent_max != 0 &&
	    atomic_load_explicit(&health->in_use, memory_order_relaxed) >= options->concurrent_max)
		return false;
	return breaker_might_admit(picking, &health->breaker) && !entry_is_avoided(picking, entry);
}

/* One more, if fewer than MAX (0: no bound) are; never more, even for a moment. */
static bool
in_use_enter(atomic_uint *in_use, unsigned max)
{
	unsigned old;

	if (max == 0) {
		atomic_fetch_add_explicit(in_use, 1, memory_order_relaxed);
		return true;
	}
	old = atomic_load_explicit(in_use, memory_order_relaxed);
	while (old < max)
		if (atomic_compare_exchange_weak_explicit(
			    in_use, &old, old + 1, memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

/* The bulkhead first: a trial that was taken must be made. */
static bool
entry_take(const struct picking *picking, const struct entry *entry)
{
	struct balance_options *options = picking->slate->options;
	struct health *health = entry->health;

	if (!in_use_enter(&health->in_use, options->concurrent_max))
		return false;
	if (!breaker_is_closed(&health->breaker)) {
		zones_doubt(picking->slate, picking->now_ms);
		if (!breaker_admits(&health->breaker, &options->breaker, picking->now_ms)) {
			atomic_fetch_sub_explicit(&health->in_use, 1, memory_order_relaxed);
			return false;
		}
	}
	if (options->balance == SYNOD_HASH)
		atomic_fetch_add_explicit(&options->in_use[!zone_is_own(options, entry->target)], 1,
		                          memory_order_relaxed);
	target_retain(entry->target);
	return true;
}

/* ---- picking ---- */

static struct entry *
pick_by_rule(struct picking *picking, const struct group *group)
{
	for (unsigned i = 0; i < DRAWS_MAX && group->count > 0; i++) {
		struct entry *entry = group_draw(group, picking);

		if (entry == NULL)
			return NULL;
		if (!entry_is_avoided(picking, entry) && entry_take(picking, entry))
			return entry;
	}
	return NULL;
}

/* The last resort, and the very last: the one that is to be avoided. */
static struct entry *
pick_anybody(struct picking *picking)
{
	const struct slate *slate = picking->slate;
	size_t at = scale((uint32_t)(chance_next(picking->chance) >> 32), slate->count);
	struct entry *avoided = NULL;

	for (size_t i = 0; i < slate->count; i++) {
		struct entry *entry = &slate->entries[at];

		at = at + 1 < slate->count ? at + 1 : 0;
		if (entry_is_avoided(picking, entry))
			avoided = entry;
		else if (entry_take(picking, entry))
			return entry;
	}
	return avoided != NULL && entry_take(picking, avoided) ? avoided : NULL;
}

/* The key's hash also decides whether it stays in the zone, so that it does so every time. */
static uint32_t
prepare_key(struct picking *picking)
{
	const struct synod_pick_options *options = picking->options;

	if (picking->slate->options->balance != SYNOD_HASH)
		return (uint32_t)(chance_next(picking->chance) >> 32);
	if (options != NULL && options->key != NULL) {
		XXH128_hash_t hash = XXH3_128bits(options->key, options->key_size);

		picking->key_low = hash.low64;
		picking->key_high = hash.high64;
	} else {
		picking->key_low = chance_next(picking->chance);
		picking->key_high = chance_next(picking->chance);
	}
	return (uint32_t)picking->key_low;
}

static struct entry *
pick_by_zone(struct picking *picking)
{
	const struct slate *slate = picking->slate;
	uint32_t random = 0;
	struct entry *entry = NULL;

	if (slate->share != NULL || slate->options->balance == SYNOD_HASH)
		random = prepare_key(picking);
	if (slate->share == NULL || zones_keep(slate, random, picking->now_ms))
		entry = pick_by_rule(picking, &slate->own);
	if (entry == NULL)
		entry = pick_by_rule(picking, &slate->spill);
	return entry;
}

int
slate_pick(const struct slate *slate, const struct synod_pick_options *options,
           struct chance *chance, uint64_t now_ms, struct target **target)
{
	struct picking picking = {
		.slate = slate,
		.options = options,
		.chance = chance,
		.now_ms = now_ms,
	};
	struct entry *entry;

	if (slate->count == 0)
		return SYNOD_NOT_FOUND;
	if (options != NULL && options->avoid != NULL) {
		picking.avoids = true;
		picking.avoid_tag = (uint32_t)XXH3_64bits(options->avoid, strlen(options->avoid));
	}
	entry = pick_by_zone(&picking);
	if (entry == NULL)
		entry = pick_anybody(&picking);
	if (entry == NULL)
		return SYNOD_BUSY;
	*target = entry->target;
	return SYNOD_OK;
}

bool
target_done(struct target *target, struct balance_options *options, enum synod_outcome outcome,
            uint64_t begun_ms, uint64_t now_ms)
{
	struct health *health = target->health;
	bool has_changed =
		breaker_tell(&health->breaker, &options->breaker, outcome, begun_ms, now_ms);

	atomic_fetch_sub_explicit(&health->in_use, 1, memory_order_relaxed);
	if (options->balance == SYNOD_HASH)
		atomic_fetch_sub_explicit(&options->in_use[!zone_is_own(options, target)], 1,
		                          memory_order_relaxed);
	target_release(target);
	return has_changed;
}
