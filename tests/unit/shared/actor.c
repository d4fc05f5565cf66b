/* Actors: order, one at a time, no lost wake-up, from many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/actor.h"

#define POSTERS 4
#define ITEMS   20000

struct numbered {
	struct actor_item item;
	unsigned poster;
	unsigned number;
};

struct world {
	struct actor *actor;
	struct numbered items[POSTERS][ITEMS];
	unsigned next[POSTERS]; /* expected of each poster */
	unsigned disorder;
	unsigned handled;
	unsigned idle_after; /* `handled` when on_idle last ran */
	unsigned idle_count;
	atomic_int inside;
	atomic_int overlaps;
};

static struct world world;

static void
on_numbered(void *owner, struct actor_item *item)
{
	struct world *w = owner;
	struct numbered *numbered = (struct numbered *)item;

	if (atomic_fetch_add(&w->inside, 1) != 0)
		atomic_fetch_add(&w->overlaps, 1);
	if (numbered->number != w->next[numbered->poster]++)
		w->disorder++;
	w->handled++;
	atomic_fetch_sub(&w->inside, 1);
}

static void
on_idle(void *owner)
{
	struct world *w = owner;

	w->idle_after = w->handled;
	w->idle_count++;
}

static const struct actor_handler handler = {on_numbered, on_idle};

static void *
post_all(void *argument)
{
	struct numbered *items = argument;

	for (unsigned i = 0; i < ITEMS; i++)
		actor_post(world.actor, &items[i].item);
	return NULL;
}

static void
prepare(enum actor_mode mode)
{
	world = (struct world){0};
	for (unsigned p = 0; p < POSTERS; p++)
		for (unsigned i = 0; i < ITEMS; i++)
			world.items[p][i] = (struct numbered){.poster = p, .number = i};
	world.actor = actor_new("test-actor-with-a-long-name", mode, &handler, &world);
	assert_non_null(world.actor);
}

static void
post_from_many_threads(enum actor_mode mode)
{
	pthread_t threads[POSTERS];

	prepare(mode);
	for (unsigned p = 0; p < POSTERS; p++)
		assert_int_equal(0, pthread_create(&threads[p], NULL, post_all, world.items[p]));
	for (unsigned p = 0; p < POSTERS; p++)
		pthread_join(threads[p], NULL);
	actor_stop(world.actor);
	assert_int_equal(POSTERS * ITEMS, world.handled);
	assert_int_equal(0, world.disorder);
	assert_int_equal(0, atomic_load(&world.overlaps));
	assert_int_equal(world.handled, world.idle_after);
	assert_true(world.idle_count > 0);
	assert_int_equal(0, actor_backlog(world.actor));
	actor_free(world.actor);
}

static void
a_strand_handles_each_posters_items_in_order_one_at_a_time(void **state)
{
	(void)state;
	post_from_many_threads(ACTOR_STRAND);
}

static void
a_thread_handles_each_posters_items_in_order_one_at_a_time(void **state)
{
	(void)state;
	post_from_many_threads(ACTOR_THREAD);
}

static void
a_manual_actor_runs_only_when_it_is_told_to(void **state)
{
	(void)state;
	prepare(ACTOR_MANUAL);
	assert_false(actor_run(world.actor));
	actor_post(world.actor, &world.items[0][0].item);
	actor_post(world.actor, &world.items[0][1].item);
	assert_int_equal(0, world.handled);
	assert_int_equal(2, actor_backlog(world.actor));
	assert_true(actor_run(world.actor));
	assert_int_equal(2, world.handled);
	assert_int_equal(0, world.disorder);
	assert_int_equal(1, world.idle_count);
	assert_false(actor_run(world.actor));
	actor_free(world.actor);
}

static void
a_strand_is_run_by_its_poster_before_the_post_returns(void **state)
{
	(void)state;
	prepare(ACTOR_STRAND);
	actor_post(world.actor, &world.items[0][0].item);
	assert_int_equal(1, world.handled);
	assert_int_equal(1, world.idle_after);
	actor_free(world.actor);
}

/* An actor that posts to itself: the second item waits until the first is handled. */
struct reentrant {
	struct actor *actor;
	struct actor_item first, second, third;
	char trace[16];
	unsigned length;
	bool posted_in_idle;
};

static void
reentrant_on_item(void *owner, struct actor_item *item)
{
	struct reentrant *r = owner;

	r->trace[r->length++] = item == &r->first ? 'a' : item == &r->second ? 'b' : 'c';
	if (item == &r->first) {
		actor_post(r->actor, &r->second);
		r->trace[r->length++] = 'A';
	}
}

static void
reentrant_on_idle(void *owner)
{
	struct reentrant *r = owner;

	r->trace[r->length++] = '.';
	if (!r->posted_in_idle) {
		r->posted_in_idle = true;
		actor_post(r->actor, &r->third);
	}
}

static void
a_post_from_inside_a_handler_waits_for_its_turn(void **state)
{
	static const struct actor_handler reentrant_handler = {reentrant_on_item,
	                                                       reentrant_on_idle};
	struct reentrant r = {0};

	(void)state;
	r.actor = actor_new("reentrant", ACTOR_STRAND, &reentrant_handler, &r);
	actor_post(r.actor, &r.first);
	assert_string_equal("aAb.c.", r.trace);
	actor_free(r.actor);
}

