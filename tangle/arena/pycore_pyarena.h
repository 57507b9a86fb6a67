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


#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_PYARENA_H */
