/*
 * Greetings: HELLO as this member says it, what it expects of the other's, and
 * how refusals are logged.  Shared by links and clients.
 */
#ifndef SERVER_NETWORK_GREETING_H
#define SERVER_NETWORK_GREETING_H

#include "server/storage/identity.h"
#include "shared/connection.h"

#define GREETING_WHY_MAX 256

/* Append this member's HELLO, a whole frame. */
void greeting_append(struct buffer *out, const struct identity *identity, const char *software);

/*
 * Read HELLO from FRAME and check it against IDENTITY, as sent by ROLE: versions,
 * role, cluster, and for a member also epoch and id.  SYNOD_OK, BAD_MESSAGE,
 * WRONG_PROTOCOL, BAD_ARGUMENT (the other role: it is at the wrong port),
 * WRONG_CLUSTER or WRONG_MEMBER; WHY (GREETING_WHY_MAX bytes) says so in words.
 * HELLO's slices point into the frame.
 */
int greeting_check(const struct frame *frame, enum hello_role role, const struct identity *identity,
                   struct hello *hello, char *why);

/* The member of the configuration with that id, NULL if there is none. */
const struct member_identity *greeting_member(const struct identity *identity, member_id id);

/* The body [number] of PING: SYNOD_OK or SYNOD_BAD_MESSAGE. */
int greeting_read_number(const struct frame *frame, uint64_t *number);

/* Answer PING. */
int greeting_answer_ping(struct connection *connection, const struct frame *frame);

/* A warning at most once per second for each error, with the number left out in between. */
#define REFUSAL_CAUSES 128
struct refusal_log {
	uint64_t logged_ms[REFUSAL_CAUSES]; /* by error; 0: never */
	unsigned skipped[REFUSAL_CAUSES];
};

/* WHO, "a client" or "a member", at the other end of CONNECTION was refused (or refused us). */
void refusal_log(struct refusal_log *log, uint64_t now_ms, const char *what,
                 struct connection *connection, int error, const char *why);

#endif
