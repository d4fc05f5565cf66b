/*
 * The configuration of a member: defaults, then the file, then the command line.
 *
 * Nothing here prints or exits: every function returns SYNOD_OK or
 * SYNOD_BAD_CONFIG (a wrong value), SYNOD_BAD_ARGUMENT (a wrong command line),
 * SYNOD_IO (the file cannot be read), and WHY, which has CONFIG_WHY_SIZE bytes,
 * then names the place ("FILE:LINE" or "--option"), the value and what is allowed.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdio.h>

#include "server/paxos/paxos.h"
#include "server/storage/identity.h"
#include "shared/log.h"

#define CONFIG_WHY_SIZE      512
#define CONFIG_PATH_MAX      4095
#define CONFIG_PEERS_MAX     4095
#define CONFIG_FILE_SIZE_MAX (1u << 20)
#define CONFIG_WARNINGS_MAX  4

enum config_action {
	CONFIG_RUN,
	CONFIG_CHECK,   /* -n: the configuration is valid; say so and end */
	CONFIG_HELP,    /* --help: config_print_help() and end */
	CONFIG_VERSION, /* --version */
};

struct config {
	enum config_action action;
	bool is_foreground; /* -d: the log goes to standard error, whatever log_file says */

	char name[MEMBER_NAME_MAX + 1];
	char data[CONFIG_PATH_MAX + 1];
	char peers[CONFIG_PEERS_MAX + 1]; /* as written */
	/* The same, read: the first configuration's voters, by name, with ids 1, 2, ... in that
	 * order: every member arrives at the same ids, however its list is written. */
	struct member_identity members[PAXOS_VOTERS_MAX];
	unsigned member_count;
	member_id self;
	char clients[MEMBER_ADDRESS_MAX + 1];
	char advertise[MEMBER_ADDRESS_MAX + 1]; /* empty: the address that `clients` really got */
	char listen[MEMBER_ADDRESS_MAX + 1];    /* empty: this member's address in the configuration
	                                           in force, which peers is only the first of */
	char log_file[CONFIG_PATH_MAX + 1];     /* empty: standard error */
	enum log_level log_level;

	uint64_t heartbeat_ms;
	uint64_t election_timeout_min_ms;
	uint64_t election_timeout_max_ms;
	uint64_t link_silence_ms;
	uint64_t connections_max;
	uint64_t connection_idle_ms;
	uint64_t segment_bytes;
	uint64_t space_reserve_bytes;
	uint64_t cache_nodes;
	uint64_t cache_bytes;
	uint64_t history_changes;
	uint64_t history_bytes;
	uint64_t history_age_ms;

	/* Valid, and yet probably not what was meant: for the log. */
	char warnings[CONFIG_WARNINGS_MAX][CONFIG_WHY_SIZE];
	unsigned warning_count;
};

/* The defaults: a one-member ensemble on loopback.  What depends on other settings stays empty
 * until config_finish(). */
void config_init(struct config *config);

/* Take over the settings in TEXT, the content of the file FILE (which only names it in WHY). */
int config_parse_text(struct config *config, const char *file, struct slice text, char *why);

/* The same from the file itself; what is no regular file is refused. */
int config_parse_file(struct config *config, const char *file, char *why);

/* The whole command line: config_init(), the file it names, its own settings, config_finish(). */
int config_parse_arguments(struct config *config, int argc, char **argv, char *why);

/* Fill in what depends on other settings and check that they agree with each other. */
int config_finish(struct config *config, char *why);

void config_print_help(FILE *out);

#endif
