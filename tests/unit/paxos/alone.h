/*
 * One core among silent peers: the test speaks for the others.
 *
 * Member 1 of three runs in a world of its own; messages to it are made up, and
 * what it sends stays under way to be looked at.
 */
#ifndef TESTS_UNIT_PAXOS_ALONE_H
#define TESTS_UNIT_PAXOS_ALONE_H

#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "tests/support/world.h"

static inline void
alone_begin(struct world *world, const struct paxos_options *options)
{
	world_init(world, 3, options, 1);
	world->is_lied_to = true;
	world_start(world, world_member(world, 1));
}

static inline struct paxos_view
alone_view(struct world *world)
{
	struct paxos_view view;

	paxos_view(world_member(world, 1)->paxos, &view);
	return view;
}

/* Everything sent so far is forgotten. */
static inline void
alone_forget(struct world *world)
{
	while (world->packet_count > 0)
		world_drop(world, 0);
}

/* The first message of TYPE under way to TO, or NULL. */
static inline const struct paxos_message *
alone_sent(const struct world *world, uint8_t type, member_id to)
{
	for (uint32_t i = 0; i < world->packet_count; i++) {
		if (world->packets[i].type == type && world->packets[i].to == to)
			return &world->packets[i];
	}
	return NULL;
}

/* MESSAGE arrives, with COUNT entries "1", "2", ... that tell their slots. */
static inline void
alone_receive(struct world *world, struct paxos_message message, uint32_t count)
{
	message.to = 1;
	message.entry_count = count;
	if (count > 0)
		message.entries = check_calloc(count, sizeof(struct entry *));
	for (uint32_t i = 0; i < count; i++) {
		uint8_t slot = (uint8_t)(message.previous + i + 1);

		message.entries[i] = entry_new_copy(ENTRY_COMMAND, &slot, 1);
	}
	world_step(world, world_member(world, 1),
	           &(struct paxos_event){.type = EVENT_MESSAGE, .message = &message});
	paxos_message_fini(&message);
}

static inline void
alone_persist(struct world *world)
{
	world_persist(world, world_member(world, 1), UINT32_MAX);
}

/* Member 1 becomes a candidate at 1.1.1 with its own promise durable. */
static inline void
alone_stand(struct world *world)
{
	struct world_member *self = world_member(world, 1);

	world->now_ms = paxos_deadline(self->paxos);
	world_tick(world, self);
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_PREVOTE_ANSWER,
	                                     .from = 2,
	                                     .ballot = {1, 1, 1},
	                                     .flags = MESSAGE_GRANTED},
	              0);
	alone_persist(world);
}

/* Member 1 leads at 1.1.1 with member 2's empty promise; its LEADER_START is slot 1. */
static inline void
alone_lead(struct world *world)
{
	alone_stand(world);
	alone_receive(world,
	              (struct paxos_message){.type = MESSAGE_PROMISE,
	                                     .from = 2,
	                                     .ballot = {1, 1, 1},
	                                     .flags = MESSAGE_LAST},
	              0);
	alone_persist(world);
}

#endif
