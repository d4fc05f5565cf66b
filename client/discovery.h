/*
 * Synod: discovery.  Programs register what they offer, find each other, spread
 * their calls, and keep doing so on a bad day.
 *
 * An instance of a service is a node, /services/SERVICE/INSTANCE, that lives with
 * the session of the program that registered it.  Its data is a JSON object, so
 * that people and other tools can read it:
 *
 *   {"address": "10.0.0.7", "port": 8080, "state": "passing", "weight": 100,
 *    "zone": "a", "version": "1.4.2", "tags": ["blue"], "metadata": {"team": "x"}}
 *
 * Only address and port must be there; defaults: passing, weight 100, the rest
 * empty.  Unknown fields are kept out of the way.  A record that is no such object
 * is shown, counted and never given to callers.
 *
 * Names.  Services and instances: 1 to 63 of a-z A-Z 0-9 . _ -, beginning with a
 * letter or a digit.
 *
 * Suspects.  An instance whose session expires is not removed at once: it becomes
 * suspect, and goes after the session's timeout once more (at most a minute).  If
 * by then more than the service's share (half, unless set) of its instances, and at
 * least three, are suspect, the brake holds: those suspects stay until they come back, are removed
 * by hand, or an hour has passed.  A cut network is likelier than so many deaths,
 * and an old address better than none.  Closing, revoking and deleting remove at once.
 *
 * Threads, callbacks and errors are as synod.h says.
 */
#ifndef SYNOD_DISCOVERY_H
#define SYNOD_DISCOVERY_H

#include "synod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- instances ---- */

enum synod_health {
	SYNOD_PASSING = 0,
	SYNOD_WARNING = 1,  /* works, but somebody should look: picked like passing ones */
	SYNOD_STARTING = 2, /* not ready for calls yet */
	SYNOD_CRITICAL = 3, /* its checks fail */
	SYNOD_DRAINING = 4, /* finishes what it has, takes nothing new */
};

/* "passing", ...  A static text, never NULL. */
SYNOD_API const char *synod_health_name(enum synod_health health);

struct synod_pair {
	const char *name;
	const char *value;
};

struct synod_instance {
	const char *id;
	const char *address; /* a host name or a number, without port or brackets */
	unsigned port;       /* 1 to 65,535 */
	enum synod_health health;
	unsigned weight;  /* 1 to 65,535; when registering 0 means 100 */
	const char *zone; /* here and below NULL when registering means empty; never NULL else */
	const char *version;
	const char *const *tags; /* at most 64 */
	size_t tag_count;
	const struct synod_pair *metadata; /* at most 64; names are unique */
	size_t metadata_count;
	/* What the ensemble says of it; ignored when registering. */
	bool is_suspect;  /* its session expired, and it stays for now */
	uint64_t owner;   /* session or lease; 0: none */
	uint64_t created; /* revisions */
	uint64_t modified;
};

/* ---- registering ---- */

struct synod_service;

enum synod_check_kind {
	/* TARGET is an http:// URL: 2xx passes, 429 warns, all else fails, redirections too.  No
	 * https: use a command such as curl. */
	SYNOD_CHECK_HTTP = 1,
	SYNOD_CHECK_TCP = 2, /* TARGET is HOST:PORT: a connection is taken */
	/* TARGET is for /bin/sh -c: exit code 0 passes, 1 warns.  It runs in a process group of its
	 * own with /dev/null as input; whatever is left of the group at its end, or when its time
	 * is over, is killed.  The program may ignore SIGCHLD. */
	SYNOD_CHECK_COMMAND = 3,
	SYNOD_CHECK_FUNCTION = 4, /* RUN returns the health: passing, warning or critical */
};

struct synod_check {
	enum synod_check_kind kind;
	const char *target;
	/* On the check's own thread, one call at a time; may block for up to TIMEOUT_MS or so: it
	 * cannot be broken off, but its verdict counts as critical when it comes later. */
	enum synod_health (*run)(void *context);
	void *context;
	unsigned interval_ms; /* between the end of one and the begin of the next; 0: 10,000 */
	unsigned timeout_ms;  /* of each, then it is broken off and has failed; 0: 2,000 */
	unsigned rise;        /* so many good ones in a row until it passes; 0: 1 */
	unsigned fall;        /* so many failures in a row until it is critical; 0: 3 */
};

