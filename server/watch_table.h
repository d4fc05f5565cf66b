/*
 * The table of watches: by path and scope for matching, by connection for
 * everything else.  What the files of the watches share.
 */
#ifndef SERVER_WATCH_TABLE_H
#define SERVER_WATCH_TABLE_H

#include "server/watches.h"

/* The next change to tell. */
struct position {
	uint64_t revision;
	uint64_t ordinal;
};

static inline bool
position_is_before(struct position a, struct position b)
{
	return a.revision != b.revision ? a.revision < b.revision : a.ordinal < b.ordinal;
}

#define NO_HIT UINT32_MAX

enum watch_queue {
	QUEUE_NONE,     /* live */
	QUEUE_CATCHING, /* waits for its turn */
	QUEUE_PARKED,   /* waits for its connection to drain */
};

struct watch {
	struct subscriber *subscriber;
	struct spot *spot;
	struct watch *next, **link;             /* of the same spot and scope */
	struct watch *next_of, **link_of;       /* of the same connection */
	struct watch *same_bucket;              /* by connection and number */
	struct watch *queue_next, **queue_link; /* unless live */
	uint64_t number;
	struct position position;     /* unless live */
	uint32_t first_hit, last_hit; /* in the run of changes that is being told */
	uint8_t scope;
	uint8_t queue; /* enum watch_queue */
	bool with_data;
	bool owes_rest; /* its last event said that more of the revision follows */
};

/* A path that is watched; or a session, under a key that is no path. */
struct spot {
	struct spot *same_bucket;
	uint64_t hash;
	struct watch *watches[WATCH_SUBTREE]; /* by scope; of a session all in the first */
	uint16_t key_size;
	uint8_t key[];
};

/* A connection that has, or had, watches. */
struct subscriber {
	struct connection *connection; /* one reference */
	uint64_t id;                   /* its */
	struct subscriber *same_bucket;
	struct subscriber *next, **link; /* all */
	struct subscriber *next_slow;
	struct subscriber *next_holding;
	struct watch *watches;
	struct watch *parked;
	struct pending *held; /* answers; pending->index is their revision */
	uint64_t marked;      /* the last mark told */
	uint64_t marked_ms;
	uint32_t count;
	uint32_t behind_count;  /* not live */
	uint32_t unlooked_size; /* written since its output was last looked at */
	bool is_slow;
	bool is_holding;
};

struct watch_table {
	struct spot **spots;
	struct watch **numbers;
	struct subscriber **subscribers;
	size_t spot_buckets, number_buckets, subscriber_buckets; /* powers of two */
	size_t spot_count, count, subscriber_count;
	struct subscriber *first; /* of all */
};

void table_init(struct watch_table *table);
void table_fini(struct watch_table *table);

struct subscriber *table_subscriber(const struct watch_table *table, uint64_t connection);
struct subscriber *table_add_subscriber(struct watch_table *table, struct connection *connection);
/* It has no watches any more. */
void table_remove_subscriber(struct watch_table *table, struct subscriber *subscriber);

struct watch *table_find(const struct watch_table *table, uint64_t connection, uint64_t number);
/* SESSION: for WATCH_OWNED. */
struct watch *table_add(struct watch_table *table, struct subscriber *subscriber,
                        const struct watch_request *request, uint64_t session);
/* It is in no queue. */
void table_remove(struct watch_table *table, struct watch *watch);

/* The watch's path; empty for what a session owns, and then *SESSION is which. */
struct slice watch_path(const struct watch *watch, uint64_t *session);

/* Call EACH for every watch that CHANGE is for, once. */
void table_match(const struct watch_table *table, const struct change *change,
                 void (*each)(void *context, struct watch *watch), void *context);

/* ---- the whole (watches.c) ---- */

/* Which change is for which watch, in a chain for each watch. */
struct hit {
	uint32_t change;
	uint32_t next; /* of the same watch; NO_HIT: the last */
};

/* Items of one event as they were encoded last, and the frame made of them last. */
struct composed {
	uint32_t *changes; /* which they are */
	uint32_t count, capacity;
	struct buffer items;
	struct buffer frame;
	uint64_t frame_number; /* the watch that the frame is for; 0: none */
	bool is_valid;
};

/* A run of changes that is being told. */
struct run {
	struct change *changes;
	uint32_t count, capacity;
	struct buffer bytes; /* that the changes point to, when they are copied */
	struct hit *hits;
	uint32_t hit_count, hit_capacity;
	struct watch **touched;
	uint32_t touched_count, touched_capacity;
	bool ends_inside; /* the last revision goes on */
	struct position end;
	struct composed composed[2]; /* without and with data */
};

struct state_part {
	size_t end; /* offset */
	uint32_t count;
};

#define STATE_PARTS_MAX 64

/* The present state of what a watch is about. */
struct state {
	struct buffer items;
	struct state_part parts[STATE_PARTS_MAX];
	unsigned part_count;
	bool with_data;
	bool is_too_large;
	uint64_t revision;
};

struct watches {
	struct watch_table table;
	struct flusher *flusher;
	size_t output_max; /* beyond it a connection is slow */
	struct run run;
	struct state state;
	struct watch *begun; /* by watches_start(); its first events are still to be told */
	uint64_t told;       /* the last slot published */
	struct watch *queue, **queue_end;
	struct subscriber *slow;
	struct subscriber *holding;
	struct subscriber *mark_next; /* to be looked at for a mark */
	struct pending *released;
	struct buffer scratch;
	uint64_t now_ms;
};

/* watch_queue.c: watches that are not live. */
void queue_add(struct watches *watches, struct watch *watch, struct position position);
void queue_remove(struct watches *watches, struct watch *watch);
/* To its end. */
void queue_rotate(struct watches *watches, struct watch *watch);
void queue_park(struct watches *watches, struct watch *watch);
bool subscriber_is_slow(struct watches *watches, struct subscriber *subscriber);
void slow_look(struct watches *watches); /* which have drained? */
void slow_forget(struct watches *watches, struct subscriber *subscriber);
void holding_forget(struct watches *watches, struct subscriber *subscriber);
void holding_release(struct watches *watches);

/* watch_event.c: what is written. */
void run_clear(struct run *run);
struct change *run_add(struct run *run);
void run_fini(struct run *run);
void run_hit(struct run *run, struct watch *watch, uint32_t change);
void run_forget(struct watch *watch);
/* Tell WATCH its hits. */
void run_tell(struct watches *watches, struct watch *watch);
void event_write(struct watches *watches, struct watch *watch, uint8_t kind, uint64_t revision,
                 bool more, struct slice items, uint32_t count, bool compacted);
void event_mark(struct watches *watches, struct subscriber *subscriber, uint64_t revision);
void event_end(struct watches *watches, struct watch *watch, int error);

/* watch_state.c */
int state_gather(struct watches *watches, struct namespace *namespace, const struct watch *watch);
void state_tell(struct watches *watches, struct watch *watch, bool compacted);

#endif
