// CPython: Include/internal/pycore_pythread.h (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_PYTHREAD_H
#define Py_INTERNAL_PYTHREAD_H

#include <time.h>

#include "host/pyerrors.h"
#include "host/pytime.h"
#include "host/pythread.h"              /* PyThread_ident_t */
#include "pysync/pycore_llist.h"
#include "pythread/pythread.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _is PyInterpreterState;

/* Upstream's _PyRuntime.threads. host_threads() finds it. */
struct _pythread_runtime_state {
    int initialized;                /* 0, then 1: all below is ready */
    struct {
        pthread_condattr_t *ptr;    /* &val, or NULL: no monotonic conditions here */
        pthread_condattr_t val;
    } _condattr_monotonic;
    struct llist_node handles;      /* every ThreadHandle that is not done */
};

#define _pythread_RUNTIME_INIT(pythread) { .handles = LLIST_INIT(pythread.handles) }

/* cond_init   a condition that goes by the monotonic clock, or, if the system
 *             has no such, by the wall clock. 0, or the pthread error.
 * cond_after  the moment `us` microseconds from now, on that clock.
 * Requires    a library made ready (PyThread_init_thread).   Attached  no need.
 * CPython     Python/condvar.h, Python/thread_pthread.h */
PyAPI_FUNC(int) _PyThread_cond_init(pthread_cond_t *cond);
PyAPI_FUNC(void) _PyThread_cond_after(long long us, struct timespec *abs);

/* Take the lock in `timeout` NANOSECONDS at most, and make pending calls whenever a
 * signal comes. 0: only if it is free. Negative: for ever, if it is -1000 or
 * less; between -999 and -1 it comes out as 0.
 *
 * Returns    PY_LOCK_ACQUIRED
 *            PY_LOCK_FAILURE  not in time
 *            PY_LOCK_INTR     a pending call failed: its error is set
 * Attached   required, else fatal when it has to wait.
 * Blocks     yes, detached.   Allocates  never.
 * Signals    are heard by the main thread, if locks are semaphores.
 * CPython    Python/thread.c, PyThread_acquire_lock_timed_with_retries */
PyAPI_FUNC(PyLockStatus)
PyThread_acquire_lock_timed_with_retries(PyThread_type_lock lock, PY_TIMEOUT_T timeout);

/* -1 second, in nanoseconds: no timeout was given. */
#define PyThread_UNSET_TIMEOUT ((PyTime_t)(-1 * 1000 * 1000 * 1000))

/* What PyThread_ParseTimeoutArg does once the argument is a number: `timeout` is
 * in nanoseconds, rounded away from zero; `given` is 0 for NULL and None.
 *
 * Returns    0, and in *timeout_p nanoseconds for ..._with_retries; -1 with
 *            ValueError or OverflowError set, and *timeout_p as it was. */
static inline int
pythread_check_timeout(PyTime_t timeout, int given, int blocking, PY_TIMEOUT_T *timeout_p)
{
    if (given && !blocking) {
        PyErr_SetString(PyExc_ValueError,
                        "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (given && timeout < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return -1;
    }
    if (given && timeout / 1000 + (timeout % 1000 != 0) > PY_TIMEOUT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    *timeout_p = given ? timeout : blocking ? PyThread_UNSET_TIMEOUT : 0;
    return 0;
}

/* In a child of fork(): put a new lock, which is free, in the place of *lock.
 *
 * Returns    0, or -1 without memory, and then *lock is as it was.
 * Attached   no need.
 * Leaks      the old one, on purpose: it may be in any state.
 * CPython    Python/thread_pthread.h, _PyThread_at_fork_reinit */
PyAPI_FUNC(int) _PyThread_at_fork_reinit(PyThread_type_lock *lock);

/* PyThread_ident_t, which tells living threads apart, an unsigned long long, and
 * PyThread_get_thread_ident_ex, which is PyThread_get_thread_ident in a type that
 * is wide enough everywhere, are declared in host/pythread.h. */
typedef uintptr_t PyThread_handle_t;            /* joins or detaches one thread, once */

#define PY_FORMAT_THREAD_IDENT_T "llu"
#define Py_PARSE_THREAD_IDENT_T "K"

/* Run func(arg) in a new thread, and leave in *handle what joins it.
 *
 * Returns    0; -1 when there is no thread to be had: func never runs, *ident
 *            and *handle are as they were, no error is set.
 * Requires   that join or detach is called with the handle, exactly once.
 * Otherwise  as PyThread_start_new_thread; attached: no need.
 * CPython    Python/thread_pthread.h, PyThread_start_joinable_thread */
PyAPI_FUNC(int) PyThread_start_joinable_thread(void (*func)(void *), void *arg,
                                               PyThread_ident_t *ident,
                                               PyThread_handle_t *handle);

/* join       wait until the thread is over; the caller sees what it wrote.
 * detach     never wait: the system cleans up behind the thread when it ends.
 *
 * Returns    0, or the error number of the pthread function.
 * Blocks     join, and nothing interrupts it; a signal is handled meanwhile.
 * Attached   no need; but a caller that joins attached, in the GIL build, waits for
 *            ever for a thread that has yet to attach.
 * Unchecked  a handle used twice; a thread that joins itself. ThreadHandle
 *            (pythread/thread_handle.h) checks both.
 * CPython    Python/thread_pthread.h, functions of the same names */
PyAPI_FUNC(int) PyThread_join_thread(PyThread_handle_t handle);
PyAPI_FUNC(int) PyThread_detach_thread(PyThread_handle_t handle);

/* Sleep for ever, signal handlers apart. New in 3.14. Returns never.
 * Attached   no need; who is, keeps the GIL.
 * CPython    Python/thread_pthread.h (3.14), PyThread_hang_thread */
PyAPI_FUNC(void) _Py_NO_RETURN PyThread_hang_thread(void);

/* PyOS_AfterFork_Child's part, which calls it (host/ceval.h): every ThreadHandle but
 * the calling thread's own, and those not started yet, is done.
 * CPython    Modules/_threadmodule.c, _PyThread_AfterFork */
PyAPI_FUNC(void) _PyThread_AfterFork(struct _pythread_runtime_state *state);

/* Forget the type of what PyThread_GetInfo gave, at the end of an interpreter.
 * Attached   required; unchecked.
 * CPython    Python/thread.c, _PyThread_FiniType */
PyAPI_FUNC(void) _PyThread_FiniType(PyInterpreterState *interp);

#ifdef __cplusplus
}
#endif
#endif /* !Py_INTERNAL_PYTHREAD_H */
