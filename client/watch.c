/* The watch as the application has it: opening, the queue, closing. */
#include "client/watch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/handle.h"
#include "shared/error.h"
#include "shared/path.h"

/* What a telling costs besides what it says. */
#define TELLING_OVERHEAD 4096

struct synod_watch *
watch_new(struct session *session, const char *path, uint8_t scope,
          const struct synod_watch_options *options)
{
	struct synod_watch *watch = calloc(1, sizeof *watch);
	pthread_condattr_t monotonic;

	if (watch == NULL)
		return NULL;
	watch->path = strdup(path);
	/* Room for the longest request, so that none fails for want of memory. */
	if (watch->path == NULL || buffer_reserve(&watch->call.body, strlen(path) + 64) == NULL) {
		free(watch->path);
		free(watch);
		return NULL;
	}
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	STAILQ_INIT(&watch->queue);
	atomic_init(&watch->references, 1);
	watch->session = session;
	watch->open_item.kind = SESSION_ITEM_WATCH_OPEN;
	watch->close_item.kind = SESSION_ITEM_WATCH_CLOSE;
	watch->resume_item.kind = SESSION_ITEM_WATCH_RESUME;
	watch->scope = scope;
	watch->initial = options->initial;
	watch->with_data = options->with_data;
	watch->marks = options->marks;
	watch->from = options->from;
	watch->on_event = options->on_event;
	watch->context = options->context;
	watch->call.op = OP_WATCH;
	watch->call.deadline_us = UINT64_MAX;
	return watch;
}

