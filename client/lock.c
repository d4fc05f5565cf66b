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
 * way out goes through leave(), which withdraws unless it is certain that nothing
 * is there.  Writes of a handle are executed in order, so that also reaches a
 * contender that the ensemble has not made yet, and none that is made later.
 *
 * Memory.  The application, the hook and each call under way hold a reference.
 * The hook's goes last of all that the handle calls: the watch is closed before
 * the hook is removed, and on_gone says that no callback runs any more.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "client/monitor.h"
#include "client/synod.h"

#define RETRY_MS    100
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
	bool is_left;           /* leave() has begun */
	bool is_answer_awaited; /* by the thread that releases */
	bool is_retrying;       /* withdrawing could not be asked for yet */
	bool is_detached;       /* detach() has been called */
	bool is_unhooked;       /* the hook was removed, */
	bool is_gone;           /* and is gone */
};

/* What the application must be told, found under the monitor and told outside of it. */
enum news {
	NEWS_NONE,
	NEWS_ACQUIRED, /* or not: lock->error */
	NEWS_LOST,
};

/* All locks of all handles that may have a contender: one per path and handle. */
static pthread_mutex_t locks_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(lock_list, synod_lock) locks = LIST_HEAD_INITIALIZER(locks);

static int
enlist(struct synod_lock *lock)
{
	struct synod_lock *other;

	pthread_mutex_lock(&locks_mutex);
	LIST_FOREACH(other, &locks, link)
	{
		if (other->synod == lock->synod && strcmp(other->path, lock->path) == 0)
			break;
	}
	if (other == NULL) {
		LIST_INSERT_HEAD(&locks, lock, link);
		lock->is_listed = true;
	}
	pthread_mutex_unlock(&locks_mutex);
	return other == NULL ? SYNOD_OK : SYNOD_EXISTS;
}

static void
delist(struct synod_lock *lock)
{
	pthread_mutex_lock(&locks_mutex);
	if (lock->is_listed)
		LIST_REMOVE(lock, link);
	lock->is_listed = false;
	pthread_mutex_unlock(&locks_mutex);
}

/* ---- memory ---- */

static void
lock_free(struct synod_lock *lock)
{
	delist(lock);
	monitor_fini(&lock->monitor);
	free(lock->contender);
	free(lock->path);
	free(lock);
}

static void
refer(struct synod_lock *lock)
{
	monitor_lock(&lock->monitor);
	lock->references++;
	monitor_unlock(&lock->monitor);
}

static void
unrefer(struct synod_lock *lock)
{
	bool is_last;

	monitor_lock(&lock->monitor);
	is_last = --lock->references == 0;
	monitor_unlock(&lock->monitor);
	if (is_last)
		lock_free(lock);
}

/* ---- leaving ---- */

static void withdraw(struct synod_lock *lock, unsigned timeout_ms);

/* The hook is needed until withdrawing is certain, and the application has let go. */
static void
unhook(struct synod_lock *lock)
{
	bool is_time;

	monitor_lock(&lock->monitor);
	is_time = lock->is_detached && lock->is_released && !lock->is_unhooked;
	if (is_time)
		lock->is_unhooked = true;
	monitor_unlock(&lock->monitor);
	if (is_time)
		synod_hook_remove(lock->hook);
}

/* Nothing of ours is left in the ensemble, or will be soon: the path is free for another lock. */
static void
detach(struct synod_lock *lock)
{
	delist(lock);
	monitor_lock(&lock->monitor);
	lock->is_detached = true;
	monitor_unlock(&lock->monitor);
	unhook(lock);
}

static bool
is_definite(int error)
{
	return error == SYNOD_OK || error == SYNOD_NOT_HELD || error == SYNOD_SESSION_ENDED ||
	       error == SYNOD_CLOSED;
}

/* An answer that was waited for in vain is asked for again, until it or the session's end comes. */
static void
on_withdrawn(void *context, const struct synod_result *result)
{
	struct synod_lock *lock = context;
	bool was_awaited;

	monitor_lock(&lock->monitor);
	was_awaited = lock->is_answer_awaited;
	lock->is_answer_awaited = false;
	if (result->error != SYNOD_OK)
		lock->leave_error =
			result->error == SYNOD_NOT_HELD ? SYNOD_NOT_HELD : SYNOD_UNKNOWN;
	monitor_unlock(&lock->monitor);
	if (was_awaited && is_definite(result->error))
		detach(lock);
	else if (was_awaited)
		withdraw(lock, FOR_EVER_MS);
	unrefer(lock);
}

