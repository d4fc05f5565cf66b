/* Living clients that watch, and what each watch has told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

/* ---- what is told ---- */

static struct told *
add_told(struct watcher *watcher, const struct synod_event *event)
{
	struct living *living = watcher->client->living;
	struct told *told;

	LIVING_GROW(watcher->told, watcher->told_count, watcher->told_capacity);
	told = &watcher->told[watcher->told_count++];
	memset(told, 0, sizeof *told);
	told->kind = event->kind;
	told->more = event->more;
	told->compacted = event->compacted;
	told->revision = event->revision;
	told->kept_from = living->chronicle->kept_from;
	told->at_us = living->world->now_us;
	told->error = event->error;
	return told;
}

static void
add_change(struct watcher *watcher, const struct synod_event *event,
           const struct synod_change *change)
{
	struct told *told = add_told(watcher, event);

	told->change = (struct chronicled){
		.revision = change->revision,
		.ordinal = change->ordinal,
		.kind = change->kind,
		.cause = change->cause,
		.version = change->version,
		.owner = change->owner,
		.previous_owner = change->previous_owner,
		.data_hash = chronicle_hash(change->data, change->size),
	};
	snprintf(told->change.path, sizeof told->change.path, "%s", change->path);
}

static void
add_node(struct watcher *watcher, const struct synod_event *event, const struct synod_node *node)
{
	struct told *told = add_told(watcher, event);

	told->change = (struct chronicled){
		.revision = node->stat.modified,
		.ordinal = node->stat.created,
		.version = node->stat.version,
		.owner = node->stat.owner,
		.data_hash = chronicle_hash(node->data, node->size),
	};
	snprintf(told->change.path, sizeof told->change.path, "%s", node->path);
}

static void
take_event(struct watcher *watcher, const struct synod_event *event)
{
	struct world *world = watcher->client->living->world;
	struct statistics *statistics = &world->statistics;
	size_t before = watcher->told_count;

	world_trace(world, watcher->client->host,
	            "watch %lu of %s: event %d of revision %lu, %lu "
	            "changes, %lu nodes%s%s",
	            (unsigned long)watcher->serial, watcher->path, (int)event->kind,
	            (unsigned long)event->revision, (unsigned long)event->change_count,
	            (unsigned long)event->node_count, event->more ? ", more" : "",
	            event->compacted ? ", compacted" : "");
	if (watcher->has_ended)
		world_fail(world, "watch", "an event after the end of the watch of %s",
		           watcher->path);
	for (size_t i = 0; event->kind == SYNOD_EVENT_CHANGES && i < event->change_count; i++)
		add_change(watcher, event, &event->changes[i]);
	for (size_t i = 0; event->kind == SYNOD_EVENT_STATE && i < event->node_count; i++)
		add_node(watcher, event, &event->nodes[i]);
	if (watcher->told_count == before)
		add_told(watcher, event)->is_empty = true;
	watcher->told[watcher->told_count - 1].is_last = true;
	statistics->watch_events++;
	switch (event->kind) {
	case SYNOD_EVENT_CHANGES: statistics->watch_changes += event->change_count; break;
	case SYNOD_EVENT_STATE:
		if (event->compacted)
			statistics->watch_compactions++;
		statistics->watch_states++;
		break;
	case SYNOD_EVENT_MARK: statistics->watch_marks++; break;
	case SYNOD_EVENT_END:
		watcher->has_ended = true;
		statistics->watch_ends++;
		break;
	}
}

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct watcher *watcher = context;

	watcher->watch = watch; /* perhaps before synod_watch_open() has returned */
	take_event(watcher, event);
}

void
watch_poll(struct living_client *client)
{
	for (unsigned i = 0; i < WATCHERS_MAX; i++) {
		struct watcher *watcher = client->watchers[i];
		const struct synod_event *event;

		if (!watcher || !watcher->is_queued ||
		    (!client->living->is_stopped && random_below(&client->random, 4) != 0))
			continue;
		while (synod_watch_next(watcher->watch, 0, &event) == SYNOD_OK)
			take_event(watcher, event);
	}
}

/* ---- answers ---- */

static void
add_barrier(struct watcher *watcher, uint64_t revision)
{
	LIVING_GROW(watcher->barriers, watcher->barrier_count, watcher->barrier_capacity);
	watcher->barriers[watcher->barrier_count++] =
		(struct barrier){watcher->told_count, revision};
}

void
watch_on_answer(struct living_client *client, const struct ask *ask)
{
	for (unsigned i = 0; i < WATCHERS_MAX; i++) {
		struct watcher *watcher = client->watchers[i];

		if (!watcher || watcher->is_queued || watcher->serial > ask->serial ||
		    ask->is_local || ask->revision == 0)
			continue;
		add_barrier(watcher, ask->revision);
		client->living->world->statistics.watch_barriers++;
	}
}

/* ---- opening and closing ---- */

static void
draw_path(struct living_client *client, char *path)
{
	static const char *const fixed[] = {LIVING_ROOT, "/", LIVING_ROOT "/lock",
	                                    LIVING_ROOT "/register"};
	uint64_t drawn = random_below(&client->random, 10);

	if (drawn < 4)
		snprintf(path, LIVING_PATH, "%s", fixed[drawn]);
	else if (drawn < 7)
		snprintf(path, LIVING_PATH, LIVING_ROOT "/d%u",
		         (unsigned)random_below(&client->random, 3));
	else
		snprintf(path, LIVING_PATH, LIVING_ROOT "/d%u/x%u",
		         (unsigned)random_below(&client->random, 3),
		         (unsigned)random_below(&client->random, 4));
}

