/* The life of a registration: its phases, their calls and what the answers mean. */
#include "client/discovery/registration.h"

#include <string.h>

#include "shared/planted.h"

#define DELAY_MAX_MS 5000

/* An answer, with the session in which it was given. */
struct answer {
	const struct synod_result *result;
	int error;
	uint64_t session;
	bool is_refusal; /* of the library: the call was not made */
};

/* ---- sessions ---- */

void
registration_remember(struct synod_service *service, uint64_t session)
{
	if (session == 0 || service->sessions[0] == session)
		return;
	memmove(service->sessions + 1, service->sessions,
	        (SESSIONS_KEPT - 1) * sizeof service->sessions[0]);
	service->sessions[0] = session;
}

bool
registration_is_ours(const struct synod_service *service, uint64_t session)
{
	for (unsigned i = 0; i < SESSIONS_KEPT && session != 0; i++) {
		if (service->sessions[i] == session)
			return true;
	}
	return false;
}

/* ---- turns of the life; all held ---- */

static void
settle(struct synod_service *service, int error)
{
	if (service->is_settled)
		return;
	service->is_settled = true;
	service->settle_error = error;
}

static void
enter(struct synod_service *service, enum phase phase)
{
	service->phase = phase;
	service->is_waiting = false;
	service->is_timer_due = false;
	monitor_signal(&service->monitor);
}

/* The first phase of every try. */
static enum phase
beginning(const struct synod_service *service)
{
	return service->may_be_ours ? PHASE_LOOK : PHASE_CLAIM;
}

void
registration_begin(struct synod_service *service)
{
	if (service->phase == PHASE_NEW)
		enter(service, beginning(service));
}

static void
hold(struct synod_service *service, const struct answer *answer)
{
	service->may_be_ours = true;
	service->was_ours = true;
	service->session = answer->result->node.stat.owner;
	service->revision = answer->result->revision;
	service->delay_ms = REGISTRATION_DELAY_MIN_MS;
	service->status = service->is_drained ? SYNOD_SERVICE_DRAINED : SYNOD_SERVICE_REGISTERED;
	service->error = SYNOD_OK;
	registration_remember(service, service->session);
	settle(service, SYNOD_OK);
	enter(service, PHASE_HOLD);
	if (service->session != answer->session) /* it has ended meanwhile */
		registration_lose(service, SYNOD_SESSION_ENDED);
}

void
registration_lose(struct synod_service *service, int error)
{
	service->status = SYNOD_SERVICE_PENDING;
	service->error = error;
	enter(service, PLANTED(REGISTRATION_STAYS_LOST) ? PHASE_OVER : PHASE_LOOK);
}

void
registration_finish(struct synod_service *service, enum synod_service_status status, int error)
{
	service->status = status;
	service->error = error;
	settle(service, error);
	enter(service, PHASE_OVER);
}

static void
turn_out(struct synod_service *service, enum synod_service_status status)
{
	if (PLANTED(REGISTRATION_TAKES_BACK) && status == SYNOD_SERVICE_TAKEN_OVER)
		registration_lose(service, SYNOD_OK);
	else if (status != SYNOD_SERVICE_PENDING)
		registration_finish(service, status, SYNOD_OK);
	else if (service->phase == PHASE_HOLD)
		registration_lose(service, SYNOD_NOT_FOUND);
}

void
registration_see(struct synod_service *service, enum synod_service_status status, uint64_t revision)
{
	if (service->asked != PHASE_HOLD && registration_writes(service->asked)) {
		service->seen_status = status;
		service->seen_revision = revision;
	} else if (service->was_ours) {
		turn_out(service, status);
	}
}

/* A call that may leave a record where there was none of ours. */
static bool
makes_record(enum phase asked)
{
	return registration_writes(asked) && asked != PHASE_HOLD;
}

