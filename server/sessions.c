/* The leader's table of session deadlines: open addressing, scanned when a deadline is due. */
#include "server/sessions.h"

#include <stdlib.h>

#include "shared/check.h"
#include "shared/planted.h"

struct row {
	uint64_t session; /* 0: empty */
	uint64_t generation;
	uint64_t timeout_ms;
	uint64_t deadline_ms; /* once it is expiring: when to propose that again */
	bool is_expiring;
};

struct sessions {
	struct row *rows;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	uint64_t next_ms; /* no deadline is earlier than this */
};

/* However far the next deadline is, look again after this long. */
#define LOOK_AGAIN_MS 1000

/* A proposed expiry may not be taken, the window being full.  Another one after this long does no
 * harm: the second finds no session. */
#define EXPIRE_AGAIN_MS 1000

static size_t
home(const struct sessions *sessions, uint64_t session)
{
	return (size_t)((session * 0x9e3779b97f4a7c15u) >> 20) & (sessions->capacity - 1);
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

static void
place(struct sessions *sessions, const struct row *row)
{
	size_t i = home(sessions, row->session);

	while (sessions->rows[i].session != 0)
		i = (i + 1) & (sessions->capacity - 1);
	sessions->rows[i] = *row;
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
	free(sessions->rows);
	free(sessions);
}

void
sessions_clear(struct sessions *sessions)
{
	free(sessions->rows);
	*sessions = (struct sessions){0};
}

uint64_t
sessions_count(const struct sessions *sessions)
{
	return sessions->count;
}

void
sessions_add(struct sessions *sessions, uint64_t session, uint64_t generation, uint64_t timeout_ms,
             uint64_t now_ms)
{
	struct row row = {session, generation, timeout_ms, now_ms + timeout_ms, false};
	struct row *known = find(sessions, session);

	CHECK(session != 0);
	if (known && known->is_expiring && !PLANTED(EXPIRY_RECALLED))
		return; /* its EXPIRE is on its way all the same */
	if (row.deadline_ms < sessions->next_ms)
		sessions->next_ms = row.deadline_ms;
	if (known) {
		*known = row;
		return;
	}
	if ((sessions->count + 1) * 2 > sessions->capacity)
		grow(sessions);
	place(sessions, &row);
	sessions->count++;
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
sessions_renew(struct sessions *sessions, uint64_t session, uint64_t now_ms, uint64_t *timeout_ms)
{
	struct row *row = find(sessions, session);

	if (!row || session == 0 || row->is_expiring)
		return false;
	if (now_ms + row->timeout_ms > row->deadline_ms)
		row->deadline_ms = now_ms + row->timeout_ms;
	*timeout_ms = row->timeout_ms;
	return true;
}

uint64_t
sessions_expire(struct sessions *sessions, uint64_t now_ms, unsigned limit,
                bool (*each)(void *context, uint64_t session, uint64_t generation), void *context)
{
	uint64_t next_ms = now_ms + LOOK_AGAIN_MS;

	if (now_ms < sessions->next_ms)
		return sessions->next_ms;
	for (size_t i = 0; i < sessions->capacity; i++) {
		struct row *row = &sessions->rows[i];

		if (row->session == 0)
			continue;
		if (row->deadline_ms <= now_ms && limit > 0 &&
		    each(context, row->session, row->generation)) {
			row->is_expiring = true;
			row->deadline_ms = now_ms + EXPIRE_AGAIN_MS;
			limit--;
		}
		if (row->deadline_ms < next_ms)
			next_ms = row->deadline_ms;
	}
	sessions->next_ms = next_ms > now_ms ? next_ms : now_ms + 1;
	return sessions->next_ms;
}