/* Is there, or may there be, something to withdraw?  Then a call for it is about to begin. */
static bool
begin_withdrawing(struct synod_lock *lock, unsigned timeout_ms)
{
	uint64_t session = synod_session_id(lock->synod);
	bool is_needed;

	monitor_lock(&lock->monitor);
	is_needed = lock->may_contend && (lock->session == 0 || lock->session == session);
	lock->is_retrying = false;
	if (is_needed) {
		lock->references++;
		lock->is_answer_awaited = timeout_ms != FOR_EVER_MS;
	} else {
		lock->leave_error = SYNOD_NOT_HELD;
	}
	monitor_unlock(&lock->monitor);
	return is_needed;
}

/* The library would not take the call: later, unless the handle is closing. */
static void
put_off_withdrawing(struct synod_lock *lock, int error)
{
	monitor_lock(&lock->monitor);
	lock->is_answer_awaited = false;
	lock->leave_error = SYNOD_UNKNOWN;
	lock->is_retrying = error != SYNOD_CLOSED;
	monitor_signal(&lock->monitor);
	monitor_unlock(&lock->monitor);
	if (error == SYNOD_CLOSED)
		detach(lock);
	else
		synod_hook_after(lock->hook, RETRY_MS);
	unrefer(lock);
}

/* With FOR_EVER_MS the answer does not matter: the ensemble will have it before any later write. */
static void
withdraw(struct synod_lock *lock, unsigned timeout_ms)
{
	const struct synod_call call = {on_withdrawn, lock, timeout_ms};
	int error;

	if (!begin_withdrawing(lock, timeout_ms)) {
		detach(lock);
		return;
	}
	error = synod_withdraw(lock->synod, lock->path, 0, &call, NULL);
	if (error != SYNOD_OK)
		put_off_withdrawing(lock, error);
	else if (timeout_ms == FOR_EVER_MS)
		detach(lock);
}

static void
leave(struct synod_lock *lock, unsigned timeout_ms)
{
	struct synod_watch *watch;

	monitor_lock(&lock->monitor);
	if (lock->is_left) {
		monitor_unlock(&lock->monitor);
		return;
	}
	lock->is_left = true;
	watch = lock->watch;
	lock->watch = NULL;
	monitor_unlock(&lock->monitor);
	synod_watch_close(watch);
	withdraw(lock, timeout_ms);
}

/* ---- news ---- */

/* Held.  Acquiring has ended. */
static enum news
settle(struct synod_lock *lock, int error)
{
	lock->phase = error == SYNOD_OK ? PHASE_HELD : PHASE_OVER;
	lock->error = error;
	return NEWS_ACQUIRED;
}

/* Held.  The lock as it is, with ERROR (or SYNOD_OK) against it. */
static enum news
judge(struct synod_lock *lock, int error, unsigned remaining_ms)
{
	switch (lock->phase) {
	case PHASE_WAITING:
		if (error != SYNOD_OK)
			return settle(lock, error);
		if (lock->token != 0 && remaining_ms > 0)
			return settle(lock, SYNOD_OK);
		return NEWS_NONE;
	case PHASE_HELD:
		if (error == SYNOD_OK && remaining_ms > 0 && !lock->is_overdue)
			return NEWS_NONE;
		lock->phase = PHASE_OVER;
		return NEWS_LOST;
	default: return NEWS_NONE;
	}
}

static void
tell_acquired(struct synod_lock *lock)
{
	bool is_released;

	if (lock->error != SYNOD_OK)
		leave(lock, FOR_EVER_MS);
	monitor_lock(&lock->monitor);
	lock->is_settled = true;
	is_released = lock->is_released;
	monitor_signal(&lock->monitor);
	monitor_unlock(&lock->monitor);
	if (lock->options.on_acquired != NULL && !is_released)
		lock->options.on_acquired(lock->options.context, lock, lock->error);
}

static void
tell(struct synod_lock *lock, enum news news)
{
	if (news == NEWS_ACQUIRED)
		tell_acquired(lock);
	else if (news == NEWS_LOST && lock->options.on_lost != NULL)
		lock->options.on_lost(lock->options.context, lock);
}

/* In a callback: look at the session, and at ERROR if there is one, and tell what follows. */
static void
review(struct synod_lock *lock, int error)
{
	uint64_t session = synod_session_id(lock->synod);
	unsigned remaining_ms = synod_session_remaining_ms(lock->synod);
	enum news news;

	monitor_lock(&lock->monitor);
	if (error == SYNOD_OK && session != lock->session)
		error = SYNOD_SESSION_ENDED;
	news = judge(lock, error, remaining_ms);
	monitor_unlock(&lock->monitor);
	tell(lock, news);
}

