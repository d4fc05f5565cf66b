/* Living clients that take locks, lead, and write what locks guard. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

const struct lock_kind lock_kinds[LOCKS_MAX] = {
	{LIVING_ROOT "/lock/exclusive", 1, false, true},
	{LIVING_ROOT "/lock/semaphore", 2, false, false},
	{LIVING_ROOT "/lock/shared", 1, true, true},
	{LIVING_ROOT "/lock/election", 1, false, false},
};

/* ---- holding ---- */

static struct hold *
hold_new(struct living_client *client, unsigned lock)
{
	struct living *living = client->living;
	struct hold *hold = check_calloc(1, sizeof *hold);

	hold->client = client;
	hold->incarnation = client->host->incarnation;
	hold->lock = lock;
	LIVING_GROW(living->holds, living->hold_count, living->hold_capacity);
	living->holds[living->hold_count++] = hold;
	living->world->statistics.locks_asked++;
	return hold;
}

static void
remember_token(struct living_client *client, const struct hold *hold)
{
	if (hold->token != 0)
		client->stale[client->next_stale++ % STALE_MAX] =
			(struct stale){hold->lock, hold->token};
}

/* In a callback. */
static void
let_go(struct hold *hold)
{
	struct living_client *client = hold->client;
	struct world *world = client->living->world;

	hold->is_over = true;
	client->holds[hold->lock] = NULL;
	remember_token(client, hold);
	world->statistics.locks_released++;
	world_trace(world, client->host, "lets go of %s, token %lu", lock_kinds[hold->lock].path,
	            (unsigned long)hold->token);
	if (hold->election)
		synod_election_resign(hold->election, 0);
	else
		synod_lock_release(hold->handle, 0);
}

static void
take_hold(struct hold *hold, uint64_t token, int error)
{
	struct living_client *client = hold->client;
	struct world *world = client->living->world;

	world_trace(world, client->host, "%s: %s, token %lu", lock_kinds[hold->lock].path,
	            error_name(error), (unsigned long)token);
	if (error != SYNOD_OK) {
		world->statistics.locks_failed++;
		let_go(hold);
		return;
	}
	hold->token = token;
	hold->session = synod_session_id(client->host->handle);
	if (hold->election)
		world->statistics.leaders_elected++;
	else
		world->statistics.locks_acquired++;
}

static void
on_acquired(void *context, struct synod_lock *lock, int error)
{
	struct hold *hold = context;
	const char *contender = synod_lock_contender(lock);

	hold->handle = lock;
	if (contender)
		snprintf(hold->contender, sizeof hold->contender, "%s", contender);
	take_hold(hold, synod_lock_guard(lock).token, error);
}

static void
lose(struct hold *hold)
{
	struct living_client *client = hold->client;

	client->living->world->statistics.locks_lost++;
	world_trace(client->living->world, client->host, "%s is lost", lock_kinds[hold->lock].path);
	let_go(hold);
}

static void
on_lost(void *context, struct synod_lock *lock)
{
	(void)lock;
	lose(context);
}

static void
acquire(struct living_client *client, unsigned lock)
{
	const struct options *drawn = &client->living->world->options;
	const struct lock_kind *kind = &lock_kinds[lock];
	struct random *random = &client->random;
	struct hold *hold = hold_new(client, lock);
	char text[CHRONICLE_TEXT];
	struct synod_lock_options options = {
		.value = text,
		.limit = kind->limit,
		.shared = kind->has_shared && random_below(random, 3) != 0,
		.delay_ms = kind->has_delay ? (unsigned)drawn->lock_delay_ms : 0,
		.try_only = random_below(random, 6) == 0,
		.wait_ms = random_below(random, 3) == 0 ? (unsigned)random_below(random, 3000) : 0,
		.on_acquired = on_acquired,
		.on_lost = on_lost,
		.context = hold,
	};
	int error;

	hold->is_shared = options.shared;
	options.size = (size_t)snprintf(text, sizeof text, "%c %u", options.shared ? 'S' : 'X',
	                                client->index);
	client->holds[lock] = hold;
	error = synod_lock_acquire(client->host->handle, kind->path, &options, &hold->handle);
	if (error == SYNOD_OK)
		return;
	/* What was let go of may still be on its way out. */
	if (error != SYNOD_EXISTS)
		world_fail(client->living->world, "client", "the library refused a lock: %s",
		           error_name(error));
	hold->is_over = true;
	client->holds[lock] = NULL;
}

