// CPython: Python/thread_pthread.h (v3.13.5, behaviour of 3.14)
//
// The POSIX half of thread.c, which includes it. No other file does.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREAD_STACK_SIZE 0         /* what the system gives: see ulimit -s */
#define THREAD_STACK_MIN 0x8000     /* 32 KiB, even where the system allows less */

/* Ask for the stack that the caller's interpreter wants. 0, or the error. */
static int
ask_for_stack(pthread_attr_t *attrs)
{
    size_t stacksize = _PyThreadState_GET() != NULL ? host_stacksize(__func__) : 0;
    size_t tss = stacksize != 0 ? stacksize : THREAD_STACK_SIZE;
    return tss != 0 ? pthread_attr_setstacksize(attrs, tss) : 0;
}

/* -DGF_USE_COND_LOCK: locks of mutex and condition, as CPython's are where the
 * system has no semaphores. -DGF_NO_SEM_CLOCKWAIT: as on a C library older than
 * glibc 2.30. ThreadSanitizer does not know sem_clockwait. */
#ifndef GF_USE_COND_LOCK
#  define USE_SEMAPHORES
#  define LOCK_NAME "semaphore"
#else
#  define LOCK_NAME "mutex+cond"
#endif

#ifdef __SANITIZE_THREAD__
#  define _Py_THREAD_SANITIZER
#elif defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define _Py_THREAD_SANITIZER
#  endif
#endif
#if !defined(GF_NO_SEM_CLOCKWAIT) && !defined(_Py_THREAD_SANITIZER)
#  define HAVE_SEM_CLOCKWAIT
#endif

#define condattr_monotonic (host_threads()->_condattr_monotonic.ptr)

static void
init_condattr(void)
{
    pthread_condattr_t *ca = &host_threads()->_condattr_monotonic.val;
    if (pthread_condattr_init(ca) == 0
        && pthread_condattr_setclock(ca, CLOCK_MONOTONIC) == 0) {
        condattr_monotonic = ca;
    }
}

int
_PyThread_cond_init(pthread_cond_t *cond)
{
    return pthread_cond_init(cond, condattr_monotonic);
}

void
_PyThread_cond_after(long long us, struct timespec *abs)
{
    PyTime_t now;
    if (condattr_monotonic != NULL) {
        (void)PyTime_MonotonicRaw(&now);    /* a clock that fails reads 0 */
    }
    else {
        (void)PyTime_TimeRaw(&now);
    }
    PyTime_t timeout = _PyTime_FromMicrosecondsClamp(us);
    _PyTime_AsTimespec_clamp(_PyTime_Add(now, timeout), abs);
}

#ifndef USE_SEMAPHORES
/* locked and the waiting for it are guarded by mut, which no thread holds for longer
 * than a few instructions: the lock is the byte, not the mutex. */
typedef struct {
    char locked;                    /* 0 or 1 */
    pthread_cond_t lock_released;   /* locked has become 0 */
    pthread_mutex_t mut;
} pthread_lock;
#endif

/* On standard error, for want of another place: there may be no thread state to
 * set an error in. Returns whether there was something to report. */
static int
check_status(const char *call, int status)
{
    if (status != 0) {
        fprintf(stderr, "%s: %s\n", call, strerror(status));
    }
    return status != 0;
}

static void
PyThread__init_thread(void)
{
    init_condattr();
}

/* What the new thread has to call. Made by the starter, freed by the new thread. */
typedef struct {
    void (*func)(void *);
    void *arg;
} pythread_callback;

static void *
pythread_wrapper(void *arg)
{
    pythread_callback call = *(pythread_callback *)arg;
    free(arg);                  /* first: func may never return */
    call.func(call.arg);
    return NULL;
}

static int
do_start_joinable_thread(void (*func)(void *), void *arg, pthread_t *out_id)
{
    pthread_attr_t attrs;
    pythread_callback *callback = NULL;
    int status = -1;
    if (!is_initialized()) {
        PyThread_init_thread();
    }
    if (pthread_attr_init(&attrs) != 0) {
        return -1;
    }
    if (ask_for_stack(&attrs) == 0) {
        callback = malloc(sizeof(pythread_callback));
    }
    if (callback != NULL) {
        *callback = (pythread_callback){func, arg};
        status = pthread_create(out_id, &attrs, pythread_wrapper, callback);
    }
    pthread_attr_destroy(&attrs);
    if (status != 0) {
        free(callback);                 /* NULL, or still ours */
        return -1;
    }
    return 0;
}

