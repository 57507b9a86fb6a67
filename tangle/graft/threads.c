// Ours: the two functions of Python/thread.c that make or take apart Python
// objects. Compiled against CPython's internal headers.
#include "Python.h"

#include "pycore_interp.h"
#include "pycore_pythread.h"
#include "pycore_structseq.h"
#include "pycore_time.h"

PyObject *host_thread_info(const char *name, const char *lock, const char *version);
void host_forget_thread_info(PyInterpreterState *interp);

static PyTypeObject ThreadInfoType;

static PyStructSequence_Field info_fields[] = {
    {"name", "who makes the threads"},
    {"lock", "what the locks are made of"},
    {"version", "the thread library and its version"},
    {NULL, NULL},
};

static PyStructSequence_Desc info_desc = {
    "sys.thread_info", "How threads work in this interpreter.", info_fields, 3,
};

PyObject *
host_thread_info(const char *name, const char *lock, const char *version)
{
    const char *texts[] = {name, lock, version};
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (_PyStructSequence_InitBuiltin(interp, &ThreadInfoType, &info_desc) < 0) {
        return NULL;
    }
    PyObject *info = PyStructSequence_New(&ThreadInfoType);
    for (int i = 0; info != NULL && i < 3; i++) {
        PyObject *text = texts[i] != NULL ? PyUnicode_DecodeFSDefault(texts[i]) : NULL;
        if (text == NULL && i < 2) {
            Py_CLEAR(info);
            break;
        }
        PyErr_Clear();
        PyStructSequence_SetItem(info, i, text != NULL ? text : Py_NewRef(Py_None));
    }
    return info;
}

void
host_forget_thread_info(PyInterpreterState *interp)
{
    _PyStructSequence_FiniBuiltin(interp, &ThreadInfoType);
}

int graft_check_timeout(PyTime_t timeout, int given, int blocking, PY_TIMEOUT_T *timeout_p);

int
PyThread_ParseTimeoutArg(PyObject *arg, int blocking, PY_TIMEOUT_T *timeout_p)
{
    int given = arg != NULL && arg != Py_None;
    PyTime_t timeout = 0;
    if (given && blocking
        && _PyTime_FromSecondsObject(&timeout, arg, _PyTime_ROUND_TIMEOUT) < 0) {
        return -1;
    }
    return graft_check_timeout(timeout, given, blocking, timeout_p);
}
