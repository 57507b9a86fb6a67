// Ours. malloc and free, a node at a time.
#include <stdlib.h>

#include "bench/peer.h"

static void *nodes[200000];
static long drawn;

static inline void peer_new(void) { drawn = 0; }
static inline void *peer_draw(size_t n) { return nodes[drawn++] = malloc(n); }
static inline void peer_drop(void) { while (drawn > 0) { free(nodes[--drawn]); } }

#include "bench/arenas.h"

const struct bench_peer bench_malloc = {"malloc", 0, { BENCH_ARENA_WORKS }};
