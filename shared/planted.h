/*
 * Planted bugs: proof that the simulator's checkers can fail.
 *
 *     if (PLANTED(READ_UNCONFIRMED)) ...
 *
 * In every build but the simulator's own (SYNOD_PLANTED) the condition is constant
 * false and costs nothing.  There one of them at a time can be switched on.
 */
#ifndef SHARED_PLANTED_H
#define SHARED_PLANTED_H

#ifdef SYNOD_PLANTED

enum planted_bug {
	PLANTED_NOTHING,
#define PLANTED_BUG(name, text) PLANTED_##name,
#include "shared/planted.def"
#undef PLANTED_BUG
};

extern int planted_bug; /* the simulator's */

#define PLANTED(name) (planted_bug == PLANTED_##name)

#else

#define PLANTED(name) 0

#endif

#endif
