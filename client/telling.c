/* From arrived events to what the application is told, each change once and in order. */
#include "client/telling.h"

#include <stdlib.h>

#include "client/result.h"
#include "shared/error.h"
#include "shared/planted.h"

struct telling *
telling_new(void)
{
	return calloc(1, sizeof(struct telling));
}

void
telling_clear(struct telling *telling)
{
	arena_clear(&telling->arena);
	telling->event = (struct synod_event){0};
	telling->size = 0;
}

void
telling_free(struct telling *telling)
{
	if (telling == NULL)
		return;
	arena_fini(&telling->arena);
	free(telling);
}

/* ---- positions ---- */

void
position_resume(struct position *position)
{
	position->stream.revision = 0;
	position->stream.ordinal = 0;
	position->stream.state_mark = 0;
	position->stream.state_count = 0;
}

void
position_begin(struct position *position, uint64_t revision)
{
	if (position->is_known || revision == 0)
		return;
	position->is_known = true;
	position->revision = revision - 1;
}

void
position_request(const struct position *position, struct watch_request *request)
{
	if (position->state_mark != 0) {
		request->flags |= WATCH_INITIAL; /* a state that began must come to its end */
	} else if (position->is_known) {
		request->flags &= ~(uint32_t)WATCH_INITIAL;
		request->from = position->revision + (PLANTED(WATCH_RESUMES_LATE) ? 2 : 1);
	}
}

/* ---- changes ---- */

static bool
is_after(uint64_t revision, uint64_t ordinal, uint64_t last_revision, uint64_t last_ordinal)
{
	return revision > last_revision || (revision == last_revision && ordinal > last_ordinal);
}

/* Whether CHANGE can come now; the first of a stream comes after nothing. */
static bool
is_in_order(const struct position *position, const struct event *event, const struct change *change)
{
	if (change->revision <= position->revision || change->revision > event->revision)
		return false;
	return position->stream.revision == 0 ||
	       is_after(change->revision, change->ordinal, position->stream.revision,
	                position->stream.ordinal);
}

static void
add_change(struct telling *telling, const struct change *change)
{
	struct synod_change *changes = (struct synod_change *)telling->event.changes;

	changes[telling->event.change_count++] = (struct synod_change){
		.revision = change->revision,
		.ordinal = change->ordinal,
		.path = arena_copy(&telling->arena, change->path),
		.kind = (enum synod_change_kind)change->kind,
		.version = change->version,
		.owner = change->owner,
		.cause = change->cause,
		.previous_owner = change->previous_owner,
		.data = arena_copy(&telling->arena, change->data),
		.size = change->data.size,
	};
	telling->size += change->path.size + change->data.size + 2;
}

static int
read_change(struct telling *telling, struct position *position, const struct event *event,
            struct cursor *items)
{
	struct change change;

	change_decode(items, &change);
	if (items->failed || !is_in_order(position, event, &change))
		return SYNOD_BAD_MESSAGE;
	position->stream.revision = change.revision;
	position->stream.ordinal = change.ordinal;
	if (position->partial_revision != 0 &&
	    !is_after(change.revision, change.ordinal, position->partial_revision,
	              position->partial_ordinal))
		return SYNOD_OK; /* told before the connection was lost */
	add_change(telling, &change);
	return SYNOD_OK;
}

/* Whole revisions have been told, but for the last one if MORE of it follows. */
static void
move_over_changes(struct position *position, const struct event *event)
{
	if (!event->more) {
		position->revision = event->revision;
		position->partial_revision = 0;
		return;
	}
	position->revision = position->stream.revision - 1;
	if (position->partial_revision == 0 ||
	    is_after(position->stream.revision, position->stream.ordinal,
	             position->partial_revision, position->partial_ordinal)) {
		position->partial_revision = position->stream.revision;
		position->partial_ordinal = position->stream.ordinal;
	}
}

static int
read_changes(struct telling *telling, struct position *position, const struct event *event)
{
	struct cursor items = event->items;
	int error = SYNOD_OK;

	if (!position->is_known || position->stream.state_mark != 0 ||
	    event->revision <= position->revision || (event->more && event->item_count == 0))
		return SYNOD_BAD_MESSAGE;
	telling->event.changes =
		arena_alloc(&telling->arena, event->item_count * sizeof(struct synod_change));
	if (telling->event.changes == NULL && event->item_count > 0)
		return SYNOD_NO_MEMORY;
	telling->size += event->item_count * sizeof(struct synod_change);
	for (uint32_t i = 0; i < event->item_count && error == SYNOD_OK; i++)
		error = read_change(telling, position, event, &items);
	if (error == SYNOD_OK)
		move_over_changes(position, event);
	return error;
}

