/*
 * Living clients: beside those that get and set, clients that hold things.  They
 * make nodes that go with them, keep leases, watch, take locks and lead, with the
 * real library and through its public calls alone.
 *
 * Everything an application does runs in a callback of its handle (a hook's
 * on_time), where no call blocks.  What it was told is written down, and judged at
 * the end against the chronicle: check_watch.c, check_lock.c, check_owner.c.
 */
#ifndef TESTS_SIM_LIVING_H
#define TESTS_SIM_LIVING_H

#include "client/synod.h"
#include "tests/sim/chronicle.h"
#include "tests/sim/host.h"
#include "tests/sim/living_service.h"

#define LIVING_ROOT   "/live"
#define LIVING_PATH   CHRONICLE_PATH
#define WATCHERS_MAX  4 /* of a client at a time */
#define BOOKMARKS_MAX 2
#define LOCKS_MAX     4 /* paths of locks */
#define KEPT_MAX      4 /* kept by a client at a time */
#define STALE_MAX     4
#define ELECTION      (LOCKS_MAX - 1) /* of lock_kinds */

struct living;
struct watcher;
struct hold;
struct sighting;

/* A lock, and how it is used: all contenders agree. */
struct lock_kind {
	const char *path;
	unsigned limit;
	bool has_shared;
	bool has_delay;
};

extern const struct lock_kind lock_kinds[LOCKS_MAX];

struct bookmark {
	bool is_set;
	char path[LIVING_PATH];
	enum synod_scope scope;
	bool with_data;
	uint64_t revision; /* the last told */
};

/* A token that was once held, for writes that come too late. */
struct stale {
	unsigned lock;
	uint64_t token;
};

struct kept {
	uint64_t id;
	uint64_t ttl_ms;
	bool is_kept;
};

struct living_client {
	struct living *living;
	struct host *host;
	struct random random;
	unsigned index;
	/* Outlives a crash: the application wrote it down. */
	struct bookmark bookmarks[BOOKMARKS_MAX];
	struct stale stale[STALE_MAX];
	unsigned next_stale;
	/* This process. */
	struct synod_hook *hook;
	struct watcher *watchers[WATCHERS_MAX];
	struct hold *holds[LOCKS_MAX];
	struct kept leases[KEPT_MAX];
	struct sighting *sighting; /* while it observes the election */
	struct service_client services;
	unsigned under_way;
	uint64_t seen_revision;
	bool is_closing;
	/* Before its actor ran. */
	uint64_t session;
	uint64_t deadline_us;
};

/* ---- what the others call ---- */

struct living *living_new(struct world *world);
void living_free(struct living *living);

bool living_is(const struct host *host);
void living_start(struct host *host);
void living_on_crash(struct host *host);
void living_run(struct host *host);

/* The chronicle has grown from the index FIRST on. */
void living_on_changes(struct living *living, size_t first);

/* No new work; what is open stays open. */
void living_stop(struct living *living);
/* No call is under way. */
bool living_is_idle(const struct living *living);
/* Every watch has been told everything up to REVISION; whoever is dead owns nothing any more. */
bool living_has_settled(struct living *living, const char **why);

/* When all is over: hold what was told against what happened. */
void living_check(struct living *living);
void check_watch(struct living *living);
void check_lock(struct living *living);
void check_owner(struct living *living);

struct check_brake;
struct check_brake *check_brake_new(struct living *living);
void check_brake_free(struct check_brake *check);
/* The chronicle has grown. */
void check_brake_follow(struct check_brake *check);
/* The path of a suspect that waits to be judged, or NULL. */
const char *check_brake_unjudged(const struct check_brake *check);
/* The brake has been found to hold it. */
bool check_brake_is_held(struct check_brake *check, const char *path);
/* The share of the service at PATH, in percent. */
uint64_t check_brake_share(struct check_brake *check, const char *path);
void check_brake_at_end(struct check_brake *check);

/* ---- the parts: living.c ---- */

struct living {
	struct world *world;
	struct chronicle *chronicle;
	struct check_brake *brake;
	struct living_client clients[LIVING_LIMIT];
	bool is_stopped;
	uint64_t changed_us; /* the last change was written down */
	uint64_t stopped_us;
	uint64_t serial; /* of everything that is begun */
	/* The evidence. */
	struct service_world services;
	struct watcher **watchers;
	size_t watcher_count, watcher_capacity;
	struct hold **holds;
	size_t hold_count, hold_capacity;
	struct sighting **sightings;
	size_t sighting_count, sighting_capacity;
	struct ending *endings; /* sessions and leases whose end was asked for */
	size_t ending_count, ending_capacity;
};

