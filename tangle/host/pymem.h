// CPython: Include/pymem.h, Include/cpython/pymem.h (v3.13.5, behaviour of 3.14)
#ifndef HOST_PYMEM_H
#define HOST_PYMEM_H

#include "host/pyport.h"

typedef enum {
    PYMEM_DOMAIN_RAW,   // PyMem_RawMalloc and its kin
    PYMEM_DOMAIN_MEM    // PyMem_Malloc and its kin
} PyMemAllocatorDomain;

/* Four functions and the word that each is handed first. None may return NULL
 * for a size of zero; `free` and `realloc` must accept a NULL block. */
typedef struct {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t nelem, size_t elsize);
    void *(*realloc)(void *ctx, void *ptr, size_t new_size);
    void (*free)(void *ctx, void *ptr);
} PyMemAllocatorEx;

_Static_assert(sizeof(PyMemAllocatorEx) == 40, "a context and four functions");
/* Blocks of memory, in bytes, aligned for any object (16).
 *
 * Attached   Raw: no need. The others: required; unchecked.
 * Returns    the block; NULL when there is none to be had, and then a block
 *            given to Realloc stands as it was. No error is set.
 * Zero       bytes make a block of its own, distinct and not NULL.
 * Blocks     no longer than the allocator does.   Allocates  what it says.
 * Checked    more than PY_SSIZE_T_MAX bytes: NULL, the allocator is not asked.
 * Unchecked  a block freed twice, in the wrong domain, or by the C library.
 * CPython    Objects/obmalloc.c, functions of the same names */
PyAPI_FUNC(void *) PyMem_RawMalloc(size_t size);
PyAPI_FUNC(void *) PyMem_RawCalloc(size_t nelem, size_t elsize);
PyAPI_FUNC(void *) PyMem_RawRealloc(void *ptr, size_t new_size);
PyAPI_FUNC(void) PyMem_RawFree(void *ptr);

PyAPI_FUNC(void *) PyMem_Malloc(size_t size);
PyAPI_FUNC(void *) PyMem_Calloc(size_t nelem, size_t elsize);
PyAPI_FUNC(void *) PyMem_Realloc(void *ptr, size_t new_size);
PyAPI_FUNC(void) PyMem_Free(void *ptr);

/* Copy the domain's allocator out, or install a copy of *allocator.
 *
 * A hook gets the old one first, keeps it, and calls it from its own four.
 *
 * Blocks     never.   Allocates  never.   Attached  no need.
 * Checked    an unknown domain: Get gives five NULLs, Set does nothing.
 * Unchecked  Set while another thread allocates; a block that one allocator
 *            made and another, not knowing it, is asked to free.
 * CPython    Objects/obmalloc.c, PyMem_GetAllocator, PyMem_SetAllocator */
PyAPI_FUNC(void) PyMem_GetAllocator(PyMemAllocatorDomain domain,
                                    PyMemAllocatorEx *allocator);
PyAPI_FUNC(void) PyMem_SetAllocator(PyMemAllocatorDomain domain,
                                    PyMemAllocatorEx *allocator);

#endif  // HOST_PYMEM_H
