/*
 * bench --history: a mixed workload on a few nodes, every operation on record.
 *
 * Each client is a thread with its own handle and one blocking call at a time.
 * Every value written is unique ("client-id"), so that a checker knows which
 * write a read saw.  All nodes are absent at the start.  One line of JSON an
 * operation, in the order in which they ended:
 *
 *   client, id   who, and which of its operations, from 0
 *   op           "get", "set", "create", "delete"
 *   path
 *   value        set, create: what is written
 *   expected     set: only if the data is this; the key is left out of plain sets
 *   start_ns, end_ns   monotonic clock, just before the call and just after
 *   result       "ok"; "fail": certainly not executed; "unknown"
 *   error        null, or the error's name
 *   revision     null, or the one of the answer
 *   read_value   get: what was there, null when there was no node
 *
 * A get of a node that does not exist is "ok".  A write refused with NOT_FOUND,
 * EXISTS or CONFLICT is "fail", and tells what was there at that moment.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/cli/units.h"
#include "shared/error.h"

#define VALUE_SIZE 48

enum kind {
	KIND_GET,
	KIND_SET,
	KIND_SET_IF, /* expects what this client saw last */
	KIND_CREATE,
	KIND_DELETE,
};

static const char *const kind_names[] = {"get", "set", "set", "create", "delete"};

struct history {
	struct cli *cli;
	const char *prefix;
	uint64_t key_count;
	uint64_t end_ns;
	atomic_int_fast64_t ops_left;
	char **paths;
	FILE *file;
	pthread_mutex_t mutex; /* of the file and the counts */
	uint64_t ok;
	uint64_t failed;
	uint64_t unknown;
};

struct client {
	struct history *history;
	struct synod *synod;
	pthread_t thread;
	uint64_t number;
	uint64_t next_id;
	uint64_t random;
	char (*seen)[VALUE_SIZE]; /* what this client last knew of each node; "" if nothing */
};

struct operation {
	enum kind kind;
	uint64_t key;
	uint64_t id;
	char value[VALUE_SIZE];
	char expected[VALUE_SIZE];
	uint64_t start_ns;
	uint64_t end_ns;
	int error;
	struct synod_result *result;
};

/* ---- one operation ---- */

static const char *
outcome_of(const struct operation *operation)
{
	if (operation->error == SYNOD_OK)
		return "ok";
	if (operation->kind == KIND_GET)
		return operation->error == SYNOD_NOT_FOUND ? "ok" : "fail";
	/* A handle that closes under a write does not know either. */
	if (operation->error == SYNOD_UNKNOWN || operation->error == SYNOD_CLOSED)
		return "unknown";
	return "fail";
}

static cJSON *
operation_json(const struct client *client, const struct operation *operation)
{
	const struct synod_result *result = operation->result;
	cJSON *json = json_object();

	json_add_number(json, "client", client->number);
	json_add_number(json, "id", operation->id);
	json_add_text(json, "op", kind_names[operation->kind]);
	json_add_text(json, "path", client->history->paths[operation->key]);
	if (operation->value[0])
		json_add_text(json, "value", operation->value);
	if (operation->kind == KIND_SET_IF)
		json_add_text(json, "expected", operation->expected);
	json_add_number(json, "start_ns", operation->start_ns);
	json_add_number(json, "end_ns", operation->end_ns);
	json_add_text(json, "result", outcome_of(operation));
	json_add_text(json, "error", operation->error ? error_name(operation->error) : NULL);
	if (result && result->revision)
		json_add_number(json, "revision", result->revision);
	else
		json_add_text(json, "revision", NULL);
	if (operation->kind == KIND_GET) {
		if (operation->error == SYNOD_OK)
			json_add_data(json, "read_value", result->node.data, result->node.size);
		else
			json_add_text(json, "read_value", NULL);
	}
	return json;
}

