// CPython: Include/internal/pycore_lock.h (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_LOCK_H
#define Py_INTERNAL_LOCK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "host/pyatomic.h"
#include "host/pyport.h"
#include "host/pytime.h"
#include "pysync/lock.h"

#ifdef __cplusplus
extern "C" {
#endif

#define _Py_HAS_PARKED 2        /* P above */
#define _Py_ONCE_INITIALIZED 4  /* once flags alone */

typedef enum PyLockStatus {
    PY_LOCK_FAILURE = 0,        /* not in time */
    PY_LOCK_ACQUIRED = 1,
    PY_LOCK_INTR = 2            /* a signal's handler failed; not acquired */
} PyLockStatus;

/* Take a free mutex: 1. Leave any other as it is: 0. */
static inline int
PyMutex_LockFast(PyMutex *m)
{
    uint8_t expected = _Py_UNLOCKED;
    return _Py_atomic_compare_exchange_uint8(&m->_bits, &expected, _Py_LOCKED);
}

/* In the child of a fork: whoever held it, it is free. */
static inline void
_PyMutex_at_fork_reinit(PyMutex *m)
{
    memset(m, 0, sizeof(*m));
}

typedef enum _PyLockFlags {
    _Py_LOCK_DONT_DETACH = 0,
    _PY_LOCK_DETACH = 1,            /* detach an attached caller while it waits */
    _PY_LOCK_HANDLE_SIGNALS = 2,    /* a signal: make pending calls; they may end the wait */
} _PyLockFlags;

/* Lock, for at most timeout_ns: negative is for ever, 0 is one try.
 *
 * Returns    PY_LOCK_ACQUIRED
 *            PY_LOCK_FAILURE  not in time
 *            PY_LOCK_INTR     with _PY_LOCK_HANDLE_SIGNALS: a signal came, and
 *                             Py_MakePendingCalls returned -1
 * Blocks     yes, unless timeout_ns is 0.   Allocates  never.
 * CPython    Python/lock.c, _PyMutex_LockTimed */
PyAPI_FUNC(PyLockStatus)
_PyMutex_LockTimed(PyMutex *m, PyTime_t timeout_ns, _PyLockFlags flags);

static inline void
PyMutex_LockFlags(PyMutex *m, _PyLockFlags flags)
{
    uint8_t expected = _Py_UNLOCKED;
    if (!_Py_atomic_compare_exchange_uint8(&m->_bits, &expected, _Py_LOCKED)) {
        _PyMutex_LockTimed(m, -1, flags);
    }
}

/* Unlock: 0. When it is not locked, leave it: -1. */
PyAPI_FUNC(int) _PyMutex_TryUnlock(PyMutex *m);

/* to be written */
typedef struct {
    uintptr_t v;
} _PyRawMutex;

_Static_assert(sizeof(_PyRawMutex) == 8 && _Alignof(_PyRawMutex) == 8, "as in CPython");

PyAPI_FUNC(void) _PyRawMutex_LockSlow(_PyRawMutex *m);
PyAPI_FUNC(void) _PyRawMutex_UnlockSlow(_PyRawMutex *m);

static inline void
_PyRawMutex_Lock(_PyRawMutex *m)
{
    uintptr_t unlocked = _Py_UNLOCKED;
    if (_Py_atomic_compare_exchange_uintptr(&m->v, &unlocked, _Py_LOCKED)) { /* [R1] */
        return;
    }
    _PyRawMutex_LockSlow(m);
}

static inline void
_PyRawMutex_Unlock(_PyRawMutex *m)
{
    uintptr_t locked = _Py_LOCKED;
    if (_Py_atomic_compare_exchange_uintptr(&m->v, &locked, _Py_UNLOCKED)) { /* [R2] */
        return;
    }
    _PyRawMutex_UnlockSlow(m);
}
/* to be written */
/* to be written */
/* to be written */
/* to be written */

#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_LOCK_H */
