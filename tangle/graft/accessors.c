// Ours: what the port asks of the interpreter, answered by a real one. Compiled
// against CPython's internal headers, as nothing else here is.
#include "Python.h"

#include "pycore_interp.h"
#include "pycore_pyhash.h"
#include "pycore_pystate.h"
#include "pycore_pythread.h"
#include "pycore_runtime.h"

struct pyhash_runtime_state *host_pyhash_state(void);
struct _pythread_runtime_state *host_threads(void);

struct pyhash_runtime_state *
host_pyhash_state(void)
{
    return &_PyRuntime.pyhash_state;
}

struct _pythread_runtime_state *
host_threads(void)
{
    return &_PyRuntime.threads;
}

void host_head_lock(void);
void host_head_unlock(void);

void host_head_lock(void) { HEAD_LOCK(&_PyRuntime); }
void host_head_unlock(void) { HEAD_UNLOCK(&_PyRuntime); }

int host_thread_is_attached(PyThreadState *tstate);
size_t host_stacksize(const char *caller);
void host_set_stacksize(const char *caller, size_t size);

int
host_thread_is_attached(PyThreadState *tstate)
{
    return _Py_atomic_load_int_relaxed(&tstate->state) == _Py_THREAD_ATTACHED; /* [T1] */
}

static PyInterpreterState *
interpreter_of(const char *caller)
{
    PyThreadState *tstate = _PyThreadState_GET();
    if (tstate == NULL) {
        _Py_FatalErrorFunc(caller, "the calling thread is not attached: it has no interpreter");
    }
    return tstate->interp;
}

size_t
host_stacksize(const char *caller)
{
    return interpreter_of(caller)->threads.stacksize;
}

void
host_set_stacksize(const char *caller, size_t size)
{
    interpreter_of(caller)->threads.stacksize = size;
}
