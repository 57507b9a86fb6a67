// Ours. A POSIX semaphore that counts to one.
#include <semaphore.h>

#include "bench/peer.h"

static sem_t the_lock BENCH_LINE;

static inline void peer_lock(void) { while (sem_wait(&the_lock) != 0) { } }
static inline void peer_unlock(void) { sem_post(&the_lock); }
static void fresh(void) { sem_init(&the_lock, 0, 1); }

#include "bench/locks.h"

const struct bench_peer bench_sem = {"sem", fresh, { BENCH_LOCK_WORKS }};
