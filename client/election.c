/*
 * Elections: a lock whose holder's value is the leader's.
 *
 * The election's own hook outlives every callback of its lock, and so keeps the
 * memory that these are given.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/synod.h"

/* A leader that goes between the two looks at it is looked for again, so often. */
#define LEADER_TRIES  100
#define CONTENDER_MAX 1100 /* bytes of a path, and more */

struct synod_election {
	struct synod *synod;
	struct synod_election_options options;
	struct synod_lock *lock;
	struct synod_hook *hook;
	atomic_uint references; /* the application's and the hook's */
	bool is_resigned;
};

static void
unrefer(struct synod_election *election)
{
	if (atomic_fetch_sub(&election->references, 1) == 1)
		free(election);
}

/* ---- campaigning ---- */

static void
on_acquired(void *context, struct synod_lock *lock, int error)
{
	struct synod_election *election = context;

	(void)lock;
	election->options.on_elected(election->options.context, election, error);
}

static void
on_lost(void *context, struct synod_lock *lock)
{
	struct synod_election *election = context;

	(void)lock;
	election->options.on_deposed(election->options.context, election);
}

/* The handle releases the lock; the application must not touch either any more. */
static void
on_close(void *context)
{
	struct synod_election *election = context;

	if (!election->is_resigned)
		unrefer(election);
}

static void
on_gone(void *context)
{
	unrefer(context);
}

static int
add_hook(struct synod_election *election)
{
	const struct synod_hook_options options = {
		.on_close = on_close,
		.on_gone = on_gone,
		.context = election,
	};

	return synod_hook_add(election->synod, &options, &election->hook);
}

static void
let_go(struct synod_election *election)
{
	election->is_resigned = true;
	synod_hook_remove(election->hook);
	unrefer(election);
}

static int
election_new(struct synod *synod, const struct synod_election_options *options,
             struct synod_election **result)
{
	struct synod_election *election = calloc(1, sizeof *election);
	int error;

	if (election == NULL)
		return SYNOD_NO_MEMORY;
	election->synod = synod;
	if (options != NULL)
		election->options = *options;
	atomic_init(&election->references, 2);
	error = add_hook(election);
	if (error == SYNOD_OK)
		*result = election;
	else
		free(election);
	return error;
}

int
synod_election_campaign(struct synod *synod, const char *path, const void *value, size_t size,
                        const struct synod_election_options *options,
                        struct synod_election **result)
{
	struct synod_lock_options lock_options = {.value = value, .size = size};
	struct synod_election *election;
	int error;

	if (result == NULL)
		return SYNOD_BAD_ARGUMENT;
	*result = NULL;
	if (synod == NULL || path == NULL)
		return SYNOD_BAD_ARGUMENT;
	error = election_new(synod, options, &election);
	if (error != SYNOD_OK)
		return error;
	lock_options.context = election;
	if (options != NULL) {
		lock_options.delay_ms = options->delay_ms;
		lock_options.wait_ms = options->wait_ms;
		lock_options.on_acquired = options->on_elected != NULL ? on_acquired : NULL;
		lock_options.on_lost = options->on_deposed != NULL ? on_lost : NULL;
	}
	*result = election;
	atomic_fetch_add(&election->references, 1); /* a callback may resign before we return */
	error = synod_lock_acquire(synod, path, &lock_options, &election->lock);
	if (error != SYNOD_OK) {
		*result = NULL;
		let_go(election);
	}
	unrefer(election);
	return error;
}

int
synod_election_resign(struct synod_election *election, unsigned timeout_ms)
{
	int error;

	if (election == NULL)
		return SYNOD_OK;
	error = synod_lock_release(election->lock, timeout_ms);
	let_go(election);
	return error;
}

/* ---- leading ---- */

uint64_t
synod_election_token(struct synod_election *election)
{
	return election != NULL ? synod_lock_token(election->lock) : 0;
}

unsigned
synod_election_remaining_ms(struct synod_election *election)
{
	return election != NULL ? synod_lock_remaining_ms(election->lock) : 0;
}

struct synod_guard
synod_election_guard(struct synod_election *election)
{
	return synod_lock_guard(election != NULL ? election->lock : NULL);
}

int
synod_election_proclaim(struct synod_election *election, const void *value, size_t size,
                        unsigned timeout_ms)
{
	struct synod_write_options options = {.call.timeout_ms = timeout_ms};
	int error;

	if (election == NULL)
		return SYNOD_BAD_ARGUMENT;
	if (synod_lock_token(election->lock) == 0)
		return SYNOD_NOT_HELD;
	options.guard = synod_lock_guard(election->lock);
	error = synod_set(election->synod, synod_lock_contender(election->lock), value, size,
	                  &options, NULL);
	return error == SYNOD_NOT_FOUND ? SYNOD_NOT_HELD : error;
}

