/* Streams, listeners and timers on a real network: loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shared/address.h"
#include "shared/error.h"
#include "shared/transport.h"

#define DEADLINE_MS 20000

static struct transport *transport;

/* ---- waiting ---- */

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define wait_until(condition)                                                                      \
	do {                                                                                       \
		uint64_t since_ms = now_ms();                                                      \
		while (!(condition) && now_ms() - since_ms < DEADLINE_MS)                          \
			usleep(200);                                                               \
		assert_true(condition);                                                            \
	} while (0)

/* ---- ends: what the handlers of one stream saw ---- */

struct end {
	struct stream *stream;
	atomic_uint open_count;
	atomic_uint close_count;
	atomic_int error;
	atomic_size_t size; /* bytes that arrived */
	atomic_uint wrong;  /* bytes out of the pattern, and calls after on_close */
	bool echoes;
	bool holds; /* never gives the bytes back */
};

static uint8_t
pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

static void
end_on_open(void *context)
{
	struct end *end = context;

	atomic_fetch_add(&end->open_count, 1);
	stream_receive(end->stream);
}

static void
end_on_data(void *context, struct slice bytes)
{
	struct end *end = context;
	size_t at = atomic_load(&end->size);

	if (atomic_load(&end->close_count) > 0)
		atomic_fetch_add(&end->wrong, 1);
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.bytes[i] != pattern(at + i))
			atomic_fetch_add(&end->wrong, 1);
	if (end->echoes) {
		stream_write(end->stream, bytes);
		stream_flush(end->stream);
	}
	if (end->holds) {
		atomic_fetch_add(&end->size, bytes.size);
		return;
	}
	atomic_fetch_add(&end->size, bytes.size);
	stream_receive(end->stream);
}

static void
end_on_close(void *context, int error)
{
	struct end *end = context;

	atomic_store(&end->error, error);
	atomic_fetch_add(&end->close_count, 1);
}

static const struct stream_handler end_handler = {end_on_open, end_on_data, end_on_close};

static void
write_pattern(struct stream *stream, size_t from, size_t size)
{
	uint8_t *bytes = malloc(size);

	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(from + i);
	stream_write(stream, (struct slice){bytes, size});
	stream_flush(stream);
	free(bytes);
}

/* ---- a listener that keeps what it accepts ---- */

#define ACCEPTED_MAX 4096

struct door {
	struct listener *listener;
	pthread_mutex_t mutex;
	struct end ends[ACCEPTED_MAX];
	atomic_uint count;
	atomic_uint close_count;
	bool echoes;
	bool holds;
};

static struct door door;

static void
door_on_accept(void *context, struct stream *stream)
{
	struct door *d = context;
	struct end *end;

	pthread_mutex_lock(&d->mutex);
	end = &d->ends[atomic_load(&d->count)];
	end->stream = stream;
	end->echoes = d->echoes;
	end->holds = d->holds;
	stream_start(stream, &end_handler, end);
	atomic_fetch_add(&d->count, 1);
	pthread_mutex_unlock(&d->mutex);
}

static void
door_on_close(void *context)
{
	struct door *d = context;

	atomic_fetch_add(&d->close_count, 1);
}

static const struct listener_handler door_handler = {door_on_accept, door_on_close};

static const char *
door_open(const char *address)
{
	memset(&door, 0, sizeof door);
	pthread_mutex_init(&door.mutex, NULL);
	assert_int_equal(SYNOD_OK, transport->ops->listen(transport, address, &door_handler, &door,
	                                                  &door.listener));
	return transport->ops->listener_address(door.listener);
}

static void
door_shut(void)
{
	transport->ops->listener_close(door.listener);
	wait_until(atomic_load(&door.close_count) == 1);
	for (unsigned i = 0; i < atomic_load(&door.count); i++) {
		stream_close(door.ends[i].stream);
		wait_until(atomic_load(&door.ends[i].close_count) == 1);
		assert_int_equal(0, atomic_load(&door.ends[i].wrong));
		stream_release(door.ends[i].stream);
	}
}

static void
dial(struct end *end, const char *address)
{
	assert_int_equal(SYNOD_OK, transport->ops->dial(transport, address, 5000, &end_handler, end,
	                                                &end->stream));
}

