/*
 * Double barriers.  A participant is an ephemeral child of the barrier, named
 * after its session; "ready" opens the barrier for a round.
 *
 *     enter  create the child, unless the barrier is open; who sees COUNT children
 *            opens it, all leave when it is open
 *     leave  delete the child; who sees an open barrier without participants closes
 *            it, all leave when the round is over
 *
 * Who comes while the barrier is open belongs to the next round, and waits.  Every
 * step has a condition that makes it harmless in a round that is not the step's own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/children.h"
#include "client/synod.h"

#define BARRIER_PATH_SIZE 1100 /* longer ones are refused by the calls that they are given to */
#define READY             "ready"
#define PARTICIPANT       "in-"

struct barrier {
	struct children children;
	struct synod *synod;
	const char *path;
	unsigned count;
	uint64_t session;
	char own[BARRIER_PATH_SIZE];
	char ready[BARRIER_PATH_SIZE];
};

/* What a listing shows. */
struct view {
	uint64_t revision;
	unsigned participants;
	uint64_t opened; /* the revision of "ready"; 0: the barrier is closed */
	bool has_own;
};

static void
name_paths(struct barrier *barrier)
{
	const char *parent = strcmp(barrier->path, "/") != 0 ? barrier->path : "";

	snprintf(barrier->own, sizeof barrier->own, "%s/" PARTICIPANT "%016" PRIx64, parent,
	         barrier->session);
	snprintf(barrier->ready, sizeof barrier->ready, "%s/" READY, parent);
}

static int
barrier_init(struct barrier *barrier, struct synod *synod, const char *path, unsigned timeout_ms)
{
	if (synod == NULL || path == NULL || synod_in_callback())
		return SYNOD_BAD_ARGUMENT;
	if (strlen(path) > BARRIER_PATH_SIZE - 64)
		return SYNOD_BAD_PATH;
	*barrier = (struct barrier){.synod = synod, .path = path};
	barrier->session = synod_session_id(synod);
	children_init(&barrier->children, synod, path, timeout_ms);
	name_paths(barrier);
	return SYNOD_OK;
}

static int
look(const struct barrier *barrier, struct view *view)
{
	const struct synod_read_options options = {
		.call.timeout_ms = children_call_ms(&barrier->children), .with_stat = true};
	const char *own = strrchr(barrier->own, '/') + 1;
	struct synod_result *result = NULL;
	int error = synod_list(barrier->synod, barrier->path, &options, &result);

	*view = (struct view){0};
	for (size_t i = 0; error == SYNOD_OK && i < result->child_count; i++) {
		const struct synod_node *child = &result->children[i];

		if (strcmp(child->path, READY) == 0)
			view->opened = child->stat.created;
		if (strncmp(child->path, PARTICIPANT, strlen(PARTICIPANT)) == 0)
			view->participants++;
		if (strcmp(child->path, own) == 0)
			view->has_own = true;
	}
	if (result != NULL)
		view->revision = result->revision;
	synod_result_free(result);
	return error == SYNOD_NOT_FOUND ? SYNOD_OK : error;
}

static struct synod_write_options
with_condition(const struct barrier *barrier, const struct synod_condition *condition)
{
	return (struct synod_write_options){
		.call.timeout_ms = children_call_ms(&barrier->children),
		.conditions = condition,
		.condition_count = 1,
	};
}

/* ---- steps; what they find done already is well done ---- */

/* Open the barrier, as one that is in it. */
static int
open_barrier(const struct barrier *barrier)
{
	const struct synod_condition is_in = {
		.kind = SYNOD_IF_EXISTS, .path = barrier->own, .number = 1};
	const struct synod_write_options options = with_condition(barrier, &is_in);
	int error = synod_create(barrier->synod, barrier->ready, NULL, 0, &options, NULL);

	return error == SYNOD_EXISTS || error == SYNOD_CONFLICT ? SYNOD_OK : error;
}

/* Close the barrier that was opened at OPENED, and has no participants any more. */
static int
close_barrier(const struct barrier *barrier, uint64_t opened)
{
	const struct synod_condition is_same = {.kind = SYNOD_IF_CREATED, .number = opened};
	const struct synod_write_options options = with_condition(barrier, &is_same);
	int error = synod_delete(barrier->synod, barrier->ready, &options, NULL);

	return error == SYNOD_NOT_FOUND || error == SYNOD_CONFLICT ? SYNOD_OK : error;
}

/* CONFLICT: the barrier is open. */
static int
create_own(const struct barrier *barrier)
{
	const struct synod_condition is_closed = {
		.kind = SYNOD_IF_EXISTS, .path = barrier->ready, .number = 0};
	struct synod_write_options options = with_condition(barrier, &is_closed);

	options.kind = SYNOD_EPHEMERAL;
	options.make_parents = true;
	return synod_create(barrier->synod, barrier->own, NULL, 0, &options, NULL);
}

