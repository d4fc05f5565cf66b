/* Clients: greetings, requests, bounds, time-outs, and visitors that do not belong there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/network/clients.h"
#include "shared/clock.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/visitor.h"

#define CONNECTIONS_MAX 100
#define IDLE_MS         60000
#define DEADLINE_MS     20000

struct service {
	struct actor *actor;
	struct identity identity;
	struct clients *clients;
	struct client *client; /* of the last request */
	unsigned request_count;
	uint64_t last_xid;
	uint8_t last_op;
	uint64_t last_keepalive;
	unsigned keepalive_count;
	unsigned lease_count; /* of the last keepalive */
	uint64_t first_lease, last_lease;
	unsigned gone_count;
	bool answers_later;
	uint64_t skipped_ms; /* how far the service's clock is ahead */
};

static struct transport *transport;
static struct service service;

static uint64_t
now_ms(void)
{
	return clock_now_ms(clock_real());
}

static void
on_request(void *owner, struct client *client, const struct request *request)
{
	struct service *s = owner;

	s->client = client;
	s->request_count++;
	s->last_xid = request->xid;
	s->last_op = request->op;
	if (s->answers_later)
		client->in_progress++;
	else
		clients_answer_error(client, request->xid, SYNOD_NOT_FOUND, "nothing here");
}

static void
on_keepalive(void *owner, struct client *client, uint64_t number, const uint64_t *leases,
             unsigned lease_count)
{
	struct service *s = owner;

	s->client = client;
	s->keepalive_count++;
	s->last_keepalive = number;
	s->lease_count = lease_count;
	s->first_lease = lease_count > 0 ? leases[0] : 0;
	s->last_lease = lease_count > 0 ? leases[lease_count - 1] : 0;
}

static void
on_gone(void *owner, struct client *client)
{
	struct service *s = owner;

	assert_true(client->is_gone);
	s->gone_count++;
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct service *s = owner;

	connection_on_item(item, now_ms() + s->skipped_ms);
}

static int
set_up(void **state)
{
	static const struct clients_handler handler = {on_request, on_keepalive, on_gone};
	static const struct actor_handler actor_handler = {on_item, NULL};
	struct service *s = &service;
	char why[256];
	struct clients_options options = {
		.transport = transport,
		.identity = &s->identity,
		.listen_address = "127.0.0.1:0",
		.software = "synod test",
		.connections_max = CONNECTIONS_MAX,
		.idle_ms = IDLE_MS,
		.handler = &handler,
		.owner = s,
	};

	(void)state;
	memset(s, 0, sizeof *s);
	s->actor = options.actor = actor_new("clients", ACTOR_MANUAL, &actor_handler, s);
	memset(s->identity.cluster_id, 0xc1, CLUSTER_ID_SIZE);
	s->identity.self = 3;
	s->identity.epoch = 1;
	s->identity.member_count = 1;
	s->identity.members[0].id = 3;
	return clients_new(&options, now_ms(), &s->clients, why);
}

static void
run_service(void)
{
	actor_run(service.actor);
	clients_tick(service.clients, now_ms() + service.skipped_ms);
}

static int
tear_down(void **state)
{
	(void)state;
	clients_close(service.clients);
	while (!clients_is_closed(service.clients)) {
		actor_run(service.actor);
		usleep(100);
	}
	clients_free(service.clients);
	actor_free(service.actor);
	return 0;
}

