/*
 * Every watch tells the filtered sequence of changes: in order, once, all of them,
 * each revision as a whole, from where it was asked to begin.  A state is what
 * there was at its revision; a mark is never ahead of what was told; an answer
 * comes after the events that it reflects; only what was trimmed is replaced.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/living.h"

struct check {
	struct living *living;
	const struct chronicle *chronicle;
	const struct watcher *watcher;
	size_t at;          /* in the chronicle: everything before it was told or is none of its */
	uint64_t position;  /* the next revision to be told; 0: not known yet */
	uint64_t resume;    /* from where the library would resume at least; 0: not known */
	bool is_in_event;   /* the rest of its last revision must follow */
	size_t state_first; /* of `told`: where the state begins that is being told */
	bool is_in_state;
};

static void
fail(struct check *check, const char *why, uint64_t revision)
{
	const struct watcher *watcher = check->watcher;

	world_fail(check->living->world, "watch",
	           "%s, watch %lu of %s (scope %d, from %lu%s%s%s): %s: revision %lu, position %lu",
	           watcher->client->host->name, (unsigned long)watcher->serial, watcher->path,
	           (int)watcher->options.scope, (unsigned long)watcher->options.from,
	           watcher->options.initial ? ", initial" : "",
	           watcher->is_resumed ? ", resumed" : "", watcher->is_queued ? ", queued" : "",
	           why, (unsigned long)revision, (unsigned long)check->position);
}

/* ---- what a watch is about ---- */

static bool
concerns(const struct watcher *watcher, const char *path)
{
	size_t size = strcmp(watcher->path, "/") == 0 ? 0 : strlen(watcher->path);

	if (strcmp(watcher->path, path) == 0)
		return true;
	if (watcher->options.scope == SYNOD_WATCH_NODE || strncmp(watcher->path, path, size) != 0 ||
	    path[size] != '/')
		return false;
	return watcher->options.scope == SYNOD_WATCH_SUBTREE || !strchr(path + size + 1, '/');
}

/* The next change that is to be told; the count of changes if there is none. */
static size_t
next_of(const struct check *check)
{
	size_t at = check->at;

	while (at < check->chronicle->count &&
	       !concerns(check->watcher, check->chronicle->changes[at].path))
		at++;
	return at;
}

static uint64_t
next_revision(const struct check *check)
{
	size_t next = next_of(check);

	return next < check->chronicle->count ? check->chronicle->changes[next].revision
	                                      : UINT64_MAX;
}

static void
begin_at(struct check *check, uint64_t revision)
{
	check->position = revision;
	check->at = chronicle_find(check->chronicle, revision);
}

/* ---- changes ---- */

static bool
is_same(const struct watcher *watcher, const struct chronicled *told, const struct chronicled *real)
{
	if (watcher->options.with_data ? told->data_hash != real->data_hash : told->data_hash != 0)
		return false;
	return told->revision == real->revision && told->ordinal == real->ordinal &&
	       told->kind == real->kind && told->cause == real->cause &&
	       told->version == real->version && told->owner == real->owner &&
	       told->previous_owner == real->previous_owner && strcmp(told->path, real->path) == 0;
}

static void
check_change(struct check *check, const struct told *told)
{
	const struct chronicled *change = &told->change;
	size_t next;

	if (check->is_in_state)
		fail(check, "a change before the state was told as a whole", change->revision);
	if (check->position == 0) {
		if (check->watcher->options.initial)
			fail(check, "a change before the state", change->revision);
		if (change->revision <= check->watcher->seen_revision)
			fail(check, "a change that the handle had seen already", change->revision);
		begin_at(check, change->revision);
	}
	next = next_of(check);
	if (next == check->chronicle->count ||
	    check->chronicle->changes[next].revision > change->revision)
		fail(check, "a change that there was not, or that was told before",
		     change->revision);
	else if (check->chronicle->changes[next].revision < change->revision)
		fail(check, "a change was left out", check->chronicle->changes[next].revision);
	else if (!is_same(check->watcher, change, &check->chronicle->changes[next]))
		fail(check, "a change was told in other words, or out of order", change->revision);
	check->at = next + 1;
	check->position = change->revision;
	if (!told->is_last)
		return;
	check->is_in_event = told->more;
	if (!told->more && next_revision(check) == change->revision)
		fail(check, "a revision was torn apart", change->revision);
	if (!told->more)
		check->position = change->revision + 1;
	if (told->more && next_revision(check) != change->revision)
		fail(check, "more of a revision was promised than there is", change->revision);
}

/* ---- states ---- */

static bool
is_node_right(const struct watcher *watcher, const struct chronicled *told,
              const struct replayed *node)
{
	return node && node->created == told->ordinal && node->modified == told->revision &&
	       node->version == told->version && node->owner == told->owner &&
	       told->data_hash == (watcher->options.with_data ? node->data_hash : 0);
}

static void
fail_node(struct check *check, const struct chronicled *told, const struct replayed *node,
          uint64_t revision)
{
	char why[300];

	snprintf(why, sizeof why,
	         "a node of the state is not as it was, %s: told created %lu modified %lu version "
	         "%lu owner %lu, really %lu %lu %lu %lu",
	         told->path, (unsigned long)told->ordinal, (unsigned long)told->revision,
	         (unsigned long)told->version, (unsigned long)told->owner,
	         node ? (unsigned long)node->created : 0, node ? (unsigned long)node->modified : 0,
	         node ? (unsigned long)node->version : 0, node ? (unsigned long)node->owner : 0);
	fail(check, why, revision);
}

