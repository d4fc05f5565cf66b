/*
 * A sink: a connection that leads nowhere and keeps what was sent on it, for tests
 * of what members answer.  One thread.
 */
#ifndef TESTS_SUPPORT_SINK_H
#define TESTS_SUPPORT_SINK_H

#include "shared/connection.h"

struct sink {
	struct stream base; /* first */
	struct connection *connection;
	struct buffer written; /* and not yet flushed */
	struct buffer sent;
	size_t read;          /* of what was sent */
	unsigned flush_count; /* with something to send */
	unsigned references;
	bool is_stuck; /* what was sent counts as pending until it is read */
};

/* Must stay where it is until sink_fini(), which frees the connection. */
void sink_init(struct sink *sink);
void sink_fini(struct sink *sink);

/* The next frame that was sent; false if there is none.  Valid until more is sent. */
bool sink_frame(struct sink *sink, struct frame *frame);

/* The next frame is a RESPONSE: it is decoded. */
bool sink_response(struct sink *sink, struct response *response);

#endif
