/* The clients of the simulation. */
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/handle.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/history.h"
#include "tests/sim/living.h"

#define ENDPOINTS_SIZE 256
#define LAST           (CLIENTS_LIMIT - 1) /* it asks at the end */
#define READS_MAX      1000                /* of a client that only reads */
#define ASKING_MS      30000

struct client {
	struct host *host;
	struct workload *workload;
	uint64_t begun, under_way;
	bool is_due;
	struct random random;
	uint64_t seen_revision;
	/* What it saw last, for conditions. */
	char seen_data[DATA_SIZE_SIM];
	uint64_t seen_version;
	char made_child[PATH_SIZE_SIM]; /* its last sequential node */
	uint64_t deadline_us;           /* of its session by its own clock, before this run */
	uint64_t session;
};

struct workload {
	struct world *world;
	struct client clients[CLIENTS_LIMIT];
	bool is_stopped;
	unsigned answers_due;
};

/* What a callback needs; outlives its client's crash, not the world. */
struct ticket {
	struct client *client;
	struct record *record;
	uint64_t incarnation;
};

struct workload *
workload_new(struct world *world)
{
	struct workload *workload = check_calloc(1, sizeof *workload);

	workload->world = world;
	for (unsigned i = 0; i < CLIENTS_LIMIT; i++) {
		workload->clients[i].workload = workload;
		workload->clients[i].random = random_for(world->seed, 2000 + i);
	}
	return workload;
}

void
workload_free(struct workload *workload)
{
	free(workload);
}

static bool
is_last(const struct client *client)
{
	return client == &client->workload->clients[LAST];
}

/* ---- sessions ---- */

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct client *client = context;
	struct host *host = client->host;
	struct world *world = host->world;

	world_trace(world, host, "session %s, %u ms left",
	            state == SYNOD_CONNECTED   ? "connected"
	            : state == SYNOD_SUSPENDED ? "suspended"
	                                       : "expired",
	            remaining_ms);
	if (state != SYNOD_EXPIRED)
		return;
	world->statistics.sessions_expired++;
	if (client->session != 0 && host_now_us(host) < client->deadline_us &&
	    !world_has_wild_clocks(world))
		world_fail(world, "session",
		           "%s was told that session %lu has ended %.3f s before its own deadline",
		           host->name, (unsigned long)client->session,
		           (double)(client->deadline_us - host_now_us(host)) / 1e6);
}

void
workload_run(struct host *host)
{
	struct session *session = host->handle->session;

	host->client->session = session_id(session);
	host->client->deadline_us = atomic_load(&session->public_deadline_us);
	actor_run(session->actor);
}

/* ---- operations ---- */

static void begin_soon(struct client *client);

static void
on_done(void *context, const struct synod_result *result)
{
	struct ticket *ticket = context;
	struct client *client = ticket->client;
	struct record *record = ticket->record;

	history_complete(client->host->world, record, result);
	client->under_way--;
	if (result->revision > client->seen_revision)
		client->seen_revision = result->revision;
	if (record->kind == RECORD_GET && result->error == SYNOD_OK) {
		client->seen_version = record->version;
		memcpy(client->seen_data, record->result_data, sizeof client->seen_data);
	}
	if (record->kind == RECORD_SEQUENTIAL && result->error == SYNOD_OK)
		memcpy(client->made_child, record->result_path, sizeof client->made_child);
	free(ticket);
	if (is_last(client))
		client->workload->answers_due--;
	else
		begin_soon(client);
}

/* It reads for as long as the others have something to do, and more often. */
static bool
is_reader(const struct client *client)
{
	return client->host->index - MEMBERS_LIMIT < client->host->world->options.readers;
}

static uint64_t
operations_of(const struct client *client)
{
	return is_reader(client) ? READS_MAX : client->host->world->options.operations;
}

static void
draw_path(struct client *client, char *path)
{
	uint64_t nodes = client->host->world->options.nodes;

	snprintf(path, PATH_SIZE_SIM, "/n%u", (unsigned)random_below(&client->random, nodes));
}

static enum record_kind
draw_kind(struct client *client)
{
	static const enum record_kind kinds[] = {
		RECORD_GET,
		RECORD_GET,
		RECORD_GET,
		RECORD_GET,
		RECORD_GET,
		RECORD_LIST,
		RECORD_CREATE,
		RECORD_SEQUENTIAL,
		RECORD_SEQUENTIAL,
		RECORD_SET,
		RECORD_SET,
		RECORD_SET_IF_VERSION,
		RECORD_SET_IF_VERSION,
		RECORD_SET_IF_DATA,
		RECORD_PUT,
		RECORD_PUT,
		RECORD_PUT,
		RECORD_DELETE,
		RECORD_DELETE_ALL,
		RECORD_TXN,
	};

	if (is_reader(client))
		return RECORD_GET;
	return kinds[random_below(&client->random, sizeof kinds / sizeof *kinds)];
}

