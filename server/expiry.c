/*
 * What the leader proposes as time passes: the end of the sessions and leases that
 * fell silent, and of the nodes whose time has come.
 *
 * Both remove what is there, so they are proposed with the disk nearly full too,
 * and only wait while the journal can take nothing at all.
 */
#include "server/state.h"

/* Expiries proposed in one look. */
#define EXPIRE_LIMIT 1000

/* A proposed COLLECT may not be taken, the window being full. */
#define COLLECT_AGAIN_MS 1000

/* Cluster time goes on from the last command when leaders change.  So that nodes do not wait much
 * longer than they should where nothing is written, there is a command at least this often. */
#define CLOCK_KEPT_MS 60000

static void
propose_expiry(void *context, uint64_t session, uint64_t generation)
{
	struct member *member = context;
	struct command command = {
		.type = COMMAND_EXPIRE,
		.session = session,
		.generation = generation,
		.ballot = {member->view.ballot.epoch, member->view.ballot.round,
	                   member->view.ballot.member},
	};

	proposals_add_command(member, &command);
}

/* One at a time: what is left over is found once that one has been applied. */
static void
collect(struct member *member)
{
	struct command command = {.type = COMMAND_COLLECT};
	uint64_t uptime_ms = member_uptime_ms(member);

	if (member->next_due_ms == UINT64_MAX)
		return;
	if (uptime_ms < member->next_due_ms &&
	    uptime_ms < member->applied_uptime_ms + CLOCK_KEPT_MS)
		return;
	if (member->applied < member->collect_slot && member->now_ms < member->collect_again_ms)
		return;
	proposals_add_command(member, &command);
	member->collect_slot = member->view.length + member->proposal_count;
	member->collect_again_ms = member->now_ms + COLLECT_AGAIN_MS;
}

/* What the core would not take now would be proposed again only after a while. */
static unsigned
expire_limit(const struct member *member)
{
	uint64_t window = member->options.window_entries;
	uint64_t used = member->view.length - member->view.chosen + member->proposal_count;

	if (window == 0 || window > used + EXPIRE_LIMIT)
		return EXPIRE_LIMIT;
	return window > used ? (unsigned)(window - used) : 0;
}

void
expiry_tick(struct member *member)
{
	if (!member_leads(member) || member->is_full)
		return;
	sessions_expire(member->sessions, member->now_ms, expire_limit(member), propose_expiry,
	                member);
	collect(member);
}
