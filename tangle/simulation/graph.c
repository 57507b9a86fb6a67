// The graph of a scenario: the states that were met, the steps between them.
#include "simulation/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    SimKey key;
    uint32_t found_by;          // the edge that led here first
    uint32_t first, after;      // its edges, in `order`
    uint32_t visit, low;        // when the closing walk came here, or 0
    uint32_t component;         // number of its component, from 1
    uint8_t end, can_act, is_message;
    double schedules;           // from here to an end
} State;

typedef struct { uint32_t from, to; SimOption taken; } Edge;

static State *states;
static Edge *edges;
static uint32_t *table, *order;     // numbers of states + 1; of edges
static size_t n_states, n_edges, states_room, edges_room, table_size;

static void *
enlarge(void *array, size_t *room, size_t each)
{
    *room = *room ? 2 * *room : 1024;
    array = realloc(array, *room * each);
    if (array == NULL) {
        abort();
    }
    return array;
}

/* Where the state with this key is in the table, or would be. */
static uint32_t *
place_of(SimKey key)
{
    size_t at = key.a & (table_size - 1);
    while (table[at] != 0 && (states[table[at] - 1].key.a != key.a
                              || states[table[at] - 1].key.b != key.b)) {
        at = (at + 1) & (table_size - 1);
    }
    return &table[at];
}

static void
enlarge_the_table(void)
{
    table_size = table_size ? 2 * table_size : 4096;
    free(table);
    table = calloc(table_size, sizeof(*table));
    for (uint32_t i = 0; i < n_states; i++) {
        *place_of(states[i].key) = i + 1;
    }
}

uint32_t
sim_graph_state(SimKey key, int *is_new)
{
    if (4 * (n_states + 1) > 3 * table_size) {
        enlarge_the_table();
    }
    uint32_t *place = place_of(key);
    *is_new = *place == 0;
    if (*is_new) {
        if (n_states == states_room) {
            states = enlarge(states, &states_room, sizeof(*states));
        }
        states[n_states] = (State){ .key = key, .found_by = (uint32_t)n_edges };
        *place = (uint32_t)++n_states;
    }
    return *place - 1;
}

void
sim_graph_edge(uint32_t from, SimOption taken, uint32_t to)
{
    if (n_edges == edges_room) {
        edges = enlarge(edges, &edges_room, sizeof(*edges));
    }
    edges[n_edges++] = (Edge){ from, to, taken };
}

static struct { uint32_t state; char *why; } *broken;
static size_t n_broken, broken_room;

void
sim_graph_end(uint32_t state, SimEnd end, const char *why)
{
    if (states[state].end == SIM_NO_END && end >= SIM_DEADLOCK) {
        if (n_broken == broken_room) {
            broken = enlarge(broken, &broken_room, sizeof(*broken));
        }
        broken[n_broken].state = state;
        broken[n_broken++].why = strdup(why);
    }
    states[state].end = (uint8_t)end;
}

uint32_t
sim_graph_break(const char *why)
{
    SimKey key = { 3, 4 };
    int is_new;
    for (; *why != '\0'; why++) {
        key.a = (key.a ^ (unsigned char)*why) * UINT64_C(0x100000001B3);
    }
    uint32_t state = sim_graph_state(key, &is_new);
    states[state].is_message = 1;
    return state;
}

void
sim_graph_begin(void)
{
    while (n_broken > 0) {
        free(broken[--n_broken].why);
    }
    n_states = n_edges = 0;
    if (table != NULL) {
        memset(table, 0, table_size * sizeof(*table));
    }
}

void
sim_graph_can_act(uint32_t state, unsigned threads)
{
    states[state].can_act = (uint8_t)threads;
}

SimKey
sim_graph_key(uint32_t state)
{
    return states[state].key;
}

