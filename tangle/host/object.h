// CPython: Include/object.h, Include/cpython/object.h (v3.13.5, behaviour of 3.14)
// Attached: every function here requires it; unchecked.
#ifndef HOST_OBJECT_H
#define HOST_OBJECT_H

#include "host/pyatomic.h"
#include "host/pymutex.h"
#include "host/pyport.h"

typedef struct _object PyObject;
typedef struct _typeobject PyTypeObject;

#ifndef Py_GIL_DISABLED

struct _object {
    Py_ssize_t ob_refcnt;   // changed under the GIL, so a plain field will do
    PyTypeObject *ob_type;
};

_Static_assert(sizeof(PyObject) == 16, "two words");
_Static_assert(offsetof(PyObject, ob_type) == 8, "ob_type");

#else
struct _object {
    uintptr_t ob_tid;           // the owning thread; here always 0, for none
    uint16_t ob_flags;
    PyMutex ob_mutex;           // the object's own lock
    uint8_t ob_gc_bits;
    uint32_t ob_ref_local;      // the owner's count; here 0, or immortal
    Py_ssize_t ob_ref_shared;   // everybody's count, above two bits of state
    PyTypeObject *ob_type;
};

_Static_assert(sizeof(PyObject) == 32, "four words");
_Static_assert(offsetof(PyObject, ob_flags) == 8, "ob_flags");
_Static_assert(offsetof(PyObject, ob_mutex) == 10, "ob_mutex");
_Static_assert(offsetof(PyObject, ob_gc_bits) == 11, "ob_gc_bits");
_Static_assert(offsetof(PyObject, ob_ref_local) == 12, "ob_ref_local");
_Static_assert(offsetof(PyObject, ob_ref_shared) == 16, "ob_ref_shared");
_Static_assert(offsetof(PyObject, ob_type) == 24, "ob_type");

#define _Py_REF_SHARED_SHIFT 2
#define _Py_REF_MERGED 0x3
#define _Py_REF_SHARED(refcnt, flags) \
    ((refcnt) * ((Py_ssize_t)1 << _Py_REF_SHARED_SHIFT) + (flags))
#endif
typedef struct {
    PyObject ob_base;
    Py_ssize_t ob_size;     // items, not bytes
} PyVarObject;

#define PyObject_HEAD PyObject ob_base;
#define PyObject_VAR_HEAD PyVarObject ob_base;

typedef void (*destructor)(PyObject *);

struct _typeobject {
    PyObject_VAR_HEAD
    const char *tp_name;
    Py_ssize_t tp_basicsize, tp_itemsize;
    destructor tp_dealloc;  // the last reference has gone: free the object
};

_Static_assert(offsetof(PyTypeObject, tp_dealloc) == sizeof(PyVarObject) + 24,
               "tp_dealloc stands where upstream has it; the tail is left out");

PyAPI_DATA(PyTypeObject) PyType_Type;

#define _Py_IMMORTAL_REFCNT ((Py_ssize_t)UINT_MAX)
#define _Py_IMMORTAL_REFCNT_LOCAL UINT32_MAX

/* The last comma belongs to the macro, as upstream has it: fields may follow. */
#ifndef Py_GIL_DISABLED
#define PyObject_HEAD_INIT(type) \
    { .ob_refcnt = _Py_IMMORTAL_REFCNT, .ob_type = (type) },
#else
#define PyObject_HEAD_INIT(type) \
    { .ob_ref_local = _Py_IMMORTAL_REFCNT_LOCAL, .ob_type = (type) },
#endif

#define PyVarObject_HEAD_INIT(type, size) \
    { PyObject_HEAD_INIT(type) .ob_size = (size) },

static inline PyTypeObject *
Py_TYPE(PyObject *ob)
{
    return ob->ob_type;
}

static inline int
_Py_IsImmortal(PyObject *ob)
{
#ifndef Py_GIL_DISABLED
    return (int32_t)ob->ob_refcnt < 0;
#else
    return _Py_atomic_load_uint32_relaxed(&ob->ob_ref_local)            /* [H1] */
           == _Py_IMMORTAL_REFCNT_LOCAL;
#endif
}

static inline Py_ssize_t
Py_REFCNT(PyObject *ob)
{
#ifndef Py_GIL_DISABLED
    return ob->ob_refcnt;
#else
    if (_Py_IsImmortal(ob)) {
        return _Py_IMMORTAL_REFCNT;
    }
    return _Py_atomic_load_ssize_relaxed(&ob->ob_ref_shared)            /* [H2] */
           >> _Py_REF_SHARED_SHIFT;
#endif
}

/* Make fresh memory an object of type `tp` with one reference, the caller's.
 * NewReference does so when the type is there already. A NULL `op` is taken for
 * a failed allocation.
 *
 * Returns    op, or NULL with MemoryError set.   Blocks, Allocates  never.
 * CPython    Objects/object.c, PyObject_Init, _Py_NewReference */
PyAPI_FUNC(PyObject *) PyObject_Init(PyObject *op, PyTypeObject *tp);
PyAPI_FUNC(void) _Py_NewReference(PyObject *op);

/* Take one more reference to `o`, or give one back. NULL is let pass, an
 * immortal object left alone. The DecRef that gives back the last reference
 * runs the type's tp_dealloc (through _Py_Dealloc) before it returns.
 *
 * Threads    any, at once: free-threaded they count atomically.
 * Blocks, Allocates  never, but for what tp_dealloc does.
 * Requires   a reference: one's own, or one that outlives the call.
 * Unchecked  giving back what one does not have.
 * CPython    Objects/object.c, Py_IncRef, Py_DecRef, _Py_Dealloc */
PyAPI_FUNC(void) Py_IncRef(PyObject *o);
PyAPI_FUNC(void) Py_DecRef(PyObject *o);
PyAPI_FUNC(void) _Py_Dealloc(PyObject *op);

#endif  // HOST_OBJECT_H
