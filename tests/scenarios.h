// The scenarios of the simulation, for tests/simulate.c and the suite.
#ifndef TESTS_SCENARIOS_H
#define TESTS_SCENARIOS_H

#include "simulation/threads.h"

extern const SimScenario scenarios[];       // the last has no name
const SimScenario *find_scenario(const char *name);

#endif  // TESTS_SCENARIOS_H
