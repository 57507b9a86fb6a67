// CPython: Include/internal/pycore_lock.h (v3.13.5, behaviour of 3.14)
// No function here allocates.
#ifndef Py_INTERNAL_LOCK_H
#define Py_INTERNAL_LOCK_H

#include <string.h>

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

/* Take a free mutex: 1. Leave any other as it is: 0.   Attached  no need. */
static inline int
PyMutex_LockFast(PyMutex *m)
{
    uint8_t expected = _Py_UNLOCKED;
    return _Py_atomic_compare_exchange_uint8(&m->_bits, &expected, _Py_LOCKED);     /* [M1] */
}

/* In the child of a fork: free it, though another thread held it. */
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
 * Attached   no need; but with _PY_LOCK_HANDLE_SIGNALS required, unchecked.
 * CPython    Python/lock.c, _PyMutex_LockTimed */
PyAPI_FUNC(PyLockStatus)
_PyMutex_LockTimed(PyMutex *m, PyTime_t timeout_ns, _PyLockFlags flags);

static inline void
PyMutex_LockFlags(PyMutex *m, _PyLockFlags flags)
{
    uint8_t expected = _Py_UNLOCKED;
    if (!_Py_atomic_compare_exchange_uint8(&m->_bits, &expected, _Py_LOCKED)) {     /* [M1] */
        _PyMutex_LockTimed(m, -1, flags);   /* HANDLE_SIGNALS: may be in vain */
    }
}

/* Unlock: 0. When it is not locked, leave it: -1.
 * Attached   no need.   Blocks  for the lock of a bucket, when a thread waits.
 * CPython    Python/lock.c, _PyMutex_TryUnlock */
PyAPI_FUNC(int) _PyMutex_TryUnlock(PyMutex *m);

/* Something that happens once: not yet, then for ever.
 *
 *   0  not set; no thread has waited yet
 *   2  not set; a thread waits, or has waited and given up
 *   1  set; no operation leaves this state
 *
 * 0 -> 2 is the first waiter's, 0 -> 1 and 2 -> 1 belong to _PyEvent_Notify.
 * All zero bytes is an event that is not set. There is nothing to destroy. */
typedef struct {
    uint8_t v;
} PyEvent;

_Static_assert(sizeof(PyEvent) == 1 && _Alignof(PyEvent) == 1, "one byte");

/* Has it happened? 1 or 0; never waits. What was written before the Notify is
 * there to be read after a 1.   Attached  no need.
 * CPython  Python/lock.c, _PyEvent_IsSet */
PyAPI_FUNC(int) _PyEvent_IsSet(PyEvent *evt);

/* Let it have happened, and wake all threads that wait for it. A second call does
 * nothing. Any thread may call.
 *
 * The last access to *evt is the exchange; after it a waiter may be gone, and
 * the event with it.
 * Blocks     for the lock of a bucket, when a thread waited.   Allocates  never.
 * Attached   no need.
 * CPython    Python/lock.c, _PyEvent_Notify */
PyAPI_FUNC(void) _PyEvent_Notify(PyEvent *evt);

/* Wait until it has happened, whatever signals arrive. A thread that is
 * attached is detached meanwhile.   Blocks  yes.   CPython  Python/lock.c */
PyAPI_FUNC(void) PyEvent_Wait(PyEvent *evt);

/* Wait for it, once.
 *
 * Returns    1  it has happened
 *            0  timeout_ns passed (negative: never does), or a signal came, or
 *               the wait ended for no reason at all: look at your own clock
 * Blocks     yes; detached meanwhile if `detach` and the thread is attached.
 * Allocates  never.
 * Unchecked  freeing the event while a thread waits for it; pthread_cancel of a
 *            thread that does.
 * CPython    Python/lock.c, PyEvent_WaitTimed */
PyAPI_FUNC(int) PyEvent_WaitTimed(PyEvent *evt, PyTime_t timeout_ns, int detach);

/* A mutex that needs nothing but a semaphore: for the parking lot, on which the
 * other locks stand. It is held for a few instructions.
 *
 *   0           free; no thread waits
 *   1           held (_Py_LOCKED); no thread waits
 *   record + 1  held; the waiters' records, linked, the newest first
 *   record      free, with waiters; one more has been woken. Anyone may take it
 *
 * All zero bytes is a mutex that is free. There is nothing to destroy.
 *
 * Lock       takes it, however many signals arrive meanwhile.
 * Unlock     gives it back, and wakes the waiter that came last. Any thread may.
 * Blocks     Lock, without detaching: an attached caller keeps others out, in the
 *            GIL build all. So nothing that waits is done while it is held.
 * Allocates  never.   Attached  no need.   Fair  no.
 * Checked    unlocking what is not locked: fatal.
 * Unchecked  locking what one holds: waits for itself, for ever; pthread_cancel of
 *            a waiter: its record stays behind; freeing it while a thread waits.
 * CPython    Python/lock.c, Include/internal/pycore_lock.h, same names */
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
/* Work to be done once, by the thread that comes first; all others wait for it.
 *
 *   0  not done; no thread is at it
 *   1  a thread is at it (_Py_LOCKED)
 *   3  a thread is at it, and another waits (_Py_LOCKED | _Py_HAS_PARKED)
 *   4  done (_Py_ONCE_INITIALIZED); no operation leaves this state
 *
 * Only the thread that is at it leaves 1 and 3: to 4, or after a failure to 0.
 * All zero bytes is a flag of work not done. */
