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

/* The time that it will be in so many nanoseconds. */
static inline struct timespec
bench_after(int64_t ns)
{
    uint64_t at = bench_now() + (uint64_t)ns;
    struct timespec ts = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
    return ts;
}

/* Keep the processor busy, and nothing else; some nanoseconds a turn. */
void bench_spin(unsigned turns);

/* Leave the processor to others for so long, signals or not. */
void bench_nap(int64_t ns);

#ifdef __cplusplus
}
#endif
#endif  // BENCH_CLOCK_H
