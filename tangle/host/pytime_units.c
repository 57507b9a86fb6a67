// CPython: Python/pytime.c, units and rounding (v3.13.5, behaviour of 3.14)
#include "host/pytime_units.h"

#define US_TO_NS 1000
#define SEC_TO_NS 1000000000

PyTime_t
_PyTime_FromMicrosecondsClamp(PyTime_t us)
{
    PyTime_t ns;
    if (__builtin_mul_overflow(us, US_TO_NS, &ns)) {
        return us < 0 ? PyTime_MIN : PyTime_MAX;
    }
    return ns;
}

static PyTime_t
pytime_divide(const PyTime_t t, const PyTime_t k, const _PyTime_round_t round)
{
    PyTime_t towards_zero = t / k, rest = t % k;
    PyTime_t away = t >= 0 ? 1 : -1, size = rest < 0 ? -rest : rest;
    int go;
    switch (round) {
    case _PyTime_ROUND_HALF_EVEN:
        go = size > k / 2 || (size == k / 2 && towards_zero % 2 != 0);
        break;
    case _PyTime_ROUND_CEILING:
        go = rest > 0;
        break;
    case _PyTime_ROUND_FLOOR:
        go = rest < 0;
        break;
    default:
        go = rest != 0;
    }
    return towards_zero + (go ? away : 0);
}

PyTime_t
_PyTime_AsMicroseconds(PyTime_t ns, _PyTime_round_t round)
{
    return pytime_divide(ns, US_TO_NS, round);
}

_Static_assert(sizeof(((struct timespec *)0)->tv_sec) == 8, "nothing to clamp: 2**63 ns fit");

void
_PyTime_AsTimespec_clamp(PyTime_t ns, struct timespec *ts)
{
    PyTime_t seconds = pytime_divide(ns, SEC_TO_NS, _PyTime_ROUND_FLOOR);
    ts->tv_sec = seconds;
    ts->tv_nsec = ns % SEC_TO_NS < 0 ? ns % SEC_TO_NS + SEC_TO_NS : ns % SEC_TO_NS;
}

int
PyTime_TimeRaw(PyTime_t *result)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0) {
        *result = 0;
        return -1;
    }
    *result = (PyTime_t)ts.tv_sec * SEC_TO_NS + ts.tv_nsec;
    return 0;
}
