/* Reads an instance and its checks from the command line, and says what is wrong with them. */
#include "client/cli/offer.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/discovery_words.h"
#include "shared/protocol.h"

/* Checks of a program that has just been started should not take long to see it. */
#define CHECK_INTERVAL_DEFAULT_MS 2000

#define WAIT_MAX_MS               3600000

int
check_discovery_name(const struct cli *cli, const char *what, const char *name)
{
	if (record_name_is_valid(name))
		return 0;
	return cli_usage(cli,
	                 "'%s' is not the name of %s: 1 to %d of a-z A-Z 0-9 . _ -, beginning with "
	                 "a letter or a digit",
	                 name, what, RECORD_NAME_MAX);
}

/* ---- numbers ---- */

static const struct bound {
	enum option_name option;
	uint64_t least;
	uint64_t most;
	const char *problem;
} bounds[] = {
	{OPTION_PORT, 1, 65535, "--port is 1 to 65535"},
	{OPTION_WEIGHT, 1, 65535, "--weight is 1 to 65535"},
	{OPTION_BRAKE, 1, 100, "--brake is 1 to 100 percent"},
	{OPTION_RISE, 1, 1000, "--rise is 1 to 1000"},
	{OPTION_FALL, 1, 1000, "--fall is 1 to 1000"},
	{OPTION_CHECK_INTERVAL, 100, 86400000, "--check-interval is 0.1 to 86400 seconds"},
	{OPTION_CHECK_TIMEOUT, 100, 86400000, "--check-timeout is 0.1 to 86400 seconds"},
	{OPTION_DRAIN, 0, WAIT_MAX_MS, "--drain is at most 3600 seconds"},
	{OPTION_KILL_AFTER, 0, WAIT_MAX_MS, "--kill-after is at most 3600 seconds"},
	{OPTION_SESSION_TIMEOUT, SESSION_TIMEOUT_MIN_MS, SESSION_TIMEOUT_MAX_MS,
         "--session-timeout is 1 to 3600 seconds"},
};

static int
check_bounds(const struct cli *cli)
{
	const struct options *options = &cli->options;

	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
		const struct bound *bound = &bounds[i];
		uint64_t number = options->number[bound->option];

		if (options->given[bound->option] &&
		    (number < bound->least || number > bound->most))
			return cli_usage(cli, "%s", bound->problem);
	}
	return 0;
}

/* ---- checks ---- */

static int
check_needs_checks(const struct cli *cli)
{
	static const struct {
		enum option_name option;
		const char *word;
	} about[] = {
		{OPTION_CHECK_INTERVAL, "check-interval"},
		{OPTION_CHECK_TIMEOUT, "check-timeout"},
		{OPTION_RISE, "rise"},
		{OPTION_FALL, "fall"},
	};

	for (size_t i = 0; i < sizeof about / sizeof about[0]; i++) {
		if (cli->options.given[about[i].option])
			return cli_usage(cli, "--%s is about checks: give a --check too",
			                 about[i].word);
	}
	return 0;
}

static int
read_check(const struct cli *cli, const char *text, struct synod_check *check)
{
	const uint64_t *number = cli->options.number;
	char why[WORDS_WHY_SIZE];

	if (!parse_check(text, check, why))
		return cli_usage(cli, "--check: %s", why);
	check->interval_ms = cli->options.given[OPTION_CHECK_INTERVAL]
	                             ? (unsigned)number[OPTION_CHECK_INTERVAL]
	                             : CHECK_INTERVAL_DEFAULT_MS;
	check->timeout_ms = (unsigned)number[OPTION_CHECK_TIMEOUT];
	check->rise = (unsigned)number[OPTION_RISE];
	check->fall = (unsigned)number[OPTION_FALL];
	if (check_validate(check, why))
		return cli_usage(cli, "--check '%s': %s", text, why);
	return 0;
}

