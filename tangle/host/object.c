// CPython: Objects/object.c (v3.13.5, behaviour of 3.14)
#include "host/object.h"

#include "host/pyerrors.h"

void
Py_IncRef(PyObject *o)
{
    if (o == NULL || _Py_IsImmortal(o)) {
        return;
    }
#ifndef Py_GIL_DISABLED
    o->ob_refcnt++;
#else
    _Py_atomic_add_ssize(&o->ob_ref_shared, _Py_REF_SHARED(1, 0));      /* [H3] */
#endif
}

static int
gave_back_the_last(PyObject *o)
{
#ifndef Py_GIL_DISABLED
    return --o->ob_refcnt == 0;
#else
    Py_ssize_t before =
        _Py_atomic_add_ssize(&o->ob_ref_shared, _Py_REF_SHARED(-1, 0)); /* [H4] */
    return before == _Py_REF_SHARED(1, _Py_REF_MERGED);
#endif
}

void
Py_DecRef(PyObject *o)
{
    if (o != NULL && !_Py_IsImmortal(o) && gave_back_the_last(o)) {
        _Py_Dealloc(o);
    }
}

PyObject *
PyObject_Init(PyObject *op, PyTypeObject *tp)
{
    if (op == NULL) {
        return PyErr_NoMemory();
    }
    op->ob_type = tp;
    _Py_NewReference(op);
    return op;
}

void
_Py_NewReference(PyObject *op)
{
#ifndef Py_GIL_DISABLED
    op->ob_refcnt = 1;
#else
    PyObject born = { .ob_ref_shared = _Py_REF_SHARED(1, _Py_REF_MERGED),
                      .ob_type = op->ob_type };
    *op = born;
#endif
}

void
_Py_Dealloc(PyObject *op)
{
    Py_TYPE(op)->tp_dealloc(op);
}

PyTypeObject PyType_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "type",
    .tp_basicsize = sizeof(PyTypeObject),
};
