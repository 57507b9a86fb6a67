// CPython: Include/pyerrors.h, Include/cpython/pyerrors.h (v3.13.5, behaviour of 3.14)
#ifndef HOST_PYERRORS_H
#define HOST_PYERRORS_H

#include "host/object.h"

/* The classes of error. Immortal: references to them need not be counted. */
PyAPI_DATA(PyObject *) PyExc_IndexError;
PyAPI_DATA(PyObject *) PyExc_MemoryError;
PyAPI_DATA(PyObject *) PyExc_OSError;
PyAPI_DATA(PyObject *) PyExc_OverflowError;
PyAPI_DATA(PyObject *) PyExc_RuntimeError;
PyAPI_DATA(PyObject *) PyExc_SystemError;
PyAPI_DATA(PyObject *) PyExc_ValueError;

/* The calling thread's error indicator: empty, or one class and its text.
 *
 * SetString  replaces what was there. The text is copied, 255 bytes at most.
 * NoMemory   sets PyExc_MemoryError without text. Returns NULL, so that a
 *            function can end in `return PyErr_NoMemory();`.
 * Occurred   returns the class, borrowed, or NULL.
 * ExceptionMatches  returns 1 when the class set is `exc`, else 0.
 * Clear      empties the indicator, whether or not it was set.
 *
 * Attached   required; unchecked: ours keeps one indicator a thread.
 * Requires   exceptions of the list above; string is not NULL.
 * Blocks     never.   Allocates  never.   Threads  each has its own.
 * CPython    Python/errors.c, functions of the same names */
PyAPI_FUNC(void) PyErr_SetString(PyObject *exception, const char *string);
PyAPI_FUNC(PyObject *) PyErr_Occurred(void);
PyAPI_FUNC(int) PyErr_ExceptionMatches(PyObject *exc);
PyAPI_FUNC(void) PyErr_Clear(void);
PyAPI_FUNC(PyObject *) PyErr_NoMemory(void);

/* Set PyExc_SystemError: something was passed here that no caller may pass.
 * Attached   required; unchecked.   Blocks, Allocates  never.
 * CPython    Python/errors.c, _PyErr_BadInternalCall */
PyAPI_FUNC(void) _PyErr_BadInternalCall(const char *filename, int lineno);
#define PyErr_BadInternalCall() _PyErr_BadInternalCall(__FILE__, __LINE__)

/* The text of this thread's error, "" when there is none; borrowed until the
 * next call that sets or clears. Ours alone: for tests, never for the port.
 * Attached   no need. */
PyAPI_FUNC(const char *) host_error_text(void);
/* Write "Fatal Python error: func: message" to standard error and abort.
 *
 * It takes no lock, allocates nothing and goes round stdio: call it anywhere,
 * attached or not.
 *
 * Returns    never.   Blocks  as long as the write does.   Allocates  never.
 * func       NULL leaves it out.   message  NULL reads "<message not set>".
 * CPython    Python/pylifecycle.c, _Py_FatalErrorFunc, Py_FatalError */
PyAPI_FUNC(void) _Py_NO_RETURN _Py_FatalErrorFunc(const char *func,
                                                  const char *message);
PyAPI_FUNC(void) _Py_NO_RETURN Py_FatalError(const char *message);
#define Py_FatalError(message) _Py_FatalErrorFunc(__func__, (message))

#endif  // HOST_PYERRORS_H
