/*
 * A visitor: a connection to a member's port that says what a test tells it to,
 * right or wrong, and remembers what it was told.  Its handlers run inside
 * visitor_run(), in the test's own thread.
 */
#ifndef TESTS_SUPPORT_VISITOR_H
#define TESTS_SUPPORT_VISITOR_H

#include "shared/connection.h"

struct visitor {
	struct actor *actor;
	struct connection *connection;
	bool is_closed;
	bool is_greeted;      /* HELLO came */
	uint64_t greeted_by;  /* its member id */
	int refusal;          /* error of REFUSED */
	char why[256];        /* its text */
	unsigned frame_count; /* all others */
	uint8_t last_type;
	uint64_t last_xid;    /* RESPONSE */
	int last_error;       /* RESPONSE */
	uint64_t last_number; /* PONG */
	bool is_mute;         /* does not answer PING */
};

void visitor_open(struct visitor *visitor, struct transport *transport, const char *address);
void visitor_close(struct visitor *visitor);

/* Handle what arrived. */
void visitor_run(struct visitor *visitor);

void visitor_say(struct visitor *visitor, struct slice bytes);
void visitor_say_frame(struct visitor *visitor, uint8_t type, struct slice body);
void visitor_say_hello(struct visitor *visitor, const struct hello *hello);
void visitor_say_number(struct visitor *visitor, uint8_t type, uint64_t number);
void visitor_say_request(struct visitor *visitor, uint64_t xid, unsigned op);

#endif
