/*
 * A stage: whole members in a fake world, one thread, exact time.
 *
 * Member 1 ("a") has the shortest election timeout and is dialled by the others:
 * it leads at first, and cutting its address parts it from all of them.  Journals
 * and promises lie on disks in memory, databases in a temporary directory, which
 * is the working directory meanwhile.
 *
 * A caller is a client at one member's port that remembers everything it is told.
 */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include "server/state.h"
#include "tests/support/fake_world.h"

#define STAGE_MEMBERS_MAX 3
#define STAGE_RESERVE     (256u << 10)
#define STAGE_ROOM        (64u << 20)

struct stage_member {
	struct member *member; /* NULL: not running */
	struct disk *disk;
	char name[2];
	bool is_recorder_stuck, is_executor_stuck; /* they do nothing meanwhile */
	char peers[32];                            /* addresses */
	char clients[32];
	unsigned fatal_count;
	int fatal_error;
	char why[MEMBER_WHY_SIZE];
};

struct stage {
	struct fake_world *world;
	char directory[64];
	unsigned count;
	/* Of the core, for members started from now on; 0: as usual. */
	unsigned cache_entries, window_entries;
	struct stage_member members[STAGE_MEMBERS_MAX]; /* ids 1, 2, 3 */
};

/* COUNT members, linked with each other, the first of which leads and serves. */
struct stage *stage_new(unsigned count);
void stage_free(struct stage *stage);

/* Member INDEX alone: start it (its disks are as they are), or stop it. */
int stage_start(struct stage *stage, unsigned index);
void stage_stop(struct stage *stage, unsigned index);

/* Let MS pass; or until DONE, at most MS: then returns whether it is. */
void stage_run(struct stage *stage, unsigned ms);
bool stage_run_until(struct stage *stage, unsigned ms, bool (*done)(void *context), void *context);

/* The index of the member that leads, serves and knows its sessions; -1: none. */
int stage_leader(struct stage *stage);
/* Wait for a leader other than INDEX. */
int stage_await_other_leader(struct stage *stage, unsigned index);

/* Part member 0 from the other members; or not. */
void stage_part_first(struct stage *stage, bool is_parted);

#define CALLER_SECRET_SIZE 16
#define STAGE_LEASES_MAX   4

struct told {
	uint8_t type; /* FRAME_RESPONSE, FRAME_ALIVE, FRAME_EVENT */
	uint64_t xid; /* or the number of the keepalive, or of the watch */
	int error;
	uint64_t revision;
	uint64_t stale_ms;
	uint64_t timeout_ms; /* ALIVE */
	uint32_t lease_count;
	uint64_t lease_timeouts_ms[STAGE_LEASES_MAX]; /* the first of them */
	struct buffer result;
};

struct caller {
	struct stage *stage;
	struct actor *actor;
	struct connection *connection;
	bool is_greeted, is_closed;
	struct told *told;
	unsigned told_count, told_capacity;
	uint64_t last_xid;
	uint64_t seq;
	uint64_t session;
	uint8_t secret[CALLER_SECRET_SIZE];
};

/* Call at member INDEX, and be greeted. */
void caller_open(struct caller *caller, struct stage *stage, unsigned index);
void caller_close(struct caller *caller);

/* Each returns the request's xid at once. */
uint64_t caller_ask(struct caller *caller, struct request request);
uint64_t caller_ask_session(struct caller *caller, unsigned timeout_ms);
uint64_t caller_attach(struct caller *caller, uint64_t session, const uint8_t *secret);
uint64_t caller_write(struct caller *caller, uint8_t op, const char *path, const char *data);
uint64_t caller_read(struct caller *caller, const char *path, enum consistency consistency,
                     uint64_t at_least);
void caller_keepalive(struct caller *caller, uint64_t number);
void caller_keepalive_leases(struct caller *caller, uint64_t number, const uint64_t *leases,
                             unsigned count);

/* What was told of XID, waiting at most MS; NULL if nothing was. */
const struct told *caller_await(struct caller *caller, uint64_t xid, unsigned ms);
const struct told *caller_alive(struct caller *caller, uint64_t number, unsigned ms);
/* Its error, or -1. */
int caller_result(struct caller *caller, uint64_t xid);
/* Does the answer to a GET carry these bytes? */
bool told_is(const struct told *told, const char *data);

/* Open a session, which must succeed. */
void caller_open_session(struct caller *caller, unsigned timeout_ms);

#endif
