/*
 * Commands of the log: decoded, and applied to a small namespace.
 *
 * The input is a sequence of values, each after its size in two bytes, little
 * endian.  Whatever they are, the namespace goes on, every answer is one packed
 * element, and the state hash stays that of the rows.
 */
#include <string.h>

#include "server/namespace/namespace.h"
#include "shared/check.h"
#include "shared/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define VALUES_MAX 64

struct world {
	sqlite3 *db;
	struct namespace *namespace;
	uint64_t slot;
};

static void
round_trip(struct slice value)
{
	struct buffer first = BUFFER_EMPTY;
	struct buffer second = BUFFER_EMPTY;
	struct command command;

	if (command_decode(value, &command) != SYNOD_OK)
		return;
	command_encode(&first, &command);
	CHECK(command_decode(buffer_slice(&first), &command) == SYNOD_OK);
	command_encode(&second, &command);
	CHECK(slice_equal(buffer_slice(&first), buffer_slice(&second)));
	buffer_fini(&first);
	buffer_fini(&second);
}

static void
apply(struct world *world, struct slice value)
{
	struct buffer result = BUFFER_EMPTY;
	struct applied applied;
	struct cursor cursor;
	int error = namespace_apply(world->namespace, ++world->slot, value, &applied, &result);

	CHECK(error == SYNOD_OK);
	CHECK(error_is_known(applied.error));
	CHECK(applied.revision <= world->slot);
	cursor_init(&cursor, buffer_slice(&result));
	cursor_skip(&cursor, 1);
	CHECK(cursor_finish(&cursor) == SYNOD_OK);
	buffer_fini(&result);
}

/* A session with the id 1, so that the values have one to write in. */
static void
apply_session(struct world *world)
{
	static const uint8_t secret_hash[32] = {1};
	struct command command = {.type = COMMAND_CLIENT, .op = OP_SESSION_OPEN};
	struct buffer body = BUFFER_EMPTY;
	struct buffer value = BUFFER_EMPTY;

	pack_array(&body, 2);
	pack_u64(&body, 10000);
	pack_binary(&body, (struct slice){secret_hash, sizeof secret_hash});
	command.body = buffer_slice(&body);
	command_encode(&value, &command);
	apply(world, buffer_slice(&value));
	buffer_fini(&body);
	buffer_fini(&value);
}

static void
world_open(struct world *world)
{
	const struct namespace_options options = {.cache_nodes = 4};
	char why[256];
	int code;

	code = sqlite3_open(":memory:", &world->db);
	CHECK(code == SQLITE_OK);
	code = sqlite3_exec(world->db, "BEGIN", NULL, NULL, NULL);
	CHECK(code == SQLITE_OK);
	code = namespace_open(&world->namespace, world->db, &options, why);
	CHECK(code == SYNOD_OK);
	world->slot = 0;
}

static void
world_close(struct world *world)
{
	struct state_hash hash = namespace_hash(world->namespace);
	struct state_hash recomputed;
	int error = namespace_rehash(world->namespace, &recomputed);

	CHECK(error == SYNOD_OK);
	CHECK(hash.low == recomputed.low);
	CHECK(hash.high == recomputed.high);
	namespace_close(world->namespace);
	sqlite3_close(world->db);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct world world;

	world_open(&world);
	apply_session(&world);
	for (unsigned i = 0; i < VALUES_MAX && size >= 2; i++) {
		size_t length = bytes[0] | (size_t)bytes[1] << 8;

		bytes += 2;
		size -= 2;
		if (length > size)
			length = size;
		round_trip((struct slice){bytes, length});
		apply(&world, (struct slice){bytes, length});
		bytes += length;
		size -= length;
	}
	world_close(&world);
	return 0;
}
