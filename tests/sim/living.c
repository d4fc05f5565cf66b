/* Living clients: their processes, and what they decide to do next. */
#include "tests/sim/living.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/handle.h"
#include "shared/check.h"
#include "shared/error.h"

#define ENDPOINTS_SIZE 256
#define UNDER_WAY_MAX  8
/* After everybody who is silent has ended: a suspect's time, and the next collection. */
/* By then a change has reached a queue, which says nothing of how far it has come. */
#define TOLD_US   (3 * SECOND_US)
#define JUDGED_US (OWNER_END_US + 8 * SECOND_US)
#define AGAIN_US  200000 /* a client that closed begins anew after so long, at most */

struct living *
living_new(struct world *world)
{
	struct living *living = check_calloc(1, sizeof *living);

	living->world = world;
	living->chronicle = chronicle_new(world);
	living->brake = check_brake_new(living);
	for (unsigned i = 0; i < LIVING_LIMIT; i++) {
		struct living_client *client = &living->clients[i];

		client->living = living;
		client->index = i;
		client->random = random_for(world->seed, 3000 + i);
	}
	return living;
}

void
living_free(struct living *living)
{
	watchers_free(living);
	holds_free(living);
	free(living->endings);
	check_brake_free(living->brake);
	service_world_fini(&living->services);
	chronicle_free(living->chronicle);
	free(living);
}

bool
living_is(const struct host *host)
{
	return host->index >= MEMBERS_LIMIT + CLIENTS_LIMIT;
}

static struct living_client *
client_of(struct host *host)
{
	return &host->world->living->clients[host->index - MEMBERS_LIMIT - CLIENTS_LIMIT];
}

/* ---- calls ---- */

struct ask *
ask_new(struct living_client *client,
        void (*then)(struct ask *ask, const struct synod_result *result))
{
	struct ask *ask = check_calloc(1, sizeof *ask);

	ask->client = client;
	ask->serial = ++client->living->serial;
	ask->then = then;
	return ask;
}

static void
on_done(void *context, const struct synod_result *result)
{
	struct ask *ask = context;
	struct living_client *client = ask->client;

	client->under_way--;
	ask->revision = result->revision;
	ask->error = result->error;
	if (result->error == SYNOD_OK)
		client->living->world->statistics.living_calls_ok++;
	if (result->error == SYNOD_UNKNOWN)
		client->living->world->statistics.living_calls_unknown++;
	watch_on_answer(client, ask);
	if (result->revision > client->seen_revision)
		client->seen_revision = result->revision;
	if (ask->then && !client->is_closing)
		ask->then(ask, result);
	free(ask);
}

struct synod_call
ask_call(struct ask *ask)
{
	return (struct synod_call){.done = on_done, .context = ask};
}

void
ask_made(struct ask *ask, int error)
{
	struct world *world = ask->client->living->world;

	world->statistics.living_calls++;
	if (error == SYNOD_OK) {
		ask->client->under_way++;
		return;
	}
	world_fail(world, "client", "the library refused a call of %s: %s", ask->client->host->name,
	           error_name(error));
	free(ask);
}

size_t
living_data(struct living_client *client, const char *text, char *data, size_t size)
{
	size_t used = strlen(text);
	size_t padding = random_below(&client->random, client->living->world->options.padding + 1);

	CHECK(used < size);
	memcpy(data, text, used);
	if (padding > size - used)
		padding = size - used;
	memset(data + used, '.', padding);
	return used + padding;
}

/* ---- deciding ---- */

static void
act_close(struct living_client *client)
{
	/* Closing is for outside of callbacks: the next time its actor has run. */
	if (random_below(&client->random, 4) == 0)
		client->is_closing = true;
}

