// CPython: Include/internal/pycore_time.h, units and rounding (v3.13.5, behaviour of 3.14)
// Attached: no function here needs it.
#ifndef HOST_PYTIME_UNITS_H
#define HOST_PYTIME_UNITS_H

#include <time.h>

#include "host/pytime.h"

typedef enum {
    _PyTime_ROUND_FLOOR = 0,        /* towards minus infinity */
    _PyTime_ROUND_CEILING = 1,      /* towards plus infinity */
    _PyTime_ROUND_HALF_EVEN = 2,    /* to the nearest; the even one of two */
    _PyTime_ROUND_UP = 3,           /* away from zero */
    /* A timeout must not come early, nor -1e-9, for ever, become 0: a try. */
    _PyTime_ROUND_TIMEOUT = _PyTime_ROUND_UP
} _PyTime_round_t;
/* FromMicrosecondsClamp  us as nanoseconds; cut off at PyTime_MIN, PyTime_MAX
 * AsMicroseconds         ns as microseconds, rounded
 * AsTimespec_clamp       ns as seconds and nanoseconds, the latter never negative
 * TimeRaw                the wall clock, which can be set; 0, or -1 and *result 0
 *
 * Blocks, Allocates, Sets an error  never.   CPython  Python/pytime.c */
PyAPI_FUNC(PyTime_t) _PyTime_FromMicrosecondsClamp(PyTime_t us);
PyAPI_FUNC(PyTime_t) _PyTime_AsMicroseconds(PyTime_t ns, _PyTime_round_t round);
PyAPI_FUNC(void) _PyTime_AsTimespec_clamp(PyTime_t ns, struct timespec *ts);
PyAPI_FUNC(int) PyTime_TimeRaw(PyTime_t *result);

#endif  // HOST_PYTIME_UNITS_H
