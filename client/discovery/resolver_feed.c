/* The feed: events, listings and the service's stat, read into the catalogue. */
#include "client/discovery/resolver.h"

#include <stdlib.h>

#define BEGIN_AGAIN_MS 1000

/* ---- the service's stat ---- */

static void
on_stat(void *context, const struct synod_result *result)
{
	struct synod_resolver *resolver = context;
	unsigned percent;
	bool is_news = false;
	bool is_known = result->error == SYNOD_OK || result->error == SYNOD_NOT_FOUND;
	bool again = false;

	monitor_lock(&resolver->monitor);
	percent = resolver->catalog.brake_percent;
	resolver->is_stat_asked = false;
	resolver->is_stat_wanted |= !is_known;
	if (is_known) {
		catalog_set_service(&resolver->catalog,
		                    result->error == SYNOD_OK ? &result->node.stat : NULL);
		is_news = percent != resolver->catalog.brake_percent;
	}
	if (is_news && !resolver->is_in_state)
		resolver_renew(resolver);
	again = (resolver->is_stat_wanted || resolver->is_broken) && !resolver->is_closed &&
	        !resolver->is_orphan;
	monitor_unlock(&resolver->monitor);
	if (again)
		synod_hook_after(resolver->hook, is_known ? 0 : BEGIN_AGAIN_MS);
	if (is_news)
		resolver_tell(resolver);
	resolver_unrefer(resolver);
}

/* One at a time: another change of the node asks again afterwards. */
static void
ask_stat(struct synod_resolver *resolver)
{
	struct synod_read_options options = {
		.call = {.done = on_stat, .context = resolver},
		.consistency = SYNOD_AT_LEAST,
	};
	bool is_due;
	int error;

	monitor_lock(&resolver->monitor);
	is_due = resolver->is_stat_wanted && !resolver->is_stat_asked && !resolver->is_closed &&
	         !resolver->is_orphan;
	if (is_due) {
		resolver->is_stat_wanted = false;
		resolver->is_stat_asked = true;
		resolver->references++;
	}
	options.at_least = resolver->revision;
	monitor_unlock(&resolver->monitor);
	if (!is_due)
		return;
	error = synod_stat(resolver->synod, resolver->catalog.path, &options, NULL);
	if (error != SYNOD_OK)
		on_stat(resolver, &(struct synod_result){.error = error});
}

/* ---- events ---- */

/* Held, as all that read. */
static void
read_node(struct synod_resolver *resolver, const struct synod_node *node)
{
	struct catalog *catalog = &resolver->catalog;
	int error;

	if (catalog_is_service(catalog, node->path)) {
		catalog_set_service(catalog, &node->stat);
		return;
	}
	error = catalog_state_add(catalog, node->path + catalog->path_size + 1, node,
	                          picker_now_ms(resolver->picker));
	if (error != SYNOD_OK)
		resolver_break(resolver, error);
}

/* A whole state has been read. */
static void
end_state(struct synod_resolver *resolver, uint64_t revision)
{
	resolver->is_in_state = false;
	resolver->has_heard = true;
	catalog_state_end(&resolver->catalog, picker_now_ms(resolver->picker));
	resolver->revision = revision;
	resolver->error = SYNOD_OK;
	resolver_renew(resolver);
}

/* Each of these returns whether there is something to tell. */
static bool
read_state(struct synod_resolver *resolver, const struct synod_event *event)
{
	if (!resolver->is_in_state || resolver->state_revision != event->revision) {
		catalog_state_begin(&resolver->catalog);
		catalog_set_service(&resolver->catalog, NULL); /* unless it is in the state */
	}
	resolver->is_in_state = true;
	resolver->state_revision = event->revision;
	for (size_t i = 0; i < event->node_count && !resolver->is_broken; i++)
		read_node(resolver, &event->nodes[i]);
	if (event->more || resolver->is_broken)
		return false;
	end_state(resolver, event->revision);
	return true;
}

static void
read_service_change(struct synod_resolver *resolver, const struct synod_change *change)
{
	resolver->is_stat_wanted = change->kind != SYNOD_DELETED;
	if (change->kind == SYNOD_DELETED)
		catalog_set_service(&resolver->catalog, NULL);
}

static bool
read_changes(struct synod_resolver *resolver, const struct synod_event *event)
{
	uint64_t now_ms = picker_now_ms(resolver->picker);

	for (size_t i = 0; i < event->change_count; i++) {
		const struct synod_change *change = &event->changes[i];
		int error = SYNOD_OK;

		if (catalog_is_service(&resolver->catalog, change->path))
			read_service_change(resolver, change);
		else
			error = catalog_change(&resolver->catalog, change, now_ms);
		if (error != SYNOD_OK) {
			resolver_break(resolver, error);
			return false;
		}
	}
	if (event->more) /* a part of a revision is not seen */
		return false;
	resolver->revision = event->revision;
	resolver_renew(resolver);
	return true;
}

static bool
read_end(struct synod_resolver *resolver, const struct synod_event *event)
{
	if (event->error == SYNOD_TOO_LARGE && !resolver->is_paged) {
		resolver->is_paged = true;
		resolver->is_broken = true; /* and no error: it goes on in another way */
		return false;
	}
	resolver_break(resolver, event->error);
	return true;
}

