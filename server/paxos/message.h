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
 *                      ballot accepted length  chosen  base   previous entries sequence flags
 *   PREVOTE            b      x        x       x
 *   PREVOTE_ANSWER     b      promised                                             granted
 *   PREPARE            b      x        x       x                                   by transfer
 *   PROMISE            b      x        x       x       x      first    x           last
 *   REFUSE             b      promised
 *   ACCEPT_SYNC        b               target  x       agreed x        x
 *   ACCEPT             b                       x              x        x
 *   ACCEPTED           b               durable
 *   RESYNC             b      x        held    x
 *   HEARTBEAT          b               x       x                                x
 *   HEARTBEAT_ANSWER   b      x        durable applied        held              x  no space
 *   READ_INDEX         b                                                        nonce
 *   READ_INDEX_ANSWER  b                       index                            nonce granted
 *   TRANSFER           b
 *
 * ACCEPT_SYNC   `base`: up to this slot the acceptor's log is known to agree with the leader's.
 *               `length`: the slot that the acceptor must reach before it may call itself accepted
 *               at b (the adopted log and LEADER_START).  A page that does not reach it is kept
 *               aside and answered with RESYNC, which asks for the next page.
 * held          how far the acceptor agrees with the leader in memory, durable or not; so a slow
 *               disk is not taken for a lost message.
 * durable       of what is accepted at b; 0 while that is not durable.
 * REFUSE        b is the ballot refused.
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
	MESSAGE_LAST = 1 << 1, /* PROMISE: the suffix is complete with this page */
	MESSAGE_BY_TRANSFER = 1 << 2,
	MESSAGE_NO_SPACE = 1 << 3, /* HEARTBEAT_ANSWER: takes no entries until its disk has room */
	MESSAGE_EAGER = 1 << 4,    /* HEARTBEAT_ANSWER: to be told at once what is chosen */
};

/* Release the entries and their array. */
void paxos_message_fini(struct paxos_message *message);

const char *paxos_message_name(uint8_t type); /* "PREPARE", or "?" */

#endif
