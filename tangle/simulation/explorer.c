// Walk the tree of schedules of a scenario; replay one of them.
#include "simulation/explorer.h"

#include <stdlib.h>
#include <string.h>

#include "simulation/world.h"

#define world sim_world

typedef struct {
    int n, at;                  // options; the one that is being walked
    SimOption option[SIM_OPTIONS];
    unsigned asleep;            // bit set: not to be tried here
    SimOp next[SIM_THREADS];    // what each thread was about to do
} Node;

static Node path[SIM_LONGEST];
static int depth, known;        // now; steps that repeat the last execution
static int spent;               // preemptions of this execution
static SimBounds left;          // what the bounds still allow
static int with_sleep_sets;

static unsigned
bit(SimOption option)
{
    return 1u << (option.thread * SIM_EVENTS + option.event);
}
static int
overlap(const SimOp *a, const SimOp *b)
{
    const char *p = a->object, *q = b->object;
    return p != NULL && q != NULL && p < q + b->size && q < p + a->size;
}

static int
writes(const SimOp *op, SimEvent event)
{
    return event != SIM_PLAIN || (op->kind != SIM_LOAD
           && op->kind != SIM_CLOCK && op->kind != SIM_BEGIN
           && op->kind != SIM_YIELD);
}

static int
moves_the_clock(SimEvent event)
{
    return event == SIM_TIMEOUT || event == SIM_LEAP;
}

static int
commute(const SimOp *a, SimEvent ea, const SimOp *b, SimEvent eb)
{
    if (a->kind == SIM_FORK || b->kind == SIM_FORK) {
        return 0;
    }
    if ((a->kind == SIM_YIELD && writes(b, eb))
        || (b->kind == SIM_YIELD && writes(a, ea))) {
        return 0;
    }
    if ((ea >= SIM_INTERRUPT && eb >= SIM_INTERRUPT)
        || (moves_the_clock(ea) && (eb != SIM_PLAIN || b->kind == SIM_CLOCK))
        || (moves_the_clock(eb) && (ea != SIM_PLAIN || a->kind == SIM_CLOCK))) {
        return 0;
    }
    return !overlap(a, b) || (!writes(a, ea) && !writes(b, eb));
}
static unsigned
sleepers_behind(const Node *node)
{
    unsigned before = node->asleep, behind = 0;
    SimOption taken = node->option[node->at];
    for (int i = 0; i < node->at; i++) {
        before |= bit(node->option[i]);
    }
    for (int t = 0; t < world.n; t++) {
        for (int e = 0; e < SIM_EVENTS && t != taken.thread; e++) {
            SimOption other = { (uint8_t)t, (uint8_t)e, 0 };
            if ((before & bit(other)) != 0
                && commute(&node->next[t], (SimEvent)e,
                           &node->next[taken.thread], (SimEvent)taken.event)) {
                behind |= bit(other);
            }
        }
    }
    return behind;
}
static const char *to_follow;   // replay: the rest of the schedule, or NULL
static void follow(Node *node); // replay: put `at` where the schedule says

static int
affordable(SimOption option)
{
    return left.preemptions < 0 || option.price <= left.preemptions;
}

static void
open_node(Node *node)
{
    SimOption all[SIM_OPTIONS];
    int n = sim_list_options(all);
    node->n = node->at = 0;
    node->asleep = with_sleep_sets && depth > 0 ? sleepers_behind(node - 1) : 0;
    for (int i = 0; i < n; i++) {
        if (affordable(all[i]) && (node->asleep & bit(all[i])) == 0) {
            node->option[node->n++] = all[i];
        }
    }
    for (int i = 0; i < world.n; i++) {
        node->next[i] = world.thread[i].next;
    }
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
    if (node->n == 0) {
        sim_abandon(SIM_PRUNED);
    }
}

static SimOption
charge(SimOption option)
{
    left.preemptions -= left.preemptions > 0 ? option.price : 0;
    spent += option.price;
    world.interrupts -= option.event == SIM_INTERRUPT;
    world.leaps -= option.event == SIM_LEAP;
    world.steps++;
    depth++;
    if (to_follow != NULL) {
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
        if (to_follow != NULL) {
            follow(node);
        }
        return charge(node->option[node->at]);
    }
    SimOption option = node->option[node->at];
    if (node->next[option.thread].kind != world.thread[option.thread].next.kind
        || world.thread[option.thread].done) {
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

static double
part_walked(int length)
{
    double part = 0, share = 1;
    for (int i = 0; i < length && share > 1e-9; i++) {
        share /= path[i].n;
        part += share * path[i].at;
    }
    return part;
}
static const char stroke[] = " til";

static void
write_schedule(char *out, size_t size, int length)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0, n; i < length && at + 16 < size; i += n) {
        SimOption o = path[i].option[path[i].at];
        for (n = 1; o.event == SIM_PLAIN && i + n < length; n++) {
            SimOption next = path[i + n].option[path[i + n].at];
            if (next.thread != o.thread || next.event != SIM_PLAIN) {
                break;
            }
        }
        at += (size_t)(o.event == SIM_PLAIN
            ? snprintf(out + at, size - at, "-%c%d", 'A' + o.thread, n)
            : snprintf(out + at, size - at, "-%c%c", 'A' + o.thread,
                       stroke[o.event]));
    }
    memmove(out, out + (at > 0), at + (at == 0));
}