static void
end_finally(struct end *end)
{
	wait_until(atomic_load(&end->close_count) == 1);
	assert_int_equal(0, atomic_load(&end->wrong));
	stream_release(end->stream);
}

/* A plain socket connected to the door. */
static int
raw_connect_begin(int fd, const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static void
raw_connect(int fd, const char *address)
{
	assert_int_equal(0, raw_connect_begin(fd, address));
}

static int
raw_dial(const char *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	raw_connect(fd, address);
	return fd;
}

/* ---- tests ---- */

static void
carry_bytes_both_ways(const char *listen_address)
{
	struct end end = {0};
	char peer[ADDRESS_NUMBER_MAX];
	const char *address = door_open(listen_address);

	door.echoes = true;
	dial(&end, address);
	write_pattern(end.stream, 0, 1000);
	wait_until(atomic_load(&end.size) == 1000);
	assert_int_equal(1, atomic_load(&end.open_count));
	assert_int_equal(0, atomic_load(&door.ends[0].open_count));
	door.ends[0].stream->ops->peer_address(door.ends[0].stream, peer, sizeof peer);
	assert_int_equal(listen_address[0], peer[0]);
	stream_close(end.stream);
	end_finally(&end);
	assert_int_equal(SYNOD_CLOSED, atomic_load(&end.error));
	wait_until(atomic_load(&door.ends[0].close_count) == 1);
	assert_int_equal(SYNOD_CLOSED, atomic_load(&door.ends[0].error));
	door_shut();
}

static void
carries_bytes_both_ways(void **state)
{
	(void)state;
	carry_bytes_both_ways("127.0.0.1:0");
}

static void
carries_bytes_over_ipv6(void **state)
{
	struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof local) == 0;

	(void)state;
	close(fd);
	if (!has_ipv6)
		skip();
	carry_bytes_both_ways("[::1]:0");
}

static void
dials_a_host_by_name(void **state)
{
	struct end end = {0};
	char address[64];

	(void)state;
	snprintf(address, sizeof address, "localhost:%s",
	         strrchr(door_open("127.0.0.1:0"), ':') + 1);
	door.echoes = true;
	dial(&end, address);
	write_pattern(end.stream, 0, 10);
	wait_until(atomic_load(&end.size) == 10);
	stream_close(end.stream);
	end_finally(&end);
	door_shut();
}

static void
refuses_addresses_that_make_no_sense(void **state)
{
	static const char *const bad[] = {"",       "127.0.0.1",  "127.0.0.1:", "127.0.0.1:x",
	                                  ":80",    "::1:80",     "[::1:80",    "[::1]80",
	                                  "[x]:80", "a b:80",     "h:65536",    "h:999999",
	                                  "h:-1",   "tcp://h:80", "[]:80",      "h:1 "};
	struct listener *listener;
	struct stream *stream;

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(
			SYNOD_BAD_ARGUMENT,
			transport->ops->listen(transport, bad[i], &door_handler, &door, &listener));
		assert_int_equal(
			SYNOD_BAD_ARGUMENT,
			transport->ops->dial(transport, bad[i], 100, &end_handler, NULL, &stream));
	}
	assert_int_equal(SYNOD_BAD_ARGUMENT, transport->ops->dial(transport, "127.0.0.1:0", 100,
	                                                          &end_handler, NULL, &stream));
}

static void
says_when_an_address_is_in_use(void **state)
{
	struct listener *second;
	const char *address = door_open("127.0.0.1:0");

	(void)state;
	assert_int_equal(SYNOD_IN_USE,
	                 transport->ops->listen(transport, address, &door_handler, &door, &second));
	door_shut();
}

static void
frees_its_port_when_it_stops_to_listen(void **state)
{
	char address[64];

	(void)state;
	snprintf(address, sizeof address, "%s", door_open("127.0.0.1:0"));
	assert_string_not_equal("127.0.0.1:0", address);
	door_shut();
	assert_string_equal(address, door_open(address));
	door_shut();
}

static void
a_dial_that_is_refused_closes_without_having_opened(void **state)
{
	struct end end = {0};
	char address[64];

	(void)state;
	snprintf(address, sizeof address, "%s", door_open("127.0.0.1:0"));
	door_shut();
	dial(&end, address);
	end_finally(&end);
	assert_int_equal(0, atomic_load(&end.open_count));
	assert_int_equal(SYNOD_IO, atomic_load(&end.error));
}

