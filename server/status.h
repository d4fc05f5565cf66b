/*
 * STATUS and MEMBERS: the member's half of the answer, completed by the executor,
 * which knows the state hash at its applied slot and the recorded members.
 *
 * SESSIONS: the executor's half, completed by the member, which, if it leads, knows
 * how long each session has.
 */
#ifndef SERVER_STATUS_H
#define SERVER_STATUS_H

#include "server/namespace/namespace.h"
#include "server/paxos/paxos.h"
#include "server/storage/identity.h"

/* What only the member knows, copied at the time of the request (pending->body). */
struct status_half {
	struct paxos_view view;
	char name[MEMBER_NAME_MAX + 1];
	char leader[MEMBER_NAME_MAX + 1];
	char problem[128];
	char software[64];
	uint64_t self;
	uint64_t clients;
	uint64_t pending;
	uint64_t journal_bytes;
	uint64_t sync_p99_us;
	uint64_t uptime_ms;
	uint64_t tolerates;
	uint64_t epoch;
	uint8_t cluster_id[CLUSTER_ID_SIZE];
	unsigned member_count;
	struct status_member {
		uint64_t id;
		char name[MEMBER_NAME_MAX + 1];
		char peer_address[MEMBER_ADDRESS_MAX + 1];
		char client_address[MEMBER_ADDRESS_MAX + 1]; /* empty: not heard from yet */
		uint8_t role;
		bool is_reachable;
		uint64_t matched;
	} members[MEMBERS_MAX];
};

void status_encode(struct buffer *out, const struct status_half *half, struct namespace *namespace,
                   uint64_t database_bytes);
/* SYNOD_OK, or a fault of the namespace. */
int members_encode(struct buffer *out, const struct status_half *half, struct namespace *namespace);

/* BODY: the request's, [after id, limit], checked.  Packs [[[id, is lease, timeout_ms]...], more].
 */
void sessions_encode(struct buffer *out, struct slice body, struct namespace *namespace);

#endif
