/* The command txn: a transaction from a file or standard input. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/escape.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/txn_script.h"
#include "client/cli/value.h"
#include "shared/error.h"

/* The branch that a result speaks of. */
struct branch {
	const char *name;
	const struct synod_operation *operations;
	const size_t *lines;
	size_t count;
};

static struct branch
branch_of(const struct txn_script *script, const struct synod_result *result)
{
	const struct synod_transaction *transaction = &script->transaction;

	if (result->then_taken)
		return (struct branch){"then", transaction->then_operations, script->then_lines,
		                       transaction->then_count};
	return (struct branch){"else", transaction->else_operations, script->else_lines,
	                       transaction->else_count};
}

static const char *
path_of(const struct synod_operation *operation, const struct synod_result *result)
{
	return result->node.path && operation->op == SYNOD_OP_CREATE ? result->node.path
	                                                             : operation->path;
}

static void
print_operation(const struct synod_operation *operation, const struct synod_result *result)
{
	char *data;

	printf("%s ", txn_op_name(operation->op));
	cli_print_name(path_of(operation, result));
	switch (operation->op) {
	case SYNOD_OP_GET:
		data = escape_preview(result->node.data, result->node.size, SIZE_MAX);
		printf(" version %" PRIu64 " %s", result->node.stat.version, data);
		free(data);
		break;
	case SYNOD_OP_STAT:
		printf(" version %" PRIu64 " size %" PRIu64 " children %" PRIu64,
		       result->node.stat.version, result->node.stat.data_size,
		       result->node.stat.children);
		break;
	case SYNOD_OP_LIST:
		for (size_t i = 0; i < result->child_count; i++) {
			putchar(' ');
			cli_print_name(result->children[i].path);
		}
		break;
	case SYNOD_OP_DELETE: printf(" deleted %" PRIu64, result->deleted); break;
	case SYNOD_OP_SET:
	case SYNOD_OP_PUT: printf(" version %" PRIu64, result->node.stat.version); break;
	case SYNOD_OP_CREATE:
	case SYNOD_OP_CHECK: break;
	}
	putchar('\n');
}

static cJSON *
operation_json(const struct synod_operation *operation, const struct synod_result *result)
{
	cJSON *json = json_object();

	json_add_text(json, "op", txn_op_name(operation->op));
	json_add_text(json, "path", path_of(operation, result));
	if (operation->op == SYNOD_OP_GET)
		json_add_data(json, "data", result->node.data, result->node.size);
	if (operation->op == SYNOD_OP_DELETE)
		json_add_number(json, "deleted", result->deleted);
	if (operation->op == SYNOD_OP_LIST) {
		cJSON *names = json_array();

		for (size_t i = 0; i < result->child_count; i++)
			json_append(names, must(cJSON_CreateString(result->children[i].path)));
		json_add(json, "children", names);
	}
	json_add_stat(json, &result->node);
	return json;
}

static void
print_done(const struct cli *cli, const struct branch *branch, const struct synod_result *result)
{
	size_t count = result->result_count < branch->count ? result->result_count : branch->count;
	cJSON *json;
	cJSON *results;

	if (!cli->json) {
		printf("%s revision %" PRIu64 "\n", branch->name, result->revision);
		for (size_t i = 0; i < count; i++)
			print_operation(&branch->operations[i], &result->results[i]);
		return;
	}
	json = json_object();
	results = json_array();
	json_add_text(json, "branch", branch->name);
	json_add_number(json, "revision", result->revision);
	for (size_t i = 0; i < count; i++)
		json_append(results, operation_json(&branch->operations[i], &result->results[i]));
	json_add(json, "results", results);
	json_print(json);
}

/* Name the operation that failed, and where it stands. */
static int
report_failure(const struct cli *cli, const char *source, const struct txn_script *script,
               int error, const struct synod_result *result)
{
	struct branch branch;
	const struct synod_operation *operation;
	char *subject;
	int code;

	if (!result || result->failed_index < 0)
		return cli_fail(cli, source, error, result);
	branch = branch_of(script, result);
	if ((size_t)result->failed_index >= branch.count)
		return cli_fail(cli, source, error, result);
	operation = &branch.operations[result->failed_index];
	subject = must_format("%s: line %zu: %s %s", source, branch.lines[result->failed_index],
	                      txn_op_name(operation->op), operation->path);
	code = cli_fail(cli, subject, error, result);
	free(subject);
	return code;
}

static int
execute(struct cli *cli, const char *source, const struct txn_script *script)
{
	/* With the stats wanted, a written node's new version can be shown. */
	struct synod_write_options options = {.want_stat = true};
	struct synod_result *result = NULL;
	int error = synod_txn(cli->synod, &script->transaction, &options, &result);
	int code = 0;

	if (error) {
		code = report_failure(cli, source, script, error, result);
	} else {
		struct branch branch = branch_of(script, result);

		print_done(cli, &branch, result);
		if (!result->then_taken && !script->has_else)
			code = cli_fail(cli, source, SYNOD_CONFLICT, NULL);
	}
	synod_result_free(result);
	return code;
}

static int
read_script(const struct cli *cli, const char **source, struct value *text)
{
	const char *name = cli->options.text[OPTION_FILE];
	FILE *file;
	int code;

	if (cli->word_count > 0) {
		if (name)
			return cli_usage(cli, "give FILE once");
		name = cli->words[0];
	}
	if (!name || strcmp(name, "-") == 0) {
		*source = "standard input";
		return value_read_stream(cli, stdin, *source, text);
	}
	*source = name;
	file = fopen(name, "r");
	if (!file)
		return cli_fail_system(name, errno);
	code = value_read_stream(cli, file, name, text);
	fclose(file);
	return code;
}

int
command_txn(struct cli *cli)
{
	struct txn_script script;
	struct value text = {0};
	const char *source = NULL;
	int code = read_script(cli, &source, &text);

	if (code)
		return code;
	if (txn_script_parse(&script, text.bytes, text.size) != 0) {
		cli_warn(source, "line %zu: %s (BAD_ARGUMENT)\n  see `synod txn --help`",
		         script.line, script.problem);
		code = EXIT_USAGE;
	} else {
		code = cli_open(cli);
		if (code == 0)
			code = execute(cli, source, &script);
	}
	txn_script_fini(&script);
	free(text.bytes);
	return code;
}
