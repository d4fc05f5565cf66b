/* A handle of the client library and its members in a fake world. */
#ifndef TESTS_SUPPORT_FAKE_CLIENT_H
#define TESTS_SUPPORT_FAKE_CLIENT_H

#include "client/handle.h"
#include "tests/support/fake_member.h"
#include "tests/support/fake_world.h"

#define SETTING_MEMBERS_MAX 3
#define SETTING_STATES_MAX  64
#define SETTING_TEXT_SIZE   512

struct setting {
	struct fake_world *world;
	struct fake_ensemble *ensemble;
	struct fake_member *members[SETTING_MEMBERS_MAX];
	unsigned member_count;
	struct synod *synod;
	/* Every state reported, and the milliseconds with it. */
	enum synod_state states[SETTING_STATES_MAX];
	unsigned remaining_ms[SETTING_STATES_MAX];
	unsigned state_count;
};

/* The outcome of an asynchronous call. */
struct reply {
	bool is_done;
	unsigned done_count;
	int error;
	uint64_t revision;
	uint64_t version;
	size_t child_count;
	size_t change_count;
	bool more;
	char message[SETTING_TEXT_SIZE];
	char first[64]; /* children's names, or changes' paths */
	char last[64];
	char data[64];
};

struct setting *setting_new(unsigned member_count);

/* Open the handle with these members' addresses (the first COUNT); TIMEOUT_MS of the session, 0:
 * the default. */
void setting_open(struct setting *setting, unsigned count, unsigned timeout_ms);
void setting_open_at(struct setting *setting, const char *endpoints, unsigned timeout_ms);

/* Close the handle and let the world run until it is gone. */
void setting_close(struct setting *setting);
void setting_free(struct setting *setting);

/* Start a call.  It is made when this returns; its outcome goes to REPLY. */
void setting_put(struct setting *setting, const char *path, unsigned timeout_ms,
                 struct reply *reply);
void setting_get(struct setting *setting, const char *path, enum synod_consistency consistency,
                 unsigned timeout_ms, struct reply *reply);
void setting_list(struct setting *setting, const char *path, uint64_t limit, struct reply *reply);
void setting_log(struct setting *setting, const char *path, uint64_t limit, struct reply *reply);

/* Let at most MS pass until the outcome is there; its error, or -1. */
int setting_await(struct setting *setting, struct reply *reply, unsigned ms);

/* The callback of the calls above; the context is a struct reply. */
void reply_on_done(void *context, const struct synod_result *result);

#endif
