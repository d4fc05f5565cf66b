/*
 * Fake members: enough of the client protocol to test clients against, with
 * faults on order.
 *
 * The members of one fake ensemble share sessions, the answers kept for them and
 * the list of writes that were executed; there is no namespace behind it.  A
 * write's answer is its version, which is its place in that list.  What is
 * answered to reads is fixed or given by the test.
 */
#ifndef TESTS_SUPPORT_FAKE_MEMBER_H
#define TESTS_SUPPORT_FAKE_MEMBER_H

#include <pthread.h>

#include "shared/clock.h"
#include "shared/connection.h"
#include "tests/support/fake_watch.h"

#define FAKE_SESSIONS_MAX 8
#define FAKE_LEASES_MAX   1200
#define FAKE_WRITES_MAX   20000
#define FAKE_FAULTS_MAX   32
#define FAKE_NAME_SIZE    64

struct fake_session {
	uint64_t id;
	uint8_t secret[64];
	size_t secret_size;
	uint64_t timeout_ms;
	uint64_t last_seq;
	bool has_ended;
};

struct fake_ensemble {
	pthread_mutex_t lock;
	struct fake_session sessions[FAKE_SESSIONS_MAX];
	unsigned session_count;
	/* "CREATE /a", in the order of execution. */
	char (*writes)[FAKE_NAME_SIZE];
	unsigned write_count;
	struct {
		uint64_t session;
		uint64_t seq;
		int error;
		uint64_t version;
	} * answers; /* one for each number that was used */
	unsigned answer_count;
	uint64_t revision;
	uint8_t cluster_id[CLUSTER_ID_SIZE];
	/* A ttl of 0: it has ended. */
	struct {
		uint64_t id;
		uint64_t ttl_ms;
	} leases[FAKE_LEASES_MAX];
	unsigned lease_count;
	unsigned lease_keepalives; /* leases named in keepalives */
	struct fake_watches *watches;
};

enum fake_action {
	FAKE_ANSWER,         /* with `error` (and `text`) instead of executing it */
	FAKE_ANSWER_EXECUTE, /* as if nothing were wrong; to skip some */
	FAKE_RESULT,         /* with `result`, one packed element, and `error` */
	FAKE_IGNORE,         /* never answer */
	FAKE_DROP,           /* close the connection, not executed */
	FAKE_EXECUTE_DROP,   /* execute, then close without an answer */
	FAKE_GARBAGE,        /* bytes that are no frame */
	FAKE_MALFORMED,      /* a RESPONSE whose body is no response */
	FAKE_END_SESSION,    /* end the connection's session, then answer SESSION_ENDED */
	FAKE_REFUSE_IN_LOG,  /* `error` as the write's answer, using up its number */
};

/* What happens to the next COUNT requests of OP (0: any). */
struct fake_fault {
	uint8_t op;
	unsigned count;
	enum fake_action action;
	int error;
	const char *text;
	struct slice result; /* must stay valid */
	uint64_t revision;   /* FAKE_RESULT; 0: the ensemble's */
};

enum fake_greeting {
	FAKE_GREETS,
	FAKE_GREETS_REFUSING, /* REFUSED with `greeting_error` */
	FAKE_GREETS_GARBAGE,
	FAKE_GREETS_NOT,
	FAKE_GREETS_AS_CLIENT, /* HELLO with a wrong role */
	FAKE_GREETS_LATER_VERSION,
};

struct fake_member;

struct fake_ensemble *fake_ensemble_new(void);
void fake_ensemble_free(struct fake_ensemble *ensemble);

/* A lease that somebody granted.  TTL_MS 0 ends it. */
void fake_ensemble_set_lease(struct fake_ensemble *ensemble, uint64_t id, uint64_t ttl_ms);

/* MODE: ACTOR_STRAND over a real transport, ACTOR_MANUAL in a fake world. */
struct fake_member *fake_member_new(struct fake_ensemble *ensemble, struct transport *transport,
                                    struct clock *clock, enum actor_mode mode);
struct actor *fake_member_actor(struct fake_member *member);
const char *fake_member_address(struct fake_member *member);

/* Close everything; for ACTOR_MANUAL run the world until fake_member_is_stopped(). */
void fake_member_stop(struct fake_member *member);
bool fake_member_is_stopped(struct fake_member *member);
void fake_member_free(struct fake_member *member);

void fake_member_set_greeting(struct fake_member *member, enum fake_greeting greeting, int error);
void fake_member_set_cluster(struct fake_member *member, uint8_t byte);
void fake_member_set_mute(struct fake_member *member, bool is_mute); /* answers no PING */
void fake_member_set_keepalive(struct fake_member *member, bool answers, int error);
void fake_member_set_members(struct fake_member *member, const char *address); /* one to tell */
void fake_member_fault(struct fake_member *member, struct fake_fault fault);
void fake_member_clear_faults(struct fake_member *member);
void fake_member_drop_all(struct fake_member *member); /* close every connection */

/* Requests of OP (0: any) that arrived, executed or not; connections accepted; keepalives. */
unsigned fake_member_requests(struct fake_member *member, uint8_t op);
unsigned fake_member_connections(struct fake_member *member);
unsigned fake_member_keepalives(struct fake_member *member);
/* Of the last request of a READ op. */
uint64_t fake_member_last_at_least(struct fake_member *member);
uint64_t fake_member_last_acknowledged(struct fake_member *member);

#endif
