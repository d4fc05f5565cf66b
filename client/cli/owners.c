/* The commands about what owns nodes: lease, session and who. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/child.h"
#include "client/cli/json.h"
#include "client/cli/show.h"
#include "client/cli/units.h"
#include "shared/error.h"

#define LOOK_MS 1000

/* What `lease` and `session` have in common. */
struct owner_kind {
	const char *name; /* "lease" */
	bool is_lease;
};

static const struct owner_kind leases = {"lease", true};
static const struct owner_kind sessions = {"session", false};

static int
parse_id(const struct cli *cli, const struct owner_kind *kind, uint64_t *id)
{
	if (cli->word_count < 2)
		return cli_usage(cli, "which %s? its number is missing", kind->name);
	if (!parse_count(cli->words[1], id) || *id == 0)
		return cli_usage(cli, "'%s' is not the number of a %s", cli->words[1], kind->name);
	return 0;
}

/* What is wrong with an id that belongs to nobody, or to an owner of the other kind. */
static int
fail_owner(const struct cli *cli, const struct owner_kind *kind, const struct synod_owner *owner)
{
	struct synod_result more = {0};

	if (owner)
		more.message = kind->is_lease ? "this is the id of a session, not of a lease"
		                              : "this is the id of a lease, not of a session";
	return cli_fail(cli, cli->words[1], SYNOD_NO_LEASE, &more);
}

static int
ask_owners(struct cli *cli, struct synod_owners **owners)
{
	int error = synod_owners(cli->synod, (unsigned)cli->options.number[OPTION_TIMEOUT], owners);

	return error ? cli_fail(cli, "sessions and leases", error, NULL) : 0;
}

static const struct synod_owner *
find_owner(const struct synod_owners *owners, uint64_t id)
{
	for (size_t i = 0; i < owners->owner_count; i++) {
		if (owners->owners[i].id == id)
			return &owners->owners[i];
	}
	return NULL;
}

/* ---- showing ---- */

static cJSON *
owner_json(const struct synod_owner *owner)
{
	cJSON *json = json_object();

	json_add_number(json, "id", owner->id);
	json_add_text(json, "kind", owner->is_lease ? "lease" : "session");
	json_add_number(json, "timeout_ms", owner->timeout_ms);
	if (owner->has_remaining)
		json_add_number(json, "remaining_ms", owner->remaining_ms);
	return json;
}

static void
add_owner_row(struct table *table, const struct synod_owner *owner)
{
	table_add(table, "%" PRIu64, owner->id);
	table_add(table, "%.3f", (double)owner->timeout_ms / 1000);
	if (owner->has_remaining)
		table_add(table, "%.3f", (double)owner->remaining_ms / 1000);
	else
		table_add(table, "-");
}

static void
print_owners(const struct cli *cli, const struct owner_kind *kind,
             const struct synod_owners *owners)
{
	static const struct table_column columns[] = {
		{"ID", true}, {"TIMEOUT-S", true}, {"REMAINING-S", true}};
	cJSON *array = cli->json ? json_array() : NULL;
	struct table table;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	for (size_t i = 0; i < owners->owner_count; i++) {
		const struct synod_owner *owner = &owners->owners[i];

		if (owner->is_lease != kind->is_lease)
			continue;
		if (array)
			json_append(array, owner_json(owner));
		else
			add_owner_row(&table, owner);
	}
	if (array)
		json_print(array);
	else
		table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	table_fini(&table);
}

static int
list_owners(struct cli *cli, const struct owner_kind *kind)
{
	struct synod_owners *owners = NULL;
	int code = cli_open(cli);

	if (code == 0)
		code = ask_owners(cli, &owners);
	if (code == 0)
		print_owners(cli, kind, owners);
	synod_owners_free(owners);
	return code;
}

static void
print_owner(const struct synod_owner *owner, const struct synod_result *owned)
{
	printf("%s: %" PRIu64 "\n", owner->is_lease ? "lease" : "session", owner->id);
	printf("timeout_ms: %" PRIu64 "\n", owner->timeout_ms);
	if (owner->has_remaining)
		printf("remaining_ms: %" PRIu64 "\n", owner->remaining_ms);
	printf("nodes: %zu\n", owned->child_count);
	for (size_t i = 0; i < owned->child_count; i++) {
		fputs("  ", stdout);
		cli_print_name(owned->children[i].path);
		putchar('\n');
	}
}

static void
print_owner_json(const struct synod_owner *owner, const struct synod_result *owned)
{
	cJSON *json = owner_json(owner);
	cJSON *nodes = json_array();

	for (size_t i = 0; i < owned->child_count; i++)
		json_append(nodes, cJSON_CreateString(owned->children[i].path));
	json_add(json, "nodes", nodes);
	json_print(json);
}

static int
show_owned(struct cli *cli, const char *subject, const struct synod_owner *owner)
{
	struct synod_result *owned = NULL;
	int error = synod_owned(cli->synod, owner->id, NULL, &owned);
	int code = 0;

	if (error)
		code = cli_fail(cli, subject, error, owned);
	else if (cli->json)
		print_owner_json(owner, owned);
	else
		print_owner(owner, owned);
	synod_result_free(owned);
	return code;
}

/* Show what owns the node at PATH, with all that it owns. */
static int
show_owner_of(struct cli *cli, const char *path, uint64_t id)
{
	struct synod_owners *owners = NULL;
	const struct synod_owner *owner;
	int code = ask_owners(cli, &owners);

	if (code)
		return code;
	owner = find_owner(owners, id);
	code = owner ? show_owned(cli, path, owner) : cli_fail(cli, path, SYNOD_NO_LEASE, NULL);
	synod_owners_free(owners);
	return code;
}

