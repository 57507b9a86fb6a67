// CPython: Include/internal/pycore_parking_lot.h (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_PARKING_LOT_H
#define Py_INTERNAL_PARKING_LOT_H

#include <stddef.h>

#include "host/pyport.h"
#include "host/pytime.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    Py_PARK_OK = 0,         /* another thread unparked us */
    Py_PARK_AGAIN = -1,     /* the value had changed: we never slept */
    Py_PARK_TIMEOUT = -2,   /* the time is over */
    Py_PARK_INTR = -3,      /* a signal came */
};

/* Sleep until someone unparks `address`, provided that *address still equals
 * *expected.
 *
 * Comparing and queueing are one step to every unpark of the same address: one
 * that comes after a change of the value is never lost. Waiters of an address
 * are woken in the order in which they came.
 *
 * address_size  1, 2, 4 or 8; address is aligned to it.
 * timeout_ns    negative: for ever. 0: queue, look, leave.
 * park_arg      handed to the unparker's callback; it must live until we return.
 * detach        true: an attached caller is detached while it sleeps. It need not be.
 * Returns       Py_PARK_OK, _AGAIN, _TIMEOUT or _INTR, as above.
 * Blocks        yes.   Allocates  never.   Errno  may change.
 * Checked       a size that is none of the four is fatal.
 * Unchecked     freeing *address while a thread is parked on it. pthread_cancel of
 *               a parked thread: its entry stays in the queue, on a stack that is
 *               gone, and the next wake-up is lost on it (CPython's as well).
 * CPython       Python/parking_lot.c, _PyParkingLot_Park */
PyAPI_FUNC(int)
_PyParkingLot_Park(const void *address, const void *expected,
                   size_t address_size, PyTime_t timeout_ns,
                   void *park_arg, int detach);

/* Called under the bucket's lock, exactly once for each Unpark, before the
 * waiter wakes: what it stores, no parking thread can overlook. park_arg is the
 * waiter's, NULL when none waits. has_more_waiters may be true by mistake (two
 * addresses share a bucket), never false; GF_IN_A_CROWD (policy.h), by no mistake,
 * when more than GF_CROWD wait for this address. It must not park or unpark. */
typedef void _Py_unpark_fn_t(void *arg, void *park_arg, int has_more_waiters);

/* Wake the thread that has waited longest on `address`, if there is one.
 * Requires   a function; one that has nothing to do is one with an empty body.
 * Blocks     no longer than a short lock and `fn`.   Allocates  never.
 * Attached   no need.   Unchecked  NULL for `fn`.
 * CPython    Python/parking_lot.c, _PyParkingLot_Unpark */
PyAPI_FUNC(void)
_PyParkingLot_Unpark(const void *address, _Py_unpark_fn_t *fn, void *arg);

/* Wake every thread that waits on `address` now. No function runs: a waiter that
 * must know why it was woken looks at *address.
 * Blocks     no longer than a short lock.   Allocates  never.
 * Attached   no need.   CPython  Python/parking_lot.c, _PyParkingLot_UnparkAll */
PyAPI_FUNC(void) _PyParkingLot_UnparkAll(const void *address);

/* PyOS_AfterFork_Child's part, which calls it (host/ceval.h): forget every waiter;
 * they are threads of the parent. A handler that forked while its thread sleeps in
 * Park may call it, too: Park returns in the child as if the signal had ended it.
 * Requires   no other thread yet; not inside a function of the lot otherwise. */
PyAPI_FUNC(void) _PyParkingLot_AfterFork(void);

#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_PARKING_LOT_H */
