/*
 * Byte streams between processes, behind an operation table.
 *
 * The implementation for real networks is nng's stream sockets
 * (shared/transport_nng.c, the only file that includes nng).  The simulator has
 * its own.  A stream is an ordered, reliable pipe of bytes until it closes; it
 * says nothing of who is at the other end: HELLO does.
 *
 * Threads.  Handlers run on threads of the implementation and must not block:
 * they post to an actor's inbox.  For one stream they are called one after the
 * other.  The next one may be called as soon as stream_receive() took the turn
 * back, even if the call before has not returned (it may be running the actor to
 * which it posted), so a handler touches nothing of its context after it posted.
 * The functions below may be called from any thread and from handlers.
 *
 * Receiving.  One receive is outstanding.  on_data hands over bytes that stay
 * valid until stream_receive() gives them back and arms the next one, so a slow
 * reader pushes back on its peer and needs no queue.  Bytes are given back even
 * if the stream has been closed meanwhile: on_close may be waiting for that.
 *
 * Sending.  stream_write() copies into the stream's output buffer, which may
 * happen while a dial is going on; stream_flush() sends what is there, in one
 * send, if none is in flight; what is written meanwhile leaves in the next one.
 * When the buffer would exceed its bound the stream is closed (the peer does not
 * read).
 *
 * Lifetime.  on_close is the last handler called, exactly once for each stream
 * that was started or dialled.  A stream is freed by stream_release(), after or
 * before on_close; each stream_retain() needs its own release.  The handler's
 * context must live until on_close.
 */
#ifndef SHARED_TRANSPORT_H
#define SHARED_TRANSPORT_H

#include <stdbool.h>

#include "shared/buffer.h"

struct stream;
struct listener;
struct timer;
struct transport;

struct stream_handler {
	/* The dial succeeded (not called for accepted streams).  The peer may still not exist:
	 * the stream is "up" only after HELLO both ways.  What was written leaves by itself;
	 * nothing is received before stream_receive(). */
	void (*on_open)(void *context);
	/* Bytes arrived; valid until stream_receive(). */
	void (*on_data)(void *context, struct slice bytes);
	/* The stream is gone: ERROR is SYNOD_CLOSED for an orderly end, else IO, TIMEOUT, BUSY
	 * (output bound exceeded), NO_MEMORY. */
	void (*on_close)(void *context, int error);
};

struct listener_handler {
	/* A new stream.  Call stream_start() on it, or stream_release() to turn it away; now or
	 * later, from any thread.  May run on several threads at once. */
	void (*on_accept)(void *context, struct stream *stream);
	/* The last call, after listener_close(): the context may go, the listener is gone. */
	void (*on_close)(void *context);
};

struct transport_ops {
	/* Listen on "HOST:PORT" (port 0: the system chooses).  Error: SYNOD_IN_USE, BAD_ARGUMENT,
	 * IO. */
	int (*listen)(struct transport *transport, const char *address,
	              const struct listener_handler *handler, void *context,
	              struct listener **listener);
	/* "HOST:PORT" with the port really used; owned by the listener. */
	const char *(*listener_address)(struct listener *listener);
	/* Stop to listen; on_close follows, asynchronously. */
	void (*listener_close)(struct listener *listener);
	/* Start to connect.  on_open or on_close follows, within TIMEOUT_MS.  *STREAM is set before
	 * the first handler is called.  Error: SYNOD_BAD_ARGUMENT, NO_MEMORY. */
	int (*dial)(struct transport *transport, const char *address, unsigned timeout_ms,
	            const struct stream_handler *handler, void *context, struct stream **stream);
	/* Give an accepted stream its handler and arm the first receive. */
	void (*start)(struct stream *stream, const struct stream_handler *handler, void *context);
	void (*receive)(struct stream *stream);
	void (*write)(struct stream *stream, struct slice bytes);
	void (*flush)(struct stream *stream);
	/* Bytes written and not yet taken by the system. */
	size_t (*pending)(struct stream *stream);
	/* Close: on_close follows, asynchronously or at once. */
	void (*close)(struct stream *stream);
	/* Send what was written, discard what still arrives, and close when the peer has closed,
	 * within STREAM_FINISH_MS.  (Closing with unread input would reset the connection, and the
	 * peer would never see the last words.)  Only on_close follows. */
	void (*finish)(struct stream *stream);
	void (*retain)(struct stream *stream);
	void (*release)(struct stream *stream);
	/* "HOST:PORT" of the other end, for logs; "?" when unknown. */
	void (*peer_address)(struct stream *stream, char *text, size_t size);
	/*
	 * Timers, for actors' ticks: FIRE is called once, on a thread of the
	 * implementation, DELAY_MS after timer_set(); setting again moves it.  timer_free()
	 * waits for a running FIRE; not from inside it.
	 */
	struct timer *(*timer_new)(struct transport *transport, void (*fire)(void *context),
	                           void *context);
	void (*timer_set)(struct timer *timer, unsigned delay_ms);
	void (*timer_free)(struct timer *timer);
	/* All streams, listeners and timers must be closed and released. */
	void (*free)(struct transport *transport);
};

/* Implementations embed this first. */
struct transport {
	const struct transport_ops *ops;
};
struct stream {
	const struct transport_ops *ops;
};
struct listener {
	const struct transport_ops *ops;
};
struct timer {
	const struct transport_ops *ops;
};

/* Default bound of a stream's output buffer. */
#define STREAM_OUTPUT_MAX (32u << 20)

#define STREAM_FINISH_MS  500

/* A transport over nng: tcp.  NULL when memory runs out. */
struct transport *transport_nng_new(void);

/* ---- the table's functions, for readability ---- */

static inline void
stream_start(struct stream *stream, const struct stream_handler *handler, void *context)
{
	stream->ops->start(stream, handler, context);
}
static inline void
stream_receive(struct stream *stream)
{
	stream->ops->receive(stream);
}
static inline void
stream_write(struct stream *stream, struct slice bytes)
{
	stream->ops->write(stream, bytes);
}
static inline void
stream_flush(struct stream *stream)
{
	stream->ops->flush(stream);
}
static inline void
stream_close(struct stream *stream)
{
	stream->ops->close(stream);
}
static inline void
stream_finish(struct stream *stream)
{
	stream->ops->finish(stream);
}
static inline void
stream_retain(struct stream *stream)
{
	stream->ops->retain(stream);
}
static inline void
stream_release(struct stream *stream)
{
	stream->ops->release(stream);
}

#endif
