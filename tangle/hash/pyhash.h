// CPython: Include/pyhash.h, Include/cpython/pyhash.h (v3.13.5, behaviour of 3.14)
// Attached: no function here needs it. None waits or allocates.
#ifndef Py_HASH_H
#define Py_HASH_H

#include <stddef.h>

#include "host/object.h"
#include "host/pyport.h"

typedef Py_ssize_t Py_hash_t;   /* what hash() returns; -1 is an error, never a hash */
typedef size_t Py_uhash_t;      /* the same, for arithmetic that wraps */

#define PyHASH_MULTIPLIER 1000003UL     /* a prime; FNV's factor */
#define PyHASH_BITS 61                  /* numbers hash modulo 2**61 - 1, a prime */
#define PyHASH_MODULUS (((size_t)1 << PyHASH_BITS) - 1)
#define PyHASH_INF 314159
#define PyHASH_IMAG PyHASH_MULTIPLIER

/* Choose by -DPy_HASH_ALGORITHM=…; the numbers are CPython's. */
#define Py_HASH_SIPHASH24 1
#define Py_HASH_FNV 2
#define Py_HASH_SIPHASH13 3

#ifndef Py_HASH_ALGORITHM
#  define Py_HASH_ALGORITHM Py_HASH_SIPHASH13
#endif

/* Strings below so many bytes are hashed by DJBX33A: 2 to 7. 0, the default: none. */
#ifndef Py_HASH_CUTOFF
#  define Py_HASH_CUTOFF 0
#elif Py_HASH_CUTOFF < 0 || Py_HASH_CUTOFF > 7
#  error "Py_HASH_CUTOFF is 0 to 7"
#endif

typedef struct {
    Py_hash_t (*const hash)(const void *, Py_ssize_t);  /* of one byte or more */
    const char *name;
    const int hash_bits;        /* how many bits of the result are good */
    const int seed_bits;        /* how many bits of the secret it reads */
} PyHash_FuncDef;

/* The function of this build. Constant, never freed. */
PyAPI_FUNC(PyHash_FuncDef *) PyHash_GetFuncDef(void);

/* The hash of a pointer, of any object by its address, and of a number. None of
 * them depends on the secret; none is -1.
 *
 * _Py_HashDouble agrees with the hash of every equal int, Fraction and Decimal.
 * `inst` is the float object; only the hash of a NaN depends on it.
 * CPython    Python/pyhash.c, functions of the same names */
PyAPI_FUNC(Py_hash_t) Py_HashPointer(const void *ptr);
PyAPI_FUNC(Py_hash_t) PyObject_GenericHash(PyObject *obj);
PyAPI_FUNC(Py_hash_t) _Py_HashDouble(PyObject *inst, double v);

/* 3.14's public name for _Py_HashBytes, which see. */
PyAPI_FUNC(Py_hash_t) Py_HashBuffer(const void *ptr, Py_ssize_t len);

#endif  // Py_HASH_H
