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
