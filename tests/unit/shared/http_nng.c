/* A GET over nng: good answers, bad ones, none, and one that is aborted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/error.h"
#include "shared/http.h"
#include "tests/support/stub_server.h"

#define PATIENCE_MS 30000
#define SHORT_MS    100

struct asked {
	int error;
	struct http_answer answer;
	char request[STUB_REQUEST_MAX + 1];
};

static int
ask_with(struct http_client *client, unsigned port, const char *path, unsigned timeout_ms,
         struct http_answer *answer)
{
	struct address_number numbers[4];
	struct http_url url;
	const char *why;
	char text[200];
	unsigned count;

	snprintf(text, sizeof text, "http://127.0.0.1:%u%s", port, path);
	if (http_url_parse(text, &url, &why) != SYNOD_OK ||
	    address_resolve(&url.address, numbers, 4, &count) != SYNOD_OK)
		return SYNOD_BAD_ARGUMENT;
	return http_get(client, &url, numbers, count, timeout_ms, answer);
}

/* Ask a server of these manners once. */
static struct asked
ask(const struct stub_options *options, unsigned timeout_ms)
{
	struct http_client *client = http_client_new();
	struct stub_server server;
	struct asked asked;

	assert_non_null(client);
	assert_true(stub_server_start(&server, options));
	asked.error = ask_with(client, server.port, "/health?deep=1", timeout_ms, &asked.answer);
	stub_server_stop(&server);
	memcpy(asked.request, server.request, sizeof asked.request);
	http_client_free(client);
	return asked;
}

static struct asked
ask_for(const char *answer)
{
	return ask(&(struct stub_options){.answer = answer}, PATIENCE_MS);
}

static void
sends_a_request_that_servers_understand(void **state)
{
	struct asked asked = ask_for("HTTP/1.1 204 No Content\r\n\r\n");

	(void)state;
	assert_int_equal(asked.error, SYNOD_OK);
	assert_ptr_equal(strstr(asked.request, "GET /health?deep=1 HTTP/1.1\r\n"), asked.request);
	assert_non_null(strstr(asked.request, "\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(asked.request, "\r\nConnection: close\r\n"));
}

static void
tells_the_status_and_its_words(void **state)
{
	static const struct {
		const char *answer;
		unsigned status;
		const char *words;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "OK"},
		{"HTTP/1.0 200 Fine\r\n\r\nuntil the end", 200, "Fine"},
		{"HTTP/1.1 204 No Content\r\n\r\n", 204, "No Content"},
		{"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 301, "Moved"},
		{"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", 429,
	         "Too Many Requests"},
		{"HTTP/1.1 500 Oh no\r\nContent-Length: 4\r\n\r\nwhat", 500, "Oh no"},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	         200, "OK"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct asked asked = ask_for(cases[i].answer);

		assert_int_equal(asked.error, SYNOD_OK);
		assert_int_equal(asked.answer.status, cases[i].status);
		assert_string_equal(asked.answer.words, cases[i].words);
	}
}

/* These servers keep the connection open, so that nothing but the content's own end is one. */
static void
knows_where_the_content_ends(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct asked asked =
			ask(&(struct stub_options){.answer = answers[i], .is_kept_open = true},
		            PATIENCE_MS);

		assert_int_equal(asked.error, SYNOD_OK);
	}
}

static void
ignores_what_exceeds_the_bound_of_the_content(void **state)
{
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		struct asked asked =
			ask(&(struct stub_options){.answer = heads[i], .endless = "more and more "},
		            PATIENCE_MS);

		assert_int_equal(asked.error, SYNOD_OK);
		assert_int_equal(asked.answer.status, 200);
	}
}

static void
fails_when_the_answer_is_malformed_or_cut_short(void **state)
{
	static const char *const answers[] = {
		"",
		"\r\n\r\n",
		"220 mail.example ESMTP\r\n",
		"HTTP/1.1\r\n\r\n",
		"SSH-2.0 200 OK\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n\r\n\r\n",
		"HTTP/1.1 abc OK\r\n\r\n",
		"HTTP/1.1 99999 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsh",
		"\x01\x02\x03\xff\xfe\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct asked asked = ask_for(answers[i]);

		if (asked.error != SYNOD_BAD_MESSAGE)
			print_error("%s: %u %s", answers[i], asked.answer.status,
			            asked.answer.words);
		assert_int_equal(asked.error, SYNOD_BAD_MESSAGE);
		assert_true(strlen(asked.answer.words) > 0);
	}
}

