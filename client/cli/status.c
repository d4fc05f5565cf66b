/* The commands about the ensemble itself: status and member. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/cli.h"
#include "client/cli/json.h"
#include "client/cli/monotonic.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/verdict.h"
#include "shared/error.h"

#define HASH_SHOWN 12 /* digits; enough to tell states apart by eye, --json has all */

static const char *
or_dash(const char *text)
{
	return text && text[0] ? text : "-";
}

/* ---- status as a table ---- */

static const struct table_column status_columns[] = {
	{"NAME", false},    {"ROLE", false},   {"LEADER", false},   {"BALLOT", false},
	{"REVISION", true}, {"APPLIED", true}, {"LAG", true},       {"HASH", false},
	{"DB", true},       {"JOURNAL", true}, {"FSYNC-P99", true}, {"CLIENTS", true},
	{"SESSIONS", true}, {"UPTIME", true},
};
#define STATUS_COLUMN_COUNT (sizeof status_columns / sizeof status_columns[0])

static uint64_t
lag_of(const struct synod_member_status *member, const struct verdict *verdict)
{
	return verdict->chosen > member->applied ? verdict->chosen - member->applied : 0;
}

static void
status_row(struct table *table, const struct synod_member_status *member,
           const struct verdict *verdict)
{
	char text[UNIT_TEXT_SIZE];

	if (member->error) {
		table_add(table, "%s", or_dash(member->name));
		table_add(table, "unreachable");
		table_add(table, "%s: %s (%s)", or_dash(member->endpoint),
		          error_text(member->error), error_name(member->error));
		table_end_row(table, "");
		return;
	}
	table_add(table, "%s", or_dash(member->name));
	table_add(table, "%s", or_dash(member->role));
	table_add(table, "%s", or_dash(member->leader));
	table_add(table, "%s", or_dash(member->ballot));
	table_add(table, "%" PRIu64, member->revision);
	table_add(table, "%" PRIu64, member->applied);
	table_add(table, "%" PRIu64, lag_of(member, verdict));
	table_add(table, "%.*s", HASH_SHOWN, or_dash(member->state_hash));
	table_add(table, "%s", format_size(text, member->database_bytes));
	table_add(table, "%s", format_size(text, member->journal_bytes));
	table_add(table, "%s", format_us(text, member->sync_p99_us));
	table_add(table, "%" PRIu64, member->clients);
	table_add(table, "%" PRIu64, member->sessions);
	table_add(table, "%s", format_uptime(text, member->uptime_ms));
}

static void
print_summary(const struct cli *cli, const struct verdict *verdict)
{
	if (verdict->reachable == 0) {
		printf("%sno member can be reached%s\n", cli_red(cli), cli_plain(cli));
		return;
	}
	printf("%" PRIu64 " of %" PRIu64 " members reachable; ", verdict->reachable,
	       verdict->voters);
	if (!verdict->has_quorum)
		printf("%sno quorum: writes cannot be accepted%s; ", cli_red(cli), cli_plain(cli));
	else if (!verdict->leader)
		printf("%sno leader yet%s; ", cli_red(cli), cli_plain(cli));
	else
		printf("%" PRIu64 " more may fail; ", verdict->more_may_fail);
	if (verdict->hashes == HASHES_AGREE)
		printf("state hashes of %" PRIu64 " agree at slot %" PRIu64 "\n",
		       verdict->hash_members, verdict->hash_slot);
	else if (verdict->hashes == HASHES_DIFFER)
		printf("%sSTATE HASHES DIFFER at slot %" PRIu64 "%s\n", cli_red(cli),
		       verdict->hash_slot, cli_plain(cli));
	else
		puts("no two members at the same slot, state hashes not compared");
}

static void
print_problems(const struct cli *cli, const struct synod_status *status)
{
	for (size_t i = 0; i < status->member_count; i++) {
		const struct synod_member_status *member = &status->members[i];

		if (!member->error && member->problem && member->problem[0])
			printf("%s%s: %s%s\n", cli_red(cli), or_dash(member->name), member->problem,
			       cli_plain(cli));
	}
}

