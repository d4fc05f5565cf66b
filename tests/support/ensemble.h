/*
 * Real members for system tests: processes of their own, on loopback, in a
 * temporary directory.
 *
 * The binaries are found in $SYNOD_BIN (default build/release).  Ports are chosen
 * below the range that the system gives to outgoing connections, so that a member
 * that is down finds its port free when it comes back.  Only processes that were
 * started here are ever signalled, by their id.
 */
#ifndef TESTS_SUPPORT_ENSEMBLE_H
#define TESTS_SUPPORT_ENSEMBLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "client/synod.h"

#define ENSEMBLE_MAX 5

struct ensemble {
	unsigned size;
	char directory[256];
	char peers[512];
	char endpoints[512];
	struct ensemble_member {
		char name[8];
		char data[300];
		char log[300];
		char peer[64];
		char client[64];
		pid_t pid; /* 0: not running */
	} members[ENSEMBLE_MAX];
	const char *extra[8]; /* further arguments of every member, NULL at the end */
};

/* Names, ports and directories for SIZE members; nothing runs yet. */
void ensemble_init(struct ensemble *ensemble, unsigned size);

/* Start one member, or all; true once the process runs (not: serves). */
bool ensemble_start(struct ensemble *ensemble, unsigned index);
bool ensemble_start_all(struct ensemble *ensemble);

/* Send a signal; with SIGKILL or SIGTERM wait for the end and return its status (-1: not running,
 * or still there after 20 s). */
int ensemble_signal(struct ensemble *ensemble, unsigned index, int number);

/* Kill everything that runs, remove the directory. */
void ensemble_fini(struct ensemble *ensemble);

/* For cmocka, after each test: the same for whatever a failed test left behind. */
int ensemble_teardown(void **state);

/* A handle for all members, or for one. */
struct synod *ensemble_open(const struct ensemble *ensemble);
struct synod *ensemble_open_one(const struct ensemble *ensemble, unsigned index);

/* Index of the member that leads and serves, waiting up to LIMIT_MS; -1 if none does. */
int ensemble_leader(const struct ensemble *ensemble, unsigned limit_ms);

/* Wait until all running members have applied the same slot with the same state hash. */
bool ensemble_agrees(const struct ensemble *ensemble, unsigned limit_ms);

/* Run a program of the binaries' directory to its end: exit code, with its output (both streams) in
 * OUTPUT.  INPUT may be NULL. */
int ensemble_run(const struct ensemble *ensemble, const char *const arguments[], const char *input,
                 char *output, size_t size);

/* Monotonic milliseconds. */
unsigned long ensemble_now_ms(void);

/* Sleep a little between two looks at a condition. */
void ensemble_pause(void);

#endif
