/*
 * Resolvers.  Whatever one shows is what there was at its revision: instances with their
 * records, owners and suspicion, and whether the brake holds (by a share that the service
 * had at some time: that is asked for separately).  When all is quiet it shows what there
 * is now.  A pick is an instance that satisfies the filter; a suspect only if no other
 * does, or the brake holds; nobody only if there is none; and never one whose breaker is
 * open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

static void
fail(const struct viewer *viewer, const char *why, uint64_t revision)
{
	world_fail(viewer->client->living->world, "resolver",
	           "%s, resolver of s%u: %s: revision %lu", viewer->client->host->name,
	           viewer->service, why, (unsigned long)revision);
}

/* ---- views ---- */

/* In any order. */
static uint64_t
instance_hash(const char *id, const char *address, const uint64_t *facts, size_t size)
{
	return random_mix(chronicle_hash(id, strlen(id)) ^
	                  random_mix(chronicle_hash(address, strlen(address)) ^
	                             random_mix(chronicle_hash(facts, size))));
}

static void
add_shown(struct sighted *view, const struct synod_instance *instance)
{
	const uint64_t facts[] = {instance->port,    (uint64_t)instance->health,
	                          instance->weight,  instance->is_suspect,
	                          instance->owner,   instance->created,
	                          instance->modified};

	view->hash += instance_hash(instance->id, instance->address, facts, sizeof facts);
}

static void
add_real(struct sighted *view, const struct replayed *node)
{
	struct record_text record = record_text_read(node->data);
	const uint64_t facts[] = {
		record.port, (uint64_t)record.health, record.weight, node->is_suspect,
		node->owner, node->created,           node->modified};

	view->instances++;
	view->suspects += node->is_suspect;
	view->malformed += !record.is_whole;
	if (record.is_whole)
		view->hash += instance_hash(strrchr(node->path, '/') + 1, record.address, facts,
		                            sizeof facts);
}

static struct sighted
view_of(const struct replay_state *state, unsigned service)
{
	struct sighted view = {0};
	char path[CHRONICLE_PATH];

	record_text_service_path(path, service, "");
	for (size_t i = 0; i < state->count; i++)
		if (state->nodes[i].exists &&
		    strncmp(state->nodes[i].path, path, strlen(path)) == 0)
			add_real(&view, &state->nodes[i]);
	return view;
}

static bool
shown_by(struct viewer *viewer, struct sighted *view)
{
	struct synod_resolver_status status;
	struct synod_instances *all;

	synod_resolver_status(viewer->resolver, &status);
	CHECK(synod_resolver_list(viewer->resolver, NULL, &all) == SYNOD_OK);
	*view = (struct sighted){
		.revision = status.revision,
		.instances = status.instances,
		.suspects = status.suspects,
		.malformed = status.malformed,
		.brake_holds = status.brake_holds,
	};
	for (size_t i = 0; i < all->count; i++)
		add_shown(view, all->instances[i]);
	if (all->count + status.malformed != status.instances)
		fail(viewer, "it shows other instances than it counts", status.revision);
	synod_instances_free(all);
	return !status.is_stale;
}

void
check_resolver_take(struct viewer *viewer)
{
	const struct sighted *last = viewer->count > 0 ? &viewer->sighted[viewer->count - 1] : NULL;
	struct sighted view;

	if (!viewer->is_open)
		fail(viewer, "told something after it was closed", 0);
	shown_by(viewer, &view);
	if (last && view.revision < last->revision)
		fail(viewer, "it goes back", view.revision);
	if (last && memcmp(last, &view, sizeof view) == 0)
		return;
	LIVING_GROW(viewer->sighted, viewer->count, viewer->capacity);
	viewer->sighted[viewer->count++] = view;
}

static bool
is_same(const struct sighted *shown, const struct sighted *real)
{
	return shown->hash == real->hash && shown->instances == real->instances &&
	       shown->suspects == real->suspects && shown->malformed == real->malformed;
}

static bool
holds(const struct sighted *real, uint64_t percent)
{
	return real->suspects >= 3 && real->suspects * 100 > percent * real->instances;
}

bool
check_resolver_is_current(struct viewer *viewer, const char **why)
{
	static char text[160];
	struct living *living = viewer->client->living;
	struct sighted real = view_of(&living->services.now, viewer->service), shown;
	char path[CHRONICLE_PATH];
	bool is_fresh = shown_by(viewer, &shown);

	record_text_service_path(path, viewer->service, NULL);
	if (is_fresh && is_same(&shown, &real) &&
	    shown.brake_holds == holds(&real, check_brake_share(living->brake, path)))
		return true;
	snprintf(text, sizeof text, "a resolver of %s by %s %s", path, viewer->client->host->name,
	         is_fresh ? "does not show what there is" : "is stale");
	*why = text;
	return false;
}

/* ---- picks ---- */

static bool
satisfies(const struct viewer *viewer, const struct synod_instance *instance)
{
	return (viewer->health >> instance->health & 1) != 0;
}

static enum synod_breaker_state
breaker_of(struct viewer *viewer, const char *id)
{
	enum synod_breaker_state state = SYNOD_BREAKER_OPEN;

	if (synod_resolver_breaker(viewer->resolver, id, &state) != SYNOD_OK)
		fail(viewer, "an instance without a breaker", 0);
	return state;
}