static void
print_status(const struct cli *cli, const struct synod_status *status,
             const struct verdict *verdict)
{
	struct table table;

	table_init(&table, status_columns, STATUS_COLUMN_COUNT);
	for (size_t i = 0; i < status->member_count; i++)
		status_row(&table, &status->members[i], verdict);
	table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	table_fini(&table);
	print_problems(cli, status);
	print_summary(cli, verdict);
}

/* ---- status as JSON ---- */

static cJSON *
member_json(const struct synod_member_status *member, const struct verdict *verdict)
{
	cJSON *json = json_object();

	json_add_text(json, "endpoint", member->endpoint);
	json_add_text(json, "name", member->name);
	json_add_bool(json, "reachable", member->error == SYNOD_OK);
	json_add_text(json, "error", member->error ? error_name(member->error) : NULL);
	if (member->error)
		return json;
	json_add_number(json, "member_id", member->member_id);
	json_add_text(json, "role", member->role);
	json_add_text(json, "leader", member->leader);
	json_add_text(json, "ballot", member->ballot);
	json_add_number(json, "epoch", member->epoch);
	json_add_number(json, "chosen", member->chosen);
	json_add_number(json, "applied", member->applied);
	json_add_number(json, "length", member->length);
	json_add_number(json, "lag", lag_of(member, verdict));
	json_add_number(json, "revision", member->revision);
	json_add_number(json, "nodes", member->nodes);
	json_add_number(json, "sessions", member->sessions);
	json_add_number(json, "clients", member->clients);
	json_add_number(json, "pending", member->pending);
	json_add_number(json, "database_bytes", member->database_bytes);
	json_add_number(json, "journal_bytes", member->journal_bytes);
	json_add_number(json, "sync_p99_us", member->sync_p99_us);
	json_add_number(json, "uptime_ms", member->uptime_ms);
	json_add_text(json, "state_hash", member->state_hash);
	json_add_text(json, "software", member->software);
	json_add_text(json, "problem", member->problem);
	json_add_text(json, "cluster_id", member->cluster_id);
	json_add_number(json, "voters", member->voters);
	json_add_number(json, "tolerates", member->tolerates);
	return json;
}

static void
print_status_json(const struct synod_status *status, const struct verdict *verdict)
{
	cJSON *json = json_object();
	cJSON *members = json_array();

	for (size_t i = 0; i < status->member_count; i++)
		json_append(members, member_json(&status->members[i], verdict));
	json_add(json, "members", members);
	json_add_number(json, "voters", verdict->voters);
	json_add_number(json, "reachable", verdict->reachable);
	json_add_number(json, "more_may_fail", verdict->more_may_fail);
	json_add_bool(json, "has_quorum", verdict->has_quorum);
	json_add_text(json, "leader", verdict->leader);
	if (verdict->hashes == HASHES_NOT_COMPARABLE)
		json_add_text(json, "hashes_agree", NULL);
	else
		json_add_bool(json, "hashes_agree", verdict->hashes == HASHES_AGREE);
	json_add_number(json, "hash_slot", verdict->hash_slot);
	json_add_number(json, "hash_members", verdict->hash_members);
	json_print(json);
}

/* ---- status ---- */

#define WAIT_PAUSE_MS 50

static int
exit_code_of(const struct cli *cli, const struct verdict *verdict)
{
	if (!verdict->has_quorum || !verdict->leader)
		return EXIT_NO_QUORUM;
	if (verdict->hashes == HASHES_DIFFER)
		return EXIT_ERROR;
	if (cli->options.given[OPTION_WAIT] && !verdict_is_settled(verdict))
		return EXIT_ERROR;
	return EXIT_DONE;
}

