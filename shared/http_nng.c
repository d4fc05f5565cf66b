/*
 * One HTTP request over nng's HTTP client.
 *
 * Not nng_http_client_transact(): it allocates whatever Content-Length says and
 * collects chunks without a bound.  Here the head is read by nng, the content into
 * a buffer of fixed size.  Each attempt has a client of its own, because a dialer
 * that has timed out must not dial again, and gets a numeric address, because nng's
 * resolver has races and knows one address for a name.
 */
#include "shared/http.h"

#include <nng/nng.h>
#include <nng/supplemental/http/http.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/error.h"

#define PIECE_SIZE  4096
#define INTERIM_MAX 16 /* answers 1xx before the one that counts */

struct http_client {
	pthread_mutex_t mutex;
	nng_aio *aio; /* of the request that goes on, or NULL */
	bool is_aborted;
};

/* What one request needs while it lasts. */
struct exchange {
	nng_aio *aio;
	nng_http_conn *connection;
	nng_http_req *request;
	nng_http_res *response;
	uint64_t deadline_ms;
};

struct http_client *
http_client_new(void)
{
	struct http_client *client = calloc(1, sizeof *client);

	if (client != NULL)
		pthread_mutex_init(&client->mutex, NULL);
	return client;
}

void
http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	pthread_mutex_destroy(&client->mutex);
	free(client);
}

void
http_client_abort(struct http_client *client)
{
	pthread_mutex_lock(&client->mutex);
	client->is_aborted = true;
	/* A stopped aio refuses all later operations, so it does not matter between which two of
	 * the request's we come. */
	if (client->aio != NULL)
		nng_aio_stop(client->aio);
	pthread_mutex_unlock(&client->mutex);
}

static bool
begin(struct http_client *client, struct exchange *exchange, int *error)
{
	*error = nng_aio_alloc(&exchange->aio, NULL, NULL);
	if (*error != 0)
		return false;
	pthread_mutex_lock(&client->mutex);
	if (client->is_aborted)
		*error = NNG_ECANCELED;
	else
		client->aio = exchange->aio;
	pthread_mutex_unlock(&client->mutex);
	return *error == 0;
}

static void
end(struct http_client *client, struct exchange *exchange)
{
	pthread_mutex_lock(&client->mutex);
	client->aio = NULL;
	pthread_mutex_unlock(&client->mutex);
	if (exchange->connection != NULL)
		nng_http_conn_close(exchange->connection);
	if (exchange->request != NULL)
		nng_http_req_free(exchange->request);
	if (exchange->response != NULL)
		nng_http_res_free(exchange->response);
	if (exchange->aio != NULL)
		nng_aio_free(exchange->aio);
}

/* Before every operation: it may last until the deadline. */
static nng_aio *
limit(struct exchange *exchange)
{
	uint64_t now_ms = clock_now_ms(clock_real());
	uint64_t left_ms = exchange->deadline_ms > now_ms ? exchange->deadline_ms - now_ms : 1;

	nng_aio_set_timeout(exchange->aio, (nng_duration)left_ms);
	return exchange->aio;
}

static int
await(struct exchange *exchange)
{
	nng_aio_wait(exchange->aio);
	return nng_aio_result(exchange->aio);
}

static int
connect_to(struct exchange *exchange, const struct address_number *number)
{
	char text[ADDRESS_NUMBER_MAX + sizeof "http:///"];
	nng_http_client *dialer = NULL;
	nng_url *url = NULL;
	int error;

	snprintf(text, sizeof text, "http://%s/", number->text);
	error = nng_url_parse(&url, text);
	if (error == 0)
		error = nng_http_client_alloc(&dialer, url);
	if (error == 0) {
		nng_http_client_connect(dialer, limit(exchange));
		error = await(exchange);
	}
	if (error == 0)
		exchange->connection = nng_aio_get_output(exchange->aio, 0);
	if (dialer != NULL)
		nng_http_client_free(dialer);
	if (url != NULL)
		nng_url_free(url);
	return error;
}

static bool
may_try_another(int error)
{
	return error != 0 && error != NNG_ETIMEDOUT && error != NNG_ECANCELED;
}

static int
connect_to_any(struct exchange *exchange, const struct address_number *numbers, unsigned count)
{
	int error = NNG_EADDRINVAL;

	for (unsigned i = 0; i < count && may_try_another(error); i++)
		error = connect_to(exchange, &numbers[i]);
	return error;
}

static int
send_request(struct exchange *exchange, const struct http_url *url)
{
	nng_http_req *request;
	int error = nng_http_req_alloc(&exchange->request, NULL);

	if (error != 0)
		return error;
	request = exchange->request;
	if ((error = nng_http_req_set_uri(request, url->path)) != 0 ||
	    (error = nng_http_req_set_header(request, "Host", url->host)) != 0 ||
	    (error = nng_http_req_set_header(request, "User-Agent", "synod-check")) != 0 ||
	    (error = nng_http_req_set_header(request, "Accept", "*/*")) != 0 ||
	    (error = nng_http_req_set_header(request, "Connection", "close")) != 0)
		return error;
	nng_http_conn_write_req(exchange->connection, request, limit(exchange));
	return await(exchange);
}

/* nng takes an empty line for a whole head, and any word for a version. */
static bool
has_http_status(nng_http_res *response)
{
	return nng_http_res_get_status(response) != 0 &&
	       strncmp(nng_http_res_get_version(response), "HTTP/1.", strlen("HTTP/1.")) == 0;
}

