/* Judges an ensemble by what its members say of themselves. */
#include "client/cli/verdict.h"

#include <string.h>

/* True if member INDEX answered, and is not the same as one before it in the list: an ensemble may
 * be given by several addresses of one member. */
static bool
counts(const struct synod_status *status, size_t index)
{
	const struct synod_member_status *member = &status->members[index];

	if (member->error)
		return false;
	for (size_t i = 0; i < index; i++) {
		if (!status->members[i].error && status->members[i].member_id == member->member_id)
			return false;
	}
	return true;
}

static bool
is_leader(const struct synod_member_status *member)
{
	return member->role && strcmp(member->role, "leader") == 0;
}

/* Compare the hashes of all members that have applied as much as member INDEX. */
static void
compare_hashes_at(const struct synod_status *status, size_t index, struct verdict *verdict)
{
	const struct synod_member_status *member = &status->members[index];
	uint64_t same = 0;
	bool differ = false;

	for (size_t i = 0; i < status->member_count; i++) {
		const struct synod_member_status *other = &status->members[i];

		if (!counts(status, i) || other->applied != member->applied)
			continue;
		same++;
		if (strcmp(other->state_hash, member->state_hash) != 0)
			differ = true;
	}
	if (same < 2 || verdict->hashes == HASHES_DIFFER)
		return;
	if (differ || same > verdict->hash_members) {
		verdict->hashes = differ ? HASHES_DIFFER : HASHES_AGREE;
		verdict->hash_slot = member->applied;
		verdict->hash_members = same;
	}
}

void
verdict_of(const struct synod_status *status, struct verdict *verdict)
{
	const struct synod_member_status *leader = NULL;
	uint64_t quorum;

	memset(verdict, 0, sizeof *verdict);
	for (size_t i = 0; i < status->member_count; i++) {
		const struct synod_member_status *member = &status->members[i];

		if (!counts(status, i))
			continue;
		verdict->reachable++;
		if (member->voters > verdict->voters)
			verdict->voters = member->voters;
		if (member->chosen > verdict->chosen)
			verdict->chosen = member->chosen;
		/* A deposed leader may not know it yet: the one that came furthest counts. */
		if (is_leader(member) && (!leader || member->chosen > leader->chosen))
			leader = member;
		compare_hashes_at(status, i, verdict);
	}
	quorum = verdict->voters / 2 + 1;
	verdict->has_quorum = verdict->reachable >= quorum && verdict->voters > 0;
	verdict->more_may_fail = verdict->has_quorum ? verdict->reachable - quorum : 0;
	verdict->leader = leader ? leader->name : NULL;
}

bool
verdict_is_settled(const struct verdict *verdict)
{
	bool all_agree = verdict->voters == 1 || (verdict->hashes == HASHES_AGREE &&
	                                          verdict->hash_members == verdict->voters);

	return verdict->voters > 0 && verdict->reachable == verdict->voters && verdict->leader &&
	       all_agree;
}
