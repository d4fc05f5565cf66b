/*
 * Records as JSON: read from what anybody may have written, and written again.
 *
 * cJSON reads more than JSON: control characters in strings, texts that end early
 * at a zero, a thousand levels, several members of one name.  So a text is first
 * walked over, without memory, for what cJSON would let pass.  The walk also finds where each
 * member's value stands, so that one of them can be exchanged with every other byte as
 * it was: cJSON would give back large numbers rounded.
 */
#include "client/discovery/record.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "shared/utf8.h"

#define DEPTH_MAX 32
#define NO_MEMBER SIZE_MAX

static int
malformed(char *why, const char *field, const char *what)
{
	if (why != NULL)
		snprintf(why, RECORD_WHY_SIZE, "%s: %s", field, what);
	return SYNOD_BAD_MESSAGE;
}

/* ---- the walk ---- */

struct walk {
	const char *text;
	size_t size;
	size_t at;
	unsigned depth;
	size_t members; /* of the outermost object, whose values have begun */
	/* The value of one of them: from BEGIN to END, if END is not 0. */
	size_t wanted; /* which; or NO_MEMBER */
	size_t begin;
	size_t end;
	bool is_inside;
};

/* Past the closing quote, or the end of the text.  False: something that JSON does not allow. */
static bool
walk_string(struct walk *walk)
{
	for (walk->at++; walk->at < walk->size; walk->at++) {
		char byte = walk->text[walk->at];

		if ((unsigned char)byte < 0x20)
			return false;
		if (byte == '"')
			return true;
		if (byte != '\\')
			continue;
		walk->at++;
		if (walk->size - walk->at >= 5 && memcmp(walk->text + walk->at, "u0000", 5) == 0)
			return false;
	}
	return true;
}

static void
end_value(struct walk *walk)
{
	if (walk->depth != 1 || !walk->is_inside)
		return;
	walk->end = walk->at;
	walk->is_inside = false;
}

static void
begin_value(struct walk *walk)
{
	if (walk->depth != 1 || walk->members++ != walk->wanted)
		return;
	walk->begin = walk->at + 1;
	walk->is_inside = true;
}

/* A byte outside of strings. */
static bool
walk_byte(struct walk *walk, char byte)
{
	switch (byte) {
	case '{':
	case '[': return ++walk->depth <= DEPTH_MAX;
	case '}':
	case ']':
		end_value(walk);
		if (walk->depth > 0)
			walk->depth--;
		return true;
	case ',': end_value(walk); return true;
	case ':': begin_value(walk); return true;
	case '\t':
	case '\n':
	case '\r': return true;
	default: return (unsigned char)byte >= 0x20;
	}
}

static bool
walk_over(struct walk *walk)
{
	for (; walk->at < walk->size; walk->at++) {
		char byte = walk->text[walk->at];

		if (byte == '"' ? !walk_string(walk) : !walk_byte(walk, byte))
			return false;
	}
	return true;
}

/* ---- reading ---- */

/* What cJSON has read, as an instance whose texts are cJSON's. */
struct reading {
	struct synod_instance instance;
	const char *tags[RECORD_LIST_MAX];
	struct synod_pair metadata[RECORD_LIST_MAX];
	unsigned seen; /* a bit for each field */
};

typedef const char *read_field(struct reading *reading, const cJSON *item);

static const char *
read_number(const cJSON *item, unsigned *number)
{
	if (!cJSON_IsNumber(item))
		return "not a number";
	if (!(item->valuedouble >= 1 && item->valuedouble <= 65535))
		return "not between 1 and 65535";
	*number = (unsigned)item->valuedouble;
	return *number == item->valuedouble ? NULL : "not a whole number";
}

static const char *
read_text(const cJSON *item, const char **text)
{
	if (!cJSON_IsString(item))
		return "not a text";
	*text = item->valuestring;
	return NULL;
}

static const char *
read_address(struct reading *reading, const cJSON *item)
{
	return read_text(item, &reading->instance.address);
}

static const char *
read_port(struct reading *reading, const cJSON *item)
{
	return read_number(item, &reading->instance.port);
}

