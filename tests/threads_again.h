// The thread code a second time: under other names, and with the calls of the
// system in the tests' hands. To be included before anything of the port.
#ifndef TESTS_THREADS_AGAIN_H
#define TESTS_THREADS_AGAIN_H

#include <check.h>
#include <errno.h>
#include <pthread.h>
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
static int n_condattr_init, attrs_alive;
static void (*last_key_destructor)(void *);
static pthread_key_t pretend_key;       /* not 0: the next key is said to be this */
#define OR_REFUSED(call, ...) (refused(#call) ? fate.code : call(__VA_ARGS__))
#define OR_MINUS_ONE(call, ...) (refused(#call) ? -1 : call(__VA_ARGS__))

#define pthread_condattr_init(a) (n_condattr_init++, pthread_condattr_init(a))
#define pthread_condattr_setclock(...) OR_REFUSED(pthread_condattr_setclock, __VA_ARGS__)
#define pthread_attr_init(a) \
    (refused("pthread_attr_init") ? fate.code : (attrs_alive++, pthread_attr_init(a)))
#define pthread_attr_destroy(a) (attrs_alive--, pthread_attr_destroy(a))
#define pthread_attr_setstacksize(...) OR_REFUSED(pthread_attr_setstacksize, __VA_ARGS__)
#define pthread_create(...) OR_REFUSED(pthread_create, __VA_ARGS__)
#define pthread_join(...) OR_REFUSED(pthread_join, __VA_ARGS__)
#define pthread_detach(...) OR_REFUSED(pthread_detach, __VA_ARGS__)
#define pthread_key_create(k, d) \
    (last_key_destructor = (d), refused("pthread_key_create") ? fate.code \
     : pretend_key ? (*(k) = pretend_key, 0) : pthread_key_create(k, d))
#define pthread_key_delete(k) \
    (pretend_key && (k) == pretend_key ? 0 : pthread_key_delete(k))
#define confstr(...) (refused("confstr") ? 0 : confstr(__VA_ARGS__))
#define sem_init(...) OR_MINUS_ONE(sem_init, __VA_ARGS__)
#define sem_destroy(...) OR_MINUS_ONE(sem_destroy, __VA_ARGS__)
#define sem_wait(...) OR_MINUS_ONE(sem_wait, __VA_ARGS__)
#define sem_trywait(...) OR_MINUS_ONE(sem_trywait, __VA_ARGS__)
#define sem_post(...) OR_MINUS_ONE(sem_post, __VA_ARGS__)
#define pthread_mutex_init(...) OR_REFUSED(pthread_mutex_init, __VA_ARGS__)
#define pthread_mutex_destroy(...) OR_REFUSED(pthread_mutex_destroy, __VA_ARGS__)
#define pthread_mutex_trylock(...) OR_REFUSED(pthread_mutex_trylock, __VA_ARGS__)
#define pthread_mutex_lock(...) OR_REFUSED(pthread_mutex_lock, __VA_ARGS__)
#define pthread_mutex_unlock(...) OR_REFUSED(pthread_mutex_unlock, __VA_ARGS__)
#define pthread_cond_init(...) OR_REFUSED(pthread_cond_init, __VA_ARGS__)
#define pthread_cond_destroy(...) OR_REFUSED(pthread_cond_destroy, __VA_ARGS__)
#define pthread_cond_signal(...) OR_REFUSED(pthread_cond_signal, __VA_ARGS__)

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

#define sem_clockwait(s, c, t) (note_wait(c, t), OR_MINUS_ONE(sem_clockwait, s, c, t))
#define sem_timedwait(s, t) \
    (note_wait(CLOCK_REALTIME, t), OR_MINUS_ONE(sem_timedwait, s, t))
#define pthread_cond_wait(...) OR_REFUSED(pthread_cond_wait, __VA_ARGS__)
#define pthread_cond_timedwait(c, m, t) \
    (note_wait(-1, t), OR_REFUSED(pthread_cond_timedwait, c, m, t))

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "pythread/thread.c"

#endif  // TESTS_THREADS_AGAIN_H
