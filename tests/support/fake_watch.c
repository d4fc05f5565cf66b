/* Watches of fake members: only what was asked for, and sending what the test wants told. */
#include "tests/support/fake_watch.h"

#include <stdio.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

uint64_t
fake_watches_add(struct fake_watches *watches, struct connection *connection, struct slice body,
                 uint64_t revision)
{
	struct fake_watch *watch = &watches->list[watches->count++];
	struct watch_request request;

	CHECK(watches->count <= FAKE_WATCHES_MAX);
	CHECK(watch_request_decode(body, &request, NULL) == SYNOD_OK);
	*watch = (struct fake_watch){
		.connection = connection,
		.number = request.watch,
		.scope = request.scope,
		.flags = request.flags,
		.from = request.from,
	};
	snprintf(watch->path, sizeof watch->path, "%.*s", (int)request.path.size,
	         (const char *)request.path.bytes);
	for (unsigned i = 0; i + 1 < watches->count; i++)
		CHECK(watches->list[i].connection != connection ||
		      watches->list[i].number != watch->number);
	return watch->from != 0 && (watch->flags & WATCH_INITIAL) == 0 ? watch->from : revision + 1;
}

void
fake_watches_end(struct fake_watches *watches, struct connection *connection, struct slice body)
{
	struct cursor cursor;
	uint64_t number;

	cursor_init(&cursor, body);
	CHECK(cursor_array(&cursor) == 1);
	number = cursor_u64(&cursor);
	for (unsigned i = 0; i < watches->count; i++)
		if (watches->list[i].connection == connection && watches->list[i].number == number)
			watches->list[i].is_unwatched = true;
}

void
fake_watches_forget(struct fake_watches *watches, const struct connection *connection)
{
	for (unsigned i = 0; i < watches->count; i++)
		if (watches->list[i].connection == connection)
			watches->list[i].connection = NULL;
}

const struct fake_watch *
fake_watches_find(const struct fake_watches *watches, const char *path)
{
	for (unsigned i = watches->count; i-- > 0;) {
		const struct fake_watch *watch = &watches->list[i];

		if (watch->connection != NULL && !watch->is_unwatched &&
		    strcmp(watch->path, path) == 0)
			return watch;
	}
	return NULL;
}

void
fake_watch_tell(struct connection *connection, uint64_t number, uint8_t kind, uint64_t revision,
                bool more, struct slice items, bool compacted)
{
	struct buffer out = BUFFER_EMPTY;
	size_t begin = frame_begin(&out, FRAME_EVENT);

	event_encode_head(&out, number, kind, revision, more);
	pack_raw(&out, items);
	pack_bool(&out, compacted);
	frame_end(&out, begin);
	CHECK(!out.failed);
	connection_write(connection, buffer_slice(&out));
	connection_flush(connection);
	buffer_fini(&out);
}