static void
fails_when_a_head_has_no_end(void **state)
{
	struct asked line = ask(&(struct stub_options){.answer = "HTTP/1.1 200 OK\r\nX: ",
	                                               .endless = "xxxxxxxxxxxxxxxxxxxxxxxxxxx"},
	                        PATIENCE_MS);
	struct asked lines = ask(&(struct stub_options){.answer = "HTTP/1.1 200 OK\r\n",
	                                                .endless = "X: xxxxxxxxxxxxxxxxxxxxx\r\n"},
	                         PATIENCE_MS);
	struct asked interim = ask(&(struct stub_options){.answer = "HTTP/1.1 100 Go\r\n\r\n",
	                                                  .endless = "HTTP/1.1 100 Go\r\n\r\n"},
	                           PATIENCE_MS);

	(void)state;
	assert_int_equal(line.error, SYNOD_BAD_MESSAGE);
	assert_int_equal(lines.error, SYNOD_BAD_MESSAGE);
	assert_int_equal(interim.error, SYNOD_BAD_MESSAGE);
}

static void
gives_up_at_the_deadline(void **state)
{
	static const struct stub_options silent[] = {
		{.is_kept_open = true},
		{.answer = "HTTP/1.1 2", .is_kept_open = true},
		{.answer = "HTTP/1.1 200 OK\r\n", .is_kept_open = true},
		{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsh", .is_kept_open = true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
		uint64_t before_ms = clock_now_ms(clock_real());
		struct asked asked = ask(&silent[i], SHORT_MS);

		assert_int_equal(asked.error, SYNOD_TIMEOUT);
		assert_true(clock_now_ms(clock_real()) - before_ms >= SHORT_MS - 1);
	}
}

static void
fails_when_nobody_listens(void **state)
{
	struct http_client *client = http_client_new();
	struct http_answer answer;

	(void)state;
	assert_int_equal(ask_with(client, stub_closed_port(), "/", PATIENCE_MS, &answer), SYNOD_IO);
	assert_string_equal(answer.words, "connection refused");
	http_client_free(client);
}

static void
tries_one_address_after_the_other(void **state)
{
	struct http_client *client = http_client_new();
	struct address_number numbers[2];
	struct stub_server server;
	struct http_answer answer;
	struct http_url url;
	const char *why;

	(void)state;
	assert_true(stub_server_start(&server,
	                              &(struct stub_options){.answer = "HTTP/1.1 200 OK\r\n\r\n"}));
	snprintf(numbers[0].text, sizeof numbers[0].text, "127.0.0.1:%u", stub_closed_port());
	snprintf(numbers[1].text, sizeof numbers[1].text, "127.0.0.1:%u", server.port);
	assert_int_equal(http_url_parse("http://some.example/", &url, &why), SYNOD_OK);
	assert_int_equal(http_get(client, &url, numbers, 2, PATIENCE_MS, &answer), SYNOD_OK);
	assert_int_equal(answer.status, 200);
	stub_server_stop(&server);
	assert_non_null(strstr(server.request, "\r\nHost: some.example\r\n"));
	http_client_free(client);
}

struct aborted {
	struct http_client *client;
	unsigned port;
	int error;
};

static void *
ask_main(void *argument)
{
	struct aborted *aborted = argument;
	struct http_answer answer;

	aborted->error = ask_with(aborted->client, aborted->port, "/", 10 * PATIENCE_MS, &answer);
	return NULL;
}

static void
is_aborted_from_another_thread(void **state)
{
	struct stub_server server;

	(void)state;
	assert_true(stub_server_start(&server, &(struct stub_options){.is_kept_open = true}));
	for (unsigned i = 0; i < 20; i++) {
		struct aborted aborted = {.client = http_client_new(), .port = server.port};
		struct http_answer answer;
		unsigned accepted = atomic_load(&server.accepted);
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, ask_main, &aborted), 0);
		/* At whatever point it is: every other time the connection is up for certain. */
		if (i % 2 == 0)
			assert_true(stub_server_wait(&server, accepted + 1));
		http_client_abort(aborted.client);
		pthread_join(thread, NULL);
		assert_int_equal(aborted.error, SYNOD_CLOSED);
		assert_int_equal(ask_with(aborted.client, server.port, "/", PATIENCE_MS, &answer),
		                 SYNOD_CLOSED);
		http_client_free(aborted.client);
	}
	stub_server_stop(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_a_request_that_servers_understand),
		cmocka_unit_test(tells_the_status_and_its_words),
		cmocka_unit_test(knows_where_the_content_ends),
		cmocka_unit_test(ignores_what_exceeds_the_bound_of_the_content),
		cmocka_unit_test(fails_when_the_answer_is_malformed_or_cut_short),
		cmocka_unit_test(fails_when_a_head_has_no_end),
		cmocka_unit_test(gives_up_at_the_deadline),
		cmocka_unit_test(fails_when_nobody_listens),
		cmocka_unit_test(tries_one_address_after_the_other),
		cmocka_unit_test(is_aborted_from_another_thread),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
