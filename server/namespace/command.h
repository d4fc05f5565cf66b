/*
 * Commands: what the bytes of a chosen value mean.
 *
 *   CLIENT   [1, uptime_ms, wall_ms, session, seq, acknowledged, op, body]
 *            op and body as the client sent them (shared/protocol.h); session,
 *            seq and acknowledged 0 for SESSION_OPEN; op REFUSED with an error
 *            number as its body: a write that the leader refused, which uses up its
 *            seq and has the refusal as its answer
 *   EXPIRE   [2, uptime_ms, wall_ms, session, generation, [epoch, round, member]]
 *   MEMBER   [3, uptime_ms, wall_ms, member_id, name, peer address, client address, disk_id]
 *            a member's facts, recorded at the first contact and when they change
 *   START    [4, epoch, round, member]: LEADER_START, made from the entry's kind
 *   COLLECT  [5, uptime_ms, wall_ms]: delete nodes whose time has come by uptime_ms, at most
 *            COLLECT_MAX, those that are due first first (same time: by parent and name)
 *
 * The two clocks are the leader's: uptime_ms grows only while there is a leader
 * and is what every time-to-live counts in; wall_ms is Unix time, informational.
 * SESSION_OPEN's body carries the hash of the secret in place of the secret: the
 * member puts it there before the command is proposed.
 */
#ifndef SERVER_NAMESPACE_COMMAND_H
#define SERVER_NAMESPACE_COMMAND_H

#include "shared/protocol.h"

enum command_type {
	COMMAND_CLIENT = 1,
	COMMAND_EXPIRE = 2,
	COMMAND_MEMBER = 3,
	COMMAND_START = 4,
	COMMAND_COLLECT = 5,
};

#define COLLECT_MAX 1000

/* A ballot, without depending on server/paxos. */
struct command_ballot {
	uint64_t epoch;
	uint64_t round;
	uint64_t member;
};

struct command {
	uint8_t type;
	uint64_t uptime_ms;
	uint64_t wall_ms;
	uint64_t session;
	uint64_t seq;
	uint64_t acknowledged;
	uint8_t op;
	struct slice body;
	uint64_t generation;          /* EXPIRE */
	struct command_ballot ballot; /* EXPIRE, START */
	uint64_t member;              /* MEMBER */
	struct slice name;
	struct slice peer_address;
	struct slice client_address;
	struct slice disk_id;
};

void command_encode(struct buffer *out, const struct command *command);

/* SYNOD_OK or SYNOD_BAD_MESSAGE.  Slices point into BYTES.  The body of a CLIENT command is one
 * whole element; it is not checked further here. */
int command_decode(struct slice bytes, struct command *command);

#endif
