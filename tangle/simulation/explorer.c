// Walk all schedules of a scenario; replay one of them.
#include "simulation/explorer.h"

#include <string.h>

#include "simulation/graph.h"
#include "simulation/world.h"

#define world sim_world

typedef struct {
    int n, at;                      // options; the one that is being walked
    SimOption option[SIM_OPTIONS];
    uint32_t state;                 // its number in the graph
    SimKind next[SIM_THREADS];      // what each thread was about to do
    SimKey key;                     // in a replay
    unsigned can_act;
} Node;

static Node path[SIM_LONGEST + 1];
static int depth, known;        // now; steps that repeat the last execution
static int met;                 // the last step of which the state was met
static int spent;               // preemptions of this execution
static SimBounds left;          // what the bounds still allow
static const char stroke[] = " til";    // of an event, in a schedule
int sim_every_path, sim_go_on;
static int merging;
static unsigned
threads_that_can_act(const SimOption *option, int n)
{
    unsigned set = 0;
    for (int i = 0; i < n; i++) {
        set |= option[i].event <= SIM_TIMEOUT ? 1u << option[i].thread : 0;
    }
    return set;
}

static void
meet(Node *node, const SimOption *all, int n)
{
    int is_new;
    node->state = sim_graph_state(sim_key(n == 0 ? -1 : left.preemptions),
                                  &is_new);
    met = depth;
    if (!merging) {
        return;
    }
    if (depth > 0) {
        Node *last = node - 1;
        sim_graph_edge(last->state, last->option[last->at], node->state);
    }
    if (!is_new) {
        sim_abandon(SIM_PRUNED);
    }
    if (sim_go_on) {
        sim_data_state();
    }
    sim_graph_can_act(node->state, threads_that_can_act(all, n));
}

static int
is_where_it_was(const Node *node)
{
    SimKey now = sim_key(left.preemptions), then = sim_graph_key(node->state);
    return now.a == then.a && now.b == then.b;
}
static int following;           // a schedule is being replayed
static void follow(Node *node); // put `at` where the schedule says

static void
open_node(Node *node)
{
    SimOption all[SIM_OPTIONS];
    int n = sim_list_options(all);
    if (!following && (merging || n == 0)) {
        meet(node, all, n);
    }
    node->n = node->at = 0;
    for (int i = 0; i < n; i++) {
        if (left.preemptions < 0 || all[i].price <= left.preemptions) {
            node->option[node->n++] = all[i];
        }
    }
    for (int i = 0; i < world.n; i++) {
        node->next[i] = world.thread[i].next.kind;
    }
    node->can_act = threads_that_can_act(all, n);
    if (n == 0) {
        char who[SIM_THREADS + 1] = "", *end = who;
        for (int i = 0; i < world.n; i++) {
            if (!world.thread[i].done && (world.excused & 1u << i) == 0) {
                *end++ = (char)('A' + i);
            }
        }
        if (who[0] == '\0') {
            sim_abandon(SIM_FINE);
        }
        sim_fail("deadlock: nobody will ever wake %s", who);
    }
}

static SimOption
charge(SimOption option)
{
    left.preemptions -= left.preemptions > 0 ? option.price : 0;
    spent += option.price;
    world.interrupts -= option.event == SIM_INTERRUPT;
    world.leaps -= option.event == SIM_LEAP;
    depth++;
    if (following) {
        sim_trace_step(option);
    }
    return option;
}

SimOption
sim_decide(void)
{
    Node *node = &path[depth];
    if (depth == SIM_LONGEST) {
        sim_fail("livelock: %d steps, and no end", depth);
    }
    if (depth >= known) {
        open_node(node);
        if (following) {
            follow(node);
        }
        return charge(node->option[node->at]);
    }
    SimOption option = node->option[node->at];
    if (node->next[option.thread] != world.thread[option.thread].next.kind
        || world.thread[option.thread].done
        || (merging && depth == known - 1 && !is_where_it_was(node))) {
        sim_fail("the scenario is not the same twice: step %d", depth);
    }
    return charge(option);
}
/* Cut the path back to its last choice with an untried branch. 0: none left. */
static int
next_branch(int length)
{
    while (length > 0) {
        Node *node = &path[length - 1];
        if (node->at + 1 < node->n) {
            node->at++;
            known = length;
            return 1;
        }
        length--;
    }
    return 0;
}
static void
write_schedule(char *out, size_t size, const SimOption *o, int length)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0, n; i < length && at + 16 < size; i += n) {
        for (n = 1; o[i].event == SIM_PLAIN && i + n < length; n++) {
            if (o[i + n].thread != o[i].thread || o[i + n].event != SIM_PLAIN) {
                break;
            }
        }
        at += (size_t)(o[i].event == SIM_PLAIN
            ? snprintf(out + at, size - at, "-%c%d", 'A' + o[i].thread, n)
            : snprintf(out + at, size - at, "-%c%c", 'A' + o[i].thread,
                       stroke[o[i].event]));
    }
    memmove(out, out + (at > 0), at + (at == 0));
}

