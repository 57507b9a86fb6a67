// CPython: Include/listobject.h, Include/cpython/listobject.h
// (v3.13.5, behaviour of 3.14)
// Attached: every function here requires it; unchecked.
#ifndef HOST_LISTOBJECT_H
#define HOST_LISTOBJECT_H

#include "host/object.h"

/* Always: 0 <= ob_size <= allocated; ob_item is NULL only when both are 0. */
typedef struct {
    PyObject_VAR_HEAD
    PyObject **ob_item;     // the first ob_size slots are the list
    Py_ssize_t allocated;   // the slots that there are
} PyListObject;

_Static_assert(sizeof(PyListObject) == sizeof(PyVarObject) + 16, "two words more");

PyAPI_DATA(PyTypeObject) PyList_Type;

static inline int
PyList_Check(PyObject *op)
{
    return Py_TYPE(op) == &PyList_Type;
}

/* New        a list of `size` empty (NULL) slots; NULL on error.
 * Size       the number of items; -1 on error.
 * GetItem    the item at i, borrowed; NULL on error. i is not negative.
 * Append     0, and the list has a reference of its own; or -1 on error, the
 *            list and the item being as they were.
 *
 * Errors     MemoryError; IndexError for i; SystemError for a negative size,
 *            an object that is no list, a NULL item.
 * Allocates  New and Append, by PyMem.   Blocks  never.
 * Unchecked  two threads in one list at a time.
 * CPython    Objects/listobject.c, functions of the same names */
PyAPI_FUNC(PyObject *) PyList_New(Py_ssize_t size);
PyAPI_FUNC(Py_ssize_t) PyList_Size(PyObject *op);
PyAPI_FUNC(PyObject *) PyList_GetItem(PyObject *op, Py_ssize_t i);
PyAPI_FUNC(int) PyList_Append(PyObject *op, PyObject *newitem);

#endif  // HOST_LISTOBJECT_H