_Static_assert(sizeof(pthread_t) == sizeof(uintptr_t), "glibc: an integer; musl: a pointer");

static PyThread_ident_t
_pthread_t_to_ident(pthread_t value)
{
    return (uintptr_t)value;    /* unsigned on the way: a sign would be carried on */
}

int
PyThread_start_joinable_thread(void (*func)(void *), void *arg,
                               PyThread_ident_t *ident, PyThread_handle_t *handle)
{
    pthread_t th;
    if (do_start_joinable_thread(func, arg, &th) != 0) {
        return -1;
    }
    *ident = _pthread_t_to_ident(th);
    *handle = (PyThread_handle_t)th;
    return 0;
}

unsigned long
PyThread_start_new_thread(void (*func)(void *), void *arg)
{
    pthread_t th;
    if (do_start_joinable_thread(func, arg, &th) != 0) {
        return PYTHREAD_INVALID_THREAD_ID;
    }
    pthread_detach(th);
    return (unsigned long)_pthread_t_to_ident(th);
}

int
PyThread_join_thread(PyThread_handle_t handle)
{
    return pthread_join((pthread_t)handle, NULL);
}

int
PyThread_detach_thread(PyThread_handle_t handle)
{
    return pthread_detach((pthread_t)handle);
}

PyThread_ident_t
PyThread_get_thread_ident_ex(void)
{
    if (!is_initialized()) {
        PyThread_init_thread();
    }
    return _pthread_t_to_ident(pthread_self());
}

unsigned long
PyThread_get_thread_ident(void)
{
    return (unsigned long)PyThread_get_thread_ident_ex();
}

unsigned long
PyThread_get_thread_native_id(void)
{
    if (!is_initialized()) {
        PyThread_init_thread();
    }
    return (unsigned long)syscall(SYS_gettid);
}

void _Py_NO_RETURN
PyThread_exit_thread(void)
{
    if (!is_initialized()) {
        exit(0);                /* there was never a second thread */
    }
    pthread_exit(0);
}

void _Py_NO_RETURN
PyThread_hang_thread(void)
{
    for (;;) {
        pause();                /* returns whenever a handler has run */
    }
}

#ifdef USE_SEMAPHORES
/* The code of a failed call: in errno, or, by some systems' mistake, returned. */
static int
fix_status(int status)
{
    return status == -1 ? errno : status;
}

PyThread_type_lock
PyThread_allocate_lock(void)
{
    if (!is_initialized()) {
        PyThread_init_thread();
    }
    sem_t *lock = PyMem_RawMalloc(sizeof(sem_t));
    if (lock != NULL && check_status("sem_init", fix_status(sem_init(lock, 0, 1)))) {
        PyMem_RawFree(lock);
        lock = NULL;
    }
    return lock;
}

void
PyThread_free_lock(PyThread_type_lock lock)
{
    if (lock != NULL) {
        check_status("sem_destroy", fix_status(sem_destroy(lock)));
        PyMem_RawFree(lock);
    }
}

