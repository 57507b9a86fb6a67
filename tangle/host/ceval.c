// CPython: Python/ceval_gil.c, and of Modules/posixmodule.c what follows a fork
// (v3.13.5, behaviour of 3.14)
#include "host/ceval.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "pysync/pycore_parking_lot.h"

#ifndef Py_GIL_DISABLED
static pthread_mutex_t gil_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gil_cond = PTHREAD_COND_INITIALIZER;
static int gil_locked;
#endif

void
host_gil_take(void)
{
#ifndef Py_GIL_DISABLED
    pthread_mutex_lock(&gil_mutex);
    while (gil_locked) {
        pthread_cond_wait(&gil_cond, &gil_mutex);
    }
    gil_locked = 1;
    pthread_mutex_unlock(&gil_mutex);
#endif
}

void
host_gil_drop(void)
{
#ifndef Py_GIL_DISABLED
    pthread_mutex_lock(&gil_mutex);
    gil_locked = 0;
    pthread_cond_signal(&gil_cond);
    pthread_mutex_unlock(&gil_mutex);
#endif
}

void
PyEval_AcquireThread(PyThreadState *tstate)
{
    _PyThreadState_Attach(tstate);
}

void
PyEval_ReleaseThread(PyThreadState *tstate)
{
    _PyThreadState_Detach(tstate);
}

PyThreadState *
PyEval_SaveThread(void)
{
    PyThreadState *tstate = _PyThreadState_GET();
    _PyThreadState_Detach(tstate);      /* refuses NULL */
    return tstate;
}

void
PyEval_RestoreThread(PyThreadState *tstate)
{
    _PyThreadState_Attach(tstate);
}

enum { MAXPENDINGCALLS_MAIN = 32 };

static struct {
    int locked;             // changed with every signal blocked
    int first, npending;    // of the ring below
    int handling;           // the main thread is making calls
    struct { int (*func)(void *); void *arg; } calls[MAXPENDINGCALLS_MAIN];
} pending;

static void
lock_pending(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
    while (_Py_atomic_exchange_int(&pending.locked, 1)) {
        sched_yield();
    }
}

static void
unlock_pending(const sigset_t *before)
{
    _Py_atomic_store_int(&pending.locked, 0);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int
Py_AddPendingCall(int (*func)(void *), void *arg)
{
    sigset_t before;
    lock_pending(&before);
    int room = pending.npending < MAXPENDINGCALLS_MAIN;
    if (room) {
        int i = (pending.first + pending.npending++) % MAXPENDINGCALLS_MAIN;
        pending.calls[i].func = func;
        pending.calls[i].arg = arg;
    }
    unlock_pending(&before);
    return room ? 0 : -1;
}

/* Take the oldest call off the ring and make it. 1: there was none. */
static int
make_one_pending_call(void)
{
    int (*func)(void *) = NULL;
    void *arg = NULL;
    sigset_t before;
    lock_pending(&before);
    if (pending.npending > 0) {
        func = pending.calls[pending.first].func;
        arg = pending.calls[pending.first].arg;
        pending.first = (pending.first + 1) % MAXPENDINGCALLS_MAIN;
        pending.npending--;
    }
    unlock_pending(&before);
    return func == NULL ? 1 : func(arg) == 0 ? 0 : -1;
}

int
_PyEval_MakePendingCalls(PyThreadState *Py_UNUSED(tstate))
{
    int res = 0;
    if (getpid() != gettid() || pending.handling) {
        return 0;
    }
    pending.handling = 1;
    for (int i = 0; i < MAXPENDINGCALLS_MAIN && res == 0; i++) {
        res = make_one_pending_call();
    }
    pending.handling = 0;
    return res < 0 ? -1 : 0;
}

int
Py_MakePendingCalls(void)
{
    return _PyEval_MakePendingCalls(_PyThreadState_GET());
}

void
PyOS_AfterFork_Child(void)
{
    _PyParkingLot_AfterFork();
#ifndef Py_GIL_DISABLED
    pthread_mutex_init(&gil_mutex, NULL);
    pthread_cond_init(&gil_cond, NULL);
    gil_locked = _PyThreadState_GET() != NULL;
#endif
    pending.locked = 0;
    pending.handling = 0;
}
