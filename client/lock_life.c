/* The life of a lock's contender: the answer, the grant, the loss, and who is told. */
#include "client/lock.h"

#include <stdlib.h>
#include <string.h>

/* ---- news ---- */

/* Held.  Acquiring has ended. */
enum news
lock_settle(struct synod_lock *lock, int error)
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
			return lock_settle(lock, error);
		if (lock->token != 0 && remaining_ms > 0)
			return lock_settle(lock, SYNOD_OK);
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
		lock_leave(lock, FOR_EVER_MS);
	monitor_lock(&lock->monitor);
	lock->is_settled = true;
	is_released = lock->is_released;
	monitor_signal(&lock->monitor);
	monitor_unlock(&lock->monitor);
	if (lock->options.on_acquired != NULL && !is_released)
		lock->options.on_acquired(lock->options.context, lock, lock->error);
}

void
lock_tell(struct synod_lock *lock, enum news news)
{
	if (news == NEWS_ACQUIRED)
		tell_acquired(lock);
	else if (news == NEWS_LOST && lock->options.on_lost != NULL)
		lock->options.on_lost(lock->options.context, lock);
}

/* In a callback: look at the session, and at ERROR if there is one, and tell what follows. */
void
lock_review(struct synod_lock *lock, int error)
{
	uint64_t session = synod_session_id(lock->synod);
	unsigned remaining_ms = synod_session_remaining_ms(lock->synod);
	enum news news;

	monitor_lock(&lock->monitor);
	if (error == SYNOD_OK && session != lock->session)
		error = SYNOD_SESSION_ENDED;
	news = judge(lock, error, remaining_ms);
	monitor_unlock(&lock->monitor);
	lock_tell(lock, news);
}

/* ---- the contender's watch ---- */

static void
on_granted(struct synod_lock *lock, uint64_t token)
{
	monitor_lock(&lock->monitor);
	if (lock->token == 0)
		lock->token = token;
	monitor_unlock(&lock->monitor);
	lock_review(lock, SYNOD_OK);
}

static void
on_deleted(struct synod_lock *lock, int error)
{
	monitor_lock(&lock->monitor);
	lock->may_contend = false;
	monitor_unlock(&lock->monitor);
	lock_review(lock, error);
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
	case SYNOD_EVENT_END: lock_review(lock, event->error); break;
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
		*news = lock_settle(lock, error);
		return false;
	}
	lock->phase = PHASE_WAITING;
	lock->token = result->token;
	return true;
}

void
lock_on_contended(void *context, const struct synod_result *result)
{
	struct synod_lock *lock = context;
	uint64_t session = synod_session_id(lock->synod);
	enum news news = NEWS_NONE;
	bool is_contending;

	monitor_lock(&lock->monitor);
	is_contending = take_answer(lock, result, session, &news);
	monitor_unlock(&lock->monitor);
	if (is_contending)
		lock_review(lock, watch_contender(lock, result->revision + 1));
	lock_tell(lock, news);
	lock_unrefer(lock);
}
