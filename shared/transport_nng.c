/* The transport over nng: its table, listeners, and the graveyard. */
#include "shared/transport_nng.h"

#include <dirent.h>
#include <netinet/in.h>
#include <nng/supplemental/util/platform.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/address.h"
#include "shared/check.h"
#include "shared/error.h"

#define ACCEPT_PAUSE_MS 50

/* ---- errors ---- */

int
error_of_nng(int result)
{
	switch (result) {
	case 0: return SYNOD_OK;
	case NNG_ECLOSED:
	case NNG_ECONNSHUT: return SYNOD_CLOSED;
	case NNG_ETIMEDOUT: return SYNOD_TIMEOUT;
	case NNG_ENOMEM: return SYNOD_NO_MEMORY;
	case NNG_EADDRINUSE: return SYNOD_IN_USE;
	case NNG_EADDRINVAL: return SYNOD_BAD_ARGUMENT;
	default: return SYNOD_IO;
	}
}

/* ---- the graveyard ---- */

struct grave *
grave_new(struct tcp_transport *transport)
{
	struct grave *grave = calloc(1, sizeof *grave);

	if (grave == NULL)
		return NULL;
	pthread_mutex_lock(&transport->mutex);
	transport->living_count++;
	pthread_mutex_unlock(&transport->mutex);
	return grave;
}

void
grave_bury(struct tcp_transport *transport, struct grave *grave)
{
	pthread_mutex_lock(&transport->mutex);
	grave->next = transport->graves;
	transport->graves = grave;
	pthread_cond_signal(&transport->changed);
	pthread_mutex_unlock(&transport->mutex);
}

static void
free_grave(struct grave *grave)
{
	if (grave->dialer != NULL)
		nng_stream_dialer_free(grave->dialer);
	if (grave->listener != NULL)
		nng_stream_listener_free(grave->listener);
	free(grave);
}

static void *
graveyard_main(void *argument)
{
	struct tcp_transport *transport = argument;

	pthread_mutex_lock(&transport->mutex);
	while (!transport->is_stopping || transport->living_count > 0) {
		struct grave *grave = transport->graves;

		if (grave == NULL) {
			pthread_cond_wait(&transport->changed, &transport->mutex);
			continue;
		}
		transport->graves = grave->next;
		pthread_mutex_unlock(&transport->mutex);
		free_grave(grave);
		pthread_mutex_lock(&transport->mutex);
		transport->living_count--;
	}
	pthread_mutex_unlock(&transport->mutex);
	return NULL;
}

/* ---- listeners ---- */

/*
 * So many connections are taken at a time.  What is asked of nng beforehand is taken
 * by its poller, without a thread in between.
 */
#define ACCEPTS 32

/*
 * So many that nobody has taken yet are queued by the system, as far as
 * net.core.somaxconn lets it.  Then it ignores who asks, until it asks again a
 * second later: a thousand clients that reconnect at once must not wait for that.
 */
#define BACKLOG 4096

struct acceptor {
	struct tcp_listener *listener;
	nng_aio *aio; /* accepts, or pauses */
	bool is_pausing;
};

struct tcp_listener {
	struct listener base;
	struct tcp_transport *transport;
	const struct listener_handler *handler;
	void *context;
	pthread_mutex_t mutex;
	nng_stream_listener *socket;
	struct acceptor acceptors[ACCEPTS];
	unsigned acceptor_count; /* whose last callback has not been */
	struct grave *grave;
	unsigned call_count; /* on_accept that have not returned */
	bool is_closing;
	char address[ADDRESS_HOST_MAX + ADDRESS_PORT_MAX + 4];
};

static void
listener_free(struct tcp_listener *listener)
{
	if (listener == NULL)
		return;
	for (unsigned i = 0; i < ACCEPTS; i++) {
		if (listener->acceptors[i].aio != NULL)
			nng_aio_reap(listener->acceptors[i].aio);
	}
	if (listener->grave != NULL) {
		listener->grave->listener = listener->socket;
		grave_bury(listener->transport, listener->grave);
	}
	pthread_mutex_destroy(&listener->mutex);
	free(listener);
}

