/* Hooks: how recipes hear of states, time and the end without taking the application's callbacks.
 */
#include "client/hooks.h"

#include <limits.h>
#include <stdlib.h>

#include "client/handle.h"

struct synod_hook {
	TAILQ_ENTRY(synod_hook) link;
	struct hooks *hooks;
	struct synod_hook_options options;
	uint64_t due_us; /* UINT64_MAX: never */
	bool is_removed;
};

void
hooks_init(struct hooks *hooks, struct clock *clock)
{
	*hooks = (struct hooks){.clock = clock};
	pthread_mutex_init(&hooks->lock, NULL);
	TAILQ_INIT(&hooks->list);
	atomic_init(&hooks->next_us, UINT64_MAX);
}

/* The hook after HOOK, or the first; with a copy of what it is, because it may be removed
 * meanwhile. */
static struct synod_hook *
next_hook(struct hooks *hooks, struct synod_hook *hook, bool *is_removed)
{
	pthread_mutex_lock(&hooks->lock);
	hook = hook == NULL ? TAILQ_FIRST(&hooks->list) : TAILQ_NEXT(hook, link);
	*is_removed = hook != NULL && hook->is_removed;
	pthread_mutex_unlock(&hooks->lock);
	return hook;
}

void
hooks_report(struct hooks *hooks, enum synod_state state, unsigned remaining_ms)
{
	struct synod_hook *hook = NULL;
	bool is_removed;

	while ((hook = next_hook(hooks, hook, &is_removed)) != NULL) {
		if (is_removed || hook->options.on_state == NULL)
			continue;
		session_enter_callback();
		hook->options.on_state(hook->options.context, state, remaining_ms);
		session_leave_callback();
	}
}

/* ---- time ---- */

uint64_t
hooks_next_us(const struct hooks *hooks)
{
	return atomic_load(&hooks->next_us);
}

static void
set_earlier(struct hooks *hooks, uint64_t due_us)
{
	if (due_us < atomic_load(&hooks->next_us))
		atomic_store(&hooks->next_us, due_us);
}

static void
let_go(struct synod_hook *hook)
{
	if (hook->options.on_gone != NULL) {
		session_enter_callback();
		hook->options.on_gone(hook->options.context);
		session_leave_callback();
	}
	free(hook);
}

/* Take what is removed out of the list.  Returns the first of them, linked to the others. */
static void
take_removed(struct hooks *hooks, struct hook_list *removed)
{
	struct synod_hook *hook = TAILQ_FIRST(&hooks->list);

	TAILQ_INIT(removed);
	while (hook != NULL) {
		struct synod_hook *next = TAILQ_NEXT(hook, link);

		if (hook->is_removed) {
			TAILQ_REMOVE(&hooks->list, hook, link);
			TAILQ_INSERT_TAIL(removed, hook, link);
		}
		hook = next;
	}
}

static void
let_go_of_all(struct hook_list *removed)
{
	struct synod_hook *hook;

	while ((hook = TAILQ_FIRST(removed)) != NULL) {
		TAILQ_REMOVE(removed, hook, link);
		let_go(hook);
	}
}

/* Is HOOK due?  Then it is not any more. */
static bool
take_due(struct synod_hook *hook, uint64_t now_us)
{
	struct hooks *hooks = hook->hooks;
	bool is_due;

	pthread_mutex_lock(&hooks->lock);
	is_due = hook->due_us <= now_us && !hook->is_removed;
	if (is_due)
		hook->due_us = UINT64_MAX;
	else if (!hook->is_removed)
		set_earlier(hooks, hook->due_us);
	pthread_mutex_unlock(&hooks->lock);
	return is_due;
}

void
hooks_on_time(struct hooks *hooks, uint64_t now_us)
{
	struct synod_hook *hook = NULL;
	struct hook_list removed;
	bool is_removed;

	if (now_us < hooks_next_us(hooks))
		return;
	pthread_mutex_lock(&hooks->lock);
	atomic_store(&hooks->next_us, UINT64_MAX);
	if (hooks->is_closing)
		TAILQ_INIT(&removed);
	else
		take_removed(hooks, &removed);
	pthread_mutex_unlock(&hooks->lock);
	let_go_of_all(&removed);
	while ((hook = next_hook(hooks, hook, &is_removed)) != NULL) {
		if (!take_due(hook, now_us) || hook->options.on_time == NULL)
			continue;
		session_enter_callback();
		hook->options.on_time(hook->options.context);
		session_leave_callback();
	}
}

/* ---- the end ---- */

void
hooks_close(struct hooks *hooks)
{
	struct synod_hook *hook = NULL;
	bool is_removed;

	pthread_mutex_lock(&hooks->lock);
	hooks->is_closing = true;
	pthread_mutex_unlock(&hooks->lock);
	while ((hook = next_hook(hooks, hook, &is_removed)) != NULL) {
		if (!is_removed && hook->options.on_close != NULL)
			hook->options.on_close(hook->options.context);
	}
}

void
hooks_fini(struct hooks *hooks)
{
	let_go_of_all(&hooks->list);
	pthread_mutex_destroy(&hooks->lock);
}

/* ---- the interface ---- */

bool
synod_in_callback(void)
{
	return session_is_in_callback();
}

int
synod_hook_add(struct synod *synod, const struct synod_hook_options *options,
               struct synod_hook **result)
{
	struct synod_hook *hook;
	bool is_closing;

	if (result == NULL)
		return SYNOD_BAD_ARGUMENT;
	*result = NULL;
	if (synod == NULL || options == NULL)
		return SYNOD_BAD_ARGUMENT;
	hook = calloc(1, sizeof *hook);
	if (hook == NULL)
		return SYNOD_NO_MEMORY;
	hook->hooks = &synod->hooks;
	hook->options = *options;
	hook->due_us = UINT64_MAX;
	pthread_mutex_lock(&synod->hooks.lock);
	is_closing = synod->hooks.is_closing;
	if (!is_closing)
		TAILQ_INSERT_TAIL(&synod->hooks.list, hook, link);
	pthread_mutex_unlock(&synod->hooks.lock);
	if (is_closing) {
		free(hook);
		return SYNOD_CLOSED;
	}
	*result = hook;
	return SYNOD_OK;
}

void
synod_hook_after(struct synod_hook *hook, unsigned delay_ms)
{
	struct hooks *hooks = hook->hooks;
	uint64_t due_us = UINT64_MAX;

	if (delay_ms != UINT_MAX)
		due_us = clock_now_us(hooks->clock) + delay_ms * UINT64_C(1000);
	pthread_mutex_lock(&hooks->lock);
	hook->due_us = due_us;
	set_earlier(hooks, due_us);
	pthread_mutex_unlock(&hooks->lock);
	if (due_us != UINT64_MAX)
		hooks->wake(hooks->wake_context);
}

void
synod_hook_remove(struct synod_hook *hook)
{
	struct hooks *hooks;

	if (hook == NULL)
		return;
	hooks = hook->hooks;
	pthread_mutex_lock(&hooks->lock);
	hook->is_removed = true;
	atomic_store(&hooks->next_us, 0);
	pthread_mutex_unlock(&hooks->lock);
	hooks->wake(hooks->wake_context);
}
