/*
 * Actors over one atomic counter and one atomic stack.
 *
 * `pending` counts the items posted and not yet handled.  Whoever raises it from
 * zero brings the actor to life: runs it (a strand) or wakes its thread.  The
 * runner takes the whole stack at once, reverses it into the order of posting,
 * and subtracts what it handled when it finds nothing more; if that makes zero it
 * has left the actor, and that subtraction was its last access to it.  So there
 * is no flag to hand over, no wake-up to lose, and actor_stop() that sees zero
 * may free at once.
 *
 * An item is counted before it is pushed, so the counter never runs behind the
 * stack; a runner that finds the count above what it took waits the few
 * instructions until the push has happened.
 */
#include "shared/actor.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shared/check.h"

#define THREAD_NAME_MAX 15 /* of pthread_setname_np() */
#define STOP_POLL_NS    100000

/* About so many items are handled before on_idle has its turn, even if more keep coming. */
#define BATCH_MAX 256

struct actor {
	_Atomic(struct actor_item *) inbox; /* newest first */
	atomic_uint pending;
	enum actor_mode mode;
	const struct actor_handler *handler;
	void *owner;
	const char *name;
	pthread_t thread;
	struct actor_item stop_item; /* ACTOR_THREAD: the last item ever */
	bool is_last_seen;           /* the thread's own */
	bool is_stopped;
	/* ACTOR_MANUAL: whoever posts is counted, since the actor may be run, and be over, before
	 * it has called `wake`. */
	void (*wake)(void *context);
	void *wake_context;
	atomic_uint posting;
};

static void
futex_wait(atomic_uint *word, unsigned value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* Only the address is used, never what it holds: the actor may be gone by now. */
static void
futex_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static struct actor_item *
take_all_in_order(struct actor *actor)
{
	struct actor_item *item =
		atomic_exchange_explicit(&actor->inbox, NULL, memory_order_acquire);
	struct actor_item *ordered = NULL;

	while (item != NULL) {
		struct actor_item *next = item->next;

		item->next = ordered;
		ordered = item;
		item = next;
	}
	return ordered;
}

static unsigned
handle_all(struct actor *actor, struct actor_item *item)
{
	unsigned count = 0;

	while (item != NULL) {
		struct actor_item *next = item->next; /* the handler may free or post it again */

		if (item == &actor->stop_item)
			actor->is_last_seen = true;
		else
			actor->handler->on_item(actor->owner, item);
		item = next;
		count++;
	}
	return count;
}

/*
 * Handle everything.  The caller raised `pending` from zero, or is the actor's
 * own thread.  As long as something is counted that was not handled, nobody else
 * can raise it from zero, so the runner stays the only one.
 */
static void
run(struct actor *actor)
{
	for (;;) {
		struct actor_item *item;
		unsigned handled = 0;

		while (handled < BATCH_MAX && (item = take_all_in_order(actor)) != NULL)
			handled += handle_all(actor, item);
		if (handled ==
		    0) { /* counted, and about to be pushed by a thread that was preempted */
			sched_yield();
			continue;
		}
		if (actor->handler->on_idle != NULL)
			actor->handler->on_idle(actor->owner);
		if (atomic_fetch_sub(&actor->pending, handled) == handled)
			return;
	}
}

static void *
thread_main(void *argument)
{
	struct actor *actor = argument;

	while (!actor->is_last_seen) {
		if (atomic_load(&actor->pending) == 0)
			futex_wait(&actor->pending, 0);
		else
			run(actor);
	}
	return NULL;
}

/* Signals are for the main thread: it alone knows what they mean. */
static int
start_thread(struct actor *actor)
{
	sigset_t all, before;
	char name[THREAD_NAME_MAX + 1] = {0};
	int error;

	for (unsigned i = 0; i < THREAD_NAME_MAX && actor->name[i] != '\0'; i++)
		name[i] = actor->name[i];
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&actor->thread, NULL, thread_main, actor);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_setname_np(actor->thread, name);
	return error;
}

struct actor *
actor_new(const char *name, enum actor_mode mode, const struct actor_handler *handler, void *owner)
{
	struct actor *actor = calloc(1, sizeof *actor);

	CHECK(handler->on_item != NULL);
	if (actor == NULL)
		return NULL;
	actor->name = name;
	actor->mode = mode;
	actor->handler = handler;
	actor->owner = owner;
	if (mode == ACTOR_THREAD && start_thread(actor) != 0) {
		free(actor);
		return NULL;
	}
	return actor;
}

/* Returns how many items were pending before. */
static unsigned
push(struct actor *actor, struct actor_item *item)
{
	unsigned before = atomic_fetch_add(&actor->pending, 1);
	struct actor_item *newest = atomic_load_explicit(&actor->inbox, memory_order_relaxed);

	do
		item->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&actor->inbox, &newest, item,
	                                              memory_order_release, memory_order_relaxed));
	return before;
}

static void
post_and_wake(struct actor *actor, struct actor_item *item)
{
	atomic_fetch_add(&actor->posting, 1);
	if (push(actor, item) == 0 && actor->wake != NULL)
		actor->wake(actor->wake_context);
	atomic_fetch_sub(&actor->posting, 1);
}

void
actor_post(struct actor *actor, struct actor_item *item)
{
	enum actor_mode mode = actor->mode;
	unsigned before;

	if (mode == ACTOR_MANUAL) {
		post_and_wake(actor, item);
		return;
	}
	before = push(actor, item);
	if (before > 0)
		return;
	if (mode == ACTOR_STRAND)
		run(actor);
	else
		futex_wake(&actor->pending);
}

void
actor_set_wake(struct actor *actor, void (*wake)(void *context), void *context)
{
	CHECK(actor->mode == ACTOR_MANUAL);

	actor->wake = wake;
	actor->wake_context = context;
}

bool
actor_run(struct actor *actor)
{
	CHECK(actor->mode == ACTOR_MANUAL);

	if (atomic_load(&actor->pending) == 0)
		return false;
	run(actor);
	return true;
}

unsigned
actor_backlog(const struct actor *actor)
{
	return atomic_load_explicit(&actor->pending, memory_order_relaxed);
}

void
actor_stop(struct actor *actor)
{
	struct timespec pause = {0, STOP_POLL_NS};

	if (actor->is_stopped)
		return;
	actor->is_stopped = true;
	if (actor->mode == ACTOR_THREAD) {
		actor_post(actor, &actor->stop_item);
		CHECK(pthread_join(actor->thread, NULL) == 0);
		return;
	}
	if (actor->mode == ACTOR_MANUAL)
		actor_run(actor);
	/* A strand is about to be left by the thread that runs it, a manual one by who posted. */
	while (atomic_load(&actor->pending) > 0 || atomic_load(&actor->posting) > 0)
		nanosleep(&pause, NULL);
}

void
actor_free(struct actor *actor)
{
	if (actor == NULL)
		return;
	actor_stop(actor);
	free(actor);
}
