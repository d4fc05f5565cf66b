/* Clients: connections of applications, greeted, bounded, and told apart. */
#include "server/network/clients.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/network/greeting.h"
#include "shared/check.h"
#include "shared/error.h"

#define CONNECTIONS_MAX_DEFAULT 10000
#define IDLE_DEFAULT_MS         300000
#define IN_PROGRESS_MAX         (SESSION_WINDOW + 64)
#define SCAN_MS                 1000 /* time-outs of clients need no finer look */
#define BUCKETS_MIN             64

/* Connections that are being told that there are too many; more are closed without a word. */
#define TURNED_AWAY_MAX 256

struct entry {
	struct client client; /* first: the member's handle is ours */
	struct clients *clients;
	struct entry *same_bucket;
	bool is_counted; /* among connections_max */
	bool is_logged;  /* its refusal */
};

struct clients {
	struct clients_options options;
	struct connection_listener listener;
	char address[MEMBER_ADDRESS_MAX + 1];
	struct client *first; /* all, those that are gone included */
	struct entry **buckets;
	size_t bucket_count; /* a power of two */
	unsigned count;      /* connected and counted */
	unsigned turned_away_count;
	uint64_t now_ms; /* of the last call that told */
	uint64_t scan_ms;
	struct buffer scratch;
	uint64_t leases[KEEPALIVE_LEASES_MAX]; /* of the keepalive that is being read */
	struct refusal_log refusals;
	bool is_closing;
	bool is_unheard; /* the listener is gone */
};

/* ---- the table ---- */

static struct entry *
entry_of(struct client *client)
{
	return (struct entry *)client;
}

static struct entry **
bucket_of(const struct clients *clients, uint64_t connection_id)
{
	return &clients->buckets[connection_id & (clients->bucket_count - 1)];
}

static void
grow_buckets(struct clients *clients)
{
	free(clients->buckets);
	clients->bucket_count *= 2;
	clients->buckets = check_calloc(clients->bucket_count, sizeof(struct entry *));
	for (struct client *client = clients->first; client != NULL; client = client->next) {
		struct entry **bucket = bucket_of(clients, client->connection->id);

		entry_of(client)->same_bucket = *bucket;
		*bucket = entry_of(client);
	}
}

static void
link_entry(struct clients *clients, struct entry *entry)
{
	struct client *client = &entry->client;
	struct entry **bucket = bucket_of(clients, client->connection->id);

	entry->same_bucket = *bucket;
	*bucket = entry;
	client->next = clients->first;
	if (client->next != NULL)
		client->next->previous = client;
	clients->first = client;
	if (clients->count + clients->turned_away_count > clients->bucket_count)
		grow_buckets(clients);
}

static void
free_entry(struct entry *entry)
{
	struct client *client = &entry->client;
	struct clients *clients = entry->clients;
	struct entry **at = bucket_of(clients, client->connection->id);

	while (*at != entry)
		at = &(*at)->same_bucket;
	*at = entry->same_bucket;
	if (client->next != NULL)
		client->next->previous = client->previous;
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		clients->first = client->next;
	connection_release(client->connection);
	free(entry);
}

struct client *
clients_find(struct clients *clients, uint64_t connection_id)
{
	struct entry *entry = *bucket_of(clients, connection_id);

	while (entry != NULL && entry->client.connection->id != connection_id)
		entry = entry->same_bucket;
	return entry != NULL && !entry->client.is_gone ? &entry->client : NULL;
}

unsigned
clients_count(const struct clients *clients)
{
	return clients->count;
}

/* ---- frames ---- */

static void
refuse(struct entry *entry, int error, const char *why)
{
	struct clients *clients = entry->clients;

	refusal_log(&clients->refusals, clients->now_ms, "refused a client",
	            entry->client.connection, error, why);
	entry->is_logged = true;
	connection_refuse(entry->client.connection, error, why);
}

static void
on_hello(struct entry *entry, const struct frame *frame)
{
	struct clients *clients = entry->clients;
	struct connection *connection = entry->client.connection;
	char why[GREETING_WHY_MAX];
	struct hello hello;
	int error = greeting_check(frame, HELLO_CLIENT, clients->options.identity, &hello, why);

	if (error != SYNOD_OK) {
		refuse(entry, error, why);
		return;
	}
	buffer_clear(&clients->scratch);
	greeting_append(&clients->scratch, clients->options.identity, clients->options.software);
	CHECK(!clients->scratch.failed);
	connection_write(connection, buffer_slice(&clients->scratch));
	connection_flush(connection);
	connection->is_up = true;
}

