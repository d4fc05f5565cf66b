/*
 * The chronicle: every change that the ensemble has made, with owners and causes,
 * written down as it is first applied anywhere.
 *
 * It is complete where the ensemble's own history is trimmed, and the evidence that
 * what clients were told is held against.
 */
#ifndef TESTS_SIM_CHRONICLE_H
#define TESTS_SIM_CHRONICLE_H

#include "client/synod.h"
#include "tests/sim/host.h"

#define CHRONICLE_PATH 64
#define CHRONICLE_TEXT 48

struct chronicled {
	uint64_t revision, ordinal;
	enum synod_change_kind kind;
	unsigned cause;
	char path[CHRONICLE_PATH];
	uint64_t version, owner, previous_owner;
	uint64_t data_hash;                       /* 0: absent */
	char text[CHRONICLE_TEXT];                /* how the data begins */
	uint64_t at_us;                           /* first applied */
	uint64_t uptime_least_ms, uptime_most_ms; /* of the command */
};

struct chronicle {
	struct world *world;
	struct chronicled *changes;
	size_t count, capacity;
	uint64_t revision;  /* of the last */
	uint64_t uptime_ms; /* as seen last */
	uint64_t kept_from; /* the most that any member has trimmed its history to */
	bool has_gap;       /* something was trimmed before it could be written down */
};

struct chronicle *chronicle_new(struct world *world);
void chronicle_free(struct chronicle *chronicle);

/* HOST's executor has run. */
void chronicle_on_run(struct chronicle *chronicle, struct host *host);

/* The index of the first change of REVISION or a later one. */
size_t chronicle_find(const struct chronicle *chronicle, uint64_t revision);

/* Did CHANGE make an instance of a service suspect? */
bool chronicled_is_suspicion(const struct chronicled *change);
/* The session or lease whose end brought CHANGE; 0: nobody's. */
uint64_t chronicled_end(const struct chronicled *change);

/* Of data as it is compared; 0: absent. */
uint64_t chronicle_hash(const void *data, size_t size);

/* ---- a replay: the nodes as they are after some of the changes ---- */

struct replayed {
	char path[CHRONICLE_PATH];
	uint64_t created, modified, version, owner, token, data_hash;
	char text[CHRONICLE_TEXT];
	bool exists;
};

struct replay_state {
	struct replayed *nodes;
	size_t count, capacity;
};

void replay_change(struct replay_state *state, const struct chronicled *change);
/* NULL if there is none now. */
const struct replayed *replay_find(const struct replay_state *state, const char *path);
void replay_fini(struct replay_state *state);

#endif
