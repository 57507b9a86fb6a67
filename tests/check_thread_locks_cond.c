// Claims of the book, chapter 19: locks of mutex and condition.
#define GF_USE_COND_LOCK
#include "locks_again.h"
#include "thread_tools.h"

#define COUNTS 0
#define WALL_CLOCK 0

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/pyerrors.h"
#include "host/pytime_units.h"
#include "host/threads.h"
#include "pythread/pycore_pythread.h"
#include "support.h"

static FILE *ear;
static int mouth;

static void
listen(void)
{
    fflush(stderr);
    ear = tmpfile();
    mouth = dup(STDERR_FILENO);
    dup2(fileno(ear), STDERR_FILENO);
}

static int
heard(const char *text)
{
    char said[4096] = "";
    fflush(stderr);
    dup2(mouth, STDERR_FILENO);
    close(mouth);
    rewind(ear);
    said[fread(said, 1, sizeof said - 1, ear)] = '\0';
    fclose(ear);
    return strcmp(said, text) == 0;
}

static int fail_at_once(void *calls) { ++*(int *)calls; return -1; }

CLAIM_TEST(test_the_longest_timeout)
{
    ck_assert_int_eq(PY_TIMEOUT_MAX, 9223372036854775);
    ck_assert_int_eq(_PyTime_FromMicrosecondsClamp(PY_TIMEOUT_MAX), 9223372036854775000);
    ck_assert_int_eq(_PyTime_FromMicrosecondsClamp(PY_TIMEOUT_MAX + 1), PyTime_MAX);
}
END_TEST
static void try_it(void *lock)
{ ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), 0); }
static void release_it(void *lock) { PyThread_release_lock(lock); }

CLAIM_TEST(test_any_thread_may_release)
{
    PyThread_type_lock lock = PyThread_allocate_lock();
    ck_assert_ptr_nonnull(lock);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(PyThread_acquire_lock(lock, i % 2 ? WAIT_LOCK : NOWAIT_LOCK), 1);
        ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), 0);
        ck_assert_int_eq(PyThread_acquire_lock_timed(lock, 0, 1), PY_LOCK_FAILURE);
        run_and_join(try_it, lock);
        run_and_join(release_it, lock);
    }
    PyThread_free_lock(lock);
    PyThread_free_lock(NULL);
}
END_TEST
static PyThread_type_lock guard;
static long guarded;

static void
increment(void *mode)
{
    for (int i = 0; i < 5000; i++) {
        if (*(int *)mode == 0) {
            PyThread_acquire_lock(guard, WAIT_LOCK);
        }
        else {
            while (PyThread_acquire_lock_timed(guard, 1000 * *(int *)mode, 0) == 0) { }
        }
        guarded++;                                  /* a plain field */
        PyThread_release_lock(guard);
    }
}

CLAIM_TEST(test_one_at_a_time)
{
    int mode[4] = {0, 1, 0, 1000};
    guard = PyThread_allocate_lock();
    run_crowd(4, increment, mode);
    ck_assert_int_eq(guarded, 20000);
    PyThread_free_lock(guard);
}
END_TEST
static PyThread_type_lock ping, pong;
static int turns;

static void
answer(void *Py_UNUSED(arg))
{
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(PyThread_acquire_lock_timed(
            ping, i % 2 ? -1 : PY_TIMEOUT_MAX + i, i % 3 == 0), PY_LOCK_ACQUIRED);
        ck_assert_int_eq(turns++, 2 * i + 1);
        PyThread_release_lock(pong);
    }
}

CLAIM_TEST(test_a_waiter_gets_it_when_it_is_released)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    ping = PyThread_allocate_lock();
    pong = PyThread_allocate_lock();
    PyThread_acquire_lock(ping, WAIT_LOCK);
    PyThread_acquire_lock(pong, WAIT_LOCK);
    ck_assert_int_eq(PyThread_start_joinable_thread(answer, NULL, &ident, &handle), 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(turns++, 2 * i);
        PyThread_release_lock(ping);
        ck_assert_int_eq(PyThread_acquire_lock_timed(
            pong, i % 2 ? PY_TIMEOUT_MAX : LLONG_MAX, 0), PY_LOCK_ACQUIRED);
    }
    ck_assert_int_eq(PyThread_join_thread(handle), 0);
    PyThread_free_lock(ping);
    PyThread_free_lock(pong);
}
END_TEST
static struct { PyThread_type_lock lock; int tid, back, took; } sleeper;

