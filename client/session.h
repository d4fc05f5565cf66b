/*
 * The client's side of a session: a state machine inside an actor.
 *
 * Everything a handle does to the outside happens here, over a transport and a
 * clock, without threads, clock or randomness of its own; the simulator runs the
 * same code.  The actor (session.c) has three parts: requests (requests.c), the
 * session's life (session_life.c), and the contact with a member (contact.c).
 *
 * Writes carry (session, seq, acknowledged), numbered when they are first sent
 * and sent in order.  After a lost connection or a transient refusal everything
 * unanswered is sent again from the lowest on (go-back-N); the answers kept by the
 * ensemble make that exactly once.  A number, once used, must be used up, or the
 * writes behind it could never be executed: when the caller of a write that was
 * sent gives up, or a member refuses one before it reaches the log, the number is
 * carried to its end by a write that changes nothing (request_nothing()).  If the
 * first copy did get into the log, that repetition fetches its answer and is not
 * executed.
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/contact.h"
#include "client/hooks.h"
#include "client/lane.h"
#include "client/leases.h"
#include "client/loop.h"
#include "client/watch.h"

#define SECRET_SIZE 32

/* Answers awaited at a time, and the bytes of their requests: within what a member grants to one
 * connection. */
#define AWAITED_MAX       SESSION_WINDOW
#define AWAITED_SLOTS     2048 /* a power of two, so that a free one is always near */
#define AWAITED_BYTES_MAX (8u << 20)

enum lane_kind {
	LANE_WATCHES, /* first: the others may have to wait for it */
	LANE_WRITES,
	LANE_READS,
	LANE_LOCAL_READS,
	LANE_COUNT,
};

enum session_life {
	LIFE_NONE,    /* the next write opens a session */
	LIFE_OPENING, /* asked for, with session->secret */
	LIFE_OPEN,
};

/* Kinds of the items posted to the session's actor, besides the connections' own. */
enum session_item {
	SESSION_ITEM_START = 1,
	SESSION_ITEM_TICK,
	SESSION_ITEM_CALL,
	SESSION_ITEM_CLOSE,
	SESSION_ITEM_WATCH_OPEN,
	SESSION_ITEM_WATCH_CLOSE,
	SESSION_ITEM_WATCH_RESUME,
};

struct session_options {
	struct transport *transport;
	struct clock *clock;
	enum actor_mode mode;
	struct endpoints *endpoints;
	struct call_pool *pool;
	unsigned session_timeout_ms;
	unsigned call_timeout_ms;
	void (*on_state)(void *context, enum synod_state state, unsigned remaining_ms);
	void (*on_loss)(void *context, const struct synod_change *change);
	void *state_context; /* of both */
	struct loop *loop;   /* ACTOR_MANUAL in the application's loop; else NULL */
	struct hooks *hooks;
	/* After session_close(): nothing happens any more.  Called in the actor. */
	void (*on_stopped)(void *context);
	void *stopped_context;
};

struct session {
	struct session_options options;
	struct actor *actor;
	struct timer *timer;
	uint64_t timer_us; /* when it fires; UINT64_MAX: not set */
	struct contact contact;
	struct actor_item start_item;
	struct actor_item tick_item;
	struct actor_item close_item;
	atomic_bool is_tick_posted;
	uint64_t now_us; /* when the present item was taken up */

	/* Requests. */
	struct lane lanes[LANE_COUNT];
	struct call *awaited[AWAITED_SLOTS]; /* by xid modulo AWAITED_SLOTS */
	unsigned awaited_count;
	size_t awaited_bytes;
	uint64_t last_xid;
	uint64_t earliest_deadline_us; /* no call's deadline is before it */
	uint64_t progress_us;          /* the last answer, or when one began to be awaited */
	uint64_t seen_revision;        /* the highest that was answered */
	struct outcome *scratch;       /* for results that only a callback sees */

	struct watches watches;
	struct leases leases;

