// Claims of the book, chapter 19: the locks of the library as it was built.
#include "host/ceval.h"
#include "host/object.h"
#include "pysync/pycore_critical_section.h"
#include "pysync/pycore_parking_lot.h"
#include "pysync/pycore_semaphore.h"
#include "thread_tools.h"

#define COUNTS 1
#define WALL_CLOCK under_tsan           /* which knows no sem_clockwait */

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

CLAIM_TEST(test_units_of_time)
{
    static const struct { PyTime_t ns, floor, ceiling, even, up; } row[] = {
        {0, 0, 0, 0, 0}, {1, 0, 1, 0, 1}, {499, 0, 1, 0, 1}, {500, 0, 1, 0, 1},
        {501, 0, 1, 1, 1}, {1000, 1, 1, 1, 1}, {1500, 1, 2, 2, 2}, {2500, 2, 3, 2, 3},
        {-1, -1, 0, 0, -1}, {-500, -1, 0, 0, -1}, {-501, -1, 0, -1, -1},
        {-1000, -1, -1, -1, -1}, {-1500, -2, -1, -2, -2}, {-2500, -3, -2, -2, -3},
        {PyTime_MAX, 9223372036854775, 9223372036854776, 9223372036854776, 9223372036854776},
        {PyTime_MIN, -9223372036854776, -9223372036854775, -9223372036854776,
         -9223372036854776}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const PyTime_t want[] = {row[i].floor, row[i].ceiling, row[i].even, row[i].up};
        /* pytime_divide */
        for (int r = _PyTime_ROUND_FLOOR; r <= _PyTime_ROUND_UP; r++) {
            ck_assert_int_eq(_PyTime_AsMicroseconds(row[i].ns, (_PyTime_round_t)r), want[r]);
        }
    }
    ck_assert_int_eq(_PyTime_FromMicrosecondsClamp(-5), -5000);
    ck_assert_int_eq(_PyTime_FromMicrosecondsClamp(PyTime_MIN), PyTime_MIN);
}
END_TEST
CLAIM_TEST(test_a_timespec_has_no_negative_part)
{
    static const struct { PyTime_t ns; long long s; long n; } row[] = {
        {0, 0, 0}, {1, 0, 1}, {999999999, 0, 999999999}, {1000000000, 1, 0},
        {-1, -1, 999999999}, {-1000000000, -1, 0}, {-1000000001, -2, 999999999},
        {PyTime_MAX, 9223372036, 854775807}, {PyTime_MIN, -9223372037, 145224192}};
    struct timespec ts;
    PyTime_t now;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        _PyTime_AsTimespec_clamp(row[i].ns, &ts);
        ck_assert_int_eq(ts.tv_sec, row[i].s);
        ck_assert_int_eq(ts.tv_nsec, row[i].n);
    }
    ck_assert_int_eq(PyTime_TimeRaw(&now), 0);
    clock_gettime(CLOCK_REALTIME, &ts);
    ck_assert_int_ge(ts.tv_sec - now / 1000000000, 0);
    ck_assert_int_le(ts.tv_sec - now / 1000000000, 60);
}
END_TEST
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
CLAIM_TEST(test_a_signal_interrupts_who_wants_it)
{
    PyTime_t began, now;
    PyThread_type_lock lock = PyThread_allocate_lock();
    PyThread_acquire_lock(lock, WAIT_LOCK);
    pester_begin(NULL, NULL);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(
            PyThread_acquire_lock_timed(lock, i % 2 ? -1 : PY_TIMEOUT_MAX, 1), PY_LOCK_INTR);
    }
    PyTime_MonotonicRaw(&began);
    ck_assert_int_eq(PyThread_acquire_lock_timed(lock, 20000, 0), PY_LOCK_FAILURE);
    PyTime_MonotonicRaw(&now);
    ck_assert_int_ge(now - began, WALL_CLOCK ? 0 : 20000000);
    pester_end();
    PyThread_release_lock(lock);
    PyThread_free_lock(lock);
}
END_TEST
static int
fail_the_fifth_time(void *calls)
{
    if (++*(int *)calls < 5) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "Control-C, say");
    return -1;
}

