/* Promises and accepts. */
#include "server/paxos/acceptor.h"

#include <stdlib.h>
#include <string.h>

#include "server/paxos/core.h"
#include "server/paxos/learner.h"
#include "shared/check.h"
#include "shared/planted.h"

/* Of a member that has learned values but never accepted any: below every ballot of a leader. */
#define BALLOT_LEARNED ((struct ballot){0, 0, 1})

/* ---- what is staged ---- */

void
acceptor_unstage(struct acceptor *acceptor)
{
	struct acceptor_staged *staged = &acceptor->staged;

	for (uint32_t i = 0; i < staged->count; i++)
		entry_release(staged->entries[i]);
	free(staged->entries);
	memset(staged, 0, sizeof(*staged));
}

void
acceptor_fini(struct acceptor *acceptor)
{
	acceptor_unstage(acceptor);
}

static bool
staged_is_for(const struct acceptor_staged *staged, struct ballot ballot)
{
	return !ballot_is_none(staged->ballot) && ballot_equal(staged->ballot, ballot);
}

static void
staged_append(struct acceptor_staged *staged, struct entry *entry)
{
	if (staged->count == staged->capacity) {
		staged->capacity = staged->capacity == 0 ? 64 : staged->capacity * 2;
		staged->entries =
			check_realloc(staged->entries, staged->capacity * sizeof(struct entry *));
	}
	staged->entries[staged->count++] = entry_retain(entry);
}

/* The first COUNT entries have been handed on, references and all. */
static void
staged_consume(struct acceptor_staged *staged, uint32_t count)
{
	CHECK(count <= staged->count);

	staged->previous += count;
	staged->count -= count;
	memmove(staged->entries, staged->entries + count, staged->count * sizeof(struct entry *));
}

uint64_t
acceptor_agreed(const struct paxos *paxos, struct ballot ballot)
{
	const struct acceptor_staged *staged = &paxos->acceptor.staged;

	if (ballot_equal(paxos->accepted, ballot))
		return paxos->log.length;
	if (staged_is_for(staged, ballot))
		return staged->previous + staged->count;
	return paxos->chosen;
}

/* ---- phase 1 ---- */

void
acceptor_refuse(struct paxos *paxos, const struct paxos_message *message,
                struct paxos_update *update)
{
	struct paxos_message *refusal =
		paxos_send(paxos, MESSAGE_REFUSE, message->from, message->ballot, update);

	refusal->accepted = paxos->promised;
}

/*
 * The first slot that the candidate lacks.  What is accepted at a lower ballot than the candidate's
 * can hold no chosen value that the candidate's log lacks; at the same ballot one log is the
 * other's prefix; at a higher ballot only what the candidate knows to be chosen is common for
 * certain.
 */
static uint64_t
suffix_first(const struct paxos *paxos, const struct paxos_message *prepare)
{
	int order = ballot_compare(paxos->accepted, prepare->accepted);
	uint64_t common = prepare->length;

	if (order < 0)
		return paxos->log.length + 1;
	if (order > 0)
		common = prepare->chosen;
	return common < paxos->log.length ? common + 1 : paxos->log.length + 1;
}

static void
owe_promise(struct paxos *paxos, const struct paxos_message *prepare)
{
	struct acceptor_promise *promise = &paxos->acceptor.promise;

	*promise = (struct acceptor_promise){
		.is_owed = true,
		.ballot = prepare->ballot,
		.first = suffix_first(paxos, prepare),
	};
	promise->next = promise->first;
}

/*
 * Phase 1b.  Lamport, "Paxos Made Simple", 2.2: promise to accept nothing below
 * this ballot, and report what was accepted last.
 */
void
acceptor_on_prepare(struct paxos *paxos, const struct paxos_message *message,
                    struct paxos_update *update)
{
	int order = ballot_compare(message->ballot, paxos->promised);
	bool is_from_leader = message->from == paxos->election.leader;

	if (order < 0) {
		acceptor_refuse(paxos, message, update);
		return;
	}
	if (order == 0) {
		/* The candidate asks again: PREPARE or PROMISE was lost. */
		if (ballot_compare(paxos->accepted, message->ballot) < 0)
			owe_promise(paxos, message);
		return;
	}
	/* Stickiness: a member that was cut off must not depose a leader that works. */
	if (election_has_leader(paxos) && !is_from_leader &&
	    (message->flags & MESSAGE_BY_TRANSFER) == 0)
		return;

