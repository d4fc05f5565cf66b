/* synodd: reads the configuration, runs one member, and ends it cleanly. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "server/config.h"
#include "server/member.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/transport.h"

#ifndef SYNOD_RELEASE
#define SYNOD_RELEASE "unknown"
#endif

#define SOFTWARE "synod " SYNOD_RELEASE

/* A member that cannot be sure of its disk or its state stops at once: Paxos handles a member that
 * stops.  No clean-up, because nothing that is in memory may be written any more. */
static void
on_fatal(void *context, int error, const char *why)
{
	(void)context;
	log_error("stopping: %s", why);
	fprintf(stderr, "synodd: stopping: %s\n", why);
	(void)error;
	_exit(1);
}

static void
fill_options(const struct config *config, struct member_options *options)
{
	*options = (struct member_options){
		.disk = disk_real(),
		.clock = clock_real(),
		.fatal = on_fatal,
		.name = config->name,
		.data = config->data,
		.peer_count = config->member_count,
		.listen = config->listen[0] ? config->listen : NULL,
		.clients = config->clients,
		.advertise = config->advertise[0] ? config->advertise : NULL,
		.software = SOFTWARE,
		.heartbeat_ms = (unsigned)config->heartbeat_ms,
		.election_timeout_min_ms = (unsigned)config->election_timeout_min_ms,
		.election_timeout_max_ms = (unsigned)config->election_timeout_max_ms,
		.link_silence_ms = (unsigned)config->link_silence_ms,
		.connections_max = (unsigned)config->connections_max,
		.connection_idle_ms = (unsigned)config->connection_idle_ms,
		.segment_bytes = config->segment_bytes,
		.space_reserve = config->space_reserve_bytes,
		.namespace =
			{
				.cache_nodes = (unsigned)config->cache_nodes,
				.cache_bytes = config->cache_bytes,
				.change_count_max = config->history_changes,
				.change_bytes_max = config->history_bytes,
				.change_age_ms_max = config->history_age_ms,
			},
	};
	memcpy(options->peers, config->members, sizeof options->peers);
}

/* Until SIGTERM or SIGINT.  SIGHUP opens the log anew.  All signals are blocked in every thread and
 * taken here, so that no handler ever runs. */
static void
wait_for_the_end(const sigset_t *signals)
{
	for (;;) {
		int received = sigwaitinfo(signals, NULL);

		if (received == SIGHUP) {
			if (log_reopen())
				fprintf(stderr, "synodd: cannot open the log again\n");
			else
				log_info("log opened again");
		} else if (received > 0) {
			log_info("stopping: %s", strsignal(received));
			return;
		}
	}
}

static int
run(const struct config *config, const sigset_t *signals)
{
	struct member_options options;
	struct member *member;
	char why[MEMBER_WHY_SIZE] = "";
	int error;

	fill_options(config, &options);
	options.transport = transport_nng_new();
	if (!options.transport) {
		fprintf(stderr, "synodd: %s\n", error_text(SYNOD_NO_MEMORY));
		return 1;
	}
	error = member_new(&options, &member, why);
	if (error) {
		log_error("cannot start: %s (%s)", why, error_name(error));
		fprintf(stderr, "synodd: %s\n", why[0] ? why : error_text(error));
		fprintf(stderr, "  %s\n", error_hint(error));
		options.transport->ops->free(options.transport);
		return 1;
	}
	log_info("%s started: name=%s clients=%s peers=%s data=%s", SOFTWARE, config->name,
	         member_clients_address(member), member_peers_address(member), config->data);
	wait_for_the_end(signals);
	member_stop(member);
	member_free(member);
	options.transport->ops->free(options.transport);
	log_info("stopped");
	return 0;
}

static int
start(const struct config *config)
{
	sigset_t signals;
	int status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (sodium_init() < 0) {
		fprintf(stderr, "synodd: libsodium cannot be initialised\n");
		return 1;
	}
	if (log_open(config->is_foreground || !config->log_file[0] ? NULL : config->log_file,
	             config->name, config->log_level)) {
		fprintf(stderr, "synodd: %s: cannot open the log\n", config->log_file);
		return 1;
	}
	for (unsigned i = 0; i < config->warning_count; i++)
		log_warning("%s", config->warnings[i]);
	status = run(config, &signals);
	log_close();
	return status;
}

int
main(int argc, char **argv)
{
	static struct config config;
	char why[CONFIG_WHY_SIZE];
	int error = config_parse_arguments(&config, argc, argv, why);

	if (error) {
		fprintf(stderr, "synodd: %s\n  %s\n", why, "see `synodd --help` and synod.conf(5)");
		return 2;
	}
	switch (config.action) {
	case CONFIG_HELP: config_print_help(stdout); return 0;
	case CONFIG_VERSION: puts(SOFTWARE); return 0;
	case CONFIG_CHECK:
		for (unsigned i = 0; i < config.warning_count; i++)
			fprintf(stderr, "synodd: warning: %s\n", config.warnings[i]);
		puts("configuration is valid");
		return 0;
	case CONFIG_RUN: break;
	}
	return start(&config);
}
