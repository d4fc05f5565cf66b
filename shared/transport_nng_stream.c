/*
 * Streams over nng: dialling, receiving, sending, closing.
 *
 * A stream has at most one operation of each sort outstanding in nng: an attempt
 * to connect, a receive, a send.  Closing closes nng's stream, which ends them
 * all; on_close is told by whoever finds that the last of them has ended
 * (settle), so nothing is called after it.
 *
 * Sending.  A send is first tried with an aio without callback, which nng does on
 * the spot when the socket has room: that saves the trip through nng's callback
 * threads and is worth 1.3 to 1.6 times the throughput with eight connections
 * and more.  If the socket is full, the try is withdrawn (after nng_aio_abort and
 * nng_aio_wait it is certain whether it happened) and the rest is sent with a
 * callback.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/address.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/transport_nng.h"

/* Buffers start small, because most connections are idle, and follow what passes through. */
#define INPUT_SIZE_MIN   1024
#define INPUT_SIZE_MAX   (256u << 10)
#define INPUT_GROWTH     4
#define OUTPUT_SIZE_KEPT 1024 /* an empty buffer up to this is never given back */
#define QUIET_MAX        64   /* receives or sends of less than a sixteenth before one shrinks */

#define NUMBERS_MAX      4  /* addresses of one name that are tried */
#define LOOKUPS_MAX      16 /* names being looked up at a time, in the process */

/* Whose turn it is with the input. */
enum turn {
	TURN_NOBODY,  /* nothing has been asked for yet, or never again */
	TURN_NNG,     /* a receive is outstanding */
	TURN_HANDLER, /* on_open or on_data is being called */
	TURN_READER,  /* the handler returned; the reader still has the bytes */
};

struct tcp_stream {
	struct stream base;
	struct tcp_transport *transport;
	atomic_uint references; /* the users', one for the time until on_close, one per callback */
	const struct stream_handler *handler;
	void *context;
	pthread_mutex_t mutex; /* for all below */
	nng_stream *pipe;      /* NULL until connected */
	char peer[ADDRESS_NUMBER_MAX];

	nng_aio *receive_aio;
	uint8_t *input;
	size_t input_capacity;
	size_t input_size;       /* what arrived last */
	unsigned quiet_receives; /* in a row */
	enum turn turn;
	uint64_t turn_number; /* counts the handler calls */

	nng_aio *try_aio;  /* without callback */
	nng_aio *send_aio; /* made when a try first fails */
	struct buffer filling;
	struct buffer sending; /* of the one who set is_sending, together with try_aio */
	size_t sent;           /* of `sending` */
	bool is_sending;
	unsigned quiet_sends; /* in a row */

	struct attempt *attempt;
	struct address_number numbers[NUMBERS_MAX]; /* where to connect */
	unsigned number_count;
	unsigned number_index; /* the next to try */
	nng_aio *deadline_aio; /* ends the dial */
	nng_aio *finish_aio;   /* ends stream_finish() */

	bool is_started;
	bool is_finishing;
	bool is_closing;
	bool is_closed; /* on_close has been or is being called */
	int error;      /* for on_close */
};

/* One attempt to connect, with a dialer of its own. */
struct attempt {
	struct tcp_stream *stream;
	nng_aio *aio;
	struct grave *grave; /* the dialer's */
};

struct lookup {
	struct tcp_stream *stream;
	struct address address;
};

static atomic_uint lookup_count;

/* ---- making and freeing ---- */

static void receive_done(void *argument);
static void send_done(void *argument);

static void
stream_free(struct tcp_stream *stream)
{
	nng_aio *aios[] = {stream->receive_aio, stream->try_aio, stream->send_aio,
	                   stream->deadline_aio, stream->finish_aio};

	for (unsigned i = 0; i < sizeof aios / sizeof aios[0]; i++)
		if (aios[i] != NULL)
			nng_aio_reap(aios[i]);
	if (stream->pipe != NULL) {
		nng_stream_close(stream->pipe);
		nng_stream_free(stream->pipe);
	}
	buffer_fini(&stream->filling);
	buffer_fini(&stream->sending);
	free(stream->input);
	pthread_mutex_destroy(&stream->mutex);
	free(stream);
}

