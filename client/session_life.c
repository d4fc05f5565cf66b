/*
 * The session's life: opening it, binding connections to it, keeping it alive,
 * knowing how long it can be counted on.
 *
 * The deadline is reckoned from when the last confirmed message was sent, not
 * from when its answer came: the member cannot have taken it up earlier than
 * that, so it cannot count from an earlier moment than we do.
 */
#include <string.h>

#include "client/request.h"
#include "client/session.h"
#include "shared/error.h"
#include "shared/fields.h"
#include "shared/planted.h"

#define MARGIN_MIN_MS 100
#define MARGIN_MAX_MS 5000

unsigned
life_margin_ms(uint64_t timeout_ms)
{
	uint64_t margin = timeout_ms / 10;

	if (margin < MARGIN_MIN_MS)
		return MARGIN_MIN_MS;
	return margin < MARGIN_MAX_MS ? (unsigned)margin : MARGIN_MAX_MS;
}

void
life_init(struct session *session)
{
	session->state = SYNOD_SUSPENDED;
	session->attach_call.op = OP_SESSION_OPEN;
	session->learn_call.op = OP_MEMBERS;
	session->close_call.op = OP_SESSION_CLOSE;
	session->keepalive_next_us = UINT64_MAX;
}

void
life_fini(struct session *session)
{
	buffer_fini(&session->attach_call.body);
	buffer_fini(&session->learn_call.body);
	buffer_fini(&session->close_call.body);
}

/* ---- states ---- */

static uint64_t
deadline_us(struct session *session)
{
	return atomic_load(&session->public_deadline_us);
}

static unsigned
remaining_ms(struct session *session, uint64_t now_us)
{
	uint64_t deadline = deadline_us(session);

	return deadline > now_us ? (unsigned)((deadline - now_us) / 1000) : 0;
}

uint64_t
session_id(struct session *session)
{
	return atomic_load(&session->public_id);
}

unsigned
session_remaining_ms(struct session *session)
{
	return remaining_ms(session, clock_now_us(session->options.clock));
}

static bool
is_overdue(struct session *session)
{
	return session->life == LIFE_OPEN && session->now_us >= deadline_us(session);
}

static enum synod_state
present_state(struct session *session)
{
	if (session->has_expired)
		return SYNOD_EXPIRED;
	if (session->contact.state != CONTACT_UP)
		return SYNOD_SUSPENDED;
	if (session->life == LIFE_OPEN && (!session->is_attached || is_overdue(session)))
		return SYNOD_SUSPENDED;
	return SYNOD_CONNECTED;
}

/* A change of state; and once more when a suspended session can no longer be counted on. */
void
life_report(struct session *session)
{
	enum synod_state state = present_state(session);
	bool is_news =
		state != session->state || (is_overdue(session) && !session->is_overdue_reported);

	session->is_overdue_reported = is_overdue(session);
	session->state = state;
	if (!is_news || session->is_closing)
		return;
	if (session->options.on_state != NULL) {
		session_enter_callback();
		session->options.on_state(session->options.state_context, state,
		                          remaining_ms(session, session->now_us));
		session_leave_callback();
	}
	hooks_report(session->options.hooks, state, remaining_ms(session, session->now_us));
}

void
life_confirm(struct session *session, uint64_t sent_us, uint64_t timeout_ms)
{
	uint64_t deadline;

	if (timeout_ms > SESSION_TIMEOUT_MAX_MS)
		timeout_ms = SESSION_TIMEOUT_MAX_MS;
	session->timeout_ms = (unsigned)timeout_ms;
	deadline = sent_us + (timeout_ms - life_margin_ms(timeout_ms)) * 1000;
	if (deadline > deadline_us(session))
		atomic_store(&session->public_deadline_us, deadline);
	session->keepalive_unanswered_us = 0;
	session->keepalive_next_us = sent_us + timeout_ms * 1000 / 3;
	contact_was_useful(&session->contact);
	life_report(session);
}

/* ---- opening and attaching ---- */

static void
write_open(struct session *session)
{
	struct buffer *body = &session->attach_call.body;

	buffer_clear(body);
	pack_array(body, 2);
	if (session->life == LIFE_OPEN) {
		session->attach_call.op = OP_SESSION_ATTACH;
		pack_u64(body, session->id);
	} else {
		session->attach_call.op = OP_SESSION_OPEN;
		pack_u64(body, session->options.session_timeout_ms);
	}
	pack_binary(body, (struct slice){session->secret, SECRET_SIZE});
}

static bool
needs_attaching(const struct session *session)
{
	if (session->is_attached || session->attach_call.xid != 0)
		return false;
	if (session->life != LIFE_NONE)
		return true;
	return !session->is_closing && !TAILQ_EMPTY(&session->lanes[LANE_WRITES].queue);
}

void
life_pump(struct session *session)
{
	if (!needs_attaching(session) || session->lanes[LANE_WRITES].retry_us != 0 ||
	    !requests_can_send(session))
		return;
	if (session->life == LIFE_NONE) {
		session->options.clock->ops->random(session->options.clock, session->secret,
		                                    SECRET_SIZE);
		session->life = LIFE_OPENING;
		session->opening_us = session->now_us;
	}
	write_open(session);
	requests_send(session, &session->attach_call);
}

