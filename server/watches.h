/*
 * Watches: the executor's subscribers, and what each has been told.
 *
 * A watch belongs to a connection and stands at a position: every change before
 * it was told.  It is live when the position is that of the next slot to be
 * applied; then each applied command is told as it is published.  Otherwise it is
 * catching up: it reads the history, a bounded slice per turn, together with all
 * others whose positions the slice passes.  From the one to the other nothing is
 * left out and nothing told twice, since both happen between two slots.
 *
 * A connection whose client does not read (WATCH_OUTPUT_MAX bytes unsent) gets no
 * more events: its watches fall back to catching up once it has drained.  Memory
 * is that of the watches, never that of the events.  If the history was trimmed
 * meanwhile they get the present state, marked as compacted.
 *
 * On one connection an event precedes every answer that reflects it.  Publishing
 * comes before answering; and while a watch of a connection is catching up,
 * answers to it of revisions beyond the watch's position are held.
 *
 * A watch of what a session owns is told of each change of a node that the session
 * owns, owned before (deleted, or taken over), or loses, whoever caused it.  The
 * session is the one bound to the connection when the watch was asked for.
 *
 * Cost.  Matching a change takes one look-up for its path and one for each
 * ancestor, whatever the number of watches; an event is encoded once for all
 * watches that are to be told the same.
 *
 * All functions belong to the executor.
 */
#ifndef SERVER_WATCHES_H
#define SERVER_WATCHES_H

#include "server/flusher.h"
#include "server/namespace/namespace.h"
#include "server/pending.h"

/* A connection with more output than this unsent is slow, unless another bound was set. */
#define WATCH_OUTPUT_MAX (1u << 20)
/* All watches of this member. */
#define WATCHES_MAX 1000000
/* History looked through in one turn of catching up. */
#define WATCH_SLICE_BYTES (256u << 10)
/* A connection is told about this often that nothing was left out. */
#define WATCH_MARK_MS 5000

struct watches;

/* OUTPUT_MAX: see WATCH_OUTPUT_MAX; 0: that. */
struct watches *watches_new(struct flusher *flusher, size_t output_max);
void watches_free(struct watches *watches);

/*
 * Start the watch that PENDING (WATCH) asks for.  The operation's own error goes to
 * *ERROR, the answer to RESULT, and *REVISION gets the present revision; returns a
 * failure of the namespace, as namespace_read() does.  After a success the caller
 * writes the answer and then calls watches_begin(), which writes the first events.
 */
int watches_start(struct watches *watches, struct namespace *namespace,
                  const struct pending *pending, int *error, uint64_t *revision,
                  struct buffer *result);
void watches_begin(struct watches *watches);

/* UNWATCH.  NOT_FOUND if the connection has no watch of that number. */
int watches_end(struct watches *watches, const struct pending *pending, struct buffer *result);

/* May a watch of this connection be started, or is there too much unsent? */
bool watches_may_start(const struct watches *watches, const struct pending *pending);

/* SLOT has been applied; HAS_CHANGES: it was a command.  Tell what it changed, unless that was
 * told before the namespace went back. */
int watches_publish(struct watches *watches, struct namespace *namespace, uint64_t slot,
                    bool has_changes);

/* Must an answer of REVISION to this connection wait for its events? */
bool watches_must_hold(const struct watches *watches, uint64_t connection, uint64_t revision);
/* Keep PENDING, whose answer of REVISION is packed in it, until then. */
void watches_hold(struct watches *watches, struct pending *pending, uint64_t revision);
/* The answers that need not wait any more, in no order. */
struct pending *watches_released(struct watches *watches);

/* One slice of catching up; only when watches_want_to_catch_up(), APPLIED being how far the
 * namespace is: not while it is behind what was published. */
int watches_catch_up(struct watches *watches, struct namespace *namespace);
bool watches_want_to_catch_up(const struct watches *watches, uint64_t applied);

/* Time passed: look whether slow connections have drained, and send marks that are due. */
void watches_tick(struct watches *watches, uint64_t now_ms);

/* The connection is gone, with all its watches. */
void watches_forget(struct watches *watches, uint64_t connection);
/* Everything ends: all answers that are held are released. */
void watches_close(struct watches *watches);

uint64_t watches_count(const struct watches *watches);

#endif
