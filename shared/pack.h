/*
 * The one door to MessagePack.
 *
 * Writing uses msgpack-c's packer.  Reading never does: msgpack-c's unpacker
 * reserves memory for a count before the elements arrive, so five hostile bytes
 * ask it for gigabytes (msgpack-c issues 985 and 1013).  Everything from outside
 * is read by the cursor below.  It allocates nothing, copies nothing, and
 * refuses: counts larger than the bytes that remain, nesting beyond
 * PACK_DEPTH_MAX, extension types, floating point, reserved codes, and non-UTF-8
 * strings when asked for a string.
 *
 * A cursor is sticky: after the first error every call returns zero values, and
 * cursor_finish() tells.  So a decoder reads all its fields and checks once.
 *
 * Format: github.com/msgpack/msgpack/blob/master/spec.md.
 */
#ifndef SHARED_PACK_H
#define SHARED_PACK_H

#include <stdbool.h>

#include "shared/buffer.h"

#define PACK_DEPTH_MAX 8

/* ---- writing, appended to a buffer ---- */

void pack_array(struct buffer *buffer, uint32_t count);
void pack_nil(struct buffer *buffer);
void pack_bool(struct buffer *buffer, bool value);
void pack_u64(struct buffer *buffer, uint64_t value);
void pack_i64(struct buffer *buffer, int64_t value);
void pack_string(struct buffer *buffer, struct slice text);
void pack_binary(struct buffer *buffer, struct slice bytes); /* nil when bytes.bytes is NULL */

/* Bytes that are already one packed element. */
void pack_raw(struct buffer *buffer, struct slice packed);

/* ---- reading ---- */

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	uint8_t depth; /* arrays open around the cursor */
	bool failed;
};

void cursor_init(struct cursor *cursor, struct slice bytes);

/* Enter an array; its element count, never more than the bytes that remain.  Leave it with
 * cursor_leave() after its elements have been read or skipped. */
uint32_t cursor_array(struct cursor *cursor);
void cursor_leave(struct cursor *cursor);

bool cursor_is_nil(const struct cursor *cursor); /* the next element is nil; it is not read */
bool cursor_nil(struct cursor *cursor);          /* read it if it is nil, and say so */
bool cursor_bool(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);        /* any non-negative integer */
int64_t cursor_i64(struct cursor *cursor);         /* any integer that fits */
struct slice cursor_string(struct cursor *cursor); /* str, valid UTF-8 */
struct slice cursor_binary(struct cursor *cursor); /* bin; nil gives {NULL, 0} */
struct slice cursor_raw(struct cursor *cursor);    /* one whole element, checked, not decoded */
void cursor_skip(struct cursor *cursor, uint32_t count); /* COUNT whole elements */

/* Mark as failed, for a caller that finds a value out of its range. */
void cursor_fail(struct cursor *cursor);

/* SYNOD_OK if nothing failed and no byte is left over, else SYNOD_BAD_MESSAGE. */
int cursor_finish(const struct cursor *cursor);

#endif
