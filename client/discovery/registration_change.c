/* Registrations between registering and deregistering: questions and changes. */
#include <string.h>

#include "client/discovery/registration.h"

/* ---- questions ---- */

const char *
synod_service_id(struct synod_service *service)
{
	return service != NULL ? service->id : NULL;
}

enum synod_service_status
synod_service_status(struct synod_service *service)
{
	enum synod_service_status status;

	if (service == NULL)
		return SYNOD_SERVICE_PENDING;
	monitor_lock(&service->monitor);
	status = service->status;
	monitor_unlock(&service->monitor);
	return status;
}

enum synod_health
synod_service_health(struct synod_service *service)
{
	enum synod_health health;

	if (service == NULL)
		return SYNOD_STARTING;
	monitor_lock(&service->monitor);
	health = registration_health(service);
	monitor_unlock(&service->monitor);
	return health;
}

/* ---- changing ---- */

/* A change of what the instance is; WITH is the function's own. */
typedef void change_instance(struct synod_instance *instance, const void *with);

/* Held. */
static int
change_wish(struct synod_service *service, change_instance *change, const void *with)
{
	struct synod_pair pairs[RECORD_LIST_MAX + 1];
	struct synod_instance instance = service->wish->instance;
	struct record *wish;
	int error;

	for (size_t i = 0; i < instance.metadata_count; i++)
		pairs[i] = instance.metadata[i];
	instance.metadata = pairs;
	change(&instance, with);
	error = record_make(&instance, &wish, NULL);
	if (error != SYNOD_OK)
		return error;
	record_release(service->wish);
	service->wish = wish;
	service->is_dirty = true;
	return SYNOD_OK;
}

static int
wish(struct synod_service *service, change_instance *change, const void *with)
{
	int error;

	monitor_lock(&service->monitor);
	error = change_wish(service, change, with);
	monitor_unlock(&service->monitor);
	if (error == SYNOD_OK) {
		registration_refer(service); /* a callback may deregister it */
		registration_proceed(service);
		registration_unrefer(service);
	}
	return error;
}

static void
change_health(struct synod_instance *instance, const void *with)
{
	instance->health = *(const enum synod_health *)with;
}

int
synod_service_set_health(struct synod_service *service, enum synod_health health)
{
	if (service == NULL)
		return SYNOD_BAD_ARGUMENT;
	return wish(service, change_health, &health);
}

static void
change_weight(struct synod_instance *instance, const void *with)
{
	instance->weight = *(const unsigned *)with;
}

int
synod_service_set_weight(struct synod_service *service, unsigned weight)
{
	if (service == NULL || weight == 0)
		return SYNOD_BAD_ARGUMENT;
	return wish(service, change_weight, &weight);
}

/* The instance's metadata have room for one more. */
static void
change_metadata(struct synod_instance *instance, const void *with)
{
	struct synod_pair *pairs = (struct synod_pair *)instance->metadata;
	const struct synod_pair *pair = with;
	size_t i = 0;

	while (i < instance->metadata_count && strcmp(pairs[i].name, pair->name) != 0)
		i++;
	if (pair->value != NULL) {
		pairs[i] = *pair;
		if (i == instance->metadata_count)
			instance->metadata_count++;
	} else if (i < instance->metadata_count) {
		instance->metadata_count--;
		memmove(pairs + i, pairs + i + 1, (instance->metadata_count - i) * sizeof pairs[0]);
	}
}

int
synod_service_set_metadata(struct synod_service *service, const char *name, const char *value)
{
	const struct synod_pair pair = {name, value};

	if (service == NULL || name == NULL)
		return SYNOD_BAD_ARGUMENT;
	return wish(service, change_metadata, &pair);
}