	election_yield(paxos, message->ballot, update);
	paxos_persist_promise(paxos, message->ballot, update);
	acceptor_unstage(&paxos->acceptor);
	owe_promise(paxos, message);
	paxos_report(paxos, TRANSITION_PROMISED, paxos->log.length, message->from, 0, update);
}

static void
send_promise_page(struct paxos *paxos, struct entry *const *entries, uint32_t count,
                  struct paxos_update *update)
{
	struct acceptor_promise *promise = &paxos->acceptor.promise;
	struct paxos_message *message =
		paxos_send(paxos, MESSAGE_PROMISE, promise->ballot.member, promise->ballot, update);

	message->accepted = paxos->accepted;
	message->length = paxos->log.length;
	message->chosen = paxos->chosen;
	message->base = paxos->base;
	message->previous = promise->next - 1;
	message->entries = update_share(entries, count);
	message->entry_count = count;
	promise->next += count;
	if (promise->next > paxos->log.length) {
		message->flags |= MESSAGE_LAST;
		promise->is_owed = false;
	}
}

static void
send_promise_from_memory(struct paxos *paxos, struct paxos_update *update)
{
	struct acceptor_promise *promise = &paxos->acceptor.promise;
	struct entry **entries = NULL;
	size_t bytes;
	uint32_t count = paxos_page(paxos, promise->next, &bytes);

	if (count > 0) {
		entries = check_malloc(count * sizeof(struct entry *));
		for (uint32_t i = 0; i < count; i++)
			entries[i] = log_get(&paxos->log, promise->next + i);
	}
	send_promise_page(paxos, entries, count, update);
	free(entries);
}

/* Send the pages that can be sent; a page of old entries has to be loaded first. */
static void
send_promise(struct paxos *paxos, struct paxos_update *update)
{
	struct acceptor_promise *promise = &paxos->acceptor.promise;
	uint64_t length = paxos->log.length;

	CHECK(paxos->durable.now.length == length || PLANTED(PROMISE_BEFORE_SYNC));

	/* Further ahead than a candidate takes: say so with an empty page, and leave it at that. */
	if (length >= promise->first &&
	    length - promise->first + 1 > paxos->options.cache_entries) {
		send_promise_page(paxos, NULL, 0, update);
		promise->is_owed = false;
		return;
	}
	while (promise->is_owed && promise->load == 0 && !promise->is_held) {
		if (promise->next <= length && promise->next < paxos->log.first)
			promise->load =
				paxos_load(paxos, promise->next, paxos->log.first - 1, update);
		else
			send_promise_from_memory(paxos, update);
	}
}

bool
acceptor_on_loaded(struct paxos *paxos, const struct paxos_event *event,
                   struct paxos_update *update)
{
	struct acceptor_promise *promise = &paxos->acceptor.promise;

	if (promise->load == 0 || promise->load != event->loaded.id)
		return false;
	promise->load = 0;
	if (event->loaded.count == 0) {
		promise->is_held = true;
		return true;
	}
	CHECK(event->loaded.first == promise->next);
	CHECK(event->loaded.count <= paxos->log.length - promise->next + 1);
	send_promise_page(paxos, event->loaded.entries, event->loaded.count, update);
	return true;
}

/* ---- phase 2 ---- */

static void
ask_resync(struct paxos *paxos, struct ballot ballot, uint64_t length, struct paxos_update *update)
{
	struct acceptor *acceptor = &paxos->acceptor;
	struct paxos_message *message =
		paxos_send(paxos, MESSAGE_RESYNC, ballot.member, ballot, update);

	message->accepted = paxos->accepted;
	message->length = length;
	message->chosen = paxos->chosen;
	acceptor->resync_length = length;
	acceptor->resync_ms = paxos->now_ms;
}

/* A gap: every later ACCEPT of the pipeline meets it as well, but one question is enough. */
static void
ask_resync_once(struct paxos *paxos, struct ballot ballot, uint64_t length,
                struct paxos_update *update)
{
	const struct acceptor *acceptor = &paxos->acceptor;

	if (acceptor->resync_length == length && acceptor->resync_ms != 0 &&
	    paxos->now_ms < acceptor->resync_ms + paxos->options.heartbeat_ms)
		return;
	ask_resync(paxos, ballot, length, update);
	paxos_report(paxos, TRANSITION_RESYNC_ASKED, length, ballot.member, 0, update);
}

