/*
 * The recorder: the actor that owns the journal and the promise file.
 *
 * Everything that is posted while it writes goes into the next batch: one write
 * and one fdatasync for all of it.  It reports the last durable token.
 *
 * A failed write or sync stops the process.  A full disk does not: the batch
 * waits, is tried again as space returns, and the member is told.
 */
#ifndef SERVER_RECORDER_H
#define SERVER_RECORDER_H

#include "server/paxos/paxos.h"
#include "server/storage/identity.h"
#include "server/storage/journal.h"
#include "server/storage/space.h"
#include "shared/actor.h"
#include "shared/clock.h"

/* Kinds of items that the recorder posts to the member. */
#define RECORDER_ITEM_DURABLE  0x300
#define RECORDER_ITEM_LOADED   0x301
#define RECORDER_ITEM_IDENTITY 0x302
#define RECORDER_ITEM_SPACE    0x303

struct persist_item {
	struct actor_item item;
	struct persist_item *next; /* waiting for space */
	uint32_t count;
	struct paxos_persist persists[]; /* entries with one reference each, arrays owned */
};

struct durable_item {
	struct actor_item item;
	uint64_t token;
};

struct loaded_item {
	struct actor_item item;
	uint64_t id;
	bool for_feed; /* asked by the member for its own namespace */
	uint64_t first;
	uint32_t count_max;
	size_t bytes_max;
	int error; /* SYNOD_NOT_FOUND is none: what is asked for is not there yet, or no more */
	uint32_t count;
	struct entry **entries;
};

struct identity_item {
	struct actor_item item;
	struct identity identity;
};

struct space_item {
	struct actor_item item;
	bool is_low;  /* refuse growth */
	bool is_full; /* the journal could not write its batch */
};

struct recorder;

struct recorder_options {
	enum actor_mode mode;
	struct journal *journal;               /* taken over */
	struct identity_store *identity_store; /* taken over */
	struct identity identity;
	struct space *space; /* taken over */
	struct clock *clock;
	struct actor *member;
	void (*fatal)(void *context, int error, const char *why);
	void *context;
};

struct recorder *recorder_new(const struct recorder_options *options);

/* Takes over COUNT persist operations of an update, with their entries. */
void recorder_persist(struct recorder *recorder, struct paxos_persist *persists, uint32_t count);
void recorder_load(struct recorder *recorder, const struct paxos_load *load, bool for_feed);
/* Save the members' disk ids (the promise in IDENTITY is ignored); answered by an identity_item. */
void recorder_bind(struct recorder *recorder, const struct identity *identity);
/* Time passed: look at the free space, try again, prepare the next segment. */
void recorder_tick(struct recorder *recorder);

bool recorder_run(struct recorder *recorder);
void recorder_stop(struct recorder *recorder);
void recorder_free(struct recorder *recorder);

void loaded_free(struct loaded_item *item);

/* For status; any thread. */
uint64_t recorder_journal_bytes(const struct recorder *recorder);
uint64_t recorder_sync_p99_us(const struct recorder *recorder);

#endif
