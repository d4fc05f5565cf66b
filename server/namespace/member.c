/* The members of the ensemble, as they described themselves with COMMAND_MEMBER. */
#include "server/namespace/internal.h"
#include "shared/error.h"

/* Names and addresses are far shorter; a longer one is refused before it is recorded. */
#define FIELD_SIZE_MAX 255

struct state_hash
member_hash_of(const struct command *member)
{
	struct row row;

	row.size = 0;
	row_number(&row, member->member);
	row_bytes(&row, member->name);
	row_bytes(&row, member->peer_address);
	row_bytes(&row, member->client_address);
	row_bytes(&row, member->disk_id);
	return hash_of_row(&row);
}

static void
member_of_row(sqlite3_stmt *statement, struct command *member)
{
	*member = (struct command){.type = COMMAND_MEMBER};
	member->member = column_u64(statement, 0);
	member->name = column_text(statement, 1);
	member->peer_address = column_text(statement, 2);
	member->client_address = column_text(statement, 3);
	member->disk_id = column_bytes(statement, 4);
}

static bool
is_recordable(const struct command *member)
{
	return member->name.size <= FIELD_SIZE_MAX && member->peer_address.size <= FIELD_SIZE_MAX &&
	       member->client_address.size <= FIELD_SIZE_MAX && member->disk_id.bytes != NULL &&
	       member->disk_id.size <= FIELD_SIZE_MAX;
}

/* Take the row of member ID, if there is one, out of the state hash. */
static int
forget(struct namespace *namespace, uint64_t id)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_MEMBER_READ);
	struct command old;
	bool has_row;
	int error;

	bind_u64(statement, 1, id);
	error = statement_step(namespace, STATEMENT_MEMBER_READ, &has_row);
	if (error != SYNOD_OK || !has_row)
		return error;
	member_of_row(statement, &old);
	hash_subtract(&namespace->hash, member_hash_of(&old));
	statement_reset(namespace, STATEMENT_MEMBER_READ);
	return SYNOD_OK;
}

int
member_record(struct namespace *namespace, const struct command *command, struct answer *answer)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_MEMBER_WRITE);
	int error;

	if (!is_recordable(command))
		return answer_error(answer, SYNOD_BAD_ARGUMENT, "a fact of the member is too long");
	error = forget(namespace, command->member);
	if (error != SYNOD_OK)
		return error;
	hash_add(&namespace->hash, member_hash_of(command));
	bind_u64(statement, 1, command->member);
	bind_text(statement, 2, command->name);
	bind_text(statement, 3, command->peer_address);
	bind_text(statement, 4, command->client_address);
	bind_bytes(statement, 5, command->disk_id);
	pack_array(answer->result, 0);
	return statement_run(namespace, STATEMENT_MEMBER_WRITE);
}

int
namespace_each_member(struct namespace *namespace,
                      void (*each)(void *context, const struct command *member), void *context)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_MEMBER_EACH);
	bool has_row;
	int error;

	while ((error = statement_step(namespace, STATEMENT_MEMBER_EACH, &has_row)) == SYNOD_OK &&
	       has_row) {
		struct command member;

		member_of_row(statement, &member);
		each(context, &member);
	}
	return error;
}
