/*
 * The consensus core: leader-based Multi-Paxos over one gap-free sequence.
 *
 *     paxos_step(paxos, event, update)
 *
 * is a function of its inputs.  No clock, no I/O, no threads, no random numbers
 * but those drawn from the seed in the struct.  Time arrives in the event; what
 * must be persisted, sent, applied and reported leaves in the update.
 *
 * The caller (the member) owes the core this:
 *
 *   - carry out update->persist in order, and report the last token that is
 *     durable with EVENT_PERSISTED.  The core itself holds back every message
 *     that must not leave earlier (PREPARE, PROMISE, ACCEPTED): update->messages
 *     may all be sent at once, before or after the persist operations;
 *   - feed chosen entries to the namespace in order and report progress with
 *     EVENT_APPLIED;
 *   - call again, at the latest, at paxos_deadline();
 *   - on a failed write or sync: stop the process.
 *
 * Messages may be lost, repeated, delayed and reordered; never altered.
 *
 * Rules and sources: Lamport, "Paxos Made Simple" (2001); Haridi, Kroll and
 * Carbone, "Sequence Paxos" (2018); Ng, Haridi and Carbone, "Omni-Paxos"
 * (EuroSys'23); Ongaro's dissertation 4.2.3, 6.4, 9.6 for stickiness, reads,
 * pre-vote and transfer.
 *
 * Who holds what:
 *   acceptor   promised, accepted, the log's length           (durable)
 *   learner    chosen
 *   proposer   the candidate's promises, the leader's view of each voter
 *   election   deadlines, pre-vote, stickiness, check-quorum
 *   reads      confirmation rounds
 */
#ifndef SERVER_PAXOS_PAXOS_H
#define SERVER_PAXOS_PAXOS_H

#include "server/paxos/message.h"

#define PAXOS_VOTERS_MAX 7

struct paxos;

struct paxos_options {
	member_id self;
	uint64_t epoch;
	member_id voters[PAXOS_VOTERS_MAX];
	unsigned voter_count;
	uint64_t seed;         /* randomized timeouts, nonces: a different one at every start */
	unsigned heartbeat_ms; /* default 50 */
	unsigned election_timeout_min_ms; /* default 250 */
	unsigned election_timeout_max_ms; /* default 500 */
	/* An advance of `chosen` is told within this, default 2; at once, unless more values are on
	 * their way, to those voters that are watched. */
	unsigned chosen_delay_ms;
	unsigned window_entries;  /* proposed and not yet chosen; default 16384 */
	size_t window_bytes;      /* the same in bytes; default 64 MiB */
	unsigned cache_entries;   /* recent entries kept in memory; default 65536 */
	size_t cache_bytes;       /* default 64 MiB */
	unsigned message_entries; /* per message; default and maximum MESSAGE_ENTRIES_MAX */
	size_t message_bytes;     /* default 1 MiB; one larger entry travels alone */
};

/* What the disk says at start-up. */
struct paxos_restored {
	struct ballot promised;
	struct ballot accepted;
	uint64_t length;
	uint64_t base;    /* slots up to this one are only in a snapshot; 0 for now */
	uint64_t applied; /* applied durably, hence chosen */
	/* The newest entries, for the cache: slots tail_first .. length.  References are taken
	 * over. */
	uint64_t tail_first;
	struct entry **tail;
};

/* ---- events ---- */

enum paxos_event_type {
	EVENT_TICK,      /* time passed */
	EVENT_MESSAGE,   /* .message: from another member; the caller keeps ownership */
	EVENT_PROPOSE,   /* .propose: values from clients; leader only */
	EVENT_PERSISTED, /* .persisted: everything up to this token is durable */
	EVENT_APPLIED,   /* .applied: the namespace has applied up to this slot */
	EVENT_READ,      /* .read: asks for an index to read at */
	EVENT_LOADED,    /* .loaded: answer to an update's load */
	EVENT_STALLED,   /* .stalled: the journal or the namespace has not moved for this long */
	EVENT_TRANSFER,  /* .transfer: hand leadership to this voter (0: any that is caught up) */
	EVENT_NO_SPACE,  /* .no_space: the journal cannot grow (true), or can again (false) */
	EVENT_WATCHED,   /* .watched: somebody waits here for what is chosen, or nobody any more */
};

struct paxos_event {
	enum paxos_event_type type;
	uint64_t now_ms; /* monotonic; never decreases */
	union {
		const struct paxos_message *message;
		struct {
			struct entry **entries; /* references are taken over if accepted */
			uint32_t count;
		} propose;
		uint64_t persisted;
		uint64_t applied;
		uint64_t read; /* a cookie, returned with the index */
		struct {
			uint64_t id;
			uint64_t first;         /* slot of entries[0] */
			struct entry **entries; /* references stay with the caller */
			uint32_t count;         /* may be less than asked for; 0: gone, try later */
		} loaded;
		struct {
			unsigned journal_ms;
			unsigned namespace_ms;
		} stalled;
		member_id transfer;
		bool no_space;
		bool watched;
	};
};