static int
on_request(struct entry *entry, const struct frame *frame)
{
	struct clients *clients = entry->clients;
	struct client *client = &entry->client;
	struct request request;
	int error = request_decode(frame->body, &request);

	if (error == SYNOD_UNSUPPORTED) {
		clients_answer_error(client, request.xid, error, NULL);
		return SYNOD_OK;
	}
	if (error != SYNOD_OK)
		return error;
	if (client->in_progress >= IN_PROGRESS_MAX) {
		clients_answer_error(client, request.xid, SYNOD_BUSY,
		                     "too many requests of this connection are in progress");
		return SYNOD_OK;
	}
	clients->options.handler->on_request(clients->options.owner, client, &request);
	return SYNOD_OK;
}

/* [number, [lease...]]; the leases may be missing, or nil. */
static int
on_keepalive(struct entry *entry, const struct frame *frame)
{
	struct clients *clients = entry->clients;
	uint32_t count, lease_count = 0;
	struct cursor cursor;
	uint64_t number;

	cursor_init(&cursor, frame->body);
	count = cursor_array(&cursor);
	number = cursor_u64(&cursor);
	if (count > 1 && !cursor_nil(&cursor)) {
		lease_count = cursor_array(&cursor);
		if (lease_count > KEEPALIVE_LEASES_MAX)
			return SYNOD_BAD_MESSAGE;
		for (uint32_t i = 0; i < lease_count; i++)
			clients->leases[i] = cursor_u64(&cursor);
		cursor_leave(&cursor);
	}
	if (count > 2)
		cursor_skip(&cursor, count - 2);
	cursor_leave(&cursor);
	if (count < 1 || cursor_finish(&cursor) != SYNOD_OK)
		return SYNOD_BAD_MESSAGE;
	clients->options.handler->on_keepalive(clients->options.owner, &entry->client, number,
	                                       clients->leases, lease_count);
	return SYNOD_OK;
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct entry *entry = connection->context;

	entry->clients->now_ms = connection->heard_ms;
	if (frame->type == FRAME_REFUSED) {
		connection_close(connection);
		return SYNOD_OK;
	}
	if (!connection->is_up) {
		if (frame->type != FRAME_HELLO)
			return SYNOD_BAD_MESSAGE;
		on_hello(entry, frame);
		return SYNOD_OK;
	}
	switch (frame->type) {
	case FRAME_REQUEST: return on_request(entry, frame);
	case FRAME_KEEPALIVE: return on_keepalive(entry, frame);
	case FRAME_PING: return greeting_answer_ping(connection, frame);
	case FRAME_PONG: return SYNOD_OK;
	default: return SYNOD_BAD_MESSAGE;
	}
}

static void
on_closed(struct connection *connection, int error)
{
	struct entry *entry = connection->context;
	struct clients *clients = entry->clients;
	struct client *client = &entry->client;

	(void)error;
	if (connection->refuse_error != SYNOD_OK && !entry->is_logged)
		refusal_log(&clients->refusals, clients->now_ms, "refused a client", connection,
		            connection->refuse_error, error_text(connection->refuse_error));
	if (entry->is_counted)
		clients->count--;
	else
		clients->turned_away_count--;
	client->is_gone = true;
	client->in_progress++; /* on_gone may end its last request, and must not free it with that
	                        */
	if (connection->is_up)
		clients->options.handler->on_gone(clients->options.owner, client);
	clients_done(clients, client);
}

static const struct connection_handler client_handler = {on_frame, on_closed};

static void
on_stream(void *owner, struct stream *stream, uint64_t now_ms)
{
	struct clients *clients = owner;
	bool is_full = clients->count >= clients->options.connections_max;
	struct entry *entry;

	clients->now_ms = now_ms;
	if (clients->is_closing || (is_full && clients->turned_away_count >= TURNED_AWAY_MAX)) {
		stream_release(stream);
		return;
	}
	entry = check_calloc(1, sizeof *entry);
	entry->clients = clients;
	entry->is_counted = !is_full;
	entry->client.connection = connection_accept(
		stream, clients->options.actor, &client_handler, clients, FRAME_CLIENT_MAX, now_ms);
	CHECK(entry->client.connection != NULL);
	entry->client.connection->context = entry;
	if (is_full)
		clients->turned_away_count++;
	else
		clients->count++;
	link_entry(clients, entry);
	if (is_full)
		refuse(entry, SYNOD_BUSY, "this member has as many connections as it may");
}

/* ---- answers ---- */

