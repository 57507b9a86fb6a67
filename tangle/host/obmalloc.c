// CPython: Objects/obmalloc.c (v3.13.5, behaviour of 3.14)
#include "host/pymem.h"

#include <stdlib.h>

static void *
_PyMem_RawMalloc(void *Py_UNUSED(ctx), size_t size)
{
    return malloc(size ? size : 1);
}

static void *
_PyMem_RawCalloc(void *Py_UNUSED(ctx), size_t nelem, size_t elsize)
{
    return nelem && elsize ? calloc(nelem, elsize) : calloc(1, 1);
}

static void *
_PyMem_RawRealloc(void *Py_UNUSED(ctx), void *ptr, size_t size)
{
    return realloc(ptr, size ? size : 1);
}

static void
_PyMem_RawFree(void *Py_UNUSED(ctx), void *ptr)
{
    free(ptr);
}
#define C_LIBRARY_ALLOCATOR \
    {NULL, _PyMem_RawMalloc, _PyMem_RawCalloc, _PyMem_RawRealloc, _PyMem_RawFree}

static PyMemAllocatorEx _PyMem_Raw = C_LIBRARY_ALLOCATOR;
static PyMemAllocatorEx _PyMem = C_LIBRARY_ALLOCATOR;

static PyMemAllocatorEx *
allocator_of(PyMemAllocatorDomain domain)
{
    switch (domain) {
    case PYMEM_DOMAIN_RAW: return &_PyMem_Raw;
    case PYMEM_DOMAIN_MEM: return &_PyMem;
    default: return NULL;
    }
}
void
PyMem_GetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    const PyMemAllocatorEx *current = allocator_of(domain);
    *allocator = current ? *current : (PyMemAllocatorEx){0};
}

void
PyMem_SetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    PyMemAllocatorEx *current = allocator_of(domain);
    if (current) {
        *current = *allocator;
    }
}
#define TOO_BIG(nelem, elsize) \
    ((elsize) != 0 && (nelem) > (size_t)PY_SSIZE_T_MAX / (elsize))

void *
PyMem_RawMalloc(size_t size)
{
    return TOO_BIG(size, 1) ? NULL : _PyMem_Raw.malloc(_PyMem_Raw.ctx, size);
}

void *
PyMem_RawCalloc(size_t nelem, size_t elsize)
{
    return TOO_BIG(nelem, elsize) ? NULL
        : _PyMem_Raw.calloc(_PyMem_Raw.ctx, nelem, elsize);
}

void *
PyMem_RawRealloc(void *ptr, size_t new_size)
{
    return TOO_BIG(new_size, 1) ? NULL
        : _PyMem_Raw.realloc(_PyMem_Raw.ctx, ptr, new_size);
}

void
PyMem_RawFree(void *ptr)
{
    _PyMem_Raw.free(_PyMem_Raw.ctx, ptr);
}

void *
PyMem_Malloc(size_t size)
{
    return TOO_BIG(size, 1) ? NULL : _PyMem.malloc(_PyMem.ctx, size);
}

void *
PyMem_Calloc(size_t nelem, size_t elsize)
{
    return TOO_BIG(nelem, elsize) ? NULL
        : _PyMem.calloc(_PyMem.ctx, nelem, elsize);
}

void *
PyMem_Realloc(void *ptr, size_t new_size)
{
    return TOO_BIG(new_size, 1) ? NULL
        : _PyMem.realloc(_PyMem.ctx, ptr, new_size);
}

void
PyMem_Free(void *ptr)
{
    _PyMem.free(_PyMem.ctx, ptr);
}