static void
retain(struct tcp_stream *stream)
{
	atomic_fetch_add_explicit(&stream->references, 1, memory_order_relaxed);
}

static void
release(struct tcp_stream *stream)
{
	if (atomic_fetch_sub_explicit(&stream->references, 1, memory_order_acq_rel) == 1)
		stream_free(stream);
}

static struct tcp_stream *
stream_new(struct tcp_transport *transport)
{
	struct tcp_stream *stream = calloc(1, sizeof *stream);

	if (stream == NULL)
		return NULL;
	stream->base.ops = &transport_tcp_ops;
	stream->transport = transport;
	atomic_init(&stream->references, 1);
	pthread_mutex_init(&stream->mutex, NULL);
	snprintf(stream->peer, sizeof stream->peer, "?");
	if (nng_aio_alloc(&stream->receive_aio, receive_done, stream) != 0 ||
	    nng_aio_alloc(&stream->try_aio, NULL, NULL) != 0) {
		stream_free(stream);
		return NULL;
	}
	return stream;
}

static void
name_peer(struct tcp_stream *stream)
{
	nng_sockaddr address;
	char host[INET6_ADDRSTRLEN];

	if (nng_stream_get_addr(stream->pipe, NNG_OPT_REMADDR, &address) != 0)
		return;
	if (address.s_family == NNG_AF_INET &&
	    inet_ntop(AF_INET, &address.s_in.sa_addr, host, sizeof host) != NULL)
		snprintf(stream->peer, sizeof stream->peer, "%s:%u", host,
		         ntohs(address.s_in.sa_port));
	if (address.s_family == NNG_AF_INET6 &&
	    inet_ntop(AF_INET6, address.s_in6.sa_addr, host, sizeof host) != NULL)
		snprintf(stream->peer, sizeof stream->peer, "[%s]:%u", host,
		         ntohs(address.s_in6.sa_port));
}

/* ---- closing ---- */

/* Locked.  Close, for ERROR, unless that has happened. */
static void
begin_close(struct tcp_stream *stream, int error)
{
	if (stream->is_closing)
		return;
	stream->is_closing = true;
	stream->error = error;
	if (stream->pipe != NULL)
		nng_stream_close(stream->pipe);
	if (stream->attempt != NULL)
		nng_stream_dialer_close(stream->attempt->grave->dialer);
	if (stream->deadline_aio != NULL)
		nng_aio_abort(stream->deadline_aio, NNG_ECANCELED);
	if (stream->finish_aio != NULL)
		nng_aio_abort(stream->finish_aio, NNG_ECANCELED);
}

/*
 * Unlock; call on_close if the stream is closing and nothing is outstanding.
 * Unless the caller has a reference, the stream may be gone afterwards.
 */
static void
settle(struct tcp_stream *stream)
{
	bool is_end = stream->is_started && stream->is_closing && !stream->is_closed &&
	              !stream->is_sending && stream->attempt == NULL && stream->turn != TURN_NNG &&
	              stream->turn != TURN_HANDLER;
	int error = stream->error;

	if (is_end)
		stream->is_closed = true;
	pthread_mutex_unlock(&stream->mutex);
	if (!is_end)
		return;
	stream->handler->on_close(stream->context, error);
	release(stream);
}

/* ---- receiving ---- */

/* Locked, while the buffer is in nobody's hands. */
static void
fit_input(struct tcp_stream *stream)
{
	size_t capacity = stream->input_capacity;
	uint8_t *input;

	stream->quiet_receives =
		stream->input_size < capacity / 16 ? stream->quiet_receives + 1 : 0;
	if (capacity == 0 || stream->quiet_receives > QUIET_MAX)
		capacity = INPUT_SIZE_MIN;
	else if (stream->input_size == capacity && capacity < INPUT_SIZE_MAX)
		capacity *= INPUT_GROWTH;
	if (capacity == stream->input_capacity)
		return;
	input = malloc(capacity);
	if (input == NULL)
		return; /* go on with what there is */
	free(stream->input);
	stream->input = input;
	stream->input_capacity = capacity;
	stream->input_size = 0;
	stream->quiet_receives = 0;
}

