// Walk all schedules of a scenario; replay one of them.
#ifndef SIMULATION_EXPLORER_H
#define SIMULATION_EXPLORER_H

#include <signal.h>
#include <stdio.h>

#include "simulation/threads.h"

typedef struct {
    long executions;        // runs of the scenario from its start
    long states, edges;     // of the graph; none when every path is walked
    double schedules;       // no two alike; infinite if threads can go round
    long ends;              // states in which all is over, and nothing wrong
    uint64_t end_sum;       // of their keys
    long steps, deepest;    // in all; of the longest execution
    int whole;              // every order: no bound on preemptions was needed
    int failed;             // a schedule failed, or the scenario is vacuous
    char why[400];          // in what way
    char schedule[2000];    // and how to see it again
    int preemptions;        // that the schedule needs
} SimReport;
/* Walk every schedule of the scenario within the bounds, or until one fails; then
 * look for a failing one with fewer preemptions, and report that.
 *
 * Returns    0 when all went well. A scenario that had no choice, or missed a
 *            place that it must reach, fails.
 * Progress   is called now and then with what has been done; it returns 0 to
 *            stop. May be NULL. */
typedef int SimProgress(const SimReport *report);
int sim_explore(const SimScenario *scenario, SimBounds bounds,
                SimReport *report, SimProgress *progress);

extern int sim_every_path;      // do not merge states: walk every path
extern int sim_go_on;           // a failure does not end the walk; for sim_graph:

/* Explore, and write the graph as data; `build` and `policy` say of what. */
int sim_graph(const SimScenario *scenario, SimBounds bounds, const char *build,
              const char *policy, FILE *out);

/* Run one schedule and write what happens, a line a step.
 * Returns 0 when it ends well, 1 when it fails, 2 when it does not fit. */
int sim_replay(const SimScenario *scenario, const char *schedule, FILE *out);

/* Called in a replay after each step, before the next is chosen. It may look at
 * whatever the port keeps, and must not call it. May be NULL. */
typedef void SimWatch(int step, const SimOp *taken);
extern SimWatch *sim_watch;

#endif  // SIMULATION_EXPLORER_H
