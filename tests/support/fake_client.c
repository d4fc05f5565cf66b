/* Handles and members in a fake world, made and taken down in one call. */
#include "tests/support/fake_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"

struct setting *
setting_new(unsigned member_count)
{
	struct setting *setting = check_calloc(1, sizeof *setting);

	setting->world = fake_world_new(7);
	setting->ensemble = fake_ensemble_new();
	setting->member_count = member_count;
	for (unsigned i = 0; i < member_count; i++) {
		setting->members[i] =
			fake_member_new(setting->ensemble, fake_world_transport(setting->world),
		                        fake_world_clock(setting->world), ACTOR_MANUAL);
		fake_world_add_actor(setting->world, fake_member_actor(setting->members[i]));
	}
	return setting;
}

static void
on_state(void *context, enum synod_state state, unsigned remaining_ms)
{
	struct setting *setting = context;

	if (setting->state_count == SETTING_STATES_MAX)
		return;
	setting->states[setting->state_count] = state;
	setting->remaining_ms[setting->state_count++] = remaining_ms;
}

void
setting_open_at(struct setting *setting, const char *endpoints, unsigned timeout_ms)
{
	const struct environment environment = {
		.transport = fake_world_transport(setting->world),
		.clock = fake_world_clock(setting->world),
		.mode = ACTOR_MANUAL,
	};
	const struct synod_options options = {
		.endpoints = endpoints,
		.session_timeout_ms = timeout_ms,
		.on_state = on_state,
		.context = setting,
	};

	CHECK(handle_open(&environment, &options, &setting->synod) == SYNOD_OK);
	fake_world_add_actor(setting->world, setting->synod->session->actor);
}

void
setting_open(struct setting *setting, unsigned count, unsigned timeout_ms)
{
	char endpoints[256] = "";

	for (unsigned i = 0; i < count; i++) {
		size_t used = strlen(endpoints);

		snprintf(endpoints + used, sizeof endpoints - used, "%s%s", i > 0 ? "," : "",
		         fake_member_address(setting->members[i]));
	}
	setting_open_at(setting, endpoints, timeout_ms);
}

void
setting_close(struct setting *setting)
{
	if (setting->synod == NULL)
		return;
	handle_close(setting->synod);
	CHECK(fake_world_run_until(setting->world, &setting->synod->stopped.is_done, 5000));
	fake_world_remove_actor(setting->world, setting->synod->session->actor);
	handle_free(setting->synod);
	setting->synod = NULL;
}

void
setting_free(struct setting *setting)
{
	setting_close(setting);
	for (unsigned i = 0; i < setting->member_count; i++)
		fake_member_stop(setting->members[i]);
	while (fake_world_step(setting->world))
		continue;
	for (unsigned i = 0; i < setting->member_count; i++) {
		fake_world_remove_actor(setting->world, fake_member_actor(setting->members[i]));
		fake_member_free(setting->members[i]);
	}
	fake_ensemble_free(setting->ensemble);
	fake_world_free(setting->world);
	free(setting);
}

static void
copy_text(char *to, size_t size, const char *from)
{
	if (from != NULL)
		snprintf(to, size, "%s", from);
}

static void
copy_many(struct reply *reply, const struct synod_result *result)
{
	if (result->child_count > 0) {
		copy_text(reply->first, sizeof reply->first, result->children[0].path);
		copy_text(reply->last, sizeof reply->last,
		          result->children[result->child_count - 1].path);
	}
	if (result->change_count > 0) {
		copy_text(reply->first, sizeof reply->first, result->changes[0].path);
		copy_text(reply->last, sizeof reply->last,
		          result->changes[result->change_count - 1].path);
	}
}

void
reply_on_done(void *context, const struct synod_result *result)
{
	struct reply *reply = context;

	reply->is_done = true;
	reply->done_count++;
	reply->error = result->error;
	reply->revision = result->revision;
	reply->version = result->node.stat.version;
	reply->child_count = result->child_count;
	reply->change_count = result->change_count;
	reply->more = result->more;
	copy_text(reply->message, sizeof reply->message, result->message);
	copy_text(reply->data, sizeof reply->data, result->node.data);
	copy_many(reply, result);
}

void
setting_put(struct setting *setting, const char *path, unsigned timeout_ms, struct reply *reply)
{
	const struct synod_write_options options = {
		.call = {.done = reply_on_done, .context = reply, .timeout_ms = timeout_ms},
	};

	*reply = (struct reply){0};
	CHECK(synod_put(setting->synod, path, "x", 1, &options, NULL) == SYNOD_OK);
}

static struct synod_read_options
read_options(struct reply *reply)
{
	*reply = (struct reply){0};
	return (struct synod_read_options){.call = {.done = reply_on_done, .context = reply}};
}

void
setting_get(struct setting *setting, const char *path, enum synod_consistency consistency,
            unsigned timeout_ms, struct reply *reply)
{
	struct synod_read_options options = read_options(reply);

	options.consistency = consistency;
	options.call.timeout_ms = timeout_ms;
	CHECK(synod_get(setting->synod, path, &options, NULL) == SYNOD_OK);
}

void
setting_list(struct setting *setting, const char *path, uint64_t limit, struct reply *reply)
{
	struct synod_read_options options = read_options(reply);

	options.limit = limit;
	CHECK(synod_list(setting->synod, path, &options, NULL) == SYNOD_OK);
}

void
setting_log(struct setting *setting, const char *path, uint64_t limit, struct reply *reply)
{
	struct synod_read_options options = read_options(reply);

	options.limit = limit;
	CHECK(synod_log(setting->synod, path, &options, NULL) == SYNOD_OK);
}

int
setting_await(struct setting *setting, struct reply *reply, unsigned ms)
{
	return fake_world_run_until(setting->world, &reply->is_done, ms) ? reply->error : -1;
}