void
lock_act(struct living_client *client)
{
	unsigned lock = (unsigned)random_below(&client->random, ELECTION);
	struct hold *hold = client->holds[lock];

	if (!hold)
		acquire(client, lock);
	else if (random_below(&client->random, hold->token != 0 ? 2 : 6) == 0)
		let_go(hold);
}

/* ---- leading ---- */

static void
on_elected(void *context, struct synod_election *election, int error)
{
	struct hold *hold = context;

	hold->election = election;
	take_hold(hold, synod_election_guard(election).token, error);
}

static void
on_deposed(void *context, struct synod_election *election)
{
	(void)election;
	lose(context);
}

static void
campaign(struct living_client *client)
{
	struct hold *hold = hold_new(client, ELECTION);
	struct synod_election_options options = {
		.on_elected = on_elected,
		.on_deposed = on_deposed,
		.context = hold,
	};
	char text[CHRONICLE_TEXT];
	int size = snprintf(text, sizeof text, "X %u.%lu", client->index,
	                    (unsigned long)++client->living->serial);
	int error;

	client->holds[ELECTION] = hold;
	error = synod_election_campaign(client->host->handle, lock_kinds[ELECTION].path, text,
	                                (size_t)size, &options, &hold->election);
	if (error == SYNOD_OK)
		return;
	if (error != SYNOD_EXISTS)
		world_fail(client->living->world, "client", "the library refused to campaign: %s",
		           error_name(error));
	hold->is_over = true;
	client->holds[ELECTION] = NULL;
}

static void
on_leader(void *context, const struct synod_leader *leader)
{
	struct sighting *sighting = context;
	struct world *world = sighting->client->living->world;

	world->statistics.sightings++;
	world_trace(world, sighting->client->host, "sees leader %lu at %lu",
	            (unsigned long)leader->token, (unsigned long)leader->revision);
	LIVING_GROW(sighting->seen, sighting->count, sighting->capacity);
	sighting->seen[sighting->count++] =
		(struct seen){leader->token, leader->session, leader->revision,
	                      chronicle_hash(leader->value, leader->size)};
}

static void
observe(struct living_client *client)
{
	struct living *living = client->living;
	struct sighting *sighting = check_calloc(1, sizeof *sighting);
	int error;

	sighting->client = client;
	LIVING_GROW(living->sightings, living->sighting_count, living->sighting_capacity);
	living->sightings[living->sighting_count++] = sighting;
	client->sighting = sighting;
	error = synod_election_observe(client->host->handle, lock_kinds[ELECTION].path, on_leader,
	                               sighting, &sighting->observer);
	if (error != SYNOD_OK)
		world_fail(living->world, "client", "the library refused to observe: %s",
		           error_name(error));
}

void
lock_act_election(struct living_client *client)
{
	struct hold *hold = client->holds[ELECTION];

	if (random_below(&client->random, 3) == 0) {
		if (!client->sighting) {
			observe(client);
		} else if (random_below(&client->random, 4) == 0) {
			synod_observer_close(client->sighting->observer);
			client->sighting = NULL;
		}
	} else if (!hold) {
		campaign(client);
	} else if (random_below(&client->random, hold->token != 0 ? 2 : 6) == 0) {
		let_go(hold);
	}
}

/* ---- what locks guard ---- */

static void
on_written(struct ask *ask, const struct synod_result *result)
{
	struct statistics *statistics = &ask->client->living->world->statistics;

	if (result->error == SYNOD_OK)
		statistics->registers_written++;
	else if (result->error == SYNOD_FENCED)
		statistics->registers_fenced++;
}

