/* The member: one strand that drives Paxos, and the order persist -> send -> apply -> answer. */
#include "server/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/state.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"
#include "shared/planted.h"

/* Without news from the recorder or the executor for this long, while they have work, the core is
 * told that they stall. */
#define STALL_MIN_MS 100

/* A checkpoint of the database holds the executor for as long as the disk needs.  The other members
 * have the same to write, so handing over would only add an election to the wait: it is a stall
 * only beyond this. */
#define CHECKPOINT_GRACE_MS 3000

/* A member that stops waits this long for somebody else to lead. */
#define HAND_OVER_MAX_MS 1000

/* A leader that cannot read what another member needs gives way, but not more often than this. */
#define GIVE_WAY_EVERY_MS 2000

void
member_fatal(struct member *member, int error, const char *why)
{
	member->options.fatal(member->options.context, error, why);
}

uint64_t
member_uptime_ms(const struct member *member)
{
	return member->uptime_base_ms + (member->now_ms - member->serving_since_ms);
}

const struct member_identity *
member_find(const struct member *member, uint64_t id)
{
	for (unsigned i = 0; i < member->identity.member_count; i++) {
		if (member->identity.members[i].id == id)
			return &member->identity.members[i];
	}
	return NULL;
}

unsigned
member_index(const struct member *member, uint64_t id)
{
	const struct member_identity *found = member_find(member, id);

	CHECK(found);
	return (unsigned)(found - member->identity.members);
}

/* ---- one step of the core ---- */

static void
log_transitions(struct member *member)
{
	char text[256];

	for (uint32_t i = 0; i < member->update.transition_count; i++) {
		const struct paxos_transition *transition = &member->update.transitions[i];

		if (transition->type ==
		    TRANSITION_CHOSEN) /* one for every batch: too many to log */
			continue;
		if (log_threshold < LOG_LEVEL_INFO)
			continue;
		paxos_transition_format(transition, text, sizeof text);
		log_info("%s", text);
	}
}

static void
persist(struct member *member)
{
	struct paxos_update *update = &member->update;

	if (update->persist_count == 0)
		return;
	if (member->durable_token == member->posted_token)
		member->persist_progress_ms = member->now_ms;
	member->posted_token = update->persists[update->persist_count - 1].token;
	recorder_persist(member->recorder, update->persists, update->persist_count);
}

/* Leadership won, serving begun, or leadership lost: what the rest of the member must know. */
static void
note_role(struct member *member)
{
	bool is_leader = member->view.role == ROLE_LEADER;

	if (member->was_leader && !is_leader) {
		member->is_surveyed = false;
		sessions_clear(member->sessions);
		requests_on_leadership_lost(member);
		keepalives_on_leader_change(member);
	}
	if (member->view.is_serving && !member->was_serving)
		executor_survey(member->executor, member->view.applied);
	member->was_leader = is_leader;
	member->was_serving = member->view.is_serving;
}

/*
 * Give the core one event and carry out the update.  Persist operations are
 * handed to the recorder and messages to the links at once: the core itself holds
 * back the messages that must wait for the disk.
 */
void
member_step(struct member *member, struct paxos_event *event)
{
	uint64_t chosen;

	event->now_ms = member->now_ms;
	paxos_update_clear(&member->update);
	chosen = member->view.chosen;
	paxos_step(member->paxos, event, &member->update);
	paxos_view(member->paxos, &member->view);
	if (member->view.chosen > chosen)
		member->chosen_ballot = member->view.ballot;
	log_transitions(member);
	persist(member);
	peers_send_messages(member);
	for (uint32_t i = 0; i < member->update.load_count; i++)
		recorder_load(member->recorder, &member->update.loads[i], false);
	reads_on_answer(member);
	note_role(member);
}

static void
step_simple(struct member *member, enum paxos_event_type type)
{
	struct paxos_event event = {.type = type};

	member_step(member, &event);
}

/* ---- items ---- */

static void
on_durable(struct member *member, struct durable_item *item)
{
	struct paxos_event event = {.type = EVENT_PERSISTED, .persisted = item->token};

	member->durable_token = item->token;
	member->persist_progress_ms = member->now_ms;
	free(item);
	member_step(member, &event);
}

