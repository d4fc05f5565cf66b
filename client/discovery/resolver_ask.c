/* Questions to a resolver: status, lists, picks, breakers. */
#include "client/discovery/resolver.h"

#include <stdlib.h>

/* The marks of a watch come more often than this. */
#define SILENCE_MS 15000

/* ---- the status ---- */

/*
 * Held.  A handle whose session has expired stays so until it writes, and does not
 * tell any more when the ensemble goes: then only silence does.
 */
static bool
is_silent(const struct synod_resolver *resolver, uint64_t now_ms)
{
	return resolver->is_expired && !resolver->is_stale &&
	       now_ms > resolver->heard_ms + SILENCE_MS;
}

/* Held. */
static size_t
count_open(struct synod_resolver *resolver, uint64_t now_ms)
{
	size_t count = 0;

	for (size_t i = 0; i < resolver->catalog.known_count; i++) {
		struct instance *instance = resolver->catalog.known[i];

		if (instance->is_present &&
		    breaker_state(&instance->health->breaker, now_ms) == SYNOD_BREAKER_OPEN)
			count++;
	}
	return count;
}

void
synod_resolver_status(struct synod_resolver *resolver, struct synod_resolver_status *status)
{
	const struct catalog_counts *counts;
	uint64_t since_ms;
	uint64_t now_ms;

	if (status == NULL)
		return;
	*status = (struct synod_resolver_status){0};
	if (resolver == NULL)
		return;
	now_ms = picker_now_ms(resolver->picker);
	counts = &resolver->catalog.counts;
	monitor_lock(&resolver->monitor);
	status->revision = resolver->revision;
	status->is_stale = resolver->is_stale || is_silent(resolver, now_ms);
	since_ms = resolver->is_stale ? resolver->stale_ms : resolver->heard_ms;
	if (status->is_stale && now_ms > since_ms)
		status->age_ms = now_ms - since_ms;
	status->brake_holds = counts->brake_holds;
	status->instances = counts->instances;
	status->usable = resolver->catalog.chosen_count;
	status->suspects = counts->suspects;
	status->malformed = counts->malformed;
	status->open = count_open(resolver, now_ms);
	status->error = resolver->error;
	monitor_unlock(&resolver->monitor);
}

/* ---- lists ---- */

/* Records do not change, so the list is of those that there are, each with a reference. */
struct list {
	struct synod_instances list;
	const struct synod_instance *instances[];
};

static struct record *
record_of(const struct synod_instance *instance)
{
	return (struct record *)((char *)instance - offsetof(struct record, instance));
}

int
synod_resolver_list(struct synod_resolver *resolver, const struct synod_filter *filter,
                    struct synod_instances **instances)
{
	struct catalog *catalog;
	struct list *list;

	if (instances == NULL)
		return SYNOD_BAD_ARGUMENT;
	*instances = NULL;
	if (resolver == NULL)
		return SYNOD_BAD_ARGUMENT;
	catalog = &resolver->catalog;
	monitor_lock(&resolver->monitor);
	list = malloc(sizeof *list + catalog->known_count * sizeof list->instances[0]);
	if (list != NULL) {
		list->list = (struct synod_instances){list->instances, 0};
		for (size_t i = 0; i < catalog->known_count; i++) {
			struct record *record = catalog->known[i]->record;

			if (record == NULL || !record_matches(record, filter))
				continue;
			record_retain(record);
			list->instances[list->list.count++] = &record->instance;
		}
	}
	monitor_unlock(&resolver->monitor);
	if (list == NULL)
		return SYNOD_NO_MEMORY;
	*instances = &list->list;
	return SYNOD_OK;
}

void
synod_instances_free(struct synod_instances *instances)
{
	if (instances == NULL)
		return;
	for (size_t i = 0; i < instances->count; i++)
		record_release(record_of(instances->instances[i]));
	free(instances);
}

void
resolver_malformed(struct synod_resolver *resolver,
                   void (*each)(void *context, const char *id, const char *why), void *context)
{
	monitor_lock(&resolver->monitor);
	for (size_t i = 0; i < resolver->catalog.known_count; i++) {
		const struct instance *instance = resolver->catalog.known[i];

		if (instance->is_present && instance->record == NULL)
			each(context, instance->id, instance->why != NULL ? instance->why : "");
	}
	monitor_unlock(&resolver->monitor);
}

/* ---- picks ---- */

int
synod_resolver_pick(struct synod_resolver *resolver, const struct synod_pick_options *options,
                    struct synod_pick *pick)
{
	if (resolver == NULL || pick == NULL)
		return SYNOD_BAD_ARGUMENT;
	return picker_pick(resolver->picker, options, pick);
}

void
synod_pick_done(struct synod_pick *pick, enum synod_outcome outcome)
{
	if (pick != NULL && pick->slot != NULL)
		picker_done(pick, outcome);
}

int
synod_resolver_breaker(struct synod_resolver *resolver, const char *id,
                       enum synod_breaker_state *state)
{
	const struct instance *instance;
	int error = SYNOD_NOT_FOUND;

	if (resolver == NULL || id == NULL || state == NULL)
		return SYNOD_BAD_ARGUMENT;
	monitor_lock(&resolver->monitor);
	instance = catalog_find(&resolver->catalog, id);
	if (instance != NULL) {
		*state = breaker_state(&instance->health->breaker, picker_now_ms(resolver->picker));
		error = SYNOD_OK;
	}
	monitor_unlock(&resolver->monitor);
	return error;
}
