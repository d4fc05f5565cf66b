/* A connection that keeps what was sent on it. */
#include "tests/support/sink.h"

#include <stdio.h>

#include "shared/check.h"
#include "shared/error.h"

static void
start(struct stream *stream, const struct stream_handler *handler, void *context)
{
	(void)stream; /* nothing ever arrives, nor does it end */
	(void)handler;
	(void)context;
}

static void
write_bytes(struct stream *stream, struct slice bytes)
{
	buffer_append(&((struct sink *)stream)->written, bytes.bytes, bytes.size);
}

static void
flush(struct stream *stream)
{
	struct sink *sink = (struct sink *)stream;

	if (sink->written.size == 0)
		return;
	buffer_append(&sink->sent, sink->written.bytes, sink->written.size);
	buffer_clear(&sink->written);
	sink->flush_count++;
}

static size_t
pending(struct stream *stream)
{
	const struct sink *sink = (struct sink *)stream;

	return sink->written.size + (sink->is_stuck ? sink->sent.size - sink->read : 0);
}

static void
retain(struct stream *stream)
{
	((struct sink *)stream)->references++;
}

static void
release(struct stream *stream)
{
	struct sink *sink = (struct sink *)stream;

	CHECK(sink->references > 0);
	sink->references--;
}

static const struct transport_ops ops = {
	.start = start,
	.write = write_bytes,
	.flush = flush,
	.pending = pending,
	.retain = retain,
	.release = release,
};

void
sink_init(struct sink *sink)
{
	*sink = (struct sink){.base.ops = &ops, .references = 1};
	sink->connection = connection_accept(&sink->base, NULL, NULL, sink, FRAME_PEER_MAX, 0);
	CHECK(sink->connection != NULL);
}

void
sink_fini(struct sink *sink)
{
	CHECK(sink->connection->references == 2);
	connection_release(sink->connection); /* the owner's */
	connection_release(sink->connection); /* until its end, which never comes */
	CHECK(sink->references == 0);
	buffer_fini(&sink->written);
	buffer_fini(&sink->sent);
}

bool
sink_frame(struct sink *sink, struct frame *frame)
{
	struct slice rest = {sink->sent.bytes + sink->read, sink->sent.size - sink->read};
	size_t used;

	if (rest.size == 0)
		return false;
	CHECK(frame_parse(rest, FRAME_PEER_MAX, frame, &used) == SYNOD_OK);
	sink->read += used;
	return true;
}

bool
sink_response(struct sink *sink, struct response *response)
{
	struct frame frame;

	if (!sink_frame(sink, &frame))
		return false;
	CHECK(frame.type == FRAME_RESPONSE);
	CHECK(response_decode(frame.body, response) == SYNOD_OK);
	return true;
}
