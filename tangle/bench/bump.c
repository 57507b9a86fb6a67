// Ours. The limit of an arena: one block, one pointer, no question asked.
#include <stdlib.h>

#include "bench/peer.h"

static char *base, *next;

static inline void peer_new(void) { base = next = malloc(16 * 1024 * 1024); }
static inline void peer_drop(void) { free(base); }

static inline void *
peer_draw(size_t size)
{
    char *drawn = next;
    next += (size + 7) & ~(size_t)7;
    return drawn;
}

#include "bench/arenas.h"

const struct bench_peer bench_bump = {"bump", 0, { BENCH_ARENA_WORKS }};
