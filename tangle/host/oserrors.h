// CPython: Include/pyerrors.h, Include/cpython/pyerrors.h (v3.13.5, behaviour of 3.14)
#ifndef HOST_OSERRORS_H
#define HOST_OSERRORS_H

#include "host/pyerrors.h"

PyAPI_DATA(PyObject *) PyExc_NotImplementedError;

/* Set an error: the first two take its text from errno, as "[Errno 2] No such
 * file or directory", the second with ": 'filename'" behind it; the third from
 * a format as printf has it. CPython's exceptions have subclasses by errno; here
 * the class is the one that was passed.
 *
 * Attached   required; unchecked.
 * Returns    NULL.   Blocks, Allocates  never.   Changes errno  never.
 * EINTR      a signal's handler runs first; if it sets an error, that stays.
 * CPython    Python/errors.c, functions of the same names */
PyAPI_FUNC(PyObject *) PyErr_SetFromErrno(PyObject *type);
PyAPI_FUNC(PyObject *) PyErr_SetFromErrnoWithFilename(PyObject *type,
                                                      const char *filename);
PyAPI_FUNC(PyObject *) PyErr_Format(PyObject *exception, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Run what Python has to run for signals that came in. 0; or -1 with an error set.
 * Attached   CheckSignals: required; unchecked. host_on_signal: no need.
 * Blocks, Allocates  never, but for what the handler does.
 *
 * Standing alone there is one handler for all, and none to begin with: whatever
 * host_on_signal was given last. It returns 0, or -1 having set an error.
 * CPython    Modules/signalmodule.c, PyErr_CheckSignals */
PyAPI_FUNC(int) PyErr_CheckSignals(void);
PyAPI_FUNC(void) host_on_signal(int (*handler)(void));

#endif  // HOST_OSERRORS_H
