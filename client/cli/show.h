/* Ways of showing nodes that several commands share. */
#ifndef CLIENT_CLI_SHOW_H
#define CLIENT_CLI_SHOW_H

#include "client/cli/cli.h"
#include "client/cli/table.h"

/* The stat of the node at PATH as lines "key: value". */
void show_stat(const char *path, const struct synod_node *node);

/* Columns of a long listing; the first is the name. */
#define NODE_COLUMN_COUNT 6
extern const struct table_column node_columns[NODE_COLUMN_COUNT];

/* Append the row of NODE, its name already printable. */
void node_row(struct table *table, const char *name, const struct synod_stat *stat);

/* "ephemeral", ... and "created", ...: static texts. */
const char *node_kind_name(enum synod_node_kind kind);
const char *change_kind_name(enum synod_change_kind kind);

/* One line, or with --json one object. */
void show_change(const struct cli *cli, const struct synod_change *change);

#endif
