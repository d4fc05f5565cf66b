/* The watches of a session: asking for them, resuming them, telling what arrives. */
#include "client/watch.h"

#include <stdlib.h>

#include "client/session.h"
#include "shared/error.h"
#include "shared/fields.h"

static struct lane *
lane_of(struct session *session)
{
	return &session->lanes[LANE_WATCHES];
}

static struct synod_watch *
watch_of_call(struct call *call)
{
	return (struct synod_watch *)((char *)call - offsetof(struct synod_watch, call));
}

void
watches_init(struct session *session)
{
	TAILQ_INIT(&session->watches.list);
}

void
watches_fini(struct session *session)
{
	struct synod_watch *watch;

	while ((watch = TAILQ_FIRST(&session->watches.list)) != NULL) {
		TAILQ_REMOVE(&session->watches.list, watch, link);
		watch_release(watch);
	}
	telling_free(session->watches.scratch);
	free(session->watches.slots);
}

/* ---- numbers ---- */

static bool
take_slot(struct watches *watches, struct synod_watch *watch)
{
	if (watches->slots == NULL)
		watches->slots = calloc(WATCH_SLOTS, sizeof(struct synod_watch *));
	if (watches->slots == NULL)
		return false;
	/* More slots than watches: a free one is found after a few steps. */
	while (watches->slots[watches->next_slot] != NULL)
		watches->next_slot = (watches->next_slot + 1) % WATCH_SLOTS;
	watch->slot = watches->next_slot;
	watches->slots[watch->slot] = watch;
	return true;
}

static struct synod_watch *
find(const struct watches *watches, uint64_t number)
{
	struct synod_watch *watch =
		watches->slots != NULL ? watches->slots[number % WATCH_SLOTS] : NULL;

	return watch != NULL && watch->number == number ? watch : NULL;
}

/* ---- asking ---- */

/* Its answer says nothing that is not known. */
static void
send_unwatch(struct session *session, struct synod_watch *watch)
{
	struct buffer body = BUFFER_EMPTY;

	if (watch->number == 0)
		return;
	pack_array(&body, 1);
	pack_u64(&body, watch->number);
	watch->number = 0;
	if (session->contact.state == CONTACT_UP && !body.failed)
		requests_send_and_forget(session, OP_UNWATCH, buffer_slice(&body));
	buffer_fini(&body);
}

static void
set_holding(struct session *session, struct synod_watch *watch, bool is_holding)
{
	if (watch->is_holding == is_holding)
		return;
	watch->is_holding = is_holding;
	session->watches.holding_count += is_holding ? 1 : -1u;
}

bool
watches_hold(const struct session *session)
{
	return session->watches.holding_count > 0 ||
	       !TAILQ_EMPTY(&session->lanes[LANE_WATCHES].queue);
}

void
watches_ask(struct session *session, struct synod_watch *watch, bool is_holding)
{
	watch->life = WATCH_ASKING;
	if (watch->scope == WATCH_OWNED && !session->is_attached)
		return;
	set_holding(session, watch, is_holding);
	watch->is_in_lane = true;
	TAILQ_INSERT_TAIL(&lane_of(session)->queue, &watch->call, link);
}

void
watches_prepare(struct session *session, struct call *call)
{
	struct synod_watch *watch = watch_of_call(call);
	struct watch_request request = {
		.path = slice_of(watch->path),
		.scope = watch->scope,
		.from = watch->from,
	};

	send_unwatch(session, watch); /* an earlier request of this connection */
	request.flags |= watch->initial ? WATCH_INITIAL : 0;
	request.flags |= watch->with_data ? WATCH_WITH_DATA : 0;
	position_request(&watch->position, &request);
	position_resume(&watch->position);
	watch->asks_initial = (request.flags & WATCH_INITIAL) != 0;
	watch->number = ++session->watches.serial * WATCH_SLOTS + watch->slot;
	request.watch = watch->number;
	buffer_clear(&call->body);
	watch_request_encode(&call->body, &request);
}

/* Take it out of the lane, wherever it stands there. */
static void
leave_lane(struct session *session, struct synod_watch *watch)
{
	struct lane *lane = lane_of(session);
	struct call *call;

	set_holding(session, watch, false);
	if (!watch->is_in_lane)
		return;
	watch->is_in_lane = false;
	requests_unawait(session, &watch->call);
	TAILQ_FOREACH(call, &lane->sent, link)
	if (call == &watch->call)
		break;
	lane_remove(lane, &watch->call, call != NULL);
}

/* ---- telling ---- */

static void
call_back(struct synod_watch *watch, const struct telling *telling)
{
	atomic_store(&watch->told_revision, telling->told_revision);
	session_enter_callback();
	watch->on_event(watch->context, watch, &telling->event);
	session_leave_callback();
}

