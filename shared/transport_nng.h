/*
 * Inside the transport over nng: what its three sources share.
 *
 * transport_nng.c         the transport, listeners, the graveyard
 * transport_nng_stream.c  streams: dialling, receiving, sending, closing
 * transport_nng_timer.c   timers
 *
 * These three are the only files that include nng.  What measurements and nng's
 * source (1.5.2) taught, and what every line here obeys:
 *
 * - An aio is never stopped, waited for or freed in its own callback: it is
 *   reaped (nng_aio_reap).
 * - Freeing a dialer waits for callbacks that nng still has to run, so it is not
 *   done on nng's few callback threads: a thread of our own, the graveyard, does.
 * - A dialer is used once.  Dialling again after a time-out aborts the process.
 * - A receive or send that starts on a closed nng_stream never completes.  So
 *   both are started, and the stream is closed, under the same mutex.
 * - A send may be partial.
 * - Names are looked up before nng sees them (shared/address).
 * - When the process is out of descriptors, accept fails at once, again and
 *   again: wait a little in between.
 */
#ifndef SHARED_TRANSPORT_NNG_H
#define SHARED_TRANSPORT_NNG_H

#include <nng/nng.h>
#include <pthread.h>

#include "shared/transport.h"

/* Something of nng whose freeing may wait; one of the two. */
struct grave {
	struct grave *next;
	nng_stream_dialer *dialer;
	nng_stream_listener *listener;
};

struct tcp_transport {
	struct transport base;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t graveyard;
	struct grave *graves;  /* waiting to be freed */
	unsigned living_count; /* graves handed out and not yet freed */
	bool is_stopping;
	pthread_mutex_t timers_mutex;
	pthread_cond_t timers_changed;
	pthread_t timekeeper;
	struct tcp_timer *timers;
	uint64_t timers_wake_us; /* when the timekeeper wakes up by itself */
	bool timers_stopping;
};

/* A grave to fill now and to bury when its content is no longer in use; NULL without memory. */
struct grave *grave_new(struct tcp_transport *transport);

/* Free the content and the grave, on the graveyard's thread.  From any callback. */
void grave_bury(struct tcp_transport *transport, struct grave *grave);

/* An error code for nng's. */
int error_of_nng(int result);

extern const struct transport_ops transport_tcp_ops;

/* An accepted stream with one reference, not started; takes PIPE over.  NULL without memory. */
struct stream *stream_tcp_accepted(struct tcp_transport *transport, nng_stream *pipe);

/* The timekeeper's thread; timers_start() returns errno's codes. */
int timers_start(struct tcp_transport *transport);
void timers_stop(struct tcp_transport *transport);

/* The rows of the table that concern timers. */
struct timer *timer_tcp_new(struct transport *transport, void (*fire)(void *context),
                            void *context);
void timer_tcp_set(struct timer *timer, unsigned delay_ms);
void timer_tcp_free(struct timer *timer);

/* The rows of the table that concern streams. */
int stream_tcp_dial(struct transport *transport, const char *address, unsigned timeout_ms,
                    const struct stream_handler *handler, void *context, struct stream **stream);
void stream_tcp_start(struct stream *stream, const struct stream_handler *handler, void *context);
void stream_tcp_receive(struct stream *stream);
void stream_tcp_write(struct stream *stream, struct slice bytes);
void stream_tcp_flush(struct stream *stream);
size_t stream_tcp_pending(struct stream *stream);
void stream_tcp_close(struct stream *stream);
void stream_tcp_finish(struct stream *stream);
void stream_tcp_retain(struct stream *stream);
void stream_tcp_release(struct stream *stream);
void stream_tcp_peer_address(struct stream *stream, char *text, size_t size);

#endif
