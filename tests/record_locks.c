// record_locks: play a story on the port in the simulation; after each step,
// write what the port's data are.
#include <stdio.h>
#include <string.h>

#include "simulation/system.h"      // before the port: its calls are simulated
#include "pysync/parking_lot.c"     // to see its buckets
#include "simulation/explorer.h"
#include "simulation/world.h"

static PyMutex mutex;
static struct { uint8_t x; char between[256]; uint8_t y; } near;
static int holder, held_before;
static char told[SIM_THREADS][16];  // what a thread's last call answered

static void
say(const char *what)
{
    snprintf(told[sim_self()], sizeof(told[0]), "%s", what);
}

static void
open_the_book(void)
{
    _PyParkingLot_AfterFork();
    mutex = (PyMutex){0};
    memset(&near, 0, sizeof(near));
    memset(told, 0, sizeof(told));
    holder = held_before = -1;
    sim_name(&mutex, sizeof(mutex), "mutex");
    sim_name(&near.x, 1, "x");
    sim_name(&near.y, 1, "y");
}
static void
mutex_a(void)
{
    PyMutex_Lock(&mutex);
    holder = sim_self();
    PyMutex_Unlock(&mutex);
    if (_PyMutex_LockTimed(&mutex, 5000000, _PY_LOCK_DETACH) == PY_LOCK_FAILURE) {
        say("FAILURE");
    }
}

static void
mutex_b(void)
{
    PyMutex_Lock(&mutex);
    holder = sim_self();
    PyMutex_Unlock(&mutex);
}

static void
mutex_c(void)
{
    mutex_b();      // the same, at another time
}

#define MUTEX_SCHEDULE "A2-B9-A7-C2-B8-A8-C3-Cl-C3-At-A2-B6"
static void
wait_at(const uint8_t *place, PyTime_t limit)
{
    static const char *const answer[] = { "OK", "AGAIN", "TIMEOUT", "INTR" };
    uint8_t zero = 0;
    int res = _PyParkingLot_Park(place, &zero, 1, limit, told[sim_self()], 0);
    say(answer[-res]);
}

static void lot_a(void) { wait_at(&near.x, -1); }
static void lot_b(void) { wait_at(&near.y, 5000000); }
static void lot_c(void) { wait_at(&near.x, 3000000); }

static void
note_who(void *arg, void *park_arg, int has_more_waiters)
{
    (void)arg;
    char who[16] = "nobody";
    if (park_arg != NULL) {
        int found = (int)(((char *)park_arg - told[0]) / (int)sizeof(told[0]));
        snprintf(who, sizeof(who), "%c, %s", 'A' + found,
                 has_more_waiters ? "more" : "no more");
    }
    say(who);
}

static void
lot_d(void)
{
    for (int i = 0; i < 3; i++) {
        _PyParkingLot_Unpark(&near.x, note_who, NULL);
    }
}

#define LOT_SCHEDULE "A5-B6-C6-D4-A1-D2-Ct-C3-D1-C1-D2-Bt-B2"
static const char *comma;

static int
whose(const struct wait_entry *entry)
{
    int i = 0;
    while ((uintptr_t)entry - (uintptr_t)sim_world.thread[i].stack
           >= sim_world.thread[i].size) {
        i++;
    }
    return 'A' + i;
}

static void
write_entry(const struct wait_entry *entry)
{
    char name[24];
    printf("%s\"%c %s\"", comma, whose(entry),
           sim_object_name((const void *)entry->addr, name, sizeof(name)));
    comma = ", ";
}

static void
write_queues(Bucket *bucket, struct llist_node *place)
{
    struct wait_entry *first = first_at(bucket, place);
    if (first == NULL) {
        return;
    }
    write_entry(first);
    struct wait_entry *second = successor_of(first), *other = second;
    while (other != NULL) {
        write_entry(other);
        other = llist_data(other->node.next, struct wait_entry, node);
        other = other != second ? other : NULL;
    }
    write_queues(bucket, place->next);
    write_queues(bucket, place->prev);
}

static const char *
doing(const SimThread *thread)
{
    return thread->done ? "done" : thread->next.gate == NULL ? "runs"
        : *thread->next.gate > 0 ? "woken" : "asleep";
}

static void
look(int step, const SimOp *taken)
{
    int wrote = taken->object == &mutex && (taken->kind == SIM_STORE
                               || sim_world.before != sim_world.after);
    if (wrote && holder == held_before && sim_world.running == holder) {
        holder = -1;
    }
    held_before = holder;
    printf("{\"step\": %d, \"clock\": %d, \"byte\": %d, \"holder\": \"%s\", ",
           step, (int)(sim_now() / 1000000 % 1000), mutex._bits,
           holder < 0 ? "" : (const char *[]){ "A", "B", "C", "D" }[holder]);
    const void *place[] = { &mutex, &near.x };
    comma = "";
    printf("\"queue\": [");
    for (int i = 0; i < 2; i++) {
        Bucket *bucket = bucket_of(place[i]);
        write_queues(bucket, bucket->root.next);
    }
    static int threads;                     // none are left at the very end
    threads = sim_world.n > 0 ? sim_world.n : threads;
    printf("], \"threads\": [");
    for (int i = 0; i < threads; i++) {
        printf("%s[\"%s\", \"%s\"]", i > 0 ? ", " : "", sim_world.n > 0
               ? doing(&sim_world.thread[i]) : "done", told[i]);
    }
    printf("]}\n");
}

static const struct { SimScenario scenario; const char *schedule; } stories[] = {
    { { .name = "mutex", .body = { mutex_a, mutex_b, mutex_c },
        .setup = open_the_book }, MUTEX_SCHEDULE },
    { { .name = "parking-lot", .body = { lot_a, lot_b, lot_c, lot_d },
        .setup = open_the_book }, LOT_SCHEDULE },
};

int
main(int argc, char **argv)
{
    sim_watch = look;
    for (size_t i = 0; argc > 1 && i < sizeof(stories) / sizeof(*stories); i++) {
        if (strcmp(argv[1], stories[i].scenario.name) == 0) {
            return sim_replay(&stories[i].scenario,
                              argc > 2 ? argv[2] : stories[i].schedule, stdout);
        }
    }
    fputs("usage: record_locks mutex|parking-lot [SCHEDULE]\n", stderr);
    return 2;
}
