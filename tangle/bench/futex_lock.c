// Ours. A futex of three states: 0 free, 1 held, 2 held and somebody may sleep.
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/peer.h"

static uint32_t the_lock BENCH_LINE;

static void
futex_sleep(void)
{
    while (__atomic_exchange_n(&the_lock, 2, __ATOMIC_ACQUIRE) != 0) {
        syscall(SYS_futex, &the_lock, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    }
}

static inline void
peer_lock(void)
{
    uint32_t seen = 0;
    if (!__atomic_compare_exchange_n(&the_lock, &seen, 1, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        futex_sleep();
    }
}

static inline void
peer_unlock(void)
{
    if (__atomic_exchange_n(&the_lock, 0, __ATOMIC_RELEASE) == 2) {
        syscall(SYS_futex, &the_lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}
static void fresh(void) { the_lock = 0; }

#include "bench/locks.h"

static inline void
peer_sleep(int *turn, int seen)
{
    syscall(SYS_futex, turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static inline void
peer_wake(int *turn, int number)
{
    (void)number;
    syscall(SYS_futex, turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#include "bench/sleeps.h"

const struct bench_peer bench_futex = {
    "futex", fresh, { BENCH_LOCK_WORKS, {"pass", 0, pass} },
};
