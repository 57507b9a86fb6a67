// Ours. LLVM's BumpPtrAllocator.
#include <new>

#include <llvm/Support/Allocator.h>

#include "bench/peer.h"

using arena = llvm::BumpPtrAllocator;
alignas(arena) static char place[sizeof(arena)];
static arena *the_arena;

static inline void peer_new() { the_arena = new (place) arena; }
static inline void *peer_draw(size_t n) { return the_arena->Allocate(n, llvm::Align(8)); }
static inline void peer_drop() { the_arena->~arena(); }

#include "bench/arenas.h"

extern "C" const struct bench_peer bench_llvm = {"llvm", 0, { BENCH_ARENA_WORKS }};
