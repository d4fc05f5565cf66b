/* The network: streams, listeners, and what goes wrong with them. */
#include "tests/sim/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/frame.h"
#include "tests/sim/oracle.h"

#define OLD_FRAMES   16
#define RETRY_US     20000  /* a blocked link is tried again this often */
#define SYN_RETRY_US 100000 /* and so is a dial without an answer */
#define KERNEL_BYTES (1u << 20)
#define ADDRESS_SIZE 64

struct chunk {
	struct chunk *next;
	uint64_t at_us;
	int end_error; /* SYNOD_OK: bytes; else the end of the stream */
	size_t size;
	uint8_t bytes[];
};

struct sim_listener {
	struct listener base; /* first */
	struct sim_listener *next;
	struct host *host;
	uint64_t incarnation;
	char address[ADDRESS_SIZE];
	const struct listener_handler *handler;
	void *context;
};

struct sim_stream {
	struct stream base;              /* first */
	struct sim_stream *next, **link; /* all that are not ended */
	struct network *network;
	struct host *host;
	uint64_t incarnation;
	unsigned remote;         /* host at the other end */
	struct sim_stream *peer; /* NULL: nobody is there any more */
	char address[ADDRESS_SIZE];
	const struct stream_handler *handler;
	void *context;
	unsigned references;
	bool is_between_members;
	bool is_open;
	bool is_armed;
	bool has_ended; /* on_close is scheduled, or will never come */
	bool is_told;   /* it was called */
	int error;
	uint64_t deadline_us; /* of the dial */
	uint64_t last_arrival_us;
	uint64_t due_us; /* a delivery is scheduled for then; UINT64_MAX: none */
	struct buffer output;
	struct buffer handed;
	struct chunk *first, **end; /* on their way here */
	size_t queued_bytes;
};

/* From one member to another. */
struct link_state {
	unsigned blocked;
	struct buffer held; /* a frame that others overtake */
	unsigned held_for;
	struct buffer old[OLD_FRAMES];
	unsigned old_count;
};

struct network {
	struct world *world;
	struct sim_stream *streams;
	struct link_state links[HOSTS_LIMIT][HOSTS_LIMIT];
};

struct network *
network_new(struct world *world)
{
	struct network *network = check_calloc(1, sizeof *network);

	network->world = world;
	return network;
}

static void deliver(struct world *world, void *argument, uint64_t number);

/* ---- streams ---- */

static struct sim_stream *
stream_new(struct host *host, unsigned remote, const char *address)
{
	struct network *network = host->world->network;
	struct sim_stream *stream = check_calloc(1, sizeof *stream);

	stream->base.ops = &network_transport_ops;
	stream->network = network;
	stream->host = host;
	stream->incarnation = host->incarnation;
	stream->remote = remote;
	stream->references = 1;
	stream->end = &stream->first;
	stream->due_us = UINT64_MAX;
	stream->is_between_members = host->is_member && remote < MEMBERS_LIMIT;
	snprintf(stream->address, sizeof stream->address, "%s", address);
	stream->next = network->streams;
	if (stream->next)
		stream->next->link = &stream->next;
	stream->link = &network->streams;
	network->streams = stream;
	return stream;
}

static void
unlink_stream(struct sim_stream *stream)
{
	if (!stream->link)
		return;
	*stream->link = stream->next;
	if (stream->next)
		stream->next->link = stream->link;
	stream->link = NULL;
}

static void
drop_chunks(struct sim_stream *stream)
{
	while (stream->first) {
		struct chunk *chunk = stream->first;

		stream->first = chunk->next;
		free(chunk);
	}
	stream->end = &stream->first;
	stream->queued_bytes = 0;
}

static void
part(struct sim_stream *stream)
{
	if (stream->peer)
		stream->peer->peer = NULL;
	stream->peer = NULL;
}

static void
retain(struct stream *base)
{
	((struct sim_stream *)base)->references++;
}

