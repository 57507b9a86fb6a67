// CPython: Include/cpython/lock.h (v3.13.5, behaviour of 3.14)
#ifndef Py_CPYTHON_LOCK_H
#define Py_CPYTHON_LOCK_H

#include "host/pyatomic.h"
#include "host/pymutex.h"
#include "host/pyport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One byte, two bits, four states.
 *   P L
 *   0 0  free, no thread queued
 *   0 1  held, no thread queued                   lock: 00 -> 01
 *   1 1  held, a thread may be queued          a waiter: 01 -> 11, then it parks
 *   1 0  free, a thread may be queued still    any thread may take it: 10 -> 11
 * P may be set with no thread queued (buckets are shared): costs a slow unlock.
 * P must never be clear while a thread is parked here: it would sleep for ever.
 * P is cleared only by an unlocker, under the bucket's lock. */
#define _Py_UNLOCKED 0
#define _Py_LOCKED 1

/* Lock: wait for the mutex and take it. Unlock: give it back, from any thread.
 * IsLocked: 1 or 0, which may be out of date when the caller reads it.
 *
 * A mutex of zero bytes is a free one; it needs no making and no destroying.
 * Blocks     Lock: yes; an attached caller is detached meanwhile. Signals do
 *            not end the wait.   Allocates  never.   Attached  no need.
 * Checked    unlocking what is not locked: fatal.
 * Unchecked  locking what one has locked oneself: waits for ever. pthread_cancel
 *            of a waiter: the next wake-up is lost.
 * CPython    Python/lock.c, functions of the same names */
PyAPI_FUNC(void) PyMutex_Lock(PyMutex *m);
PyAPI_FUNC(void) PyMutex_Unlock(PyMutex *m);
PyAPI_FUNC(int) PyMutex_IsLocked(PyMutex *m);

static inline void
_PyMutex_Lock(PyMutex *m)
{
    uint8_t expected = _Py_UNLOCKED;
    if (!_Py_atomic_compare_exchange_uint8(&m->_bits, &expected, _Py_LOCKED)) { /* [M1] */
        PyMutex_Lock(m);
    }
}
#define PyMutex_Lock _PyMutex_Lock

static inline void
_PyMutex_Unlock(PyMutex *m)
{
    uint8_t expected = _Py_LOCKED;
    if (!_Py_atomic_compare_exchange_uint8(&m->_bits, &expected, _Py_UNLOCKED)) { /* [M2] */
        PyMutex_Unlock(m);
    }
}
#define PyMutex_Unlock _PyMutex_Unlock

static inline int
_PyMutex_IsLocked(PyMutex *m)
{
    return (_Py_atomic_load_uint8(&m->_bits) & _Py_LOCKED) != 0;
}
#define PyMutex_IsLocked _PyMutex_IsLocked

#ifdef __cplusplus
}
#endif
#endif /* Py_CPYTHON_LOCK_H */
