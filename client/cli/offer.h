/* What the command line offers to others: an instance of a service, and its checks. */
#ifndef CLIENT_CLI_OFFER_H
#define CLIENT_CLI_OFFER_H

#include "client/cli/cli.h"
#include "client/cli/local_address.h"
#include "client/discovery/check.h"
#include "client/discovery/record.h"
#include "client/endpoints.h"

struct offer {
	const char *service;
	struct synod_service_options options; /* points into the rest, and into the command line */
	struct synod_check checks[CHECKS_MAX];
	const char *tags[RECORD_LIST_MAX];
	struct synod_pair metadata[RECORD_LIST_MAX];
	bool is_local; /* no --address was given: it is that towards VIA */
	char address[LOCAL_ADDRESS_SIZE];
	char via[ENDPOINT_SIZE_MAX];
	unsigned drain_ms;
};

/*
 * Read the offer of an instance of SERVICE.
 * Returns 0, or EXIT_USAGE after saying what is wrong.  To be ended with offer_fini() in either
 * case.
 */
int offer_read(const struct cli *cli, const char *service, struct offer *offer);
void offer_fini(struct offer *offer);

/* Report that NAME is not the name of a service or an instance (WHAT), or return 0. */
int check_discovery_name(const struct cli *cli, const char *what, const char *name);

#endif