enum synod_service_status {
	SYNOD_SERVICE_PENDING = 0, /* not there, or not any more: the library keeps on trying */
	SYNOD_SERVICE_REGISTERED = 1,
	SYNOD_SERVICE_DRAINED = 2,    /* somebody else has set it to draining: finish and leave.  It
	                               * stays registered, draining, whatever health is set. */
	SYNOD_SERVICE_TAKEN_OVER = 3, /* another living program registered the same id after us: the
	                               * last one wins, and we do not take it back.  Final. */
	SYNOD_SERVICE_REMOVED = 4,    /* somebody deleted the record by hand.  Final. */
	SYNOD_SERVICE_REFUSED = 5,    /* the ensemble refuses it for good: see ERROR.  Final. */
};

struct synod_service_options {
	/* ID NULL: "ADDRESS-PORT", with '-' in place of what the grammar does not know; the same
	 * after a restart, so that a program replaces its own stale record at once.  HEALTH: with
	 * which it begins; STARTING until the program says that it is ready, if it wishes. */
	struct synod_instance instance;
	/* The worst verdict is the health, once the program's own health is passing or warning: a
	 * program that has not said that it is ready stays starting.  Until each check has had its
	 * first verdict the instance is starting, too.  Copied; at most 8. */
	const struct synod_check *checks;
	size_t check_count;
	/* For a service that does not exist yet: see above.  Percent, 1 to 100; 0: 50. */
	unsigned brake_percent;
	/* At every change of the status, with what happened (SYNOD_OK, or the error that keeps it
	 * pending or has ended it).  With it registering does not wait for the ensemble. */
	void (*on_status)(void *context, struct synod_service *service,
	                  enum synod_service_status status, int error);
	/* At every verdict of a check: WHY says in words what was seen. */
	void (*on_check)(void *context, struct synod_service *service, size_t check,
	                 enum synod_health health, const char *why);
	void *context;
};

/*
 * Register an instance of SERVICE for as long as the handle's session lives, and
 * again with every later session until synod_service_deregister().  A record that
 * is there already is replaced, whoever owns it, in one revision; its owner is told.
 *
 * Without on_status it blocks until the instance is registered, at most the handle's call
 * timeout; then nothing is left behind.  SYNOD_OK; SYNOD_BAD_PATH (names);
 * SYNOD_BAD_ARGUMENT (port, weight, address, checks, texts that are not UTF-8, control
 * characters in names); SYNOD_TOO_LARGE (the record above 64 KiB); SYNOD_EXISTS (this handle
 * has registered it already); others as synod_put().
 */
SYNOD_API int synod_service_register(struct synod *synod, const char *service,
                                     const struct synod_service_options *options,
                                     struct synod_service **registration);

SYNOD_API const char *synod_service_id(struct synod_service *service);
SYNOD_API enum synod_service_status synod_service_status(struct synod_service *service);

/*
 * Change the record in place, without waiting: the newest wish is written when the ensemble can
 * be reached.  SYNOD_OK, BAD_ARGUMENT, NO_MEMORY, TOO_LARGE.
 */
SYNOD_API int synod_service_set_health(struct synod_service *service, enum synod_health health);
SYNOD_API int synod_service_set_weight(struct synod_service *service, unsigned weight);
/* VALUE NULL: remove it. */
SYNOD_API int synod_service_set_metadata(struct synod_service *service, const char *name,
                                         const char *value);

/* What is the health now, of the program's own and the checks'. */
SYNOD_API enum synod_health synod_service_health(struct synod_service *service);

/*
 * Set the record to draining, wait DRAIN_MS for callers to notice, delete it, and free the
 * registration in any case.  Blocks; in a callback, or in the function of a check, it does not
 * wait, and deletes at once. SYNOD_OK; SYNOD_UNKNOWN (no answer within the call timeout: it goes
 * with the session).  Accepts NULL.  Registrations that are left at synod_close() go with the
 * session, and must not be touched afterwards.
 */
SYNOD_API int synod_service_deregister(struct synod_service *service, unsigned drain_ms);

/* ---- looking up ---- */

struct synod_resolver;

/* Which instances: those that satisfy everything that is set. */
struct synod_filter {
	unsigned health;         /* the sum of 1 << enum synod_health; 0: passing and warning */
	const char *const *tags; /* all of them */
	size_t tag_count;
	const struct synod_pair *metadata; /* all of them; a NULL value: that there is one */
	size_t metadata_count;
	const char *zone;
	const char *version;
};

enum synod_balance {
	SYNOD_TWO_CHOICES =
		0, /* of two at random the one with fewer calls in progress, by weight */
	SYNOD_ROUND_ROBIN = 1,
	SYNOD_RANDOM = 2,
	SYNOD_WEIGHTED = 3, /* at random, in proportion to the weights */
	SYNOD_LEAST_IN_USE = 4,
	SYNOD_HASH = 5, /* the same key, the same instance, as long as its load is within the bound;
	                 * few keys move when instances come and go */
};

