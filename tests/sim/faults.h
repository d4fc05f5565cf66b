/* What goes wrong, when, and for how long: drawn from the seed. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/world.h"

void faults_begin(struct world *world);

/* No more faults: everything works again, and everybody who can starts. */
void faults_end(struct world *world);

#endif
