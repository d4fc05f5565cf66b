/* Peers: the core's messages, who the other members are, and whether their state is ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/paxos/codec.h"
#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/planted.h"

/* State hashes are told at most this often. */
#define CHECKPOINT_INTERVAL_MS 1000

/* ---- the core's messages ---- */

void
peers_send_messages(struct member *member)
{
	for (uint32_t i = 0; i < member->update.message_count; i++) {
		const struct paxos_message *message = &member->update.messages[i];

		buffer_clear(&member->scratch);
		paxos_message_encode(&member->scratch, message);
		CHECK(!member->scratch.failed);
		links_send(member->links, message->to, FRAME_PAXOS, buffer_slice(&member->scratch));
	}
}

static bool
is_another(const struct member *member, uint64_t slot, const struct entry *entry)
{
	const struct entry *own = paxos_entry(member->paxos, slot);

	return own && (own->kind != entry->kind || own->size != entry->size ||
	               memcmp(own->bytes, entry->bytes, own->size) != 0);
}

/*
 * Every later leader's log has what is chosen.  One that has not was elected by
 * members that forgot what they accepted: their disks are as they were before.
 * This member knows better, so it does not follow.
 */
static bool
contradicts_chosen(const struct member *member, const struct paxos_message *message)
{
	if (message->type != MESSAGE_ACCEPT_SYNC ||
	    ballot_compare(message->ballot, member->view.ballot) < 0 ||
	    ballot_compare(message->ballot, member->chosen_ballot) <= 0)
		return false;
	if (message->length < member->view.chosen)
		return true;
	for (uint32_t i = 0; i < message->entry_count; i++) {
		uint64_t slot = message->previous + 1 + i;

		if (slot <= member->view.chosen && is_another(member, slot, message->entries[i]))
			return true;
	}
	return false;
}

static void
stop_for_contradiction(struct member *member, uint64_t from)
{
	char why[512];

	snprintf(why, sizeof why,
	         "the log of the leader %s lacks what was chosen up to slot %lu: disks of other "
	         "members were lost or put back as they were before; keep this data directory, "
	         "it has what they have lost, and see synodd(8), DAMAGE",
	         member_find(member, from)->name, (unsigned long)member->view.chosen);
	member_fatal(member, SYNOD_CORRUPT, why);
}

static int
on_paxos(struct member *member, uint64_t from, struct slice body)
{
	struct paxos_event event = {.type = EVENT_MESSAGE};
	struct paxos_message message;

	if (paxos_message_decode(body, &message))
		return SYNOD_BAD_MESSAGE;
	if (message.from == from && contradicts_chosen(member, &message)) {
		stop_for_contradiction(member, from);
	} else if (message.from == from && message.to == member->identity.self) {
		event.message = &message;
		member_step(member, &event);
	}
	paxos_message_fini(&message);
	return SYNOD_OK;
}

/* ---- identity ---- */

/*
 * A member's disk id is learnt at the first contact, made durable before the
 * first message counts, and never changes: a known member with another disk has
 * forgotten what it promised (Chandra et al., "Paxos Made Live", 5.1).
 */
static int
on_hello(void *owner, const struct hello *hello, char *why)
{
	struct member *member = owner;
	struct member_identity *known =
		&member->identity.members[member_index(member, hello->member_id)];

	if (hello->disk_id.size != DISK_ID_SIZE) {
		snprintf(why, 256, "member %s names no disk", known->name);
		return SYNOD_WRONG_DISK;
	}
	if (known->has_disk_id) {
		if (memcmp(known->disk_id, hello->disk_id.bytes, DISK_ID_SIZE) == 0 ||
		    PLANTED(DISK_ID_UNCHECKED))
			return SYNOD_OK;
		snprintf(why, 256,
		         "member %s comes with another disk than before: it has forgotten what it "
		         "promised",
		         known->name);
		return SYNOD_WRONG_DISK;
	}
	if (!member->is_binding) {
		struct identity bound = member->identity;
		struct member_identity *row = &bound.members[known - member->identity.members];

		row->has_disk_id = true;
		memcpy(row->disk_id, hello->disk_id.bytes, DISK_ID_SIZE);
		member->is_binding = true;
		recorder_bind(member->recorder, &bound);
	}
	snprintf(why, 256, "the disk of member %s is being recorded: dial again", known->name);
	return SYNOD_RETRY;
}

