/*
 * Registrations: an instance's record in the ensemble, for as long as a program wants.
 *
 * A registration is a small state machine.  Each phase has one call to the ensemble,
 * and the answer says which phase is next (registration_life.c):
 *
 *     CLAIM --> HOLD          the first time: put, whoever has the record
 *     LOOK --> CREATE, TAKE   later: whose is it?  Nobody's: create.  Ours, or without an owner:
 *       --> HOLD              put, on condition that it still is.  Another's: taken over.
 *     PARENT                  the service does not exist: make it, and begin again
 *     HOLD                    it is there: write what the program wishes, the newest only
 *     LEAVE --> OVER          delete it, on condition that it is ours
 *
 * At most one call is under way.  Two things come in between: the session ends, which
 * leads from HOLD to LOOK, and what the watch of the record tells (registration_watch.c):
 * taken over, removed, drained, vanished.  An answer to a phase that was left meanwhile is ignored.
 *
 * "Ours" is a record whose owner is a session of this handle, the present one or one
 * of the last.  A record that was ours once and is another's now has been taken over, since a put
 * of ours never replaces another's again once the first has been executed.
 *
 * The health that is written is made of the program's own, the checks' verdicts and
 * draining (registration_health.c).
 *
 * Memory.  The application, each hook and each call under way hold a reference.  No
 * lock is held while anything is called.
 */
#ifndef CLIENT_DISCOVERY_REGISTRATION_H
#define CLIENT_DISCOVERY_REGISTRATION_H

#include <sys/queue.h>

#include "client/discovery/check.h"
#include "client/discovery/record.h"
#include "client/monitor.h"

#define DRAINING_TEXTS_KEPT       16
#define SESSIONS_KEPT             4
#define REGISTRATION_DELAY_MIN_MS 100 /* before the second try; doubles */

enum phase {
	PHASE_NEW, /* not begun; as a call: none is under way */
	PHASE_CLAIM,
	PHASE_LOOK,
	PHASE_CREATE,
	PHASE_TAKE,
	PHASE_PARENT,
	PHASE_HOLD,
	PHASE_LEAVE,
	PHASE_OVER,
};

/* What a call needs, taken under the monitor. */
struct attempt {
	enum phase phase;
	struct buffer text; /* the record, if the phase writes it */
	uint64_t owner;     /* on condition that it is the record's */
};

/* A check's verdict that is to be told. */
struct verdict {
	STAILQ_ENTRY(verdict) link;
	size_t check;
	enum synod_health health;
	char why[];
};

struct synod_service {
	LIST_ENTRY(synod_service) link; /* in `registrations` */
	struct monitor monitor;         /* over all that follows but what is set once */
	struct synod *synod;
	struct synod_hook *hook;         /* states, the time to try again, the end */
	struct synod_hook *drain_hook;   /* draining has lasted long enough */
	struct synod_hook *verdict_hook; /* brings verdicts among the callbacks; NULL: no checks */
	struct synod_service_options options; /* its instance and checks are not used any more */
	char service[RECORD_NAME_MAX + 1];
	char id[RECORD_NAME_MAX + 1];
	char path[SERVICE_PATH_SIZE];
	unsigned references;

	/* ---- the life ---- */
	enum phase phase;
	enum phase asked;                 /* the call that is under way */
	uint64_t sessions[SESSIONS_KEPT]; /* of this handle, the latest first */
	uint64_t session;                 /* that owns the record, while it is held */
	uint64_t owner;                   /* TAKE: whose the record is */
	uint64_t revision;                /* of our last write: what was before does not matter */
	bool may_be_ours;                 /* a claim may have been executed: claim no more */
	bool was_ours;                    /* it has been */
	bool is_successor;                /* what it finds at first may be its predecessor's */
	bool is_succeeded;                /* another registration has the record: leave it there */
	/* A write that may make the record is under way in one that was succeeded: its heir, which
	 * is retained, does nothing before the answer. */
	struct synod_service *heir;
	bool is_awaiting;
	/* What was seen while a write was under way: it counts if it came after that. */
	enum synod_service_status seen_status;
	uint64_t seen_revision;
	bool is_waiting;      /* before the next try */
	bool is_timer_due;    /* and the hook is to be told of it */
	unsigned delay_ms;    /* before the try after that */
	unsigned timer_users; /* threads that are telling it */

