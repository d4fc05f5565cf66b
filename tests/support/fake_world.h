/*
 * A world in one thread: a clock that stands still until told, chance from a
 * seed, and a network of pipes in memory with a fixed delay.
 *
 * Things happen in world_step() only: it runs the actors that belong to the world
 * until they are idle, then moves the clock to the next event.
 */
#ifndef TESTS_SUPPORT_FAKE_WORLD_H
#define TESTS_SUPPORT_FAKE_WORLD_H

#include "shared/actor.h"
#include "shared/clock.h"
#include "shared/transport.h"

#define WORLD_DELAY_US 100

struct world;

struct world *world_new(uint64_t seed);
void world_free(struct world *world);

struct transport *world_transport(struct world *world);
struct clock *world_clock(struct world *world);
uint64_t world_now_ms(struct world *world);

/* Actors (ACTOR_MANUAL) that world_step() runs, until removed. */
void world_add_actor(struct world *world, struct actor *actor);
void world_remove_actor(struct world *world, struct actor *actor);

/* One event; false if nothing will ever happen again. */
bool world_step(struct world *world);

/* Until *FLAG, at most MS of the world's time; returns *FLAG. */
bool world_run_until(struct world *world, const bool *flag, unsigned ms);
void world_run_for(struct world *world, unsigned ms);

/* Nothing passes to or from the listener at ADDRESS any more, and nobody is told; or again. */
void world_cut(struct world *world, const char *address, bool is_cut);

#endif
