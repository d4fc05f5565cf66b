/* The command resolve: the instances of a service, one of them, or how they change. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/child.h"
#include "client/cli/discovery_words.h"
#include "client/cli/instances.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"
#include "client/cli/offer.h"
#include "client/cli/services.h"

#define HEAR_MS       30000
#define LOOK_MS       1000
#define AWAY_AFTER_MS 3000

struct lookup {
	struct cli *cli;
	const char *service;
	struct synod_resolver_options options;
	const char *tags[RECORD_LIST_MAX];
	struct synod_pair metadata[RECORD_LIST_MAX];
	const char *key; /* of a pick */
	struct synod_resolver *resolver;
};

/* ---- the command line ---- */

static int
check_options(const struct cli *cli)
{
	const bool *given = cli->options.given;

	if (given[OPTION_ALL] && given[OPTION_HEALTH])
		return cli_usage(cli, "--all and --health exclude each other");
	if (given[OPTION_ALL] && given[OPTION_PICK])
		return cli_usage(cli, "--all and --pick exclude each other: --health says which "
		                      "may be picked");
	if (given[OPTION_FOLLOW_CHANGES] && given[OPTION_PICK])
		return cli_usage(cli, "--watch and --pick exclude each other");
	if (given[OPTION_FOLLOW_CHANGES] && given[OPTION_WAIT])
		return cli_usage(cli, "--watch and --wait exclude each other");
	if (given[OPTION_PREFER_ZONE] && !given[OPTION_PICK])
		return cli_usage(cli, "--prefer-zone is about --pick; --zone chooses among the "
		                      "instances that are listed");
	if (given[OPTION_PREFER_ZONE] && given[OPTION_ZONE])
		return cli_usage(cli, "--zone and --prefer-zone exclude each other");
	return 0;
}

static int
read_metadata(struct lookup *lookup)
{
	struct synod_filter *filter = &lookup->options.filter;
	const char *texts[OPTION_REPEAT_MAX];
	size_t count = options_list(&lookup->cli->options, OPTION_META, texts);
	char why[WORDS_WHY_SIZE];

	filter->metadata = lookup->metadata;
	for (size_t i = 0; i < count; i++) {
		if (!parse_pair(texts[i], true, &lookup->metadata[i], why))
			return cli_usage(lookup->cli, "--meta: %s", why);
		filter->metadata_count++;
	}
	return 0;
}

static int
read_words(struct lookup *lookup)
{
	const struct options *options = &lookup->cli->options;
	struct synod_resolver_options *wanted = &lookup->options;
	char why[WORDS_WHY_SIZE];

	if (options->given[OPTION_ALL])
		wanted->filter.health = any_health();
	if (options->given[OPTION_HEALTH] &&
	    !parse_health(options->text[OPTION_HEALTH], &wanted->filter.health, why))
		return cli_usage(lookup->cli, "--health: %s", why);
	if (options->given[OPTION_PICK] &&
	    !parse_rule(options->text[OPTION_PICK], &wanted->balance, &lookup->key, why))
		return cli_usage(lookup->cli, "--pick: %s", why);
	wanted->filter.zone = options->text[OPTION_ZONE];
	wanted->filter.version = options->text[OPTION_SERVICE_VERSION];
	wanted->filter.tags = lookup->tags;
	wanted->filter.tag_count = options_list(options, OPTION_TAG, lookup->tags);
	wanted->zone = options->text[OPTION_PREFER_ZONE];
	return read_metadata(lookup);
}

static int
read_lookup(struct lookup *lookup)
{
	struct cli *cli = lookup->cli;
	int code;

	if (cli->word_count == 0)
		return cli_usage(cli, "the NAME of the service is missing");
	lookup->service = cli->words[0];
	code = check_discovery_name(cli, "a service", lookup->service);
	if (code == 0)
		code = check_options(cli);
	return code ? code : read_words(lookup);
}

/* ---- what there is ---- */

/* The instances to be shown; they belong to ALL. */
struct view {
	struct synod_instances list;
	struct synod_instances *all;
};

static void
view_fini(struct view *view)
{
	free((void *)view->list.instances);
	synod_instances_free(view->all);
}

/* A pick takes suspects only if there is nothing else, or the brake holds. */
static bool
shows_suspects(const struct lookup *lookup, const struct synod_instances *all)
{
	struct synod_resolver_status status;

	if (lookup->cli->options.given[OPTION_ALL])
		return true;
	synod_resolver_status(lookup->resolver, &status);
	if (status.brake_holds)
		return true;
	for (size_t i = 0; i < all->count; i++) {
		if (!all->instances[i]->is_suspect)
			return false;
	}
	return true;
}

