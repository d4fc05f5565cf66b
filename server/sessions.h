/*
 * The leader's table of the deadlines of sessions, leases among them.
 *
 * In memory only: keepalives are never logged.  A new leader gives every session
 * a full timeout from the moment it serves, so nobody loses a session because
 * leaders changed.  A session whose deadline passes is proposed for expiry; the
 * namespace ignores the proposal unless its generation and ballot are current
 * (DESIGN 7).
 */
#ifndef SERVER_SESSIONS_H
#define SERVER_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sessions;

struct sessions *sessions_new(void);
void sessions_free(struct sessions *sessions);
void sessions_clear(struct sessions *sessions);
uint64_t sessions_count(const struct sessions *sessions);

/* A session exists, with a full timeout from NOW_MS.  Replaces what was known of it, unless its
 * expiry is already proposed. */
void sessions_add(struct sessions *sessions, uint64_t session, bool is_lease, uint64_t generation,
                  uint64_t timeout_ms, uint64_t now_ms);
void sessions_remove(struct sessions *sessions, uint64_t session);

/* Its client was heard.  False if there is no such session, or no such lease, or its expiry is
 * already proposed: then the client must not be told that it lives. */
bool sessions_renew(struct sessions *sessions, uint64_t session, bool is_lease, uint64_t now_ms,
                    uint64_t *timeout_ms);

/* How long it has, if it exists; 0: its expiry is proposed, or about to be. */
bool sessions_remaining(const struct sessions *sessions, uint64_t session, uint64_t now_ms,
                        uint64_t *remaining_ms);

/*
 * Call EACH, which is to propose its expiry and touch nothing here, for every
 * session whose deadline has passed, in the order of their deadlines; and again a
 * second later if the session is still there, since what is proposed is not always
 * taken.  At most LIMIT; those left over, and some more when very many come due
 * together, are found by the next call.
 */
void sessions_expire(struct sessions *sessions, uint64_t now_ms, unsigned limit,
                     void (*each)(void *context, uint64_t session, uint64_t generation),
                     void *context);

#endif