/* ---- the contender's watch ---- */

static void
on_granted(struct synod_lock *lock, uint64_t token)
{
	monitor_lock(&lock->monitor);
	if (lock->token == 0)
		lock->token = token;
	monitor_unlock(&lock->monitor);
	review(lock, SYNOD_OK);
}

static void
on_deleted(struct synod_lock *lock, int error)
{
	monitor_lock(&lock->monitor);
	lock->may_contend = false;
	monitor_unlock(&lock->monitor);
	review(lock, error);
}

static void
on_changes(struct synod_lock *lock, const struct synod_event *event)
{
	for (size_t i = 0; i < event->change_count; i++) {
		const struct synod_change *change = &event->changes[i];

		if (change->kind == SYNOD_GRANTED)
			on_granted(lock, change->revision);
		else if (change->kind == SYNOD_DELETED)
			on_deleted(lock, change->cause == SYNOD_CAUSE_REQUEST
			                         ? SYNOD_NOT_HELD
			                         : SYNOD_SESSION_ENDED);
	}
}

/* The history was gone: what is now stands for it. */
static void
on_contender_state(struct synod_lock *lock, const struct synod_event *event)
{
	uint64_t token = 0;
	bool is_gone;

	monitor_lock(&lock->monitor);
	for (size_t i = 0; i < event->node_count; i++) {
		if (strcmp(event->nodes[i].path, lock->contender) == 0) {
			lock->has_node = true;
			token = event->nodes[i].stat.token;
		}
	}
	is_gone = !event->more && !lock->has_node;
	if (!event->more)
		lock->has_node = false;
	monitor_unlock(&lock->monitor);
	if (token != 0)
		on_granted(lock, token);
	if (is_gone)
		on_deleted(lock, SYNOD_NOT_HELD);
}

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct synod_lock *lock = context;

	(void)watch;
	switch (event->kind) {
	case SYNOD_EVENT_CHANGES: on_changes(lock, event); break;
	case SYNOD_EVENT_STATE: on_contender_state(lock, event); break;
	case SYNOD_EVENT_MARK: break;
	case SYNOD_EVENT_END: review(lock, event->error); break;
	}
}

/* Without its watch a lock could be taken away unseen: then it is not acquired at all. */
static int
watch_contender(struct synod_lock *lock, uint64_t from)
{
	const struct synod_watch_options options = {
		.scope = SYNOD_WATCH_NODE,
		.from = from,
		.on_event = on_event,
		.context = lock,
	};
	struct synod_watch *watch = NULL;
	int error = synod_watch_open(lock->synod, lock->contender, &options, &watch);

	if (error != SYNOD_OK)
		return error;
	monitor_lock(&lock->monitor);
	if (!lock->is_left) {
		lock->watch = watch;
		watch = NULL;
	}
	monitor_unlock(&lock->monitor);
	synod_watch_close(watch);
	return SYNOD_OK;
}

/* ---- the answer to contending ---- */

/* Nothing is left unknown: what may have been made goes with its session, or is withdrawn. */
static int
meaning_of(const struct synod_lock *lock, int error, uint64_t session)
{
	if (error == SYNOD_UNKNOWN)
		return session == 0 ? SYNOD_SESSION_ENDED : SYNOD_TIMEOUT;
	if (error == SYNOD_NO_QUORUM && lock->options.wait_ms != 0)
		return SYNOD_TIMEOUT; /* as the waiting would have ended in the same moment */
	return error;
}

/* Held.  True: there is a contender to be watched. */
static bool
take_answer(struct synod_lock *lock, const struct synod_result *result, uint64_t session,
            enum news *news)
{
	int error = result->error;

	if (error != SYNOD_OK) {
		/* What is unknown in a session that goes on may still become a contender. */
		lock->may_contend = error == SYNOD_UNKNOWN && session != 0;
		error = meaning_of(lock, error, session);
	} else {
		lock->session = session;
		lock->contender = strdup(result->node.path);
		if (lock->contender == NULL)
			error = SYNOD_NO_MEMORY;
	}
	if (lock->phase != PHASE_ASKING)
		return false;
	if (error != SYNOD_OK) {
		*news = settle(lock, error);
		return false;
	}
	lock->phase = PHASE_WAITING;
	lock->token = result->token;
	return true;
}

static void
on_contended(void *context, const struct synod_result *result)
{
	struct synod_lock *lock = context;
	uint64_t session = synod_session_id(lock->synod);
	enum news news = NEWS_NONE;
	bool is_contending;

	monitor_lock(&lock->monitor);
	is_contending = take_answer(lock, result, session, &news);
	monitor_unlock(&lock->monitor);
	if (is_contending)
		review(lock, watch_contender(lock, result->revision + 1));
	tell(lock, news);
	unrefer(lock);
}