static void
view_init(struct view *view, const struct lookup *lookup)
{
	const struct synod_instance **kept;
	bool with_suspects;

	*view = (struct view){0};
	if (synod_resolver_list(lookup->resolver, &lookup->options.filter, &view->all) != SYNOD_OK)
		must(NULL);
	with_suspects = shows_suspects(lookup, view->all);
	kept = must_calloc(view->all->count + 1, sizeof(const struct synod_instance *));
	for (size_t i = 0; i < view->all->count; i++) {
		if (with_suspects || !view->all->instances[i]->is_suspect)
			kept[view->list.count++] = view->all->instances[i];
	}
	view->list.instances = kept;
}

/* ---- nothing can be used ---- */

/* How those are that there are: "2 critical, 1 starting". */
static char *
census(const struct lookup *lookup, const struct synod_resolver_status *status)
{
	struct synod_instances *all = NULL;
	size_t health[SYNOD_DRAINING + 1] = {0};
	char *text = NULL;
	const char *comma = "";
	size_t size;
	FILE *out;

	if (synod_resolver_list(lookup->resolver, NULL, &all) != SYNOD_OK)
		must(NULL);
	for (size_t i = 0; i < all->count; i++)
		health[all->instances[i]->health]++;
	synod_instances_free(all);
	out = must(open_memstream(&text, &size));
	for (size_t i = 0; i <= SYNOD_DRAINING; i++) {
		if (health[i] == 0)
			continue;
		fprintf(out, "%s%zu %s", comma, health[i], synod_health_name((enum synod_health)i));
		comma = ", ";
	}
	if (status->malformed > 0)
		fprintf(out, "%s%zu malformed", comma, status->malformed);
	fclose(out);
	return must(text);
}

static bool
asks_for_some(const struct options *options)
{
	return options->given[OPTION_TAG] || options->given[OPTION_META] ||
	       options->given[OPTION_ZONE] || options->given[OPTION_SERVICE_VERSION] ||
	       options->given[OPTION_HEALTH];
}

static int
fail_none(const struct lookup *lookup)
{
	struct synod_resolver_status status;
	char *how, *what, *hint;
	int code;

	synod_resolver_status(lookup->resolver, &status);
	if (status.instances == 0)
		return fail_missing(lookup->cli, lookup->service, NULL);
	how = census(lookup, &status);
	what = must_format("no instance %s; there are %s",
	                   asks_for_some(&lookup->cli->options) ? "is as asked for" : "can be used",
	                   how);
	hint = must_format("`synod service show %s` lists them; --wait waits for one",
	                   lookup->service);
	code = cli_refuse(lookup->service, SYNOD_NOT_FOUND, what, hint);
	free(how);
	free(what);
	free(hint);
	return code;
}

/* ---- once ---- */

/* Until the state has been heard, and with --wait an instance can be used. */
static int
await(const struct lookup *lookup)
{
	const struct options *options = &lookup->cli->options;
	bool waits = options->given[OPTION_WAIT];
	struct synod_resolver_status status;
	uint64_t wait_ms = waits                            ? options->number[OPTION_WAIT]
	                   : options->given[OPTION_TIMEOUT] ? options->number[OPTION_TIMEOUT]
	                                                    : HEAR_MS;

	synod_resolver_wait(lookup->resolver, waits ? 1 : 0, (unsigned)wait_ms);
	synod_resolver_status(lookup->resolver, &status);
	if (status.revision != 0)
		return 0;
	return cli_fail(lookup->cli, lookup->service, status.error ? status.error : SYNOD_NO_QUORUM,
	                NULL);
}

static int
print_pick(const struct lookup *lookup)
{
	struct synod_pick_options options = {
		.key = lookup->key,
		.key_size = lookup->key ? strlen(lookup->key) : 0,
	};
	char address[ADDRESS_TEXT_SIZE];
	struct synod_pick pick;
	int error = synod_resolver_pick(lookup->resolver, &options, &pick);

	if (error == SYNOD_NOT_FOUND)
		return fail_none(lookup);
	if (error)
		return cli_fail(lookup->cli, lookup->service, error, NULL);
	if (lookup->cli->json)
		json_print(instance_json(pick.instance));
	else
		puts(address_text(address, pick.instance->address, pick.instance->port));
	synod_pick_done(&pick, SYNOD_ABANDONED);
	return 0;
}