/* Locked. */
static void
arm_receive(struct tcp_stream *stream)
{
	nng_iov iov;

	stream->turn = TURN_NOBODY;
	if (stream->is_closing)
		return;
	fit_input(stream);
	if (stream->input == NULL) {
		begin_close(stream, SYNOD_NO_MEMORY);
		return;
	}
	iov.iov_buf = stream->input;
	iov.iov_len = stream->input_capacity;
	nng_aio_set_iov(stream->receive_aio, 1, &iov);
	stream->turn = TURN_NNG;
	nng_stream_recv(stream->pipe, stream->receive_aio);
}

/* Locked; the turn is the handler's while it runs, then the reader's, unless it has passed on. */
static uint64_t
begin_handler(struct tcp_stream *stream)
{
	stream->turn = TURN_HANDLER;
	retain(stream);
	return ++stream->turn_number;
}

static void
end_handler(struct tcp_stream *stream, uint64_t number)
{
	pthread_mutex_lock(&stream->mutex);
	if (stream->turn == TURN_HANDLER && stream->turn_number == number)
		stream->turn = TURN_READER;
	settle(stream);
	release(stream);
}

static void
receive_done(void *argument)
{
	struct tcp_stream *stream = argument;
	struct slice bytes;
	uint64_t number;
	int result;

	pthread_mutex_lock(&stream->mutex);
	result = nng_aio_result(stream->receive_aio);
	stream->turn = TURN_NOBODY;
	if (result != 0)
		begin_close(stream, error_of_nng(result));
	if (stream->is_finishing)
		arm_receive(stream); /* what arrives is of no interest any more */
	if (stream->is_closing || stream->is_finishing) {
		settle(stream);
		return;
	}
	stream->input_size = nng_aio_count(stream->receive_aio);
	bytes = (struct slice){stream->input, stream->input_size};
	number = begin_handler(stream);
	pthread_mutex_unlock(&stream->mutex);
	stream->handler->on_data(stream->context, bytes);
	end_handler(stream, number);
}

void
stream_tcp_receive(struct stream *base)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;

	pthread_mutex_lock(&stream->mutex);
	if (stream->turn == TURN_HANDLER || stream->turn == TURN_READER)
		arm_receive(stream);
	settle(stream);
}

void
stream_tcp_start(struct stream *base, const struct stream_handler *handler, void *context)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;

	pthread_mutex_lock(&stream->mutex);
	CHECK(!stream->is_started);
	stream->handler = handler;
	stream->context = context;
	stream->is_started = true;
	retain(stream);
	arm_receive(stream);
	settle(stream);
}

/* ---- sending ---- */

static void
set_rest(struct tcp_stream *stream, nng_aio *aio)
{
	nng_iov iov = {stream->sending.bytes + stream->sent, stream->sending.size - stream->sent};

	nng_aio_set_iov(aio, 1, &iov);
}

/*
 * Send on the spot, unlocked, as much as the socket takes.  Returns nng's result
 * with *COUNT, NNG_ECANCELED if the socket is full.  Never waits for the network:
 * once the abort is through, the aio has ended.
 */
static int
try_to_send(struct tcp_stream *stream, size_t *count)
{
	set_rest(stream, stream->try_aio);
	nng_stream_send(stream->pipe, stream->try_aio);
	if (nng_aio_result(stream->try_aio) == 0 && nng_aio_count(stream->try_aio) == 0)
		nng_aio_abort(stream->try_aio, NNG_ECANCELED);
	nng_aio_wait(stream->try_aio);
	*count = nng_aio_count(stream->try_aio);
	return nng_aio_result(stream->try_aio);
}