void
watch_release(struct synod_watch *watch)
{
	struct telling *telling;

	if (atomic_fetch_sub(&watch->references, 1) > 1)
		return;
	while ((telling = STAILQ_FIRST(&watch->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&watch->queue, link);
		telling_free(telling);
	}
	telling_free(watch->current);
	buffer_fini(&watch->call.body);
	pthread_cond_destroy(&watch->changed);
	pthread_mutex_destroy(&watch->lock);
	free(watch->path);
	free(watch);
}

/* ---- opening ---- */

static int
check_options(struct synod *synod, const char *path, const struct synod_watch_options *options)
{
	if (synod == NULL || path == NULL || (unsigned)options->scope > SYNOD_WATCH_SUBTREE)
		return SYNOD_BAD_ARGUMENT;
	if (atomic_load(&synod->is_closing))
		return SYNOD_CLOSED;
	return path_check(slice_of(path), NULL);
}

int
synod_watch_open(struct synod *synod, const char *path, const struct synod_watch_options *options,
                 struct synod_watch **result)
{
	static const uint8_t scopes[] = {WATCH_NODE, WATCH_CHILDREN, WATCH_SUBTREE};
	static const struct synod_watch_options defaults;
	struct synod_watch *watch;
	struct session *session;
	int error;

	if (result == NULL)
		return SYNOD_BAD_ARGUMENT;
	*result = NULL;
	if (options == NULL)
		options = &defaults;
	error = check_options(synod, path, options);
	if (error != SYNOD_OK)
		return error;
	session = synod->session;
	if (atomic_fetch_add(&session->watches.count, 1) >= WATCHES_PER_CLIENT_MAX) {
		atomic_fetch_sub(&session->watches.count, 1);
		return SYNOD_LIMIT;
	}
	watch = watch_new(session, path, scopes[options->scope], options);
	if (watch == NULL) {
		atomic_fetch_sub(&session->watches.count, 1);
		return SYNOD_NO_MEMORY;
	}
	*result = watch; /* before anything can be told */
	actor_post(session->actor, &watch->open_item);
	return SYNOD_OK;
}

/* ---- the queue ---- */

bool
watch_enqueue(struct synod_watch *watch, struct telling **telling, bool may_pause)
{
	bool is_full;

	pthread_mutex_lock(&watch->lock);
	STAILQ_INSERT_TAIL(&watch->queue, *telling, link);
	watch->queue_size += (*telling)->size + TELLING_OVERHEAD;
	is_full = may_pause && watch->queue_size > WATCH_QUEUE_SIZE_MAX;
	watch->is_queue_paused = is_full;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
	*telling = NULL;
	return is_full;
}

/* The first of the queue becomes the current one; true if the rest can be fetched now. */
static bool
take(struct synod_watch *watch)
{
	struct telling *telling = STAILQ_FIRST(&watch->queue);
	bool must_resume;

	STAILQ_REMOVE_HEAD(&watch->queue, link);
	watch->queue_size -= telling->size + TELLING_OVERHEAD;
	watch->current = telling;
	watch->has_told_end = telling->event.kind == SYNOD_EVENT_END;
	atomic_store(&watch->told_revision, telling->told_revision);
	must_resume = watch->is_queue_paused && STAILQ_EMPTY(&watch->queue);
	if (must_resume)
		watch->is_queue_paused = false;
	return must_resume;
}

static bool
is_over(struct synod_watch *watch)
{
	return atomic_load(&watch->is_closed) || watch->has_told_end;
}

static uint64_t
until_us(struct clock *clock, unsigned timeout_ms)
{
	return timeout_ms == UINT_MAX ? UINT64_MAX
	                              : clock_now_us(clock) + timeout_ms * UINT64_C(1000);
}

static unsigned
left_ms(struct clock *clock, uint64_t until)
{
	uint64_t now_us;

	if (until == UINT64_MAX)
		return UINT_MAX;
	now_us = clock_now_us(clock);
	return until > now_us ? (unsigned)((until - now_us + 999) / 1000) : 0;
}

/* Once round: something may have changed.  The lock is held. */
static void
wait_a_turn(struct synod_watch *watch, uint64_t turns, unsigned timeout_ms)
{
	struct loop *loop = watch->session->options.loop;
	struct timespec until;

	if (loop != NULL) {
		pthread_mutex_unlock(&watch->lock);
		loop_turn(loop, turns, timeout_ms);
		pthread_mutex_lock(&watch->lock);
		return;
	}
	if (timeout_ms == UINT_MAX) {
		pthread_cond_wait(&watch->changed, &watch->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
}

/* Until there is something in the queue, or the end.  The lock is held. */
static int
wait_for_news(struct synod_watch *watch, unsigned timeout_ms)
{
	struct session *session = watch->session;
	struct loop *loop = session->options.loop;
	uint64_t until = until_us(session->options.clock, timeout_ms);

	for (;;) {
		uint64_t turns = loop != NULL ? loop_turns(loop) : 0;
		unsigned left = left_ms(session->options.clock, until);

		if (is_over(watch))
			return SYNOD_CLOSED;
		if (!STAILQ_EMPTY(&watch->queue))
			return SYNOD_OK;
		if (left == 0)
			return SYNOD_TIMEOUT;
		wait_a_turn(watch, turns, left);
	}
}

int
synod_watch_next(struct synod_watch *watch, unsigned timeout_ms, const struct synod_event **event)
{
	bool must_resume = false;
	int error;

	if (event != NULL)
		*event = NULL;
	if (watch == NULL || event == NULL || watch->on_event != NULL || session_is_in_callback())
		return SYNOD_BAD_ARGUMENT;
	atomic_fetch_add(&watch->references, 1);
	if (timeout_ms == 0 && watch->session->options.loop != NULL)
		loop_run(watch->session->options.loop);
	pthread_mutex_lock(&watch->lock);
	telling_free(watch->current);
	watch->current = NULL;
	error = wait_for_news(watch, timeout_ms);
	if (error == SYNOD_OK) {
		must_resume = take(watch);
		*event = &watch->current->event;
	}
	pthread_mutex_unlock(&watch->lock);
	if (must_resume) /* the item takes our reference with it */
		actor_post(watch->session->actor, &watch->resume_item);
	else
		watch_release(watch);
	return error;
}

uint64_t
synod_watch_revision(struct synod_watch *watch)
{
	return watch != NULL ? atomic_load(&watch->told_revision) : 0;
}

/* ---- closing ---- */

void
synod_watch_close(struct synod_watch *watch)
{
	struct session *session;
	struct waiter waiter;
	bool waits;

	if (watch == NULL)
		return;
	session = watch->session;
	waits = !session_is_in_callback() &&
	        (session->options.mode != ACTOR_MANUAL || session->options.loop != NULL);
	pthread_mutex_lock(&watch->lock);
	atomic_store(&watch->is_closed, true);
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
	if (!waits) {
		actor_post(session->actor, &watch->close_item);
		return;
	}
	waiter_init(&waiter, false);
	/* The watch is closed before this function returns. */
	/* cppcheck-suppress autoVariables */
	watch->close_waiter = &waiter;
	actor_post(session->actor, &watch->close_item);
	loop_wait(session->options.loop, &waiter);
	waiter_fini(&waiter);
}
