// Threads for the tests of chapters 7 to 10: started, watched, signalled, joined.
#ifndef TESTS_THREADS_H
#define TESTS_THREADS_H

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pystate.h"
#include "host/pytime.h"
#include "support.h"

/* Wait for something to become true by looking; Check's timeout ends it. */
#define UNTIL(condition) do { while (!(condition)) { sched_yield(); } } while (0)

struct fellow {
    void (*body)(struct fellow *);
    void *arg;                  /* what it works on */
    int number;
    int attach;                 /* run the body attached */
    int step;                   /* how far it is: reach, await */
    long answer;                /* for after the join */
    PyThreadState *tstate;      /* once it is at step 1, when attached */
    pthread_t thread;
};

static inline void *
fellow_main(void *p)
{
    struct fellow *me = p;
    me->tstate = me->attach ? host_thread_enter() : NULL;
    me->body(me);
    if (me->attach) {
        host_thread_leave();
    }
    return NULL;
}

static inline void
start(struct fellow *f)
{
    ck_assert_int_eq(pthread_create(&f->thread, NULL, fellow_main, f), 0);
}

static inline void
finish(struct fellow *f)
{
    ck_assert_int_eq(pthread_join(f->thread, NULL), 0);
}

static inline void
reach(struct fellow *me, int step)
{
    _Py_atomic_store_int(&me->step, step);
}

static inline int
at(struct fellow *f, int step)
{
    return _Py_atomic_load_int(&f->step) >= step;
}

/* Until it has reached step 1 and, being attached, has gone to sleep since. */
static inline void
await_sleep(struct fellow *f)
{
    UNTIL(at(f, 1));
    UNTIL(!host_thread_is_attached(f->tstate));
}

static inline void
on_signal(int signum, void (*handler)(int))
{
    struct sigaction act = {.sa_handler = handler};     /* no SA_RESTART */
    if (sigaction(signum, &act, NULL) != 0) {
        abort();                            /* no ck_assert: a child calls this, too */
    }
}

static inline void
pester(pthread_t thread, int times)
{
    while (times-- > 0) {
        int before = _Py_atomic_load_int(&signals_seen);
        while (_Py_atomic_load_int(&signals_seen) == before) {
            nudge(thread);
        }
    }
}

enum { MS = 1000 * 1000 };      /* nanoseconds */

static inline PyTime_t
now(void)
{
    PyTime_t t;
    (void)PyTime_MonotonicRaw(&t);      /* asserts nothing: handlers call it */
    return t;
}

/* Fork; the deed runs in the child and must return 0 within a minute. */
static inline void
in_a_child(int (*deed)(void *), void *arg)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(deed(arg));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "the child ended with status %#x", status);
}

#endif  // TESTS_THREADS_H
