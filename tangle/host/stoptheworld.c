// CPython: of Python/pystate.c, what stop_the_world sets (behaviour of 3.14)
#include "host/stoptheworld.h"

#include "host/pyatomic.h"

static int world_stopped;

int
host_world_is_stopped(PyThreadState *Py_UNUSED(tstate))
{
    return _Py_atomic_load_int_relaxed(&world_stopped);                 /* [G1] */
}

void
host_set_world_stopped(int stopped)
{
    _Py_atomic_store_int_relaxed(&world_stopped, stopped);              /* [G1] */
}
