// CPython: Python/lock.c (v3.13.5, behaviour of 3.14)
//
// Locks that fit into a byte or a word; a thread that has to wait, waits in the parking lot.
#include "pysync/pycore_lock.h"

#include <assert.h>
#include <sched.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pyerrors.h"
#include "host/pythread.h"
#include "host/pytime.h"
#include "pysync/policy.h"
#include "pysync/pycore_parking_lot.h"
#include "pysync/pycore_semaphore.h"

/* A thread that has waited longer than this, 1 ms, is due: it is handed the lock at
 * its next turn (one of a crowd a little later: policy.h). */
static const PyTime_t TIME_TO_BE_FAIR_NS = 1000*1000;

/* A waiter, as the thread that wakes it sees it: Park's park_arg. */
struct mutex_entry {
    PyTime_t time_to_be_fair;   /* written by the waiter, before it parks */
    int handed_off;             /* written by the unlocker, before it wakes us */
    PyTime_t time_in_a_crowd;   /* like the first, for when many others wait */
};

static void
_Py_yield(void)
{
    sched_yield();
}

/* How many times we put sleep off. */
#ifndef Py_GIL_DISABLED
static const int MAX_SPIN_COUNT = 0;
#elif defined(GF_UPSTREAM_POLICY)
static const int MAX_SPIN_COUNT = 40;
#else
static const int MAX_SPIN_COUNT = GF_SPIN_PAUSES + GF_SPIN_YIELDS;
#endif

#ifdef GF_UPSTREAM_POLICY
/* Having seen *v, held: 1 after a pause, to go on; 0: it is time to park. */
static int
mutex_spin(PyMutex *Py_UNUSED(m), uint8_t *v, int *spin_count,
           PyTime_t Py_UNUSED(until))
{
    if ((*v & _Py_HAS_PARKED) != 0 || *spin_count >= MAX_SPIN_COUNT) {
        return 0;
    }
    _Py_yield();
    ++*spin_count;
    return 1;
}
#else
/* Tell the processor that this is a wait: some tens of cycles, or 140, in which
 * the core's other thread has it to itself. No system call. */