/* Room for one more in an array of pointers or structs. */
#define LIVING_GROW(array, count, capacity)                                                        \
	do {                                                                                       \
		if ((count) == (capacity)) {                                                       \
			(capacity) = (capacity) ? 2 * (capacity) : 16;                             \
			(array) = check_realloc((array), (capacity) * sizeof *(array));            \
		}                                                                                  \
	} while (0)

/* A call of a client: its answer tells what must have been told before. */
struct ask {
	struct living_client *client;
	uint64_t serial;
	uint64_t revision; /* of its answer, and */
	int error;
	bool is_local; /* it need not tell the newest */
	void (*then)(struct ask *ask, const struct synod_result *result);
	uint64_t number; /* for `then` */
};

/* A call structure whose answer comes to ASK's `then`, and to the watchers. */
struct ask *ask_new(struct living_client *client,
                    void (*then)(struct ask *ask, const struct synod_result *result));
struct synod_call ask_call(struct ask *ask);
/* After the call was made: ERROR is what it returned. */
void ask_made(struct ask *ask, int error);

/* Data that names its writer, with padding. */
size_t living_data(struct living_client *client, const char *text, char *data, size_t size);

/* ---- nodes and leases: living_owner.c ---- */

struct ending {
	uint64_t id;
	enum synod_cause cause;
	uint64_t asked_us;
};

void owner_act(struct living_client *client);
void owner_act_lease(struct living_client *client);
void owner_act_end(struct living_client *client);
/* Somebody asks for the end of ID. */
void owner_note_ending(struct living *living, uint64_t id, enum synod_cause cause);
void owner_on_changes(struct living *living, size_t first);
/* Whoever is silent is dead so long after the faults: the longest timeout, the same again for
 * another leader, and time to find one. */
#define OWNER_END_US (35 * SECOND_US)
/* Whoever has fallen silent is known to be dead. */
bool owner_has_settled(struct living *living, const char **why);

/* ---- watches: living_watch.c ---- */

void watch_act(struct living_client *client);
void watch_on_crash(struct living_client *client);
/* Outside of callbacks: take what is queued. */
void watch_poll(struct living_client *client);
void watch_on_answer(struct living_client *client, const struct ask *ask);
bool watch_is_told(const struct living_client *client, uint64_t revision);
bool watch_is_any_queued(const struct living_client *client);
void watchers_free(struct living *living);

/* What was told of a change, a node of a state, a mark or an end. */
struct told {
	enum synod_event_kind kind;
	bool more, compacted;
	bool is_last;             /* of its event */
	bool is_empty;            /* an event of nothing */
	struct chronicled change; /* STATE: the node; `ordinal` is when it was created */
	uint64_t revision;
	uint64_t kept_from; /* then */
	uint64_t at_us;
	int error;
};

/* By then an answer of this revision had come. */
struct barrier {
	size_t told_count;
	uint64_t revision;
};

struct watcher {
	struct living_client *client;
	uint64_t incarnation;
	uint64_t serial;
	char path[LIVING_PATH];
	struct synod_watch_options options;
	bool is_queued; /* not called back: polled */
	bool is_future; /* from a revision that does not exist yet */
	bool is_resumed;
	bool is_open; /* its handle has it */
	bool has_ended;
	struct synod_watch *watch;
	uint64_t seen_revision;   /* by the handle, when it was opened */
	uint64_t marked_revision; /* as the library said last */
	struct told *told;
	size_t told_count, told_capacity;
	struct barrier *barriers;
	size_t barrier_count, barrier_capacity;
};

/* ---- locks and elections: living_lock.c ---- */

struct hold {
	struct living_client *client;
	uint64_t incarnation;
	unsigned lock; /* of lock_kinds */
	bool is_shared;
	struct synod_lock *handle;
	struct synod_election *election; /* instead */
	bool is_over;
	uint64_t session; /* when it was acquired */
	uint64_t token;   /* 0: never */
	char contender[LIVING_PATH];
};

/* What an observer was told. */
struct sighting {
	struct living_client *client;
	uint64_t incarnation;
	struct synod_observer *observer;
	struct seen {
		uint64_t token, session, revision;
		uint64_t value_hash;
	} * seen;
	size_t count, capacity;
};

void lock_act(struct living_client *client);
void lock_act_register(struct living_client *client);
void lock_act_election(struct living_client *client);
void lock_on_crash(struct living_client *client);
/* Outside of callbacks, after CLIENT has run. */
void lock_check_beliefs(struct living_client *client);
void holds_free(struct living *living);

#endif
