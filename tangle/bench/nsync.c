// Ours. nsync's mutex.
#include <nsync.h>

#include "bench/peer.h"

static nsync_mu the_lock BENCH_LINE;

static inline void peer_lock(void) { nsync_mu_lock(&the_lock); }
static inline void peer_unlock(void) { nsync_mu_unlock(&the_lock); }
static void fresh(void) { nsync_mu_init(&the_lock); }

#include "bench/locks.h"

const struct bench_peer bench_nsync = {"nsync", fresh, { BENCH_LOCK_WORKS }};
