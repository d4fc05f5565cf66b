/*
 * Links: one connection between each pair of members.
 *
 * The member with the higher id dials the one with the lower id: a fresh dialer
 * per attempt, its own deadline, back-off with jitter from 50 ms to 1 s.  HELLO
 * carries cluster, epoch, member and disk identity; both ends check it and refuse
 * what does not fit.  Each side sends a PING when it has sent nothing for
 * SILENCE/4; a link that is silent for SILENCE (default 1,000 ms) is closed at
 * both ends and dialled again.  A new connection of a pair replaces the old one.
 *
 * All functions run in the actor given to links_new().
 */
#ifndef SERVER_NETWORK_LINKS_H
#define SERVER_NETWORK_LINKS_H

#include "server/storage/identity.h"
#include "shared/clock.h"
#include "shared/connection.h"

struct links;

struct links_handler {
	/* HELLO arrived from the member that claims hello->member_id.  SYNOD_OK to let it in, else
	 * the error it is refused with; WHY (256 bytes) says so in words.  Cluster, epoch and
	 * membership are already checked by links; disk ids are the member's business (they must be
	 * bound durably before the first message counts). */
	int (*on_hello)(void *owner, const struct hello *hello, char *why);
	/* HELLO went both ways.  A new connection in place of one that is up: first on_down. */
	void (*on_up)(void *owner, uint64_t member);
	void (*on_down)(void *owner, uint64_t member, int error);
	/* A frame other than HELLO, REFUSED, PING, PONG.  Not SYNOD_OK: the link is closed. */
	int (*on_frame)(void *owner, uint64_t member, const struct frame *frame);
};

struct links_options {
	struct transport *transport;
	struct actor *actor;
	const struct identity *identity; /* not copied; the member keeps it current */
	const char *listen_address; /* this member's own address in the configuration, or another
	                               one to bind to */
	const char *software;
	unsigned silence_ms; /* default 1000 */
	struct clock *clock; /* back-off with jitter */
	const struct links_handler *handler;
	void *owner;
};

/* Listens at once; SYNOD_IN_USE, BAD_ARGUMENT, IO with words in WHY (256 bytes). */
int links_new(const struct links_options *options, uint64_t now_ms, struct links **links,
              char *why);
/* Close everything, without on_down; the actor must still run until links_is_closed(). */
void links_close(struct links *links);
bool links_is_closed(const struct links *links);
void links_free(struct links *links);

/* The address really listened on. */
const char *links_address(const struct links *links);

/* Append a frame of TYPE whose body is BODY (one packed element) to MEMBER's link; dropped silently
 * when the link is down (Paxos repeats).  False when dropped. */
bool links_send(struct links *links, uint64_t member, uint8_t type, struct slice body);
/* The same for frames that are already complete. */
bool links_send_frames(struct links *links, uint64_t member, struct slice frames);
/* Send what was gathered on all links. */
void links_flush(struct links *links);

bool links_is_up(const struct links *links, uint64_t member);
/* The link's connection with a reference for the caller, NULL when down: for answers written by
 * another thread. */
struct connection *links_connection(struct links *links, uint64_t member);

/* Dial, ping, close what is silent.  Returns the time of the next call, at most 50 ms ahead. */
uint64_t links_tick(struct links *links, uint64_t now_ms);

#endif