/* Values after a STOP, or a second one, are nothing that a leader of this epoch sends. */
static bool
respects_stop(const struct paxos *paxos, struct entry *const *entries, uint32_t count)
{
	if (paxos->log.stop > 0)
		return false;
	for (uint32_t i = 0; i + 1 < count; i++) {
		if (entries[i]->kind == ENTRY_STOP)
			return false;
	}
	return true;
}

/* Plain 2a, at our accepted ballot: MESSAGE's entries continue or repeat the log here. */
static void
accept_entries(struct paxos *paxos, const struct paxos_message *message,
               struct paxos_update *update)
{
	uint64_t length = paxos->log.length;
	uint64_t last = message->previous + message->entry_count;
	uint32_t known;

	CHECK(ballot_equal(paxos->accepted, message->ballot));
	CHECK(ballot_equal(paxos->promised, message->ballot));

	if (message->previous > length) {
		ask_resync_once(paxos, message->ballot, length, update);
		return;
	}
	if (last <= length) {
		/* Nothing new; at the same ballot nothing can differ either. */
		if (message->entry_count > 0)
			paxos->acceptor.is_report_owed = true;
		learner_on_chosen(paxos, message->ballot, message->chosen, update);
		return;
	}
	if (paxos->no_space) {
		learner_on_chosen(paxos, message->ballot, message->chosen, update);
		return;
	}
	known = (uint32_t)(length - message->previous);
	if (!respects_stop(paxos, message->entries + known, message->entry_count - known))
		return;
	for (uint32_t i = known; i < message->entry_count; i++)
		entry_retain(message->entries[i]);
	paxos_persist_append(paxos, message->entries + known, message->entry_count - known, update);
	learner_on_chosen(paxos, message->ballot, message->chosen, update);
}

void
acceptor_on_accept(struct paxos *paxos, const struct paxos_message *message,
                   struct paxos_update *update)
{
	if (ballot_compare(message->ballot, paxos->promised) < 0 &&
	    !(PLANTED(ACCEPT_BELOW_PROMISE) && ballot_equal(message->ballot, paxos->accepted))) {
		acceptor_refuse(paxos, message, update);
		return;
	}
	if (PLANTED(ACCEPT_BELOW_PROMISE) && ballot_equal(message->ballot, paxos->accepted)) {
		accept_entries(paxos, message, update);
		return;
	}
	election_on_leader_heard(paxos, message, update);
	if (!ballot_equal(message->ballot, paxos->promised))
		return; /* not promised yet: the leader's heartbeats lead to PREPARE */
	if (!ballot_equal(message->ballot, paxos->accepted)) {
		ask_resync_once(paxos, message->ballot, acceptor_agreed(paxos, message->ballot),
		                update);
		return;
	}
	accept_entries(paxos, message, update);
}

/* All of the adopted log is here: replace what may diverge, in one write. */
static void
take_staged(struct paxos *paxos, const struct paxos_message *message, struct paxos_update *update)
{
	struct acceptor *acceptor = &paxos->acceptor;
	struct acceptor_staged *staged = &acceptor->staged;

	paxos_persist_sync(paxos, message->ballot, staged->previous, staged->entries, staged->count,
	                   update);
	staged->count = 0; /* the log holds the references now */
	acceptor_unstage(acceptor);
	acceptor->reported = 0;
	acceptor->is_report_owed = true;
	paxos_report(paxos, TRANSITION_SYNCED, paxos->log.length, message->from, 0, update);
	learner_on_chosen(paxos, message->ballot, message->chosen, update);
}

/*
 * Write the staged values that are chosen, if they reach at least as far as the log here: then
 * nothing is lost by cutting it, and memory stays bounded however long this member was
 * away.  `accepted` stays: these values are learned, not accepted.
 */
static void
learn_staged(struct paxos *paxos, uint64_t chosen, struct paxos_update *update)
{
	struct acceptor_staged *staged = &paxos->acceptor.staged;
	uint64_t end = staged->previous + staged->count;
	uint64_t limit = end < chosen ? end : chosen;
	uint32_t count;

	if (limit < paxos->log.length || limit <= staged->previous)
		return;
	count = (uint32_t)(limit - staged->previous);
	if (ballot_is_none(paxos->accepted))
		paxos_persist_sync(paxos, BALLOT_LEARNED, staged->previous, staged->entries, count,
		                   update);
	else if (staged->previous < paxos->log.length)
		paxos_persist_sync(paxos, paxos->accepted, staged->previous, staged->entries, count,
		                   update);
	else
		paxos_persist_append(paxos, staged->entries, count, update);
	staged_consume(staged, count);
	learner_advance(paxos, limit, update);
}

