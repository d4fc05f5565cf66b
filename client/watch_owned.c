/* The watch behind options->on_loss: what the session owns, for as long as it lives. */
#include "client/session.h"

/* The end of the session itself is told by on_state. */
static bool
is_loss(uint64_t session, const struct synod_change *change)
{
	if (change->cause == SYNOD_CAUSE_SUPERSEDED)
		return change->previous_owner == session && change->owner != session;
	return change->kind == SYNOD_DELETED && change->owner == session &&
	       change->cause == SYNOD_CAUSE_REQUEST;
}

static void
on_owned(void *context, struct synod_watch *watch, const struct synod_event *event)
{
	struct session *session = context;

	(void)watch;
	for (size_t i = 0; event->kind == SYNOD_EVENT_CHANGES && i < event->change_count; i++)
		if (is_loss(session->id, &event->changes[i]))
			session->options.on_loss(session->options.state_context,
			                         &event->changes[i]);
}

void
watches_on_session_end(struct session *session)
{
	struct synod_watch *owned = session->watches.owned;

	session->watches.owned = NULL;
	if (owned != NULL)
		watches_drop(session, owned);
}

static void
open_owned(struct session *session, uint64_t revision)
{
	const struct synod_watch_options options = {.on_event = on_owned, .context = session};
	struct synod_watch *watch = watch_new(session, "/", WATCH_OWNED, &options);

	watches_on_session_end(session); /* an earlier one */
	session->watches.owned = watch;
	if (watch == NULL)
		return;
	atomic_fetch_add(&session->watches.count, 1);
	position_begin(&watch->position, revision + 1);
	watches_take_in(session, watch);
}

void
watches_on_attached(struct session *session, uint64_t revision)
{
	struct synod_watch *owned = session->watches.owned;

	if (session->options.on_loss == NULL)
		return;
	if (revision != 0 || owned == NULL)
		open_owned(session, revision);
	else if (owned->life == WATCH_ASKING && !owned->is_in_lane)
		watches_ask(session, owned, true);
}