static inline void
pause_processor(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static int
is_past(PyTime_t instant)
{
    PyTime_t now;
    (void)PyTime_MonotonicRaw(&now);
    return now >= instant;
}

/* Having seen *v, held: 1 after a pause, with a new *v; 0: it is time to park.
 * First the processor's pauses, then yields, and a look after each; that of a
 * yield after which it is past `until` is the last. With 0 there are none. */
static int
mutex_spin(PyMutex *m, uint8_t *v, int *spin_count, PyTime_t until)
{
    if ((*v & _Py_HAS_PARKED) != 0 || *spin_count >= MAX_SPIN_COUNT) {
        return 0;
    }
    if (*spin_count < GF_SPIN_PAUSES) {
        pause_processor();
    }
    else if (until == 0) {
        return 0;
    }
    else {
        _Py_yield();
        *spin_count = is_past(until) ? MAX_SPIN_COUNT - 1 : *spin_count;
    }
    ++*spin_count;
    *v = _Py_atomic_load_uint8_relaxed(&m->_bits);                  /* [M6] */
    return 1;
}
#endif

PyLockStatus
_PyMutex_LockTimed(PyMutex *m, PyTime_t timeout, _PyLockFlags flags)
{
    uint8_t v = _Py_atomic_load_uint8_relaxed(&m->_bits);           /* [M3] */
    if ((v & _Py_LOCKED) == 0
        && _Py_atomic_compare_exchange_uint8(&m->_bits, &v, v | _Py_LOCKED)) {  /* [M1] */
        return PY_LOCK_ACQUIRED;
    }
    if (timeout == 0) {
        return PY_LOCK_FAILURE;
    }
    PyTime_t now;
    (void)PyTime_MonotonicRaw(&now);    /* a clock that fails reads 0 */
    PyTime_t endtime = timeout > 0 ? _PyTime_Add(now, timeout) : 0;
    struct mutex_entry entry = {
        .time_to_be_fair = now + TIME_TO_BE_FAIR_NS,
        .handed_off = 0,
    };
    entry.time_in_a_crowd = entry.time_to_be_fair + (timeout < 0 ? GF_CROWD_NS : 0);
    PyTime_t until = timeout > 0 ? 0 : entry.time_to_be_fair + GF_CROWD_NS;
    int spin_count = 0;
    for (;;) {
        if ((v & _Py_LOCKED) == 0) {
            if (_Py_atomic_compare_exchange_uint8(&m->_bits, &v, v | _Py_LOCKED)) { /* [M1] */
                return PY_LOCK_ACQUIRED;
            }
            continue;
        }
        if (mutex_spin(m, &v, &spin_count, until)) {
            continue;
        }
        #ifndef GF_UPSTREAM_POLICY
        if (timeout > 0) {
            timeout = _PyDeadline_Get(endtime);
            if (timeout < 0) {
                timeout = 0;        /* a negative one would be for ever */
            }
        }
        #endif
        if (timeout == 0) {
            return PY_LOCK_FAILURE;
        }
        uint8_t newv = v | _Py_HAS_PARKED;
        if (newv != v && !_Py_atomic_compare_exchange_uint8(&m->_bits, &v, newv)) { /* [M4] */
            continue;
        }
        int ret = _PyParkingLot_Park(&m->_bits, &newv, sizeof(newv), timeout,
                                     &entry, (flags & _PY_LOCK_DETACH) != 0);
        if (ret == Py_PARK_OK && entry.handed_off) {
            return PY_LOCK_ACQUIRED;
        }
        if (ret == Py_PARK_INTR && (flags & _PY_LOCK_HANDLE_SIGNALS)
            && Py_MakePendingCalls() < 0) {
            return PY_LOCK_INTR;
        }
        if (ret == Py_PARK_TIMEOUT) {
            return PY_LOCK_FAILURE;
        }
        #ifdef GF_UPSTREAM_POLICY
        if (timeout > 0) {
            timeout = _PyDeadline_Get(endtime);
            if (timeout < 0) {
                timeout = 0;        /* a negative one would be for ever */
            }
        }
        #else
        spin_count = is_past(until) ? MAX_SPIN_COUNT : 0;
        #endif
        v = _Py_atomic_load_uint8_relaxed(&m->_bits);                       /* [M3] */
    }
}

/* Under the bucket's lock, with a waiter whose turn it is: 1, hand it the lock;
 * 0, let it compete. CPython's answer is as for a waiter that waits alone. */
static int
mutex_is_due(struct mutex_entry *entry, PyTime_t now, int has_more_waiters)
{
    return now > (has_more_waiters == GF_IN_A_CROWD ? entry->time_in_a_crowd
                                                    : entry->time_to_be_fair);
}

/* Under the bucket's lock: choose between handing over and letting go. */
static void
mutex_unpark(void *arg, void *park_arg, int has_more_waiters)
{
    PyMutex *m = arg;
    struct mutex_entry *entry = park_arg;
    uint8_t v = _Py_UNLOCKED;
    if (entry) {
        PyTime_t now;
        (void)PyTime_MonotonicRaw(&now);
        entry->handed_off = mutex_is_due(entry, now, has_more_waiters);
        v |= entry->handed_off ? _Py_LOCKED : 0;
        v |= has_more_waiters ? _Py_HAS_PARKED : 0;
    }
    _Py_atomic_store_uint8(&m->_bits, v);                           /* [M5] */
}

int
_PyMutex_TryUnlock(PyMutex *m)
{
    uint8_t v = _Py_atomic_load_uint8(&m->_bits);
    for (;;) {
        if ((v & _Py_LOCKED) == 0) {
            return -1;
        }
        if (v & _Py_HAS_PARKED) {
            _PyParkingLot_Unpark(&m->_bits, mutex_unpark, m);
            return 0;
        }
        if (_Py_atomic_compare_exchange_uint8(&m->_bits, &v, _Py_UNLOCKED)) { /* [M2] */
            return 0;
        }
    }
}

struct raw_mutex_entry {
    struct raw_mutex_entry *next;
    _PySemaphore sema;
};

_Static_assert(_Alignof(struct raw_mutex_entry) >= 2, "bit 0 of its address is free");

void
_PyRawMutex_LockSlow(_PyRawMutex *m)
{
    struct raw_mutex_entry waiter;      /* others will see it */
    _PySemaphore_Init(&waiter.sema);

    uintptr_t v = _Py_atomic_load_uintptr(&m->v);
    for (;;) {
        if ((v & _Py_LOCKED) == 0) {
            if (_Py_atomic_compare_exchange_uintptr(&m->v, &v, v | _Py_LOCKED)) { /* [R3] */
                break;
            }
            continue;
        }
        waiter.next = (struct raw_mutex_entry *)(v & ~(uintptr_t)_Py_LOCKED);
        uintptr_t desired = (uintptr_t)&waiter | _Py_LOCKED;
        if (!_Py_atomic_compare_exchange_uintptr(&m->v, &v, desired)) {     /* [R4] */
            continue;
        }
        while (_PySemaphore_Wait(&waiter.sema, -1, /*detach=*/0) != Py_PARK_OK) {
            /* A signal. The record is in the word still, or an unlocker has it in
             * its hands: it must neither be pushed again nor go out of scope. */
        }
        v = _Py_atomic_load_uintptr(&m->v);
    }
    _PySemaphore_Destroy(&waiter.sema);
}

void
_PyRawMutex_UnlockSlow(_PyRawMutex *m)
{
    uintptr_t v = _Py_atomic_load_uintptr(&m->v);                   /* [R6] */
    for (;;) {
        if ((v & _Py_LOCKED) == 0) {
            Py_FatalError("unlocking mutex that is not locked");
        }
        struct raw_mutex_entry *waiter =
            (struct raw_mutex_entry *)(v & ~(uintptr_t)_Py_LOCKED);
        uintptr_t rest = waiter ? (uintptr_t)waiter->next : _Py_UNLOCKED;
        if (_Py_atomic_compare_exchange_uintptr(&m->v, &v, rest)) {  /* [R5] */
            if (waiter) {
                _PySemaphore_Wakeup(&waiter->sema);
            }
            return;
        }
    }
}

int
_PyEvent_IsSet(PyEvent *evt)
{
    return _Py_atomic_load_uint8(&evt->v) == _Py_LOCKED;               /* [E2] */
}

void
_PyEvent_Notify(PyEvent *evt)
{
    uint8_t v = _Py_atomic_exchange_uint8(&evt->v, _Py_LOCKED);        /* [E1] */
    if (v == _Py_HAS_PARKED) {
        _PyParkingLot_UnparkAll(&evt->v);   /* the address alone: see below */
    }
    else {
        assert(v == _Py_UNLOCKED || v == _Py_LOCKED);
    }
}

void
PyEvent_Wait(PyEvent *evt)
{
    while (!PyEvent_WaitTimed(evt, -1, /*detach=*/1)) {
    }
}

int
PyEvent_WaitTimed(PyEvent *evt, PyTime_t timeout_ns, int detach)
{
    uint8_t v = _Py_atomic_load_uint8(&evt->v);                        /* [E2] */
    if (v == _Py_UNLOCKED) {                /* should it fail, v is 1 or 2 now */
        (void)_Py_atomic_compare_exchange_uint8(&evt->v, &v, _Py_HAS_PARKED); /* [E3] */
    }
    if (v == _Py_LOCKED) {
        return 1;
    }
    v = _Py_HAS_PARKED;
    (void)_PyParkingLot_Park(&evt->v, &v, sizeof(evt->v), timeout_ns, NULL, detach);
    return _Py_atomic_load_uint8(&evt->v) == _Py_LOCKED;               /* [E2] */
}

/* The work is over, with result `res`: tell the waiters. */
static int
unlock_once(_PyOnceFlag *o, int res)
{
    if (res != 0 && res != -1) {
        Py_FatalError("invalid result from _PyOnceFlag_CallOnce");
    }
    uint8_t after = res == 0 ? _Py_ONCE_INITIALIZED : _Py_UNLOCKED;
    uint8_t before = _Py_atomic_exchange_uint8(&o->v, after);          /* [O2] */
    if (before & _Py_HAS_PARKED) {
        _PyParkingLot_UnparkAll(&o->v);
    }
    return res;
}

int
_PyOnceFlag_CallOnceSlow(_PyOnceFlag *flag, _Py_once_fn_t *fn, void *arg)
{
    uint8_t v = _Py_atomic_load_uint8(&flag->v);                       /* [O1] */
    while (v != _Py_ONCE_INITIALIZED) {
        if (v == _Py_UNLOCKED) {
            if (_Py_atomic_compare_exchange_uint8(&flag->v, &v, _Py_LOCKED)) { /* [O3] */
                return unlock_once(flag, fn(arg));
            }
            continue;                       /* not first after all; v is new */
        }
        assert(v & _Py_LOCKED);
        if (!(v & _Py_HAS_PARKED)) {
            uint8_t marked = v | _Py_HAS_PARKED;
            if (!_Py_atomic_compare_exchange_uint8(&flag->v, &v, marked)) {        /* [O4] */
                continue;
            }
            v = marked;
        }
        _PyParkingLot_Park(&flag->v, &v, sizeof(v), -1, NULL, /*detach=*/1);
        v = _Py_atomic_load_uint8(&flag->v);                               /* [O1] */
    }
    return 0;
}

static int
recursive_mutex_is_owned_by(_PyRecursiveMutex *m, PyThread_ident_t tid)
{
    return _Py_atomic_load_ullong_relaxed(&m->thread) == tid;          /* [N1] */
}

int
_PyRecursiveMutex_IsLockedByCurrentThread(_PyRecursiveMutex *m)
{
    return recursive_mutex_is_owned_by(m, PyThread_get_thread_ident_ex());
}

void
_PyRecursiveMutex_Lock(_PyRecursiveMutex *m)
{
    PyThread_ident_t me = PyThread_get_thread_ident_ex();
    if (recursive_mutex_is_owned_by(m, me)) {
        m->level++;
        return;
    }
    PyMutex_Lock(&m->mutex);
    _Py_atomic_store_ullong_relaxed(&m->thread, me);                   /* [N2] */
    assert(m->level == 0);
}

PyLockStatus
_PyRecursiveMutex_LockTimed(_PyRecursiveMutex *m, PyTime_t timeout,
                            _PyLockFlags flags)
{
    PyThread_ident_t me = PyThread_get_thread_ident_ex();
    if (recursive_mutex_is_owned_by(m, me)) {
        m->level++;
        return PY_LOCK_ACQUIRED;
    }
    PyLockStatus status = _PyMutex_LockTimed(&m->mutex, timeout, flags);
    if (status == PY_LOCK_ACQUIRED) {
        _Py_atomic_store_ullong_relaxed(&m->thread, me);               /* [N2] */
        assert(m->level == 0);
    }
    return status;
}

void
_PyRecursiveMutex_Unlock(_PyRecursiveMutex *m)
{
    if (_PyRecursiveMutex_TryUnlock(m) < 0) {
        Py_FatalError("unlocking a recursive mutex that is not owned by the"
                      " current thread");
    }
}

int
_PyRecursiveMutex_TryUnlock(_PyRecursiveMutex *m)
{
    if (!_PyRecursiveMutex_IsLockedByCurrentThread(m)) {
        return -1;
    }
    if (m->level > 0) {
        m->level--;
        return 0;
    }
    _Py_atomic_store_ullong_relaxed(&m->thread, 0);                    /* [N3] */
    PyMutex_Unlock(&m->mutex);
    return 0;
}

void
_PyRecursiveMutex_at_fork_reinit(_PyRecursiveMutex *m, int owned)
{
    if (!owned) {
        memset(m, 0, sizeof(*m));
        return;
    }
    /* Held by us as often as before; the waiters stayed in the parent. */
    m->mutex._bits = _Py_LOCKED;
    _Py_atomic_store_ullong_relaxed(&m->thread, PyThread_get_thread_ident_ex()); /* [N2] */
}

#define _Py_WRITE_LOCKED 1
#define _PyRWMutex_READER_SHIFT 2
#define _Py_RWMUTEX_ONE_READER ((uintptr_t)4)
#define _Py_RWMUTEX_MAX_READERS (UINTPTR_MAX >> _PyRWMutex_READER_SHIFT)

_Static_assert(_Py_RWMUTEX_ONE_READER >> _PyRWMutex_READER_SHIFT == 1,
               "readers are counted above the two bits");

/* Park, once the word says that a thread does. Returns the word as it is when
 * there is reason to look again. */
static uintptr_t
rwmutex_set_parked_and_wait(_PyRWMutex *rwmutex, uintptr_t bits)
{
    uintptr_t parked = bits | _Py_HAS_PARKED;
    if (bits != parked
        && !_Py_atomic_compare_exchange_uintptr(&rwmutex->bits, &bits, parked)) { /* [W4] */
        return bits;
    }
    _PyParkingLot_Park(&rwmutex->bits, &parked, sizeof(parked), -1, NULL, /*detach=*/1);
    return _Py_atomic_load_uintptr_relaxed(&rwmutex->bits);            /* [W1] */
}

static uintptr_t
rwmutex_reader_count(uintptr_t bits)
{
    return bits >> _PyRWMutex_READER_SHIFT;
}

void
_PyRWMutex_RLock(_PyRWMutex *rwmutex)
{
    uintptr_t bits = _Py_atomic_load_uintptr_relaxed(&rwmutex->bits);  /* [W1] */
    for (;;) {
        if (bits & (_Py_WRITE_LOCKED | _Py_HAS_PARKED)) {
            /* A writer has it, or a writer waits and shall not starve. */
            bits = rwmutex_set_parked_and_wait(rwmutex, bits);
            continue;
        }
        assert(rwmutex_reader_count(bits) < _Py_RWMUTEX_MAX_READERS);
        if (_Py_atomic_compare_exchange_uintptr(&rwmutex->bits, &bits, /* [W2] */
                                                bits + _Py_RWMUTEX_ONE_READER)) {
            return;
        }
    }
}

void
_PyRWMutex_RUnlock(_PyRWMutex *rwmutex)
{
    uintptr_t bits = _Py_atomic_add_uintptr(&rwmutex->bits,
                                            -_Py_RWMUTEX_ONE_READER);  /* [W3] */
    assert(rwmutex_reader_count(bits) > 0 && "lock was not read-locked");
    bits -= _Py_RWMUTEX_ONE_READER;
    if (rwmutex_reader_count(bits) == 0 && (bits & _Py_HAS_PARKED)) {
        _PyParkingLot_UnparkAll(&rwmutex->bits);
    }
}

void
_PyRWMutex_Lock(_PyRWMutex *rwmutex)
{
    uintptr_t bits = _Py_atomic_load_uintptr_relaxed(&rwmutex->bits);  /* [W1] */
    for (;;) {
        if (bits & ~(uintptr_t)_Py_HAS_PARKED) {
            bits = rwmutex_set_parked_and_wait(rwmutex, bits);
        }
        else if (_Py_atomic_compare_exchange_uintptr(&rwmutex->bits, &bits, /* [W2] */
                                                     bits | _Py_WRITE_LOCKED)) {
            return;             /* from 0 to 1, or from 2 to 3 */
        }
    }
}

void
_PyRWMutex_Unlock(_PyRWMutex *rwmutex)
{
    uintptr_t bits = _Py_atomic_exchange_uintptr(&rwmutex->bits, 0);   /* [W3] */
    assert((bits & _Py_WRITE_LOCKED) && "lock was not write-locked");
    assert(rwmutex_reader_count(bits) == 0 && "lock was read-locked");
    if (bits & _Py_HAS_PARKED) {
        _PyParkingLot_UnparkAll(&rwmutex->bits);
    }
}

#define SEQLOCK_IS_UPDATING(sequence) ((sequence) & 0x01)

void
_PySeqLock_LockWrite(_PySeqLock *seqlock)
{
    uint32_t prev = _Py_atomic_load_uint32_relaxed(&seqlock->sequence); /* [Q1] */
    for (;;) {
        if (SEQLOCK_IS_UPDATING(prev)) {
            _Py_yield();
            prev = _Py_atomic_load_uint32_relaxed(&seqlock->sequence);  /* [Q1] */
        }
        else if (_Py_atomic_compare_exchange_uint32(&seqlock->sequence, &prev, /* [Q7] */
                                                    prev + 1)) {
            _Py_atomic_fence_release();                                 /* [Q2] */
            return;
        }
        else {
            _Py_yield();
        }
    }
}

void
_PySeqLock_AbandonWrite(_PySeqLock *seqlock)
{
    uint32_t prev = _Py_atomic_load_uint32_relaxed(&seqlock->sequence); /* [Q1] */
    assert(SEQLOCK_IS_UPDATING(prev));
    _Py_atomic_store_uint32(&seqlock->sequence, prev - 1);             /* [Q3] */
}

void
_PySeqLock_UnlockWrite(_PySeqLock *seqlock)
{
    uint32_t prev = _Py_atomic_load_uint32_relaxed(&seqlock->sequence); /* [Q1] */
    assert(SEQLOCK_IS_UPDATING(prev));
    _Py_atomic_store_uint32(&seqlock->sequence, prev + 1);             /* [Q3] */
}

uint32_t
_PySeqLock_BeginRead(_PySeqLock *seqlock)
{
    uint32_t sequence = _Py_atomic_load_uint32_acquire(&seqlock->sequence); /* [Q4] */
    while (SEQLOCK_IS_UPDATING(sequence)) {
        _Py_yield();
        sequence = _Py_atomic_load_uint32_acquire(&seqlock->sequence);  /* [Q4] */
    }
    return sequence;
}

int
_PySeqLock_EndRead(_PySeqLock *seqlock, uint32_t previous)
{
    _Py_atomic_fence_acquire();     /* gh-121368 */                     /* [Q5] */
    if (_Py_atomic_load_uint32_relaxed(&seqlock->sequence) == previous) { /* [Q6] */
        return 1;
    }
    _Py_yield();
    return 0;
}

int
_PySeqLock_AfterFork(_PySeqLock *seqlock)
{
    int left_behind = SEQLOCK_IS_UPDATING(seqlock->sequence);
    if (left_behind) {
        seqlock->sequence = 0;      /* or the next reader waits for a ghost */
    }
    return left_behind;
}

/* From here on the names mean these functions, not the inline ones. */
#undef PyMutex_Lock
#undef PyMutex_Unlock
#undef PyMutex_IsLocked

void
PyMutex_Lock(PyMutex *m)
{
    _PyMutex_LockTimed(m, -1, _PY_LOCK_DETACH);
}

void
PyMutex_Unlock(PyMutex *m)
{
    if (_PyMutex_TryUnlock(m) < 0) {
        Py_FatalError("unlocking mutex that is not locked");
    }
}

int
PyMutex_IsLocked(PyMutex *m)
{
    return _PyMutex_IsLocked(m);
}