void
registration_succeed(struct synod_service *service, struct synod_service *heir)
{
	bool must_wait;

	heir->is_awaiting = true; /* nobody else knows it yet */
	registration_refer(heir);
	monitor_lock(&service->monitor);
	service->is_succeeded = true;
	must_wait = makes_record(service->asked) || service->is_awaiting;
	if (must_wait)
		service->heir = heir;
	enter(service, PHASE_OVER);
	monitor_unlock(&service->monitor);
	if (!must_wait) {
		heir->is_awaiting = false;
		registration_unrefer(heir);
	}
	registration_detach(service);
}

/* What the first of them had under way has been answered: to those that followed. */
static void
bequeath(struct synod_service *heir)
{
	while (heir != NULL) {
		struct synod_service *next;

		monitor_lock(&heir->monitor);
		heir->is_awaiting = false;
		next = heir->heir;
		heir->heir = NULL;
		monitor_unlock(&heir->monitor);
		registration_proceed(heir);
		registration_unrefer(heir);
		heir = next;
	}
}

/* Wait, and then do PHASE. */
static void
put_off(struct synod_service *service, enum phase phase)
{
	enter(service, phase);
	service->is_waiting = true;
	service->is_timer_due = true;
}

/* What no later try will mend. */
static bool
is_final(int error)
{
	static const int final[] = {SYNOD_BAD_PATH,     SYNOD_RESERVED,    SYNOD_TOO_LARGE,
	                            SYNOD_BAD_ARGUMENT, SYNOD_BAD_MESSAGE, SYNOD_UNSUPPORTED,
	                            SYNOD_NO_CHILDREN,  SYNOD_NOT_EMPTY};

	for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
		if (final[i] == error)
			return true;
	}
	return false;
}

/* A try has failed.  Who waits for the first one is told at once. */
static void
fail(struct synod_service *service, int error)
{
	if (is_final(error)) {
		registration_finish(service, SYNOD_SERVICE_REFUSED, error);
	} else if (service->is_blocking && !service->is_settled) {
		settle(service, error);
		registration_leave(service);
	} else {
		service->error = error;
		put_off(service, beginning(service));
	}
}

/* ---- answers; all held ---- */

/* May what ended with ERROR have been executed? */
static bool
is_uncertain(int error)
{
	return error == SYNOD_UNKNOWN || error == SYNOD_SESSION_ENDED;
}

static void
on_written(struct synod_service *service, const struct answer *answer)
{
	switch (answer->error) {
	case SYNOD_OK:
		hold(service, answer);
		if (service->seen_revision > answer->result->revision)
			turn_out(service, service->seen_status);
		break;
	case SYNOD_NO_PARENT: enter(service, PHASE_PARENT); break;
	case SYNOD_EXISTS:
	case SYNOD_CONFLICT:
	case SYNOD_NOT_FOUND: enter(service, PHASE_LOOK); break;
	default:
		if (is_uncertain(answer->error))
			service->may_be_ours = true;
		fail(service, answer->error);
	}
}

/* Another's record may be replaced as long as no write of ours has been executed. */
static void
on_looked(struct synod_service *service, const struct answer *answer)
{
	const struct synod_node *node = &answer->result->node;
	bool is_free;

	if (answer->error == SYNOD_NOT_FOUND) {
		enter(service, PHASE_CREATE);
		return;
	}
	if (answer->error != SYNOD_OK) {
		fail(service, answer->error);
		return;
	}
	is_free = node->stat.owner == 0 || registration_is_ours(service, node->stat.owner);
	if (!is_free && service->was_ours && !PLANTED(REGISTRATION_TAKES_BACK)) {
		registration_finish(service, SYNOD_SERVICE_TAKEN_OVER, SYNOD_OK);
		return;
	}
	if (is_free)
		registration_read(service, node->data, node->size);
	service->owner = node->stat.owner;
	enter(service, PHASE_TAKE);
}

static void
on_parent(struct synod_service *service, const struct answer *answer)
{
	if (answer->error == SYNOD_OK || answer->error == SYNOD_EXISTS)
		enter(service, beginning(service));
	else
		fail(service, answer->error);
}

