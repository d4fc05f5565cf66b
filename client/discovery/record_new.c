/* Records in memory: what an instance must be, and its one block. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/discovery/record.h"
#include "shared/utf8.h"

#define ADDRESS_SIZE_MAX 253 /* of a host name: RFC 1035 */

static const char *const health_names[] = {"passing", "warning", "starting", "critical",
                                           "draining"};

#define HEALTH_COUNT (sizeof health_names / sizeof health_names[0])

const char *
synod_health_name(enum synod_health health)
{
	return (size_t)health < HEALTH_COUNT ? health_names[health] : "unknown";
}

int
record_health_of(const char *name)
{
	for (size_t i = 0; i < HEALTH_COUNT; i++) {
		if (strcmp(name, health_names[i]) == 0)
			return (int)i;
	}
	return -1;
}

/* ---- names ---- */

static bool
is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_name_char(char c)
{
	return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
}

bool
record_name_is_valid(const char *name)
{
	size_t size = 0;

	if (name == NULL || !is_alphanumeric(name[0]))
		return false;
	while (is_name_char(name[size]))
		size++;
	return name[size] == '\0' && size <= RECORD_NAME_MAX;
}

void
record_path(char *path, const char *service, const char *id)
{
	snprintf(path, SERVICE_PATH_SIZE, SERVICES_PATH "/%.*s%s%.*s", RECORD_NAME_MAX, service,
	         id != NULL ? "/" : "", RECORD_NAME_MAX, id != NULL ? id : "");
}

/* ---- what an instance must be ---- */

static int
refuse(char *why, const char *field, const char *what)
{
	if (why != NULL)
		snprintf(why, RECORD_WHY_SIZE, "%s: %s", field, what);
	return SYNOD_BAD_ARGUMENT;
}

static bool
is_utf8(const char *text)
{
	return utf8_is_valid(slice_of(text));
}

/* U+0000 to U+001F and U+007F to U+009F, in valid UTF-8. */
static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)text[0];

		if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (unsigned char)text[1] < 0xa0))
			return true;
	}
	return false;
}

/* With a scope, perhaps: fe80::1%eth0. */
static bool
is_ipv6(const char *address)
{
	char number[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	size_t size = strcspn(address, "%");

	if (size >= sizeof number)
		return false;
	memcpy(number, address, size);
	number[size] = '\0';
	address += size;
	while (*address == '%' || is_name_char(*address))
		address++;
	return *address == '\0' && inet_pton(AF_INET6, number, &parsed) == 1;
}

static int
check_address(const char *address, char *why)
{
	size_t size = 0;

	if (address == NULL || address[0] == '\0')
		return refuse(why, "address", "missing");
	if (strlen(address) > ADDRESS_SIZE_MAX)
		return refuse(why, "address", "longer than 253 bytes");
	while (is_name_char(address[size]))
		size++;
	if (address[size] == '\0' || is_ipv6(address))
		return SYNOD_OK;
	return refuse(why, "address", "neither a host name nor a number (without port)");
}

/* A text that may be absent, in which other programs look for what they know. */
static int
check_word(const char *field, const char *word, char *why)
{
	if (word != NULL && !is_utf8(word))
		return refuse(why, field, "not valid UTF-8");
	if (word != NULL && has_control(word))
		return refuse(why, field, "control characters");
	return SYNOD_OK;
}

/* One that may not. */
static int
check_name(const char *field, const char *name, char *why)
{
	if (name == NULL || name[0] == '\0')
		return refuse(why, field, "empty");
	return check_word(field, name, why);
}

static int
check_tags(const struct synod_instance *instance, char *why)
{
	int error = SYNOD_OK;

	if (instance->tag_count > RECORD_LIST_MAX)
		return refuse(why, "tags", "more than 64");
	if (instance->tag_count > 0 && instance->tags == NULL)
		return refuse(why, "tags", "missing");
	for (size_t i = 0; i < instance->tag_count && error == SYNOD_OK; i++)
		error = check_name("tags", instance->tags[i], why);
	return error;
}

static int
check_pair(const struct synod_instance *instance, size_t index, char *why)
{
	const struct synod_pair *pair = &instance->metadata[index];
	int error = check_name("metadata", pair->name, why);

	if (error != SYNOD_OK)
		return error;
	if (pair->value == NULL || !is_utf8(pair->value))
		return refuse(why, "metadata", "a value is missing, or not valid UTF-8");
	for (size_t i = 0; i < index; i++) {
		if (strcmp(instance->metadata[i].name, pair->name) == 0)
			return refuse(why, "metadata", "a name is there twice");
	}
	return SYNOD_OK;
}

static int
check_metadata(const struct synod_instance *instance, char *why)
{
	int error = SYNOD_OK;

	if (instance->metadata_count > RECORD_LIST_MAX)
		return refuse(why, "metadata", "more than 64");
	if (instance->metadata_count > 0 && instance->metadata == NULL)
		return refuse(why, "metadata", "missing");
	for (size_t i = 0; i < instance->metadata_count && error == SYNOD_OK; i++)
		error = check_pair(instance, i, why);
	return error;
}

static int
check_numbers(const struct synod_instance *instance, char *why)
{
	if (instance->port < 1 || instance->port > 65535)
		return refuse(why, "port", "not between 1 and 65535");
	if (instance->weight > 65535)
		return refuse(why, "weight", "not between 1 and 65535");
	if ((size_t)instance->health >= HEALTH_COUNT)
		return refuse(why, "state", "no such health");
	return SYNOD_OK;
}

static int
check(const struct synod_instance *instance, char *why)
{
	int error;

	if (!record_name_is_valid(instance->id)) {
		refuse(why, "id", "not 1 to 63 of a-z A-Z 0-9 . _ -");
		return SYNOD_BAD_PATH;
	}
	error = check_address(instance->address, why);
	if (error == SYNOD_OK)
		error = check_numbers(instance, why);
	if (error == SYNOD_OK)
		error = check_word("zone", instance->zone, why);
	if (error == SYNOD_OK)
		error = check_word("version", instance->version, why);
	if (error == SYNOD_OK)
		error = check_tags(instance, why);
	if (error == SYNOD_OK)
		error = check_metadata(instance, why);
	return error;
}

/* ---- the block: the record, its arrays, its texts ---- */

static size_t
text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 1;
}

