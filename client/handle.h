/* The handle behind struct synod, and how to make one over another world than the real one. */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "client/session.h"

struct synod {
	struct transport *transport;
	bool uses_shared_transport;
	struct clock *clock;
	enum actor_mode mode;
	struct endpoints endpoints;
	struct call_pool pool;
	struct hooks hooks;
	struct session *session;
	struct loop *loop; /* options->own_loop; else NULL */
	struct waiter stopped;
	atomic_bool is_closing;
};

/* What a handle stands on.  The simulator and tests bring their own; the handle does not free it.
 */
struct environment {
	struct transport *transport;
	struct clock *clock;
	enum actor_mode mode; /* ACTOR_MANUAL: only calls with a callback; run session->actor */
};

int handle_open(const struct environment *environment, const struct synod_options *options,
                struct synod **synod);

/* The two halves of synod_close(), for ACTOR_MANUAL: run the actor in between until
 * stopped.is_done. */
void handle_close(struct synod *synod);
void handle_free(struct synod *synod);

#endif
