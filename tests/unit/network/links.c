/* Links between members in one process, and visitors that do not belong there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/network/links.h"
#include "shared/error.h"
#include "shared/log.h"
#include "tests/support/visitor.h"

#define MEMBERS     3
#define SILENCE_MS  300
#define DEADLINE_MS 20000

struct set {
	struct actor *actor;
	struct identity identity;
	struct links *links;
	unsigned up_count[MEMBERS + 1];
	unsigned down_count[MEMBERS + 1];
	int down_error[MEMBERS + 1];
	unsigned frame_count[MEMBERS + 1]; /* by sender */
	size_t frame_bytes[MEMBERS + 1];
	uint8_t last_type;
	int hello_answer;
	int frame_answer;
	uint64_t tick_ms;
};

static struct transport *transport;
static struct set sets[MEMBERS + 1]; /* by member id */

static uint64_t
now_ms(void)
{
	return clock_now_ms(clock_real());
}

/* ---- a set of links ---- */

static int
on_hello(void *owner, const struct hello *hello, char *why)
{
	struct set *set = owner;

	assert_true(hello->member_id >= 1 && hello->member_id <= MEMBERS);
	if (set->hello_answer == SYNOD_WRONG_DISK)
		snprintf(why, 256, "another disk");
	return set->hello_answer;
}

static void
on_up(void *owner, uint64_t member)
{
	((struct set *)owner)->up_count[member]++;
}

static void
on_down(void *owner, uint64_t member, int error)
{
	struct set *set = owner;

	set->down_count[member]++;
	set->down_error[member] = error;
}

static int
on_frame(void *owner, uint64_t member, const struct frame *frame)
{
	struct set *set = owner;

	set->frame_count[member]++;
	set->frame_bytes[member] += frame->body.size;
	set->last_type = frame->type;
	return set->frame_answer;
}

static void
on_item(void *owner, struct actor_item *item)
{
	(void)owner;
	connection_on_item(item, now_ms());
}

static void
set_open(uint64_t id)
{
	static const struct links_handler handler = {on_hello, on_up, on_down, on_frame};
	static const struct actor_handler actor_handler = {on_item, NULL};
	struct set *set = &sets[id];
	char why[256];
	struct links_options options = {
		.transport = transport,
		.identity = &set->identity,
		.listen_address = "127.0.0.1:0",
		.software = "synod test",
		.silence_ms = SILENCE_MS,
		.clock = clock_real(),
		.handler = &handler,
		.owner = set,
	};

	memset(set, 0, sizeof *set);
	set->actor = options.actor = actor_new("links", ACTOR_MANUAL, &actor_handler, set);
	memset(set->identity.cluster_id, 0xc1, CLUSTER_ID_SIZE);
	memset(set->identity.disk_id, (int)id, DISK_ID_SIZE);
	set->identity.epoch = 1;
	set->identity.self = id;
	set->identity.member_count = MEMBERS;
	for (unsigned i = 0; i < MEMBERS; i++) {
		set->identity.members[i].id = i + 1;
		snprintf(set->identity.members[i].name, sizeof set->identity.members[i].name, "m%u",
		         i + 1);
		/* Nobody listens there: members that a test does not open stay away. */
		snprintf(set->identity.members[i].address, sizeof set->identity.members[i].address,
		         "127.0.0.1:1");
	}
	assert_int_equal(SYNOD_OK, links_new(&options, now_ms(), &set->links, why));
}

/* Member AT now finds member OF at the address where OF listens. */
static void
introduce(uint64_t at, uint64_t of)
{
	snprintf(sets[at].identity.members[of - 1].address, MEMBER_ADDRESS_MAX, "%s",
	         links_address(sets[of].links));
}

static void
open_all(void)
{
	for (uint64_t id = 1; id <= MEMBERS; id++)
		set_open(id);
	for (uint64_t a = 1; a <= MEMBERS; a++)
		for (uint64_t b = 1; b <= MEMBERS; b++)
			introduce(a, b);
}

