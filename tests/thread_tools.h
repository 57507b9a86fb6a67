// Tools of the tests of threads: children, crowds, gates, and a thread that pesters.
#ifndef TESTS_THREAD_TOOLS_H
#define TESTS_THREAD_TOOLS_H

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pystate.h"
#include "pythread/pycore_pythread.h"
#include "support.h"

static inline void attach_here(void) { (void)host_thread_enter(); }
static inline void detach_here(void) { host_thread_leave(); }
/* in_child { ...; leave(ok); }  The test fails unless the child left with ok. */
#define in_child \
    for (pid_t child_ = fork(); child_ != -2; child_ = watch_child(child_)) \
        if (child_ == 0)

#ifdef SUPPORT_COVERAGE
extern void __gcov_dump(void);
#else
static inline void __gcov_dump(void) { }
#endif

static inline void
leave(int ok)
{
    __gcov_dump();
    _exit(ok ? 0 : 1);
}

static inline pid_t
watch_child(pid_t child)
{
    int status = -1;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "the child's status is %#x", (unsigned)status);
    return -2;
}
static inline int
tasks(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/task");
    while (readdir(folder) != NULL) {
        n++;
    }
    closedir(folder);
    return n - 2;                           /* . and .. */
}

/* Wait until this thread is alone. The kernel takes a thread off its list a moment
 * after it is joined. ThreadSanitizer has threads of its own: there, do not ask. */
static inline void
wait_for_tasks(void)
{
    while (!under_tsan && tasks() > 1) {
        sched_yield();
    }
}

static inline void
wait_for_count(int *count, int n)
{
    while (_Py_atomic_load_int(count) < n) {
        sched_yield();
    }
}
static pthread_barrier_t meeting;

static inline void
meet_open(unsigned n)
{
    ck_assert_int_eq(pthread_barrier_init(&meeting, NULL, n), 0);
}

static inline void
meet(void)
{
    pthread_barrier_wait(&meeting);
}
static struct { pthread_mutex_t mutex; pthread_cond_t moved; int open, arrived; } gates =
    {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 1, 0};

static inline void
gate_set(int open)
{
    pthread_mutex_lock(&gates.mutex);
    gates.open = open;
    gates.arrived = 0;
    pthread_cond_broadcast(&gates.moved);
    pthread_mutex_unlock(&gates.mutex);
}
static inline void gate_close(void) { gate_set(0); }
static inline void gate_open(void) { gate_set(1); }

/* Wait until n threads stand at the gate. */
static inline void
gate_crowded(int n)
{
    pthread_mutex_lock(&gates.mutex);
    while (gates.arrived < n) {
        pthread_cond_wait(&gates.moved, &gates.mutex);
    }
    pthread_mutex_unlock(&gates.mutex);
}

static inline void
pass_gate(void *Py_UNUSED(arg))
{
    PyThreadState *mine = _PyThreadState_GET() != NULL ? PyEval_SaveThread() : NULL;
    pthread_mutex_lock(&gates.mutex);
    gates.arrived++;
    pthread_cond_broadcast(&gates.moved);
    while (!gates.open) {
        pthread_cond_wait(&gates.moved, &gates.mutex);
    }
    pthread_mutex_unlock(&gates.mutex);
    if (mine != NULL) {
        PyEval_RestoreThread(mine);
    }
}
static inline void
run_and_join(void (*func)(void *), void *arg)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    ck_assert_int_eq(PyThread_start_joinable_thread(func, arg, &ident, &handle), 0);
    ck_assert_int_eq(PyThread_join_thread(handle), 0);
}

/* n threads, each with an int of its own. */
static inline void
run_crowd(int n, void (*func)(void *), int *results)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle[64];
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(
            PyThread_start_joinable_thread(func, &results[i], &ident, &handle[i]), 0);
    }
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(PyThread_join_thread(handle[i]), 0);
    }
}
static struct {
    pthread_t pest, victim;
    int (*call)(void *);
    void *arg;
    int stop;
} pester;

static inline void be_there(int Py_UNUSED(sig)) { }

static inline void *
pester_on(void *Py_UNUSED(arg))
{
    while (!_Py_atomic_load_int(&pester.stop)) {
        if (pester.call != NULL) {
            Py_AddPendingCall(pester.call, pester.arg);     /* full is as good */
        }
        nudge(pester.victim);
    }
    return NULL;
}

static inline void
pester_begin(int (*call)(void *), void *arg)
{
    struct sigaction action = {.sa_handler = be_there};     /* no SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    pester.victim = pthread_self();
    pester.call = call;
    pester.arg = arg;
    pester.stop = 0;
    ck_assert_int_eq(pthread_create(&pester.pest, NULL, pester_on, NULL), 0);
}

static inline void
pester_end(void)
{
    _Py_atomic_store_int(&pester.stop, 1);
    ck_assert_int_eq(pthread_join(pester.pest, NULL), 0);
}

#endif  // TESTS_THREAD_TOOLS_H
