// Ours. std::pmr::monotonic_buffer_resource.
#include <memory_resource>
#include <new>

#include "bench/peer.h"

using arena = std::pmr::monotonic_buffer_resource;
alignas(arena) static char place[sizeof(arena)];
static arena *the_arena;

static inline void peer_new() { the_arena = new (place) arena; }
static inline void *peer_draw(size_t n) { return the_arena->allocate(n, 8); }
static inline void peer_drop() { the_arena->~arena(); }

#include "bench/arenas.h"

extern "C" const struct bench_peer bench_pmr = {"pmr", 0, { BENCH_ARENA_WORKS }};