static void
print_table(const struct cli *cli, const struct synod_instances *list)
{
	struct table table;

	table_init(&table, instance_columns, INSTANCE_COLUMN_COUNT);
	for (size_t i = 0; i < list->count; i++)
		instance_row(&table, list->instances[i]);
	table_print(&table, stdout, cli_bold(cli), cli_plain(cli));
	table_fini(&table);
}

static int
print_list(const struct lookup *lookup)
{
	struct view view;
	int code = 0;

	view_init(&view, lookup);
	if (lookup->cli->json) {
		cJSON *array = json_array();

		for (size_t i = 0; i < view.list.count; i++)
			json_append(array, instance_json(view.list.instances[i]));
		json_print(array);
	} else if (view.list.count > 0) {
		print_table(lookup->cli, &view.list);
	}
	if (view.list.count == 0)
		code = fail_none(lookup);
	view_fini(&view);
	return code;
}

/* ---- all the time ---- */

struct follow {
	const struct lookup *lookup;
	struct view view; /* what was shown */
	struct synod_resolver_status status;
	uint64_t since_ns;
	bool was_warned;
};

static void
print_change(void *context, const char *kind, const struct synod_instance *instance)
{
	const struct follow *follow = context;

	if (follow->lookup->cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "kind", kind);
		if (instance)
			json_add(json, "instance", instance_json(instance));
		json_print(json);
	} else {
		printf("%-8s ", kind);
		if (instance)
			instance_print(instance);
		else
			fputs(follow->lookup->service, stdout);
		putchar('\n');
	}
}

static void
print_status(struct follow *follow, const struct synod_resolver_status *now)
{
	bool is_first = follow->status.revision == 0;

	if (now->is_stale != (is_first ? false : follow->status.is_stale))
		print_change(follow, now->is_stale ? "stale" : "fresh", NULL);
	if (now->brake_holds != follow->status.brake_holds)
		print_change(follow, now->brake_holds ? "held" : "released", NULL);
	if (now->error && now->error != follow->status.error)
		cli_warn(follow->lookup->service,
		         "the watch is broken off, and begun again: %s (%s)",
		         synod_error_text(now->error), synod_error_name(now->error));
	follow->status = *now;
}

static void
warn_away(struct follow *follow)
{
	if (follow->was_warned ||
	    monotonic_ns() - follow->since_ns < AWAY_AFTER_MS * NANOSECONDS_PER_MS)
		return;
	follow->was_warned = true;
	cli_warn(follow->lookup->service, "nothing heard of the ensemble yet; asked: %s",
	         cli_endpoints(follow->lookup->cli));
}

static void
look(struct follow *follow)
{
	struct synod_resolver_status now;
	struct view view;

	synod_resolver_status(follow->lookup->resolver, &now);
	if (now.revision == 0) {
		warn_away(follow);
		return;
	}
	print_status(follow, &now);
	view_init(&view, follow->lookup);
	instances_compare(&follow->view.list, &view.list, print_change, follow);
	view_fini(&follow->view);
	follow->view = view;
	fflush(stdout);
}

static void
on_change(void *context, struct synod_resolver *resolver)
{
	(void)context;
	(void)resolver;
	child_wake();
}

static int
follow_changes(const struct lookup *lookup)
{
	struct follow follow = {.lookup = lookup, .since_ns = monotonic_ns()};
	int signal = 0;

	while (signal == 0 && !ferror(stdout)) {
		look(&follow);
		signal = child_pause(LOOK_MS);
	}
	view_fini(&follow.view);
	return signal ? 128 + signal : 0;
}

static int
resolve(struct lookup *lookup)
{
	const bool *given = lookup->cli->options.given;
	int code, error;

	if (given[OPTION_FOLLOW_CHANGES]) {
		child_prepare();
		lookup->options.on_change = on_change;
	}
	code = cli_open(lookup->cli);
	if (code)
		return code;
	error = synod_resolver_open(lookup->cli->synod, lookup->service, &lookup->options,
	                            &lookup->resolver);
	if (error)
		return cli_fail(lookup->cli, lookup->service, error, NULL);
	if (given[OPTION_FOLLOW_CHANGES])
		code = follow_changes(lookup);
	else if ((code = await(lookup)) == 0)
		code = given[OPTION_PICK] ? print_pick(lookup) : print_list(lookup);
	synod_resolver_close(lookup->resolver);
	return code;
}

int
command_resolve(struct cli *cli)
{
	struct lookup lookup = {.cli = cli};
	int code = read_lookup(&lookup);

	if (code == 0)
		code = resolve(&lookup);
	for (size_t i = 0; i < lookup.options.filter.metadata_count; i++)
		free((char *)lookup.metadata[i].name);
	return code;
}
