/*
 * Locks, from the chronicle: granted in the order of arrival, in the revision in
 * which there is room, never within a delay, never to more than may hold them;
 * tokens grow; what a lock guards is written with the token of a holder of then.
 * And what clients and observers were told of it is so.
 *
 * At most one believer at a time is checked while it runs: lock_check_beliefs().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "tests/sim/living.h"

#define CONTENDERS_MAX 64

/* After a delay a waiter is let in at the next look of a leader. */
#define LOOK_US (20 * SECOND_US)

struct contender {
	char path[LIVING_PATH];
	uint64_t token, owner, value_hash;
	bool is_shared;
};

struct lock_state {
	struct contender contenders[CONTENDERS_MAX]; /* by sequence */
	unsigned count;
	uint64_t last_token;
	char last_path[LIVING_PATH]; /* of the latest contender */
	bool is_touched;
	bool is_crowded; /* more than we count */
	/* In the cluster's uptime; 0: none. */
	uint64_t delay_end_least_ms, delay_end_most_ms;
	uint64_t delay_begun_us;
};

struct leader {
	uint64_t token, session, value_hash, revision;
};

struct check {
	struct living *living;
	struct lock_state locks[LOCKS_MAX];
	/* Who led, whenever that changed. */
	struct leader *leaders;
	size_t leader_count, leader_capacity;
};

static void
fail(struct check *check, unsigned lock, const char *why, uint64_t revision)
{
	world_fail(check->living->world, "lock", "%s: %s at revision %lu", lock_kinds[lock].path,
	           why, (unsigned long)revision);
}

/* ---- rows ---- */

/* The lock that PATH is a contender of, or LOCKS_MAX. */
static unsigned
lock_of(const char *path, bool *is_contender)
{
	for (unsigned i = 0; i < LOCKS_MAX; i++) {
		size_t size = strlen(lock_kinds[i].path);

		if (strncmp(path, lock_kinds[i].path, size) != 0 ||
		    (path[size] != '\0' && path[size] != '/'))
			continue;
		*is_contender = path[size] == '/';
		return i;
	}
	return LOCKS_MAX;
}

static struct contender *
find(struct lock_state *lock, const char *path)
{
	for (unsigned i = 0; i < lock->count; i++)
		if (strcmp(lock->contenders[i].path, path) == 0)
			return &lock->contenders[i];
	return NULL;
}

static void
arrive(struct check *check, unsigned index, const struct chronicled *change)
{
	struct lock_state *lock = &check->locks[index];
	struct contender *contender;

	if (strcmp(change->path, lock->last_path) <= 0)
		fail(check, index, "a contender came into the middle of the queue",
		     change->revision);
	for (unsigned i = 0; i < lock->count; i++)
		if (lock->contenders[i].owner == change->owner)
			fail(check, index, "a session contends twice", change->revision);
	if (lock->count == CONTENDERS_MAX) {
		lock->is_crowded = true;
		return;
	}
	contender = &lock->contenders[lock->count++];
	*contender = (struct contender){.owner = change->owner,
	                                .value_hash = change->data_hash,
	                                .is_shared = change->text[0] == 'S'};
	snprintf(contender->path, sizeof contender->path, "%s", change->path);
	snprintf(lock->last_path, sizeof lock->last_path, "%s", change->path);
}

static void
leave(struct check *check, unsigned index, const struct chronicled *change)
{
	struct lock_state *lock = &check->locks[index];
	struct contender *contender = find(lock, change->path);
	uint64_t delay_ms =
		lock_kinds[index].has_delay ? check->living->world->options.lock_delay_ms : 0;
	unsigned at;

	if (!contender) {
		fail(check, index, "a contender went that was not there", change->revision);
		return;
	}
	if (contender->token != 0 && change->cause == SYNOD_CAUSE_EXPIRED && delay_ms > 0) {
		lock->delay_end_least_ms = change->uptime_least_ms + delay_ms;
		lock->delay_end_most_ms = change->uptime_most_ms + delay_ms;
		lock->delay_begun_us = change->at_us;
	}
	at = (unsigned)(contender - lock->contenders);
	lock->count--;
	memmove(contender, contender + 1, (lock->count - at) * sizeof *contender);
}

