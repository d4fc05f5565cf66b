/* Links: one connection between each pair of members, kept up. */
#include "server/network/links.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/network/greeting.h"
#include "shared/check.h"
#include "shared/error.h"
#include "shared/log.h"

#define SILENCE_DEFAULT_MS 1000
#define BACKOFF_MIN_MS     50
#define BACKOFF_MAX_MS     1000

/* Links come up and break between two ticks, so that what the last one returned may be too late. */
#define TICK_MAX_MS 50

/* Connections at the peer port that have not greeted yet; for one more, the oldest must go.  (Were
 * the newest turned away, a few silent strangers could keep the members out.) */
#define STRANGERS_MAX 64

/* One connection, from its first byte to its end. */
struct peer {
	struct links *links;
	struct connection *connection;
	member_id member; /* 0: not known yet */
	bool is_dialled;
	bool has_sent;   /* since the last tick */
	bool is_written; /* since the last flush */
	bool is_logged;  /* its refusal */
	struct peer *next, *previous;
};

/* What is known of one other member. */
struct link {
	member_id member;
	struct peer *current;  /* up */
	struct peer *dialling; /* on its way */
	unsigned backoff_ms;
	uint64_t dial_ms; /* not before */
};

struct links {
	struct links_options options;
	struct connection_listener listener;
	char address[MEMBER_ADDRESS_MAX + 1];
	struct link links[MEMBERS_MAX];
	unsigned link_count;
	struct peer *peers;
	unsigned stranger_count;
	uint64_t ping_number;
	struct buffer scratch;
	struct refusal_log refusals;
	bool is_closing;
	bool is_unheard; /* the listener is gone */
};

/* ---- tables ---- */

static uint64_t
now(const struct links *links)
{
	return clock_now_ms(links->options.clock);
}

static struct link *
find_link(struct links *links, member_id member)
{
	for (unsigned i = 0; i < links->link_count; i++)
		if (links->links[i].member == member)
			return &links->links[i];
	return NULL;
}

/* A link for each other member of the configuration. */
static void
make_links(struct links *links)
{
	const struct identity *identity = links->options.identity;

	for (unsigned i = 0; i < identity->member_count; i++) {
		member_id id = identity->members[i].id;

		if (id == identity->self || find_link(links, id) != NULL ||
		    links->link_count == MEMBERS_MAX)
			continue;
		links->links[links->link_count++] =
			(struct link){.member = id, .backoff_ms = BACKOFF_MIN_MS};
	}
}

static struct peer *
up_peer(struct links *links, member_id member)
{
	struct link *link = find_link(links, member);

	return link != NULL ? link->current : NULL;
}

static struct peer *
peer_new(struct links *links, bool is_dialled, member_id member)
{
	struct peer *peer = check_calloc(1, sizeof *peer);

	peer->links = links;
	peer->is_dialled = is_dialled;
	peer->member = member;
	peer->next = links->peers;
	if (peer->next != NULL)
		peer->next->previous = peer;
	links->peers = peer;
	return peer;
}

static void
peer_free(struct peer *peer)
{
	if (peer->next != NULL)
		peer->next->previous = peer->previous;
	if (peer->previous != NULL)
		peer->previous->next = peer->next;
	else
		peer->links->peers = peer->next;
	free(peer);
}

/* ---- going down ---- */

/* Half of it is certain and half is chance, so that members do not dial in step. */
static void
plan_dial(struct links *links, struct link *link)
{
	unsigned half_ms = link->backoff_ms / 2;

	link->dial_ms = now(links) + half_ms +
	                (unsigned)(clock_random(links->options.clock) % (half_ms + 1));
	link->backoff_ms *= 2;
	if (link->backoff_ms > BACKOFF_MAX_MS)
		link->backoff_ms = BACKOFF_MAX_MS;
}

static void
link_down(struct links *links, struct link *link, int error)
{
	link->current = NULL;
	plan_dial(links, link);
	links->options.handler->on_down(links->options.owner, link->member, error);
}

static void
refuse(struct peer *peer, int error, const char *why)
{
	struct links *links = peer->links;

	refusal_log(&links->refusals, now(links), "refused a member", peer->connection, error, why);
	peer->is_logged = true;
	connection_refuse(peer->connection, error, why);
}