static void
operation_write(struct client *client, const struct operation *operation)
{
	struct history *history = client->history;
	cJSON *json = operation_json(client, operation);
	char *line = must(cJSON_PrintUnformatted(json));
	const char *outcome = outcome_of(operation);

	pthread_mutex_lock(&history->mutex);
	fprintf(history->file, "%s\n", line);
	if (strcmp(outcome, "ok") == 0)
		history->ok++;
	else if (strcmp(outcome, "fail") == 0)
		history->failed++;
	else
		history->unknown++;
	pthread_mutex_unlock(&history->mutex);
	cJSON_free(line);
	cJSON_Delete(json);
}

static int
operation_call(struct client *client, struct operation *operation)
{
	const char *path = client->history->paths[operation->key];
	size_t size = strlen(operation->value);
	struct synod_condition expected = {
		.kind = SYNOD_IF_DATA,
		.data = operation->expected,
		.size = strlen(operation->expected),
	};
	struct synod_write_options options = {.conditions = &expected, .condition_count = 1};

	switch (operation->kind) {
	case KIND_GET: return synod_get(client->synod, path, NULL, &operation->result);
	case KIND_SET:
		return synod_set(client->synod, path, operation->value, size, NULL,
		                 &operation->result);
	case KIND_SET_IF:
		return synod_set(client->synod, path, operation->value, size, &options,
		                 &operation->result);
	case KIND_CREATE:
		return synod_create(client->synod, path, operation->value, size, NULL,
		                    &operation->result);
	case KIND_DELETE: return synod_delete(client->synod, path, NULL, &operation->result);
	}
	return SYNOD_BAD_ARGUMENT;
}

/* Remember what the node holds now, so that later conditions have a chance to hold. */
static void
operation_learn(struct client *client, const struct operation *operation)
{
	char *seen = client->seen[operation->key];

	if (operation->error)
		return;
	if (operation->kind == KIND_GET)
		snprintf(seen, VALUE_SIZE, "%.*s", (int)operation->result->node.size,
		         operation->result->node.data ? (const char *)operation->result->node.data
		                                      : "");
	else
		memcpy(seen, operation->value, VALUE_SIZE);
}

static enum kind
choose_kind(struct client *client, uint64_t key)
{
	uint64_t dice = (bench_random(&client->random) >> 20) % 100;

	if (dice < 40)
		return KIND_GET;
	if (dice < 60)
		return KIND_SET;
	if (dice < 80)
		return client->seen[key][0] ? KIND_SET_IF : KIND_GET;
	return dice < 92 ? KIND_CREATE : KIND_DELETE;
}

static void
client_step(struct client *client)
{
	struct operation operation = {.id = client->next_id++};

	operation.key = (bench_random(&client->random) >> 20) % client->history->key_count;
	operation.kind = choose_kind(client, operation.key);
	if (operation.kind == KIND_SET_IF)
		memcpy(operation.expected, client->seen[operation.key], VALUE_SIZE);
	if (operation.kind != KIND_GET && operation.kind != KIND_DELETE)
		snprintf(operation.value, VALUE_SIZE, "%" PRIu64 "-%" PRIu64, client->number,
		         operation.id);
	operation.start_ns = monotonic_ns();
	operation.error = operation_call(client, &operation);
	operation.end_ns = monotonic_ns();
	operation_learn(client, &operation);
	operation_write(client, &operation);
	synod_result_free(operation.result);
}

static void *
client_run(void *context)
{
	struct client *client = context;
	struct history *history = client->history;

	while (monotonic_ns() < history->end_ns && atomic_fetch_sub(&history->ops_left, 1) > 0)
		client_step(client);
	return NULL;
}

/* ---- the whole ---- */

