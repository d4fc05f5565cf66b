/* Keepalives, of the session and of leases: when they are sent, and what their answers say. */
#include "client/session.h"
#include "shared/error.h"
#include "shared/fields.h"
#include "shared/planted.h"

static bool
is_session_due(const struct session *session)
{
	return session->is_attached && session->now_us >= session->keepalive_next_us;
}

/* One frame for both: each keepalive of a connection renews its session. */
static void
send_keepalive(struct session *session)
{
	struct buffer *output = &session->contact.output;
	uint64_t number = ++session->keepalive_number;
	uint64_t interval_us = session->timeout_ms * UINT64_C(1000) / 12;
	size_t begin = frame_begin(output, FRAME_KEEPALIVE);

	pack_array(output, 2);
	pack_u64(output, number);
	leases_pack(&session->leases, number, session->now_us, output);
	frame_end(output, begin);
	session->keepalive_sent_us[number % KEEPALIVES_REMEMBERED] = session->now_us;
	if (!session->is_attached)
		return;
	if (session->keepalive_unanswered_us == 0)
		session->keepalive_unanswered_us = session->now_us;
	session->keepalive_next_us = session->now_us + interval_us; /* sooner while unanswered */
}

/* ---- answers ---- */

/* What an answer to NUMBER, sent at SENT_US, says of the session. */
static void
on_session_alive(struct session *session, uint64_t number, uint64_t sent_us, int error,
                 uint64_t timeout_ms)
{
	if (session->life != LIFE_OPEN || !session->is_attached ||
	    number <= session->keepalive_others)
		return;
	if (error == SYNOD_SESSION_ENDED) {
		life_end(session);
		return;
	}
	if (error != SYNOD_OK)
		return;
	if (timeout_ms < SESSION_TIMEOUT_MIN_MS)
		timeout_ms = session->timeout_ms;
	life_confirm(session, PLANTED(DEADLINE_FROM_RECEIVE) ? session->now_us : sent_us,
	             timeout_ms);
}

static bool
is_remembered(const struct session *session, uint64_t number)
{
	return number <= session->keepalive_number &&
	       session->keepalive_number - number < KEEPALIVES_REMEMBERED;
}

void
keepalives_on_alive(struct session *session, const struct frame *frame)
{
	struct cursor leases = {0};
	struct cursor cursor;
	struct fields fields;
	uint64_t number;
	uint64_t sent_us;
	uint64_t timeout_ms;
	int error;

	cursor_init(&cursor, frame->body);
	fields = fields_enter(&cursor, 2);
	number = field_u64(&fields);
	error = (int)field_number(&fields, INT32_MAX);
	timeout_ms = field_u64(&fields);
	if (fields_next(&fields)) {
		leases = cursor;
		cursor_skip(&cursor, 1);
	}
	fields_leave(&fields);
	if (cursor_finish(&cursor) != SYNOD_OK || !is_remembered(session, number))
		return;
	sent_us = session->keepalive_sent_us[number % KEEPALIVES_REMEMBERED];
	if (leases.at != NULL && !cursor_is_nil(&leases))
		leases_on_alive(&session->leases, number, sent_us, session->now_us, &leases);
	on_session_alive(session, number, sent_us, error, timeout_ms);
}

/* ---- time ---- */

/* A member that answers, but not to keepalives, may be cut off from the leader. */
static uint64_t
patience_us(const struct session *session, uint64_t third_us)
{
	uint64_t patience = session->contact.silence_ms * UINT64_C(2000);

	return patience < third_us ? patience : third_us;
}

static uint64_t
impatient_us(uint64_t unanswered_us, uint64_t patience)
{
	return unanswered_us != 0 ? unanswered_us + patience : UINT64_MAX;
}

/* When the member is to be left. */
static uint64_t
leave_us(struct session *session)
{
	uint64_t of_session =
		impatient_us(session->keepalive_unanswered_us,
	                     patience_us(session, session->timeout_ms * UINT64_C(1000) / 3));
	uint64_t of_leases =
		impatient_us(session->leases.unanswered_us,
	                     patience_us(session, leases_patience_us(&session->leases)));

	return of_session < of_leases ? of_session : of_leases;
}

void
keepalives_on_time(struct session *session)
{
	if (session->contact.state != CONTACT_UP)
		return;
	if (session->now_us >= leave_us(session)) {
		if (session->keepalive_unanswered_us != 0)
			session->keepalive_unanswered_us = session->now_us;
		if (session->leases.unanswered_us != 0)
			session->leases.unanswered_us = session->now_us;
		if (endpoints_count(session->options.endpoints) > 1)
			contact_switch(&session->contact, SYNOD_NO_QUORUM,
			               "the member answers no keepalives", session->now_us);
	}
	if (session->contact.state == CONTACT_UP && !session->is_closing &&
	    (is_session_due(session) || session->now_us >= leases_next_us(&session->leases)))
		send_keepalive(session);
}

void
keepalives_on_down(struct session *session)
{
	session->keepalive_unanswered_us = 0;
	session->keepalive_next_us = UINT64_MAX;
	session->leases.unanswered_us = 0;
}

bool
keepalives_are_awaited(const struct session *session)
{
	return session->keepalive_unanswered_us != 0 || session->leases.unanswered_us != 0;
}

uint64_t
keepalives_next_us(struct session *session)
{
	uint64_t next_us = session->keepalive_next_us;
	uint64_t leases_us;

	if (session->contact.state != CONTACT_UP || session->is_closing)
		return UINT64_MAX;
	leases_us = leases_next_us(&session->leases);
	if (leases_us < next_us)
		next_us = leases_us;
	return leave_us(session) < next_us ? leave_us(session) : next_us;
}
