/* Watches and their events: encoding, and all checks of bad input. */
#include "shared/error.h"
#include "shared/fields.h"
#include "shared/path.h"
#include "shared/protocol.h"

void
watch_request_encode(struct buffer *out, const struct watch_request *watch)
{
	pack_array(out, 5);
	pack_u64(out, watch->watch);
	pack_string(out, watch->path);
	pack_u64(out, watch->scope);
	pack_u64(out, watch->flags);
	pack_u64(out, watch->from);
}

/* The first thing that is wrong with WATCH; NULL: nothing. */
static const char *
complaint(const struct watch_request *watch, int *error)
{
	const char *why = NULL;

	*error = path_check(watch->path, &why);
	if (*error != SYNOD_OK)
		return why;
	*error = SYNOD_UNSUPPORTED;
	if (watch->scope < WATCH_NODE || watch->scope > WATCH_OWNED)
		return "unknown scope of a watch";
	if ((watch->flags & ~(uint32_t)WATCH_FLAGS_KNOWN) != 0)
		return "unknown flag of a watch";
	*error = SYNOD_BAD_ARGUMENT;
	if (watch->watch == 0)
		return "the number of a watch is not 0";
	if (watch->scope == WATCH_OWNED && !path_is_root(watch->path))
		return "what a session owns is watched under the path /";
	*error = SYNOD_OK;
	return NULL;
}

int
watch_request_decode(struct slice body, struct watch_request *watch, const char **why)
{
	struct cursor cursor;
	struct fields fields;
	const char *what;
	int error;

	*watch = (struct watch_request){0};
	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 3);
	watch->watch = field_u64(&fields);
	watch->path = field_string(&fields);
	watch->scope = (uint8_t)field_number(&fields, UINT8_MAX);
	watch->flags = (uint32_t)field_number(&fields, UINT32_MAX);
	watch->from = field_u64(&fields);
	fields_leave(&fields);
	if (cursor_finish(&cursor) != SYNOD_OK)
		return SYNOD_BAD_MESSAGE;
	what = complaint(watch, &error);
	if (what != NULL && why != NULL)
		*why = what;
	return error;
}

/* ---- events ---- */

void
event_encode_head(struct buffer *out, uint64_t watch, uint8_t kind, uint64_t revision, bool more)
{
	pack_array(out, 6);
	pack_u64(out, watch);
	pack_u64(out, kind);
	pack_u64(out, revision);
	pack_bool(out, more);
}

/* END has one item, the error; the others leave EVENT at the first of theirs. */
static void
items_read(struct cursor *cursor, struct event *event)
{
	event->item_count = cursor_array(cursor);
	event->items = *cursor;
	if (event->kind != EVENT_END) {
		cursor_skip(cursor, event->item_count);
	} else {
		event->error = (int)(cursor_u64(cursor) & INT32_MAX);
		cursor_skip(cursor, event->item_count > 0 ? event->item_count - 1 : 0);
	}
	cursor_leave(cursor);
}

int
event_decode(struct slice body, struct event *event)
{
	struct cursor cursor;
	struct fields fields;

	*event = (struct event){0};
	cursor_init(&cursor, body);
	fields = fields_enter(&cursor, 5);
	event->watch = field_u64(&fields);
	event->kind = (uint8_t)field_number(&fields, UINT8_MAX);
	event->revision = field_u64(&fields);
	if (fields_next(&fields))
		event->more = cursor_bool(&cursor);
	if (fields_next(&fields))
		items_read(&cursor, event);
	if (fields_next(&fields))
		event->compacted = cursor_bool(&cursor);
	fields_leave(&fields);
	return cursor_finish(&cursor);
}

void
state_item_decode(struct cursor *cursor, struct state_item *item)
{
	struct fields fields = fields_enter(cursor, 2);

	*item = (struct state_item){0};
	item->path = field_string(&fields);
	fields_next(&fields);
	stat_decode(cursor, &item->stat);
	item->data = field_binary(&fields);
	fields_leave(&fields);
}
