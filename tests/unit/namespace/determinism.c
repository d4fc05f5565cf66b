/*
 * The same commands give the same answers, hashes and rows, whatever the size of
 * the cache, whenever it is committed, and across restarts.
 */
#include "tests/unit/namespace/random.h"

#define COMMANDS 3000
#define SESSIONS 4

/* A stream of commands; the one at I is chosen for slot I + 1. */
struct stream {
	struct buffer values[COMMANDS];
	unsigned count;
	struct chance chance;
	uint64_t sessions[SESSIONS];
	uint64_t seqs[SESSIONS];
	struct command_ballot ballot;
};

static void
add(struct stream *stream, struct command *command)
{
	command->uptime_ms = stream->count * 100 + chance_below(&stream->chance, 300);
	command->wall_ms = 1000000 + stream->count;
	command_encode(&stream->values[stream->count++], command);
}

static void
add_session_open(struct stream *stream)
{
	struct command command = {.type = COMMAND_CLIENT, .op = OP_SESSION_OPEN};
	unsigned which = chance_below(&stream->chance, SESSIONS);
	struct buffer body = BUFFER_EMPTY;
	uint64_t secret[4] = {chance_below(&stream->chance, 40), which, 0, 0};

	pack_array(&body, 2);
	pack_u64(&body, 5000);
	pack_binary(&body, (struct slice){(const uint8_t *)secret, sizeof secret});
	command.body = buffer_slice(&body);
	stream->sessions[which] = stream->count + 1;
	stream->seqs[which] = 0;
	add(stream, &command);
	buffer_fini(&body);
}

/* Mostly the next write of a session; sometimes a repeated one or one too far. */
static void
add_write(struct stream *stream, uint8_t op, struct slice body)
{
	struct command command = {.type = COMMAND_CLIENT, .op = op, .body = body};
	unsigned which = chance_below(&stream->chance, SESSIONS);
	unsigned luck = chance_below(&stream->chance, 20);

	command.session = stream->sessions[which];
	command.seq = stream->seqs[which] + 1;
	if (luck == 0 && command.seq > 2)
		command.seq -= 1 + chance_below(&stream->chance, 2);
	else if (luck == 1)
		command.seq++;
	else
		stream->seqs[which]++;
	command.acknowledged = command.seq > 8 ? command.seq - 8 : 0;
	add(stream, &command);
}

static void
add_operation(struct stream *stream)
{
	struct random_operation random;
	struct buffer body = BUFFER_EMPTY;

	random_operation_or_lock(&stream->chance, &random, 500);
	operation_encode(&body, &random.operation, &random.condition);
	add_write(stream, random.operation.op, buffer_slice(&body));
	buffer_fini(&body);
}

static void
add_crowd(struct stream *stream)
{
	for (unsigned step = 0; step <= CROWD && stream->count < COMMANDS; step++) {
		struct random_operation random;
		struct buffer body = BUFFER_EMPTY;

		random_crowd(&stream->chance, &random, step);
		operation_encode(&body, &random.operation, NULL);
		add_write(stream, random.operation.op, buffer_slice(&body));
		buffer_fini(&body);
	}
}

static void
add_transaction(struct stream *stream)
{
	struct buffer body = BUFFER_EMPTY;
	struct batch batch = {0};

	random_batch(&stream->chance, &batch, 5, 200);
	batch_add(&batch, THEN, OP_LIST, OP_WITH_STAT, "/", NULL);
	batch_encode(&batch, &body);
	add_write(stream, OP_TXN, buffer_slice(&body));
	buffer_fini(&body);
	buffer_fini(&batch.conditions);
	buffer_fini(&batch.branches[THEN]);
	buffer_fini(&batch.branches[ELSE]);
}

/* The lease is there unless the command that grants it is refused. */
static void
add_grant(struct stream *stream)
{
	struct buffer body = BUFFER_EMPTY;

	stream->chance.leases[chance_below(&stream->chance, RANDOM_LEASES)] = stream->count + 1;
	pack_array(&body, 1);
	pack_u64(&body, 5000);
	add_write(stream, OP_LEASE_GRANT, buffer_slice(&body));
	buffer_fini(&body);
}

static uint64_t
random_owner(struct stream *stream, bool *is_session)
{
	*is_session = chance_one_in(&stream->chance, 2);
	if (*is_session)
		return stream->sessions[chance_below(&stream->chance, SESSIONS)];
	return stream->chance.leases[chance_below(&stream->chance, RANDOM_LEASES)];
}

