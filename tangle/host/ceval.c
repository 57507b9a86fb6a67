// CPython: Python/ceval_gil.c (v3.13.5, behaviour of 3.14)
#include "host/ceval.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "host/pyatomic.h"
#include "host/pythread.h"

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
    uint32_t first, next;   // calls taken, calls added, ever: between them some wait
    PyThread_ident_t handling;      // the thread that is making calls, or 0
    struct { int (*func)(void *); void *arg; } calls[MAXPENDINGCALLS_MAIN];
} pending;

_Static_assert(MAXPENDINGCALLS_MAIN == 32, "a power of two: the two numbers may wrap");

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
    uint32_t n = pending.next;
    int room = n - pending.first < MAXPENDINGCALLS_MAIN;
    if (room) {
        pending.calls[n % MAXPENDINGCALLS_MAIN].func = func;
        pending.calls[n % MAXPENDINGCALLS_MAIN].arg = arg;
        _Py_atomic_store_uint32(&pending.next, n + 1);  /* it is whole: count it */
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
    if (pending.first != pending.next) {
        func = pending.calls[pending.first % MAXPENDINGCALLS_MAIN].func;
        arg = pending.calls[pending.first % MAXPENDINGCALLS_MAIN].arg;
        _Py_atomic_store_uint32(&pending.first, pending.first + 1);
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
    pending.handling = PyThread_get_thread_ident_ex();
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
_PyEval_ReInitThreads(PyThreadState *tstate)
{
#ifndef Py_GIL_DISABLED
    pthread_mutex_init(&gil_mutex, NULL);
    pthread_cond_init(&gil_cond, NULL);
    gil_locked = tstate != NULL;
#endif
    (void)tstate;
    pending.locked = 0;
    if (pending.handling != PyThread_get_thread_ident_ex()) {
        pending.handling = 0;           /* the thread that made calls is not here */
    }
}
