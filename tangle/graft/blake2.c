// Ours: a module _blake2 that asks OpenSSL. Baseline and graft have it alike.
#include "Python.h"

static PyObject *
digest(const char *name, PyObject *args, PyObject *kwargs)
{
    static char *words[] = {"data", "usedforsecurity", NULL};
    PyObject *data = NULL, *hash = NULL;
    int secure = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$p", words, &data, &secure)) {
        return NULL;
    }
    PyObject *hashlib = PyImport_ImportModule("_hashlib");
    if (hashlib != NULL) {
        hash = data ? PyObject_CallMethod(hashlib, "new", "sO", name, data)
                    : PyObject_CallMethod(hashlib, "new", "s", name);
        Py_DECREF(hashlib);
    }
    return hash;
}

static PyObject *
blake2b(PyObject *Py_UNUSED(self), PyObject *args, PyObject *kwargs)
{
    return digest("blake2b512", args, kwargs);
}

static PyObject *
blake2s(PyObject *Py_UNUSED(self), PyObject *args, PyObject *kwargs)
{
    return digest("blake2s256", args, kwargs);
}

static PyMethodDef functions[] = {
    {"blake2b", _PyCFunction_CAST(blake2b), METH_VARARGS | METH_KEYWORDS, NULL},
    {"blake2s", _PyCFunction_CAST(blake2s), METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_blake2", .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__blake2(void)
{
    return PyModuleDef_Init(&module);
}
