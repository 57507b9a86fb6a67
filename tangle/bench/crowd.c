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
count_for(struct place *places, int threads, int ms, struct bench_count *count)
{
    uint64_t before[threads];
    uint64_t start = bench_now();
    for (int i = 0; i < threads; i++) {
        before[i] = BENCH_LOAD(&places[i].seat.count);
    }
    bench_nap(ms * 1000000L);
    count->ns = bench_now() - start;
    for (int i = 0; i < threads; i++) {
        uint64_t made = BENCH_LOAD(&places[i].seat.count) - before[i];
        count->all += made;
        count->least = made < count->least ? made : count->least;
        count->most = made > count->most ? made : count->most;
    }
}
static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void
sum_up(struct bench_table *t, struct place *places, int threads, struct bench_count *count)
{
    uint64_t all = 0, guarded = 0;
    for (int i = 0; i < threads; i++) {
        uint64_t worst = places[i].seat.worst;
        all += places[i].seat.count;
        count->worst = worst > count->worst ? worst : count->worst;
    }
    for (int i = 0; i < BENCH_LOCKS; i++) {
        guarded += t->guarded[i].count;
    }
    count->excluded = all == guarded;
    count->asked = t->asked;
    if (t->asked > 0) {
        size_t n = t->asked < BENCH_WAITS ? t->asked : BENCH_WAITS;
        count->in_time = places[1].seat.count;
        qsort(t->waits, n, sizeof(t->waits[0]), compare);
        count->median = t->waits[n / 2];
        count->worst = t->waits[n - 1];
    }
}
int
bench_crowd(const struct bench_peer *peer, const struct bench_work *work,
            const struct bench_question *q, struct bench_count *count)
{
    int threads = q->threads;
    struct bench_table table = {.section = q->section, .gap = q->gap, .limit = q->limit,
                                .locks = q->locks ? q->locks : 1,
                                .turns = q->turns ? q->turns : UINT64_MAX};
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
    uint64_t start = bench_now();
    if (q->turns == 0) {
        bench_nap(q->ms * 125000L);
        count_for(places, threads, q->ms, count);
        BENCH_STORE(&table.stop, 1);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(places[i].thread, NULL);
    }
    if (q->turns != 0) {
        count->ns = bench_now() - start;
        count->all = q->turns * (uint64_t)threads;
        count->least = count->most = q->turns;
    }
    sum_up(&table, places, threads, count);
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
