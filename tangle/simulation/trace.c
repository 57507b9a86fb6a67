// The trace of one execution: its steps, in words.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "simulation/explorer.h"
#include "simulation/world.h"

#define world sim_world

static struct line {
    SimOption option;
    SimOp op;
    char object[24];
    uintptr_t before, after;
    int noted;
} lines[SIM_LONGEST];
static int n_lines;
SimWatch *sim_watch;

static void
end_line(void)
{
    if (n_lines > 0) {
        struct line *last = &lines[n_lines - 1];
        last->before = world.before;
        last->after = world.after;
        last->noted = world.noted;
        if (sim_watch != NULL) {
            sim_watch(n_lines, &last->op);
        }
    }
    world.noted = 0;
}

void
sim_trace_begin(void)
{
    n_lines = 0;
}

void
sim_trace_step(SimOption option)
{
    end_line();
    struct line *line = &lines[n_lines++];
    line->option = option;
    line->op = world.thread[option.thread].next;
    line->object[0] = '\0';
    if (line->op.object != NULL) {
        sim_object_name(line->op.object, line->object, sizeof(line->object));
    }
}

static FILE *
ask_for_lines(const void *const *where, int n)
{
    char command[100 + 20 * 64] = "";
    FILE *answer = tmpfile();
    for (int i = 0; answer != NULL && i < n; i += 64) {
        int at = snprintf(command, sizeof(command),
                          "addr2line -fie /proc/%d/exe -a", (int)getpid());
        for (int k = i; k < i + 64 && k < n; k++) {
            at += snprintf(command + at, sizeof(command) - (size_t)at, " %#lx",
                           (unsigned long)(uintptr_t)where[k] - 1);
        }
        FILE *pipe = popen(command, "r");
        char text[400];
        while (pipe != NULL && fgets(text, sizeof(text), pipe) != NULL) {
            fputs(text, answer);
        }
        if (pipe != NULL) {
            pclose(pipe);
        }
    }
    if (answer != NULL) {
        rewind(answer);
    }
    return answer;
}

/* The place of the next line of the trace, "function, file:line". */
static void
read_place(FILE *answer, char *place, size_t size)
{
    static char text[400];
    char function[200];
    place[0] = '\0';
    while (answer != NULL && (text[0] == '0' || fgets(text, sizeof(text), answer))
           && text[0] == '0') {
        text[0] = '\0';
        while (fgets(text, sizeof(text), answer) != NULL && text[0] != '0') {
            snprintf(function, sizeof(function), "%.*s",
                     (int)strcspn(text, "\n"), text);
            if (fgets(text, sizeof(text), answer) == NULL) {
                break;
            }
            const char *from = text;
            for (int k = 0; k < 3; k++) {
                const char *room = strstr(text, (const char *[]){ "book/", "tangle/",
                                                                  "tests/" }[k]);
                from = room != NULL ? room : from;
            }
            if (place[0] == '\0' && strncmp(function, "_Py_atomic_", 11) != 0) {
                snprintf(place, size, "%s, %.*s", function,
                         (int)strcspn(from, " \n"), from);
            }
        }
        break;
    }
}

void
sim_find_lines(const void *const *where, int n, char (*place)[300])
{
    FILE *answer = ask_for_lines(where, n);
    for (int i = 0; i < n; i++) {
        read_place(answer, place[i], sizeof(place[i]));
        place[i][where[i] != NULL ? sizeof(place[i]) - 1 : 0] = '\0';
    }
    if (answer != NULL) {
        fclose(answer);
    }
}

/* A number; or, if it points into a thread's stack, whose, and the low bits. */
void
sim_value_name(char *out, size_t size, uintptr_t value)
{
    for (int i = 0; i < SIM_THREADS; i++) {
        uintptr_t stack = (uintptr_t)world.thread[i].stack;
        if (stack != 0 && value - stack < world.thread[i].size) {
            snprintf(out, size, "&%c's|%d", 'A' + i, (int)(value & 7));
            return;
        }
    }
    snprintf(out, size, value < 4096 ? "%lu" : "%#lx", (unsigned long)value);
}

const char *
sim_verb(SimKind kind)
{
    static const char *const verb[] = {
        "begins", "reads", "writes", "exchanges", "takes", "wakes from",
        "posts", "locks", "unlocks", "wakes on", "signals", "clock", "yields",
        "forks", "touches"
    };
    return verb[kind];
}

void
sim_trace_end(FILE *out)
{
    static const char *const struck[] = { "", "TIMEOUT", "EINTR", "LEAP" };
    static const void *where[SIM_LONGEST];
    static char place[SIM_LONGEST][300];
    end_line();
    for (int i = 0; i < n_lines; i++) {
        where[i] = lines[i].op.where;
    }
    sim_find_lines(where, n_lines, place);
    for (int i = 0; i < n_lines; i++) {
        struct line *l = &lines[i];
        char values[50] = "";
        if (l->noted) {
            sim_value_name(values, sizeof(values), l->before);
            if (l->before != l->after) {
                size_t at = strlen(values);
                snprintf(values + at, sizeof(values) - at, " -> ");
                sim_value_name(values + at + 4, sizeof(values) - at - 4, l->after);
            }
        }
        fprintf(out, "%4d %*s%c%*s%-7s %-10s %-11s %-20s %s\n", i + 1,
                2 * l->option.thread, "", 'A' + l->option.thread,
                8 - 2 * l->option.thread, "", struck[l->option.event], sim_verb(l->op.kind), l->object, values, place[i]);
    }
}

static struct { const char *object; size_t size; const char *name; } names[24];
static int n_names;

void
sim_forget_names(void)
{
    n_names = 0;
}

void
sim_name(const volatile void *object, size_t size, const char *name)
{
    if (n_names < 24) {
        names[n_names].object = (const char *)object;
        names[n_names].size = size;
        names[n_names++].name = name;
    }
}

/* The i-th name, and what has it; NULL: there are no more. */
const char *
sim_named(int i, const void **object, size_t *size)
{
    *object = names[i].object;
    *size = names[i].size;
    return i < n_names ? names[i].name : NULL;
}

const char *
sim_object_name(const void *object, char *buffer, size_t size)
{
    const char *p = object;
    for (int i = 0; i < n_names; i++) {
        if (p >= names[i].object && p < names[i].object + names[i].size) {
            snprintf(buffer, size, "%s", names[i].name);
            return buffer;
        }
    }
    for (int i = 0; i < world.n; i++) {
        SimThread *t = &world.thread[i];
        if (p >= t->stack && p < t->stack + t->size) {
            snprintf(buffer, size, "%c's record", 'A' + i);
            return buffer;
        }
    }
    snprintf(buffer, size, object == &world.clock ? "clock" : "a bucket");
    return buffer;
}