static void
on_loaded_for_feed(struct member *member, struct loaded_item *item)
{
	struct apply_item *apply;

	member->is_feed_loading = false;
	if (item->error) {
		member_fatal(member, item->error,
		             "the journal cannot be read where the database does not have its "
		             "effects yet; see synodd(8), DAMAGE");
		return;
	}
	if (item->count == 0 || item->first != member->fed + 1)
		return;
	apply = apply_item_new(item->first, item->count, member->feed_generation);
	for (uint32_t i = 0; i < item->count && (item->first + i <= member->view.chosen ||
	                                         PLANTED(FEED_BEYOND_CHOSEN));
	     i++) {
		struct pending *pending = proposals_take(member, item->first + i);

		apply->rows[apply->count].entry = entry_retain(item->entries[i]);
		apply->rows[apply->count].pending = PLANTED(FED_WITHOUT_REQUEST) ? NULL : pending;
		apply->count++;
	}
	member->fed += apply->count;
	executor_apply(member->executor, apply);
}

/* Nobody follows closely enough to be handed to, because nobody can be sent what is missing: those
 * who have it must be free to elect one of their own. */
static void
stand_back(struct member *member)
{
	struct paxos_event event = {.type = EVENT_STALLED, .stalled.journal_ms = UINT32_MAX};

	member_step(member, &event);
}

/* Others have the entries that cannot be read here: one of them shall lead. */
static void
give_way(struct member *member)
{
	struct paxos_event event = {.type = EVENT_TRANSFER, .transfer = 0};

	if (member->view.role != ROLE_LEADER || member->identity.member_count < 2 ||
	    (member->unreadable_ms != 0 &&
	     member->now_ms < member->unreadable_ms + GIVE_WAY_EVERY_MS))
		return;
	member->unreadable_ms = member->now_ms;
	log_error("giving leadership away: the journal cannot be read where another member needs "
	          "it");
	member_step(member, &event);
	if (member->view.role == ROLE_LEADER && !member->view.is_serving)
		stand_back(member);
}

static void
on_loaded(struct member *member, struct loaded_item *item)
{
	if (item->for_feed) {
		on_loaded_for_feed(member, item);
	} else {
		struct paxos_event event = {.type = EVENT_LOADED};

		event.loaded.id = item->id;
		event.loaded.first = item->first;
		event.loaded.entries = item->entries;
		event.loaded.count = item->count;
		member_step(member, &event);
		if (item->error)
			give_way(member);
	}
	loaded_free(item);
}

static void
on_space(struct member *member, struct space_item *item)
{
	member->is_low = item->is_low;
	if (member->is_full != item->is_full) {
		struct paxos_event event = {.type = EVENT_NO_SPACE, .no_space = item->is_full};

		member->is_full = item->is_full;
		member_step(member, &event);
	}
	free(item);
}

static void
on_progress(struct member *member, struct progress_item *item)
{
	struct paxos_event event = {.type = EVENT_APPLIED, .applied = item->applied};

	feed_on_progress(member, item);
	member->next_due_ms = item->next_due_ms;
	member->applied_uptime_ms = item->uptime_ms;
	if (item->applied > member->applied) {
		member->applied = item->applied;
		member->feed_progress_ms = member->now_ms;
		peers_note_checkpoint(member, item);
		if (item->applied > member->view.applied)
			member_step(member, &event);
	}
	progress_free(item);
}

static void
on_rewound(struct member *member, struct rewound_item *item)
{
	member->feed_generation = item->generation;
	member->applied = member->fed = item->applied;
	member->feed_progress_ms = member->now_ms;
	member->is_feed_loading = false;
	if (member->view.is_serving && !member->is_surveyed)
		executor_survey(member->executor, item->applied);
	free(item);
}

static void
on_survey(struct member *member, struct survey_item *item)
{
	if (member->survey)
		survey_free(member->survey);
	member->survey = item;
	if (member->view.is_serving && !member->is_surveyed) {
		member->uptime_base_ms = item->uptime_ms;
		member->serving_since_ms = member->now_ms;
		for (uint32_t i = 0; i < item->session_count; i++)
			sessions_add(member->sessions, item->sessions[i].session,
			             item->sessions[i].is_lease, item->sessions[i].generation,
			             item->sessions[i].timeout_ms,
			             member->now_ms - (PLANTED(NO_GRACE)
			                                       ? item->sessions[i].timeout_ms / 2
			                                       : 0));
		member->is_surveyed = true;
		log_info("leading: ballot=%lu.%lu.%lu sessions=%lu",
		         (unsigned long)member->view.ballot.epoch,
		         (unsigned long)member->view.ballot.round,
		         (unsigned long)member->view.ballot.member,
		         (unsigned long)sessions_count(member->sessions));
	}
	peers_on_survey(member, item);
}