/* Unlock; tell the end if this was it.  LISTENER may be gone afterwards. */
static void
listener_settle(struct tcp_listener *listener)
{
	bool is_end = listener->acceptor_count == 0 && listener->call_count == 0;

	pthread_mutex_unlock(&listener->mutex);
	if (!is_end)
		return;
	listener->handler->on_close(listener->context);
	listener_free(listener);
}

/* Locked.  The next operation of the acceptor's aio. */
static void
acceptor_go_on(struct acceptor *acceptor, int result)
{
	acceptor->is_pausing = result != 0 && result != NNG_ECONNABORTED;
	if (acceptor->is_pausing)
		nng_sleep_aio(ACCEPT_PAUSE_MS, acceptor->aio);
	else
		nng_stream_listener_accept(acceptor->listener->socket, acceptor->aio);
}

static void
acceptor_on_aio(void *argument)
{
	struct acceptor *acceptor = argument;
	struct tcp_listener *listener = acceptor->listener;
	nng_stream *pipe = NULL;
	struct stream *stream = NULL;
	int result;

	pthread_mutex_lock(&listener->mutex);
	result = nng_aio_result(acceptor->aio);
	if (acceptor->is_pausing)
		result = 0;
	else if (result == 0)
		pipe = nng_aio_get_output(acceptor->aio, 0);
	if (listener->is_closing)
		listener->acceptor_count--;
	else
		acceptor_go_on(acceptor, result);
	if (pipe != NULL)
		stream = stream_tcp_accepted(listener->transport, pipe);
	if (stream != NULL && listener->is_closing) {
		stream_release(stream);
		stream = NULL;
	}
	if (stream != NULL) {
		listener->call_count++;
		pthread_mutex_unlock(&listener->mutex);
		listener->handler->on_accept(listener->context, stream);
		pthread_mutex_lock(&listener->mutex);
		listener->call_count--;
	}
	listener_settle(listener);
}

/* The first usable address of TEXT as nng's URL. */
static int
listen_url(const char *text, struct address *address, char *url, size_t size)
{
	struct address_number number;
	unsigned count;
	int error = address_parse(text, address);

	if (error == SYNOD_OK)
		error = address_resolve(address, &number, 1, &count);
	if (error == SYNOD_OK)
		snprintf(url, size, "tcp://%s", number.text);
	return error;
}

static bool
is_listening_at(int fd, int port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} local;
	socklen_t local_size = sizeof local;
	int is_listening = 0;
	socklen_t size = sizeof is_listening;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0 || !is_listening ||
	    getsockname(fd, &local.any, &local_size) != 0)
		return false;
	if (local.any.sa_family == AF_INET)
		return ntohs(local.v4.sin_port) == port;
	return local.any.sa_family == AF_INET6 && ntohs(local.v6.sin6_port) == port;
}

/* nng (1.5.2) listens with a backlog of 128, and keeps the descriptor to itself: we look for it
 * among our own.  Where there is no /proc, 128 it stays. */
static void
deepen_backlog(const struct tcp_listener *listener)
{
	int port = 0;
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/fd");

	if (directory == NULL)
		return;
	nng_stream_listener_get_int(listener->socket, NNG_OPT_TCP_BOUND_PORT, &port);
	while ((entry = readdir(directory)) != NULL) {
		int fd = atoi(entry->d_name); /* 0 of "." and "..": looked at once more */

		if (is_listening_at(fd, port))
			(void)!listen(fd, BACKLOG);
	}
	closedir(directory);
}

static int
listener_open(struct tcp_listener *listener, const char *url)
{
	int result;

	if (nng_stream_listener_alloc(&listener->socket, url) != 0)
		return SYNOD_BAD_ARGUMENT;
	nng_stream_listener_set_bool(listener->socket, NNG_OPT_TCP_NODELAY, true);
	result = nng_stream_listener_listen(listener->socket);
	if (result != 0)
		return error_of_nng(result);
	deepen_backlog(listener);
	for (unsigned i = 0; i < ACCEPTS; i++) {
		listener->acceptors[i].listener = listener;
		if (nng_aio_alloc(&listener->acceptors[i].aio, acceptor_on_aio,
		                  &listener->acceptors[i]) != 0)
			return SYNOD_NO_MEMORY;
	}
	return SYNOD_OK;
}

static void
listener_name(struct tcp_listener *listener, const struct address *address)
{
	int port = 0;

	nng_stream_listener_get_int(listener->socket, NNG_OPT_TCP_BOUND_PORT, &port);
	snprintf(listener->address, sizeof listener->address,
	         strchr(address->host, ':') != NULL ? "[%s]:%d" : "%s:%d", address->host, port);
}