/* ---- who leads ---- */

/* The path of the contender that holds the lock at PATH; false: there is none. */
static bool
find_holder(const char *path, const struct synod_result *listing, char *contender, size_t size)
{
	const struct synod_node *holder = NULL;

	for (size_t i = 0; i < listing->child_count; i++) {
		const struct synod_node *child = &listing->children[i];

		if (child->stat.kind != SYNOD_CONTENDER || child->stat.token == 0)
			continue;
		if (holder == NULL || child->stat.token > holder->stat.token)
			holder = child;
	}
	if (holder != NULL)
		snprintf(contender, size, "%s/%s", path, holder->path);
	return holder != NULL;
}

static int
look_for_leader(struct synod *synod, const char *path, const struct synod_call *call,
                struct synod_result **result)
{
	const struct synod_read_options list_options = {.call = *call, .with_stat = true};
	const struct synod_read_options get_options = {.call = *call};
	char contender[CONTENDER_MAX];
	int error;

	error = synod_list(synod, path, &list_options, result);
	if (error != SYNOD_OK)
		return error;
	if (!find_holder(path, *result, contender, sizeof contender)) {
		(*result)->error = SYNOD_NOT_FOUND;
		return SYNOD_NOT_FOUND;
	}
	synod_result_free(*result);
	error = synod_get(synod, contender, &get_options, result);
	return error == SYNOD_NOT_FOUND ? SYNOD_RETRY : error;
}

static int
ask_leader(struct synod *synod, const char *path, const struct synod_call *call,
           struct synod_result **result)
{
	struct synod_result *unwanted = NULL;
	struct synod_result **answer = result != NULL ? result : &unwanted;
	int error = SYNOD_RETRY;

	for (unsigned i = 0; i < LEADER_TRIES && error == SYNOD_RETRY; i++) {
		synod_result_free(*answer);
		*answer = NULL;
		error = look_for_leader(synod, path, call, answer);
	}
	if (error == SYNOD_RETRY && *answer != NULL)
		(*answer)->error = SYNOD_RETRY;
	synod_result_free(unwanted);
	return error;
}

/* The same with a callback: the steps follow each other in callbacks. */
struct question {
	struct synod *synod;
	struct synod_call call;
	unsigned tries;
	char path[];
};

static int ask_listing(struct question *question);

static void
answer(struct question *question, const struct synod_result *result)
{
	question->call.done(question->call.context, result);
	free(question);
}

static void
answer_error(struct question *question, const struct synod_result *result, int error)
{
	struct synod_result changed = *result;

	changed.error = error;
	answer(question, &changed);
}

static void
on_contender(void *context, const struct synod_result *result)
{
	struct question *question = context;
	int error = SYNOD_RETRY;

	if (result->error != SYNOD_NOT_FOUND) {
		answer(question, result);
		return;
	}
	if (++question->tries < LEADER_TRIES)
		error = ask_listing(question);
	if (error != SYNOD_OK)
		answer_error(question, result, error);
}

static void
on_listing(void *context, const struct synod_result *result)
{
	struct question *question = context;
	const struct synod_read_options options = {
		.call = {on_contender, question, question->call.timeout_ms}};
	char contender[CONTENDER_MAX];
	int error;

	if (result->error != SYNOD_OK) {
		answer(question, result);
		return;
	}
	if (!find_holder(question->path, result, contender, sizeof contender)) {
		answer_error(question, result, SYNOD_NOT_FOUND);
		return;
	}
	error = synod_get(question->synod, contender, &options, NULL);
	if (error != SYNOD_OK)
		answer_error(question, result, error);
}

static int
ask_listing(struct question *question)
{
	const struct synod_read_options options = {
		.call = {on_listing, question, question->call.timeout_ms}, .with_stat = true};

	return synod_list(question->synod, question->path, &options, NULL);
}

static int
begin_question(struct synod *synod, const char *path, const struct synod_call *call)
{
	size_t size = strlen(path) + 1;
	struct question *question = calloc(1, sizeof *question + size);
	int error;

	if (question == NULL)
		return SYNOD_NO_MEMORY;
	question->synod = synod;
	question->call = *call;
	memcpy(question->path, path, size);
	error = ask_listing(question);
	if (error != SYNOD_OK)
		free(question);
	return error;
}

int
synod_election_leader(struct synod *synod, const char *path, const struct synod_call *call,
                      struct synod_result **result)
{
	static const struct synod_call blocking;

	if (result != NULL)
		*result = NULL;
	if (synod == NULL || path == NULL)
		return SYNOD_BAD_ARGUMENT;
	if (call != NULL && call->done != NULL)
		return begin_question(synod, path, call);
	return ask_leader(synod, path, call != NULL ? call : &blocking, result);
}