void
clients_answer_error(struct client *client, uint64_t xid, int error, const char *text)
{
	struct clients *clients = entry_of(client)->clients;
	size_t begin;

	buffer_clear(&clients->scratch);
	begin = frame_begin(&clients->scratch, FRAME_RESPONSE);
	response_encode_head(&clients->scratch, xid, error, 0, 0);
	if (text != NULL)
		pack_string(&clients->scratch, slice_of(text));
	else
		pack_nil(&clients->scratch);
	frame_end(&clients->scratch, begin);
	CHECK(!clients->scratch.failed);
	connection_write(client->connection, buffer_slice(&clients->scratch));
	connection_flush(client->connection);
}

void
clients_done(struct clients *clients, struct client *client)
{
	CHECK(client->in_progress > 0);
	CHECK(entry_of(client)->clients == clients);

	client->in_progress--;
	if (client->is_gone && client->in_progress == 0)
		free_entry(entry_of(client));
}

/* ---- time ---- */

/* When this client's patience, or ours, ends. */
static uint64_t
end_of_patience(const struct clients *clients, const struct client *client)
{
	const struct connection *connection = client->connection;
	uint64_t idle_ms = clients->options.idle_ms;

	if (!connection->is_up)
		return connection->opened_ms + HELLO_TIMEOUT_MS;
	if (client->session != 0 && idle_ms < SESSION_TIMEOUT_MAX_MS)
		idle_ms = SESSION_TIMEOUT_MAX_MS;
	return connection->heard_ms + idle_ms;
}

uint64_t
clients_tick(struct clients *clients, uint64_t now_ms)
{
	uint64_t next_ms = now_ms + SCAN_MS;

	clients->now_ms = now_ms;
	if (now_ms < clients->scan_ms)
		return clients->scan_ms;
	for (struct client *client = clients->first; client != NULL; client = client->next) {
		uint64_t end_ms = end_of_patience(clients, client);

		if (client->is_gone || client->connection->is_closing)
			continue;
		if (now_ms < end_ms) {
			next_ms = end_ms < next_ms ? end_ms : next_ms;
			continue;
		}
		refuse(entry_of(client), SYNOD_TIMEOUT,
		       client->connection->is_up ? "nothing was heard for too long"
		                                 : "no greeting came in time");
	}
	clients->scan_ms = next_ms;
	return next_ms;
}

/* ---- opening and closing ---- */

static void
on_unheard(void *owner)
{
	struct clients *clients = owner;

	clients->is_unheard = true;
}

int
clients_new(const struct clients_options *options, uint64_t now_ms, struct clients **out, char *why)
{
	struct clients *clients = check_calloc(1, sizeof *clients);
	int error;

	clients->options = *options;
	if (clients->options.connections_max == 0)
		clients->options.connections_max = CONNECTIONS_MAX_DEFAULT;
	if (clients->options.idle_ms == 0)
		clients->options.idle_ms = IDLE_DEFAULT_MS;
	clients->now_ms = now_ms;
	clients->bucket_count = BUCKETS_MIN;
	clients->buckets = check_calloc(clients->bucket_count, sizeof(struct entry *));
	clients->listener.actor = options->actor;
	clients->listener.on_stream = on_stream;
	clients->listener.on_closed = on_unheard;
	clients->listener.owner = clients;
	*out = clients; /* clients may come before the listening call returns */
	error = connection_listen(&clients->listener, options->transport, options->listen_address);
	if (error != SYNOD_OK) {
		snprintf(why, GREETING_WHY_MAX, "cannot listen for clients at %s: %s",
		         options->listen_address, error_text(error));
		free(clients->buckets);
		free(clients);
		*out = NULL;
		return error;
	}
	snprintf(clients->address, sizeof clients->address, "%s",
	         connection_listener_address(&clients->listener));
	return SYNOD_OK;
}

void
clients_close(struct clients *clients)
{
	if (clients->is_closing)
		return;
	clients->is_closing = true;
	connection_unlisten(&clients->listener);
	for (struct client *client = clients->first; client != NULL; client = client->next)
		if (!client->is_gone)
			connection_close(client->connection);
}

bool
clients_is_closed(const struct clients *clients)
{
	return clients->is_unheard && clients->count == 0 && clients->turned_away_count == 0;
}

void
clients_free(struct clients *clients)
{
	if (clients == NULL)
		return;
	CHECK(clients_is_closed(clients));
	while (clients->first != NULL)
		free_entry(entry_of(clients->first));
	buffer_fini(&clients->scratch);
	free(clients->buckets);
	free(clients);
}

const char *
clients_address(const struct clients *clients)
{
	return clients->address;
}