static void
on_closed(struct connection *connection, int error)
{
	struct peer *peer = connection->context;
	struct links *links = peer->links;
	struct link *link = find_link(links, peer->member);

	if (connection->refuse_error != SYNOD_OK && !peer->is_logged)
		refusal_log(&links->refusals, now(links), "refused a member", connection,
		            connection->refuse_error, error_text(connection->refuse_error));
	if (!peer->is_dialled && !connection->is_up)
		links->stranger_count--;
	if (link != NULL && link->dialling == peer) {
		link->dialling = NULL;
		plan_dial(links, link);
	}
	if (link != NULL && link->current == peer)
		link_down(links, link, error);
	connection_release(connection);
	peer_free(peer);
}

/* ---- coming up ---- */

static void
write_hello(struct peer *peer)
{
	struct links *links = peer->links;

	buffer_clear(&links->scratch);
	greeting_append(&links->scratch, links->options.identity, links->options.software);
	CHECK(!links->scratch.failed);
	connection_write(peer->connection, buffer_slice(&links->scratch));
	connection_flush(peer->connection);
	peer->has_sent = true;
}

/* The newest connection of a pair wins: the older one may be dead without our knowing. */
static void
link_up(struct links *links, struct link *link, struct peer *peer)
{
	struct peer *old = link->current;

	if (!peer->is_dialled)
		links->stranger_count--;
	if (link->dialling == peer)
		link->dialling = NULL;
	peer->member = link->member;
	peer->connection->is_up = true;
	if (old != NULL) {
		link_down(links, link, SYNOD_CLOSED);
		connection_close(old->connection);
	}
	link->current = peer;
	link->backoff_ms = BACKOFF_MIN_MS;
	links->options.handler->on_up(links->options.owner, link->member);
}

/* The identities fit the configuration; do they fit what this connection is for? */
static int
check_purpose(struct peer *peer, const struct hello *hello, char *why)
{
	struct links *links = peer->links;

	if (peer->is_dialled && hello->member_id != peer->member) {
		const struct member_identity *wanted =
			greeting_member(links->options.identity, peer->member);
		const struct member_identity *found =
			greeting_member(links->options.identity, hello->member_id);

		snprintf(why, GREETING_WHY_MAX, "member '%s' answers at the address of member '%s'",
		         found != NULL ? found->name : "?", wanted != NULL ? wanted->name : "?");
		return SYNOD_WRONG_MEMBER;
	}
	return links->options.handler->on_hello(links->options.owner, hello, why);
}

static void
on_hello(struct peer *peer, const struct frame *frame)
{
	struct links *links = peer->links;
	char why[GREETING_WHY_MAX] = "";
	struct hello hello;
	int error = greeting_check(frame, HELLO_MEMBER, links->options.identity, &hello, why);

	make_links(links);
	if (error == SYNOD_OK)
		error = check_purpose(peer, &hello, why);
	if (error != SYNOD_OK) {
		refuse(peer, error, why[0] != '\0' ? why : error_text(error));
		return;
	}
	if (!peer->is_dialled)
		write_hello(peer);
	link_up(links, find_link(links, hello.member_id), peer);
}

static void
on_refused(struct peer *peer, const struct frame *frame)
{
	char text[GREETING_WHY_MAX];
	int error = connection_refusal(frame, text, sizeof text);

	refusal_log(&peer->links->refusals, now(peer->links), "refused by a member",
	            peer->connection, error, text);
	connection_close(peer->connection);
}

static int
on_frame(struct connection *connection, const struct frame *frame)
{
	struct peer *peer = connection->context;
	struct links *links = peer->links;

	if (frame->type == FRAME_REFUSED) {
		on_refused(peer, frame);
		return SYNOD_OK;
	}
	if (!connection->is_up) {
		if (frame->type != FRAME_HELLO)
			return SYNOD_BAD_MESSAGE;
		on_hello(peer, frame);
		return SYNOD_OK;
	}
	switch (frame->type) {
	case FRAME_HELLO: return SYNOD_BAD_MESSAGE;
	case FRAME_PING: peer->has_sent = true; return greeting_answer_ping(connection, frame);
	case FRAME_PONG: return SYNOD_OK;
	default:
		/* Frames that are still read after the link was given up belong to nobody. */
		if (up_peer(links, peer->member) != peer)
			return SYNOD_OK;
		return links->options.handler->on_frame(links->options.owner, peer->member, frame);
	}
}

