/* Checks over the network: is a connection taken, does a server answer well. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/discovery/check_run.h"
#include "shared/error.h"

#define STATUS_TOO_MANY_REQUESTS 429

enum synod_health
check_run_http(struct check_run *run)
{
	struct address_number numbers[CHECK_ADDRESSES_MAX];
	struct http_answer answer;
	struct http_url url;
	const char *why;
	unsigned count;
	int error;

	if (http_url_parse(run->check->target, &url, &why) != SYNOD_OK)
		return check_run_fail(run, "%s", why);
	check_run_resolve(run, &url.address, numbers, &count);
	if (count == 0)
		return SYNOD_CRITICAL;
	error = http_get(run->http, &url, numbers, count, (unsigned)check_run_left_ms(run),
	                 &answer);
	if (error == SYNOD_TIMEOUT)
		return check_run_late(run);
	if (error != SYNOD_OK)
		return check_run_fail(run, "%s", answer.words);
	check_run_say(run, "HTTP %u %s", answer.status, answer.words);
	if (answer.status >= 200 && answer.status <= 299)
		return SYNOD_PASSING;
	return answer.status == STATUS_TOO_MANY_REQUESTS ? SYNOD_WARNING : SYNOD_CRITICAL;
}

/* A socket that is on its way to NUMBER, or -1 and errno. */
static int
start_connecting(const struct address_number *number)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	                         .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *info;
	struct address address;
	int fd, error;

	errno = EADDRNOTAVAIL;
	if (address_parse(number->text, &address) != SYNOD_OK ||
	    getaddrinfo(address.host, address.port, &hints, &info) != 0)
		return -1;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, info->ai_addr, info->ai_addrlen) != 0 && errno != EINPROGRESS) {
		error = errno;
		close(fd);
		errno = error;
		fd = -1;
	}
	error = errno;
	freeaddrinfo(info);
	errno = error;
	return fd;
}

static enum synod_health
fail_connecting(struct check_run *run, int error)
{
	return check_run_fail(run, "no connection: %s", strerrordesc_np(error));
}

/* *MAY_GO_ON: another address may be tried. */
static enum synod_health
try_connecting(struct check_run *run, const struct address_number *number, bool *may_go_on)
{
	int fd = start_connecting(number);
	socklen_t size = sizeof(int);
	enum check_wait wait;
	int error = 0;

	*may_go_on = true;
	if (fd < 0)
		return fail_connecting(run, errno);
	wait = check_run_wait(run, fd, POLLOUT);
	if (wait == CHECK_READY && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	close(fd);
	*may_go_on = wait == CHECK_READY;
	if (wait != CHECK_READY)
		return check_run_late(run);
	if (error != 0)
		return fail_connecting(run, error);
	check_run_say(run, "connected to %s", number->text);
	return SYNOD_PASSING;
}

enum synod_health
check_run_tcp(struct check_run *run)
{
	struct address_number numbers[CHECK_ADDRESSES_MAX];
	enum synod_health outcome = SYNOD_CRITICAL;
	struct address address;
	bool may_go_on = true;
	unsigned count;

	if (address_parse(run->check->target, &address) != SYNOD_OK)
		return check_run_fail(run, "the target is not HOST:PORT");
	check_run_resolve(run, &address, numbers, &count);
	for (unsigned i = 0; i < count && may_go_on && outcome != SYNOD_PASSING; i++)
		outcome = try_connecting(run, &numbers[i], &may_go_on);
	return outcome;
}
