/*
 * A session's kept answers: one for each seq above the acknowledged one, packed
 * as [error, revision, result] one after the other, oldest first.
 */
#include <string.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"

/* What an idle session may keep of the memory that its answers once took. */
#define CAPACITY_IDLE 1024

struct slice
answers_blob(const struct session *session)
{
	static const uint8_t nothing[1];
	size_t size = session->answers.size - session->answers_start;

	if (size == 0)
		return (struct slice){nothing, 0};
	return (struct slice){session->answers.bytes + session->answers_start, size};
}

/* The first answer at the cursor, as its bytes. */
static struct slice
next(struct cursor *cursor)
{
	struct slice packed = cursor_raw(cursor);

	CHECK(!cursor->failed);
	return packed;
}

/* The bytes of the answers up to ACKNOWLEDGED. */
static size_t
size_up_to(const struct session *session, uint64_t acknowledged)
{
	struct slice blob = answers_blob(session);
	struct cursor cursor;

	cursor_init(&cursor, blob);
	for (uint64_t seq = session->acknowledged; seq < acknowledged && seq < session->seq; seq++)
		next(&cursor);
	return blob.size - (size_t)(cursor.end - cursor.at);
}

bool
answers_are_full(const struct session *session, uint64_t acknowledged)
{
	size_t size = answers_blob(session).size;

	if (acknowledged < session->acknowledged)
		acknowledged = session->acknowledged;
	if (session->seq - acknowledged >= SESSION_WINDOW)
		return true;
	return size >= SESSION_REPLY_BYTES_MAX &&
	       size - size_up_to(session, acknowledged) >= SESSION_REPLY_BYTES_MAX;
}

/* Move what is left to the front once that is cheaper than what was dropped. */
static void
compact(struct session *session)
{
	struct buffer *answers = &session->answers;

	if (session->answers_start < answers->size - session->answers_start)
		return;
	buffer_consume(answers, session->answers_start);
	session->answers_start = 0;
	if (answers->size == 0 && answers->capacity > CAPACITY_IDLE)
		buffer_fini(answers);
}

void
answers_drop(struct session *session, uint64_t acknowledged)
{
	struct slice blob = answers_blob(session);
	struct cursor cursor;

	CHECK(acknowledged <= session->seq);

	cursor_init(&cursor, blob);
	while (session->acknowledged < acknowledged) {
		struct slice packed = next(&cursor);

		hash_subtract(&session->answers_hash, hash_of(packed));
		session->answers_start += packed.size;
		session->acknowledged++;
	}
	compact(session);
}

void
answers_append(struct session *session, const struct kept_answer *answer)
{
	struct buffer *answers = &session->answers;
	size_t before = answers->size;

	pack_array(answers, 3);
	pack_u64(answers, (uint64_t)answer->error);
	pack_u64(answers, answer->revision);
	pack_raw(answers, answer->result);
	CHECK(!answers->failed);
	hash_add(&session->answers_hash,
	         hash_of((struct slice){answers->bytes + before, answers->size - before}));
	session->seq++;
}

static void
decode(struct cursor *cursor, struct kept_answer *answer)
{
	uint32_t count = cursor_array(cursor);
	uint64_t error = cursor_u64(cursor);

	if (count != 3 || error > INT32_MAX)
		cursor_fail(cursor);
	answer->error = (int)error;
	answer->revision = cursor_u64(cursor);
	answer->result = cursor_raw(cursor);
	cursor_leave(cursor);
}

void
answers_find(const struct session *session, uint64_t seq, struct kept_answer *answer)
{
	struct cursor cursor;

	CHECK(seq > session->acknowledged);
	CHECK(seq <= session->seq);

	cursor_init(&cursor, answers_blob(session));
	for (uint64_t at = session->acknowledged + 1; at < seq; at++)
		next(&cursor);
	decode(&cursor, answer);
	CHECK(!cursor.failed);
}

int
answers_load(struct session *session, struct slice blob)
{
	struct cursor cursor;

	if (session->acknowledged > session->seq)
		return SYNOD_CORRUPT;
	cursor_init(&cursor, blob);
	for (uint64_t seq = session->acknowledged; seq < session->seq && !cursor.failed; seq++) {
		const uint8_t *start = cursor.at;
		struct kept_answer answer;

		decode(&cursor, &answer);
		hash_add(&session->answers_hash,
		         hash_of((struct slice){start, (size_t)(cursor.at - start)}));
	}
	if (cursor_finish(&cursor) != SYNOD_OK)
		return SYNOD_CORRUPT;
	buffer_append(&session->answers, blob.bytes, blob.size);
	CHECK(!session->answers.failed);
	return SYNOD_OK;
}
