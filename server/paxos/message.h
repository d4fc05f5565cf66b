/*
 * The messages of the consensus core, as C structures.  codec.h turns them into
 * MessagePack and back.  Names follow Lamport's phases and Sequence Paxos
 * (Haridi, Kroll, Carbone 2018; Omni-Paxos, EuroSys'23).
 */
#ifndef SERVER_PAXOS_MESSAGE_H
#define SERVER_PAXOS_MESSAGE_H

#include "server/paxos/ballot.h"
#include "server/paxos/entry.h"

enum message_type {
	/* Would you promise?  Nothing is changed by asking (pre-vote). */
	MESSAGE_PREVOTE = 1,
	MESSAGE_PREVOTE_ANSWER = 2,
	/* 1a, 1b, and refusal of a ballot that is too low. */
	MESSAGE_PREPARE = 3,
	MESSAGE_PROMISE = 4,
	MESSAGE_REFUSE = 5,
	/* 2a to one acceptor, with the point from which its log is replaced; then plain 2a. */
	MESSAGE_ACCEPT_SYNC = 6,
	MESSAGE_ACCEPT = 7,
	/* 2b, cumulative. */
	MESSAGE_ACCEPTED = 8,
	/* The acceptor cannot take an ACCEPT at this point: start again from its length. */
	MESSAGE_RESYNC = 9,
	MESSAGE_HEARTBEAT = 10,
	MESSAGE_HEARTBEAT_ANSWER = 11,
	/* A member asks the leader for an index to read at. */
	MESSAGE_READ_INDEX = 12,
	MESSAGE_READ_INDEX_ANSWER = 13,
	/* The leader hands over: prepare at once, without pre-vote. */
	MESSAGE_TRANSFER = 14,
};

/* Bounds of one message. */
#define MESSAGE_ENTRIES_MAX 4096
#define MESSAGE_BYTES_MAX   (8u << 20)

/*
 * One message.  Fields that TYPE does not use are zero.
 *
 *                        ballot  accepted  length chosen base previous entries sequence flags
 *   PREVOTE                b        x        x      x                                    
 *   PREVOTE_ANSWER         b (promised in `accepted`)                              granted
 *   PREPARE                b        x        x      x                              transfer
 *   PROMISE                b        x        x      x     x    x(first) x          last
 *   REFUSE                 b (refused; promised in `accepted`)
 *   ACCEPT_SYNC            b                        x          x        x          
 *   ACCEPT                 b                        x          x        x
 *   ACCEPTED               b                 x(durable)
 *   RESYNC                 b        x        x      x
 *   HEARTBEAT              b                 x      x                     x
 *   HEARTBEAT_ANSWER       b                 x(durable)  x(applied in `chosen`) x
 *   READ_INDEX             b(leader asked)                                x(nonce)
 *   READ_INDEX_ANSWER      b                        x(index)              x(nonce) granted
 *   TRANSFER               b
 */
struct paxos_message {
	uint8_t type;
	member_id from;
	member_id to;
	struct ballot ballot;
	struct ballot accepted;
	uint64_t length;
	uint64_t chosen;
	uint64_t base;
	uint64_t previous; /* the entries are slots previous+1, previous+2, ... */
	uint64_t sequence;
	uint8_t flags;
	uint32_t entry_count;
	struct entry **entries; /* each holds a reference of the message's */
};

enum message_flags {
	MESSAGE_GRANTED = 1 << 0,
	MESSAGE_LAST = 1 << 1,     /* PROMISE: the suffix is complete with this page */
	MESSAGE_BY_TRANSFER = 1 << 2,
};

/* Release the entries and their array. */
void paxos_message_fini(struct paxos_message *message);

const char *paxos_message_name(uint8_t type); /* "PREPARE", or "?" */

#endif
