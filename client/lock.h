/*
 * Locks: contending, waiting, holding, losing, giving back.
 *
 * A lock contends once.  If it must wait, it watches its contender from the
 * revision after that, so that no grant can come in between unseen; while it is
 * held the same watch tells when somebody deletes the contender.  It is held while
 * its token is known, and the session in which it contended can be counted on
 * without a break; a grant that arrives while the session is in doubt is told when
 * the session has been confirmed.
 *
 * Whatever happens, the contender must not stay behind without an owner: every
 * way out goes through lock_leave(), which withdraws unless it is certain that nothing
 * is there.  Writes of a handle are executed in order, so that also reaches a
 * contender that the ensemble has not made yet, and none that is made later.
 *
 * Memory.  The application, the hook and each call under way hold a reference.
 * The hook's goes last of all that the handle calls: the watch is closed before
 * the hook is removed, and on_gone says that no callback runs any more.
 */
#ifndef CLIENT_LOCK_H
#define CLIENT_LOCK_H

#include <limits.h>
#include <sys/queue.h>

#include "client/monitor.h"
#include "client/synod.h"

#define FOR_EVER_MS UINT_MAX

enum phase {
	PHASE_ASKING,  /* no answer yet */
	PHASE_WAITING, /* for a grant, or for the session to be confirmed */
	PHASE_HELD,
	PHASE_OVER, /* not acquired, lost or released */
};

struct synod_lock {
	LIST_ENTRY(synod_lock) link; /* in `locks` */
	struct monitor monitor;      /* over all that follows but what is set once */
	struct synod *synod;
	struct synod_lock_options options;
	struct synod_hook *hook;
	char *path;
	char *contender;
	struct synod_watch *watch;
	enum phase phase;
	uint64_t session; /* the contender's */
	uint64_t token;   /* of the grant; kept when it is lost, for the guard */
	int error;        /* with which acquiring ended */
	int leave_error;  /* with which withdrawing ended */
	unsigned references;
	bool is_listed;         /* in `locks` */
	bool is_submitted;      /* synod_contend() has returned */
	bool may_contend;       /* there may be a contender of ours */
	bool has_node;          /* in the state that is being told */
	bool is_overdue;        /* somebody was told that nothing remains */
	bool is_settled;        /* acquiring has ended, with `error` */
	bool is_released;       /* the application has let go */
	bool is_left;           /* lock_leave() has begun */
	bool is_answer_awaited; /* by the thread that releases */
	bool is_retrying;       /* withdrawing could not be asked for yet */
	bool is_detached;       /* lock_detach() has been called */
	bool is_unhooked;       /* the hook was removed, */
	bool is_gone;           /* and is gone */
};

/* What the application must be told, found under the monitor and told outside of it. */
enum news {
	NEWS_NONE,
	NEWS_ACQUIRED, /* or not: lock->error */
	NEWS_LOST,
};

/* ---- leaving (lock_leave.c) ---- */

/* SYNOD_EXISTS: the handle has a lock of this path. */
int lock_enlist(struct synod_lock *lock);
void lock_refer(struct synod_lock *lock);
void lock_unrefer(struct synod_lock *lock);

/* Withdraw, unless it is certain that nothing is there; once.  TIMEOUT_MS: how long the answer is
 * awaited; FOR_EVER_MS: it does not matter, the ensemble will have it before any later write. */
void lock_leave(struct synod_lock *lock, unsigned timeout_ms);

/* Try again what the library would not take. */
void lock_withdraw(struct synod_lock *lock, unsigned timeout_ms);

/* Nothing of ours is left in the ensemble, or will be soon: the path is free for another lock. */
void lock_detach(struct synod_lock *lock);

/* The hook is needed until withdrawing is certain, and the application has let go. */
void lock_unhook(struct synod_lock *lock);

/* ---- the contender's life (lock_life.c); in callbacks ---- */

/* The answer to synod_contend(). */
void lock_on_contended(void *context, const struct synod_result *result);

/* Held: acquiring has ended. */
enum news lock_settle(struct synod_lock *lock, int error);
void lock_tell(struct synod_lock *lock, enum news news);

/* Look at the session, and at ERROR if there is one, and tell what follows. */
void lock_review(struct synod_lock *lock, int error);

#endif
