/*
 * The public interface as tests of recipes want it: it records what was asked
 * for, and the test says what comes of it.
 *
 * It defines functions of synod.h, so it is included by the one file of a test
 * program, and hides the library's own.
 */
#ifndef TESTS_UNIT_CLIENT_FAKE_SYNOD_H
#define TESTS_UNIT_CLIENT_FAKE_SYNOD_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/synod.h"

#define FAKE_CALLS_MAX 32
#define FAKE_HOOKS_MAX 8

struct synod {
	uint64_t session;
	unsigned remaining_ms;
};

struct synod_hook {
	struct synod_hook_options options;
	unsigned delay_ms;
	bool is_removed;
	bool is_used;
};

struct synod_watch {
	char path[128];
	struct synod_watch_options options;
	bool is_open;
};

struct fake_call {
	char what[128]; /* "contend /lock", "withdraw /lock" */
	struct synod_call call;
	uint64_t number;
	bool is_done;
};

static struct {
	struct synod handle;
	struct synod_hook hooks[FAKE_HOOKS_MAX];
	struct synod_watch watches[FAKE_CALLS_MAX];
	unsigned watch_count;
	struct fake_call calls[FAKE_CALLS_MAX];
	unsigned call_count;
	int refuse_next; /* the next call is refused with this */
	unsigned callback_depth;
} fake;

static void
fake_reset(void)
{
	memset(&fake, 0, sizeof fake);
	fake.handle.session = 7;
	fake.handle.remaining_ms = 9000;
}

/* ---- what the recipe asks for ---- */

static int
fake_submit(const char *what, const char *path, const struct synod_call *call, uint64_t number)
{
	struct fake_call *record = &fake.calls[fake.call_count];
	int error = fake.refuse_next;

	fake.refuse_next = SYNOD_OK;
	if (error != SYNOD_OK)
		return error;
	if (fake.call_count == FAKE_CALLS_MAX || call->done == NULL)
		abort();
	fake.call_count++;
	snprintf(record->what, sizeof record->what, "%s %s", what, path);
	record->call = *call;
	record->number = number;
	return SYNOD_OK;
}

int
synod_contend(struct synod *synod, const char *path, const struct synod_contend_options *options,
              struct synod_result **result)
{
	(void)synod;
	(void)result;
	return fake_submit("contend", path, &options->call, options->limit);
}

int
synod_withdraw(struct synod *synod, const char *path, uint64_t token, const struct synod_call *call,
               struct synod_result **result)
{
	(void)synod;
	(void)result;
	return fake_submit("withdraw", path, call, token);
}

int
synod_watch_open(struct synod *synod, const char *path, const struct synod_watch_options *options,
                 struct synod_watch **watch)
{
	int error = fake.refuse_next;

	(void)synod;
	fake.refuse_next = SYNOD_OK;
	if (error != SYNOD_OK)
		return error;
	if (fake.watch_count == FAKE_CALLS_MAX)
		abort();
	*watch = &fake.watches[fake.watch_count++];
	snprintf((*watch)->path, sizeof(*watch)->path, "%s", path);
	(*watch)->options = *options;
	(*watch)->is_open = true;
	return SYNOD_OK;
}

void
synod_watch_close(struct synod_watch *watch)
{
	if (watch != NULL)
		watch->is_open = false;
}

int
synod_hook_add(struct synod *synod, const struct synod_hook_options *options,
               struct synod_hook **hook)
{
	unsigned i = 0;

	(void)synod;
	while (i < FAKE_HOOKS_MAX && fake.hooks[i].is_used)
		i++;
	if (i == FAKE_HOOKS_MAX)
		abort();
	fake.hooks[i] = (struct synod_hook){*options, UINT_MAX, false, true};
	*hook = &fake.hooks[i];
	return SYNOD_OK;
}

static void
fake_gone(struct synod_hook *hook)
{
	hook->is_used = false;
	if (hook->options.on_gone != NULL)
		hook->options.on_gone(hook->options.context);
}

void
synod_hook_after(struct synod_hook *hook, unsigned delay_ms)
{
	if (!hook->is_used)
		abort();
	hook->delay_ms = delay_ms;
}

/* Outside of callbacks the library would run on_gone in this thread, at once. */
void
synod_hook_remove(struct synod_hook *hook)
{
	if (hook == NULL)
		return;
	if (!hook->is_used || hook->is_removed)
		abort();
	hook->is_removed = true;
	if (fake.callback_depth == 0)
		fake_gone(hook);
}

bool
synod_in_callback(void)
{
	return fake.callback_depth > 0;
}

uint64_t
synod_session_id(struct synod *synod)
{
	return synod->session;
}

unsigned
synod_session_remaining_ms(struct synod *synod)
{
	return synod->remaining_ms;
}

int
synod_fd(struct synod *synod)
{
	(void)synod;
	return -1;
}

int
synod_dispatch(struct synod *synod)
{
	(void)synod;
	return SYNOD_BAD_ARGUMENT;
}

/* ---- what comes of it ---- */

static void
fake_enter(void)
{
	fake.callback_depth++;
}

static void
fake_leave(void)
{
	if (--fake.callback_depth > 0)
		return;
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
		if (fake.hooks[i].is_used && fake.hooks[i].is_removed)
			fake_gone(&fake.hooks[i]);
	}
}

static inline void
fake_finish(unsigned index, const struct synod_result *result)
{
	struct fake_call *call = &fake.calls[index];

	if (index >= fake.call_count || call->is_done)
		abort();
	call->is_done = true;
	fake_enter();
	call->call.done(call->call.context, result);
	fake_leave();
}

static inline void
fake_event(const struct synod_event *event)
{
	struct synod_watch *watch = &fake.watches[fake.watch_count - 1];

	if (!watch->is_open)
		abort();
	fake_enter();
	watch->options.on_event(watch->options.context, watch, event);
	fake_leave();
}

static inline void
fake_change(struct synod_change change)
{
	fake_event(&(struct synod_event){.kind = SYNOD_EVENT_CHANGES,
	                                 .revision = change.revision,
	                                 .changes = &change,
	                                 .change_count = 1});
}

static inline void
fake_state(enum synod_state state, uint64_t session, unsigned remaining_ms)
{
	fake.handle.session = session;
	fake.handle.remaining_ms = remaining_ms;
	fake_enter();
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
		struct synod_hook *hook = &fake.hooks[i];

		if (hook->is_used && !hook->is_removed && hook->options.on_state != NULL)
			hook->options.on_state(hook->options.context, state, remaining_ms);
	}
	fake_leave();
}

/* Every hook that asked for a time gets it. */
static inline void
fake_time(void)
{
	fake_enter();
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
		struct synod_hook *hook = &fake.hooks[i];

		if (hook->is_used && !hook->is_removed && hook->delay_ms != UINT_MAX) {
			hook->delay_ms = UINT_MAX;
			hook->options.on_time(hook->options.context);
		}
	}
	fake_leave();
}

/* As synod_close() does it. */
static inline void
fake_close(void)
{
	fake.callback_depth++; /* hooks stay until the end */
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
		struct synod_hook *hook = &fake.hooks[i];

		if (hook->is_used && !hook->is_removed && hook->options.on_close != NULL)
			hook->options.on_close(hook->options.context);
	}
	for (unsigned i = 0; i < fake.call_count; i++) {
		if (!fake.calls[i].is_done)
			fake_finish(i, &(struct synod_result){.error = SYNOD_CLOSED});
	}
	for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
		if (fake.hooks[i].is_used)
			fake_gone(&fake.hooks[i]);
	}
	fake.callback_depth--;
}

#endif
