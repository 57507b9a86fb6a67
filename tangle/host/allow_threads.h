// CPython: Include/ceval.h, the pair around a call that may block
// (v3.13.5, behaviour of 3.14)
#ifndef HOST_ALLOW_THREADS_H
#define HOST_ALLOW_THREADS_H

#include "host/ceval.h"

/* Between the two other threads may run; errno is the same on both sides. */
#define Py_BEGIN_ALLOW_THREADS { PyThreadState *_save = PyEval_SaveThread();
#define Py_END_ALLOW_THREADS PyEval_RestoreThread(_save); }

#endif  // HOST_ALLOW_THREADS_H
