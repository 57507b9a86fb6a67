// Ours. absl::Mutex, without its search for deadlocks.
#include <new>

#include <absl/synchronization/mutex.h>

#include "bench/peer.h"

alignas(64) static absl::Mutex the_lock;

static inline void peer_lock() { the_lock.Lock(); }
static inline void peer_unlock() { the_lock.Unlock(); }

static void
fresh()
{
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

#include "bench/locks.h"

extern "C" const struct bench_peer bench_abseil = {"abseil", fresh, { BENCH_LOCK_WORKS }};
