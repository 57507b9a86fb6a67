// Ours. A futex of three states: 0 free, 1 held, 2 held and somebody may sleep.
#include <linux/futex.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/peer.h"

static struct { uint32_t word BENCH_LINE; } locks[BENCH_LOCKS];

static void
futex_sleep(uint32_t *word)
{
    while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    }
}

static inline void
peer_lock(int i)
{
    uint32_t seen = 0, *word = &locks[i].word;
    if (!__atomic_compare_exchange_n(word, &seen, 1, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        futex_sleep(word);
    }
}

static inline int
peer_lock_for(int i, int64_t ns)
{
    uint64_t end = bench_now() + (uint64_t)ns, now;
    while (__atomic_exchange_n(&locks[i].word, 2, __ATOMIC_ACQUIRE) != 0) {
        if ((now = bench_now()) >= end) {
            return 0;
        }
        struct timespec rest = {(time_t)((end - now) / 1000000000u),
                                (long)((end - now) % 1000000000u)};
        syscall(SYS_futex, &locks[i].word, FUTEX_WAIT_PRIVATE, 2, &rest, NULL, 0);
    }
    return 1;
}

static inline void
peer_unlock(int i)
{
    if (__atomic_exchange_n(&locks[i].word, 0, __ATOMIC_RELEASE) == 2) {
        syscall(SYS_futex, &locks[i].word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}
static void fresh(void) { memset(locks, 0, sizeof(locks)); }

#define BENCH_TIMED
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
    "futex", fresh, { BENCH_LOCK_WORKS, {"timed", 0, timed}, {"pass", 0, pass} },
};
