// Ours. Time, and how to spend it.
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LOAD(P) __atomic_load_n(P, __ATOMIC_RELAXED)
#define BENCH_STORE(P, V) __atomic_store_n(P, V, __ATOMIC_RELAXED)

static inline uint64_t
bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Keep the processor busy, and nothing else; some nanoseconds a turn. */
void bench_spin(unsigned turns);

#ifdef __cplusplus
}
#endif
#endif  // BENCH_CLOCK_H
