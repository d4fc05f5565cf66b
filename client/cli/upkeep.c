/* Registers an instance, keeps it up, and tells people what becomes of it. */
#include "client/cli/upkeep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/child.h"
#include "client/cli/discovery_words.h"
#include "client/cli/json.h"
#include "client/cli/memory.h"
#include "client/cli/monotonic.h"

/* How long leaving may take while the ensemble is away, unless --timeout says otherwise. */
#define LEAVE_MS      3000
#define AWAY_AFTER_MS 3000

/* ---- what the library tells ---- */

static void
on_status(void *context, struct synod_service *service, enum synod_service_status status, int error)
{
	struct upkeep *upkeep = context;

	(void)service;
	pthread_mutex_lock(&upkeep->mutex);
	upkeep->status = status;
	upkeep->error = error;
	upkeep->is_news = true;
	pthread_mutex_unlock(&upkeep->mutex);
	child_wake();
}

static void
on_check(void *context, struct synod_service *service, size_t check, enum synod_health health,
         const char *why)
{
	struct upkeep *upkeep = context;
	struct said *said = &upkeep->said[check];
	bool is_good = health == SYNOD_PASSING || health == SYNOD_WARNING;

	(void)service;
	pthread_mutex_lock(&upkeep->mutex);
	upkeep->has_passed[check] |= is_good;
	said->is_news = true;
	said->health = health;
	snprintf(said->why, sizeof said->why, "%s", why ? why : "");
	pthread_mutex_unlock(&upkeep->mutex);
	child_wake();
}

/* ---- beginning and leaving ---- */

static int
open_handle(struct cli *cli)
{
	struct synod_options options = cli_synod_options(cli);
	int error;

	if (!cli->options.given[OPTION_TIMEOUT])
		options.call_timeout_ms = LEAVE_MS;
	options.session_timeout_ms = (unsigned)cli->options.number[OPTION_SESSION_TIMEOUT];
	error = synod_open(&options, &cli->synod);
	return error ? cli_fail(cli, cli_endpoints(cli), error, NULL) : 0;
}

static int
fail_register(const struct upkeep *upkeep, int error)
{
	if (error == SYNOD_BAD_PATH)
		return cli_usage(upkeep->cli,
		                 "no valid name follows from '%s' and the port: give it as --id ID",
		                 upkeep->offer->options.instance.address);
	return cli_fail(upkeep->cli, upkeep->offer->service, error, NULL);
}

int
upkeep_init(struct upkeep *upkeep, struct cli *cli, const struct offer *offer, bool has_command)
{
	struct synod_service_options options = offer->options;
	int code, error;

	*upkeep = (struct upkeep){
		.cli = cli,
		.offer = offer,
		.has_command = has_command,
		.since_ns = monotonic_ns(),
	};
	pthread_mutex_init(&upkeep->mutex, NULL);
	code = open_handle(cli);
	if (code)
		return code;
	/* Nobody shall call what does not run yet, or is not known to be well. */
	upkeep->is_ready = !has_command && offer->options.check_count == 0;
	options.instance.health = upkeep->is_ready ? SYNOD_PASSING : SYNOD_STARTING;
	options.on_status = on_status;
	options.on_check = on_check;
	options.context = upkeep;
	error = synod_service_register(cli->synod, offer->service, &options, &upkeep->service);
	if (error)
		return fail_register(upkeep, error);
	upkeep->subject = must_format("%s/%s", offer->service, synod_service_id(upkeep->service));
	return 0;
}

void
upkeep_leave(struct upkeep *upkeep)
{
	int error = synod_service_deregister(upkeep->service, 0);

	upkeep->service = NULL;
	if (error)
		cli_warn(upkeep->subject,
		         "could not be deregistered: %s (%s); it goes when its session ends",
		         synod_error_text(error), synod_error_name(error));
}

void
upkeep_fini(struct upkeep *upkeep)
{
	upkeep_leave(upkeep);
	/* Callbacks of a registration that was not taken off in time may still come. */
	synod_close(upkeep->cli->synod);
	upkeep->cli->synod = NULL;
	pthread_mutex_destroy(&upkeep->mutex);
	free(upkeep->subject);
}

/* ---- saying ---- */

static void
print_registered(const struct upkeep *upkeep)
{
	const struct synod_instance *instance = &upkeep->offer->options.instance;
	const char *id = synod_service_id(upkeep->service);
	char address[ADDRESS_TEXT_SIZE];

	if (upkeep->cli->json) {
		cJSON *json = json_object();

		json_add_text(json, "service", upkeep->offer->service);
		json_add_text(json, "id", id);
		json_add_text(json, "address", instance->address);
		json_add_number(json, "port", instance->port);
		json_print(json);
	} else {
		printf("registered %s %s\n", upkeep->subject,
		       address_text(address, instance->address, instance->port));
	}
	fflush(stdout);
}

static void
tell_registered(struct upkeep *upkeep)
{
	const struct offer *offer = upkeep->offer;
	bool is_quiet = upkeep->cli->quiet;
	char address[ADDRESS_TEXT_SIZE];

	if (upkeep->was_registered) {
		if (!is_quiet)
			cli_warn(upkeep->subject, "registered again");
		return;
	}
	upkeep->was_registered = true;
	if (!upkeep->has_command)
		print_registered(upkeep);
	if (is_quiet || !(upkeep->has_command || offer->is_local))
		return;
	address_text(address, offer->options.instance.address, offer->options.instance.port);
	if (offer->is_local)
		cli_warn(upkeep->subject,
		         "registered as %s, the own address towards %s (--address gives another)",
		         address, offer->via);
	else
		cli_warn(upkeep->subject, "registered as %s", address);
}

