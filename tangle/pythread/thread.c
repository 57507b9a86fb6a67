// CPython: Python/thread.c (v3.13.5, behaviour of 3.14)
//
// Threads, thread locks and thread-specific storage: what every system shares.
// The POSIX half is in thread_pthread.h.
#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <unistd.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pymem.h"
#include "host/pystate.h"
#include "host/pytime.h"
#include "host/pytime_units.h"
#include "host/threads.h"
#include "pythread/pycore_pythread.h"

/* Microseconds become nanoseconds below, so many fit. */
#define PY_TIMEOUT_MAX_VALUE (LLONG_MAX / 1000)
const long long PY_TIMEOUT_MAX = PY_TIMEOUT_MAX_VALUE;

static void PyThread__init_thread(void);    /* by the system's half */

/* Has the library been made ready, and do we see what that wrote? */
static inline int
is_initialized(void)
{
    return _Py_atomic_load_int_acquire(&host_threads()->initialized);    /* [I1] */
}

void
PyThread_init_thread(void)
{
    if (is_initialized()) {
        return;
    }
    host_head_lock();                   /* no fork cuts what follows */
    if (!is_initialized()) {
        PyThread__init_thread();
        _Py_atomic_store_int_release(&host_threads()->initialized, 1);   /* [I2] */
    }
    host_head_unlock();
}


#define PYTHREAD_NAME "pthread"
#include "pythread/thread_pthread.h"

size_t
PyThread_get_stacksize(void)
{
    return host_stacksize(__func__);
}

int
PyThread_set_stacksize(size_t size)
{
    return THREAD_SET_STACKSIZE(size);
}

PyLockStatus
PyThread_acquire_lock_timed_with_retries(PyThread_type_lock lock, PY_TIMEOUT_T timeout)
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyTime_t endtime = timeout > 0 ? _PyDeadline_Init(timeout) : 0;
    PyLockStatus r;
    do {
        PyTime_t microseconds = _PyTime_AsMicroseconds(timeout, _PyTime_ROUND_CEILING);
        r = PyThread_acquire_lock_timed(lock, 0, 0);    /* not detaching for nothing */
        if (r == PY_LOCK_FAILURE && microseconds != 0) {
            PyEval_SaveThread();
            r = PyThread_acquire_lock_timed(lock, microseconds, 1);
            PyEval_RestoreThread(tstate);
        }
        if (r == PY_LOCK_INTR) {
            if (_PyEval_MakePendingCalls(tstate) < 0) {
                return PY_LOCK_INTR;
            }
            if (timeout > 0) {
                timeout = _PyDeadline_Get(endtime);
                if (timeout < 0) {          /* above, that would mean: for ever */
                    r = PY_LOCK_FAILURE;
                }
            }
        }
    } while (r == PY_LOCK_INTR);
    return r;
}

Py_tss_t *
PyThread_tss_alloc(void)
{
    Py_tss_t *key = PyMem_RawMalloc(sizeof(Py_tss_t));
    if (key != NULL) {
        key->_is_initialized = 0;
    }
    return key;
}

void
PyThread_tss_free(Py_tss_t *key)
{
    if (key != NULL) {
        PyThread_tss_delete(key);
        PyMem_RawFree(key);
    }
}

int
PyThread_tss_is_created(Py_tss_t *key)
{
    assert(key != NULL);
    return key->_is_initialized;
}

PyObject *
PyThread_GetInfo(void)
{
    const char *version = NULL;
    char buffer[255];
    size_t length = confstr(_CS_GNU_LIBPTHREAD_VERSION, buffer, sizeof(buffer));
    if (1 < length && length < sizeof(buffer)) {
        version = buffer;           /* "NPTL 2.36"; longer ones come cut off */
    }
    return host_thread_info(PYTHREAD_NAME, LOCK_NAME, version);
}

void
_PyThread_FiniType(PyInterpreterState *interp)
{
    host_forget_thread_info(interp);
}
