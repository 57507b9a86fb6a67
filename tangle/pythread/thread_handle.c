// CPython: Modules/_threadmodule.c, ThreadHandle (v3.13.5, behaviour of 3.14)
//
// A thread's handle: joined by any thread, any number of times; the system's thread once.
#include "pythread/thread_handle.h"

#include <assert.h>
#include <stdio.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pyerrors.h"
#include "host/pymem.h"
#include "host/pystate.h"
#include "host/threads.h"

static int
get_thread_handle_state(ThreadHandle *self)
{
    PyMutex_Lock(&self->mutex);
    int now = self->state;
    PyMutex_Unlock(&self->mutex);
    return now;
}

static void
set_thread_handle_state(ThreadHandle *self, ThreadHandleState next)
{
    PyMutex_Lock(&self->mutex);
    self->state = (int)next;
    PyMutex_Unlock(&self->mutex);
}

PyThread_ident_t
ThreadHandle_ident(ThreadHandle *self)
{
    PyMutex_Lock(&self->mutex);
    PyThread_ident_t known = self->ident;
    PyMutex_Unlock(&self->mutex);
    return known;
}

static int
ThreadHandle_get_os_handle(ThreadHandle *self, PyThread_handle_t *os_handle)
{
    PyMutex_Lock(&self->mutex);
    int has_one = self->has_os_handle;
    if (has_one) {
        *os_handle = self->os_handle;
    }
    PyMutex_Unlock(&self->mutex);
    return has_one;
}

int
ThreadHandle_is_done(ThreadHandle *self)
{
    return _PyEvent_IsSet(&self->thread_is_exiting);
}

ThreadHandle *
ThreadHandle_new(void)
{
    ThreadHandle *self = PyMem_RawCalloc(1, sizeof(ThreadHandle));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->state = THREAD_HANDLE_NOT_STARTED;    /* all else is zero: free, unset, none */
    self->refcount = 1;
    self->node.next = &host_threads()->handles;     /* leads on, before anything leads here */
    host_head_lock();
    llist_insert_tail(&host_threads()->handles, &self->node);
    host_head_unlock();
    return self;
}

void
ThreadHandle_incref(ThreadHandle *self)
{
    _Py_atomic_add_ssize(&self->refcount, 1);
}

ThreadHandle *
ThreadHandle_adopt(PyThread_ident_t ident)
{
    ThreadHandle *self = ThreadHandle_new();
    if (self != NULL) {
        PyMutex_Lock(&self->mutex);
        self->ident = ident;
        self->state = THREAD_HANDLE_RUNNING;
        PyMutex_Unlock(&self->mutex);
    }
    return self;
}

static int
detach_thread(ThreadHandle *self)
{
    if (self->has_os_handle && PyThread_detach_thread(self->os_handle) != 0) {
        fprintf(stderr, "detach_thread: failed detaching thread\n");
        return -1;
    }
    return 0;
}

void
ThreadHandle_decref(ThreadHandle *self)
{
    if (_Py_atomic_add_ssize(&self->refcount, -1) > 1) {
        return;
    }
    host_head_lock();
    if (self->node.next != NULL) {              /* a fork may have taken it out */
        llist_remove(&self->node);
    }
    host_head_unlock();
    /* No other thread has it: no need for the mutex. */
    if (self->state == THREAD_HANDLE_RUNNING) {
        detach_thread(self);                    /* its complaint is all there is to do */
    }
    PyMem_RawFree(self);
}

void
_PyThread_AfterFork(struct _pythread_runtime_state *state)
{
    PyThread_ident_t current = PyThread_get_thread_ident_ex();
    struct llist_node *node = &state->handles;
    do {                                        /* see below */
        node->next->prev = node;
        node = node->next;
    } while (node != &state->handles);
    llist_for_each_safe(node, &state->handles) {
        ThreadHandle *handle = llist_data(node, ThreadHandle, node);
        if (handle->ident == current || handle->state == THREAD_HANDLE_NOT_STARTED) {
            continue;                           /* alive; or still to come */
        }
        handle->state = THREAD_HANDLE_DONE;     /* there is nothing to join */
        handle->once = (_PyOnceFlag){_Py_ONCE_INITIALIZED};
        handle->mutex = (PyMutex){_Py_UNLOCKED};
        _PyEvent_Notify(&handle->thread_is_exiting);
        llist_remove(node);
    }
}

/* What the new thread has to know. Its own, once it was started. */
struct bootstate {
    PyThreadState *tstate;
    void (*func)(void *);
    void *arg;
    ThreadHandle *handle;       /* a reference */
    PyEvent handle_ready;       /* set when the handle says RUNNING */
};

static void
thread_bootstate_free(struct bootstate *boot)
{
    ThreadHandle_decref(boot->handle);
    PyMem_RawFree(boot);
}

static void
thread_run(void *boot_raw)
{
    struct bootstate *boot = boot_raw;
    PyEvent_Wait(&boot->handle_ready);

    ThreadHandle *handle = boot->handle;
    ThreadHandle_incref(handle);                /* outlives boot */
    PyEval_AcquireThread(boot->tstate);
    boot->func(boot->arg);
    thread_bootstate_free(boot);
    host_thread_leave();                        /* no thread state from here on */

    _PyEvent_Notify(&handle->thread_is_exiting);
    ThreadHandle_decref(handle);
}