static void
forget(struct session *session)
{
	session->life = LIFE_NONE;
	session->is_attached = false;
	session->id = 0;
	session->last_seq = 0;
	session->keepalive_next_us = UINT64_MAX;
	session->keepalive_unanswered_us = 0;
	watches_on_session_end(session);
	atomic_store(&session->public_id, 0);
	atomic_store(&session->public_deadline_us, 0);
}

void
life_end(struct session *session)
{
	requests_unawait(session, &session->attach_call);
	forget(session);
	session->has_expired = true;
	requests_fail_writes(session, true, SYNOD_UNKNOWN, NULL);
	life_report(session);
}

static void
on_attached(struct session *session, const struct response *response)
{
	struct cursor cursor;
	struct fields fields;
	uint64_t id;
	uint64_t timeout_ms;
	uint64_t last_seq;
	bool has_opened;

	cursor_init(&cursor, response->result);
	fields = fields_enter(&cursor, 2);
	id = field_u64(&fields);
	timeout_ms = field_u64(&fields);
	last_seq = field_u64(&fields);
	fields_leave(&fields);
	if (cursor_finish(&cursor) != SYNOD_OK || id == 0 || timeout_ms < SESSION_TIMEOUT_MIN_MS ||
	    (session->life == LIFE_OPEN && id != session->id)) {
		contact_switch(&session->contact, SYNOD_BAD_MESSAGE,
		               "its answer about the session makes no sense", session->now_us);
		return;
	}
	if (session->life == LIFE_OPENING)
		session->last_seq = last_seq;
	has_opened = session->life == LIFE_OPENING;
	session->life = LIFE_OPEN;
	session->is_attached = true;
	session->has_expired = false;
	session->id = id;
	session->keepalive_others = session->keepalive_number;
	atomic_store(&session->public_id, id);
	watches_on_attached(session, has_opened ? response->revision : 0);
	lane_on_answer(&session->lanes[LANE_WRITES]);
	if (PLANTED(ATTACH_RENEWS))
		life_confirm(session, session->now_us, timeout_ms);
	if (has_opened) { /* perhaps by an earlier copy of the request, but not before the first */
		life_confirm(session, session->opening_us, timeout_ms);
		return;
	}
	/* Attaching shows that the session lives, but renews nothing: its deadline may be near. */
	contact_was_useful(&session->contact);
	session->keepalive_next_us = session->now_us;
	life_report(session);
}

static void
on_not_attached(struct session *session, int error, const struct response *response)
{
	struct cursor cursor;
	struct slice text = {NULL, 0};
	char message[CONTACT_TEXT_MAX] = "";

	if (requests_is_transient(error)) {
		requests_on_refusal(session, &session->lanes[LANE_WRITES], error);
		return;
	}
	if (session->life == LIFE_OPEN) {
		life_end(session);
		return;
	}
	cursor_init(&cursor, response->result);
	if (!cursor_nil(&cursor))
		text = cursor_string(&cursor);
	if (text.size < sizeof message && text.size > 0)
		memcpy(message, text.bytes, text.size);
	forget(session);
	requests_fail_writes(session, false, error, message[0] != '\0' ? message : NULL);
}

/* ---- learning the other members' addresses ---- */

static void
learn(struct session *session, const struct response *response)
{
	struct cursor cursor;
	uint32_t count;

	cursor_init(&cursor, response->result);
	count = cursor_array(&cursor);
	for (uint32_t i = 0; i < count && !cursor.failed; i++) {
		struct fields fields = fields_enter(&cursor, 4);
		struct slice address;

		field_u64(&fields);
		field_string(&fields);
		field_optional_string(&fields);
		address = field_optional_string(&fields);
		fields_leave(&fields);
		if (!cursor.failed && address.size > 0)
			endpoints_learn(session->options.endpoints, address);
	}
}

void
life_on_response(struct session *session, struct call *call, const struct response *response)
{
	if (call == &session->learn_call) {
		if (response->error == SYNOD_OK)
			learn(session, response);
	} else if (response->error == SYNOD_OK) {
		on_attached(session, response);
	} else {
		on_not_attached(session, response->error, response);
	}
}

/* ---- the connection ---- */

void
life_on_up(struct session *session)
{
	session->is_attached = false;
	buffer_clear(&session->learn_call.body);
	pack_array(&session->learn_call.body, 0);
	requests_send(session, &session->learn_call);
	life_pump(session);
	life_report(session);
}

void
life_on_down(struct session *session)
{
	session->is_attached = false;
	keepalives_on_down(session);
	life_report(session);
}

/* ---- time ---- */

void
life_on_time(struct session *session)
{
	keepalives_on_time(session);
	life_report(session);
}

uint64_t
life_next_us(struct session *session)
{
	uint64_t next_us = keepalives_next_us(session);
	uint64_t deadline = deadline_us(session);

	if (session->life == LIFE_OPEN && !session->is_overdue_reported && deadline < next_us)
		next_us = deadline;
	return next_us;
}

/*
 * A write that was never sent waits while the session is overdue: if it turns out
 * to have ended, the write belongs to the next one, and nobody need be told that
 * its outcome is unknown.
 */
bool
life_may_write(struct session *session, const struct call *call)
{
	return session->is_attached && (call->attempts > 0 || !is_overdue(session));
}
