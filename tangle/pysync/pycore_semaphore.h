// CPython: Include/internal/pycore_semaphore.h (v3.13.5, behaviour of 3.14)
// Attached: no function here needs it. None allocates.
#ifndef Py_INTERNAL_SEMAPHORE_H
#define Py_INTERNAL_SEMAPHORE_H

#include "host/pyport.h"
#include "host/pytime.h"

/* -DGF_USE_COND_SEMAPHORE: a mutex and a condition variable, as CPython does
 * where the system has no sem_timedwait. */
#ifdef GF_USE_COND_SEMAPHORE
#  include <pthread.h>
#else
#  define _Py_USE_SEMAPHORES
#  include <semaphore.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Wake-ups that were sent and not yet used. It lives on the stack of the one
 * thread that will wait. */
typedef struct _PySemaphore {
#ifdef _Py_USE_SEMAPHORES
    sem_t platform_sem;
#else
    pthread_mutex_t mutex;      /* guards counter */
    pthread_cond_t cond;        /* counter has gone up */
    int counter;
#endif
} _PySemaphore;

#ifdef _Py_USE_SEMAPHORES
_Static_assert(sizeof(_PySemaphore) == 32, "as in CPython");
_Static_assert(_Alignof(_PySemaphore) == 8, "as in CPython");
#endif

/* Sleep until a wake-up is there, and use it up; one that was sent before the
 * call is used at once.
 *
 * timeout_ns negative: for ever. Else sleep no less than that long.
 * detach     true: an attached caller is detached while it sleeps.
 * Returns    Py_PARK_OK       a wake-up was used
 *            Py_PARK_TIMEOUT  none came in time
 *            Py_PARK_INTR     none came yet, but a signal did: look again
 * Blocks     yes.   Allocates  never.
 * Requires   initialised, and no other thread waits.
 * Checked    an answer of the system that is none of these three is fatal.
 * Unchecked  pthread_cancel of the thread that waits.
 * CPython    Python/parking_lot.c, _PySemaphore_Wait */
PyAPI_FUNC(int)
_PySemaphore_Wait(_PySemaphore *sema, PyTime_t timeout_ns, int detach);

/* Send one wake-up. It is kept until a Wait uses it.
 *
 * What the caller wrote before, the waiter sees after its Wait.
 * Blocks     no longer than a short lock.   Allocates  never.
 * Unchecked  a semaphore that its owner has destroyed meanwhile.
 * CPython    Python/parking_lot.c, _PySemaphore_Wakeup */
PyAPI_FUNC(void) _PySemaphore_Wakeup(_PySemaphore *sema);

/* Begin with no wake-ups; end, when no thread waits and none will wake.
 * A failure of the system to make one is fatal. */
PyAPI_FUNC(void) _PySemaphore_Init(_PySemaphore *sema);
PyAPI_FUNC(void) _PySemaphore_Destroy(_PySemaphore *sema);

#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_SEMAPHORE_H */
