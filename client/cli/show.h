/* Ways of showing nodes that several commands share. */
#ifndef CLIENT_CLI_SHOW_H
#define CLIENT_CLI_SHOW_H

#include "client/cli/table.h"
#include "client/synod.h"

/* The stat of the node at PATH as lines "key: value". */
void show_stat(const char *path, const struct synod_node *node);

/* Columns of a long listing; the first is the name. */
#define NODE_COLUMN_COUNT 6
extern const struct table_column node_columns[NODE_COLUMN_COUNT];

/* Append the row of NODE, its name already printable. */
void node_row(struct table *table, const char *name, const struct synod_stat *stat);

#endif
