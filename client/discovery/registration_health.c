/* The health of a registration: the program's own, its checks' verdicts, draining. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "client/discovery/check_run.h"
#include "client/discovery/registration.h"
#include "shared/planted.h"

/* So often it is seen whether checks have ended that nobody waits for. */
#define REAPED_LOOK_MS 100

/* ---- what it is ---- */

/* Until each check has had its first verdict, the instance is starting. */
static enum synod_health
worst_verdict(const struct synod_service *service)
{
	enum synod_health worst = SYNOD_PASSING;

	if (service->has_verdict != (1u << service->check_count) - 1)
		return SYNOD_STARTING;
	for (size_t i = 0; i < service->check_count; i++) {
		if (service->verdicts[i] > worst)
			worst = service->verdicts[i];
	}
	return worst;
}

enum synod_health
registration_health(const struct synod_service *service)
{
	enum synod_health own = service->wish->instance.health;
	enum synod_health worst;

	if ((service->is_drained && !PLANTED(DRAINING_UNDONE)) || service->is_draining)
		return SYNOD_DRAINING;
	if (own != SYNOD_PASSING && own != SYNOD_WARNING)
		return own;
	worst = worst_verdict(service);
	return worst > own ? worst : own;
}

bool
registration_is_own_draining(const struct synod_service *service, const void *data, size_t size)
{
	uint64_t hash = data != NULL ? XXH3_64bits(data, size) : 0;

	for (unsigned i = 0; i < DRAINING_TEXTS_KEPT && data != NULL; i++) {
		if (service->draining_texts[i] == hash)
			return true;
	}
	return false;
}

static void
remember_draining(struct synod_service *service, const struct buffer *text)
{
	uint64_t *texts = service->draining_texts;

	if (text->failed || registration_is_own_draining(service, text->bytes, text->size))
		return;
	memmove(texts + 1, texts, (DRAINING_TEXTS_KEPT - 1) * sizeof *texts);
	texts[0] = XXH3_64bits(text->bytes, text->size);
}

void
registration_write(struct synod_service *service, struct buffer *text)
{
	struct record record = {.instance = service->wish->instance};

	record.instance.health = registration_health(service);
	record_write(&record, text);
	if (record.instance.health == SYNOD_DRAINING)
		remember_draining(service, text);
	service->written_health = record.instance.health;
	service->is_dirty = false;
}

/* ---- verdicts: from the checks' threads to the callbacks ---- */

static struct verdict *
verdict_new(size_t check, enum synod_health health, const char *why)
{
	size_t size = strlen(why) + 1;
	struct verdict *verdict = malloc(sizeof *verdict + size);

	if (verdict == NULL)
		return NULL;
	verdict->check = check;
	verdict->health = health;
	memcpy(verdict->why, why, size);
	return verdict;
}

/* On a thread of the checks.  Without memory the verdict counts, and only its telling is lost. */
static void
on_verdict(void *context, size_t check, enum synod_health health, const char *why)
{
	struct synod_service *service = context;
	struct verdict *verdict = verdict_new(check, health, why);

	monitor_lock(&service->monitor);
	service->verdicts[check] = health;
	service->has_verdict |= 1u << check;
	if (verdict != NULL)
		STAILQ_INSERT_TAIL(&service->untold, verdict, link);
	monitor_unlock(&service->monitor);
	synod_hook_after(service->verdict_hook, 0);
}

static struct verdict *
take_verdict(struct synod_service *service, bool *is_released)
{
	struct verdict *verdict;

	monitor_lock(&service->monitor);
	*is_released = service->is_released;
	verdict = STAILQ_FIRST(&service->untold);
	if (verdict != NULL)
		STAILQ_REMOVE_HEAD(&service->untold, link);
	monitor_unlock(&service->monitor);
	return verdict;
}

