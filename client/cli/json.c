/* Builds JSON with cJSON; whole numbers keep all their 64 bits. */
#include "client/cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/escape.h"
#include "client/cli/memory.h"
#include "client/cli/show.h"

cJSON *
json_object(void)
{
	return must(cJSON_CreateObject());
}

cJSON *
json_array(void)
{
	return must(cJSON_CreateArray());
}

void
json_append(cJSON *array, cJSON *owned)
{
	cJSON_AddItemToArray(array, owned);
}

void
json_add(cJSON *object, const char *key, cJSON *owned)
{
	cJSON_AddItemToObject(object, key, must(owned));
}

void
json_add_number(cJSON *object, const char *key, uint64_t number)
{
	char text[24];

	/* cJSON keeps numbers as doubles, which revisions may outgrow. */
	snprintf(text, sizeof text, "%" PRIu64, number);
	json_add(object, key, cJSON_CreateRaw(text));
}

void
json_add_real(cJSON *object, const char *key, double number)
{
	char text[40];

	snprintf(text, sizeof text, "%.3f", number);
	json_add(object, key, cJSON_CreateRaw(text));
}

void
json_add_bool(cJSON *object, const char *key, bool truth)
{
	json_add(object, key, cJSON_CreateBool(truth));
}

void
json_add_text(cJSON *object, const char *key, const char *text)
{
	json_add(object, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

char *
base64_encode(const void *bytes, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = bytes;
	char *text = must_calloc(size / 3 + 2, 4);
	char *out = text;

	for (size_t i = 0; i < size; i += 3) {
		size_t count = size - i < 3 ? size - i : 3;
		uint32_t group = (uint32_t)in[i] << 16;

		if (count > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (count > 2)
			group |= in[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = count > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = count > 2 ? digits[group & 63] : '=';
	}
	return text;
}

void
json_add_data(cJSON *object, const char *key, const void *data, size_t size)
{
	if (!data) {
		json_add_text(object, key, NULL);
	} else if (is_text(data, size)) {
		char *text = must_format("%.*s", (int)size, (const char *)data);

		json_add_text(object, key, text);
		free(text);
	} else {
		char *encoded = base64_encode(data, size);
		char *name = must_format("%s_base64", key);

		json_add_text(object, name, encoded);
		free(name);
		free(encoded);
	}
}

void
json_add_stat(cJSON *object, const struct synod_node *node)
{
	const struct synod_stat *stat = &node->stat;
	cJSON *json;

	if (!node->has_stat)
		return;
	json = json_object();
	json_add_number(json, "created", stat->created);
	json_add_number(json, "modified", stat->modified);
	json_add_number(json, "children_modified", stat->children_modified);
	json_add_number(json, "version", stat->version);
	json_add_number(json, "children_version", stat->children_version);
	json_add_number(json, "access_version", stat->access_version);
	json_add_number(json, "created_ms", stat->created_ms);
	json_add_number(json, "modified_ms", stat->modified_ms);
	json_add_number(json, "owner", stat->owner);
	json_add_bool(json, "has_data", stat->has_data);
	json_add_number(json, "data_size", stat->data_size);
	json_add_number(json, "children", stat->children);
	json_add_number(json, "sequence", stat->sequence);
	json_add_text(json, "kind", node_kind_name(stat->kind));
	if (stat->kind == SYNOD_TTL)
		json_add_number(json, "ttl_ms", stat->ttl_ms);
	if (stat->kind == SYNOD_CONTENDER) {
		json_add_text(json, "mode", stat->mode == 2 ? "shared" : "exclusive");
		json_add_number(json, "token", stat->token);
	}
	if (stat->kind == SYNOD_LOCK)
		json_add_number(json, "holders_max", stat->mode);
	if (stat->kind == SYNOD_SERVICE)
		json_add_number(json, "brake_percent", stat->mode);
	json_add(object, "stat", json);
}

void
json_print(cJSON *document)
{
	char *text = must(cJSON_PrintUnformatted(document));

	puts(text);
	cJSON_free(text);
	cJSON_Delete(document);
}