static const char *
read_state(struct reading *reading, const cJSON *item)
{
	const char *name;
	const char *wrong = read_text(item, &name);
	int health;

	if (wrong != NULL)
		return wrong;
	health = record_health_of(name);
	if (health < 0)
		return "none of passing, warning, starting, critical, draining";
	reading->instance.health = (enum synod_health)health;
	return NULL;
}

static const char *
read_weight(struct reading *reading, const cJSON *item)
{
	return read_number(item, &reading->instance.weight);
}

static const char *
read_zone(struct reading *reading, const cJSON *item)
{
	return read_text(item, &reading->instance.zone);
}

static const char *
read_version(struct reading *reading, const cJSON *item)
{
	return read_text(item, &reading->instance.version);
}

static const char *
read_tags(struct reading *reading, const cJSON *array)
{
	const cJSON *item;
	size_t count = 0;

	if (!cJSON_IsArray(array))
		return "not an array";
	cJSON_ArrayForEach(item, array)
	{
		if (count == RECORD_LIST_MAX)
			return "more than 64";
		if (read_text(item, &reading->tags[count++]) != NULL)
			return "one of them is not a text";
	}
	reading->instance.tags = reading->tags;
	reading->instance.tag_count = count;
	return NULL;
}

static const char *
read_metadata(struct reading *reading, const cJSON *object)
{
	const cJSON *item;
	size_t count = 0;

	if (!cJSON_IsObject(object))
		return "not an object";
	cJSON_ArrayForEach(item, object)
	{
		struct synod_pair *pair = &reading->metadata[count];

		if (count++ == RECORD_LIST_MAX)
			return "more than 64";
		pair->name = item->string;
		if (read_text(item, &pair->value) != NULL)
			return "a value is not a text";
	}
	reading->instance.metadata = reading->metadata;
	reading->instance.metadata_count = count;
	return NULL;
}

static const struct field {
	const char *name;
	read_field *read;
} fields[] = {
	{"address", read_address}, {"port", read_port},         {"state", read_state},
	{"weight", read_weight},   {"zone", read_zone},         {"version", read_version},
	{"tags", read_tags},       {"metadata", read_metadata},
};

#define FIELD_COUNT (sizeof fields / sizeof fields[0])

/* A member of the object.  Null is as good as absent; what is not known is let alone. */
static int
read_member(struct reading *reading, const cJSON *item, char *why)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		const char *wrong;

		if (strcmp(item->string, fields[i].name) != 0)
			continue;
		if (reading->seen & (1u << i))
			return malformed(why, fields[i].name, "given twice");
		reading->seen |= 1u << i;
		wrong = cJSON_IsNull(item) ? NULL : fields[i].read(reading, item);
		return wrong == NULL ? SYNOD_OK : malformed(why, fields[i].name, wrong);
	}
	return SYNOD_OK;
}

static int
read_object(struct reading *reading, const cJSON *object, char *why)
{
	const cJSON *item;
	int error = SYNOD_OK;

	if (!cJSON_IsObject(object))
		return malformed(why, "the record", "not a JSON object");
	cJSON_ArrayForEach(item, object)
	{
		error = read_member(reading, item, why);
		if (error != SYNOD_OK)
			return error;
	}
	if (reading->instance.address == NULL)
		return malformed(why, "address", "missing");
	if (reading->instance.port == 0)
		return malformed(why, "port", "missing");
	return SYNOD_OK;
}

static bool
is_blank(const char *text, const char *end)
{
	while (text < end && strchr(" \t\r\n", *text) != NULL)
		text++;
	return text == end;
}

/* What is wrong with TEXT, before it is worth parsing; or NULL. */
static const char *
inspect(const char *text, size_t size)
{
	struct walk walk = {.text = text, .size = size, .wanted = NO_MEMBER};

	if (text == NULL)
		return "there is no data";
	if (size > RECORD_SIZE_MAX)
		return "larger than 64 KiB";
	if (!utf8_is_valid((struct slice){(const uint8_t *)text, size}))
		return "not valid UTF-8";
	return walk_over(&walk) ? NULL : "control characters, or nested too deeply";
}

/* Parse TEXT and read what it says.  *JSON, to be deleted in any case, keeps the texts. */
static int
parse(const char *text, size_t size, struct reading *reading, cJSON **json, char *why)
{
	const char *wrong = inspect(text, size);
	const char *end = NULL;

	*json = NULL;
	if (wrong != NULL)
		return malformed(why, "the record", wrong);
	*json = cJSON_ParseWithLengthOpts(text, size, &end, false);
	if (*json == NULL || !is_blank(end, text + size))
		return malformed(why, "the record", "not JSON");
	return read_object(reading, *json, why);
}

