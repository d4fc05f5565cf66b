/* Random operations over a small tree, so that they often meet, and a digest of rows. */
#ifndef TESTS_UNIT_NAMESPACE_RANDOM_H
#define TESTS_UNIT_NAMESPACE_RANDOM_H

#include "tests/unit/namespace/batch.h"

#define RANDOM_LEASES 4

struct chance {
	uint64_t state;
	bool has_kinds; /* nodes of all kinds are made, some of them with these: */
	uint64_t leases[RANDOM_LEASES];
};

/* SplitMix64. */
static inline uint64_t
chance_next(struct chance *chance)
{
	uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline unsigned
chance_below(struct chance *chance, unsigned bound)
{
	return (unsigned)(chance_next(chance) % bound);
}

static inline bool
chance_one_in(struct chance *chance, unsigned count)
{
	return chance_below(chance, count) == 0;
}

/* One of the 39 paths of up to three components a, b, c. */
static inline void
random_path(struct chance *chance, char path[8])
{
	unsigned depth = 1 + chance_below(chance, 3);

	path[0] = '\0';
	for (unsigned i = 0; i < depth; i++) {
		path[2 * i] = '/';
		path[2 * i + 1] = (char)('a' + chance_below(chance, 3));
		path[2 * i + 2] = '\0';
	}
}

/* An operation with its text beside it; build it with random_operation() and do not move it. */
struct random_operation {
	struct operation operation;
	struct condition condition;
	char path[8];
	char condition_path[8];
	uint8_t data[512];
};

static inline struct slice
random_data(struct chance *chance, uint8_t *bytes, unsigned size_max)
{
	unsigned size = chance_below(chance, size_max);

	if (chance_one_in(chance, 8))
		return absent();
	memset(bytes, 'a' + (int)chance_below(chance, 26), size_max);
	return (struct slice){bytes, size};
}

static inline void
random_condition(struct chance *chance, struct random_operation *random)
{
	struct condition *condition = &random->condition;
	static const uint8_t kinds[] = {CONDITION_EXISTS, CONDITION_VERSION, CONDITION_CHILDREN,
	                                CONDITION_CHILDREN_VERSION};

	random_path(chance, random->condition_path);
	condition->path = slice_of(random->condition_path);
	condition->kind = kinds[chance_below(chance, 4)];
	condition->relation = RELATION_EQUAL;
	if (condition->kind != CONDITION_EXISTS)
		condition->relation = (uint8_t)(RELATION_EQUAL + chance_below(chance, 4));
	condition->number = chance_below(chance, condition->kind == CONDITION_EXISTS ? 2 : 3);
	random->operation.condition_count = 1;
}

/* What a node is made as. */
static inline void
random_kind(struct chance *chance, struct operation *operation)
{
	static const uint8_t kinds[] = {NODE_EPHEMERAL, NODE_EPHEMERAL, NODE_LEASED,
	                                NODE_LEASED,    NODE_CONTAINER, NODE_CONTAINER,
	                                NODE_TTL,       NODE_SERVICE,   NODE_SERVICE};

	operation->kind = kinds[chance_below(chance, sizeof kinds)];
	operation->brake_percent = operation->kind == NODE_SERVICE ? chance_below(chance, 101) : 0;
	operation->lease = 0;
	if (operation->kind == NODE_LEASED)
		operation->lease = chance->leases[chance_below(chance, RANDOM_LEASES)];
	operation->ttl_ms = 0;
	if (operation->kind == NODE_TTL)
		operation->ttl_ms = NODE_TTL_MIN_MS + chance_below(chance, 60000);
}

static inline void
random_operation(struct chance *chance, struct random_operation *random, unsigned size_max)
{
	static const uint8_t ops[] = {OP_CREATE, OP_CREATE, OP_SET,    OP_PUT,
	                              OP_PUT,    OP_PUT,    OP_DELETE, OP_DELETE};
	struct operation *operation = &random->operation;

	memset(random, 0, sizeof *random);
	operation->op = ops[chance_below(chance, 8)];
	random_path(chance, random->path);
	operation->path = slice_of(random->path);
	if (operation->op == OP_DELETE)
		operation->flags = chance_one_in(chance, 3) ? OP_RECURSIVE : 0;
	else
		operation->data = random_data(chance, random->data, size_max);
	if (operation->op == OP_CREATE && chance_one_in(chance, 8))
		operation->flags |= OP_SEQUENTIAL;
	if (operation->op != OP_SET && operation->op != OP_DELETE && chance_one_in(chance, 3))
		operation->flags |= OP_PARENTS;
	if (chance_one_in(chance, 3))
		operation->flags |= OP_PREVIOUS;
	if (operation->op != OP_DELETE && chance_one_in(chance, 3))
		operation->flags |= OP_WITH_STAT;
	if (chance_one_in(chance, 5))
		random_condition(chance, random);
	if (chance->has_kinds && (operation->op == OP_CREATE || operation->op == OP_PUT) &&
	    chance_one_in(chance, 2))
		random_kind(chance, operation);
}

#define CROWD 5

/* One after the other for STEP from 0 to CROWD: a service, and instances of it. */
static inline void
random_crowd(struct chance *chance, struct random_operation *random, unsigned step)
{
	struct operation *operation = &random->operation;

	memset(random, 0, sizeof *random);
	operation->op = step == 0 ? OP_PUT : OP_CREATE;
	operation->flags = step == 0 ? 0 : OP_SEQUENTIAL;
	strcpy(random->path, step == 0 ? "/b" : "/b/i");
	operation->path = slice_of(random->path);
	do
		random_kind(chance, operation);
	while (step == 0 ? operation->kind != NODE_SERVICE
	                 : operation->kind != NODE_EPHEMERAL && operation->kind != NODE_LEASED);
}

/* One that may also contend for a lock, or give it back. */
static inline void
random_operation_or_lock(struct chance *chance, struct random_operation *random, unsigned size_max)
{
	struct operation *operation = &random->operation;

	random_operation(chance, random, size_max);
	if (!chance->has_kinds || !chance_one_in(chance, 6))
		return;
	operation->flags = 0;
	operation->kind = 0;
	operation->lease = 0;
	operation->ttl_ms = 0;
	operation->brake_percent = 0;
	operation->op = chance_one_in(chance, 3) ? OP_RELEASE : OP_ACQUIRE;
	if (operation->op == OP_RELEASE) {
		operation->data = absent();
		return;
	}
	operation->ttl_ms = chance_one_in(chance, 2) ? 3000 : 0;
	if (chance_one_in(chance, 3))
		operation->flags |= OP_SHARED;
	if (chance_one_in(chance, 4))
		operation->flags |= OP_TRY;
}

static inline void
random_batch(struct chance *chance, struct batch *batch, unsigned operations_max, unsigned size_max)
{
	struct random_operation random;

	for (int branch = THEN; branch <= ELSE; branch++) {
		unsigned count = chance_below(chance, operations_max + 1);

		for (unsigned i = 0; i < count; i++) {
			random_operation_or_lock(chance, &random, size_max);
			batch_add_with(batch, branch, &random.operation, &random.condition);
		}
	}
	if (chance_one_in(chance, 2)) {
		random_condition(chance, &random);
		batch_if(batch, &random.condition);
	}
}

/* Everything that SQL gives, in its order. */
static inline struct state_hash
digest(sqlite3 *db, const char *sql)
{
	struct buffer rows = BUFFER_EMPTY;
	sqlite3_stmt *statement;
	struct state_hash hash;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			int type = sqlite3_column_type(statement, i);
			const void *bytes = sqlite3_column_blob(statement, i);
			int size = sqlite3_column_bytes(statement, i);

			buffer_append(&rows, &type, sizeof type);
			buffer_append(&rows, &size, sizeof size);
			buffer_append(&rows, bytes, (size_t)size);
		}
	}
	sqlite3_finalize(statement);
	hash = hash_of(buffer_slice(&rows));
	buffer_fini(&rows);
	return hash;
}

static inline void
assert_same_rows(struct fixture *a, struct fixture *b)
{
	static const char *const queries[] = {
		"SELECT * FROM node ORDER BY parent, name",
		"SELECT * FROM session ORDER BY id",
		"SELECT * FROM change ORDER BY id",
		"SELECT * FROM member ORDER BY id",
		"SELECT * FROM meta",
	};

	assert_int_equal(namespace_write_back(a->namespace), SYNOD_OK);
	assert_int_equal(namespace_write_back(b->namespace), SYNOD_OK);
	for (unsigned i = 0; i < sizeof queries / sizeof queries[0]; i++)
		if (!hash_equal(digest(a->db, queries[i]), digest(b->db, queries[i])))
			fail_msg("rows differ: %s", queries[i]);
}

#endif
