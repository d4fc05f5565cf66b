/* Builds with planted bugs: $PLANTED names the one that a test program is to have. */
#include "shared/planted.h"

#ifdef SYNOD_PLANTED

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int planted_bug;

static const char *const names[] = {
	"NOTHING",
#define PLANTED_BUG(name, text) #name,
#include "shared/planted.def"
#undef PLANTED_BUG
};

/* Before main(), so that no test needs to know. */
__attribute__((constructor)) static void
plant(void)
{
	const char *name = getenv("PLANTED");

	if (name == NULL)
		return;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i], name) == 0) {
			planted_bug = (int)i;
			return;
		}
	}
	fprintf(stderr, "no bug is called %s: see shared/planted.def\n", name);
	exit(2);
}

#endif