static size_t
block_size(const struct synod_instance *instance)
{
	size_t size = sizeof(struct record) + instance->tag_count * sizeof(char *) +
	              instance->metadata_count * sizeof(struct synod_pair) +
	              text_size(instance->id) + text_size(instance->address) +
	              text_size(instance->zone) + text_size(instance->version);

	for (size_t i = 0; i < instance->tag_count; i++)
		size += text_size(instance->tags[i]);
	for (size_t i = 0; i < instance->metadata_count; i++) {
		size += text_size(instance->metadata[i].name);
		size += text_size(instance->metadata[i].value);
	}
	return size;
}

/* Copy TEXT (NULL: an empty one) to *PLACE, which moves behind it. */
static const char *
put_text(char **place, const char *text)
{
	char *copy = *place;
	size_t size = text_size(text);

	memcpy(copy, text != NULL ? text : "", size);
	*place += size;
	return copy;
}

static struct record *
copy(const struct synod_instance *instance)
{
	struct record *record = malloc(block_size(instance));
	struct synod_pair *metadata;
	const char **tags;
	char *place;

	if (record == NULL)
		return NULL;
	metadata = (struct synod_pair *)(record + 1);
	tags = (const char **)(metadata + instance->metadata_count);
	place = (char *)(tags + instance->tag_count);
	record->instance = *instance;
	atomic_init(&record->references, 1);
	if (instance->weight == 0)
		record->instance.weight = RECORD_WEIGHT;
	record->instance.id = put_text(&place, instance->id);
	record->instance.address = put_text(&place, instance->address);
	record->instance.zone = put_text(&place, instance->zone);
	record->instance.version = put_text(&place, instance->version);
	record->instance.tags = tags;
	for (size_t i = 0; i < instance->tag_count; i++)
		tags[i] = put_text(&place, instance->tags[i]);
	record->instance.metadata = metadata;
	for (size_t i = 0; i < instance->metadata_count; i++) {
		metadata[i].name = put_text(&place, instance->metadata[i].name);
		metadata[i].value = put_text(&place, instance->metadata[i].value);
	}
	return record;
}

/* ---- records ---- */

int
record_new(const struct synod_instance *instance, struct record **record, char *why)
{
	struct synod_instance plain = *instance;
	int error = check(instance, why);

	*record = NULL;
	if (error != SYNOD_OK)
		return error;
	plain.is_suspect = false;
	plain.owner = plain.created = plain.modified = 0;
	*record = copy(&plain);
	return *record != NULL ? SYNOD_OK : SYNOD_NO_MEMORY;
}

int
record_make(const struct synod_instance *instance, struct record **record, char *why)
{
	struct buffer text = BUFFER_EMPTY;
	int error = record_new(instance, record, why);

	if (error != SYNOD_OK)
		return error;
	record_write(*record, &text);
	if (text.failed) {
		error = SYNOD_NO_MEMORY;
	} else if (text.size > RECORD_SIZE_MAX) {
		refuse(why, "the record", "larger than 64 KiB");
		error = SYNOD_TOO_LARGE;
	}
	buffer_fini(&text);
	if (error != SYNOD_OK) {
		record_release(*record);
		*record = NULL;
	}
	return error;
}

struct record *
record_with(const struct record *record, bool is_suspect, uint64_t owner, uint64_t created,
            uint64_t modified)
{
	struct record *other = copy(&record->instance);

	if (other == NULL)
		return NULL;
	other->instance.is_suspect = is_suspect;
	other->instance.owner = owner;
	other->instance.created = created;
	other->instance.modified = modified;
	return other;
}

void
record_retain(struct record *record)
{
	atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);
}

void
record_release(struct record *record)
{
	if (record != NULL &&
	    atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel) == 1)
		free(record);
}
