/*
 * The commands behind the changes: what the ensemble was told to do, and when by its
 * own time, as it is first applied anywhere.
 *
 * Taken where a member hands a command to its namespace: the linker puts the function
 * below in the place of namespace_apply() (rules.mk).
 */
#include <stdio.h>
#include <string.h>

#include "server/namespace/namespace.h"
#include "shared/check.h"
#include "shared/error.h"
#include "tests/sim/chronicle.h"
#include "tests/sim/living.h"
#include "tests/sim/run.h"

/* Of what makes nodes: where, and of which kind. */
static void
take_operation(struct commanded *to, const struct command *command)
{
	struct operation operation;

	if ((command->op != OP_CREATE && command->op != OP_PUT && command->op != OP_ACQUIRE) ||
	    operation_decode(command->op, command->body, &operation, NULL) != SYNOD_OK ||
	    operation.path.size >= sizeof to->path)
		return;
	memcpy(to->path, operation.path.bytes, operation.path.size);
	to->is_prefix = (operation.flags & OP_SEQUENTIAL) != 0;
	to->kind = operation.kind;
	to->brake_percent = operation.brake_percent;
}

static void
take_command(struct chronicle *chronicle, uint64_t slot, struct slice value,
             const struct applied *applied)
{
	struct command command;
	struct commanded *to;

	if (slot <= chronicle->commanded_slot || command_decode(value, &command) != SYNOD_OK)
		return;
	chronicle->commanded_slot = slot;
	LIVING_GROW(chronicle->commands, chronicle->command_count, chronicle->command_capacity);
	to = &chronicle->commands[chronicle->command_count++];
	*to = (struct commanded){
		.slot = slot,
		.uptime_ms = command.uptime_ms,
		.type = command.type,
		.op = command.type == COMMAND_CLIENT ? command.op : 0,
		.session = command.session,
		.error = applied->error,
		.opened = applied->session_opened,
		.timeout_ms = applied->timeout_ms,
	};
	if (to->op != 0)
		take_operation(to, &command);
}

const struct commanded *
chronicle_command(const struct chronicle *chronicle, uint64_t slot)
{
	size_t low = 0, high = chronicle->command_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chronicle->commands[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low < chronicle->command_count && chronicle->commands[low].slot == slot
	               ? &chronicle->commands[low]
	               : NULL;
}

int __real_namespace_apply(struct namespace *namespace, uint64_t slot, struct slice value,
                           struct applied *applied, struct buffer *result);
int __wrap_namespace_apply(struct namespace *namespace, uint64_t slot, struct slice value,
                           struct applied *applied, struct buffer *result);

/* A crash in the middle of it: then whoever applies the command next is the first. */
int
__wrap_namespace_apply(struct namespace *namespace, uint64_t slot, struct slice value,
                       struct applied *applied, struct buffer *result)
{
	struct world *world = run_world();
	int error = __real_namespace_apply(namespace, slot, value, applied, result);

	if (error == SYNOD_OK && world != NULL && world->options.living > 0)
		take_command(world->living->chronicle, slot, value, applied);
	return error;
}
