/* Watches that are not live: those that wait for their turn, and those whose connection is slow. */
#include "server/watch_table.h"
#include "shared/check.h"

/* Of the bound of its output: below this a slow connection has drained. */
#define DRAINED_SHARE 4
/* A connection's output is looked at whenever so much of it was written. */
#define LOOK_SHARE 16

/* ---- waiting for a turn ---- */

static void
append(struct watches *watches, struct watch *watch)
{
	watch->queue_next = NULL;
	watch->queue_link = watches->queue_end;
	*watches->queue_end = watch;
	watches->queue_end = &watch->queue_next;
	watch->queue = QUEUE_CATCHING;
}

static void
take_out(struct watches *watches, struct watch *watch)
{
	*watch->queue_link = watch->queue_next;
	if (watch->queue_next)
		watch->queue_next->queue_link = watch->queue_link;
	else if (watch->queue == QUEUE_CATCHING)
		watches->queue_end = watch->queue_link;
	watch->queue = QUEUE_NONE;
}

void
queue_add(struct watches *watches, struct watch *watch, struct position position)
{
	CHECK(watch->queue == QUEUE_NONE);
	watch->position = position;
	watch->subscriber->behind_count++;
	if (watch->subscriber->is_slow)
		queue_park(watches, watch);
	else
		append(watches, watch);
}

void
queue_remove(struct watches *watches, struct watch *watch)
{
	if (watch->queue == QUEUE_NONE)
		return;
	take_out(watches, watch);
	watch->subscriber->behind_count--;
}

void
queue_rotate(struct watches *watches, struct watch *watch)
{
	CHECK(watch->queue == QUEUE_CATCHING);
	take_out(watches, watch);
	append(watches, watch);
}

void
queue_park(struct watches *watches, struct watch *watch)
{
	struct subscriber *subscriber = watch->subscriber;

	if (watch->queue != QUEUE_NONE)
		take_out(watches, watch);
	watch->queue_next = subscriber->parked;
	watch->queue_link = &subscriber->parked;
	if (watch->queue_next)
		watch->queue_next->queue_link = &watch->queue_next;
	subscriber->parked = watch;
	watch->queue = QUEUE_PARKED;
}

/* ---- slow connections ---- */

static size_t
unsent(const struct subscriber *subscriber)
{
	struct stream *stream = subscriber->connection->stream;

	return stream->ops->pending(stream);
}

bool
subscriber_is_slow(struct watches *watches, struct subscriber *subscriber)
{
	if (subscriber->is_slow || subscriber->unlooked_size < watches->output_max / LOOK_SHARE)
		return subscriber->is_slow;
	subscriber->unlooked_size = 0;
	if (unsent(subscriber) <= watches->output_max)
		return false;
	subscriber->is_slow = true;
	subscriber->next_slow = watches->slow;
	watches->slow = subscriber;
	return true;
}

static void
wake(struct watches *watches, struct subscriber *subscriber)
{
	subscriber->is_slow = false;
	while (subscriber->parked) {
		struct watch *watch = subscriber->parked;

		take_out(watches, watch);
		append(watches, watch);
	}
}

void
slow_look(struct watches *watches)
{
	struct subscriber **at = &watches->slow;

	while (*at) {
		struct subscriber *subscriber = *at;

		if (unsent(subscriber) > watches->output_max / DRAINED_SHARE) {
			at = &subscriber->next_slow;
			continue;
		}
		*at = subscriber->next_slow;
		wake(watches, subscriber);
	}
}

void
slow_forget(struct watches *watches, struct subscriber *subscriber)
{
	struct subscriber **at = &watches->slow;

	if (!subscriber->is_slow)
		return;
	while (*at != subscriber)
		at = &(*at)->next_slow;
	*at = subscriber->next_slow;
	wake(watches, subscriber);
}

/* ---- answers that wait for events ---- */

bool
watches_must_hold(const struct watches *watches, uint64_t connection, uint64_t revision)
{
	const struct subscriber *subscriber;

	if (watches->table.count == 0)
		return false;
	subscriber = table_subscriber(&watches->table, connection);
	if (!subscriber || subscriber->behind_count == 0)
		return false;
	for (const struct watch *watch = subscriber->watches; watch; watch = watch->next_of) {
		if (watch->queue != QUEUE_NONE && watch->position.revision <= revision)
			return true;
	}
	return false;
}

void
watches_hold(struct watches *watches, struct pending *pending, uint64_t revision)
{
	struct subscriber *subscriber = table_subscriber(&watches->table, pending->connection->id);

	CHECK(subscriber);
	pending->index = revision;
	pending->next = subscriber->held;
	subscriber->held = pending;
	if (subscriber->is_holding)
		return;
	subscriber->is_holding = true;
	subscriber->next_holding = watches->holding;
	watches->holding = subscriber;
}

/* Hand out the answers that are true before REVISION. */
static void
release_before(struct watches *watches, struct subscriber *subscriber, uint64_t revision)
{
	struct pending **at = &subscriber->held;

	while (*at) {
		struct pending *pending = *at;

		if (pending->index >= revision) {
			at = &pending->next;
			continue;
		}
		*at = pending->next;
		pending->next = watches->released;
		watches->released = pending;
	}
}

static uint64_t
first_behind(const struct subscriber *subscriber)
{
	uint64_t first = UINT64_MAX;

	if (subscriber->behind_count == 0)
		return first;
	for (const struct watch *watch = subscriber->watches; watch; watch = watch->next_of) {
		if (watch->queue != QUEUE_NONE && watch->position.revision < first)
			first = watch->position.revision;
	}
	return first;
}

void
holding_release(struct watches *watches)
{
	struct subscriber **at = &watches->holding;

	while (*at) {
		struct subscriber *subscriber = *at;

		release_before(watches, subscriber, first_behind(subscriber));
		if (subscriber->held) {
			at = &subscriber->next_holding;
			continue;
		}
		subscriber->is_holding = false;
		*at = subscriber->next_holding;
	}
}

void
holding_forget(struct watches *watches, struct subscriber *subscriber)
{
	struct subscriber **at = &watches->holding;

	if (!subscriber->is_holding)
		return;
	while (*at != subscriber)
		at = &(*at)->next_holding;
	*at = subscriber->next_holding;
	release_before(watches, subscriber, UINT64_MAX);
	subscriber->is_holding = false;
}

struct pending *
watches_released(struct watches *watches)
{
	struct pending *released = watches->released;

	watches->released = NULL;
	return released;
}
