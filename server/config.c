/* The configuration: its defaults, the command line, and how the settings must agree. */
#include "server/config.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config_setting.h"
#include "server/config_value.h"
#include "shared/check.h"
#include "shared/error.h"

#define DEFAULT_NAME         "synod"
#define DEFAULT_PEER_ADDRESS "127.0.0.1:7401"
#define DEFAULT_CLIENTS      "127.0.0.1:7400"

void
config_init(struct config *config)
{
	memset(config, 0, sizeof *config);
	strcpy(config->clients, DEFAULT_CLIENTS);
	config->log_level = LOG_LEVEL_INFO;
	config->heartbeat_ms = 50;
	config->election_timeout_min_ms = 250;
	config->election_timeout_max_ms = 500;
	config->link_silence_ms = 1000;
	config->connections_max = 10000;
	config->connection_idle_ms = 300000;
	config->segment_bytes = 64u << 20;
	config->space_reserve_bytes = 64u << 20;
	config->cache_nodes = 65536;
	config->cache_bytes = 8u << 20;
	config->history_changes = 100000;
	config->history_bytes = 64u << 20;
	config->history_age_ms = 3600000;
}

/* ---- the command line ---- */

/* What getopt_long() returns for the long options: settings from FIRST_SETTING on. */
#define FIRST_SETTING 1000

struct command_line {
	struct option options[SETTING_COUNT + 6]; /* five of our own, and the end */
	char names[SETTING_COUNT][32];
};

static void
command_line_init(struct command_line *line)
{
	size_t count = 0;

	for (; count < SETTING_COUNT; count++) {
		char *name = line->names[count];

		CHECK(strlen(settings[count].key) < sizeof line->names[0]);
		strcpy(name, settings[count].key);
		for (char *c = name; *c; c++)
			*c = *c == '_' ? '-' : *c;
		line->options[count] =
			(struct option){name, required_argument, NULL, FIRST_SETTING + (int)count};
	}
	line->options[count++] = (struct option){"config", required_argument, NULL, 'f'};
	line->options[count++] = (struct option){"check", no_argument, NULL, 'n'};
	line->options[count++] = (struct option){"foreground", no_argument, NULL, 'd'};
	line->options[count++] = (struct option){"help", no_argument, NULL, 'h'};
	line->options[count++] = (struct option){"version", no_argument, NULL, 'V'};
	line->options[count] = (struct option){0};
}

static int
bad_option(int found, char **argv, char *why)
{
	/* The word before optind is the option, or for a cluster of letters contains it. */
	const char *word = optind > 0 ? argv[optind - 1] : "";
	const char *suggestion = NULL;

	if (found == ':') {
		snprintf(why, CONFIG_WHY_SIZE, "%.100s needs a value; see synodd --help", word);
		return SYNOD_BAD_ARGUMENT;
	}
	if (strncmp(word, "--", 2) == 0) {
		char key[32];

		snprintf(key, sizeof key, "%.31s", word + 2);
		for (char *c = key; *c; c++)
			*c = *c == '-' ? '_' : *c;
		suggestion = setting_nearest(key);
	}
	if (suggestion)
		snprintf(why, CONFIG_WHY_SIZE, "%.100s: no such option; did you mean --%s?", word,
		         suggestion);
	else if (optopt && strncmp(word, "--", 2) != 0)
		snprintf(why, CONFIG_WHY_SIZE, "-%c: no such option; see synodd --help", optopt);
	else
		snprintf(why, CONFIG_WHY_SIZE,
		         "%.100s: no such option, or not a clear one; see "
		         "synodd --help",
		         word);
	for (char *c = why; suggestion && *c; c++)
		*c = *c == '_' ? '-' : *c;
	return SYNOD_BAD_ARGUMENT;
}

/* One walk over the command line: either for what is done first (the file, -n, -d, --help), or
 * for the settings, which come after the file's. */