static void
release(struct stream *base)
{
	struct sim_stream *stream = (struct sim_stream *)base;

	CHECK(stream->references > 0);
	if (--stream->references > 0)
		return;
	part(stream);
	unlink_stream(stream);
	drop_chunks(stream);
	buffer_fini(&stream->output);
	buffer_fini(&stream->handed);
	free(stream);
}

static bool
is_of_the_dead(const struct sim_stream *stream)
{
	return !stream->host->is_up || stream->incarnation != stream->host->incarnation;
}

static bool
is_blocked(const struct network *network, unsigned from, unsigned to)
{
	return network->links[from][to].blocked > 0;
}

static uint64_t
delay_us(struct network *network)
{
	struct world *world = network->world;
	uint64_t delay = world->options.delay_us +
	                 random_below(&world->network_random, world->options.jitter_us + 1);

	if (!world->is_quiet && random_chance(&world->network_random, world->options.spike)) {
		world->statistics.spikes++;
		delay += random_below(&world->network_random, SECOND_US);
	}
	return delay;
}

/* Deferred while the host stands still: what has arrived waits in its kernel. */
static bool
is_deferred(struct world *world, struct host *host, event_function *happen, void *argument,
            uint64_t number)
{
	if (!host_is_paused(host))
		return false;
	world_schedule(world, host_deferral_us(host), happen, argument, number);
	return true;
}

static void
tell_closed(struct world *world, void *argument, uint64_t number)
{
	struct sim_stream *stream = argument;

	if (is_deferred(world, stream->host, tell_closed, stream, number))
		return;
	if (!is_of_the_dead(stream) && stream->handler && !stream->is_told) {
		stream->is_told = true;
		stream->handler->on_close(stream->context, stream->error);
		host_wake(stream->host);
	}
	release(&stream->base);
}

static void
end(struct sim_stream *stream, int error)
{
	if (stream->has_ended)
		return;
	stream->has_ended = true;
	stream->error = error;
	unlink_stream(stream);
	retain(&stream->base);
	world_schedule(stream->network->world, 0, tell_closed, stream, 0);
}

/* ---- from one end to the other ---- */

static void
deliver_at(struct sim_stream *stream, uint64_t at_us)
{
	struct world *world = stream->network->world;

	if (at_us < world->now_us)
		at_us = world->now_us;
	if (stream->due_us <= at_us)
		return;
	stream->due_us = at_us;
	retain(&stream->base);
	world_schedule(world, at_us - world->now_us, deliver, stream, at_us);
}

static void
push(struct sim_stream *to, const uint8_t *bytes, size_t size, int end_error)
{
	struct world *world = to->network->world;
	struct chunk *chunk = check_calloc(1, sizeof *chunk + size);
	uint64_t at_us = world->now_us + delay_us(to->network);

	if (at_us < to->last_arrival_us)
		at_us = to->last_arrival_us;
	to->last_arrival_us = at_us;
	chunk->at_us = at_us;
	chunk->end_error = end_error;
	chunk->size = size;
	if (size > 0)
		memcpy(chunk->bytes, bytes, size);
	*to->end = chunk;
	to->end = &chunk->next;
	to->queued_bytes += size;
	deliver_at(to, at_us);
}

static void
push_bytes(struct sim_stream *to, struct slice bytes)
{
	struct world *world = to->network->world;
	size_t cut = bytes.size;

	if (bytes.size == 0)
		return;
	if (!world->is_quiet && random_chance(&world->network_random, world->options.split)) {
		world->statistics.splits++;
		cut = random_below(&world->network_random, bytes.size) + 1;
	}
	push(to, bytes.bytes, cut, SYNOD_OK);
	if (cut < bytes.size)
		push(to, bytes.bytes + cut, bytes.size - cut, SYNOD_OK);
	if (!world->is_quiet && random_chance(&world->network_random, world->options.corrupt)) {
		struct chunk *chunk = to->first;

		while (chunk->next)
			chunk = chunk->next;
		world->statistics.corrupted++;
		chunk->bytes[random_below(&world->network_random, chunk->size)] ^=
			(uint8_t)(1u << random_below(&world->network_random, 8));
	}
}

