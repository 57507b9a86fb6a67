// CPython: Python/errors.c, with Objects/exceptions.c for the classes
// and Python/pylifecycle.c for the fatal end (v3.13.5, behaviour of 3.14)
#include "host/pyerrors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXCEPTION(NAME) \
    static PyTypeObject _PyExc_##NAME = { \
        PyVarObject_HEAD_INIT(&PyType_Type, 0) \
        .tp_name = #NAME, \
    }; \
    PyObject *PyExc_##NAME = (PyObject *)&_PyExc_##NAME;

EXCEPTION(IndexError)
EXCEPTION(MemoryError)
EXCEPTION(OSError)
EXCEPTION(OverflowError)
EXCEPTION(RuntimeError)
EXCEPTION(SystemError)
EXCEPTION(ValueError)
static _Thread_local struct {
    PyObject *type;     // one of the immortal classes; NULL: no error
    char text[256];
} indicator;

const char *
host_error_text(void)
{
    return indicator.text;
}
void
PyErr_SetString(PyObject *exception, const char *string)
{
    size_t n = strnlen(string, sizeof(indicator.text) - 1);
    memmove(indicator.text, string, n);
    indicator.text[n] = '\0';
    indicator.type = exception;
}

PyObject *
PyErr_Occurred(void)
{
    return indicator.type;
}

int
PyErr_ExceptionMatches(PyObject *exc)
{
    return exc != NULL && indicator.type == exc;
}

void
PyErr_Clear(void)
{
    indicator.type = NULL;
    indicator.text[0] = '\0';
}

PyObject *
PyErr_NoMemory(void)
{
    indicator.type = PyExc_MemoryError;
    indicator.text[0] = '\0';
    return NULL;
}

void
_PyErr_BadInternalCall(const char *filename, int lineno)
{
    char text[sizeof(indicator.text)];
    snprintf(text, sizeof(text), "%s:%d: bad argument to internal function",
             filename, lineno);
    PyErr_SetString(PyExc_SystemError, text);
}

static struct iovec
piece(const char *text)
{
    return (struct iovec){ .iov_base = (void *)text, .iov_len = strlen(text) };
}

static void _Py_NO_RETURN
fatal_error(const char *prefix, const char *msg)
{
    struct iovec line[] = {
        piece("Fatal Python error: "),
        piece(prefix ? prefix : ""),
        piece(prefix ? ": " : ""),
        piece(msg ? msg : "<message not set>"),
        piece("\n"),
    };
    ssize_t ignored = writev(STDERR_FILENO, line, sizeof(line) / sizeof(line[0]));
    (void)ignored;      // nobody is left to be told
    abort();
}

#undef Py_FatalError
void
Py_FatalError(const char *message)
{
    fatal_error(NULL, message);
}

void
_Py_FatalErrorFunc(const char *func, const char *message)
{
    fatal_error(func, message);
}