static void
run_sets(void)
{
	for (uint64_t id = 1; id <= MEMBERS; id++) {
		struct set *set = &sets[id];

		if (set->links == NULL)
			continue;
		actor_run(set->actor);
		if (now_ms() >= set->tick_ms)
			set->tick_ms = links_tick(set->links, now_ms());
	}
}

static struct visitor visitor;

#define run_until(condition)                                                                       \
	do {                                                                                       \
		uint64_t begin_ms = now_ms();                                                      \
		while (!(condition) && now_ms() - begin_ms < DEADLINE_MS) {                        \
			run_sets();                                                                \
			if (visitor.actor != NULL)                                                 \
				visitor_run(&visitor);                                             \
			usleep(200);                                                               \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

static void
set_close(uint64_t id)
{
	struct set *set = &sets[id];

	if (set->links == NULL)
		return;
	links_close(set->links);
	while (!links_is_closed(set->links)) {
		actor_run(set->actor);
		usleep(100);
	}
	links_free(set->links);
	actor_free(set->actor);
	memset(set, 0, sizeof *set);
}

static int
tear_down(void **state)
{
	(void)state;
	if (visitor.actor != NULL)
		visitor_close(&visitor);
	memset(&visitor, 0, sizeof visitor);
	for (uint64_t id = 1; id <= MEMBERS; id++)
		set_close(id);
	return 0;
}

static bool
is_up(uint64_t a, uint64_t b)
{
	return links_is_up(sets[a].links, b) && links_is_up(sets[b].links, a);
}

static bool
all_up(void)
{
	return is_up(1, 2) && is_up(1, 3) && is_up(2, 3);
}

/* ---- links that belong there ---- */

static void
three_members_link_up_pairwise(void **state)
{
	(void)state;
	open_all();
	run_until(all_up());
	for (uint64_t a = 1; a <= MEMBERS; a++)
		for (uint64_t b = 1; b <= MEMBERS; b++)
			assert_int_equal(a == b ? 0 : 1, sets[a].up_count[b]);
	assert_false(links_is_up(sets[1].links, 1));
	assert_false(links_is_up(sets[1].links, 9));
}

static void
frames_arrive_with_their_sender(void **state)
{
	static const uint8_t body[] = {0x91, 0x2a};
	struct buffer frames = BUFFER_EMPTY;
	size_t begin;

	(void)state;
	open_all();
	run_until(all_up());
	assert_true(links_send(sets[1].links, 2, FRAME_PAXOS, (struct slice){body, sizeof body}));
	assert_true(links_send(sets[1].links, 2, FRAME_FORWARD, (struct slice){body, sizeof body}));
	begin = frame_begin(&frames, FRAME_PAXOS);
	pack_u64(&frames, 7);
	frame_end(&frames, begin);
	assert_true(links_send_frames(sets[3].links, 2, buffer_slice(&frames)));
	assert_int_equal(0, sets[2].frame_count[1]);
	links_flush(sets[1].links);
	links_flush(sets[3].links);
	run_until(sets[2].frame_count[1] == 2 && sets[2].frame_count[3] == 1);
	assert_int_equal(2 * sizeof body, sets[2].frame_bytes[1]);
	assert_int_equal(1, sets[2].frame_bytes[3]);
	assert_int_equal(0, sets[2].frame_count[2]);
	buffer_fini(&frames);
}

static void
what_is_sent_on_a_link_that_is_down_is_dropped(void **state)
{
	(void)state;
	open_all();
	assert_false(links_send(sets[1].links, 2, FRAME_PAXOS, slice_of("\x90")));
	assert_false(links_send_frames(sets[1].links, 2, slice_of("x")));
	assert_null(links_connection(sets[1].links, 2));
	links_flush(sets[1].links);
}

static void
a_link_that_broke_is_dialled_again(void **state)
{
	struct connection *connection;

	(void)state;
	open_all();
	run_until(all_up());
	connection = links_connection(sets[1].links, 3);
	stream_close(connection->stream);
	connection_release(connection);
	run_until(sets[1].down_count[3] == 1 && sets[3].down_count[1] == 1);
	run_until(all_up());
	assert_int_equal(2, sets[1].up_count[3]);
	assert_int_equal(2, sets[3].up_count[1]);
	assert_int_equal(1, sets[2].up_count[3]);
}

static void
a_member_that_comes_back_is_linked_again(void **state)
{
	(void)state;
	open_all();
	run_until(all_up());
	set_close(1);
	run_until(sets[2].down_count[1] == 1 && sets[3].down_count[1] == 1);
	set_open(1);
	introduce(2, 1);
	introduce(3, 1);
	run_until(all_up());
	assert_int_equal(2, sets[2].up_count[1]);
}

static void
quiet_links_stay_up(void **state)
{
	uint64_t since_ms;

	(void)state;
	open_all();
	run_until(all_up());
	since_ms = now_ms();
	run_until(now_ms() - since_ms > 3 * SILENCE_MS);
	assert_true(all_up());
	for (uint64_t a = 1; a <= MEMBERS; a++)
		for (uint64_t b = 1; b <= MEMBERS; b++)
			assert_int_equal(0, sets[a].down_count[b]);
}

/* ---- visitors ---- */

static uint8_t visitors_cluster[CLUSTER_ID_SIZE];
static uint8_t visitors_disk[DISK_ID_SIZE];

/* What member 2 would say to member 1. */
static struct hello
proper_hello(void)
{
	memset(visitors_cluster, 0xc1, sizeof visitors_cluster);
	memset(visitors_disk, 2, sizeof visitors_disk);
	return (struct hello){
		.version_min = PROTOCOL_VERSION_MIN,
		.version_max = PROTOCOL_VERSION_MAX,
		.role = HELLO_MEMBER,
		.member_id = 2,
		.epoch = 1,
		.cluster_id = {visitors_cluster, CLUSTER_ID_SIZE},
		.disk_id = {visitors_disk, DISK_ID_SIZE},
		.name = slice_of("m2"),
		.software = slice_of("visitor"),
	};
}

static void
visit(void)
{
	set_open(1);
	visitor_open(&visitor, transport, links_address(sets[1].links));
}

static void
expect_refusal(int error, const char *words)
{
	run_until(visitor.is_closed);
	assert_int_equal(error, visitor.refusal);
	assert_non_null(strstr(visitor.why, words));
	assert_false(visitor.is_greeted);
	assert_int_equal(0, sets[1].up_count[2]);
}

static void
lets_in_who_greets_properly(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visit();
	visitor_say_hello(&visitor, &hello);
	run_until(visitor.is_greeted);
	assert_int_equal(1, visitor.greeted_by);
	assert_int_equal(1, sets[1].up_count[2]);
}

static void
refuses_another_cluster(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visitors_cluster[3] ^= 1;
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_CLUSTER, "different clusters");
}

static void
refuses_a_member_without_a_cluster(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	hello.cluster_id = (struct slice){NULL, 0};
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_CLUSTER, "different clusters");
}

