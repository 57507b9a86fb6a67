// Ours. A POSIX semaphore that counts to one.
#include <semaphore.h>

#include "bench/peer.h"

static sem_t the_lock BENCH_LINE;

static inline void peer_lock(void) { while (sem_wait(&the_lock) != 0) { } }
static inline void peer_unlock(void) { sem_post(&the_lock); }
static void fresh(void) { sem_init(&the_lock, 0, 1); }

#include "bench/locks.h"

static sem_t turns[2];      /* a post too many makes one look too many */

static inline void
peer_sleep(int *turn, int seen)
{
    (void)turn;
    sem_wait(&turns[!seen]);
}

static inline void
peer_wake(int *turn, int number)
{
    (void)turn;
    sem_post(&turns[number]);
}

#include "bench/sleeps.h"

const struct bench_peer bench_sem = {
    "sem", fresh, { BENCH_LOCK_WORKS, {"pass", 0, pass} },
};
