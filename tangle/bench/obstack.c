// Ours. glibc's obstack.
#include <obstack.h>
#include <stdlib.h>

#include "bench/peer.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free
static struct obstack the_stack;

static inline void peer_new(void) { obstack_init(&the_stack); }
static inline void *peer_draw(size_t n) { return obstack_alloc(&the_stack, n); }
static inline void peer_drop(void) { obstack_free(&the_stack, NULL); }

#include "bench/arenas.h"

const struct bench_peer bench_obstack = {"obstack", 0, { BENCH_ARENA_WORKS }};
