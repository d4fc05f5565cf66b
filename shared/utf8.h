/* Validation of UTF-8 (RFC 3629). */
#ifndef SHARED_UTF8_H
#define SHARED_UTF8_H

#include <stdbool.h>

#include "shared/buffer.h"

/* True if TEXT is well formed: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(struct slice text);

#endif
