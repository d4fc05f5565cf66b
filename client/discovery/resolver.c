/* Resolvers as the application has them: opening, the hook, closing. */
#include "client/discovery/resolver.h"

#include <stdlib.h>
#include <string.h>

#define LOAD_PERCENT 125

/* ---- memory ---- */

static void
resolver_free(struct synod_resolver *resolver)
{
	if (resolver->picker != NULL)
		picker_close(resolver->picker);
	catalog_fini(&resolver->catalog);
	monitor_fini(&resolver->monitor);
	free(resolver->filter);
	free(resolver);
}

void
resolver_refer(struct synod_resolver *resolver)
{
	monitor_lock(&resolver->monitor);
	resolver->references++;
	monitor_unlock(&resolver->monitor);
}

void
resolver_unrefer(struct synod_resolver *resolver)
{
	bool is_last;

	monitor_lock(&resolver->monitor);
	is_last = --resolver->references == 0;
	monitor_unlock(&resolver->monitor);
	if (is_last)
		resolver_free(resolver);
}

/* ---- news ---- */

void
resolver_break(struct synod_resolver *resolver, int error)
{
	resolver->is_broken = true;
	resolver->error = error;
}

void
resolver_renew(struct synod_resolver *resolver)
{
	struct catalog *catalog = &resolver->catalog;
	int error;

	if (resolver->is_closed)
		return;
	error = catalog_choose(catalog, picker_now_ms(resolver->picker));
	if (error == SYNOD_OK)
		error = picker_set(resolver->picker, catalog->chosen, catalog->chosen_count);
	if (error == SYNOD_OK)
		resolver_wake(resolver, SYNOD_OK);
	else
		resolver_break(resolver, error);
}

bool
resolver_set_stale(struct synod_resolver *resolver, bool is_stale)
{
	uint64_t now_ms = picker_now_ms(resolver->picker);
	bool is_news = resolver->is_stale != is_stale;

	if (!is_stale)
		resolver->heard_ms = now_ms;
	if (is_news)
		resolver->stale_ms = now_ms;
	resolver->is_stale = is_stale;
	return is_news;
}

void
resolver_tell(struct synod_resolver *resolver)
{
	bool is_closed;

	monitor_lock(&resolver->monitor);
	is_closed = resolver->is_closed;
	monitor_unlock(&resolver->monitor);
	if (resolver->on_change != NULL && !is_closed)
		resolver->on_change(resolver->context, resolver);
}

/* ---- the hook ---- */

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct synod_resolver *resolver = context;
	bool is_news;

	(void)remaining_ms;
	monitor_lock(&resolver->monitor);
	resolver->is_expired = state == SYNOD_EXPIRED;
	is_news = resolver_set_stale(resolver, state != SYNOD_CONNECTED || !resolver->has_heard);
	monitor_unlock(&resolver->monitor);
	if (is_news)
		resolver_tell(resolver);
}

static void
on_time(void *context)
{
	resolver_feed_on_time(context);
}

void
resolver_exchange_watch(struct synod_resolver *resolver, struct synod_watch *watch)
{
	struct synod_watch *old = watch;

	monitor_lock(&resolver->monitor);
	if ((!resolver->is_closed && !resolver->is_orphan) || watch == NULL) {
		old = resolver->watch;
		resolver->watch = watch;
	}
	monitor_unlock(&resolver->monitor);
	synod_watch_close(old);
}

/* The handle goes first.  Picks go on with what is known. */
static void
on_close(void *context)
{
	struct synod_resolver *resolver = context;

	monitor_lock(&resolver->monitor);
	resolver->is_orphan = true;
	resolver->error = SYNOD_CLOSED;
	resolver_set_stale(resolver, true);
	resolver_wake(resolver, SYNOD_CLOSED);
	monitor_unlock(&resolver->monitor);
	resolver_exchange_watch(resolver, NULL);
}

static void
on_gone(void *context)
{
	struct synod_resolver *resolver = context;

	monitor_lock(&resolver->monitor);
	resolver->is_gone = true;
	monitor_signal(&resolver->monitor);
	monitor_unlock(&resolver->monitor);
	resolver_unrefer(resolver);
}

/* ---- opening ---- */

static bool
filter_is_valid(const struct synod_filter *filter)
{
	if (filter->health >= 2u << SYNOD_DRAINING ||
	    (filter->tag_count > 0 && filter->tags == NULL) ||
	    (filter->metadata_count > 0 && filter->metadata == NULL))
		return false;
	for (size_t i = 0; i < filter->tag_count; i++) {
		if (filter->tags[i] == NULL)
			return false;
	}
	for (size_t i = 0; i < filter->metadata_count; i++) {
		if (filter->metadata[i].name == NULL)
			return false;
	}
	return true;
}

