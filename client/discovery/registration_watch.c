/* What happens to a registration's record: told by a watch, judged here. */
#include <string.h>

#include "client/discovery/registration.h"

#define WATCH_AGAIN_MS 1000

/* ---- what is seen; all held ---- */

/* Our own writes say draining too: they are known by what they say. */
void
registration_read(struct synod_service *service, const void *data, size_t size)
{
	struct record *record;

	if (service->is_drained || !service->was_ours)
		return;
	if (registration_is_own_draining(service, data, size))
		return;
	if (record_read(service->id, data, size, &record, NULL) != SYNOD_OK)
		return;
	if (record->instance.health == SYNOD_DRAINING) {
		service->is_drained = true;
		service->is_dirty = true; /* our next write would undo it */
		if (service->status == SYNOD_SERVICE_REGISTERED)
			service->status = SYNOD_SERVICE_DRAINED;
	}
	record_release(record);
}

static void
see(struct synod_service *service, uint64_t revision, uint64_t owner, const void *data, size_t size)
{
	if (owner != 0 && !registration_is_ours(service, owner)) {
		registration_see(service, SYNOD_SERVICE_TAKEN_OVER, revision);
		return;
	}
	if (service->is_successor && service->revision == 0) {
		/* As far as is known nothing of its own was written yet. */
		registration_see(service, SYNOD_SERVICE_PENDING, revision);
		return;
	}
	if (owner != 0) {
		service->may_be_ours = true;
		service->was_ours = true;
	}
	registration_read(service, data, size);
}

/* By hand, while the session lives that owns it, or it went with its session. */
static void
see_deleted(struct synod_service *service, const struct synod_change *change, uint64_t session)
{
	if (change->cause == SYNOD_CAUSE_REQUEST && change->owner != 0 &&
	    change->owner == session && service->was_ours)
		registration_see(service, SYNOD_SERVICE_REMOVED, change->revision);
	else
		registration_see(service, SYNOD_SERVICE_PENDING, change->revision);
}

/* Our last write is newer, or nothing matters any more. */
static bool
is_old(const struct synod_service *service, uint64_t revision)
{
	return revision < service->revision || service->phase == PHASE_LEAVE ||
	       service->phase == PHASE_OVER;
}

static void
see_changes(struct synod_service *service, const struct synod_event *event, uint64_t session)
{
	for (size_t i = 0; i < event->change_count; i++) {
		const struct synod_change *change = &event->changes[i];

		if (is_old(service, change->revision))
			continue;
		if (change->kind == SYNOD_DELETED)
			see_deleted(service, change, session);
		else
			see(service, change->revision, change->owner, change->data, change->size);
	}
}

static void
see_state(struct synod_service *service, const struct synod_event *event)
{
	bool is_whole = !event->more;

	for (size_t i = 0; i < event->node_count; i++) {
		const struct synod_node *node = &event->nodes[i];

		service->has_node = true;
		if (!is_old(service, event->revision))
			see(service, node->stat.modified, node->stat.owner, node->data, node->size);
	}
	if (!is_whole)
		return;
	if (!service->has_node && !is_old(service, event->revision))
		registration_see(service, SYNOD_SERVICE_PENDING, event->revision);
	service->has_node = false;
}

/* ---- the watch ---- */

static void
on_event(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct synod_service *service = context;
	uint64_t session = synod_session_id(service->synod);
	bool is_over = event->kind == SYNOD_EVENT_END;

	(void)watch;
	monitor_lock(&service->monitor);
	registration_remember(service, session);
	if (event->kind == SYNOD_EVENT_CHANGES)
		see_changes(service, event, session);
	else if (event->kind == SYNOD_EVENT_STATE)
		see_state(service, event);
	is_over = is_over && !service->is_detached;
	if (is_over)
		service->is_watch_broken = true;
	monitor_unlock(&service->monitor);
	if (is_over)
		synod_hook_after(service->hook, WATCH_AGAIN_MS);
	registration_go_on(service);
}

/* Put WATCH in the place of the one that is there; close whatever has no place. */
static void
exchange(struct synod_service *service, struct synod_watch *watch)
{
	struct synod_watch *old = watch;

	monitor_lock(&service->monitor);
	if (!service->is_detached || watch == NULL) {
		old = service->watch;
		service->watch = watch;
	}
	monitor_unlock(&service->monitor);
	synod_watch_close(old);
}

int
registration_watch(struct synod_service *service)
{
	const struct synod_watch_options options = {
		.scope = SYNOD_WATCH_NODE,
		.initial = true,
		.with_data = true,
		.on_event = on_event,
		.context = service,
	};
	struct synod_watch *watch = NULL;
	int error;

	exchange(service, NULL);
	monitor_lock(&service->monitor);
	service->has_node = false;
	service->is_watch_broken = false;
	monitor_unlock(&service->monitor);
	error = synod_watch_open(service->synod, service->path, &options, &watch);
	if (error == SYNOD_OK) {
		exchange(service, watch);
		return SYNOD_OK;
	}
	monitor_lock(&service->monitor);
	service->is_watch_broken = true;
	monitor_unlock(&service->monitor);
	synod_hook_after(service->hook, WATCH_AGAIN_MS);
	return error;
}

void
registration_unwatch(struct synod_service *service)
{
	exchange(service, NULL);
}