static void
refuses_another_epoch(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	hello.epoch = 2;
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_MEMBER, "epoch 2");
}

static void
refuses_an_unknown_member(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	hello.member_id = 77;
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_MEMBER, "77");
}

static void
refuses_its_own_id(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	hello.member_id = 1;
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_MEMBER, "own id");
}

static void
refuses_a_client_at_the_members_port(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	hello.role = HELLO_CLIENT;
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_BAD_ARGUMENT, "this port is for members");
}

static void
refuses_versions_it_does_not_speak(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	hello.version_min = PROTOCOL_VERSION_MAX + 1;
	hello.version_max = PROTOCOL_VERSION_MAX + 5;
	visit();
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_PROTOCOL, "version");
}

static void
refuses_what_its_owner_refuses(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visit();
	sets[1].hello_answer = SYNOD_WRONG_DISK;
	visitor_say_hello(&visitor, &hello);
	expect_refusal(SYNOD_WRONG_DISK, "another disk");
}

static void
refuses_a_malformed_greeting(void **state)
{
	(void)state;
	visit();
	visitor_say_frame(&visitor, FRAME_HELLO, slice_of("\x93\x01"));
	expect_refusal(SYNOD_BAD_MESSAGE, "greeting is malformed");
}

static void
refuses_frames_before_the_greeting(void **state)
{
	(void)state;
	visit();
	visitor_say_number(&visitor, FRAME_PAXOS, 1);
	expect_refusal(SYNOD_BAD_MESSAGE, "malformed");
	assert_int_equal(0, sets[1].frame_count[2]);
}

