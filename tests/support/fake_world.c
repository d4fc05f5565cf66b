/* Virtual time and an in-memory network for tests that must be exact. */
#include "tests/support/fake_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

#define ACTORS_MAX   64
#define ADDRESS_SIZE 64
#define CUTS_MAX     16

struct event {
	struct event *next;
	uint64_t at_us;
	void (*happen)(void *argument);
	void *argument;
};

/* An address to which nothing passes. */
struct cut {
	char address[ADDRESS_SIZE];
	bool is_cut;
};

struct fake_world {
	struct transport transport; /* first */
	struct clock clock;
	uint64_t now_us;
	uint64_t random;
	struct event *events; /* by time, then in the order of scheduling */
	struct actor *actors[ACTORS_MAX];
	unsigned actor_count;
	struct world_listener *listeners;
	unsigned next_port;
	struct cut cuts[CUTS_MAX];
};

struct world_listener {
	struct listener base; /* first */
	struct fake_world *world;
	struct world_listener *next;
	char address[ADDRESS_SIZE];
	const struct listener_handler *handler;
	void *context;
};

struct world_stream {
	struct stream base; /* first */
	struct fake_world *world;
	struct world_stream *peer; /* NULL once either is closed */
	const struct stream_handler *handler;
	void *context;
	char address[ADDRESS_SIZE]; /* the listener's, at both ends */
	unsigned references;
	struct buffer output;  /* written, not flushed */
	struct buffer arrived; /* not handed over yet */
	struct buffer handed;  /* with the handler until stream_receive() */
	bool is_open;
	bool is_armed;
	bool is_closed; /* on_close is scheduled */
	bool is_ending; /* the peer has closed: on_close after what has arrived */
	int error;
	unsigned dial_timeout_ms;
};

struct world_timer {
	struct timer base; /* first */
	struct fake_world *world;
	void (*fire)(void *context);
	void *context;
	uint64_t generation; /* the latest setting; events of earlier ones do nothing */
};

struct timer_event {
	struct world_timer *timer;
	uint64_t generation;
};

static struct fake_world *
world_of_clock(struct clock *clock)
{
	return (struct fake_world *)((char *)clock - offsetof(struct fake_world, clock));
}

/* ---- events ---- */

static void
schedule(struct fake_world *world, uint64_t delay_us, void (*happen)(void *), void *argument)
{
	struct event *event = check_calloc(1, sizeof *event);
	struct event **place = &world->events;

	event->at_us = world->now_us + delay_us;
	event->happen = happen;
	event->argument = argument;
	while (*place != NULL && (*place)->at_us <= event->at_us)
		place = &(*place)->next;
	event->next = *place;
	*place = event;
}

static void
run_actors(struct fake_world *world)
{
	bool has_run;

	do {
		has_run = false;
		for (unsigned i = 0; i < world->actor_count; i++)
			has_run |= actor_run(world->actors[i]);
	} while (has_run);
}

bool
fake_world_step(struct fake_world *world)
{
	struct event *event;

	run_actors(world);
	event = world->events;
	if (event == NULL)
		return false;
	world->events = event->next;
	world->now_us = event->at_us;
	event->happen(event->argument);
	free(event);
	run_actors(world);
	return true;
}

bool
fake_world_run_until(struct fake_world *world, const bool *flag, unsigned ms)
{
	uint64_t end_us = world->now_us + ms * UINT64_C(1000);

	run_actors(world);
	while (!*flag && world->events != NULL && world->events->at_us <= end_us)
		fake_world_step(world);
	if (!*flag)
		world->now_us = end_us;
	return *flag;
}

void
fake_world_run_for(struct fake_world *world, unsigned ms)
{
	const bool never = false;

	fake_world_run_until(world, &never, ms);
}

/* ---- clock ---- */

static uint64_t
now_us(struct clock *clock)
{
	return world_of_clock(clock)->now_us;
}

static uint64_t
wall_ms(struct clock *clock)
{
	return world_of_clock(clock)->now_us / 1000;
}