/* The ensemble keeps the rest until the application has taken what is queued. */
static void
pause_watch(struct session *session, struct synod_watch *watch)
{
	send_unwatch(session, watch);
	watch->life = WATCH_PAUSED;
}

/* *TELLING is the session's scratch; a queue keeps it. */
static void
tell(struct session *session, struct synod_watch *watch, struct telling **telling)
{
	if (atomic_load(&watch->is_closed) || session->is_closing)
		return;
	if (watch->on_event != NULL)
		call_back(watch, *telling);
	else if (watch_enqueue(watch, telling,
	                       watch->life == WATCH_OPEN && watch->position.state_mark == 0))
		pause_watch(session, watch);
}

static struct telling *
scratch(struct session *session)
{
	if (session->watches.scratch == NULL)
		session->watches.scratch = telling_new();
	return session->watches.scratch;
}

static void
end(struct session *session, struct synod_watch *watch, int error, struct slice message)
{
	leave_lane(session, watch);
	watch->number = 0;
	watch->life = WATCH_ENDED;
	if (scratch(session) == NULL)
		return;
	telling_end(session->watches.scratch, &watch->position, error, message);
	tell(session, watch, &session->watches.scratch);
}

/* ---- answers ---- */

/* A member that lags behind what was told takes the resumption for one from the future. */
bool
watches_is_transient(const struct call *call, int error)
{
	const struct synod_watch *watch =
		(const struct synod_watch *)((const char *)call -
	                                     offsetof(struct synod_watch, call));

	return error == SYNOD_BAD_ARGUMENT && watch->position.is_known;
}

void
watches_on_refusal(struct session *session, struct call *call)
{
	struct synod_watch *watch = watch_of_call(call);

	watch->number = 0; /* there is none of that number */
	set_holding(session, watch, true);
}

static struct slice
text_in(struct slice result)
{
	struct cursor cursor;
	struct slice text = {NULL, 0};

	cursor_init(&cursor, result);
	if (!cursor_nil(&cursor))
		text = cursor_string(&cursor);
	return cursor_finish(&cursor) == SYNOD_OK ? text : (struct slice){NULL, 0};
}

static int
read_first(struct slice result, uint64_t *first)
{
	struct cursor cursor;
	struct fields fields;

	cursor_init(&cursor, result);
	fields = fields_enter(&cursor, 1);
	*first = field_u64(&fields);
	fields_leave(&fields);
	return cursor_finish(&cursor);
}

void
watches_on_answer(struct session *session, struct call *call, const struct response *response)
{
	struct synod_watch *watch = watch_of_call(call);
	uint64_t first;

	watch->is_in_lane = false;
	set_holding(session, watch, false);
	if (response->error != SYNOD_OK) {
		end(session, watch, response->error, text_in(response->result));
		return;
	}
	watch->life = WATCH_OPEN;
	watch->was_answered = true;
	if (read_first(response->result, &first) != SYNOD_OK ||
	    (!watch->asks_initial && watch->position.is_known &&
	     first != watch->position.revision + 1)) {
		contact_switch(&session->contact, SYNOD_BAD_MESSAGE,
		               "its answer about a watch makes no sense", session->now_us);
		return;
	}
	if (watch->asks_initial)
		return;
	position_begin(&watch->position, first);
	if (atomic_load(&watch->told_revision) == 0)
		atomic_store(&watch->told_revision, watch->position.revision);
}

/* ---- events ---- */

static int
on_mark(struct session *session, uint64_t revision)
{
	struct watches *watches = &session->watches;
	struct synod_watch *next;
	bool has_news;

	if (revision < watches->marked_revision)
		return SYNOD_BAD_MESSAGE;
	watches->marked_revision = revision;
	for (struct synod_watch *watch = TAILQ_FIRST(&watches->list); watch != NULL; watch = next) {
		next = TAILQ_NEXT(watch, link);
		if (watch->life != WATCH_OPEN)
			continue;
		if (scratch(session) == NULL)
			return SYNOD_NO_MEMORY;
		if (telling_mark(watches->scratch, &watch->position, revision, &has_news) !=
		    SYNOD_OK)
			return SYNOD_BAD_MESSAGE;
		if (has_news && watch->marks)
			tell(session, watch, &watches->scratch);
		else if (has_news && watch->on_event != NULL)
			atomic_store(&watch->told_revision, revision);
	}
	return SYNOD_OK;
}

static int
on_told(struct session *session, struct synod_watch *watch, const struct event *event)
{
	bool has_news;
	int error;

	if (scratch(session) == NULL)
		return SYNOD_NO_MEMORY;
	error = telling_read(session->watches.scratch, &watch->position, event, &has_news);
	if (error == SYNOD_OK && has_news)
		tell(session, watch, &session->watches.scratch);
	return error;
}