static int
walk(struct config *config, int argc, char **argv, bool is_for_settings, const char **file,
     char *why)
{
	struct command_line line;
	int found;

	command_line_init(&line);
	optind = 0; /* glibc: forget an earlier walk altogether */
	opterr = 0;
	while ((found = getopt_long(argc, argv, ":f:ndhV", line.options, NULL)) != -1) {
		if (found >= FIRST_SETTING) {
			char where[40];
			size_t index = (size_t)(found - FIRST_SETTING);

			if (!is_for_settings)
				continue;
			snprintf(where, sizeof where, "--%s", line.names[index]);
			int error = setting_set(config, &settings[index], optarg, where, why);

			if (error != SYNOD_OK)
				return error;
			continue;
		}
		switch (found) {
		case 'f': *file = optarg; break;
		case 'n': config->action = CONFIG_CHECK; break;
		case 'd': config->is_foreground = true; break;
		case 'h': config->action = CONFIG_HELP; return SYNOD_OK;
		case 'V': config->action = CONFIG_VERSION; return SYNOD_OK;
		default: return bad_option(found, argv, why);
		}
	}
	if (optind < argc) {
		snprintf(why, CONFIG_WHY_SIZE, "\"%.100s\": not an option; see synodd --help",
		         argv[optind]);
		return SYNOD_BAD_ARGUMENT;
	}
	return SYNOD_OK;
}

int
config_parse_arguments(struct config *config, int argc, char **argv, char *why)
{
	const char *file = NULL;

	config_init(config);
	int error = walk(config, argc, argv, false, &file, why);

	if (error != SYNOD_OK || config->action == CONFIG_HELP || config->action == CONFIG_VERSION)
		return error;
	if (file)
		error = config_parse_file(config, file, why);
	if (error == SYNOD_OK)
		error = walk(config, argc, argv, true, &file, why);
	if (error == SYNOD_OK)
		error = config_finish(config, why);
	return error;
}

/* ---- how the settings agree with each other ---- */

__attribute__((format(printf, 2, 3))) static void
warn(struct config *config, const char *format, ...)
{
	va_list arguments;

	CHECK(config->warning_count < CONFIG_WARNINGS_MAX);
	va_start(arguments, format);
	vsnprintf(config->warnings[config->warning_count++], CONFIG_WHY_SIZE, format, arguments);
	va_end(arguments);
}

static int
finish_data(struct config *config, char *why)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int size;

	if (config->data[0])
		return SYNOD_OK;
	if (geteuid() == 0)
		size = snprintf(config->data, sizeof config->data, "/var/lib/synod");
	else if (state && state[0] == '/')
		size = snprintf(config->data, sizeof config->data, "%s/synod", state);
	else if (home && home[0] == '/')
		size = snprintf(config->data, sizeof config->data, "%s/.local/state/synod", home);
	else
		size = -1;
	if (size > 0 && (size_t)size < sizeof config->data)
		return SYNOD_OK;
	config->data[0] = 0;
	snprintf(why, CONFIG_WHY_SIZE,
	         "no data directory: set data (--data DIR), or XDG_STATE_HOME or "
	         "HOME to an absolute path");
	return SYNOD_BAD_CONFIG;
}

static int
finish_members(struct config *config, char *why)
{
	if (!config->member_count) {
		struct member_identity *only = &config->members[0];

		if (!config->name[0])
			strcpy(config->name, DEFAULT_NAME);
		*only = (struct member_identity){.id = 1};
		strcpy(only->name, config->name);
		strcpy(only->address, DEFAULT_PEER_ADDRESS);
		config->member_count = 1;
	}
	if (!config->name[0] && config->member_count == 1)
		strcpy(config->name, config->members[0].name);
	if (!config->name[0]) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "name is not set: say which of the members in peers this one is (--name "
		         "%s)",
		         config->members[0].name);
		return SYNOD_BAD_CONFIG;
	}
	config->self = 0;
	for (unsigned i = 0; i < config->member_count; i++) {
		if (strcmp(config->members[i].name, config->name) == 0)
			config->self = config->members[i].id;
	}
	if (!config->self) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "name \"%s\" is not in peers \"%.300s\": add it there, or correct one of "
		         "them",
		         config->name, config->peers);
		return SYNOD_BAD_CONFIG;
	}
	if (config->member_count % 2 == 0)
		warn(config,
		     "an ensemble of %u tolerates no more failures than one of %u: use an odd "
		     "number",
		     config->member_count, config->member_count - 1);
	return SYNOD_OK;
}

