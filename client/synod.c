/* The handle: opening, closing, and what can be asked of it at any time. */
#include <stdlib.h>

#include "client/handle.h"
#include "shared/error.h"

#define ENDPOINTS_DEFAULT       "127.0.0.1:7400"
#define CALL_TIMEOUT_DEFAULT_MS 30000

const char *
synod_error_name(int error)
{
	return error_name(error);
}

const char *
synod_error_text(int error)
{
	return error_text(error);
}

const char *
synod_error_hint(int error)
{
	return error_hint(error);
}

const char *
synod_cause_name(unsigned cause)
{
	static const char *const names[] = {
		[SYNOD_CAUSE_REQUEST] = "request",       [SYNOD_CAUSE_CLOSED] = "closed",
		[SYNOD_CAUSE_EXPIRED] = "expired",       [SYNOD_CAUSE_REVOKED] = "revoked",
		[SYNOD_CAUSE_SUPERSEDED] = "superseded",
	};

	return cause < sizeof names / sizeof *names ? names[cause] : "unknown";
}

void
synod_result_free(struct synod_result *result)
{
	outcome_free((struct outcome *)result);
}

/* ---- opening ---- */

static const char *
endpoints_of(const struct synod_options *options)
{
	const char *text = options->endpoints;

	if (text == NULL)
		text = getenv("SYNOD_ENDPOINTS");
	return text != NULL && (options->endpoints != NULL || text[0] != '\0') ? text
	                                                                       : ENDPOINTS_DEFAULT;
}

static void
on_stopped(void *context)
{
	struct synod *synod = context;

	waiter_finish(&synod->stopped, SYNOD_OK, NULL);
}

static void
wake(void *context)
{
	struct synod *synod = context;

	session_wake(synod->session);
}

static int
open_session(struct synod *synod, const struct synod_options *options)
{
	const struct session_options session_options = {
		.transport = synod->transport,
		.clock = synod->clock,
		.mode = synod->mode,
		.endpoints = &synod->endpoints,
		.pool = &synod->pool,
		.session_timeout_ms = options->session_timeout_ms != 0 ? options->session_timeout_ms
	                                                               : SESSION_TIMEOUT_DEFAULT_MS,
		.call_timeout_ms = options->call_timeout_ms != 0 ? options->call_timeout_ms
	                                                         : CALL_TIMEOUT_DEFAULT_MS,
		.on_state = options->on_state,
		.on_loss = options->on_loss,
		.state_context = options->context,
		.loop = synod->loop,
		.hooks = &synod->hooks,
		.on_stopped = on_stopped,
		.stopped_context = synod,
	};

	if (session_options.session_timeout_ms < SESSION_TIMEOUT_MIN_MS ||
	    session_options.session_timeout_ms > SESSION_TIMEOUT_MAX_MS)
		return SYNOD_BAD_ARGUMENT;
	synod->hooks.wake = wake;
	synod->hooks.wake_context = synod;
	return session_new(&session_options, &synod->session);
}

/* Each step undoes itself when a later one fails. */
static int
open_parts(struct synod *synod, const struct synod_options *options)
{
	int error = endpoints_init(&synod->endpoints, endpoints_of(options));

	if (error != SYNOD_OK)
		return error;
	error = call_pool_init(&synod->pool);
	if (error != SYNOD_OK) {
		endpoints_fini(&synod->endpoints);
		return error;
	}
	waiter_init(&synod->stopped, false);
	hooks_init(&synod->hooks, synod->clock);
	error = open_session(synod, options);
	if (error != SYNOD_OK) {
		hooks_fini(&synod->hooks);
		waiter_fini(&synod->stopped);
		call_pool_fini(&synod->pool);
		endpoints_fini(&synod->endpoints);
	}
	return error;
}

/* A handle that the simulator runs has no loop besides. */
static int
open_loop(struct synod *synod, const struct synod_options *options)
{
	int error;

	if (!options->own_loop || synod->mode == ACTOR_MANUAL)
		return SYNOD_OK;
	synod->loop = calloc(1, sizeof *synod->loop);
	if (synod->loop == NULL)
		return SYNOD_NO_MEMORY;
	error = loop_init(synod->loop);
	if (error == SYNOD_OK) {
		synod->mode = ACTOR_MANUAL;
		return SYNOD_OK;
	}
	free(synod->loop);
	synod->loop = NULL;
	return error;
}

