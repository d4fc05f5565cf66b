/* A visitor at a member's port, for tests of what members say to whom. */
#include "tests/support/visitor.h"

#include <string.h>
#include <unistd.h>

#include "shared/check.h"
#include "shared/error.h"

static uint64_t
first_number(const struct frame *frame)
{
	struct cursor cursor;

	cursor_init(&cursor, frame->body);
	cursor_array(&cursor);
	return cursor_u64(&cursor);
}

static void
remember(struct visitor *visitor, const struct frame *frame)
{
	struct response response;

	visitor->frame_count++;
	visitor->last_type = frame->type;
	if (frame->type == FRAME_RESPONSE && response_decode(frame->body, &response) == SYNOD_OK) {
		visitor->last_xid = response.xid;
		visitor->last_error = response.error;
	}
	if (frame->type == FRAME_PONG)
		visitor->last_number = first_number(frame);
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct visitor *visitor = connection->owner;
	struct hello hello;

	if (frame->type == FRAME_REFUSED) {
		visitor->refusal = connection_refusal(frame, visitor->why, sizeof visitor->why);
		connection_close(connection);
	} else if (frame->type == FRAME_HELLO) {
		CHECK(hello_decode(frame->body, &hello) == SYNOD_OK);
		visitor->is_greeted = true;
		visitor->greeted_by = hello.member_id;
	} else if (frame->type == FRAME_PING) {
		if (!visitor->is_mute)
			visitor_say_number(visitor, FRAME_PONG, first_number(frame));
	} else {
		remember(visitor, frame);
	}
	return SYNOD_OK;
}

static void
on_closed(struct connection *connection, int error)
{
	struct visitor *visitor = connection->owner;

	(void)error;
	visitor->is_closed = true;
	connection_release(connection);
}

static void
on_item(void *owner, struct actor_item *item)
{
	(void)owner;
	connection_on_item(item, 1);
}

void
visitor_open(struct visitor *visitor, struct transport *transport, const char *address)
{
	static const struct connection_handler handler = {on_frame, on_closed};
	static const struct actor_handler actor_handler = {on_item, NULL};

	memset(visitor, 0, sizeof *visitor);
	visitor->actor = actor_new("visitor", ACTOR_MANUAL, &actor_handler, visitor);
	CHECK(visitor->actor != NULL);
	CHECK(connection_dial(transport, address, 5000, visitor->actor, &handler, visitor,
	                      FRAME_PEER_MAX, 1, &visitor->connection) == SYNOD_OK);
}

void
visitor_run(struct visitor *visitor)
{
	actor_run(visitor->actor);
}

void
visitor_close(struct visitor *visitor)
{
	if (!visitor->is_closed)
		connection_close(visitor->connection);
	while (!visitor->is_closed) {
		visitor_run(visitor);
		usleep(100);
	}
	actor_free(visitor->actor);
}

void
visitor_say(struct visitor *visitor, struct slice bytes)
{
	visitor_run(visitor);
	if (visitor->is_closed)
		return;
	connection_write(visitor->connection, bytes);
	connection_flush(visitor->connection);
}

void
visitor_say_frame(struct visitor *visitor, uint8_t type, struct slice body)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin = frame_begin(&out, type);

	buffer_append(&out, body.bytes, body.size);
	frame_end(&out, begin);
	if (!visitor->is_closed) {
		connection_write(visitor->connection, buffer_slice(&out));
		connection_flush(visitor->connection);
	}
	buffer_fini(&out);
}

void
visitor_say_hello(struct visitor *visitor, const struct hello *hello)
{
	struct buffer body = BUFFER_EMPTY;

	hello_encode(&body, hello);
	visitor_say_frame(visitor, FRAME_HELLO, buffer_slice(&body));
	buffer_fini(&body);
}

void
visitor_say_number(struct visitor *visitor, uint8_t type, uint64_t number)
{
	struct buffer body = BUFFER_EMPTY;

	pack_array(&body, 1);
	pack_u64(&body, number);
	visitor_say_frame(visitor, type, buffer_slice(&body));
	buffer_fini(&body);
}

void
visitor_say_request(struct visitor *visitor, uint64_t xid, unsigned op)
{
	static const uint8_t nil = 0xc0;
	struct buffer body = BUFFER_EMPTY;
	struct request request = {.xid = xid, .op = (uint8_t)op, .body = {&nil, 1}};

	request_encode(&body, &request);
	visitor_say_frame(visitor, FRAME_REQUEST, buffer_slice(&body));
	buffer_fini(&body);
}
