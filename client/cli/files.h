/* Rules that import and export share: how nodes and files correspond. */
#ifndef CLIENT_CLI_FILES_H
#define CLIENT_CLI_FILES_H

#include <stddef.h>
#include <stdint.h>

/* In the directory of a node that has both children and data, the file that holds the data. */
#define FILES_DATA_NAME     ".synod-data"

#define FILES_DATA_SIZE_MAX (1u << 20) /* what a node can hold */

/* Why no node can be called NAME: a static text, or NULL when one can. */
const char *files_name_problem(const char *name);

/* PARENT/NAME, to be freed. */
char *files_join(const char *parent, const char *name);

enum files_read {
	FILES_READ,
	FILES_MISSING,
	FILES_TOO_LARGE,
	FILES_NOT_REGULAR,
	FILES_FAILED, /* see errno */
};

/* Read the regular file NAME into *BYTES (to be freed when FILES_READ).  A symbolic link is
 * followed only with FOLLOW. */
enum files_read files_read(const char *name, int follow, uint8_t **bytes, size_t *size);

#endif
