// Ours. A POSIX semaphore that counts to one.
#include <semaphore.h>

#include "bench/clock.h"
#include "bench/peer.h"

static struct { sem_t sem BENCH_LINE; } locks[BENCH_LOCKS];

static inline void peer_lock(int i) { while (sem_wait(&locks[i].sem) != 0) { } }
static inline void peer_unlock(int i) { sem_post(&locks[i].sem); }

static void
fresh(void)
{
    for (int i = 0; i < BENCH_LOCKS; i++) {
        sem_init(&locks[i].sem, 0, 1);
    }
}

#define BENCH_TIMED
static inline int
peer_lock_for(int i, int64_t ns)
{
    struct timespec end = bench_after(ns);
    return sem_clockwait(&locks[i].sem, CLOCK_MONOTONIC, &end) == 0;
}

#include "bench/locks.h"

static sem_t turns[2];      /* a post too many makes one look too many */

static inline void
peer_sleep(int *turn, int seen)
{
    (void)turn;
    sem_wait(&turns[!seen]);
}

static inline void
peer_wake(int *turn, int number)
{
    (void)turn;
    sem_post(&turns[number]);
}

#include "bench/sleeps.h"

const struct bench_peer bench_sem = {
    "sem", fresh, { BENCH_LOCK_WORKS, {"timed", 0, timed}, {"pass", 0, pass} },
};