static void
sleep_for_it(void *Py_UNUSED(arg))
{
    _Py_atomic_store_int(&sleeper.tid, gettid());
    sleeper.took = PyThread_acquire_lock(sleeper.lock, WAIT_LOCK);
    _Py_atomic_store_int(&sleeper.back, 1);
    pass_gate(NULL);                        /* alive, for until_asleep to see */
}

CLAIM_TEST(test_a_waiter_sleeps)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    sleeper.lock = PyThread_allocate_lock();
    ck_assert_int_eq(PyThread_acquire_lock(sleeper.lock, WAIT_LOCK), 1);
    gate_close();
    ck_assert_int_eq(
        PyThread_start_joinable_thread(sleep_for_it, NULL, &ident, &handle), 0);
    until_asleep(&sleeper.tid);
    ck_assert_int_eq(_Py_atomic_load_int(&sleeper.back), 0);
    PyThread_release_lock(sleeper.lock);
    wait_for_count(&sleeper.back, 1);
    ck_assert_int_eq(sleeper.took, 1);
    ck_assert_int_eq(PyThread_acquire_lock(sleeper.lock, NOWAIT_LOCK), 0);
    gate_open();
    ck_assert_int_eq(PyThread_join_thread(handle), 0);
    PyThread_release_lock(sleeper.lock);
    PyThread_free_lock(sleeper.lock);
}
END_TEST
CLAIM_TEST(test_a_wait_in_vain_takes_its_time)
{
    static const PY_TIMEOUT_T us[] = {0, 1, 2000};
    PyTime_t began, now;
    PyThread_type_lock lock = PyThread_allocate_lock();
    PyThread_acquire_lock(lock, WAIT_LOCK);
    for (int i = 0; i < 3; i++) {
        PyTime_MonotonicRaw(&began);
        ck_assert_int_eq(PyThread_acquire_lock_timed(lock, us[i], i % 2), PY_LOCK_FAILURE);
        PyTime_MonotonicRaw(&now);
        ck_assert_int_ge(now - began, WALL_CLOCK ? 0 : us[i] * 1000);
    }
    PyThread_release_lock(lock);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(PyThread_acquire_lock_timed(lock, us[i], 0), PY_LOCK_ACQUIRED);
        PyThread_release_lock(lock);
    }
    PyThread_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_released_twice)
{
    PyThread_type_lock lock = PyThread_allocate_lock();
    PyThread_acquire_lock(lock, WAIT_LOCK);
    PyThread_release_lock(lock);
    PyThread_release_lock(lock);
    ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), 1);
    ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), COUNTS);
    ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), 0);
    PyThread_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_no_memory_no_lock)
{
    PyThread_init_thread();
    long before = live_blocks();
    oom_arm(1, 1);
    ck_assert_ptr_null(PyThread_allocate_lock());
    ck_assert_int_eq(oom_disarm(), 1);
    PyThread_free_lock(PyThread_allocate_lock());
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST
static void
attach_and_release(void *lock)
{
    attach_here();                                  /* waits for the GIL */
    PyThread_release_lock(lock);
    detach_here();
}

CLAIM_TEST(test_others_run_meanwhile)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    PyThread_type_lock lock = PyThread_allocate_lock();
    PyThreadState *mine = host_thread_enter();
    PyThread_acquire_lock(lock, WAIT_LOCK);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(
            PyThread_start_joinable_thread(attach_and_release, lock, &ident, &handle), 0);
        ck_assert_int_eq(PyThread_acquire_lock_timed_with_retries(
            lock, i % 2 ? PyThread_UNSET_TIMEOUT : PyTime_MAX), PY_LOCK_ACQUIRED);
        ck_assert_ptr_eq(_PyThreadState_GET(), mine);
        PyEval_SaveThread();
        ck_assert_int_eq(PyThread_join_thread(handle), 0);
        PyEval_RestoreThread(mine);
    }
    detach_here();
    PyThread_release_lock(lock);
    PyThread_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_timeouts_are_checked)
{
    const PyTime_t most = 9223372036854775000;
    const struct { PyTime_t ns; int given, blocking; PY_TIMEOUT_T want; const char *said; }
    row[] = {
        {77, 0, 1, -1000000000, ""}, {77, 0, 0, 0, ""}, {0, 1, 1, 0, ""}, {1, 1, 1, 1, ""},
        {most, 1, 1, most, ""},
        {5, 1, 0, 42, "can't specify a timeout for a non-blocking call"},
        {-1, 1, 0, 42, "can't specify a timeout for a non-blocking call"},
        {-1, 1, 1, 42, "timeout value must be a non-negative number"},
        {PyTime_MIN, 1, 1, 42, "timeout value must be a non-negative number"},
        {most + 1, 1, 1, 42, "timeout value is too large"},
        {PyTime_MAX, 1, 1, 42, "timeout value is too large"}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        PY_TIMEOUT_T got = 42;
        int status = pythread_check_timeout(row[i].ns, row[i].given, row[i].blocking, &got);
        ck_assert_int_eq(status, row[i].said[0] ? -1 : 0);
        ck_assert_int_eq(got, row[i].want);
        ck_assert_str_eq(host_error_text(), row[i].said);
        PyErr_Clear();
    }
}
END_TEST
static void take_it(void *lock) { PyThread_acquire_lock(lock, WAIT_LOCK); }

