// Ours. pthread_mutex_t: the default kind, or the one that spins first.
#include <pthread.h>

#include "bench/clock.h"
#include "bench/peer.h"

static struct { pthread_mutex_t mutex BENCH_LINE; } locks[BENCH_LOCKS];

static inline void peer_lock(int i) { pthread_mutex_lock(&locks[i].mutex); }
static inline void peer_unlock(int i) { pthread_mutex_unlock(&locks[i].mutex); }

static void
fresh(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, BENCH_KIND);
    for (int i = 0; i < BENCH_LOCKS; i++) {
        pthread_mutex_init(&locks[i].mutex, &attr);
    }
    pthread_mutexattr_destroy(&attr);
}

#define BENCH_TIMED
static inline int
peer_lock_for(int i, int64_t ns)
{
    struct timespec end = bench_after(ns);
    return pthread_mutex_clocklock(&locks[i].mutex, CLOCK_MONOTONIC, &end) == 0;
}

#include "bench/locks.h"

const struct bench_peer BENCH_PEER = {
    BENCH_NAME, fresh, { BENCH_LOCK_WORKS, {"timed", 0, timed} },
};