static void
hand_over(struct sim_stream *stream)
{
	struct chunk *chunk = stream->first;

	stream->first = chunk->next;
	if (!stream->first)
		stream->end = &stream->first;
	stream->queued_bytes -= chunk->size;
	if (chunk->end_error) {
		part(stream);
		end(stream, chunk->end_error);
	} else {
		stream->is_armed = false;
		buffer_clear(&stream->handed);
		buffer_append(&stream->handed, chunk->bytes, chunk->size);
		stream->handler->on_data(stream->context, buffer_slice(&stream->handed));
		host_wake(stream->host);
	}
	free(chunk);
}

static void
deliver(struct world *world, void *argument, uint64_t at_us)
{
	struct sim_stream *stream = argument;

	if (stream->due_us == at_us)
		stream->due_us = UINT64_MAX;
	if (stream->has_ended || is_of_the_dead(stream) || !stream->first || !stream->is_open) {
		release(&stream->base);
		return;
	}
	if (stream->first->at_us > world->now_us)
		deliver_at(stream, stream->first->at_us);
	else if (host_is_paused(stream->host))
		deliver_at(stream, world->now_us + host_deferral_us(stream->host));
	else if (is_blocked(stream->network, stream->remote, stream->host->index))
		deliver_at(stream, world->now_us + RETRY_US);
	else if (stream->is_armed && stream->handler)
		hand_over(stream);
	release(&stream->base);
}

/* ---- what happens to the messages of the core ---- */

static void
remember(struct link_state *link, const uint8_t *frame, size_t size)
{
	struct buffer *old = &link->old[link->old_count++ % OLD_FRAMES];

	buffer_clear(old);
	buffer_append(old, frame, size);
}

static void
release_held(struct link_state *link, struct buffer *out)
{
	if (link->held.size == 0 || link->held_for-- > 0)
		return;
	buffer_append(out, link->held.bytes, link->held.size);
	buffer_clear(&link->held);
}

static void
mistreat(struct world *world, struct link_state *link, const uint8_t *frame, size_t size,
         struct buffer *out)
{
	struct random *random = &world->network_random;
	const struct options *options = &world->options;

	if (options->replay)
		remember(link, frame, size);
	if (random_chance(random, options->drop)) {
		world->statistics.dropped++;
		return;
	}
	if (link->held.size == 0 && random_chance(random, options->reorder)) {
		world->statistics.reordered++;
		buffer_append(&link->held, frame, size);
		link->held_for = (unsigned)random_between(random, 1, 5);
		return;
	}
	buffer_append(out, frame, size);
	if (random_chance(random, options->duplicate)) {
		world->statistics.duplicated++;
		buffer_append(out, frame, size);
	}
	if (link->old_count > 0 && random_chance(random, options->replay)) {
		unsigned kept = link->old_count < OLD_FRAMES ? link->old_count : OLD_FRAMES;
		const struct buffer *old = &link->old[random_below(random, kept)];

		world->statistics.replayed++;
		buffer_append(out, old->bytes, old->size);
	}
	release_held(link, out);
}

/* OUT gets what really leaves of the whole frames in STREAM's output; what is incomplete stays. */
static void
filter(struct sim_stream *stream, struct buffer *out)
{
	struct world *world = stream->network->world;
	struct link_state *link = &stream->network->links[stream->host->index][stream->remote];
	struct slice rest = buffer_slice(&stream->output);
	size_t used = 0, total = 0;
	struct frame frame;

	while (rest.size > 0 && frame_parse(rest, FRAME_PEER_MAX, &frame, &used) == SYNOD_OK) {
		if (frame.type == FRAME_PAXOS) {
			oracle_on_message(world->oracle, stream->host, frame.body);
			if (world->is_quiet)
				buffer_append(out, rest.bytes, used);
			else
				mistreat(world, link, rest.bytes, used, out);
		} else {
			buffer_append(out, rest.bytes, used);
		}
		total += used;
		rest.bytes += used;
		rest.size -= used;
	}
	buffer_consume(&stream->output, total);
}