static void
act_read(struct living_client *client)
{
	struct ask *ask = ask_new(client, NULL);
	struct synod_read_options options = {.call = ask_call(ask)};
	char path[LIVING_PATH];

	options.consistency = (enum synod_consistency)random_below(&client->random, 3);
	options.at_least = options.consistency == SYNOD_AT_LEAST ? client->seen_revision : 0;
	ask->is_local = options.consistency == SYNOD_LOCAL;
	snprintf(path, sizeof path, LIVING_ROOT "/d%u", (unsigned)random_below(&client->random, 3));
	if (random_below(&client->random, 2))
		ask_made(ask, synod_list(client->host->handle, path, &options, NULL));
	else
		ask_made(ask, synod_get(client->host->handle, path, &options, NULL));
}

static void
act(struct living_client *client)
{
	const struct options *o = &client->living->world->options;
	const struct {
		uint64_t weight;
		void (*act)(struct living_client *client);
	} acts[] = {
		{o->l_node, owner_act},          {o->l_lease, owner_act_lease},
		{o->l_end, owner_act_end},       {o->l_watch, watch_act},
		{o->l_lock, lock_act},           {o->l_register, lock_act_register},
		{o->l_elect, lock_act_election}, {o->l_read, act_read},
		{o->l_close, act_close},         {o->l_instance, instance_act},
		{o->l_service, service_act},     {o->l_resolve, resolver_act},
	};
	uint64_t total = 0, drawn;

	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
		total += acts[i].weight;
	drawn = random_below(&client->random, total);
	for (size_t i = 0; i < sizeof acts / sizeof *acts && total > 0; i++) {
		if (drawn < acts[i].weight) {
			acts[i].act(client);
			return;
		}
		drawn -= acts[i].weight;
	}
}

static void
on_time(void *context)
{
	struct living_client *client = context;
	struct living *living = client->living;

	if (living->is_stopped || client->is_closing)
		return;
	if (client->under_way < UNDER_WAY_MAX)
		act(client);
	synod_hook_after(client->hook,
	                 (unsigned)random_below(&client->random,
	                                        living->world->options.living_think_ms + 1));
}

/* ---- sessions ---- */

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct living_client *client = context;
	struct host *host = client->host;
	struct world *world = host->world;

	world_trace(world, host, "session %s, %u ms left",
	            state == SYNOD_CONNECTED   ? "connected"
	            : state == SYNOD_SUSPENDED ? "suspended"
	                                       : "expired",
	            remaining_ms);
	if (state == SYNOD_EXPIRED)
		world->statistics.living_expired++;
	else if (state == SYNOD_SUSPENDED)
		world->statistics.living_suspended++;
}

static void
on_loss(void *context, const struct synod_change *change)
{
	struct living_client *client = context;

	world_trace(client->living->world, client->host, "lost %s at %lu", change->path,
	            (unsigned long)change->revision);
	client->living->world->statistics.losses_told++;
}

/* ---- processes ---- */

static void
open_handle(struct living_client *client)
{
	struct host *host = client->host;
	struct world *world = host->world;
	struct environment environment = {&host->transport, &host->clock, ACTOR_MANUAL};
	struct synod_hook_options hook = {.on_time = on_time, .context = client};
	char endpoints[ENDPOINTS_SIZE] = "";
	struct synod_options options = {
		.endpoints = endpoints,
		.session_timeout_ms = (unsigned)world->options.living_timeout_ms,
		.call_timeout_ms = (unsigned)world->options.call_timeout_ms,
		.on_state = on_state,
		.on_loss = client->index % 2 == 0 ? on_loss : NULL,
		.context = client,
	};
	size_t size = 0;

	for (unsigned i = 0; i < world->options.members; i++)
		size += (size_t)snprintf(endpoints + size, sizeof endpoints - size,
		                         "%s10.0.0.%u:7400", i ? "," : "", i + 1);
	CHECK(handle_open(&environment, &options, &host->handle) == SYNOD_OK);
	CHECK(synod_hook_add(host->handle, &hook, &client->hook) == SYNOD_OK);
	synod_hook_after(client->hook, 0);
}

void
living_start(struct host *host)
{
	struct living_client *client = client_of(host);

	client->host = host;
	client->under_way = 0;
	client->seen_revision = 0;
	client->is_closing = false;
	memset(client->leases, 0, sizeof client->leases);
	open_handle(client);
}

