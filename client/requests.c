/* The requests of a session: sending, answering, repeating, timing out. */
#include "client/pages.h"
#include "client/request.h"
#include "client/session.h"
#include "shared/error.h"
#include "shared/planted.h"

static struct lane *
lane_of(struct session *session, const struct call *call)
{
	if (call->op == OP_WATCH)
		return &session->lanes[LANE_WATCHES];
	if (op_class(call->op) == OP_CLASS_WRITE)
		return &session->lanes[LANE_WRITES];
	return &session->lanes[call->consistency == SYNOD_LOCAL ? LANE_LOCAL_READS : LANE_READS];
}

static bool
is_write(const struct call *call)
{
	return op_class(call->op) == OP_CLASS_WRITE;
}

static bool
is_our_own(const struct session *session, const struct call *call)
{
	return call == &session->attach_call || call == &session->learn_call ||
	       call == &session->close_call || call->op == OP_WATCH;
}

/* ---- what is awaited ---- */

static void
await(struct session *session, struct call *call)
{
	do
		session->last_xid++;
	while (session->awaited[session->last_xid % AWAITED_SLOTS] != NULL);
	call->xid = session->last_xid;
	session->awaited[call->xid % AWAITED_SLOTS] = call;
	if (session->awaited_count++ == 0)
		session->progress_us = session->now_us;
	session->awaited_bytes += call->body.size;
}

void
requests_unawait(struct session *session, struct call *call)
{
	if (call->xid == 0)
		return;
	session->awaited[call->xid % AWAITED_SLOTS] = NULL;
	session->awaited_count--;
	session->awaited_bytes -= call->body.size;
	call->xid = 0;
}

static void
unawait_list(struct session *session, struct call_list *list)
{
	for (struct call *call = TAILQ_FIRST(list); call != NULL; call = TAILQ_NEXT(call, link))
		requests_unawait(session, call);
}

static void
go_back(struct session *session, struct lane *lane)
{
	unawait_list(session, &lane->sent);
	lane_go_back(lane);
}

static void
go_back_all(struct session *session)
{
	requests_unawait(session, &session->attach_call);
	for (unsigned i = 0; i < LANE_COUNT; i++)
		go_back(session, &session->lanes[i]);
}

/* ---- outcomes ---- */

static struct outcome *
scratch(struct session *session)
{
	if (session->scratch == NULL)
		session->scratch = outcome_new();
	if (session->scratch != NULL)
		outcome_clear(session->scratch);
	return session->scratch;
}

/* To the callback, or to the thread that waits; *OUTCOME is set to NULL if that thread keeps it. */
static void
deliver(struct session *session, struct call *call, struct outcome **outcome)
{
	static const struct synod_result no_memory = {.error = SYNOD_NO_MEMORY, .failed_index = -1};
	const struct synod_result *result = *outcome != NULL ? &(*outcome)->result : &no_memory;
	struct waiter *waiter = call->waiter;
	struct outcome *kept = NULL;

	call_pool_leave(session->options.pool, call);
	call->waiter = NULL;
	if (waiter != NULL) {
		if (waiter->wants_result) {
			kept = *outcome;
			*outcome = NULL;
		}
		waiter_finish(waiter, result->error, kept);
		return;
	}
	session_enter_callback();
	call->done(call->context, result);
	session_leave_callback();
}

static void
deliver_error(struct session *session, struct call *call, int error, const char *message)
{
	if (scratch(session) != NULL)
		outcome_fail(session->scratch, error, message);
	deliver(session, call, &session->scratch);
}

static void
discard(struct session *session, struct call *call)
{
	if (!is_our_own(session, call))
		call_free(session->options.pool, call);
}

/* End a call that has left its lane. */
static void
finish_with_error(struct session *session, struct call *call, int error, const char *message)
{
	if (!call->is_abandoned && !is_our_own(session, call))
		deliver_error(session, call, error, message);
	discard(session, call);
}