static SimOption schedule[SIM_LONGEST];     // that is being followed
static int scheduled;                       // its length

/* Read one word: a thread, and its stroke or its number of steps. NULL: it is
 * none. Else what is behind it. */
static const char *
read_word(const char *word, int threads)
{
    int thread = word[0] - 'A', n = 1;
    if (thread < 0 || thread >= threads || word[1] == '\0') {
        return NULL;
    }
    const char *event = strchr(stroke + 1, word[1]), *behind = word + 2;
    if (event == NULL) {
        for (n = 0, behind = word + 1; *behind >= '0' && *behind <= '9'; behind++) {
            n = n < SIM_LONGEST ? 10 * n + *behind - '0' : n;
        }
    }
    for (int i = 0; i < n && scheduled + n <= SIM_LONGEST; i++) {
        schedule[scheduled + i] = (SimOption){ (uint8_t)thread,
            (uint8_t)(event ? event - stroke : SIM_PLAIN), 0 };
    }
    scheduled += n;
    return n > 0 && scheduled <= SIM_LONGEST ? behind : NULL;
}

/* 0 when it can be read; else it is said to `out` why not. */
static int
read_schedule(const SimScenario *scenario, const char *text, FILE *out)
{
    int threads = 0;
    while (threads < SIM_THREADS && scenario->body[threads] != NULL) {
        threads++;
    }
    scheduled = 0;
    for (const char *word = text, *behind;; word = behind + 1) {
        behind = read_word(word, threads);
        if (behind != NULL && *behind == '\0') {
            return 0;
        }
        if (behind == NULL || *behind != '-') {
            int n = (int)strcspn(word, "-");
            fprintf(out, "%s: the schedule cannot be read: ", scenario->name);
            if (word[0] >= 'A' + threads && word[0] <= 'Z') {
                fprintf(out, "\"%.*s\": there is no thread %c, only A to %c\n", n, word,
                        word[0], 'A' + threads - 1);
            }
            else if (scheduled > SIM_LONGEST) {
                fprintf(out, "\"%.*s\": more than %d steps\n", n, word, SIM_LONGEST);
            }
            else {
                fprintf(out, "\"%.*s\" is neither a thread and its number of steps, like"
                        " A7, nor a thread and a stroke: At, Ai, Al\n", n, word);
            }
            return 2;
        }
    }
}
static const SimScenario *explored;
static unsigned reached;

void
sim_reach(const char *what)
{
    for (int i = 0; i < 8 && explored->reach[i] != NULL; i++) {
        if (strcmp(explored->reach[i], what) == 0) {
            reached |= 1u << i;
        }
    }
}

static void
refuse_what_is_vacuous(SimReport *report)
{
    if (report->schedules < 2) {
        snprintf(report->why, sizeof(report->why),
                 "nothing was explored: there was no choice to make");
        report->failed = 1;
    }
    for (int i = 0; i < 8 && explored->reach[i] != NULL; i++) {
        if ((reached & 1u << i) == 0) {
            snprintf(report->why, sizeof(report->why),
                     "no execution reached \"%s\"", explored->reach[i]);
            report->failed = 1;
        }
    }
}

static void
say_livelock(unsigned who)
{
    char names[SIM_THREADS + 1] = "", *end = names;
    for (int i = 0; i < SIM_THREADS; i++) {
        if ((who & 1u << i) != 0) {
            *end++ = (char)('A' + i);
        }
    }
    snprintf(world.why, sizeof(world.why), "livelock: %s can go round for ever",
             names);
}
static int
run_once(const SimScenario *scenario, SimBounds bounds)
{
    depth = spent = 0;
    met = -1;
    left = bounds;
    world.interrupts = bounds.interrupts;
    world.leaps = bounds.leaps;
    sim_execute(scenario);
    return depth;
}

static void
note_end(int length)
{
    static const SimEnd end[] = { SIM_DONE, SIM_BROKEN };
    const Node *last = &path[length - 1];
    if (world.outcome == SIM_PRUNED || (!merging && met != length)) {
        return;
    }
    if (met == length) {
        int dead = strncmp(world.why, "deadlock", 8) == 0;
        sim_graph_end(path[length].state, dead ? SIM_DEADLOCK
                      : end[world.outcome], world.why);
        return;
    }
    uint32_t broken = sim_graph_break(world.why);
    sim_graph_edge(last->state, last->option[last->at], broken);
    sim_graph_end(broken, SIM_BROKEN, world.why);
}

static void
tell(SimReport *report, const SimOption *option, int length)
{
    report->failed = 1;
    memcpy(report->why, world.why, sizeof(report->why));
    write_schedule(report->schedule, sizeof(report->schedule), option, length);
}