/* Go back, unless the barrier has been opened. */
static int
delete_own(const struct barrier *barrier)
{
	const struct synod_condition is_closed = {
		.kind = SYNOD_IF_EXISTS, .path = barrier->ready, .number = 0};
	struct synod_write_options options = with_condition(barrier, &is_closed);

	options.call.timeout_ms = 0; /* our time has run out, but this must be done */
	return synod_delete(barrier->synod, barrier->own, &options, NULL);
}

/* ---- entering ---- */

/* The participant's name needs a session; any write opens one. */
static int
find_session(struct barrier *barrier)
{
	const struct synod_write_options options = {
		.call.timeout_ms = children_call_ms(&barrier->children), .make_parents = true};
	int error;

	if (barrier->session != 0)
		return SYNOD_OK;
	error = synod_create(barrier->synod, barrier->path, NULL, 0, &options, NULL);
	if (error != SYNOD_OK && error != SYNOD_EXISTS)
		return error;
	barrier->session = synod_session_id(barrier->synod);
	name_paths(barrier);
	return barrier->session != 0 ? SYNOD_OK : SYNOD_SESSION_ENDED;
}

/* Until the child is there: rounds of others may have to end first. */
static int
come_in(struct barrier *barrier)
{
	for (;;) {
		struct view view;
		int error = create_own(barrier);

		if (error != SYNOD_CONFLICT)
			return error;
		error = look(barrier, &view);
		if (error != SYNOD_OK)
			return error;
		if (view.has_own)
			return SYNOD_EXISTS;
		if (view.opened == 0)
			continue;
		if (view.participants == 0) /* they all died */
			error = close_barrier(barrier, view.opened);
		else
			error = children_wait(&barrier->children, view.revision);
		if (error != SYNOD_OK)
			return error;
	}
}

static int
await_opening(struct barrier *barrier)
{
	for (;;) {
		struct view view;
		int error = look(barrier, &view);

		if (error != SYNOD_OK || view.opened != 0)
			return error;
		if (!view.has_own) /* it went with the session */
			return SYNOD_SESSION_ENDED;
		if (view.participants >= barrier->count)
			error = open_barrier(barrier);
		else
			error = children_wait(&barrier->children, view.revision);
		if (error != SYNOD_OK)
			return error;
	}
}

static int
enter(struct barrier *barrier)
{
	int error = find_session(barrier);

	if (error == SYNOD_OK)
		error = come_in(barrier);
	if (error != SYNOD_OK)
		return error;
	if (synod_session_id(barrier->synod) == barrier->session)
		error = await_opening(barrier);
	else
		error = SYNOD_SESSION_ENDED; /* the name is another's */
	/* Who gives up must not be counted; but if the barrier has opened, it is entered. */
	if (error != SYNOD_OK && delete_own(barrier) == SYNOD_CONFLICT)
		error = SYNOD_OK;
	return error;
}

int
synod_barrier_enter(struct synod *synod, const char *path, unsigned count, unsigned timeout_ms)
{
	struct barrier barrier;
	int error = barrier_init(&barrier, synod, path, timeout_ms);

	if (error != SYNOD_OK)
		return error;
	if (count == 0)
		return SYNOD_BAD_ARGUMENT;
	barrier.count = count;
	error = enter(&barrier);
	children_fini(&barrier.children);
	return error;
}

/* ---- leaving ---- */

/* Until the round that was open at OPENED is over. */
static int
await_end(struct barrier *barrier, uint64_t opened)
{
	for (;;) {
		struct view view;
		int error = look(barrier, &view);

		if (error != SYNOD_OK || view.opened != opened)
			return error;
		if (view.participants == 0)
			return close_barrier(barrier, opened);
		error = children_wait(&barrier->children, view.revision);
		if (error != SYNOD_OK)
			return error;
	}
}

static int
leave(struct barrier *barrier)
{
	const struct synod_write_options options = {.call.timeout_ms =
	                                                    children_call_ms(&barrier->children)};
	struct view view;
	int error = look(barrier, &view);

	if (error != SYNOD_OK)
		return error;
	error = synod_delete(barrier->synod, barrier->own, &options, NULL);
	if (error != SYNOD_OK || view.opened == 0)
		return error;
	return await_end(barrier, view.opened);
}

int
synod_barrier_leave(struct synod *synod, const char *path, unsigned timeout_ms)
{
	struct barrier barrier;
	int error = barrier_init(&barrier, synod, path, timeout_ms);

	if (error != SYNOD_OK)
		return error;
	error = leave(&barrier);
	children_fini(&barrier.children);
	return error;
}