static bool
read_event(struct synod_resolver *resolver, const struct synod_event *event)
{
	bool is_news = event->kind != SYNOD_EVENT_END && resolver_set_stale(resolver, false);

	switch (event->kind) {
	case SYNOD_EVENT_STATE: is_news |= read_state(resolver, event); break;
	case SYNOD_EVENT_CHANGES: is_news |= read_changes(resolver, event); break;
	case SYNOD_EVENT_MARK: break;
	case SYNOD_EVENT_END: is_news |= read_end(resolver, event); break;
	}
	return is_news;
}

void
resolver_feed_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct synod_resolver *resolver = context;
	bool is_news = false;
	bool is_broken;
	bool is_ours;
	int error;

	monitor_lock(&resolver->monitor);
	is_ours = !resolver->is_closed && !resolver->is_orphan && !resolver->is_broken &&
	          (resolver->watch == NULL || resolver->watch == watch);
	if (is_ours)
		is_news = read_event(resolver, event);
	is_broken = resolver->is_broken;
	error = resolver->error;
	monitor_unlock(&resolver->monitor);
	if (!is_ours)
		return;
	if (is_broken)
		synod_hook_after(resolver->hook, error == SYNOD_OK ? 0 : BEGIN_AGAIN_MS);
	else
		ask_stat(resolver);
	if (is_news)
		resolver_tell(resolver);
}

/* ---- beginning ---- */

static int
open_watch(struct synod_resolver *resolver, uint64_t from)
{
	const struct synod_watch_options options = {
		.scope = SYNOD_WATCH_CHILDREN,
		.from = from,
		.initial = from == 0,
		.with_data = true,
		.marks = true, /* signs of life: see is_expired */
		.on_event = resolver_feed_event,
		.context = resolver,
	};
	struct synod_watch *watch = NULL;
	int error = synod_watch_open(resolver->synod, resolver->catalog.path, &options, &watch);

	if (error == SYNOD_OK)
		resolver_exchange_watch(resolver, watch);
	return error;
}

/* The pages of a state that is too large for a watch. */
static void
read_list(struct synod_resolver *resolver, const struct synod_result *result)
{
	uint64_t now_ms = picker_now_ms(resolver->picker);
	int error = SYNOD_OK;

	catalog_state_begin(&resolver->catalog);
	for (size_t i = 0; i < result->child_count && error == SYNOD_OK; i++)
		error = catalog_state_add(&resolver->catalog, result->children[i].path,
		                          &result->children[i], now_ms);
	if (error != SYNOD_OK) {
		resolver_break(resolver, error);
		return;
	}
	resolver->is_stat_wanted = true;
	resolver_set_stale(resolver, false);
	end_state(resolver, result->revision);
}

static void
on_list(void *context, const struct synod_result *result)
{
	struct synod_resolver *resolver = context;
	bool is_over;
	bool is_listed;
	uint64_t from = 0;
	int error = result->error;

	monitor_lock(&resolver->monitor);
	is_over = resolver->is_closed || resolver->is_orphan;
	is_listed = error == SYNOD_OK && !is_over;
	if (is_listed) {
		read_list(resolver, result);
		from = result->revision + 1;
	} else if (error == SYNOD_NOT_FOUND) {
		resolver->is_paged = false; /* nothing is not too large */
		error = SYNOD_OK;
	}
	if (resolver->is_broken)
		error = resolver->error;
	monitor_unlock(&resolver->monitor);
	if (error == SYNOD_OK && !is_over)
		error = open_watch(resolver, from);
	if (error != SYNOD_OK && !is_over) {
		monitor_lock(&resolver->monitor);
		resolver_break(resolver, error);
		monitor_unlock(&resolver->monitor);
		synod_hook_after(resolver->hook, BEGIN_AGAIN_MS);
	}
	if (is_listed) {
		ask_stat(resolver);
		resolver_tell(resolver);
	}
	resolver_unrefer(resolver);
}

static int
ask_list(struct synod_resolver *resolver, uint64_t at_least)
{
	const struct synod_read_options options = {
		.call = {.done = on_list, .context = resolver},
		.consistency = SYNOD_AT_LEAST,
		.at_least = at_least,
		.with_stat = true,
		.with_data = true,
	};
	int error;

	resolver_refer(resolver);
	error = synod_list(resolver->synod, resolver->catalog.path, &options, NULL);
	if (error != SYNOD_OK)
		resolver_unrefer(resolver);
	return error;
}

int
resolver_feed_begin(struct synod_resolver *resolver)
{
	uint64_t revision;
	bool is_paged;

	monitor_lock(&resolver->monitor);
	resolver->is_broken = false;
	resolver->is_in_state = false;
	is_paged = resolver->is_paged;
	revision = resolver->revision;
	monitor_unlock(&resolver->monitor);
	return is_paged ? ask_list(resolver, revision) : open_watch(resolver, 0);
}

static void
begin_again(struct synod_resolver *resolver)
{
	int error;

	resolver_exchange_watch(resolver, NULL);
	error = resolver_feed_begin(resolver);
	if (error == SYNOD_OK)
		return;
	monitor_lock(&resolver->monitor);
	resolver_break(resolver, error);
	monitor_unlock(&resolver->monitor);
	synod_hook_after(resolver->hook, BEGIN_AGAIN_MS);
}

void
resolver_feed_on_time(struct synod_resolver *resolver)
{
	bool is_broken;
	bool is_over;

	monitor_lock(&resolver->monitor);
	is_broken = resolver->is_broken;
	is_over = resolver->is_closed || resolver->is_orphan;
	monitor_unlock(&resolver->monitor);
	if (is_over)
		return;
	if (is_broken)
		begin_again(resolver);
	ask_stat(resolver);
}
