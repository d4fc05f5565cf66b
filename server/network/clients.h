/*
 * Clients: the listener for applications and their connections.
 *
 * Bounds, each with its answer: connections (default 10,000: the newest is
 * refused with BUSY), requests in progress per connection (SESSION_WINDOW + 64:
 * BUSY), output not read by the client (STREAM_OUTPUT_MAX: closed), no HELLO in
 * HELLO_TIMEOUT_MS (closed), silence for IDLE_MS without a session or keepalive
 * (default 5 min: closed).
 *
 * All functions run in the actor given to clients_new().
 */
#ifndef SERVER_NETWORK_CLIENTS_H
#define SERVER_NETWORK_CLIENTS_H

#include "server/storage/identity.h"
#include "shared/connection.h"

struct clients;

struct client {
	struct connection *connection;
	uint64_t session;     /* bound by SESSION_OPEN or SESSION_ATTACH; 0: none yet */
	unsigned in_progress; /* requests taken and not yet answered; the member's to count down */
	bool is_watching;     /* it has asked for a watch; the member's */
	bool is_gone;         /* the connection closed; freed when in_progress is 0 */
	struct client *next, *previous;
};

struct clients_handler {
	/* A request; its body is valid during the call.  The handler counts client->in_progress up
	 * if it answers later, and calls clients_done() when it has. */
	void (*on_request)(void *owner, struct client *client, const struct request *request);
	/* The session bound to CLIENT is alive, and these leases, at most KEEPALIVE_LEASES_MAX;
	 * answer with an ALIVE frame once confirmed. */
	void (*on_keepalive)(void *owner, struct client *client, uint64_t number,
	                     const uint64_t *leases, unsigned lease_count);
	/* The connection of a client that had greeted is gone.  Its handle stays until in_progress
	 * is 0; right after this call, if it is already. */
	void (*on_gone)(void *owner, struct client *client);
};

struct clients_options {
	struct transport *transport;
	struct actor *actor;
	const struct identity *identity;
	const char *listen_address;
	const char *software;
	unsigned connections_max;
	unsigned idle_ms;
	const struct clients_handler *handler;
	void *owner;
};

int clients_new(const struct clients_options *options, uint64_t now_ms, struct clients **clients,
                char *why);
void clients_close(struct clients *clients);
bool clients_is_closed(const struct clients *clients);
void clients_free(struct clients *clients);
const char *clients_address(const struct clients *clients);
unsigned clients_count(const struct clients *clients);

/* A request of CLIENT has been answered (or dropped). */
void clients_done(struct clients *clients, struct client *client);

/* Answer at once with an error and a text (NULL: nil) as its result. */
void clients_answer_error(struct client *client, uint64_t xid, int error, const char *text);

/* Client of a connection id, NULL when gone. */
struct client *clients_find(struct clients *clients, uint64_t connection_id);

uint64_t clients_tick(struct clients *clients, uint64_t now_ms);

#endif