/* What balancing needs of OPTIONS, with defaults. */
static int
complete(const struct synod_resolver_options *options, struct balance_options *balance)
{
	*balance = (struct balance_options){
		.balance = options->balance,
		.zone = options->zone,
		.breaker = options->breaker,
		.concurrent_max = options->concurrent_max,
		.load_percent = options->load_percent != 0 ? options->load_percent : LOAD_PERCENT,
		.slow_start_ms = options->slow_start_ms,
	};
	/* Below 100 percent not even an even load would be within the bound. */
	if ((unsigned)options->balance > SYNOD_HASH || balance->load_percent < 100 ||
	    !filter_is_valid(&options->filter))
		return SYNOD_BAD_ARGUMENT;
	return breaker_options_complete(&balance->breaker);
}

static int
resolver_new(struct synod *synod, const char *service, const struct synod_resolver_options *options,
             const struct balance_options *balance, struct clock *clock,
             struct synod_resolver **result)
{
	struct synod_resolver *resolver = calloc(1, sizeof *resolver);

	if (resolver == NULL)
		return SYNOD_NO_MEMORY;
	if (monitor_init(&resolver->monitor, synod) != SYNOD_OK) {
		free(resolver);
		return SYNOD_NO_MEMORY;
	}
	resolver->synod = synod;
	resolver->on_change = options->on_change;
	resolver->context = options->context;
	resolver->references = 1;
	LIST_INIT(&resolver->waiting);
	resolver->filter = filter_copy(&options->filter);
	catalog_init(&resolver->catalog, service, resolver->filter);
	resolver->picker = picker_new(balance, clock);
	if (resolver->filter == NULL || resolver->picker == NULL) {
		resolver_free(resolver);
		return SYNOD_NO_MEMORY;
	}
	resolver_set_stale(resolver, true); /* until the ensemble has been heard */
	*result = resolver;
	return SYNOD_OK;
}

static int
attach(struct synod_resolver *resolver)
{
	const struct synod_hook_options options = {
		.on_state = on_state,
		.on_time = on_time,
		.on_close = on_close,
		.on_gone = on_gone,
		.context = resolver,
	};
	int error;

	resolver_refer(resolver); /* the hook's */
	error = synod_hook_add(resolver->synod, &options, &resolver->hook);
	if (error != SYNOD_OK) {
		resolver->is_gone = true;
		resolver_unrefer(resolver);
	}
	return error;
}

int
resolver_open(struct synod *synod, const char *service,
              const struct synod_resolver_options *options, struct clock *clock,
              struct synod_resolver **result)
{
	static const struct synod_resolver_options defaults;
	struct balance_options balance;
	int error;

	if (result == NULL)
		return SYNOD_BAD_ARGUMENT;
	*result = NULL;
	if (synod == NULL || service == NULL)
		return SYNOD_BAD_ARGUMENT;
	if (!record_name_is_valid(service))
		return SYNOD_BAD_PATH;
	if (options == NULL)
		options = &defaults;
	error = complete(options, &balance);
	if (error == SYNOD_OK)
		error = resolver_new(synod, service, options, &balance, clock, result);
	if (error != SYNOD_OK)
		return error;
	error = attach(*result);
	if (error == SYNOD_OK)
		error = resolver_feed_begin(*result);
	if (error != SYNOD_OK) {
		synod_resolver_close(*result);
		*result = NULL;
	}
	return error;
}

int
synod_resolver_open(struct synod *synod, const char *service,
                    const struct synod_resolver_options *options, struct synod_resolver **resolver)
{
	return resolver_open(synod, service, options, picker_clock_coarse(), resolver);
}

/* ---- closing ---- */

static void
detach(struct synod_resolver *resolver)
{
	bool may_wait = !synod_in_callback();
	bool is_gone;

	monitor_lock(&resolver->monitor);
	is_gone = resolver->is_gone;
	monitor_unlock(&resolver->monitor);
	if (is_gone)
		return;
	synod_hook_remove(resolver->hook);
	if (!may_wait)
		return;
	/* Then nothing of the resolver is called any more. */
	monitor_lock(&resolver->monitor);
	while (!resolver->is_gone)
		monitor_wait(&resolver->monitor);
	monitor_unlock(&resolver->monitor);
}

void
synod_resolver_close(struct synod_resolver *resolver)
{
	if (resolver == NULL)
		return;
	monitor_lock(&resolver->monitor);
	resolver->is_closed = true;
	resolver_wake(resolver, SYNOD_CLOSED);
	monitor_unlock(&resolver->monitor);
	resolver_exchange_watch(resolver, NULL);
	detach(resolver);
	resolver_unrefer(resolver);
}
