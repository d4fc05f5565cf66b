/* Gathers connections to flush. */
#include "server/flusher.h"

#define PLACES (FLUSHER_MAX * 2)

/* Where CONNECTION is, or would be: at most half of the places are taken. */
static uint16_t *
place_of(struct flusher *flusher, const struct connection *connection)
{
	size_t at = connection->id & (PLACES - 1);

	while (flusher->places[at] != 0 &&
	       flusher->connections[flusher->places[at] - 1] != connection)
		at = (at + 1) & (PLACES - 1);
	return &flusher->places[at];
}

static void
forget_places(struct flusher *flusher)
{
	for (unsigned i = 0; i < flusher->count; i++) {
		size_t at = flusher->connections[i]->id & (PLACES - 1);

		for (; flusher->places[at] != 0; at = (at + 1) & (PLACES - 1))
			flusher->places[at] = 0;
	}
}

void
flusher_flush(struct flusher *flusher)
{
	forget_places(flusher);
	for (unsigned i = 0; i < flusher->count; i++) {
		connection_flush(flusher->connections[i]);
		connection_release(flusher->connections[i]);
	}
	flusher->count = 0;
}

void
flusher_touch(struct flusher *flusher, struct connection *connection)
{
	uint16_t *place = place_of(flusher, connection);

	if (*place != 0)
		return;
	if (flusher->count == FLUSHER_MAX) {
		flusher_flush(flusher);
		place = place_of(flusher, connection);
	}
	flusher->connections[flusher->count++] = connection_retain(connection);
	*place = (uint16_t)flusher->count;
}
