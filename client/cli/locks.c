/* The command locks: who holds, and who waits. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/escape.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/show.h"

#define VALUE_WIDTH 40

struct survey {
	struct cli *cli;
	struct table table;
	cJSON *array; /* --json */
	uint64_t count;
};

static const struct table_column columns[] = {
	{"LOCK", false},   {"STATE", false},     {"MODE", false},  {"TOKEN", true},
	{"SESSION", true}, {"CONTENDER", false}, {"VALUE", false},
};

static const char *
mode_of(const struct synod_stat *lock, const struct synod_stat *contender)
{
	if (contender->mode == 2)
		return "shared";
	return lock->mode > 1 ? "semaphore" : "exclusive";
}

static void
add_contender(struct survey *survey, const char *path, const struct synod_stat *lock,
              const struct synod_node *contender)
{
	const struct synod_stat *stat = &contender->stat;
	char *value = escape_preview(contender->data, contender->size, VALUE_WIDTH);

	table_add(&survey->table, "%s", path);
	table_add(&survey->table, "%s", stat->token ? "holds" : "waits");
	table_add(&survey->table, "%s", mode_of(lock, stat));
	if (stat->token)
		table_add(&survey->table, "%" PRIu64, stat->token);
	else
		table_add(&survey->table, "-");
	table_add(&survey->table, "%" PRIu64, stat->owner);
	table_add(&survey->table, "%s", contender->path);
	table_add(&survey->table, "%s", value);
	free(value);
}

static cJSON *
contender_json(const struct synod_stat *lock, const struct synod_node *contender)
{
	cJSON *json = json_object();

	json_add_text(json, "contender", contender->path);
	json_add_bool(json, "holds", contender->stat.token != 0);
	json_add_text(json, "mode", mode_of(lock, &contender->stat));
	json_add_number(json, "token", contender->stat.token);
	json_add_number(json, "session", contender->stat.owner);
	json_add_data(json, "value", contender->data, contender->size);
	return json;
}

static void
add_lock(struct survey *survey, const char *path, const struct synod_stat *lock,
         const struct synod_result *contenders)
{
	cJSON *array = survey->array ? json_array() : NULL;

	survey->count++;
	for (size_t i = 0; i < contenders->child_count; i++) {
		if (array)
			json_append(array, contender_json(lock, &contenders->children[i]));
		else
			add_contender(survey, path, lock, &contenders->children[i]);
	}
	if (array) {
		cJSON *json = json_object();

		json_add_text(json, "lock", path);
		json_add_number(json, "holders_max", lock->mode);
		json_add(json, "contenders", array);
		json_append(survey->array, json);
	} else if (contenders->child_count == 0) {
		table_add(&survey->table, "%s", path);
		table_end_row(&survey->table, "free");
	}
}

/* NODE at PATH, if it is a lock, and whatever locks are below it. */
static int
visit(struct survey *survey, const char *path, const struct synod_stat *stat)
{
	struct synod_read_options options = {.with_stat = true,
	                                     .with_data = stat->kind == SYNOD_LOCK};
	struct synod_result *result = NULL;
	int code = 0;
	int error = synod_list(survey->cli->synod, path, &options, &result);

	if (error && error != SYNOD_NOT_FOUND) {
		code = cli_fail(survey->cli, path, error, result);
	} else if (!error && stat->kind == SYNOD_LOCK) {
		add_lock(survey, path, stat, result);
	} else if (!error) {
		for (size_t i = 0; i < result->child_count && code == 0; i++) {
			const struct synod_node *child = &result->children[i];
			char *below;

			if (child->stat.kind != SYNOD_LOCK && child->stat.children == 0)
				continue;
			below = must_format("%s/%s", strcmp(path, "/") == 0 ? "" : path,
			                    child->path);
			code = visit(survey, below, &child->stat);
			free(below);
		}
	}
	synod_result_free(result);
	return code;
}

static void
print_survey(struct survey *survey)
{
	if (survey->array)
		json_print(survey->array);
	else if (survey->count > 0)
		table_print(&survey->table, stdout, cli_bold(survey->cli), cli_plain(survey->cli));
	else if (!survey->cli->quiet)
		puts("no locks");
}

int
command_locks(struct cli *cli)
{
	struct survey survey = {.cli = cli};
	struct synod_result *result = NULL;
	const char *path = cli->word_count ? cli->words[0] : "/";
	int code = cli_open(cli);
	int error;

	if (code)
		return code;
	table_init(&survey.table, columns, sizeof columns / sizeof columns[0]);
	survey.array = cli->json ? json_array() : NULL;
	error = synod_stat(cli->synod, path, NULL, &result);
	code = error ? cli_fail(cli, path, error, result)
	             : visit(&survey, path, &result->node.stat);
	if (code == 0)
		print_survey(&survey);
	else
		cJSON_Delete(survey.array);
	synod_result_free(result);
	table_fini(&survey.table);
	return code;
}
