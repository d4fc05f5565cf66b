/* The member's own state, shared by the files that make up its strand. */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include "server/executor.h"
#include "server/flusher.h"
#include "server/member.h"
#include "server/recorder.h"
#include "server/sessions.h"
#include "server/status.h"

/* Items that the member posts to itself. */
#define MEMBER_ITEM_TICK  0x400
#define MEMBER_ITEM_STOP  0x401
#define MEMBER_ITEM_START 0x402

/* Commands chosen and not yet applied, or proposed and not yet chosen: beyond this, BUSY.  A power
 * of two. */
#define IN_FLIGHT_MAX 16384
/* Of the slots whose requests are remembered, and of the requests forwarded and not yet answered,
 * there may be so many times as many. */
#define SLOTS_PER_FLIGHT 4
/* Requests of all kinds held by this member. */
#define PENDING_MAX 100000
/* Bytes of the bodies held by pending requests. */
#define PENDING_BYTES_MAX (256u << 20)
/* A forwarded request without an answer for this long is given back to the client. */
#define FORWARD_WAIT_MAX_MS 5000
/* A batch of keepalives without an answer for this long is sent again. */
#define KEEPALIVE_WAIT_MAX_MS 500
/* How far the executor is fed ahead of what it has applied. */
#define FEED_AHEAD_MAX 8192
#define FEED_ROWS_MAX  1024
#define FEED_BYTES_MAX (1u << 20)

/* Links, clients, sessions and stalls are looked at this often; recorder and executor less so. */
#define HOUSEKEEPING_MS  20
#define ACTOR_TICK_MS    100

#define CHECKPOINTS_KEPT 64

/* Reads, or keepalives, that wait for one confirmed index. */
struct read_batch {
	struct read_batch *next;
	uint64_t id; /* the cookie of EVENT_READ */
	struct pending *reads;
	struct keepalive_batch *keepalives;
};

/* One session or lease that was heard of.  A client's keepalive is a row for its session, and right
 * after it one for each of its leases. */
struct keepalive {
	uint64_t connection; /* id */
	uint64_t number;
	uint64_t id;         /* 0: the connection has no session */
	uint64_t timeout_ms; /* the leader's answer; 0: it has ended */
	uint32_t lease_count;
	bool is_lease;
};

/* Keepalives of this member's clients, or of another member's (ORIGIN). */
struct keepalive_batch {
	struct keepalive_batch *next;
	uint64_t id;
	uint64_t origin;
	uint64_t origin_batch;
	uint64_t sent_ms; /* sent to the leader */
	size_t count, capacity;
	struct keepalive *rows;
};

struct member {
	struct member_options options;
	char name[MEMBER_NAME_MAX + 1];
	char software[64];
	char clients_listen[MEMBER_ADDRESS_MAX + 1];
	struct identity identity;
	struct disk_file *lock;
	struct actor *actor;
	struct timer *timer;
	struct actor_item tick_item;
	struct actor_item stop_item;
	atomic_bool is_ticking;
	uint64_t armed_ms; /* 0: the timer is not set */
	uint64_t now_ms;   /* of the run of items being handled */
	uint64_t started_ms;
	uint64_t housekept_ms;
	uint64_t actors_ticked_ms;

	struct paxos *paxos;
	struct paxos_update update;
	struct paxos_view view;
	struct ballot chosen_ballot; /* at which view.chosen last grew, or a higher one */
	struct recorder *recorder;
	struct executor *executor;
	struct links *links;
	struct clients *clients;
	struct flusher flusher;

	/* Writes gathered in this run, proposed together. */
	struct entry **proposals;
	struct pending **proposal_pendings;
	uint32_t proposal_count, proposal_capacity;
	/* The request of each slot proposed here and not yet fed to the executor. */
	struct pending **slots;
	struct pending **forwarded;
	uint64_t slot_count; /* of each of the two */
	uint64_t forwarded_look_ms;
	uint64_t next_tag;
	unsigned watcher_count; /* clients that have asked for a watch */
	uint64_t pending_count;
	uint64_t pending_bytes;
	struct pending *pool; /* for reuse */
	unsigned pool_count;

	/* Reads gathered in this run. */
	struct read_batch *gathered;
	struct read_batch *asked; /* waiting for their index */
	uint64_t next_batch;

	/* Feeding the executor. */
	uint64_t fed;
	uint64_t feed_generation;
	uint64_t applied;
	bool is_feed_loading;
	uint64_t feed_progress_ms; /* applied last moved, or feeding began */
	uint64_t posted_token;     /* last persist token given to the recorder */
	uint64_t durable_token;
	uint64_t persist_progress_ms; /* the recorder last reported, or writing began */

	/* Leadership. */
	bool was_leader, was_serving;
	bool is_surveyed; /* the table of sessions is complete */
	struct sessions *sessions;
	uint64_t uptime_base_ms; /* cluster time when this leadership began to serve */
	uint64_t serving_since_ms;
	uint64_t next_due_ms; /* cluster time at which the next node is due, as last reported */
	uint64_t applied_uptime_ms; /* cluster time of the last command */
	uint64_t collect_slot;      /* of the COLLECT proposed last */
	uint64_t collect_again_ms;  /* when to propose another if that was not taken */
	struct survey_item *survey; /* members recorded, at the last survey */

	struct keepalive_batch *keepalives; /* gathered, not yet sent anywhere */
	struct keepalive_batch *keepalives_sent;