/* Locked.  What is in `sending` has been sent. */
static void
forget_sent(struct tcp_stream *stream)
{
	if (stream->sent == 0)
		return;
	stream->quiet_sends =
		stream->sent < stream->sending.capacity / 16 ? stream->quiet_sends + 1 : 0;
	if (stream->quiet_sends > QUIET_MAX && stream->sending.capacity > OUTPUT_SIZE_KEPT)
		buffer_fini(&stream->sending);
	buffer_clear(&stream->sending);
	stream->sent = 0;
}

/* Locked.  The next bytes to send are in `sending`; false when there are none. */
static bool
take_filled(struct tcp_stream *stream)
{
	struct buffer empty;

	if (stream->sent < stream->sending.size)
		return true;
	forget_sent(stream);
	if (stream->filling.size == 0)
		return false;
	empty = stream->sending;
	stream->sending = stream->filling;
	stream->filling = empty;
	return true;
}

/* Locked.  The socket is full: nng sends the rest when there is room. */
static void
send_when_there_is_room(struct tcp_stream *stream)
{
	if (stream->send_aio == NULL && nng_aio_alloc(&stream->send_aio, send_done, stream) != 0) {
		stream->send_aio = NULL;
		stream->is_sending = false;
		begin_close(stream, SYNOD_NO_MEMORY);
		return;
	}
	set_rest(stream, stream->send_aio);
	nng_stream_send(stream->pipe, stream->send_aio);
}

/* Locked, is_sending set by the caller.  Send until nothing is left or the socket is full; settles.
 */
static void
send_all(struct tcp_stream *stream)
{
	while (!stream->is_closing && take_filled(stream)) {
		size_t count;
		int result;

		pthread_mutex_unlock(&stream->mutex);
		result = try_to_send(stream, &count);
		pthread_mutex_lock(&stream->mutex);
		if (result == 0) {
			stream->sent += count;
		} else if (result != NNG_ECANCELED) {
			begin_close(stream, error_of_nng(result));
		} else if (!stream->is_closing) {
			send_when_there_is_room(stream);
			settle(stream);
			return;
		}
	}
	stream->is_sending = false;
	settle(stream);
}

static void
send_done(void *argument)
{
	struct tcp_stream *stream = argument;
	int result;

	pthread_mutex_lock(&stream->mutex);
	result = nng_aio_result(stream->send_aio);
	if (result != 0)
		begin_close(stream, error_of_nng(result));
	else
		stream->sent += nng_aio_count(stream->send_aio);
	retain(stream); /* send_all() unlocks in between */
	send_all(stream);
	release(stream);
}

void
stream_tcp_write(struct stream *base, struct slice bytes)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;

	pthread_mutex_lock(&stream->mutex);
	if (!stream->is_closing && !stream->is_finishing) {
		size_t pending = stream->filling.size + stream->sending.size - stream->sent;

		if (bytes.size > STREAM_OUTPUT_MAX - pending)
			begin_close(stream, SYNOD_BUSY);
		else
			buffer_append(&stream->filling, bytes.bytes, bytes.size);
		if (stream->filling.failed)
			begin_close(stream, SYNOD_NO_MEMORY);
	}
	settle(stream);
}

void
stream_tcp_flush(struct stream *base)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;

	pthread_mutex_lock(&stream->mutex);
	if (stream->pipe == NULL || stream->is_sending || stream->is_closing ||
	    stream->filling.size == 0) {
		pthread_mutex_unlock(&stream->mutex);
		return;
	}
	stream->is_sending = true;
	send_all(stream);
}

size_t
stream_tcp_pending(struct stream *base)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;
	size_t pending;

	pthread_mutex_lock(&stream->mutex);
	pending = stream->filling.size + stream->sending.size - stream->sent;
	pthread_mutex_unlock(&stream->mutex);
	return pending;
}

/* ---- ending ---- */

void
stream_tcp_close(struct stream *base)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;

	pthread_mutex_lock(&stream->mutex);
	begin_close(stream, SYNOD_CLOSED);
	settle(stream);
}

