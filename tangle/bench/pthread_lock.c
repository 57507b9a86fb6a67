// Ours. pthread_mutex_t: the default kind, or the one that spins first.
#include <pthread.h>

#include "bench/peer.h"

static pthread_mutex_t the_lock BENCH_LINE;

static inline void peer_lock(void) { pthread_mutex_lock(&the_lock); }
static inline void peer_unlock(void) { pthread_mutex_unlock(&the_lock); }

static void
fresh(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, BENCH_KIND);
    pthread_mutex_init(&the_lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

#include "bench/locks.h"

const struct bench_peer BENCH_PEER = {
    BENCH_NAME, fresh, { BENCH_LOCK_WORKS },
};
