/* Waiting until a resolver has heard enough: each thread with a monitor and a hook of its own. */
#include <limits.h>

#include "client/discovery/resolver.h"

struct waiting {
	LIST_ENTRY(waiting) link; /* under the resolver's monitor */
	size_t count;
	struct monitor monitor; /* over what follows */
	bool is_over;
	bool is_gone; /* the hook */
	int error;
};

static void
settle(struct waiting *waiting, int error)
{
	monitor_lock(&waiting->monitor);
	if (!waiting->is_over)
		waiting->error = error;
	waiting->is_over = true;
	monitor_signal(&waiting->monitor);
	monitor_unlock(&waiting->monitor);
}

/* Held: the resolver. */
static bool
is_met(const struct synod_resolver *resolver, size_t count)
{
	return resolver->has_heard && resolver->catalog.chosen_count >= count;
}

void
resolver_wake(struct synod_resolver *resolver, int error)
{
	struct waiting *waiting;

	LIST_FOREACH(waiting, &resolver->waiting, link)
	{
		/* It does not see through the list that it was filled in before. */
		/* cppcheck-suppress uninitvar */
		if (error != SYNOD_OK || is_met(resolver, waiting->count))
			settle(waiting, error);
	}
}

/* ---- the hook ---- */

static void
on_time(void *context)
{
	settle(context, SYNOD_TIMEOUT);
}

static void
on_gone(void *context)
{
	struct waiting *waiting = context;

	monitor_lock(&waiting->monitor);
	waiting->is_gone = true;
	monitor_signal(&waiting->monitor);
	monitor_unlock(&waiting->monitor);
}

/* ---- waiting ---- */

/* The hook is there. */
static void
await(struct waiting *waiting, struct synod_hook *hook)
{
	monitor_lock(&waiting->monitor);
	while (!waiting->is_over)
		monitor_wait(&waiting->monitor);
	monitor_unlock(&waiting->monitor);
	synod_hook_remove(hook);
	monitor_lock(&waiting->monitor);
	while (!waiting->is_gone)
		monitor_wait(&waiting->monitor);
	monitor_unlock(&waiting->monitor);
}

/* Unless it is so already, take a place among those that wait. */
static int
enlist(struct synod_resolver *resolver, struct waiting *waiting, unsigned timeout_ms)
{
	int error = SYNOD_OK;

	monitor_lock(&resolver->monitor);
	waiting->is_over = true;
	if (is_met(resolver, waiting->count))
		error = SYNOD_OK;
	else if (resolver->is_closed || resolver->is_orphan)
		error = SYNOD_CLOSED;
	else if (timeout_ms == 0)
		error = SYNOD_TIMEOUT;
	else
		waiting->is_over = false;
	if (!waiting->is_over) {
		LIST_INSERT_HEAD(&resolver->waiting, waiting, link);
		resolver->references++;
	}
	monitor_unlock(&resolver->monitor);
	return error;
}

static void
leave(struct synod_resolver *resolver, struct waiting *waiting)
{
	monitor_lock(&resolver->monitor);
	LIST_REMOVE(waiting, link);
	monitor_unlock(&resolver->monitor);
	resolver_unrefer(resolver);
}

static int
wait_for(struct synod_resolver *resolver, struct waiting *waiting, unsigned timeout_ms)
{
	const struct synod_hook_options options = {
		.on_time = on_time, .on_gone = on_gone, .context = waiting};
	struct synod_hook *hook;
	int error = enlist(resolver, waiting, timeout_ms);

	if (waiting->is_over)
		return error;
	error = synod_hook_add(resolver->synod, &options, &hook);
	if (error == SYNOD_OK) {
		synod_hook_after(hook, timeout_ms);
		await(waiting, hook);
		error = waiting->error;
	}
	leave(resolver, waiting);
	return error;
}

int
synod_resolver_wait(struct synod_resolver *resolver, size_t count, unsigned timeout_ms)
{
	struct waiting waiting = {.count = count};
	int error;

	if (resolver == NULL || synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	if (monitor_init(&waiting.monitor, resolver->synod) != SYNOD_OK)
		return SYNOD_NO_MEMORY;
	error = wait_for(resolver, &waiting, timeout_ms);
	monitor_fini(&waiting.monitor);
	return error;
}
