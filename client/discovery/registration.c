/* Registrations as the application has them: registering, changing, deregistering; and the hooks.
 */
#include "client/discovery/registration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- all registrations of all handles: one per record and handle ---- */

static pthread_mutex_t registrations_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(registration_list,
                 synod_service) registrations = LIST_HEAD_INITIALIZER(registrations);

/* Held.  The registration of the same record. */
static struct synod_service *
find(const struct synod_service *service)
{
	struct synod_service *other;

	LIST_FOREACH(other, &registrations, link)
	{
		if (other->synod == service->synod && strcmp(other->path, service->path) == 0)
			return other;
	}
	return NULL;
}

/* Held.  One that the application has let go makes room. */
static bool
makes_room(struct synod_service *other)
{
	bool is_released;

	monitor_lock(&other->monitor);
	is_released = other->is_released;
	if (is_released) {
		other->references++; /* for the caller */
		other->is_listed = false;
	}
	monitor_unlock(&other->monitor);
	if (is_released)
		LIST_REMOVE(other, link);
	return is_released;
}

/* Who follows one that is leaving does not know whether its record is still there. */
static int
enlist(struct synod_service *service)
{
	struct synod_service *other;
	bool has_room;

	pthread_mutex_lock(&registrations_mutex);
	other = find(service);
	has_room = other == NULL || makes_room(other);
	if (has_room) {
		LIST_INSERT_HEAD(&registrations, service, link);
		service->is_listed = true;
		service->may_be_ours = other != NULL;
		service->is_successor = other != NULL;
	}
	pthread_mutex_unlock(&registrations_mutex);
	if (!has_room)
		return SYNOD_EXISTS;
	if (other != NULL) {
		registration_succeed(other, service);
		registration_unrefer(other);
	}
	return SYNOD_OK;
}

static void
delist(struct synod_service *service)
{
	pthread_mutex_lock(&registrations_mutex);
	if (service->is_listed)
		LIST_REMOVE(service, link);
	service->is_listed = false;
	pthread_mutex_unlock(&registrations_mutex);
}

/* ---- memory ---- */

static void
service_free(struct synod_service *service)
{
	struct verdict *verdict;

	while ((verdict = STAILQ_FIRST(&service->untold)) != NULL) {
		STAILQ_REMOVE_HEAD(&service->untold, link);
		free(verdict);
	}
	record_release(service->wish);
	monitor_fini(&service->monitor);
	free(service);
}

void
registration_refer(struct synod_service *service)
{
	monitor_lock(&service->monitor);
	service->references++;
	monitor_unlock(&service->monitor);
}

void
registration_unrefer(struct synod_service *service)
{
	bool is_last;

	monitor_lock(&service->monitor);
	is_last = --service->references == 0;
	monitor_unlock(&service->monitor);
	if (is_last)
		service_free(service);
}

/* ---- the hooks ---- */

void
registration_detach(struct synod_service *service)
{
	bool is_time;

	monitor_lock(&service->monitor);
	is_time = service->is_released && service->phase == PHASE_OVER && !service->is_detached &&
	          service->timer_users == 0;
	if (is_time)
		service->is_detached = true;
	monitor_unlock(&service->monitor);
	if (!is_time)
		return;
	delist(service);
	registration_unwatch(service);
	synod_hook_remove(service->drain_hook);
	synod_hook_remove(service->hook);
}

/* Everything goes with the session: the application's reference, too. */
static void
on_close(void *context)
{
	struct synod_service *service = context;
	bool is_ours;

	monitor_lock(&service->monitor);
	is_ours = !service->is_released;
	service->is_released = true;
	service->phase = PHASE_OVER;
	service->is_timer_due = false;
	monitor_unlock(&service->monitor);
	registration_stop_checks(service);
	registration_detach(service);
	if (is_ours)
		registration_unrefer(service);
}

static void
on_gone(void *context)
{
	struct synod_service *service = context;

	monitor_lock(&service->monitor);
	service->is_gone = true;
	monitor_signal(&service->monitor);
	monitor_unlock(&service->monitor);
	registration_unrefer(service);
}

static void
on_other_gone(void *context)
{
	registration_unrefer(context);
}

static void
on_drained_time(void *context)
{
	struct synod_service *service = context;

	monitor_lock(&service->monitor);
	service->is_drain_awaited = false;
	monitor_signal(&service->monitor);
	monitor_unlock(&service->monitor);
}