/* These were there from the beginning: no change made them. */
static bool
is_unchanging(const char *path)
{
	return strcmp(path, "/") == 0 || strcmp(path, "/synod") == 0;
}

static void
check_nodes(struct check *check, size_t end, uint64_t revision)
{
	const struct chronicle *chronicle = check->chronicle;
	const struct watcher *watcher = check->watcher;
	struct replay_state state = {NULL, 0, 0};
	size_t count = 0, told_count = 0;

	for (size_t i = 0; i < chronicle->count && chronicle->changes[i].revision <= revision; i++)
		replay_change(&state, &chronicle->changes[i]);
	for (size_t i = 0; i < state.count; i++)
		count += state.nodes[i].exists && concerns(watcher, state.nodes[i].path);
	for (size_t i = check->state_first; i < end; i++) {
		const struct chronicled *node = &watcher->told[i].change;

		if (watcher->told[i].is_empty || is_unchanging(node->path))
			continue;
		told_count++;
		if (!concerns(watcher, node->path) ||
		    !is_node_right(watcher, node, replay_find(&state, node->path)))
			fail_node(check, node, replay_find(&state, node->path), revision);
	}
	if (count != told_count)
		fail(check, "the state has other nodes than there were", revision);
	replay_fini(&state);
}

static void
check_state(struct check *check, size_t index)
{
	const struct watcher *watcher = check->watcher;
	const struct told *told = &watcher->told[index];
	const struct told *first;

	if (!check->is_in_state || watcher->told[check->state_first].revision != told->revision) {
		check->state_first = index;
		check->is_in_state = true;
	}
	if (!told->is_last || told->more)
		return;
	first = &watcher->told[check->state_first];
	check->is_in_state = false;
	if (check->is_in_event && !told->compacted)
		fail(check, "a state in the middle of a revision", told->revision);
	if (told->compacted ? check->position == 0 && watcher->options.initial
	                    : check->position != 0 || !watcher->options.initial)
		fail(check,
		     told->compacted ? "nothing to be missed yet" : "a state nobody asked for",
		     told->revision);
	if (told->compacted && check->resume >= first->kept_from)
		fail(check, "a state in place of history that is kept", told->revision);
	if (told->revision + 1 < check->position)
		fail(check, "a state of the past", told->revision);
	if (!told->compacted && told->revision < watcher->seen_revision)
		fail(check, "a state older than what the handle had seen", told->revision);
	check_nodes(check, index + 1, told->revision);
	check->is_in_event = false;
	begin_at(check, told->revision + 1);
}

/* ---- marks, ends, answers ---- */

/* Everything up to REVISION must have been told. */
static void
check_told(struct check *check, uint64_t revision, const char *why)
{
	if (check->position != 0 && next_revision(check) <= revision)
		fail(check, why, next_revision(check));
}

static void
check_end_event(struct check *check, const struct told *told)
{
	if (check->watcher->is_future && told->error == SYNOD_BAD_ARGUMENT)
		return;
	world_fail(check->living->world, "watch", "watch %lu of %s, from %lu, was ended: %s",
	           (unsigned long)check->watcher->serial, check->watcher->path,
	           (unsigned long)check->watcher->options.from, error_name(told->error));
}

static void
check_one(struct check *check, size_t index)
{
	const struct told *told = &check->watcher->told[index];

	switch (told->kind) {
	case SYNOD_EVENT_CHANGES:
		if (told->is_empty)
			fail(check, "an event of no changes", told->revision);
		else
			check_change(check, told);
		break;
	case SYNOD_EVENT_STATE: check_state(check, index); break;
	case SYNOD_EVENT_MARK:
		check_told(check, told->revision, "a mark is ahead of what was told");
		if (check->position == 0 || check->position <= told->revision)
			begin_at(check, told->revision + 1);
		break;
	case SYNOD_EVENT_END: check_end_event(check, told); break;
	}
}

/* What the answer reflects was told before it; so what is told after it is newer. */
static void
check_barrier(struct check *check, const struct barrier *barrier)
{
	check_told(check, barrier->revision, "an answer came before an event that it reflects");
	if (check->position == 0 && !check->watcher->options.initial)
		begin_at(check, barrier->revision + 1);
}

/* The library goes by what the watch was told, and not by answers, which say more of where it must
 * be. */
static void
note_resume(struct check *check, const struct told *told)
{
	if (told->kind != SYNOD_EVENT_END && !told->more && told->is_last &&
	    told->revision >= check->resume)
		check->resume = told->revision + 1;
}

static void
check_watcher(struct living *living, const struct watcher *watcher)
{
	struct check check = {.living = living, .chronicle = living->chronicle, .watcher = watcher};
	size_t barrier = 0;

	if (watcher->options.from != 0)
		begin_at(&check, watcher->options.from);
	check.resume = check.position;
	for (size_t i = 0; i <= watcher->told_count && !living->world->has_failed; i++) {
		while (barrier < watcher->barrier_count &&
		       watcher->barriers[barrier].told_count == i)
			check_barrier(&check, &watcher->barriers[barrier++]);
		if (i < watcher->told_count) {
			check_one(&check, i);
			note_resume(&check, &watcher->told[i]);
		}
	}
	if (living->world->has_failed)
		return;
	if (watcher->marked_revision != 0)
		check_told(&check, watcher->marked_revision,
		           "the library counts as told what was not");
	if (watcher->is_open && !watcher->has_ended)
		check_told(&check, UINT64_MAX - 1, "not told when all was over");
}

void
check_watch(struct living *living)
{
	for (size_t i = 0; i < living->watcher_count && !living->world->has_failed; i++)
		check_watcher(living, living->watchers[i]);
}