/* From here on the call is only its number. */
static void
reduce_to_nothing(struct session *session, struct call *call)
{
	size_t before = call->body.size;

	call->is_abandoned = true;
	call->deadline_us = UINT64_MAX;
	call->op = OP_DELETE;
	buffer_clear(&call->body);
	request_nothing(&call->body);
	if (call->xid != 0)
		session->awaited_bytes += call->body.size - before;
}

void
requests_fail_writes(struct session *session, bool was_sent, int error, const char *message)
{
	struct lane *lane = &session->lanes[LANE_WRITES];
	struct call *next;

	go_back(session, lane);
	for (struct call *call = TAILQ_FIRST(&lane->queue); call != NULL; call = next) {
		next = TAILQ_NEXT(call, link);
		if ((call->attempts > 0) != was_sent)
			continue;
		lane_remove(lane, call, false);
		finish_with_error(session, call, error, message);
	}
	lane_on_answer(lane);
}

/* ---- sending ---- */

bool
requests_can_send(const struct session *session)
{
	return session->contact.state == CONTACT_UP && session->awaited_count < AWAITED_MAX &&
	       session->awaited_bytes < AWAITED_BYTES_MAX;
}

/* Every number below that of the first unanswered write has been answered. */
static uint64_t
acknowledged(struct session *session)
{
	const struct call *first = TAILQ_FIRST(&session->lanes[LANE_WRITES].sent);

	return first->seq - 1;
}

void
requests_send(struct session *session, struct call *call)
{
	struct buffer *output = &session->contact.output;
	struct request request = {.op = call->op};
	size_t begin;

	if (is_write(call) && (call->seq == 0 || PLANTED(CLIENT_RENUMBERS)))
		call->seq = ++session->last_seq;
	await(session, call);
	call->attempts++;
	request.xid = call->xid;
	request.seq = call->seq;
	request.acknowledged = is_write(call) ? acknowledged(session) : 0;
	request.consistency = call->consistency;
	request.at_least = call->at_least;
	if (call->op == OP_WATCH || (call->consistency == SYNOD_AT_LEAST && call->at_least == 0))
		request.at_least = session->seen_revision;
	request.body = buffer_slice(&call->body);
	begin = frame_begin(output, FRAME_REQUEST);
	request_encode(output, &request);
	frame_end(output, begin);
}

void
requests_send_and_forget(struct session *session, uint8_t op, struct slice body)
{
	const struct request request = {.xid = ++session->last_xid, .op = op, .body = body};
	struct buffer *output = &session->contact.output;
	size_t begin = frame_begin(output, FRAME_REQUEST);

	request_encode(output, &request);
	frame_end(output, begin);
}

static bool
may_send(struct session *session, struct lane *lane)
{
	if (!lane_is_open(lane) || !requests_can_send(session))
		return false;
	if (lane == &session->lanes[LANE_WATCHES])
		return true;
	if (lane != &session->lanes[LANE_LOCAL_READS] && watches_hold(session))
		return false;
	return lane != &session->lanes[LANE_WRITES] ||
	       life_may_write(session, TAILQ_FIRST(&lane->queue));
}

/* One of each lane in turn, so that none starves. */
void
requests_pump(struct session *session)
{
	bool has_sent;

	life_pump(session);
	do {
		has_sent = false;
		for (unsigned i = 0; i < LANE_COUNT; i++) {
			struct call *call;

			if (!may_send(session, &session->lanes[i]))
				continue;
			call = lane_send(&session->lanes[i]);
			if (i == LANE_WATCHES)
				watches_prepare(session, call);
			requests_send(session, call);
			has_sent = true;
		}
	} while (has_sent);
}

/* ---- answers ---- */

