// CPython: Include/cpython/lock.h, the layout alone (v3.13.5, behaviour of 3.14)
#ifndef HOST_PYMUTEX_H
#define HOST_PYMUTEX_H

#include <stdint.h>

typedef struct PyMutex {
    uint8_t _bits;      // 0 is unlocked
} PyMutex;

_Static_assert(sizeof(PyMutex) == 1, "a mutex is one byte of the object header");

#endif  // HOST_PYMUTEX_H
