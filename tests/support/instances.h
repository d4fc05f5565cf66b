/*
 * Instances of a service for system tests: a `synod run` each, with a small server.
 *
 * The server is the test program itself, started with the word "server" (see
 * instance_serve()): over a listening socket that it inherits it answers every
 * request with the name under which it was registered.  So the system chooses the
 * port, and nobody else can have it.
 */
#ifndef TESTS_SUPPORT_INSTANCES_H
#define TESTS_SUPPORT_INSTANCES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/support/ensemble.h"

struct instance {
	char id[8]; /* "i07" */
	unsigned port;
	pid_t pid;                            /* of `synod run`; 0: it does not run */
	atomic_ulong picked_ms;               /* the last time; 0: never */
	unsigned long may_be_picked_until_ms; /* 0: for ever */
};

/* Start number NUMBER of SERVICE; true once the process runs (not: is registered).  Its output goes
 * to instances.log in the ensemble's directory. */
bool instance_start(struct instance *instance, unsigned number, const struct ensemble *ensemble,
                    const char *service, unsigned session_timeout_ms);

/* Kill `synod run`, and the server with it. */
void instance_kill(struct instance *instance);

/* SIGTERM, and wait: the exit code, or -1 if it is still there after LIMIT_MS. */
int instance_stop(struct instance *instance, unsigned limit_ms);

/* The server: never returns. */
void instance_serve(void) __attribute__((noreturn));

/* One request to the server at ADDRESS and PORT, within TIMEOUT_MS; true if ID answered. */
bool instance_call(const char *address, unsigned port, const char *id, unsigned timeout_ms);

#endif
