/*
 * Fields of a positional array, of which trailing ones may be missing (an older
 * peer wrote them) or unknown (a newer one did).
 *
 * Enter the array, read the fields in their order, leave.  A missing field reads
 * as zero or absent; a missing required one fails the cursor; unknown ones are
 * checked and skipped.
 */
#ifndef SHARED_FIELDS_H
#define SHARED_FIELDS_H

#include "shared/pack.h"

struct fields {
	struct cursor *cursor;
	uint32_t left; /* still to be read */
};

static inline struct fields
fields_enter(struct cursor *cursor, uint32_t required)
{
	struct fields fields = {cursor, cursor_array(cursor)};

	if (fields.left < required)
		cursor_fail(cursor);
	return fields;
}

/* Count one field as read; true if it is there for the caller to read from the cursor. */
static inline bool
fields_next(struct fields *fields)
{
	if (fields->left == 0)
		return false;
	fields->left--;
	return true;
}

static inline void
fields_leave(struct fields *fields)
{
	cursor_skip(fields->cursor, fields->left);
	cursor_leave(fields->cursor);
}

/* A number of at most MAX; a larger one fails the cursor. */
static inline uint64_t
field_number(struct fields *fields, uint64_t max)
{
	uint64_t number = fields_next(fields) ? cursor_u64(fields->cursor) : 0;

	if (number > max) {
		cursor_fail(fields->cursor);
		return 0;
	}
	return number;
}

static inline uint64_t
field_u64(struct fields *fields)
{
	return field_number(fields, UINT64_MAX);
}

static inline struct slice
field_string(struct fields *fields)
{
	return fields_next(fields) ? cursor_string(fields->cursor) : (struct slice){NULL, 0};
}

static inline struct slice
field_binary(struct fields *fields)
{
	return fields_next(fields) ? cursor_binary(fields->cursor) : (struct slice){NULL, 0};
}

/* A string, or nil for none. */
static inline struct slice
field_optional_string(struct fields *fields)
{
	if (!fields_next(fields) || cursor_nil(fields->cursor))
		return (struct slice){NULL, 0};
	return cursor_string(fields->cursor);
}

#endif
