/* Keeping leases alive, and knowing how long each can be counted on. */
#include "client/leases.h"

#include <stdlib.h>
#include <string.h>

#include "client/handle.h"
#include "client/request.h"
#include "shared/error.h"
#include "shared/planted.h"

void
leases_init(struct leases *leases)
{
	pthread_mutex_init(&leases->lock, NULL);
}

void
leases_fini(struct leases *leases)
{
	for (unsigned i = 0; i < KEEPALIVES_REMEMBERED; i++)
		free(leases->frames[i].ids);
	free(leases->kept);
	free(leases->granted);
	pthread_mutex_destroy(&leases->lock);
}

/* ---- the table; the lock is held ---- */

/* Where ID is, or belongs. */
static unsigned
place_of(const struct leases *leases, uint64_t id)
{
	unsigned low = 0;
	unsigned high = leases->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (leases->kept[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct kept_lease *
find(struct leases *leases, uint64_t id)
{
	unsigned place = place_of(leases, id);

	return place < leases->count && leases->kept[place].id == id ? &leases->kept[place] : NULL;
}

static const struct granted_lease *
find_granted(const struct leases *leases, uint64_t id)
{
	unsigned count = leases->granted_count < LEASES_GRANTED_MAX ? leases->granted_count
	                                                            : LEASES_GRANTED_MAX;

	for (unsigned i = 0; i < count; i++)
		if (leases->granted[i].id == id)
			return &leases->granted[i];
	return NULL;
}

static uint64_t
deadline_us(uint64_t sent_us, uint64_t ttl_ms)
{
	return sent_us + (ttl_ms - life_margin_ms(ttl_ms)) * 1000;
}

static struct kept_lease *
insert(struct leases *leases, uint64_t id)
{
	unsigned place = place_of(leases, id);

	if (leases->count == leases->capacity) {
		unsigned capacity = leases->capacity > 0 ? leases->capacity * 2 : 8;
		struct kept_lease *larger = realloc(leases->kept, capacity * sizeof *leases->kept);

		if (larger == NULL)
			return NULL;
		leases->kept = larger;
		leases->capacity = capacity;
	}
	memmove(&leases->kept[place + 1], &leases->kept[place],
	        (leases->count - place) * sizeof *leases->kept);
	leases->count++;
	leases->kept[place] = (struct kept_lease){.id = id};
	return &leases->kept[place];
}

static void
take_out(struct leases *leases, const struct kept_lease *lease)
{
	size_t place = (size_t)(lease - leases->kept);

	leases->count--;
	memmove(&leases->kept[place], &leases->kept[place + 1],
	        (leases->count - place) * sizeof *leases->kept);
}

/* ---- keepalives ---- */

uint64_t
leases_next_us(struct leases *leases)
{
	uint64_t next_us = UINT64_MAX;

	pthread_mutex_lock(&leases->lock);
	for (unsigned i = 0; i < leases->count; i++)
		if (leases->kept[i].next_us < next_us)
			next_us = leases->kept[i].next_us;
	pthread_mutex_unlock(&leases->lock);
	return next_us;
}

uint64_t
leases_patience_us(struct leases *leases)
{
	uint64_t shortest_ms = 0;

	pthread_mutex_lock(&leases->lock);
	for (unsigned i = 0; i < leases->count; i++)
		if (shortest_ms == 0 || leases->kept[i].ttl_ms < shortest_ms)
			shortest_ms = leases->kept[i].ttl_ms;
	pthread_mutex_unlock(&leases->lock);
	return shortest_ms * 1000 / 3;
}

void
leases_pack(struct leases *leases, uint64_t number, uint64_t now_us, struct buffer *out)
{
	struct lease_frame *frame = &leases->frames[number % KEEPALIVES_REMEMBERED];
	uint64_t *ids;

	pthread_mutex_lock(&leases->lock);
	frame->number = number;
	frame->count = 0;
	ids = leases->count > 0 ? realloc(frame->ids, leases->count * sizeof *ids) : NULL;
	if (ids != NULL)
		frame->ids = ids;
	for (unsigned i = 0; ids != NULL && i < leases->count; i++) {
		struct kept_lease *lease = &leases->kept[i];

		/* Together with the others, rather than in a frame of its own soon after. */
		if (lease->next_us > now_us + lease->ttl_ms * 1000 / 8)
			continue;
		ids[frame->count++] = lease->id;
		lease->next_us = now_us + lease->ttl_ms * 1000 / 12; /* sooner while unanswered */
	}
	pthread_mutex_unlock(&leases->lock);
	pack_array(out, frame->count);
	for (uint32_t i = 0; i < frame->count; i++)
		pack_u64(out, frame->ids[i]);
	if (frame->count > 0 && leases->unanswered_us == 0)
		leases->unanswered_us = now_us;
}

static void
on_end(struct leases *leases, uint64_t id)
{
	struct kept_lease ended = {0};
	struct kept_lease *lease;

	if (PLANTED(LEASE_KEPT_AFTER_END))
		return;
	pthread_mutex_lock(&leases->lock);
	lease = find(leases, id);
	if (lease != NULL) {
		ended = *lease;
		take_out(leases, lease);
	}
	pthread_mutex_unlock(&leases->lock);
	if (ended.on_end == NULL)
		return;
	session_enter_callback();
	ended.on_end(ended.context, id);
	session_leave_callback();
}

static void
on_confirmed(struct leases *leases, uint64_t id, uint64_t sent_us, uint64_t ttl_ms)
{
	struct kept_lease *lease;

	pthread_mutex_lock(&leases->lock);
	lease = find(leases, id);
	if (lease != NULL) {
		uint64_t deadline = deadline_us(sent_us, ttl_ms);

		lease->ttl_ms = ttl_ms;
		if (deadline > lease->deadline_us)
			lease->deadline_us = deadline;
		lease->next_us = sent_us + ttl_ms * 1000 / 3;
	}
	pthread_mutex_unlock(&leases->lock);
}

void
leases_on_alive(struct leases *leases, uint64_t number, uint64_t sent_us, uint64_t now_us,
                struct cursor *cursor)
{
	struct lease_frame *frame = &leases->frames[number % KEEPALIVES_REMEMBERED];
	uint32_t count = cursor_array(cursor);
	uint64_t ttl_ms;

	if (frame->number != number || count != frame->count) {
		cursor_skip(cursor, count); /* too late, or about something else */
		cursor_leave(cursor);
		return;
	}
	leases->unanswered_us = 0;
	for (uint32_t i = 0; i < count; i++) {
		ttl_ms = cursor_u64(cursor);
		if (cursor->failed || ttl_ms > LEASE_TTL_MAX_MS)
			break;
		if (ttl_ms == 0)
			on_end(leases, frame->ids[i]);
		else if (ttl_ms >= LEASE_TTL_MIN_MS)
			on_confirmed(leases, frame->ids[i],
			             PLANTED(DEADLINE_FROM_RECEIVE) ? now_us : sent_us, ttl_ms);
	}
	cursor_leave(cursor);
}

/* ---- calls about leases ---- */

static void
on_granted(struct leases *leases, uint64_t id, uint64_t ttl_ms, uint64_t asked_us)
{
	pthread_mutex_lock(&leases->lock);
	if (leases->granted == NULL)
		leases->granted = calloc(LEASES_GRANTED_MAX, sizeof *leases->granted);
	if (leases->granted != NULL)
		leases->granted[leases->granted_count++ % LEASES_GRANTED_MAX] =
			(struct granted_lease){id, ttl_ms, asked_us};
	pthread_mutex_unlock(&leases->lock);
}

void
leases_on_result(struct leases *leases, const struct call *call, const struct synod_result *result)
{
	struct cursor cursor;

	if (result->error != SYNOD_OK)
		return;
	if (call->op == OP_LEASE_GRANT) {
		on_granted(leases, result->id, result->ttl_ms,
		           call->deadline_us - call->timeout_ms * UINT64_C(1000));
	} else if (call->op == OP_REVOKE) {
		cursor_init(&cursor, buffer_slice(&call->body));
		cursor_array(&cursor);
		on_end(leases, cursor_u64(&cursor));
	}
}

/* Of those that this handle granted and keeps, the first whose id is above AFTER; 0: none. */
static uint64_t
next_granted(struct leases *leases, uint64_t after)
{
	unsigned i;
	uint64_t id;

	pthread_mutex_lock(&leases->lock);
	i = place_of(leases, after + 1);
	while (i < leases->count && !leases->kept[i].is_granted)
		i++;
	id = i < leases->count ? leases->kept[i].id : 0;
	pthread_mutex_unlock(&leases->lock);
	return id;
}

void
leases_revoke(struct session *session)
{
	const char *why = NULL;
	uint64_t id = 0;

	/* Without a session they end by themselves. */
	while (session->life == LIFE_OPEN && (id = next_granted(&session->leases, id)) != 0) {
		struct call *call = call_new(session->options.pool);

		if (call == NULL)
			return;
		call->op = OP_REVOKE;
		call->is_abandoned = true;
		call->deadline_us = UINT64_MAX;
		if (request_revoke(&call->body, id, false, &why) == SYNOD_OK)
			TAILQ_INSERT_TAIL(&session->lanes[LANE_WRITES].queue, call, link);
		else
			call_free(session->options.pool, call);
	}
}

/* ---- the interface ---- */

static int
keep(struct leases *leases, const struct kept_lease *wanted)
{
	const struct granted_lease *granted = find_granted(leases, wanted->id);
	struct kept_lease *lease = find(leases, wanted->id);

	if (lease == NULL && leases->count == LEASES_KEPT_MAX)
		return SYNOD_LIMIT;
	if (lease == NULL)
		lease = insert(leases, wanted->id);
	if (lease == NULL)
		return SYNOD_NO_MEMORY;
	lease->ttl_ms = wanted->ttl_ms;
	lease->on_end = wanted->on_end;
	lease->context = wanted->context;
	lease->next_us = 0;
	lease->is_granted = granted != NULL;
	if (granted != NULL && lease->deadline_us == 0)
		lease->deadline_us = deadline_us(granted->asked_us, granted->ttl_ms);
	return SYNOD_OK;
}

int
synod_lease_keep(struct synod *synod, uint64_t lease, uint64_t ttl_ms,
                 void (*on_end_of)(void *context, uint64_t lease), void *context)
{
	const struct kept_lease wanted = {
		.id = lease, .ttl_ms = ttl_ms, .on_end = on_end_of, .context = context};
	struct leases *leases;
	int error;

	if (synod == NULL || lease == 0 || ttl_ms < LEASE_TTL_MIN_MS || ttl_ms > LEASE_TTL_MAX_MS)
		return SYNOD_BAD_ARGUMENT;
	if (atomic_load(&synod->is_closing))
		return SYNOD_CLOSED;
	leases = &synod->session->leases;
	pthread_mutex_lock(&leases->lock);
	error = keep(leases, &wanted);
	pthread_mutex_unlock(&leases->lock);
	if (error == SYNOD_OK)
		session_wake(synod->session);
	return error;
}

int
synod_lease_let_go(struct synod *synod, uint64_t id)
{
	struct kept_lease *lease;
	struct leases *leases;
	bool was_kept;

	if (synod == NULL)
		return SYNOD_BAD_ARGUMENT;
	leases = &synod->session->leases;
	pthread_mutex_lock(&leases->lock);
	lease = find(leases, id);
	was_kept = lease != NULL;
	if (was_kept)
		take_out(leases, lease);
	pthread_mutex_unlock(&leases->lock);
	return was_kept ? SYNOD_OK : SYNOD_NO_LEASE;
}

unsigned
synod_lease_remaining_ms(struct synod *synod, uint64_t id)
{
	const struct kept_lease *lease;
	struct leases *leases;
	uint64_t deadline = 0;
	uint64_t now_us;

	if (synod == NULL)
		return 0;
	leases = &synod->session->leases;
	pthread_mutex_lock(&leases->lock);
	lease = find(leases, id);
	if (lease != NULL)
		deadline = lease->deadline_us;
	pthread_mutex_unlock(&leases->lock);
	now_us = clock_now_us(synod->clock);
	return deadline > now_us ? (unsigned)((deadline - now_us) / 1000) : 0;
}
