/* The state hash: a sum over the hashes of all rows, and its recomputation from the rows. */
#include <string.h>
#include <xxhash.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

void
hash_add(struct state_hash *sum, struct state_hash row)
{
	sum->low += row.low;
	sum->high += row.high;
}

void
hash_subtract(struct state_hash *sum, struct state_hash row)
{
	sum->low -= row.low;
	sum->high -= row.high;
}

struct state_hash
hash_of(struct slice bytes)
{
	XXH128_hash_t hash = XXH3_128bits(bytes.bytes, bytes.size);

	return (struct state_hash){hash.low64, hash.high64};
}

void
row_number(struct row *row, uint64_t number)
{
	CHECK(row->size + 8 <= sizeof row->bytes);
	for (unsigned i = 0; i < 8; i++)
		row->bytes[row->size + i] = (uint8_t)(number >> 8 * i);
	row->size += 8;
}

void
row_bytes(struct row *row, struct slice bytes)
{
	row_number(row, bytes.size);
	CHECK(row->size + bytes.size <= sizeof row->bytes);
	if (bytes.size > 0)
		memcpy(row->bytes + row->size, bytes.bytes, bytes.size);
	row->size += bytes.size;
}

void
row_hash(struct row *row, struct state_hash hash)
{
	row_number(row, hash.low);
	row_number(row, hash.high);
}

struct state_hash
hash_of_row(const struct row *row)
{
	return hash_of((struct slice){row->bytes, row->size});
}

static int
add_nodes(struct namespace *namespace, struct state_hash *sum)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_NODE_EACH);
	struct buffer path = BUFFER_EMPTY;
	bool has_row;
	int error;

	while ((error = statement_step(namespace, STATEMENT_NODE_EACH, &has_row)) == SYNOD_OK &&
	       has_row) {
		struct node_stat stat;
		struct slice data;

		buffer_clear(&path);
		path_of_row(&path, statement);
		node_of_row(statement, 2, &stat, &data);
		hash_add(sum, node_hash_of(buffer_slice(&path), &stat, hash_of(data)));
	}
	statement_reset(namespace, STATEMENT_NODE_EACH);
	buffer_fini(&path);
	return error;
}

static int
add_sessions(struct namespace *namespace, struct state_hash *sum)
{
	bool has_row;
	int error;

	while ((error = statement_step(namespace, STATEMENT_SESSION_EACH, &has_row)) == SYNOD_OK &&
	       has_row) {
		struct session session = {0};

		error = session_of_row(namespace, &session);
		if (error == SYNOD_OK)
			hash_add(sum, session_hash_of(&session));
		buffer_fini(&session.answers);
		if (error != SYNOD_OK)
			break;
	}
	statement_reset(namespace, STATEMENT_SESSION_EACH);
	return error;
}

static void
add_member(void *context, const struct command *member)
{
	hash_add(context, member_hash_of(member));
}

int
namespace_rehash(struct namespace *namespace, struct state_hash *hash)
{
	int error = namespace_write_back(namespace);

	*hash = (struct state_hash){0};
	if (error == SYNOD_OK)
		error = add_nodes(namespace, hash);
	if (error == SYNOD_OK)
		error = add_sessions(namespace, hash);
	if (error == SYNOD_OK)
		error = namespace_each_member(namespace, add_member, hash);
	return error;
}