/* With a token that it holds, or held; it believes nothing, and asks nobody. */
void
lock_act_register(struct living_client *client)
{
	unsigned lock = (unsigned)random_below(&client->random, LOCKS_MAX);
	const struct hold *hold = client->holds[lock];
	struct stale stale = client->stale[random_below(&client->random, STALE_MAX)];
	struct synod_write_options options = {.make_parents = true};
	char path[LIVING_PATH], text[CHRONICLE_TEXT];
	struct ask *ask;
	int size;

	if (hold && hold->token != 0 && random_below(&client->random, 4) != 0)
		stale = (struct stale){lock, hold->token};
	if (stale.token == 0)
		return;
	ask = ask_new(client, on_written);
	options.call = ask_call(ask);
	options.guard = (struct synod_guard){lock_kinds[stale.lock].path, stale.token};
	snprintf(path, sizeof path, LIVING_ROOT "/register/r%u", stale.lock);
	size = snprintf(text, sizeof text, "%lu by %u", (unsigned long)stale.token, client->index);
	ask_made(ask, synod_put(client->host->handle, path, text, (size_t)size, &options, NULL));
}

void
lock_on_crash(struct living_client *client)
{
	for (unsigned i = 0; i < LOCKS_MAX; i++) {
		struct hold *hold = client->holds[i];

		if (!hold)
			continue;
		hold->is_over = true;
		remember_token(client, hold);
		client->holds[i] = NULL;
	}
	client->sighting = NULL;
}

/* ---- beliefs ---- */

/* As the application would find if it asked now, whether or not it is able to. */
static bool
believes(const struct hold *hold)
{
	struct synod *handle = hold->client->host->handle;
	uint64_t token;

	if (hold->token == 0 || hold->is_over || !handle)
		return false;
	token = hold->election ? synod_election_token(hold->election)
	                       : synod_lock_token(hold->handle);
	return token != 0 && synod_session_id(handle) == hold->session &&
	       synod_session_remaining_ms(handle) > 0;
}

/* Somebody took the session away; of that only the fence protects. */
static bool
was_revoked(const struct living *living, const struct hold *hold)
{
	for (size_t i = 0; i < living->ending_count; i++)
		if (living->endings[i].id == hold->session &&
		    living->endings[i].cause == SYNOD_CAUSE_REVOKED)
			return true;
	return false;
}

static void
compare(struct living *living, const struct hold *hold)
{
	const struct lock_kind *kind = &lock_kinds[hold->lock];
	const struct hold *rival = NULL;
	unsigned exclusive = !hold->is_shared, shared = hold->is_shared;

	living->world->statistics.beliefs_checked++;
	for (unsigned i = 0; i < living->world->options.living; i++) {
		const struct hold *other = living->clients[i].holds[hold->lock];

		if (!other || other == hold || !believes(other) || was_revoked(living, other))
			continue;
		rival = other;
		exclusive += !other->is_shared;
		shared += other->is_shared;
	}
	if (exclusive <= kind->limit && (exclusive == 0 || shared == 0))
		return;
	world_fail(living->world, "lock",
	           "%s with token %lu and %s with token %lu both believe to hold %s",
	           hold->client->host->name, (unsigned long)hold->token,
	           rival ? rival->client->host->name : "?", rival ? (unsigned long)rival->token : 0,
	           kind->path);
}

void
lock_check_beliefs(struct living_client *client)
{
	if (world_has_wild_clocks(client->living->world))
		return;
	for (unsigned i = 0; i < LOCKS_MAX; i++) {
		const struct hold *hold = client->holds[i];

		if (hold && believes(hold) && !was_revoked(client->living, hold))
			compare(client->living, hold);
	}
	/* Now and then an application asks by itself; who was told 0 has lost. */
	if (random_below(&client->random, 16) == 0)
		for (unsigned i = 0; i < LOCKS_MAX; i++)
			if (client->holds[i] && client->holds[i]->token != 0 &&
			    !client->holds[i]->election)
				synod_lock_remaining_ms(client->holds[i]->handle);
}

void
holds_free(struct living *living)
{
	for (size_t i = 0; i < living->hold_count; i++)
		free(living->holds[i]);
	for (size_t i = 0; i < living->sighting_count; i++) {
		free(living->sightings[i]->seen);
		free(living->sightings[i]);
	}
	free(living->holds);
	free(living->sightings);
}
