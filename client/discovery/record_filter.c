/* Filters: which records somebody wants. */
#include <stdlib.h>
#include <string.h>

#include "client/discovery/record.h"

#define HEALTH_DEFAULT (1u << SYNOD_PASSING | 1u << SYNOD_WARNING)

static bool
has_tag(const struct synod_instance *instance, const char *tag)
{
	for (size_t i = 0; i < instance->tag_count; i++) {
		if (strcmp(instance->tags[i], tag) == 0)
			return true;
	}
	return false;
}

static bool
has_metadata(const struct synod_instance *instance, const struct synod_pair *wanted)
{
	for (size_t i = 0; i < instance->metadata_count; i++) {
		const struct synod_pair *pair = &instance->metadata[i];

		if (strcmp(pair->name, wanted->name) == 0)
			return wanted->value == NULL || strcmp(pair->value, wanted->value) == 0;
	}
	return false;
}

bool
record_matches(const struct record *record, const struct synod_filter *filter)
{
	const struct synod_instance *instance = &record->instance;
	unsigned health;

	if (filter == NULL)
		return true;
	health = filter->health != 0 ? filter->health : HEALTH_DEFAULT;
	if ((health & 1u << instance->health) == 0)
		return false;
	if (filter->zone != NULL && strcmp(filter->zone, instance->zone) != 0)
		return false;
	if (filter->version != NULL && strcmp(filter->version, instance->version) != 0)
		return false;
	for (size_t i = 0; i < filter->tag_count; i++) {
		if (!has_tag(instance, filter->tags[i]))
			return false;
	}
	for (size_t i = 0; i < filter->metadata_count; i++) {
		if (!has_metadata(instance, &filter->metadata[i]))
			return false;
	}
	return true;
}

/* ---- copying ---- */

static size_t
text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static size_t
block_size(const struct synod_filter *filter)
{
	size_t size = sizeof *filter + filter->tag_count * sizeof(char *) +
	              filter->metadata_count * sizeof(struct synod_pair) + text_size(filter->zone) +
	              text_size(filter->version);

	for (size_t i = 0; i < filter->tag_count; i++)
		size += text_size(filter->tags[i]);
	for (size_t i = 0; i < filter->metadata_count; i++) {
		size += text_size(filter->metadata[i].name);
		size += text_size(filter->metadata[i].value);
	}
	return size;
}

/* Copy TEXT to *PLACE, which moves behind it; NULL stays NULL. */
static const char *
put_text(char **place, const char *text)
{
	char *copy = *place;

	if (text == NULL)
		return NULL;
	memcpy(copy, text, text_size(text));
	*place += text_size(text);
	return copy;
}

struct synod_filter *
filter_copy(const struct synod_filter *filter)
{
	struct synod_filter *copy = malloc(block_size(filter));
	struct synod_pair *metadata;
	const char **tags;
	char *place;

	if (copy == NULL)
		return NULL;
	metadata = (struct synod_pair *)(copy + 1);
	tags = (const char **)(metadata + filter->metadata_count);
	place = (char *)(tags + filter->tag_count);
	*copy = *filter;
	copy->zone = put_text(&place, filter->zone);
	copy->version = put_text(&place, filter->version);
	copy->tags = tags;
	for (size_t i = 0; i < filter->tag_count; i++)
		tags[i] = put_text(&place, filter->tags[i]);
	copy->metadata = metadata;
	for (size_t i = 0; i < filter->metadata_count; i++) {
		metadata[i].name = put_text(&place, filter->metadata[i].name);
		metadata[i].value = put_text(&place, filter->metadata[i].value);
	}
	return copy;
}
