/* Living clients that register instances, change them, and let go of them. */
#include "tests/sim/living_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

/* After everybody who is silent has ended: registrations try again after five seconds at most. */
#define KEPT_US (OWNER_END_US + 10 * SECOND_US)

void
service_world_fini(struct service_world *services)
{
	for (size_t i = 0; i < services->registered_count; i++)
		free(services->registered[i]);
	for (size_t i = 0; i < services->viewer_count; i++) {
		free(services->viewers[i]->sighted);
		free(services->viewers[i]);
	}
	free(services->registered);
	free(services->viewers);
	replay_fini(&services->now);
}

/* ---- registering ---- */

static void
count_status(struct statistics *statistics, enum synod_service_status status)
{
	switch (status) {
	case SYNOD_SERVICE_PENDING: statistics->registrations_lost++; break;
	case SYNOD_SERVICE_REGISTERED: statistics->registrations_made++; break;
	case SYNOD_SERVICE_DRAINED: statistics->registrations_drained++; break;
	case SYNOD_SERVICE_TAKEN_OVER: statistics->registrations_taken++; break;
	case SYNOD_SERVICE_REMOVED: statistics->registrations_removed++; break;
	case SYNOD_SERVICE_REFUSED: break;
	}
}

static void
on_status(void *context, struct synod_service *service, enum synod_service_status status, int error)
{
	struct registered *registered = context;
	struct living_client *client = registered->client;
	struct world *world = client->living->world;

	registered->handle = service;
	world_trace(world, client->host, "registration %lu of %s: status %d, %s",
	            (unsigned long)registered->number, registered->path, (int)status,
	            error_name(error));
	if (status != registered->status)
		count_status(&world->statistics, status);
	registered->status = status;
	check_service_status(registered, status);
}

static struct registered *
registered_new(struct living_client *client, unsigned slot)
{
	struct living *living = client->living;
	struct service_world *services = &living->services;
	struct registered *registered = check_calloc(1, sizeof *registered);
	uint64_t count = living->world->options.services;
	char id[RECORD_TEXT_ID];

	registered->client = client;
	registered->service = (unsigned)((client->index + slot) % count);
	registered->is_open = true;
	registered->first = living->chronicle->count;
	registered->health = random_below(&client->random, 4) ? SYNOD_PASSING : SYNOD_STARTING;
	registered->weight = (unsigned)random_between(&client->random, 1, 200);
	/* The same after a restart; few that others use, too. */
	if (random_below(&client->random, 10) == 0)
		record_text_shared_id(id, client, true);
	else
		snprintf(id, sizeof id, "c%u-%u", client->index, slot);
	record_text_service_path(registered->path, registered->service, id);
	LIVING_GROW(services->registered, services->registered_count,
	            services->registered_capacity);
	services->registered[services->registered_count++] = registered;
	registered->number = services->registered_count;
	return registered;
}

static void
enroll(struct living_client *client, unsigned slot)
{
	struct registered *registered = registered_new(client, slot);
	const struct options *drawn = &client->living->world->options;
	char service[16], address[24];
	struct synod_service_options options = {
		.instance =
			{
				.id = strrchr(registered->path, '/') + 1,
				.address = address,
				.port = 80,
				.health = registered->health,
				.weight = registered->weight,
			},
		.brake_percent = (unsigned)drawn->brake_percent,
		.on_status = on_status,
		.context = registered,
	};
	int error;

	snprintf(service, sizeof service, "s%u", registered->service);
	snprintf(address, sizeof address, "r%lu", (unsigned long)registered->number);
	client->services.registered[slot] = registered;
	client->living->world->statistics.registrations++;
	world_trace(client->living->world, client->host, "registration %lu of %s begins",
	            (unsigned long)registered->number, registered->path);
	error = synod_service_register(client->host->handle, service, &options,
	                               &registered->handle);
	if (error == SYNOD_OK)
		return;
	/* What was let go of may still be on its way out; another of the same client's has it. */
	if (error != SYNOD_EXISTS)
		world_fail(client->living->world, "client", "the library refused to register: %s",
		           error_name(error));
	registered->is_open = false;
	client->services.registered[slot] = NULL;
}