static void
tell_stalls(struct member *member)
{
	unsigned journal_ms = 0, namespace_ms = 0;

	if (member->durable_token != member->posted_token)
		journal_ms = (unsigned)(member->now_ms - member->persist_progress_ms);
	if (member->fed > member->applied)
		namespace_ms = (unsigned)(member->now_ms - member->feed_progress_ms);
	if (namespace_ms < CHECKPOINT_GRACE_MS)
		namespace_ms = 0;
	if (journal_ms >= STALL_MIN_MS || namespace_ms >= STALL_MIN_MS) {
		struct paxos_event event = {.type = EVENT_STALLED};

		event.stalled.journal_ms = journal_ms;
		event.stalled.namespace_ms = namespace_ms;
		member_step(member, &event);
	}
}

static void
housekeep(struct member *member)
{
	if (member->now_ms < member->housekept_ms + HOUSEKEEPING_MS)
		return;
	member->housekept_ms = member->now_ms;
	links_tick(member->links, member->now_ms);
	clients_tick(member->clients, member->now_ms);
	forward_tick(member);
	keepalives_tick(member);
	expiry_tick(member);
	peers_tick(member);
	tell_stalls(member);
	if (member->now_ms >= member->actors_ticked_ms + ACTOR_TICK_MS) {
		member->actors_ticked_ms = member->now_ms;
		executor_tick(member->executor);
		recorder_tick(member->recorder);
	}
}

/* Stopping: leadership is handed over first, so that the others need not wait for a timeout. */
static void
on_stop(struct member *member)
{
	struct paxos_event event = {.type = EVENT_TRANSFER, .transfer = 0};

	member->stop_ms = member->now_ms + HAND_OVER_MAX_MS;
	if (member->view.role == ROLE_LEADER && member->identity.member_count > 1)
		member_step(member, &event);
}

static void
close_if_stopping(struct member *member)
{
	bool is_handing_over = member->view.role == ROLE_LEADER &&
	                       member->identity.member_count > 1 &&
	                       member->now_ms < member->stop_ms;

	if (member->stop_ms == 0 || member->is_closing || is_handing_over)
		return;
	member->is_closing = true;
	links_close(member->links);
	clients_close(member->clients);
}

static void
on_tick(struct member *member)
{
	member->is_ticking = false;
	member->armed_ms = 0;
	if (!member->is_started)
		return;
	if (member->now_ms >= paxos_deadline(member->paxos))
		step_simple(member, EVENT_TICK);
	housekeep(member);
}

static int
start_network(struct member *member, char *why)
{
	const struct member_options *options = &member->options;
	struct links_options links = {
		.transport = options->transport,
		.actor = member->actor,
		.identity = &member->identity,
		.listen_address = options->listen,
		.software = member->software,
		.silence_ms = options->link_silence_ms,
		.clock = options->clock,
		.handler = &peers_handler,
		.owner = member,
	};
	struct clients_options clients = {
		.transport = options->transport,
		.actor = member->actor,
		.identity = &member->identity,
		.listen_address = member->clients_listen,
		.software = member->software,
		.connections_max = options->connections_max,
		.idle_ms = options->connection_idle_ms,
		.handler = &requests_handler,
		.owner = member,
	};
	int error;

	if (!links.listen_address)
		links.listen_address = member_find(member, member->identity.self)->address;
	error = links_new(&links, member->now_ms, &member->links, why);
	if (error)
		return error;
	error = clients_new(&clients, member->now_ms, &member->clients, why);
	if (!error) {
		unsigned self = member_index(member, member->identity.self);

		snprintf(
			member->client_addresses[self], sizeof member->client_addresses[self], "%s",
			options->advertise ? options->advertise : clients_address(member->clients));
	}
	return error;
}

/* The network starts inside the strand: connections may arrive before the listeners' handles are
 * known here, and wait in the inbox until this has ended. */
static void
on_start(struct member *member)
{
	member->start_error = start_network(member, member->start_why);
	if (!member->start_error)
		member->is_started = true;
	else if (member->links)
		links_close(member->links);
}

