// Ours. nsync's mutex.
#include <nsync.h>
#include <string.h>

#include "bench/peer.h"

static struct { nsync_mu mu BENCH_LINE; } locks[BENCH_LOCKS];

static inline void peer_lock(int i) { nsync_mu_lock(&locks[i].mu); }
static inline void peer_unlock(int i) { nsync_mu_unlock(&locks[i].mu); }
static void fresh(void) { memset(locks, 0, sizeof(locks)); }     /* nsync_mu_init's zeros */

#include "bench/locks.h"

const struct bench_peer bench_nsync = {"nsync", fresh, { BENCH_LOCK_WORKS }};
