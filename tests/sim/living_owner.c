/* Living clients that own: nodes that go with their session or lease, and the ends of both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

#define DATA_SIZE  8192
#define TTL_MIN_MS 1000

/* ---- leases ---- */

static void
on_lease_end(void *context, uint64_t lease)
{
	struct living_client *client = context;

	client->living->world->statistics.leases_ended++;
	world_trace(client->living->world, client->host, "lease %lu has ended",
	            (unsigned long)lease);
	for (unsigned i = 0; i < KEPT_MAX; i++)
		if (client->leases[i].id == lease)
			client->leases[i] = (struct kept){0};
}

static void
keep(struct living_client *client, struct kept *kept)
{
	int error = synod_lease_keep(client->host->handle, kept->id, kept->ttl_ms, on_lease_end,
	                             client);

	kept->is_kept = error == SYNOD_OK;
	world_trace(client->living->world, client->host, "keeps lease %lu",
	            (unsigned long)kept->id);
	if (error != SYNOD_OK)
		world_fail(client->living->world, "client", "a lease could not be kept: %s",
		           error_name(error));
}

static struct kept *
any_lease(struct living_client *client)
{
	unsigned first = (unsigned)random_below(&client->random, KEPT_MAX);

	for (unsigned i = 0; i < KEPT_MAX; i++) {
		struct kept *kept = &client->leases[(first + i) % KEPT_MAX];

		if (kept->id != 0)
			return kept;
	}
	return NULL;
}

static void
on_granted(struct ask *ask, const struct synod_result *result)
{
	struct living_client *client = ask->client;

	if (result->error != SYNOD_OK)
		return;
	client->living->world->statistics.leases_granted++;
	for (unsigned i = 0; i < KEPT_MAX; i++) {
		struct kept *kept = &client->leases[i];

		if (kept->id != 0)
			continue;
		*kept = (struct kept){.id = result->id, .ttl_ms = result->ttl_ms};
		if (random_below(&client->random, 3) != 0)
			keep(client, kept);
		return;
	}
}

static void
grant(struct living_client *client)
{
	struct ask *ask = ask_new(client, on_granted);
	struct synod_call call = ask_call(ask);
	uint64_t ttl_ms = TTL_MIN_MS * random_between(&client->random, 1, 4);

	ask_made(ask, synod_lease_grant(client->host->handle, ttl_ms, &call, NULL));
}

static void
revoke(struct living_client *client, struct kept *kept)
{
	struct ask *ask = ask_new(client, NULL);
	struct synod_call call = ask_call(ask);

	owner_note_ending(client->living, kept->id, SYNOD_CAUSE_REVOKED);
	ask_made(ask, synod_lease_revoke(client->host->handle, kept->id, &call, NULL));
}

/* Another keeps it too: whoever knows its id may. */
static void
borrow(struct living_client *client)
{
	struct living *living = client->living;
	uint64_t count = living->world->options.living;
	struct living_client *other = &living->clients[random_below(&client->random, count)];
	struct kept *theirs = other != client ? any_lease(other) : NULL;

	if (!theirs)
		return;
	for (unsigned i = 0; i < KEPT_MAX; i++)
		if (client->leases[i].id == theirs->id)
			return;
	for (unsigned i = 0; i < KEPT_MAX; i++) {
		if (client->leases[i].id != 0)
			continue;
		client->leases[i] = (struct kept){theirs->id, theirs->ttl_ms, false};
		keep(client, &client->leases[i]);
		living->world->statistics.leases_borrowed++;
		return;
	}
}

void
owner_act_lease(struct living_client *client)
{
	struct kept *kept = any_lease(client);
	uint64_t drawn = random_below(&client->random, 8);

	if (!kept || drawn < 2) {
		grant(client);
	} else if (drawn == 2) {
		world_trace(client->living->world, client->host, "lets go of lease %lu",
		            (unsigned long)kept->id);
		if (kept->is_kept)
			synod_lease_let_go(client->host->handle, kept->id);
		*kept = (struct kept){0};
		client->living->world->statistics.leases_let_go++;
	} else if (drawn == 3) {
		revoke(client, kept);
	} else if (drawn < 6) {
		borrow(client);
	} else if (!kept->is_kept) {
		keep(client, kept);
	}
}

/* ---- nodes ---- */