/* splitmix64 */
static void
draw(struct clock *clock, void *bytes, size_t size)
{
	struct fake_world *world = world_of_clock(clock);
	uint8_t *to = bytes;

	for (size_t i = 0; i < size; i++) {
		uint64_t z = (world->random += 0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		to[i] = (uint8_t)(z >> 56);
	}
}

static const struct clock_ops clock_ops = {now_us, wall_ms, draw};

/* ---- streams ---- */

static struct world_stream *
stream_new(struct fake_world *world, const char *address)
{
	struct world_stream *stream = check_calloc(1, sizeof *stream);

	stream->base.ops = world->transport.ops;
	stream->world = world;
	stream->references = 1;
	snprintf(stream->address, sizeof stream->address, "%s", address);
	return stream;
}

static void
release(struct stream *base)
{
	struct world_stream *stream = (struct world_stream *)base;

	if (--stream->references > 0)
		return;
	if (stream->peer != NULL)
		stream->peer->peer = NULL;
	buffer_fini(&stream->output);
	buffer_fini(&stream->arrived);
	buffer_fini(&stream->handed);
	free(stream);
}

static void
retain(struct stream *base)
{
	((struct world_stream *)base)->references++;
}

static void
tell_closed(void *argument)
{
	struct world_stream *stream = argument;

	if (stream->handler != NULL)
		stream->handler->on_close(stream->context, stream->error);
	release(&stream->base);
}

static void
end(struct world_stream *stream, int error)
{
	if (stream->is_closed)
		return;
	stream->is_closed = true;
	stream->error = error;
	retain(&stream->base);
	schedule(stream->world, 0, tell_closed, stream);
}

static bool
is_cut(struct fake_world *world, const char *address)
{
	for (unsigned i = 0; i < CUTS_MAX; i++)
		if (strcmp(world->cuts[i].address, address) == 0)
			return world->cuts[i].is_cut;
	return false;
}

static void
hand_over(void *argument)
{
	struct world_stream *stream = argument;

	if (!stream->is_closed && stream->is_armed && stream->arrived.size > 0) {
		stream->is_armed = false;
		buffer_clear(&stream->handed);
		buffer_append(&stream->handed, stream->arrived.bytes, stream->arrived.size);
		buffer_clear(&stream->arrived);
		stream->handler->on_data(stream->context, buffer_slice(&stream->handed));
	} else if (!stream->is_closed && stream->is_ending && stream->arrived.size == 0) {
		end(stream, SYNOD_CLOSED);
	}
	release(&stream->base);
}

static void
hand_over_soon(struct world_stream *stream, uint64_t delay_us)
{
	retain(&stream->base);
	schedule(stream->world, delay_us, hand_over, stream);
}

static void
flush(struct stream *base)
{
	struct world_stream *stream = (struct world_stream *)base;

	if (!stream->is_open || stream->peer == NULL)
		return;
	if (!is_cut(stream->world, stream->address)) {
		buffer_append(&stream->peer->arrived, stream->output.bytes, stream->output.size);
		hand_over_soon(stream->peer, FAKE_WORLD_DELAY_US);
	}
	buffer_clear(&stream->output);
}

static void
write_stream(struct stream *base, struct slice bytes)
{
	buffer_append(&((struct world_stream *)base)->output, bytes.bytes, bytes.size);
}

static void
close_stream(struct stream *base)
{
	struct world_stream *stream = (struct world_stream *)base;
	struct world_stream *peer = stream->peer;

	if (peer != NULL) {
		peer->peer = NULL;
		stream->peer = NULL;
		if (!is_cut(stream->world, stream->address)) {
			peer->is_ending = true;
			hand_over_soon(peer, FAKE_WORLD_DELAY_US);
		}
	}
	end(stream, SYNOD_CLOSED);
}

static void
finish_stream(struct stream *base)
{
	flush(base);
	close_stream(base);
}

static void
receive(struct stream *base)
{
	struct world_stream *stream = (struct world_stream *)base;

	stream->is_armed = true;
	hand_over_soon(stream, 0);
}

static void
start(struct stream *base, const struct stream_handler *handler, void *context)
{
	struct world_stream *stream = (struct world_stream *)base;

	stream->handler = handler;
	stream->context = context;
	stream->is_open = true;
	receive(base);
}

static size_t
pending(struct stream *base)
{
	return ((struct world_stream *)base)->output.size;
}

static void
peer_address(struct stream *base, char *text, size_t size)
{
	snprintf(text, size, "%s", ((struct world_stream *)base)->address);
}

/* ---- listeners and dialling ---- */

static struct world_listener *
find_listener(struct fake_world *world, const char *address)
{
	for (struct world_listener *listener = world->listeners; listener != NULL;
	     listener = listener->next)
		if (strcmp(listener->address, address) == 0)
			return listener;
	return NULL;
}

void
fake_world_cut(struct fake_world *world, const char *address, bool cut)
{
	for (unsigned i = 0; i < CUTS_MAX; i++) {
		struct cut *one = &world->cuts[i];

		if (one->address[0] != '\0' && strcmp(one->address, address) != 0)
			continue;
		snprintf(one->address, sizeof one->address, "%s", address);
		one->is_cut = cut;
		return;
	}
}

static void
dial_expired(void *argument)
{
	struct world_stream *stream = argument;

	if (!stream->is_open)
		end(stream, SYNOD_TIMEOUT);
	release(&stream->base);
}

static void
connect_streams(void *argument)
{
	struct world_stream *stream = argument;
	struct world_listener *listener = find_listener(stream->world, stream->address);
	struct world_stream *accepted;

	if (stream->is_closed) {
		release(&stream->base);
	} else if (is_cut(stream->world, stream->address)) {
		schedule(stream->world, stream->dial_timeout_ms * UINT64_C(1000), dial_expired,
		         stream);
	} else if (listener == NULL) {
		end(stream, SYNOD_IO);
		release(&stream->base);
	} else {
		accepted = stream_new(stream->world, stream->address);
		accepted->peer = stream;
		stream->peer = accepted;
		stream->is_open = true;
		listener->handler->on_accept(listener->context, &accepted->base);
		stream->handler->on_open(stream->context);
		flush(&stream->base);
		release(&stream->base);
	}
}

static int
dial(struct transport *transport, const char *address, unsigned timeout_ms,
     const struct stream_handler *handler, void *context, struct stream **result)
{
	struct fake_world *world = (struct fake_world *)transport;
	struct world_stream *stream = stream_new(world, address);

	stream->handler = handler;
	stream->context = context;
	stream->dial_timeout_ms = timeout_ms;
	retain(&stream->base);
	schedule(world, FAKE_WORLD_DELAY_US, connect_streams, stream);
	*result = &stream->base;
	return SYNOD_OK;
}

static int
listen_at(struct transport *transport, const char *address, const struct listener_handler *handler,
          void *context, struct listener **result)
{
	struct fake_world *world = (struct fake_world *)transport;
	struct world_listener *listener = check_calloc(1, sizeof *listener);
	const char *port = strrchr(address, ':');

	listener->base.ops = world->transport.ops;
	listener->world = world;
	listener->handler = handler;
	listener->context = context;
	if (port != NULL && strcmp(port, ":0") == 0)
		snprintf(listener->address, sizeof listener->address, "127.0.0.1:%u",
		         20000 + world->next_port++);
	else
		snprintf(listener->address, sizeof listener->address, "%s", address);
	listener->next = world->listeners;
	world->listeners = listener;
	*result = &listener->base;
	return SYNOD_OK;
}

static const char *
listener_address(struct listener *base)
{
	return ((struct world_listener *)base)->address;
}

static void
tell_unheard(void *argument)
{
	struct world_listener *listener = argument;

	listener->handler->on_close(listener->context);
	free(listener);
}

static void
listener_close(struct listener *base)
{
	struct world_listener *listener = (struct world_listener *)base;
	struct world_listener **place = &listener->world->listeners;

	while (*place != listener)
		place = &(*place)->next;
	*place = listener->next;
	schedule(listener->world, 0, tell_unheard, listener);
}

/* ---- timers ---- */

static struct timer *
timer_new(struct transport *transport, void (*fire)(void *), void *context)
{
	struct world_timer *timer = check_calloc(1, sizeof *timer);

	timer->base.ops = transport->ops;
	timer->world = (struct fake_world *)transport;
	timer->fire = fire;
	timer->context = context;
	return &timer->base;
}

static void
timer_fires(void *argument)
{
	struct timer_event *event = argument;

	if (event->timer != NULL && event->generation == event->timer->generation)
		event->timer->fire(event->timer->context);
	free(event);
}

static void
timer_set(struct timer *base, unsigned delay_ms)
{
	struct world_timer *timer = (struct world_timer *)base;
	struct timer_event *event = check_calloc(1, sizeof *event);

	event->timer = timer;
	event->generation = ++timer->generation;
	schedule(timer->world, delay_ms * UINT64_C(1000), timer_fires, event);
}

static void
timer_free(struct timer *base)
{
	struct world_timer *timer = (struct world_timer *)base;

	for (struct event *event = timer->world->events; event != NULL; event = event->next) {
		struct timer_event *set = event->argument;

		if (event->happen == timer_fires && set->timer == timer)
			set->timer = NULL;
	}
	free(timer);
}

static void
free_nothing(struct transport *transport)
{
	(void)transport; /* fake_world_free() does it */
}

static const struct transport_ops transport_ops = {
	.listen = listen_at,
	.listener_address = listener_address,
	.listener_close = listener_close,
	.dial = dial,
	.start = start,
	.receive = receive,
	.write = write_stream,
	.flush = flush,
	.pending = pending,
	.close = close_stream,
	.finish = finish_stream,
	.retain = retain,
	.release = release,
	.peer_address = peer_address,
	.timer_new = timer_new,
	.timer_set = timer_set,
	.timer_free = timer_free,
	.free = free_nothing,
};

/* ---- the world ---- */

struct fake_world *
fake_world_new(uint64_t seed)
{
	struct fake_world *world = check_calloc(1, sizeof *world);

	world->transport.ops = &transport_ops;
	world->clock.ops = &clock_ops;
	world->now_us = 1000000;
	world->random = seed;
	return world;
}

void
fake_world_free(struct fake_world *world)
{
	while (fake_world_step(world))
		continue;
	CHECK(world->listeners == NULL);
	free(world);
}

struct transport *
fake_world_transport(struct fake_world *world)
{
	return &world->transport;
}

struct clock *
fake_world_clock(struct fake_world *world)
{
	return &world->clock;
}

uint64_t
fake_world_now_ms(struct fake_world *world)
{
	return world->now_us / 1000;
}

void
fake_world_add_actor(struct fake_world *world, struct actor *actor)
{
	CHECK(world->actor_count < ACTORS_MAX);
	world->actors[world->actor_count++] = actor;
}

void
fake_world_remove_actor(struct fake_world *world, struct actor *actor)
{
	for (unsigned i = 0; i < world->actor_count; i++)
		if (world->actors[i] == actor)
			world->actors[i] = world->actors[--world->actor_count];
}
