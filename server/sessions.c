/*
 * The leader's table of deadlines: rows by id, and a queue of when to look at which.
 *
 * The queue is a heap.  Renewing moves a row's deadline and leaves the queue alone:
 * when the time in the queue has come, a row that was renewed meanwhile goes back
 * into it with its deadline.  So a keepalive costs one look-up, and each row is
 * looked at once in a timeout.  What is in the queue of a row that is gone, or that
 * was queued again for an earlier time, is void, and dropped when it comes up.
 */
#include "server/sessions.h"

#include <stdlib.h>

#include "shared/check.h"
#include "shared/planted.h"

struct row {
	uint64_t session; /* 0: empty */
	uint64_t generation;
	uint64_t deadline_ms; /* once it is expiring: when to propose that again */
	uint64_t queued_ms;   /* the time in the queue, never later than the deadline */
	uint32_t timeout_ms;
	bool is_lease;
	bool is_expiring;
};

struct queued {
	uint64_t ms;
	uint64_t session;
};

struct sessions {
	struct row *rows;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	struct queued *queue;
	size_t queue_capacity, queue_count;
};

/* Rows looked at in one call, which takes less than a millisecond. */
#define LOOKS_MAX 2048

/* A proposed expiry may not be taken, the window being full.  Another one after this long does no
 * harm: the second finds no session. */
#define EXPIRE_AGAIN_MS 1000

/* ---- rows ---- */

static uint64_t
mixed(uint64_t session)
{
	return (session * 0x9e3779b97f4a7c15u) >> 20;
}

static size_t
home(const struct sessions *sessions, uint64_t session)
{
	return (size_t)mixed(session) & (sessions->capacity - 1);
}

static struct row *
find(const struct sessions *sessions, uint64_t session)
{
	if (sessions->capacity == 0)
		return NULL;
	for (size_t i = home(sessions, session);; i = (i + 1) & (sessions->capacity - 1)) {
		if (sessions->rows[i].session == session)
			return &sessions->rows[i];
		if (sessions->rows[i].session == 0)
			return NULL;
	}
}

static struct row *
place(struct sessions *sessions, const struct row *row)
{
	size_t i = home(sessions, row->session);

	while (sessions->rows[i].session != 0)
		i = (i + 1) & (sessions->capacity - 1);
	sessions->rows[i] = *row;
	return &sessions->rows[i];
}

static void
grow(struct sessions *sessions)
{
	struct row *old = sessions->rows;
	size_t old_capacity = sessions->capacity;

	sessions->capacity = old_capacity ? old_capacity * 2 : 64;
	sessions->rows = check_calloc(sessions->capacity, sizeof *sessions->rows);
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i].session)
			place(sessions, &old[i]);
	}
	free(old);
}

/* ---- the queue ---- */

static void
sift_up(struct queued *queue, size_t i)
{
	struct queued moved = queue[i];

	for (; i > 0 && moved.ms < queue[(i - 1) / 2].ms; i = (i - 1) / 2)
		queue[i] = queue[(i - 1) / 2];
	queue[i] = moved;
}

static void
sift_down(struct queued *queue, size_t count, size_t i)
{
	struct queued moved = queue[i];

	for (size_t child = 2 * i + 1; child < count; i = child, child = 2 * i + 1) {
		if (child + 1 < count && queue[child + 1].ms < queue[child].ms)
			child++;
		if (queue[child].ms >= moved.ms)
			break;
		queue[i] = queue[child];
	}
	queue[i] = moved;
}

/* Leave out what is void. */
static void
requeue_all(struct sessions *sessions)
{
	sessions->queue_count = 0;
	for (size_t i = 0; i < sessions->capacity; i++) {
		const struct row *row = &sessions->rows[i];

		if (row->session == 0)
			continue;
		sessions->queue[sessions->queue_count] =
			(struct queued){row->queued_ms, row->session};
		sift_up(sessions->queue, sessions->queue_count++);
	}
}

/*
 * ROW, which is in the table, is to be looked at for the first time somewhere in
 * the second half of its time: rows that begin together, as all do under a new
 * leader, then do not come up together.
 */
static void
enqueue(struct sessions *sessions, struct row *row)
{
	row->queued_ms = row->deadline_ms - mixed(row->session) % (row->timeout_ms / 2 + 1);
	if (sessions->queue_count == sessions->queue_capacity) {
		if (sessions->queue_count > 2 * sessions->count) {
			requeue_all(sessions);
			return;
		}
		sessions->queue_capacity =
			sessions->queue_capacity ? sessions->queue_capacity * 2 : 64;
		sessions->queue = check_realloc(sessions->queue,
		                                sessions->queue_capacity * sizeof *sessions->queue);
	}
	sessions->queue[sessions->queue_count] = (struct queued){row->queued_ms, row->session};
	sift_up(sessions->queue, sessions->queue_count++);
}

