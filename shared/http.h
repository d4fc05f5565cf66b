/*
 * One HTTP request, to learn whether a server answers and with what status.
 *
 * A GET blocks its thread until the answer has come, a deadline has passed or
 * another thread aborts it.  The content is read, so that the server can finish
 * in peace, but not kept, and what exceeds 64 KiB is left unread.  Redirections
 * are answers like any other.  No TLS.
 */
#ifndef SHARED_HTTP_H
#define SHARED_HTTP_H

#include "shared/address.h"

#define HTTP_PATH_MAX    2047
#define HTTP_CONTENT_MAX (64 * 1024)
#define HTTP_WORDS_MAX   95

struct http_url {
	struct address address;
	char host[ADDRESS_HOST_MAX + ADDRESS_PORT_MAX + 4]; /* for the header Host: as written */
	char path[HTTP_PATH_MAX + 1];                       /* with the query, from the first '/' */
};

/*
 * "http://HOST[:PORT][/PATH][?QUERY][#IGNORED]", IPv6 in brackets, printable ASCII.
 * SYNOD_OK, or SYNOD_BAD_ARGUMENT and *WHY, a static text.
 */
int http_url_parse(const char *text, struct http_url *url, const char **why);

struct http_answer {
	unsigned status;                /* 100 to 999 */
	char words[HTTP_WORDS_MAX + 1]; /* the server's own for the status, or what failed */
};

struct http_client;

/* NULL when memory has run out.  For one thread's requests, one after the other. */
struct http_client *http_client_new(void);

/*
 * Ask the first of the COUNT addresses in NUMBERS that takes a connection for URL.
 * SYNOD_OK: there is a status; SYNOD_TIMEOUT; SYNOD_CLOSED (aborted); SYNOD_BAD_MESSAGE (what
 * came is not HTTP, or not all of it); SYNOD_IO (no connection, or a broken one);
 * SYNOD_NO_MEMORY.  ANSWER's words are set in every case.
 */
int http_get(struct http_client *client, const struct http_url *url,
             const struct address_number *numbers, unsigned count, unsigned timeout_ms,
             struct http_answer *answer);

/* From any thread: break off the request that goes on, and refuse all later ones.  Returns
 * without waiting for the network. */
void http_client_abort(struct http_client *client);

/* Not while a request goes on.  Accepts NULL. */
void http_client_free(struct http_client *client);

#endif
