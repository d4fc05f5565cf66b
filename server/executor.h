/*
 * The executor: the actor that owns the namespace and its database.
 *
 * It applies chosen commands in order, serves reads at its applied slot, writes
 * every answer in one order, and commits.  It tells the member how far it is.
 */
#ifndef SERVER_EXECUTOR_H
#define SERVER_EXECUTOR_H

#include <stdatomic.h>

#include "server/namespace/namespace.h"
#include "server/pending.h"
#include "server/storage/database.h"
#include "shared/clock.h"

/* Kinds of items that the executor posts to the member. */
#define EXECUTOR_ITEM_PROGRESS 0x200
#define EXECUTOR_ITEM_SURVEY   0x201
#define EXECUTOR_ITEM_REWOUND  0x202

/* Commands of consecutive slots, with the request that each answers, if this member has it. */
struct apply_item {
	struct actor_item item;
	uint64_t first;
	uint64_t generation; /* of the feed: see struct rewound_item */
	uint32_t count;
	uint32_t capacity;
	struct apply_row {
		struct entry *entry; /* one reference */
		struct pending *pending;
	} rows[];
};

struct session_event {
	uint64_t session;
	uint64_t timeout_ms; /* 0: it ended */
	bool is_lease;
};

/* What the member learns after a run of work; freed by the member with progress_free(). */
struct progress_item {
	struct actor_item item;
	uint64_t applied;
	uint64_t uptime_ms;
	uint64_t next_due_ms;     /* namespace_next_due_ms() */
	struct pending *done;     /* answered, or (SESSION_*) to be answered by the member */
	uint64_t checkpoint_slot; /* newest multiple of CHECKPOINT_SLOTS applied; 0: none yet */
	struct state_hash checkpoint;
	uint32_t session_count;
	struct session_event sessions[];
};

/* Hashes are compared between members at these slots. */
#define CHECKPOINT_SLOTS 4096

/* The disk was full: the namespace is back at APPLIED, items of an older generation were dropped,
 * and the feed begins anew from there. */
struct rewound_item {
	struct actor_item item;
	uint64_t applied;
	uint64_t generation;
};

/* All sessions, leases and recorded members, for a new leader. */
struct survey_item {
	struct actor_item item;
	uint64_t asked_at; /* the slot of the LEADER_START that asked */
	uint64_t uptime_ms;
	uint32_t session_count, session_capacity;
	struct survey_session {
		uint64_t session;
		uint64_t generation;
		uint64_t timeout_ms;
		bool is_lease;
	} * sessions;
	uint32_t member_count;
	struct survey_member {
		uint64_t id;
		char client_address[MEMBER_ADDRESS_MAX + 1];
		char peer_address[MEMBER_ADDRESS_MAX + 1];
		char name[MEMBER_NAME_MAX + 1];
		bool has_disk_id;
		uint8_t disk_id[DISK_ID_SIZE];
	} members[MEMBERS_MAX];
};

struct executor;

struct executor_options {
	enum actor_mode mode;
	struct namespace *namespace; /* taken over */
	struct database *database;   /* taken over */
	struct clock *clock;
	struct actor *member; /* gets the items above */
	void (*fatal)(void *context, int error, const char *why);
	/* (executor) Open both again, after a full disk broke a transaction off. */
	int (*reopen)(void *context, struct namespace **namespace, struct database **database);
	void *context;
	unsigned commit_interval_ms; /* default 100 */
	size_t watch_output_max;     /* default WATCH_OUTPUT_MAX */
};

struct executor *executor_new(const struct executor_options *options);

/* A new item with room for CAPACITY rows. */
struct apply_item *apply_item_new(uint64_t first, uint32_t capacity, uint64_t generation);
void executor_apply(struct executor *executor, struct apply_item *item);

/* A read, WATCH, UNWATCH, SESSION_ATTACH, STATUS or MEMBERS: answered once applied >= index.
 * STATUS and MEMBERS carry the member's half of the answer in pending->body, see status.h. */
void executor_read(struct executor *executor, struct pending *pending);

/* The leader has answered a forwarded write: pending->response, true at pending->index.  It goes to
 * the client once the watches of its connection were told everything up to there. */
void executor_relay(struct executor *executor, struct pending *pending);

/* This connection is gone, with its watches. */
void executor_forget(struct executor *executor, uint64_t connection);

/* Answer with a survey_item. */
void executor_survey(struct executor *executor, uint64_t slot);

/* Time passed: commit what waits, give up reads that wait too long. */
void executor_tick(struct executor *executor);

bool executor_run(struct executor *executor); /* manual mode */

/* For checks between two runs in manual mode.  NULL after the disk was full, until it is back at
 * its last commit: what is in memory may be half of a command. */
const struct namespace *executor_namespace(const struct executor *executor);

/* Finish what is posted, commit, close namespace and database. */
void executor_stop(struct executor *executor);
void executor_free(struct executor *executor);

void progress_free(struct progress_item *item);
void survey_free(struct survey_item *item);

#endif
