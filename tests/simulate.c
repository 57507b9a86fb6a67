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

static double
seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int
progress(const SimReport *report, double part)
{
    double now = seconds(), each = isatty(STDERR_FILENO) ? 0.2 : 10;
    if (now - told >= each) {
        long done = report->executions + report->pruned;
        fprintf(stderr, isatty(STDERR_FILENO)
                ? "\r%-16s %11ld interleavings, about %2.0f %%, %.0f a second "
                : "%-16s %11ld interleavings, about %2.0f %%, %.0f a second\n",
                current->name, report->executions, 100 * part,
                (double)done / (now - started));
        told = now;
    }
    return !interrupted;
}
static SimBounds
deeper(SimBounds bounds, int depth)
{
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
    long done = report.executions + report.pruned;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%78s\r", "");
    }
    char limit[16] = "any";
    if (bounds.preemptions >= 0) {
        snprintf(limit, sizeof(limit), "%d", bounds.preemptions);
    }
    printf("%-16s %3s %2d %2d %10ld %10ld %5ld %8.0f/s%s\n", s->name, limit,
           bounds.interrupts, bounds.leaps, report.executions, report.pruned,
           report.deepest, (double)done / (took > 1e-6 ? took : 1e-6),
           interrupted ? "  (stopped)" : "");
    total->executions += report.executions;
    total->pruned += report.pruned;
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
    printf("%-16s %3s %2s %2s %10s %10s %5s\n", "scenario", "pre", "in", "lp",
           "executions", "pruned", "steps");
    for (const SimScenario *s = scenarios; s->name && !interrupted; s++) {
        int wanted = names[0] == NULL;
        for (char **name = names; *name != NULL; name++) {
            wanted |= strcmp(*name, s->name) == 0;
        }
        failed += wanted && explore(s, depth, &total);
    }
    double took = seconds() - begun;
    printf("%ld interleavings, %ld steps, %.1f s, %.0f interleavings a second\n",
           total.executions, total.steps, took,
           (double)(total.executions + total.pruned) / (took > 0 ? took : 1));
    if (!interrupted && total.executions < least) {
        printf("FAILED: fewer than %ld interleavings\n", least);
        failed++;
    }
    return interrupted ? 130 : failed != 0;
}
static int
usage(void)
{
    fputs("usage: simulate [--depth N] [--least N] [SCENARIO ...]\n"
          "       simulate --replay SCENARIO SCHEDULE\n"
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

int
main(int argc, char **argv)
{
    int depth = 0;
    long least = 0;
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--list") == 0) {
            return list();
        }
        if (strcmp(*argv, "--replay") == 0 && argc == 4) {
            const SimScenario *s = find_scenario(argv[1]);
            return s == NULL ? usage() : sim_replay(s, argv[2], stdout);
        }
        int is_depth = strcmp(*argv, "--depth") == 0;
        char *end;
        if ((!is_depth && strcmp(*argv, "--least") != 0) || argv[1] == NULL) {
            return usage();
        }
        long number = strtol(*++argv, &end, 10);
        if (*end != '\0' || number < 0 || number > (is_depth ? 20 : 1000000000)) {
            return usage();
        }
        if (is_depth) {
            depth = (int)number;
        }
        else {
            least = number;
        }
    }
    for (char **name = argv; *name != NULL; name++) {
        if (find_scenario(*name) == NULL) {
            fprintf(stderr, "simulate: no scenario %s (--list)\n", *name);
            return 2;
        }
    }
    return explore_all(argv, depth, least);
}