typedef struct {
    uint8_t v;
} _PyOnceFlag;

_Static_assert(sizeof(_PyOnceFlag) == 1 && _Alignof(_PyOnceFlag) == 1, "one byte");

/* 0: done. -1: failed, so that another may try again. Nothing else. */
typedef int _Py_once_fn_t(void *arg);

PyAPI_FUNC(int)
_PyOnceFlag_CallOnceSlow(_PyOnceFlag *flag, _Py_once_fn_t *fn, void *arg);

/* Make sure that fn(arg) has been done: by us, or by a thread before us.
 *
 * Returns    0   it is done, and what it wrote is there to be read
 *            -1  we did it, and it failed. A caller that waited for one that
 *                failed tries itself: no caller is told of another's failure.
 * Blocks     while another thread is at it, detached; and as fn does.
 * Attached   no need.
 * Checked    another result of fn is fatal.
 * Unchecked  fn calling us with the same flag: waits for itself, for ever.
 * CPython    Include/internal/pycore_lock.h, _PyOnceFlag_CallOnce */
static inline int
_PyOnceFlag_CallOnce(_PyOnceFlag *flag, _Py_once_fn_t *fn, void *arg)
{
    if (_Py_atomic_load_uint8(&flag->v) == _Py_ONCE_INITIALIZED) {     /* [O1] */
        return 0;
    }
    return _PyOnceFlag_CallOnceSlow(flag, fn, arg);
}

/* In the child of a fork: work that another thread was at is not done, and no
 * thread is at it. What that thread left half done is the caller's to clear.
 * Unchecked  called out of fn, by the thread that is at it. */
static inline void
_PyOnceFlag_at_fork_reinit(_PyOnceFlag *flag)
{
    if (flag->v != _Py_ONCE_INITIALIZED) {
        flag->v = 0;
    }
}

/* A mutex that its owner may lock again.
 *
 * thread is the owner's identity, or 0. It is set after the mutex was taken and
 * cleared before it is given back, so a thread that reads its own identity in it
 * is the owner, and one that does not is not.
 * level counts the acquisitions beyond the first. It is a plain field: only the
 * owner reads or writes it. Others may read thread, by a relaxed load. */
typedef struct {
    PyMutex mutex;
    unsigned long long thread;      /* PyThread_get_thread_ident_ex() */
    size_t level;
} _PyRecursiveMutex;

_Static_assert(sizeof(_PyRecursiveMutex) == 24, "as in CPython");
_Static_assert(offsetof(_PyRecursiveMutex, mutex) == 0, "as in CPython");
_Static_assert(offsetof(_PyRecursiveMutex, thread) == 8, "as in CPython");
_Static_assert(offsetof(_PyRecursiveMutex, level) == 16, "as in CPython");

/* IsLockedByCurrentThread   1 or 0; never waits.
 * Lock       take it, or take it once more. Waits, detached, for other owners.
 * LockTimed  the same with a timeout and flags, as _PyMutex_LockTimed; the
 *            owner always gets PY_LOCK_ACQUIRED, at once.
 * TryUnlock  undo one Lock: 0. -1, with nothing changed: we are not the owner.
 * Unlock     undo one Lock; fatal when we are not the owner.
 * Attached   no need; LockTimed as _PyMutex_LockTimed.
 * Unchecked  more than SIZE_MAX acquisitions; a level that the owner set itself.
 * CPython    Python/lock.c, functions of the same names */
PyAPI_FUNC(int) _PyRecursiveMutex_IsLockedByCurrentThread(_PyRecursiveMutex *m);
PyAPI_FUNC(void) _PyRecursiveMutex_Lock(_PyRecursiveMutex *m);
extern PyLockStatus _PyRecursiveMutex_LockTimed(_PyRecursiveMutex *m,
                                                PyTime_t timeout,
                                                _PyLockFlags flags);
PyAPI_FUNC(void) _PyRecursiveMutex_Unlock(_PyRecursiveMutex *m);
extern int _PyRecursiveMutex_TryUnlock(_PyRecursiveMutex *m);