static void
on_item(void *owner, struct actor_item *item)
{
	struct member *member = owner;

	member->now_ms = clock_now_ms(member->options.clock);
	if (connection_is_item(item)) {
		connection_on_item(item, member->now_ms);
		return;
	}
	switch (item->kind) {
	case RECORDER_ITEM_DURABLE: on_durable(member, (struct durable_item *)item); return;
	case RECORDER_ITEM_LOADED: on_loaded(member, (struct loaded_item *)item); return;
	case RECORDER_ITEM_IDENTITY:
		peers_on_identity(member, (struct identity_item *)item);
		return;
	case RECORDER_ITEM_SPACE: on_space(member, (struct space_item *)item); return;
	case EXECUTOR_ITEM_PROGRESS: on_progress(member, (struct progress_item *)item); return;
	case EXECUTOR_ITEM_REWOUND: on_rewound(member, (struct rewound_item *)item); return;
	case EXECUTOR_ITEM_SURVEY: on_survey(member, (struct survey_item *)item); return;
	case MEMBER_ITEM_TICK: on_tick(member); return;
	case MEMBER_ITEM_START: on_start(member); return;
	case MEMBER_ITEM_STOP: on_stop(member); return;
	default: CHECK(!"an item that the member knows");
	}
}

/* ---- the end of each run ---- */

static uint64_t
earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
arm_timer(struct member *member)
{
	uint64_t deadline_ms = member->housekept_ms + HOUSEKEEPING_MS;

	deadline_ms = earliest(deadline_ms, paxos_deadline(member->paxos));
	if (member->armed_ms != 0 && member->armed_ms <= deadline_ms)
		return;
	member->armed_ms = deadline_ms;
	member->options.transport->ops->timer_set(
		member->timer,
		deadline_ms > member->now_ms ? (unsigned)(deadline_ms - member->now_ms) : 1);
}

/* Everything that arrived has been looked at: cut one batch of it, and let it go. */
static void
on_idle(void *owner)
{
	struct member *member = owner;

	if (!member->is_started) {
		member->is_closed = !member->links || links_is_closed(member->links);
		return;
	}
	member->now_ms = clock_now_ms(member->options.clock);
	proposals_send(member);
	reads_ask_index(member);
	keepalives_send(member);
	feed_executor(member);
	links_flush(member->links);
	flusher_flush(&member->flusher);
	close_if_stopping(member);
	if (links_is_closed(member->links) && clients_is_closed(member->clients))
		member->is_closed = true;
	else
		arm_timer(member);
}

static void
fire(void *context)
{
	struct member *member = context;

	if (atomic_exchange(&member->is_ticking, true))
		return;
	member->tick_item.kind = MEMBER_ITEM_TICK;
	actor_post(member->actor, &member->tick_item);
}

/* ---- starting and stopping ---- */

static struct paxos *
start_paxos(struct member *member, struct opened *opened)
{
	const struct member_options *options = &member->options;
	struct paxos_options core = {
		.self = member->identity.self,
		.epoch = member->identity.epoch,
		.voter_count = member->identity.member_count,
		.seed = clock_random(options->clock),
		.heartbeat_ms = options->heartbeat_ms,
		.election_timeout_min_ms = options->election_timeout_min_ms,
		.election_timeout_max_ms = options->election_timeout_max_ms,
		.window_entries = options->window_entries,
		.cache_entries = options->cache_entries,
	};
	struct paxos_restored restored = {
		.promised = member->identity.promised,
		.accepted = opened->recovered.accepted,
		.length = opened->recovered.length,
		.base = opened->recovered.first_slot > 0 ? opened->recovered.first_slot - 1 : 0,
		.applied = member->applied,
		.tail_first = opened->recovered.tail_first,
		.tail = opened->recovered.tail,
	};

	for (unsigned i = 0; i < member->identity.member_count; i++)
		core.voters[i] = member->identity.members[i].id;
	return paxos_new(&core, &restored, member->now_ms);
}

static void
fatal_of_member(void *context, int error, const char *why)
{
	member_fatal(context, error, why);
}

static void
start_actors(struct member *member, struct opened *opened)
{
	const struct member_options *options = &member->options;
	enum actor_mode mode = options->manual ? ACTOR_MANUAL : ACTOR_THREAD;
	struct recorder_options recorder = {
		.mode = mode,
		.journal = opened->journal,
		.identity_store = opened->identity_store,
		.identity = member->identity,
		.space = opened->space,
		.clock = options->clock,
		.member = member->actor,
		.fatal = options->fatal,
		.context = options->context,
	};
	struct executor_options executor = {
		.mode = mode,
		.namespace = opened->namespace,
		.database = opened->database,
		.clock = options->clock,
		.member = member->actor,
		.fatal = fatal_of_member,
		.reopen = startup_reopen,
		.context = member,
		.watch_output_max = options->watch_output_max,
	};

	member->recorder = recorder_new(&recorder);
	member->executor = executor_new(&executor);
}

