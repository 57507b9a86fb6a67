// CPython: Modules/_threadmodule.c, ThreadHandle (v3.13.5, behaviour of 3.14)
#ifndef PYTHREAD_THREAD_HANDLE_H
#define PYTHREAD_THREAD_HANDLE_H

#include "host/pytime.h"
#include "pysync/pycore_llist.h"
#include "pysync/pycore_lock.h"
#include "pythread/pycore_pythread.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 -> 2 -> 3 -> 4, or 2 -> 4 when the start fails. Never back. */
typedef enum {
    THREAD_HANDLE_NOT_STARTED = 1,
    THREAD_HANDLE_STARTING = 2,
    THREAD_HANDLE_RUNNING = 3,  /* so it stays, when the thread has ended: until joined */
    THREAD_HANDLE_DONE = 4,
} ThreadHandleState;

/* A thread that can be waited for, and what is needed to do it once.
 *
 * Shared by its owner and its thread: the one may drop it while the other runs,
 * after its thread state is gone. Hence a count of its own. */
typedef struct {
    struct llist_node node;     /* in host_threads()->handles; next NULL: in none */

    PyThread_ident_t ident;     /* these four are guarded by mutex */
    PyThread_handle_t os_handle;
    int has_os_handle;          /* 0 for a thread that we did not start */
    int state;                  /* a ThreadHandleState */
    PyMutex mutex;

    PyEvent thread_is_exiting;  /* set as the very last act of the thread */
    _PyOnceFlag once;           /* the join, or set_done, whichever is first */
    Py_ssize_t refcount;
} ThreadHandle;

/* new        a handle, not started, with one reference, the caller's; NULL
 *            with MemoryError set.
 * adopt      the same for a thread that runs already and is not ours to join,
 *            such as the main thread: RUNNING until set_done.
 * decref     the last one detaches a thread that was not joined. It needs no
 *            thread state, and so does incref.
 * Attached   new, adopt: required; unchecked. incref, decref: no need.
 * Blocks     no longer than a short lock.   Allocates  new and adopt.
 * CPython    Modules/_threadmodule.c; adopt: thread__make_thread_handle */
PyAPI_FUNC(ThreadHandle *) ThreadHandle_new(void);
PyAPI_FUNC(ThreadHandle *) ThreadHandle_adopt(PyThread_ident_t ident);
PyAPI_FUNC(void) ThreadHandle_incref(ThreadHandle *self);
PyAPI_FUNC(void) ThreadHandle_decref(ThreadHandle *self);

/* Run func(arg) attached, with a thread state of its own, in a new thread.
 *
 * Returns    0; -1 with RuntimeError "thread already started" or "can't start
 *            new thread", or MemoryError; after the last two it is DONE.
 * Attached   required; unchecked.   Blocks  no.   Allocates  yes. */
PyAPI_FUNC(int) ThreadHandle_start(ThreadHandle *self, void (*func)(void *), void *arg);

/* The thread's ident; 0 before it is started.
 * Attached   no need.   Blocks  no longer than a short lock.   Allocates  never. */
PyAPI_FUNC(PyThread_ident_t) ThreadHandle_ident(ThreadHandle *self);

/* Has the thread ended, all but its last instructions? 1 or 0. Never waits.
 * Attached   no need. */
PyAPI_FUNC(int) ThreadHandle_is_done(ThreadHandle *self);

/* Wait until the thread is over, timeout_ns nanoseconds at most; -1: for ever.
 *
 * timeout_ns negative but -1: for ever, or until the first signal. Do not.
 * Returns    0: it is over; or the time is, which only is_done tells apart.
 *            -1 with RuntimeError "thread not started" or "Cannot join current
 *            thread"; or -1 with the error of a pending call: a signal came.
 * Threads    any, any number, any number of times. One joins; the others wait.
 * Attached   required; unchecked.   Blocks  yes, detached.   Allocates  never. */
PyAPI_FUNC(int) ThreadHandle_join(ThreadHandle *self, PyTime_t timeout_ns);

/* Declare it over without waiting: a thread of ours is detached.
 * Attached   required; unchecked.
 * Blocks     while another thread joins it, which has ended then.   Allocates  never.
 * Returns    0; -1 with RuntimeError when not started, or when the system says no. */
PyAPI_FUNC(int) ThreadHandle_set_done(ThreadHandle *self);

#ifdef __cplusplus
}
#endif
#endif /* PYTHREAD_THREAD_HANDLE_H */
