/*
 * Paths of the namespace.
 *
 * Grammar: "/" alone is the root; otherwise "/" component ( "/" component )*,
 * at most PATH_SIZE_MAX bytes and PATH_DEPTH_MAX components of 1 to
 * PATH_COMPONENT_MAX bytes; valid UTF-8 (RFC 3629, no surrogates, no overlong
 * forms); no component "." or ".."; no control characters (U+0000-U+001F,
 * U+007F-U+009F).  The bytes are compared as they are: no Unicode normalisation.
 * This is the only parser of paths: server, watches and access rules use it.
 */
#ifndef SHARED_PATH_H
#define SHARED_PATH_H

#include <stdbool.h>

#include "shared/buffer.h"

#define PATH_SIZE_MAX      1024
#define PATH_DEPTH_MAX     32
#define PATH_COMPONENT_MAX 255

/* SYNOD_OK or SYNOD_BAD_PATH.  WHY, if not NULL, receives a static text such as "empty component".
 */
int path_check(struct slice path, const char **why);

/* The same for one component, which must not contain '/'. */
int path_check_component(struct slice name, const char **why);

/* The path before the last '/'; "/" for a child of the root.  The root has no parent: CHECKed. */
struct slice path_parent(struct slice path);

/* The last component; empty for the root. */
struct slice path_name(struct slice path);

bool path_is_root(struct slice path);

/* True if PATH equals ANCESTOR or lies below it. */
bool path_is_within(struct slice path, struct slice ancestor);

/* True for "/synod" and everything below it. */
bool path_is_reserved(struct slice path);

/* Number of components; 0 for the root. */
unsigned path_depth(struct slice path);

/* Append PARENT and NAME joined to OUT. */
void path_join(struct buffer *out, struct slice parent, struct slice name);

#endif
