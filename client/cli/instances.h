/* Instances of services: as rows of a table, as JSON, and how two lists of them differ. */
#ifndef CLIENT_CLI_INSTANCES_H
#define CLIENT_CLI_INSTANCES_H

#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/discovery.h"

#define INSTANCE_COLUMN_COUNT 7

extern const struct table_column instance_columns[INSTANCE_COLUMN_COUNT];

/* The cells of one row, without its end. */
void instance_row(struct table *table, const struct synod_instance *instance);

/* The same in one line, single blanks between them, without its end. */
void instance_print(const struct synod_instance *instance);

cJSON *instance_json(const struct synod_instance *instance);

/* "a,b" and "name=value,...", or "-": to be freed.  Control characters are escaped. */
char *tags_text(const struct synod_instance *instance);
char *metadata_text(const struct synod_instance *instance);

/*
 * Tell how NEW differs from OLD (may be NULL), both in the order of ids: KIND is "added",
 * "changed" or "removed" (then INSTANCE is the old one).  Revisions and owners do not count.
 */
void instances_compare(const struct synod_instances *old, const struct synod_instances *new,
                       void (*tell)(void *context, const char *kind,
                                    const struct synod_instance *instance),
                       void *context);

#endif