static const struct connection_handler peer_handler = {on_frame, on_closed};

static void
dismiss_oldest_stranger(struct links *links)
{
	struct peer *oldest = NULL;

	for (struct peer *peer = links->peers; peer != NULL; peer = peer->next)
		if (!peer->is_dialled && !peer->connection->is_up && !peer->connection->is_closing)
			oldest = peer; /* the newest come first */
	if (oldest != NULL)
		connection_close(oldest->connection);
}

static void
on_stream(void *owner, struct stream *stream, uint64_t now_ms)
{
	struct links *links = owner;
	struct peer *peer;

	if (links->is_closing) {
		stream_release(stream);
		return;
	}
	if (links->stranger_count >= STRANGERS_MAX)
		dismiss_oldest_stranger(links);
	peer = peer_new(links, false, 0);
	links->stranger_count++;
	peer->connection = connection_accept(stream, links->options.actor, &peer_handler, links,
	                                     FRAME_PEER_MAX, now_ms);
	CHECK(peer->connection != NULL);
	peer->connection->context = peer;
}

static void
dial(struct links *links, struct link *link, uint64_t now_ms)
{
	const struct member_identity *member =
		greeting_member(links->options.identity, link->member);
	struct peer *peer;
	int error;

	if (member == NULL)
		return;
	peer = peer_new(links, true, link->member);
	error = connection_dial(links->options.transport, member->address,
	                        links->options.silence_ms, links->options.actor, &peer_handler,
	                        links, FRAME_PEER_MAX, now_ms, &peer->connection);
	if (error != SYNOD_OK) {
		log_warning("cannot dial member %s: %s address=%s", member->name, error_text(error),
		            member->address);
		peer_free(peer);
		plan_dial(links, link);
		return;
	}
	peer->connection->context = peer;
	link->dialling = peer;
	write_hello(peer);
}

/* ---- time ---- */

static void
ping(struct peer *peer)
{
	struct links *links = peer->links;
	size_t begin;

	buffer_clear(&links->scratch);
	begin = frame_begin(&links->scratch, FRAME_PING);
	pack_array(&links->scratch, 1);
	pack_u64(&links->scratch, ++links->ping_number);
	frame_end(&links->scratch, begin);
	CHECK(!links->scratch.failed);
	connection_write(peer->connection, buffer_slice(&links->scratch));
	connection_flush(peer->connection);
}

static uint64_t
tick_up(struct peer *peer, uint64_t now_ms)
{
	struct links *links = peer->links;
	struct connection *connection = peer->connection;
	unsigned silence_ms = links->options.silence_ms;
	uint64_t ping_ms;

	if (now_ms >= connection->heard_ms + silence_ms) {
		struct link *link = find_link(links, peer->member);

		connection_close(connection);
		if (link->current == peer)
			link_down(links, link, SYNOD_TIMEOUT);
		return UINT64_MAX;
	}
	if (peer->has_sent)
		connection->sent_ms = now_ms;
	peer->has_sent = false;
	if (now_ms >= connection->sent_ms + silence_ms / 4) {
		ping(peer);
		connection->sent_ms = now_ms;
	}
	ping_ms = connection->sent_ms + silence_ms / 4;
	return ping_ms < connection->heard_ms + silence_ms ? ping_ms
	                                                   : connection->heard_ms + silence_ms;
}

/* A dial can seem to succeed and lead nowhere; a stranger may never speak. */
static uint64_t
tick_stranger(struct peer *peer, uint64_t now_ms)
{
	unsigned patience_ms =
		peer->is_dialled ? 2 * peer->links->options.silence_ms : HELLO_TIMEOUT_MS;

	if (now_ms < peer->connection->opened_ms + patience_ms)
		return peer->connection->opened_ms + patience_ms;
	if (peer->is_dialled)
		connection_close(peer->connection);
	else
		refuse(peer, SYNOD_TIMEOUT, "no greeting came in time");
	return UINT64_MAX;
}