static int
on_event_of(struct session *session, struct synod_watch *watch, const struct event *event)
{
	if (watch->life == WATCH_ASKING)
		return SYNOD_BAD_MESSAGE; /* before its answer */
	switch (event->kind) {
	case EVENT_CHANGES:
	case EVENT_STATE: return on_told(session, watch, event);
	case EVENT_END: end(session, watch, event->error, (struct slice){NULL, 0}); return SYNOD_OK;
	default: return SYNOD_OK; /* newer than this library */
	}
}

int
watches_on_event(struct session *session, const struct frame *frame)
{
	struct synod_watch *watch;
	struct event event;

	if (event_decode(frame->body, &event) != SYNOD_OK)
		return SYNOD_BAD_MESSAGE;
	if (event.kind != EVENT_END && event.revision > session->seen_revision)
		session->seen_revision = event.revision;
	if (event.watch == 0)
		return event.kind == EVENT_MARK ? on_mark(session, event.revision) : SYNOD_OK;
	watch = find(&session->watches, event.watch);
	/* An unknown number was that of a watch that is closed or was asked for again. */
	return watch != NULL ? on_event_of(session, watch, &event) : SYNOD_OK;
}

/* ---- connections ---- */

/* requests_on_down() has put what was on its way back into the queue. */
void
watches_on_down(struct session *session)
{
	struct synod_watch *watch;

	session->watches.marked_revision = 0;
	TAILQ_FOREACH(watch, &session->watches.list, link)
	{
		watch->number = 0;
		if (watch->scope == WATCH_OWNED)
			leave_lane(session, watch);
		if (watch->life == WATCH_OPEN)
			watches_ask(session, watch, true);
		else if (watch->is_in_lane)
			set_holding(session, watch, true);
	}
}

/* ---- from the application ---- */

void
watches_drop(struct session *session, struct synod_watch *watch)
{
	leave_lane(session, watch);
	send_unwatch(session, watch);
	watch->life = WATCH_ENDED;
	if (session->watches.slots != NULL && session->watches.slots[watch->slot] == watch)
		session->watches.slots[watch->slot] = NULL;
	TAILQ_REMOVE(&session->watches.list, watch, link);
	atomic_fetch_sub(&session->watches.count, 1);
	watch_release(watch);
}

void
watches_take_in(struct session *session, struct synod_watch *watch)
{
	TAILQ_INSERT_TAIL(&session->watches.list, watch, link);
	/* What is asked for later could overtake the watch, where the member is behind: it may be
	 * sent only once the watch has begun.  A state that is told first makes up for that. */
	if (take_slot(&session->watches, watch))
		watches_ask(session, watch, !watch->initial && !watch->position.is_known);
	else
		end(session, watch, SYNOD_NO_MEMORY, (struct slice){NULL, 0});
}

static void
close_watch(struct session *session, struct synod_watch *watch)
{
	struct waiter *waiter = watch->close_waiter;

	watches_drop(session, watch);
	if (waiter != NULL)
		waiter_finish(waiter, SYNOD_OK, NULL);
}

void
watches_on_item(struct session *session, struct actor_item *item)
{
	struct synod_watch *watch;

	switch (item->kind) {
	case SESSION_ITEM_WATCH_OPEN:
		watch = (struct synod_watch *)((char *)item -
		                               offsetof(struct synod_watch, open_item));
		watches_take_in(session, watch);
		break;
	case SESSION_ITEM_WATCH_CLOSE:
		watch = (struct synod_watch *)((char *)item -
		                               offsetof(struct synod_watch, close_item));
		close_watch(session, watch);
		break;
	default:
		watch = (struct synod_watch *)((char *)item -
		                               offsetof(struct synod_watch, resume_item));
		if (watch->life == WATCH_PAUSED)
			watches_ask(session, watch, false);
		watch_release(watch);
	}
}

void
watches_refuse_all(struct session *session, int error, const char *message)
{
	struct synod_watch *next;

	for (struct synod_watch *watch = TAILQ_FIRST(&session->watches.list); watch != NULL;
	     watch = next) {
		next = TAILQ_NEXT(watch, link);
		if (watch->life == WATCH_ASKING && !watch->was_answered)
			end(session, watch, error,
			    message != NULL ? slice_of(message) : (struct slice){NULL, 0});
	}
}

void
watches_close(struct session *session)
{
	struct synod_watch *watch;

	TAILQ_FOREACH(watch, &session->watches.list, link)
	{
		leave_lane(session, watch);
		watch->life = WATCH_ENDED;
		watch->number = 0;
	}
}