static int
read_checks(const struct cli *cli, struct offer *offer)
{
	const char *texts[OPTION_REPEAT_MAX];
	size_t count = options_list(&cli->options, OPTION_HEALTH_CHECK, texts);
	int code = 0;

	if (count == 0)
		return check_needs_checks(cli);
	if (count > CHECKS_MAX)
		return cli_usage(cli, "there are at most %d checks", CHECKS_MAX);
	for (size_t i = 0; i < count && code == 0; i++)
		code = read_check(cli, texts[i], &offer->checks[i]);
	offer->options.checks = offer->checks;
	offer->options.check_count = count;
	return code;
}

/* ---- the instance ---- */

static int
read_address(const struct cli *cli, struct offer *offer)
{
	offer->options.instance.address = cli->options.text[OPTION_ADDRESS];
	if (offer->options.instance.address)
		return 0;
	if (!local_address(cli_endpoints(cli), offer->address, offer->via))
		return cli_usage(cli,
		                 "there is no way to %s, which would show the own address: give it "
		                 "as --address ADDRESS",
		                 cli_endpoints(cli));
	offer->is_local = true;
	offer->options.instance.address = offer->address;
	return 0;
}

static int
read_metadata(const struct cli *cli, struct offer *offer)
{
	struct synod_instance *instance = &offer->options.instance;
	const char *texts[OPTION_REPEAT_MAX];
	size_t count = options_list(&cli->options, OPTION_META, texts);
	char why[WORDS_WHY_SIZE];

	instance->metadata = offer->metadata;
	for (size_t i = 0; i < count; i++) {
		if (!parse_pair(texts[i], false, &offer->metadata[i], why))
			return cli_usage(cli, "--meta: %s", why);
		instance->metadata_count++;
	}
	return 0;
}

/* The library will say the same, but not why. */
static int
check_record(const struct cli *cli, const struct synod_instance *instance)
{
	struct synod_instance named = *instance;
	struct record *record = NULL;
	char why[RECORD_WHY_SIZE] = "";
	int error;

	if (named.id == NULL)
		named.id = "default";
	error = record_make(&named, &record, why);
	record_release(record);
	if (error == SYNOD_BAD_ARGUMENT && strncmp(why, "address", strlen("address")) == 0)
		return cli_usage(cli, "'%s' is not an %s", instance->address, why);
	return error ? cli_usage(cli, "%s", why[0] ? why : synod_error_text(error)) : 0;
}

static int
read_instance(const struct cli *cli, struct offer *offer)
{
	const struct options *options = &cli->options;
	struct synod_instance *instance = &offer->options.instance;
	int code;

	instance->id = options->text[OPTION_ID];
	instance->port = (unsigned)options->number[OPTION_PORT];
	instance->weight = (unsigned)options->number[OPTION_WEIGHT];
	instance->zone = options->text[OPTION_ZONE];
	instance->version = options->text[OPTION_SERVICE_VERSION];
	instance->tags = offer->tags;
	instance->tag_count = options_list(options, OPTION_TAG, offer->tags);
	if (instance->id) {
		code = check_discovery_name(cli, "an instance (--id)", instance->id);
		if (code)
			return code;
	}
	code = read_address(cli, offer);
	if (code == 0)
		code = read_metadata(cli, offer);
	return code ? code : check_record(cli, instance);
}

int
offer_read(const struct cli *cli, const char *service, struct offer *offer)
{
	int code;

	memset(offer, 0, sizeof *offer);
	offer->service = service;
	offer->options.brake_percent = (unsigned)cli->options.number[OPTION_BRAKE];
	offer->drain_ms = (unsigned)cli->options.number[OPTION_DRAIN];
	code = check_discovery_name(cli, "a service", service);
	if (code == 0 && !cli->options.given[OPTION_PORT])
		code = cli_usage(cli, "--port PORT is missing: where does it listen?");
	if (code == 0)
		code = check_bounds(cli);
	if (code == 0)
		code = read_checks(cli, offer);
	return code ? code : read_instance(cli, offer);
}

void
offer_fini(struct offer *offer)
{
	for (size_t i = 0; i < offer->options.instance.metadata_count; i++)
		free((char *)offer->metadata[i].name);
}