static struct watcher *
watcher_new(struct living_client *client)
{
	struct living *living = client->living;
	struct watcher *watcher = check_calloc(1, sizeof *watcher);

	watcher->client = client;
	watcher->incarnation = client->host->incarnation;
	watcher->serial = ++living->serial;
	watcher->seen_revision = client->seen_revision;
	LIVING_GROW(living->watchers, living->watcher_count, living->watcher_capacity);
	living->watchers[living->watcher_count++] = watcher;
	return watcher;
}

static bool
take_bookmark(struct living_client *client, struct watcher *watcher)
{
	struct bookmark *bookmark =
		&client->bookmarks[random_below(&client->random, BOOKMARKS_MAX)];

	if (!bookmark->is_set || random_below(&client->random, 4) == 0)
		return false;
	bookmark->is_set = false;
	snprintf(watcher->path, sizeof watcher->path, "%s", bookmark->path);
	watcher->options.scope = bookmark->scope;
	watcher->options.with_data = bookmark->with_data;
	watcher->options.from = bookmark->revision + 1;
	watcher->is_resumed = true;
	client->living->world->statistics.watch_bookmarks++;
	return true;
}

static void
draw_start(struct living_client *client, struct watcher *watcher)
{
	struct random *random = &client->random;
	uint64_t drawn = random_below(random, 16);

	if (drawn < 6) {
		watcher->options.initial = true;
	} else if (drawn < 9 && client->seen_revision > 0) {
		watcher->options.from = random_between(random, 1, client->seen_revision);
	} else if (drawn == 9) {
		watcher->options.from = client->seen_revision + UINT64_C(1000000000);
		watcher->is_future = true;
	}
}

static void
open_watcher(struct living_client *client, unsigned slot)
{
	struct random *random = &client->random;
	struct watcher *watcher = watcher_new(client);
	int error;

	if (!take_bookmark(client, watcher)) {
		draw_path(client, watcher->path);
		watcher->options.scope = (enum synod_scope)random_below(random, 3);
		watcher->options.with_data = random_below(random, 2);
		draw_start(client, watcher);
	}
	watcher->options.marks = random_below(random, 2);
	watcher->options.context = watcher;
	watcher->is_queued = random_below(random, 5) == 0;
	if (!watcher->is_queued)
		watcher->options.on_event = on_event;
	client->watchers[slot] = watcher;
	watcher->is_open = true;
	client->living->world->statistics.watches++;
	world_trace(client->living->world, client->host, "watch %lu of %s: scope %d from %lu%s%s%s",
	            (unsigned long)watcher->serial, watcher->path, (int)watcher->options.scope,
	            (unsigned long)watcher->options.from,
	            watcher->options.initial ? " initial" : "",
	            watcher->options.with_data ? " with data" : "",
	            watcher->is_queued ? " queued" : "");
	error = synod_watch_open(client->host->handle, watcher->path, &watcher->options,
	                         &watcher->watch);
	if (error != SYNOD_OK)
		world_fail(client->living->world, "client", "the library refused to watch %s: %s",
		           watcher->path, error_name(error));
}

/* The application has seen so much; it may go on from there with another handle. */
static void
remember(struct living_client *client, struct watcher *watcher)
{
	struct bookmark *bookmark =
		&client->bookmarks[random_below(&client->random, BOOKMARKS_MAX)];
	uint64_t revision = watcher->marked_revision;

	if (revision == 0 || watcher->has_ended)
		return;
	bookmark->is_set = true;
	snprintf(bookmark->path, sizeof bookmark->path, "%s", watcher->path);
	bookmark->scope = watcher->options.scope;
	bookmark->with_data = watcher->options.with_data;
	bookmark->revision = revision;
}

static void
forget(struct living_client *client, unsigned slot)
{
	struct watcher *watcher = client->watchers[slot];

	remember(client, watcher);
	watcher->is_open = false;
	watcher->watch = NULL;
	client->watchers[slot] = NULL;
}

void
watch_act(struct living_client *client)
{
	unsigned slot = (unsigned)random_below(&client->random, WATCHERS_MAX);
	struct watcher *watcher = client->watchers[slot];

	if (!watcher) {
		open_watcher(client, slot);
		return;
	}
	if (!watcher->has_ended && random_below(&client->random, 3) != 0)
		return;
	watcher->marked_revision = synod_watch_revision(watcher->watch);
	synod_watch_close(watcher->watch);
	forget(client, slot);
}

void
watch_on_crash(struct living_client *client)
{
	for (unsigned i = 0; i < WATCHERS_MAX; i++)
		if (client->watchers[i])
			forget(client, i);
}

bool
watch_is_told(const struct living_client *client, uint64_t revision)
{
	for (unsigned i = 0; i < WATCHERS_MAX; i++) {
		const struct watcher *watcher = client->watchers[i];

		if (watcher && !watcher->has_ended && !watcher->is_queued &&
		    synod_watch_revision(watcher->watch) < revision)
			return false;
	}
	return true;
}

bool
watch_is_any_queued(const struct living_client *client)
{
	for (unsigned i = 0; i < WATCHERS_MAX; i++)
		if (client->watchers[i] && client->watchers[i]->is_queued)
			return true;
	return false;
}

void
watchers_free(struct living *living)
{
	for (size_t i = 0; i < living->watcher_count; i++) {
		free(living->watchers[i]->told);
		free(living->watchers[i]->barriers);
		free(living->watchers[i]);
	}
	free(living->watchers);
}
