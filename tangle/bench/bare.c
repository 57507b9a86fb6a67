// Ours. The limit: what one compare-exchange and one exchange cost. No lock:
// nobody who finds it taken would wait.
#include <stdint.h>

#include "bench/clock.h"
#include "bench/peer.h"

static uint8_t the_byte BENCH_LINE;

static uint64_t
uncontended(long times)
{
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        uint8_t seen = 0;
        __atomic_compare_exchange_n(&the_byte, &seen, 1, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        __atomic_exchange_n(&the_byte, 0, __ATOMIC_SEQ_CST);
    }
    return bench_now() - before;
}

const struct bench_peer bench_bare = {"bare", 0, {{"uncontended", uncontended, 0}}};