static int
tcp_listen(struct transport *base, const char *text, const struct listener_handler *handler,
           void *context, struct listener **out)
{
	struct tcp_transport *transport = (struct tcp_transport *)base;
	struct tcp_listener *listener;
	struct address address;
	char url[ADDRESS_NUMBER_MAX + 8];
	int error = listen_url(text, &address, url, sizeof url);

	if (error != SYNOD_OK)
		return error;
	listener = calloc(1, sizeof *listener);
	if (listener == NULL)
		return SYNOD_NO_MEMORY;
	listener->base.ops = &transport_tcp_ops;
	listener->transport = transport;
	listener->handler = handler;
	listener->context = context;
	pthread_mutex_init(&listener->mutex, NULL);
	listener->grave = grave_new(transport);
	error = listener->grave != NULL ? listener_open(listener, url) : SYNOD_NO_MEMORY;
	if (error != SYNOD_OK) {
		listener_free(listener);
		return error;
	}
	listener_name(listener, &address);
	*out = &listener->base;
	pthread_mutex_lock(&listener->mutex);
	listener->acceptor_count = ACCEPTS;
	for (unsigned i = 0; i < ACCEPTS; i++)
		acceptor_go_on(&listener->acceptors[i], 0);
	pthread_mutex_unlock(&listener->mutex);
	return SYNOD_OK;
}

static const char *
tcp_listener_address(struct listener *listener)
{
	return ((struct tcp_listener *)listener)->address;
}

/* Ends the accepts or pauses, whichever go on; their callbacks do the rest. */
static void
tcp_listener_close(struct listener *base)
{
	struct tcp_listener *listener = (struct tcp_listener *)base;

	pthread_mutex_lock(&listener->mutex);
	CHECK(!listener->is_closing);
	listener->is_closing = true;
	nng_stream_listener_close(listener->socket);
	for (unsigned i = 0; i < ACCEPTS; i++)
		nng_aio_abort(listener->acceptors[i].aio, NNG_ECLOSED);
	pthread_mutex_unlock(&listener->mutex);
}

/* ---- the transport ---- */

static void
tcp_transport_free(struct transport *base)
{
	struct tcp_transport *transport = (struct tcp_transport *)base;

	if (transport == NULL)
		return;
	timers_stop(transport);
	pthread_mutex_lock(&transport->mutex);
	transport->is_stopping = true;
	pthread_cond_signal(&transport->changed);
	pthread_mutex_unlock(&transport->mutex);
	pthread_join(transport->graveyard, NULL);
	pthread_cond_destroy(&transport->changed);
	pthread_mutex_destroy(&transport->mutex);
	free(transport);
}

const struct transport_ops transport_tcp_ops = {
	.listen = tcp_listen,
	.listener_address = tcp_listener_address,
	.listener_close = tcp_listener_close,
	.dial = stream_tcp_dial,
	.start = stream_tcp_start,
	.receive = stream_tcp_receive,
	.write = stream_tcp_write,
	.flush = stream_tcp_flush,
	.pending = stream_tcp_pending,
	.close = stream_tcp_close,
	.finish = stream_tcp_finish,
	.retain = stream_tcp_retain,
	.release = stream_tcp_release,
	.peer_address = stream_tcp_peer_address,
	.timer_new = timer_tcp_new,
	.timer_set = timer_tcp_set,
	.timer_free = timer_tcp_free,
	.free = tcp_transport_free,
};

struct transport *
transport_nng_new(void)
{
	struct tcp_transport *transport = calloc(1, sizeof *transport);
	sigset_t all, before;
	int error;

	if (transport == NULL)
		return NULL;
	transport->base.ops = &transport_tcp_ops;
	if (timers_start(transport) != 0) {
		free(transport);
		return NULL;
	}
	pthread_mutex_init(&transport->mutex, NULL);
	pthread_cond_init(&transport->changed, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&transport->graveyard, NULL, graveyard_main, transport);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		timers_stop(transport);
		pthread_cond_destroy(&transport->changed);
		pthread_mutex_destroy(&transport->mutex);
		free(transport);
		return NULL;
	}
	return &transport->base;
}