static void
release_parts(struct member *member)
{
	if (member->timer)
		member->options.transport->ops->timer_free(member->timer);
	requests_fini(member);
	keepalives_fini(member);
	links_free(member->links);
	clients_free(member->clients);
	executor_free(member->executor);
	recorder_free(member->recorder);
	actor_free(member->actor);
	flusher_flush(&member->flusher);
	if (member->lock)
		member->lock->ops->close(member->lock);
	if (member->survey)
		survey_free(member->survey);
	sessions_free(member->sessions);
	paxos_free(member->paxos);
	paxos_update_fini(&member->update);
	buffer_fini(&member->scratch);
	buffer_fini(&member->body);
	free(member);
}

/* Wait for the strand to have closed everything: at most LIMIT_MS. */
static void
wait_closed(struct member *member, uint64_t limit_ms)
{
	uint64_t end_ms = clock_now_ms(member->options.clock) + limit_ms;
	struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

	while (!member->is_closed && clock_now_ms(member->options.clock) < end_ms) {
		if (member->options.manual) {
			if (!member_run(member))
				return;
		} else {
			fire(member);
			nanosleep(&pause, NULL);
		}
	}
}

int
member_new(const struct member_options *options, struct member **result, char *why)
{
	static const struct actor_handler handler = {on_item, on_idle};
	struct member *member = check_calloc(1, sizeof *member);
	struct opened opened = {0};
	struct actor_item start;
	int error;

	member->options = *options;
	snprintf(member->name, sizeof member->name, "%s", options->name);
	snprintf(member->software, sizeof member->software, "%s", options->software);
	snprintf(member->clients_listen, sizeof member->clients_listen, "%s", options->clients);
	member->now_ms = clock_now_ms(options->clock);
	member->started_ms = member->now_ms;
	member->sessions = sessions_new();
	member->next_due_ms = UINT64_MAX;
	if (member->options.in_flight_max == 0)
		member->options.in_flight_max = IN_FLIGHT_MAX;
	member->slot_count = member->options.in_flight_max * SLOTS_PER_FLIGHT;
	member->slots = check_calloc(member->slot_count, sizeof(struct pending *));
	member->forwarded = check_calloc(member->slot_count, sizeof(struct pending *));
	error = startup_open(member, &opened, why);
	if (error) {
		startup_undo(member, &opened);
		release_parts(member);
		return error;
	}
	member->applied = member->fed = namespace_applied(opened.namespace);
	member->actor = actor_new("member", options->manual ? ACTOR_MANUAL : ACTOR_STRAND, &handler,
	                          member);
	CHECK(member->actor);
	member->paxos = start_paxos(member, &opened);
	free(opened.recovered.tail); /* the core has the entries now */
	paxos_view(member->paxos, &member->view);
	member->chosen_ballot = member->view.ballot;
	start_actors(member, &opened);
	member->timer = options->transport->ops->timer_new(options->transport, fire, member);
	CHECK(member->timer);
	start.kind = MEMBER_ITEM_START;
	actor_post(member->actor, &start);
	if (options->manual)
		actor_run(member->actor);
	if (member->start_error) {
		error = member->start_error;
		snprintf(why, MEMBER_WHY_SIZE, "%s", member->start_why);
		wait_closed(member, HAND_OVER_MAX_MS);
		executor_stop(member->executor);
		recorder_stop(member->recorder);
		actor_stop(member->actor);
		release_parts(member);
		return error;
	}
	executor_survey(member->executor, 0);
	fire(member);
	*result = member;
	return SYNOD_OK;
}

bool
member_run(struct member *member)
{
	bool has_run = false, runs;

	do {
		runs = actor_run(member->actor);
		runs = recorder_run(member->recorder) || runs;
		runs = executor_run(member->executor) || runs;
		has_run = has_run || runs;
	} while (runs);
	return has_run;
}

void
member_begin_stop(struct member *member)
{
	if (member->stop_item.kind == MEMBER_ITEM_STOP)
		return;
	member->stop_item.kind = MEMBER_ITEM_STOP;
	actor_post(member->actor, &member->stop_item);
}

bool
member_is_closed(const struct member *member)
{
	return member->is_closed;
}

void
member_stop(struct member *member)
{
	member_begin_stop(member);
	wait_closed(member, 2 * HAND_OVER_MAX_MS);
	executor_stop(member->executor);
	recorder_stop(member->recorder);
	actor_stop(member->actor);
}

void
member_free(struct member *member)
{
	if (member)
		release_parts(member);
}

const char *
member_clients_address(const struct member *member)
{
	return clients_address(member->clients);
}

const char *
member_peers_address(const struct member *member)
{
	return links_address(member->links);
}