static int
history_configure(struct history *history, uint64_t *clients)
{
	const struct cli *cli = history->cli;
	bool has_ops = cli->options.given[OPTION_OPS];
	uint64_t seconds_ms = bench_number(cli, OPTION_SECONDS, has_ops ? 0 : 10000);
	int code = bench_prefix(cli, &history->prefix);

	if (code)
		return code;
	*clients = bench_number(cli, OPTION_CLIENTS, 8);
	history->key_count = bench_number(cli, OPTION_KEYS, 8);
	if (*clients == 0 || *clients > 1000 || history->key_count == 0 ||
	    history->key_count > 100000)
		return cli_usage(cli, "--clients is 1 to 1000, --keys 1 to 100,000");
	history->ops_left = has_ops ? (int_fast64_t)cli->options.number[OPTION_OPS] : INT64_MAX;
	history->end_ns =
		seconds_ms ? monotonic_ns() + seconds_ms * NANOSECONDS_PER_MS : UINT64_MAX;
	history->paths = must_calloc(history->key_count, sizeof *history->paths);
	for (uint64_t i = 0; i < history->key_count; i++)
		history->paths[i] = must_format("%s/h/%" PRIu64, history->prefix, i);
	return 0;
}

/* Every history begins without nodes, so that a checker knows the first state. */
static int
history_clear(struct history *history, struct synod *synod)
{
	struct synod_write_options remove = {.recursive = true};
	struct synod_write_options create = {.make_parents = true};
	struct synod_result *result = NULL;
	char *parent = must_format("%s/h", history->prefix);
	int code = 0;
	int error = synod_delete(synod, parent, &remove, NULL);

	if (error == SYNOD_OK || error == SYNOD_NOT_FOUND)
		error = synod_create(synod, parent, NULL, 0, &create, &result);
	if (error)
		code = cli_fail(history->cli, parent, error, result);
	synod_result_free(result);
	free(parent);
	return code;
}

static int
clients_run(struct history *history, uint64_t count)
{
	struct synod_options options = cli_synod_options(history->cli);
	struct client *clients = must_calloc(count, sizeof *clients);
	uint64_t started = 0;
	int code = 0;

	for (; started < count && code == 0; started++) {
		struct client *client = &clients[started];
		int error = synod_open(&options, &client->synod);

		if (error) {
			code = cli_fail(history->cli, options.endpoints, error, NULL);
			break;
		}
		client->history = history;
		client->number = started;
		client->random = (started + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ monotonic_ns();
		client->seen = must_calloc(history->key_count, sizeof *client->seen);
		error = pthread_create(&client->thread, NULL, client_run, client);
		if (error) {
			code = cli_fail_system("thread", error);
			synod_close(client->synod);
			free(client->seen);
			break;
		}
	}
	for (uint64_t i = 0; i < started; i++) {
		pthread_join(clients[i].thread, NULL);
		synod_close(clients[i].synod);
		free(clients[i].seen);
	}
	free(clients);
	return code;
}

static void
history_report(const struct history *history, const char *name)
{
	char text[3][UNIT_TEXT_SIZE];

	if (history->cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "file", name);
		json_add_number(json, "ok", history->ok);
		json_add_number(json, "fail", history->failed);
		json_add_number(json, "unknown", history->unknown);
		json_print(json);
	} else if (!history->cli->quiet) {
		printf("%s ok, %s failed, %s unknown, in %s\n", format_count(text[0], history->ok),
		       format_count(text[1], history->failed),
		       format_count(text[2], history->unknown), name);
	}
}

static int
history_run(struct history *history, const char *name, uint64_t clients)
{
	struct cli *cli = history->cli;
	int code = cli_open(cli);

	if (code == 0)
		code = history_clear(history, cli->synod);
	if (code == 0)
		code = clients_run(history, clients);
	if (code == 0)
		history_report(history, name);
	return code;
}

int
bench_history(struct cli *cli)
{
	struct history history = {.cli = cli, .mutex = PTHREAD_MUTEX_INITIALIZER};
	const char *name = cli->options.text[OPTION_HISTORY];
	uint64_t clients;
	int code = history_configure(&history, &clients);

	if (code)
		return code;
	history.file = fopen(name, "w");
	if (!history.file) {
		code = cli_fail_system(name, errno);
	} else {
		code = history_run(&history, name, clients);
		if (fclose(history.file) != 0 && code == 0)
			code = cli_fail_system(name, errno);
	}
	for (uint64_t i = 0; i < history.key_count; i++)
		free(history.paths[i]);
	free(history.paths);
	return code;
}
