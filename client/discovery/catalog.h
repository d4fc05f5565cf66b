/*
 * The catalogue of a service: its instances as the ensemble tells them.
 *
 * In the order of ids.  What has been seen of an instance (its breaker, its calls in
 * progress) is kept for a while after it is gone, so that one that flaps does not
 * come back with a clean record.
 *
 * A state is read in parts, and replaces what was known with the last of them.
 *
 * One thread at a time; nothing outside is called.
 */
#ifndef CLIENT_DISCOVERY_CATALOG_H
#define CLIENT_DISCOVERY_CATALOG_H

#include "client/discovery/balance.h"

/* How long an instance that is gone is remembered, and how many of them are. */
#define CATALOG_ABSENCE_MS  60000
#define CATALOG_ABSENCE_MAX 10000

struct instance {
	struct record *record; /* NULL: malformed, or gone */
	struct target *target; /* of the record */
	struct health *health;
	char *why;        /* malformed: the reason; may be NULL */
	uint64_t state;   /* the last one that had it */
	uint64_t gone_ms; /* when it went */
	uint64_t created; /* revision */
	bool is_present;  /* false: gone, and only its health is kept */
	bool is_suspect;
	bool is_match;  /* satisfies the filter */
	bool is_usable; /* as of the last catalog_choose() */
	char id[];
};

struct catalog_counts {
	size_t instances;
	size_t suspects;
	size_t malformed;
	bool brake_holds;
};

struct catalog {
	char path[SERVICE_PATH_SIZE];
	size_t path_size;
	const struct synod_filter *filter;
	struct instance **known; /* by id; those that are gone, too */
	size_t known_count;
	size_t known_capacity;
	struct target **chosen; /* of the last choice */
	size_t chosen_count;
	size_t chosen_capacity;
	uint64_t state; /* so many have begun */
	unsigned brake_percent;
	struct catalog_counts counts; /* of the last choice */
};

/* FILTER must outlive it; NULL: everything matches. */
void catalog_init(struct catalog *catalog, const char *service, const struct synod_filter *filter);
void catalog_fini(struct catalog *catalog);

/* Is it the service itself, and not an instance? */
bool catalog_is_service(const struct catalog *catalog, const char *path);

/* The service's node has, or does not have, a share of suspects of its own; NULL: there is none. */
void catalog_set_service(struct catalog *catalog, const struct synod_stat *stat);

/* A state begins, is told node by node, and is complete. */
void catalog_state_begin(struct catalog *catalog);
int catalog_state_add(struct catalog *catalog, const char *id, const struct synod_node *node,
                      uint64_t now_ms);
void catalog_state_end(struct catalog *catalog, uint64_t now_ms);

/* SYNOD_OK or NO_MEMORY (here and above): then read a state. */
int catalog_change(struct catalog *catalog, const struct synod_change *change, uint64_t now_ms);

/* Who is usable now: catalog->chosen and counts.  SYNOD_OK or NO_MEMORY. */
int catalog_choose(struct catalog *catalog, uint64_t now_ms);

/* The instance of ID, or NULL.  One that is gone is none. */
struct instance *catalog_find(const struct catalog *catalog, const char *id);

#endif
