/*
 * Waiting until something happens among the children of a node, within a time: for
 * recipes that block.
 */
#ifndef CLIENT_CHILDREN_H
#define CLIENT_CHILDREN_H

#include "client/synod.h"

struct children {
	struct synod *synod;
	const char *path;
	uint64_t end_ms; /* UINT64_MAX: whenever */
	struct synod_watch *watch;
};

/* TIMEOUT_MS 0: for ever. */
void children_init(struct children *children, struct synod *synod, const char *path,
                   unsigned timeout_ms);
void children_fini(struct children *children);

/* What remains, for a call: at least 1; 0, the handle's, if there is no limit. */
unsigned children_call_ms(const struct children *children);

/* Return once something has changed after REVISION, the one of a listing: SYNOD_OK; perhaps without
 * that.  SYNOD_TIMEOUT, or the error with which the watch ended. */
int children_wait(struct children *children, uint64_t revision);

#endif
