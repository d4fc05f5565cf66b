/* The path grammar against a second implementation, written from the words of shared/path.h. */
#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Decode one character; -1 for anything but its shortest form. */
static long
next_character(const uint8_t *bytes, size_t size, size_t *used)
{
	static const long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >> 5 == 6 ? 2 : bytes[0] >> 4 == 14 ? 3 : 4;
	long character = bytes[0];

	*used = length;
	if (length == 1)
		return character;
	if (length == 4 && bytes[0] >> 3 != 30)
		return -1;
	if (length > size)
		return -1;
	character = bytes[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if (bytes[i] >> 6 != 2)
			return -1;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	if (character < smallest[length] || character > 0x10ffff)
		return -1;
	if (character >= 0xd800 && character <= 0xdfff)
		return -1;
	return character;
}

static bool
is_text(const uint8_t *bytes, size_t size)
{
	size_t used;

	for (size_t at = 0; at < size; at += used) {
		long character = next_character(bytes + at, size - at, &used);

		if (character < 0x20)
			return false;
		if (character >= 0x7f && character <= 0x9f)
			return false;
	}
	return true;
}

static bool
is_component(const uint8_t *bytes, size_t size)
{
	if (size < 1 || size > 255)
		return false;
	if (size == 1 && memcmp(bytes, ".", 1) == 0)
		return false;
	if (size == 2 && memcmp(bytes, "..", 2) == 0)
		return false;
	return is_text(bytes, size);
}

/* Number of components, or -1. */
static int
reference(const uint8_t *bytes, size_t size)
{
	int components = 0;
	size_t start = 1;

	if (size < 1 || size > 1024 || bytes[0] != '/')
		return -1;
	if (size == 1)
		return 0;
	for (size_t at = 1; at <= size; at++) {
		if (at < size && bytes[at] != '/')
			continue;
		if (!is_component(bytes + start, at - start))
			return -1;
		components++;
		start = at + 1;
	}
	return components <= 32 ? components : -1;
}

/* What every valid path has in common. */
static void
take_apart(struct slice path, unsigned depth)
{
	struct buffer joined = BUFFER_EMPTY;
	struct slice parent;
	struct slice name;

	CHECK(path_depth(path) == depth);
	CHECK(path_is_root(path) == (depth == 0));
	CHECK(path_is_within(path, path));
	if (path_is_root(path))
		return;
	parent = path_parent(path);
	name = path_name(path);
	CHECK(path_check(parent, NULL) == SYNOD_OK);
	CHECK(path_check_component(name, NULL) == SYNOD_OK);
	CHECK(path_depth(parent) == depth - 1);
	CHECK(path_is_within(path, parent));
	CHECK(!path_is_within(parent, path));
	if (path_is_reserved(parent))
		CHECK(path_is_reserved(path));
	path_join(&joined, parent, name);
	CHECK(slice_equal(buffer_slice(&joined), path));
	buffer_fini(&joined);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice path = {bytes, size};
	const char *why = NULL;
	int components = reference(bytes, size);
	int error = path_check(path, &why);

	CHECK((error == SYNOD_OK) == (components >= 0));
	CHECK((error == SYNOD_OK) == (why == NULL));
	CHECK((path_check_component(path, NULL) == SYNOD_OK) ==
	      (is_component(bytes, size) && memchr(bytes, '/', size) == NULL));
	if (error == SYNOD_OK)
		take_apart(path, (unsigned)components);
	return 0;
}