/* ---- states ---- */

static void
add_node(struct telling *telling, const struct state_item *item)
{
	struct synod_node *nodes = (struct synod_node *)telling->event.nodes;

	nodes[telling->event.node_count++] = (struct synod_node){
		.path = arena_copy(&telling->arena, item->path),
		.data = arena_copy(&telling->arena, item->data),
		.size = item->data.size,
		.stat = result_stat(&item->stat),
		.has_stat = true,
	};
	telling->size += item->path.size + item->data.size + 2;
}

/* The first part of a state, or the next one of the same. */
static int
enter_state(struct position *position, const struct event *event)
{
	uint64_t mark = event->revision + 1; /* nothing was ever written: revision 0 */

	if (mark == 0 || (position->is_known && event->revision < position->revision))
		return SYNOD_BAD_MESSAGE;
	if (position->stream.state_mark == 0) {
		position->stream.state_mark = mark;
		position->stream.state_count = 0;
	} else if (position->stream.state_mark != mark) {
		return SYNOD_BAD_MESSAGE;
	}
	if (position->state_mark != mark) {
		position->state_mark = mark;
		position->state_count = 0;
	}
	return SYNOD_OK;
}

static void
leave_state(struct position *position, const struct event *event)
{
	*position = (struct position){.is_known = true, .revision = event->revision};
}

static int
read_state(struct telling *telling, struct position *position, const struct event *event)
{
	struct cursor items = event->items;
	struct state_item item;
	int error = enter_state(position, event);

	if (error != SYNOD_OK)
		return error;
	telling->event.nodes =
		arena_alloc(&telling->arena, event->item_count * sizeof(struct synod_node));
	if (telling->event.nodes == NULL && event->item_count > 0)
		return SYNOD_NO_MEMORY;
	telling->size += event->item_count * sizeof(struct synod_node);
	for (uint32_t i = 0; i < event->item_count; i++) {
		state_item_decode(&items, &item);
		if (items.failed)
			return SYNOD_BAD_MESSAGE;
		if (position->stream.state_count++ < position->state_count)
			continue; /* told before the connection was lost */
		position->state_count++;
		add_node(telling, &item);
	}
	if (!event->more)
		leave_state(position, event);
	return SYNOD_OK;
}

/* ---- the whole ---- */

int
telling_read(struct telling *telling, struct position *position, const struct event *event,
             bool *has_news)
{
	bool is_state = event->kind == EVENT_STATE;
	int error;

	telling_clear(telling);
	error = is_state ? read_state(telling, position, event)
	                 : read_changes(telling, position, event);
	if (error == SYNOD_OK && telling->arena.has_failed)
		error = SYNOD_NO_MEMORY;
	telling->event.kind = is_state ? SYNOD_EVENT_STATE : SYNOD_EVENT_CHANGES;
	telling->event.revision = event->revision;
	telling->event.more = event->more;
	telling->event.compacted = event->compacted;
	telling->told_revision = position->revision;
	telling->size += sizeof *telling;
	*has_news = telling->event.change_count > 0 || telling->event.node_count > 0 ||
	            (is_state && !event->more);
	return error;
}

int
telling_mark(struct telling *telling, struct position *position, uint64_t revision, bool *has_news)
{
	*has_news = false;
	if (!position->is_known || position->state_mark != 0 || revision < position->revision)
		return SYNOD_OK; /* it begins later than the mark */
	if (position->partial_revision != 0 && revision >= position->partial_revision)
		return SYNOD_BAD_MESSAGE;
	position->revision = revision;
	telling_clear(telling);
	telling->event.kind = SYNOD_EVENT_MARK;
	telling->event.revision = revision;
	telling->told_revision = revision;
	telling->size = sizeof *telling;
	*has_news = true;
	return SYNOD_OK;
}

void
telling_end(struct telling *telling, const struct position *position, int error,
            struct slice message)
{
	telling_clear(telling);
	telling->event.kind = SYNOD_EVENT_END;
	telling->event.revision = position->revision;
	telling->event.error = error;
	telling->event.message = arena_copy(&telling->arena, message);
	telling->told_revision = position->revision;
	telling->size = sizeof *telling;
}
