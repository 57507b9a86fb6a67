// CPython: Python/pytime.c (v3.13.5, behaviour of 3.14)
#include "host/pytime.h"

#include <time.h>

#define SEC_TO_NS (1000 * 1000 * 1000)

static PyTime_t
saturate(int overflow, int below, PyTime_t value)
{
    return !overflow ? value : below ? PyTime_MIN : PyTime_MAX;
}

PyTime_t
_PyTime_Add(PyTime_t t1, PyTime_t t2)
{
    PyTime_t sum;
    int overflow = __builtin_add_overflow(t1, t2, &sum);
    return saturate(overflow, t2 < 0, sum);
}

static PyTime_t
pytime_fromtimespec(const struct timespec *ts)
{
    PyTime_t t;
    int overflow = __builtin_mul_overflow(ts->tv_sec, SEC_TO_NS, &t);
    return _PyTime_Add(saturate(overflow, ts->tv_sec < 0, t), ts->tv_nsec);
}

int
PyTime_MonotonicRaw(PyTime_t *result)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0) {
        *result = 0;
        return -1;
    }
    *result = pytime_fromtimespec(&ts);
    return 0;
}

PyTime_t
_PyDeadline_Init(PyTime_t timeout)
{
    PyTime_t now;
    (void)PyTime_MonotonicRaw(&now);
    return _PyTime_Add(now, timeout);
}

PyTime_t
_PyDeadline_Get(PyTime_t deadline)
{
    PyTime_t now, left;
    (void)PyTime_MonotonicRaw(&now);
    int overflow = __builtin_sub_overflow(deadline, now, &left);
    return saturate(overflow, now > 0, left);
}