void
peers_on_identity(struct member *member, struct identity_item *item)
{
	memcpy(member->identity.members, item->identity.members, sizeof member->identity.members);
	member->is_binding = false;
	free(item);
}

/* Another member's facts, as the replicated record has them. */
static const struct survey_member *
recorded(const struct member *member, uint64_t id)
{
	if (!member->survey)
		return NULL;
	for (uint32_t i = 0; i < member->survey->member_count; i++) {
		if (member->survey->members[i].id == id)
			return &member->survey->members[i];
	}
	return NULL;
}

/* What other members learnt about a disk binds this member too. */
static void
bind_recorded(struct member *member)
{
	struct identity bound = member->identity;
	bool is_new = false;

	for (unsigned i = 0; i < bound.member_count; i++) {
		const struct survey_member *row = recorded(member, bound.members[i].id);

		if (!row || !row->has_disk_id || bound.members[i].has_disk_id)
			continue;
		bound.members[i].has_disk_id = true;
		memcpy(bound.members[i].disk_id, row->disk_id, DISK_ID_SIZE);
		is_new = true;
	}
	if (is_new && !member->is_binding) {
		member->is_binding = true;
		recorder_bind(member->recorder, &bound);
	}
}

/* The leader records every member's addresses and disk, when they are new or have changed. */
static void
propose_facts(struct member *member)
{
	if (!member->view.is_serving || !member->is_surveyed || member->is_low)
		return;
	for (unsigned i = 0; i < member->identity.member_count; i++) {
		const struct member_identity *known = &member->identity.members[i];
		struct survey_member *row = (struct survey_member *)recorded(member, known->id);
		const char *address = member->client_addresses[i];
		struct command command = {
			.type = COMMAND_MEMBER,
			.member = known->id,
			.name = slice_of(known->name),
			.peer_address = slice_of(known->address),
			.client_address = slice_of(address),
			.disk_id = {known->disk_id, DISK_ID_SIZE},
		};

		if (!known->has_disk_id || !address[0] ||
		    (row && strcmp(row->client_address, address) == 0))
			continue;
		proposals_add_command(member, &command);
		if (!row && member->survey->member_count < MEMBERS_MAX)
			row = &member->survey->members[member->survey->member_count++];
		if (row) {
			row->id = known->id;
			snprintf(row->client_address, sizeof row->client_address, "%s", address);
		}
	}
}

void
peers_on_survey(struct member *member, struct survey_item *item)
{
	(void)item;
	bind_recorded(member);
	propose_facts(member);
}

/* ---- facts ---- */

static void
on_up(void *owner, uint64_t peer)
{
	struct member *member = owner;
	unsigned self = member_index(member, member->identity.self);

	log_info("linked with member %s", member_find(member, peer)->name);
	buffer_clear(&member->scratch);
	pack_array(&member->scratch, 1);
	pack_string(&member->scratch, slice_of(member->client_addresses[self]));
	links_send(member->links, peer, FRAME_FACTS, buffer_slice(&member->scratch));
}

static void
on_down(void *owner, uint64_t peer, int error)
{
	struct member *member = owner;

	log_info("link with member %s is down: %s", member_find(member, peer)->name,
	         error_text(error));
	forward_on_link_down(member, peer);
	if (peer == member->view.leader)
		keepalives_on_leader_change(member);
}

static int
on_facts(struct member *member, uint64_t from, struct slice body)
{
	char *address = member->client_addresses[member_index(member, from)];
	struct cursor cursor;
	struct slice text;

	cursor_init(&cursor, body);
	if (cursor_array(&cursor) < 1)
		return SYNOD_BAD_MESSAGE;
	text = cursor_string(&cursor);
	if (cursor.failed || text.size > MEMBER_ADDRESS_MAX)
		return SYNOD_BAD_MESSAGE;
	memcpy(address, text.bytes, text.size);
	address[text.size] = '\0';
	propose_facts(member);
	return SYNOD_OK;
}