static void
trace_frames(struct sim_stream *stream)
{
	struct world *world = stream->network->world;
	struct slice rest = buffer_slice(&stream->output);
	struct frame frame;
	size_t used;

	while (world->is_tracing && rest.size > 0 &&
	       frame_parse(rest, FRAME_PEER_MAX, &frame, &used) == SYNOD_OK) {
		world_trace(world, stream->host, "-> %s %s of %lu bytes",
		            world->hosts[stream->remote]->name, frame_type_name(frame.type),
		            (unsigned long)frame.body.size);
		rest.bytes += used;
		rest.size -= used;
	}
}

static void
flush(struct stream *base)
{
	struct sim_stream *stream = (struct sim_stream *)base;
	struct buffer out = BUFFER_EMPTY;

	if (!stream->is_open || stream->has_ended)
		return;
	if (!stream->is_between_members) {
		trace_frames(stream);
		if (stream->peer)
			push_bytes(stream->peer, buffer_slice(&stream->output));
		buffer_clear(&stream->output);
		return;
	}
	filter(stream, &out);
	if (stream->peer)
		push_bytes(stream->peer, buffer_slice(&out));
	buffer_fini(&out);
}

static size_t
pending(struct stream *base)
{
	const struct sim_stream *stream = (struct sim_stream *)base;
	size_t queued = stream->peer ? stream->peer->queued_bytes : 0;
	size_t tiny = stream->is_between_members ? 0 : stream->network->world->options.watch_output;
	size_t kernel = tiny > 0 ? tiny : KERNEL_BYTES;

	queued = queued > kernel ? queued - kernel : 0;
	if (tiny > 0 && stream->output.size + queued > tiny)
		stream->network->world->statistics.slow_clients++;
	return stream->output.size + queued;
}

static void
write_stream(struct stream *base, struct slice bytes)
{
	struct sim_stream *stream = (struct sim_stream *)base;

	if (stream->has_ended)
		return;
	if (pending(base) + bytes.size > STREAM_OUTPUT_MAX) {
		part(stream);
		end(stream, SYNOD_BUSY);
		return;
	}
	buffer_append(&stream->output, bytes.bytes, bytes.size);
}

static void
close_stream(struct stream *base)
{
	struct sim_stream *stream = (struct sim_stream *)base;
	struct sim_stream *peer = stream->peer;

	if (stream->has_ended)
		return;
	part(stream);
	if (peer)
		push(peer, NULL, 0, SYNOD_CLOSED);
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
	struct sim_stream *stream = (struct sim_stream *)base;

	stream->is_armed = true;
	if (stream->first)
		deliver_at(stream, stream->first->at_us);
}

static void
start(struct stream *base, const struct stream_handler *handler, void *context)
{
	struct sim_stream *stream = (struct sim_stream *)base;

	stream->handler = handler;
	stream->context = context;
	if (stream->has_ended) { /* before anybody looked: tell it now */
		retain(base);
		world_schedule(stream->network->world, 0, tell_closed, stream, 0);
		return;
	}
	receive(base);
}

static void
peer_address(struct stream *base, char *text, size_t size)
{
	snprintf(text, size, "%s", ((struct sim_stream *)base)->address);
}

/* ---- dialling ---- */

static struct sim_listener *
find_listener(struct host *host, const char *address)
{
	for (struct sim_listener *at = host->listeners; at; at = at->next)
		if (at->incarnation == host->incarnation && strcmp(at->address, address) == 0)
			return at;
	return NULL;
}