static int
submit_txn(struct synod *handle, struct record *record, const struct synod_call *call)
{
	const struct synod_write_options options = {.call = *call};
	const struct synod_condition condition = {
		.kind = SYNOD_IF_EXISTS, .path = record->path, .number = 1};
	const struct synod_operation then[] = {
		{SYNOD_OP_PUT, record->path, record->data, strlen(record->data), NULL, NULL},
		{SYNOD_OP_PUT, record->other, record->data, strlen(record->data), NULL, NULL},
	};
	const struct synod_operation otherwise[] = {
		{SYNOD_OP_CREATE, record->path, record->data, strlen(record->data), NULL, NULL},
	};
	const struct synod_transaction transaction = {&condition, 1, then, 2, otherwise, 1};

	return synod_txn(handle, &transaction, &options, NULL);
}

static int
submit(struct client *client, struct record *record, const struct synod_call *call)
{
	struct synod *handle = client->host->handle;
	struct synod_write_options write = {.call = *call};
	struct synod_read_options read = {.call = *call};
	struct synod_condition condition = {.kind = SYNOD_IF_VERSION};
	size_t size = strlen(record->data);

	read.consistency = (enum synod_consistency)record->consistency;
	read.at_least = record->at_least;
	switch (record->kind) {
	case RECORD_GET: return synod_get(handle, record->path, &read, NULL);
	case RECORD_LIST: return synod_list(handle, record->path, &read, NULL);
	case RECORD_SEQUENTIAL: write.sequential = true; /* fall through */
	case RECORD_CREATE:
		return synod_create(handle, record->path, record->data, size, &write, NULL);
	case RECORD_SET_IF_VERSION:
		condition.number = record->wanted_version;
		write.conditions = &condition;
		write.condition_count = 1;
		return synod_set(handle, record->path, record->data, size, &write, NULL);
	case RECORD_SET_IF_DATA:
		condition.kind = SYNOD_IF_DATA;
		condition.data = record->wanted_data;
		condition.size = strlen(record->wanted_data);
		write.conditions = &condition;
		write.condition_count = 1;
		return synod_set(handle, record->path, record->data, size, &write, NULL);
	case RECORD_SET: return synod_set(handle, record->path, record->data, size, &write, NULL);
	case RECORD_PUT: return synod_put(handle, record->path, record->data, size, &write, NULL);
	case RECORD_DELETE_ALL: write.recursive = true; /* fall through */
	case RECORD_DELETE: return synod_delete(handle, record->path, &write, NULL);
	case RECORD_TXN: return submit_txn(handle, record, call);
	default: CHECK(!"a kind of record");
	}
}

static void
fill(struct client *client, struct record *record)
{
	struct random *random = &client->random;

	record->kind = draw_kind(client);
	draw_path(client, record->path);
	snprintf(record->data, sizeof record->data, "%u", record->id);
	switch (record->kind) {
	case RECORD_GET:
		record->consistency =
			(int)(random_below(random, 6) == 0 ? random_between(random, 1, 2) : 0);
		record->at_least =
			record->consistency == SYNOD_AT_LEAST ? client->seen_revision : 0;
		break;
	case RECORD_LIST:
		if (random_below(random, 2))
			snprintf(record->path, sizeof record->path, "/");
		break;
	case RECORD_SEQUENTIAL: strcat(record->path, "/s"); break;
	case RECORD_SET_IF_VERSION:
		record->wanted_version = client->seen_version + random_below(random, 2);
		break;
	case RECORD_SET_IF_DATA:
		memcpy(record->wanted_data, client->seen_data, sizeof record->wanted_data);
		break;
	case RECORD_TXN: draw_path(client, record->other); break;
	case RECORD_DELETE:
		if (client->made_child[0] != '\0' && random_below(random, 2) == 0) {
			memcpy(record->path, client->made_child, sizeof record->path);
			client->made_child[0] = '\0';
		}
		break;
	default: break;
	}
}

static void
begin_record(struct client *client, struct record *record)
{
	struct ticket *ticket = check_calloc(1, sizeof *ticket);
	struct synod_call call = {.done = on_done, .context = ticket};
	int error;

	*ticket = (struct ticket){client, record, client->host->incarnation};
	client->under_way++;
	error = submit(client, record, &call);
	if (error != SYNOD_OK) {
		world_fail(client->host->world, "client", "the library refused #%u: %s", record->id,
		           error_name(error));
		return;
	}
	host_wake(client->host);
}