void
living_on_crash(struct host *host)
{
	struct living_client *client = client_of(host);

	client->under_way = 0;
	watch_on_crash(client);
	lock_on_crash(client);
	service_on_crash(client);
	memset(client->leases, 0, sizeof client->leases);
}

static void
start_again(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	(void)world;
	if (!host->is_up && host->incarnation == incarnation)
		host_start(host);
}

/* Closing runs like everything else, piece by piece. */
static void
go_on_closing(struct living_client *client)
{
	struct host *host = client->host;
	struct world *world = host->world;

	if (!host->handle->is_closing) {
		world->statistics.living_closed++;
		world_trace(world, host, "closes its handle");
		owner_note_ending(client->living, synod_session_id(host->handle),
		                  SYNOD_CAUSE_CLOSED);
		for (unsigned i = 0; i < KEPT_MAX; i++)
			owner_note_ending(client->living, client->leases[i].id,
			                  SYNOD_CAUSE_REVOKED);
		watch_on_crash(client);
		lock_on_crash(client);
		service_on_crash(client);
		handle_close(host->handle);
		host_wake(host);
	}
	if (!host->handle->stopped.is_done)
		return;
	handle_free(host->handle);
	host->handle = NULL;
	host_crash(host, false);
	world_schedule(world, random_below(&world->process_random, AGAIN_US), start_again, host,
	               host->incarnation);
}

void
living_run(struct host *host)
{
	struct living_client *client = client_of(host);
	struct session *session = host->handle->session;

	client->session = session_id(session);
	client->deadline_us = atomic_load(&session->public_deadline_us);
	actor_run(session->actor);
	if (client->is_closing) {
		go_on_closing(client);
		return;
	}
	watch_poll(client);
	lock_check_beliefs(client);
}

/* Who is dead has ended then; its instances are suspect for as long as its timeout was. */
static bool
suspects_are_judged(struct living *living, const char **why)
{
	static char text[CHRONICLE_PATH + 40];
	struct world *world = living->world;
	const char *path = check_brake_unjudged(living->brake);

	if (!path)
		return true;
	snprintf(text, sizeof text, "the suspect %s was not judged", path);
	*why = text;
	if (world->now_us > living->stopped_us + JUDGED_US)
		world_fail(world, "brake", "%s", text);
	return false;
}

bool
living_has_settled(struct living *living, const char **why)
{
	struct world *world = living->world;

	for (unsigned i = 0; i < world->options.living; i++) {
		struct living_client *client = &living->clients[i];

		if (!client->host || !client->host->handle) {
			*why = "a client did not begin anew";
			return false;
		}
		if (!watch_is_told(client, living->chronicle->revision) ||
		    (watch_is_any_queued(client) && world->now_us < living->changed_us + TOLD_US)) {
			*why = "a watch was not told everything";
			return false;
		}
	}
	return owner_has_settled(living, why) && suspects_are_judged(living, why) &&
	       service_has_settled(living, why);
}

void
living_check(struct living *living)
{
	struct statistics *statistics = &living->world->statistics;

	statistics->living_seeds++;
	statistics->chronicled += living->chronicle->count;
	if (living->chronicle->has_gap) {
		statistics->chronicle_gaps++;
		return;
	}
	check_watch(living);
	check_lock(living);
	check_owner(living);
	check_brake_at_end(living->brake);
	check_service(living);
	check_resolver(living);
}

void
living_stop(struct living *living)
{
	living->is_stopped = true;
	living->stopped_us = living->world->now_us;
}

bool
living_is_idle(const struct living *living)
{
	for (unsigned i = 0; i < LIVING_LIMIT; i++)
		if (living->clients[i].under_way > 0)
			return false;
	return true;
}

void
living_on_changes(struct living *living, size_t first)
{
	living->changed_us = living->world->now_us;
	owner_on_changes(living, first);
	service_on_changes(living, first);
}
