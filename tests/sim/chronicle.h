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
#define SERVICES_ROOT  "/services"
/* Of what is below it all data is kept. */
#define CHRONICLE_SERVICES SERVICES_ROOT "/"

struct chronicled {
	uint64_t revision, ordinal;
	enum synod_change_kind kind;
	unsigned cause;
	char path[CHRONICLE_PATH];
	uint64_t version, owner, previous_owner;
	uint64_t data_hash;                       /* 0: absent */
	char text[CHRONICLE_TEXT];                /* how the data begins */
	char *data;                               /* all of it, of an instance; NULL: absent */
	uint64_t at_us;                           /* first applied */
	uint64_t uptime_least_ms, uptime_most_ms; /* of the command */
};

/* A command as it was applied. */
struct commanded {
	uint64_t slot;
	uint64_t uptime_ms;
	unsigned type; /* enum command_type */
	unsigned op;   /* of a client's; 0: none */
	int error;
	uint64_t session;            /* whose it is, or EXPIRE's */
	uint64_t opened, timeout_ms; /* a session or lease that it opened */
	/* CREATE, PUT, ACQUIRE: */
	char path[CHRONICLE_PATH];
	bool is_prefix;
	unsigned kind;
	uint64_t brake_percent;
};

struct chronicle {
	struct world *world;
	struct chronicled *changes;
	size_t count, capacity;
	uint64_t revision;  /* of the last */
	uint64_t uptime_ms; /* as seen last */
	uint64_t kept_from; /* the most that any member has trimmed its history to */
	struct commanded *commands;
	size_t command_count, command_capacity;
	uint64_t commanded_slot; /* of the last */
	uint64_t complete_slot;  /* up to here all changes of all commands are known */
	bool has_gap;            /* something was trimmed before it could be written down */
};

struct chronicle *chronicle_new(struct world *world);
void chronicle_free(struct chronicle *chronicle);

/* HOST's executor has run. */
void chronicle_on_run(struct chronicle *chronicle, struct host *host);

/* The index of the first change of REVISION or a later one. */
size_t chronicle_find(const struct chronicle *chronicle, uint64_t revision);

/* The command of SLOT, or NULL. */
const struct commanded *chronicle_command(const struct chronicle *chronicle, uint64_t slot);

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
	const char *data; /* of an instance: the change's */
	bool exists;
	bool is_suspect;
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