static void
grant(struct check *check, unsigned index, const struct chronicled *change)
{
	struct lock_state *lock = &check->locks[index];
	struct contender *contender = find(lock, change->path);

	check->living->world->statistics.grants_checked++;
	if (!contender || contender->token != 0) {
		fail(check, index, "granted to somebody who does not wait", change->revision);
		return;
	}
	for (struct contender *other = lock->contenders; other < contender; other++)
		if (other->token == 0)
			fail(check, index, "granted past somebody who came earlier",
			     change->revision);
	if (change->revision < lock->last_token)
		fail(check, index, "a token did not grow", change->revision);
	if (change->uptime_most_ms < lock->delay_end_least_ms)
		fail(check, index, "granted within the delay", change->revision);
	if (lock->delay_end_most_ms != 0)
		check->living->world->statistics.delays_checked++;
	contender->token = lock->last_token = change->revision;
}

/* ---- after each revision ---- */

static bool
admits(unsigned index, unsigned exclusive, unsigned shared, bool is_shared)
{
	if (is_shared)
		return exclusive == 0;
	return shared == 0 && exclusive < lock_kinds[index].limit;
}

static const struct contender *
first_waiting(const struct lock_state *lock, unsigned *exclusive, unsigned *shared)
{
	const struct contender *waiting = NULL;

	*exclusive = *shared = 0;
	for (unsigned i = 0; i < lock->count; i++) {
		const struct contender *contender = &lock->contenders[i];

		if (contender->token == 0 && !waiting)
			waiting = contender;
		*exclusive += contender->token != 0 && !contender->is_shared;
		*shared += contender->token != 0 && contender->is_shared;
	}
	return waiting;
}

static void
settle(struct check *check, unsigned index, const struct chronicled *last)
{
	struct lock_state *lock = &check->locks[index];
	unsigned exclusive, shared;
	const struct contender *waiting = first_waiting(lock, &exclusive, &shared);

	lock->is_touched = false;
	if (lock->is_crowded)
		return;
	if (exclusive > lock_kinds[index].limit || (exclusive > 0 && shared > 0))
		fail(check, index, "held by more than may hold it", last->revision);
	if (waiting && admits(index, exclusive, shared, waiting->is_shared) &&
	    last->uptime_least_ms >= lock->delay_end_most_ms)
		fail(check, index, "not granted though there is room", last->revision);
}

/* ---- what it guards ---- */

static void
check_register(struct check *check, const struct chronicled *change)
{
	static const char prefix[] = LIVING_ROOT "/register/r";
	uint64_t token = strtoull(change->text, NULL, 10);
	unsigned index;

	if (strncmp(change->path, prefix, strlen(prefix)) != 0 || change->kind == SYNOD_DELETED)
		return;
	index = (unsigned)(change->path[strlen(prefix)] - '0');
	CHECK(index < LOCKS_MAX);
	if (check->locks[index].is_crowded)
		return;
	for (unsigned i = 0; i < check->locks[index].count; i++)
		if (check->locks[index].contenders[i].token == token)
			return;
	fail(check, index, "what it guards was written with a token that is not held",
	     change->revision);
}

/* ---- who leads ---- */

static void
note_leader(struct check *check, uint64_t revision)
{
	const struct lock_state *lock = &check->locks[ELECTION];
	struct leader leader = {0};

	for (unsigned i = 0; i < lock->count; i++)
		if (lock->contenders[i].token != 0)
			leader = (struct leader){lock->contenders[i].token,
			                         lock->contenders[i].owner,
			                         lock->contenders[i].value_hash, 0};
	leader.revision = revision;
	if (check->leader_count > 0 &&
	    check->leaders[check->leader_count - 1].token == leader.token)
		return;
	LIVING_GROW(check->leaders, check->leader_count, check->leader_capacity);
	check->leaders[check->leader_count++] = leader;
}

