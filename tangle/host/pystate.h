// CPython: Include/cpython/pystate.h, Include/internal/pycore_pystate.h
// (v3.13.5, behaviour of 3.14)
#ifndef HOST_PYSTATE_H
#define HOST_PYSTATE_H

#include "host/pyatomic.h"
#include "host/pyport.h"

/* Detached: may be asleep, must not touch an object. Attached: runs Python, one
 * thread at a time in the GIL build. Suspended: detached, and held back. */
#define _Py_THREAD_DETACHED 0
#define _Py_THREAD_ATTACHED 1
#define _Py_THREAD_SUSPENDED 2

typedef struct _ts {
    int state;                      // one of these three
    uintptr_t critical_section;     // head of its critical sections, tagged; 0: none
} PyThreadState;

/* What this thread is attached with; NULL while it is detached. */
PyAPI_DATA(_Thread_local PyThreadState *) _Py_tss_tstate;

static inline PyThreadState *
_PyThreadState_GET(void)
{
    return _Py_tss_tstate;
}

/* A detached thread state for the calling thread; NULL when there is no memory.
 * It is deleted detached, when no thread uses it. Ours alone.
 * Attached   no need.   Blocks  never.   Allocates  new, by PyMem_RawCalloc. */
PyAPI_FUNC(PyThreadState *) host_thread_new(void);
PyAPI_FUNC(void) host_thread_delete(PyThreadState *tstate);

/* Is it attached? Any thread may ask; only its own can rely on the answer. */
PyAPI_FUNC(int) host_thread_is_attached(PyThreadState *tstate);

/* Where the head of its critical sections is kept. For its own thread only, attached
 * or on its way. */
PyAPI_FUNC(uintptr_t *) host_critical_section(PyThreadState *tstate);

/* A thread state made and attached, detached and deleted. Ours alone.
 * Attached   enter: the caller is not. leave: required.
 * Blocks     enter: for the GIL.   Allocates  enter.
 * Checked    not so attached, or no memory: fatal. */
PyAPI_FUNC(PyThreadState *) host_thread_enter(void);
PyAPI_FUNC(void) host_thread_leave(void);

/* Suspend: keep a detached thread from attaching; 1 when it was detached and is
 * held now, else 0. Resume: let it. Both from another, or no, thread state.
 * Attached   no need.   Blocks  no longer than a short lock.   Allocates  never.
 * CPython    Python/pystate.c, park_detached_threads, start_the_world */
PyAPI_FUNC(int) host_thread_suspend(PyThreadState *tstate);
PyAPI_FUNC(void) host_thread_resume(PyThreadState *tstate);

/* One lock for what the whole process has once: the list of thread handles, the
 * first use of the thread library. Held across a fork (PyOS_BeforeFork).
 * Blocks     lock, yes, and the caller stays attached if it is: hold it for a few
 *            instructions, in which nobody attaches.   Allocates  never. */
PyAPI_FUNC(void) host_head_lock(void);
PyAPI_FUNC(void) host_head_unlock(void);

#endif  // HOST_PYSTATE_H
