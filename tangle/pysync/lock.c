// CPython: Python/lock.c (v3.13.5, behaviour of 3.14)
//
// Locks that fit into a byte or a word; who has to wait, waits in the parking lot.
#include "pysync/pycore_lock.h"

#include <assert.h>
#include <sched.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pyerrors.h"
#include "host/pytime.h"
#include "pysync/pycore_parking_lot.h"
#include "pysync/pycore_semaphore.h"

/* Who has waited longer than this is handed the lock: 1 ms. */
static const PyTime_t TIME_TO_BE_FAIR_NS = 1000*1000;

/* A waiter, as the one who wakes it sees it: Park's park_arg. */
struct mutex_entry {
    PyTime_t time_to_be_fair;   /* written by the waiter, before it parks */
    int handed_off;             /* written by the unlocker, before it wakes us */
};

static void
_Py_yield(void)
{
    sched_yield();
}

/* The spin policy: this number and the function below are all of it. */
#ifdef Py_GIL_DISABLED
static const int MAX_SPIN_COUNT = 40;
#else
static const int MAX_SPIN_COUNT = 0;
#endif

/* Having seen v, held: 1 after a pause, to look again; 0: it is time to park. */
static int
mutex_spin(uint8_t v, int *spin_count)
{
    if ((v & _Py_HAS_PARKED) != 0 || *spin_count >= MAX_SPIN_COUNT) {
        return 0;
    }
    _Py_yield();
    ++*spin_count;
    return 1;
}

PyLockStatus
_PyMutex_LockTimed(PyMutex *m, PyTime_t timeout, _PyLockFlags flags)
{
    uint8_t v = _Py_atomic_load_uint8_relaxed(&m->_bits);           /* [M3] */
    if ((v & _Py_LOCKED) == 0
        && _Py_atomic_compare_exchange_uint8(&m->_bits, &v, v | _Py_LOCKED)) {
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
    int spin_count = 0;
    for (;;) {
        if ((v & _Py_LOCKED) == 0) {
            if (_Py_atomic_compare_exchange_uint8(&m->_bits, &v, v | _Py_LOCKED)) { /* [M1] */
                return PY_LOCK_ACQUIRED;
            }
            continue;
        }
        if (mutex_spin(v, &spin_count)) {
            continue;
        }
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
        if (timeout > 0) {
            timeout = _PyDeadline_Get(endtime);
            if (timeout < 0) {
                timeout = 0;        /* a negative one would be for ever */
            }
        }
        v = _Py_atomic_load_uint8_relaxed(&m->_bits);               /* [M3] */
    }
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
        entry->handed_off = now > entry->time_to_be_fair;
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
        if (_Py_atomic_compare_exchange_uint8(&m->_bits, &v, _Py_UNLOCKED)) {
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
    struct raw_mutex_entry waiter;
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
    uintptr_t v = _Py_atomic_load_uintptr(&m->v);
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

/* to be written */
/* to be written */
/* to be written */
/* to be written */
/* to be written */
#undef PyMutex_Lock
void
PyMutex_Lock(PyMutex *m)
{
    _PyMutex_LockTimed(m, -1, _PY_LOCK_DETACH);
}

#undef PyMutex_Unlock
void
PyMutex_Unlock(PyMutex *m)
{
    if (_PyMutex_TryUnlock(m) < 0) {
        Py_FatalError("unlocking mutex that is not locked");
    }
}

#undef PyMutex_IsLocked
int
PyMutex_IsLocked(PyMutex *m)
{
    return _PyMutex_IsLocked(m);
}
