/*
 * Living clients that offer services and look them up, with the real discovery part
 * of the library.
 *
 * A record names who wrote it: its address is "rN" if it is that of the registration
 * N, "hN" if it was written by hand.
 */
#ifndef TESTS_SIM_LIVING_SERVICE_H
#define TESTS_SIM_LIVING_SERVICE_H

#include "client/discovery.h"
#include "tests/sim/chronicle.h"
#include "tests/sim/world.h"

#define SERVICES_MAX   3
#define REGISTERED_MAX 6 /* of a client at a time */
#define VIEWERS_MAX    2
#define PICKS_MAX      4
#define RECORD_TEXT_ID 16

struct living;
struct living_client;

/* One registration, from registering until its process or itself is gone. */
struct registered {
	struct living_client *client;
	uint64_t number; /* from 1 */
	char path[CHRONICLE_PATH];
	unsigned service;
	struct synod_service *handle;
	bool is_open;
	size_t first; /* the chronicle had so many changes when it was begun */
	/* What the program wishes. */
	enum synod_health health;
	unsigned weight;
	unsigned note; /* its metadata; 0: none */
	/* As told last. */
	enum synod_service_status status;
	size_t ended_count; /* the chronicle had so many changes when it was told an end; 0: none */
	size_t held_count;  /* the same of being told that it is registered */
	bool was_there;     /* judged at the end */
	/* It was told this, in this session, before the change that says so was written down: its
	 * member answered and died. */
	bool is_owed;
	enum synod_service_status owed_status;
	uint64_t owed_session;
};

/* What a resolver showed. */
struct sighted {
	uint64_t revision;
	uint64_t hash; /* of all its instances */
	size_t instances, suspects, malformed;
	bool brake_holds;
};

struct viewer {
	struct living_client *client;
	unsigned service;
	unsigned health; /* of its filter */
	bool is_bounded; /* it may pass over an instance that is closed */
	struct synod_resolver *resolver;
	bool is_open;
	struct sighted *sighted;
	size_t count, capacity;
};

/* A record, as its text says. */
struct record_text {
	bool is_whole; /* false: malformed */
	char address[16];
	uint64_t registered; /* the registration's number; 0: by hand */
	unsigned port;
	int health;
	unsigned weight;
	unsigned note;
};

/* Everything of all clients. */
struct service_world {
	struct registered **registered; /* number - 1 */
	size_t registered_count, registered_capacity;
	struct viewer **viewers;
	size_t viewer_count, viewer_capacity;
	struct replay_state now; /* what is below /services */
};

/* Of a client's process. */
struct service_client {
	struct registered *registered[REGISTERED_MAX];
	struct viewer *viewers[VIEWERS_MAX];
	struct synod_pick picks[PICKS_MAX];
	bool is_picked[PICKS_MAX];
};

void service_world_fini(struct service_world *services);

/* Instances and services written by hand. */
void instance_act(struct living_client *client);
void service_act(struct living_client *client);
void resolver_act(struct living_client *client);

/* The process is gone, or closes its handle: then it has let go of what it can. */
void service_on_crash(struct living_client *client);
void service_on_changes(struct living *living, size_t first);
/* Everything is as it is wished and shown. */
bool service_has_settled(struct living *living, const char **why);

/* Read DATA (NULL: absent). */
struct record_text record_text_read(const char *data);
/* ID (RECORD_TEXT_ID bytes) of an instance that several write to.  What a client registers it does
 * not write by hand: it would be the owner in both cases. */
void record_text_shared_id(char *id, struct living_client *client, bool is_registering);
void record_text_service_path(char *path, unsigned service, const char *id);

/* check_service.c: what a registration is told is true, when it is told. */
void check_service_status(struct registered *registered, enum synod_service_status status);
/* It is as its program wishes; else *WHY. */
bool check_service_is_kept(const struct registered *registered, const char **why);
void check_service(struct living *living);

/* check_resolver.c */
void check_resolver_take(struct viewer *viewer);
void check_resolver_pick(struct viewer *viewer, const struct synod_pick_options *options, int error,
                         const struct synod_pick *pick, const struct synod_instances *all,
                         const struct synod_resolver_status *status);
bool check_resolver_is_current(struct viewer *viewer, const char **why);
void check_resolver(struct living *living);

#endif