static void
on_updated(struct synod_service *service, const struct answer *answer)
{
	switch (answer->error) {
	case SYNOD_OK:
		service->revision = answer->result->revision;
		service->delay_ms = REGISTRATION_DELAY_MIN_MS;
		break;
	case SYNOD_CONFLICT:
	case SYNOD_NOT_FOUND: registration_lose(service, answer->error); break;
	default:
		service->is_dirty = !PLANTED(WISH_FORGOTTEN);
		if (is_final(answer->error))
			registration_finish(service, SYNOD_SERVICE_REFUSED, answer->error);
		else
			put_off(service, PHASE_HOLD);
	}
}

/* It must not stay behind while the session lives, so that who would not wait goes on trying. */
static void
on_left(struct synod_service *service, const struct answer *answer)
{
	switch (answer->error) {
	case SYNOD_OK:
	case SYNOD_NOT_FOUND:
	case SYNOD_CONFLICT: /* another's */
		service->leave_error = SYNOD_OK;
		enter(service, PHASE_OVER);
		break;
	case SYNOD_SESSION_ENDED:
	case SYNOD_CLOSED: enter(service, PHASE_OVER); break;
	default:
		service->leave_error = SYNOD_UNKNOWN;
		put_off(service, PHASE_LEAVE);
		service->is_left_open = !answer->is_refusal;
	}
}

typedef void on_phase_answer(struct synod_service *service, const struct answer *answer);

static on_phase_answer *const on_answers[] = {
	[PHASE_CLAIM] = on_written, [PHASE_LOOK] = on_looked,   [PHASE_CREATE] = on_written,
	[PHASE_TAKE] = on_written,  [PHASE_PARENT] = on_parent, [PHASE_HOLD] = on_updated,
	[PHASE_LEAVE] = on_left,
};

/* ---- one call at a time ---- */

/* What is under way, and would leave a record, is waited for. */
void
registration_leave(struct synod_service *service)
{
	bool may_be_made = registration_writes(service->asked);

	settle(service, SYNOD_CLOSED);
	if (service->phase != PHASE_LEAVE && service->phase != PHASE_OVER)
		enter(service, service->may_be_ours || may_be_made ? PHASE_LEAVE : PHASE_OVER);
}

/* Held.  The phase was left while its call was under way: no record may stay behind. */
static void
on_late_answer(struct synod_service *service, enum phase asked, int error)
{
	bool may_be_made = makes_record(asked) && (error == SYNOD_OK || is_uncertain(error));

	if (service->phase != PHASE_LEAVE && service->phase != PHASE_OVER)
		return;
	if (service->is_succeeded)
		return;
	if (may_be_made) {
		service->may_be_ours = true;
		enter(service, PHASE_LEAVE);
	} else if (!service->may_be_ours) {
		enter(service, PHASE_OVER);
	}
}

/* Held.  Is there a call to be made? */
static bool
is_due(const struct synod_service *service)
{
	if (service->asked != PHASE_NEW || service->is_waiting || service->is_awaiting)
		return false;
	if (service->phase == PHASE_NEW || service->phase == PHASE_OVER)
		return false;
	return service->phase != PHASE_HOLD || service->is_dirty;
}

/* Held.  Without a session there is nothing of ours: it went with the last one. */
static void
skip_leaving(struct synod_service *service, uint64_t session)
{
	if (service->phase == PHASE_LEAVE && service->asked == PHASE_NEW && !service->is_awaiting &&
	    session == 0)
		enter(service, PHASE_OVER);
}

static bool
begin(struct synod_service *service, struct attempt *attempt)
{
	uint64_t session = synod_session_id(service->synod);
	bool is_begun;

	monitor_lock(&service->monitor);
	skip_leaving(service, session);
	is_begun = is_due(service);
	if (is_begun) {
		service->asked = service->phase;
		service->references++;
		*attempt = (struct attempt){.phase = service->phase, .owner = service->session};
		if (attempt->phase == PHASE_TAKE)
			attempt->owner = service->owner;
		else if (attempt->phase == PHASE_LEAVE)
			attempt->owner = session;
		if (registration_writes(attempt->phase))
			registration_write(service, &attempt->text);
	}
	monitor_unlock(&service->monitor);
	return is_begun;
}

