/*
 * A world in one thread: a clock that stands still until told, chance from a
 * seed, and a network of pipes in memory with a fixed delay.
 *
 * Things happen in fake_world_step() only: it runs the actors that belong to the world
 * until they are idle, then moves the clock to the next event.
 */
#ifndef TESTS_SUPPORT_FAKE_WORLD_H
#define TESTS_SUPPORT_FAKE_WORLD_H

#include "shared/actor.h"
#include "shared/clock.h"
#include "shared/transport.h"

#define FAKE_WORLD_DELAY_US 100

struct fake_world;

struct fake_world *fake_world_new(uint64_t seed);
void fake_world_free(struct fake_world *world);

struct transport *fake_world_transport(struct fake_world *world);
struct clock *fake_world_clock(struct fake_world *world);
uint64_t fake_world_now_ms(struct fake_world *world);

/* Actors (ACTOR_MANUAL) that fake_world_step() runs, until removed. */
void fake_world_add_actor(struct fake_world *world, struct actor *actor);
void fake_world_remove_actor(struct fake_world *world, struct actor *actor);

/* One event; false if nothing will ever happen again. */
bool fake_world_step(struct fake_world *world);

/* Until *FLAG, at most MS of the world's time; returns *FLAG. */
bool fake_world_run_until(struct fake_world *world, const bool *flag, unsigned ms);
void fake_world_run_for(struct fake_world *world, unsigned ms);

/* Nothing passes to or from the listener at ADDRESS any more, and nobody is told; or again. */
void fake_world_cut(struct fake_world *world, const char *address, bool is_cut);

#endif