PyLockStatus
PyThread_acquire_lock_timed(PyThread_type_lock lock, PY_TIMEOUT_T microseconds,
                            int intr_flag)
{
    const char *call;
    int status;
    PyTime_t timeout = microseconds < 0 ? -1 : _PyTime_FromMicrosecondsClamp(microseconds);
    #ifdef HAVE_SEM_CLOCKWAIT
    struct timespec abs_timeout = {0};
    #ifndef GF_UPSTREAM_POLICY
    if (timeout > 0)            /* otherwise nothing asks for the moment */
    #endif
    {
        _PyTime_AsTimespec_clamp(_PyDeadline_Init(timeout), &abs_timeout);
    }
    #else
    PyTime_t deadline = timeout > 0 && !intr_flag ? _PyDeadline_Init(timeout) : 0;
    #endif
    for (;;) {
        if (timeout == 0) {
            call = "sem_trywait";
            status = fix_status(sem_trywait(lock));
        }
        else if (timeout < 0) {
            call = "sem_wait";
            status = fix_status(sem_wait(lock));
        }
        else {
        #ifdef HAVE_SEM_CLOCKWAIT
            call = "sem_clockwait";
            status = fix_status(sem_clockwait(lock, CLOCK_MONOTONIC, &abs_timeout));
        #else
            struct timespec ts;
            PyTime_t now;
            (void)PyTime_TimeRaw(&now);             /* a clock that fails reads 0 */
            _PyTime_AsTimespec_clamp(_PyTime_Add(now, timeout), &ts);
            call = "sem_timedwait";
            status = fix_status(sem_timedwait(lock, &ts));
        #endif
        }
        if (status != EINTR || intr_flag) {
            break;
        }
        #ifndef HAVE_SEM_CLOCKWAIT
        if (timeout > 0) {
            timeout = _PyDeadline_Get(deadline);
            if (timeout < 0) {                  /* which would mean: for ever */
                status = ETIMEDOUT;
                break;
            }
        }
        #endif
    }
    if (status == EINTR) {
        return PY_LOCK_INTR;                /* with intr_flag only */
    }
    if ((status == ETIMEDOUT && microseconds > 0) || (status == EAGAIN && timeout == 0)) {
        return PY_LOCK_FAILURE;             /* not in time: nothing to report */
    }
    return check_status(call, status) ? PY_LOCK_FAILURE : PY_LOCK_ACQUIRED;
}

void
PyThread_release_lock(PyThread_type_lock lock)
{
    check_status("sem_post", fix_status(sem_post(lock)));
}
#else
PyThread_type_lock
PyThread_allocate_lock(void)
{
    if (!is_initialized()) {
        PyThread_init_thread();
    }
    pthread_lock *lock = PyMem_RawCalloc(1, sizeof(pthread_lock));
    if (lock == NULL) {
        return NULL;
    }
    if (check_status("pthread_mutex_init", pthread_mutex_init(&lock->mut, NULL))) {
        goto no_mutex;
    }
    if (check_status("pthread_cond_init", _PyThread_cond_init(&lock->lock_released))) {
        goto no_condition;
    }
    return lock;
no_condition:
    pthread_mutex_destroy(&lock->mut);
no_mutex:
    PyMem_RawFree(lock);
    return NULL;
}

void
PyThread_free_lock(PyThread_type_lock lock)
{
    pthread_lock *thelock = lock;
    if (thelock != NULL) {
        /* the condition first: with some libraries it is tied to the mutex */
        check_status("pthread_cond_destroy", pthread_cond_destroy(&thelock->lock_released));
        check_status("pthread_mutex_destroy", pthread_mutex_destroy(&thelock->mut));
        PyMem_RawFree(thelock);
    }
}

/* Get at the byte. 0, or the error; EBUSY: it is a try, and the mutex is held. */
static int
lock_the_mutex(pthread_lock *thelock, int wait)
{
    int status = wait ? pthread_mutex_lock(&thelock->mut)
                      : pthread_mutex_trylock(&thelock->mut);
    if (wait || status != EBUSY) {
        check_status(wait ? "pthread_mutex_lock[1]" : "pthread_mutex_trylock[1]", status);
    }
    return status;
}

/* Sleep until the byte is zero. The mutex is held before and after. */
static PyLockStatus
wait_until_released(pthread_lock *thelock, PY_TIMEOUT_T microseconds, int intr_flag)
{
    struct timespec abs_timeout;
    const char *call = "pthread_cond_wait";
    if (microseconds > 0) {
        call = "pthread_cond_timedwait";
        _PyThread_cond_after(microseconds, &abs_timeout);
    }
    for (;;) {
        int status = microseconds > 0
            ? pthread_cond_timedwait(&thelock->lock_released, &thelock->mut, &abs_timeout)
            : pthread_cond_wait(&thelock->lock_released, &thelock->mut);
        if (status == ETIMEDOUT || check_status(call, status)) {
            return PY_LOCK_FAILURE;
        }
        if (!thelock->locked) {
            return PY_LOCK_ACQUIRED;
        }
        if (intr_flag) {
            return PY_LOCK_INTR;        /* woken for nothing: perhaps it was a signal */
        }
    }
}

