/* Living clients that look services up, and pick instances. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/discovery/resolver.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

/* ---- opening and closing ---- */

static void
on_change(void *context, struct synod_resolver *resolver)
{
	struct viewer *viewer = context;

	viewer->resolver = resolver;
	viewer->client->living->world->statistics.resolver_changes++;
	check_resolver_take(viewer);
}

static struct viewer *
viewer_new(struct living_client *client)
{
	struct service_world *services = &client->living->services;
	struct viewer *viewer = check_calloc(1, sizeof *viewer);

	viewer->client = client;
	viewer->service =
		(unsigned)random_below(&client->random, client->living->world->options.services);
	viewer->is_open = true;
	LIVING_GROW(services->viewers, services->viewer_count, services->viewer_capacity);
	services->viewers[services->viewer_count++] = viewer;
	return viewer;
}

static void
open_viewer(struct living_client *client, unsigned slot)
{
	struct random *random = &client->random;
	struct viewer *viewer = viewer_new(client);
	struct synod_resolver_options options = {
		.balance = (enum synod_balance)random_below(random, 6),
		.on_change = on_change,
		.context = viewer,
	};
	char service[16];
	int error;

	if (random_below(random, 3) == 0)
		options.filter.health = (unsigned)random_between(random, 1, 31);
	options.breaker.failures = (unsigned)random_between(random, 1, 4);
	options.breaker.open_ms = 200;
	options.concurrent_max = random_below(random, 2) ? 2 : 0;
	options.slow_start_ms = random_below(random, 2) ? 1000 : 0;
	viewer->health = options.filter.health ? options.filter.health
	                                       : 1u << SYNOD_PASSING | 1u << SYNOD_WARNING;
	viewer->is_bounded = options.concurrent_max > 0;
	client->services.viewers[slot] = viewer;
	client->living->world->statistics.resolvers++;
	snprintf(service, sizeof service, "s%u", viewer->service);
	world_trace(client->living->world, client->host, "resolver %u of %s is opened", slot,
	            service);
	error = resolver_open(client->host->handle, service, &options, &client->host->clock,
	                      &viewer->resolver);
	if (error != SYNOD_OK)
		world_fail(client->living->world, "client", "the library refused to look up: %s",
		           error_name(error));
}

static void
close_viewer(struct living_client *client, unsigned slot)
{
	struct viewer *viewer = client->services.viewers[slot];

	viewer->is_open = false;
	client->services.viewers[slot] = NULL;
	synod_resolver_close(viewer->resolver);
}

/* ---- picking ---- */

static void
end_pick(struct living_client *client, unsigned slot)
{
	uint64_t drawn = random_below(&client->random, 8);

	client->services.is_picked[slot] = false;
	synod_pick_done(&client->services.picks[slot], drawn < 4   ? SYNOD_SUCCEEDED
	                                               : drawn < 7 ? SYNOD_FAILED
	                                                           : SYNOD_ABANDONED);
}

static void
pick(struct living_client *client, struct viewer *viewer, unsigned slot)
{
	struct synod_pick *pick = &client->services.picks[slot];
	struct synod_resolver_status status;
	struct synod_instances *all;
	struct synod_pick_options options = {.key = &slot, .key_size = sizeof slot};
	int error;

	synod_resolver_status(viewer->resolver, &status);
	CHECK(synod_resolver_list(viewer->resolver, NULL, &all) == SYNOD_OK);
	if (all->count > 0 && random_below(&client->random, 3) == 0)
		options.avoid = all->instances[random_below(&client->random, all->count)]->id;
	error = synod_resolver_pick(viewer->resolver, &options, pick);
	client->services.is_picked[slot] = error == SYNOD_OK;
	client->living->world->statistics.picks++;
	client->living->world->statistics.picks_none += error == SYNOD_NOT_FOUND;
	client->living->world->statistics.picks_busy += error == SYNOD_BUSY;
	world_trace(client->living->world, client->host, "picks %s of s%u: %s",
	            error == SYNOD_OK ? pick->instance->id : "nobody", viewer->service,
	            error_name(error));
	check_resolver_pick(viewer, &options, error, pick, all, &status);
	synod_instances_free(all);
}

void
resolver_act(struct living_client *client)
{
	unsigned slot = (unsigned)random_below(&client->random, VIEWERS_MAX);
	unsigned place = (unsigned)random_below(&client->random, PICKS_MAX);
	struct viewer *viewer = client->services.viewers[slot];

	if (!viewer)
		open_viewer(client, slot);
	else if (random_below(&client->random, 16) == 0)
		close_viewer(client, slot);
	else if (client->services.is_picked[place])
		end_pick(client, place);
	else
		pick(client, viewer, place);
}