/* "Not now", and what a member says when it is itself in trouble. */
bool
requests_is_transient(int error)
{
	switch (error) {
	case SYNOD_RETRY:
	case SYNOD_NO_QUORUM:
	case SYNOD_BUSY:
	case SYNOD_OUT_OF_ORDER:
	case SYNOD_TIMEOUT:
	case SYNOD_UNKNOWN:
	case SYNOD_CLOSED:
	case SYNOD_IO:
	case SYNOD_CORRUPT:
	case SYNOD_LOCKED:
	case SYNOD_NO_MEMORY: return true;
	default: return false;
	}
}

/* Refused by a member before it reached the log: the write's number may not be used up.  What the
 * log has decided carries a revision. */
static bool
is_refusal(const struct response *response)
{
	if (response->revision != 0)
		return false;
	switch (response->error) {
	case SYNOD_BAD_PATH:
	case SYNOD_RESERVED:
	case SYNOD_TOO_LARGE:
	case SYNOD_BAD_ARGUMENT:
	case SYNOD_BAD_MESSAGE:
	case SYNOD_UNSUPPORTED:
	case SYNOD_NO_SPACE: return true;
	default: return false;
	}
}

#define SWITCH_AFTER_US 1000000

/* Another member may do better if this one has refused for a second. */
void
requests_on_refusal(struct session *session, struct lane *lane, int error)
{
	uint64_t since_us = session->contact.up_since_us;

	lane_on_refusal(lane, error, session->now_us, clock_random(session->options.clock));
	if (lane->trouble_since_us > since_us)
		since_us = lane->trouble_since_us;
	if (error != SYNOD_BUSY && session->now_us - since_us >= SWITCH_AFTER_US &&
	    endpoints_count(session->options.endpoints) > 1)
		contact_switch(&session->contact, error, error_text(error), session->now_us);
}

/* Ask for the next page in front of everything else. */
static bool
requeue(struct session *session, struct lane *lane, struct call *call)
{
	const char *why = NULL;
	int error;

	buffer_clear(&call->body);
	error = pages_request(call->pages, &call->body, &why);
	if (error != SYNOD_OK) {
		outcome_fail(call->pages->outcome, error, why);
		return false;
	}
	/* Any member that has the first page's revision will do; it sees whether something changed.
	 */
	call->consistency = SYNOD_AT_LEAST;
	call->at_least = call->pages->revision;
	lane = lane_of(session, call);
	TAILQ_INSERT_HEAD(&lane->queue, call, link);
	return true;
}

static void
finish_paged(struct session *session, struct lane *lane, struct call *call,
             const struct response *response)
{
	if (pages_on_response(call->pages, buffer_slice(&call->body), response) &&
	    requeue(session, lane, call))
		return;
	deliver(session, call, &call->pages->outcome);
	discard(session, call);
}

/* The call has left its lane; its number, if the answer did not use it up, goes on. */
static void
finish(struct session *session, struct lane *lane, struct call *call,
       const struct response *response)
{
	bool is_number_left = is_write(call) && is_refusal(response);

	if (call->pages != NULL) {
		finish_paged(session, lane, call, response);
		return;
	}
	if (!call->is_abandoned) {
		if (scratch(session) != NULL)
			outcome_decode(session->scratch, call->op, buffer_slice(&call->body),
			               response);
		if (session->scratch != NULL)
			leases_on_result(&session->leases, call, &session->scratch->result);
		deliver(session, call, &session->scratch);
	}
	if (is_number_left) {
		go_back(session, lane);
		reduce_to_nothing(session, call);
		lane_insert_by_seq(lane, call);
	} else {
		discard(session, call);
	}
}