long
sim_graph_size(void)
{
    return (long)n_states;
}
/* order[states[i].first] … order[states[i].after - 1] are the edges of state i. */
static void
put_edges_in_order(void)
{
    order = realloc(order, (n_edges + 1) * sizeof(*order));
    for (size_t i = 0; i < n_states; i++) {
        states[i].after = states[i].visit = states[i].component = 0;
    }
    for (size_t e = 0; e < n_edges; e++) {
        states[edges[e].from].after++;
    }
    uint32_t at = 0;
    for (size_t i = 0; i < n_states; i++) {
        uint32_t n = states[i].after;
        states[i].first = states[i].after = at;
        at += n;
    }
    for (uint32_t e = 0; e < n_edges; e++) {
        order[states[edges[e].from].after++] = e;
    }
}
static uint32_t *open, *way;        // Tarjan's stack; the way to where we are
static size_t n_open, n_way;
static uint32_t visits, components, livelock;   // a state of one, + 1

static uint32_t
target(uint32_t i)
{
    return edges[order[i]].to;
}

static void
enter(uint32_t s)
{
    states[s].visit = states[s].low = ++visits;
    open[n_open++] = way[n_way++] = s;
}

/* The component of s is whole: the last n of the open states. */
static void
look_at_component(const uint32_t *member, size_t n)
{
    unsigned always = ~0u, acted = 0;
    for (size_t k = 0; k < n; k++) {
        const State *s = &states[member[k]];
        always &= s->can_act;
        for (uint32_t i = s->first; i < s->after; i++) {
            if (states[target(i)].component == components) {
                acted |= 1u << edges[order[i]].taken.thread;
            }
        }
    }
    if (acted != 0 && (always & ~acted) == 0 && livelock == 0) {
        livelock = member[n - 1] + 1;
    }
    for (size_t k = 0; k < n; k++) {
        State *s = &states[member[k]];
        s->schedules = s->end != SIM_NO_END;
        for (uint32_t i = s->first; i < s->after; i++) {
            s->schedules += states[target(i)].schedules;
        }
        s->schedules = acted != 0 ? INFINITY : s->schedules;
    }
}

static void
leave(uint32_t s)
{
    size_t n = n_open;
    n_way--;
    if (n_way > 0 && states[s].low < states[way[n_way - 1]].low) {
        states[way[n_way - 1]].low = states[s].low;
    }
    if (states[s].low != states[s].visit) {
        return;
    }
    components++;
    do {
        states[open[--n_open]].component = components;
    } while (open[n_open] != s);
    look_at_component(open + n_open, n - n_open);
}

static void
find_components(void)
{
    uint32_t *next = calloc(n_states, sizeof(*next));
    open = calloc(n_states, sizeof(*open));
    way = calloc(n_states, sizeof(*way));
    visits = components = livelock = 0;
    n_open = n_way = 0;
    for (enter(0); n_way > 0;) {
        uint32_t s = way[n_way - 1], i = states[s].first + next[s]++;
        if (i >= states[s].after) {
            leave(s);
        }
        else if (states[target(i)].visit == 0) {
            enter(target(i));
        }
        else if (states[target(i)].component == 0
                 && states[target(i)].visit < states[s].low) {
            states[s].low = states[target(i)].visit;
        }
    }
    free(next);
    free(open);
    free(way);
}
typedef int Goal(const Edge *edge, uint32_t what);

static int
is_step_of(const Edge *edge, uint32_t thread)
{
    return edge->taken.thread == thread;
}

static int
leads_to(const Edge *edge, uint32_t state)
{
    return edge->to == state;
}

static int
leads_to_rest_of(const Edge *edge, uint32_t thread)
{
    return (states[edge->to].can_act & 1u << thread) == 0;
}

static struct { SimOption *option; int n, most; } walk;

static void
append(SimOption taken)
{
    if (walk.n < walk.most) {
        walk.option[walk.n++] = taken;
    }
}

