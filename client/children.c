/* Waiting for changes among a node's children. */
#include "client/children.h"

#include <limits.h>

#include "shared/clock.h"

void
children_init(struct children *children, struct synod *synod, const char *path, unsigned timeout_ms)
{
	*children = (struct children){.synod = synod, .path = path, .end_ms = UINT64_MAX};
	if (timeout_ms != 0)
		children->end_ms = clock_now_ms(clock_real()) + timeout_ms;
}

void
children_fini(struct children *children)
{
	synod_watch_close(children->watch);
	children->watch = NULL;
}

static uint64_t
remaining_ms(const struct children *children)
{
	uint64_t now_ms = clock_now_ms(clock_real());

	return children->end_ms > now_ms ? children->end_ms - now_ms : 0;
}

unsigned
children_call_ms(const struct children *children)
{
	uint64_t left_ms;

	if (children->end_ms == UINT64_MAX)
		return 0;
	left_ms = remaining_ms(children);
	return left_ms > 0 ? (unsigned)left_ms : 1;
}

/* The first time from the listing on; then the same watch goes on. */
static int
open_watch(struct children *children, uint64_t revision)
{
	struct synod_watch_options options = {.scope = SYNOD_WATCH_CHILDREN};

	if (children->watch != NULL)
		return SYNOD_OK;
	options.from = revision + 1;
	return synod_watch_open(children->synod, children->path, &options, &children->watch);
}

int
children_wait(struct children *children, uint64_t revision)
{
	const struct synod_event *event;
	int error = open_watch(children, revision);

	while (error == SYNOD_OK) {
		uint64_t left_ms = remaining_ms(children);

		if (left_ms == 0)
			return SYNOD_TIMEOUT;
		error = synod_watch_next(
			children->watch,
			children->end_ms == UINT64_MAX ? UINT_MAX : (unsigned)left_ms, &event);
		if (error != SYNOD_OK)
			break;
		if (event->kind == SYNOD_EVENT_END)
			return event->error;
		/* What the listing has shown already is no news. */
		if (event->kind != SYNOD_EVENT_MARK && event->revision > revision)
			return SYNOD_OK;
	}
	return error;
}
