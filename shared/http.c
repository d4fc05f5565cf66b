/* URLs of HTTP taken apart, as far as a GET needs it. */
#include "shared/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/error.h"

#define SCHEME       "http://"
#define DEFAULT_PORT "80"

static bool
is_printable_ascii(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

/* Whether HOST of LENGTH says a port: a colon after the brackets, if there are any. */
static bool
has_port(const char *host, size_t length)
{
	const char *bracket = memrchr(host, ']', length);
	const char *colon = memrchr(host, ':', length);

	return colon != NULL && (bracket == NULL || colon > bracket);
}

static int
parse_host(const char *host, size_t length, struct http_url *url, const char **why)
{
	char text[sizeof url->host + sizeof DEFAULT_PORT];

	*why = "the URL has no valid host and port";
	if (length == 0 || length >= sizeof url->host)
		return SYNOD_BAD_ARGUMENT;
	if (memchr(host, '@', length) != NULL) {
		*why = "the URL must not carry a user or a password";
		return SYNOD_BAD_ARGUMENT;
	}
	memcpy(url->host, host, length);
	url->host[length] = '\0';
	snprintf(text, sizeof text, "%s%s", url->host,
	         has_port(host, length) ? "" : ":" DEFAULT_PORT);
	if (address_parse(text, &url->address) != SYNOD_OK)
		return SYNOD_BAD_ARGUMENT;
	return strspn(url->address.port, "0") == strlen(url->address.port) ? SYNOD_BAD_ARGUMENT
	                                                                   : SYNOD_OK;
}

static int
parse_path(const char *path, struct http_url *url, const char **why)
{
	size_t length = strcspn(path, "#");
	const char *slash = path[0] == '/' ? "" : "/";

	if (length + strlen(slash) > HTTP_PATH_MAX) {
		*why = "the URL is too long";
		return SYNOD_BAD_ARGUMENT;
	}
	snprintf(url->path, sizeof url->path, "%s%.*s", slash, (int)length, path);
	return SYNOD_OK;
}

int
http_url_parse(const char *text, struct http_url *url, const char **why)
{
	const char *host = text + strlen(SCHEME);
	size_t length;
	int error;

	*why = "the URL has a space, a control character or one beyond ASCII";
	if (!is_printable_ascii(text))
		return SYNOD_BAD_ARGUMENT;
	*why = "https is not supported: use http, or a command such as curl";
	if (strncasecmp(text, "https:", strlen("https:")) == 0)
		return SYNOD_BAD_ARGUMENT;
	*why = "the URL does not begin with http://";
	if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
		return SYNOD_BAD_ARGUMENT;
	length = strcspn(host, "/?#");
	error = parse_host(host, length, url, why);
	return error == SYNOD_OK ? parse_path(host + length, url, why) : error;
}
