// CPython: Python/errors.c, and PyErr_CheckSignals of Modules/signalmodule.c
// (v3.13.5, behaviour of 3.14)
#include "host/oserrors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static PyTypeObject _PyExc_NotImplementedError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "NotImplementedError",
};
PyObject *PyExc_NotImplementedError = (PyObject *)&_PyExc_NotImplementedError;

static int (*signal_handler)(void);

void
host_on_signal(int (*handler)(void))
{
    signal_handler = handler;
}

int
PyErr_CheckSignals(void)
{
    return signal_handler != NULL ? signal_handler() : 0;
}

PyObject *
PyErr_SetFromErrnoWithFilename(PyObject *type, const char *filename)
{
    char words[128];
    int err = errno;
    if (err == EINTR && PyErr_CheckSignals()) {
        errno = err;
        return NULL;
    }
    const char *what = err ? strerror_r(err, words, sizeof words) : "Error";
    PyErr_Format(type, filename != NULL ? "[Errno %d] %s: '%s'" : "[Errno %d] %s",
                 err, what, filename);
    errno = err;
    return NULL;
}

PyObject *
PyErr_SetFromErrno(PyObject *type)
{
    return PyErr_SetFromErrnoWithFilename(type, NULL);
}

PyObject *
PyErr_Format(PyObject *exception, const char *format, ...)
{
    char text[256];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    PyErr_SetString(exception, text);
    return NULL;
}
