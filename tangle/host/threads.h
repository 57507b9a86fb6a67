// Ours: what the thread code takes out of the interpreter's own structures.
#ifndef HOST_THREADS_H
#define HOST_THREADS_H

#include "host/object.h"
#include "host/pystate.h"
#include "pythread/pycore_pythread.h"

/* &_PyRuntime.threads: one record for the process.   Attached  no need. */
PyAPI_FUNC(struct _pythread_runtime_state *) host_threads(void);

/* interp->threads.stacksize of the calling thread's interpreter. Standing alone
 * there is one interpreter.
 *
 * Attached   required, else fatal, in `caller`'s name.
 * Threads    free-threaded: any, at once; a relaxed load or store. */
PyAPI_FUNC(size_t) host_stacksize(const char *caller);
PyAPI_FUNC(void) host_set_stacksize(const char *caller, size_t size);
/* Three texts as an object. `version` may be NULL; it is copied. In the graft it
 * is sys.thread_info, a struct sequence; standing alone, the struct below.
 *
 * Attached   required; unchecked.
 * Returns    a new reference, or NULL with MemoryError set. */
PyAPI_FUNC(PyObject *) host_thread_info(const char *name, const char *lock,
                                        const char *version);
PyAPI_FUNC(void) host_forget_thread_info(PyInterpreterState *interp);

typedef struct {
    PyObject ob_base;
    const char *name;       // of the thread implementation: "pthread"
    const char *lock;       // of the locks: "semaphore" or "mutex+cond"
    const char *version;    // of the thread library, or NULL
    char text[];            // where version points
} PyThreadInfoObject;

#endif  // HOST_THREADS_H