static void
drop_first(struct sessions *sessions)
{
	sessions->queue[0] = sessions->queue[--sessions->queue_count];
	if (sessions->queue_count > 0)
		sift_down(sessions->queue, sessions->queue_count, 0);
}

/* Move ROW, the first of the queue, to its deadline. */
static void
postpone_first(struct sessions *sessions, struct row *row)
{
	row->queued_ms = row->deadline_ms;
	sessions->queue[0].ms = row->deadline_ms;
	sift_down(sessions->queue, sessions->queue_count, 0);
}

/* ---- sessions ---- */

struct sessions *
sessions_new(void)
{
	return check_calloc(1, sizeof(struct sessions));
}

void
sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	sessions_clear(sessions);
	free(sessions);
}

void
sessions_clear(struct sessions *sessions)
{
	free(sessions->rows);
	free(sessions->queue);
	*sessions = (struct sessions){0};
}

uint64_t
sessions_count(const struct sessions *sessions)
{
	return sessions->count;
}

void
sessions_add(struct sessions *sessions, uint64_t session, bool is_lease, uint64_t generation,
             uint64_t timeout_ms, uint64_t now_ms)
{
	struct row row = {
		.session = session,
		.generation = generation,
		.deadline_ms = now_ms + timeout_ms,
		.timeout_ms = (uint32_t)timeout_ms,
		.is_lease = is_lease,
	};
	struct row *known = find(sessions, session);

	CHECK(session != 0);
	CHECK(timeout_ms <= UINT32_MAX);
	if (known && known->is_expiring && !PLANTED(EXPIRY_RECALLED))
		return; /* its EXPIRE is on its way all the same */
	if (known) {
		row.queued_ms = known->queued_ms;
		*known = row;
		if (row.deadline_ms < row.queued_ms)
			enqueue(sessions, known);
		return;
	}
	if ((sessions->count + 1) * 2 > sessions->capacity)
		grow(sessions);
	known = place(sessions, &row);
	sessions->count++;
	enqueue(sessions, known);
}

/* Backward-shift deletion: no tombstones, so that look-ups stay short. */
void
sessions_remove(struct sessions *sessions, uint64_t session)
{
	struct row *row = find(sessions, session);
	size_t mask = sessions->capacity - 1, hole, i;

	if (!row)
		return;
	hole = (size_t)(row - sessions->rows);
	for (i = (hole + 1) & mask; sessions->rows[i].session; i = (i + 1) & mask) {
		size_t wanted = home(sessions, sessions->rows[i].session);

		if (((i - wanted) & mask) >= ((i - hole) & mask)) {
			sessions->rows[hole] = sessions->rows[i];
			hole = i;
		}
	}
	sessions->rows[hole].session = 0;
	sessions->count--;
}

bool
sessions_renew(struct sessions *sessions, uint64_t session, bool is_lease, uint64_t now_ms,
               uint64_t *timeout_ms)
{
	struct row *row = find(sessions, session);

	if (!row || session == 0 || row->is_expiring)
		return false;
	if (row->is_lease != is_lease && !PLANTED(SESSION_KEPT_AS_LEASE))
		return false;
	if (now_ms + row->timeout_ms > row->deadline_ms)
		row->deadline_ms = now_ms + row->timeout_ms;
	*timeout_ms = row->timeout_ms;
	return true;
}

bool
sessions_remaining(const struct sessions *sessions, uint64_t session, uint64_t now_ms,
                   uint64_t *remaining_ms)
{
	const struct row *row = find(sessions, session);

	if (!row || session == 0)
		return false;
	*remaining_ms =
		!row->is_expiring && row->deadline_ms > now_ms ? row->deadline_ms - now_ms : 0;
	return true;
}

void
sessions_expire(struct sessions *sessions, uint64_t now_ms, unsigned limit,
                void (*each)(void *context, uint64_t session, uint64_t generation), void *context)
{
	for (unsigned looks = 0; looks < LOOKS_MAX && sessions->queue_count > 0; looks++) {
		struct queued first = sessions->queue[0];
		struct row *row = find(sessions, first.session);

		if (first.ms > now_ms)
			return;
		if (!row || row->queued_ms != first.ms) {
			drop_first(sessions);
			continue;
		}
		if (row->deadline_ms == first.ms) {
			if (limit-- == 0)
				return;
			row->is_expiring = true;
			row->deadline_ms = now_ms + EXPIRE_AGAIN_MS;
			each(context, row->session, row->generation);
		}
		postpone_first(sessions, row);
	}
}