/* ---- the hook ---- */

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	(void)state;
	(void)remaining_ms;
	review(context, SYNOD_OK);
}

/* Waiting is over, or withdrawing can be tried again, or somebody saw that no time remains. */
static void
on_time(void *context)
{
	struct synod_lock *lock = context;
	enum news news = NEWS_NONE;
	bool is_retrying;
	bool is_early;

	monitor_lock(&lock->monitor);
	is_retrying = lock->is_retrying;
	is_early = !lock->is_submitted;
	if (!is_early && (lock->phase == PHASE_ASKING || lock->phase == PHASE_WAITING))
		news = settle(lock, SYNOD_TIMEOUT);
	monitor_unlock(&lock->monitor);
	if (is_early)
		synod_hook_after(lock->hook, 1);
	else if (is_retrying)
		withdraw(lock, FOR_EVER_MS);
	else if (news != NEWS_NONE)
		tell(lock, news);
	else
		review(lock, SYNOD_OK);
}

/* The application has let go.  True: it was not over until now. */
static bool
let_go(struct synod_lock *lock)
{
	bool was_over;

	monitor_lock(&lock->monitor);
	was_over = lock->phase == PHASE_OVER || lock->is_overdue;
	lock->phase = PHASE_OVER;
	lock->is_released = true;
	monitor_unlock(&lock->monitor);
	return !was_over;
}

/* The application's reference goes with the handle. */
static void
on_close(void *context)
{
	struct synod_lock *lock = context;
	bool is_ours;

	monitor_lock(&lock->monitor);
	is_ours = lock->is_released;
	monitor_unlock(&lock->monitor);
	if (is_ours)
		return;
	let_go(lock);
	leave(lock, FOR_EVER_MS);
	unhook(lock);
	unrefer(lock);
}

static void
on_gone(void *context)
{
	struct synod_lock *lock = context;

	monitor_lock(&lock->monitor);
	lock->is_gone = true;
	monitor_signal(&lock->monitor);
	monitor_unlock(&lock->monitor);
	unrefer(lock);
}

/* ---- acquiring ---- */

static int
lock_new(struct synod *synod, const char *path, const struct synod_lock_options *options,
         struct synod_lock **result)
{
	struct synod_lock *lock = calloc(1, sizeof *lock);

	if (lock == NULL)
		return SYNOD_NO_MEMORY;
	lock->synod = synod;
	lock->references = 1;
	if (options != NULL)
		lock->options = *options;
	lock->path = strdup(path);
	if (lock->path == NULL || monitor_init(&lock->monitor, synod) != SYNOD_OK) {
		free(lock->path);
		free(lock);
		return SYNOD_NO_MEMORY;
	}
	*result = lock;
	return SYNOD_OK;
}

static int
attach(struct synod_lock *lock)
{
	const struct synod_hook_options options = {
		.on_state = on_state,
		.on_time = on_time,
		.on_close = on_close,
		.on_gone = on_gone,
		.context = lock,
	};
	int error = enlist(lock);

	if (error != SYNOD_OK)
		return error;
	lock->references++;
	error = synod_hook_add(lock->synod, &options, &lock->hook);
	if (error != SYNOD_OK)
		lock->references--;
	return error;
}

static int
contend(struct synod_lock *lock)
{
	const struct synod_lock_options *options = &lock->options;
	unsigned patience_ms = options->wait_ms != 0 ? options->wait_ms : FOR_EVER_MS;
	const struct synod_contend_options contend_options = {
		/* Who only tries does not wait for the ensemble longer than other calls do. */
		.call = {on_contended, lock, options->try_only ? options->wait_ms : patience_ms},
		.value = options->value,
		.size = options->size,
		.shared = options->shared,
		.try_only = options->try_only,
		.limit = options->limit,
		.delay_ms = options->delay_ms,
	};
	int error;

	if (options->wait_ms != 0)
		synod_hook_after(lock->hook, options->wait_ms);
	refer(lock);
	monitor_lock(&lock->monitor);
	lock->may_contend = true;
	monitor_unlock(&lock->monitor);
	error = synod_contend(lock->synod, lock->path, &contend_options, NULL);
	monitor_lock(&lock->monitor);
	lock->is_submitted = true;
	if (error != SYNOD_OK) {
		lock->may_contend = false;
		lock->phase = PHASE_OVER;
		lock->is_released = true;
	}
	monitor_unlock(&lock->monitor);
	if (error != SYNOD_OK) {
		detach(lock);
		unrefer(lock);
	}
	return error;
}