static void
tell_accepted(struct world *world, void *argument, uint64_t number)
{
	struct sim_stream *stream = argument;
	struct sim_listener *listener;

	if (is_deferred(world, stream->host, tell_accepted, stream, number))
		return;
	listener = is_of_the_dead(stream) ? NULL : find_listener(stream->host, stream->address);
	if (!listener) {
		close_stream(&stream->base);
		release(&stream->base);
		return;
	}
	listener->handler->on_accept(listener->context, &stream->base);
	host_wake(stream->host);
}

static void
tell_open(struct world *world, void *argument, uint64_t number)
{
	struct sim_stream *stream = argument;

	if (is_deferred(world, stream->host, tell_open, stream, number))
		return;
	if (!stream->has_ended && !is_of_the_dead(stream)) {
		stream->is_open = true;
		stream->handler->on_open(stream->context);
		flush(&stream->base);
		host_wake(stream->host);
	}
	release(&stream->base);
}

static void
connect_ends(struct sim_stream *stream, struct host *target)
{
	struct network *network = stream->network;
	struct sim_stream *accepted = stream_new(target, stream->host->index, stream->address);

	network->world->statistics.dials++;
	accepted->peer = stream;
	stream->peer = accepted;
	accepted->is_open = true;
	world_schedule(network->world, 0, tell_accepted, accepted, 0);
	retain(&stream->base);
	world_schedule(network->world, delay_us(network), tell_open, stream, 0);
}

static void
try_dial(struct world *world, void *argument, uint64_t number)
{
	struct sim_stream *stream = argument;
	struct network *network = stream->network;
	struct host *target = world->hosts[stream->remote];
	unsigned self = stream->host->index;

	if (stream->has_ended || is_of_the_dead(stream)) {
		release(&stream->base);
		return;
	}
	if (world->now_us >= stream->deadline_us) {
		end(stream, SYNOD_TIMEOUT);
	} else if (is_blocked(network, self, stream->remote) ||
	           is_blocked(network, stream->remote, self) || !target->is_powered) {
		uint64_t left_us = stream->deadline_us - world->now_us;

		world_schedule(world, left_us < SYN_RETRY_US ? left_us : SYN_RETRY_US, try_dial,
		               stream, number);
		return;
	} else if (!target->is_up || !find_listener(target, stream->address)) {
		end(stream, SYNOD_IO);
	} else {
		connect_ends(stream, target);
	}
	release(&stream->base);
}

/* "10.0.0.N:PORT"; members only. */
static int
host_of_address(const char *address)
{
	unsigned number = 0, port = 0;

	if (sscanf(address, "10.0.0.%u:%u", &number, &port) != 2 || number == 0)
		return -1;
	return (int)number - 1;
}

static int
dial(struct transport *transport, const char *address, unsigned timeout_ms,
     const struct stream_handler *handler, void *context, struct stream **result)
{
	struct host *host = (struct host *)transport;
	int target = host_of_address(address);
	struct sim_stream *stream;

	if (target < 0 || !host->world->hosts[target])
		return SYNOD_BAD_ARGUMENT;
	stream = stream_new(host, (unsigned)target, address);
	stream->handler = handler;
	stream->context = context;
	stream->deadline_us = host->world->now_us + timeout_ms * UINT64_C(1000);
	retain(&stream->base);
	world_schedule(host->world, delay_us(stream->network), try_dial, stream, 0);
	*result = &stream->base;
	return SYNOD_OK;
}

/* ---- listening ---- */

static int
listen_at(struct transport *transport, const char *address, const struct listener_handler *handler,
          void *context, struct listener **result)
{
	struct host *host = (struct host *)transport;
	struct sim_listener *listener;

	if (host_of_address(address) != (int)host->index)
		return SYNOD_BAD_ARGUMENT;
	if (find_listener(host, address))
		return SYNOD_IN_USE;
	listener = check_calloc(1, sizeof *listener);
	listener->base.ops = &network_transport_ops;
	listener->host = host;
	listener->incarnation = host->incarnation;
	listener->handler = handler;
	listener->context = context;
	snprintf(listener->address, sizeof listener->address, "%s", address);
	listener->next = host->listeners;
	host->listeners = listener;
	*result = &listener->base;
	return SYNOD_OK;
}

