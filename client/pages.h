/*
 * Listings, logs and what an owner owns, fetched in pages.
 *
 * LIST: the second page on carries the revision of the first; the member answers
 * CONFLICT if the parent or a child has changed since, and the listing starts
 * again.  LOG: changes never change, so a page goes on where the last one ended.
 * OWNED: paths are in order, so a page goes on after the last path; what is created
 * or deleted meanwhile may be seen or not.  LIST and LOG are as of one revision.
 */
#ifndef CLIENT_PAGES_H
#define CLIENT_PAGES_H

#include "client/result.h"

#define PAGES_RESTARTS_MAX 10

struct pages {
	struct operation operation; /* the next page */
	char *path;
	char *after;    /* where the first page starts; NULL: at the beginning */
	uint64_t from;  /* LOG: the first revision.  OWNED: the owner */
	uint64_t limit; /* of all pages together; 0: none */
	unsigned restarts;
	bool is_first;           /* no page has arrived since the (re)start */
	uint64_t revision;       /* of the first page */
	struct outcome *outcome; /* what has arrived */
};

/* NULL when memory ran out.  The options' texts are copied.  OWNED: options->from is the owner. */
struct pages *pages_new(uint8_t op, const char *path, const struct synod_read_options *options);
void pages_free(struct pages *pages); /* accepts NULL */

/* Append the next page's request: as request_read(). */
int pages_request(struct pages *pages, struct buffer *body, const char **why);

/* Take a page, the answer to BODY.  True if another one is needed; otherwise pages->outcome is
 * complete. */
bool pages_on_response(struct pages *pages, struct slice body, const struct response *response);

#endif