static void
account(SimReport *report, int length)
{
    note_end(length);
    report->executions++;
    report->schedules += world.outcome != SIM_PRUNED;
    report->steps += length;
    report->deepest = length > report->deepest ? length : report->deepest;
    if (world.outcome == SIM_FAILED && !report->failed) {
        SimOption taken[SIM_LONGEST];
        for (int i = 0; i < length; i++) {
            taken[i] = path[i].option[path[i].at];
        }
        report->preemptions = spent;
        tell(report, taken, length);
    }
}

static void
close_the_graph(SimReport *report)
{
    SimOption round[SIM_LONGEST];
    unsigned who = 0;
    int length = sim_graph_close(report, round, SIM_LONGEST, &who);
    if (length > 0 && !report->failed) {
        say_livelock(who);
        report->preemptions = 0;
        for (int i = 0; i < length; i++) {
            report->preemptions += round[i].price;
        }
        tell(report, round, length);
    }
}

/* 1: walked to the end, or to a failure; 0: stopped on the way. */
static int
walk(const SimScenario *scenario, SimBounds bounds, SimReport *report,
     SimProgress *progress)
{
    int length;
    known = 0;
    explored = scenario;
    sim_remember_globals();
    sim_graph_begin();
    do {
        length = run_once(scenario, bounds);
        account(report, length);
        report->states = merging ? sim_graph_size() : 0;
        if ((report->executions & 1023) == 0 && progress && !progress(report)) {
            return 0;
        }
        if (sim_graph_size() > SIM_MOST_STATES) {
            report->failed = 1;
            snprintf(report->why, sizeof(report->why), "more than %d states, and no "
                     "end: this scenario needs a bound", SIM_MOST_STATES);
            return 0;
        }
    } while ((!report->failed || sim_go_on) && next_branch(length));
    (void)sim_put_globals_back();
    sim_graph_ends(report);
    if (merging && (!report->failed || sim_go_on)) {
        close_the_graph(report);
    }
    return 1;
}

int
sim_explore(const SimScenario *scenario, SimBounds bounds,
            SimReport *report, SimProgress *progress)
{
    *report = (SimReport){0};
    reached = 0;
    merging = sim_can_merge() && !sim_every_path;
    if (!sim_can_merge() && bounds.preemptions < 0) {
        bounds.preemptions = 2;             // every path would be too many
    }
    sim_catch_faults();
    if (!walk(scenario, bounds, report, progress)) {
        return report->failed;
    }
    report->whole = merging && bounds.preemptions < 0;
    for (int p = 0; report->failed && !sim_go_on && p < report->preemptions; p++) {
        SimReport plainer = {0};
        SimBounds fewer = { p, bounds.interrupts, bounds.leaps };
        if (walk(scenario, fewer, &plainer, NULL) && plainer.failed) {
            plainer.executions = report->executions;
            plainer.states = report->states;
            plainer.edges = report->edges;
            *report = plainer;
        }
    }
    if (!report->failed) {
        refuse_what_is_vacuous(report);
    }
    return report->failed;
}
static int misfit;

/* The schedule is at its end. Has it come round? */
static void
look_back(const Node *now)
{
    unsigned always = now->can_act, acted = 0;
    for (const Node *node = now; merging && node-- > path;) {
        always &= node->can_act;
        acted |= 1u << node->option[node->at].thread;
        if (node->key.a == now->key.a && node->key.b == now->key.b) {
            if ((always & ~acted) == 0) {
                say_livelock(acted);
                sim_abandon(SIM_FAILED);
            }
        }
    }
}

static void
follow(Node *node)
{
    if (merging) {
        node->key = sim_key(-1);
    }
    if (depth >= scheduled) {
        if (depth == scheduled) {
            look_back(node);
        }
        return;
    }
    SimOption wanted = schedule[depth];
    for (node->at = 0; node->at < node->n; node->at++) {
        SimOption o = node->option[node->at];
        if (o.thread == wanted.thread && o.event == wanted.event) {
            return;
        }
    }
    node->at = 0;
    misfit = 1;
    const SimThread *t = &world.thread[wanted.thread];
    sim_fail("the schedule does not fit: step %d is %c%c, but %c %s", depth + 1,
             'A' + wanted.thread, wanted.event ? stroke[wanted.event] : '1',
             'A' + wanted.thread, t->done ? "has ended"
             : wanted.event ? "waits for no such thing" : t->next.gate != NULL
             && *t->next.gate <= 0 ? "sleeps" : "yields until somebody has written");
}

int
sim_replay(const SimScenario *scenario, const char *text, FILE *out)
{
    SimBounds all = { -1, SIM_LONGEST, SIM_LONGEST };
    if (read_schedule(scenario, text, out) != 0) {
        return 2;
    }
    known = misfit = 0;
    merging = sim_can_merge();
    following = 1;
    explored = scenario;
    sim_trace_begin();
    sim_remember_globals();
    sim_catch_faults();
    run_once(scenario, all);
    following = 0;
    sim_trace_end(out);
    (void)sim_put_globals_back();
    fprintf(out, "%s: %s\n", scenario->name, world.outcome == SIM_FAILED
            ? world.why : "fine");
    return misfit ? 2 : world.outcome == SIM_FAILED;
}