static void
finish_expired(void *argument)
{
	struct tcp_stream *stream = argument;

	pthread_mutex_lock(&stream->mutex);
	begin_close(stream, SYNOD_CLOSED);
	settle(stream);
	release(stream);
}

void
stream_tcp_finish(struct stream *base)
{
	struct tcp_stream *stream = (struct tcp_stream *)base;

	pthread_mutex_lock(&stream->mutex);
	if (!stream->is_closing && !stream->is_finishing) {
		stream->is_finishing = true;
		if (stream->pipe == NULL ||
		    nng_aio_alloc(&stream->finish_aio, finish_expired, stream) != 0) {
			begin_close(stream, SYNOD_CLOSED);
		} else {
			retain(stream);
			nng_sleep_aio(STREAM_FINISH_MS, stream->finish_aio);
		}
	}
	settle(stream);
	stream_tcp_flush(base);
}

/* ---- dialling ---- */

static void attempt_done(void *argument);

/* Locked.  Connect to the next address. */
static int
attempt_start(struct tcp_stream *stream)
{
	struct attempt *attempt = calloc(1, sizeof *attempt);
	char url[ADDRESS_NUMBER_MAX + 8];

	if (attempt == NULL)
		return SYNOD_NO_MEMORY;
	snprintf(url, sizeof url, "tcp://%s", stream->numbers[stream->number_index++].text);
	attempt->stream = stream;
	attempt->grave = grave_new(stream->transport);
	if (attempt->grave == NULL || nng_aio_alloc(&attempt->aio, attempt_done, attempt) != 0 ||
	    nng_stream_dialer_alloc(&attempt->grave->dialer, url) != 0) {
		if (attempt->aio != NULL)
			nng_aio_free(attempt->aio);
		if (attempt->grave != NULL)
			grave_bury(stream->transport, attempt->grave);
		free(attempt);
		return SYNOD_NO_MEMORY;
	}
	nng_stream_dialer_set_bool(attempt->grave->dialer, NNG_OPT_TCP_NODELAY, true);
	retain(stream);
	stream->attempt = attempt;
	nng_stream_dialer_dial(attempt->grave->dialer, attempt->aio);
	return SYNOD_OK;
}

/* Locked; settles. */
static void
connected(struct tcp_stream *stream, nng_stream *pipe)
{
	uint64_t number;

	stream->pipe = pipe;
	nng_aio_abort(stream->deadline_aio, NNG_ECANCELED);
	number = begin_handler(stream);
	pthread_mutex_unlock(&stream->mutex);
	stream_tcp_flush(&stream->base);
	stream->handler->on_open(stream->context);
	end_handler(stream, number);
}

static void
attempt_done(void *argument)
{
	struct attempt *attempt = argument;
	struct tcp_stream *stream = attempt->stream;
	int result = nng_aio_result(attempt->aio);
	nng_stream *pipe = result == 0 ? nng_aio_get_output(attempt->aio, 0) : NULL;
	int error = error_of_nng(result);

	pthread_mutex_lock(&stream->mutex);
	stream->attempt = NULL;
	if (pipe != NULL && stream->is_closing) {
		nng_stream_close(pipe);
		nng_stream_free(pipe);
		pipe = NULL;
	}
	if (pipe == NULL && !stream->is_closing && stream->number_index < stream->number_count)
		error = attempt_start(stream);
	if (pipe == NULL && error != SYNOD_OK)
		begin_close(stream, error);
	nng_aio_reap(attempt->aio);
	grave_bury(stream->transport, attempt->grave);
	free(attempt);
	if (pipe != NULL)
		connected(stream, pipe);
	else
		settle(stream);
	release(stream);
}

static void
deadline_expired(void *argument)
{
	struct tcp_stream *stream = argument;

	pthread_mutex_lock(&stream->mutex);
	if (stream->pipe == NULL)
		begin_close(stream, SYNOD_TIMEOUT);
	settle(stream);
	release(stream);
}

