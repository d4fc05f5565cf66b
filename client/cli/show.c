/* Shows the stat of nodes. */
#include "client/cli/show.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/units.h"

static void
show_number(const char *key, uint64_t number)
{
	printf("%s: %" PRIu64 "\n", key, number);
}

static void
show_time(const char *key, uint64_t unix_ms)
{
	char text[UNIT_TEXT_SIZE];

	printf("%s: %s\n", key, format_time(text, unix_ms));
}

const char *
node_kind_name(enum synod_node_kind kind)
{
	switch (kind) {
	case SYNOD_PERSISTENT: return "persistent";
	case SYNOD_EPHEMERAL: return "ephemeral";
	case SYNOD_LEASED: return "leased";
	case SYNOD_CONTAINER: return "container";
	case SYNOD_TTL: return "ttl";
	case SYNOD_LOCK: return "lock";
	case SYNOD_CONTENDER: return "contender";
	case SYNOD_SERVICE: return "service";
	case SYNOD_SUSPECT: return "suspect";
	}
	return "?";
}

void
show_stat(const char *path, const struct synod_node *node)
{
	const struct synod_stat *stat = &node->stat;

	fputs("path: ", stdout);
	cli_print_name(path);
	putchar('\n');
	if (!node->has_stat)
		return;
	if (stat->has_data)
		show_number("data_size", stat->data_size);
	else
		puts("data_size: none");
	show_number("version", stat->version);
	show_number("children", stat->children);
	show_number("created", stat->created);
	show_time("created_time", stat->created_ms);
	show_number("modified", stat->modified);
	show_time("modified_time", stat->modified_ms);
	show_number("children_modified", stat->children_modified);
	show_number("children_version", stat->children_version);
	show_number("access_version", stat->access_version);
	show_number("sequence", stat->sequence);
	printf("kind: %s\n", node_kind_name(stat->kind));
	if (stat->kind == SYNOD_TTL)
		show_number("ttl_ms", stat->ttl_ms);
	if (stat->kind == SYNOD_CONTENDER) {
		printf("mode: %s\n", stat->mode == 2 ? "shared" : "exclusive");
		show_number("token", stat->token);
	}
	if (stat->kind == SYNOD_LOCK)
		show_number("holders_max", stat->mode);
	if (stat->kind == SYNOD_SERVICE)
		show_number("brake_percent", stat->mode);
	show_number("owner", stat->owner);
}

const struct table_column node_columns[NODE_COLUMN_COUNT] = {
	{"NAME", false}, {"REVISION", true}, {"VERSION", true},
	{"SIZE", true},  {"CHILDREN", true}, {"OWNER", true},
};

void
node_row(struct table *table, const char *name, const struct synod_stat *stat)
{
	table_add(table, "%s", name);
	table_add(table, "%" PRIu64, stat->modified);
	table_add(table, "%" PRIu64, stat->version);
	if (stat->has_data)
		table_add(table, "%" PRIu64, stat->data_size);
	else
		table_add(table, "-");
	table_add(table, "%" PRIu64, stat->children);
	if (stat->owner)
		table_add(table, "%" PRIu64, stat->owner);
	else
		table_add(table, "-");
}
