// CPython: of Modules/posixmodule.c and Python/pystate.c what goes before and
// after a fork (v3.13.5, behaviour of 3.14)
#include "host/ceval.h"
#include "host/threads.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_parking_lot.h"

static PyMutex head_mutex;

void host_head_lock(void) { PyMutex_LockFlags(&head_mutex, _Py_LOCK_DONT_DETACH); }
void host_head_unlock(void) { PyMutex_Unlock(&head_mutex); }

void
PyOS_BeforeFork(void)
{
    host_head_lock();
}

void
PyOS_AfterFork_Parent(void)
{
    host_head_unlock();
}

static void
_PyRuntimeState_ReInitThreads(void)
{
    _PyParkingLot_AfterFork();          /* first: what follows may use a lock */
    _PyMutex_at_fork_reinit(&head_mutex);
    _PyThread_AfterFork(host_threads());
}

void
PyOS_AfterFork_Child(void)
{
    _PyRuntimeState_ReInitThreads();
    _PyEval_ReInitThreads(_PyThreadState_GET());
}