void
registration_on_verdicts(void *context)
{
	struct synod_service *service = context;
	const struct synod_service_options *options = &service->options;
	struct verdict *verdict;
	bool is_released, is_reaping, is_reaped;

	while ((verdict = take_verdict(service, &is_released)) != NULL) {
		if (options->on_check != NULL && !is_released)
			options->on_check(options->context, service, verdict->check,
			                  verdict->health, verdict->why);
		free(verdict);
	}
	monitor_lock(&service->monitor);
	if (registration_health(service) != service->written_health)
		service->is_dirty = true;
	is_reaping = service->is_reaping;
	is_reaped = service->is_reaped;
	monitor_unlock(&service->monitor);
	registration_go_on(service);
	if (is_reaping)
		synod_hook_after(service->verdict_hook, REAPED_LOOK_MS);
	else if (is_reaped)
		synod_hook_remove(service->verdict_hook);
}

/* ---- starting and stopping ---- */

int
registration_start_checks(struct synod_service *service, const struct synod_check *checks)
{
	struct checks *started;
	bool is_late;
	int error;

	if (service->check_count == 0)
		return SYNOD_OK;
	error = checks_start(checks, service->check_count, on_verdict, service, &started);
	if (error != SYNOD_OK) {
		synod_hook_remove(service->verdict_hook);
		return error;
	}
	monitor_lock(&service->monitor);
	service->checks = started;
	is_late = service->is_released; /* by a callback */
	monitor_unlock(&service->monitor);
	if (is_late)
		registration_stop_checks(service);
	return SYNOD_OK;
}

bool
registration_may_wait(void)
{
	return !synod_in_callback() && !checks_in_thread();
}

struct reaping {
	struct synod_service *service;
	struct checks *checks;
};

/* Nothing of the handle is touched here: only until the checks have ended does it wait. */
static void *
reap(void *context)
{
	struct reaping reaping = *(struct reaping *)context;
	struct synod_service *service = reaping.service;

	free(context);
	checks_stop(reaping.checks);
	monitor_lock(&service->monitor);
	service->is_reaping = false;
	service->is_reaped = true;
	pthread_cond_broadcast(&service->monitor.changed);
	monitor_unlock(&service->monitor);
	registration_unrefer(service);
	return NULL;
}

static bool
start_reaping(struct synod_service *service, struct checks *checks)
{
	struct reaping *reaping = malloc(sizeof *reaping);
	pthread_t thread;

	if (reaping == NULL)
		return false;
	*reaping = (struct reaping){service, checks};
	registration_refer(service);
	synod_hook_after(service->verdict_hook, REAPED_LOOK_MS);
	if (check_thread_start(&thread, true, reap, reaping) == 0)
		return true;
	registration_unrefer(service);
	free(reaping);
	return false;
}

/* The verdict hook goes when they have ended: as long as it is there, who closes the handle waits.
 * Without a thread they run on until then. */
static void
reap_checks(struct synod_service *service, struct checks *checks)
{
	if (start_reaping(service, checks))
		return;
	monitor_lock(&service->monitor);
	service->checks = checks;
	service->is_reaping = false;
	monitor_unlock(&service->monitor);
}

/* A function that runs as a check may itself wait for a callback of the handle. */
void
registration_stop_checks(struct synod_service *service)
{
	bool may_wait = registration_may_wait();
	struct checks *checks;

	monitor_lock(&service->monitor);
	checks = service->checks;
	service->checks = NULL;
	service->is_reaping |= checks != NULL && !may_wait;
	monitor_unlock(&service->monitor);
	if (checks == NULL)
		return;
	if (!may_wait) {
		reap_checks(service, checks);
		return;
	}
	checks_stop(checks);
	synod_hook_remove(service->verdict_hook);
}

/* The handle closes: what still runs must not outlive it. */
void
registration_await_checks(void *context)
{
	struct synod_service *service = context;

	registration_stop_checks(service);
	monitor_lock(&service->monitor);
	while (service->is_reaping)
		pthread_cond_wait(&service->monitor.changed, &service->monitor.mutex);
	monitor_unlock(&service->monitor);
}
