/*
 * A connection: frames over one stream, inside an actor.  Members and clients use the same.
 *
 * Stream handlers run on the transport's threads; they post the arrived bytes
 * or the end of the stream to the owner's actor.  Everything below marked (actor)
 * runs in that actor.  Writing is thread-safe.
 *
 * A connection is "up" once HELLO went both ways; until then only HELLO and
 * REFUSED are let through, within HELLO_TIMEOUT_MS (enforced by the owner).
 */
#ifndef SHARED_CONNECTION_H
#define SHARED_CONNECTION_H

#include <stdatomic.h>

#include "shared/actor.h"
#include "shared/frame.h"
#include "shared/protocol.h"
#include "shared/transport.h"

#define HELLO_TIMEOUT_MS 5000

struct connection;

struct connection_handler {
	/* (actor) One whole frame; its body is valid during the call.  Not SYNOD_OK: the connection
	 * is refused with that error and closed. */
	int (*on_frame)(struct connection *connection, const struct frame *frame);
	/* (actor) The end; the last call.  ERROR: why this side refused or why the stream ended.
	 * The owner releases its reference in it or later. */
	void (*on_closed)(struct connection *connection, int error);
};

struct connection {
	const struct connection_handler *handler;
	void *owner; /* links or clients */
	uint64_t id; /* unique in this process, never 0 */
	struct stream *stream;
	struct actor *actor;
	/* Set by the owner (actor). */
	void *context;
	bool is_up;
	uint64_t opened_ms;
	uint64_t heard_ms; /* last frame */
	uint64_t sent_ms;
	size_t body_max;
	bool is_closing; /* closed or refused by this side: no more frames are let through */
	/* The connection's own. */
	atomic_uint references;
	struct actor_item data_item;
	struct actor_item close_item;
	struct slice arrived;  /* valid between on_data and stream_receive */
	struct buffer partial; /* the start of a frame that has not arrived whole */
	int close_error;       /* the stream's */
	int refuse_error;      /* ours, if we refused */
};

/* Kinds of the items that connections post; the actor's owner hands them to connection_on_item().
 */
#define CONNECTION_ITEM_DATA     0x100
#define CONNECTION_ITEM_CLOSE    0x101
#define CONNECTION_ITEM_ACCEPTED 0x102
#define CONNECTION_ITEM_UNHEARD  0x103 /* the listener is closed */

/* Take over STREAM (accepted) or dial ADDRESS.  The result has one reference, the owner's.  NULL
 * and SYNOD_NO_MEMORY when memory runs out; dialling also fails with SYNOD_BAD_ARGUMENT.  What is
 * written while the dial goes on leaves as soon as it succeeds. */
struct connection *connection_accept(struct stream *stream, struct actor *actor,
                                     const struct connection_handler *handler, void *owner,
                                     size_t body_max, uint64_t now_ms);
int connection_dial(struct transport *transport, const char *address, unsigned timeout_ms,
                    struct actor *actor, const struct connection_handler *handler, void *owner,
                    size_t body_max, uint64_t now_ms, struct connection **connection);

/* (actor) Handle an item that a connection posted: parses frames, calls the handler. */
void connection_on_item(struct actor_item *item, uint64_t now_ms);
static inline bool
connection_is_item(const struct actor_item *item)
{
	return item->kind >= CONNECTION_ITEM_DATA && item->kind <= CONNECTION_ITEM_UNHEARD;
}

/* Any thread.  Write whole frames; they leave with connection_flush(). */
void connection_write(struct connection *connection, struct slice frames);
void connection_flush(struct connection *connection);

/* (actor) Send REFUSED with ERROR and TEXT (NULL: the error's own), let it arrive, and close. */
void connection_refuse(struct connection *connection, int error, const char *text);
/* (actor) Close at once. */
void connection_close(struct connection *connection);

/* What REFUSED says, for logs: "the peer's text".  Its error, or SYNOD_BAD_MESSAGE. */
int connection_refusal(const struct frame *frame, char *text, size_t size);

struct connection *connection_retain(struct connection *connection);
void connection_release(struct connection *connection);

/* A listener inside an actor.  The owner sets the first four before connection_listen(). */
struct connection_listener {
	struct actor *actor;
	/* (actor) A new stream: connection_accept() it, or stream_release() to turn it away. */
	void (*on_stream)(void *owner, struct stream *stream, uint64_t now_ms);
	/* (actor) The last call, after connection_unlisten(). */
	void (*on_closed)(void *owner);
	void *owner;
	struct listener *listener;
	struct actor_item close_item;
};

/* Errors of transport_ops.listen. */
int connection_listen(struct connection_listener *listener, struct transport *transport,
                      const char *address);
const char *connection_listener_address(const struct connection_listener *listener);
void connection_unlisten(struct connection_listener *listener);

#endif
