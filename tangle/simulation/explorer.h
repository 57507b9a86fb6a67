// Walk the tree of schedules of a scenario; replay one of them.
#ifndef SIMULATION_EXPLORER_H
#define SIMULATION_EXPLORER_H

#include <signal.h>
#include <stdio.h>

#include "simulation/threads.h"

typedef struct {
    long executions;        // run to their end, no two alike
    long pruned;            // given up: the sleep set knew the rest
    long steps, deepest;    // in all; of the longest execution
    int failed;             // an execution failed, or the scenario is vacuous
    char why[400];          // in what way
    char schedule[2000];    // and how to see it again
    int preemptions;        // that the schedule needs
} SimReport;
/* Run every schedule of the scenario within the bounds, or until one fails; then
 * look for a failing one with fewer preemptions, and report that.
 *
 * Returns    0 when all went well. A scenario that had no choice, or missed a
 *            place that it must reach, fails.
 * Progress   is called now and then with what has been done and what part of
 *            the tree that is, 0 to 1; it returns 0 to stop. May be NULL. */
typedef int SimProgress(const SimReport *report, double part);
int sim_explore(const SimScenario *scenario, SimBounds bounds,
                SimReport *report, SimProgress *progress);

/* Run one schedule and write what happens, a line a step.
 * Returns 0 when it ends well, 1 when it fails, 2 when it does not fit. */
int sim_replay(const SimScenario *scenario, const char *schedule, FILE *out);

/* Called in a replay after each step, before the next is chosen. It may look at
 * whatever the port keeps, and must not call it. NULL: nobody looks. */
typedef void SimWatch(int step, const SimOp *taken);
extern SimWatch *sim_watch;

#endif  // SIMULATION_EXPLORER_H
