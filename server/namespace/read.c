/* Reads on the present state. */
#include "server/namespace/internal.h"
#include "shared/error.h"

int
namespace_read(struct namespace *namespace, uint8_t op, struct slice body, int *error,
               uint64_t *revision, struct buffer *result)
{
	struct answer answer = {.result = result};
	struct operation operation;
	const char *why = NULL;
	size_t start = result->size;
	int code;

	*revision = namespace->revision;
	if (op_class(op) != OP_CLASS_READ)
		code = SYNOD_UNSUPPORTED;
	else
		code = operation_decode(op, body, &operation, &why);
	if (code != SYNOD_OK) {
		answer_error(&answer, code, why);
	} else {
		code = operation_run(namespace, &operation, &answer);
		if (code != SYNOD_OK)
			return code;
	}
	answer_finish(&answer, start);
	*error = answer.error;
	return SYNOD_OK;
}
