// Ours. pthread_create and pthread_join, and nothing around them.
#include <pthread.h>
#include <stdlib.h>

#include "bench/clock.h"
#include "bench/peer.h"

static void *nothing_to_do(void *arg) { return arg; }

static uint64_t
start(long times)
{
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing_to_do, NULL)
            || pthread_join(thread, NULL)) {
            abort();
        }
    }
    return bench_now() - before;
}

const struct bench_peer bench_raw_thread = {"raw-thread", 0, {{"start", start, 0}}};