/* The head of the answer that counts: those with 1xx announce it. */
static int
read_head(struct exchange *exchange)
{
	int error = nng_http_res_alloc(&exchange->response);

	for (unsigned i = 0; error == 0 && i < INTERIM_MAX; i++) {
		unsigned status;

		nng_http_res_reset(exchange->response);
		nng_http_res_set_status(exchange->response, 0);
		nng_http_conn_read_res(exchange->connection, exchange->response, limit(exchange));
		error = await(exchange);
		if (error == 0 && !has_http_status(exchange->response))
			return NNG_EPROTO;
		status = nng_http_res_get_status(exchange->response);
		if (error == 0 && (status >= 200 || status == NNG_HTTP_STATUS_SWITCHING))
			return 0;
	}
	return error != 0 ? error : NNG_EPROTO;
}

/* The content of an answer, as it comes in. */
struct content {
	size_t size;
	size_t wanted; /* SIZE_MAX: it ends with its last chunk, or with the connection */
	bool has_length;
	bool is_chunked;
	uint8_t tail[5]; /* the last bytes */
};

static void
expect_content(nng_http_res *response, struct content *content)
{
	unsigned status = nng_http_res_get_status(response);
	const char *coding = nng_http_res_get_header(response, "Transfer-Encoding");
	const char *length = nng_http_res_get_header(response, "Content-Length");
	char *rest;

	*content = (struct content){.wanted = SIZE_MAX};
	if (status < 200 || status == NNG_HTTP_STATUS_NO_CONTENT ||
	    status == NNG_HTTP_STATUS_NOT_MODIFIED) {
		content->wanted = 0;
	} else if (coding != NULL) {
		content->is_chunked = true;
	} else if (length != NULL && length[0] >= '0' && length[0] <= '9') {
		unsigned long long value;

		errno = 0;
		value = strtoull(length, &rest, 10);
		content->has_length = *rest == '\0' && errno == 0;
		if (content->has_length)
			content->wanted = value < SIZE_MAX ? (size_t)value : SIZE_MAX;
	}
}

static void
take(struct content *content, const uint8_t *bytes, size_t size)
{
	size_t kept = sizeof content->tail;

	content->size += size;
	if (size >= kept) {
		memcpy(content->tail, bytes + size - kept, kept);
	} else {
		memmove(content->tail, content->tail + size, kept - size);
		memcpy(content->tail + kept - size, bytes, size);
	}
}

/* Chunked content ends with an empty chunk.  Other bytes may look like it: then we stop early,
 * which does no harm. */
static bool
is_complete(const struct content *content)
{
	return content->size >= content->wanted || content->size >= HTTP_CONTENT_MAX ||
	       (content->is_chunked && content->size >= sizeof content->tail &&
	        memcmp(content->tail, "0\r\n\r\n", sizeof content->tail) == 0);
}

static bool
has_ended(int error)
{
	return error == NNG_ECONNSHUT || error == NNG_ECLOSED;
}

static int
read_content(struct exchange *exchange)
{
	uint8_t piece[PIECE_SIZE];
	struct content content;

	expect_content(exchange->response, &content);
	while (!is_complete(&content)) {
		nng_iov iov = {.iov_buf = piece, .iov_len = sizeof piece};
		int error = nng_aio_set_iov(exchange->aio, 1, &iov);

		if (error != 0)
			return error;
		nng_http_conn_read(exchange->connection, limit(exchange));
		error = await(exchange);
		if (has_ended(error) && !content.has_length && !content.is_chunked)
			return 0;
		if (error != 0)
			return error;
		take(&content, piece, nng_aio_count(exchange->aio));
	}
	return 0;
}

static const struct {
	int error;
	int code;
	const char *words;
} outcomes[] = {
	{NNG_ETIMEDOUT, SYNOD_TIMEOUT, "no answer in time"},
	{NNG_ECANCELED, SYNOD_CLOSED, "broken off"},
	{NNG_EPROTO, SYNOD_BAD_MESSAGE, "the answer is not well-formed HTTP"},
	{NNG_ECONNSHUT, SYNOD_BAD_MESSAGE,
         "the connection was closed before the answer was complete"},
	{NNG_ECLOSED, SYNOD_BAD_MESSAGE,
         "the connection was closed before the answer was complete"},
	{NNG_ECONNREFUSED, SYNOD_IO, "connection refused"},
	{NNG_ECONNRESET, SYNOD_IO, "the server broke the connection"},
	{NNG_ENOMEM, SYNOD_NO_MEMORY, "out of memory"},
};

static int
describe_failure(int error, struct http_answer *answer)
{
	answer->status = 0;
	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		if (outcomes[i].error == error) {
			snprintf(answer->words, sizeof answer->words, "%s", outcomes[i].words);
			return outcomes[i].code;
		}
	}
	snprintf(answer->words, sizeof answer->words, "%s", nng_strerror(error));
	return SYNOD_IO;
}

int
http_get(struct http_client *client, const struct http_url *url,
         const struct address_number *numbers, unsigned count, unsigned timeout_ms,
         struct http_answer *answer)
{
	struct exchange exchange = {.deadline_ms = clock_now_ms(clock_real()) + timeout_ms};
	int error;

	if (begin(client, &exchange, &error))
		error = connect_to_any(&exchange, numbers, count);
	if (error == 0)
		error = send_request(&exchange, url);
	if (error == 0)
		error = read_head(&exchange);
	if (error == 0)
		error = read_content(&exchange);
	if (error == 0) {
		const char *reason = nng_http_res_get_reason(exchange.response);

		answer->status = nng_http_res_get_status(exchange.response);
		snprintf(answer->words, sizeof answer->words, "%s", reason != NULL ? reason : "");
	}
	end(client, &exchange);
	return error == 0 ? SYNOD_OK : describe_failure(error, answer);
}