/* One item goes back and forth between two actors: each hop is a wake-up that could get lost. */
#define HOPS 20000

struct player {
	struct actor *self, *other;
	atomic_uint *hops;
	struct actor_item *ball;
};

static void
player_on_item(void *owner, struct actor_item *item)
{
	struct player *player = owner;

	if (atomic_fetch_add(player->hops, 1) < HOPS)
		actor_post(player->other, item);
}

static void
play(enum actor_mode one, enum actor_mode two)
{
	static const struct actor_handler player_handler = {player_on_item, NULL};
	atomic_uint hops = 0;
	struct actor_item ball = {0};
	struct player a = {.hops = &hops}, b = {.hops = &hops};

	a.self = b.other = actor_new("one", one, &player_handler, &a);
	b.self = a.other = actor_new("two", two, &player_handler, &b);
	actor_post(a.self, &ball);
	while (atomic_load(&hops) <= HOPS)
		usleep(100);
	actor_free(a.self);
	actor_free(b.self);
	assert_int_equal(HOPS + 1, atomic_load(&hops));
}

static void
no_wake_up_is_lost_between_two_threads(void **state)
{
	(void)state;
	play(ACTOR_THREAD, ACTOR_THREAD);
}

static void
no_wake_up_is_lost_between_a_strand_and_a_thread(void **state)
{
	(void)state;
	play(ACTOR_STRAND, ACTOR_THREAD);
}

/* A strand freed as soon as its last item is seen, while its poster is still leaving it. */
static void
seen_on_item(void *owner, struct actor_item *item)
{
	(void)item;
	atomic_store((atomic_bool *)owner, true);
}

static void *
post_one(void *argument)
{
	struct player *player = argument;

	actor_post(player->self, player->ball);
	return NULL;
}

static void
free_right_after_the_last_item(enum actor_mode mode)
{
	static const struct actor_handler seen_handler = {seen_on_item, NULL};

	for (unsigned i = 0; i < 300; i++) {
		atomic_bool seen = false;
		struct actor_item item = {0};
		struct player player = {.ball = &item};
		pthread_t thread;

		player.self = actor_new("brief", mode, &seen_handler, &seen);
		assert_int_equal(0, pthread_create(&thread, NULL, post_one, &player));
		while (!atomic_load(&seen))
			sched_yield();
		actor_free(player.self);
		pthread_join(thread, NULL);
	}
}

static void
may_be_freed_while_its_last_poster_is_still_returning(void **state)
{
	(void)state;
	free_right_after_the_last_item(ACTOR_STRAND);
	free_right_after_the_last_item(ACTOR_THREAD);
}

/* ---- a manual actor that somebody must be told of ---- */

static void
count_wake(void *context)
{
	atomic_fetch_add((atomic_uint *)context, 1);
}

static void
a_manual_actor_wakes_when_something_is_posted_to_it_while_idle(void **state)
{
	static const struct actor_handler seen_handler = {seen_on_item, NULL};
	struct actor_item items[3] = {0};
	atomic_uint wakes = 0;
	atomic_bool seen = false;
	struct actor *actor = actor_new("manual", ACTOR_MANUAL, &seen_handler, &seen);

	(void)state;
	actor_set_wake(actor, count_wake, &wakes);
	actor_post(actor, &items[0]);
	actor_post(actor, &items[1]);
	assert_int_equal(atomic_load(&wakes), 1);
	assert_false(atomic_load(&seen));
	assert_true(actor_run(actor));
	assert_true(atomic_load(&seen));
	actor_post(actor, &items[2]);
	assert_int_equal(atomic_load(&wakes), 2);
	assert_true(actor_run(actor));
	actor_free(actor);
}

/* Its item is handled before it has called `wake`: the actor may go only when it has. */
static void
a_manual_actor_may_be_freed_while_its_last_poster_still_wakes(void **state)
{
	static const struct actor_handler seen_handler = {seen_on_item, NULL};

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		atomic_uint *wakes = calloc(1, sizeof *wakes);
		atomic_bool seen = false;
		struct actor_item item = {0};
		struct player player = {.ball = &item};
		pthread_t thread;

		player.self = actor_new("brief", ACTOR_MANUAL, &seen_handler, &seen);
		actor_set_wake(player.self, count_wake, wakes);
		assert_int_equal(0, pthread_create(&thread, NULL, post_one, &player));
		while (!atomic_load(&seen))
			actor_run(player.self);
		actor_free(player.self);
		free(wakes);
		pthread_join(thread, NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_strand_handles_each_posters_items_in_order_one_at_a_time),
		cmocka_unit_test(a_thread_handles_each_posters_items_in_order_one_at_a_time),
		cmocka_unit_test(a_manual_actor_runs_only_when_it_is_told_to),
		cmocka_unit_test(a_strand_is_run_by_its_poster_before_the_post_returns),
		cmocka_unit_test(a_post_from_inside_a_handler_waits_for_its_turn),
		cmocka_unit_test(no_wake_up_is_lost_between_two_threads),
		cmocka_unit_test(no_wake_up_is_lost_between_a_strand_and_a_thread),
		cmocka_unit_test(may_be_freed_while_its_last_poster_is_still_returning),
		cmocka_unit_test(a_manual_actor_wakes_when_something_is_posted_to_it_while_idle),
		cmocka_unit_test(a_manual_actor_may_be_freed_while_its_last_poster_still_wakes),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