/* Nothing can follow on what is staged: it, or the log before it, ends in a STOP. */
static bool
staged_is_sealed(const struct paxos *paxos)
{
	const struct acceptor_staged *staged = &paxos->acceptor.staged;

	if (staged->count > 0)
		return staged->entries[staged->count - 1]->kind == ENTRY_STOP;
	return paxos->log.stop > 0 && paxos->log.stop <= staged->previous;
}

/* The staged part, begun if need be; false if MESSAGE does not follow on it. */
static bool
stage(struct paxos *paxos, const struct paxos_message *message)
{
	struct acceptor_staged *staged = &paxos->acceptor.staged;
	uint64_t end, last = message->previous + message->entry_count;

	if (!staged_is_for(staged, message->ballot)) {
		acceptor_unstage(&paxos->acceptor);
		staged->ballot = message->ballot;
		staged->previous = message->base > paxos->chosen ? message->base : paxos->chosen;
	}
	end = staged->previous + staged->count;
	if (message->previous > end)
		return false;
	for (uint64_t slot = end + 1; slot <= last && !staged_is_sealed(paxos); slot++)
		staged_append(staged, message->entries[slot - message->previous - 1]);
	return true;
}

/*
 * Phase 2a for everything that phase 1 adopted.  The leader sends it only to those whose promise it
 * holds; `base` comes from that promise.
 */
void
acceptor_on_accept_sync(struct paxos *paxos, const struct paxos_message *message,
                        struct paxos_update *update)
{
	int order = ballot_compare(message->ballot, paxos->promised);

	if (order < 0) {
		acceptor_refuse(paxos, message, update);
		return;
	}
	election_on_leader_heard(paxos, message, update);
	if (order > 0)
		return;
	/* Our promise was heard, and what it says is about to change. */
	paxos->acceptor.promise.is_owed = false;
	paxos->acceptor.promise.load = 0;
	if (ballot_equal(paxos->accepted, message->ballot)) {
		accept_entries(paxos, message, update);
		return;
	}
	if (paxos->no_space || message->base > paxos->log.length)
		return;
	if (!stage(paxos, message)) {
		ask_resync_once(paxos, message->ballot, acceptor_agreed(paxos, message->ballot),
		                update);
		return;
	}
	if (acceptor_agreed(paxos, message->ballot) >= message->length) {
		take_staged(paxos, message, update);
		return;
	}
	learn_staged(paxos, message->chosen, update);
	ask_resync(paxos, message->ballot, acceptor_agreed(paxos, message->ballot), update);
}

/* ---- answers whose durability has come ---- */

/* 2b, cumulative.  Not after a higher promise: the leader concerned is no longer one. */
static void
report_accepted(struct paxos *paxos, struct paxos_update *update)
{
	struct acceptor *acceptor = &paxos->acceptor;
	const struct durable_state *durable = &paxos->durable.now;
	struct paxos_message *message;

	if (ballot_is_none(paxos->accepted) || paxos->accepted.member == paxos->options.self ||
	    !ballot_equal(paxos->accepted, paxos->promised) ||
	    !ballot_equal(paxos->accepted, durable->accepted))
		return;
	if (durable->length <= acceptor->reported && !acceptor->is_report_owed)
		return;
	CHECK(ballot_equal(durable->promised, paxos->promised));
	message = paxos_send(paxos, MESSAGE_ACCEPTED, paxos->accepted.member, paxos->accepted,
	                     update);
	message->length = PLANTED(ACCEPTED_BEFORE_SYNC) ? paxos->log.length : durable->length;
	acceptor->reported = durable->length;
	acceptor->is_report_owed = false;
}

void
acceptor_settle(struct paxos *paxos, struct paxos_update *update)
{
	struct acceptor_promise *promise = &paxos->acceptor.promise;

	/* A promise that a higher one has overtaken is never sent. */
	if (promise->is_owed && !ballot_equal(promise->ballot, paxos->promised))
		memset(promise, 0, sizeof(*promise));
	/* The candidate builds on what we report, so all of that must survive us. */
	if (promise->is_owed &&
	    (durable_is_settled(&paxos->durable) || PLANTED(PROMISE_BEFORE_SYNC))) {
		CHECK(ballot_equal(paxos->durable.now.promised, promise->ballot) ||
		      PLANTED(PROMISE_BEFORE_SYNC));
		send_promise(paxos, update);
	}
	report_accepted(paxos, update);
}