static void
refuses_garbage(void **state)
{
	(void)state;
	visit();
	visitor_say(&visitor, slice_of("GET / HTTP/1.1\r\nHost: here\r\n\r\n"));
	expect_refusal(SYNOD_BAD_MESSAGE, "malformed");
}

static void
refuses_a_second_greeting(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visit();
	visitor_say_hello(&visitor, &hello);
	visitor_say_hello(&visitor, &hello);
	run_until(visitor.is_closed);
	assert_int_equal(SYNOD_BAD_MESSAGE, visitor.refusal);
	run_until(sets[1].down_count[2] == 1);
}

static void
refuses_who_does_not_greet_in_time(void **state)
{
	(void)state;
	visit();
	visitor_say(&visitor, slice_of("\x01\x02\x03")); /* half a header */
	for (unsigned i = 0; i < 20; i++) {
		run_sets();
		visitor_run(&visitor);
		usleep(1000);
	}
	assert_false(visitor.is_closed);
	/* The stranger may be accepted only now: its patience starts then. */
	for (unsigned i = 0; i < 2000 && visitor.refusal == 0; i++) {
		actor_run(sets[1].actor);
		links_tick(sets[1].links, now_ms() + HELLO_TIMEOUT_MS + 1);
		visitor_run(&visitor);
		usleep(1000);
	}
	expect_refusal(SYNOD_TIMEOUT, "in time");
}

static void
closes_a_link_that_falls_silent(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visit();
	visitor.is_mute = true;
	visitor_say_hello(&visitor, &hello);
	run_until(sets[1].up_count[2] == 1);
	run_until(sets[1].down_count[2] == 1);
	assert_int_equal(SYNOD_TIMEOUT, sets[1].down_error[2]);
	run_until(visitor.is_closed);
}

static void
answers_pings(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visit();
	visitor_say_hello(&visitor, &hello);
	visitor_say_number(&visitor, FRAME_PING, 4711);
	run_until(visitor.last_number == 4711);
	visitor_say_frame(&visitor, FRAME_PING, slice_of("\xc1"));
	run_until(visitor.refusal == SYNOD_BAD_MESSAGE);
}

static void
closes_a_link_whose_frames_its_owner_refuses(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	visit();
	sets[1].frame_answer = SYNOD_BAD_MESSAGE;
	visitor_say_hello(&visitor, &hello);
	visitor_say_number(&visitor, FRAME_PAXOS, 1);
	visitor_say_number(&visitor, FRAME_PAXOS, 2);
	run_until(visitor.refusal == SYNOD_BAD_MESSAGE);
	run_until(sets[1].down_count[2] == 1);
	assert_int_equal(SYNOD_BAD_MESSAGE, sets[1].down_error[2]);
	assert_int_equal(1, sets[1].frame_count[2]);
	assert_false(links_is_up(sets[1].links, 2));
}

static void
the_newest_connection_of_a_pair_wins(void **state)
{
	struct hello hello = proper_hello();

	(void)state;
	set_open(1);
	set_open(2);
	introduce(2, 1);
	run_until(is_up(1, 2));
	visitor_open(&visitor, transport, links_address(sets[1].links));
	visitor_say_hello(&visitor, &hello);
	run_until(visitor.is_greeted);
	assert_int_equal(1, sets[1].down_count[2]);
	assert_int_equal(2, sets[1].up_count[2]);
	assert_true(links_is_up(sets[1].links, 2));
	/* The real member 2 lost its connection, dials again, and is now the newest. */
	run_until(visitor.is_closed);
	run_until(is_up(1, 2));
	assert_int_equal(1, sets[2].down_count[1]);
	assert_int_equal(2, sets[1].down_count[2]);
}

