// CPython: Python/parking_lot.c (v3.13.5, behaviour of 3.14)
//
// Where threads wait for a value in memory to change: queues, found by address.
#include "pysync/pycore_parking_lot.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pyerrors.h"
#include "host/pystate.h"
#include "pysync/parking_queue.h"
#include "pysync/pycore_llist.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_semaphore.h"

#define NUM_BUCKETS 257

#define BUCKET_INIT(b, i) [i] = { .root = LLIST_INIT(b[i].root) }
#define BUCKET_INIT_4(b, i) \
    BUCKET_INIT(b, i), BUCKET_INIT(b, i + 1), \
    BUCKET_INIT(b, i + 2), BUCKET_INIT(b, i + 3)
#define BUCKET_INIT_16(b, i) \
    BUCKET_INIT_4(b, i), BUCKET_INIT_4(b, i + 4), \
    BUCKET_INIT_4(b, i + 8), BUCKET_INIT_4(b, i + 12)
#define BUCKET_INIT_64(b, i) \
    BUCKET_INIT_16(b, i), BUCKET_INIT_16(b, i + 16), \
    BUCKET_INIT_16(b, i + 32), BUCKET_INIT_16(b, i + 48)

static Bucket buckets[NUM_BUCKETS] = {
    BUCKET_INIT_64(buckets, 0), BUCKET_INIT_64(buckets, 64),
    BUCKET_INIT_64(buckets, 128), BUCKET_INIT_64(buckets, 192),
    BUCKET_INIT(buckets, 256),
};

_Static_assert(sizeof(buckets) == 8224, "as in CPython");

/* How often this thread has left a lot behind, being the one that forked. */
static _Thread_local unsigned lots_left;

static Bucket *
bucket_of(const void *addr)
{
    return &buckets[(uintptr_t)addr % NUM_BUCKETS];
}

/* Detach the caller. Returns what is to be attached again, NULL for nothing. */
static PyThreadState *
detach_if_attached(void)
{
    PyThreadState *tstate = _PyThreadState_GET();
    if (tstate == NULL || !host_thread_is_attached(tstate)) {
        return NULL;
    }
    PyEval_ReleaseThread(tstate);
    return tstate;
}
#define SEC_TO_NS (1000 * 1000 * 1000)

#ifdef __has_feature
#  if __has_feature(thread_sanitizer)
#    define _Py_THREAD_SANITIZER
#  endif
#elif defined(__SANITIZE_THREAD__)
#  define _Py_THREAD_SANITIZER
#endif

/* The instant `timeout` nanoseconds from now. */
static void
sema_deadline(PyTime_t timeout, struct timespec *ts)
{
    PyTime_t now;
#if defined(_Py_USE_SEMAPHORES) && defined(_Py_THREAD_SANITIZER)
    clock_gettime(CLOCK_REALTIME, ts);
    now = ts->tv_sec * (PyTime_t)SEC_TO_NS + ts->tv_nsec;
#else
    (void)PyTime_MonotonicRaw(&now);    /* a clock that fails reads 0 */
#endif
    PyTime_t deadline = _PyTime_Add(now, timeout);
    ts->tv_sec = deadline / SEC_TO_NS;
    ts->tv_nsec = deadline % SEC_TO_NS;
}

void
_PySemaphore_Init(_PySemaphore *sema)
{
#ifdef _Py_USE_SEMAPHORES
    if (sem_init(&sema->platform_sem, /*pshared=*/0, /*value=*/0) < 0) {
        Py_FatalError("parking_lot: sem_init failed");
    }
#else
    if (pthread_mutex_init(&sema->mutex, NULL) != 0) {
        Py_FatalError("parking_lot: pthread_mutex_init failed");
    }
    if (pthread_cond_init(&sema->cond, NULL) != 0) {
        Py_FatalError("parking_lot: pthread_cond_init failed");
    }
    sema->counter = 0;
#endif
}

void
_PySemaphore_Destroy(_PySemaphore *sema)
{
#ifdef _Py_USE_SEMAPHORES
    sem_destroy(&sema->platform_sem);
#else
    pthread_mutex_destroy(&sema->mutex);
    pthread_cond_destroy(&sema->cond);  /* no thread waits on either */
#endif
}

static int
_PySemaphore_PlatformWait(_PySemaphore *sema, PyTime_t timeout)
{
    int err = 0;
#ifdef _Py_USE_SEMAPHORES
    if (timeout < 0) {
        err = sem_wait(&sema->platform_sem);                            /* [S1] */
    }
    else {
        struct timespec ts;
        sema_deadline(timeout, &ts);
        #ifndef _Py_THREAD_SANITIZER
        err = sem_clockwait(&sema->platform_sem, CLOCK_MONOTONIC, &ts);         /* [S1] */
        #else
        err = sem_timedwait(&sema->platform_sem, &ts);                          /* [S1] */
        #endif
    }
    if (err == 0) {
        return Py_PARK_OK;
    }
    if (errno == EINTR) {
        return Py_PARK_INTR;
    }
    if (errno == ETIMEDOUT) {
        return Py_PARK_TIMEOUT;
    }
    char text[64];
    snprintf(text, sizeof(text), "unexpected error from semaphore: %d", errno);
    _Py_FatalErrorFunc(__func__, text);
#else
    int res;
    pthread_mutex_lock(&sema->mutex);
    if (sema->counter == 0) {
        if (timeout < 0) {
            err = pthread_cond_wait(&sema->cond, &sema->mutex);
        }
        else {
            struct timespec ts;
            sema_deadline(timeout, &ts);
            err = pthread_cond_clockwait(&sema->cond, &sema->mutex, CLOCK_MONOTONIC, &ts);
        }
    }
    if (sema->counter > 0) {
        sema->counter--;
        res = Py_PARK_OK;
    }
    else {
        res = err ? Py_PARK_TIMEOUT : Py_PARK_INTR;
    }
    pthread_mutex_unlock(&sema->mutex);
    return res;
#endif
}

