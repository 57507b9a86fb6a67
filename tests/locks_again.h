// The locks a second time; see threads_again.h. Also: for how long, and detached?
#ifndef TESTS_LOCKS_AGAIN_H
#define TESTS_LOCKS_AGAIN_H

#include "host/ceval.h"
#include "host/pytime_units.h"

static _Thread_local int n_saves, n_us, us_grew;
static _Thread_local PyTime_t first_us, last_us;

static PyTime_t
note_us(PyTime_t us)
{
    if (us != 0) {                      /* tries do not count */
        us_grew += n_us > 0 && us > last_us;
        first_us = n_us++ == 0 ? us : first_us;
        last_us = us;
    }
    return _PyTime_FromMicrosecondsClamp(us);
}

#define _PyTime_FromMicrosecondsClamp(us) note_us(us)
#define PyEval_SaveThread() (n_saves++, PyEval_SaveThread())
#include "threads_again.h"
#undef _PyTime_FromMicrosecondsClamp

#endif  // TESTS_LOCKS_AGAIN_H