static void
on_answer(struct session *session, struct call *call, const struct response *response)
{
	struct lane *lane = lane_of(session, call);
	int error = response->error;

	if (call->op == OP_WATCH &&
	    (requests_is_transient(error) || watches_is_transient(call, error))) {
		watches_on_refusal(session, call);
		requests_on_refusal(session, lane, error);
		return;
	}
	/* A second attempt that is refused says nothing of the first; and what keeps a number in
	 * use must be taken in the end. */
	if (requests_is_transient(error) ||
	    (is_write(call) && (call->attempts > 1 || call->is_abandoned) &&
	     is_refusal(response))) {
		requests_on_refusal(session, lane, error);
		return;
	}
	if (is_write(call) && error == SYNOD_SESSION_ENDED) {
		life_end(session);
		return;
	}
	lane_on_answer(lane);
	contact_was_useful(&session->contact);
	lane_remove(lane, call, true);
	if (call == &session->close_call)
		session->is_attached = false;
	else if (call->op == OP_WATCH)
		watches_on_answer(session, call, response);
	else
		finish(session, lane, call, response);
}

int
requests_on_response(struct session *session, const struct frame *frame)
{
	struct response response;
	struct call *call;

	if (response_decode(frame->body, &response) != SYNOD_OK)
		return SYNOD_BAD_MESSAGE;
	call = session->awaited[response.xid % AWAITED_SLOTS];
	if (call == NULL || call->xid != response.xid)
		return SYNOD_OK; /* its caller has given up */
	requests_unawait(session, call);
	session->progress_us = session->now_us;
	if (response.error == SYNOD_OK && response.revision > session->seen_revision)
		session->seen_revision = response.revision;
	if (call == &session->attach_call || call == &session->learn_call)
		life_on_response(session, call, &response);
	else
		on_answer(session, call, &response);
	return SYNOD_OK;
}
/* ---- time ---- */

/* What to say of a call that was never executed. */
static int
reason_of(const struct session *session, const struct lane *lane)
{
	if (lane->trouble_error == SYNOD_OK || session->contact.state != CONTACT_UP)
		return SYNOD_TIMEOUT;
	if (lane->trouble_error == SYNOD_BUSY || lane->trouble_error == SYNOD_NO_SPACE)
		return lane->trouble_error;
	return SYNOD_NO_QUORUM;
}

static const char *
detail_of(const struct session *session)
{
	if (session->contact.state == CONTACT_UP || session->contact.problem[0] == '\0')
		return NULL;
	return session->contact.problem;
}

static void
expire(struct session *session, struct lane *lane, struct call *call, bool is_sent)
{
	if (is_write(call) && call->attempts > 0) {
		deliver_error(session, call,
		              PLANTED(UNKNOWN_TOLD_AS_TIMEOUT) ? SYNOD_TIMEOUT : SYNOD_UNKNOWN,
		              "no answer came in time");
		reduce_to_nothing(session, call);
		return;
	}
	requests_unawait(session, call);
	lane_remove(lane, call, is_sent);
	finish_with_error(session, call, reason_of(session, lane), detail_of(session));
}

static void
expire_list(struct session *session, struct lane *lane, bool is_sent)
{
	struct call_list *list = is_sent ? &lane->sent : &lane->queue;
	struct call *next;

	for (struct call *call = TAILQ_FIRST(list); call != NULL; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->deadline_us <= session->now_us)
			expire(session, lane, call, is_sent);
		else if (call->deadline_us < session->earliest_deadline_us)
			session->earliest_deadline_us = call->deadline_us;
	}
}

static void
check_deadlines(struct session *session)
{
	if (session->now_us < session->earliest_deadline_us)
		return;
	session->earliest_deadline_us = UINT64_MAX;
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		expire_list(session, &session->lanes[i], true);
		expire_list(session, &session->lanes[i], false);
	}
}

/* A member that says it is there but answers nothing: perhaps it waits for a leader it cannot hear,
 * or what was asked got lost on the way to the leader. */
static uint64_t
stalled_us(const struct session *session)
{
	return session->progress_us + session->contact.silence_ms * UINT64_C(2000);
}

