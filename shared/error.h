/* Error codes and their texts, from errors.def. */
#ifndef SHARED_ERROR_H
#define SHARED_ERROR_H

/* The public header defines the same codes; tests/unit/shared/error.c proves them equal. */
#ifndef SYNOD_ERROR_CODES
#define SYNOD_ERROR_CODES
enum synod_error {
#define ERROR(name, number, exit, text, hint) SYNOD_##name = (number),
#include "shared/errors.def"
#undef ERROR
};
#endif

/* The constant's name without its prefix, "NOT_FOUND"; "?" for a number that is no error. */
const char *error_name(int error);

/* What happened, in words that can follow "PATH: ". */
const char *error_text(int error);

/* What the reader should do next. */
const char *error_hint(int error);

/* The command line's exit code for this error. */
int error_exit_code(int error);

/* True if NUMBER is one of the codes. */
int error_is_known(int number);

#endif