static void
add_revoke(struct stream *stream)
{
	struct buffer body = BUFFER_EMPTY;
	bool is_session;

	pack_array(&body, 2);
	pack_u64(&body, random_owner(stream, &is_session));
	pack_bool(&body, is_session);
	add_write(stream, OP_REVOKE, buffer_slice(&body));
	buffer_fini(&body);
}

static void
add_collect(struct stream *stream)
{
	struct command command = {.type = COMMAND_COLLECT};

	add(stream, &command);
}

static void
add_expiry(struct stream *stream)
{
	bool is_session;
	struct command command = {.type = COMMAND_EXPIRE,
	                          .session = random_owner(stream, &is_session),
	                          .generation = 1,
	                          .ballot = stream->ballot};

	if (chance_one_in(&stream->chance, 2))
		command.ballot.round++;
	add(stream, &command);
}

static void
add_member(struct stream *stream)
{
	struct command command = {.type = COMMAND_MEMBER,
	                          .member = 1 + chance_below(&stream->chance, 3),
	                          .name = slice_of("m"),
	                          .peer_address = slice_of("p:1"),
	                          .client_address = slice_of("c:1"),
	                          .disk_id = slice_of("0123456789abcdef")};

	if (chance_one_in(&stream->chance, 2))
		command.name = slice_of("n");
	add(stream, &command);
}

static void
add_start(struct stream *stream)
{
	struct command command = {.type = COMMAND_START};

	stream->ballot.round++;
	command.ballot = stream->ballot;
	add(stream, &command);
}

static void
add_rubbish(struct stream *stream)
{
	buffer_append(&stream->values[stream->count++], "\x93\xff\xff", 3);
}

static void
add_other(struct stream *stream)
{
	switch (chance_below(&stream->chance, 6)) {
	case 0: add_revoke(stream); return;
	case 1:
	case 2: add_grant(stream); return;
	default: add_collect(stream); return;
	}
}

static void
stream_init(struct stream *stream, uint64_t seed)
{
	memset(stream, 0, sizeof *stream);
	stream->chance.state = seed;
	stream->chance.has_kinds = true;
	while (stream->count < COMMANDS) {
		unsigned luck = chance_below(&stream->chance, 100);

		if (stream->count < 8 || luck < 2)
			add_session_open(stream);
		else if (luck < 5)
			add_expiry(stream);
		else if (luck >= 92)
			add_other(stream);
		else if (luck < 7)
			add_start(stream);
		else if (luck < 8)
			add_rubbish(stream);
		else if (luck < 10)
			add_member(stream);
		else if (luck < 11)
			add_crowd(stream);
		else if (luck < 28)
			add_transaction(stream);
		else
			add_operation(stream);
	}
}

static void
stream_fini(struct stream *stream)
{
	for (unsigned i = 0; i < stream->count; i++)
		buffer_fini(&stream->values[i]);
}

/* What a command left behind, for comparison. */
struct outcome {
	struct applied applied;
	struct state_hash result;
	struct state_hash hash;
	struct state_hash changes; /* those of the command */
	uint64_t changes_are_whole;
	uint64_t nodes;
};

static void
step(struct fixture *fixture, const struct stream *stream, struct outcome *outcome)
{
	bool is_whole;

	memset(outcome, 0, sizeof *outcome);
	apply_value(fixture, buffer_slice(&stream->values[fixture->slot]));
	outcome->applied.error = fixture->applied.error;
	outcome->applied.revision = fixture->applied.revision;
	outcome->applied.session_opened = fixture->applied.session_opened;
	outcome->applied.session_ended = fixture->applied.session_ended;
	outcome->applied.timeout_ms = fixture->applied.timeout_ms;
	outcome->result = hash_of(buffer_slice(&fixture->result));
	outcome->hash = namespace_hash(fixture->namespace);
	outcome->changes = hash_of(namespace_last_changes(fixture->namespace, &is_whole));
	outcome->changes_are_whole = is_whole;
	outcome->nodes = namespace_nodes(fixture->namespace);
}

static void
open_bare(struct fixture *fixture, unsigned cache_nodes)
{
	*fixture = (struct fixture){0};
	fixture->options.cache_nodes = cache_nodes;
	fixture->options.change_count_max = 400;
	fixture->options.change_age_ms_max = 80000;
	assert_int_equal(sqlite3_open(":memory:", &fixture->db), SQLITE_OK);
	open_namespace(fixture);
}

static void
run_all(struct fixture *fixture, const struct stream *stream, unsigned commit_every,
        struct outcome *outcomes)
{
	while (fixture->slot < stream->count) {
		uint64_t index = fixture->slot;

		step(fixture, stream, &outcomes[index]);
		if (fixture->slot % commit_every == 0)
			commit(fixture);
	}
}

