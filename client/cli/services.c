/* The commands services and service: all services, one in detail, and taking instances out of it.
 */
#include "client/cli/services.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/discovery_words.h"
#include "client/cli/instances.h"
#include "client/cli/memory.h"
#include "client/cli/offer.h"
#include "client/cli/suggest.h"
#include "shared/protocol.h"

/* ---- what is not there ---- */

/* The names of CHILDREN, ended by NULL; the array is to be freed. */
static const char **
names_of(const struct synod_result *list)
{
	size_t count = list ? list->child_count : 0;
	const char **names = must_calloc(count + 1, sizeof *names);

	for (size_t i = 0; i < count; i++)
		names[i] = list->children[i].path;
	return names;
}

/* Say that NAME is none of LIST. */
static int
refuse_missing(const char *subject, const char *what, const char *name,
               const struct synod_result *list, const char *hint)
{
	const char **names = names_of(list);
	const char *near = suggest(name, names);
	char *text = near ? must_format("%s; did you mean '%s'?", what, near) : must_copy(what);
	int code = cli_refuse(subject, SYNOD_NOT_FOUND, text, hint);

	free(text);
	free(names);
	return code;
}

int
fail_missing(struct cli *cli, const char *service, const char *id)
{
	char path[SERVICE_PATH_SIZE];
	struct synod_result *list = NULL;
	char *subject, *hint;
	int code;

	record_path(path, service, NULL);
	if (synod_list(cli->synod, path, NULL, &list) != SYNOD_OK) {
		synod_result_free(list);
		list = NULL;
		if (synod_list(cli->synod, SERVICES_PATH, NULL, &list) == SYNOD_NOT_FOUND) {
			synod_result_free(list);
			list = NULL;
		}
		code = refuse_missing(service, "there is no such service", service, list,
		                      "`synod services` lists those that there are");
	} else if (id == NULL) {
		code = cli_refuse(service, SYNOD_NOT_FOUND, "the service has no instance",
		                  "start one with `synod run` or `synod register`; --wait waits "
		                  "for one");
	} else {
		subject = must_format("%s/%s", service, id);
		hint = must_format("`synod service show %s` lists its instances", service);
		code = refuse_missing(subject, "the service has no such instance", id, list, hint);
		free(subject);
		free(hint);
	}
	synod_result_free(list);
	return code;
}

/* ---- all services ---- */

static const struct table_column service_columns[] = {
	{"SERVICE", false},  {"INSTANCES", true}, {"PASSING", true},  {"WARNING", true},
	{"STARTING", true},  {"CRITICAL", true},  {"DRAINING", true}, {"SUSPECT", true},
	{"MALFORMED", true}, {"BRAKE", false},
};

#define SERVICE_COLUMN_COUNT (sizeof service_columns / sizeof service_columns[0])
#define HEALTH_COUNT         5

static void
print_services(const struct cli *cli, const struct synod_services *services)
{
	struct table table;

	table_init(&table, service_columns, SERVICE_COLUMN_COUNT);
	for (size_t i = 0; i < services->count; i++) {
		const struct synod_service_summary *service = &services->services[i];

		table_add(&table, "%s", service->name);
		table_add(&table, "%zu", service->instances);
		for (unsigned health = 0; health < HEALTH_COUNT; health++)
			table_add(&table, "%zu", service->health[health]);
		table_add(&table, "%zu", service->suspects);
		table_add(&table, "%zu", service->malformed);
		table_add(&table, "%u%%%s", service->brake_percent,
		          service->brake_holds ? ",holds" : "");
	}
	if (services->count > 0)
		table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	else if (!cli->quiet)
		puts("no services");
	table_fini(&table);
}

static void
print_services_json(const struct synod_services *services)
{
	cJSON *array = json_array();

	for (size_t i = 0; i < services->count; i++) {
		const struct synod_service_summary *service = &services->services[i];
		cJSON *json = json_object();

		json_add_text(json, "service", service->name);
		json_add_number(json, "instances", service->instances);
		for (unsigned health = 0; health < HEALTH_COUNT; health++)
			json_add_number(json, synod_health_name((enum synod_health)health),
			                service->health[health]);
		json_add_number(json, "suspect", service->suspects);
		json_add_number(json, "malformed", service->malformed);
		json_add_number(json, "brake_percent", service->brake_percent);
		json_add_bool(json, "brake_holds", service->brake_holds);
		json_append(array, json);
	}
	json_print(array);
}

int
command_services(struct cli *cli)
{
	struct synod_services *services = NULL;
	int code = cli_open(cli);
	int error;

	if (code)
		return code;
	error = synod_services(cli->synod, (unsigned)cli->options.number[OPTION_TIMEOUT],
	                       &services);
	if (error)
		code = cli_fail(cli, SERVICES_PATH, error, NULL);
	else if (cli->json)
		print_services_json(services);
	else
		print_services(cli, services);
	synod_services_free(services);
	return code;
}

/* ---- one service ---- */

/* An instance as the ensemble has it. */
struct sight {
	const struct synod_node *node; /* its path is the id */
	struct record *record;         /* NULL: malformed */
	char why[RECORD_WHY_SIZE];
};

