/* Sessions and leases: all of them in memory, found by id and sessions by the hash of their secret;
 * rows at commits. */
#include <stdlib.h>
#include <string.h>

#include "server/namespace/internal.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

#define BUCKETS_MIN 64

void
sessions_init(struct session_table *sessions)
{
	*sessions = (struct session_table){.bucket_count = BUCKETS_MIN};
	sessions->by_id = check_calloc(BUCKETS_MIN, sizeof *sessions->by_id);
	sessions->by_secret = check_calloc(BUCKETS_MIN, sizeof *sessions->by_secret);
}

static void
session_free(struct session *session)
{
	buffer_fini(&session->answers);
	free(session);
}

void
sessions_fini(struct session_table *sessions)
{
	for (size_t i = 0; sessions->by_id != NULL && i < sessions->bucket_count; i++) {
		while (sessions->by_id[i] != NULL) {
			struct session *session = sessions->by_id[i];

			sessions->by_id[i] = session->next;
			session_free(session);
		}
	}
	free(sessions->by_id);
	free(sessions->by_secret);
	free(sessions->dirty);
}

/* Ids are slots: their low bits spread well enough. */
static struct session **
bucket_by_id(struct session_table *sessions, uint64_t id)
{
	return &sessions->by_id[id & (sessions->bucket_count - 1)];
}

/* The secret's hash is as good as any hash of it. */
static struct session **
bucket_by_secret(struct session_table *sessions, const uint8_t *secret_hash)
{
	uint64_t key;

	memcpy(&key, secret_hash, sizeof key);
	return &sessions->by_secret[key & (sessions->bucket_count - 1)];
}

static void
link_session(struct session_table *sessions, struct session *session)
{
	struct session **by_id = bucket_by_id(sessions, session->id);
	struct session **by_secret;

	session->next = *by_id;
	*by_id = session;
	if (session->is_lease)
		return;
	by_secret = bucket_by_secret(sessions, session->secret_hash);
	session->next_by_secret = *by_secret;
	*by_secret = session;
}

static void
unlink_session(struct session_table *sessions, struct session *session)
{
	struct session **link = bucket_by_id(sessions, session->id);

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	if (session->is_lease)
		return;
	link = bucket_by_secret(sessions, session->secret_hash);
	while (*link != session)
		link = &(*link)->next_by_secret;
	*link = session->next_by_secret;
}

static void
grow(struct session_table *sessions)
{
	struct session **old = sessions->by_id;
	size_t old_count = sessions->bucket_count;

	free(sessions->by_secret);
	sessions->bucket_count = old_count * 2;
	sessions->by_id = check_calloc(sessions->bucket_count, sizeof *old);
	sessions->by_secret = check_calloc(sessions->bucket_count, sizeof *old);
	for (size_t i = 0; i < old_count; i++) {
		struct session *session = old[i];

		while (session != NULL) {
			struct session *next = session->next;

			link_session(sessions, session);
			session = next;
		}
	}
	free(old);
}

static void
insert(struct session_table *sessions, struct session *session)
{
	if (sessions->count >= sessions->bucket_count)
		grow(sessions);
	link_session(sessions, session);
	sessions->count++;
	sessions->lease_count += session->is_lease;
}

struct session *
session_find(struct namespace *namespace, uint64_t id)
{
	struct session *session = *bucket_by_id(&namespace->sessions, id);

	while (session != NULL && session->id != id)
		session = session->next;
	return session;
}

struct session *
session_find_by_secret(struct namespace *namespace, struct slice secret_hash)
{
	struct session *session;

	CHECK(secret_hash.size == SECRET_HASH_SIZE);

	session = *bucket_by_secret(&namespace->sessions, secret_hash.bytes);
	while (session != NULL &&
	       memcmp(session->secret_hash, secret_hash.bytes, SECRET_HASH_SIZE) != 0)
		session = session->next_by_secret;
	return session;
}

/* ---- changing ---- */

struct state_hash
session_hash_of(const struct session *session)
{
	struct row row;

	row.size = 0;
	row_number(&row, session->id);
	row_number(&row, session->generation);
	row_number(&row, session->timeout_ms);
	row_number(&row, session->seq);
	row_number(&row, session->acknowledged);
	row_number(&row, session->is_lease ? 1 : 0);
	row_hash(&row, session->answers_hash);
	row_bytes(&row, (struct slice){session->secret_hash, SECRET_HASH_SIZE});
	return hash_of_row(&row);
}