static void
begin(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;
	struct client *client = host->client;

	if (!host->is_up || host->incarnation != incarnation)
		return;
	client->is_due = false;
	while (!client->workload->is_stopped && client->begun < operations_of(client) &&
	       client->under_way < world->options.pipeline) {
		struct record *record = history_begin(world, host);

		client->begun++;
		fill(client, record);
		begin_record(client, record);
	}
}

static void
begin_soon(struct client *client)
{
	struct world *world = client->host->world;

	if (client->is_due)
		return;
	client->is_due = true;
	world_schedule(world,
	               random_below(&client->random,
	                            world->options.think_us / (is_reader(client) ? 8 : 1) + 1),
	               begin, client->host, client->host->incarnation);
}

/* ---- starting, crashing, ending ---- */

void
workload_start(struct host *host)
{
	struct world *world = host->world;
	struct client *client = &world->workload->clients[host->index - MEMBERS_LIMIT];
	struct environment environment = {&host->transport, &host->clock, ACTOR_MANUAL};
	char endpoints[ENDPOINTS_SIZE] = "";
	struct synod_options options = {
		.endpoints = endpoints,
		.session_timeout_ms = (unsigned)world->options.session_timeout_ms,
		.call_timeout_ms = (unsigned)world->options.call_timeout_ms,
		.on_state = on_state,
		.context = client,
	};
	size_t size = 0;

	for (unsigned i = 0; i < world->options.members; i++)
		size += (size_t)snprintf(endpoints + size, sizeof endpoints - size,
		                         "%s10.0.0.%u:7400", i ? "," : "", i + 1);
	client->host = host;
	host->client = client;
	if (is_last(client))
		options.call_timeout_ms = ASKING_MS;
	client->under_way = 0;
	client->is_due = false;
	CHECK(handle_open(&environment, &options, &host->handle) == SYNOD_OK);
	begin_soon(client);
}

void
workload_on_crash(struct host *host)
{
	if (host->client)
		host->client->under_way = 0;
}

bool
workload_is_done(const struct workload *workload)
{
	const struct world *world = workload->world;

	for (unsigned i = 0; i < world->options.clients; i++) {
		const struct client *client = &workload->clients[i];

		if (!workload->is_stopped && i < world->options.readers)
			continue;
		if (client->under_way > 0 ||
		    (!workload->is_stopped && client->begun < world->options.operations))
			return false;
	}
	return true;
}

void
workload_stop(struct workload *workload)
{
	workload->is_stopped = true;
}

static void
on_log(void *context, const struct synod_result *result)
{
	struct client *client = context;
	struct world *world = client->host->world;

	client->workload->answers_due--;
	if (result->error == SYNOD_OK && !result->more && result->oldest_revision <= 1)
		history_take_changes(world->history, result);
	else if (world->options.history_changes > 0 && result->error == SYNOD_OK)
		history_take_chronicle(world->history, world->living->chronicle);
	else
		world_fail(world, "progress", "the history could not be read at the end: %s",
		           error_name(result->error));
}

/* Writes first: they must succeed, and what is read afterwards must be at least as new. */
static void
ask_write(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;

	(void)incarnation;
	for (unsigned i = 0; i < WORKLOAD_LAST_WRITES; i++) {
		struct record *record = history_begin(world, host);

		record->kind = RECORD_PUT;
		snprintf(record->path, sizeof record->path, "/end");
		snprintf(record->data, sizeof record->data, "%u", record->id);
		begin_record(host->client, record);
	}
}

static void
ask_reads(struct world *world, void *argument, uint64_t incarnation)
{
	struct host *host = argument;
	struct client *client = host->client;
	struct synod_read_options read = {.call = {.done = on_log, .context = client}};

	(void)incarnation;
	for (unsigned i = 0; i < world->options.nodes; i++) {
		struct record *record = history_begin(world, host);

		record->kind = RECORD_GET;
		snprintf(record->path, sizeof record->path, "/n%u", i);
		begin_record(client, record);
	}
	read.recursive = true;
	read.with_data = true;
	CHECK(synod_log(host->handle, "/", &read, NULL) == SYNOD_OK);
	host_wake(host);
}

void
workload_ask_write(struct world *world)
{
	struct host *host = world->hosts[MEMBERS_LIMIT + LAST];

	world->workload->clients[LAST].begun = UINT64_MAX;
	host_start(host);
	world->workload->answers_due = WORKLOAD_LAST_WRITES;
	world_schedule(world, 0, ask_write, host, host->incarnation);
}

void
workload_ask_reads(struct world *world)
{
	struct host *host = world->hosts[MEMBERS_LIMIT + LAST];

	world->workload->answers_due = (unsigned)world->options.nodes + 1;
	world_schedule(world, 0, ask_reads, host, host->incarnation);
}

bool
workload_is_answered(const struct world *world)
{
	return world->workload->answers_due == 0;
}
