/*
 * The member: the shell around the consensus core.
 *
 *     persist -> send -> apply -> answer
 *
 * Three actors.  The member (a strand) owns connections, Paxos and the leader's
 * session deadlines, and never blocks.  The recorder (a thread) owns the journal
 * and the promise file.  The executor (a thread) owns the namespace: it applies
 * chosen commands in order, serves reads and writes the answers.
 *
 * What happens to a write: clients -> requests (checked, made a command) ->
 * paxos -> recorder on every voter -> paxos (chosen) -> executor -> answer.  What
 * happens to a linearizable read: requests -> paxos (confirmed index) -> executor.
 *
 * Everything outside is behind operation tables given in the options: disk,
 * transport, clock.  With ACTOR_MANUAL the caller runs the actors one after the
 * other (member_run), as the simulator does.
 */
#ifndef SERVER_MEMBER_H
#define SERVER_MEMBER_H

#include "server/namespace/namespace.h"
#include "server/network/links.h"
#include "server/paxos/paxos.h"
#include "server/storage/disk.h"
#include "shared/clock.h"

struct member;

struct member_options {
	/* The outside. */
	struct disk *disk;
	struct transport *transport;
	struct clock *clock;
	const char *vfs; /* SQLite's; NULL: the default */
	bool manual;     /* actors run only in member_run() */
	/* A failed durable write, or a damaged state: stop the process now.  Any thread. */
	void (*fatal)(void *context, int error, const char *why);
	void *context;

	/* The first configuration; read only when the data directory is new. */
	const char *name;
	const char *data;
	struct member_identity peers[PAXOS_VOTERS_MAX]; /* ids are set by member_new() */
	unsigned peer_count;

	const char *listen;    /* NULL: this member's address among the peers */
	const char *clients;   /* listen for applications */
	const char *advertise; /* what applications are told of it; NULL: where it really listens */
	const char *software;

	/* Zero: the default of the part concerned. */
	unsigned heartbeat_ms;
	unsigned election_timeout_min_ms;
	unsigned election_timeout_max_ms;
	unsigned link_silence_ms;
	unsigned connections_max;
	unsigned connection_idle_ms;
	size_t segment_bytes;
	uint64_t space_reserve;
	struct namespace_options namespace;
	/* Seams for the simulator's tiny limits; zero: the defaults. */
	unsigned window_entries;
	unsigned cache_entries;
	unsigned in_flight_max; /* a power of two */
	size_t watch_output_max;
};

#define MEMBER_WHY_SIZE 1024

/*
 * Open the data directory (made, formatted and bound to the first configuration
 * when new), scan the journal, listen, and start.  On failure the error and, in
 * WHY (MEMBER_WHY_SIZE bytes), what was wrong and what to do.
 */
int member_new(const struct member_options *options, struct member **member, char *why);

/* Begin to hand leadership over, if this member leads, and then to close the network.  The actors
 * go on; member_stop() ends it.  Not needed before it, but where the caller runs the actors. */
void member_begin_stop(struct member *member);
bool member_is_closed(const struct member *member);
/* Hand leadership over if this member leads, then close everything; at most about two seconds.
 * Not from an actor. */
void member_stop(struct member *member);
void member_free(struct member *member);

/* Manual mode: handle everything that is posted; true if there was something. */
bool member_run(struct member *member);

/* Where it listens, with the ports that the system chose. */
const char *member_clients_address(const struct member *member);
const char *member_peers_address(const struct member *member);

#endif
