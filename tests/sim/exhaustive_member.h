/*
 * One member of the exhaustive search: the real core, its disk and the writes under way, as a
 * number.
 *
 * paxos_step() is a function of state and event.  So each member's state is a byte string, equal
 * states have the same number, and what an event does to a state is worked out once, by the real
 * core, and remembered.  The search itself then only moves numbers about.
 *
 * Time stands still.  Every deadline that the core has set may come at any moment, which is done by
 * moving the deadline to now; and whoever was heard may have been heard too long ago to matter.
 * Pre-votes are always granted: safety must not rest on them.
 */
#ifndef TESTS_SIM_EXHAUSTIVE_MEMBER_H
#define TESTS_SIM_EXHAUSTIVE_MEMBER_H

#include "server/paxos/paxos.h"

#define EXHAUSTIVE_MEMBERS 3
#define SLOTS_MAX          12
#define SENT_MAX           24
#define READS_MAX          4

/* What is looked at, and how far. */
struct scope {
	const char *name;
	const char *purpose;
	const char *level;   /* quick, default or night */
	bool is_settled;     /* begin with member 1 leading and serving */
	unsigned candidates; /* who may stand for election: a bit for each member */
	unsigned elections, crashes, values, heartbeats, reads, duplicates;
	bool has_heartbeats; /* those that are part of leading and reading */
	bool is_disk_slow;   /* else all that is written is durable at once */
	unsigned page;       /* entries per message */
	unsigned tail;       /* entries that a restart finds in memory */
};

enum action_kind {
	ACTION_DELIVER,   /* argument: the message's number */
	ACTION_PERSIST,   /* the oldest write is on disk, and the core is told */
	ACTION_STAND,     /* give up leading or standing; stand for election */
	ACTION_HEARTBEAT, /* the heartbeat's deadline: heartbeats, or PREPARE again */
	ACTION_TELL,      /* the deadline to tell what is chosen */
	ACTION_PROPOSE,   /* argument: the value */
	ACTION_READ,      /* argument: the cookie */
	ACTION_CRASH, /* argument: writes that still got to the disk * 2 + database is current */
};

struct action {
	uint8_t kind; /* enum action_kind */
	uint8_t member;
	uint16_t argument;
};

/* Entries and ballots as small numbers; 0: none. */
struct brief_log {
	uint8_t promised, accepted;
	uint8_t length;
	uint8_t entries[SLOTS_MAX];
};

/* What others need to know of a member's state. */
struct member_brief {
	struct brief_log memory, disk;
	uint8_t role;
	bool is_serving, may_tell;
	uint8_t chosen, applied, applied_on_disk;
	uint8_t write_count;
};

struct read_outcome {
	uint8_t cookie, index;
	bool is_good;
};

/* What an action on a member brings about. */
struct outcome {
	uint32_t state; /* its next */
	bool is_nothing;
	uint8_t sent_count, read_count;
	uint16_t sent[SENT_MAX]; /* the messages' numbers */
	struct read_outcome reads[READS_MAX];
};

/* Begin anew within SCOPE, which must stay. */
void member_reset(const struct scope *scope);

/* The state of a member that starts for the first time. */
uint32_t member_first_state(unsigned member);

/* Break off, by the name of the promise, if what the core does is wrong in itself. */
struct outcome member_act(uint32_t state, struct action action);

struct member_brief member_brief(uint32_t state);

/* For people. */
#define ACTION_TEXT_SIZE 256
const char *action_format(struct action action, char *text);
const char *state_format(uint32_t state, char *text);

/* How many states the members have been in, by how many steps of the real core. */
void member_count(uint32_t *states, uint64_t *steps);

/* An invariant is broken: say which, and abort. */
_Noreturn void exhaustive_fail(const char *promise);

#endif