int
record_read(const char *id, const void *text, size_t size, struct record **record, char *why)
{
	struct reading reading = {.instance.id = id};
	cJSON *json;
	int error = parse(text, size, &reading, &json, why);

	*record = NULL;
	if (error == SYNOD_OK)
		error = record_new(&reading.instance, record, why);
	cJSON_Delete(json);
	return error == SYNOD_BAD_ARGUMENT || error == SYNOD_BAD_PATH ? SYNOD_BAD_MESSAGE : error;
}

/* ---- writing ---- */

static bool
add_text(cJSON *object, const char *name, const char *text)
{
	return text[0] == '\0' || cJSON_AddStringToObject(object, name, text) != NULL;
}

static bool
add_tags(cJSON *object, const struct synod_instance *instance)
{
	cJSON *array;

	if (instance->tag_count == 0)
		return true;
	array = cJSON_CreateStringArray(instance->tags, (int)instance->tag_count);
	return array != NULL && cJSON_AddItemToObject(object, "tags", array);
}

static bool
add_metadata(cJSON *object, const struct synod_instance *instance)
{
	cJSON *members;

	if (instance->metadata_count == 0)
		return true;
	members = cJSON_AddObjectToObject(object, "metadata");
	for (size_t i = 0; i < instance->metadata_count && members != NULL; i++) {
		const struct synod_pair *pair = &instance->metadata[i];

		if (cJSON_AddStringToObject(members, pair->name, pair->value) == NULL)
			return false;
	}
	return members != NULL;
}

static char *
print(const struct synod_instance *instance)
{
	cJSON *object = cJSON_CreateObject();
	char *text = NULL;

	if (object != NULL && add_text(object, "address", instance->address) &&
	    cJSON_AddNumberToObject(object, "port", instance->port) != NULL &&
	    add_text(object, "state", synod_health_name(instance->health)) &&
	    cJSON_AddNumberToObject(object, "weight", instance->weight) != NULL &&
	    add_text(object, "zone", instance->zone) &&
	    add_text(object, "version", instance->version) && add_tags(object, instance) &&
	    add_metadata(object, instance))
		text = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return text;
}

void
record_write(const struct record *record, struct buffer *text)
{
	char *line = print(&record->instance);

	if (line == NULL) {
		text->failed = 1;
		return;
	}
	buffer_append(text, line, strlen(line));
	buffer_append(text, "\n", 1);
	cJSON_free(line);
}

/* ---- rewriting ---- */

static void
append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

/* Which member of OBJECT is its state; NO_MEMBER: none. */
static size_t
find_state(const cJSON *object)
{
	const cJSON *item;
	size_t index = 0;

	cJSON_ArrayForEach(item, object)
	{
		if (strcmp(item->string, "state") == 0)
			return index;
		index++;
	}
	return NO_MEMBER;
}

/* A record is no empty object, so that a comma can follow. */
static void
splice(const char *text, size_t size, size_t state, const char *health, struct buffer *rewritten)
{
	struct walk walk = {.text = text, .size = size, .wanted = state};

	walk_over(&walk);
	if (walk.end == 0)
		walk.begin = walk.end = (size_t)((const char *)memchr(text, '{', size) - text) + 1;
	buffer_append(rewritten, text, walk.begin);
	append_text(rewritten, state == NO_MEMBER ? "\"state\": \"" : " \"");
	append_text(rewritten, health);
	append_text(rewritten, state == NO_MEMBER ? "\", " : "\"");
	buffer_append(rewritten, text + walk.end, size - walk.end);
}

int
record_rewrite_health(const void *text, size_t size, enum synod_health health,
                      struct buffer *rewritten, char *why)
{
	struct reading reading = {.instance.id = "id"};
	cJSON *json;
	int error = parse(text, size, &reading, &json, why);

	if (error == SYNOD_OK)
		splice(text, size, find_state(json), synod_health_name(health), rewritten);
	cJSON_Delete(json);
	if (error == SYNOD_OK && rewritten->failed)
		error = SYNOD_NO_MEMORY;
	return error;
}
