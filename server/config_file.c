/* The configuration file, read with libconfuse; no other file includes it. */
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config_setting.h"
#include "shared/check.h"
#include "shared/error.h"

/* libconfuse hands no context to its callbacks, and its lexer is one per process anyway. */
static struct reading {
	struct config *config;
	const char *file;
	char *why;
	int error;
	uint32_t seen; /* a bit for each setting that was given */
} reading;

static int
on_setting(cfg_t *cfg, cfg_opt_t *opt)
{
	char where[CONFIG_WHY_SIZE / 2];
	const struct setting *setting = settings;

	while (strcmp(setting->key, opt->name) != 0)
		setting++;
	CHECK(setting < settings + SETTING_COUNT);
	uint32_t bit = 1u << (setting - settings);

	snprintf(where, sizeof where, "%.160s:%d: %s", reading.file, cfg->line, setting->key);
	if (reading.seen & bit) {
		snprintf(reading.why, CONFIG_WHY_SIZE, "%s is set twice; remove one of the lines",
		         where);
		reading.error = SYNOD_BAD_CONFIG;
		return -1;
	}
	reading.seen |= bit;

	const char *value = cfg_opt_getnstr(opt, 0);

	reading.error =
		setting_set(reading.config, setting, value ? value : "", where, reading.why);
	return reading.error == SYNOD_OK ? 0 : -1;
}

__attribute__((format(printf, 2, 0))) static void
on_syntax_error(cfg_t *cfg, const char *format, va_list arguments)
{
	char text[160];
	char word[64] = "";
	const char *suggestion = NULL;

	if (reading.error != SYNOD_OK)
		return;
	vsnprintf(text, sizeof text, format, arguments);
	if (sscanf(text, "no such option '%63[^']", word) == 1) {
		snprintf(text, sizeof text, "\"%s\" is no setting", word);
		suggestion = setting_nearest(word);
	}
	snprintf(reading.why, CONFIG_WHY_SIZE, "%.160s:%d: %s%s%s%s", reading.file, cfg->line, text,
	         suggestion ? "; did you mean " : "", suggestion ? suggestion : "",
	         word[0] && !suggestion ? "; synod.conf(5) lists them all" : "");
	reading.error = SYNOD_BAD_CONFIG;
}

/* Is C a letter of an unquoted word?  Only elsewhere do two slashes begin a comment. */
static bool
is_word(char c)
{
	return c && !strchr(" \t\r\n=\"'{}(),+#", c);
}

/*
 * Overwrite comments with spaces: libconfuse miscounts the lines of those it
 * reads, and takes one that never ends for the end of the file.  Returns the
 * start of such a comment, or NULL.
 */
static const char *
blank_comments(char *text)
{
	char quote = 0;

	for (char *c = text; *c; c++) {
		if (quote) {
			if (*c == '\\' && c[1])
				c++;
			else if (*c == quote)
				quote = 0;
		} else if (*c == '"' || *c == '\'') {
			quote = *c;
		} else if (*c == '#' ||
		           (*c == '/' && c[1] == '/' && (c == text || !is_word(c[-1])))) {
			for (; *c && *c != '\n'; c++)
				*c = ' ';
			c--;
		} else if (*c == '/' && c[1] == '*' && (c == text || !is_word(c[-1]))) {
			char *end = strstr(c + 2, "*/");

			if (!end)
				return c;
			for (; c < end + 2; c++)
				*c = *c == '\n' ? '\n' : ' ';
			c--;
		}
	}
	return NULL;
}

static unsigned
line_of(const char *text, const char *place)
{
	unsigned line = 1;

	for (; text < place; text++)
		line += *text == '\n';
	return line;
}

/* Hand TEXT to libconfuse; it calls on_setting() for each setting in it. */
static int
parse(char *text, const char *file, char *why)
{
	cfg_opt_t options[SETTING_COUNT + 1];
	cfg_opt_t end = CFG_END();

	for (size_t i = 0; i < SETTING_COUNT; i++)
		options[i] = (cfg_opt_t)CFG_STR(settings[i].key, NULL, CFGF_NONE);
	options[SETTING_COUNT] = end;
	cfg_t *cfg = cfg_init(options, CFGF_NONE);

	CHECK(cfg);
	cfg_set_error_function(cfg, on_syntax_error);
	for (size_t i = 0; i < SETTING_COUNT; i++)
		cfg_set_validate_func(cfg, settings[i].key, on_setting);

	int status = cfg_parse_buf(cfg, text);

	if (status != CFG_SUCCESS && reading.error == SYNOD_OK) {
		snprintf(why, CONFIG_WHY_SIZE, "%.160s:%d: not understood", file, cfg->line);
		reading.error = SYNOD_BAD_CONFIG;
	}
	cfg_free(cfg);
	return reading.error;
}

int
config_parse_text(struct config *config, const char *file, struct slice text, char *why)
{
	int error;

	/* libconfuse takes a C string: it would silently stop at a zero byte. */
	if (text.size && memchr(text.bytes, 0, text.size)) {
		snprintf(why, CONFIG_WHY_SIZE, "%.160s: contains a zero byte: not a text file",
		         file);
		return SYNOD_BAD_CONFIG;
	}
	char *copy = check_malloc(text.size + 1);

	if (text.size)
		memcpy(copy, text.bytes, text.size);
	copy[text.size] = 0;
	const char *open_comment = blank_comments(copy);

	if (open_comment) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "%.160s:%u: this comment does not end: */ is missing", file,
		         line_of(copy, open_comment));
		error = SYNOD_BAD_CONFIG;
	} else {
		reading = (struct reading){config, file, why, SYNOD_OK, 0};
		error = parse(copy, file, why);
	}
	free(copy);
	return error;
}

/* The whole of FILE into TEXT.  Its size is checked while reading: a pipe or /proc has none. */
static int
read_file(const char *file, struct buffer *text, char *why)
{
	struct stat status;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t count = 0;

	if (fd < 0 || fstat(fd, &status) != 0)
		goto fail;
	if (!S_ISREG(status.st_mode)) {
		snprintf(why, CONFIG_WHY_SIZE, "%.300s: not a regular file", file);
		close(fd);
		return SYNOD_IO;
	}
	while (text->size <= CONFIG_FILE_SIZE_MAX) {
		uint8_t *room = buffer_reserve(text, 4096);

		CHECK(room);
		count = read(fd, room, 4096);
		if (count <= 0)
			break;
		text->size += (size_t)count;
	}
	if (count < 0)
		goto fail;
	close(fd);
	if (text->size > CONFIG_FILE_SIZE_MAX) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "%.300s: larger than 1 MiB: not a configuration file", file);
		return SYNOD_BAD_CONFIG;
	}
	return SYNOD_OK;
fail:
	snprintf(why, CONFIG_WHY_SIZE, "%.300s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	return SYNOD_IO;
}

int
config_parse_file(struct config *config, const char *file, char *why)
{
	struct buffer text = BUFFER_EMPTY;
	int error = read_file(file, &text, why);

	if (error == SYNOD_OK)
		error = config_parse_text(config, file, buffer_slice(&text), why);
	buffer_fini(&text);
	return error;
}