/* A breaker per instance: closed (calls go through), open (none do), half open (a few try).  It
 * goes with the id: it outlives changes of the record, and absences of up to a minute. */
struct synod_breaker_options {
	unsigned failures;        /* in a row that open it; 0: 5; UINT_MAX: never */
	unsigned failure_percent; /* of the calls within the window that open it; 0: 50; above 100:
	                             never */
	unsigned window_ms;       /* 0: 10,000 */
	unsigned calls_min;       /* in the window before percentages count; 0: 20 */
	unsigned open_ms;         /* 0: 1,000; doubles each time half open fails, up to: */
	unsigned open_max_ms;     /* 0: 30,000 */
	unsigned trials;          /* good ones in a row, half open, that close it; 0: 1 */
};

enum synod_breaker_state {
	SYNOD_BREAKER_CLOSED = 0,
	SYNOD_BREAKER_OPEN = 1,
	SYNOD_BREAKER_HALF_OPEN = 2,
};

struct synod_resolver_options {
	struct synod_filter filter; /* copied */
	enum synod_balance balance;
	/* Instances of this zone first, as long as there are enough of them for an even share of
	 * the load: others get what exceeds it (spill-over).  NULL: zones do not matter. */
	const char *zone;
	struct synod_breaker_options breaker;
	unsigned concurrent_max; /* calls in progress per instance: a bulkhead; 0: no bound */
	unsigned load_percent;   /* SYNOD_HASH: an instance may have this share of the mean load; 0:
	                            125 */
	unsigned slow_start_ms;  /* a new instance's weight grows from a tenth to the whole; 0: none
	                          */
	/* Something changed, and is seen by every pick from now on: instances, staleness, the
	 * brake. */
	void (*on_change)(void *context, struct synod_resolver *resolver);
	void *context;
};

struct synod_resolver_status {
	uint64_t revision; /* 0: nothing has been heard yet */
	bool is_stale;    /* the ensemble is away (or not heard yet); what was heard last is used */
	uint64_t age_ms;  /* since when, if it is stale */
	bool brake_holds; /* so many are suspect that suspects are picked too */
	size_t instances; /* all there are */
	size_t usable;    /* satisfy the filter, and are picked */
	size_t suspects;
	size_t malformed; /* records that could not be read */
	size_t open;      /* breakers that are open now */
	int error;        /* why the watch cannot go on at present, or SYNOD_OK */
};

/*
 * Keep a local copy of SERVICE's instances, fed by a watch.  Returns at once; until the
 * first state has been heard there are no instances: synod_resolver_wait().  A service
 * that does not exist (yet) has none.  SYNOD_OK, BAD_PATH, BAD_ARGUMENT, NO_MEMORY, LIMIT,
 * CLOSED.  Look-ups never call the ensemble, and go on while it is away, from any thread.
 */
SYNOD_API int synod_resolver_open(struct synod *synod, const char *service,
                                  const struct synod_resolver_options *options,
                                  struct synod_resolver **resolver);

/* Wait until the state has been heard and COUNT (0: any number) instances are usable.  SYNOD_OK,
 * SYNOD_TIMEOUT, BAD_ARGUMENT in a callback. */
SYNOD_API int synod_resolver_wait(struct synod_resolver *resolver, size_t count,
                                  unsigned timeout_ms);

SYNOD_API void synod_resolver_status(struct synod_resolver *resolver,
                                     struct synod_resolver_status *status);

struct synod_instances {
	const struct synod_instance *const *instances; /* by id */
	size_t count;
};

/* A copy of those that satisfy FILTER (NULL: all there are, whatever their health), suspects too;
 * records that could not be read are only counted, in the status.  SYNOD_OK or NO_MEMORY. */
SYNOD_API int synod_resolver_list(struct synod_resolver *resolver,
                                  const struct synod_filter *filter,
                                  struct synod_instances **instances);
SYNOD_API void synod_instances_free(struct synod_instances *instances); /* accepts NULL */

struct synod_pick_options {
	const void *key; /* SYNOD_HASH */
	size_t key_size;
	/* Not this one, if there is another: the one of the last attempt.  An id. */
	const char *avoid;
};

struct synod_pick {
	const struct synod_instance *instance; /* valid until synod_pick_done() */
	uint64_t begun_ms;
	void *slot; /* this and the next: the library's */
	void *origin;
};

enum synod_outcome {
	SYNOD_SUCCEEDED = 0,
	SYNOD_FAILED = 1,    /* counts against the instance */
	SYNOD_ABANDONED = 2, /* says nothing about it */
};