static void
a_dial_to_nowhere_ends_at_its_deadline(void **state)
{
	enum {
		DIALS = 8
	};
	struct sockaddr_in local = {.sin_family = AF_INET};
	struct end ends[DIALS] = {0};
	socklen_t size = sizeof local;
	char address[64];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned late_count = 0;

	(void)state;
	/* A listener that never accepts: with its queue full, the system drops what comes. */
	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(0, bind(fd, (struct sockaddr *)&local, sizeof local));
	assert_int_equal(0, listen(fd, 0));
	assert_int_equal(0, getsockname(fd, (struct sockaddr *)&local, &size));
	snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(local.sin_port));
	for (unsigned i = 0; i < DIALS; i++)
		assert_int_equal(SYNOD_OK,
		                 transport->ops->dial(transport, address, 300, &end_handler,
		                                      &ends[i], &ends[i].stream));
	for (unsigned i = 0; i < DIALS; i++)
		wait_until(atomic_load(&ends[i].open_count) + atomic_load(&ends[i].close_count) >
		           0);
	/* Which ones found room in the queue is not in the order of the dials. */
	for (unsigned i = 0; i < DIALS; i++) {
		if (atomic_load(&ends[i].open_count) != 0)
			continue;
		assert_int_equal(SYNOD_TIMEOUT, atomic_load(&ends[i].error));
		late_count++;
	}
	assert_true(late_count > 0);
	for (unsigned i = 0; i < DIALS; i++) {
		stream_close(ends[i].stream);
		end_finally(&ends[i]);
	}
	close(fd);
}

static void
a_dial_of_an_unknown_name_fails_within_its_deadline(void **state)
{
	struct end end = {0};
	uint64_t begin_ms = now_ms();

	(void)state;
	assert_int_equal(SYNOD_OK, transport->ops->dial(transport, "no-such-host.invalid:1", 300,
	                                                &end_handler, &end, &end.stream));
	end_finally(&end);
	assert_true(now_ms() - begin_ms < DEADLINE_MS / 2);
	assert_int_equal(0, atomic_load(&end.open_count));
	assert_true(atomic_load(&end.error) == SYNOD_IO ||
	            atomic_load(&end.error) == SYNOD_TIMEOUT);
}

static void
a_dial_can_be_closed_while_it_goes_on(void **state)
{
	const char *address = door_open("127.0.0.1:0");

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct end end = {0};

		dial(&end, address);
		if (i % 3 == 1)
			sched_yield();
		if (i % 3 == 2)
			usleep(i);
		stream_close(end.stream);
		end_finally(&end);
		assert_int_equal(SYNOD_CLOSED, atomic_load(&end.error));
	}
	door_shut();
}

static void
large_amounts_arrive_whole_and_in_order(void **state)
{
	size_t total = 24u << 20;
	struct end end = {0};
	const char *address = door_open("127.0.0.1:0");

	(void)state;
	door.echoes = true;
	dial(&end, address);
	for (size_t at = 0; at < total; at += 1u << 20) {
		write_pattern(end.stream, at, 1u << 20);
		wait_until(end.stream->ops->pending(end.stream) < 8u << 20);
	}
	wait_until(atomic_load(&end.size) == total);
	assert_int_equal(0, end.stream->ops->pending(end.stream));
	assert_int_equal(0, atomic_load(&end.wrong));
	stream_close(end.stream);
	end_finally(&end);
	door_shut();
}

static void
a_peer_that_does_not_read_is_closed_at_the_bound(void **state)
{
	struct end end = {0};
	const char *address = door_open("127.0.0.1:0");

	(void)state;
	door.holds = true;
	dial(&end, address);
	wait_until(atomic_load(&end.open_count) == 1);
	for (unsigned i = 0; i < 100 && atomic_load(&end.close_count) == 0; i++)
		write_pattern(end.stream, i * (size_t)(1u << 20), 1u << 20);
	end_finally(&end);
	assert_int_equal(SYNOD_BUSY, atomic_load(&end.error));
	door_shut();
}

