/* What the commands of discovery say when something is not there. */
#ifndef CLIENT_CLI_SERVICES_H
#define CLIENT_CLI_SERVICES_H

#include "client/cli/cli.h"

/*
 * There is no instance of SERVICE, or, with ID, not that one: say which of the two is missing and
 * what was perhaps meant.  The handle is open.  Returns the exit code.
 */
int fail_missing(struct cli *cli, const char *service, const char *id);

#endif