static void
tell_pending(struct upkeep *upkeep, int error)
{
	upkeep->since_ns = monotonic_ns();
	if (!upkeep->was_registered)
		return;
	upkeep->was_warned = true;
	cli_warn(upkeep->subject,
	         "not registered any more: %s (%s); it is registered again as soon as the "
	         "ensemble answers",
	         synod_error_text(error), synod_error_name(error));
}

/* Once, when it takes so long that people begin to wonder. */
static void
tell_away(struct upkeep *upkeep, int error)
{
	uint64_t waited_ns = monotonic_ns() - upkeep->since_ns;

	if (upkeep->seen != SYNOD_SERVICE_PENDING || upkeep->was_warned ||
	    waited_ns < AWAY_AFTER_MS * NANOSECONDS_PER_MS)
		return;
	upkeep->was_warned = true;
	if (error == SYNOD_OK)
		error = SYNOD_NO_QUORUM;
	cli_warn(upkeep->subject,
	         "not registered yet: %s (%s); it is registered as soon as the ensemble answers; "
	         "asked: %s",
	         synod_error_text(error), synod_error_name(error), cli_endpoints(upkeep->cli));
}

/* What happened that cannot be mended here, and what to do about it. */
static void
tell_end(const struct upkeep *upkeep, enum synod_service_status status, int error)
{
	bool stops = !upkeep->has_command || upkeep->cli->options.given[OPTION_STOP_WHEN_LOST];
	const char *follows = stops ? "ends" : "goes on without being registered";

	if (status == SYNOD_SERVICE_TAKEN_OVER)
		cli_warn(upkeep->subject,
		         "taken over: another program has registered the same id; this one %s\n"
		         "  stop one of the two, or give each an --id of its own",
		         follows);
	else if (status == SYNOD_SERVICE_REMOVED)
		cli_warn(upkeep->subject,
		         "removed: somebody has deleted the registration; this one %s\n"
		         "  start it anew if it is to be found again",
		         follows);
	else if (status == SYNOD_SERVICE_REFUSED)
		cli_warn(upkeep->subject, "refused: %s (%s); this one %s\n  %s",
		         synod_error_text(error), synod_error_name(error), follows,
		         synod_error_hint(error));
	else
		cli_warn(upkeep->subject,
		         "draining: somebody has taken it out of service; it gets no new calls\n"
		         "  let it finish what it has, and stop it (SIGTERM)%s",
		         upkeep->has_command && stops ? ": that happens now" : "");
}

static void
tell_news(struct upkeep *upkeep, enum synod_service_status status, int error)
{
	upkeep->seen = status;
	switch (status) {
	case SYNOD_SERVICE_REGISTERED: tell_registered(upkeep); break;
	case SYNOD_SERVICE_PENDING: tell_pending(upkeep, error); break;
	default: tell_end(upkeep, status, error); break;
	}
}

/* Not in the callback: who cannot write would keep the session from being kept alive. */
static void
tell_verdicts(struct upkeep *upkeep)
{
	struct said said;

	for (size_t i = 0; i < upkeep->offer->options.check_count; i++) {
		pthread_mutex_lock(&upkeep->mutex);
		said = upkeep->said[i];
		upkeep->said[i].is_news = false;
		pthread_mutex_unlock(&upkeep->mutex);
		if (said.is_news && !upkeep->cli->quiet)
			cli_warn(upkeep->offer->checks[i].target, "%s%s%s",
			         synod_health_name(said.health), said.why[0] ? ": " : "", said.why);
	}
}

/* ---- looking ---- */

void
upkeep_begin(struct upkeep *upkeep)
{
	upkeep->has_begun = true;
}

/* Under the mutex. */
static bool
checks_have_passed(const struct upkeep *upkeep)
{
	for (size_t i = 0; i < upkeep->offer->options.check_count; i++) {
		if (!upkeep->has_passed[i])
			return false;
	}
	return true;
}

static void
become_ready(struct upkeep *upkeep)
{
	int error = synod_service_set_health(upkeep->service, SYNOD_PASSING);

	upkeep->is_ready = true;
	if (error)
		cli_warn(upkeep->subject, "cannot be set to passing: %s (%s)",
		         synod_error_text(error), synod_error_name(error));
}

void
upkeep_look(struct upkeep *upkeep)
{
	enum synod_service_status status;
	bool is_news, has_passed;
	int error;

	if (upkeep->service == NULL)
		return;
	pthread_mutex_lock(&upkeep->mutex);
	status = upkeep->status;
	error = upkeep->error;
	is_news = upkeep->is_news;
	has_passed = checks_have_passed(upkeep);
	upkeep->is_news = false;
	pthread_mutex_unlock(&upkeep->mutex);
	if (upkeep->has_begun && has_passed && !upkeep->is_ready)
		become_ready(upkeep);
	tell_verdicts(upkeep);
	if (is_news)
		tell_news(upkeep, status, error);
	tell_away(upkeep, error);
}

bool
upkeep_is_lost(const struct upkeep *upkeep)
{
	return upkeep->seen == SYNOD_SERVICE_TAKEN_OVER || upkeep->seen == SYNOD_SERVICE_REMOVED ||
	       upkeep->seen == SYNOD_SERVICE_REFUSED;
}

bool
upkeep_is_drained(const struct upkeep *upkeep)
{
	return upkeep->seen == SYNOD_SERVICE_DRAINED;
}

bool
upkeep_is_there(const struct upkeep *upkeep)
{
	return upkeep->seen == SYNOD_SERVICE_REGISTERED || upkeep->seen == SYNOD_SERVICE_DRAINED;
}

void
upkeep_drain(struct upkeep *upkeep)
{
	upkeep->is_ready = true; /* and stays what it is now, whatever the checks say */
	synod_service_set_health(upkeep->service, SYNOD_DRAINING);
}
