/* The commands that list nodes: ls and tree. */
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/show.h"
#include "client/cli/units.h"

/* ---- ls ---- */

static void
print_listing_json(const struct synod_result *result)
{
	cJSON *array = json_array();

	for (size_t i = 0; i < result->child_count; i++) {
		cJSON *child = json_object();

		json_add_text(child, "name", result->children[i].path);
		json_add_stat(child, &result->children[i]);
		json_append(array, child);
	}
	json_print(array);
}

static void
print_listing_long(const struct cli *cli, const struct synod_result *result)
{
	struct table table;

	table_init(&table, node_columns, NODE_COLUMN_COUNT);
	for (size_t i = 0; i < result->child_count; i++)
		node_row(&table, result->children[i].path, &result->children[i].stat);
	table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	table_fini(&table);
}

static void
print_listing(const struct cli *cli, const struct synod_result *result)
{
	if (cli->json) {
		print_listing_json(result);
		return;
	}
	if (cli->options.given[OPTION_LONG]) {
		print_listing_long(cli, result);
		return;
	}
	for (size_t i = 0; i < result->child_count; i++) {
		cli_print_name(result->children[i].path);
		putchar('\n');
	}
}

int
command_ls(struct cli *cli)
{
	struct synod_read_options options = {0};
	struct synod_result *result = NULL;
	const char *path = cli->word_count ? cli->words[0] : "/";
	int code = cli_read_options(cli, &options);
	int error;

	if (code == 0)
		code = cli_open(cli);
	if (code)
		return code;
	options.with_stat = cli->options.given[OPTION_LONG] || cli->json;
	options.limit = cli->options.number[OPTION_LIMIT];
	error = synod_list(cli->synod, path, &options, &result);
	if (error)
		code = cli_fail(cli, path, error, result);
	else
		print_listing(cli, result);
	synod_result_free(result);
	return code;
}

/* ---- tree ---- */

struct tree {
	const struct cli *cli;
	struct synod_read_options options;
	uint64_t depth_max;
	uint64_t count;
	struct table table; /* of a long listing, which needs all rows before the first */
	const char *branch; /* lines before a child, before the last child, and below each */
	const char *last_branch;
	const char *below;
	const char *below_last;
};

static int tree_children(struct tree *tree, const char *path, const char *indent, uint64_t depth,
                         cJSON *json);

static void
tree_line(struct tree *tree, const char *indent, const char *branch, const struct synod_node *node)
{
	tree->count++;
	if (tree->cli->json)
		return;
	if (tree->cli->options.given[OPTION_LONG]) {
		char *name = must_format("%s%s%s", indent, branch, node->path);

		node_row(&tree->table, name, &node->stat);
		free(name);
		return;
	}
	printf("%s%s", indent, branch);
	cli_print_name(node->path);
	putchar('\n');
}

static int
tree_child(struct tree *tree, const char *parent, const char *indent, uint64_t depth, bool is_last,
           const struct synod_node *node, cJSON *siblings)
{
	cJSON *json = NULL;
	int code = 0;

	tree_line(tree, indent, is_last ? tree->last_branch : tree->branch, node);
	if (siblings) {
		json = json_object();
		json_add_text(json, "name", node->path);
		json_add_stat(json, node);
		json_append(siblings, json);
	}
	if (node->stat.children > 0 && depth < tree->depth_max) {
		char *path =
			must_format("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, node->path);
		char *deeper =
			must_format("%s%s", indent, is_last ? tree->below_last : tree->below);

		code = tree_children(tree, path, deeper, depth + 1, json);
		free(path);
		free(deeper);
	}
	return code;
}

/* Print what lies below PATH; DEPTH is that of its children. */
static int
tree_children(struct tree *tree, const char *path, const char *indent, uint64_t depth, cJSON *json)
{
	struct synod_result *result = NULL;
	cJSON *children = NULL;
	int code = 0;
	int error = synod_list(tree->cli->synod, path, &tree->options, &result);

	/* A node that has gone since its parent was listed is no error. */
	if (error && (error != SYNOD_NOT_FOUND || depth == 1))
		code = cli_fail(tree->cli, path, error, result);
	if (error) {
		synod_result_free(result);
		return code;
	}
	if (json) {
		children = json_array();
		json_add(json, "children", children);
	}
	for (size_t i = 0; i < result->child_count && code == 0; i++)
		code = tree_child(tree, path, indent, depth, i + 1 == result->child_count,
		                  &result->children[i], children);
	synod_result_free(result);
	return code;
}

static void
tree_choose_lines(struct tree *tree)
{
	bool is_unicode = isatty(STDOUT_FILENO) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

	tree->branch = is_unicode ? "├── " : "|-- ";
	tree->last_branch = is_unicode ? "└── " : "`-- ";
	tree->below = is_unicode ? "│   " : "|   ";
	tree->below_last = "    ";
}

/* The node at the top, which is in no listing. */
static int
tree_top(struct tree *tree, const char *path, cJSON *json)
{
	struct synod_result *result = NULL;
	int error = synod_stat(tree->cli->synod, path, &tree->options, &result);
	int code = 0;

	if (error) {
		code = cli_fail(tree->cli, path, error, result);
	} else {
		struct synod_node node = result->node;

		node.path = path;
		tree_line(tree, "", "", &node);
		if (json) {
			json_add_text(json, "path", path);
			json_add_stat(json, &node);
		}
	}
	synod_result_free(result);
	return code;
}

static void
tree_finish(struct tree *tree, cJSON *json, int code)
{
	char count[UNIT_TEXT_SIZE];

	if (json && code == 0) {
		json_print(json);
		return;
	}
	cJSON_Delete(json);
	if (tree->table.cell_count > 0)
		table_print(&tree->table, stdout, cli_bold(tree->cli), cli_plain(tree->cli));
	if (!tree->cli->quiet && code == 0)
		printf("\n%s %s\n", format_count(count, tree->count),
		       tree->count == 1 ? "node" : "nodes");
}

int
command_tree(struct cli *cli)
{
	struct tree tree = {.cli = cli, .options.with_stat = true, .depth_max = UINT64_MAX};
	const char *path = cli->word_count ? cli->words[0] : "/";
	cJSON *json = cli->json ? json_object() : NULL;
	int code = cli_read_options(cli, &tree.options);

	if (cli->options.given[OPTION_DEPTH])
		tree.depth_max = cli->options.number[OPTION_DEPTH];
	tree_choose_lines(&tree);
	table_init(&tree.table, node_columns, NODE_COLUMN_COUNT);
	if (code == 0)
		code = cli_open(cli);
	if (code == 0)
		code = tree_top(&tree, path, json);
	if (code == 0 && tree.depth_max > 0)
		code = tree_children(&tree, path, "", 1, json);
	tree_finish(&tree, json, code);
	table_fini(&tree.table);
	return code;
}
