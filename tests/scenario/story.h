/*
 * Stories: a protocol's adventures as text, one command per line; # begins a comment.
 * With TRACE in the environment, every message and transition is shown.
 *
 *   voters N                         an ensemble of N; options may follow, then `start`
 *   option NAME NUMBER               a field of struct paxos_options
 *   disk manual|auto                 manual: writes wait for `persist`
 *   tail N                           a restart finds only the N newest entries in memory
 *   start [ID...]                    start these members, or all
 *   timeout ID                       time jumps to this member's deadline, and only it notices
 *   tick MS                          time passes; nothing is delivered
 *   run MS                           time passes; everything is delivered, written and applied
 *   deliver all                      everything under way now, and what that leads to
 *   deliver A->B [TYPE]              the first such message
 *   repeat A->B [TYPE]               the same, but a copy stays under way
 *   drop A->B [TYPE] | drop all      lose it, or everything under way
 *   cut A B, mend                    nothing passes between A and B; everything passes again
 *   persist ID, apply ID, load ID    writes, applies, answers the next load
 *   crash ID, restart ID             losing what is not on disk
 *   propose ID VALUE...              taken, or the story fails; STOP is the value that seals
 *   refuse ID ERROR VALUE            not taken, with this error
 *   read ID NAME                     ask for an index
 *   stall ID MS, transfer ID TARGET, nospace ID on|off
 *
 *   expect ID TRANSITION [BALLOT] [slot N]    happened there, after what was expected before
 *   expect not ID TRANSITION                  did not
 *   expect role ID leader|candidate|follower
 *   expect serving ID | expect idle ID        serves as leader, or not
 *   expect chosen ID N, length ID N, durable ID N
 *   expect log ID VALUE...                    * stands for a LEADER_START
 *   expect packet A->B TYPE                   is under way
 *   expect nothing A->B TYPE                  is not
 *   expect read NAME index N | error E | waiting
 */
#ifndef TESTS_SCENARIO_STORY_H
#define TESTS_SCENARIO_STORY_H

#include "tests/support/world.h"

#define STORY_WORDS_MAX   24
#define STORY_READS_MAX   16
#define STORY_HAPPENS_MAX 512

struct story {
	const char *path;
	unsigned line;
	char failure[256]; /* empty while all is well */

	struct world world;
	struct paxos_options options;
	unsigned voters;
	uint32_t tail; /* 0: no limit */
	bool is_begun;
	bool is_manual; /* the disks */
	bool is_cut[WORLD_MEMBERS_MAX + 1][WORLD_MEMBERS_MAX + 1];

	struct {
		char name[32];
		uint64_t cookie;
	} reads[STORY_READS_MAX];
	unsigned read_count;

	struct {
		struct paxos_transition happened[STORY_HAPPENS_MAX];
		unsigned count, expected; /* those before `expected` have been spoken of */
	} members[WORLD_MEMBERS_MAX + 1];

	const char *words[STORY_WORDS_MAX];
	unsigned word_count;
};

/* The command in story->words; sets story->failure when it cannot be carried out or does not
 * hold. */
void story_command(struct story *story);
void story_expect(struct story *story);

void story_fail(struct story *story, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The member that WORD names; fails the story if there is none. */
struct world_member *story_member(struct story *story, unsigned word);
uint64_t story_number(struct story *story, unsigned word);

/* Index of the first packet that matches "A->B" in WORD and the type in the next word, or -1. */
int story_packet(struct story *story, unsigned word);

#endif
