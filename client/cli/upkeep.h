/*
 * A registration that a command keeps up, and what people are told of it.
 *
 * The library's callbacks only note what happened, and wake child_pause(); all that
 * follows is done by upkeep_look().
 */
#ifndef CLIENT_CLI_UPKEEP_H
#define CLIENT_CLI_UPKEEP_H

#include <pthread.h>

#include "client/cli/discovery_words.h"
#include "client/cli/offer.h"

/* What a check says, and whether that is still to be told. */
struct said {
	bool is_news;
	enum synod_health health;
	char why[WORDS_WHY_SIZE];
};

struct upkeep {
	struct cli *cli;
	const struct offer *offer;
	bool has_command;
	char *subject; /* SERVICE/ID, for messages */
	struct synod_service *service;
	pthread_mutex_t mutex; /* for what the callbacks note: */
	enum synod_service_status status;
	int error;
	bool is_news;
	bool has_passed[CHECKS_MAX];
	struct said said[CHECKS_MAX];
	/* Of who looks: */
	enum synod_service_status seen;
	bool was_registered;
	bool was_warned; /* that the ensemble is away */
	bool has_begun;
	bool is_ready;
	uint64_t since_ns;
};

/*
 * Open the handle, and register OFFER as starting; does not wait for the ensemble.  OFFER must
 * stay. Returns 0 or an exit code.  To be ended with upkeep_fini() in either case.
 */
int upkeep_init(struct upkeep *upkeep, struct cli *cli, const struct offer *offer,
                bool has_command);
void upkeep_fini(struct upkeep *upkeep);

/* What is registered runs: it is ready for calls once its checks have passed. */
void upkeep_begin(struct upkeep *upkeep);

/* Say what has happened, and do what follows from it. */
void upkeep_look(struct upkeep *upkeep);

/* As of the last look.  Lost: somebody else has it, removed it, or the ensemble refuses it. */
bool upkeep_is_lost(const struct upkeep *upkeep);
bool upkeep_is_drained(const struct upkeep *upkeep);
bool upkeep_is_there(const struct upkeep *upkeep);

/* Take no new calls from now on. */
void upkeep_drain(struct upkeep *upkeep);

/* Deregister, if that has not been done. */
void upkeep_leave(struct upkeep *upkeep);

#endif
