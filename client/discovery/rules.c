/* The rules of balancing: each draws one of a group. */
#include <stdlib.h>

#include "client/discovery/slate.h"
#include "shared/check.h"

/* So often one pick turns down young targets before it takes what comes. */
#define DRAWS_MAX 8

/* Weights are compared as so many parts each, so that a young target's can be a tenth. */
#define PARTS       1024u
#define PARTS_BEGIN 102u

/* ---- slow start ---- */

/* How many of its PARTS a young entry's weight has grown to. */
static uint64_t
grown_parts(const struct picking *picking, const struct entry *entry)
{
	uint64_t slow_start_ms = picking->slate->options->slow_start_ms;
	uint64_t begun_ms = entry->warm_ms - slow_start_ms;
	uint64_t age_ms = picking->now_ms > begun_ms ? picking->now_ms - begun_ms : 0;

	return PARTS_BEGIN + (PARTS - PARTS_BEGIN) * age_ms / slow_start_ms;
}

static uint64_t
grown_weight(const struct picking *picking, const struct entry *entry)
{
	if (picking->now_ms >= entry->warm_ms)
		return (uint64_t)entry->weight * PARTS;
	return entry->weight * grown_parts(picking, entry);
}

static bool
is_turned_down(struct picking *picking, const struct entry *entry)
{
	if (picking->now_ms >= entry->warm_ms)
		return false;
	return scale((uint32_t)(chance_next(picking->chance) >> 32), PARTS) >=
	       grown_parts(picking, entry);
}

/* ---- rules that compare ---- */

static uint64_t
in_use_of(const struct entry *entry)
{
	return atomic_load_explicit(&entry->health->in_use, memory_order_relaxed);
}

/* Of A and B the one with less in use by weight. */
static struct entry *
less_in_use(struct picking *picking, struct entry *a, struct entry *b)
{
	uint64_t weight_a = grown_weight(picking, a), weight_b = grown_weight(picking, b);
	uint64_t in_use_a = in_use_of(a) * weight_b, in_use_b = in_use_of(b) * weight_a;

	if (in_use_a != in_use_b)
		return in_use_a < in_use_b ? a : b;
	return scale((uint32_t)(chance_next(picking->chance) >> 32), weight_a + weight_b) < weight_a
	               ? a
	               : b;
}

/* M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001. */
static struct entry *
draw_two_choices(const struct group *group, struct picking *picking)
{
	uint64_t random = chance_next(picking->chance);
	size_t first = scale((uint32_t)(random >> 32), group->count);
	size_t second;
	struct entry *a = &group->entries[first], *b;

	if (group->count == 1)
		return a;
	second = scale((uint32_t)random, group->count - 1);
	second += second >= first;
	b = &group->entries[second];
	if (!entry_can_take(picking, a))
		return b;
	if (!entry_can_take(picking, b))
		return a;
	return less_in_use(picking, a, b);
}

/* Among those with the least, one at random by weight: each new one replaces the one before with
 * its part of the weights so far (M.-T. Chao, 1982). */
static struct entry *
draw_least_in_use(const struct group *group, struct picking *picking)
{
	struct entry *best = NULL;
	uint64_t best_in_use = 0, best_weight = 1, tied_weight = 0;

	for (size_t i = 0; i < group->count; i++) {
		struct entry *entry = &group->entries[i];
		uint64_t weight = grown_weight(picking, entry), in_use = in_use_of(entry);

		if (best != NULL && in_use * best_weight > best_in_use * weight)
			continue;
		if (!entry_can_take(picking, entry))
			continue;
		if (best == NULL || in_use * best_weight < best_in_use * weight)
			tied_weight = 0;
		tied_weight += weight;
		if (tied_weight != weight &&
		    (double)(chance_next(picking->chance) >> 11) * 0x1p-53 * (double)tied_weight >=
		            (double)weight)
			continue;
		best = entry;
		best_in_use = in_use;
		best_weight = weight;
	}
	return best;
}

/* ---- rules that do not ---- */

static struct entry *
draw_round_robin(const struct group *group, struct picking *picking)
{
	uint64_t turn = picking->chance->turn;

	if (turn >= group->count)
		turn %= group->count;
	picking->chance->turn = turn + 1 < group->count ? turn + 1 : 0;
	return &group->entries[turn];
}

