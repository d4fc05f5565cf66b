/*
 * A world of cores: members with disks that lose what they have not synced, and a network
 * of messages under way, all under the test's control; and a judge who sees
 * everything and breaks off when an invariant of consensus does.
 *
 * Used by the stories (tests/scenario) and the random schedules (tests/unit/paxos).
 */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/paxos/paxos.h"

#define WORLD_MEMBERS_MAX 7

/* What survives a crash. */
struct world_disk {
	struct ballot promised;
	struct ballot accepted;
	uint64_t length;
	uint64_t applied;       /* of the database */
	struct entry **entries; /* slot 1 at index 0 */
	uint64_t capacity;
};

struct world_read {
	uint64_t cookie;
	uint64_t
		known; /* the highest slot that anybody knew to be chosen when the read was asked */
	bool is_answered;
	int error;
	uint64_t index;
};

struct world_proposal {
	struct ballot ballot;
	uint64_t slot; /* 0: free */
	uint64_t hash;
};

struct world_member {
	member_id id;
	struct paxos *paxos; /* NULL: down */
	struct world_disk disk;
	uint64_t life; /* how often it has started */
	uint64_t applied;
	uint64_t chosen_judged;
	struct ballot prepared;      /* the highest ballot it has sent PREPARE for */
	struct ballot prepared_dead; /* the same, of its earlier lives */

	struct paxos_persist *persists; /* not yet on disk */
	uint32_t persist_count, persist_capacity;
	uint64_t synced; /* the token last reported */

	struct paxos_load *loads; /* not yet answered */
	uint32_t load_count, load_capacity;
};

struct world {
	uint64_t now_ms;
	uint64_t random;
	unsigned member_count;
	struct world_member members[WORLD_MEMBERS_MAX];
	struct paxos_options options;
	uint32_t tail_max;          /* entries that a restart finds in memory */
	struct paxos_update update; /* of the last step */

	struct paxos_message *packets; /* under way, in the order of sending */
	uint32_t packet_count, packet_capacity;

	/* The judge. */
	struct entry **chosen;    /* slot 1 at index 0 */
	struct ballot *chosen_at; /* the ballot at which each was first seen to be */
	uint64_t chosen_length, chosen_capacity;
	struct world_read *reads;
	uint32_t read_count, read_capacity;
	struct world_proposal
		*proposals; /* open addressing: what leaders have sent for each (ballot, slot) */
	uint32_t proposal_count, proposal_capacity;

	bool is_lied_to; /* messages are made up: what the others hold proves nothing */

	/* Called for each transition, if set. */
	void (*on_transition)(void *context, struct world *world, member_id member,
	                      const struct paxos_transition *transition);
	void *context;
	bool is_tracing; /* print messages and transitions to stderr */
};

/* COUNT members, all down.  OPTIONS serve as the pattern. */
void world_init(struct world *world, unsigned count, const struct paxos_options *options,
                uint64_t seed);
void world_fini(struct world *world);

uint64_t world_random(struct world *world, uint64_t limit);
struct world_member *world_member(struct world *world, member_id id);

void world_start(struct world *world, struct world_member *member);
/* Lose what is not on disk; a random part of what was being written gets there. */
void world_crash(struct world *world, struct world_member *member);

/* One step of MEMBER; what it asks for is queued.  now_ms is filled in. */
void world_step(struct world *world, struct world_member *member, struct paxos_event *event);

void world_tick(struct world *world, struct world_member *member);
/* Propose COUNT new values; returns how many were taken. */
uint32_t world_propose(struct world *world, struct world_member *member, uint32_t count,
                       int *error);
/* Propose this value; true if it was taken. */
bool world_propose_value(struct world *world, struct world_member *member, uint8_t kind,
                         const char *value, int *error);
/* Returns the cookie, an index into world->reads. */
uint64_t world_read(struct world *world, struct world_member *member);

/* Let packet INDEX arrive (removing it, or a copy), or get lost. */
void world_deliver(struct world *world, uint32_t index, bool is_kept);
void world_drop(struct world *world, uint32_t index);

/* The next COUNT writes are on disk. */
void world_persist(struct world *world, struct world_member *member, uint32_t count);
/* Apply up to COUNT chosen entries. */
void world_apply(struct world *world, struct world_member *member, uint64_t count);
/* Answer the first load, with at most COUNT_MAX entries. */
void world_load(struct world *world, struct world_member *member, uint32_t count_max);

/* The member that leads and serves at the highest ballot, or NULL. */
struct world_member *world_leader(struct world *world);

/* Everything arrives, everything is written and applied, for MS of time; stops early once DONE (if
 * not NULL) says so.  Returns whether it did. */
bool world_run(struct world *world, uint64_t ms, bool (*done)(struct world *world));

#endif