CLAIM_TESTS(test_only_a_failing_call_interrupts, 2)
{
    int calls = 0;
    PyThread_type_lock lock = PyThread_allocate_lock();
    PyThread_acquire_lock(lock, WAIT_LOCK);
    attach_here();
    pester_begin(fail_the_fifth_time, &calls);
    ck_assert_int_eq(PyThread_acquire_lock_timed_with_retries(
        lock, _i ? PyTime_MAX : PyThread_UNSET_TIMEOUT), PY_LOCK_INTR);
    pester_end();
    ck_assert_int_eq(calls, 5);
    ck_assert_str_eq(host_error_text(), "Control-C, say");
    PyErr_Clear();
    ck_assert_int_eq(PyThread_acquire_lock(lock, NOWAIT_LOCK), 0);
    detach_here();
    PyThread_release_lock(lock);
    PyThread_free_lock(lock);
}
END_TEST
static struct {
    _PyRawMutex raw;
    _PySemaphore sema;
    PyMutex mine;
    PyEvent event;
    PyObject object;
    int there, go;
} middle;

static void
be_in_the_middle(void *Py_UNUSED(arg))
{
    attach_here();
    _PyRawMutex_Lock(&middle.raw);
    Py_BEGIN_CRITICAL_SECTION(&middle.object);
    _Py_atomic_store_int(&middle.there, 1);
    wait_for_count(&middle.go, 1);          /* attached */
    Py_END_CRITICAL_SECTION();
    _PyRawMutex_Unlock(&middle.raw);
    detach_here();
}

static void wait_for_mine(void *Py_UNUSED(arg))
{ PyMutex_Lock(&middle.mine); PyMutex_Unlock(&middle.mine); }
static void wait_for_event(void *Py_UNUSED(arg)) { PyEvent_Wait(&middle.event); }

static int
mend_all(void)
{
    PyOS_AfterFork_Child();
    int ok = middle.raw.v == _Py_LOCKED;
    middle.raw = (_PyRawMutex){0};
    _PyRawMutex_Lock(&middle.raw);
    _PySemaphore_Init(&middle.sema);
    _PySemaphore_Wakeup(&middle.sema);
    ok = ok && _PySemaphore_Wait(&middle.sema, 0, 0) == Py_PARK_OK;
    PyMutex_Unlock(&middle.mine);
    ok = ok && !PyMutex_IsLocked(&middle.mine);
    _PyEvent_Notify(&middle.event);
    ok = ok && PyEvent_WaitTimed(&middle.event, 0, 0) == 1;
#ifdef Py_GIL_DISABLED
    ok = ok && PyMutex_IsLocked(&middle.object.ob_mutex);
    _PyMutex_at_fork_reinit(&middle.object.ob_mutex);
#endif
    attach_here();
    Py_BEGIN_CRITICAL_SECTION(&middle.object);
    Py_END_CRITICAL_SECTION();
    detach_here();
    return ok;
}

CLAIM_TEST(test_what_a_fork_leaves)
{
    static void (*const part[])(void *) = {be_in_the_middle, wait_for_mine, wait_for_event};
    PyThread_handle_t thread[3];
    PyThread_ident_t ident;
    _PySemaphore_Init(&middle.sema);
    PyMutex_Lock(&middle.mine);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(PyThread_start_joinable_thread(part[i], NULL, &ident, &thread[i]), 0);
    }
    wait_for_count(&middle.there, 1);
    while (_Py_atomic_load_uint8(&middle.mine._bits) != 3
           || _Py_atomic_load_uint8(&middle.event.v) != 2) {
        sched_yield();
    }
    in_child {
        alarm(60);
        leave(mend_all());
    }
    _Py_atomic_store_int(&middle.go, 1);
    PyMutex_Unlock(&middle.mine);
    _PyEvent_Notify(&middle.event);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(PyThread_join_thread(thread[i]), 0);
    }
    _PySemaphore_Destroy(&middle.sema);
}
END_TEST