static int
add_hook(struct synod_service *service, const struct synod_hook_options *options,
         struct synod_hook **hook)
{
	int error;

	registration_refer(service);
	error = synod_hook_add(service->synod, options, hook);
	if (error != SYNOD_OK)
		registration_unrefer(service);
	return error;
}

/* The main one is the last: without it, nothing is called before all are there. */
static int
add_hooks(struct synod_service *service)
{
	const struct synod_hook_options drain = {
		.on_time = on_drained_time,
		.on_gone = on_other_gone,
		.context = service,
	};
	const struct synod_hook_options verdicts = {
		.on_time = registration_on_verdicts,
		.on_close = registration_await_checks,
		.on_gone = on_other_gone,
		.context = service,
	};
	const struct synod_hook_options life = {
		.on_state = registration_on_state,
		.on_time = registration_on_time,
		.on_close = on_close,
		.on_gone = on_gone,
		.context = service,
	};
	int error = add_hook(service, &drain, &service->drain_hook);

	if (error == SYNOD_OK && service->check_count > 0)
		error = add_hook(service, &verdicts, &service->verdict_hook);
	if (error == SYNOD_OK)
		error = add_hook(service, &life, &service->hook);
	if (error != SYNOD_OK) {
		synod_hook_remove(service->verdict_hook);
		synod_hook_remove(service->drain_hook);
	}
	return error;
}

/* ---- making one ---- */

/* "ADDRESS-PORT" within the grammar. */
static void
make_id(char *id, const struct synod_instance *instance)
{
	size_t port_size = (size_t)snprintf(NULL, 0, "-%u", instance->port);
	const char *address = instance->address;
	size_t size = 0;

	while (*address != '\0' && size < RECORD_NAME_MAX - port_size) {
		char plain[2] = {*address++, '\0'};

		if (record_name_is_valid(plain))
			id[size++] = plain[0];
		else if (size > 0)
			id[size++] = plain[0] == '.' || plain[0] == '_' ? plain[0] : '-';
	}
	snprintf(id + size, RECORD_NAME_MAX + 1 - size, "%s%u", size > 0 ? "-" : "",
	         instance->port);
}

static int
check_options(const struct synod_service_options *options)
{
	char why[RECORD_WHY_SIZE];

	if (options->brake_percent > 100 || options->check_count > CHECKS_MAX)
		return SYNOD_BAD_ARGUMENT;
	if (options->check_count > 0 && options->checks == NULL)
		return SYNOD_BAD_ARGUMENT;
	for (size_t i = 0; i < options->check_count; i++) {
		if (check_validate(&options->checks[i], why) != SYNOD_OK)
			return SYNOD_BAD_ARGUMENT;
	}
	return SYNOD_OK;
}

static int
make_record(const struct synod_service_options *options, struct record **record)
{
	struct synod_instance instance = options->instance;
	char id[RECORD_NAME_MAX + 1];

	if (instance.id == NULL) {
		if (instance.address == NULL)
			return SYNOD_BAD_ARGUMENT;
		make_id(id, &instance);
		instance.id = id;
	}
	return record_make(&instance, record, NULL);
}

static void
service_init(struct synod_service *service, const char *name,
             const struct synod_service_options *options, struct record *wish)
{
	service->options = *options;
	service->check_count = options->check_count;
	service->is_blocking = options->on_status == NULL;
	service->delay_ms = REGISTRATION_DELAY_MIN_MS;
	service->wish = wish;
	service->references = 1;
	STAILQ_INIT(&service->untold);
	snprintf(service->service, sizeof service->service, "%s", name);
	snprintf(service->id, sizeof service->id, "%s", wish->instance.id);
	record_path(service->path, service->service, service->id);
	registration_remember(service, synod_session_id(service->synod));
}

static int
service_new(struct synod *synod, const char *name, const struct synod_service_options *options,
            struct synod_service **result)
{
	struct synod_service *service;
	struct record *wish;
	int error = check_options(options);

	if (error == SYNOD_OK)
		error = make_record(options, &wish);
	if (error != SYNOD_OK)
		return error;
	service = calloc(1, sizeof *service);
	if (service == NULL || monitor_init(&service->monitor, synod) != SYNOD_OK) {
		free(service);
		record_release(wish);
		return SYNOD_NO_MEMORY;
	}
	service->synod = synod;
	service_init(service, name, options, wish);
	*result = service;
	return SYNOD_OK;
}

