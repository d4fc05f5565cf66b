/* STATUS and MEMBERS: the member's half and the namespace's in one answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/namespace/namespace.h"
#include "server/status.h"
#include "server/storage/database.h"
#include "shared/error.h"

struct fixture {
	struct database *database;
	struct namespace *namespace;
	struct status_half half;
	struct buffer out;
};

static void
fixture_init(struct fixture *fixture)
{
	static const struct namespace_options options = {0};
	char why[512] = "";

	memset(fixture, 0, sizeof *fixture);
	assert_int_equal(database_open(":memory:", NULL, &fixture->database, why), SYNOD_OK);
	assert_int_equal(namespace_open(&fixture->namespace, database_handle(fixture->database),
	                                &options, why),
	                 SYNOD_OK);
}

static void
fixture_fini(struct fixture *fixture)
{
	namespace_close(fixture->namespace);
	database_close(fixture->database);
	buffer_fini(&fixture->out);
}

static void
record_member(struct fixture *fixture, uint64_t id, const char *address)
{
	uint8_t disk_id[DISK_ID_SIZE] = {1};
	struct command command = {
		.type = COMMAND_MEMBER,
		.member = id,
		.name = slice_of("recorded"),
		.peer_address = slice_of("10.0.0.9:7401"),
		.client_address = slice_of(address),
		.disk_id = {disk_id, sizeof disk_id},
	};
	struct buffer value = BUFFER_EMPTY, result = BUFFER_EMPTY;
	struct applied applied;

	command_encode(&value, &command);
	assert_int_equal(namespace_apply(fixture->namespace,
	                                 namespace_applied(fixture->namespace) + 1,
	                                 buffer_slice(&value), &applied, &result),
	                 SYNOD_OK);
	buffer_fini(&value);
	buffer_fini(&result);
}

static void
status_has_both_halves(void **state)
{
	struct fixture fixture;
	struct status_half *half = &fixture.half;
	struct member_status status;
	struct state_hash hash;
	char text[33];

	(void)state;
	fixture_init(&fixture);
	record_member(&fixture, 1, "10.0.0.1:7400");
	half->view = (struct paxos_view){
		.role = ROLE_LEADER, .ballot = {1, 7, 2}, .chosen = 30, .length = 40};
	snprintf(half->name, sizeof half->name, "bob");
	snprintf(half->leader, sizeof half->leader, "alice");
	snprintf(half->problem, sizeof half->problem, "disk nearly full");
	snprintf(half->software, sizeof half->software, "synod 9");
	half->self = 2;
	half->clients = 3;
	half->pending = 4;
	half->journal_bytes = 5;
	half->sync_p99_us = 6;
	half->uptime_ms = 7;
	half->tolerates = 1;
	half->epoch = 1;
	half->member_count = 5;
	memset(half->cluster_id, 0xab, sizeof half->cluster_id);
	status_encode(&fixture.out, half, fixture.namespace, 8192);
	assert_int_equal(member_status_decode(buffer_slice(&fixture.out), &status), SYNOD_OK);
	assert_true(slice_equal(status.name, slice_of("bob")));
	assert_true(slice_equal(status.leader, slice_of("alice")));
	assert_true(slice_equal(status.problem, slice_of("disk nearly full")));
	assert_true(slice_equal(status.software, slice_of("synod 9")));
	assert_true(slice_equal(status.ballot, slice_of("1.7.2")));
	assert_true(slice_equal(status.cluster_id, slice_of("abababababababababababababababab")));
	assert_int_equal(status.role, ROLE_LEADER);
	assert_int_equal(status.member_id, 2);
	assert_int_equal(status.chosen, 30);
	assert_int_equal(status.length, 40);
	assert_int_equal(status.clients, 3);
	assert_int_equal(status.pending, 4);
	assert_int_equal(status.journal_bytes, 5);
	assert_int_equal(status.sync_p99_us, 6);
	assert_int_equal(status.uptime_ms, 7);
	assert_int_equal(status.tolerates, 1);
	assert_int_equal(status.voters, 5);
	assert_int_equal(status.database_bytes, 8192);
	/* What is applied is what the namespace applied, and not what the core knows of. */
	assert_int_equal(status.applied, 1);
	assert_int_equal(status.revision, namespace_revision(fixture.namespace));
	assert_int_equal(status.nodes, namespace_nodes(fixture.namespace));
	hash = namespace_hash(fixture.namespace);
	snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)hash.high,
	         (unsigned long long)hash.low);
	assert_true(slice_equal(status.state_hash, slice_of(text)));
	fixture_fini(&fixture);
}

struct row {
	uint64_t id, role, matched;
	char name[64], peer[64], client[64];
	bool is_reachable;
};

static void
copy(char *to, size_t size, struct slice from)
{
	snprintf(to, size, "%.*s", (int)from.size, (const char *)from.bytes);
}

static struct row
read_row(struct cursor *cursor)
{
	struct row row;

	assert_int_equal(cursor_array(cursor), 7);
	row.id = cursor_u64(cursor);
	copy(row.name, sizeof row.name, cursor_string(cursor));
	copy(row.peer, sizeof row.peer, cursor_string(cursor));
	copy(row.client, sizeof row.client, cursor_string(cursor));
	row.role = cursor_u64(cursor);
	row.is_reachable = cursor_bool(cursor);
	row.matched = cursor_u64(cursor);
	cursor_leave(cursor);
	return row;
}

static void
members_who_are_away_are_shown_where_they_were_recorded(void **state)
{
	static const struct status_member rows[] = {
		{.id = 1,
	         .name = "alice",
	         .peer_address = "h1:7401",
	         .client_address = "h1:7400",
	         .role = ROLE_LEADER,
	         .is_reachable = true,
	         .matched = 17},
		{.id = 2, .name = "bob", .peer_address = "h2:7401"},
		{.id = 3, .name = "carol", .peer_address = "h3:7401"},
	};
	struct fixture fixture;
	struct cursor cursor;
	struct row row;

	(void)state;
	fixture_init(&fixture);
	record_member(&fixture, 1, "old:7400");
	record_member(&fixture, 2, "h2:7400");
	fixture.half.member_count = 3;
	memcpy(fixture.half.members, rows, sizeof rows);
	assert_int_equal(members_encode(&fixture.out, &fixture.half, fixture.namespace), SYNOD_OK);
	cursor_init(&cursor, buffer_slice(&fixture.out));
	assert_int_equal(cursor_array(&cursor), 3);
	row = read_row(&cursor);
	assert_int_equal(row.id, 1);
	assert_string_equal(row.name, "alice");
	assert_string_equal(row.peer, "h1:7401");
	assert_string_equal(row.client, "h1:7400"); /* what it says now */
	assert_int_equal(row.role, ROLE_LEADER);
	assert_true(row.is_reachable);
	assert_int_equal(row.matched, 17);
	row = read_row(&cursor);
	assert_int_equal(row.id, 2);
	assert_string_equal(row.client, "h2:7400"); /* what it said once */
	assert_false(row.is_reachable);
	row = read_row(&cursor);
	assert_int_equal(row.id, 3);
	assert_string_equal(row.client, "");
	cursor_leave(&cursor);
	assert_int_equal(cursor_finish(&cursor), SYNOD_OK);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_has_both_halves),
		cmocka_unit_test(members_who_are_away_are_shown_where_they_were_recorded),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
