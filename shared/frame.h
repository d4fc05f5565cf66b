/*
 * Frames: how messages lie on a byte stream, between clients and members and
 * between members.
 *
 *     offset size  field
 *          0    4  length     bytes after this header
 *          4    2  magic      0x5359 "SY"
 *          6    1  version    of the framing: FRAME_VERSION
 *          7    1  type       enum frame_type
 *          8    4  flags      0; unknown flags are ignored
 *         12    4  checksum   low 32 bits of the body's XXH3-64, whose seed is the XXH3-64
 *                             of bytes 0-11, so that it covers both
 *         16  ...  body       one MessagePack array
 *
 * Integers are big endian.
 *
 * The checksum is there because TCP's is weak and because a frame that changed
 * on the way must never reach the consensus core.
 */
#ifndef SHARED_FRAME_H
#define SHARED_FRAME_H

#include "shared/buffer.h"

#define FRAME_HEADER_SIZE 16
#define FRAME_MAGIC       0x5359
#define FRAME_VERSION     1

/* Largest body taken from a client, and from a member. */
#define FRAME_CLIENT_MAX (2u << 20)
#define FRAME_PEER_MAX   (16u << 20)

enum frame_type {
#define FRAME(name, number, text) FRAME_##name = (number),
#include "shared/frames.def"
#undef FRAME
};

struct frame {
	uint8_t type;
	uint32_t flags;
	struct slice body; /* points into the bytes given to frame_parse() */
};

/*
 * Look for one frame at the start of BYTES.
 *
 * Returns SYNOD_OK with *FRAME and *USED (bytes to drop) set; SYNOD_RETRY if
 * more bytes are needed, with *USED the total size needed when it is known and
 * 0 otherwise; SYNOD_BAD_MESSAGE for a wrong magic, version or checksum;
 * SYNOD_TOO_LARGE if the body is longer than BODY_MAX.  Unknown types are
 * returned: the reader of the frame decides.
 */
int frame_parse(struct slice bytes, size_t body_max, struct frame *frame, size_t *used);

/* Start a frame at the end of BUFFER; append its body; then seal it with the offset returned. */
size_t frame_begin(struct buffer *buffer, uint8_t type);
void frame_end(struct buffer *buffer, size_t begin);

/* "REQUEST", or "?" */
const char *frame_type_name(uint8_t type);

#endif
