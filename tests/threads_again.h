// The thread code a second time: under other names, and with the calls of the
// system in the tests' hands. To be included before anything of the port.
#ifndef TESTS_THREADS_AGAIN_H
#define TESTS_THREADS_AGAIN_H

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/pyport.h"

#define PyThread_init_thread again_init_thread
#define PyThread_start_new_thread again_start_new_thread
#define PyThread_start_joinable_thread again_start_joinable_thread
#define PyThread_join_thread again_join_thread
#define PyThread_detach_thread again_detach_thread
#define PyThread_get_thread_ident again_get_thread_ident
#define PyThread_get_thread_ident_ex again_get_thread_ident_ex
#define PyThread_get_thread_native_id again_get_thread_native_id
#define PyThread_exit_thread again_exit_thread
#define PyThread_hang_thread again_hang_thread
#define PyThread_get_stacksize again_get_stacksize
#define PyThread_set_stacksize again_set_stacksize
#define PyThread_GetInfo again_GetInfo
#define _PyThread_FiniType again_FiniType
#define PyThread_allocate_lock again_allocate_lock
#define PyThread_free_lock again_free_lock
#define PyThread_acquire_lock again_acquire_lock
#define PyThread_acquire_lock_timed again_acquire_lock_timed
#define PyThread_acquire_lock_timed_with_retries again_acquire_with_retries
#define PyThread_release_lock again_release_lock
#define _PyThread_at_fork_reinit again_at_fork_reinit
#define _PyThread_cond_init again_cond_init
#define _PyThread_cond_after again_cond_after
#define PyThread_create_key again_create_key
#define PyThread_delete_key again_delete_key
#define PyThread_set_key_value again_set_key_value
#define PyThread_get_key_value again_get_key_value
#define PyThread_delete_key_value again_delete_key_value
#define PyThread_ReInitTLS again_ReInitTLS
#define PyThread_tss_alloc again_tss_alloc
#define PyThread_tss_free again_tss_free
#define PyThread_tss_is_created again_tss_is_created
#define PyThread_tss_create again_tss_create
#define PyThread_tss_delete again_tss_delete
#define PyThread_tss_set again_tss_set
#define PyThread_tss_get again_tss_get
#define PY_TIMEOUT_MAX again_TIMEOUT_MAX
#ifdef GF_USE_COND_LOCK     /* other lines than the semaphore's: gcov wants other names */
#  define again_allocate_lock cond_allocate_lock
#  define again_free_lock cond_free_lock
#  define again_acquire_lock_timed cond_acquire_lock_timed
#  define again_release_lock cond_release_lock
#endif
#define ThreadHandle_new again_handle_new
#define ThreadHandle_adopt again_handle_adopt
#define ThreadHandle_incref again_handle_incref
#define ThreadHandle_decref again_handle_decref
#define ThreadHandle_start again_handle_start
#define ThreadHandle_ident again_handle_ident
#define ThreadHandle_is_done again_handle_is_done
#define ThreadHandle_join again_handle_join
#define ThreadHandle_set_done again_handle_set_done
#define _PyThread_AfterFork again_AfterFork
/* The next `times` calls of `call` in this thread fail with `code`; -1: all. */
static _Thread_local struct {
    const char *call;
    int code, times, dealt;
} fate;

static void
doom(const char *call, int code, int times)
{
    fate.call = call;
    fate.code = code;
    fate.times = times;
    fate.dealt = 0;
}

static int
refused(const char *call)
{
    if (fate.times == 0 || strcmp(call, fate.call) != 0) {
        return 0;
    }
    fate.times -= fate.times > 0;
    fate.dealt++;
    errno = fate.code;
    return 1;
}

