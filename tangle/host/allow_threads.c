// Ours: what PyEval_SaveThread and PyEval_RestoreThread do while there are no
// thread states. A stronger definition, anywhere in the program, takes their place.
#include "host/allow_threads.h"

__attribute__((weak)) PyThreadState *
PyEval_SaveThread(void)
{
    return NULL;
}

__attribute__((weak)) void
PyEval_RestoreThread(PyThreadState *Py_UNUSED(tstate))
{
}