/* In the child of a fork, before anything else touches *m: if `owned`, the thread
 * that forked held it and still does, as often as before; else it is free.
 * Attached   no need.
 * CPython    Python/lock.c of 3.14, _PyRecursiveMutex_at_fork_reinit */
extern void _PyRecursiveMutex_at_fork_reinit(_PyRecursiveMutex *m, int owned);

/* Many readers or one writer.
 *
 *   n...n P W      n readers; P a thread may be parked; W a writer holds it
 *   0     0 0      free
 *   n     0 0      read-locked
 *   n     1 0      read-locked, and a writer waits: no reader comes in
 *   0     1 0      free, and that writer has been woken: no reader comes in
 *   0     0 1      write-locked
 *   0     1 1      write-locked, and readers or writers wait
 *
 * n and W are never both set. While P is set and W is clear, some writer is
 * awake or about to be woken, and bound to take the lock: only writers set P on
 * a word without W. Not fair among writers; not recursive, not for readers either. */
typedef struct {
    uintptr_t bits;
} _PyRWMutex;

_Static_assert(sizeof(_PyRWMutex) == 8 && _Alignof(_PyRWMutex) == 8, "one word");

/* RLock      share it; waits while a writer holds it or waits for it.
 * RUnlock    the last reader out wakes all that wait, when a writer does.
 * Lock       have it alone; waits for readers and writers.
 * Unlock     wakes all that wait.
 *
 * Blocks     the two that lock, detached. They cannot be interrupted.
 * Allocates  never.   Attached  no need.
 * Checked    by assertions: unlocking what is not so locked; 2**62 readers.
 * Unchecked  RLock by a thread that is a reader already: where a writer waits,
 *            the two wait for each other, for ever.
 * CPython    Python/lock.c, functions of the same names */
PyAPI_FUNC(void) _PyRWMutex_RLock(_PyRWMutex *rwmutex);
PyAPI_FUNC(void) _PyRWMutex_RUnlock(_PyRWMutex *rwmutex);
PyAPI_FUNC(void) _PyRWMutex_Lock(_PyRWMutex *rwmutex);
PyAPI_FUNC(void) _PyRWMutex_Unlock(_PyRWMutex *rwmutex);

/* In the child of a fork, before anything else touches it: what the other threads
 * had of the lock is gone: readers, writers and waiters.
 * mine       how often the calling thread, which forked, has it as a reader;
 *            -1: as the writer; 0: not at all. */
static inline void
_PyRWMutex_at_fork_reinit(_PyRWMutex *rwmutex, int mine)
{
    rwmutex->bits = mine < 0 ? (uintptr_t)_Py_LOCKED : 4 * (uintptr_t)mine;
}

/* One writer at a time; readers that write nothing, and start over if disturbed.
 *
 * Even: no thread writes. Odd: a writer is in. The number returns to an old value
 * only when a write is abandoned, or after 2**31 writes.
 *
 * What it protects is read and written by atomic operations (relaxed will do),
 * for it is read while it is written. Nothing read may be used, followed or
 * believed before EndRead has said 1. */
typedef struct {
    uint32_t sequence;
} _PySeqLock;

_Static_assert(sizeof(_PySeqLock) == 4 && _Alignof(_PySeqLock) == 4, "a 32-bit word");

/* LockWrite     come in as the writer; waits for another, giving up the processor
 *               but never sleeping, and never detaching.
 * UnlockWrite   what was written is there; a reader that began before starts over.
 * AbandonWrite  nothing was written after all; no reader has to start over.
 * BeginRead     an even number, to be given to EndRead; waits for a writer in.
 * EndRead       1: what was read since is whole. 0: start over.
 * AfterFork     in the child: 1, a writer was in, and stayed in the parent; what is
 *               protected may be half-written, and the number is 0. Or 0: all well.
 *
 * Blocks        LockWrite and BeginRead, for as long as a writer is in: therefore
 *               nothing that may wait or detach is done between Lock and Unlock.
 * Attached      no need.
 * Unchecked     unlocking or abandoning what one has not locked (asserted: it is odd).
 * CPython       Python/lock.c, functions of the same names */
PyAPI_FUNC(void) _PySeqLock_LockWrite(_PySeqLock *seqlock);
PyAPI_FUNC(void) _PySeqLock_UnlockWrite(_PySeqLock *seqlock);
PyAPI_FUNC(void) _PySeqLock_AbandonWrite(_PySeqLock *seqlock);
PyAPI_FUNC(uint32_t) _PySeqLock_BeginRead(_PySeqLock *seqlock);
PyAPI_FUNC(int) _PySeqLock_EndRead(_PySeqLock *seqlock, uint32_t previous);
PyAPI_FUNC(int) _PySeqLock_AfterFork(_PySeqLock *seqlock);


#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_LOCK_H */
