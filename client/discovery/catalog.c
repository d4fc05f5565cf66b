/* The catalogue: instances found by their ids, and who of them is usable. */
#include "client/discovery/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "shared/planted.h"
#include "shared/protocol.h"

void
catalog_init(struct catalog *catalog, const char *service, const struct synod_filter *filter)
{
	*catalog = (struct catalog){.filter = filter, .brake_percent = BRAKE_PERCENT};
	record_path(catalog->path, service, NULL);
	catalog->path_size = strlen(catalog->path);
}

/* ---- instances ---- */

static void
instance_clear(struct instance *instance)
{
	target_release(instance->target);
	record_release(instance->record);
	free(instance->why);
	instance->target = NULL;
	instance->record = NULL;
	instance->why = NULL;
	instance->is_match = false;
}

static void
instance_free(struct instance *instance)
{
	instance_clear(instance);
	health_release(instance->health);
	free(instance);
}

static struct instance *
instance_new(const char *id, uint64_t now_ms)
{
	size_t size = strlen(id) + 1;
	struct instance *instance = calloc(1, sizeof *instance + size);

	if (instance == NULL)
		return NULL;
	memcpy(instance->id, id, size);
	instance->health = health_new(now_ms);
	if (instance->health == NULL) {
		free(instance);
		return NULL;
	}
	return instance;
}

void
catalog_fini(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->known_count; i++)
		instance_free(catalog->known[i]);
	free(catalog->known);
	free(catalog->chosen);
}

