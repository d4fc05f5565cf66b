/* Leaving a lock: no contender stays behind, and the memory goes when nobody needs it. */
#include "client/lock.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS 100

/* All locks of all handles that may have a contender: one per path and handle. */
static pthread_mutex_t locks_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(lock_list, synod_lock) locks = LIST_HEAD_INITIALIZER(locks);

int
lock_enlist(struct synod_lock *lock)
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

void
lock_refer(struct synod_lock *lock)
{
	monitor_lock(&lock->monitor);
	lock->references++;
	monitor_unlock(&lock->monitor);
}

void
lock_unrefer(struct synod_lock *lock)
{
	bool is_last;

	monitor_lock(&lock->monitor);
	is_last = --lock->references == 0;
	monitor_unlock(&lock->monitor);
	if (is_last)
		lock_free(lock);
}

/* ---- leaving ---- */

/* The hook is needed until withdrawing is certain, and the application has let go. */
void
lock_unhook(struct synod_lock *lock)
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
void
lock_detach(struct synod_lock *lock)
{
	delist(lock);
	monitor_lock(&lock->monitor);
	lock->is_detached = true;
	monitor_unlock(&lock->monitor);
	lock_unhook(lock);
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
		lock_detach(lock);
	else if (was_awaited)
		lock_withdraw(lock, FOR_EVER_MS);
	lock_unrefer(lock);
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
		lock_detach(lock);
	else
		synod_hook_after(lock->hook, RETRY_MS);
	lock_unrefer(lock);
}

/* With FOR_EVER_MS the answer does not matter: the ensemble will have it before any later write. */
void
lock_withdraw(struct synod_lock *lock, unsigned timeout_ms)
{
	const struct synod_call call = {on_withdrawn, lock, timeout_ms};
	int error;

	if (!begin_withdrawing(lock, timeout_ms)) {
		lock_detach(lock);
		return;
	}
	error = synod_withdraw(lock->synod, lock->path, 0, &call, NULL);
	if (error != SYNOD_OK)
		put_off_withdrawing(lock, error);
	else if (timeout_ms == FOR_EVER_MS)
		lock_detach(lock);
}

void
lock_leave(struct synod_lock *lock, unsigned timeout_ms)
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
	lock_withdraw(lock, timeout_ms);
}
