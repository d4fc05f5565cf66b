/*
 * Messages of the core as MessagePack:
 *
 *   [type, from, to, [epoch, round, member] ballot, accepted, length, chosen,
 *    base, previous, sequence, flags, [[kind, bytes]...]]
 */
#ifndef SERVER_PAXOS_CODEC_H
#define SERVER_PAXOS_CODEC_H

#include "server/paxos/message.h"
#include "shared/pack.h"

void paxos_message_encode(struct buffer *out, const struct paxos_message *message);

/*
 * SYNOD_OK or SYNOD_BAD_MESSAGE.  Entries are copied out of BODY; on success
 * free with paxos_message_fini().  Checks shape and bounds (type, flags, entry
 * kinds and sizes, counts); whether the message makes sense now is the core's
 * business, and the core ignores what does not.
 */
int paxos_message_decode(struct slice body, struct paxos_message *message);

/* A ballot as [epoch, round, member]. */
void ballot_encode(struct buffer *out, struct ballot ballot);
void ballot_decode(struct cursor *cursor, struct ballot *ballot);

#endif