/* The application's reference becomes the caller's. */
static int
await(struct synod_lock *lock)
{
	int error;

	monitor_lock(&lock->monitor);
	while (!lock->is_settled)
		monitor_wait(&lock->monitor);
	error = lock->error;
	lock->is_released = error != SYNOD_OK;
	monitor_unlock(&lock->monitor);
	unhook(lock);
	return error;
}

static int
acquire(struct synod *synod, const char *path, const struct synod_lock_options *options,
        struct synod_lock **result)
{
	bool is_blocking = options == NULL || options->on_acquired == NULL;
	struct synod_lock *lock;
	int error = lock_new(synod, path, options, &lock);

	if (error != SYNOD_OK)
		return error;
	error = attach(lock);
	if (error == SYNOD_OK) {
		*result = lock;
		refer(lock); /* a callback may release it before we return */
		error = contend(lock);
		if (error == SYNOD_OK && is_blocking)
			error = await(lock);
		unrefer(lock);
	}
	if (error != SYNOD_OK) {
		*result = NULL;
		unrefer(lock);
	}
	return error;
}

int
synod_lock_acquire(struct synod *synod, const char *path, const struct synod_lock_options *options,
                   struct synod_lock **lock)
{
	if (lock == NULL)
		return SYNOD_BAD_ARGUMENT;
	*lock = NULL;
	if (synod == NULL || path == NULL)
		return SYNOD_BAD_ARGUMENT;
	if ((options == NULL || options->on_acquired == NULL) && synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	return acquire(synod, path, options, lock);
}

/* ---- questions ---- */

uint64_t
synod_lock_token(struct synod_lock *lock)
{
	uint64_t token;

	if (lock == NULL)
		return 0;
	monitor_lock(&lock->monitor);
	token = lock->phase == PHASE_HELD && !lock->is_overdue ? lock->token : 0;
	monitor_unlock(&lock->monitor);
	return token;
}

/*
 * The session's time, if it still is the lock's session before and after the look
 * at the clock.  Who was told 0 counts the lock as lost, so it stays lost, even if
 * the session should recover.
 */
unsigned
synod_lock_remaining_ms(struct synod_lock *lock)
{
	uint64_t before, after;
	unsigned remaining_ms;
	bool is_held;

	if (synod_lock_token(lock) == 0)
		return 0;
	before = synod_session_id(lock->synod);
	remaining_ms = synod_session_remaining_ms(lock->synod);
	after = synod_session_id(lock->synod);
	monitor_lock(&lock->monitor);
	is_held = lock->phase == PHASE_HELD && !lock->is_overdue;
	if (!is_held || before != lock->session || after != lock->session)
		remaining_ms = 0;
	if (is_held && remaining_ms == 0)
		lock->is_overdue = true;
	monitor_unlock(&lock->monitor);
	if (is_held && remaining_ms == 0)
		synod_hook_after(lock->hook, 0); /* on_lost */
	return remaining_ms;
}

struct synod_guard
synod_lock_guard(struct synod_lock *lock)
{
	struct synod_guard guard = {NULL, 0};

	if (lock == NULL)
		return guard;
	monitor_lock(&lock->monitor);
	guard = (struct synod_guard){lock->path, lock->token};
	monitor_unlock(&lock->monitor);
	return guard;
}

const char *
synod_lock_contender(struct synod_lock *lock)
{
	const char *contender;

	if (lock == NULL)
		return NULL;
	monitor_lock(&lock->monitor);
	contender = lock->contender;
	monitor_unlock(&lock->monitor);
	return contender;
}

/* ---- releasing ---- */

/* Until the answer is there, and nothing of the lock is called any more. */
static void
await_leaving(struct synod_lock *lock)
{
	monitor_lock(&lock->monitor);
	while (lock->is_answer_awaited || (!lock->is_gone && !lock->is_retrying))
		monitor_wait(&lock->monitor);
	monitor_unlock(&lock->monitor);
}

int
synod_lock_release(struct synod_lock *lock, unsigned timeout_ms)
{
	bool may_wait = !synod_in_callback();
	bool was_over;
	int error;

	if (lock == NULL)
		return SYNOD_OK;
	was_over = !let_go(lock);
	leave(lock, was_over || !may_wait ? FOR_EVER_MS : timeout_ms);
	unhook(lock); /* if it had left before */
	if (may_wait)
		await_leaving(lock);
	monitor_lock(&lock->monitor);
	error = was_over ? SYNOD_NOT_HELD : lock->leave_error;
	monitor_unlock(&lock->monitor);
	unrefer(lock);
	return error;
}