/* Locked.  ERROR is the outcome of turning the address into numbers. */
static void
dial_numbers(struct tcp_stream *stream, int error)
{
	if (!stream->is_closing && error == SYNOD_OK)
		error = attempt_start(stream);
	if (error != SYNOD_OK)
		begin_close(stream, error);
}

static void *
lookup_main(void *argument)
{
	struct lookup *lookup = argument;
	struct tcp_stream *stream = lookup->stream;
	struct address_number numbers[NUMBERS_MAX];
	unsigned count;
	int error = address_resolve(&lookup->address, numbers, NUMBERS_MAX, &count);

	pthread_mutex_lock(&stream->mutex);
	memcpy(stream->numbers, numbers, count * sizeof numbers[0]);
	stream->number_count = count;
	dial_numbers(stream, error);
	settle(stream);
	release(stream);
	free(lookup);
	atomic_fetch_sub(&lookup_count, 1);
	return NULL;
}

/* Locked.  A thread asks the system, which may take as long as it likes; the deadline still holds.
 */
static int
start_lookup(struct tcp_stream *stream, const struct address *address)
{
	struct lookup *lookup = malloc(sizeof *lookup);
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	int error;

	if (lookup == NULL)
		return SYNOD_NO_MEMORY;
	if (atomic_fetch_add(&lookup_count, 1) >= LOOKUPS_MAX) {
		atomic_fetch_sub(&lookup_count, 1);
		free(lookup);
		return SYNOD_BUSY;
	}
	lookup->stream = stream;
	lookup->address = *address;
	retain(stream);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, lookup_main, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error == 0)
		return SYNOD_OK;
	atomic_fetch_sub(&lookup_count, 1);
	free(lookup);
	release(stream);
	return SYNOD_IO;
}

int
stream_tcp_dial(struct transport *transport, const char *text, unsigned timeout_ms,
                const struct stream_handler *handler, void *context, struct stream **out)
{
	struct tcp_stream *stream;
	struct address address;
	int error = address_parse(text, &address);

	if (error == SYNOD_OK && atoi(address.port) == 0)
		error = SYNOD_BAD_ARGUMENT;
	if (error != SYNOD_OK)
		return error;
	stream = stream_new((struct tcp_transport *)transport);
	if (stream == NULL || nng_aio_alloc(&stream->deadline_aio, deadline_expired, stream) != 0) {
		if (stream != NULL)
			release(stream);
		return SYNOD_NO_MEMORY;
	}
	snprintf(stream->peer, sizeof stream->peer, "%s", text);
	stream->handler = handler;
	stream->context = context;
	stream->is_started = true;
	*out = &stream->base;

	pthread_mutex_lock(&stream->mutex);
	retain(stream); /* until on_close */
	retain(stream); /* of the deadline */
	nng_sleep_aio((nng_duration)timeout_ms, stream->deadline_aio);
	if (address.is_number) {
		error = address_resolve(&address, stream->numbers, NUMBERS_MAX,
		                        &stream->number_count);
		dial_numbers(stream, error);
	} else {
		error = start_lookup(stream, &address);
		if (error != SYNOD_OK)
			begin_close(stream, error);
	}
	settle(stream);
	return SYNOD_OK;
}

struct stream *
stream_tcp_accepted(struct tcp_transport *transport, nng_stream *pipe)
{
	struct tcp_stream *stream = stream_new(transport);

	if (stream == NULL) {
		nng_stream_close(pipe);
		nng_stream_free(pipe);
		return NULL;
	}
	stream->pipe = pipe;
	name_peer(stream);
	return &stream->base;
}

/* ---- references, names ---- */

void
stream_tcp_retain(struct stream *stream)
{
	retain((struct tcp_stream *)stream);
}

void
stream_tcp_release(struct stream *stream)
{
	release((struct tcp_stream *)stream);
}

void
stream_tcp_peer_address(struct stream *base, char *text, size_t size)
{
	snprintf(text, size, "%s", ((struct tcp_stream *)base)->peer);
}
