/* The calls of a registration: what each phase asks of the ensemble. */
#include "client/discovery/registration.h"

#define LOOK_MS 5000 /* who deregisters may have to wait for it */

/* The record becomes this session's. */
static struct synod_write_options
placing(const struct synod_call *call)
{
	return (struct synod_write_options){
		.call = *call, .want_stat = true, .kind = SYNOD_EPHEMERAL};
}

/* Only if it is OWNER's.  CONDITION lives as long as OPTIONS. */
static void
demand_owner(struct synod_write_options *options, struct synod_condition *condition, uint64_t owner)
{
	*condition = (struct synod_condition){
		.kind = SYNOD_IF_OWNER, .relation = SYNOD_EQUAL, .number = owner};
	options->conditions = condition;
	options->condition_count = 1;
}

static int
call_claim(struct synod_service *service, const struct attempt *attempt,
           const struct synod_call *call)
{
	const struct synod_write_options options = placing(call);

	return synod_put(service->synod, service->path, attempt->text.bytes, attempt->text.size,
	                 &options, NULL);
}

static int
call_look(struct synod_service *service, const struct attempt *attempt,
          const struct synod_call *call)
{
	struct synod_read_options options = {.call = *call};

	(void)attempt;
	options.call.timeout_ms = LOOK_MS;
	return synod_get(service->synod, service->path, &options, NULL);
}

static int
call_create(struct synod_service *service, const struct attempt *attempt,
            const struct synod_call *call)
{
	const struct synod_write_options options = placing(call);

	return synod_create(service->synod, service->path, attempt->text.bytes, attempt->text.size,
	                    &options, NULL);
}

static int
call_take(struct synod_service *service, const struct attempt *attempt,
          const struct synod_call *call)
{
	struct synod_write_options options = placing(call);
	struct synod_condition condition;

	demand_owner(&options, &condition, attempt->owner);
	return synod_put(service->synod, service->path, attempt->text.bytes, attempt->text.size,
	                 &options, NULL);
}

static int
call_parent(struct synod_service *service, const struct attempt *attempt,
            const struct synod_call *call)
{
	const struct synod_write_options options = {
		.call = *call,
		.make_parents = true,
		.kind = SYNOD_SERVICE,
		.brake_percent = service->options.brake_percent,
	};
	char path[SERVICE_PATH_SIZE];

	(void)attempt;
	record_path(path, service->service, NULL);
	return synod_create(service->synod, path, NULL, 0, &options, NULL);
}

static int
call_update(struct synod_service *service, const struct attempt *attempt,
            const struct synod_call *call)
{
	struct synod_write_options options = {.call = *call};
	struct synod_condition condition;

	demand_owner(&options, &condition, attempt->owner);
	return synod_set(service->synod, service->path, attempt->text.bytes, attempt->text.size,
	                 &options, NULL);
}

static int
call_leave(struct synod_service *service, const struct attempt *attempt,
           const struct synod_call *call)
{
	struct synod_write_options options = {.call = *call};
	struct synod_condition condition;

	demand_owner(&options, &condition, attempt->owner);
	return synod_delete(service->synod, service->path, &options, NULL);
}

static const struct {
	int (*call)(struct synod_service *service, const struct attempt *attempt,
	            const struct synod_call *call);
	bool writes;
} phases[] = {
	[PHASE_CLAIM] = {call_claim, true},    [PHASE_LOOK] = {call_look, false},
	[PHASE_CREATE] = {call_create, true},  [PHASE_TAKE] = {call_take, true},
	[PHASE_PARENT] = {call_parent, false}, [PHASE_HOLD] = {call_update, true},
	[PHASE_LEAVE] = {call_leave, false},   [PHASE_OVER] = {NULL, false},
};

bool
registration_writes(enum phase phase)
{
	return phases[phase].writes;
}

int
registration_call(struct synod_service *service, const struct attempt *attempt,
                  const struct synod_call *call)
{
	return phases[attempt->phase].call(service, attempt, call);
}