static uint64_t
number_of_sql(struct fixture *fixture, const char *sql)
{
	sqlite3_stmt *statement;
	uint64_t number;

	assert_int_equal(sqlite3_prepare_v2(fixture->db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

/* No node is due earlier than is told, none that is never due has a time, and every owner lives. */
static void
assert_rows_are_sound(struct fixture *fixture)
{
	assert_int_equal(namespace_write_back(fixture->namespace), SYNOD_OK);
	assert_true(namespace_next_due_ms(fixture->namespace) <=
	            number_of_sql(fixture,
	                          "SELECT coalesce(min(expires_ms), -1) FROM node"
	                          " WHERE expires_ms != 0 AND (children = 0 OR kind = 5)"));
	assert_int_equal(number_of_sql(fixture, "SELECT count(*) FROM node WHERE expires_ms != 0"
	                                        " AND kind NOT IN (3, 4, 5, 7, 8)"),
	                 0);
	assert_int_equal(number_of_sql(fixture, "SELECT count(*) FROM node WHERE kind = 8"
	                                        " AND (owner != 0 OR children != 0 OR ttl_ms = 0"
	                                        " OR expires_ms < ttl_ms)"),
	                 0);
	assert_int_equal(number_of_sql(fixture, "SELECT count(*) FROM node WHERE owner != 0"
	                                        " AND owner NOT IN (SELECT id FROM session)"),
	                 0);
}

/* Commits, crashes and reads at random; what is applied again must come out the same. */
static void
run_with_crashes(struct fixture *fixture, const struct stream *stream, uint64_t seed,
                 const struct outcome *expected)
{
	struct chance chance = {.state = seed};
	unsigned crashes = 0;

	while (fixture->slot < stream->count) {
		uint64_t index = fixture->slot;
		struct outcome outcome;

		step(fixture, stream, &outcome);
		assert_memory_equal(&outcome, &expected[index], sizeof outcome);
		if (chance_one_in(&chance, 20))
			commit(fixture);
		if (chance_one_in(&chance, 10))
			exists(fixture, "/a/b/c");
		if (chance_one_in(&chance, 50))
			assert_hash_is_true(fixture);
		if (chance_one_in(&chance, 50))
			assert_rows_are_sound(fixture);
		if (crashes < 60 && chance_one_in(&chance, 50)) {
			crash(fixture);
			crashes++;
		}
	}
	assert_in_range(crashes, 10, 60);
}

#define HELD (NODE_SUSPECT + 1) /* beside the kinds: held by the brake */

/* Of the kinds of nodes, which were there in the end. */
static void
gather(struct fixture *fixture, bool *seen)
{
	sqlite3_stmt *statement;

	assert_int_equal(sqlite3_prepare_v2(fixture->db, "SELECT DISTINCT kind FROM node", -1,
	                                    &statement, NULL),
	                 SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW)
		seen[sqlite3_column_int(statement, 0)] = true;
	sqlite3_finalize(statement);
	if (number_of_sql(fixture, "SELECT count(*) FROM node"
	                           " WHERE kind = 8 AND ttl_ms = 3600000") > 0)
		seen[HELD] = true;
}

static void
run_seed(uint64_t seed, bool *seen)
{
	static struct outcome one[COMMANDS];
	static struct outcome other[COMMANDS];
	static struct stream stream;
	struct fixture small;
	struct fixture large;
	struct fixture restarted;

	stream_init(&stream, seed);
	open_bare(&small, 2);
	open_bare(&large, 65536);
	open_bare(&restarted, 20);
	run_all(&small, &stream, 7, one);
	run_all(&large, &stream, 1000, other);
	for (unsigned i = 0; i < COMMANDS; i++)
		assert_memory_equal(&one[i], &other[i], sizeof one[i]);
	run_with_crashes(&restarted, &stream, seed, one);
	assert_hash_is_true(&small);
	assert_same_rows(&small, &large);
	assert_same_rows(&large, &restarted);
	assert_true(small.namespace->history.from > 1); /* it was trimmed */
	gather(&small, seen);
	stream_fini(&stream);
	fixture_close(&small);
	fixture_close(&large);
	fixture_close(&restarted);
}

static void
same_commands_same_answers_hashes_and_rows(void **state)
{
	bool seen[HELD + 1] = {false};

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_seed(seed, seen);
	for (unsigned kind = 0; kind <= HELD; kind++)
		assert_true(seen[kind]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_commands_same_answers_hashes_and_rows),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