static void
check_picked(struct viewer *viewer, const struct synod_pick_options *options,
             const struct synod_instance *picked, const struct synod_instances *all,
             bool may_be_suspect)
{
	const struct synod_instance *found = NULL;
	bool has_other = false;

	for (size_t i = 0; i < all->count; i++) {
		const struct synod_instance *instance = all->instances[i];

		if (strcmp(instance->id, picked->id) == 0)
			found = instance;
		else if (satisfies(viewer, instance) && (!instance->is_suspect || may_be_suspect) &&
		         breaker_of(viewer, instance->id) == SYNOD_BREAKER_CLOSED)
			has_other = true;
	}
	if (!found || !satisfies(viewer, found))
		fail(viewer, "picked what does not satisfy the filter", 0);
	else if (found->is_suspect && !may_be_suspect)
		fail(viewer, "picked a suspect though there are others", 0);
	else if (breaker_of(viewer, picked->id) == SYNOD_BREAKER_OPEN)
		fail(viewer, "picked one whose breaker is open", 0);
	else if (options->avoid && strcmp(options->avoid, picked->id) == 0 && has_other &&
	         !viewer->is_bounded)
		fail(viewer, "picked the one to be avoided though there is another", 0);
}

void
check_resolver_pick(struct viewer *viewer, const struct synod_pick_options *options, int error,
                    const struct synod_pick *pick, const struct synod_instances *all,
                    const struct synod_resolver_status *status)
{
	size_t sound = 0, suspects = 0, closed = 0;
	bool may_be_suspect;

	for (size_t i = 0; i < all->count; i++) {
		const struct synod_instance *instance = all->instances[i];

		if (!satisfies(viewer, instance))
			continue;
		sound += !instance->is_suspect;
		suspects += instance->is_suspect;
	}
	may_be_suspect = sound == 0 || status->brake_holds;
	for (size_t i = 0; i < all->count; i++)
		if (satisfies(viewer, all->instances[i]) &&
		    (!all->instances[i]->is_suspect || may_be_suspect))
			closed += breaker_of(viewer, all->instances[i]->id) == SYNOD_BREAKER_CLOSED;
	if (status->usable != sound + (may_be_suspect ? suspects : 0))
		fail(viewer, "it counts others as usable", status->revision);
	if (error == SYNOD_OK)
		check_picked(viewer, options, pick->instance, all, may_be_suspect);
	else if (error == SYNOD_NOT_FOUND && sound + suspects > 0)
		fail(viewer, "picked nobody though there is somebody", status->revision);
	else if (error == SYNOD_BUSY &&
	         (sound + suspects == 0 || (closed > 0 && !viewer->is_bounded)))
		fail(viewer, "everybody is busy though somebody is not", status->revision);
}

/* ---- when all is over ---- */

struct sighting_of {
	const struct viewer *viewer;
	const struct sighted *sighted;
};

static int
compare(const void *left, const void *right)
{
	const struct sighting_of *a = left, *b = right;

	return (a->sighted->revision > b->sighted->revision) -
	       (a->sighted->revision < b->sighted->revision);
}

static struct sighting_of *
gather(const struct service_world *services, size_t *count)
{
	struct sighting_of *all;

	*count = 0;
	for (size_t i = 0; i < services->viewer_count; i++)
		*count += services->viewers[i]->count;
	all = check_calloc(*count + 1, sizeof *all);
	*count = 0;
	for (size_t i = 0; i < services->viewer_count; i++)
		for (size_t k = 0; k < services->viewers[i]->count; k++)
			all[(*count)++] = (struct sighting_of){services->viewers[i],
			                                       &services->viewers[i]->sighted[k]};
	qsort(all, *count, sizeof *all, compare);
	return all;
}

/* By any share that the service ever had, or by none of its own. */
static bool
may_hold(const struct chronicle *chronicle, const struct sighting_of *sighting,
         const struct sighted *real)
{
	char path[CHRONICLE_PATH];
	bool shown = sighting->sighted->brake_holds;

	if (holds(real, 50) == shown)
		return true;
	record_text_service_path(path, sighting->viewer->service, NULL);
	for (size_t i = 0; i < chronicle->command_count; i++) {
		const struct commanded *command = &chronicle->commands[i];

		if (command->kind == SYNOD_SERVICE && strcmp(command->path, path) == 0 &&
		    holds(real, command->brake_percent ? command->brake_percent : 50) == shown)
			return true;
	}
	return false;
}

static void
check_sighting(const struct chronicle *chronicle, const struct sighting_of *sighting,
               const struct replay_state *state)
{
	struct sighted real = {0};

	if (sighting->sighted->revision != 0)
		real = view_of(state, sighting->viewer->service);
	chronicle->world->statistics.views_checked++;
	chronicle->world->statistics.views_braked += sighting->sighted->brake_holds;
	if (!is_same(sighting->sighted, &real))
		fail(sighting->viewer, "it showed what there was not", sighting->sighted->revision);
	else if (!may_hold(chronicle, sighting, &real))
		fail(sighting->viewer, "it was wrong about the brake", sighting->sighted->revision);
}

void
check_resolver(struct living *living)
{
	const struct chronicle *chronicle = living->chronicle;
	struct replay_state state = {NULL, 0, 0};
	size_t count, next = 0;
	struct sighting_of *all = gather(&living->services, &count);

	for (size_t i = 0; i < count && !living->world->has_failed; i++) {
		while (next < chronicle->count &&
		       chronicle->changes[next].revision <= all[i].sighted->revision) {
			const struct chronicled *change = &chronicle->changes[next++];

			if (strncmp(change->path, CHRONICLE_SERVICES, strlen(CHRONICLE_SERVICES)) ==
			    0)
				replay_change(&state, change);
		}
		check_sighting(chronicle, &all[i], &state);
	}
	free(all);
	replay_fini(&state);
}
