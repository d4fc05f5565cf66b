/* Validation of UTF-8, by the table of RFC 3629, section 4. */
#include "shared/utf8.h"

#include <string.h>

/* Most text is ASCII: eight bytes at a time until one is not. */
static size_t
skip_ascii(struct slice text, size_t at)
{
	uint64_t word;

	while (text.size - at >= sizeof word) {
		memcpy(&word, text.bytes + at, sizeof word);
		if ((word & UINT64_C(0x8080808080808080)) != 0)
			break;
		at += sizeof word;
	}
	while (at < text.size && text.bytes[at] < 0x80)
		at++;
	return at;
}

static bool
is_within(uint8_t byte, uint8_t low, uint8_t high)
{
	return byte >= low && byte <= high;
}

/*
 * Length of the sequence of two to four bytes at the start of BYTES, or 0.  Overlong forms,
 * surrogates and what lies above U+10FFFF all show in the range of the second byte.
 */
static size_t
sequence_size(const uint8_t *bytes, size_t available)
{
	uint8_t first = bytes[0];
	uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	size_t size;

	if (is_within(first, 0xc2, 0xdf))
		size = 2;
	else if (is_within(first, 0xe0, 0xef))
		size = 3;
	else if (is_within(first, 0xf0, 0xf4))
		size = 4;
	else
		return 0;
	if (available < size || !is_within(bytes[1], low, high))
		return 0;
	for (size_t i = 2; i < size; i++) {
		if (!is_within(bytes[i], 0x80, 0xbf))
			return 0;
	}
	return size;
}

bool
utf8_is_valid(struct slice text)
{
	size_t at = 0;

	while ((at = skip_ascii(text, at)) < text.size) {
		size_t size = sequence_size(text.bytes + at, text.size - at);

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}
