// Ours. How to spend time.
#include "bench/clock.h"

void
bench_spin(unsigned turns)
{
    uint64_t x = turns;
    for (; turns; turns--) {
        x *= 6364136223846793005u;
        __asm__ volatile("" : "+r"(x));
    }
}

void
bench_nap(int64_t ns)
{
    struct timespec span = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &span) != 0) {
    }
}