void
session_begin_change(struct namespace *namespace, struct session *session)
{
	hash_subtract(&namespace->hash, session->hash);
}

static void
mark_dirty(struct session_table *sessions, struct session *session)
{
	if (session->dirty_index != SIZE_MAX)
		return;
	if (sessions->dirty_count == sessions->dirty_capacity) {
		sessions->dirty_capacity =
			sessions->dirty_capacity > 0 ? sessions->dirty_capacity * 2 : 64;
		sessions->dirty = check_realloc(sessions->dirty, sessions->dirty_capacity *
		                                                         sizeof(struct session *));
	}
	session->dirty_index = sessions->dirty_count;
	sessions->dirty[sessions->dirty_count++] = session;
}

static void
unmark_dirty(struct session_table *sessions, struct session *session)
{
	struct session *last;

	if (session->dirty_index == SIZE_MAX)
		return;
	last = sessions->dirty[--sessions->dirty_count];
	sessions->dirty[session->dirty_index] = last;
	last->dirty_index = session->dirty_index;
	session->dirty_index = SIZE_MAX;
}

void
session_end_change(struct namespace *namespace, struct session *session)
{
	session->hash = session_hash_of(session);
	hash_add(&namespace->hash, session->hash);
	mark_dirty(&namespace->sessions, session);
}

static struct session *
add(struct namespace *namespace, uint64_t id, uint64_t timeout_ms, bool is_lease,
    struct slice secret_hash)
{
	struct session *session = check_calloc(1, sizeof *session);

	session->is_lease = is_lease;
	session->id = id;
	session->generation = 1;
	session->timeout_ms = timeout_ms;
	session->dirty_index = SIZE_MAX;
	if (secret_hash.size > 0)
		memcpy(session->secret_hash, secret_hash.bytes, secret_hash.size);
	session_end_change(namespace, session);
	insert(&namespace->sessions, session);
	return session;
}

struct session *
session_open(struct namespace *namespace, uint64_t id, uint64_t timeout_ms,
             struct slice secret_hash)
{
	CHECK(secret_hash.size == SECRET_HASH_SIZE);

	return add(namespace, id, timeout_ms, false, secret_hash);
}

struct session *
lease_open(struct namespace *namespace, uint64_t id, uint64_t ttl_ms)
{
	return add(namespace, id, ttl_ms, true, (struct slice){NULL, 0});
}

void
session_count_owned(struct namespace *namespace, const struct node_stat *stat, int step)
{
	struct session *session;

	if (stat->owner == 0)
		return;
	session = session_find(namespace, stat->owner);
	CHECK(session != NULL);
	if (step > 0)
		session->has_owned = true;
	if (stat->kind != NODE_CONTENDER)
		return;
	if (step < 0)
		CHECK(session->contender_count > 0);
	session->contender_count += (uint32_t)step;
	undo_record_contender(namespace, session->id, step);
}

int
session_end(struct namespace *namespace, struct session *session)
{
	struct session_table *sessions = &namespace->sessions;

	CHECK(session->contender_count == 0);

	bind_u64(statement_of(namespace, STATEMENT_SESSION_DELETE), 1, session->id);
	hash_subtract(&namespace->hash, session->hash);
	unmark_dirty(sessions, session);
	unlink_session(sessions, session);
	sessions->count--;
	sessions->lease_count -= session->is_lease;
	session_free(session);
	return statement_run(namespace, STATEMENT_SESSION_DELETE);
}

/* ---- rows ---- */

static int
compare_ids(const void *a, const void *b)
{
	const struct session *const *left = a;
	const struct session *const *right = b;

	return ((*left)->id > (*right)->id) - ((*left)->id < (*right)->id);
}

static int
write_row(struct namespace *namespace, const struct session *session)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_SESSION_WRITE);

	bind_u64(statement, 1, session->id);
	bind_u64(statement, 2, session->generation);
	bind_u64(statement, 3, session->timeout_ms);
	bind_u64(statement, 4, session->seq);
	bind_u64(statement, 5, session->acknowledged);
	bind_bytes(statement, 6,
	           (struct slice){session->secret_hash, session->is_lease ? 0 : SECRET_HASH_SIZE});
	bind_bytes(statement, 7, PLANTED(REPLIES_FORGOTTEN) ? slice_of("") : answers_blob(session));
	bind_u64(statement, 8, session->is_lease ? 1 : 0);
	return statement_run(namespace, STATEMENT_SESSION_WRITE);
}

