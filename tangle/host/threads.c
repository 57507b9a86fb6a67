// Ours: the interpreter's structures, as far as the thread code takes from them.
#include "host/threads.h"

#include <string.h>

#include "host/pyatomic.h"
#include "host/pyerrors.h"
#include "host/pymem.h"

static struct _pythread_runtime_state threads = _pythread_RUNTIME_INIT(threads);

struct _pythread_runtime_state *
host_threads(void)
{
    return &threads;
}

static uintptr_t stacksize;

static void
must_be_attached(const char *caller)
{
    if (_PyThreadState_GET() == NULL) {
        _Py_FatalErrorFunc(caller, "the calling thread is not attached: it has no interpreter");
    }
}

size_t
host_stacksize(const char *caller)
{
    must_be_attached(caller);
    return _Py_atomic_load_uintptr_relaxed(&stacksize);                 /* [I3] */
}

void
host_set_stacksize(const char *caller, size_t size)
{
    must_be_attached(caller);
    _Py_atomic_store_uintptr_relaxed(&stacksize, size);                 /* [I3] */
}

static void
thread_info_dealloc(PyObject *op)
{
    PyMem_Free(op);
}

static PyTypeObject ThreadInfoType = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "sys.thread_info",
    .tp_basicsize = sizeof(PyThreadInfoObject),
    .tp_dealloc = thread_info_dealloc,
};

PyObject *
host_thread_info(const char *name, const char *lock, const char *version)
{
    size_t length = version != NULL ? strlen(version) + 1 : 0;
    PyThreadInfoObject *info = PyMem_Malloc(sizeof(PyThreadInfoObject) + length);
    PyObject *op = PyObject_Init((PyObject *)info, &ThreadInfoType);
    if (op != NULL) {
        info->name = name;
        info->lock = lock;
        info->version = version != NULL ? memcpy(info->text, version, length) : NULL;
    }
    return op;
}

void
host_forget_thread_info(PyInterpreterState *Py_UNUSED(interp))
{
    /* ThreadInfoType is static: there is nothing to forget. */
}
