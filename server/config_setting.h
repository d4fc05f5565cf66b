/* Settings: the table of server/settings.def, and how a text becomes the value of one. */
#ifndef SERVER_CONFIG_SETTING_H
#define SERVER_CONFIG_SETTING_H

#include "server/config.h"

enum {
#define SETTING(key, kind, argument, min, max, text) SETTING_##key,
#include "server/settings.def"
#undef SETTING
	SETTING_COUNT
};

enum setting_kind {
	KIND_NAME,
	KIND_PATH,
	KIND_PEERS,
	KIND_ADDRESS,
	KIND_LEVEL,
	KIND_NUMBER,
	KIND_SIZE,
};

struct setting {
	const char *key;
	enum setting_kind kind;
	const char *argument;
	size_t offset; /* of its field in struct config */
	uint64_t min, max;
	const char *text;
};

extern const struct setting settings[SETTING_COUNT];

/* Give SETTING in CONFIG the value VALUE.  WHERE ("FILE:LINE: key", "--option") begins WHY. */
int setting_set(struct config *config, const struct setting *setting, const char *value,
                const char *where, char *why);

/* The key most like WORD, or NULL when none is near. */
const char *setting_nearest(const char *word);

#endif
