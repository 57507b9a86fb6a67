// CPython: Include/internal/pycore_pyarena.h (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_PYARENA_H
#define Py_INTERNAL_PYARENA_H

#include <stddef.h>

#include "host/object.h"
#include "host/pyport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Memory and objects that all end together.
 *
 * Thread     one at a time: an arena has no lock. Two arenas share nothing.
 * Attached   every function here requires it (it draws from PyMem_Malloc, and holds
 *            references to objects); unchecked.
 * CPython    Python/pyarena.c */
typedef struct _arena PyArena;

/* Make an arena: one empty block and an empty list of objects.
 *
 * Returns    the arena; NULL with MemoryError set when any of the three
 *            allocations fails, and then nothing is left behind.
 * Blocks     never.   Allocates  always, through PyMem_Malloc and PyList_New.
 * CPython    Python/pyarena.c, _PyArena_New */
PyAPI_FUNC(PyArena *) _PyArena_New(void);

/* Free the arena, all memory drawn from it, and let go of its objects.
 *
 * First the memory, then the objects: an object's dealloc may run any code
 * that it likes, but must not look at memory drawn from this arena.
 *
 * Requires   arena is not NULL (asserted), and was not freed before.
 * Blocks     never.   Allocates  never.
 * Errors     an error that is set stays set, so that a failed parse may end
 *            here; unless an object's dealloc changes it.
 * Unchecked  freeing an arena twice; using, afterwards, any pointer that
 *            _PyArena_Malloc returned, or an object that only it kept alive.
 * CPython    Python/pyarena.c, _PyArena_Free */
PyAPI_FUNC(void) _PyArena_Free(PyArena *arena);

/* Draw `size` bytes, uninitialised, which stay valid until _PyArena_Free.
 *
 * Returns    an address that is a multiple of 8, and of no more than 8;
 *            for size 0 an address that the next request may return again;
 *            NULL with MemoryError set when there is no memory. The arena
 *            is then as it was before, and still good.
 * Checked    a size over PY_SSIZE_T_MAX is refused (CPython: see pyarena.c).
 * Unchecked  writing past `size` bytes; passing the address to free() or
 *            PyMem_Free(); types that need more than 8 bytes of alignment.
 * Blocks     never.   Allocates  when the current block has not enough left.
 * CPython    Python/pyarena.c, _PyArena_Malloc */
PyAPI_FUNC(void *) _PyArena_Malloc(PyArena *arena, size_t size);

/* Hand the caller's reference to `obj` over to the arena, which drops it
 * in _PyArena_Free. Handed over twice, it is dropped twice.
 *
 * Returns    0: the reference is the arena's. A caller that wants one of
 *               its own takes it anew, or took it before.
 *            -1 with an error set: the reference is still the caller's,
 *               who has to drop it.
 * Blocks     never.   Allocates  when the list of objects has to grow.
 * CPython    Python/pyarena.c, _PyArena_AddPyObject */
PyAPI_FUNC(int) _PyArena_AddPyObject(PyArena *arena, PyObject *obj);

/* One allocation: this header, then the bytes that it gives out.
 *
 *   | ab_size ab_offset ab_next ab_mem | given out ... | free ...        |
 *                                      ^ ab_mem        ^ ab_mem+ab_offset
 *
 * ab_offset never exceeds ab_size and never shrinks. */
struct _block {
    size_t ab_size;             /* bytes behind the header; set once */
    size_t ab_offset;           /* how many of them are given out */
    struct _block *ab_next;     /* the block opened after this one, or NULL */
    void *ab_mem;               /* the first byte behind the header; set once */
};

/* Blocks a_head ... a_cur are chained by ab_next, in the order in which they
 * were opened; a_cur is the last, its ab_next is NULL between two calls. */
struct _arena {
    struct _block *a_head;      /* where freeing starts; never NULL */
    struct _block *a_cur;       /* where requests are served */
    PyObject *a_objects;        /* a list: one reference for each object */
};

#ifndef GF_UPSTREAM_POLICY
/* Ours: _PyArena_Malloc, with its promises, compiled into the caller. */
static inline void *
_PyArena_Bump(PyArena *arena, size_t size)
{
    struct _block *b = arena->a_cur;
    size_t offset = b->ab_offset;
    if (size > _Py_SIZE_ROUND_DOWN(b->ab_size - offset, 8)) {
        return _PyArena_Malloc(arena, size);
    }
    b->ab_offset = offset + _Py_SIZE_ROUND_UP(size, 8);
    return (char *)b->ab_mem + offset;
}
#  define _PyArena_Malloc(arena, size) _PyArena_Bump(arena, size)
#endif


#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_PYARENA_H */
