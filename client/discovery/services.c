/* All services at a glance, and what operators do to them. */
#include <stdlib.h>
#include <string.h>

#include "client/arena.h"
#include "client/discovery/record.h"
#include "shared/clock.h"
#include "shared/protocol.h"

#define EDITS_MAX 10 /* others may write at the same time */

/* What synod_services() hands out. */
struct services_block {
	struct synod_services services; /* first */
	struct arena arena;
};

/* ---- summaries ---- */

static void
count_instance(struct synod_service_summary *summary, const struct synod_node *child)
{
	struct record *record;

	summary->instances++;
	if (child->stat.kind == SYNOD_SUSPECT) {
		summary->suspects++;
	} else if (record_read(child->path, child->data, child->size, &record, NULL) == SYNOD_OK) {
		summary->health[record->instance.health]++;
		record_release(record);
	} else {
		summary->malformed++;
	}
}

/* As the ensemble judges it. */
static void
summarise(struct synod_service_summary *summary, const struct synod_stat *service,
          const struct synod_result *instances)
{
	bool has_percent = service->kind == SYNOD_SERVICE;

	summary->brake_percent = has_percent ? (unsigned)service->mode : BRAKE_PERCENT;
	for (size_t i = 0; i < instances->child_count; i++)
		count_instance(summary, &instances->children[i]);
	summary->brake_holds =
		brake_holds(summary->suspects, summary->instances, summary->brake_percent);
}

/* ---- asking ---- */

/* TIMEOUT_MS is for all calls together; 0: each has the handle's. */
struct asking {
	struct synod *synod;
	uint64_t end_ms; /* UINT64_MAX: none */
};

static void
asking_init(struct asking *asking, struct synod *synod, unsigned timeout_ms)
{
	*asking = (struct asking){synod, UINT64_MAX};
	if (timeout_ms != 0)
		asking->end_ms = clock_now_ms(clock_real()) + timeout_ms;
}

static int
list(const struct asking *asking, const char *path, bool with_data, struct synod_result **result)
{
	struct synod_read_options options = {.with_stat = true, .with_data = with_data};
	uint64_t now_ms;

	*result = NULL;
	if (asking->end_ms != UINT64_MAX) {
		now_ms = clock_now_ms(clock_real());
		if (now_ms >= asking->end_ms)
			return SYNOD_TIMEOUT;
		options.call.timeout_ms = (unsigned)(asking->end_ms - now_ms);
	}
	return synod_list(asking->synod, path, &options, result);
}

static int
add_service(struct services_block *block, const struct asking *asking,
            const struct synod_node *service)
{
	struct synod_service_summary *summary = &block->services.services[block->services.count];
	struct synod_result *instances;
	char path[SERVICE_PATH_SIZE];
	int error;

	if (!record_name_is_valid(service->path))
		return SYNOD_OK; /* no service, whatever it is */
	record_path(path, service->path, NULL);
	error = list(asking, path, true, &instances);
	if (error == SYNOD_OK) {
		summary->name = arena_copy(&block->arena, slice_of(service->path));
		summarise(summary, &service->stat, instances);
		block->services.count++;
	}
	synod_result_free(instances);
	return error == SYNOD_NOT_FOUND ? SYNOD_OK : error; /* it has gone meanwhile */
}

static int
add_services(struct services_block *block, const struct asking *asking,
             const struct synod_result *services)
{
	int error = SYNOD_OK;

	block->services.services = arena_alloc(
		&block->arena, (services->child_count + 1) * sizeof *block->services.services);
	for (size_t i = 0; i < services->child_count; i++) {
		if (error == SYNOD_OK && !block->arena.has_failed)
			error = add_service(block, asking, &services->children[i]);
	}
	return block->arena.has_failed ? SYNOD_NO_MEMORY : error;
}

