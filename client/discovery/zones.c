/* Zones: which targets are near, and how much of the load they can take. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "client/discovery/slate.h"

/* So old may be what is known of the breakers. */
#define RECOUNT_MS 100

bool
zones_matter(const struct balance_options *options)
{
	return options->zone != NULL && options->zone[0] != '\0';
}

bool
zone_is_own(const struct balance_options *options, const struct target *target)
{
	return !zones_matter(options) || strcmp(target->record->instance.zone, options->zone) == 0;
}

/* ---- the weights of the zones ---- */

struct zone {
	const char *name;
	uint64_t weight;
};

struct zones {
	struct zone *zones;
	size_t count;
	uint32_t *slots; /* by the hash of the name: index + 1, or 0 */
	size_t slot_mask;
	uint32_t *zone_of; /* each entry's */
	uint64_t weight;
};

static uint32_t
zone_find(struct zones *zones, const char *name)
{
	size_t slot = XXH3_64bits(name, strlen(name)) & zones->slot_mask;

	for (; zones->slots[slot] != 0; slot = (slot + 1) & zones->slot_mask)
		if (strcmp(zones->zones[zones->slots[slot] - 1].name, name) == 0)
			return zones->slots[slot] - 1;
	zones->zones[zones->count] = (struct zone){name, 0};
	zones->slots[slot] = (uint32_t)++zones->count;
	return (uint32_t)zones->count - 1;
}

static void
zones_fini(struct zones *zones)
{
	free(zones->zones);
	free(zones->slots);
	free(zones->zone_of);
}

/* The own zone is the first, whether it has targets or not. */
static bool
zones_init(struct zones *zones, const struct slate *slate)
{
	size_t slot_count = 4;

	while (slot_count < 2 * (slate->count + 1))
		slot_count *= 2;
	*zones = (struct zones){
		.zones = malloc((slate->count + 1) * sizeof *zones->zones),
		.slots = calloc(slot_count, sizeof *zones->slots),
		.slot_mask = slot_count - 1,
		.zone_of = malloc((slate->count + 1) * sizeof *zones->zone_of),
	};
	if (zones->zones == NULL || zones->slots == NULL || zones->zone_of == NULL) {
		zones_fini(zones);
		return false;
	}
	zone_find(zones, slate->options->zone);
	for (size_t i = 0; i < slate->count; i++) {
		const struct entry *entry = &slate->entries[i];

		zones->zone_of[i] = zone_find(zones, entry->target->record->instance.zone);
		zones->zones[zones->zone_of[i]].weight += entry->weight;
		zones->weight += entry->weight;
	}
	return true;
}

/* ---- the order of the entries ---- */

enum place {
	OWN,
	SPILL,
	REST
};

static bool
has_surplus(const struct zones *zones, uint32_t zone)
{
	return zones->zones[zone].weight * zones->count > zones->weight;
}

static enum place
place_of(const struct zones *zones, bool any_surplus, uint32_t zone)
{
	if (zone == 0)
		return OWN;
	return !any_surplus || has_surplus(zones, zone) ? SPILL : REST;
}

/* By place, and among those of one by id as before. */
static bool
put_in_order(struct slate *slate, const struct zones *zones)
{
	struct entry *entries = malloc((slate->count + 1) * sizeof *entries);
	bool any_surplus = false;
	size_t counts[3] = {0}, at = 0;

	if (entries == NULL)
		return false;
	for (uint32_t zone = 1; zone < zones->count; zone++)
		any_surplus = any_surplus || has_surplus(zones, zone);
	for (enum place place = OWN; place <= REST; place++)
		for (size_t i = 0; i < slate->count; i++)
			if (place_of(zones, any_surplus, zones->zone_of[i]) == place) {
				entries[at++] = slate->entries[i];
				counts[place]++;
			}
	free(slate->entries);
	slate->entries = entries;
	slate->own.count = counts[OWN];
	slate->spill.count = counts[SPILL];
	return true;
}

/* ---- the share that stays ---- */

/* What the own zone can take of its even share.  Returns whether all breakers are closed. */
static bool
count_share(const struct slate *slate)
{
	double own = 0, all = 0, share;
	bool all_closed = true;

	for (size_t i = 0; i < slate->count; i++) {
		const struct entry *entry = &slate->entries[i];

		if (!breaker_is_closed(&entry->health->breaker)) {
			all_closed = false;
			continue;
		}
		all += entry->weight;
		own += i < slate->own.count ? entry->weight : 0;
	}
	share = own * (double)slate->share->zone_count;
	atomic_store_explicit(&slate->share->keep,
	                      share >= all ? KEEP_ALL : (unsigned)(share / all * 4294967295.0),
	                      memory_order_relaxed);
	return all_closed;
}

bool
zones_split(struct slate *slate)
{
	struct zones zones;
	bool is_done;

	if (!zones_init(&zones, slate))
		return false;
	slate->share = calloc(1, sizeof *slate->share);
	is_done = slate->share != NULL && put_in_order(slate, &zones);
	if (is_done) {
		slate->share->zone_count = zones.count;
		slate->share->recount_at_ms = count_share(slate) ? NOT_DUE : 0;
	}
	zones_fini(&zones);
	return is_done;
}

/* One of the threads that see that it is due. */
static void
recount(const struct slate *slate, uint64_t due_ms, uint64_t now_ms)
{
	atomic_uint_fast64_t *at_ms = &slate->share->recount_at_ms;

	if (!atomic_compare_exchange_strong(at_ms, &due_ms, now_ms + RECOUNT_MS))
		return;
	if (count_share(slate))
		atomic_store_explicit(at_ms, NOT_DUE, memory_order_relaxed);
}

bool
zones_keep(const struct slate *slate, uint32_t random, uint64_t now_ms)
{
	uint64_t due_ms;
	unsigned keep;

	if (slate->own.count == 0)
		return false;
	if (slate->spill.count == 0)
		return true;
	due_ms = atomic_load_explicit(&slate->share->recount_at_ms, memory_order_relaxed);
	if (now_ms >= due_ms)
		recount(slate, due_ms, now_ms);
	keep = atomic_load_explicit(&slate->share->keep, memory_order_relaxed);
	return keep == KEEP_ALL || random < keep;
}

void
zones_doubt(const struct slate *slate, uint64_t now_ms)
{
	uint_fast64_t not_due = NOT_DUE;

	if (slate->share != NULL)
		atomic_compare_exchange_strong(&slate->share->recount_at_ms, &not_due, now_ms);
}
