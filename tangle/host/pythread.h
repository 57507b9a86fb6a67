// CPython: Include/internal/pycore_pythread.h, the identity alone (v3.13.5)
// Attached: no function here needs it.
#ifndef HOST_PYTHREAD_H
#define HOST_PYTHREAD_H

#include "host/pyport.h"

typedef unsigned long long PyThread_ident_t;

/* The calling thread's identity: no two threads that run have the same, none has
 * 0.   Blocks, Allocates  never.   CPython  Python/thread_pthread.h */
PyAPI_FUNC(PyThread_ident_t) PyThread_get_thread_ident_ex(void);

#endif  // HOST_PYTHREAD_H