static struct entry *
draw_random(const struct group *group, struct picking *picking)
{
	return &group->entries[scale((uint32_t)(chance_next(picking->chance) >> 32), group->count)];
}

static struct entry *
draw_weighted(const struct group *group, struct picking *picking)
{
	return &group->entries[alias_pick(group->columns, group->count,
	                                  chance_next(picking->chance))];
}

static uint32_t
weight_at(const void *context, size_t index)
{
	const struct group *group = context;

	return group->entries[index].weight;
}

static bool
prepare_weighted(struct group *group, const struct balance_options *options)
{
	(void)options;
	group->columns = alias_new(group->count, weight_at, group);
	return group->columns != NULL;
}

/* ---- consistent hashing ---- */

struct search {
	const struct group *group;
	const struct picking *picking;
	double bound; /* of a weight of one */
};

/* The bound is rounded up, as the paper has it: so somebody is always below it. */
static bool
has_room(void *context, size_t index)
{
	const struct search *search = context;
	const struct entry *entry = &search->group->entries[index];

	return (double)in_use_of(entry) < search->bound * entry->weight &&
	       entry_can_take(search->picking, entry);
}

static bool
can_take(void *context, size_t index)
{
	const struct search *search = context;

	return entry_can_take(search->picking, &search->group->entries[index]);
}

static struct entry *
draw_hash(const struct group *group, struct picking *picking)
{
	uint64_t in_use = atomic_load_explicit(group->in_use, memory_order_relaxed);
	struct search search = {group, picking, group->bound * (double)(in_use + 1)};
	size_t index =
		ring_find(group->ring, picking->key_low, picking->key_high, has_room, &search);

	/* Those below their bound are all broken or full: better too much than nothing. */
	if (index == RING_NONE)
		index = ring_find(group->ring, picking->key_low, picking->key_high, can_take,
		                  &search);
	return index != RING_NONE ? &group->entries[index] : NULL;
}

static struct ring_item
ring_item_at(const void *context, size_t index)
{
	const struct entry *entry = &((const struct group *)context)->entries[index];

	return (struct ring_item){entry->target->key, entry->weight};
}

static bool
prepare_hash(struct group *group, const struct balance_options *options)
{
	unsigned load_percent = options->load_percent != 0 ? options->load_percent : 125;
	uint64_t weight = 0;

	for (size_t i = 0; i < group->count; i++)
		weight += group->entries[i].weight;
	group->bound = load_percent / (100.0 * (double)weight);
	group->ring = ring_new(group->count, ring_item_at, group);
	return group->ring != NULL;
}

/* ---- all of them ---- */

static const struct rule {
	struct entry *(*draw)(const struct group *group, struct picking *picking);
	bool turns_down; /* young ones; the others compare weights, or do without */
	bool (*prepare)(struct group *group, const struct balance_options *options);
} rules[] = {
	[SYNOD_TWO_CHOICES] = {draw_two_choices, false, NULL},
	[SYNOD_ROUND_ROBIN] = {draw_round_robin, true, NULL},
	[SYNOD_RANDOM] = {draw_random, true, NULL},
	[SYNOD_WEIGHTED] = {draw_weighted, true, prepare_weighted},
	[SYNOD_LEAST_IN_USE] = {draw_least_in_use, false, NULL},
	[SYNOD_HASH] = {draw_hash, false, prepare_hash},
};

bool
group_prepare(struct group *group, const struct balance_options *options)
{
	const struct rule *rule = &rules[options->balance];

	CHECK(options->balance <= SYNOD_HASH);
	return group->count == 0 || rule->prepare == NULL || rule->prepare(group, options);
}

void
group_fini(struct group *group)
{
	free(group->columns);
	ring_free(group->ring);
}

struct entry *
group_draw(const struct group *group, struct picking *picking)
{
	const struct rule *rule = &rules[picking->slate->options->balance];
	struct entry *entry = rule->draw(group, picking);

	if (rule->turns_down)
		for (unsigned i = 1; i < DRAWS_MAX && is_turned_down(picking, entry); i++)
			entry = rule->draw(group, picking);
	return entry;
}