CLAIM_TEST(test_made_anew_in_a_child)
{
    PyThread_type_lock lock = PyThread_allocate_lock();
    run_and_join(take_it, lock);                    /* and its holder is gone */
    oom_arm(1, 0);
    PyThread_type_lock same = lock;
    ck_assert_int_eq(_PyThread_at_fork_reinit(&same), -1);
    ck_assert_int_eq(oom_disarm(), 1);
    ck_assert_ptr_eq(same, lock);
    in_child {
        PyThread_type_lock fresh = lock;
        int ok = _PyThread_at_fork_reinit(&fresh) == 0 && fresh != lock;
        ok = ok && PyThread_acquire_lock(fresh, NOWAIT_LOCK) == 1;
        ok = ok && PyThread_acquire_lock(fresh, NOWAIT_LOCK) == 0;
        ok = ok && PyThread_acquire_lock(lock, NOWAIT_LOCK) == 0;
        leave(ok);
    }
    ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), 0);
    PyThread_release_lock(lock);
    PyThread_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_conditions_and_their_clock)
{
    struct timespec abs, now;
    clockid_t clock;
    pthread_cond_t cond;
    struct _pythread_runtime_state *threads = host_threads();
    for (int refuse = 0; refuse < 3; refuse++) {
        threads->initialized = 0;
        threads->_condattr_monotonic.ptr = NULL;
        doom(refuse == 1 ? "pthread_condattr_setclock" : "pthread_condattr_init", EINVAL, refuse);
        again_init_thread();                            /* init_condattr */
        ck_assert_int_eq(threads->_condattr_monotonic.ptr == NULL, refuse > 0);
        if (!refuse) {
            pthread_condattr_getclock(threads->_condattr_monotonic.ptr, &clock);
            ck_assert_int_eq(clock, CLOCK_MONOTONIC);
        }
        clock_gettime(refuse ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
        again_cond_after(5000000, &abs);
        ck_assert_int_ge(abs.tv_sec, now.tv_sec + 5);
        ck_assert_int_le(abs.tv_sec, now.tv_sec + 65);
        ck_assert_int_eq(again_cond_init(&cond), 0);
        pthread_cond_destroy(&cond);
    }
}
END_TEST
CLAIM_TEST(test_nothing_is_detached_for_nothing)
{
    static const PyTime_t none[] = {0, -1, -999};
    PyThread_type_lock lock = again_allocate_lock();
    attach_here();
    static const PyTime_t any[] = {-1000000000, -1, 0, 1, PyTime_MAX, PyTime_MIN};
    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        ck_assert_int_eq(again_acquire_with_retries(lock, any[i]), PY_LOCK_ACQUIRED);
        again_release_lock(lock);
    }
    again_acquire_lock(lock, WAIT_LOCK);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_int_eq(again_acquire_with_retries(lock, none[i]), PY_LOCK_FAILURE);
    }
    ck_assert_int_eq(n_saves, 0);
    ck_assert_int_eq(again_acquire_with_retries(lock, 1), PY_LOCK_FAILURE);
    ck_assert_int_eq(n_saves, 1);
    ck_assert_int_eq(last_us, 1);                   /* 1 ns is 1 us, not 0 */
    detach_here();
    again_release_lock(lock);
    again_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_failures_are_reported_lock_too)
{
    static const struct { const char *call; PY_TIMEOUT_T us; int held; } row[] = {
        {"pthread_mutex_trylock", 0, 0}, {"pthread_mutex_lock", -1, 0},
        {"pthread_mutex_unlock", -1, 0}, {"pthread_cond_wait", -1, 1},
        {"pthread_cond_timedwait", 1000, 1}};
    static const char *const said[] = {
        "pthread_mutex_trylock[1]: Invalid argument\n",
        "pthread_mutex_lock[1]: Invalid argument\n",
        "pthread_mutex_unlock[1]: Invalid argument\n",
        "pthread_cond_wait: Invalid argument\n", "pthread_cond_timedwait: Invalid argument\n"};
    for (int i = 0; i < 5; i++) {
        pthread_lock *lock = again_allocate_lock();
        lock->locked = (char)row[i].held;
        listen();
        doom(row[i].call, EINVAL, 1);               /* lock_the_mutex, wait_until_released */
        ck_assert_int_eq(again_acquire_lock_timed(lock, row[i].us, 0), PY_LOCK_FAILURE);
        ck_assert(heard(said[i]));
        ck_assert_int_eq(fate.dealt, 1);
        if (i == 2) {
            pthread_mutex_unlock(&lock->mut);     /* the refused one */
        }
        again_free_lock(lock);
    }
}
END_TEST
CLAIM_TEST(test_a_lock_that_cannot_be_made_or_freed)
{
    static const char *const calls[] = {"pthread_mutex_init", "pthread_cond_init",
        "pthread_cond_destroy", "pthread_mutex_destroy"};
    long before = live_blocks();
    for (int i = 0; i < 4; i++) {
        char said[80];
        listen();
        doom(calls[i], ENOMEM, 1);
        PyThread_type_lock lock = again_allocate_lock();
        ck_assert_int_eq(lock == NULL, i < 2);
        again_free_lock(lock);
        snprintf(said, sizeof said, "%s: Cannot allocate memory\n", calls[i]);
        ck_assert(heard(said));
    }
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST

CLAIM_TEST(test_release_reports)
{
    PyThread_type_lock lock = again_allocate_lock();
    listen();
    doom("pthread_cond_signal", EINVAL, 1);
    again_release_lock(lock);
    ck_assert(heard("pthread_cond_signal: Invalid argument\n"));
    again_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_woken_for_nothing)
{
    pthread_lock *lock = again_allocate_lock();
    doom("pthread_mutex_trylock", EBUSY, 1);
    ck_assert_int_eq(again_acquire_lock(lock, NOWAIT_LOCK), 0);     /* though it is free */
    ck_assert_int_eq(again_acquire_lock(lock, NOWAIT_LOCK), 1);
    doom("pthread_cond_wait", 0, 1);
    ck_assert_int_eq(again_acquire_lock_timed(lock, -1, 1), PY_LOCK_INTR);
    doom("pthread_cond_timedwait", 0, 1);
    ck_assert_int_eq(again_acquire_lock_timed(lock, 1000, 1), PY_LOCK_INTR);
    doom("pthread_cond_timedwait", 0, 5);
    ck_assert_int_eq(again_acquire_lock_timed(lock, 1000, 0), PY_LOCK_FAILURE);
    ck_assert_int_eq(fate.dealt, 5);
    ck_assert_int_eq(waits.n, 1 + 6);
    for (int i = 2; i < waits.n; i++) {             /* until the same moment each time */
        ck_assert_mem_eq(&waits.until[i], &waits.until[1], sizeof waits.until[1]);
    }
    again_release_lock(lock);
    again_free_lock(lock);
}
END_TEST
CLAIM_TEST(test_a_condition_hears_no_signal)
{
    PyThread_type_lock lock = again_allocate_lock();
    again_acquire_lock(lock, WAIT_LOCK);
    pester_begin(NULL, NULL);
    ck_assert_int_eq(again_acquire_lock_timed(lock, 5000, 1), PY_LOCK_FAILURE);
    pester_end();
    attach_here();
    doom("pthread_cond_timedwait", 0, 1);           /* so it is woken for nothing */
    int calls = 0;
    ck_assert_int_eq(Py_AddPendingCall(fail_at_once, &calls), 0);
    ck_assert_int_eq(again_acquire_with_retries(lock, 5000000), PY_LOCK_INTR);
    ck_assert_int_eq(calls, 1);
    detach_here();
    PyThreadInfoObject *info = (PyThreadInfoObject *)again_GetInfo();
    ck_assert_str_eq(info->lock, "mutex+cond");
    Py_DecRef(&info->ob_base);
    again_release_lock(lock);
    again_free_lock(lock);
}
END_TEST