int
sessions_write_back(struct namespace *namespace)
{
	struct session_table *sessions = &namespace->sessions;

	if (sessions->dirty_count > 1)
		qsort(sessions->dirty, sessions->dirty_count, sizeof *sessions->dirty, compare_ids);
	for (size_t i = 0; i < sessions->dirty_count; i++) {
		int error = write_row(namespace, sessions->dirty[i]);

		if (error != SYNOD_OK)
			return error;
	}
	for (size_t i = 0; i < sessions->dirty_count; i++)
		sessions->dirty[i]->dirty_index = SIZE_MAX;
	sessions->dirty_count = 0;
	return SYNOD_OK;
}

int
session_of_row(struct namespace *namespace, struct session *session)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_SESSION_EACH);
	struct slice secret_hash = column_bytes(statement, 5);
	int error = SYNOD_CORRUPT;

	session->is_lease = column_u64(statement, 7) != 0;
	session->id = column_u64(statement, 0);
	session->generation = column_u64(statement, 1);
	session->timeout_ms = column_u64(statement, 2);
	session->seq = column_u64(statement, 3);
	session->acknowledged = column_u64(statement, 4);
	session->dirty_index = SIZE_MAX;
	if (secret_hash.size == (session->is_lease ? 0 : SECRET_HASH_SIZE)) {
		memcpy(session->secret_hash, secret_hash.bytes, secret_hash.size);
		error = answers_load(session, column_bytes(statement, 6));
	}
	if (error != SYNOD_OK)
		return fault_corrupt(namespace, "the row of a session is damaged");
	session->hash = session_hash_of(session);
	return SYNOD_OK;
}

static int
load_rows(struct namespace *namespace)
{
	bool has_row;
	int error;

	while ((error = statement_step(namespace, STATEMENT_SESSION_EACH, &has_row)) == SYNOD_OK &&
	       has_row) {
		struct session *session = check_calloc(1, sizeof *session);

		error = session_of_row(namespace, session);
		if (error != SYNOD_OK) {
			session_free(session);
			break;
		}
		insert(&namespace->sessions, session);
	}
	statement_reset(namespace, STATEMENT_SESSION_EACH);
	return error;
}

/* Who owns nodes, and for how many locks it contends. */
static int
load_owners(struct namespace *namespace)
{
	sqlite3_stmt *statement = statement_of(namespace, STATEMENT_OWNERS);
	bool has_row;
	int error;

	while ((error = statement_step(namespace, STATEMENT_OWNERS, &has_row)) == SYNOD_OK &&
	       has_row) {
		struct session *session = session_find(namespace, column_u64(statement, 0));

		if (session == NULL) {
			error = fault_corrupt(namespace, "a node has an owner that does not exist");
			break;
		}
		session->has_owned = true;
		session->contender_count = (uint32_t)column_u64(statement, 1);
	}
	statement_reset(namespace, STATEMENT_OWNERS);
	return error;
}

int
sessions_load(struct namespace *namespace)
{
	int error = load_rows(namespace);

	return error == SYNOD_OK ? load_owners(namespace) : error;
}

static struct session **
sorted(const struct session_table *sessions)
{
	struct session **all = check_malloc((sessions->count + 1) * sizeof *all);
	size_t count = 0;

	for (size_t i = 0; i < sessions->bucket_count; i++)
		for (struct session *at = sessions->by_id[i]; at != NULL; at = at->next)
			all[count++] = at;
	CHECK(count == sessions->count);
	qsort(all, count, sizeof *all, compare_ids);
	return all;
}

int
namespace_each_session(struct namespace *namespace,
                       void (*each)(void *context, uint64_t session, uint64_t generation,
                                    uint64_t timeout_ms),
                       void *context)
{
	struct session **all = sorted(&namespace->sessions);

	for (size_t i = 0; i < namespace->sessions.count; i++)
		each(context, all[i]->id, all[i]->generation, all[i]->timeout_ms);
	free(all);
	return SYNOD_OK;
}

bool
namespace_is_lease(const struct namespace *namespace, uint64_t id)
{
	const struct session *session = session_find((struct namespace *)namespace, id);

	return session != NULL && session->is_lease;
}
