// CPython: Objects/listobject.c (v3.13.5, behaviour of 3.14)
#include "host/listobject.h"

#include "host/pyerrors.h"
#include "host/pymem.h"

static int
list_resize(PyListObject *self, Py_ssize_t newsize)
{
    if (newsize > self->allocated) {
        size_t n = (size_t)newsize;
        size_t room = (n + n / 8 + 6) & ~(size_t)3;
        PyObject **items = NULL;
        if (room <= (size_t)PY_SSIZE_T_MAX / sizeof(PyObject *)) {
            items = PyMem_Realloc(self->ob_item, room * sizeof(PyObject *));
        }
        if (items == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->ob_item = items;
        self->allocated = (Py_ssize_t)room;
    }
    self->ob_base.ob_size = newsize;
    return 0;
}

PyObject *
PyList_New(Py_ssize_t size)
{
    if (size < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyListObject *op = PyMem_Calloc(1, sizeof(PyListObject));
    if (PyObject_Init((PyObject *)op, &PyList_Type) == NULL) {
        return NULL;
    }
    if (size > 0) {
        op->ob_item = PyMem_Calloc((size_t)size, sizeof(PyObject *));
        if (op->ob_item == NULL) {
            Py_DecRef((PyObject *)op);
            return PyErr_NoMemory();
        }
    }
    op->ob_base.ob_size = op->allocated = size;
    return (PyObject *)op;
}

Py_ssize_t
PyList_Size(PyObject *op)
{
    if (PyList_Check(op)) {
        return ((PyListObject *)op)->ob_base.ob_size;
    }
    PyErr_BadInternalCall();
    return -1;
}

PyObject *
PyList_GetItem(PyObject *op, Py_ssize_t i)
{
    Py_ssize_t size = PyList_Size(op);
    if (size < 0) {
        return NULL;
    }
    if (i < 0 || i >= size) {
        PyErr_SetString(PyExc_IndexError, "list index out of range");
        return NULL;
    }
    return ((PyListObject *)op)->ob_item[i];
}

int
PyList_Append(PyObject *op, PyObject *newitem)
{
    if (!PyList_Check(op) || newitem == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyListObject *self = (PyListObject *)op;
    Py_ssize_t size = self->ob_base.ob_size;
    if (list_resize(self, size + 1) < 0) {
        return -1;
    }
    Py_IncRef(newitem);
    self->ob_item[size] = newitem;
    return 0;
}

static void
list_dealloc(PyObject *self)
{
    PyListObject *op = (PyListObject *)self;
    for (Py_ssize_t i = op->ob_base.ob_size; i-- > 0; ) {
        Py_DecRef(op->ob_item[i]);
    }
    PyMem_Free(op->ob_item);
    PyMem_Free(op);
}

PyTypeObject PyList_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "list",
    .tp_basicsize = sizeof(PyListObject),
    .tp_dealloc = list_dealloc,
};
