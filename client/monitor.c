/* Waiting for callbacks, in the library's threads or the application's loop. */
#include "client/monitor.h"

#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
monitor_init(struct monitor *monitor, struct synod *synod)
{
	*monitor = (struct monitor){.synod = synod, .synod_fd = synod_fd(synod), .wake_fd = -1};
	if (monitor->synod_fd >= 0) {
		monitor->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (monitor->wake_fd < 0)
			return SYNOD_NO_MEMORY;
	}
	pthread_mutex_init(&monitor->mutex, NULL);
	pthread_cond_init(&monitor->changed, NULL);
	return SYNOD_OK;
}

void
monitor_fini(struct monitor *monitor)
{
	if (monitor->wake_fd >= 0)
		close(monitor->wake_fd);
	pthread_cond_destroy(&monitor->changed);
	pthread_mutex_destroy(&monitor->mutex);
}

void
monitor_lock(struct monitor *monitor)
{
	pthread_mutex_lock(&monitor->mutex);
}

void
monitor_unlock(struct monitor *monitor)
{
	pthread_mutex_unlock(&monitor->mutex);
}

void
monitor_signal(struct monitor *monitor)
{
	pthread_cond_signal(&monitor->changed);
	if (monitor->wake_fd >= 0)
		(void)!eventfd_write(monitor->wake_fd, 1);
}

/* Another thread may dispatch what this one waits for: its signal comes through wake_fd. */
static void
dispatch(struct monitor *monitor)
{
	struct pollfd fds[] = {
		{.fd = monitor->synod_fd, .events = POLLIN},
		{.fd = monitor->wake_fd, .events = POLLIN},
	};
	eventfd_t count;

	poll(fds, 2, -1);
	(void)!eventfd_read(monitor->wake_fd, &count);
	synod_dispatch(monitor->synod);
}

void
monitor_wait(struct monitor *monitor)
{
	if (monitor->synod_fd < 0) {
		pthread_cond_wait(&monitor->changed, &monitor->mutex);
		return;
	}
	monitor_unlock(monitor);
	dispatch(monitor);
	monitor_lock(monitor);
}