static const char *
listener_address(struct listener *base)
{
	return ((struct sim_listener *)base)->address;
}

static void
tell_unheard(struct world *world, void *argument, uint64_t number)
{
	struct sim_listener *listener = argument;

	(void)world;
	(void)number;
	if (listener->host->is_up && listener->incarnation == listener->host->incarnation) {
		listener->handler->on_close(listener->context);
		host_wake(listener->host);
	}
	free(listener);
}

static void
listener_close(struct listener *base)
{
	struct sim_listener *listener = (struct sim_listener *)base;
	struct sim_listener **place = &listener->host->listeners;

	while (*place != listener)
		place = &(*place)->next;
	*place = listener->next;
	world_schedule(listener->host->world, 0, tell_unheard, listener, 0);
}

static void
free_nothing(struct transport *transport)
{
	(void)transport; /* the host's */
}

const struct transport_ops network_transport_ops = {
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
	.timer_new = host_timer_new,
	.timer_set = host_timer_set,
	.timer_free = host_timer_free,
	.free = free_nothing,
};

/* ---- faults ---- */

void
network_block(struct network *network, unsigned from, unsigned to, bool is_to_block)
{
	unsigned *blocked = &network->links[from][to].blocked;

	if (is_to_block)
		(*blocked)++;
	else if (*blocked > 0)
		(*blocked)--;
}

void
network_unblock_all(struct network *network)
{
	for (unsigned from = 0; from < HOSTS_LIMIT; from++)
		for (unsigned to = 0; to < HOSTS_LIMIT; to++)
			network->links[from][to].blocked = 0;
}

void
network_reset(struct network *network, unsigned a, int b)
{
	struct sim_stream *next;

	for (struct sim_stream *stream = network->streams; stream; stream = next) {
		next = stream->next;
		if (!stream->is_open || stream->host->index != a ||
		    (b >= 0 && stream->remote != (unsigned)b))
			continue;
		if (stream->peer) {
			struct sim_stream *peer = stream->peer;

			part(stream);
			push(peer, NULL, 0, SYNOD_IO);
		}
		end(stream, SYNOD_IO);
		next = network->streams; /* start over: the list has changed */
	}
}

void
network_crash(struct network *network, struct host *host, bool is_power)
{
	struct sim_stream *next;

	for (struct sim_stream *stream = network->streams; stream; stream = next) {
		struct sim_stream *peer = stream->peer;

		next = stream->next;
		if (stream->host != host)
			continue;
		part(stream);
		if (peer && !is_power)
			push(peer, NULL, 0,
			     random_below(&network->world->network_random, 2) ? SYNOD_CLOSED
			                                                      : SYNOD_IO);
		stream->has_ended = true; /* and nobody is told */
		unlink_stream(stream);
		drop_chunks(stream);
		buffer_fini(&stream->output);
	}
	while (host->listeners) {
		struct sim_listener *listener = host->listeners;

		host->listeners = listener->next;
		free(listener);
	}
}

static void
forget_stream(struct sim_stream *stream)
{
	drop_chunks(stream);
	buffer_fini(&stream->output);
	buffer_fini(&stream->handed);
}

void
network_free(struct network *network)
{
	for (struct sim_stream *stream = network->streams; stream; stream = stream->next)
		forget_stream(stream);
	for (unsigned from = 0; from < HOSTS_LIMIT; from++) {
		for (unsigned to = 0; to < HOSTS_LIMIT; to++) {
			struct link_state *link = &network->links[from][to];

			buffer_fini(&link->held);
			for (unsigned i = 0; i < OLD_FRAMES; i++)
				buffer_fini(&link->old[i]);
		}
	}
	free(network);
}
