// CPython: Include/cpython/pytime.h, Include/internal/pycore_time.h
// (v3.13.5, behaviour of 3.14)
// Attached: no function here needs it.
#ifndef HOST_PYTIME_H
#define HOST_PYTIME_H

#include "host/pyport.h"

typedef int64_t PyTime_t;   // nanoseconds: an instant, or a duration

#define PyTime_MIN INT64_MIN
#define PyTime_MAX INT64_MAX

/* t1 + t2, in nanoseconds; PyTime_MAX or PyTime_MIN where the sum does not fit.
 * Blocks, Allocates  never.   CPython  Python/pytime.c, _PyTime_Add */
PyAPI_FUNC(PyTime_t) _PyTime_Add(PyTime_t t1, PyTime_t t2);

/* Put into *result the nanoseconds since some fixed moment of the past. The
 * clock never goes back, and nobody can set it.
 *
 * Returns    0; or -1, *result being 0, when the system has no such clock.
 * Blocks, Allocates, Sets an error  never.
 * CPython    Python/pytime.c, PyTime_MonotonicRaw */
PyAPI_FUNC(int) PyTime_MonotonicRaw(PyTime_t *result);

/* Init: the instant that is `timeout` nanoseconds from now. Get: how long it is
 * until then, in nanoseconds; zero or less once it has come. Both saturate, and
 * both take a clock that fails to stand at 0.
 * Blocks, Allocates  never.
 * CPython    Python/pytime.c, _PyDeadline_Init, _PyDeadline_Get */
PyAPI_FUNC(PyTime_t) _PyDeadline_Init(PyTime_t timeout);
PyAPI_FUNC(PyTime_t) _PyDeadline_Get(PyTime_t deadline);

#endif  // HOST_PYTIME_H
