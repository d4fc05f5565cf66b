/* The commands that read and write one node: get, set, create, delete, stat. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/escape.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/show.h"
#include "client/cli/units.h"
#include "client/cli/value.h"

/* ---- reads ---- */

static void
print_data(const struct synod_node *node)
{
	const char *bytes = node->data;

	if (!isatty(STDOUT_FILENO)) {
		fwrite(bytes ? bytes : "", 1, node->size, stdout);
		return;
	}
	if (node->size == 0)
		return;
	escape_print(stdout, bytes, node->size, ESCAPE_TEXT);
	if (bytes[node->size - 1] != '\n')
		putchar('\n');
}

static void
print_node_json(const char *path, const struct synod_result *result, bool with_data)
{
	cJSON *json = json_object();

	json_add_text(json, "path", path);
	json_add_number(json, "revision", result->revision);
	if (result->stale_ms)
		json_add_number(json, "stale_ms", result->stale_ms);
	if (with_data)
		json_add_data(json, "data", result->node.data, result->node.size);
	json_add_stat(json, &result->node);
	json_print(json);
}

int
command_get(struct cli *cli)
{
	struct synod_read_options options = {0};
	struct synod_result *result = NULL;
	const char *path = cli->words[0];
	int code = cli_read_options(cli, &options);
	int error;

	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	error = synod_get(cli->synod, path, &options, &result);
	if (error) {
		code = cli_fail(cli, path, error, result);
	} else if (cli->json) {
		print_node_json(path, result, true);
	} else {
		if (cli->options.given[OPTION_LONG]) {
			show_stat(path, &result->node);
			putchar('\n');
		}
		print_data(&result->node);
	}
	synod_result_free(result);
	return code;
}

/* Who owns NODE, and for how long yet; nothing if nobody does or no leader can say. */
static void
show_owner(const struct cli *cli, const struct synod_node *node)
{
	struct synod_owners *owners = NULL;

	if (node->stat.owner == 0 ||
	    synod_owners(cli->synod, (unsigned)cli->options.number[OPTION_TIMEOUT], &owners))
		return;
	for (size_t i = 0; i < owners->owner_count; i++) {
		const struct synod_owner *owner = &owners->owners[i];

		if (owner->id != node->stat.owner)
			continue;
		printf("owner_kind: %s\n", owner->is_lease ? "lease" : "session");
		if (owner->has_remaining)
			printf("owner_remaining_ms: %" PRIu64 "\n", owner->remaining_ms);
	}
	synod_owners_free(owners);
}

int
command_stat(struct cli *cli)
{
	struct synod_read_options options = {0};
	struct synod_result *result = NULL;
	const char *path = cli->words[0];
	int code = cli_read_options(cli, &options);
	int error;

	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	error = synod_stat(cli->synod, path, &options, &result);
	if (error)
		code = cli_fail(cli, path, error, result);
	else if (cli->json)
		print_node_json(path, result, false);
	else {
		show_stat(path, &result->node);
		show_owner(cli, &result->node);
	}
	synod_result_free(result);
	return code;
}

/* ---- writes ---- */

#define CONDITIONS_MAX 5

struct write {
	struct synod_write_options options;
	struct synod_condition conditions[CONDITIONS_MAX];
	char *lock; /* of --guard; owned */
};

static void
add_condition(struct write *write, enum synod_condition_kind kind, uint64_t number)
{
	struct synod_condition *condition = &write->conditions[write->options.condition_count++];

	*condition = (struct synod_condition){.kind = kind, .number = number};
}

/* --guard LOCK:TOKEN.  Returns 0 or EXIT_USAGE. */
static int
read_guard(struct write *write, const struct cli *cli)
{
	const char *text = cli->options.text[OPTION_GUARD];
	const char *colon = text ? strrchr(text, ':') : NULL;

	if (!text)
		return 0;
	if (!colon || text[0] != '/' || !parse_count(colon + 1, &write->options.guard.token))
		return cli_usage(
			cli, "--guard: '%s' is not the path of a lock, a colon and a token", text);
	write->lock = must_format("%.*s", (int)(colon - text), text);
	write->options.guard.lock = write->lock;
	return 0;
}

/* --lease, --ttl, --container.  Returns 0 or EXIT_USAGE. */
static int
read_kind(struct write *write, const struct cli *cli)
{
	const struct options *options = &cli->options;
	int count = options->given[OPTION_LEASE] + options->given[OPTION_TTL] +
	            options->given[OPTION_CONTAINER];

	if (count > 1)
		return cli_usage(cli, "--lease, --ttl and --container exclude each other");
	if (count > 0 && options->given[OPTION_EXISTING])
		return cli_usage(cli, "--existing excludes --lease, --ttl and --container");
	write->options.lease = options->number[OPTION_LEASE];
	write->options.ttl_ms = options->number[OPTION_TTL];
	if (options->given[OPTION_LEASE])
		write->options.kind = SYNOD_LEASED;
	else if (options->given[OPTION_TTL])
		write->options.kind = SYNOD_TTL;
	else if (options->given[OPTION_CONTAINER])
		write->options.kind = SYNOD_CONTAINER;
	return 0;
}

