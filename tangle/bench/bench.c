// Ours. The bench's program: it lists its peers, or does as the lines of its
// standard input say, and answers each with one line of JSON.
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/crowd.h"
#include "bench/due.h"
#include "bench/load.h"

/* A peer that could not be built is not linked, and its address is NULL. */
#define PEER(NAME) extern const struct bench_peer NAME __attribute__((weak));
#include "bench/peers.h"
#undef PEER

static const struct bench_peer *const peers[] = {
#define PEER(NAME) &NAME,
#include "bench/peers.h"
#undef PEER
};

enum { PEERS = sizeof(peers) / sizeof(peers[0]) };

static const struct bench_peer *
find_peer(const char *name)
{
    for (int i = 0; i < PEERS; i++) {
        if (peers[i] != NULL && strcmp(peers[i]->name, name) == 0) {
            return peers[i];
        }
    }
    return NULL;
}

static const struct bench_work *
find_work(const struct bench_peer *peer, const char *name)
{
    const struct bench_work *work = peer->works;
    while (work->name != NULL && strcmp(work->name, name) != 0) {
        work++;
    }
    return work->name != NULL ? work : NULL;
}
/* What malloc has from the kernel it keeps, until malloc_trim; and blocks of up to
 * 32 MB, the most it allows, come out of it. */
static void
keep_the_store(void)
{
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

static void *
nobody(void *arg)
{
    return arg;
}

static void
have_had_a_second_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nobody, NULL) == 0) {
        pthread_join(thread, NULL);
    }
}

static double turns_per_ns;

static void
calibrate(void)
{
    uint64_t least = UINT64_MAX;
    enum { TURNS = 100000 };
    for (int i = 0; i < 50; i++) {
        uint64_t before = bench_now();
        bench_spin(TURNS);
        uint64_t took = bench_now() - before;
        least = took < least ? took : least;
    }
    turns_per_ns = TURNS / (double)least;
}

static unsigned
turns_of(long ns)
{
    return (unsigned)((double)ns * turns_per_ns + 0.5);
}
/* Nanoseconds of one of as many repetitions as fill `ms` milliseconds; or -1:
 * the kernel does not allow it. A waiter is given up after 5,000 times as long. */
static double
repeat(const struct bench_peer *peer, const struct bench_work *work, int ms,
       long *times)
{
    uint64_t enough = (uint64_t)ms * 1000000u, took;
    if (peer->fresh) {
        peer->fresh();
    }
    bench_due_limit = enough * 5000;
    took = work->run(1);
    *times = 1;
    while (took < enough) {
        double more = 1.1 * (double)enough / (double)(took ? took : 1);
        *times = (long)((double)*times * (more > 10 ? 10 : more)) + 1;
        took = work->run(*times);
    }
    return took == BENCH_REFUSED ? -1 : (double)took / (double)*times;
}
static void
tell(const struct bench_count *c)
{
    printf("{\"ns\": %llu, \"times\": %llu, \"least\": %llu, \"most\": %llu, "
           "\"worst\": %llu, \"median\": %llu, \"asked\": %llu, \"in_time\": %llu, "
           "\"excluded\": %d", (unsigned long long)c->ns, (unsigned long long)c->all,
           (unsigned long long)c->least, (unsigned long long)c->most,
           (unsigned long long)c->worst, (unsigned long long)c->median,
           (unsigned long long)c->asked, (unsigned long long)c->in_time, c->excluded);
}

/* PEER WORK THREADS SECTION GAP MS [LOCKS [TURNS]]; the times of section and gap in
 * ns. The work `timed` has no gap, and takes that time for its limit. */
static void
answer(const char *line)
{
    char peer_name[64], work_name[64];
    struct bench_question q = {0};
    long section, gap, turns = 0, times = 0;
    if (sscanf(line, "%63s %63s %d %ld %ld %d %d %ld", peer_name, work_name, &q.threads,
               &section, &gap, &q.ms, &q.locks, &turns) < 6
        || q.threads < 1 || q.ms < 1 || q.locks > BENCH_LOCKS || q.locks < 0 || turns < 0) {
        printf("{\"error\": \"not a command\"}\n");
        return;
    }
    const struct bench_peer *peer = find_peer(peer_name);
    const struct bench_work *work = peer ? find_work(peer, work_name) : NULL;
    if (work == NULL) {
        printf("{\"error\": \"no such peer, or it has no such work\"}\n");
        return;
    }
    struct bench_load before = bench_load_now(), after;
    if (work->run != NULL) {
        double ns = repeat(peer, work, q.ms, &times);
        after = bench_load_now();
        printf("{\"ns\": %.4f, \"times\": %ld, \"refused\": %d", ns, times, ns < 0);
    }
    else {
        struct bench_count c;
        q.section = turns_of(section);
        q.gap = turns_of(gap);
        q.limit = gap;
        q.turns = (uint64_t)turns;
        if (bench_crowd(peer, work, &q, &c)) {
            printf("{\"error\": \"no %d threads to be had\"}\n", q.threads);
            exit(1);
        }
        after = bench_load_now();
        tell(&c);
    }
    printf(", \"span\": %llu, \"busy\": %llu, \"own\": %llu}\n",
           (unsigned long long)(after.at - before.at),
           (unsigned long long)(after.busy - before.busy),
           (unsigned long long)(after.own - before.own));
}
static void
list(void)
{
    for (int i = 0; i < PEERS; i++) {
        if (peers[i] != NULL) {
            printf("%s\t", peers[i]->name);
            for (const struct bench_work *w = peers[i]->works; w->name; w++) {
                printf("%s ", w->name);
            }
            printf("\n");
        }
    }
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    char line[256];
    bench_pin((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);  /* the first has the interrupts */
    keep_the_store();
    have_had_a_second_thread();
    calibrate();
    while (fgets(line, sizeof(line), stdin) != NULL) {
        answer(line);
        fflush(stdout);
    }
    return 0;
}
