/* The stripes of a picker: who picks locks one, who replaces the slate locks each. */
#include "client/discovery/picker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STRIPES         16
#define CACHE_LINE_SIZE 64

struct stripe {
	_Alignas(2 * CACHE_LINE_SIZE) pthread_mutex_t lock;
	const struct slate *slate;
	struct chance chance;
	struct picker *picker;
	/* Picks that are not done, and one for the picker that is open. */
	atomic_size_t picks;
};

struct picker {
	struct stripe stripes[STRIPES];
	atomic_uint stripes_used; /* whose picks are not 0 */
	struct balance_options options;
	struct clock *clock;
	struct slate *slate; /* what the stripes have */
	char *zone;
};

/* ---- the clock ---- */

static uint64_t
coarse_now_us(struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t
coarse_wall_ms(struct clock *clock)
{
	(void)clock;
	return clock_wall_ms(clock_real());
}

static void
coarse_random(struct clock *clock, void *bytes, size_t size)
{
	(void)clock;
	clock_real()->ops->random(clock_real(), bytes, size);
}

struct clock *
picker_clock_coarse(void)
{
	static const struct clock_ops ops = {coarse_now_us, coarse_wall_ms, coarse_random};
	static struct clock coarse = {&ops};

	return &coarse;
}

/* ---- the picker ---- */

static void
picker_free(struct picker *picker)
{
	for (unsigned i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&picker->stripes[i].lock);
	slate_free(picker->slate);
	free(picker->zone);
	free(picker);
}

static void
stripe_release(struct stripe *stripe)
{
	struct picker *picker = stripe->picker;

	if (atomic_fetch_sub_explicit(&stripe->picks, 1, memory_order_acq_rel) > 1)
		return;
	if (atomic_fetch_sub_explicit(&picker->stripes_used, 1, memory_order_acq_rel) == 1)
		picker_free(picker);
}

static void
stripe_init(struct stripe *stripe, struct picker *picker)
{
	pthread_mutex_init(&stripe->lock, NULL);
	stripe->slate = picker->slate;
	stripe->picker = picker;
	stripe->chance.random = clock_random(picker->clock) | 1;
	stripe->chance.turn = clock_random(picker->clock) >> 32;
	atomic_init(&stripe->picks, 1);
}

struct picker *
picker_new(const struct balance_options *options, struct clock *clock)
{
	struct picker *picker;
	void *memory;

	if (posix_memalign(&memory, _Alignof(struct picker), sizeof *picker) != 0)
		return NULL;
	picker = memory;
	memset(picker, 0, sizeof *picker);
	picker->options = *options;
	picker->clock = clock;
	atomic_init(&picker->stripes_used, STRIPES);
	if (options->zone != NULL) {
		picker->zone = strdup(options->zone);
		picker->options.zone = picker->zone;
	}
	picker->slate = slate_new(&picker->options, NULL, 0);
	for (unsigned i = 0; i < STRIPES; i++)
		stripe_init(&picker->stripes[i], picker);
	if (picker->slate == NULL || (options->zone != NULL && picker->zone == NULL)) {
		picker_free(picker);
		return NULL;
	}
	return picker;
}

void
picker_close(struct picker *picker)
{
	/* The last one frees the picker. */
	for (unsigned i = 0; i < STRIPES; i++)
		stripe_release(&picker->stripes[i]);
}

uint64_t
picker_now_ms(const struct picker *picker)
{
	return clock_now_ms(picker->clock);
}

int
picker_set(struct picker *picker, struct target *const *targets, size_t count)
{
	struct slate *old = picker->slate;
	struct slate *slate = slate_new(&picker->options, targets, count);

	if (slate == NULL)
		return SYNOD_NO_MEMORY;
	for (unsigned i = 0; i < STRIPES; i++) {
		pthread_mutex_lock(&picker->stripes[i].lock);
		picker->stripes[i].slate = slate;
		pthread_mutex_unlock(&picker->stripes[i].lock);
	}
	picker->slate = slate;
	slate_free(old);
	return SYNOD_OK;
}

/* ---- picks ---- */

static struct stripe *
stripe_of_thread(struct picker *picker)
{
	static atomic_uint threads;
	static _Thread_local unsigned number; /* from 1 */

	if (number == 0)
		number = atomic_fetch_add(&threads, 1) % STRIPES + 1;
	return &picker->stripes[number - 1];
}

int
picker_pick(struct picker *picker, const struct synod_pick_options *options,
            struct synod_pick *pick)
{
	struct stripe *stripe = stripe_of_thread(picker);
	uint64_t now_ms = clock_now_ms(picker->clock);
	struct target *target;
	int error;

	pthread_mutex_lock(&stripe->lock);
	error = slate_pick(stripe->slate, options, &stripe->chance, now_ms, &target);
	pthread_mutex_unlock(&stripe->lock);
	if (error != SYNOD_OK) {
		*pick = (struct synod_pick){0};
		return error;
	}
	atomic_fetch_add_explicit(&stripe->picks, 1, memory_order_relaxed);
	*pick = (struct synod_pick){
		.instance = &target->record->instance,
		.slot = target,
		.origin = stripe,
		.begun_ms = now_ms,
	};
	return SYNOD_OK;
}

void
picker_done(struct synod_pick *pick, enum synod_outcome outcome)
{
	struct stripe *stripe = pick->origin;
	struct picker *picker = stripe->picker;

	target_done(pick->slot, &picker->options, outcome, pick->begun_ms,
	            clock_now_ms(picker->clock));
	*pick = (struct synod_pick){0};
	stripe_release(stripe);
}