/* Where ID is, or would be. */
static size_t
place_of(const struct catalog *catalog, const char *id, bool *is_there)
{
	size_t low = 0;
	size_t high = catalog->known_count;
	int order;

	*is_there = false;
	/* A state comes in order. */
	if (high > 0 && strcmp(catalog->known[high - 1]->id, id) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		order = strcmp(catalog->known[middle]->id, id);
		if (order == 0)
			*is_there = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
make_room(struct catalog *catalog)
{
	size_t capacity = catalog->known_capacity != 0 ? 2 * catalog->known_capacity : 16;
	struct instance **known;

	if (catalog->known_count < catalog->known_capacity)
		return true;
	known = realloc(catalog->known, capacity * sizeof *known);
	if (known == NULL)
		return false;
	catalog->known = known;
	catalog->known_capacity = capacity;
	return true;
}

/* The instance of ID, new if there is none; NULL when memory ran out. */
static struct instance *
know(struct catalog *catalog, const char *id, uint64_t now_ms)
{
	bool is_there;
	size_t place = place_of(catalog, id, &is_there);
	struct instance *instance;

	if (is_there)
		return catalog->known[place];
	if (!make_room(catalog))
		return NULL;
	instance = instance_new(id, now_ms);
	if (instance == NULL)
		return NULL;
	memmove(&catalog->known[place + 1], &catalog->known[place],
	        (catalog->known_count - place) * sizeof(struct instance *));
	catalog->known[place] = instance;
	catalog->known_count++;
	return instance;
}

struct instance *
catalog_find(const struct catalog *catalog, const char *id)
{
	bool is_there;
	size_t place = place_of(catalog, id, &is_there);

	return is_there && catalog->known[place]->is_present ? catalog->known[place] : NULL;
}

/* ---- what the ensemble says ---- */

/* What it says of an instance besides the record. */
struct said {
	bool is_suspect;
	uint64_t owner;
	uint64_t created;
	uint64_t modified;
};

/* RECORD, as it was read, becomes the instance's. */
static int
set_record(struct catalog *catalog, struct instance *instance, const struct record *read,
           const struct said *said)
{
	struct record *record =
		record_with(read, said->is_suspect, said->owner, said->created, said->modified);
	struct target *target;

	if (record == NULL)
		return SYNOD_NO_MEMORY;
	target = target_new(record, instance->health);
	if (target == NULL) {
		record_release(record);
		return SYNOD_NO_MEMORY;
	}
	instance_clear(instance);
	instance->record = record;
	instance->target = target;
	instance->is_match = record_matches(record, catalog->filter);
	return SYNOD_OK;
}

static void
set_presence(struct instance *instance, const struct said *said)
{
	instance->is_present = true;
	instance->is_suspect = said->is_suspect;
	instance->created = said->created;
}

/* DATA is what the node holds now. */
static int
set_data(struct catalog *catalog, struct instance *instance, const void *data, size_t size,
         const struct said *said)
{
	char why[RECORD_WHY_SIZE];
	struct record *read = NULL;
	int error = record_read(instance->id, data, size, &read, why);

	if (error == SYNOD_OK)
		error = set_record(catalog, instance, read, said);
	record_release(read);
	if (error == SYNOD_BAD_MESSAGE) {
		instance_clear(instance);
		instance->why = strdup(why);
		error = SYNOD_OK;
	}
	if (error == SYNOD_OK)
		set_presence(instance, said);
	return error;
}

/* Other things are said of the data that is known. */
static int
set_said(struct catalog *catalog, struct instance *instance, const struct said *said)
{
	int error = SYNOD_OK;

	if (instance->record != NULL) {
		struct record *record = instance->record;

		record_retain(record);
		error = set_record(catalog, instance, record, said);
		record_release(record);
	}
	if (error == SYNOD_OK)
		set_presence(instance, said);
	return error;
}

static void
remove_instance(struct instance *instance, uint64_t now_ms)
{
	if (!instance->is_present || PLANTED(RESOLVER_KEEPS_DELETED))
		return;
	instance_clear(instance);
	instance->is_present = false;
	instance->is_suspect = false;
	instance->gone_ms = now_ms;
}

bool
catalog_is_service(const struct catalog *catalog, const char *path)
{
	return strcmp(path, catalog->path) == 0;
}

void
catalog_set_service(struct catalog *catalog, const struct synod_stat *stat)
{
	bool is_set = stat != NULL && stat->kind == SYNOD_SERVICE && stat->mode != 0;

	catalog->brake_percent = is_set && stat->mode <= 100 ? (unsigned)stat->mode : BRAKE_PERCENT;
}

void
catalog_state_begin(struct catalog *catalog)
{
	catalog->state++;
}

int
catalog_state_add(struct catalog *catalog, const char *id, const struct synod_node *node,
                  uint64_t now_ms)
{
	const struct said said = {
		.is_suspect = node->stat.kind == SYNOD_SUSPECT && !PLANTED(SUSPECT_UNMARKED),
		.owner = node->stat.owner,
		.created = node->stat.created,
		.modified = node->stat.modified,
	};
	struct instance *instance = know(catalog, id, now_ms);

	if (instance == NULL)
		return SYNOD_NO_MEMORY;
	instance->state = catalog->state;
	return set_data(catalog, instance, node->data, node->size, &said);
}

void
catalog_state_end(struct catalog *catalog, uint64_t now_ms)
{
	for (size_t i = 0; i < catalog->known_count; i++) {
		if (catalog->known[i]->state != catalog->state)
			remove_instance(catalog->known[i], now_ms);
	}
}

int
catalog_change(struct catalog *catalog, const struct synod_change *change, uint64_t now_ms)
{
	const char *id = change->path + catalog->path_size + 1;
	bool becomes_suspect =
		change->kind == SYNOD_MODIFIED && change->cause == SYNOD_CAUSE_EXPIRED;
	struct said said = {.owner = change->owner, .modified = change->revision};
	struct instance *instance;

	if (change->kind == SYNOD_GRANTED)
		return SYNOD_OK; /* of locks */
	if (change->kind == SYNOD_DELETED) {
		instance = catalog_find(catalog, id);
		if (instance != NULL)
			remove_instance(instance, now_ms);
		return SYNOD_OK;
	}
	instance = know(catalog, id, now_ms);
	if (instance == NULL)
		return SYNOD_NO_MEMORY;
	said.created = change->kind == SYNOD_CREATED ? change->revision : instance->created;
	/* Whoever only writes to a suspect does not take it over. */
	said.is_suspect = becomes_suspect || (change->kind == SYNOD_MODIFIED &&
	                                      instance->is_suspect && change->owner == 0);
	if (becomes_suspect && instance->is_present)
		return set_said(catalog, instance, &said); /* its data is what it was */
	return set_data(catalog, instance, change->data, change->size, &said);
}

/* ---- who is usable ---- */

/* Of those that are gone: not for ever, and not all. */
static void
forget_absent(struct catalog *catalog, uint64_t now_ms)
{
	size_t absent_max = CATALOG_ABSENCE_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < catalog->known_count; i++) {
		struct instance *instance = catalog->known[i];
		bool is_kept = instance->is_present;

		if (!is_kept && absent_max > 0 && now_ms < instance->gone_ms + CATALOG_ABSENCE_MS) {
			is_kept = true;
			absent_max--;
		}
		if (is_kept)
			catalog->known[kept++] = instance;
		else
			instance_free(instance);
	}
	catalog->known_count = kept;
}

/* Returns how many that are not suspect satisfy the filter. */
static size_t
count(struct catalog *catalog)
{
	struct catalog_counts counts = {0};
	size_t sound_count = 0;

	for (size_t i = 0; i < catalog->known_count; i++) {
		const struct instance *instance = catalog->known[i];

		if (!instance->is_present)
			continue;
		counts.instances++;
		counts.suspects += instance->is_suspect;
		counts.malformed += instance->record == NULL;
		sound_count += instance->is_match && !instance->is_suspect;
	}
	counts.brake_holds = brake_holds(counts.suspects, counts.instances, catalog->brake_percent);
	catalog->counts = counts;
	return sound_count;
}

static bool
make_room_for_choice(struct catalog *catalog)
{
	struct target **chosen;

	if (catalog->chosen_capacity >= catalog->known_count)
		return true;
	chosen = realloc(catalog->chosen, catalog->known_capacity * sizeof(struct target *));
	if (chosen == NULL)
		return false;
	catalog->chosen = chosen;
	catalog->chosen_capacity = catalog->known_capacity;
	return true;
}

int
catalog_choose(struct catalog *catalog, uint64_t now_ms)
{
	bool with_suspects;

	forget_absent(catalog, now_ms);
	if (!make_room_for_choice(catalog))
		return SYNOD_NO_MEMORY;
	with_suspects =
		count(catalog) == 0 || catalog->counts.brake_holds || PLANTED(SUSPECTS_PICKED);
	catalog->chosen_count = 0;
	for (size_t i = 0; i < catalog->known_count; i++) {
		struct instance *instance = catalog->known[i];
		bool is_usable = instance->is_match && (with_suspects || !instance->is_suspect);

		/* No pick can be looking at one that was not usable before. */
		if (is_usable && !instance->is_usable)
			instance->health->since_ms = now_ms;
		instance->is_usable = is_usable;
		if (is_usable)
			catalog->chosen[catalog->chosen_count++] = instance->target;
	}
	return SYNOD_OK;
}