static void
close_loop(struct synod *synod)
{
	if (synod->loop == NULL)
		return;
	loop_fini(synod->loop);
	free(synod->loop);
}

int
handle_open(const struct environment *environment, const struct synod_options *options,
            struct synod **result)
{
	static const struct synod_options defaults;
	struct synod *synod;
	int error;

	*result = NULL;
	synod = calloc(1, sizeof *synod);
	if (synod == NULL)
		return SYNOD_NO_MEMORY;
	synod->transport = environment->transport;
	synod->clock = environment->clock;
	synod->mode = environment->mode;
	if (options == NULL)
		options = &defaults;
	error = open_loop(synod, options);
	if (error == SYNOD_OK)
		error = open_parts(synod, options);
	if (error == SYNOD_OK) {
		*result = synod;
	} else {
		close_loop(synod);
		free(synod);
	}
	return error;
}

/*
 * The handles of a process share one transport: its threads serve all of them,
 * and a thousand handles need no more than one.
 */
static struct {
	pthread_mutex_t lock;
	struct transport *transport;
	unsigned users;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct transport *
transport_use(void)
{
	struct transport *transport;

	pthread_mutex_lock(&shared.lock);
	if (shared.users == 0)
		shared.transport = transport_nng_new();
	transport = shared.transport;
	if (transport != NULL)
		shared.users++;
	pthread_mutex_unlock(&shared.lock);
	return transport;
}

static void
transport_leave(void)
{
	pthread_mutex_lock(&shared.lock);
	if (--shared.users == 0) {
		shared.transport->ops->free(shared.transport);
		shared.transport = NULL;
	}
	pthread_mutex_unlock(&shared.lock);
}

int
synod_open(const struct synod_options *options, struct synod **synod)
{
	struct environment environment = {.clock = clock_real(), .mode = ACTOR_STRAND};
	int error;

	if (synod == NULL)
		return SYNOD_BAD_ARGUMENT;
	*synod = NULL;
	environment.transport = transport_use();
	if (environment.transport == NULL)
		return SYNOD_NO_MEMORY;
	error = handle_open(&environment, options, synod);
	if (error == SYNOD_OK)
		(*synod)->uses_shared_transport = true;
	else
		transport_leave();
	return error;
}

/* ---- closing ---- */

void
handle_close(struct synod *synod)
{
	hooks_close(&synod->hooks);
	atomic_store(&synod->is_closing, true);
	session_close(synod->session);
}

void
handle_free(struct synod *synod)
{
	session_free(synod->session);
	close_loop(synod);
	hooks_fini(&synod->hooks);
	waiter_fini(&synod->stopped);
	call_pool_fini(&synod->pool);
	endpoints_fini(&synod->endpoints);
	if (synod->uses_shared_transport)
		transport_leave();
	free(synod);
}

void
synod_close(struct synod *synod)
{
	if (synod == NULL || session_is_in_callback())
		return;
	handle_close(synod);
	loop_wait(synod->loop, &synod->stopped);
	handle_free(synod);
}

/* ---- in the application's own loop ---- */

int
synod_fd(struct synod *synod)
{
	return synod != NULL && synod->loop != NULL ? synod->loop->fd : -1;
}

int
synod_dispatch(struct synod *synod)
{
	if (synod == NULL || synod->loop == NULL || session_is_in_callback())
		return SYNOD_BAD_ARGUMENT;
	loop_run(synod->loop);
	return SYNOD_OK;
}

/* ---- questions that need no member ---- */

unsigned
synod_session_remaining_ms(struct synod *synod)
{
	return synod != NULL ? session_remaining_ms(synod->session) : 0;
}

uint64_t
synod_session_id(struct synod *synod)
{
	return synod != NULL ? session_id(synod->session) : 0;
}