	/* ---- what is written ---- */
	struct record *wish; /* with the program's own health */
	bool is_dirty;       /* there is something to write */
	bool is_drained;     /* by somebody else */
	bool is_draining;    /* synod_service_deregister() */
	enum synod_health written_health;
	/* Hashes of the last texts of ours that said draining: of several it may not be known which
	 * one was executed. */
	uint64_t draining_texts[DRAINING_TEXTS_KEPT];

	/* ---- checks ---- */
	struct checks *checks;
	size_t check_count;
	unsigned has_verdict; /* a bit for each check */
	enum synod_health verdicts[CHECKS_MAX];
	STAILQ_HEAD(verdict_list, verdict) untold;
	bool is_reaping; /* a thread waits for the checks' end, */
	bool is_reaped;  /* and has seen it */

	/* ---- the watch ---- */
	struct synod_watch *watch;
	bool is_watch_broken; /* open another when the time comes */
	bool has_node;        /* in the state that is being told */

	/* ---- the application ---- */
	enum synod_service_status status;
	int error;
	enum synod_service_status told_status;
	int told_error;
	bool is_blocking; /* somebody waits for the first registration */
	bool is_settled;  /* and need not any more, because of */
	int settle_error;
	int leave_error;
	bool is_left_open; /* whether the record was deleted is not known yet */
	bool is_drain_awaited;
	bool is_listed;
	bool is_released; /* the application has let go: nothing is told any more */
	bool is_detached; /* registration_detach() has been here, */
	bool is_gone;     /* and nothing of the hook runs any more */
};

/* ---- registration.c ---- */

void registration_refer(struct synod_service *service);
void registration_unrefer(struct synod_service *service);

/* Let go of the handle, if the application has let go and nothing is left to do. */
void registration_detach(struct synod_service *service);

/* ---- registration_life.c ---- */

/* Make the present phase's call, if it is time. */
void registration_proceed(struct synod_service *service);

/* In a callback: tell the application what is new, and proceed. */
void registration_go_on(struct synod_service *service);

/* Held.  The application has registered: begin. */
void registration_begin(struct synod_service *service);

/* Held.  SESSION has been seen. */
void registration_remember(struct synod_service *service, uint64_t session);
bool registration_is_ours(const struct synod_service *service, uint64_t session);

/* Held.  The record is not there any more, because of ERROR: get it back. */
void registration_lose(struct synod_service *service, int error);

/* Held.  It has ended for good. */
void registration_finish(struct synod_service *service, enum synod_service_status status,
                         int error);

/* Held.  At REVISION the record was seen to be another's, or removed: STATUS, which is final if it
 * was ours; or, PENDING, not there or not as we wrote it: look again.  A write that is under way
 * may have come after that. */
void registration_see(struct synod_service *service, enum synod_service_status status,
                      uint64_t revision);

/* HEIR, of the same record and handle and not begun yet, follows SERVICE, which was leaving. */
void registration_succeed(struct synod_service *service, struct synod_service *heir);

/* Held.  Delete the record, if there may be one. */
void registration_leave(struct synod_service *service);

/* The time to try again has come. */
void registration_on_time(void *context);
void registration_on_state(void *context, enum synod_state state, unsigned remaining_ms);

/* ---- registration_call.c ---- */

/* Does the phase's call write the record? */
bool registration_writes(enum phase phase);

/* Make the call of attempt->phase: as the function of synod.h that it is. */
int registration_call(struct synod_service *service, const struct attempt *attempt,
                      const struct synod_call *call);

/* ---- registration_watch.c ---- */

int registration_watch(struct synod_service *service);
void registration_unwatch(struct synod_service *service);

/* Held.  The record, which is ours or without an owner, says DATA: has somebody drained it? */
void registration_read(struct synod_service *service, const void *data, size_t size);

/* ---- registration_health.c ---- */

/* Held.  Of the program's own, the checks' and draining. */
enum synod_health registration_health(const struct synod_service *service);

/* Held.  Is it a text of ours that said draining? */
bool registration_is_own_draining(const struct synod_service *service, const void *data,
                                  size_t size);

/* Held.  Append the record as it is to be; it counts as written. */
void registration_write(struct synod_service *service, struct buffer *text);

/* SYNOD_OK or NO_MEMORY. */
int registration_start_checks(struct synod_service *service, const struct synod_check *checks);

/* May the calling thread wait for callbacks and checks?  Not if it is in one. */
bool registration_may_wait(void);

/* Waits for the checks to end, if the thread may: else one of its own does. */
void registration_stop_checks(struct synod_service *service);

/* The functions of verdict_hook. */
void registration_on_verdicts(void *context);
void registration_await_checks(void *context);

#endif
