/* What the state of all members means for the ensemble. */
#ifndef CLIENT_CLI_VERDICT_H
#define CLIENT_CLI_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/synod.h"

enum hash_verdict {
	HASHES_NOT_COMPARABLE, /* no two members have applied the same slot */
	HASHES_AGREE,
	HASHES_DIFFER,
};

struct verdict {
	uint64_t voters;    /* of the ensemble, as the reachable members say */
	uint64_t reachable; /* different members that answered */
	uint64_t more_may_fail;
	uint64_t chosen;    /* the furthest that any member knows */
	const char *leader; /* name; NULL when no reachable member leads */
	bool has_quorum;
	enum hash_verdict hashes;
	uint64_t hash_slot;    /* the slot at which hashes were compared */
	uint64_t hash_members; /* how many members were compared there */
};

/* Judge STATUS.  The texts point into it. */
void verdict_of(const struct synod_status *status, struct verdict *verdict);

/* True if every voter answered, one leads, and all agree at one slot. */
bool verdict_is_settled(const struct verdict *verdict);

#endif