static int
check_addresses(struct config *config, char *why)
{
	const char *peer_address = config->listen;

	if (!peer_address[0])
		peer_address = config->members[config->self - 1].address;
	if (strcmp(config->clients, peer_address) == 0 && !value_port_is_free(config->clients)) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "clients and members cannot share the address %s: choose another port for "
		         "clients",
		         config->clients);
		return SYNOD_BAD_CONFIG;
	}
	if (config->advertise[0] && value_port_is_free(config->advertise)) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "advertise: \"%s\": clients need a port from 1 to 65535",
		         config->advertise);
		return SYNOD_BAD_CONFIG;
	}
	if (value_host_is_any(config->clients) && !config->advertise[0])
		warn(config,
		     "clients listens on every address (%s), which cannot be told to others: set "
		     "advertise to the address that clients reach",
		     config->clients);
	return SYNOD_OK;
}

static int
check_times(const struct config *config, char *why)
{
	if (config->election_timeout_min_ms >= config->election_timeout_max_ms) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "election_timeout_min_ms %" PRIu64 " must be less than "
		         "election_timeout_max_ms %" PRIu64
		         ": members must not all wait equally long",
		         config->election_timeout_min_ms, config->election_timeout_max_ms);
		return SYNOD_BAD_CONFIG;
	}
	if (config->heartbeat_ms * 2 > config->election_timeout_min_ms) {
		snprintf(why, CONFIG_WHY_SIZE,
		         "heartbeat_ms %" PRIu64 " must be at most half of "
		         "election_timeout_min_ms %" PRIu64
		         ": one lost heartbeat must not cost the leader",
		         config->heartbeat_ms, config->election_timeout_min_ms);
		return SYNOD_BAD_CONFIG;
	}
	return SYNOD_OK;
}

int
config_finish(struct config *config, char *why)
{
	int error = finish_members(config, why);

	if (error == SYNOD_OK)
		error = check_addresses(config, why);
	if (error == SYNOD_OK)
		error = check_times(config, why);
	if (error == SYNOD_OK)
		error = finish_data(config, why);
	if (config->is_foreground)
		config->log_file[0] = 0;
	return error;
}

void
config_print_help(FILE *out)
{
	struct command_line line;

	command_line_init(&line);
	fputs("synodd, a member of a Synod ensemble\n"
	      "\n"
	      "usage: synodd [-f FILE] [-n] [-d] [--SETTING VALUE ...]\n"
	      "\n"
	      "  -f, --config FILE   read settings from FILE; the command line overrides them\n"
	      "  -n, --check         check the configuration and end\n"
	      "  -d, --foreground    write the log to standard error, whatever log_file says\n"
	      "  -h, --help          print this\n"
	      "  -V, --version       print the version\n"
	      "\n"
	      "Settings (in the file with '_' for '-'; synod.conf(5) explains each):\n",
	      out);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		int width = fprintf(out, "  --%s %s", line.names[i], settings[i].argument);

		fprintf(out, "%*s%s\n", width < 36 ? 36 - width : 2, "", settings[i].text);
	}
	fputs("\n"
	      "Examples:\n"
	      "  synodd                              one member alone, on 127.0.0.1\n"
	      "  synodd -f /etc/synod.conf -n        is the file all right?\n"
	      "  synodd --name a --data /var/lib/synod --clients 10.0.0.1:7400 \\\n"
	      "      --peers a=10.0.0.1:7401,b=10.0.0.2:7401,c=10.0.0.3:7401\n"
	      "                                      one of three; the others alike, as b and c\n",
	      out);
}
