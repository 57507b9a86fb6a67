// CPython: Python/pyarena.c (v3.13.5, behaviour of 3.14)
//
// Blocks of memory that are given out front to back and freed together, and a
// list of objects that are let go with them. It serves parser and compiler.
#include "arena/pycore_pyarena.h"

#include <assert.h>
#include <stddef.h>

#include "host/listobject.h"
#include "host/object.h"
#include "host/pyerrors.h"
#include "host/pymem.h"
#include "host/pyport.h"

/* Bytes that an ordinary block gives out. A request larger than this gets a
 * block to its own measure. */
#define DEFAULT_BLOCK_SIZE 8192

/* Every address given out, and every size once rounded, is a multiple of it. */
#define ALIGNMENT 8

typedef struct _block block;

_Static_assert(sizeof(block) == 32, "an ordinary block asks for 8224 bytes");
_Static_assert(offsetof(block, ab_size) == 0, "as in CPython");
_Static_assert(offsetof(block, ab_offset) == 8, "as in CPython");
_Static_assert(offsetof(block, ab_next) == 16, "as in CPython");
_Static_assert(offsetof(block, ab_mem) == 24, "as in CPython");
_Static_assert(sizeof(struct _arena) == 24, "as in CPython's release build");
_Static_assert(offsetof(struct _arena, a_head) == 0, "as in CPython");
_Static_assert(offsetof(struct _arena, a_cur) == 8, "as in CPython");
_Static_assert(offsetof(struct _arena, a_objects) == 16, "as in CPython");

/* A block that gives out `size` bytes, or NULL (no error set). The caller
 * has made sure that the sum does not wrap. */
static block *
block_new(size_t size)
{
    block *b = PyMem_Malloc(sizeof(block) + size);
    if (b == NULL) {
        return NULL;
    }
    char *first = (char *)(b + 1);
    b->ab_size = size;
    b->ab_offset = (size_t)((char *)_Py_ALIGN_UP(first, ALIGNMENT) - first);
    b->ab_next = NULL;
    b->ab_mem = first;
    return b;
}

/* Free b and every block opened after it, in that order. */
static void
block_free(block *b)
{
    block *next;
    for (; b != NULL; b = next) {
        next = b->ab_next;          /* while the header is still ours */
        PyMem_Free(b);
    }
}

/* `size` bytes from b, the last of its chain, or else from a block opened
 * behind it: b->ab_next tells the caller. NULL (no error set) when there is no
 * memory, with nothing changed. */
static void *
block_alloc(block *b, size_t size)
{
    assert(b != NULL);
    /* PyMem_Malloc's own limit. Up to it no sum below can wrap: `size` rounds to
     * 2**63 at most, and a block's offset and its header are less than that. */
    if (size > (size_t)PY_SSIZE_T_MAX) {
        return NULL;
    }
    size = _Py_SIZE_ROUND_UP(size, ALIGNMENT);
    size_t end = b->ab_offset + size;
    if (end > b->ab_size) {
        block *fresh = block_new(size > DEFAULT_BLOCK_SIZE ? size : DEFAULT_BLOCK_SIZE);
        if (fresh == NULL) {
            return NULL;                    /* b is untouched and still the last */
        }
        assert(b->ab_next == NULL);         /* or a block would be lost for good */
        b->ab_next = fresh;
        b = fresh;
        end = b->ab_offset + size;
    }
    assert(end <= b->ab_size);
    void *p = (char *)b->ab_mem + b->ab_offset;
    b->ab_offset = end;
    return p;
}

PyArena *
_PyArena_New(void)
{
    PyArena *arena = PyMem_Malloc(sizeof(PyArena));
    if (arena == NULL) {
        goto no_arena;
    }
    arena->a_cur = arena->a_head = block_new(DEFAULT_BLOCK_SIZE);
    if (arena->a_head == NULL) {
        goto no_block;
    }
    arena->a_objects = PyList_New(0);
    if (arena->a_objects != NULL) {
        return arena;
    }
    block_free(arena->a_head);
no_block:
    PyMem_Free(arena);
no_arena:
    PyErr_NoMemory();
    return NULL;
}

void
_PyArena_Free(PyArena *arena)
{
    assert(arena != NULL);
    block_free(arena->a_head);
    Py_DecRef(arena->a_objects);    /* may run any object's dealloc */
    PyMem_Free(arena);
}

#undef _PyArena_Malloc          /* the header may have put other code in its place */
void *
_PyArena_Malloc(PyArena *arena, size_t size)
{
    void *p = block_alloc(arena->a_cur, size);
    if (p == NULL) {
        return PyErr_NoMemory();
    }
    block *opened = arena->a_cur->ab_next;
    if (opened != NULL) {
        arena->a_cur = opened;
    }
    return p;
}

int
_PyArena_AddPyObject(PyArena *arena, PyObject *obj)
{
    if (PyList_Append(arena->a_objects, obj) < 0) {
        return -1;                  /* obj is still the caller's */
    }
    Py_DecRef(obj);                 /* the list has a reference of its own */
    return 0;
}