int
synod_services(struct synod *synod, unsigned timeout_ms, struct synod_services **services)
{
	struct services_block *block;
	struct synod_result *names;
	struct asking asking;
	int error;

	if (services == NULL)
		return SYNOD_BAD_ARGUMENT;
	*services = NULL;
	if (synod == NULL || synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	block = calloc(1, sizeof *block);
	if (block == NULL)
		return SYNOD_NO_MEMORY;
	asking_init(&asking, synod, timeout_ms);
	error = list(&asking, SERVICES_PATH, false, &names);
	if (error == SYNOD_OK)
		error = add_services(block, &asking, names);
	else if (error == SYNOD_NOT_FOUND)
		error = SYNOD_OK;
	synod_result_free(names);
	if (error == SYNOD_OK)
		*services = &block->services;
	else
		synod_services_free(&block->services);
	return error;
}

void
synod_services_free(struct synod_services *services)
{
	struct services_block *block = (struct services_block *)services;

	if (block == NULL)
		return;
	arena_fini(&block->arena);
	free(block);
}

/* ---- editing: read, change, write if nobody else has meanwhile ---- */

/* One try, with WITH of its own.  SYNOD_CONFLICT: somebody was faster. */
typedef int edit_once(struct synod *synod, const char *path, unsigned with);

static int
edit(struct synod *synod, const char *path, edit_once *once, unsigned with)
{
	int error = SYNOD_CONFLICT;

	for (unsigned i = 0; i < EDITS_MAX && error == SYNOD_CONFLICT; i++)
		error = once(synod, path, with);
	return error;
}

static int
set_if_unchanged(struct synod *synod, const char *path, const struct synod_stat *stat,
                 const struct buffer *text)
{
	const struct synod_condition condition = {.kind = SYNOD_IF_MODIFIED,
	                                          .number = stat->modified};
	const struct synod_write_options options = {.conditions = &condition, .condition_count = 1};

	return synod_set(synod, path, text->bytes, text->size, &options, NULL);
}

static int
set_health_once(struct synod *synod, const char *path, unsigned health)
{
	struct buffer text = BUFFER_EMPTY;
	struct synod_result *found = NULL;
	int error = synod_get(synod, path, NULL, &found);

	if (error == SYNOD_OK) {
		error = record_rewrite_health(found->node.data, found->node.size,
		                              (enum synod_health)health, &text, NULL);
		error = error == SYNOD_BAD_MESSAGE ? SYNOD_BAD_ARGUMENT : error;
	}
	if (error == SYNOD_OK)
		error = set_if_unchanged(synod, path, &found->node.stat, &text);
	buffer_fini(&text);
	synod_result_free(found);
	return error;
}

/* What an operator does to an instance begins with its path. */
static int
instance_path(struct synod *synod, const char *service, const char *id, char *path)
{
	if (synod == NULL || synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	if (!record_name_is_valid(service) || !record_name_is_valid(id))
		return SYNOD_BAD_PATH;
	record_path(path, service, id);
	return SYNOD_OK;
}

int
synod_services_drain(struct synod *synod, const char *service, const char *id)
{
	char path[SERVICE_PATH_SIZE];
	int error = instance_path(synod, service, id, path);

	return error == SYNOD_OK ? edit(synod, path, set_health_once, SYNOD_DRAINING) : error;
}

int
synod_services_remove(struct synod *synod, const char *service, const char *id)
{
	char path[SERVICE_PATH_SIZE];
	int error = instance_path(synod, service, id, path);

	return error == SYNOD_OK ? synod_delete(synod, path, NULL, NULL) : error;
}

/* ---- the brake ---- */

static int
create_service(struct synod *synod, const char *path, unsigned percent)
{
	const struct synod_write_options options = {
		.make_parents = true, .kind = SYNOD_SERVICE, .brake_percent = percent};
	int error = synod_create(synod, path, NULL, 0, &options, NULL);

	return error == SYNOD_EXISTS ? SYNOD_CONFLICT : error;
}

/* The node keeps its data, if it has any. */
static int
set_brake_once(struct synod *synod, const char *path, unsigned percent)
{
	struct synod_result *found = NULL;
	int error = synod_get(synod, path, NULL, &found);

	if (error == SYNOD_NOT_FOUND) {
		error = create_service(synod, path, percent);
	} else if (error == SYNOD_OK) {
		const struct synod_condition condition = {.kind = SYNOD_IF_MODIFIED,
		                                          .number = found->node.stat.modified};
		const struct synod_write_options options = {
			.conditions = &condition,
			.condition_count = 1,
			.kind = SYNOD_SERVICE,
			.brake_percent = percent,
		};

		error = synod_put(synod, path, found->node.data, found->node.size, &options, NULL);
	}
	synod_result_free(found);
	return error;
}

int
synod_services_brake(struct synod *synod, const char *service, unsigned percent)
{
	char path[SERVICE_PATH_SIZE];

	if (synod == NULL || percent < 1 || percent > 100 || synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	if (!record_name_is_valid(service))
		return SYNOD_BAD_PATH;
	record_path(path, service, NULL);
	return edit(synod, path, set_brake_once, percent);
}
