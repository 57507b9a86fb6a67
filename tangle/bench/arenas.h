// Ours. The loops of every arena: included after peer_new(), peer_draw(), peer_drop().
#ifndef BENCH_ARENAS_H
#define BENCH_ARENAS_H

#include <malloc.h>
#include <stddef.h>

#include "bench/clock.h"
#include "bench/peer.h"

enum { WARM_NODES = 5000, COLD_NODES = 200000 };

static const unsigned char node_sizes[16] = {
    80, 56, 24, 56, 56, 32, 56, 24, 56, 56, 40, 56, 80, 56, 24, 56,
};

static void
build_tree(long nodes)
{
    peer_new();
    for (long i = 0; i < nodes; i++) {
        long *node = (long *)peer_draw(node_sizes[i % 16]);
        *(volatile long *)node = i;
    }
    peer_drop();
}
static uint64_t
arena_warm(long times)
{
    uint64_t before = bench_now();
    for (long left = times; left > 0; left -= WARM_NODES) {
        build_tree(left < WARM_NODES ? left : WARM_NODES);
    }
    return bench_now() - before;
}

static uint64_t
arena_cold(long times)
{
    uint64_t took = 0;
    for (long left = times; left > 0; left -= COLD_NODES) {
        malloc_trim(0);
        uint64_t before = bench_now();
        build_tree(left < COLD_NODES ? left : COLD_NODES);
        took += bench_now() - before;
    }
    return took;
}
#define BENCH_ARENA_WORKS \
    {"arena-warm", arena_warm, 0}, {"arena-cold", arena_cold, 0}

#endif  // BENCH_ARENAS_H
