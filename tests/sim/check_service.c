/*
 * Registrations.  What a program is told of one is true: it is registered if its record
 * is there in its session, drained if somebody wrote so, taken over if another owner has
 * the record, removed if somebody deleted it.  Whoever was told that it is registered
 * never takes the record back from another (who has not heard yet may, once more), and whoever was
 * told an end writes no more.  When all is quiet, every registration that was not ended is there as
 * its program wishes, in its session; and whatever nobody offers any more is gone, but for what the
 * brake rightly holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

static void
fail(const struct registered *registered, const char *why)
{
	world_fail(registered->client->living->world, "service", "registration %lu of %s by %s: %s",
	           (unsigned long)registered->number, registered->path,
	           registered->client->host->name, why);
}

/* ---- what is told ---- */

/* What has happened to its record since it was begun. */
struct story {
	bool was_there; /* in any session */
	bool is_told;   /* in the session of now */
	bool was_taken; /* by others, after that */
	bool was_drained;
	bool was_removed;
};

static struct story
story_of(const struct registered *registered, uint64_t session)
{
	const struct chronicle *chronicle = registered->client->living->chronicle;
	struct story story = {false, false, false, false, false};

	for (size_t i = registered->first; i < chronicle->count; i++) {
		const struct chronicled *change = &chronicle->changes[i];
		struct record_text record;

		if (strcmp(change->path, registered->path) != 0)
			continue;
		record = record_text_read(change->data);
		if (change->kind == SYNOD_DELETED) {
			story.was_removed |=
				story.was_there && change->cause == SYNOD_CAUSE_REQUEST;
			continue;
		}
		if (record.registered == registered->number) {
			story.was_there = true;
			story.is_told |= change->owner == session && session != 0;
		} else if (story.was_there) {
			story.was_taken |= change->owner != 0 && change->owner != session;
			story.was_drained |= record.health == SYNOD_DRAINING;
		}
	}
	return story;
}

/* NULL if it is true, as far as is known. */
static const char *
lie(const struct registered *registered, enum synod_service_status status, uint64_t session)
{
	struct story story = story_of(registered, session);

	switch (status) {
	case SYNOD_SERVICE_PENDING: break;
	case SYNOD_SERVICE_REGISTERED:
		return story.is_told ? NULL : "told that it is registered, and it is not";
	case SYNOD_SERVICE_DRAINED:
		return story.is_told && story.was_drained
		               ? NULL
		               : "told that it was drained, and nobody did";
	case SYNOD_SERVICE_TAKEN_OVER:
		return story.was_taken ? NULL : "told that it was taken over, and nobody did";
	case SYNOD_SERVICE_REMOVED:
		return story.was_removed ? NULL : "told that it was removed, and nobody did";
	case SYNOD_SERVICE_REFUSED: return "refused";
	}
	return NULL;
}

void
check_service_status(struct registered *registered, enum synod_service_status status)
{
	uint64_t session = synod_session_id(registered->client->host->handle);

	if (registered->client->living->chronicle->has_gap)
		return;
	if (!registered->is_open)
		fail(registered, "told something after it was let go");
	if (registered->ended_count != 0)
		fail(registered, "told something after it has ended");
	if (!registered->is_owed && lie(registered, status, session)) {
		registered->is_owed = true;
		registered->owed_status = status;
		registered->owed_session = session;
	}
	if (registered->held_count == 0 &&
	    (status == SYNOD_SERVICE_REGISTERED || status == SYNOD_SERVICE_DRAINED))
		registered->held_count = registered->client->living->chronicle->count;
	if (status >= SYNOD_SERVICE_TAKEN_OVER)
		registered->ended_count = registered->client->living->chronicle->count;
}

static void
check_owed(const struct registered *registered)
{
	const char *why;

	if (!registered->is_owed)
		return;
	registered->client->living->world->statistics.registrations_owed++;
	why = lie(registered, registered->owed_status, registered->owed_session);
	if (why)
		fail(registered, why);
}