static void
check_progress(struct session *session)
{
	if (session->contact.state != CONTACT_UP || session->awaited_count == 0 ||
	    session->now_us < stalled_us(session))
		return;
	session->progress_us = session->now_us;
	if (endpoints_count(session->options.endpoints) > 1) {
		contact_switch(&session->contact, SYNOD_TIMEOUT,
		               "the member does not answer requests", session->now_us);
		return;
	}
	go_back_all(session);
}

static void
check_retries(struct session *session)
{
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		struct lane *lane = &session->lanes[i];

		if (lane->retry_us != 0 && session->now_us >= lane->retry_us)
			go_back(session, lane);
	}
}
/* ---- calls come and go ---- */

void
requests_take(struct session *session, struct call *call)
{
	struct lane *lane = lane_of(session, call);

	if (session->is_closing) {
		finish_with_error(session, call, SYNOD_CLOSED, NULL);
		return;
	}
	call->deadline_us = session->now_us + call->timeout_ms * UINT64_C(1000);
	if (call->deadline_us < session->earliest_deadline_us)
		session->earliest_deadline_us = call->deadline_us;
	TAILQ_INSERT_TAIL(&lane->queue, call, link);
}

static void
close_reads(struct session *session)
{
	struct call *call;

	for (unsigned i = LANE_READS; i < LANE_COUNT; i++) {
		go_back(session, &session->lanes[i]);
		while ((call = TAILQ_FIRST(&session->lanes[i].queue)) != NULL) {
			lane_remove(&session->lanes[i], call, false);
			finish_with_error(session, call, SYNOD_CLOSED, NULL);
		}
	}
}

static void
close_unsent_writes(struct session *session)
{
	struct lane *lane = &session->lanes[LANE_WRITES];
	struct call *next;

	for (struct call *call = TAILQ_FIRST(&lane->queue); call != NULL; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->attempts > 0)
			continue;
		lane_remove(lane, call, false);
		finish_with_error(session, call, SYNOD_CLOSED, NULL);
	}
}

void
requests_refuse_all(struct session *session, int error, const char *message)
{
	struct call *call;

	requests_fail_writes(session, false, error, message);
	for (unsigned i = LANE_READS; i < LANE_COUNT; i++) {
		while ((call = TAILQ_FIRST(&session->lanes[i].queue)) != NULL) {
			lane_remove(&session->lanes[i], call, false);
			finish_with_error(session, call, error, message);
		}
	}
}

void
requests_close(struct session *session)
{
	struct lane *lane = &session->lanes[LANE_WRITES];

	close_reads(session);
	close_unsent_writes(session);
	leases_revoke(session);
	pack_array(&session->close_call.body, 0);
	session->close_call.deadline_us = UINT64_MAX;
	TAILQ_INSERT_TAIL(&lane->queue, &session->close_call, link);
}

/* ---- what the session tells ---- */

void
requests_on_up(struct session *session)
{
	for (unsigned i = 0; i < LANE_COUNT; i++)
		lane_on_connection(&session->lanes[i]);
}

void
requests_on_down(struct session *session)
{
	requests_unawait(session, &session->learn_call);
	go_back_all(session);
}

void
requests_on_time(struct session *session)
{
	check_deadlines(session);
	check_retries(session);
	check_progress(session);
}

uint64_t
requests_next_us(const struct session *session)
{
	uint64_t next_us = session->earliest_deadline_us;

	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (session->lanes[i].retry_us != 0 && session->lanes[i].retry_us < next_us)
			next_us = session->lanes[i].retry_us;
	if (session->contact.state == CONTACT_UP && session->awaited_count > 0 &&
	    stalled_us(session) < next_us)
		next_us = stalled_us(session);
	return next_us;
}

void
requests_init(struct session *session)
{
	session->earliest_deadline_us = UINT64_MAX;
	for (unsigned i = 0; i < LANE_COUNT; i++)
		lane_init(&session->lanes[i]);
}

void
requests_fini(struct session *session)
{
	outcome_free(session->scratch);
}
