/* Targets made by hand, and counts of who is picked. */
#ifndef TESTS_UNIT_DISCOVERY_SLATES_H
#define TESTS_UNIT_DISCOVERY_SLATES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/discovery/balance.h"

#define TARGETS_MAX 10000

static struct balance_options balance_options;
static struct target *targets[TARGETS_MAX];
static size_t target_count;
static struct slate *slate;
static struct chance chance;
static uint64_t now_ms;
static unsigned counts[TARGETS_MAX]; /* picks of each, by number */
static unsigned held[TARGETS_MAX];   /* of them those that are not done */
static size_t last_picked;

static inline struct record *
make_record(const char *id, unsigned weight, const char *zone)
{
	struct synod_instance instance = {
		.id = id, .address = "h", .port = 1, .weight = weight, .zone = zone};
	struct record *record;
	char why[128];

	assert_int_equal(record_make(&instance, &record, why), SYNOD_OK);
	return record;
}

/* Number NUMBER is "i-00NUMBER", so that numbers are in the order of ids. */
static inline struct target *
make_target(size_t number, unsigned weight, const char *zone)
{
	struct health *health = health_new(now_ms);
	struct record *record;
	struct target *target;
	char id[32];

	assert_non_null(health);
	snprintf(id, sizeof id, "i-%05zu", number);
	record = make_record(id, weight, zone);
	target = target_new(record, health);
	assert_non_null(target);
	record_release(record);
	health_release(health);
	return target;
}

static inline void
add_target(unsigned weight, const char *zone)
{
	targets[target_count] = make_target(target_count, weight, zone);
	target_count++;
}

static inline void
add_targets(size_t count)
{
	for (size_t i = 0; i < count; i++)
		add_target(100, NULL);
}

static inline void
make_slate(void)
{
	slate_free(slate);
	slate = slate_new(&balance_options, targets, target_count);
	assert_non_null(slate);
}

static inline size_t
number_of(const struct target *target)
{
	return strtoul(target->record->instance.id + 2, NULL, 10);
}

/* LAST_PICKED is in use until done(). */
static inline int
try_to_pick(const struct synod_pick_options *options)
{
	struct target *target;
	int error = slate_pick(slate, options, &chance, now_ms, &target);

	if (error == SYNOD_OK) {
		last_picked = number_of(target);
		assert_ptr_equal(targets[last_picked], target);
		counts[last_picked]++;
		held[last_picked]++;
	}
	return error;
}

static inline size_t
pick_with(const struct synod_pick_options *options)
{
	assert_int_equal(try_to_pick(options), SYNOD_OK);
	return last_picked;
}

static inline size_t
pick(void)
{
	return pick_with(NULL);
}

static inline bool
done(size_t number, enum synod_outcome outcome)
{
	assert_true(held[number] > 0);
	held[number]--;
	return target_done(targets[number], &balance_options, outcome, now_ms, now_ms);
}

/* COUNT calls, one after the other. */
static inline void
call(unsigned count)
{
	memset(counts, 0, sizeof counts);
	for (unsigned i = 0; i < count; i++)
		done(pick(), SYNOD_ABANDONED);
}

static inline void
break_target(size_t number)
{
	for (unsigned i = 0; i < balance_options.breaker.failures; i++) {
		struct health *health = targets[number]->health;

		breaker_tell(&health->breaker, &balance_options.breaker, SYNOD_FAILED, now_ms,
		             now_ms);
	}
	assert_false(breaker_is_closed(&targets[number]->health->breaker));
}

/* An instance that is busy with so many calls. */
static inline void
set_in_use(size_t number, unsigned in_use)
{
	atomic_store(&targets[number]->health->in_use, in_use);
}

/* Is COUNTED the SHARE of COUNT, give or take six sigma?  All and nothing have none. */
static inline void
assert_share(unsigned counted, double share, unsigned count)
{
	double expected = share * count;
	double deviation = expected - counted;

	if (deviation * deviation > 36 * expected * (1 - share) + 0.01)
		fail_msg("%u of %u where %g are expected", counted, count, expected);
}

static inline int
set_up(void **state)
{
	(void)state;
	balance_options = (struct balance_options){0};
	assert_int_equal(breaker_options_complete(&balance_options.breaker), SYNOD_OK);
	chance = (struct chance){.random = 0x123456789abcdef};
	now_ms = 1000000;
	target_count = 0;
	slate = NULL;
	memset(counts, 0, sizeof counts);
	memset(held, 0, sizeof held);
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	slate_free(slate);
	for (size_t i = 0; i < target_count; i++) {
		while (held[i] > 0)
			done(i, SYNOD_ABANDONED);
		target_release(targets[i]);
	}
	return 0;
}

#endif
