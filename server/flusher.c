/* Gathers connections to flush. */
#include "server/flusher.h"

void
flusher_flush(struct flusher *flusher)
{
	for (unsigned i = 0; i < flusher->count; i++) {
		connection_flush(flusher->connections[i]);
		connection_release(flusher->connections[i]);
	}
	flusher->count = 0;
}

void
flusher_touch(struct flusher *flusher, struct connection *connection)
{
	for (unsigned i = flusher->count; i-- > 0;) {
		if (flusher->connections[i] == connection)
			return;
	}
	if (flusher->count == FLUSHER_MAX)
		flusher_flush(flusher);
	flusher->connections[flusher->count++] = connection_retain(connection);
}