static void
refuses_a_member_that_answers_at_anothers_address(void **state)
{
	(void)state;
	set_open(1);
	set_open(2);
	set_open(3);
	/* Member 3 believes that 2 is where 1 is. */
	snprintf(sets[3].identity.members[1].address, MEMBER_ADDRESS_MAX, "%s",
	         links_address(sets[1].links));
	run_until(sets[1].down_count[3] > 1);
	assert_int_equal(0, sets[3].up_count[2]);
	assert_int_equal(0, sets[3].up_count[1]);
}

static void
dismisses_the_oldest_strangers_when_there_are_too_many(void **state)
{
	enum {
		CROWD = 80
	};
	static struct visitor crowd[CROWD];
	struct hello hello = proper_hello();
	unsigned closed_count = 0;

	(void)state;
	set_open(1);
	for (unsigned i = 0; i < CROWD; i++)
		visitor_open(&crowd[i], transport, links_address(sets[1].links));
	for (uint64_t since_ms = now_ms(); closed_count < CROWD - 64;) {
		closed_count = 0;
		run_sets();
		for (unsigned i = 0; i < CROWD; i++) {
			visitor_run(&crowd[i]);
			closed_count += crowd[i].is_closed;
		}
		assert_true(now_ms() - since_ms < DEADLINE_MS);
		usleep(200);
	}
	assert_int_equal(CROWD - 64, closed_count);
	/* Members still get in. */
	visitor_open(&visitor, transport, links_address(sets[1].links));
	visitor_say_hello(&visitor, &hello);
	run_until(visitor.is_greeted);
	for (unsigned i = 0; i < CROWD; i++)
		visitor_close(&crowd[i]);
}

static void
says_why_it_cannot_listen(void **state)
{
	struct links_options options = {.transport = transport, .clock = clock_real()};
	struct links *links;
	char why[256];

	(void)state;
	set_open(1);
	options.actor = sets[1].actor;
	options.identity = &sets[1].identity;
	options.listen_address = links_address(sets[1].links);
	assert_int_equal(SYNOD_IN_USE, links_new(&options, 0, &links, why));
	assert_non_null(strstr(why, options.listen_address));
	options.listen_address = "nonsense";
	assert_int_equal(SYNOD_BAD_ARGUMENT, links_new(&options, 0, &links, why));
	assert_non_null(strstr(why, "nonsense"));
	assert_null(links);
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

#define test(name) cmocka_unit_test_teardown(name, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(three_members_link_up_pairwise),
		test(frames_arrive_with_their_sender),
		test(what_is_sent_on_a_link_that_is_down_is_dropped),
		test(a_link_that_broke_is_dialled_again),
		test(a_member_that_comes_back_is_linked_again),
		test(quiet_links_stay_up),
		test(lets_in_who_greets_properly),
		test(refuses_another_cluster),
		test(refuses_a_member_without_a_cluster),
		test(refuses_another_epoch),
		test(refuses_an_unknown_member),
		test(refuses_its_own_id),
		test(refuses_a_client_at_the_members_port),
		test(refuses_versions_it_does_not_speak),
		test(refuses_what_its_owner_refuses),
		test(refuses_a_malformed_greeting),
		test(refuses_frames_before_the_greeting),
		test(refuses_garbage),
		test(refuses_a_second_greeting),
		test(refuses_who_does_not_greet_in_time),
		test(closes_a_link_that_falls_silent),
		test(answers_pings),
		test(closes_a_link_whose_frames_its_owner_refuses),
		test(the_newest_connection_of_a_pair_wins),
		test(refuses_a_member_that_answers_at_anothers_address),
		test(dismisses_the_oldest_strangers_when_there_are_too_many),
		test(says_why_it_cannot_listen),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, make_transport, free_transport);
}