/* ---- registering ---- */

/* Stop everything without waiting.  False: the application has let go before, in a callback, or its
 * handle is closing. */
static bool
let_go(struct synod_service *service)
{
	bool is_first;

	monitor_lock(&service->monitor);
	is_first = !service->is_released;
	service->is_released = true;
	if (is_first)
		registration_leave(service);
	monitor_unlock(&service->monitor);
	registration_stop_checks(service);
	registration_proceed(service);
	return is_first;
}

static int
attach(struct synod_service *service)
{
	int error = enlist(service);

	if (error != SYNOD_OK)
		return error;
	error = add_hooks(service);
	if (error != SYNOD_OK)
		delist(service);
	return error;
}

static int
start(struct synod_service *service)
{
	int error = registration_watch(service);

	if (error != SYNOD_OK) {
		synod_hook_remove(service->verdict_hook);
		return error;
	}
	error = registration_start_checks(service, service->options.checks);
	if (error != SYNOD_OK)
		return error;
	monitor_lock(&service->monitor);
	registration_begin(service);
	monitor_unlock(&service->monitor);
	registration_proceed(service);
	return SYNOD_OK;
}

static int
await(struct synod_service *service)
{
	int error;

	monitor_lock(&service->monitor);
	while (!service->is_settled)
		monitor_wait(&service->monitor);
	error = service->settle_error;
	monitor_unlock(&service->monitor);
	return error;
}

static int
register_service(struct synod_service *service, struct synod_service **result)
{
	int error;

	*result = service;
	registration_refer(service); /* a callback may deregister it before we return */
	error = start(service);
	if (error == SYNOD_OK && service->is_blocking)
		error = await(service);
	if (error != SYNOD_OK) {
		*result = NULL;
		if (let_go(service))
			registration_unrefer(service);
	}
	registration_unrefer(service);
	return error;
}

int
synod_service_register(struct synod *synod, const char *name,
                       const struct synod_service_options *options, struct synod_service **result)
{
	struct synod_service *service;
	int error;

	if (result == NULL)
		return SYNOD_BAD_ARGUMENT;
	*result = NULL;
	if (synod == NULL || name == NULL || options == NULL)
		return SYNOD_BAD_ARGUMENT;
	if (options->on_status == NULL && synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	if (!record_name_is_valid(name))
		return SYNOD_BAD_PATH;
	error = service_new(synod, name, options, &service);
	if (error != SYNOD_OK)
		return error;
	error = attach(service);
	if (error != SYNOD_OK) {
		registration_unrefer(service);
		return error;
	}
	return register_service(service, result);
}

/* ---- deregistering ---- */

/* The record says draining for DRAIN_MS, unless it ends before. */
static void
drain(struct synod_service *service, unsigned drain_ms)
{
	bool is_there;

	monitor_lock(&service->monitor);
	is_there = service->phase == PHASE_HOLD && drain_ms > 0;
	service->is_draining = true;
	service->is_dirty = true;
	service->is_drain_awaited = is_there;
	monitor_unlock(&service->monitor);
	if (!is_there)
		return;
	synod_hook_after(service->drain_hook, drain_ms);
	registration_proceed(service);
	monitor_lock(&service->monitor);
	while (service->is_drain_awaited && service->phase != PHASE_OVER)
		monitor_wait(&service->monitor);
	monitor_unlock(&service->monitor);
}

/* Until nothing of it is called any more. */
static int
await_leaving(struct synod_service *service)
{
	int error;

	monitor_lock(&service->monitor);
	while (!service->is_gone && !service->is_left_open)
		monitor_wait(&service->monitor);
	error = service->leave_error;
	monitor_unlock(&service->monitor);
	return error;
}

int
synod_service_deregister(struct synod_service *service, unsigned drain_ms)
{
	bool may_wait = registration_may_wait();
	int error = SYNOD_OK;
	bool is_ours;

	if (service == NULL)
		return SYNOD_OK;
	if (may_wait) {
		registration_stop_checks(service);
		drain(service, drain_ms);
	}
	is_ours = let_go(service);
	if (may_wait)
		error = await_leaving(service);
	if (is_ours)
		registration_unrefer(service);
	return error;
}
