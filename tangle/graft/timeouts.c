// Ours: what of the port is inline, as a function that threads.c can call.
// Compiled as the port is, against host/ alone.
#include "pythread/pycore_pythread.h"

int graft_check_timeout(PyTime_t timeout, int given, int blocking, PY_TIMEOUT_T *timeout_p);

int
graft_check_timeout(PyTime_t timeout, int given, int blocking, PY_TIMEOUT_T *timeout_p)
{
    return pythread_check_timeout(timeout, given, blocking, timeout_p);
}
