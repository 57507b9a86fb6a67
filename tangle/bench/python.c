// Ours. CPython and the port, by the same source: BENCH_CPYTHON says which headers.
#ifdef BENCH_CPYTHON
#  include <Python.h>
#  include "internal/pycore_lock.h"
#  include "internal/pycore_parking_lot.h"
#else
#  include "pysync/pycore_lock.h"
#  include "pysync/pycore_parking_lot.h"
#endif

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"

static PyMutex the_lock BENCH_LINE;

static inline void peer_lock(void) { PyMutex_Lock(&the_lock); }
static inline void peer_unlock(void) { PyMutex_Unlock(&the_lock); }
static void fresh(void) { memset(&the_lock, 0, sizeof(the_lock)); }

#include "bench/locks.h"

const struct bench_peer BENCH_PEER = {
    BENCH_NAME, fresh, { BENCH_LOCK_WORKS },
};