/* Who led at REVISION. */
static size_t
leader_at(const struct check *check, uint64_t revision)
{
	size_t at = 0;

	while (at + 1 < check->leader_count && check->leaders[at + 1].revision <= revision)
		at++;
	return at;
}

static void
check_sighting(struct check *check, const struct sighting *sighting)
{
	bool may_miss = check->living->world->options.history_changes > 0;
	size_t before = 0;

	for (size_t i = 0; i < sighting->count; i++) {
		const struct seen *seen = &sighting->seen[i];
		size_t at = leader_at(check, seen->revision);
		const struct leader *leader = &check->leaders[at];

		if (leader->token != seen->token ||
		    (leader->token != 0 &&
		     (leader->session != seen->session || leader->value_hash != seen->value_hash)))
			fail(check, ELECTION, "an observer saw another leader than there was",
			     seen->revision);
		if (i > 0 && at <= before)
			fail(check, ELECTION, "an observer saw a leader twice", seen->revision);
		if (i > 0 && at > before + 1 && !may_miss)
			fail(check, ELECTION, "an observer missed a leader", seen->revision);
		before = at;
	}
}

/* ---- what holders were told ---- */

static void
check_hold(struct check *check, const struct hold *hold)
{
	const struct chronicle *chronicle = check->living->chronicle;

	if (hold->token == 0)
		return;
	for (size_t i = chronicle_find(chronicle, hold->token);
	     i < chronicle->count && chronicle->changes[i].revision == hold->token; i++) {
		const struct chronicled *change = &chronicle->changes[i];

		if (change->kind == SYNOD_GRANTED && change->owner == hold->session &&
		    (hold->contender[0] == '\0' || strcmp(hold->contender, change->path) == 0))
			return;
	}
	fail(check, hold->lock, "somebody was told of a grant that there was not", hold->token);
}

/* ---- all ---- */

static void
replay(struct check *check, const struct chronicled *change)
{
	bool is_contender = false;
	unsigned index = lock_of(change->path, &is_contender);

	check_register(check, change);
	if (index == LOCKS_MAX)
		return;
	if (!is_contender) {
		if (change->kind == SYNOD_DELETED)
			check->locks[index].last_path[0] = '\0';
		return;
	}
	check->locks[index].is_touched = true;
	switch (change->kind) {
	case SYNOD_CREATED: arrive(check, index, change); break;
	case SYNOD_DELETED: leave(check, index, change); break;
	case SYNOD_GRANTED: grant(check, index, change); break;
	default: break;
	}
}

/* Nobody waits at the end for what is free. */
static void
check_waiting(struct check *check, unsigned index)
{
	const struct lock_state *lock = &check->locks[index];
	const struct world *world = check->living->world;
	unsigned exclusive, shared;
	const struct contender *waiting = first_waiting(lock, &exclusive, &shared);
	uint64_t until_us = lock->delay_begun_us + world->options.lock_delay_ms * 2000 + LOOK_US;

	if (waiting && !lock->is_crowded && world->now_us > until_us &&
	    admits(index, exclusive, shared, waiting->is_shared))
		fail(check, index, "still not granted in the end",
		     check->living->chronicle->revision);
}

void
check_lock(struct living *living)
{
	const struct chronicle *chronicle = living->chronicle;
	struct check *check = check_calloc(1, sizeof *check);

	check->living = living;
	note_leader(check, 0);
	for (size_t i = 0; i < chronicle->count && !living->world->has_failed; i++) {
		const struct chronicled *change = &chronicle->changes[i];

		replay(check, change);
		if (i + 1 < chronicle->count && change[1].revision == change->revision)
			continue;
		for (unsigned k = 0; k < LOCKS_MAX; k++)
			if (check->locks[k].is_touched)
				settle(check, k, change);
		note_leader(check, change->revision);
	}
	for (unsigned i = 0; i < LOCKS_MAX; i++)
		check_waiting(check, i);
	for (size_t i = 0; i < living->hold_count; i++)
		check_hold(check, living->holds[i]);
	for (size_t i = 0; i < living->sighting_count; i++)
		check_sighting(check, living->sightings[i]);
	free(check->leaders);
	free(check);
}
