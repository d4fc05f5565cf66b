/* The watches that fake members were asked for.  What they tell is up to the test. */
#ifndef TESTS_SUPPORT_FAKE_WATCH_H
#define TESTS_SUPPORT_FAKE_WATCH_H

#include "shared/connection.h"

#define FAKE_WATCHES_MAX 4096

/* A WATCH as it came. */
struct fake_watch {
	struct connection *connection; /* NULL: it is gone */
	uint64_t number;
	char path[64];
	uint8_t scope;
	uint32_t flags;
	uint64_t from;
	bool is_unwatched;
};

struct fake_watches {
	struct fake_watch list[FAKE_WATCHES_MAX];
	unsigned count;
};

/* Remember the request; the first revision that it will tell, REVISION being the present one. */
uint64_t fake_watches_add(struct fake_watches *watches, struct connection *connection,
                          struct slice body, uint64_t revision);
void fake_watches_end(struct fake_watches *watches, struct connection *connection,
                      struct slice body);
void fake_watches_forget(struct fake_watches *watches, const struct connection *connection);

/* The last one that was asked for PATH and is still watched; NULL: none. */
const struct fake_watch *fake_watches_find(const struct fake_watches *watches, const char *path);

/* Send an EVENT whose items are already packed: an array of them. */
void fake_watch_tell(struct connection *connection, uint64_t number, uint8_t kind,
                     uint64_t revision, bool more, struct slice items, bool compacted);

#endif