/* What else the tests want to know of the calls that were made. */
static int n_condattr_init, attrs_alive, callbacks_alive;
static void (*last_key_destructor)(void *);
static pthread_key_t pretend_key;       /* not 0: the next key is said to be this */
static int hold_condattr_init;          /* 1: stop there; 2: stopped, until it is 0 */
#define BEFORE(call, params, args) \
    static inline int again_##call params \
    { return refused(#call) ? fate.code : call args; }
#define BEFORE_SEM(call, params, args) \
    static inline int again_##call params \
    { return refused(#call) ? -1 : call args; }

BEFORE(pthread_condattr_setclock, (pthread_condattr_t *a, clockid_t c), (a, c))
BEFORE(pthread_attr_setstacksize, (pthread_attr_t *a, size_t n), (a, n))
BEFORE(pthread_create, (pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x),
       (t, a, f, x))
BEFORE(pthread_join, (pthread_t t, void **value), (t, value))
BEFORE(pthread_detach, (pthread_t t), (t))
BEFORE_SEM(sem_init, (sem_t *s, int shared, unsigned value), (s, shared, value))
BEFORE_SEM(sem_destroy, (sem_t *s), (s))
BEFORE_SEM(sem_wait, (sem_t *s), (s))
BEFORE_SEM(sem_trywait, (sem_t *s), (s))
BEFORE_SEM(sem_post, (sem_t *s), (s))

BEFORE(pthread_mutex_init, (pthread_mutex_t *m, const pthread_mutexattr_t *a), (m, a))
BEFORE(pthread_mutex_destroy, (pthread_mutex_t *m), (m))
BEFORE(pthread_mutex_trylock, (pthread_mutex_t *m), (m))
BEFORE(pthread_mutex_lock, (pthread_mutex_t *m), (m))
BEFORE(pthread_mutex_unlock, (pthread_mutex_t *m), (m))
BEFORE(pthread_cond_init, (pthread_cond_t *c, const pthread_condattr_t *a), (c, a))
BEFORE(pthread_cond_destroy, (pthread_cond_t *c), (c))
BEFORE(pthread_cond_signal, (pthread_cond_t *c), (c))
BEFORE(pthread_cond_wait, (pthread_cond_t *c, pthread_mutex_t *m), (c, m))

static inline size_t again_confstr(int name, char *text, size_t size)
{ return refused("confstr") ? (size_t)fate.code : confstr(name, text, size); }

static inline int again_pthread_condattr_init(pthread_condattr_t *a)
{ n_condattr_init++;
  if (hold_condattr_init == 1) {
      __atomic_store_n(&hold_condattr_init, 2, __ATOMIC_SEQ_CST);
      while (__atomic_load_n(&hold_condattr_init, __ATOMIC_SEQ_CST) == 2) { sched_yield(); }
  }
  return refused("pthread_condattr_init") ? fate.code : pthread_condattr_init(a); }

static inline int again_pthread_attr_init(pthread_attr_t *a)
{ int code = refused("pthread_attr_init") ? fate.code : pthread_attr_init(a);
  attrs_alive += code == 0;
  return code; }

static inline int again_pthread_attr_destroy(pthread_attr_t *a)
{ attrs_alive--; return pthread_attr_destroy(a); }

static inline void *again_malloc(size_t size)
{ void *p = refused("malloc") ? NULL : malloc(size);
  __atomic_fetch_add(&callbacks_alive, p != NULL, __ATOMIC_SEQ_CST);
  return p; }

static inline void again_free(void *p)      /* in the new thread, most of the time */
{ __atomic_fetch_sub(&callbacks_alive, p != NULL, __ATOMIC_SEQ_CST);
  free(p); }

static inline int again_pthread_key_create(pthread_key_t *k, void (*destroy)(void *))
{ last_key_destructor = destroy;
  return refused("pthread_key_create") ? fate.code
         : pretend_key ? (*k = pretend_key, 0) : pthread_key_create(k, destroy); }

static inline int again_pthread_key_delete(pthread_key_t k)
{ return pretend_key && k == pretend_key ? 0 : pthread_key_delete(k); }

/* Every deadline that was passed to the system, oldest first. */
static _Thread_local struct {
    int n, clock;
    struct timespec until[4096];
} waits;

static void
note_wait(int clock, const struct timespec *until)
{
    if (waits.n < 4096) {
        waits.until[waits.n] = *until;
    }
    waits.clock = clock;
    waits.n++;
}

static inline int again_sem_timedwait(sem_t *s, const struct timespec *t)
{ note_wait(CLOCK_REALTIME, t); return refused("sem_timedwait") ? -1 : sem_timedwait(s, t); }

static inline int again_sem_clockwait(sem_t *s, clockid_t c, const struct timespec *t)
{ note_wait(c, t); return refused("sem_clockwait") ? -1 : sem_clockwait(s, c, t); }

static inline int again_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                               const struct timespec *t)
{ note_wait(-1, t);
  return refused("pthread_cond_timedwait") ? fate.code : pthread_cond_timedwait(c, m, t); }

#define pthread_condattr_init again_pthread_condattr_init
#define pthread_condattr_setclock again_pthread_condattr_setclock
#define pthread_attr_init again_pthread_attr_init
#define pthread_attr_destroy again_pthread_attr_destroy
#define pthread_attr_setstacksize again_pthread_attr_setstacksize
#define pthread_create again_pthread_create
#define malloc again_malloc
#define free again_free
#define pthread_join again_pthread_join
#define pthread_detach again_pthread_detach
#define pthread_key_create again_pthread_key_create
#define pthread_key_delete again_pthread_key_delete
#define confstr again_confstr
#define sem_init again_sem_init
#define sem_destroy again_sem_destroy
#define sem_wait again_sem_wait
#define sem_trywait again_sem_trywait
#define sem_post again_sem_post
#define sem_timedwait again_sem_timedwait
#define sem_clockwait again_sem_clockwait
#define pthread_mutex_init again_pthread_mutex_init
#define pthread_mutex_destroy again_pthread_mutex_destroy
#define pthread_mutex_trylock again_pthread_mutex_trylock
#define pthread_mutex_lock again_pthread_mutex_lock
#define pthread_mutex_unlock again_pthread_mutex_unlock
#define pthread_cond_init again_pthread_cond_init
#define pthread_cond_destroy again_pthread_cond_destroy
#define pthread_cond_signal again_pthread_cond_signal
#define pthread_cond_wait again_pthread_cond_wait
#define pthread_cond_timedwait again_pthread_cond_timedwait

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "pythread/thread.c"
#include "pythread/thread_handle.c"

#endif  // TESTS_THREADS_AGAIN_H
