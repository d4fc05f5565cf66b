/*
 * Tellings: what a watch tells the application, made of the events that arrive.
 *
 * An event is outside input.  A position says what has been told; it survives the
 * connection, so that a change is told once although the stream after a
 * reconnection begins with the revision of which some were told already, and so
 * that a state that was cut short goes on where it was if it is still the same.
 */
#ifndef CLIENT_TELLING_H
#define CLIENT_TELLING_H

#include <sys/queue.h>

#include "client/arena.h"
#include "client/synod.h"
#include "shared/protocol.h"

struct position {
	bool is_known;     /* everything up to `revision` has been told */
	uint64_t revision; /* grows only */
	/* Of this revision the changes up to this ordinal have been told; 0: of none but whole
	 * ones. */
	uint64_t partial_revision;
	uint64_t partial_ordinal;
	/* Of the state at this revision, plus 1, so many nodes have been told; 0: no state is on
	 * its way. */
	uint64_t state_mark;
	uint64_t state_count;
	/* What the present stream of events has brought. */
	struct {
		uint64_t revision; /* the last change */
		uint64_t ordinal;
		uint64_t state_mark; /* the revision plus 1; 0: not in the middle of a state */
		uint64_t state_count;
	} stream;
};

struct telling {
	STAILQ_ENTRY(telling) link;
	struct synod_event event;
	uint64_t told_revision; /* everything up to it has been told with this one */
	struct arena arena;
	size_t size;
};

/* A new stream begins where the last one broke off. */
void position_resume(struct position *position);

/* The stream answers to a watch that begins with REVISION. */
void position_begin(struct position *position, uint64_t revision);

/* What to ask for: the first revision, and whether the present state must come first. */
void position_request(const struct position *position, struct watch_request *request);

/*
 * Read CHANGES or STATE into TELLING, which is cleared before, and move POSITION.
 * *HAS_NEWS: there is something to tell.  SYNOD_BAD_MESSAGE: a member that is in its
 * right mind would not say this; SYNOD_NO_MEMORY.
 */
int telling_read(struct telling *telling, struct position *position, const struct event *event,
                 bool *has_news);

/* The same for a MARK of REVISION. */
int telling_mark(struct telling *telling, struct position *position, uint64_t revision,
                 bool *has_news);

/* END with ERROR; MESSAGE is copied, and may be NULL. */
void telling_end(struct telling *telling, const struct position *position, int error,
                 struct slice message);

struct telling *telling_new(void); /* NULL when memory ran out */
void telling_free(struct telling *telling);
void telling_clear(struct telling *telling);

#endif