struct view {
	const char *service;
	const struct synod_result *list;
	struct sight *sights;
	size_t suspects;
	unsigned brake_percent;
	bool brake_holds;
};

static void
look_at(const struct synod_node *node, struct sight *sight)
{
	struct record *read = NULL;
	bool is_suspect = node->stat.kind == SYNOD_SUSPECT;
	int error = record_read(node->path, node->data, node->size, &read, sight->why);

	sight->node = node;
	if (error == SYNOD_NO_MEMORY)
		must(NULL);
	if (error == SYNOD_OK)
		sight->record = must(record_with(read, is_suspect, node->stat.owner,
		                                 node->stat.created, node->stat.modified));
	record_release(read);
}

static void
view_init(struct view *view, const char *service, const struct synod_result *list)
{
	const struct synod_stat *stat = &list->node.stat;
	size_t count = list->child_count;

	*view = (struct view){.service = service, .list = list, .brake_percent = BRAKE_PERCENT};
	view->sights = must_calloc(count + 1, sizeof *view->sights);
	for (size_t i = 0; i < count; i++) {
		look_at(&list->children[i], &view->sights[i]);
		view->suspects += list->children[i].stat.kind == SYNOD_SUSPECT;
	}
	if (list->node.has_stat && stat->kind == SYNOD_SERVICE && stat->mode != 0)
		view->brake_percent = (unsigned)stat->mode;
	view->brake_holds = brake_holds(view->suspects, count, view->brake_percent);
}

static void
view_fini(struct view *view)
{
	for (size_t i = 0; i < view->list->child_count; i++)
		record_release(view->sights[i].record);
	free(view->sights);
}

static const struct table_column sight_columns[] = {
	{"ID", false},      {"ADDRESS", false},  {"HEALTH", false}, {"OWNER", true},
	{"REVISION", true}, {"WEIGHT", true},    {"ZONE", false},   {"VERSION", false},
	{"TAGS", false},    {"METADATA", false},
};

#define SIGHT_COLUMN_COUNT (sizeof sight_columns / sizeof sight_columns[0])

static void
add_owner(struct table *table, const struct synod_stat *stat)
{
	if (stat->owner)
		table_add(table, "%" PRIu64, stat->owner);
	else
		table_add(table, "-");
	table_add(table, "%" PRIu64, stat->modified);
}

static void
add_sight(struct table *table, const struct sight *sight)
{
	const struct synod_stat *stat = &sight->node->stat;
	const struct synod_instance *instance;
	struct table cells;
	char *metadata;

	if (sight->record == NULL) {
		table_add(table, "%s", sight->node->path);
		table_add(table, "-");
		table_add(table, "malformed%s", stat->kind == SYNOD_SUSPECT ? ",suspect" : "");
		add_owner(table, stat);
		table_end_row(table, sight->why);
		return;
	}
	instance = &sight->record->instance;
	table_init(&cells, instance_columns, INSTANCE_COLUMN_COUNT);
	instance_row(&cells, instance);
	for (size_t i = 0; i < INSTANCE_COLUMN_COUNT; i++) {
		if (i == 3) /* after the health */
			add_owner(table, stat);
		table_add(table, "%s", cells.cells[i]);
	}
	table_fini(&cells);
	metadata = metadata_text(instance);
	table_add(table, "%s", metadata);
	free(metadata);
}

static void
print_view(const struct cli *cli, const struct view *view)
{
	size_t count = view->list->child_count;
	struct table table;

	table_init(&table, sight_columns, SIGHT_COLUMN_COUNT);
	for (size_t i = 0; i < count; i++)
		add_sight(&table, &view->sights[i]);
	if (count > 0)
		table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	table_fini(&table);
	printf("%zu %s, %zu suspect; ", count, count == 1 ? "instance" : "instances",
	       view->suspects);
	if (view->brake_holds)
		printf("%sthe brake (%u%%) holds%s: suspects stay until they come back, are "
		       "removed, or an hour has passed\n",
		       cli_red(cli), view->brake_percent, cli_plain(cli));
	else
		printf("the brake (%u%%) does not hold\n", view->brake_percent);
}

static cJSON *
malformed_json(const struct sight *sight)
{
	cJSON *json = json_object();

	json_add_text(json, "id", sight->node->path);
	json_add_bool(json, "suspect", sight->node->stat.kind == SYNOD_SUSPECT);
	json_add_number(json, "owner", sight->node->stat.owner);
	json_add_number(json, "created", sight->node->stat.created);
	json_add_number(json, "modified", sight->node->stat.modified);
	json_add_text(json, "reason", sight->why);
	return json;
}

static void
print_view_json(const struct view *view)
{
	cJSON *json = json_object();
	cJSON *instances = json_array();
	cJSON *malformed = json_array();

	json_add_text(json, "service", view->service);
	json_add_number(json, "revision", view->list->revision);
	json_add_number(json, "brake_percent", view->brake_percent);
	json_add_bool(json, "brake_holds", view->brake_holds);
	for (size_t i = 0; i < view->list->child_count; i++) {
		const struct sight *sight = &view->sights[i];

		if (sight->record)
			json_append(instances, instance_json(&sight->record->instance));
		else
			json_append(malformed, malformed_json(sight));
	}
	json_add(json, "instances", instances);
	json_add(json, "malformed", malformed);
	json_print(json);
}

