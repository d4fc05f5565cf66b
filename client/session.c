/* The session's actor: what arrives, what is due, and the end. */
#include "client/session.h"

#include <stdlib.h>

#include "shared/error.h"

#define CLOSE_MS     1000
#define TIMER_MAX_MS 60000

static _Thread_local unsigned callback_depth;

bool
session_is_in_callback(void)
{
	return callback_depth > 0;
}

void
session_enter_callback(void)
{
	callback_depth++;
}

void
session_leave_callback(void)
{
	callback_depth--;
}

static void
finish_closing(struct session *session)
{
	session->close_deadline_us = 0;
	contact_stop(&session->contact);
}

/* ---- the contact's events ---- */

static void
on_up(void *owner)
{
	struct session *session = owner;

	requests_on_up(session);
	life_on_up(session);
}

static void
on_down(void *owner)
{
	struct session *session = owner;

	requests_on_down(session);
	life_on_down(session);
	watches_on_down(session);
}

static int
on_frame(void *owner, const struct frame *frame)
{
	struct session *session = owner;

	if (frame->type == FRAME_RESPONSE)
		return requests_on_response(session, frame);
	if (frame->type == FRAME_EVENT)
		return watches_on_event(session, frame);
	if (frame->type == FRAME_ALIVE)
		keepalives_on_alive(session, frame);
	return SYNOD_OK; /* unknown ones are from a newer member and not for us */
}

static void
on_stopped(void *owner)
{
	struct session *session = owner;

	requests_on_down(session);
	requests_fail_writes(session, true, SYNOD_UNKNOWN, NULL);
	session->is_stopped = true;
	session->options.on_stopped(session->options.stopped_context);
}

static const struct contact_handler contact_handler = {on_up, on_down, on_frame, on_stopped};

/* ---- time ---- */