void
_PySemaphore_Wakeup(_PySemaphore *sema)
{
#ifdef _Py_USE_SEMAPHORES
    if (sem_post(&sema->platform_sem) != 0) {                       /* [S1] */
        Py_FatalError("parking_lot: sem_post failed");
    }
#else
    pthread_mutex_lock(&sema->mutex);
    sema->counter++;                        /* what the waiter will look at */
    pthread_cond_signal(&sema->cond);
    pthread_mutex_unlock(&sema->mutex);
#endif
}

int
_PySemaphore_Wait(_PySemaphore *sema, PyTime_t timeout, int detach)
{
    PyThreadState *tstate = detach ? detach_if_attached() : NULL;
    int res = _PySemaphore_PlatformWait(sema, timeout);
    if (tstate != NULL) {
        PyEval_AcquireThread(tstate);
    }
    return res;
}

/* Whether *addr == *expected, read in one piece. */
static int
atomic_memcmp(const void *addr, const void *expected, size_t addr_size)
{
    switch (addr_size) {
    case 1: return _Py_atomic_load_uint8(addr) == *(const uint8_t *)expected;   /* [P1] */
    case 2: return _Py_atomic_load_uint16(addr) == *(const uint16_t *)expected; /* [P1] */
    case 4: return _Py_atomic_load_uint32(addr) == *(const uint32_t *)expected; /* [P1] */
    case 8: return _Py_atomic_load_uint64(addr) == *(const uint64_t *)expected; /* [P1] */
    default: Py_UNREACHABLE();
    }
}

int
_PyParkingLot_Park(const void *addr, const void *expected, size_t size,
                   PyTime_t timeout_ns, void *park_arg, int detach)
{
    struct wait_entry wait = {      /* others will see it, until we are woken */
        .park_arg = park_arg,
        .addr = (uintptr_t)addr,
        .is_unparking = false,
    };
    Bucket *bucket = bucket_of(addr);
    _PyRawMutex_Lock(&bucket->mutex);
    if (!atomic_memcmp(addr, expected, size)) {
        _PyRawMutex_Unlock(&bucket->mutex);
        return Py_PARK_AGAIN;               /* no thread has seen our entry */
    }
    _PySemaphore_Init(&wait.sema);
    enqueue(bucket, &wait);
    unsigned lot = lots_left;
    _PyRawMutex_Unlock(&bucket->mutex);

    PyThreadState *tstate = detach ? detach_if_attached() : NULL;
    int res = _PySemaphore_Wait(&wait.sema, timeout_ns, /*detach=*/0);
    if (res != Py_PARK_OK) {
        _PyRawMutex_Lock(&bucket->mutex);
        bool promised = wait.is_unparking;
        bool in_a_child = lot != lots_left;     /* and our entry in no queue */
        if (!promised && !in_a_child) {
            leave_queue(bucket, &wait);
        }
        _PyRawMutex_Unlock(&bucket->mutex);
        while (promised && !in_a_child && res != Py_PARK_OK) {
            res = _PySemaphore_Wait(&wait.sema, -1, /*detach=*/0);
        }
        if (promised) {
            res = Py_PARK_OK;
        }
    }
    _PySemaphore_Destroy(&wait.sema);
    if (tstate != NULL) {
        PyEval_AcquireThread(tstate);
    }
    return res;
}

void
_PyParkingLot_Unpark(const void *addr, _Py_unpark_fn_t *fn, void *arg)
{
    Bucket *bucket = bucket_of(addr);
    _PyRawMutex_Lock(&bucket->mutex);
    struct wait_entry *waiter = dequeue(bucket, addr);
    if (waiter) {
        fn(arg, waiter->park_arg, who_waits_still(bucket, addr));
    }
    else {
        fn(arg, NULL, 0);
    }
    _PyRawMutex_Unlock(&bucket->mutex);
    if (waiter) {
        _PySemaphore_Wakeup(&waiter->sema);
    }
}

void
_PyParkingLot_UnparkAll(const void *addr)
{
    struct llist_node head = LLIST_INIT(head);
    Bucket *bucket = bucket_of(addr);
    _PyRawMutex_Lock(&bucket->mutex);
    dequeue_all(bucket, addr, &head);   /* each is promised a wake-up */
    _PyRawMutex_Unlock(&bucket->mutex);

    struct llist_node *node;
    llist_for_each_safe(node, &head) {
        struct wait_entry *waiter = llist_data(node, struct wait_entry, node);
        llist_remove(node);             /* afterwards it may be gone */
        _PySemaphore_Wakeup(&waiter->sema);
    }
}

void
_PyParkingLot_AfterFork(void)
{
    lots_left++;
    memset(buckets, 0, sizeof(buckets));
    for (Py_ssize_t i = 0; i < NUM_BUCKETS; i++) {
        llist_init(&buckets[i].root);
    }
}