static int
show(struct cli *cli, const char *service)
{
	struct synod_read_options options = {.with_stat = true, .with_data = true};
	struct synod_result *list = NULL;
	char path[SERVICE_PATH_SIZE];
	struct view view;
	int error;
	int code = 0;

	record_path(path, service, NULL);
	error = synod_list(cli->synod, path, &options, &list);
	if (error == SYNOD_NOT_FOUND) {
		code = fail_missing(cli, service, NULL);
	} else if (error) {
		code = cli_fail(cli, service, error, list);
	} else {
		view_init(&view, service, list);
		if (cli->json)
			print_view_json(&view);
		else
			print_view(cli, &view);
		view_fini(&view);
	}
	synod_result_free(list);
	return code;
}

/* ---- changing it ---- */

static int
fail_change(struct cli *cli, const char *service, const char *id, int error)
{
	char *subject;
	int code;

	if (error == SYNOD_NOT_FOUND)
		return fail_missing(cli, service, id);
	subject = id ? must_format("%s/%s", service, id) : must_copy(service);
	if (error == SYNOD_BAD_ARGUMENT && id)
		code = cli_refuse(subject, error, "the record cannot be read",
		                  "`synod service show` says why; `synod service remove` takes it "
		                  "away");
	else
		code = cli_fail(cli, subject, error, NULL);
	free(subject);
	return code;
}

static int
drain(struct cli *cli, const char *service)
{
	const char *id = cli->words[2];
	int error = synod_services_drain(cli->synod, service, id);

	if (error)
		return fail_change(cli, service, id, error);
	if (!cli->quiet)
		printf("draining %s/%s\n", service, id);
	return 0;
}

static int
remove_instance(struct cli *cli, const char *service)
{
	const char *id = cli->words[2];
	int error = synod_services_remove(cli->synod, service, id);

	if (error)
		return fail_change(cli, service, id, error);
	if (!cli->quiet)
		printf("removed %s/%s\n", service, id);
	return 0;
}

static int
brake(struct cli *cli, const char *service)
{
	unsigned percent;
	int error;

	parse_percent(cli->words[2], &percent); /* which has been checked */
	error = synod_services_brake(cli->synod, service, percent);
	if (error)
		return fail_change(cli, service, NULL, error);
	if (!cli->quiet)
		printf("brake of %s: %u%%\n", service, percent);
	return 0;
}

static const struct deed {
	const char *name;
	int (*run)(struct cli *cli, const char *service);
	const char *more; /* what follows the service; NULL: nothing */
} deeds[] = {
	{"show", show, NULL},
	{"drain", drain, "ID"},
	{"remove", remove_instance, "ID"},
	{"brake", brake, "PERCENT"},
};

#define DEED_COUNT (sizeof deeds / sizeof deeds[0])

static int
refuse_deed(const struct cli *cli, const char *name)
{
	const char *names[DEED_COUNT + 1] = {NULL};
	const char *near;

	for (size_t i = 0; i < DEED_COUNT; i++)
		names[i] = deeds[i].name;
	near = suggest(name, names);
	if (near)
		return cli_usage(cli,
		                 "'%s' is none of show, drain, remove, brake; did you mean '%s'?",
		                 name, near);
	return cli_usage(cli, "'%s' is none of show, drain, remove, brake", name);
}

static int
check_words(const struct cli *cli, const struct deed *deed)
{
	unsigned percent;
	int code;

	if (cli->word_count < 2)
		return cli_usage(cli, "%s which service? its NAME is missing", deed->name);
	code = check_discovery_name(cli, "a service", cli->words[1]);
	if (code)
		return code;
	if (deed->more == NULL)
		return cli->word_count == 2
		               ? 0
		               : cli_usage(cli, "'%s' is one argument too many", cli->words[2]);
	if (cli->word_count < 3)
		return cli_usage(cli, "%s needs the %s too", deed->name, deed->more);
	if (strcmp(deed->more, "ID") == 0)
		return check_discovery_name(cli, "an instance", cli->words[2]);
	if (!parse_percent(cli->words[2], &percent))
		return cli_usage(cli, "'%s' is not a percentage, 1 to 100", cli->words[2]);
	return 0;
}

int
command_service(struct cli *cli)
{
	int code;

	if (cli->word_count == 0)
		return cli_usage(cli, "what to do is missing: show, drain, remove or brake");
	for (size_t i = 0; i < DEED_COUNT; i++) {
		if (strcmp(deeds[i].name, cli->words[0]) != 0)
			continue;
		code = check_words(cli, &deeds[i]);
		if (code == 0)
			code = cli_open(cli);
		return code ? code : deeds[i].run(cli, cli->words[1]);
	}
	return refuse_deed(cli, cli->words[0]);
}
