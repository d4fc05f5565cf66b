/* Names of hosts turned into numbers, for a check that must not wait for the system's resolver. */
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/discovery/check_run.h"
#include "shared/error.h"

/* Threads that may wait for the resolver at a time, in the whole program. */
#define LOOKUPS_MAX 32

struct lookup {
	atomic_uint references; /* the run's and the thread's */
	struct address address;
	int done_fd; /* readable once the rest is there */
	struct address_number numbers[CHECK_ADDRESSES_MAX];
	atomic_uint count;
};

static atomic_uint lookup_count;

static void
release(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->references, 1) > 1)
		return;
	close(lookup->done_fd);
	free(lookup);
}

static void *
lookup_main(void *argument)
{
	struct lookup *lookup = argument;

	unsigned count;

	/* On failure the count is 0, which says it all. */
	(void)address_resolve(&lookup->address, lookup->numbers, CHECK_ADDRESSES_MAX, &count);
	atomic_store(&lookup->count, count);
	eventfd_write(lookup->done_fd, 1);
	release(lookup);
	atomic_fetch_sub(&lookup_count, 1);
	return NULL;
}

/* NULL when there is no memory, descriptor or thread for it. */
static struct lookup *
lookup_start(const struct address *address)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);
	pthread_t thread;

	if (lookup == NULL)
		return NULL;
	lookup->address = *address;
	lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_init(&lookup->references, 2);
	if (lookup->done_fd < 0) {
		free(lookup);
		return NULL;
	}
	if (atomic_fetch_add(&lookup_count, 1) < LOOKUPS_MAX &&
	    check_thread_start(&thread, true, lookup_main, lookup) == 0)
		return lookup;
	atomic_fetch_sub(&lookup_count, 1);
	close(lookup->done_fd);
	free(lookup);
	return NULL;
}

static void
resolve_name(struct check_run *run, const struct address *address, struct address_number *numbers,
             unsigned *count)
{
	struct lookup *lookup = lookup_start(address);
	enum check_wait wait;

	if (lookup == NULL) {
		check_run_fail(run, "cannot look up %s: too much is going on", address->host);
		return;
	}
	wait = check_run_wait(run, lookup->done_fd, POLLIN);
	if (wait == CHECK_READY) {
		*count = atomic_load(&lookup->count);
		memcpy(numbers, lookup->numbers, *count * sizeof *numbers);
		check_run_fail(run, "the name %s is not known", address->host);
	} else {
		check_run_fail(run, "the name %s was not resolved within %u ms", address->host,
		               run->check->timeout_ms);
	}
	release(lookup);
}

void
check_run_resolve(struct check_run *run, const struct address *address,
                  struct address_number *numbers, unsigned *count)
{
	*count = 0;
	if (!address->is_number)
		resolve_name(run, address, numbers, count);
	else if (address_resolve(address, numbers, CHECK_ADDRESSES_MAX, count) != SYNOD_OK)
		check_run_fail(run, "the address %s cannot be used", address->host);
}