static void
draw_life(struct living_client *client, struct synod_write_options *options)
{
	static const enum synod_node_kind kinds[] = {
		SYNOD_PERSISTENT, SYNOD_EPHEMERAL, SYNOD_EPHEMERAL, SYNOD_EPHEMERAL,
		SYNOD_LEASED,     SYNOD_LEASED,    SYNOD_TTL,       SYNOD_CONTAINER,
	};
	struct kept *kept = any_lease(client);

	options->kind = kinds[random_below(&client->random, sizeof kinds / sizeof *kinds)];
	options->make_parents = true;
	if (options->kind == SYNOD_TTL)
		options->ttl_ms = TTL_MIN_MS * random_between(&client->random, 1, 3);
	if (options->kind == SYNOD_LEASED && !kept)
		options->kind = SYNOD_EPHEMERAL;
	if (options->kind == SYNOD_LEASED)
		options->lease = kept->id;
	options->want_stat = random_below(&client->random, 2);
}

/* What has an owner below it is an instance from now on. */
static void
make_service(struct living_client *client)
{
	struct ask *ask = ask_new(client, NULL);
	struct synod_write_options options = {.call = ask_call(ask), .kind = SYNOD_SERVICE};
	char path[LIVING_PATH];

	options.make_parents = true;
	options.brake_percent = (unsigned)random_between(&client->random, 1, 100);
	snprintf(path, sizeof path, LIVING_ROOT "/d%u", (unsigned)random_below(&client->random, 3));
	ask_made(ask, synod_put(client->host->handle, path, NULL, 0, &options, NULL));
}

static void
act_on_node(struct living_client *client)
{
	struct synod *handle = client->host->handle;
	struct ask *ask = ask_new(client, NULL);
	struct synod_write_options options = {.call = ask_call(ask)};
	uint64_t drawn = random_below(&client->random, 8);
	char path[LIVING_PATH], text[CHRONICLE_TEXT], data[DATA_SIZE];
	size_t size;

	snprintf(path, sizeof path, LIVING_ROOT "/d%u/x%u",
	         (unsigned)random_below(&client->random, 3),
	         (unsigned)random_below(&client->random, 4));
	snprintf(text, sizeof text, "%u.%lu ", client->index, (unsigned long)ask->serial);
	size = living_data(client, text, data, sizeof data);
	if (drawn < 3) {
		draw_life(client, &options);
		ask_made(ask, synod_put(handle, path, data, size, &options, NULL));
	} else if (drawn < 5) {
		draw_life(client, &options);
		options.sequential = random_below(&client->random, 4) == 0;
		ask_made(ask, synod_create(handle, path, data, size, &options, NULL));
	} else if (drawn < 7) {
		ask_made(ask, synod_set(handle, path, data, size, &options, NULL));
	} else {
		options.recursive = random_below(&client->random, 2);
		if (options.recursive && random_below(&client->random, 4) == 0)
			*strrchr(path, '/') = '\0';
		ask_made(ask, synod_delete(handle, path, &options, NULL));
	}
}

void
owner_act(struct living_client *client)
{
	bool has_services = client->living->world->options.services > 0;

	if (has_services && random_below(&client->random, 16) == 0)
		make_service(client);
	else
		act_on_node(client);
}

/* ---- ends ---- */

void
owner_note_ending(struct living *living, uint64_t id, enum synod_cause cause)
{
	if (id == 0)
		return;
	LIVING_GROW(living->endings, living->ending_count, living->ending_capacity);
	living->endings[living->ending_count++] = (struct ending){id, cause, living->world->now_us};
}

/* Somebody's session is ended by somebody. */
void
owner_act_end(struct living_client *client)
{
	struct living *living = client->living;
	uint64_t count = living->world->options.living;
	struct living_client *other = &living->clients[random_below(&client->random, count)];
	struct synod *theirs = other->host ? other->host->handle : NULL;
	uint64_t session = theirs ? synod_session_id(theirs) : 0;
	struct ask *ask;
	struct synod_call call;

	if (session == 0 || random_below(&client->random, 2) == 0)
		return;
	ask = ask_new(client, NULL);
	call = ask_call(ask);
	owner_note_ending(living, session, SYNOD_CAUSE_REVOKED);
	living->world->statistics.sessions_revoked++;
	ask_made(ask, synod_session_end(client->host->handle, session, &call, NULL));
}

/* ---- as the ensemble sees it ---- */

static bool
was_asked_for(const struct living *living, uint64_t id, enum synod_cause cause)
{
	for (size_t i = 0; i < living->ending_count; i++)
		if (living->endings[i].id == id && living->endings[i].cause == cause)
			return true;
	return false;
}