PyLockStatus
PyThread_acquire_lock_timed(PyThread_type_lock lock, PY_TIMEOUT_T microseconds,
                            int intr_flag)
{
    pthread_lock *thelock = lock;
    PyLockStatus success = PY_LOCK_FAILURE;
    if (lock_the_mutex(thelock, microseconds != 0) != 0) {
        return PY_LOCK_FAILURE;
    }
    if (!thelock->locked) {
        success = PY_LOCK_ACQUIRED;
    }
    else if (microseconds != 0) {
        success = wait_until_released(thelock, microseconds, intr_flag);
    }
    if (success == PY_LOCK_ACQUIRED) {
        thelock->locked = 1;
    }
    int error = check_status("pthread_mutex_unlock[1]", pthread_mutex_unlock(&thelock->mut));
    return error ? PY_LOCK_FAILURE : success;
}

void
PyThread_release_lock(PyThread_type_lock lock)
{
    pthread_lock *thelock = lock;
    check_status("pthread_mutex_lock[3]", pthread_mutex_lock(&thelock->mut));
    thelock->locked = 0;
    check_status("pthread_cond_signal", pthread_cond_signal(&thelock->lock_released));
    check_status("pthread_mutex_unlock[3]", pthread_mutex_unlock(&thelock->mut));
}
#endif
int
_PyThread_at_fork_reinit(PyThread_type_lock *lock)
{
    PyThread_type_lock fresh = PyThread_allocate_lock();
    if (fresh == NULL) {
        return -1;
    }
    *lock = fresh;          /* and never a word to the old one */
    return 0;
}

int
PyThread_acquire_lock(PyThread_type_lock lock, int waitflag)
{
    return PyThread_acquire_lock_timed(lock, waitflag ? -1 : 0, /*intr_flag=*/0);
}

static int
_pythread_pthread_set_stacksize(const char *caller, size_t size)
{
    if (size != 0) {
        pthread_attr_t attrs;
        size_t least = PTHREAD_STACK_MIN > THREAD_STACK_MIN
                       ? PTHREAD_STACK_MIN : THREAD_STACK_MIN;
        if (size < least || pthread_attr_init(&attrs) != 0) {
            return -1;
        }
        int status = pthread_attr_setstacksize(&attrs, size);
        pthread_attr_destroy(&attrs);
        if (status != 0) {
            return -1;
        }
    }
    host_set_stacksize(caller, size);
    return 0;
}

#define THREAD_SET_STACKSIZE(x) _pythread_pthread_set_stacksize(__func__, x)

_Static_assert(sizeof(pthread_key_t) <= sizeof(int), "a key can be passed off as an int");

int
PyThread_create_key(void)
{
    pthread_key_t key = 0;
    if (pthread_key_create(&key, NULL) != 0) {
        return -1;
    }
    if (key > INT_MAX) {
        pthread_key_delete(key);
        errno = ENOMEM;
        return -1;
    }
    return (int)key;
}

void
PyThread_delete_key(int key)
{
    pthread_key_delete((pthread_key_t)key);
}

void
PyThread_delete_key_value(int key)
{
    pthread_setspecific((pthread_key_t)key, NULL);
}

int
PyThread_set_key_value(int key, void *value)
{
    return pthread_setspecific((pthread_key_t)key, value) != 0 ? -1 : 0;
}

void *
PyThread_get_key_value(int key)
{
    return pthread_getspecific((pthread_key_t)key);
}

void
PyThread_ReInitTLS(void)
{
}

int
PyThread_tss_create(Py_tss_t *key)
{
    assert(key != NULL);
    if (!key->_is_initialized) {
        key->_is_initialized = pthread_key_create(&key->_key, NULL) == 0;
    }
    return key->_is_initialized ? 0 : -1;
}

void
PyThread_tss_delete(Py_tss_t *key)
{
    assert(key != NULL);
    if (key->_is_initialized) {
        pthread_key_delete(key->_key);
        key->_is_initialized = 0;
    }
}

int
PyThread_tss_set(Py_tss_t *key, void *value)
{
    assert(key != NULL);
    return pthread_setspecific(key->_key, value) != 0 ? -1 : 0;
}

void *
PyThread_tss_get(Py_tss_t *key)
{
    assert(key != NULL);
    return pthread_getspecific(key->_key);
}