/* Translate the options of the command line.  Returns 0 or EXIT_USAGE; write_fini() in any case. */
static int
write_init(struct write *write, const struct cli *cli)
{
	int code;

	const struct options *options = &cli->options;

	*write = (struct write){.options = {
					.sequential = options->given[OPTION_SEQUENTIAL],
					.make_parents = options->given[OPTION_PARENTS],
					.recursive = options->given[OPTION_RECURSIVE],
					.want_previous = options->given[OPTION_PREVIOUS],
				}};
	write->options.conditions = write->conditions;
	if (options->given[OPTION_IF_ABSENT])
		add_condition(write, SYNOD_IF_EXISTS, 0);
	if (options->given[OPTION_IF_VERSION])
		add_condition(write, SYNOD_IF_VERSION, options->number[OPTION_IF_VERSION]);
	if (options->given[OPTION_IF_MODIFIED])
		add_condition(write, SYNOD_IF_MODIFIED, options->number[OPTION_IF_MODIFIED]);
	if (options->given[OPTION_IF_DATA]) {
		const char *text = options->text[OPTION_IF_DATA];

		add_condition(write, SYNOD_IF_DATA, 0);
		write->conditions[write->options.condition_count - 1].data = text;
		write->conditions[write->options.condition_count - 1].size = strlen(text);
	}
	code = read_guard(write, cli);
	return code ? code : read_kind(write, cli);
}

static void
write_fini(struct write *write)
{
	free(write->lock);
}

static void
add_previous_json(cJSON *json, const struct synod_result *result)
{
	cJSON *previous;

	if (!result->has_previous) {
		json_add_text(json, "previous", NULL);
		return;
	}
	previous = json_object();
	json_add_data(previous, "data", result->previous.data, result->previous.size);
	json_add_stat(previous, &result->previous);
	json_add(json, "previous", previous);
}

static void
print_previous(const struct synod_result *result)
{
	char *data;

	if (!result->has_previous) {
		puts("previous: none");
		return;
	}
	data = escape_preview(result->previous.data, result->previous.size, SIZE_MAX);
	printf("previous: version %" PRIu64 " %s\n", result->previous.stat.version, data);
	free(data);
}

static void
print_written(const struct cli *cli, const char *path, const struct synod_result *result)
{
	bool with_previous = cli->options.given[OPTION_PREVIOUS];

	if (cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "path", path);
		json_add_number(json, "revision", result->revision);
		json_add_number(json, "version", result->node.stat.version);
		if (with_previous)
			add_previous_json(json, result);
		json_print(json);
		return;
	}
	if (!cli->quiet)
		printf("revision %" PRIu64 " version %" PRIu64 "\n", result->revision,
		       result->node.stat.version);
	if (with_previous)
		print_previous(result);
}

int
command_set(struct cli *cli)
{
	struct write write;
	struct value value;
	struct synod_result *result = NULL;
	const char *path = cli->words[0];
	bool is_strict = cli->options.given[OPTION_EXISTING];
	int code;
	int error;

	if (is_strict &&
	    (cli->options.given[OPTION_IF_ABSENT] || cli->options.given[OPTION_PARENTS]))
		return cli_usage(cli, "--existing excludes --if-absent and --parents");
	code = value_read(cli, cli->words[1], VALUE_FROM_PIPE, &value);
	if (code)
		return code;
	code = write_init(&write, cli);
	write.options.want_stat = true;
	if (code == 0)
		code = cli_open(cli);
	if (code == 0) {
		error = (is_strict ? synod_set : synod_put)(cli->synod, path, value.bytes,
		                                            value.size, &write.options, &result);
		if (error)
			code = cli_fail(cli, path, error, result);
		else
			print_written(cli, path, result);
	}
	synod_result_free(result);
	write_fini(&write);
	free(value.bytes);
	return code;
}

static void
print_created(const struct cli *cli, const char *path, const struct synod_result *result)
{
	const char *created = result->node.path ? result->node.path : path;

	if (cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "path", created);
		json_add_number(json, "revision", result->revision);
		json_print(json);
	} else if (!cli->quiet || cli->options.given[OPTION_SEQUENTIAL]) {
		cli_print_name(created);
		putchar('\n');
	}
}

int
command_create(struct cli *cli)
{
	struct write write;
	struct value value;
	struct synod_result *result = NULL;
	const char *path = cli->words[0];
	int code = value_read(cli, cli->words[1], VALUE_ABSENT, &value);
	int error;

	if (code)
		return code;
	code = write_init(&write, cli);
	if (code == 0)
		code = cli_open(cli);
	if (code == 0) {
		error = synod_create(cli->synod, path, value.bytes, value.size, &write.options,
		                     &result);
		if (error)
			code = cli_fail(cli, path, error, result);
		else
			print_created(cli, path, result);
	}
	synod_result_free(result);
	write_fini(&write);
	free(value.bytes);
	return code;
}

static void
print_deleted(const struct cli *cli, const char *path, const struct synod_result *result)
{
	bool with_previous = cli->options.given[OPTION_PREVIOUS];

	if (cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "path", path);
		json_add_number(json, "revision", result->revision);
		json_add_number(json, "deleted", result->deleted);
		if (with_previous)
			add_previous_json(json, result);
		json_print(json);
		return;
	}
	if (!cli->quiet)
		printf("revision %" PRIu64 " deleted %" PRIu64 "\n", result->revision,
		       result->deleted);
	if (with_previous)
		print_previous(result);
}

int
command_delete(struct cli *cli)
{
	struct write write;
	struct synod_result *result = NULL;
	const char *path = cli->words[0];
	int code = write_init(&write, cli);
	int error;

	if (code == 0)
		code = cli_open(cli);
	if (code) {
		write_fini(&write);
		return code;
	}
	error = synod_delete(cli->synod, path, &write.options, &result);
	if (error)
		code = cli_fail(cli, path, error, result);
	else
		print_deleted(cli, path, result);
	synod_result_free(result);
	write_fini(&write);
	return code;
}