static void
a_slow_reader_pushes_back_and_loses_nothing(void **state)
{
	size_t total = 16u << 20;
	struct end end = {0};
	const char *address = door_open("127.0.0.1:0");
	size_t held;

	(void)state;
	door.holds = true;
	dial(&end, address);
	write_pattern(end.stream, 0, total);
	wait_until(atomic_load(&door.count) == 1 && atomic_load(&door.ends[0].size) > 0);
	held = atomic_load(&door.ends[0].size);
	assert_true(end.stream->ops->pending(end.stream) > 0);
	assert_int_equal(held, atomic_load(&door.ends[0].size));
	while (atomic_load(&door.ends[0].size) < total) {
		stream_receive(door.ends[0].stream);
		wait_until(atomic_load(&door.ends[0].size) > held);
		held = atomic_load(&door.ends[0].size);
	}
	stream_close(end.stream);
	end_finally(&end);
	door_shut();
}

static void
on_close_waits_for_bytes_in_nobodys_hands_only(void **state)
{
	struct end end = {0};
	const char *address = door_open("127.0.0.1:0");

	(void)state;
	door.holds = true;
	dial(&end, address);
	write_pattern(end.stream, 0, 10);
	wait_until(atomic_load(&door.count) == 1 && atomic_load(&door.ends[0].size) == 10);
	stream_close(door.ends[0].stream);
	wait_until(atomic_load(&door.ends[0].close_count) == 1);
	stream_receive(door.ends[0].stream); /* giving back late is harmless */
	end_finally(&end);
	door_shut();
	assert_int_equal(1, atomic_load(&door.ends[0].close_count));
}

static void
last_words_arrive_although_input_was_not_read(void **state)
{
	const char *address = door_open("127.0.0.1:0");
	char garbage[100000], words[16];
	size_t size = 0;
	ssize_t got;
	int fd;

	(void)state;
	door.holds = true;
	fd = raw_dial(address);
	memset(garbage, 'x', sizeof garbage);
	assert_int_equal(sizeof garbage, send(fd, garbage, sizeof garbage, 0));
	wait_until(atomic_load(&door.count) == 1 && atomic_load(&door.ends[0].size) > 0);
	atomic_store(&door.ends[0].wrong, 0); /* garbage follows no pattern */
	stream_write(door.ends[0].stream, slice_of("farewell"));
	stream_finish(door.ends[0].stream);
	stream_write(door.ends[0].stream, slice_of("too late"));
	stream_flush(door.ends[0].stream);
	stream_receive(door.ends[0].stream);
	while (size < 8 && (got = recv(fd, words + size, sizeof words - size, 0)) > 0)
		size += (size_t)got;
	assert_int_equal(8, size);
	assert_memory_equal("farewell", words, 8);
	close(fd);
	wait_until(atomic_load(&door.ends[0].close_count) == 1);
	door_shut();
}

static void
finishing_ends_even_if_the_peer_never_closes(void **state)
{
	const char *address = door_open("127.0.0.1:0");
	char byte;
	int fd = raw_dial(address);

	(void)state;
	wait_until(atomic_load(&door.count) == 1);
	stream_finish(door.ends[0].stream);
	wait_until(atomic_load(&door.ends[0].close_count) == 1);
	assert_int_equal(SYNOD_CLOSED, atomic_load(&door.ends[0].error));
	assert_int_equal(0, recv(fd, &byte, 1, 0));
	close(fd);
	door_shut();
}

static void
turn_away(void *context, struct stream *stream)
{
	(void)context;
	stream_release(stream);
}

static void
count_close(void *context)
{
	atomic_fetch_add((atomic_uint *)context, 1);
}

static void
an_accepted_stream_can_be_turned_away(void **state)
{
	static const struct listener_handler turn_away_handler = {turn_away, count_close};
	struct listener *listener;
	struct end end = {0};
	atomic_uint closed = 0;

	(void)state;
	assert_int_equal(SYNOD_OK, transport->ops->listen(transport, "127.0.0.1:0",
	                                                  &turn_away_handler, &closed, &listener));
	dial(&end, transport->ops->listener_address(listener));
	end_finally(&end);
	transport->ops->listener_close(listener);
	wait_until(atomic_load(&closed) == 1);
}

/* The first test of all: the sockets of others, closed late, would leave descriptors to accept
 * with.
 */