/* ---- state hashes ---- */

void
peers_note_checkpoint(struct member *member, const struct progress_item *item)
{
	uint64_t slot = item->checkpoint_slot;
	unsigned index = (unsigned)(slot / CHECKPOINT_SLOTS % CHECKPOINTS_KEPT);

	if (slot == 0 || slot == member->checkpoint_slot)
		return;
	member->checkpoint_slot = slot;
	member->checkpoints[index].slot = slot;
	member->checkpoints[index].hash = item->checkpoint;
}

static void
tell_checkpoint(struct member *member)
{
	uint64_t slot = member->checkpoint_slot;
	unsigned index = (unsigned)(slot / CHECKPOINT_SLOTS % CHECKPOINTS_KEPT);

	if (slot == member->checkpoint_sent_slot ||
	    member->now_ms < member->checkpoint_sent_ms + CHECKPOINT_INTERVAL_MS)
		return;
	member->checkpoint_sent_slot = slot;
	member->checkpoint_sent_ms = member->now_ms;
	buffer_clear(&member->scratch);
	pack_array(&member->scratch, 3);
	pack_u64(&member->scratch, slot);
	pack_u64(&member->scratch, member->checkpoints[index].hash.low);
	pack_u64(&member->scratch, member->checkpoints[index].hash.high);
	for (unsigned i = 0; i < member->identity.member_count; i++) {
		if (member->identity.members[i].id != member->identity.self)
			links_send(member->links, member->identity.members[i].id, FRAME_CHECKPOINT,
			           buffer_slice(&member->scratch));
	}
}

/*
 * Another member's state hash.  If it is the leader's and ours at that slot is
 * different, this member has diverged: it keeps the evidence and stops.
 */
static int
on_checkpoint(struct member *member, uint64_t from, struct slice body)
{
	struct state_hash hash;
	struct cursor cursor;
	uint64_t slot;
	unsigned index;
	char why[512];

	cursor_init(&cursor, body);
	if (cursor_array(&cursor) < 3)
		return SYNOD_BAD_MESSAGE;
	slot = cursor_u64(&cursor);
	hash.low = cursor_u64(&cursor);
	hash.high = cursor_u64(&cursor);
	if (cursor.failed)
		return SYNOD_BAD_MESSAGE;
	index = (unsigned)(slot / CHECKPOINT_SLOTS % CHECKPOINTS_KEPT);
	if (slot == 0 || member->checkpoints[index].slot != slot ||
	    (member->checkpoints[index].hash.low == hash.low &&
	     member->checkpoints[index].hash.high == hash.high))
		return SYNOD_OK;
	snprintf(why, sizeof why,
	         "the state of this member and of %s differ at slot %lu; keep the data directory "
	         "for "
	         "inspection and see synodd(8), DAMAGE",
	         member_find(member, from)->name, (unsigned long)slot);
	if (from == member->view.leader)
		member_fatal(member, SYNOD_CORRUPT, why);
	else
		log_error("%s", why);
	return SYNOD_OK;
}

void
peers_tick(struct member *member)
{
	tell_checkpoint(member);
}

/* ---- frames ---- */

static int
on_frame(void *owner, uint64_t from, const struct frame *frame)
{
	static int (*const handlers[])(struct member *, uint64_t, struct slice) = {
		[FRAME_PAXOS] = on_paxos,
		[FRAME_FORWARD] = forward_on_request,
		[FRAME_FORWARDED] = forward_on_response,
		[FRAME_SESSIONS] = keepalives_on_sessions,
		[FRAME_SESSIONS_ALIVE] = keepalives_on_alive,
		[FRAME_FACTS] = on_facts,
		[FRAME_CHECKPOINT] = on_checkpoint,
	};

	if (frame->type >= sizeof handlers / sizeof handlers[0] || !handlers[frame->type])
		return SYNOD_OK; /* a newer member's; this one does without */
	return handlers[frame->type](owner, from, frame->body);
}

const struct links_handler peers_handler = {
	.on_hello = on_hello,
	.on_up = on_up,
	.on_down = on_down,
	.on_frame = on_frame,
};