/*
 * Pick an instance for a call.  Every pick is followed by one synod_pick_done().
 * SYNOD_OK; SYNOD_NOT_FOUND: no instance is usable (suspects are picked when no other is, or while
 * the brake holds); SYNOD_BUSY: all that are usable have an open breaker or their bulkhead full.
 * OPTIONS may be NULL.  Never blocks, never allocates.
 */
SYNOD_API int synod_resolver_pick(struct synod_resolver *resolver,
                                  const struct synod_pick_options *options,
                                  struct synod_pick *pick);
SYNOD_API void synod_pick_done(struct synod_pick *pick, enum synod_outcome outcome);

/* The breaker of an instance: SYNOD_NOT_FOUND if there is no such instance. */
SYNOD_API int synod_resolver_breaker(struct synod_resolver *resolver, const char *id,
                                     enum synod_breaker_state *state);

/* Picks that are not done keep what they need; all else goes.  No callback runs afterwards, but
 * for one that is the caller.  Accepts NULL.  Close it before its handle. */
SYNOD_API void synod_resolver_close(struct synod_resolver *resolver);

/* ---- all services ---- */

struct synod_service_summary {
	const char *name;
	size_t instances;
	size_t health[5]; /* how many of each enum synod_health; suspects and malformed ones apart
	                   */
	size_t suspects;
	size_t malformed;
	bool brake_holds;
	unsigned brake_percent;
};

struct synod_services {
	struct synod_service_summary *services; /* by name */
	size_t count;
};

/* Ask the ensemble for all services; blocks.  SYNOD_OK (none: an empty list), else as synod_list().
 */
SYNOD_API int synod_services(struct synod *synod, unsigned timeout_ms,
                             struct synod_services **services);
SYNOD_API void synod_services_free(struct synod_services *services); /* accepts NULL */

/*
 * Mark an instance as draining, or delete it, on an operator's behalf: its program is told.
 * Block.  SYNOD_OK, SYNOD_NOT_FOUND, SYNOD_BAD_PATH; drain: SYNOD_BAD_ARGUMENT if the record cannot
 * be read; else as synod_set() and synod_delete().
 */
SYNOD_API int synod_services_drain(struct synod *synod, const char *service, const char *id);
SYNOD_API int synod_services_remove(struct synod *synod, const char *service, const char *id);

/* Set the share above which the brake of a service holds (1 to 100; 100: never), making the service
 * if it does not exist.  Blocks. */
SYNOD_API int synod_services_brake(struct synod *synod, const char *service, unsigned percent);

/* ---- retrying ---- */

/*
 * A budget, shared by the calls of one kind: retries may add PERCENT to the load, and
 * PER_SECOND at any rate, so that they cannot make a bad day worse.  Lock-free.
 * Initialise with SYNOD_RETRY_BUDGET(percent, per_second).
 */
struct synod_retry_budget {
	unsigned percent;
	unsigned per_second;
	uint64_t state[2]; /* the library's */
};
#define SYNOD_RETRY_BUDGET(percent, per_second)                                                    \
	{                                                                                          \
		(percent), (per_second),                                                           \
		{                                                                                  \
			0, 0                                                                       \
		}                                                                                  \
	}

struct synod_retry_options {
	unsigned attempts_max; /* the first one included; 0: 4 */
	unsigned base_ms;      /* the first delay is up to this; 0: 20 */
	unsigned delay_max_ms; /* delays double up to this; 0: 2,000 */
	unsigned deadline_ms;  /* from synod_retry_begin(); no attempt begins later; 0: 10,000 */
	struct synod_retry_budget *budget; /* NULL: none */
};

struct synod_retry {
	struct synod_retry_options options;
	unsigned attempts;
	uint64_t begun_ms;
	uint64_t random;
};

/* Before the first attempt.  OPTIONS may be NULL. */
SYNOD_API void synod_retry_begin(struct synod_retry *retry,
                                 const struct synod_retry_options *options);

/*
 * After an attempt that failed: may there be another, and after what delay?  Exponential
 * back-off with full jitter: a delay between 0 and the doubled one (M. Brooker, "Exponential
 * Backoff and Jitter", 2015).  False: attempts, budget or deadline are used up.
 */
SYNOD_API bool synod_retry_next(struct synod_retry *retry, unsigned *delay_ms);

/* The same, and sleeps for the delay. */
SYNOD_API bool synod_retry_wait(struct synod_retry *retry);

/* How long the present attempt may take before the deadline. */
SYNOD_API unsigned synod_retry_remaining_ms(const struct synod_retry *retry);

#ifdef __cplusplus
}
#endif

#endif