static void
goes_on_accepting_after_descriptors_ran_out(void **state)
{
	const char *address = door_open("127.0.0.1:0");
	struct rlimit before, none;
	unsigned accepted;
	int fds[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
	none = before;
	none.rlim_cur = (rlim_t)fds[2] + 1;
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
	for (unsigned i = 0; i < 3; i++)
		raw_connect(fds[i], address);
	usleep(120000); /* two pauses or so: nothing can be accepted meanwhile */
	accepted = atomic_load(&door.count);
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
	assert_int_equal(0, accepted);
	wait_until(atomic_load(&door.count) == 3);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
	door_shut();
}

/* Far more than are accepted at a time, while nobody accepts: the system keeps them for us. */
static void
many_connections_wait_until_they_are_accepted(void **state)
{
	enum {
		CONNECTIONS = 500
	};
	const char *address = door_open("127.0.0.1:0");
	int fds[CONNECTIONS];

	(void)state;
	pthread_mutex_lock(&door.mutex);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		raw_connect_begin(fds[i], address);
	}
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct pollfd connected = {.fd = fds[i], .events = POLLOUT};

		assert_int_equal(1, poll(&connected, 1, DEADLINE_MS));
		assert_int_equal(POLLOUT, connected.revents);
	}
	pthread_mutex_unlock(&door.mutex);
	wait_until(atomic_load(&door.count) == CONNECTIONS);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
	door_shut();
}

/* ---- timers ---- */

struct alarm_clock {
	atomic_uint count;
	atomic_uint_fast64_t fired_ms;
};

static void
ring(void *context)
{
	struct alarm_clock *a = context;

	atomic_store(&a->fired_ms, now_ms());
	atomic_fetch_add(&a->count, 1);
}

static void
a_timer_fires_once_when_it_is_due(void **state)
{
	struct alarm_clock a = {0};
	struct timer *timer = transport->ops->timer_new(transport, ring, &a);
	uint64_t begin_ms = now_ms();

	(void)state;
	transport->ops->timer_set(timer, 50);
	wait_until(atomic_load(&a.count) == 1);
	assert_true(atomic_load(&a.fired_ms) - begin_ms >= 49);
	transport->ops->timer_set(timer, 0);
	wait_until(atomic_load(&a.count) == 2);
	transport->ops->timer_free(timer);
	assert_int_equal(2, atomic_load(&a.count));
}

static void
a_timer_can_be_moved_both_ways(void **state)
{
	struct alarm_clock a = {0};
	struct timer *timer = transport->ops->timer_new(transport, ring, &a);
	uint64_t begin_ms = now_ms();

	(void)state;
	transport->ops->timer_set(timer, 3600000);
	transport->ops->timer_set(timer, 20);
	wait_until(atomic_load(&a.count) == 1);
	begin_ms = now_ms();
	transport->ops->timer_set(timer, 10);
	transport->ops->timer_set(timer, 200);
	wait_until(atomic_load(&a.count) == 2);
	assert_true(atomic_load(&a.fired_ms) - begin_ms >= 199);
	transport->ops->timer_set(timer, 3600000);
	transport->ops->timer_free(timer);
	assert_int_equal(2, atomic_load(&a.count));
}

/* ---- stress ---- */

#define STRESS_THREADS 4
#define STRESS_ROUNDS  60
#define STRESS_STREAMS 5

struct stress {
	pthread_t thread;
	unsigned seed;
	const char *address;
	unsigned failures;
};

static void
stress_round(struct stress *stress)
{
	struct end ends[STRESS_STREAMS] = {0};
	uint64_t begin_ms = now_ms();

	for (unsigned i = 0; i < STRESS_STREAMS; i++)
		if (transport->ops->dial(transport, stress->address, 10000, &end_handler, &ends[i],
		                         &ends[i].stream) != SYNOD_OK)
			stress->failures++;
	for (unsigned i = 0; i < 20; i++) {
		struct end *end = &ends[rand_r(&stress->seed) % STRESS_STREAMS];

		switch (rand_r(&stress->seed) % 4) {
		case 0: stream_flush(end->stream); break;
		case 1: usleep((useconds_t)rand_r(&stress->seed) % 300); break;
		default: stream_write(end->stream, (struct slice){(const uint8_t *)"", 0}); break;
		}
	}
	for (unsigned i = 0; i < STRESS_STREAMS; i++) {
		write_pattern(ends[i].stream, 0, 1 + (size_t)rand_r(&stress->seed) % 100000);
		if (rand_r(&stress->seed) % 2)
			usleep((useconds_t)rand_r(&stress->seed) % 2000);
		if (rand_r(&stress->seed) % 3 == 0)
			stream_finish(ends[i].stream);
		if (rand_r(&stress->seed) % 4 == 0)
			stream_retain(ends[i].stream), stream_release(ends[i].stream);
		stream_close(ends[i].stream);
		stream_flush(ends[i].stream);
	}
	for (unsigned i = 0; i < STRESS_STREAMS; i++) {
		while (atomic_load(&ends[i].close_count) == 0 && now_ms() - begin_ms < DEADLINE_MS)
			usleep(100);
		if (atomic_load(&ends[i].close_count) != 1 || atomic_load(&ends[i].wrong) != 0)
			stress->failures++;
		stream_release(ends[i].stream);
	}
}

