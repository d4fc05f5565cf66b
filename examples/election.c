/*
 * Leader election: of several workers one works, the others stand by.
 *
 *     ./election alice &  ./election bob &
 *
 * Leading means holding a token.  Two things keep a deposed leader from doing
 * harm.  It stops by itself when synod_election_remaining_ms() runs out, which
 * happens before anybody else can be elected.  And should it be too slow even for
 * that (stopped by a debugger, say, between the question and the write), the guard
 * makes the ensemble refuse what it writes with an old token.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <synod/synod.h>

static volatile sig_atomic_t should_stop;

static void
on_signal(int number)
{
	(void)number;
	should_stop = 1;
}

/* One piece of work: here, to write down who did it. */
static int
work(struct synod *synod, struct synod_election *election, const char *name)
{
	struct synod_write_options options = {
		.make_parents = true,
		.guard = synod_election_guard(election),
	};

	return synod_put(synod, "/example/worker/last", name, strlen(name), &options, NULL);
}

static void
lead(struct synod *synod, struct synod_election *election, const char *name)
{
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

	printf("%s leads, token %llu\n", name, (unsigned long long)synod_election_token(election));
	fflush(stdout);
	while (!should_stop && synod_election_remaining_ms(election) > 0) {
		int error = work(synod, election, name);

		if (error != SYNOD_OK)
			printf("%s: %s\n", name, synod_error_text(error));
		if (error == SYNOD_FENCED)
			break;
		nanosleep(&pause, NULL);
	}
	printf("%s does not lead any more\n", name);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	/* A leader that dies is replaced after this time, one that resigns at once. */
	struct synod_options options = {.session_timeout_ms = 2000};
	/* Waiting is done in turns of a second, so that a signal is noticed. */
	struct synod_election_options turn = {.wait_ms = 1000};
	const char *name = argc > 1 ? argv[1] : "worker";
	struct synod_election *election;
	struct synod *synod;
	int error;

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	error = synod_open(&options, &synod);
	while (error == SYNOD_OK && !should_stop) {
		error = synod_election_campaign(synod, "/example/worker/leader", name, strlen(name),
		                                &turn, &election);
		if (error == SYNOD_OK) {
			lead(synod, election, name);
			synod_election_resign(election, 0);
		} else if (error == SYNOD_TIMEOUT || error == SYNOD_SESSION_ENDED) {
			error = SYNOD_OK; /* somebody else leads; or contend again */
		}
	}
	if (error != SYNOD_OK)
		fprintf(stderr, "%s: %s\n", name, synod_error_text(error));
	synod_close(synod);
	return error != SYNOD_OK;
}