/* Ask until the ensemble is settled or --wait is over. */
static int
ask_status(struct cli *cli, struct synod_status **status, struct verdict *verdict)
{
	uint64_t deadline_ns =
		monotonic_ns() + cli->options.number[OPTION_WAIT] * NANOSECONDS_PER_MS;
	unsigned timeout_ms = (unsigned)cli->options.number[OPTION_TIMEOUT];

	for (;;) {
		int error = synod_status(cli->synod, timeout_ms, status);

		if (error)
			return cli_fail(cli, "status", error, NULL);
		verdict_of(*status, verdict);
		if (verdict_is_settled(verdict) || monotonic_ns() >= deadline_ns)
			return 0;
		synod_status_free(*status);
		*status = NULL;
		monotonic_sleep_ms(WAIT_PAUSE_MS);
	}
}

int
command_status(struct cli *cli)
{
	struct synod_status *status = NULL;
	struct verdict verdict;
	int code = cli_open(cli);

	if (code == 0)
		code = ask_status(cli, &status, &verdict);
	if (code)
		return code;
	if (cli->json)
		print_status_json(status, &verdict);
	else
		print_status(cli, status, &verdict);
	code = exit_code_of(cli, &verdict);
	synod_status_free(status);
	return code;
}

/* ---- member ---- */

static void
print_members_json(const struct synod_members *members)
{
	cJSON *array = json_array();

	for (size_t i = 0; i < members->member_count; i++) {
		const struct synod_member *member = &members->members[i];
		cJSON *json = json_object();

		json_add_number(json, "id", member->id);
		json_add_text(json, "name", member->name);
		json_add_text(json, "role", member->role);
		json_add_text(json, "peer_address", member->peer_address);
		json_add_text(json, "client_address", member->client_address);
		json_add_bool(json, "reachable", member->reachable);
		json_add_number(json, "matched", member->matched);
		json_append(array, json);
	}
	json_print(array);
}

static void
print_members(const struct cli *cli, const struct synod_members *members)
{
	static const struct table_column columns[] = {
		{"NAME", false},    {"ID", false},        {"ROLE", false},   {"PEERS", false},
		{"CLIENTS", false}, {"REACHABLE", false}, {"MATCHED", true},
	};
	struct table table;

	table_init(&table, columns, sizeof columns / sizeof columns[0]);
	for (size_t i = 0; i < members->member_count; i++) {
		const struct synod_member *member = &members->members[i];

		table_add(&table, "%s", or_dash(member->name));
		table_add(&table, "%" PRIu64, member->id);
		table_add(&table, "%s", or_dash(member->role));
		table_add(&table, "%s", or_dash(member->peer_address));
		table_add(&table, "%s", or_dash(member->client_address));
		table_add(&table, "%s", member->reachable ? "yes" : "no");
		table_add(&table, "%" PRIu64, member->matched);
	}
	table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	table_fini(&table);
}

static int
member_list(struct cli *cli)
{
	struct synod_members *members = NULL;
	int code = cli_open(cli);
	int error;

	if (code)
		return code;
	error = synod_members(cli->synod, (unsigned)cli->options.number[OPTION_TIMEOUT], &members);
	if (error)
		return cli_fail(cli, "member list", error, NULL);
	if (cli->json)
		print_members_json(members);
	else
		print_members(cli, members);
	synod_members_free(members);
	return 0;
}

static int
member_transfer(struct cli *cli)
{
	const char *name = cli->words[1];
	int code = cli_open(cli);
	int error;

	if (code)
		return code;
	error = synod_transfer(cli->synod, name, (unsigned)cli->options.number[OPTION_TIMEOUT]);
	if (error)
		return cli_fail(cli, name ? name : "member transfer", error, NULL);
	if (cli->json)
		puts("{\"started\":true}");
	else if (!cli->quiet)
		printf("leadership goes to %s\n", name ? name : "another member");
	return 0;
}

int
command_member(struct cli *cli)
{
	const char *what = cli->words[0];

	if (strcmp(what, "list") == 0 && cli->word_count == 1)
		return member_list(cli);
	if (strcmp(what, "transfer") == 0)
		return member_transfer(cli);
	return cli_usage(cli, "'%s' is neither list nor transfer [NAME]", what);
}