static void *
stress_main(void *argument)
{
	struct stress *stress = argument;

	for (unsigned round = 0; round < STRESS_ROUNDS; round++)
		stress_round(stress);
	return NULL;
}

/* Closes streams of the door at random while data flows. */
static void *
disturb_main(void *argument)
{
	unsigned seed = 7;

	while (!atomic_load((atomic_bool *)argument)) {
		unsigned count = atomic_load(&door.count);

		if (count > 0)
			stream_close(door.ends[(unsigned)rand_r(&seed) % count].stream);
		usleep(500);
	}
	return NULL;
}

static void
streams_opened_and_closed_at_random_end_exactly_once(void **state)
{
	struct stress stresses[STRESS_THREADS] = {0};
	const char *address = door_open("127.0.0.1:0");
	pthread_t disturber;
	atomic_bool is_over = false;

	(void)state;
	door.echoes = true;
	pthread_create(&disturber, NULL, disturb_main, &is_over);
	for (unsigned i = 0; i < STRESS_THREADS; i++) {
		stresses[i].seed = i + 1;
		stresses[i].address = address;
		pthread_create(&stresses[i].thread, NULL, stress_main, &stresses[i]);
	}
	for (unsigned i = 0; i < STRESS_THREADS; i++) {
		pthread_join(stresses[i].thread, NULL);
		assert_int_equal(0, stresses[i].failures);
	}
	atomic_store(&is_over, true);
	pthread_join(disturber, NULL);
	door_shut();
}

static int
make_transport(void **state)
{
	(void)state;
	transport = transport_nng_new();
	return transport == NULL;
}

static int
free_transport(void **state)
{
	(void)state;
	transport->ops->free(transport);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_accepting_after_descriptors_ran_out),
		cmocka_unit_test(carries_bytes_both_ways),
		cmocka_unit_test(carries_bytes_over_ipv6),
		cmocka_unit_test(dials_a_host_by_name),
		cmocka_unit_test(refuses_addresses_that_make_no_sense),
		cmocka_unit_test(says_when_an_address_is_in_use),
		cmocka_unit_test(frees_its_port_when_it_stops_to_listen),
		cmocka_unit_test(a_dial_that_is_refused_closes_without_having_opened),
		cmocka_unit_test(a_dial_to_nowhere_ends_at_its_deadline),
		cmocka_unit_test(a_dial_of_an_unknown_name_fails_within_its_deadline),
		cmocka_unit_test(a_dial_can_be_closed_while_it_goes_on),
		cmocka_unit_test(large_amounts_arrive_whole_and_in_order),
		cmocka_unit_test(a_peer_that_does_not_read_is_closed_at_the_bound),
		cmocka_unit_test(a_slow_reader_pushes_back_and_loses_nothing),
		cmocka_unit_test(on_close_waits_for_bytes_in_nobodys_hands_only),
		cmocka_unit_test(last_words_arrive_although_input_was_not_read),
		cmocka_unit_test(finishing_ends_even_if_the_peer_never_closes),
		cmocka_unit_test(an_accepted_stream_can_be_turned_away),
		cmocka_unit_test(many_connections_wait_until_they_are_accepted),
		cmocka_unit_test(a_timer_fires_once_when_it_is_due),
		cmocka_unit_test(a_timer_can_be_moved_both_ways),
		cmocka_unit_test(streams_opened_and_closed_at_random_end_exactly_once),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, make_transport, free_transport);
}
