// CPython: Include/ceval.h, the pair around a call that may block
// (v3.13.5, behaviour of 3.14)
#ifndef HOST_ALLOW_THREADS_H
#define HOST_ALLOW_THREADS_H

#include "host/pyport.h"

typedef struct _ts PyThreadState;

/* Save lets other threads run and returns the caller's state; Restore takes it
 * back, waiting for its turn. errno is after Restore what it was before. */
PyAPI_FUNC(PyThreadState *) PyEval_SaveThread(void);
PyAPI_FUNC(void) PyEval_RestoreThread(PyThreadState *tstate);

#define Py_BEGIN_ALLOW_THREADS { PyThreadState *_save = PyEval_SaveThread();
#define Py_END_ALLOW_THREADS PyEval_RestoreThread(_save); }

#endif  // HOST_ALLOW_THREADS_H
