/* Hostile bytes on both ports: the connection ends, the member does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/frame.h"
#include "shared/protocol.h"
#include "tests/support/ensemble.h"

static struct ensemble ensemble;

static int
start(void **state)
{
	(void)state;
	ensemble_init(&ensemble, 3);
	assert_true(ensemble_start_all(&ensemble));
	assert_true(ensemble_leader(&ensemble, 30000) >= 0);
	return 0;
}

static int
stop(void **state)
{
	ensemble_fini(&ensemble);
	return ensemble_teardown(state);
}

/* ---- helpers ---- */

static int
dial(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* A member that does not take any more is an answer too, as long as it does not last. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	address.sin_port = htons((uint16_t)atoi(strrchr(text, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void
send_bytes(int fd, struct slice bytes)
{
	while (bytes.size > 0) {
		ssize_t sent = send(fd, bytes.bytes, bytes.size, MSG_NOSIGNAL);

		if (sent <= 0)
			return; /* closed already: that is an answer too */
		bytes.bytes += sent;
		bytes.size -= (size_t)sent;
	}
}

/* Everything until the other end closes, or nothing came for LIMIT_MS; true if it was closed. */
static bool
read_until_closed(int fd, struct buffer *answer, int limit_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	while (poll(&poll_fd, 1, limit_ms) > 0) {
		uint8_t *room = buffer_reserve(answer, 4096);
		ssize_t count = recv(fd, room, 4096, 0);

		if (count <= 0)
			return true;
		answer->size += (size_t)count;
	}
	return false;
}

static void
assert_member_serves(void)
{
	struct synod *synod = ensemble_open(&ensemble);

	for (unsigned i = 0; i < ensemble.size; i++) {
		struct synod *one = ensemble_open_one(&ensemble, i);

		assert_int_equal(synod_get(one, "/", NULL, NULL), SYNOD_OK);
		synod_close(one);
	}
	assert_int_equal(synod_put(synod, "/alive", "x", 1, NULL, NULL), SYNOD_OK);
	synod_close(synod);
}

/* Send BYTES to both ports of a member; it must close each connection, and go on. */
static void
assert_closed(struct slice bytes)
{
	const char *ports[] = {ensemble.members[0].client, ensemble.members[0].peer};

	for (unsigned i = 0; i < 2; i++) {
		struct buffer answer = BUFFER_EMPTY;
		int fd = dial(ports[i]);

		send_bytes(fd, bytes);
		assert_true(read_until_closed(fd, &answer, 30000));
		close(fd);
		buffer_fini(&answer);
	}
	assert_member_serves();
}

static void
append_hello(struct buffer *out, uint32_t version, enum hello_role role)
{
	struct hello hello = {.version_min = version,
	                      .version_max = version,
	                      .role = (uint8_t)role,
	                      .name = slice_of("test"),
	                      .software = slice_of("test")};
	size_t begin = frame_begin(out, FRAME_HELLO);

	hello_encode(out, &hello);
	frame_end(out, begin);
}

static void
append_frame(struct buffer *out, uint8_t type, struct slice body)
{
	size_t begin = frame_begin(out, type);

	pack_raw(out, body);
	frame_end(out, begin);
}

/* The error of the first REFUSED frame in ANSWER, or -1. */
static int
refusal(struct slice answer)
{
	struct frame frame;
	size_t used;

	while (frame_parse(answer, FRAME_CLIENT_MAX, &frame, &used) == SYNOD_OK) {
		struct cursor cursor;

		if (frame.type == FRAME_REFUSED) {
			cursor_init(&cursor, frame.body);
			cursor_array(&cursor);
			return (int)cursor_u64(&cursor);
		}
		answer.bytes += used;
		answer.size -= used;
	}
	return -1;
}

static int
refusal_of(const char *port, struct slice bytes)
{
	struct buffer answer = BUFFER_EMPTY;
	int fd = dial(port), error;

	send_bytes(fd, bytes);
	assert_true(read_until_closed(fd, &answer, 30000));
	error = refusal(buffer_slice(&answer));
	close(fd);
	buffer_fini(&answer);
	return error;
}

/* ---- tests ---- */

static void
random_bytes_end_the_connection(void **state)
{
	uint8_t bytes[4096];

	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(rand() >> 8);
		assert_closed((struct slice){bytes, sizeof bytes});
	}
}

static void
a_frame_that_announces_gigabytes_is_refused(void **state)
{
	uint8_t bytes[16] = {0xff, 0xff, 0xff, 0xff, 0x53, 0x59, FRAME_VERSION, FRAME_HELLO};

	(void)state;
	assert_closed((struct slice){bytes, sizeof bytes});
}

static void
a_hello_with_a_wrong_checksum_is_refused(void **state)
{
	struct buffer bytes = BUFFER_EMPTY;

	(void)state;
	append_hello(&bytes, PROTOCOL_VERSION_MAX, HELLO_CLIENT);
	bytes.bytes[bytes.size - 1] ^= 1;
	assert_closed(buffer_slice(&bytes));
	buffer_fini(&bytes);
}

static void
bodies_that_ask_for_gigabytes_or_nest_deeply_are_refused(void **state)
{
	static const uint8_t huge_array[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t huge_binary[] = {0xc6, 0xff, 0xff, 0xff, 0xff};
	uint8_t nested[200];
	const struct slice bodies[] = {{huge_array, sizeof huge_array},
	                               {huge_binary, sizeof huge_binary},
	                               {nested, sizeof nested}};

	(void)state;
	memset(nested, 0x91, sizeof nested);
	for (unsigned i = 0; i < 3; i++) {
		struct buffer bytes = BUFFER_EMPTY;

		append_hello(&bytes, PROTOCOL_VERSION_MAX, HELLO_CLIENT);
		append_frame(&bytes, FRAME_REQUEST, bodies[i]);
		assert_int_not_equal(refusal_of(ensemble.members[0].client, buffer_slice(&bytes)),
		                     -1);
		buffer_clear(&bytes);
		append_frame(&bytes, FRAME_PAXOS, bodies[i]);
		assert_closed(buffer_slice(&bytes));
		buffer_fini(&bytes);
	}
}

static void
a_client_of_an_unknown_version_is_told_so(void **state)
{
	struct buffer bytes = BUFFER_EMPTY;

	(void)state;
	append_hello(&bytes, PROTOCOL_VERSION_MAX + 7, HELLO_CLIENT);
	assert_int_equal(refusal_of(ensemble.members[0].client, buffer_slice(&bytes)),
	                 SYNOD_WRONG_PROTOCOL);
	buffer_fini(&bytes);
}

static void
a_client_on_the_members_port_is_refused(void **state)
{
	struct buffer bytes = BUFFER_EMPTY;

	(void)state;
	append_hello(&bytes, PROTOCOL_VERSION_MAX, HELLO_CLIENT);
	assert_int_not_equal(refusal_of(ensemble.members[0].peer, buffer_slice(&bytes)), -1);
	buffer_fini(&bytes);
}

static void
a_request_before_hello_is_refused(void **state)
{
	static const uint8_t request[] = {0x95, 1, OP_GET, 0, 0, 0x90};
	struct buffer bytes = BUFFER_EMPTY;

	(void)state;
	append_frame(&bytes, FRAME_REQUEST, (struct slice){request, sizeof request});
	assert_closed(buffer_slice(&bytes));
	buffer_fini(&bytes);
}

static void
connections_that_close_at_once_or_stay_silent_do_no_harm(void **state)
{
	int silent[50];

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		silent[i] = dial(i % 2 ? ensemble.members[0].client : ensemble.members[0].peer);
	for (unsigned i = 0; i < 200; i++) {
		struct linger linger = {.l_onoff = 1, .l_linger = 0};
		int fd = dial(i % 2 ? ensemble.members[0].client : ensemble.members[0].peer);

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
		close(fd);
	}
	assert_member_serves();
	for (unsigned i = 0; i < 50; i++)
		close(silent[i]);
}

static void
a_client_that_never_reads_is_cut_off(void **state)
{
	static char data[1 << 20];
	struct synod *synod = ensemble_open(&ensemble);
	struct buffer request = BUFFER_EMPTY, body = BUFFER_EMPTY, bytes = BUFFER_EMPTY;
	struct operation operation = {.op = OP_GET, .path = slice_of("/big")};
	int fd = dial(ensemble.members[0].client);

	(void)state;
	memset(data, 'x', sizeof data);
	assert_int_equal(synod_put(synod, "/big", data, sizeof data, NULL, NULL), SYNOD_OK);
	append_hello(&bytes, PROTOCOL_VERSION_MAX, HELLO_CLIENT);
	send_bytes(fd, buffer_slice(&bytes));
	operation_encode(&body, &operation, NULL);
	for (unsigned i = 0; i < 500; i++) {
		struct request get = {.xid = i,
		                      .op = OP_GET,
		                      .consistency = CONSISTENCY_LOCAL,
		                      .body = buffer_slice(&body)};

		buffer_clear(&request);
		buffer_clear(&bytes);
		request_encode(&request, &get);
		append_frame(&bytes, FRAME_REQUEST, buffer_slice(&request));
		send_bytes(fd, buffer_slice(&bytes));
	}
	assert_member_serves();
	close(fd);
	synod_close(synod);
	buffer_fini(&request);
	buffer_fini(&body);
	buffer_fini(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_end_the_connection),
		cmocka_unit_test(a_frame_that_announces_gigabytes_is_refused),
		cmocka_unit_test(a_hello_with_a_wrong_checksum_is_refused),
		cmocka_unit_test(bodies_that_ask_for_gigabytes_or_nest_deeply_are_refused),
		cmocka_unit_test(a_client_of_an_unknown_version_is_told_so),
		cmocka_unit_test(a_client_on_the_members_port_is_refused),
		cmocka_unit_test(a_request_before_hello_is_refused),
		cmocka_unit_test(connections_that_close_at_once_or_stay_silent_do_no_harm),
		cmocka_unit_test(a_client_that_never_reads_is_cut_off),
	};

	alarm(600);
	if (getenv("TEST")) /* one of them, by name or pattern */
		cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, start, stop);
}