/* ---- what is there ---- */

static bool
is_as_wished(const struct registered *registered, enum synod_service_status status,
             const struct replayed *node, const struct record_text *record)
{
	bool is_drained = status == SYNOD_SERVICE_DRAINED;
	enum synod_health health = is_drained ? SYNOD_DRAINING : registered->health;

	if (!node || node->owner != synod_session_id(registered->client->host->handle) ||
	    record->health != (int)health)
		return false;
	/* What others say who drain it once more is left as it is. */
	if (is_drained && record->registered == 0)
		return true;
	return record->registered == registered->number && record->weight == registered->weight &&
	       record->note == registered->note;
}

static bool
is_rightly_there(const struct registered *registered, const struct replayed *node)
{
	return node->is_suspect &&
	       check_brake_is_held(registered->client->living->brake, registered->path);
}

bool
check_service_is_kept(const struct registered *registered, const char **why)
{
	static char text[CHRONICLE_PATH + 120];
	const struct replayed *node =
		replay_find(&registered->client->living->services.now, registered->path);
	struct record_text record = record_text_read(node ? node->data : NULL);
	bool is_there = node && record.registered == registered->number;
	const char *what = NULL;
	enum synod_service_status status;

	if (!registered->is_open) {
		if (is_there && !is_rightly_there(registered, node))
			what = "is still there though nobody offers it";
	} else {
		status = synod_service_status(registered->handle);
		if (status >= SYNOD_SERVICE_TAKEN_OVER)
			what = is_there ? "is still there though it has ended" : NULL;
		else if (status == SYNOD_SERVICE_PENDING)
			what = "is not registered";
		else if (!is_as_wished(registered, status, node, &record))
			what = "is not there as its program wishes";
	}
	if (!what)
		return true;
	snprintf(text, sizeof text, "registration %lu of %s by %s %s",
	         (unsigned long)registered->number, registered->path,
	         registered->client->host->name, what);
	*why = text;
	return false;
}

/* ---- who takes from whom ---- */

static void
check_change(struct living *living, const struct chronicled *change, size_t index,
             const struct replayed *before)
{
	const struct service_world *services = &living->services;
	struct record_text record = record_text_read(change->data);
	struct record_text previous = record_text_read(before ? before->data : NULL);
	struct registered *registered;

	if (record.registered == 0 || record.registered > services->registered_count ||
	    change->kind == SYNOD_DELETED || chronicled_is_suspicion(change))
		return;
	registered = services->registered[record.registered - 1];
	if (change->cause == SYNOD_CAUSE_SUPERSEDED)
		living->world->statistics.registrations_superseding++;
	/* Who does not know yet that it was there cannot know that it was taken over. */
	if (change->cause == SYNOD_CAUSE_SUPERSEDED && registered->was_there &&
	    previous.registered != record.registered) {
		if (registered->held_count != 0 && index >= registered->held_count)
			fail(registered, "takes back what was taken over");
		living->world->statistics.registrations_ignorant++;
	}
	if (!registered->is_owed && registered->ended_count != 0 &&
	    index >= registered->ended_count)
		fail(registered, "writes after it was told its end");
	registered->was_there = true;
}

void
check_service(struct living *living)
{
	const struct chronicle *chronicle = living->chronicle;
	struct replay_state state = {NULL, 0, 0};

	for (size_t i = 0; i < chronicle->count && !living->world->has_failed; i++) {
		const struct chronicled *change = &chronicle->changes[i];

		if (strncmp(change->path, CHRONICLE_SERVICES, strlen(CHRONICLE_SERVICES)) != 0)
			continue;
		check_change(living, change, i, replay_find(&state, change->path));
		replay_change(&state, change);
	}
	replay_fini(&state);
	for (size_t i = 0; i < living->services.registered_count; i++)
		check_owed(living->services.registered[i]);
}