/* Take one choice off the schedule. 0: it has ended, or cannot be read. */
static int
next_choice(SimOption *choice)
{
    static int thread, again;           // the plain steps still to come
    if (again == 0 && to_follow[0] >= 'A' && to_follow[0] <= 'D') {
        const char *event = strchr(stroke + 1, to_follow[1]);
        thread = to_follow[0] - 'A';
        if (event != NULL && *event != '\0') {
            *choice = (SimOption){ (uint8_t)thread,
                                   (uint8_t)(event - stroke), 0 };
            to_follow += 2 + (to_follow[2] == '-');
            return 1;
        }
        char *end;
        again = (int)strtol(to_follow + 1, &end, 10);
        to_follow = end + (*end == '-');
    }
    *choice = (SimOption){ (uint8_t)thread, SIM_PLAIN, 0 };
    return again > 0 ? again-- : 0;
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
    if (report->executions < 2) {
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
static int
run_once(const SimScenario *scenario, SimBounds bounds)
{
    depth = spent = 0;
    left = bounds;
    world.interrupts = bounds.interrupts;
    world.leaps = bounds.leaps;
    sim_execute(scenario);
    return depth;
}

static void
account(SimReport *report, int length)
{
    report->executions += world.outcome != SIM_PRUNED;
    report->pruned += world.outcome == SIM_PRUNED;
    report->steps += length;
    report->deepest = length > report->deepest ? length : report->deepest;
    if (world.outcome == SIM_FAILED) {
        report->failed = 1;
        report->preemptions = spent;
        memcpy(report->why, world.why, sizeof(report->why));
        write_schedule(report->schedule, sizeof(report->schedule), length);
    }
}

/* 1: walked to the end, or to a failure; 0: stopped on the way. */
static int
walk(const SimScenario *scenario, SimBounds bounds, SimReport *report,
     SimProgress *progress)
{
    int length;
    known = 0;
    with_sleep_sets = bounds.preemptions < 0;
    explored = scenario;
    do {
        length = run_once(scenario, bounds);
        account(report, length);
        if (((report->executions + report->pruned) & 1023) == 0 && progress
            && !progress(report, part_walked(length))) {
            return 0;
        }
    } while (!report->failed && next_branch(length));
    return 1;
}

int
sim_explore(const SimScenario *scenario, SimBounds bounds,
            SimReport *report, SimProgress *progress)
{
    *report = (SimReport){0};
    reached = 0;
    sim_catch_faults();
    if (!walk(scenario, bounds, report, progress)) {
        return 0;
    }
    for (int p = 0; report->failed && p < report->preemptions; p++) {
        SimReport plainer = {0};
        SimBounds fewer = { p, bounds.interrupts, bounds.leaps };
        if (walk(scenario, fewer, &plainer, NULL) && plainer.failed) {
            plainer.executions = report->executions;
            *report = plainer;
        }
    }
    if (!report->failed) {
        refuse_what_is_vacuous(report);
    }
    return report->failed;
}
static int misfit;

static void
follow(Node *node)
{
    SimOption wanted;
    if (!next_choice(&wanted)) {
        misfit |= to_follow[0] != '\0';
        return;
    }
    for (node->at = 0; node->at < node->n; node->at++) {
        if (bit(node->option[node->at]) == bit(wanted)) {
            return;
        }
    }
    node->at = 0;
    misfit = 1;
    sim_fail("the schedule does not fit: at step %d %c cannot do that",
             depth + 1, 'A' + wanted.thread);
}

int
sim_replay(const SimScenario *scenario, const char *schedule, FILE *out)
{
    SimBounds all = { -1, SIM_LONGEST, SIM_LONGEST };
    known = misfit = 0;
    sim_trace_begin();
    with_sleep_sets = 0;
    explored = scenario;
    to_follow = schedule;
    sim_catch_faults();
    run_once(scenario, all);
    to_follow = NULL;
    sim_trace_end(out);
    fprintf(out, "%s: %s\n", scenario->name, world.outcome == SIM_FAILED
            ? world.why : misfit ? "the schedule cannot be read" : "fine");
    return misfit ? 2 : world.outcome == SIM_FAILED;
}
