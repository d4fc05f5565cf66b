/* The grammar of paths, and the few ways to take a path apart. */
#include "shared/path.h"

#include <string.h>

#include "shared/check.h"
#include "shared/error.h"
#include "shared/utf8.h"

static bool
has_control(struct slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.bytes[i];

		if (byte < 0x20 || byte == 0x7f)
			return true;
		/* U+0080 to U+009F are C2 80 to C2 9F; the text is valid UTF-8 by now. */
		if (byte == 0xc2 && text.bytes[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static bool
is_dots(struct slice name)
{
	if (name.size == 0 || name.size > 2)
		return false;
	return name.bytes[0] == '.' && name.bytes[name.size - 1] == '.';
}

static const char *
component_problem(struct slice name)
{
	if (name.size == 0)
		return "empty component";
	if (name.size > PATH_COMPONENT_MAX)
		return "a component is longer than 255 bytes";
	if (is_dots(name))
		return "a component is \".\" or \"..\"";
	return NULL;
}

static const char *
text_problem(struct slice text)
{
	if (!utf8_is_valid(text))
		return "not valid UTF-8";
	if (has_control(text))
		return "control character";
	return NULL;
}

/* The components one after the other; TEXT is valid and starts with '/'. */
static const char *
components_problem(struct slice path)
{
	const uint8_t *at = path.bytes;
	const uint8_t *end = path.bytes + path.size;
	unsigned depth = 0;

	while (at < end) {
		const uint8_t *start = at + 1;
		const uint8_t *slash = memchr(start, '/', (size_t)(end - start));
		const char *problem;

		at = slash != NULL ? slash : end;
		if (at == start && at == end)
			return "trailing \"/\"";
		problem = component_problem((struct slice){start, (size_t)(at - start)});
		if (problem != NULL)
			return problem;
		if (++depth > PATH_DEPTH_MAX)
			return "more than 32 components";
	}
	return NULL;
}

static const char *
path_problem(struct slice path)
{
	const char *problem;

	if (path.size == 0)
		return "empty path";
	if (path.size > PATH_SIZE_MAX)
		return "longer than 1024 bytes";
	if (path.bytes[0] != '/')
		return "not absolute: does not start with \"/\"";
	if (path.size == 1)
		return NULL;
	problem = text_problem(path);
	return problem != NULL ? problem : components_problem(path);
}

static int
verdict(const char *problem, const char **why)
{
	if (problem == NULL)
		return SYNOD_OK;
	if (why != NULL)
		*why = problem;
	return SYNOD_BAD_PATH;
}

int
path_check(struct slice path, const char **why)
{
	return verdict(path_problem(path), why);
}

int
path_check_component(struct slice name, const char **why)
{
	const char *problem = component_problem(name);

	if (problem == NULL && memchr(name.bytes, '/', name.size) != NULL)
		problem = "\"/\" inside a name";
	if (problem == NULL)
		problem = text_problem(name);
	return verdict(problem, why);
}

/* Where the last component's '/' stands. */
static size_t
last_slash(struct slice path)
{
	size_t at = path.size;

	while (at > 0) {
		if (path.bytes[--at] == '/')
			return at;
	}
	CHECK(!"a path starts with '/'");
	return 0;
}

struct slice
path_parent(struct slice path)
{
	size_t slash;

	CHECK(!path_is_root(path));

	slash = last_slash(path);
	return (struct slice){path.bytes, slash > 0 ? slash : 1};
}

struct slice
path_name(struct slice path)
{
	size_t start = last_slash(path) + 1;

	return (struct slice){path.bytes + start, path.size - start};
}

bool
path_is_root(struct slice path)
{
	return path.size == 1 && path.bytes[0] == '/';
}

bool
path_is_within(struct slice path, struct slice ancestor)
{
	if (path_is_root(ancestor))
		return true;
	if (path.size < ancestor.size || memcmp(path.bytes, ancestor.bytes, ancestor.size) != 0)
		return false;
	return path.size == ancestor.size || path.bytes[ancestor.size] == '/';
}

bool
path_is_reserved(struct slice path)
{
	return path_is_within(path, slice_of("/synod"));
}

unsigned
path_depth(struct slice path)
{
	unsigned depth = 0;

	if (path_is_root(path))
		return 0;
	for (size_t i = 0; i < path.size; i++)
		depth += path.bytes[i] == '/';
	return depth;
}

void
path_join(struct buffer *out, struct slice parent, struct slice name)
{
	if (!path_is_root(parent))
		buffer_append(out, parent.bytes, parent.size);
	buffer_append(out, "/", 1);
	buffer_append(out, name.bytes, name.size);
}
