// Ours. APR's pools.
#include <apr_general.h>
#include <apr_pools.h>

#include "bench/peer.h"

static apr_pool_t *the_pool;

static void fresh(void) { apr_initialize(); }
static inline void peer_new(void) { apr_pool_create(&the_pool, NULL); }
static inline void *peer_draw(size_t n) { return apr_palloc(the_pool, n); }
static inline void peer_drop(void) { apr_pool_destroy(the_pool); }

#include "bench/arenas.h"

const struct bench_peer bench_apr = {"apr", fresh, { BENCH_ARENA_WORKS }};
