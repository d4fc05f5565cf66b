/* Connections: frames cut out of the bytes of a stream, inside an actor. */
#include "shared/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/check.h"
#include "shared/error.h"

/* A buffer for partial frames larger than this is not kept. */
#define PARTIAL_SIZE_KEPT 4096

struct accepted {
	struct actor_item item;
	struct connection_listener *listener;
	struct stream *stream;
};

static struct connection *
of_data_item(struct actor_item *item)
{
	return (struct connection *)((char *)item - offsetof(struct connection, data_item));
}

static struct connection *
of_close_item(struct actor_item *item)
{
	return (struct connection *)((char *)item - offsetof(struct connection, close_item));
}

static struct connection_listener *
of_unheard_item(struct actor_item *item)
{
	return (struct connection_listener *)((char *)item -
	                                      offsetof(struct connection_listener, close_item));
}

/* ---- on the transport's threads ---- */

static void
on_open(void *context)
{
	struct connection *connection = context;

	stream_receive(connection->stream);
}

static void
on_data(void *context, struct slice bytes)
{
	struct connection *connection = context;

	connection->arrived = bytes;
	actor_post(connection->actor, &connection->data_item);
}

static void
on_close(void *context, int error)
{
	struct connection *connection = context;

	connection->close_error = error;
	actor_post(connection->actor, &connection->close_item);
}

static const struct stream_handler stream_handler = {on_open, on_data, on_close};

/* ---- making and freeing ---- */

/* One reference for the owner and one for the time until the end has been handled. */
static struct connection *
connection_new(struct actor *actor, const struct connection_handler *handler, void *owner,
               size_t body_max, uint64_t now_ms)
{
	static atomic_uint_fast64_t last_id;
	struct connection *connection = calloc(1, sizeof *connection);

	if (connection == NULL)
		return NULL;
	connection->handler = handler;
	connection->owner = owner;
	connection->id = atomic_fetch_add(&last_id, 1) + 1;
	connection->actor = actor;
	connection->opened_ms = now_ms;
	connection->heard_ms = now_ms;
	connection->sent_ms = now_ms;
	connection->body_max = body_max;
	connection->data_item.kind = CONNECTION_ITEM_DATA;
	connection->close_item.kind = CONNECTION_ITEM_CLOSE;
	atomic_init(&connection->references, 2);
	return connection;
}

struct connection *
connection_accept(struct stream *stream, struct actor *actor,
                  const struct connection_handler *handler, void *owner, size_t body_max,
                  uint64_t now_ms)
{
	struct connection *connection = connection_new(actor, handler, owner, body_max, now_ms);

	if (connection == NULL) {
		stream_release(stream);
		return NULL;
	}
	connection->stream = stream;
	stream_start(stream, &stream_handler, connection);
	return connection;
}

int
connection_dial(struct transport *transport, const char *address, unsigned timeout_ms,
                struct actor *actor, const struct connection_handler *handler, void *owner,
                size_t body_max, uint64_t now_ms, struct connection **out)
{
	struct connection *connection = connection_new(actor, handler, owner, body_max, now_ms);
	int error;

	*out = NULL;
	if (connection == NULL)
		return SYNOD_NO_MEMORY;
	error = transport->ops->dial(transport, address, timeout_ms, &stream_handler, connection,
	                             &connection->stream);
	if (error != SYNOD_OK) {
		free(connection);
		return error;
	}
	*out = connection;
	return SYNOD_OK;
}

struct connection *
connection_retain(struct connection *connection)
{
	atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
	return connection;
}

void
connection_release(struct connection *connection)
{
	if (connection == NULL)
		return;
	if (atomic_fetch_sub_explicit(&connection->references, 1, memory_order_acq_rel) > 1)
		return;
	stream_release(connection->stream);
	buffer_fini(&connection->partial);
	free(connection);
}

/* ---- reading ---- */

/* False when nothing more is to be read. */
static bool
deliver(struct connection *connection, const struct frame *frame, uint64_t now_ms)
{
	int error;

	connection->heard_ms = now_ms;
	error = connection->handler->on_frame(connection, frame);
	if (error != SYNOD_OK)
		connection_refuse(connection, error, NULL);
	return !connection->is_closing;
}

static void
forget_partial(struct connection *connection)
{
	if (connection->partial.capacity > PARTIAL_SIZE_KEPT)
		buffer_fini(&connection->partial);
	else
		buffer_clear(&connection->partial);
}

/* Move bytes over, no more than the frame they belong to needs. */
static bool
keep(struct connection *connection, struct slice *bytes, size_t size)
{
	if (size > bytes->size)
		size = bytes->size;
	buffer_append(&connection->partial, bytes->bytes, size);
	bytes->bytes += size;
	bytes->size -= size;
	if (connection->partial.failed)
		connection_close(connection);
	return !connection->partial.failed;
}

