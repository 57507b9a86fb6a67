// Ours. CPython and the port, by the same source: BENCH_CPYTHON says which headers.
#ifdef BENCH_CPYTHON
#  include <Python.h>
#  include "internal/pycore_lock.h"
#  include "internal/pycore_parking_lot.h"
#  include "internal/pycore_pyarena.h"
#  include "internal/pycore_pylifecycle.h"
#  include "internal/pycore_pystate.h"
#  include "internal/pycore_pythread.h"
#  include "internal/pycore_runtime.h"
#  ifndef BENCH_LOCKS_ONLY
_PyRuntimeState _PyRuntime;                     // all zero, as before the start
#  endif
extern PyThreadState *host_thread_enter(void);  // the port's host, under both
extern void host_thread_leave(void);
#else
#  include "arena/pycore_pyarena.h"
#  include "hash/pycore_pylifecycle.h"
#  include "hash/pyhash.h"
#  include "host/ceval.h"
#  include "host/pystate.h"
#  include "pysync/pycore_lock.h"
#  include "pysync/pycore_parking_lot.h"
#  include "pythread/pycore_pythread.h"
#endif

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/crowd.h"
#include "bench/peer.h"

static struct { PyMutex mutex BENCH_LINE; } locks[BENCH_LOCKS];

static inline void peer_lock(int i) { PyMutex_Lock(&locks[i].mutex); }
static inline void peer_unlock(int i) { PyMutex_Unlock(&locks[i].mutex); }
static void fresh(void) { memset(locks, 0, sizeof(locks)); }

#define BENCH_TIMED
static inline int
peer_lock_for(int i, int64_t ns)
{
    return _PyMutex_LockTimed(&locks[i].mutex, ns, 0) == PY_LOCK_ACQUIRED;
}

#include "bench/locks.h"
static _Thread_local PyThreadState this_thread;

static void
attach(void)
{
#ifdef BENCH_CPYTHON
    this_thread.state = _Py_THREAD_ATTACHED;    /* looked at while attached alone */
#endif
    PyEval_AcquireThread(&this_thread);
}

static void detach(void) { PyEval_ReleaseThread(&this_thread); }

static uint64_t
poller(long times)
{
    struct bench_contest one = {.lock = peer_lock, .unlock = peer_unlock, .apart = 1,
                                .enter = attach, .leave = detach};
    return bench_due_times(&one, times);
}
static void
nothing(void *arg, void *park_arg, int has_more_waiters)
{
    (void)arg, (void)park_arg, (void)has_more_waiters;
}

static inline void
peer_sleep(int *turn, int seen)
{
    _PyParkingLot_Park(turn, &seen, sizeof(seen), -1, NULL, 0);
}

static inline void
peer_wake(int *turn, int number)
{
    (void)number;
    _PyParkingLot_Unpark(turn, nothing, NULL);
}

#include "bench/sleeps.h"
enum { WAITERS = 1000, STRIDE = 257 };      /* addresses so far apart collide */

static uint8_t words[(WAITERS + 2) * STRIDE];
static int arrived, apart;

static void *
sleeper(void *arg)
{
    uint8_t *word = arg, zero = 0;
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0) {
        _PyParkingLot_Park(word, &zero, sizeof(zero), -1, NULL, 0);
    }
    return NULL;
}
static uint64_t
miss(long times)
{
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        _PyParkingLot_Unpark(&words[(WAITERS + 1) * STRIDE], nothing, NULL);
    }
    return bench_now() - before;
}
static uint64_t found_at;

static void
found(void *arg, void *park_arg, int has_more_waiters)
{
    (void)park_arg, (void)has_more_waiters;
    int *somebody = arg;
    found_at = bench_now();
    *somebody = park_arg != NULL;
}

static void *
last_who_came(void *arg)
{
    uint8_t *word = arg, zero = 0;
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0) {
        _PyParkingLot_Park(word, &zero, sizeof(zero), -1, word, 0);
    }
    return NULL;
}

static uint64_t
find_last(long times)
{
    uint8_t *word = &words[WAITERS * STRIDE];
    pthread_t last;
    uint64_t sum = 0;
    if (pthread_create(&last, NULL, last_who_came, word) != 0) {
        abort();
    }
    for (long found_so_far = 0; found_so_far < times; ) {
        int somebody = 0;
        uint64_t before = bench_now();
        _PyParkingLot_Unpark(word, found, &somebody);
        sum += somebody ? found_at - before : 0;
        found_so_far += somebody;
        if (!somebody) {
            sched_yield();
        }
    }
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    _PyParkingLot_UnparkAll(word);
    pthread_join(last, NULL);
    return sum;
}
static uint64_t
with_full_bucket(int spread, uint64_t (*measure)(long), long times)
{
    pthread_t threads[WAITERS];
    memset(words, 0, sizeof(words));
    arrived = 0;
    apart = spread * STRIDE;
    for (int i = 0; i < WAITERS; i++) {
        if (pthread_create(&threads[i], NULL, sleeper, &words[i * apart]) != 0) {
            abort();
        }
    }
    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < WAITERS
           || bench_asleep() < WAITERS) {
        sched_yield();
    }
    uint64_t took = measure(times);
    memset(words, 1, sizeof(words));
    for (int i = 0; i < WAITERS; i++) {
        _PyParkingLot_UnparkAll(&words[i * apart]);
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    return took;
}

static uint64_t same(long times) { return with_full_bucket(0, miss, times); }
static uint64_t other(long times) { return with_full_bucket(1, miss, times); }
static uint64_t hit(long times) { return with_full_bucket(1, find_last, times); }
#ifndef BENCH_LOCKS_ONLY
static PyArena *the_arena;

static inline void peer_new(void) { the_arena = _PyArena_New(); }
static inline void *peer_draw(size_t n) { return _PyArena_Malloc(the_arena, n); }
static inline void peer_drop(void) { _PyArena_Free(the_arena); }

#include "bench/arenas.h"

static void nothing_to_do(void *arg) { (void)arg; }

static uint64_t
start(long times)
{
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        PyThread_ident_t ident;
        PyThread_handle_t handle;
        if (PyThread_start_joinable_thread(nothing_to_do, NULL, &ident, &handle)
            || PyThread_join_thread(handle)) {
            abort();
        }
    }
    return bench_now() - before;
}
static uint64_t
hash(long times, Py_ssize_t size)
{
    static char text[4096];
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        text[0] = (char)Py_HashBuffer(text, size);      /* each waits for the last */
    }
    return bench_now() - before;
}

static uint64_t hash_8(long times) { return hash(times, 8); }
static uint64_t hash_64(long times) { return hash(times, 64); }
static uint64_t hash_4096(long times) { return hash(times, 4096); }

static uint64_t
urandom(long times)
{
    char secret[24];
    host_thread_enter();
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        if (_PyOS_URandom(secret, sizeof(secret)) < 0) {
            abort();
        }
    }
    uint64_t took = bench_now() - before;
    host_thread_leave();
    return took;
}
#endif

const struct bench_peer BENCH_PEER = {
    BENCH_NAME, fresh, { BENCH_LOCK_WORKS, {"timed", 0, timed},
    {"poller", poller, 0}, {"pass", 0, pass}, {"bucket-same", same, 0},
    {"bucket-other", other, 0}, {"bucket-hit", hit, 0},
#ifndef BENCH_LOCKS_ONLY
    BENCH_ARENA_WORKS, {"start", start, 0}, {"urandom", urandom, 0},
    {"hash-8", hash_8, 0}, {"hash-64", hash_64, 0}, {"hash-4096", hash_4096, 0},
#endif
    }};
