/*
 * The network: byte streams between hosts, with everything that goes wrong on them.
 *
 * As TCP does, a stream keeps its bytes in order and loses none until it breaks;
 * loss is delay.  On the links between members whole messages of the core are
 * dropped, repeated, overtaken, and old ones come again, even those of an earlier
 * connection: the core must bear that.  A changed byte must be found by the
 * frames' checksums.
 */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "tests/sim/host.h"

#define PEER_PORT   7401
#define CLIENT_PORT 7400

struct network;

extern const struct transport_ops network_transport_ops;

struct network *network_new(struct world *world);
void network_free(struct network *network);

/* From FROM to TO nothing passes, for as long as somebody wants it so (counted). */
void network_block(struct network *network, unsigned from, unsigned to, bool is_blocked);
void network_unblock_all(struct network *network);

/* Break the connections between A and B (B < 0: all of A), both ends being told. */
void network_reset(struct network *network, unsigned a, int b);

/* All ends of HOST vanish.  The other ends are told, unless the power went. */
void network_crash(struct network *network, struct host *host, bool is_power);

#endif
