// The graph of a scenario: the states that were met, the steps between them.
#ifndef SIMULATION_GRAPH_H
#define SIMULATION_GRAPH_H

#include <stdint.h>
#include <stdio.h>

#include "simulation/explorer.h"
#include "simulation/world.h"

typedef enum { SIM_NO_END, SIM_DONE, SIM_DEADLOCK, SIM_BROKEN } SimEnd;

void sim_graph_begin(void);             // forget everything
uint32_t sim_graph_state(SimKey key, int *is_new);
void sim_graph_edge(uint32_t from, SimOption taken, uint32_t to);
void sim_graph_end(uint32_t state, SimEnd end, const char *why);
uint32_t sim_graph_break(const char *why);  // the state in which `why` failed
void sim_graph_can_act(uint32_t state, unsigned threads);   // a bit each
SimKey sim_graph_key(uint32_t state);
/* When the walk is over: count, and look for a livelock. Returns the number of
 * options written to `walk`, a way from the first state into a circle that the
 * threads of *who can go for ever, and once around it; or 0. */
int sim_graph_close(SimReport *report, SimOption *walk, int most,
                    unsigned *who);

enum { SIM_MOST_STATES = 3 * 1000 * 1000 };
long sim_graph_size(void);              // states so far

/* How many states are ends at which nothing was wrong, and the sum of their keys. */
void sim_graph_ends(SimReport *report);

/* The graph as data. */
void sim_data_begin(void);
void sim_data_state(void);              // what a reader sees of a new state
void sim_graph_write_edges(FILE *out);
void sim_graph_write_ends(FILE *out);
int sim_graph_is_broken(long state);    // it stands for a message

#endif  // SIMULATION_GRAPH_H
