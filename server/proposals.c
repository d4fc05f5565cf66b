/* Proposals: commands gathered in one run and proposed together. */
#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/planted.h"

static void
propose(struct member *member, struct entry *entry, struct pending *pending)
{
	if (member->proposal_count == member->proposal_capacity) {
		member->proposal_capacity =
			member->proposal_capacity ? member->proposal_capacity * 2 : 256;
		member->proposals = check_realloc(
			member->proposals, member->proposal_capacity * sizeof *member->proposals);
		member->proposal_pendings = check_realloc(
			member->proposal_pendings,
			member->proposal_capacity * sizeof *member->proposal_pendings);
	}
	member->proposals[member->proposal_count] = entry;
	member->proposal_pendings[member->proposal_count++] = pending;
}

static struct entry *
entry_of_command(struct member *member, const struct command *command)
{
	buffer_clear(&member->scratch);
	command_encode(&member->scratch, command);
	CHECK(!member->scratch.failed);
	return entry_new_copy(ENTRY_COMMAND, member->scratch.bytes, (uint32_t)member->scratch.size);
}

void
proposals_add_command(struct member *member, const struct command *command)
{
	struct command stamped = *command;

	stamped.uptime_ms = member_uptime_ms(member);
	stamped.wall_ms = clock_wall_ms(member->options.clock);
	propose(member, entry_of_command(member, &stamped), NULL);
}

/* With the disk nearly full nothing may grow; what shrinks or ends is still taken, and the session
 * that a delete needs. */
static bool
is_growth(uint8_t op)
{
	return op != OP_DELETE && op != OP_RELEASE && op != OP_REVOKE && op != OP_SESSION_CLOSE &&
	       op != OP_SESSION_OPEN;
}

/*
 * Propose a client's write: a command with this leader's clocks.  A write that is
 * refused here still becomes a command, which uses up its number with the refusal
 * as its answer: otherwise every later write of the session would be out of order
 * for ever, and an earlier copy of it might still be executed.
 */
void
proposals_add_write(struct member *member, struct pending *pending, const struct request *request,
                    int refusal)
{
	uint8_t packed_refusal[1];
	struct command command = {
		.type = COMMAND_CLIENT,
		.uptime_ms = member_uptime_ms(member),
		.wall_ms = clock_wall_ms(member->options.clock),
		.session = pending->session,
		.seq = request->seq,
		.acknowledged = request->acknowledged,
		.op = request->op,
		.body = request->body,
	};

	if (!refusal && member->is_low && is_growth(request->op))
		refusal = SYNOD_NO_SPACE;
	if (refusal) {
		CHECK(refusal < 128); /* one byte of MessagePack */
		packed_refusal[0] = (uint8_t)refusal;
		command.op = OP_REFUSED;
		command.body = (struct slice){packed_refusal, sizeof packed_refusal};
	}
	if (member->view.length - member->applied + member->proposal_count >=
	    member->options.in_flight_max) {
		pending_fail(member, pending, SYNOD_BUSY, "too many writes in progress");
		return;
	}
	propose(member, entry_of_command(member, &command), pending);
}

/*
 * Writes are refused long before the table is full, but the member's own commands
 * are not counted: while the executor makes no progress they may carry the log
 * around the table.  Who asks again gets the answer that is kept.
 */
static void
remember(struct member *member, struct pending *pending, uint64_t slot)
{
	struct pending **place = &member->slots[slot & (member->slot_count - 1)];

	if (*place)
		pending_fail(member, *place, SYNOD_RETRY, "the namespace is too far behind");
	*place = pending;
	pending->slot = slot;
}

void
proposals_send(struct member *member)
{
	struct paxos_event event = {.type = EVENT_PROPOSE};
	uint32_t count = member->proposal_count, taken;
	uint64_t first;
	int error;

	if (count == 0)
		return;
	event.propose.entries = member->proposals;
	event.propose.count = count;
	member->proposal_count = 0;
	member_step(member, &event);
	taken = member->update.proposed_count;
	first = member->update.proposed_first;
	error = member->update.propose_error;
	CHECK(taken <= count);
	for (uint32_t i = 0; i < taken; i++) {
		if (member->proposal_pendings[i])
			remember(member, member->proposal_pendings[i], first + i);
	}
	for (uint32_t i = taken; i < count; i++) {
		entry_release(member->proposals[i]);
		if (member->proposal_pendings[i])
			pending_fail(member, member->proposal_pendings[i],
			             error ? error : SYNOD_RETRY, NULL);
	}
}

/*
 * The place of a slot may hold the request of a later one: when the executor goes
 * back to its last commit, it is fed again from farther back than the table reaches.
 */
struct pending *
proposals_take(struct member *member, uint64_t slot)
{
	struct pending **place = &member->slots[slot & (member->slot_count - 1)];
	struct pending *pending = *place;

	if (!pending || (pending->slot != slot && !PLANTED(ANSWER_OF_OTHER_SLOT)))
		return NULL;
	*place = NULL;
	return pending;
}