static int
show_kind(struct cli *cli, const struct owner_kind *kind)
{
	struct synod_owners *owners = NULL;
	const struct synod_owner *owner;
	uint64_t id;
	int code = parse_id(cli, kind, &id);

	if (code == 0)
		code = cli_open(cli);
	if (code == 0)
		code = ask_owners(cli, &owners);
	if (code)
		return code;
	owner = find_owner(owners, id);
	code = owner && owner->is_lease == kind->is_lease ? show_owned(cli, cli->words[1], owner)
	                                                  : fail_owner(cli, kind, owner);
	synod_owners_free(owners);
	return code;
}

/* ---- ending ---- */

static int
end_owner(struct cli *cli, const struct owner_kind *kind)
{
	struct synod_result *result = NULL;
	uint64_t id;
	int code = parse_id(cli, kind, &id);
	int error;

	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	error = (kind->is_lease ? synod_lease_revoke : synod_session_end)(cli->synod, id, NULL,
	                                                                  &result);
	if (error) {
		code = cli_fail(cli, cli->words[1], error, result);
	} else if (cli->json) {
		cJSON *json = json_object();

		json_add_number(json, "revision", result->revision);
		json_add_number(json, "deleted", result->deleted);
		json_print(json);
	} else if (!cli->quiet) {
		printf("revision %" PRIu64 " deleted %" PRIu64 "\n", result->revision,
		       result->deleted);
	}
	synod_result_free(result);
	return code;
}

/* ---- leases ---- */

static int
grant(struct cli *cli)
{
	struct synod_result *result = NULL;
	uint64_t ttl_ms;
	int code, error;

	if (cli->word_count < 2)
		return cli_usage(cli, "for how many seconds? their number is missing");
	if (!parse_seconds(cli->words[1], &ttl_ms))
		return cli_usage(cli, "'%s' is not a number of seconds such as 30 or 0.5",
		                 cli->words[1]);
	code = cli_open(cli);
	if (code)
		return code;
	error = synod_lease_grant(cli->synod, ttl_ms, NULL, &result);
	if (error) {
		code = cli_fail(cli, cli->words[1], error, result);
	} else if (cli->json) {
		cJSON *json = json_object();

		json_add_number(json, "id", result->id);
		json_add_number(json, "ttl_ms", result->ttl_ms);
		json_print(json);
	} else {
		printf("%" PRIu64 "\n", result->id);
	}
	synod_result_free(result);
	return code;
}

static void
on_end(void *context, uint64_t lease)
{
	bool *has_ended = context;

	(void)lease;
	*has_ended = true;
	child_wake();
}

/* Until a signal comes, or the lease has ended. */
static int
keep_until_signal(struct cli *cli, const struct synod_owner *lease)
{
	static bool has_ended;
	int error = synod_lease_keep(cli->synod, lease->id, lease->timeout_ms, on_end, &has_ended);

	if (error)
		return cli_fail(cli, cli->words[1], error, NULL);
	if (!cli->quiet) {
		printf("keeping lease %" PRIu64 " until interrupted\n", lease->id);
		fflush(stdout);
	}
	while (!has_ended) {
		int signal = child_pause(LOOK_MS);

		if (signal)
			return 128 + signal;
	}
	return cli_fail(cli, cli->words[1], SYNOD_NO_LEASE, NULL);
}

static int
keep(struct cli *cli)
{
	struct synod_owners *owners = NULL;
	const struct synod_owner *owner;
	uint64_t id;
	int code = parse_id(cli, &leases, &id);

	if (code)
		return code;
	child_prepare();
	code = cli_open(cli);
	if (code == 0)
		code = ask_owners(cli, &owners);
	if (code)
		return code;
	owner = find_owner(owners, id);
	code = owner && owner->is_lease ? keep_until_signal(cli, owner)
	                                : fail_owner(cli, &leases, owner);
	synod_owners_free(owners);
	return code;
}

int
command_lease(struct cli *cli)
{
	const char *what = cli->words[0];

	if (strcmp(what, "grant") == 0)
		return grant(cli);
	if (strcmp(what, "keep") == 0)
		return keep(cli);
	if (strcmp(what, "revoke") == 0)
		return end_owner(cli, &leases);
	if (strcmp(what, "show") == 0)
		return show_kind(cli, &leases);
	if (strcmp(what, "ls") == 0 && cli->word_count == 1)
		return list_owners(cli, &leases);
	return cli_usage(cli, "'%s' is none of grant, keep, revoke, show, ls", what);
}

int
command_session(struct cli *cli)
{
	const char *what = cli->words[0];

	if (strcmp(what, "ls") == 0 && cli->word_count == 1)
		return list_owners(cli, &sessions);
	if (strcmp(what, "show") == 0)
		return show_kind(cli, &sessions);
	if (strcmp(what, "end") == 0)
		return end_owner(cli, &sessions);
	return cli_usage(cli, "'%s' is none of ls, show, end", what);
}

/* ---- who ---- */

int
command_who(struct cli *cli)
{
	struct synod_result *result = NULL;
	const char *path = cli->words[0];
	int code = cli_open(cli);
	int error;

	if (code)
		return code;
	error = synod_stat(cli->synod, path, NULL, &result);
	if (error)
		code = cli_fail(cli, path, error, result);
	else if (result->node.stat.owner)
		code = show_owner_of(cli, path, result->node.stat.owner);
	else if (cli->json)
		puts("null");
	else
		printf("nobody: the node is %s\n", node_kind_name(result->node.stat.kind));
	synod_result_free(result);
	return code;
}