/* Complete the frame whose start is in `partial`.  False when nothing more is to be read. */
static bool
complete_partial(struct connection *connection, struct slice *bytes, uint64_t now_ms)
{
	while (connection->partial.size > 0) {
		struct frame frame;
		size_t used;
		int error = frame_parse(buffer_slice(&connection->partial), connection->body_max,
		                        &frame, &used);

		if (error == SYNOD_OK) {
			bool goes_on = deliver(connection, &frame, now_ms);

			forget_partial(connection);
			return goes_on;
		}
		if (error != SYNOD_RETRY) {
			connection_refuse(connection, error, NULL);
			return false;
		}
		if (used == 0)
			used = FRAME_HEADER_SIZE;
		CHECK(used > connection->partial.size);
		if (bytes->size == 0 || !keep(connection, bytes, used - connection->partial.size))
			return false;
	}
	return true;
}

static void
read_frames(struct connection *connection, struct slice bytes, uint64_t now_ms)
{
	if (!complete_partial(connection, &bytes, now_ms))
		return;
	while (bytes.size > 0) {
		struct frame frame;
		size_t used;
		int error = frame_parse(bytes, connection->body_max, &frame, &used);

		if (error == SYNOD_RETRY) {
			keep(connection, &bytes, bytes.size);
			return;
		}
		if (error != SYNOD_OK) {
			connection_refuse(connection, error, NULL);
			return;
		}
		if (!deliver(connection, &frame, now_ms))
			return;
		bytes.bytes += used;
		bytes.size -= used;
	}
}

void
connection_on_item(struct actor_item *item, uint64_t now_ms)
{
	if (item->kind == CONNECTION_ITEM_DATA) {
		struct connection *connection = of_data_item(item);

		if (!connection->is_closing)
			read_frames(connection, connection->arrived, now_ms);
		stream_receive(connection->stream);
	} else if (item->kind == CONNECTION_ITEM_CLOSE) {
		struct connection *connection = of_close_item(item);

		connection->is_closing = true;
		connection->handler->on_closed(connection, connection->refuse_error != SYNOD_OK
		                                                   ? connection->refuse_error
		                                                   : connection->close_error);
		connection_release(connection);
	} else if (item->kind == CONNECTION_ITEM_ACCEPTED) {
		struct accepted *accepted = (struct accepted *)item;

		accepted->listener->on_stream(accepted->listener->owner, accepted->stream, now_ms);
		free(accepted);
	} else {
		struct connection_listener *listener = of_unheard_item(item);

		CHECK(item->kind == CONNECTION_ITEM_UNHEARD);
		listener->on_closed(listener->owner);
	}
}

/* ---- writing and closing ---- */

void
connection_write(struct connection *connection, struct slice frames)
{
	stream_write(connection->stream, frames);
}

void
connection_flush(struct connection *connection)
{
	stream_flush(connection->stream);
}

void
connection_refuse(struct connection *connection, int error, const char *text)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin;

	if (connection->is_closing)
		return;
	connection->is_closing = true;
	connection->refuse_error = error;
	begin = frame_begin(&out, FRAME_REFUSED);
	pack_array(&out, 2);
	pack_u64(&out, (uint64_t)error);
	pack_string(&out, slice_of(text != NULL ? text : error_text(error)));
	frame_end(&out, begin);
	if (!out.failed)
		stream_write(connection->stream, buffer_slice(&out));
	buffer_fini(&out);
	stream_finish(connection->stream);
}

int
connection_refusal(const struct frame *frame, char *text, size_t size)
{
	struct cursor cursor;
	struct slice words;
	uint64_t error;
	uint32_t count;

	cursor_init(&cursor, frame->body);
	count = cursor_array(&cursor);
	error = cursor_u64(&cursor);
	words = cursor_string(&cursor);
	if (count > 2)
		cursor_skip(&cursor, count - 2);
	cursor_leave(&cursor);
	if (count < 2 || cursor_finish(&cursor) != SYNOD_OK || error > INT32_MAX) {
		snprintf(text, size, "an unreadable refusal");
		return SYNOD_BAD_MESSAGE;
	}
	snprintf(text, size, "%.*s", (int)(words.size < size ? words.size : size),
	         (const char *)words.bytes);
	return (int)error;
}

void
connection_close(struct connection *connection)
{
	connection->is_closing = true;
	stream_close(connection->stream);
}

/* ---- listening ---- */

static void
on_accept(void *context, struct stream *stream)
{
	struct connection_listener *listener = context;
	struct accepted *accepted = calloc(1, sizeof *accepted);

	if (accepted == NULL) {
		stream_release(stream);
		return;
	}
	accepted->item.kind = CONNECTION_ITEM_ACCEPTED;
	accepted->listener = listener;
	accepted->stream = stream;
	actor_post(listener->actor, &accepted->item);
}

static void
on_unheard(void *context)
{
	struct connection_listener *listener = context;

	actor_post(listener->actor, &listener->close_item);
}

int
connection_listen(struct connection_listener *listener, struct transport *transport,
                  const char *address)
{
	static const struct listener_handler handler = {on_accept, on_unheard};

	listener->close_item.kind = CONNECTION_ITEM_UNHEARD;
	return transport->ops->listen(transport, address, &handler, listener, &listener->listener);
}

const char *
connection_listener_address(const struct connection_listener *listener)
{
	return listener->listener->ops->listener_address(listener->listener);
}

void
connection_unlisten(struct connection_listener *listener)
{
	listener->listener->ops->listener_close(listener->listener);
}
