/* Shows changes of nodes: one line, or one JSON object, each. */
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/escape.h"
#include "client/cli/json.h"
#include "client/cli/show.h"

#define PREVIEW_WIDTH 60

const char *
change_kind_name(enum synod_change_kind kind)
{
	switch (kind) {
	case SYNOD_CREATED: return "created";
	case SYNOD_MODIFIED: return "modified";
	case SYNOD_DELETED: return "deleted";
	case SYNOD_GRANTED: return "granted";
	}
	return "?";
}

static void
show_change_json(const struct synod_change *change)
{
	cJSON *json = json_object();

	json_add_number(json, "revision", change->revision);
	json_add_number(json, "ordinal", change->ordinal);
	json_add_text(json, "kind", change_kind_name(change->kind));
	json_add_text(json, "path", change->path);
	json_add_number(json, "version", change->version);
	json_add_number(json, "owner", change->owner);
	json_add_text(json, "cause", synod_cause_name(change->cause));
	if (change->previous_owner)
		json_add_number(json, "previous_owner", change->previous_owner);
	json_add_data(json, "data", change->data, change->size);
	json_print(json);
}

void
show_change(const struct cli *cli, const struct synod_change *change)
{
	char *preview;

	if (cli->json) {
		show_change_json(change);
		return;
	}
	printf("%" PRIu64 " %-8s ", change->revision, change_kind_name(change->kind));
	cli_print_name(change->path);
	if (change->kind != SYNOD_DELETED) {
		preview = escape_preview(change->data, change->size, PREVIEW_WIDTH);
		printf(" %" PRIu64 " %s", change->version, preview);
		free(preview);
	}
	if (change->cause != SYNOD_CAUSE_REQUEST)
		printf(" (%s)", synod_cause_name(change->cause));
	putchar('\n');
}
