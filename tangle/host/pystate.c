// CPython: Python/pystate.c (v3.13.5, behaviour of 3.14)
#include "host/pystate.h"

#include <errno.h>
#include <stddef.h>

#include "host/ceval.h"
#include "host/pyerrors.h"
#include "host/pymem.h"
#ifdef Py_GIL_DISABLED
#  include "pysync/pycore_critical_section.h"
#endif
#include "pysync/pycore_parking_lot.h"

_Thread_local PyThreadState *_Py_tss_tstate = NULL;

/* Have the GIL, if there is one, and be ATTACHED. */
static void
tstate_wait_attach(PyThreadState *tstate)
{
    for (;;) {
        int seen = _Py_THREAD_DETACHED;
        host_gil_take();
        if (_Py_atomic_compare_exchange_int(&tstate->state, &seen,
                                            _Py_THREAD_ATTACHED)) {     /* [T2] */
            return;
        }
        host_gil_drop();
        if (seen == _Py_THREAD_ATTACHED) {
            Py_FatalError("thread state is attached already");
        }
        _PyParkingLot_Park(&tstate->state, &seen, sizeof(seen), -1, NULL, 0);
    }
}

void
_PyThreadState_Attach(PyThreadState *tstate)
{
    int before = errno;     /* the call that was let go for set it; it is read next */
    if (tstate == NULL) {
        Py_FatalError("no thread state to attach");
    }
    if (_PyThreadState_GET() != NULL) {
        Py_FatalError("non-NULL old thread state");
    }
    tstate_wait_attach(tstate);
    _Py_tss_tstate = tstate;
#ifdef Py_GIL_DISABLED
    if (tstate->critical_section != 0) {
        _PyCriticalSection_Resume(tstate);
    }
#endif
    errno = before;
}

void
_PyThreadState_Detach(PyThreadState *tstate)
{
    if (tstate == NULL || tstate != _PyThreadState_GET()) {
        Py_FatalError("detaching what is not this thread's state");
    }
#ifdef Py_GIL_DISABLED
    if (tstate->critical_section != 0) {
        _PyCriticalSection_SuspendAll(tstate);
    }
#endif
    _Py_tss_tstate = NULL;
    _Py_atomic_store_int(&tstate->state, _Py_THREAD_DETACHED);          /* [T3] */
    host_gil_drop();
}

PyThreadState *
host_thread_new(void)
{
    return PyMem_RawCalloc(1, sizeof(PyThreadState));
}

void
host_thread_delete(PyThreadState *tstate)
{
    PyMem_RawFree(tstate);
}

int
host_thread_is_attached(PyThreadState *tstate)
{
    return _Py_atomic_load_int_relaxed(&tstate->state) == _Py_THREAD_ATTACHED; /* [T1] */
}

uintptr_t *
host_critical_section(PyThreadState *tstate)
{
    return &tstate->critical_section;
}

PyThreadState *
host_thread_enter(void)
{
    PyThreadState *tstate = host_thread_new();
    if (tstate == NULL) {
        Py_FatalError("no memory for a thread state");
    }
    _PyThreadState_Attach(tstate);
    return tstate;
}

void
host_thread_leave(void)
{
    host_thread_delete(PyEval_SaveThread());
}

int
host_thread_suspend(PyThreadState *tstate)
{
    int seen = _Py_THREAD_DETACHED;
    return _Py_atomic_compare_exchange_int(&tstate->state, &seen,
                                           _Py_THREAD_SUSPENDED);       /* [T2] */
}

void
host_thread_resume(PyThreadState *tstate)
{
    _Py_atomic_store_int(&tstate->state, _Py_THREAD_DETACHED);          /* [T3] */
    _PyParkingLot_UnparkAll(&tstate->state);
}
