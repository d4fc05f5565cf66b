/*
 * Resolvers: a catalogue fed by a watch, and a picker.
 *
 * The feed is one watch of the service and its children that begins with the
 * present state.  Where the ensemble finds the state too large for that, it is
 * listed in pages, and watched from the revision after that.  Whatever ends the
 * watch, or a lack of memory, is mended by beginning again; what was known stays
 * in use until then.
 *
 * A change says nothing of the share above which the brake holds, so the service's
 * stat is asked for when its node is created or written to.
 *
 * Events change the catalogue under the monitor; look-ups by name and lists take
 * it too, for a short time, and picks do not.
 *
 * Memory.  The application, the hook, each call under way and each thread that
 * waits hold a reference.
 */
#ifndef CLIENT_DISCOVERY_RESOLVER_H
#define CLIENT_DISCOVERY_RESOLVER_H

#include <sys/queue.h>

#include "client/discovery/catalog.h"
#include "client/discovery/picker.h"
#include "client/monitor.h"

struct waiting;

struct synod_resolver {
	/* Set once. */
	struct synod *synod;
	void (*on_change)(void *context, struct synod_resolver *resolver);
	void *context;
	struct synod_filter *filter;
	struct picker *picker;
	struct synod_hook *hook;

	struct monitor monitor; /* over all that follows */
	struct catalog catalog;
	LIST_HEAD(waiting_list, waiting) waiting;
	struct synod_watch *watch;
	uint64_t revision;
	bool has_heard; /* a state */
	int error;
	unsigned references;
	bool is_closed; /* by the application */
	bool is_orphan; /* the handle is closed, or about to be */
	bool is_gone;   /* the hook */

	/* Whether the ensemble is there. */
	bool is_stale;
	bool is_expired;   /* then the handle does not tell when the ensemble goes */
	uint64_t stale_ms; /* since when */
	uint64_t heard_ms; /* when something came last */

	/* The feed. */
	bool is_in_state; /* the rest of it follows */
	uint64_t state_revision;
	bool is_broken; /* begin again */
	bool is_paged;  /* the state is too large for a watch */
	bool is_stat_wanted;
	bool is_stat_asked;
};

/* synod_resolver_open() with CLOCK in place of the machine's; it must outlive every pick. */
int resolver_open(struct synod *synod, const char *service,
                  const struct synod_resolver_options *options, struct clock *clock,
                  struct synod_resolver **resolver);

/* Each record that could not be read, by id, with the reason.  EACH must not call the resolver. */
void resolver_malformed(struct synod_resolver *resolver,
                        void (*each)(void *context, const char *id, const char *why),
                        void *context);

/* ---- between its parts ---- */

void resolver_refer(struct synod_resolver *resolver);
void resolver_unrefer(struct synod_resolver *resolver);

/* Held.  What the catalogue says is picked from now on; if there is no memory for that, begin
 * again. */
void resolver_renew(struct synod_resolver *resolver);

/* Held.  The feed is broken by ERROR: synod_hook_after() must follow. */
void resolver_break(struct synod_resolver *resolver, int error);

/* Held.  Something was heard from the ensemble, or it is away.  True: that is news. */
bool resolver_set_stale(struct synod_resolver *resolver, bool is_stale);

/* Not held; in a callback. */
void resolver_tell(struct synod_resolver *resolver);

/* Put WATCH in the place of the one that is there; close whatever has no place. */
void resolver_exchange_watch(struct synod_resolver *resolver, struct synod_watch *watch);

/* ---- the feed (resolver_feed.c) ---- */

/* SYNOD_OK, or as synod_watch_open(). */
int resolver_feed_begin(struct synod_resolver *resolver);

/* What the watch tells; also a bench's, in its place. */
void resolver_feed_event(void *context, struct synod_watch *watch, const struct synod_event *event);

/* What could not be done before is tried again. */
void resolver_feed_on_time(struct synod_resolver *resolver);

/* ---- waiting (resolver_wait.c) ---- */

/* Held: SYNOD_OK, whoever waits for what is so now returns; else all return with ERROR. */
void resolver_wake(struct synod_resolver *resolver, int error);

#endif
