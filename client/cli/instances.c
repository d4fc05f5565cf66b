/* Shows instances of services. */
#include "client/cli/instances.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/discovery_words.h"
#include "client/cli/escape.h"
#include "client/cli/memory.h"

const struct table_column instance_columns[INSTANCE_COLUMN_COUNT] = {
	{"ID", false},   {"ADDRESS", false}, {"HEALTH", false}, {"WEIGHT", true},
	{"ZONE", false}, {"VERSION", false}, {"TAGS", false},
};

/* ---- texts ---- */

/* What COUNT calls of PRINT write with commas between them, or "-" if there are none. */
static char *
join(const struct synod_instance *instance, size_t count,
     void (*print)(FILE *out, const struct synod_instance *instance, size_t index))
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (count == 0)
		return must_copy("-");
	out = must(open_memstream(&text, &size));
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			fputc(',', out);
		print(out, instance, i);
	}
	fclose(out);
	return must(text);
}

static void
print_tag(FILE *out, const struct synod_instance *instance, size_t index)
{
	const char *tag = instance->tags[index];

	escape_print(out, tag, strlen(tag), ESCAPE_LINE);
}

static void
print_pair(FILE *out, const struct synod_instance *instance, size_t index)
{
	const struct synod_pair *pair = &instance->metadata[index];

	escape_print(out, pair->name, strlen(pair->name), ESCAPE_LINE);
	fputc('=', out);
	escape_print(out, pair->value, strlen(pair->value), ESCAPE_LINE);
}

static void
print_zone(FILE *out, const struct synod_instance *instance, size_t index)
{
	(void)index;
	escape_print(out, instance->zone, strlen(instance->zone), ESCAPE_LINE);
}

static void
print_version(FILE *out, const struct synod_instance *instance, size_t index)
{
	(void)index;
	escape_print(out, instance->version, strlen(instance->version), ESCAPE_LINE);
}

char *
tags_text(const struct synod_instance *instance)
{
	return join(instance, instance->tag_count, print_tag);
}

char *
metadata_text(const struct synod_instance *instance)
{
	return join(instance, instance->metadata_count, print_pair);
}

/* ---- rows and lines ---- */

void
instance_row(struct table *table, const struct synod_instance *instance)
{
	char address[ADDRESS_TEXT_SIZE];
	char health[HEALTH_TEXT_SIZE];
	char *zone = join(instance, instance->zone[0] != '\0', print_zone);
	char *version = join(instance, instance->version[0] != '\0', print_version);
	char *tags = tags_text(instance);

	table_add(table, "%s", instance->id);
	table_add(table, "%s", address_text(address, instance->address, instance->port));
	table_add(table, "%s", health_text(health, instance));
	table_add(table, "%u", instance->weight);
	table_add(table, "%s", zone);
	table_add(table, "%s", version);
	table_add(table, "%s", tags);
	free(zone);
	free(version);
	free(tags);
}

void
instance_print(const struct synod_instance *instance)
{
	struct table table;

	table_init(&table, instance_columns, INSTANCE_COLUMN_COUNT);
	instance_row(&table, instance);
	for (size_t i = 0; i < table.cell_count; i++)
		printf("%s%s", i > 0 ? " " : "", table.cells[i]);
	table_fini(&table);
}

cJSON *
instance_json(const struct synod_instance *instance)
{
	cJSON *json = json_object();
	cJSON *tags = json_array();
	cJSON *metadata = json_object();

	json_add_text(json, "id", instance->id);
	json_add_text(json, "address", instance->address);
	json_add_number(json, "port", instance->port);
	json_add_text(json, "state", synod_health_name(instance->health));
	json_add_bool(json, "suspect", instance->is_suspect);
	json_add_number(json, "weight", instance->weight);
	json_add_text(json, "zone", instance->zone);
	json_add_text(json, "version", instance->version);
	for (size_t i = 0; i < instance->tag_count; i++)
		json_append(tags, must(cJSON_CreateString(instance->tags[i])));
	json_add(json, "tags", tags);
	for (size_t i = 0; i < instance->metadata_count; i++)
		json_add_text(metadata, instance->metadata[i].name, instance->metadata[i].value);
	json_add(json, "metadata", metadata);
	json_add_number(json, "owner", instance->owner);
	json_add_number(json, "created", instance->created);
	json_add_number(json, "modified", instance->modified);
	return json;
}

/* ---- comparing ---- */

static bool
same_tags(const struct synod_instance *a, const struct synod_instance *b)
{
	if (a->tag_count != b->tag_count)
		return false;
	for (size_t i = 0; i < a->tag_count; i++) {
		if (strcmp(a->tags[i], b->tags[i]) != 0)
			return false;
	}
	return true;
}

static bool
same_metadata(const struct synod_instance *a, const struct synod_instance *b)
{
	if (a->metadata_count != b->metadata_count)
		return false;
	for (size_t i = 0; i < a->metadata_count; i++) {
		if (strcmp(a->metadata[i].name, b->metadata[i].name) != 0 ||
		    strcmp(a->metadata[i].value, b->metadata[i].value) != 0)
			return false;
	}
	return true;
}

static bool
same(const struct synod_instance *a, const struct synod_instance *b)
{
	return a->port == b->port && a->health == b->health && a->weight == b->weight &&
	       a->is_suspect == b->is_suspect && strcmp(a->address, b->address) == 0 &&
	       strcmp(a->zone, b->zone) == 0 && strcmp(a->version, b->version) == 0 &&
	       same_tags(a, b) && same_metadata(a, b);
}

void
instances_compare(const struct synod_instances *old, const struct synod_instances *new,
                  void (*tell)(void *context, const char *kind,
                               const struct synod_instance *instance),
                  void *context)
{
	size_t old_count = old != NULL ? old->count : 0;
	size_t before = 0, now = 0;

	while (before < old_count || now < new->count) {
		int order = before == old_count ? 1
		            : now == new->count
		                    ? -1
		                    : strcmp(old->instances[before]->id, new->instances[now]->id);

		if (order < 0) {
			tell(context, "removed", old->instances[before++]);
		} else if (order > 0) {
			tell(context, "added", new->instances[now++]);
		} else {
			if (!same(old->instances[before], new->instances[now]))
				tell(context, "changed", new->instances[now]);
			before++;
			now++;
		}
	}
}