/* Whoever counts on ID now would be wrong. */
static void
check_expiry(struct living *living, const struct chronicled *change)
{
	struct world *world = living->world;
	uint64_t owner = chronicled_end(change);

	for (unsigned i = 0; i < world->options.living; i++) {
		const struct living_client *client = &living->clients[i];
		struct synod *handle = client->host ? client->host->handle : NULL;
		unsigned session_ms, lease_ms;

		if (!handle)
			continue;
		session_ms =
			synod_session_id(handle) == owner ? synod_session_remaining_ms(handle) : 0;
		lease_ms = synod_lease_remaining_ms(handle, owner);
		if (session_ms == 0 && lease_ms == 0)
			continue;
		world_fail(world, "owner",
		           "%s %lu expired at revision %lu while %s could count on it for another "
		           "%u ms",
		           session_ms > 0 ? "session" : "lease", (unsigned long)owner,
		           (unsigned long)change->revision, client->host->name,
		           session_ms > 0 ? session_ms : lease_ms);
	}
}

static void
check_end(struct living *living, const struct chronicled *change)
{
	struct world *world = living->world;

	switch (change->cause) {
	case SYNOD_CAUSE_EXPIRED:
		world->statistics.owned_expired++;
		world->statistics.suspects += chronicled_is_suspicion(change);
		if (!world_has_wild_clocks(world))
			check_expiry(living, change);
		break;
	case SYNOD_CAUSE_CLOSED:
	case SYNOD_CAUSE_REVOKED:
		world->statistics.owned_ended++;
		if (!was_asked_for(living, chronicled_end(change), (enum synod_cause)change->cause))
			world_fail(world, "owner", "%s was %s at revision %lu: nobody asked for it",
			           change->path,
			           change->cause == SYNOD_CAUSE_CLOSED ? "closed" : "revoked",
			           (unsigned long)change->revision);
		break;
	default: break;
	}
}

void
owner_on_changes(struct living *living, size_t first)
{
	const struct chronicle *chronicle = living->chronicle;

	for (size_t i = first; i < chronicle->count; i++) {
		const struct chronicled *change = &chronicle->changes[i];

		if (change->cause == SYNOD_CAUSE_SUPERSEDED)
			living->world->statistics.owned_superseded++;
		if (chronicled_end(change) != 0)
			check_end(living, change);
	}
}

static bool
is_living(struct living *living, uint64_t id)
{
	struct world *world = living->world;

	for (unsigned i = MEMBERS_LIMIT; i < HOSTS_LIMIT; i++) {
		struct host *host = world->hosts[i];

		if (host->handle && synod_session_id(host->handle) == id)
			return true;
	}
	for (unsigned i = 0; i < world->options.living; i++) {
		const struct living_client *client = &living->clients[i];
		struct synod *handle = client->host ? client->host->handle : NULL;

		/* 0: not kept, or not confirmed yet. */
		for (unsigned k = 0; handle && k < KEPT_MAX; k++)
			if (client->leases[k].id == id && client->leases[k].is_kept)
				return true;
	}
	return false;
}

struct survey {
	struct living *living;
	uint64_t dead;
};

static void
survey_one(void *context, uint64_t session, uint64_t generation, uint64_t timeout_ms)
{
	struct survey *survey = context;

	(void)generation;
	(void)timeout_ms;
	if (!is_living(survey->living, session))
		survey->dead = session;
}

bool
owner_has_settled(struct living *living, const char **why)
{
	static char text[80];
	struct world *world = living->world;
	struct survey survey = {living, 0};

	if (world->options.living == 0)
		return true;
	for (unsigned i = 0; i < world->options.members && survey.dead == 0; i++) {
		const struct host *host = world->hosts[i];

		if (!host->is_up || host->is_wiped || !executor_namespace(host->member->executor))
			continue;
		/* Sessions are in memory: nothing is read from the disk. */
		namespace_each_session(
			(struct namespace *)executor_namespace(host->member->executor), survey_one,
			&survey);
	}
	if (survey.dead != 0 && world->now_us > living->stopped_us + OWNER_END_US)
		world_fail(world, "owner", "session or lease %lu goes on without anybody",
		           (unsigned long)survey.dead);
	if (survey.dead != 0) {
		snprintf(text, sizeof text, "session or lease %lu did not end",
		         (unsigned long)survey.dead);
		*why = text;
	}
	return survey.dead == 0;
}