static void
take_answer(struct synod_service *service, const struct synod_result *result, bool is_refusal)
{
	const struct answer answer = {
		.result = result,
		.error = result->error,
		.session = synod_session_id(service->synod),
		.is_refusal = is_refusal,
	};
	struct synod_service *heir;
	enum phase asked;

	monitor_lock(&service->monitor);
	asked = service->asked;
	service->asked = PHASE_NEW;
	heir = service->heir;
	service->heir = NULL;
	registration_remember(service, answer.session);
	if (asked == service->phase)
		on_answers[asked](service, &answer);
	else
		on_late_answer(service, asked, result->error);
	monitor_signal(&service->monitor);
	monitor_unlock(&service->monitor);
	bequeath(heir);
}

static void
on_answer(void *context, const struct synod_result *result)
{
	struct synod_service *service = context;

	take_answer(service, result, false);
	registration_go_on(service);
	registration_unrefer(service);
}

/* The library did not take the call: that is an answer, too, but this may be no callback. */
static void
on_refused(struct synod_service *service, int error)
{
	const struct synod_result result = {.error = error};

	take_answer(service, &result, true);
	registration_unrefer(service);
}

/* The hook stays as long as somebody is about to use it. */
static void
set_timer(struct synod_service *service)
{
	unsigned delay_ms = 0;
	bool is_time;

	monitor_lock(&service->monitor);
	is_time = service->is_timer_due && !service->is_detached;
	service->is_timer_due = false;
	if (is_time) {
		service->timer_users++;
		delay_ms = service->delay_ms;
		if (delay_ms < DELAY_MAX_MS)
			service->delay_ms *= 2;
	}
	monitor_unlock(&service->monitor);
	if (!is_time)
		return;
	synod_hook_after(service->hook, delay_ms);
	monitor_lock(&service->monitor);
	service->timer_users--;
	monitor_unlock(&service->monitor);
}

void
registration_proceed(struct synod_service *service)
{
	const struct synod_call call = {.done = on_answer, .context = service};
	struct attempt attempt;

	while (begin(service, &attempt)) {
		int error = attempt.text.failed ? SYNOD_NO_MEMORY
		                                : registration_call(service, &attempt, &call);

		buffer_fini(&attempt.text);
		if (error == SYNOD_OK)
			break;
		on_refused(service, error);
	}
	set_timer(service);
	registration_detach(service);
}

/* ---- callbacks ---- */

static void
tell(struct synod_service *service)
{
	enum synod_service_status status;
	bool is_news;
	int error;

	monitor_lock(&service->monitor);
	status = service->status;
	error = service->error;
	is_news = status != service->told_status || error != service->told_error;
	is_news = is_news && !service->is_released;
	service->told_status = status;
	service->told_error = error;
	monitor_unlock(&service->monitor);
	if (is_news && service->options.on_status != NULL)
		service->options.on_status(service->options.context, service, status, error);
}

void
registration_go_on(struct synod_service *service)
{
	tell(service);
	registration_proceed(service);
}

void
registration_on_time(void *context)
{
	struct synod_service *service = context;
	bool is_watch_broken;

	monitor_lock(&service->monitor);
	service->is_waiting = false;
	is_watch_broken = service->is_watch_broken;
	monitor_unlock(&service->monitor);
	if (is_watch_broken)
		registration_watch(service);
	registration_go_on(service);
}

void
registration_on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct synod_service *service = context;
	uint64_t session = synod_session_id(service->synod);

	(void)remaining_ms;
	monitor_lock(&service->monitor);
	registration_remember(service, session);
	if (state != SYNOD_SUSPENDED)
		service->is_waiting = false;
	if (service->phase == PHASE_HOLD && session != service->session)
		registration_lose(service, SYNOD_SESSION_ENDED);
	monitor_unlock(&service->monitor);
	registration_go_on(service);
}