/* ---- updates ---- */

/*
 * PERSIST_SYNC is atomic: after a crash the disk shows either all of it (ballot, cut and every
 * entry) or nothing.  Half of it would be a log that outranks others while lacking
 * what they hold.  Its ballot may equal the present accepted ballot: a member that lags far
 * behind writes chosen values so, without having accepted them; one that has never accepted
 * anything does it at 0.0.1, below every leader's ballot.
 */
enum persist_type {
	PERSIST_PROMISE, /* the promise file: promised = ballot */
	PERSIST_SYNC, /* accepted = ballot; the log is cut after slot `previous`; entries follow */
	PERSIST_APPEND, /* entries after slot `previous`, at the same accepted ballot */
};

struct paxos_persist {
	enum persist_type type;
	uint64_t token; /* strictly increasing */
	struct ballot ballot;
	uint64_t previous;
	uint32_t entry_count;
	struct entry **entries; /* each holds a reference of the update's */
};

/* Entries wanted from the journal: answer with EVENT_LOADED, in any order. */
struct paxos_load {
	uint64_t id;
	uint64_t first;
	uint32_t count_max;
	size_t bytes_max;
};

struct paxos_read {
	uint64_t cookie;
	int error;      /* SYNOD_OK, or SYNOD_RETRY */
	uint64_t index; /* read once applied >= index */
};

/* What happened, for logs, scenarios and the simulator.  The core never logs. */
enum transition_type {
#define TRANSITION(name, text) TRANSITION_##name,
#include "server/paxos/transitions.def"
#undef TRANSITION
};

struct paxos_transition {
	enum transition_type type;
	struct ballot ballot;
	uint64_t slot;
	member_id member;
	unsigned ms;
};

/*
 * Filled by one step; arrays belong to the update and live until
 * paxos_update_clear().  Zero it before first use; reuse it for speed.
 */
struct paxos_update {
	struct paxos_persist *persists;
	uint32_t persist_count, persist_capacity;
	struct paxos_message *messages;
	uint32_t message_count, message_capacity;
	struct paxos_load *loads;
	uint32_t load_count, load_capacity;
	struct paxos_read *reads;
	uint32_t read_count, read_capacity;
	struct paxos_transition *transitions;
	uint32_t transition_count, transition_capacity;
	/* EVENT_PROPOSE: how many of the values were taken (the first ones), and the slot of the
	 * first.  0 taken: not leading or not yet serving (SYNOD_RETRY), or window full
	 * (SYNOD_BUSY), or disk full (SYNOD_NO_SPACE). */
	uint32_t proposed_count;
	uint64_t proposed_first;
	int propose_error;
};

void paxos_update_clear(struct paxos_update *update); /* releases references, keeps memory */
void paxos_update_fini(struct paxos_update *update);

/* ---- the core ---- */

/* Zero fields of OPTIONS get the defaults above.  NOW_MS starts the election clock. */
struct paxos *paxos_new(const struct paxos_options *options, const struct paxos_restored *restored,
                        uint64_t now_ms);
void paxos_free(struct paxos *paxos);

void paxos_step(struct paxos *paxos, const struct paxos_event *event, struct paxos_update *update);

/* When to call with EVENT_TICK at the latest. */
uint64_t paxos_deadline(const struct paxos *paxos);

/* The entry of SLOT if it is in memory, else NULL; no reference is taken. */
struct entry *paxos_entry(const struct paxos *paxos, uint64_t slot);

/* Read-only view, cheap, valid until the next step. */
struct paxos_view {
	int role;         /* enum member_role of the protocol: 0 follower, 1 candidate, 2 leader */
	bool is_serving;  /* leader, and LEADER_START is applied */
	member_id leader; /* 0: none known */
	struct ballot ballot; /* promised */
	struct ballot accepted;
	uint64_t length;
	uint64_t durable_length;
	uint64_t chosen; /* and durable here: may be applied */
	uint64_t applied;
	uint64_t heard_ms; /* when the leader (or, as leader, a quorum) was last heard; 0: never */
};

void paxos_view(const struct paxos *paxos, struct paxos_view *view);

/* The leader's knowledge of a voter: the length it has reported durable, and when it was heard. */
struct paxos_voter {
	member_id member;
	uint64_t matched;
	uint64_t heard_ms;
};

/* Fills up to PAXOS_VOTERS_MAX rows; returns their count.  Useful on the leader only. */
unsigned paxos_voters(const struct paxos *paxos, struct paxos_voter *voters);

/* One line for people: "lost leadership: no quorum for 500 ms ballot=1.7.2 slot=8812". */
void paxos_transition_format(const struct paxos_transition *transition, char *text, size_t size);

#endif