	/* The session's life. */
	enum session_life life;
	bool is_attached; /* the present connection is bound to the session */
	uint8_t secret[SECRET_SIZE];
	uint64_t id;
	uint64_t last_seq;
	unsigned timeout_ms; /* granted */
	uint64_t keepalive_number;
	uint64_t keepalive_others; /* up to this number they were sent before it was attached */
	uint64_t keepalive_sent_us[KEEPALIVES_REMEMBERED];
	uint64_t keepalive_next_us;
	uint64_t keepalive_unanswered_us; /* the first unanswered one was sent then; 0: none */
	struct call attach_call;          /* SESSION_OPEN or SESSION_ATTACH */
	uint64_t opening_us;              /* when SESSION_OPEN was first sent with this secret */
	struct call learn_call;           /* MEMBERS */
	enum synod_state state;           /* as last reported */
	bool has_expired;                 /* and no other session was opened since */
	bool is_overdue_reported;
	atomic_uint_least64_t public_id;
	atomic_uint_least64_t public_deadline_us; /* until then the session can be counted on */

	/* The end. */
	struct call close_call; /* SESSION_CLOSE */
	bool is_closing;
	bool is_stopped;
	uint64_t close_deadline_us;
};

/* Returns SYNOD_OK or SYNOD_NO_MEMORY.  Starts to look for members at once. */
int session_new(const struct session_options *options, struct session **session);

/* Any thread.  CALL is the session's until its outcome is delivered. */
void session_submit(struct session *session, struct call *call);

/* Any thread, once.  options->on_stopped follows within about a second. */
void session_close(struct session *session);

/* Any thread: look soon what is due. */
void session_wake(struct session *session);

/* After on_stopped, not from the actor. */
void session_free(struct session *session);

/* Any thread. */
uint64_t session_id(struct session *session);
unsigned session_remaining_ms(struct session *session);

/* True in a thread that is running a callback of the application. */
bool session_is_in_callback(void);

/* ---- between the parts ---- */

void requests_init(struct session *session);
void requests_fini(struct session *session);

/* Calls from the application. */
void requests_take(struct session *session, struct call *call);

/* End what was never sent and every read with SYNOD_CLOSED; the last write ends the session. */
void requests_close(struct session *session);

/* End every write (was_sent: those that were, at least once; else those that were not) with ERROR.
 */
void requests_fail_writes(struct session *session, bool was_sent, int error, const char *message);

/* End everything that was never sent with ERROR. */
void requests_refuse_all(struct session *session, int error, const char *message);

/* Send what may be sent. */
void requests_pump(struct session *session);

bool requests_can_send(const struct session *session);

/* Write CALL's frame and await its answer. */
void requests_send(struct session *session, struct call *call);

/* A request whose answer does not matter. */
void requests_send_and_forget(struct session *session, uint8_t op, struct slice body);

/* Forget that an answer to CALL is awaited, if one is. */
void requests_unawait(struct session *session, struct call *call);

int requests_on_response(struct session *session, const struct frame *frame);

/* LANE was refused something for now, with ERROR. */
void requests_on_refusal(struct session *session, struct lane *lane, int error);
bool requests_is_transient(int error);

void requests_on_up(struct session *session);
void requests_on_down(struct session *session);
void requests_on_time(struct session *session);
uint64_t requests_next_us(const struct session *session);

void life_init(struct session *session);
void life_fini(struct session *session);
void life_on_up(struct session *session);
void life_on_down(struct session *session);
void life_on_response(struct session *session, struct call *call, const struct response *response);
void life_on_time(struct session *session);
uint64_t life_next_us(struct session *session);
void life_pump(struct session *session); /* open or attach if needed and possible */
void life_end(struct session *session);  /* the ensemble says that the session has ended */
bool life_may_write(struct session *session, const struct call *call);
void life_report(struct session *session);
/* What was sent at SENT_US has renewed the session for TIMEOUT_MS. */
void life_confirm(struct session *session, uint64_t sent_us, uint64_t timeout_ms);
/* What the server's clock and ours may differ by over one timeout, and more. */
unsigned life_margin_ms(uint64_t timeout_ms);

void keepalives_on_alive(struct session *session, const struct frame *frame);
void keepalives_on_time(struct session *session);
void keepalives_on_down(struct session *session);
bool keepalives_are_awaited(const struct session *session);
uint64_t keepalives_next_us(struct session *session);

/* Around every call of the application's functions. */
void session_enter_callback(void);
void session_leave_callback(void);

#endif