	/* Other members. */
	char client_addresses[MEMBERS_MAX][MEMBER_ADDRESS_MAX + 1]; /* as identity.members */
	bool is_binding;
	struct {
		uint64_t slot;
		struct state_hash hash;
	} checkpoints[CHECKPOINTS_KEPT];
	uint64_t checkpoint_slot;
	uint64_t checkpoint_sent_slot;
	uint64_t checkpoint_sent_ms;

	bool is_low, is_full;
	uint64_t unreadable_ms; /* leadership was last handed over for want of old entries */
	uint64_t stop_ms;       /* 0: not stopping; else when to stop waiting for a successor */
	bool is_closing;
	bool is_started;
	int start_error;
	char start_why[MEMBER_WHY_SIZE];
	atomic_bool is_closed;
	struct buffer scratch;
	struct buffer body;
};

/* member.c */
void member_step(struct member *member, struct paxos_event *event);
void member_fatal(struct member *member, int error, const char *why);
uint64_t member_uptime_ms(const struct member *member); /* the cluster's clock, on the leader */
const struct member_identity *member_find(const struct member *member, uint64_t id);
unsigned member_index(const struct member *member, uint64_t id); /* CHECKed */

/* startup.c: the data directory.  Fills identity, lock and the parts that recorder and executor
 * take over. */
struct opened {
	struct identity_store *identity_store;
	struct journal *journal;
	struct journal_recovered recovered;
	struct database *database;
	struct namespace *namespace;
	struct space *space;
};
int startup_open(struct member *member, struct opened *opened, char *why);
/* For the executor: the database and the namespace only.  CONTEXT is the member. */
int startup_reopen(void *context, struct namespace **namespace, struct database **database);
void startup_undo(struct member *member, struct opened *opened);

/* requests.c: what clients ask. */
extern const struct clients_handler requests_handler;
/* What is wrong with a write, found before it is proposed. */
int requests_check_write(const struct request *request, const char **why);
void requests_on_leadership_lost(struct member *member);
void requests_fini(struct member *member);
/* This member leads, and knows every session. */
bool member_leads(const struct member *member);

/* pending.c: a request's life. */
struct pending *pending_new(struct member *member, uint64_t xid, uint8_t op);
void pending_free(struct member *member, struct pending *pending);
void pendings_drop(struct member *member, struct pending *list);
/* Answer with an error at once, and free.  TEXT may be NULL. */
void pending_fail(struct member *member, struct pending *pending, int error, const char *text);
void pending_set_body(struct member *member, struct pending *pending, const void *bytes,
                      size_t size);
/* Write a response that is already packed, binding or unbinding the session first; and free. */
void pending_answer_packed(struct member *member, struct pending *pending, struct slice packed);

/* proposals.c: commands gathered in one run. */
void proposals_add_write(struct member *member, struct pending *pending,
                         const struct request *request, int refusal);
/* A command of the member's own (expiry, a member's facts). */
void proposals_add_command(struct member *member, const struct command *command);
void proposals_send(struct member *member);
/* The request that was proposed here for SLOT, whose entry goes to the executor now; NULL if it is
 * somebody else's, or was given already. */
struct pending *proposals_take(struct member *member, uint64_t slot);

/* forward.c: writes on their way to the leader. */
void forward_request(struct member *member, struct pending *pending, struct slice request);
int forward_on_request(struct member *member, uint64_t from, struct slice body);
int forward_on_response(struct member *member, uint64_t from, struct slice body);
void forward_on_link_down(struct member *member, uint64_t peer);
void forward_tick(struct member *member);

/* reads.c: reads on their way to a confirmed index. */
void reads_add(struct member *member, struct pending *pending);
void reads_ask_index(struct member *member);
/* Takes BATCH over until its index has come. */
void reads_ask(struct member *member, struct read_batch *batch);
void reads_on_answer(struct member *member);

/* about.c: STATUS, MEMBERS, TRANSFER, SESSIONS. */
void about_take(struct member *member, struct pending *pending, const struct request *request);
/* Answer SESSIONS, and free: the executor has packed the rows, sessions_encode(). */
void about_complete_sessions(struct member *member, struct pending *pending);

/* feed.c: the executor's work, and what it has done. */
void feed_executor(struct member *member);
void feed_on_progress(struct member *member, struct progress_item *item);

/* keepalives.c: sessions and leases that are alive, and those that are not. */
void keepalives_on_client(void *owner, struct client *client, uint64_t number,
                          const uint64_t *leases, unsigned lease_count);
int keepalives_on_sessions(struct member *member, uint64_t from, struct slice body);
int keepalives_on_alive(struct member *member, uint64_t from, struct slice body);
void keepalives_send(struct member *member);
void keepalives_on_confirmed(struct member *member, struct keepalive_batch *batch, int error);
void keepalives_tick(struct member *member); /* sends again what nobody answered */
void keepalives_on_leader_change(struct member *member);
void keepalives_fini(struct member *member);
void keepalive_batch_free(struct keepalive_batch *batch); /* accepts NULL */

/* expiry.c: what the leader proposes as time passes. */
void expiry_tick(struct member *member);

/* peers.c: the links to the other members. */
extern const struct links_handler peers_handler;
void peers_send_messages(struct member *member);
void peers_on_identity(struct member *member, struct identity_item *item);
void peers_on_survey(struct member *member, struct survey_item *item);
void peers_note_checkpoint(struct member *member, const struct progress_item *item);
void peers_tick(struct member *member);

#endif
