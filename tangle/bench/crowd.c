// Ours. Threads sit down, are counted for a while, and get up.
#include "bench/crowd.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"

struct place {
    struct bench_seat seat;
    void (*sit)(struct bench_seat *);
    pthread_barrier_t *ready;
    pthread_t thread;
};

void
bench_pin(int number)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(number % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *
sit_down(void *arg)
{
    struct place *place = arg;
    bench_pin(place->seat.number);
    pthread_barrier_wait(place->ready);
    place->sit(&place->seat);
    return NULL;
}
/* The threads that could be started: `threads`, or fewer. */
static int
seat_all(struct place *places, int threads)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    int n = 0;
    while (n < threads
           && pthread_create(&places[n].thread, &attr, sit_down, &places[n]) == 0) {
        n++;
    }
    pthread_attr_destroy(&attr);
    return n;
}
static void
let_pass(int ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000L};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &span) != 0) {
    }
}

static void
count_for(struct place *places, int threads, int ms, struct bench_count *count)
{
    uint64_t before[threads];
    uint64_t start = bench_now();
    for (int i = 0; i < threads; i++) {
        before[i] = BENCH_LOAD(&places[i].seat.count);
    }
    let_pass(ms);
    count->ns = bench_now() - start;
    for (int i = 0; i < threads; i++) {
        uint64_t made = BENCH_LOAD(&places[i].seat.count) - before[i];
        count->all += made;
        count->least = made < count->least ? made : count->least;
        count->most = made > count->most ? made : count->most;
    }
}
int
bench_crowd(const struct bench_peer *peer, const struct bench_work *work,
            int threads, unsigned section, unsigned gap, int ms,
            struct bench_count *count)
{
    struct bench_table table = {.section = section, .gap = gap};
    struct place *places = aligned_alloc(64, (size_t)threads * sizeof(*places));
    pthread_barrier_t ready;
    *count = (struct bench_count){.least = UINT64_MAX};
    if (places == NULL) {
        return -1;
    }
    pthread_barrier_init(&ready, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        places[i] = (struct place){.seat = {.table = &table, .number = i},
                                   .sit = work->sit, .ready = &ready};
    }
    if (peer->fresh) {
        peer->fresh();
    }
    if (seat_all(places, threads) < threads) {
        return -1;      /* those that were started wait for ever: the caller exits */
    }
    pthread_barrier_wait(&ready);
    let_pass(ms / 8);
    count_for(places, threads, ms, count);
    BENCH_STORE(&table.stop, 1);
    uint64_t all = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(places[i].thread, NULL);
        all += places[i].seat.count;
        uint64_t worst = places[i].seat.worst;
        count->worst = worst > count->worst ? worst : count->worst;
    }
    count->excluded = all == table.guarded;
    pthread_barrier_destroy(&ready);
    free(places);
    return 0;
}

int
bench_asleep(void)
{
    int asleep = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL; ) {
        char path[300], state = 0;
        snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            asleep += fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
            fclose(file);
        }
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return asleep;
}