/* Append the way from `from` over the nearest edge that will do; its end. */
static uint32_t
go_over(uint32_t from, Goal *will_do, uint32_t what)
{
    uint32_t *queue = calloc(n_states, sizeof(*queue)), n = 0, end = from;
    uint32_t *back = calloc(n_states, sizeof(*back)), found = UINT32_MAX;
    queue[n++] = from;
    for (uint32_t k = 0; k < n && found == UINT32_MAX; k++) {
        const State *s = &states[queue[k]];
        for (uint32_t i = s->first; i < s->after; i++) {
            const State *to = &states[target(i)];
            if (to->component != s->component) {
                continue;
            }
            if (will_do(&edges[order[i]], what)) {
                found = order[i];
                break;
            }
            if (target(i) != from && back[target(i)] == 0) {
                back[target(i)] = order[i] + 1;
                queue[n++] = target(i);
            }
        }
    }
    if (found != UINT32_MAX) {
        SimOption way_back[SIM_LONGEST];
        int length = 0;
        end = edges[found].to;
        way_back[length++] = edges[found].taken;
        for (uint32_t s = edges[found].from; s != from && length < SIM_LONGEST;
             s = edges[back[s] - 1].from) {
            way_back[length++] = edges[back[s] - 1].taken;
        }
        while (length > 0) {
            append(way_back[--length]);
        }
    }
    free(queue);
    free(back);
    return end;
}

static void
walk_to(uint32_t state)
{
    if (state != 0) {
        const Edge *e = &edges[states[state].found_by];
        walk_to(e->from);
        append(e->taken);
    }
}

/* Once around, from a state and back to it; who took a step. */
static unsigned
walk_around(uint32_t start)
{
    unsigned acted = 0;
    uint32_t at = start;
    for (uint32_t t = 0, k = (uint32_t)walk.n; t < SIM_THREADS; t++) {
        int before = walk.n;
        if ((acted & 1u << t) == 0) {
            at = go_over(at, is_step_of, t);
        }
        if (walk.n == before && (states[at].can_act & ~acted & 1u << t) != 0) {
            at = go_over(at, leads_to_rest_of, t);
        }
        while (k < (uint32_t)walk.n) {
            acted |= 1u << walk.option[k++].thread;
        }
    }
    if (at != start) {
        (void)go_over(at, leads_to, start);
    }
    return acted;
}
int
sim_graph_close(SimReport *report, SimOption *out, int most, unsigned *who)
{
    put_edges_in_order();
    find_components();
    report->states = (long)n_states;
    report->edges = (long)n_edges;
    report->schedules = states[0].schedules;
    walk.option = out;
    walk.most = most;
    walk.n = 0;
    if (livelock != 0) {
        walk_to(livelock - 1);
        *who = walk_around(livelock - 1);
    }
    return walk.n;
}

void
sim_graph_ends(SimReport *report)
{
    report->ends = 0;
    report->end_sum = 0;
    for (size_t i = 0; i < n_states; i++) {
        if (states[i].end == SIM_DONE) {
            report->ends++;
            report->end_sum += states[i].key.a;
        }
    }
}

void
sim_graph_write_edges(FILE *out)
{
    for (size_t e = 0; e < n_edges; e++) {
        fprintf(out, "%s%u,%u,%d", e ? "," : "", edges[e].from, edges[e].to,
                SIM_EVENTS * edges[e].taken.thread + edges[e].taken.event);
    }
}

int
sim_graph_is_broken(long state)
{
    return states[state].is_message;
}

static const char *
said_of(uint32_t state)
{
    for (size_t i = 0; i < n_broken; i++) {
        if (broken[i].state == state) {
            return broken[i].why;
        }
    }
    return "";
}

void
sim_graph_write_ends(FILE *out)
{
    const char *comma = "";
    for (uint32_t i = 0; i < n_states; i++) {
        if (states[i].end != SIM_NO_END) {
            fprintf(out, "%s\n[%u, %d, \"", comma, i, states[i].end);
            for (const char *why = said_of(i); *why != '\0'; why++) {
                fprintf(out, *why == '"' || *why == '\\' ? "\\%c" : "%c", *why);
            }
            fprintf(out, "\"]");
            comma = ",";
        }
    }
}
