// Ours. What CPython's objects ask of the rest of CPython and no measured path
// reaches. Weak: where the port's host has the name, the host's is taken.
#include <stdio.h>
#include <stdlib.h>

#define STRANGER(NAME) \
    __attribute__((weak)) void NAME(void) \
    { fprintf(stderr, "bench: %s was called\n", #NAME); abort(); }

STRANGER(_Py_FatalErrorFormat)
STRANGER(PyErr_Clear)
STRANGER(PyErr_Format)
STRANGER(PyErr_SetFromErrno)
STRANGER(PyErr_SetString)
STRANGER(PyStructSequence_New)
STRANGER(PyStructSequence_SetItem)
STRANGER(PyUnicode_DecodeFSDefaultAndSize)
STRANGER(PyUnicode_FromString)
STRANGER(_PyEval_MakePendingCalls)
STRANGER(_PyStructSequence_FiniBuiltin)
STRANGER(_PyStructSequence_InitBuiltinWithFlags)
STRANGER(_PyThread_AfterFork)
STRANGER(_PyTime_FromSecondsObject)

#define STRANGE_DATUM(NAME) __attribute__((weak)) void *NAME;
STRANGE_DATUM(_Py_NoneStruct)
STRANGE_DATUM(PyExc_NotImplementedError)
STRANGE_DATUM(PyExc_OSError)
STRANGE_DATUM(PyExc_OverflowError)
STRANGE_DATUM(PyExc_RuntimeError)
STRANGE_DATUM(PyExc_ValueError)
