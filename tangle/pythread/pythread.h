// CPython: Include/pythread.h, Include/cpython/pythread.h (v3.13.5, behaviour of 3.14)
#ifndef Py_PYTHREAD_H
#define Py_PYTHREAD_H

#include <pthread.h>
#include <stddef.h>

#include "host/object.h"
#include "host/pyport.h"
#include "pysync/pycore_lock.h"         /* PyLockStatus */

#ifdef __cplusplus
extern "C" {
#endif

typedef void *PyThread_type_lock;       /* a lock; what is in it, its maker knows */

#define PY_TIMEOUT_T long long

/* What is answered is a PyLockStatus (pysync/pycore_lock.h): PY_LOCK_FAILURE 0,
 * PY_LOCK_ACQUIRED 1 or PY_LOCK_INTR 2. */

#define PYTHREAD_INVALID_THREAD_ID ((unsigned long)-1)

/* Run func(arg) in a new thread, which is detached: it cannot be joined.
 *
 * What the caller wrote before the call, func sees.
 *
 * Returns    the ident of the thread, which may be over before the caller reads
 *            it; PYTHREAD_INVALID_THREAD_ID when there is no thread to be had,
 *            and then func never runs. No error is set.
 * Blocks     no.   Allocates  a few bytes, by malloc itself; func's thread
 *            frees them.   Attached  no need.
 * CPython    Python/thread_pthread.h, PyThread_start_new_thread */
PyAPI_FUNC(unsigned long) PyThread_start_new_thread(void (*func)(void *), void *arg);

/* A number that no other living thread has. A thread that ended may leave its
 * number to a later one. Not the system's number: that is native_id, which
 * ps -L and /proc show, and which changes in a child of fork().
 *
 * Blocks, Allocates, Sets an error  never.   Attached  no need.
 * CPython    Python/thread_pthread.h, functions of the same names */
PyAPI_FUNC(unsigned long) PyThread_get_thread_ident(void);
#define PY_HAVE_THREAD_NATIVE_ID
PyAPI_FUNC(unsigned long) PyThread_get_thread_native_id(void);

#ifndef Py_DEPRECATED
#  define Py_DEPRECATED(VERSION) __attribute__((deprecated))
#endif

/* End the calling thread here and now; as the first use of the library, end the
 * process with status 0.
 *
 * Returns    never.   Attached  no need; who is, leaves first (host_thread_leave).
 * Unchecked  everything that the frames on the stack still meant to do: what
 *            they hold stays held, for ever. Deprecated since 3.14 for that.
 * CPython    Python/thread_pthread.h, PyThread_exit_thread */
Py_DEPRECATED(3.14) PyAPI_FUNC(void) _Py_NO_RETURN PyThread_exit_thread(void);

/* Make the library ready. Every function that needs it does it itself.
 *
 * Threads    any, at once; the first does the work, the others wait for it.
 * Blocks     the others, as said.   Allocates  never.   Attached  no need.
 * CPython    Python/thread.c, PyThread_init_thread */
PyAPI_FUNC(void) PyThread_init_thread(void);

/* allocate   a lock that is free; NULL without memory, or when the system has
 *            none (then it says so on standard error). No error is set.
 * free       Requires that no thread holds it or waits for it. NULL is let pass.
 * Attached   no need.   Blocks  never.   Allocates  allocate, by PyMem_RawMalloc.
 * CPython    Python/thread_pthread.h, functions of the same names */
PyAPI_FUNC(PyThread_type_lock) PyThread_allocate_lock(void);
PyAPI_FUNC(void) PyThread_free_lock(PyThread_type_lock lock);

#define WAIT_LOCK 1
#define NOWAIT_LOCK 0

/* Give the lock back, whichever thread took it.
 *
 * What was written before, the next to take the lock sees.
 * Blocks     no.   Allocates  never.   Attached  no need.
 * Unchecked  a lock that is not held. Of semaphores, that counts: two may take
 *            the lock then. Of mutex and condition, it is as if not done.
 * CPython    Python/thread_pthread.h, PyThread_release_lock */
PyAPI_FUNC(void) PyThread_release_lock(PyThread_type_lock lock);

/* Take the lock, in `microseconds` at most. 0: only if it is free. Negative: wait
 * for ever. More than PY_TIMEOUT_MAX: as PY_TIMEOUT_MAX.
 *
 * Returns    PY_LOCK_ACQUIRED
 *            PY_LOCK_FAILURE  not in time; or the system failed, and says so on
 *                             standard error
 *            PY_LOCK_INTR     with intr_flag, of semaphores: a signal was handled
 * Attached   no need; who is, had better not: see Blocks.
 * Blocks     yes, and attached if the caller is: no other thread of Python runs
 *            in the GIL build. See ..._with_retries.   Allocates  never.
 * Unchecked  a thread that waits for what it holds itself: for ever.
 * CPython    Python/thread_pthread.h, PyThread_acquire_lock_timed */
PyAPI_FUNC(PyLockStatus) PyThread_acquire_lock_timed(PyThread_type_lock lock,
                                                     PY_TIMEOUT_T microseconds,
                                                     int intr_flag);

/* WAIT_LOCK: for ever; NOWAIT_LOCK: not at all. 1: taken, 0: not.
 * Attached and otherwise as above. */
PyAPI_FUNC(int) PyThread_acquire_lock(PyThread_type_lock lock, int waitflag);

/* The longest timeout, in microseconds: 292 years. More would not fit when it is
 * turned into nanoseconds. */
PyAPI_DATA(const long long) PY_TIMEOUT_MAX;

/* The size in bytes of the stacks of threads that are started from now on by
 * attached threads of this interpreter; 0 means what the system gives.
 *
 * set        0: it is so from now on; -1: too small, and nothing changed.
 *            (-2 is for systems that cannot; the port runs on none.)
 *            The least size is the larger of 32 KiB and the system's own
 *            least. There is no largest: the start will fail.
 * Attached   required, else fatal.
 * Blocks, Allocates, Sets an error  never.
 * CPython    Python/thread.c, functions of the same names */
PyAPI_FUNC(size_t) PyThread_get_stacksize(void);
PyAPI_FUNC(int) PyThread_set_stacksize(size_t size);

/* What sys.thread_info shows. Attached: required; unchecked.
 * Returns  a new reference to an object with three texts,
 * or NULL with an error set. Standing alone, a PyThreadInfoObject (host/threads.h).
 * CPython    Python/thread.c, PyThread_GetInfo */
PyAPI_FUNC(PyObject *) PyThread_GetInfo(void);

/* Thread-specific storage as it was until 3.6: a key is an int, which POSIX never
 * said that a key would be. Use PyThread_tss_*.
 *
 * create     a key, or -1 when there are no more.
 * set        0, or -1 when there is no memory, or no key has this number.
 * get        the calling thread's value; NULL when it never set one.
 * delete_key_value  sets the calling thread's value to NULL.
 * ReInitTLS  does nothing: values live on in a child of fork().
 * Attached   no need.
 * Unchecked  a deleted key: its number may have a new owner.
 * CPython    Python/thread_pthread.h, functions of the same names */
Py_DEPRECATED(3.7) PyAPI_FUNC(int) PyThread_create_key(void);
Py_DEPRECATED(3.7) PyAPI_FUNC(void) PyThread_delete_key(int key);
Py_DEPRECATED(3.7) PyAPI_FUNC(int) PyThread_set_key_value(int key, void *value);
Py_DEPRECATED(3.7) PyAPI_FUNC(void *) PyThread_get_key_value(int key);
Py_DEPRECATED(3.7) PyAPI_FUNC(void) PyThread_delete_key_value(int key);
Py_DEPRECATED(3.7) PyAPI_FUNC(void) PyThread_ReInitTLS(void);

/* A key under which each thread keeps one pointer of its own. May be static:
 *     static Py_tss_t key = Py_tss_NEEDS_INIT; */
typedef struct _Py_tss_t Py_tss_t;
struct _Py_tss_t {
    int _is_initialized;    /* 0 or 1: is there a key of the system's behind it? */
    pthread_key_t _key;     /* only when there is */
};
#define Py_tss_NEEDS_INIT {0}

_Static_assert(sizeof(Py_tss_t) == 8 && _Alignof(Py_tss_t) == 4, "as in CPython");
_Static_assert(offsetof(Py_tss_t, _key) == 4, "as in CPython");

/* alloc      a key of its own, not created; NULL without memory.
 * free       deletes the key, frees what alloc gave; NULL is let pass.
 * create     0, also when it was created before: values stay. -1 when the
 *            system has no more keys (Linux: 1024 a process).
 * delete     back to "not created"; twice does no harm.
 * set        0; -1 without memory.
 * get        the calling thread's value; NULL when it has set none.
 *
 * No destructor runs when a thread ends: what a value points at is its
 * owner's to free.   Attached  no need.   Blocks  never.
 * Allocates  alloc; for set and create the system may.
 * Requires   key is not NULL (asserted), but for free.
 * Unchecked  two threads in create or delete of one key at a time. get or set by
 *            a key that is not created: the system is asked for the number that
 *            stands there, the last one or 0 (after alloc: any), and that may be
 *            another library's key by now, whose value is read, or overwritten.
 *            (set: -1, while it is no library's.)
 * CPython    Python/thread.c, Python/thread_pthread.h */
PyAPI_FUNC(Py_tss_t *) PyThread_tss_alloc(void);
PyAPI_FUNC(void) PyThread_tss_free(Py_tss_t *key);
PyAPI_FUNC(int) PyThread_tss_is_created(Py_tss_t *key);
PyAPI_FUNC(int) PyThread_tss_create(Py_tss_t *key);
PyAPI_FUNC(void) PyThread_tss_delete(Py_tss_t *key);
PyAPI_FUNC(void *) PyThread_tss_get(Py_tss_t *key);
PyAPI_FUNC(int) PyThread_tss_set(Py_tss_t *key, void *value);

#ifdef __cplusplus
}
#endif
#endif /* !Py_PYTHREAD_H */
