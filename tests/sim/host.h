/*
 * A host: one process of the world, a member or a client, over the life of all
 * its incarnations, with its clock, its disk and its place in the network.
 *
 * Nothing of a process runs by itself.  What arrives for it only wakes it; its
 * actors run in events of their own, each after a delay that the seed decides, so
 * every order between the actors of one process and of all others is possible.
 *
 * A crash runs no code of the process: what it had in memory is abandoned, its
 * open files and connections are closed by the world.
 */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

#include "shared/clock.h"
#include "shared/transport.h"
#include "tests/sim/world.h"

struct member;
struct synod;
struct sim_disk;
struct sim_listener;
struct client;

enum escape_kind {
	ESCAPE_POWER = 1, /* the power went in the middle of a disk operation */
	ESCAPE_FATAL,     /* the member stopped itself */
	ESCAPE_ABORT,     /* CHECK, or worse */
};

struct host {
	struct transport transport; /* first */
	struct clock clock;
	struct world *world;
	unsigned index;
	bool is_member;
	char name[16];
	char directory[32];
	struct random random;

	bool is_up;
	bool is_powered; /* the system answers a dial, if only to refuse it */
	uint64_t incarnation;
	uint64_t paused_until_us;
	bool is_stopping;    /* in good order */
	uint64_t stopped_us; /* and then stays down for so long */

	uint64_t local_base_us;  /* its clock showed this ... */
	uint64_t local_since_us; /* ... at this time of the world */
	int64_t rate_ppm;
	int64_t wall_offset_ms;

	bool is_strand_due, is_recorder_due, is_executor_due;
	uint64_t slow_disk_until_us, slow_disk_us;
	uint64_t slow_executor_until_us, slow_executor_us;

	struct sim_listener *listeners;

	struct member *member;
	struct sim_disk *disk;
	bool was_started;
	bool is_wiped;           /* must be kept out by the others */
	bool is_rotten;          /* something on its disk has changed: it may refuse to start */
	bool is_quarantined;     /* it did */
	bool may_forget;         /* it may have lost what it promised, and cannot know */
	bool has_database_fault; /* its database is damaged before the next start */
	bool is_database_bad;    /* it was */
	bool has_disk_fault;     /* an error was injected: it may stop */
	char why[1200];          /* why it stopped last */

	struct synod *handle;
	struct client *client;
};

struct host *host_new(struct world *world, unsigned index, bool is_member);
void host_free(struct host *host);

void host_start(struct host *host);
/* The process vanishes; with POWER the whole machine does. */
void host_crash(struct host *host, bool is_power);
void host_pause(struct host *host, uint64_t us);
/* As after SIGTERM: the member hands over and closes, and starts again when it has been down for
 * US.
 */
void host_stop(struct host *host, uint64_t us);
/* Something was posted to it. */
void host_wake(struct host *host);
/* After a siglongjmp() to world->escape. */
void host_on_escape(struct world *world);
_Noreturn void host_escape(struct host *host, enum escape_kind kind);

uint64_t host_now_us(struct host *host); /* by its own clock */
void host_set_rate(struct host *host, int64_t rate_ppm);
bool host_is_paused(struct host *host);
/* While it is, look again after this long: a pause may end earlier than was meant. */
uint64_t host_deferral_us(struct host *host);

struct timer *host_timer_new(struct transport *transport, void (*fire)(void *context),
                             void *context);
void host_timer_set(struct timer *timer, unsigned delay_ms);
void host_timer_free(struct timer *timer);

#endif
