/* A server on 127.0.0.1 that takes connections and says always the same, for tests of clients. */
#ifndef SUPPORT_STUB_SERVER_H
#define SUPPORT_STUB_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define STUB_REQUEST_MAX 2047

struct stub_options {
	const char *answer;  /* once a request has come, up to its empty line; NULL: none */
	const char *endless; /* then this, until the client goes */
	bool is_kept_open;   /* the connection is not closed after the answer */
	bool speaks_at_once; /* without waiting for a request */
};

struct stub_server {
	unsigned port;
	atomic_uint accepted;               /* connections */
	char request[STUB_REQUEST_MAX + 1]; /* the last one; look once the answer has come */
	struct stub_state *state;
};

/* Returns false when the system refuses. */
bool stub_server_start(struct stub_server *server, const struct stub_options *options);
void stub_server_stop(struct stub_server *server);

/* A port of 127.0.0.1 where nobody listens now. */
unsigned stub_closed_port(void);

/* Waits until at least COUNT connections have been accepted; false after half a minute. */
bool stub_server_wait(struct stub_server *server, unsigned count);

#endif