static uint64_t
tick_link(struct links *links, struct link *link, uint64_t now_ms)
{
	if (link->member > links->options.identity->self || link->current != NULL ||
	    link->dialling != NULL)
		return UINT64_MAX;
	if (now_ms < link->dial_ms)
		return link->dial_ms;
	dial(links, link, now_ms);
	return link->dialling == NULL ? link->dial_ms : UINT64_MAX;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A link that was refused is down at once, though the refusal is still on its way. */
static void
give_up(struct peer *peer)
{
	struct link *link = find_link(peer->links, peer->member);

	if (link != NULL && link->current == peer)
		link_down(peer->links, link, peer->connection->refuse_error);
}

uint64_t
links_tick(struct links *links, uint64_t now_ms)
{
	uint64_t next_ms = now_ms + TICK_MAX_MS;
	struct peer *next;

	if (links->is_closing)
		return next_ms;
	make_links(links);
	for (struct peer *peer = links->peers; peer != NULL; peer = next) {
		next = peer->next;
		if (peer->connection->is_closing) {
			give_up(peer);
			continue;
		}
		next_ms = earlier(next_ms, peer->connection->is_up ? tick_up(peer, now_ms)
		                                                   : tick_stranger(peer, now_ms));
	}
	for (unsigned i = 0; i < links->link_count; i++)
		next_ms = earlier(next_ms, tick_link(links, &links->links[i], now_ms));
	return next_ms;
}

/* ---- opening and closing ---- */

static void
on_unheard(void *owner)
{
	struct links *links = owner;

	links->is_unheard = true;
}

int
links_new(const struct links_options *options, uint64_t now_ms, struct links **out, char *why)
{
	struct links *links = check_calloc(1, sizeof *links);
	int error;

	(void)now_ms;
	links->options = *options;
	if (links->options.silence_ms == 0)
		links->options.silence_ms = SILENCE_DEFAULT_MS;
	links->listener.actor = options->actor;
	links->listener.on_stream = on_stream;
	links->listener.on_closed = on_unheard;
	links->listener.owner = links;
	make_links(links);
	*out = links; /* strangers may come before the listening call returns */
	error = connection_listen(&links->listener, options->transport, options->listen_address);
	if (error != SYNOD_OK) {
		snprintf(why, GREETING_WHY_MAX, "cannot listen for members at %s: %s",
		         options->listen_address, error_text(error));
		free(links);
		*out = NULL;
		return error;
	}
	snprintf(links->address, sizeof links->address, "%s",
	         connection_listener_address(&links->listener));
	return SYNOD_OK;
}

void
links_close(struct links *links)
{
	if (links->is_closing)
		return;
	links->is_closing = true;
	connection_unlisten(&links->listener);
	for (unsigned i = 0; i < links->link_count; i++)
		links->links[i].current = NULL;
	for (struct peer *peer = links->peers; peer != NULL; peer = peer->next)
		connection_close(peer->connection);
}

bool
links_is_closed(const struct links *links)
{
	return links->is_unheard && links->peers == NULL;
}

void
links_free(struct links *links)
{
	if (links == NULL)
		return;
	CHECK(links_is_closed(links));
	buffer_fini(&links->scratch);
	free(links);
}

const char *
links_address(const struct links *links)
{
	return links->address;
}

/* ---- sending ---- */

bool
links_send_frames(struct links *links, uint64_t member, struct slice frames)
{
	struct peer *peer = up_peer(links, member);

	if (peer == NULL)
		return false;
	connection_write(peer->connection, frames);
	peer->has_sent = true;
	peer->is_written = true;
	return true;
}

bool
links_send(struct links *links, uint64_t member, uint8_t type, struct slice body)
{
	size_t begin;

	if (up_peer(links, member) == NULL)
		return false;
	buffer_clear(&links->scratch);
	begin = frame_begin(&links->scratch, type);
	pack_raw(&links->scratch, body);
	frame_end(&links->scratch, begin);
	CHECK(!links->scratch.failed);
	return links_send_frames(links, member, buffer_slice(&links->scratch));
}

void
links_flush(struct links *links)
{
	for (unsigned i = 0; i < links->link_count; i++) {
		struct peer *peer = links->links[i].current;

		if (peer == NULL || !peer->is_written)
			continue;
		peer->is_written = false;
		connection_flush(peer->connection);
	}
}

bool
links_is_up(const struct links *links, uint64_t member)
{
	return up_peer((struct links *)links, member) != NULL;
}

struct connection *
links_connection(struct links *links, uint64_t member)
{
	struct peer *peer = up_peer(links, member);

	return peer != NULL ? connection_retain(peer->connection) : NULL;
}