#define run_until_with(visitor, condition)                                                         \
	do {                                                                                       \
		uint64_t begin_ms = now_ms();                                                      \
		while (!(condition) && now_ms() - begin_ms < DEADLINE_MS) {                        \
			run_service();                                                             \
			if ((visitor) != NULL)                                                     \
				visitor_run(visitor);                                              \
			usleep(200);                                                               \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

#define run_until(condition) run_until_with(&visitor, condition)

static const struct hello proper_hello = {
	.version_min = PROTOCOL_VERSION_MIN,
	.version_max = PROTOCOL_VERSION_MAX,
	.role = HELLO_CLIENT,
	.name = {(const uint8_t *)"", 0},
	.software = {(const uint8_t *)"visitor", 7},
};

static void
enter(struct visitor *visitor)
{
	visitor_open(visitor, transport, clients_address(service.clients));
	visitor_say_hello(visitor, &proper_hello);
	run_until_with(visitor, visitor->is_greeted);
}

static void
expect_refusal(struct visitor *visitor, int error, const char *words)
{
	run_until_with(visitor, visitor->is_closed);
	assert_int_equal(error, visitor->refusal);
	assert_non_null(strstr(visitor->why, words));
	visitor_close(visitor);
	run_until_with((struct visitor *)NULL, clients_count(service.clients) == 0);
}

/* ---- who belongs there ---- */

static void
answers_a_greeting_with_its_own_identity(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	assert_int_equal(3, visitor.greeted_by);
	assert_int_equal(1, clients_count(service.clients));
	visitor_close(&visitor);
	run_until_with((struct visitor *)NULL, service.gone_count == 1);
	assert_int_equal(0, clients_count(service.clients));
}

static void
hands_requests_over_and_answers(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_request(&visitor, 11, OP_STATUS);
	visitor_say_request(&visitor, 12, OP_GET);
	run_until(visitor.frame_count == 2);
	assert_int_equal(2, service.request_count);
	assert_int_equal(12, service.last_xid);
	assert_int_equal(OP_GET, service.last_op);
	assert_int_equal(FRAME_RESPONSE, visitor.last_type);
	assert_int_equal(12, visitor.last_xid);
	assert_int_equal(SYNOD_NOT_FOUND, visitor.last_error);
	visitor_close(&visitor);
}

static void
answers_an_operation_it_does_not_know(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_request(&visitor, 13, 250);
	run_until(visitor.last_xid == 13);
	assert_int_equal(SYNOD_UNSUPPORTED, visitor.last_error);
	assert_int_equal(0, service.request_count);
	visitor_close(&visitor);
}

static void
hands_keepalives_over(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_number(&visitor, FRAME_KEEPALIVE, 99);
	run_until(service.keepalive_count == 1);
	assert_int_equal(99, service.last_keepalive);
	visitor_say_frame(&visitor, FRAME_KEEPALIVE, slice_of("\x92\x01"));
	expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
	assert_int_equal(1, service.keepalive_count);
}

static void
say_leases(struct visitor *visitor, uint64_t number, uint64_t first, unsigned count)
{
	struct buffer body = BUFFER_EMPTY;

	pack_array(&body, 2);
	pack_u64(&body, number);
	pack_array(&body, count);
	for (unsigned i = 0; i < count; i++)
		pack_u64(&body, first + i);
	visitor_say_frame(visitor, FRAME_KEEPALIVE, buffer_slice(&body));
	buffer_fini(&body);
}

static void
hands_over_the_leases_of_a_keepalive_up_to_a_bound(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	say_leases(&visitor, 1, 500, 3);
	run_until(service.keepalive_count == 1);
	assert_int_equal(1, service.last_keepalive);
	assert_int_equal(3, service.lease_count);
	assert_int_equal(500, service.first_lease);
	assert_int_equal(502, service.last_lease);
	visitor_say_frame(&visitor, FRAME_KEEPALIVE, slice_of("\x92\x02\xc0")); /* nil */
	run_until(service.keepalive_count == 2);
	assert_int_equal(0, service.lease_count);
	say_leases(&visitor, 3, 1000, KEEPALIVE_LEASES_MAX);
	run_until(service.keepalive_count == 3);
	assert_int_equal(KEEPALIVE_LEASES_MAX, service.lease_count);
	assert_int_equal(1000 + KEEPALIVE_LEASES_MAX - 1, service.last_lease);
	say_leases(&visitor, 4, 1000, KEEPALIVE_LEASES_MAX + 1);
	expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
	assert_int_equal(3, service.keepalive_count);
}

static void
refuses_leases_that_are_no_numbers(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_frame(&visitor, FRAME_KEEPALIVE, slice_of("\x92\x01\x91\xa1x"));
	expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
	assert_int_equal(0, service.keepalive_count);
}

static void
answers_pings(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_number(&visitor, FRAME_PING, 5);
	run_until(visitor.last_number == 5);
	visitor_close(&visitor);
}

static void
finds_clients_by_their_connection(void **state)
{
	enum {
		CROWD = 90
	};
	static struct visitor crowd[CROWD];
	uint64_t ids[CROWD];

	(void)state;
	for (unsigned i = 0; i < CROWD; i++) {
		enter(&crowd[i]);
		visitor_say_request(&crowd[i], i, OP_STATUS);
		run_until_with(&crowd[i], crowd[i].frame_count == 1);
		ids[i] = service.client->connection->id;
	}
	for (unsigned i = 0; i < CROWD; i++) {
		assert_non_null(clients_find(service.clients, ids[i]));
		assert_int_equal(ids[i], clients_find(service.clients, ids[i])->connection->id);
	}
	assert_null(clients_find(service.clients, ids[CROWD - 1] + 1000));
	for (unsigned i = 0; i < CROWD; i++)
		visitor_close(&crowd[i]);
	run_until_with((struct visitor *)NULL, clients_count(service.clients) == 0);
	assert_null(clients_find(service.clients, ids[0]));
	memset(crowd, 0, sizeof crowd);
}

/* ---- bounds ---- */

static void
a_client_that_is_gone_stays_until_its_requests_are_done(void **state)
{
	struct visitor visitor;
	struct client *client;
	uint64_t id;

	(void)state;
	service.answers_later = true;
	enter(&visitor);
	visitor_say_request(&visitor, 1, OP_STATUS);
	visitor_say_request(&visitor, 2, OP_STATUS);
	run_until(service.request_count == 2);
	client = service.client;
	id = client->connection->id;
	assert_true(clients_find(service.clients, id) == client);
	visitor_close(&visitor);
	run_until_with((struct visitor *)NULL, service.gone_count == 1);
	assert_null(clients_find(service.clients, id));
	assert_true(client->is_gone);
	clients_answer_error(client, 1, SYNOD_BUSY, NULL); /* goes nowhere */
	clients_done(service.clients, client);
	assert_int_equal(1, client->in_progress);
	clients_done(service.clients, client);
}

static void
refuses_more_requests_than_the_window_holds(void **state)
{
	struct visitor visitor;

	(void)state;
	service.answers_later = true;
	enter(&visitor);
	for (unsigned i = 1; i <= SESSION_WINDOW + 65; i++)
		visitor_say_request(&visitor, i, OP_STATUS);
	run_until(visitor.frame_count == 1);
	assert_int_equal(SESSION_WINDOW + 64, service.request_count);
	assert_int_equal(SESSION_WINDOW + 65, visitor.last_xid);
	assert_int_equal(SYNOD_BUSY, visitor.last_error);
	clients_done(service.clients, service.client);
	visitor_say_request(&visitor, 7777, OP_STATUS);
	run_until(service.last_xid == 7777);
	visitor_close(&visitor);
}

static void
refuses_the_newest_connection_when_there_are_too_many(void **state)
{
	static struct visitor crowd[CONNECTIONS_MAX];
	struct visitor late;

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		enter(&crowd[i]);
	visitor_open(&late, transport, clients_address(service.clients));
	run_until_with(&late, late.is_closed);
	assert_int_equal(SYNOD_BUSY, late.refusal);
	visitor_close(&late);
	assert_int_equal(CONNECTIONS_MAX, clients_count(service.clients));
	visitor_close(&crowd[0]);
	run_until_with(&crowd[1], clients_count(service.clients) == CONNECTIONS_MAX - 1);
	enter(&late);
	visitor_close(&late);
	for (unsigned i = 1; i < CONNECTIONS_MAX; i++)
		visitor_close(&crowd[i]);
}

static void
refuses_who_does_not_greet_in_time(void **state)
{
	struct visitor visitor;

	(void)state;
	visitor_open(&visitor, transport, clients_address(service.clients));
	visitor_say(&visitor, slice_of("\x00\x00"));
	run_until(clients_count(service.clients) == 1);
	assert_int_equal(0, visitor.refusal);
	service.skipped_ms = HELLO_TIMEOUT_MS + 1000;
	expect_refusal(&visitor, SYNOD_TIMEOUT, "in time");
	assert_int_equal(0, service.gone_count);
}

static void
refuses_who_was_silent_for_too_long(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	service.skipped_ms = IDLE_MS / 2;
	visitor_say_number(&visitor, FRAME_PING, 1);
	run_until(visitor.frame_count == 1);
	service.skipped_ms = IDLE_MS + IDLE_MS / 4; /* the ping counted */
	visitor_say_number(&visitor, FRAME_PING, 2);
	run_until(visitor.frame_count == 2);
	service.skipped_ms = 3 * IDLE_MS;
	expect_refusal(&visitor, SYNOD_TIMEOUT, "too long");
	assert_int_equal(1, service.gone_count);
}

static void
a_session_is_given_more_patience(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_number(&visitor, FRAME_KEEPALIVE, 1);
	run_until(service.keepalive_count == 1);
	service.client->session = 42;
	service.skipped_ms = 3 * IDLE_MS;
	run_service();
	visitor_say_number(&visitor, FRAME_PING, 1);
	run_until(visitor.frame_count == 1);
	service.skipped_ms += SESSION_TIMEOUT_MAX_MS + 2000;
	expect_refusal(&visitor, SYNOD_TIMEOUT, "too long");
}

/* ---- who does not belong there ---- */

static void
refuse_hello(const struct hello *hello, int error, const char *words)
{
	struct visitor visitor;

	visitor_open(&visitor, transport, clients_address(service.clients));
	visitor_say_hello(&visitor, hello);
	expect_refusal(&visitor, error, words);
	assert_int_equal(0, service.gone_count);
}

static void
refuses_a_member_at_the_clients_port(void **state)
{
	struct hello hello = proper_hello;

	(void)state;
	hello.role = HELLO_MEMBER;
	hello.cluster_id = (struct slice){service.identity.cluster_id, CLUSTER_ID_SIZE};
	hello.member_id = 2;
	refuse_hello(&hello, SYNOD_BAD_ARGUMENT, "this port is for clients");
}

static void
refuses_versions_it_does_not_speak(void **state)
{
	struct hello hello = proper_hello;

	(void)state;
	hello.version_min = hello.version_max = PROTOCOL_VERSION_MAX + 1;
	refuse_hello(&hello, SYNOD_WRONG_PROTOCOL, "version");
}

static void
refuses_a_client_of_another_cluster(void **state)
{
	static const uint8_t other[CLUSTER_ID_SIZE] = "another cluster";
	struct hello hello = proper_hello;

	(void)state;
	hello.cluster_id = (struct slice){other, CLUSTER_ID_SIZE};
	refuse_hello(&hello, SYNOD_WRONG_CLUSTER, "different clusters");
}

static void
refuses_requests_before_the_greeting(void **state)
{
	struct visitor visitor;

	(void)state;
	visitor_open(&visitor, transport, clients_address(service.clients));
	visitor_say_request(&visitor, 1, OP_STATUS);
	expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
	assert_int_equal(0, service.request_count);
}

static void
refuses_frames_that_are_not_for_clients(void **state)
{
	static const uint8_t types[] = {FRAME_HELLO,    FRAME_PAXOS,    FRAME_FORWARD,
	                                FRAME_SESSIONS, FRAME_RESPONSE, 255};

	(void)state;
	for (unsigned i = 0; i < sizeof types; i++) {
		struct visitor visitor;

		enter(&visitor);
		visitor_say_number(&visitor, types[i], 1);
		expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
	}
}

static void
refuses_malformed_requests(void **state)
{
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say_frame(&visitor, FRAME_REQUEST, slice_of("\xdd\xff\xff\xff\xff"));
	expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
	assert_int_equal(0, service.request_count);
}

static void
refuses_a_frame_larger_than_any_request(void **state)
{
	static const uint8_t header[FRAME_HEADER_SIZE] = {0x7f, 0xff, 0xff,          0xff,
	                                                  'S',  'Y',  FRAME_VERSION, FRAME_REQUEST};
	struct visitor visitor;

	(void)state;
	enter(&visitor);
	visitor_say(&visitor, (struct slice){header, sizeof header});
	expect_refusal(&visitor, SYNOD_TOO_LARGE, "larger");
}

static void
refuses_other_protocols(void **state)
{
	struct visitor visitor;

	(void)state;
	visitor_open(&visitor, transport, clients_address(service.clients));
	visitor_say(&visitor, slice_of("ruok and other four letter words"));
	expect_refusal(&visitor, SYNOD_BAD_MESSAGE, "malformed");
}

static void
says_why_it_cannot_listen(void **state)
{
	struct clients_options options = {.transport = transport, .actor = service.actor};
	struct clients *second;
	char why[256];

	(void)state;
	options.listen_address = clients_address(service.clients);
	assert_int_equal(SYNOD_IN_USE, clients_new(&options, 0, &second, why));
	assert_non_null(strstr(why, options.listen_address));
	assert_null(second);
}

static int
make_transport(void **state)
{
	(void)state;
	log_threshold = LOG_LEVEL_ERROR;
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

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(answers_a_greeting_with_its_own_identity),
		test(hands_requests_over_and_answers),
		test(answers_an_operation_it_does_not_know),
		test(hands_keepalives_over),
		test(hands_over_the_leases_of_a_keepalive_up_to_a_bound),
		test(refuses_leases_that_are_no_numbers),
		test(answers_pings),
		test(finds_clients_by_their_connection),
		test(a_client_that_is_gone_stays_until_its_requests_are_done),
		test(refuses_more_requests_than_the_window_holds),
		test(refuses_the_newest_connection_when_there_are_too_many),
		test(refuses_who_does_not_greet_in_time),
		test(refuses_who_was_silent_for_too_long),
		test(a_session_is_given_more_patience),
		test(refuses_a_member_at_the_clients_port),
		test(refuses_versions_it_does_not_speak),
		test(refuses_a_client_of_another_cluster),
		test(refuses_requests_before_the_greeting),
		test(refuses_frames_that_are_not_for_clients),
		test(refuses_malformed_requests),
		test(refuses_a_frame_larger_than_any_request),
		test(refuses_other_protocols),
		test(says_why_it_cannot_listen),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, make_transport, free_transport);
}
