/* Locks as the application has them: acquiring, asking, releasing; and the hook. */
#include "client/lock.h"

#include <stdlib.h>
#include <string.h>

/* ---- the hook ---- */

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	(void)state;
	(void)remaining_ms;
	lock_review(context, SYNOD_OK);
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
		news = lock_settle(lock, SYNOD_TIMEOUT);
	monitor_unlock(&lock->monitor);
	if (is_early)
		synod_hook_after(lock->hook, 1);
	else if (is_retrying)
		lock_withdraw(lock, FOR_EVER_MS);
	else if (news != NEWS_NONE)
		lock_tell(lock, news);
	else
		lock_review(lock, SYNOD_OK);
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
	lock_leave(lock, FOR_EVER_MS);
	lock_unhook(lock);
	lock_unrefer(lock);
}

static void
on_gone(void *context)
{
	struct synod_lock *lock = context;

	monitor_lock(&lock->monitor);
	lock->is_gone = true;
	monitor_signal(&lock->monitor);
	monitor_unlock(&lock->monitor);
	lock_unrefer(lock);
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
	int error = lock_enlist(lock);

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
		.call = {lock_on_contended, lock,
	                 options->try_only ? options->wait_ms : patience_ms},
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
	lock_refer(lock);
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
		lock_detach(lock);
		lock_unrefer(lock);
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
	lock_unhook(lock);
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
		lock_refer(lock); /* a callback may release it before we return */
		error = contend(lock);
		if (error == SYNOD_OK && is_blocking)
			error = await(lock);
		lock_unrefer(lock);
	}
	if (error != SYNOD_OK) {
		*result = NULL;
		lock_unrefer(lock);
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
	lock_leave(lock, was_over || !may_wait ? FOR_EVER_MS : timeout_ms);
	lock_unhook(lock); /* if it had left before */
	if (may_wait)
		await_leaving(lock);
	monitor_lock(&lock->monitor);
	error = was_over ? SYNOD_NOT_HELD : lock->leave_error;
	monitor_unlock(&lock->monitor);
	lock_unrefer(lock);
	return error;
}
