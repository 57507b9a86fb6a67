// CPython: Include/ceval.h, Include/internal/pycore_ceval.h
// (v3.13.5, behaviour of 3.14)
#ifndef HOST_CEVAL_H
#define HOST_CEVAL_H

#include "host/pystate.h"

/* Attach: the calling thread gets `tstate`, waits for the GIL (GIL build),
 * takes the locks of its topmost critical section again (free-threaded).
 * Detach: it lets all of them go, and has no thread state any more.
 *
 * Attached   Acquire, Restore, Attach: the caller is not. Release, Save, Detach:
 *            required.   Blocks  Attach, yes.   Allocates  never.
 * Checked    NULL; attaching twice; detaching what is not attached: fatal.
 * CPython    Python/ceval_gil.c; _PyThreadState_*: Python/pystate.c */
PyAPI_FUNC(void) PyEval_AcquireThread(PyThreadState *tstate);
PyAPI_FUNC(void) PyEval_ReleaseThread(PyThreadState *tstate);
PyAPI_FUNC(PyThreadState *) PyEval_SaveThread(void);
PyAPI_FUNC(void) PyEval_RestoreThread(PyThreadState *tstate);
PyAPI_FUNC(void) _PyThreadState_Attach(PyThreadState *tstate);
PyAPI_FUNC(void) _PyThreadState_Detach(PyThreadState *tstate);

/* The GIL alone, of which those above take care. With no GIL: nothing.
 * Attached   no need.   Blocks  take, until it is free. */
PyAPI_FUNC(void) host_gil_take(void);
PyAPI_FUNC(void) host_gil_drop(void);

/* Add: have the main thread call func(arg) when it next makes pending calls.
 * Make: in the main thread, do so, in the order of adding; in others nothing.
 *
 * Attached   Add   no need.   Make  required; unchecked.
 * Returns    Add   0, or -1 when 32 calls wait already
 *            Make  0, or -1 as soon as a call returned anything but 0
 * Blocks     never, but for what a call does.   Allocates  never.
 * Signals    Add may be called from a handler, also one that interrupts Add.
 * Recursion  Make, called by a pending call, does nothing. A call that a pending
 *            call adds is made by the same Make; but after 32 calls Make returns,
 *            and what is left waits for the next.
 * Twins      _PyEval_Make... is for a caller that has its state at hand; where there
 *            are several interpreters, it makes that one's calls, in any thread.
 * CPython    Python/ceval_gil.c, functions of the same names */
PyAPI_FUNC(int) Py_AddPendingCall(int (*func)(void *), void *arg);
PyAPI_FUNC(int) Py_MakePendingCalls(void);
PyAPI_FUNC(int) _PyEval_MakePendingCalls(PyThreadState *tstate);

/* PyOS_BeforeFork(), fork(), then AfterFork_Parent in the parent (also when fork
 * failed), AfterFork_Child in the child. All three may be given to pthread_atfork.
 *
 * Before    holds host_head_lock(). Other threads run on; CPython's free-threaded
 *           build stops them.
 * Parent    lets it go.
 * Child     the one call that a child needs, before any other of this library:
 *           empties the parking lot, frees that lock, finishes the handles of the
 *           threads that are not there, makes the GIL anew (the caller's, if it is
 *           attached) and frees the pending calls. Calls that wait stay.
 *
 * Requires  that the caller came neither out of one of our functions (a pending
 *           call, a once flag's, and a sleep in the parking lot apart), nor with
 *           host_head_lock() held. CPython: attached.
 * Blocks    Before, for the lock.   Allocates  never.
 * The program's own locks: appendix A has the table of what a fork leaves in each.
 * Fork alone, with no Before: Child mends all of the above, all the same.
 * No Child: only exec and what else POSIX allows there. A wait may hang.
 * CPython   Modules/posixmodule.c, functions of the same names */
PyAPI_FUNC(void) PyOS_BeforeFork(void);
PyAPI_FUNC(void) PyOS_AfterFork_Parent(void);
PyAPI_FUNC(void) PyOS_AfterFork_Child(void);

PyAPI_FUNC(void) _PyEval_ReInitThreads(PyThreadState *tstate);     /* Child's part */

#endif  // HOST_CEVAL_H
