/* One setting: its row in the table, and its value from a text. */
#include "server/config_setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/config_value.h"
#include "shared/check.h"
#include "shared/error.h"

const struct setting settings[SETTING_COUNT] = {
#define SETTING(key, kind, argument, min, max, text)                                               \
	{#key, KIND_##kind, argument, offsetof(struct config, key), min, max, text},
#include "server/settings.def"
#undef SETTING
};

static int
set_text(char *field, size_t size, const char *value, const char *(*check)(const char *),
         const char *where, char *why)
{
	const char *wrong = check(value);

	if (!wrong && strlen(value) >= size)
		wrong = "too long";
	if (wrong) {
		snprintf(why, CONFIG_WHY_SIZE, "%s: \"%.100s\": %s", where, value, wrong);
		return SYNOD_BAD_CONFIG;
	}
	strcpy(field, value);
	return SYNOD_OK;
}

static int
set_number(const struct setting *setting, uint64_t *field, const char *value, const char *where,
           char *why)
{
	bool is_size = setting->kind == KIND_SIZE;

	if (value_number(value, is_size, field) == SYNOD_OK && *field >= setting->min &&
	    *field <= setting->max)
		return SYNOD_OK;
	snprintf(why, CONFIG_WHY_SIZE,
	         "%s: \"%.100s\": must be a whole number from %" PRIu64 " to %" PRIu64 "%s", where,
	         value, setting->min, setting->max,
	         is_size ? " (K, M or G may follow it: 64M)" : "");
	return SYNOD_BAD_CONFIG;
}

static int
set_peers(struct config *config, const char *value, const char *where, char *why)
{
	char wrong[VALUE_WHY_SIZE];
	int error = value_peers(value, config->members, &config->member_count, wrong);

	if (error != SYNOD_OK) {
		snprintf(why, CONFIG_WHY_SIZE, "%s: %s", where, wrong);
		return error;
	}
	snprintf(config->peers, sizeof config->peers, "%s", value);
	return SYNOD_OK;
}

int
setting_set(struct config *config, const struct setting *setting, const char *value,
            const char *where, char *why)
{
	void *field = (char *)config + setting->offset;

	switch (setting->kind) {
	case KIND_NAME: return set_text(field, sizeof config->name, value, value_name, where, why);
	case KIND_PATH: return set_text(field, CONFIG_PATH_MAX + 1, value, value_path, where, why);
	case KIND_ADDRESS:
		return set_text(field, MEMBER_ADDRESS_MAX + 1, value, value_address, where, why);
	case KIND_PEERS: return set_peers(config, value, where, why);
	case KIND_LEVEL:
		if (log_level_from_name(value, field) == SYNOD_OK)
			return SYNOD_OK;
		snprintf(why, CONFIG_WHY_SIZE,
		         "%s: \"%.100s\": must be error, warning, info or debug", where, value);
		return SYNOD_BAD_CONFIG;
	case KIND_NUMBER:
	case KIND_SIZE: return set_number(setting, field, value, where, why);
	}
	CHECK(!"a kind of setting that is not handled");
	return SYNOD_BAD_CONFIG;
}

const char *
setting_nearest(const char *word)
{
	const char *nearest = NULL;
	unsigned nearest_distance = 4;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		unsigned distance = value_distance(word, settings[i].key);

		if (distance < nearest_distance && distance < strlen(word)) {
			nearest = settings[i].key;
			nearest_distance = distance;
		}
	}
	return nearest;
}
