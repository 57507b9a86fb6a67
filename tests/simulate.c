// simulate: explore the scenarios, or replay one schedule.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scenarios.h"
#include "simulation/explorer.h"

static volatile sig_atomic_t interrupted;
static const SimScenario *current;
static double started, told;

static void
interrupt(int sig)
{
    interrupted = sig;
}

/* The first asks the exploration to end; the second ends the program. */
static void
heed_signals(void)
{
    struct sigaction action = { .sa_handler = interrupt,
                                .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static double
seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int
progress(const SimReport *report)
{
    double now = seconds(), each = isatty(STDERR_FILENO) ? 0.2 : 10;
    if (now - told >= each) {
        fprintf(stderr, isatty(STDERR_FILENO) ? "\r%-16s %11ld states, %ld runs "
                                              : "%-16s %11ld states, %ld runs\n",
                current->name, report->states, report->executions);
        told = now;
    }
    return !interrupted;
}
enum { ALL_ORDERS = -1 };           // instead of a depth

static SimBounds
deeper(SimBounds bounds, int depth)
{
    if (depth == ALL_ORDERS) {
        bounds.preemptions = -1;
        return bounds;
    }
    *(bounds.preemptions < 0 ? &bounds.interrupts : &bounds.preemptions) += depth;
    return bounds;
}

static void
tell_failure(const SimScenario *s, const SimReport *report)
{
    printf("FAILED %s: %s\n", s->name, report->why);
    if (report->schedule[0] != '\0') {
        printf("  schedule: %s\n  preemptions: %d\n  replay: %s --replay %s %s\n",
               report->schedule, report->preemptions,
               program_invocation_name, s->name, report->schedule);
    }
}

static int
explore(const SimScenario *s, int depth, SimReport *total)
{
    SimReport report;
    SimBounds bounds = deeper(s->bounds, depth);
    current = s;
    started = told = seconds();
    int failed = sim_explore(s, bounds, &report, progress);
    double took = seconds() - started;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%78s\r", "");
    }
    char limit[16] = "all";
    if (bounds.preemptions >= 0) {
        snprintf(limit, sizeof(limit), "%d", bounds.preemptions);
    }
    printf("%-16s %3s %2d %2d %8ld %8ld %9.3g %5ld %6.2f%s\n", s->name, limit,
           bounds.interrupts, bounds.leaps, report.states, report.edges,
           report.schedules, report.deepest, took,
           interrupted ? "  (stopped)" : report.whole ? "  all orders" : "");
    total->executions += report.executions;
    total->states += report.states;
    total->edges += report.edges;
    total->whole += report.whole;
    total->steps += report.steps;
    if (failed) {
        tell_failure(s, &report);
    }
    fflush(stdout);
    return failed;
}
static int
explore_all(char **names, int depth, long least)
{
    SimReport total = {0};
    int failed = 0;
    double begun = seconds();
    int count = 0;
    printf("%-16s %3s %2s %2s %8s %8s %9s %5s %6s\n", "scenario", "pre", "in",
           "lp", "states", "edges", "schedules", "steps", "s");
    for (const SimScenario *s = scenarios; s->name && !interrupted; s++) {
        int wanted = names[0] == NULL;
        for (char **name = names; *name != NULL; name++) {
            wanted |= strcmp(*name, s->name) == 0;
        }
        count += wanted;
        failed += wanted && explore(s, depth, &total);
    }
    printf("%ld states, %ld edges, %ld runs of %ld steps, %.1f s; all orders of %d "
           "scenarios of %d\n", total.states, total.edges, total.executions,
           total.steps, seconds() - begun, total.whole, count);
    if (!interrupted && total.states < least) {
        printf("FAILED: fewer than %ld states\n", least);
        failed++;
    }
    return interrupted ? 130 : failed != 0;
}
static int
usage(void)
{
    fputs("usage: simulate [--depth N|all] [--least N] [SCENARIO ...]\n"
          "       simulate --replay SCENARIO SCHEDULE\n"
          "       simulate --graph FILE SCENARIO\n"
          "       simulate --list\n", stderr);
    return 2;
}

static int
list(void)
{
    for (const SimScenario *s = scenarios; s->name; s++) {
        printf("%-16s %s\n", s->name, s->what);
    }
    return 0;
}

static const SimScenario *
wanted(const char *name)
{
    const SimScenario *s = find_scenario(name);
    if (s == NULL) {
        fprintf(stderr, "simulate: no scenario %s (--list)\n", name);
    }
    return s;
}

static int
replay(const char *name, const char *schedule)
{
    const SimScenario *s = wanted(name);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    return s == NULL ? 2 : sim_replay(s, schedule, stdout);
}

#ifdef Py_GIL_DISABLED
static const char build[] = "ft";
#else
static const char build[] = "gil";
#endif
#ifdef GF_UPSTREAM_POLICY
static const char policy[] = "upstream";
#else
static const char policy[] = "ours";
#endif

static int
graph(const char *file, const char *name)
{
    const SimScenario *s = wanted(name);
    FILE *out = s != NULL ? fopen(file, "w") : NULL;
    int failed = out == NULL || sim_graph(s, s->bounds, build, policy, out);
    if (out != NULL) {
        failed |= ferror(out);
        failed |= fclose(out);
    }
    if (s != NULL && failed) {
        fprintf(stderr, "simulate: no graph of %s in %s\n", name, file);
    }
    return failed ? 2 : 0;
}

int
main(int argc, char **argv)
{
    int depth = 0;
    long least = 0;
    heed_signals();
    for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--list") == 0) {
            return list();
        }
        if (strcmp(*argv, "--replay") == 0 && argc == 4) {
            return replay(argv[1], argv[2]);
        }
        if (strcmp(*argv, "--graph") == 0 && argc == 4) {
            return graph(argv[1], argv[2]);
        }
        int is_depth = strcmp(*argv, "--depth") == 0;
        char *end;
        if ((!is_depth && strcmp(*argv, "--least") != 0) || argv[1] == NULL) {
            return usage();
        }
        int all = is_depth && strcmp(argv[1], "all") == 0;
        long number = strtol(all ? "0" : argv[1], &end, 10);
        argv++;
        if (*end != '\0' || number < 0 || number > (is_depth ? 20 : 1000000000)) {
            return usage();
        }
        if (is_depth) {
            depth = all ? ALL_ORDERS : (int)number;
        }
        else {
            least = number;
        }
    }
    for (char **name = argv; *name != NULL; name++) {
        if (wanted(*name) == NULL) {
            return 2;
        }
    }
    return explore_all(argv, depth, least);
}