static void
on_tick(struct session *session)
{
	atomic_store(&session->is_tick_posted, false);
	session->timer_us = UINT64_MAX;
	if (session->is_stopped)
		return;
	contact_on_time(&session->contact, session->now_us);
	requests_on_time(session);
	life_on_time(session);
	hooks_on_time(session->options.hooks, session->now_us);
	if (session->close_deadline_us != 0 && session->now_us >= session->close_deadline_us)
		finish_closing(session);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
next_us(struct session *session)
{
	uint64_t next = earlier(contact_next_us(&session->contact), life_next_us(session));

	next = earlier(next, requests_next_us(session));
	next = earlier(next, hooks_next_us(session->options.hooks));
	if (session->close_deadline_us != 0)
		next = earlier(next, session->close_deadline_us);
	return next;
}

/* The timer is only ever moved forward: firing early costs less than setting it for every call. */
static void
set_timer(struct session *session)
{
	uint64_t next = next_us(session);
	uint64_t delay_ms;

	if (next >= session->timer_us)
		return;
	delay_ms = next > session->now_us ? (next - session->now_us + 999) / 1000 : 1;
	if (delay_ms > TIMER_MAX_MS)
		delay_ms = TIMER_MAX_MS;
	session->timer_us = next;
	session->timer->ops->timer_set(session->timer, (unsigned)delay_ms);
}

/* ---- the actor ---- */

static void
take_close(struct session *session)
{
	session->is_closing = true;
	session->close_deadline_us = session->now_us + CLOSE_MS * UINT64_C(1000);
	requests_pump(session); /* what hooks asked for a moment ago */
	watches_close(session);
	requests_close(session);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct session *session = owner;

	session->now_us = clock_now_us(session->options.clock);
	if (connection_is_item(item)) {
		connection_on_item(item, session->now_us / 1000);
		return;
	}
	switch (item->kind) {
	case SESSION_ITEM_START: contact_start(&session->contact, session->now_us); break;
	case SESSION_ITEM_TICK: on_tick(session); break;
	case SESSION_ITEM_CALL: requests_take(session, (struct call *)item); break;
	case SESSION_ITEM_CLOSE: take_close(session); break;
	default: watches_on_item(session, item); break;
	}
}

static void
on_idle(void *owner)
{
	struct session *session = owner;
	struct contact *contact = &session->contact;

	if (session->is_stopped)
		return;
	if (contact->state == CONTACT_WAITING)
		contact_on_time(contact, session->now_us);
	/* Members that will never talk to us: whoever asks is told at once. */
	if (contact->mismatches != 0 && contact_is_hopeless(contact)) {
		requests_refuse_all(session, contact->error, contact->problem);
		watches_refuse_all(session, contact->error, contact->problem);
	}
	if (session->close_deadline_us != 0 && !session->is_attached) {
		finish_closing(session); /* there is nobody to say goodbye to */
		return;
	}
	requests_pump(session);
	contact->is_listening = atomic_load(&session->watches.count) > 0;
	contact_set_waiting(contact, session->awaited_count > 0 || keepalives_are_awaited(session),
	                    session->now_us);
	contact_flush(contact, session->now_us);
	set_timer(session);
}

static const struct actor_handler actor_handler = {on_item, on_idle};

static void
on_timer(void *context)
{
	session_wake(context);
}

/* ---- from outside ---- */

/* A quarter of the session's timeout, between one and three seconds. */
static unsigned
silence_ms(unsigned session_timeout_ms)
{
	unsigned silence = session_timeout_ms / 4;

	if (silence < 1000)
		return 1000;
	return silence < 3000 ? silence : 3000;
}

static void
init(struct session *session, const struct session_options *options)
{
	session->options = *options;
	session->timeout_ms = options->session_timeout_ms;
	session->timer_us = UINT64_MAX;
	session->start_item.kind = SESSION_ITEM_START;
	session->tick_item.kind = SESSION_ITEM_TICK;
	session->close_item.kind = SESSION_ITEM_CLOSE;
	session->contact.handler = &contact_handler;
	session->contact.owner = session;
	session->contact.transport = options->transport;
	session->contact.clock = options->clock;
	session->contact.endpoints = options->endpoints;
	session->contact.silence_ms = silence_ms(options->session_timeout_ms);
	requests_init(session);
	watches_init(session);
	leases_init(&session->leases);
	life_init(session);
}

int
session_new(const struct session_options *options, struct session **result)
{
	struct session *session = calloc(1, sizeof *session);

	*result = session;
	if (session == NULL)
		return SYNOD_NO_MEMORY;
	init(session, options);
	session->timer = options->transport->ops->timer_new(options->transport, on_timer, session);
	if (session->timer != NULL)
		session->actor = actor_new("synod", options->mode, &actor_handler, session);
	if (session->actor == NULL) {
		session_free(session);
		*result = NULL;
		return SYNOD_NO_MEMORY;
	}
	session->contact.actor = session->actor;
	if (options->loop != NULL)
		loop_attach(options->loop, session->actor);
	actor_post(session->actor, &session->start_item);
	return SYNOD_OK;
}

void
session_submit(struct session *session, struct call *call)
{
	call->item.kind = SESSION_ITEM_CALL;
	if (call->timeout_ms == 0)
		call->timeout_ms = session->options.call_timeout_ms;
	actor_post(session->actor, &call->item);
}

void
session_wake(struct session *session)
{
	if (!atomic_exchange(&session->is_tick_posted, true))
		actor_post(session->actor, &session->tick_item);
}

void
session_close(struct session *session)
{
	actor_post(session->actor, &session->close_item);
}

void
session_free(struct session *session)
{
	if (session == NULL)
		return;
	if (session->timer != NULL)
		session->timer->ops->timer_free(session->timer);
	actor_free(session->actor);
	contact_fini(&session->contact);
	life_fini(session);
	watches_fini(session);
	leases_fini(&session->leases);
	requests_fini(session);
	free(session);
}
