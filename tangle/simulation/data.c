// The graph of a scenario as data, for programs that let a reader walk it.
#include <stdlib.h>
#include <string.h>

#include "simulation/graph.h"

#define world sim_world

typedef struct { SimOp op; char object[24]; } Place;

static Place *places;
static char (*values)[24];
static long *rows, n_rows, rows_room;   // of `width` numbers each
static int n_places, n_values, width, n_threads, n_words;
static const char *names[24];

static int
place_number(const SimOp *op)
{
    Place p = { .op = { .kind = op->kind, .where = op->where } };
    if (op->object != NULL) {
        sim_object_name(op->object, p.object, sizeof(p.object));
    }
    for (int i = 0; i < n_places; i++) {
        if (places[i].op.kind == op->kind && places[i].op.where == op->where
            && strcmp(places[i].object, p.object) == 0) {
            return i;
        }
    }
    places = realloc(places, (size_t)(n_places + 1) * sizeof(*places));
    places[n_places] = p;
    return n_places++;
}

static long
value_number(uintptr_t value)
{
    char text[24];
    if (value < 1000000) {
        return (long)value;
    }
    sim_value_name(text, sizeof(text), value);
    for (int i = 0; i < n_values; i++) {
        if (strcmp(values[i], text) == 0) {
            return -1 - i;
        }
    }
    values = realloc(values, (size_t)(n_values + 1) * sizeof(*values));
    memcpy(values[n_values++], text, sizeof(text));
    return -n_values;
}
static void
put(long number)
{
    if (n_rows == rows_room) {
        rows_room = rows_room ? 2 * rows_room : 4096;
        rows = realloc(rows, (size_t)rows_room * sizeof(*rows));
    }
    rows[n_rows++] = number;
}

void
sim_data_begin(void)
{
    n_places = n_values = 0;
    n_rows = width = 0;
}

void
sim_data_state(void)
{
    n_threads = world.n;
    for (int i = 0; i < world.n; i++) {
        const SimThread *t = &world.thread[i];
        put(place_number(&t->next));
        put(t->done ? 1 + t->done : t->next.gate && *t->next.gate <= 0);
    }
    const void *object;
    size_t size;
    n_words = 0;
    for (int i = 0; (names[n_words] = sim_named(i, &object, &size)) != NULL; i++) {
        uintptr_t word = 0;
        if (size <= sizeof(word)) {
            memcpy(&word, object, size);
            put(value_number(word));
            n_words++;
        }
    }
    put((long)((world.clock - 1000 * INT64_C(1000000000)) / 1000));
    put(world.interrupts);
    put(world.leaps);
    width = 2 * n_threads + n_words + 3;
}
static void
write_places(FILE *out)
{
    const void **where = calloc((size_t)n_places + 1, sizeof(*where));
    for (int i = 0; i < n_places; i++) {
        where[i] = places[i].op.where;
    }
    char (*text)[300] = calloc((size_t)n_places + 1, sizeof(*text));
    sim_find_lines(where, n_places, text);
    for (int i = 0; i < n_places; i++) {
        int function = (int)strcspn(text[i], ",");
        fprintf(out, "%s\n[\"%s\", \"%s\", \"%.*s\", \"%s\"]", i ? "," : "",
                sim_verb(places[i].op.kind), places[i].object, function, text[i],
                text[i][function] ? text[i] + function + 2 : "");
    }
    free(where);
    free(text);
}

static void
write_states(FILE *out, long n)
{
    for (long i = 0, at = 0; i < n; i++) {
        fprintf(out, i ? ",\n" : "\n");
        if (sim_graph_is_broken(i)) {
            fprintf(out, "null");
            continue;
        }
        for (int k = 0; k < width; k++) {
            fprintf(out, "%s%ld", k ? "," : "[", rows[at++]);
        }
        fprintf(out, "]");
    }
}

static void
write_strings(FILE *out, const char *key, int n, int are_words)
{
    fprintf(out, "],\n\"%s\": [", key);
    for (int i = 0; i < n; i++) {
        fprintf(out, "%s\"%s\"", i ? ", " : "", are_words ? names[i] : values[i]);
    }
}

int
sim_graph(const SimScenario *s, SimBounds bounds, const char *build,
          const char *policy, FILE *out)
{
    SimReport report;
    sim_go_on = 1;
    sim_data_begin();
    (void)sim_explore(s, bounds, &report, NULL);
    sim_go_on = 0;
    fprintf(out, "{\"scenario\": \"%s\", \"what\": \"%s\", \"build\": \"%s\", "
            "\"policy\": \"%s\",\n\"bounds\": [%d, %d, %d], \"whole\": %s,\n"
            "\"places\": [", s->name, s->what, build, policy, bounds.preemptions,
            bounds.interrupts, bounds.leaps, report.whole ? "true" : "false");
    write_places(out);
    write_strings(out, "words", n_words, 1);
    write_strings(out, "values", n_values, 0);
    fprintf(out, "],\n\"states\": [");
    write_states(out, report.states);
    fprintf(out, "],\n\"edges\": [");
    sim_graph_write_edges(out);
    fprintf(out, "],\n\"ends\": [");
    sim_graph_write_ends(out);
    fprintf(out, "]}\n");
    return report.states == 0;
}