/* ---- changing, and letting go ---- */

static void
let_go(struct living_client *client, unsigned slot)
{
	struct registered *registered = client->services.registered[slot];

	world_trace(client->living->world, client->host, "registration %lu of %s is let go",
	            (unsigned long)registered->number, registered->path);
	registered->is_open = false;
	client->services.registered[slot] = NULL;
	client->living->world->statistics.registrations_ended++;
	synod_service_deregister(registered->handle, 0);
}

static int
change(struct registered *registered)
{
	struct random *random = &registered->client->random;
	char note[16];

	switch (random_below(random, 4)) {
	case 0:
		registered->weight = (unsigned)random_between(random, 1, 200);
		return synod_service_set_weight(registered->handle, registered->weight);
	case 1:
		registered->note = (unsigned)random_below(random, 10);
		snprintf(note, sizeof note, "%u", registered->note);
		return synod_service_set_metadata(registered->handle, "note",
		                                  registered->note ? note : NULL);
	default:
		/* Draining is how a good program begins to leave. */
		registered->health = (enum synod_health)random_below(random, 5);
		return synod_service_set_health(registered->handle, registered->health);
	}
}

static bool
is_final(enum synod_service_status status)
{
	return status == SYNOD_SERVICE_TAKEN_OVER || status == SYNOD_SERVICE_REMOVED ||
	       status == SYNOD_SERVICE_REFUSED;
}

void
service_act(struct living_client *client)
{
	unsigned slot = (unsigned)random_below(&client->random, REGISTERED_MAX);
	struct registered *registered = client->services.registered[slot];
	int error;

	if (!registered) {
		enroll(client, slot);
		return;
	}
	if (random_below(&client->random, is_final(registered->status) ? 2 : 8) == 0) {
		let_go(client, slot);
		return;
	}
	error = change(registered);
	client->living->world->statistics.registrations_changed++;
	if (error != SYNOD_OK)
		world_fail(client->living->world, "client", "the library refused a change: %s",
		           error_name(error));
}

/* ---- the rest ---- */

void
service_on_crash(struct living_client *client)
{
	struct service_client *services = &client->services;

	for (unsigned i = 0; i < REGISTERED_MAX; i++)
		if (services->registered[i])
			services->registered[i]->is_open = false;
	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		if (services->viewers[i])
			services->viewers[i]->is_open = false;
	memset(services, 0, sizeof *services);
}

void
service_on_changes(struct living *living, size_t first)
{
	const struct chronicle *chronicle = living->chronicle;

	for (size_t i = first; i < chronicle->count; i++) {
		const struct chronicled *change = &chronicle->changes[i];

		if (strncmp(change->path, CHRONICLE_SERVICES, strlen(CHRONICLE_SERVICES)) != 0)
			continue;
		replay_change(&living->services.now, change);
		world_trace(living->world, NULL, "%lu: %s: change %d, %s, owner %lu: %s",
		            (unsigned long)change->revision, change->path, (int)change->kind,
		            synod_cause_name(change->cause), (unsigned long)change->owner,
		            change->data ? change->data : "");
	}
}

static bool
are_kept(struct living *living, const char **why)
{
	const struct service_world *services = &living->services;

	for (size_t i = 0; i < services->registered_count; i++)
		if (!check_service_is_kept(services->registered[i], why))
			return false;
	return true;
}

static bool
are_current(struct living *living, const char **why)
{
	const struct service_world *services = &living->services;

	for (size_t i = 0; i < services->viewer_count; i++)
		if (services->viewers[i]->is_open &&
		    !check_resolver_is_current(services->viewers[i], why))
			return false;
	return true;
}

bool
service_has_settled(struct living *living, const char **why)
{
	struct world *world = living->world;
	bool is_kept, is_current;

	if (world->options.services == 0 || living->chronicle->has_gap)
		return true;
	is_kept = are_kept(living, why);
	is_current = is_kept && are_current(living, why);
	if (!(is_kept && is_current) && world->now_us > living->stopped_us + KEPT_US)
		world_fail(world, is_kept ? "resolver" : "service", "%s", *why);
	return is_kept && is_current;
}
