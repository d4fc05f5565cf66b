/*
 * Connections that were written to and are still to be flushed, so that all
 * answers and events of one run of work leave in one send per connection.
 */
#ifndef SERVER_FLUSHER_H
#define SERVER_FLUSHER_H

#include "shared/connection.h"

/* More than this are flushed at once. */
#define FLUSHER_MAX 1024

/* Zeroed it is empty. */
struct flusher {
	struct connection *connections[FLUSHER_MAX]; /* one reference each, as they were touched */
	uint16_t places[FLUSHER_MAX * 2];            /* by id: which of them, from 1; 0: none */
	unsigned count;
};

/* CONNECTION has been written to. */
void flusher_touch(struct flusher *flusher, struct connection *connection);
void flusher_flush(struct flusher *flusher);

#endif
