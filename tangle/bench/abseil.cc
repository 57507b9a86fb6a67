// Ours. absl::Mutex, without its search for deadlocks.
#include <new>

#include <absl/synchronization/mutex.h>

#include "bench/peer.h"

static struct alignas(64) { absl::Mutex mutex; } locks[BENCH_LOCKS];

static inline void peer_lock(int i) { locks[i].mutex.Lock(); }
static inline void peer_unlock(int i) { locks[i].mutex.Unlock(); }

static void
fresh()
{
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

#include "bench/locks.h"

extern "C" const struct bench_peer bench_abseil = {"abseil", fresh, { BENCH_LOCK_WORKS }};
