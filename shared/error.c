/* What the error codes say, read off errors.def. */
#include "shared/error.h"

#include <stddef.h>

struct error_row {
	int number;
	int exit_code;
	const char *name;
	const char *text;
	const char *hint;
};

static const struct error_row error_rows[] = {
#define ERROR(name, number, exit, text, hint) {(number), (exit), #name, (text), (hint)},
#include "shared/errors.def"
#undef ERROR
};

static const struct error_row unknown_row = {
	-1,
	1,
	"?",
	"an error that this program does not know",
	"the other program is newer: upgrade this one",
};

static const struct error_row *
error_row(int error)
{
	for (size_t i = 0; i < sizeof error_rows / sizeof error_rows[0]; i++) {
		if (error_rows[i].number == error)
			return &error_rows[i];
	}
	return &unknown_row;
}

const char *
error_name(int error)
{
	return error_row(error)->name;
}

const char *
error_text(int error)
{
	return error_row(error)->text;
}

const char *
error_hint(int error)
{
	return error_row(error)->hint;
}

int
error_exit_code(int error)
{
	return error_row(error)->exit_code;
}

int
error_is_known(int number)
{
	return error_row(number) != &unknown_row;
}
