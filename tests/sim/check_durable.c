/*
 * Nothing leaves before it is durable, and no promise is taken back.
 *
 * What a member has told others (PREPARE, PROMISE: a promise; ACCEPTED and the
 * answers to heartbeats: a length at a ballot) must be on its disk whenever it
 * starts again.
 */
#include <stdlib.h>

#include "server/state.h"
#include "shared/check.h"
#include "tests/sim/oracle.h"

#define BALLOTS_KEPT 64

struct told {
	struct ballot promised;
	struct ballot accepted; /* the highest that it has reported */
	uint64_t length;        /* at that */
	struct ballot seen;     /* promised, as last looked at in this incarnation */
	struct {
		struct ballot ballot;
		uint64_t length;
	} reports[BALLOTS_KEPT];
	unsigned next;
};

struct check_durable {
	struct world *world;
	struct told told[MEMBERS_LIMIT];
};

struct check_durable *
check_durable_new(struct world *world)
{
	struct check_durable *check = check_calloc(1, sizeof *check);

	check->world = world;
	return check;
}

void
check_durable_free(struct check_durable *check)
{
	free(check);
}

static void
note_promise(struct told *told, struct ballot ballot)
{
	if (ballot_compare(ballot, told->promised) > 0)
		told->promised = ballot;
}

/* In the table of what is known to be durable at each ballot. */
static void
note_report(struct told *told, struct ballot ballot, uint64_t length)
{
	for (unsigned i = 0; i < BALLOTS_KEPT; i++) {
		if (ballot_compare(told->reports[i].ballot, ballot) != 0)
			continue;
		if (length > told->reports[i].length)
			told->reports[i].length = length;
		return;
	}
	told->reports[told->next % BALLOTS_KEPT].ballot = ballot;
	told->reports[told->next++ % BALLOTS_KEPT].length = length;
}

static void
note_length(struct told *told, struct ballot ballot, uint64_t length)
{
	int order = ballot_compare(ballot, told->accepted);

	if (order > 0) {
		told->accepted = ballot;
		told->length = length;
	} else if (order == 0 && length > told->length) {
		told->length = length;
	}
	note_report(told, ballot, length);
}

/* A leader tells nobody what it holds itself. */
static void
note_own(struct told *told, const struct host *host)
{
	const struct paxos_view *view = &host->member->view;

	if (view->accepted.member == host->index + 1)
		note_report(told, view->accepted, view->durable_length);
}

/* What a member says it holds durably, against what it knows to be. */
static void
check_report(struct check_durable *check, const struct host *host, struct ballot ballot,
             uint64_t length)
{
	const struct paxos_view *view = &host->member->view;

	if (ballot_compare(view->accepted, ballot) == 0 && length > view->durable_length)
		world_fail(check->world, "durable", "%s tells of slot %lu, durable only to %lu",
		           host->name, (unsigned long)length, (unsigned long)view->durable_length);
}

void
check_durable_on_message(struct check_durable *check, struct host *host,
                         const struct paxos_message *message)
{
	struct told *told = &check->told[host->index];

	note_own(told, host);
	switch (message->type) {
	case MESSAGE_PREPARE:
	case MESSAGE_PROMISE: note_promise(told, message->ballot); break;
	case MESSAGE_ACCEPTED:
		note_promise(told, message->ballot);
		check_report(check, host, message->ballot, message->length);
		note_length(told, message->ballot, message->length);
		break;
	case MESSAGE_HEARTBEAT_ANSWER:
		if (message->length > 0)
			note_length(told, message->ballot, message->length);
		break;
	default: break;
	}
}

/* Its disk was harmed so that it cannot know: what it has told binds it no more. */
static void
forgive(struct told *told)
{
	told->promised = told->accepted = BALLOT_NONE;
	told->length = 0;
}

void
check_durable_on_start(struct check_durable *check, struct host *host)
{
	struct told *told = &check->told[host->index];
	const struct paxos_view *view = &host->member->view;
	int order = ballot_compare(view->accepted, told->accepted);

	told->seen = view->ballot;
	if (host->may_forget) {
		forgive(told);
		return;
	}
	if (ballot_compare(view->ballot, told->promised) < 0)
		world_fail(check->world, "durable",
		           "%s has told of its promise %lu.%lu and starts with %lu.%lu", host->name,
		           (unsigned long)told->promised.round,
		           (unsigned long)told->promised.member, (unsigned long)view->ballot.round,
		           (unsigned long)view->ballot.member);
	if (order < 0 || (order == 0 && view->length < told->length))
		world_fail(
			check->world, "durable",
			"%s has told of slots up to %lu at %lu.%lu and starts with %lu at %lu.%lu",
			host->name, (unsigned long)told->length,
			(unsigned long)told->accepted.round, (unsigned long)told->accepted.member,
			(unsigned long)view->length, (unsigned long)view->accepted.round,
			(unsigned long)view->accepted.member);
	if (view->applied > view->length)
		world_fail(check->world, "durable", "%s has applied more than it holds",
		           host->name);
}

void
check_durable_on_run(struct check_durable *check, struct host *host)
{
	struct told *told = &check->told[host->index];
	const struct paxos_view *view = &host->member->view;

	if (ballot_compare(view->ballot, told->seen) < 0)
		world_fail(check->world, "promise", "the promise of %s went back", host->name);
	if (ballot_compare(view->accepted, view->ballot) > 0)
		world_fail(check->world, "promise", "%s has accepted above its promise",
		           host->name);
	if (view->applied > view->chosen || view->chosen > view->length)
		world_fail(check->world, "promise",
		           "%s: applied %lu, chosen %lu, length %lu are out of order", host->name,
		           (unsigned long)view->applied, (unsigned long)view->chosen,
		           (unsigned long)view->length);
	told->seen = view->ballot;
	note_own(told, host);
}

static bool
holds(const struct told *told, struct ballot ballot, uint64_t slot)
{
	for (unsigned i = 0; i < BALLOTS_KEPT; i++)
		if (ballot_compare(told->reports[i].ballot, ballot) == 0 &&
		    told->reports[i].length >= slot)
			return true;
	return false;
}

static unsigned
count_holders(const struct check_durable *check, struct ballot ballot, uint64_t slot)
{
	unsigned count = 0;

	for (unsigned i = 0; i < check->world->options.members; i++)
		count += holds(&check->told[i], ballot, slot);
	return count;
}

bool
check_durable_has_quorum(const struct check_durable *check, uint64_t slot)
{
	const unsigned members = (unsigned)check->world->options.members;

	for (unsigned i = 0; i < members; i++)
		for (unsigned k = 0; k < BALLOTS_KEPT; k++)
			if (count_holders(check, check->told[i].reports[k].ballot, slot) >=
			    members / 2 + 1)
				return true;
	return false;
}
