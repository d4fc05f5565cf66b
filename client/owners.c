/* Sessions and leases, as the leader knows them. */
#include <stdlib.h>

#include "client/ask.h"
#include "shared/error.h"
#include "shared/fields.h"

#define OWNER_SIZE_MIN 4 /* bytes of a packed one */

/* The public structure first. */
struct owners_block {
	struct synod_owners owners;
	bool is_of_leader;
	bool more;
};

void
synod_owners_free(struct synod_owners *owners)
{
	if (owners == NULL)
		return;
	free(owners->owners);
	free(owners);
}

/* ---- answers ---- */

static void
read_owner(struct cursor *cursor, struct synod_owner *owner)
{
	struct fields fields = fields_enter(cursor, 3);

	*owner = (struct synod_owner){.id = field_u64(&fields)};
	owner->is_lease = fields_next(&fields) && cursor_bool(cursor);
	owner->timeout_ms = field_u64(&fields);
	if (fields_next(&fields) && !cursor_nil(cursor)) {
		owner->has_remaining = true;
		owner->remaining_ms = cursor_u64(cursor);
	}
	fields_leave(&fields);
}

static uint64_t
last_id(const struct owners_block *block)
{
	size_t count = block->owners.owner_count;

	return count > 0 ? block->owners.owners[count - 1].id : 0;
}

static int
read_owners(struct cursor *cursor, struct owners_block *block)
{
	uint32_t count = cursor_array(cursor);
	size_t had = block->owners.owner_count;
	struct synod_owner *larger;

	if (count > (size_t)(cursor->end - cursor->at) / OWNER_SIZE_MIN)
		return SYNOD_BAD_MESSAGE;
	larger = realloc(block->owners.owners, (had + count + 1) * sizeof *larger);
	if (larger == NULL)
		return SYNOD_NO_MEMORY;
	block->owners.owners = larger;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		uint64_t last = last_id(block);

		read_owner(cursor, &larger[had + i]);
		if (larger[had + i].id <= last)
			return SYNOD_BAD_MESSAGE; /* ascending, so that pages come to an end */
		block->owners.owner_count++;
	}
	cursor_leave(cursor);
	return SYNOD_OK;
}

static int
read_page(struct slice result, struct owners_block *block)
{
	struct cursor cursor;
	struct fields fields;
	size_t had = block->owners.owner_count;
	int error;

	cursor_init(&cursor, result);
	fields = fields_enter(&cursor, 2);
	block->is_of_leader = fields_next(&fields) && cursor_bool(&cursor);
	fields_next(&fields);
	error = read_owners(&cursor, block);
	if (error != SYNOD_OK)
		return error;
	block->more = fields_next(&fields) && cursor_bool(&cursor);
	fields_leave(&fields);
	if (block->more && block->owners.owner_count == had)
		return SYNOD_BAD_MESSAGE;
	return cursor_finish(&cursor);
}

/* ---- asking ---- */

static void
write_body(struct buffer *body, uint64_t after)
{
	buffer_clear(body);
	pack_array(body, 2);
	pack_u64(body, after);
	pack_u64(body, 0); /* as many as fit */
}

/* The rest of what the member at ADDRESS has begun to tell. */
static int
read_rest(struct synod *synod, const char *address, unsigned timeout_ms, struct owners_block *block)
{
	struct buffer body = BUFFER_EMPTY;
	int error = SYNOD_OK;

	while (error == SYNOD_OK && block->more) {
		struct answer answer = {.address = address};

		write_body(&body, last_id(block));
		error = body.failed ? SYNOD_NO_MEMORY
		                    : ask(synod, &answer, 1, OP_SESSIONS, buffer_slice(&body),
		                          timeout_ms);
		if (error == SYNOD_OK)
			error = answer.error;
		if (error == SYNOD_OK)
			error = read_page(answer.result, block);
		answer_fini(&answer);
	}
	buffer_fini(&body);
	return error;
}

/* The leader's answer; without one the first, which lacks the time that remains. */
static int
choose(const struct answer *answers, unsigned count, struct owners_block **best,
       const char **address)
{
	int error = SYNOD_TIMEOUT;

	for (unsigned i = 0; i < count && (*best == NULL || !(*best)->is_of_leader); i++) {
		struct owners_block *block;

		if (answers[i].error != SYNOD_OK) {
			error = answers[i].error;
			continue;
		}
		block = calloc(1, sizeof *block);
		if (block == NULL)
			return SYNOD_NO_MEMORY;
		error = read_page(answers[i].result, block);
		if (error == SYNOD_OK && (*best == NULL || block->is_of_leader)) {
			synod_owners_free(*best != NULL ? &(*best)->owners : NULL);
			*best = block;
			*address = answers[i].address;
		} else {
			synod_owners_free(&block->owners);
		}
	}
	return *best != NULL ? SYNOD_OK : error;
}

int
synod_owners(struct synod *synod, unsigned timeout_ms, struct synod_owners **owners)
{
	struct owners_block *best = NULL;
	struct buffer body = BUFFER_EMPTY;
	struct answer *answers = NULL;
	const char *address = NULL;
	unsigned count = 0;
	int error = ask_check(synod, owners);

	if (error != SYNOD_OK)
		return error;
	*owners = NULL;
	timeout_ms = ask_timeout_ms(timeout_ms);
	write_body(&body, 0);
	error = body.failed ? SYNOD_NO_MEMORY
	                    : ask_all(synod, OP_SESSIONS, buffer_slice(&body), timeout_ms, &answers,
	                              &count);
	if (error == SYNOD_OK)
		error = choose(answers, count, &best, &address);
	if (error == SYNOD_OK)
		error = read_rest(synod, address, timeout_ms, best);
	answers_free(answers, count);
	buffer_fini(&body);
	if (error == SYNOD_OK)
		*owners = &best->owners;
	else if (best != NULL)
		synod_owners_free(&best->owners);
	return error;
}
