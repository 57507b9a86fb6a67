// CPython: Include/pyport.h, Include/pymacro.h, Include/exports.h
// (v3.13.5, behaviour of 3.14). What every file of the port takes for granted.
#ifndef HOST_PYPORT_H
#define HOST_PYPORT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#if defined(Py_GIL_DISABLED) && Py_GIL_DISABLED + 0 != 1
#  error "for the free-threaded build say -DPy_GIL_DISABLED=1; for the other, nothing"
#endif
#if CHAR_BIT != 8
#  error "the port counts in bytes of eight bits"
#endif
_Static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8,
               "the layouts of this port are those of 64-bit machines");
typedef intptr_t Py_ssize_t;

#define PY_SSIZE_T_MAX INTPTR_MAX

_Static_assert(sizeof(Py_ssize_t) == sizeof(size_t),
               "a size and its signed twin are equally wide");
#define PyAPI_FUNC(RTYPE) __attribute__((visibility("default"))) RTYPE
#define PyAPI_DATA(RTYPE) extern __attribute__((visibility("default"))) RTYPE
/* `a` is a power of two. Nobody looks for overflow: what was rounded up and is
 * smaller than before has wrapped round. */
#define _Py_SIZE_ROUND_DOWN(n, a) ((size_t)(n) & ~((size_t)(a) - 1))

#define _Py_SIZE_ROUND_UP(n, a) \
    (((size_t)(n) + ((size_t)(a) - 1)) & ~((size_t)(a) - 1))

#define _Py_ALIGN_UP(p, a) \
    ((void *)(((uintptr_t)(p) + ((uintptr_t)(a) - 1)) & ~((uintptr_t)(a) - 1)))
#define _Py_NO_RETURN __attribute__((noreturn))
#define Py_UNUSED(name) _unused_ ## name __attribute__((unused))

/* Fatal in every build. Needs host/pyerrors.h where it is used. */
#define Py_UNREACHABLE() \
    _Py_FatalErrorFunc(__func__, "unreachable code was reached")

#endif  // HOST_PYPORT_H