static int
force_done(void *arg)
{
    ThreadHandle *self = arg;
    assert(get_thread_handle_state(self) == THREAD_HANDLE_STARTING);
    _PyEvent_Notify(&self->thread_is_exiting);      /* a later join returns at once */
    set_thread_handle_state(self, THREAD_HANDLE_DONE);
    return 0;
}

static int
claim_start(ThreadHandle *self)
{
    PyMutex_Lock(&self->mutex);
    int ours = self->state == THREAD_HANDLE_NOT_STARTED;
    if (ours) {
        self->state = THREAD_HANDLE_STARTING;   /* no other thread may, now */
    }
    PyMutex_Unlock(&self->mutex);
    return ours;
}

/* All that the new thread needs; NULL without memory. */
static struct bootstate *
new_bootstate(ThreadHandle *self, void (*func)(void *), void *arg)
{
    struct bootstate *boot = PyMem_RawMalloc(sizeof(struct bootstate));
    if (boot == NULL) {
        return NULL;
    }
    *boot = (struct bootstate){host_thread_new(), func, arg, self, {0}};
    if (boot->tstate == NULL) {
        PyMem_RawFree(boot);
        return NULL;
    }
    ThreadHandle_incref(self);
    return boot;
}

static void
mark_running(ThreadHandle *self, PyThread_ident_t ident, PyThread_handle_t os_handle)
{
    PyMutex_Lock(&self->mutex);
    self->ident = ident;
    self->os_handle = os_handle;
    self->has_os_handle = 1;
    self->state = THREAD_HANDLE_RUNNING;
    PyMutex_Unlock(&self->mutex);
}

int
ThreadHandle_start(ThreadHandle *self, void (*func)(void *), void *arg)
{
    if (!claim_start(self)) {
        PyErr_SetString(PyExc_RuntimeError, "thread already started");
        return -1;
    }
    PyThread_ident_t ident;
    PyThread_handle_t os_handle;
    struct bootstate *boot = new_bootstate(self, func, arg);
    if (boot == NULL) {
        PyErr_NoMemory();
    }
    else if (PyThread_start_joinable_thread(thread_run, boot, &ident, &os_handle) == 0) {
        mark_running(self, ident, os_handle);
        _PyEvent_Notify(&boot->handle_ready);   /* boot is the thread's from here */
        return 0;
    }
    else {
        host_thread_delete(boot->tstate);       /* what the thread would have had */
        thread_bootstate_free(boot);
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
    }
    _PyOnceFlag_CallOnce(&self->once, force_done, self);
    return -1;
}

static int
join_thread(void *arg)
{
    ThreadHandle *self = arg;
    PyThread_handle_t os_handle;
    assert(get_thread_handle_state(self) == THREAD_HANDLE_RUNNING);
    if (ThreadHandle_get_os_handle(self, &os_handle)) {
        PyThreadState *mine = PyEval_SaveThread();
        int err = PyThread_join_thread(os_handle);
        PyEval_RestoreThread(mine);
        if (err != 0) {
            PyErr_SetString(PyExc_RuntimeError, "Failed joining thread");
            return -1;
        }
    }
    set_thread_handle_state(self, THREAD_HANDLE_DONE);
    return 0;
}

static int
check_started(ThreadHandle *self)
{
    if (get_thread_handle_state(self) < THREAD_HANDLE_RUNNING) {
        PyErr_SetString(PyExc_RuntimeError, "thread not started");
        return -1;
    }
    return 0;
}

int
ThreadHandle_join(ThreadHandle *self, PyTime_t timeout_ns)
{
    if (check_started(self) < 0) {
        return -1;
    }
    /* No thread asks this of itself once its event is set; another may have its ident then. */
    if (!_PyEvent_IsSet(&self->thread_is_exiting)
        && ThreadHandle_ident(self) == PyThread_get_thread_ident_ex()) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot join current thread");
        return -1;
    }
    PyTime_t deadline = timeout_ns != -1 ? _PyDeadline_Init(timeout_ns) : 0;
    while (!PyEvent_WaitTimed(&self->thread_is_exiting, timeout_ns, /*detach=*/1)) {
        if (deadline != 0) {
            PyTime_t left = _PyDeadline_Get(deadline);
            timeout_ns = left > 0 ? left : 0;
        }
        if (timeout_ns == 0) {
            return 0;                           /* not over in time */
        }
        if (Py_MakePendingCalls() < 0) {        /* a signal ended the wait */
            return -1;
        }
    }
    return _PyOnceFlag_CallOnce(&self->once, join_thread, self);
}

static int
set_done(void *arg)
{
    ThreadHandle *self = arg;
    assert(get_thread_handle_state(self) == THREAD_HANDLE_RUNNING);
    if (detach_thread(self) < 0) {
        PyErr_SetString(PyExc_RuntimeError, "failed detaching handle");
        return -1;
    }
    _PyEvent_Notify(&self->thread_is_exiting);
    set_thread_handle_state(self, THREAD_HANDLE_DONE);
    return 0;
}

int
ThreadHandle_set_done(ThreadHandle *self)
{
    if (check_started(self) < 0) {
        return -1;
    }
    return _PyOnceFlag_CallOnce(&self->once, set_done, self);
}
