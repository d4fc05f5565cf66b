/* URLs of HTTP, taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "shared/error.h"
#include "shared/http.h"

static void
takes_urls_apart(void **state)
{
	static const struct {
		const char *url, *host, *port, *header, *path;
	} cases[] = {
		{"http://a.example", "a.example", "80", "a.example", "/"},
		{"http://a.example/", "a.example", "80", "a.example", "/"},
		{"HTTP://a.example:8080/x/y?z=1", "a.example", "8080", "a.example:8080",
	         "/x/y?z=1"},
		{"http://a.example?z=1", "a.example", "80", "a.example", "/?z=1"},
		{"http://a.example/x#part", "a.example", "80", "a.example", "/x"},
		{"http://a.example#part", "a.example", "80", "a.example", "/"},
		{"http://127.0.0.1:1/", "127.0.0.1", "1", "127.0.0.1:1", "/"},
		{"http://[::1]/x", "::1", "80", "[::1]", "/x"},
		{"http://[::1]:65535/x@y:z", "::1", "65535", "[::1]:65535", "/x@y:z"},
	};
	struct http_url url;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(http_url_parse(cases[i].url, &url, &why), SYNOD_OK);
		assert_string_equal(url.address.host, cases[i].host);
		assert_string_equal(url.address.port, cases[i].port);
		assert_string_equal(url.host, cases[i].header);
		assert_string_equal(url.path, cases[i].path);
	}
}

static void
refuses_what_is_no_url_and_says_why(void **state)
{
	static const struct {
		const char *url, *why;
	} cases[] = {
		{"", "begin"},
		{"a.example", "begin"},
		{"ftp://a.example", "begin"},
		{"http:/a.example", "begin"},
		{"https://a.example", "https"},
		{"HTTPS://a.example", "https"},
		{"http://", "host"},
		{"http:///x", "host"},
		{"http://:80", "host"},
		{"http://a:", "host"},
		{"http://a:0", "host"},
		{"http://a:65536", "host"},
		{"http://a:b", "host"},
		{"http://::1/", "host"},
		{"http://[::1/", "host"},
		{"http://[a.example]/", "host"},
		{"http://[::1]x/", "host"},
		{"http://u:p@a.example/", "password"},
		{"http://a.example/x y", "space"},
		{"http://a.example/x\r\nHost: b", "space"},
		{"http://a.example/\xc3\xa4", "beyond"},
	};
	struct http_url url;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(http_url_parse(cases[i].url, &url, &why), SYNOD_BAD_ARGUMENT);
		assert_non_null(strstr(why, cases[i].why));
	}
}

static void
refuses_urls_beyond_its_bounds(void **state)
{
	char text[2 * HTTP_PATH_MAX] = "http://a";
	struct http_url url;
	const char *why;

	(void)state;
	memset(text + 8, 'x', 300);
	assert_int_equal(http_url_parse(text, &url, &why), SYNOD_BAD_ARGUMENT);

	memset(text, 0, sizeof text);
	strcpy(text, "http://a/");
	memset(text + 9, 'x', HTTP_PATH_MAX - 1);
	assert_int_equal(http_url_parse(text, &url, &why), SYNOD_OK);
	assert_int_equal(strlen(url.path), HTTP_PATH_MAX);
	text[9 + HTTP_PATH_MAX - 1] = 'x';
	assert_int_equal(http_url_parse(text, &url, &why), SYNOD_BAD_ARGUMENT);
	assert_non_null(strstr(why, "long"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_urls_apart),
		cmocka_unit_test(refuses_what_is_no_url_and_says_why),
		cmocka_unit_test(refuses_urls_beyond_its_bounds),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
