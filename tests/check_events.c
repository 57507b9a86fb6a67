// Claims an-event-is-set-once-and-for-good to a-fork-in-the-middle of the book, chapter 15: events, once flags, the recursive mutex.
#include <check.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/ceval.h"
#include "host/pystate.h"
#include "host/pythread.h"
#include "host/pytime.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_parking_lot.h"
#include "support.h"

#define UNTIL(condition) do { while (!(condition)) { sched_yield(); } } while (0)

struct member { pthread_t thread; int number; void (*work)(int number); };
static struct member crew[64];

static void *
begin_work(void *arg)
{
    struct member *me = arg;
    me->work(me->number);
    return NULL;
}

/* Let thread i run work(number). */
static void
crew_put(int i, void (*work)(int number), int number)
{
    crew[i].number = number;
    crew[i].work = work;
    ck_assert_int_eq(pthread_create(&crew[i].thread, NULL, begin_work, &crew[i]), 0);
}

/* Let n threads run, as work(0) to work(n - 1). */
static void
crew_start(int n, void (*work)(int number))
{
    for (int i = 0; i < n; i++) {
        crew_put(i, work, i);
    }
}

static void
crew_join(int n)
{
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(pthread_join(crew[i].thread, NULL), 0);
    }
}

CLAIM_TEST(test_an_event_is_set_once_and_for_good)
{
    PyEvent e = {0};
    ck_assert_int_eq(_PyEvent_IsSet(&e), 0);
    for (int again = 0; again < 2; again++) {
        _PyEvent_Notify(&e);
        ck_assert_uint_eq(e.v, 1);
        ck_assert_int_eq(_PyEvent_IsSet(&e), 1);
        PyEvent_Wait(&e);
        ck_assert_int_eq(PyEvent_WaitTimed(&e, 0, 0), 1);
        ck_assert_int_eq(PyEvent_WaitTimed(&e, -1, 1), 1);
        ck_assert_uint_eq(e.v, 1);
    }
}
END_TEST
static PyEvent lamp;
static int letter, read_right;          /* letter is a plain int, on purpose */

static void
wait_and_read(int number)
{
    if (number % 2) {
        PyEvent_Wait(&lamp);
    }
    else {
        UNTIL(PyEvent_WaitTimed(&lamp, -1, 0));
    }
    _Py_atomic_add_int(&read_right, letter == 42);
}

CLAIM_TEST(test_one_notify_wakes_all)
{
    crew_start(16, wait_and_read);
    UNTIL(_Py_atomic_load_uint8(&lamp.v) == 2);
    letter = 42;
    _PyEvent_Notify(&lamp);
    crew_join(16);
    ck_assert_int_eq(read_right, 16);
    ck_assert_uint_eq(lamp.v, 1);
}
END_TEST
CLAIM_TEST(test_a_timeout_leaves_state_2)
{
    static const PyTime_t timeouts[] = {0, 1, 1000, 3000000};
    PyEvent e = {0};
    for (size_t i = 0; i < 4; i++) {
        PyTime_t before, after;
        PyTime_MonotonicRaw(&before);
        ck_assert_int_eq(PyEvent_WaitTimed(&e, timeouts[i], i % 2), 0);
        PyTime_MonotonicRaw(&after);
        ck_assert_int_ge(after - before, timeouts[i]);
        ck_assert_uint_eq(e.v, 2);
        ck_assert_int_eq(_PyEvent_IsSet(&e), 0);
    }
    _PyEvent_Notify(&e);
    ck_assert_uint_eq(e.v, 1);
    ck_assert_int_eq(PyEvent_WaitTimed(&e, 0, 0), 1);
}
END_TEST
/* A signal can be tested without luck: the test sends it again and again until
 * the wait has ended. */
static int gave_up, went_on;

static void
wait_twice(int number)
{
    (void)number;
    int set = PyEvent_WaitTimed(&lamp, -1, 0);
    _Py_atomic_store_int(&gave_up, set == 0);
    PyEvent_Wait(&lamp);
    _Py_atomic_store_int(&went_on, 1);
}

static void
ignore(int sig)
{
    (void)sig;
}
/* The test sends wake-ups in the same way. (The semaphore that is made of a
 * condition variable sleeps through signals; with it there are the wake-ups
 * alone.) */
static void
disturb(int by_signal)
{
#ifndef GF_USE_COND_SEMAPHORE
    if (by_signal) {
        nudge(crew[0].thread);
        return;
    }
#endif
    (void)by_signal;
    _PyParkingLot_UnparkAll(&lamp.v);
    sched_yield();
}

CLAIM_TESTS(test_a_wait_may_end_for_nothing, 2)
{
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = ignore}, NULL);
    crew_start(1, wait_twice);
    while (!_Py_atomic_load_int(&gave_up)) {
        disturb(_i);
    }
    for (int i = 0; i < 1000; i++) {
        disturb(_i);
        ck_assert_int_eq(_Py_atomic_load_int(&went_on), 0);
    }
    _PyEvent_Notify(&lamp);
    crew_join(1);
    ck_assert_int_eq(went_on, 1);
}
END_TEST
static PyThreadState *waiter;
static PyEvent looked;
static int detached_too_soon;

static void
wait_attached(int detach)
{
    PyThreadState *tstate = host_thread_enter();
    _Py_atomic_store_ptr(&waiter, tstate);
    if (detach) {
        PyEvent_Wait(&lamp);
    }
    else {
        PyEvent_WaitTimed(&lamp, 2000000, 0);
    }
    _Py_atomic_store_int(&went_on, 1 + (_PyThreadState_GET() == tstate));
    PyEvent_WaitTimed(&looked, -1, 0);
    host_thread_leave();
}

/* With a GIL, another thread takes the GIL to see that the waiter has let go
 * of it: host_thread_enter would wait for ever otherwise. */
CLAIM_TESTS(test_a_waiter_lets_go_events, 2)
{
    crew_put(0, wait_attached, _i);
    UNTIL(_Py_atomic_load_uint8(&lamp.v) == 2);
    PyThreadState *tstate = _Py_atomic_load_ptr(&waiter);
    if (_i) {
        UNTIL(!host_thread_is_attached(tstate));
        host_thread_enter();
        host_thread_leave();
        _PyEvent_Notify(&lamp);
    }
    while (!_Py_atomic_load_int(&went_on)) {
        detached_too_soon |= !_i && !host_thread_is_attached(tstate);
    }
    ck_assert_int_eq(went_on, 2);
    ck_assert_int_eq(detached_too_soon, 0);
    _PyEvent_Notify(&looked);
    crew_join(1);
}
END_TEST
static int once_result;

static int
return_what_is_asked(void *arg)
{
    (void)arg;
    return once_result;
}

static void
return_neither(void)                /* unlock_once will not have it */
{
    _PyOnceFlag flag = {0};
    _PyOnceFlag_CallOnce(&flag, return_what_is_asked, NULL);
}

CLAIM_TESTS(test_a_bad_result_is_fatal, 5)
{
    static const int bad[] = {1, -2, 4, 255, INT_MIN};
    once_result = bad[_i];
    dies_saying(return_neither, "Fatal Python error: unlock_once: "
                "invalid result from _PyOnceFlag_CallOnce\n");
}
END_TEST
static int
fail_four_times(void *arg)
{
    int *calls = arg;
    return ++*calls < 5 ? -1 : 0;
}

CLAIM_TEST(test_failure_is_retried_success_is_final)
{
    _PyOnceFlag flag = {0};
    int calls = 0;
    for (int i = 1; i <= 10; i++) {
        int res = _PyOnceFlag_CallOnce(&flag, fail_four_times, &calls);
        ck_assert_int_eq(res, i < 5 ? -1 : 0);
        ck_assert_int_eq(calls, i < 5 ? i : 5);
        ck_assert_uint_eq(flag.v, i < 5 ? 0 : 4);
    }
    ck_assert_int_eq(_PyOnceFlag_CallOnceSlow(&flag, NULL, NULL), 0);
    ck_assert_int_eq(_PyOnceFlag_CallOnce(&flag, NULL, NULL), 0);
}
END_TEST
static _PyOnceFlag shared_flag;
static int table[64], entered, returned, returned_early;

static int
build_the_table(void *arg)
{
    (void)arg;
    UNTIL(_Py_atomic_load_int(&entered) == 8);
    UNTIL(_Py_atomic_load_uint8(&shared_flag.v) == 3);
    for (int i = 0; i < 64; i++) {
        _PyParkingLot_UnparkAll(&shared_flag.v);    /* for nothing */
        sched_yield();
        table[i] = i + 1;
    }
    returned_early += _Py_atomic_load_int(&returned);
    return 0;
}

static void
use_the_table(int number)
{
    _Py_atomic_add_int(&entered, 1);
    int res = _PyOnceFlag_CallOnce(&shared_flag, build_the_table, NULL);
    _Py_atomic_add_int(&returned, 1);
    _Py_atomic_add_int(&read_right, res == 0 && table[number] == number + 1);
}

CLAIM_TEST(test_nobody_returns_before_it_is_done)
{
    crew_start(8, use_the_table);
    crew_join(8);
    ck_assert_int_eq(returned_early, 0);
    ck_assert_int_eq(read_right, 8);
    ck_assert_uint_eq(shared_flag.v, 4);
}
END_TEST
static int attempts, at_once, failures;

static int
fail_five_times(void *arg)
{
    (void)arg;
    int alone = _Py_atomic_add_int(&at_once, 1) == 0;
    UNTIL(_Py_atomic_load_int(&entered) == 16);
    int mine = ++attempts;                          /* a plain int: we are alone */
    _Py_atomic_add_int(&at_once, -1);
    return mine <= 5 || !alone ? -1 : 0;
}

static void
call_once(int number)
{
    (void)number;
    _Py_atomic_add_int(&entered, 1);
    int res = _PyOnceFlag_CallOnce(&shared_flag, fail_five_times, NULL);
    _Py_atomic_add_int(&failures, res == -1);
    _Py_atomic_add_int(&returned, res == 0);
}

CLAIM_TEST(test_after_a_failure_a_waiter_tries)
{
    crew_start(16, call_once);
    crew_join(16);
    ck_assert_int_eq(failures, 5);
    ck_assert_int_eq(returned, 11);
    ck_assert_int_eq(attempts, 6);
    ck_assert_uint_eq(shared_flag.v, 4);
}
END_TEST
/* Fork, and say whether `child`, run there, was content. */
static int
content_in_a_child(int (*child)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(child() ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static _PyOnceFlag cut_flag, done_flag;
static int stay_at_it, times;

static int
be_at_it(void *arg)
{
    _Py_atomic_add_int(&times, 1);
    UNTIL(arg != NULL || !_Py_atomic_load_int(&stay_at_it));
    return 0;
}

static void
work_once(int number)
{
    (void)number;
    _PyOnceFlag_CallOnce(&cut_flag, be_at_it, NULL);
}

static int
begin_anew(void)
{
    alarm(30);
    PyOS_AfterFork_Child();
    _PyOnceFlag_at_fork_reinit(&cut_flag);
    _PyOnceFlag_at_fork_reinit(&done_flag);
    int ok = cut_flag.v == 0 && done_flag.v == 4;
    return ok && _PyOnceFlag_CallOnce(&cut_flag, be_at_it, &times) == 0
        && times == 2 && cut_flag.v == 4;
}

CLAIM_TEST(test_a_fork_in_the_middle)
{
    cut_flag = (_PyOnceFlag){0};
    done_flag = (_PyOnceFlag){4};
    stay_at_it = 1;
    times = 0;
    crew_put(0, work_once, 0);
    crew_put(1, work_once, 0);
    UNTIL(_Py_atomic_load_uint8(&cut_flag.v) == 3);
    ck_assert(content_in_a_child(begin_anew));
    _Py_atomic_store_int(&stay_at_it, 0);
    crew_join(2);
    ck_assert_int_eq(times, 1);
}
END_TEST
/* recursive_mutex_is_owned_by answers for us, and for no other thread. */
static void
expect_recursive(_PyRecursiveMutex *m, int bits, int mine, size_t level)
{
    ck_assert_uint_eq(m->mutex._bits, bits);
    ck_assert_uint_eq(m->thread, mine ? PyThread_get_thread_ident_ex() : 0);
    ck_assert_uint_eq(m->level, level);
    ck_assert_int_eq(_PyRecursiveMutex_IsLockedByCurrentThread(m), mine);
}

CLAIM_TEST(test_level_counts_the_extra_acquisitions)
{
    _PyRecursiveMutex m = {0};
    expect_recursive(&m, 0, 0, 0);
    for (size_t level = 0; level < 1000; level++) {
        if (level % 2) {
            _PyRecursiveMutex_Lock(&m);
        }
        else {
            ck_assert_int_eq(_PyRecursiveMutex_LockTimed(&m, 0, 0), PY_LOCK_ACQUIRED);
        }
        expect_recursive(&m, 1, 1, level);
    }
    for (size_t level = 1000; level-- > 0; ) {
        expect_recursive(&m, 1, 1, level);
        if (level % 3) {
            _PyRecursiveMutex_Unlock(&m);
        }
        else {
            ck_assert_int_eq(_PyRecursiveMutex_TryUnlock(&m), 0);
        }
    }
    expect_recursive(&m, 0, 0, 0);
    ck_assert_int_eq(_PyRecursiveMutex_TryUnlock(&m), -1);
}
END_TEST
static _PyRecursiveMutex shared;
static int refused;

static void
try_in_vain(int number)
{
    PyTime_t timeout = number % 2 ? 1000 : 0;
    refused += !_PyRecursiveMutex_IsLockedByCurrentThread(&shared)
        && _PyRecursiveMutex_LockTimed(&shared, timeout, _PY_LOCK_DETACH) == PY_LOCK_FAILURE
        && _PyRecursiveMutex_TryUnlock(&shared) == -1;
}

CLAIM_TEST(test_strangers_are_refused)
{
    for (int held = 0; held < 3; held++) {
        _PyRecursiveMutex_Lock(&shared);
    }
    for (int held = 3; held > 0; held--) {
        crew_start(1, try_in_vain);
        crew_join(1);
        ck_assert_uint_eq(shared.thread, PyThread_get_thread_ident_ex());
        ck_assert_uint_eq(shared.level, held - 1);
        _PyRecursiveMutex_Unlock(&shared);
    }
    ck_assert_int_eq(refused, 3);
    ck_assert_uint_eq(shared.mutex._bits & 1, 0);
}
END_TEST
static void
hold_it(int number)
{
    (void)number;
    _PyRecursiveMutex_Lock(&shared);
    _PyEvent_Notify(&lamp);
}

static void
unlock_what_is_not_ours(void)
{
    _PyRecursiveMutex_Unlock(&shared);
}

CLAIM_TESTS(test_unlock_by_a_stranger_is_fatal, 2)
{
    if (_i == 1) {
        crew_start(1, hold_it);
        PyEvent_Wait(&lamp);
        crew_join(1);               /* it is gone, and it still holds it */
    }
    dies_saying(unlock_what_is_not_ours, "Fatal Python error: "
                "_PyRecursiveMutex_Unlock: unlocking a recursive mutex that is "
                "not owned by the current thread\n");
}
END_TEST
static void
queue_up(int number)
{
    (void)number;
    _PyRecursiveMutex_Lock(&shared);
    _PyRecursiveMutex_Unlock(&shared);
}

static int
child_of_the_owner(void)
{
    _PyRecursiveMutex_at_fork_reinit(&shared, 1);
    int ok = _PyRecursiveMutex_IsLockedByCurrentThread(&shared);
    ok &= shared.mutex._bits == 1 && shared.level == 2;
    _PyParkingLot_AfterFork();
    for (int i = 0; i < 3; i++) {
        ok &= _PyRecursiveMutex_TryUnlock(&shared) == 0;
    }
    return ok && _PyRecursiveMutex_TryUnlock(&shared) == -1 && shared.mutex._bits == 0;
}

static int
child_of_a_stranger(void)
{
    static const _PyRecursiveMutex zeros;
    _PyParkingLot_AfterFork();
    _PyRecursiveMutex_at_fork_reinit(&shared, 0);
    int ok = memcmp(&shared, &zeros, sizeof zeros) == 0;
    _PyRecursiveMutex_Lock(&shared);
    ok &= _PyRecursiveMutex_IsLockedByCurrentThread(&shared);
    _PyRecursiveMutex_Unlock(&shared);
    return ok;
}

CLAIM_TEST(test_after_a_fork_events)
{
    for (int i = 0; i < 3; i++) {
        _PyRecursiveMutex_Lock(&shared);
    }
    crew_start(4, queue_up);
    UNTIL(_Py_atomic_load_uint8(&shared.mutex._bits) == 3);
    ck_assert(content_in_a_child(child_of_the_owner));
    ck_assert_uint_eq(shared.level, 2);     /* the parent's is untouched */
    _PyRecursiveMutex copy = {{3}, 0, 2}, zeros = {0};
    _PyRecursiveMutex_at_fork_reinit(&copy, 1);     /* once more, here: for gcov */
    ck_assert_uint_eq(copy.mutex._bits + copy.level, 1 + 2);
    _PyRecursiveMutex_at_fork_reinit(&copy, 0);
    ck_assert_int_eq(memcmp(&copy, &zeros, sizeof zeros), 0);
    ck_assert(content_in_a_child(child_of_a_stranger));
    for (int i = 0; i < 3; i++) {
        _PyRecursiveMutex_Unlock(&shared);
    }
    crew_join(4);
}
END_TEST
/* Only the main thread makes pending calls, so the main thread is the one that
 * waits. Another thread sends it signals until it has given up. */
#ifndef GF_USE_COND_SEMAPHORE
static pthread_t main_thread;

static int
refuse(void *arg)
{
    (void)arg;
    return -1;
}

static void
pester(int number)
{
    (void)number;
    while (!_Py_atomic_load_int(&went_on)) {
        nudge(main_thread);
    }
}
#endif
static void
hold_until_the_lamp(int number)
{
    (void)number;
    _PyRecursiveMutex_Lock(&shared);
    _PyEvent_Notify(&looked);
    PyEvent_Wait(&lamp);
    _PyRecursiveMutex_Unlock(&shared);
}

CLAIM_TEST(test_giving_up_changes_no_owner)
{
    PyTime_t before, after;
    crew_put(0, hold_until_the_lamp, 0);
    PyEvent_Wait(&looked);
    PyTime_MonotonicRaw(&before);
    ck_assert_int_eq(_PyRecursiveMutex_LockTimed(&shared, 2000000, _PY_LOCK_DETACH),
                     PY_LOCK_FAILURE);
    PyTime_MonotonicRaw(&after);
    ck_assert_int_ge(after - before, 2000000);
    ck_assert_int_eq(_PyRecursiveMutex_IsLockedByCurrentThread(&shared), 0);
    #ifndef GF_USE_COND_SEMAPHORE
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = ignore}, NULL);
    Py_AddPendingCall(refuse, NULL);
    main_thread = pthread_self();
    crew_put(1, pester, 0);
    _PyLockFlags flags = _PY_LOCK_DETACH | _PY_LOCK_HANDLE_SIGNALS;
    ck_assert_int_eq(_PyRecursiveMutex_LockTimed(&shared, -1, flags), PY_LOCK_INTR);
    _Py_atomic_store_int(&went_on, 1);
    pthread_join(crew[1].thread, NULL);
    ck_assert_int_eq(_PyRecursiveMutex_IsLockedByCurrentThread(&shared), 0);
    #endif
    _PyEvent_Notify(&lamp);
    ck_assert_int_eq(_PyRecursiveMutex_LockTimed(&shared, -1, 0), PY_LOCK_ACQUIRED);
    ck_assert_int_eq(_PyRecursiveMutex_IsLockedByCurrentThread(&shared), 1);
    _PyRecursiveMutex_Unlock(&shared);
    crew_join(1);
}
END_TEST
CLAIM_TEST(test_a_level_that_the_owner_sets)
{
    for (size_t count = 0; count < 4; count++) {
        _PyRecursiveMutex m = {0};
        _PyRecursiveMutex_Lock(&m);
        m.level = count - 1;
        for (size_t undone = 1; undone < count; undone++) {
            ck_assert_int_eq(_PyRecursiveMutex_TryUnlock(&m), 0);
            ck_assert_uint_eq(m.mutex._bits, 1);
        }
        ck_assert_int_eq(_PyRecursiveMutex_TryUnlock(&m), 0);
        ck_assert_uint_eq(m.mutex._bits, count == 0);
        ck_assert_uint_eq(m.level, count == 0 ? SIZE_MAX - 1 : 0);
    }
}
END_TEST
/* Each thread of the crew locks one to four times over and counts. The counter
 * is a plain one, and ThreadSanitizer looks on. */
static long counter;
static int share;                       /* of each thread */

static void
lock_and_count(int number)
{
    for (int done = 0; done < share; ) {
        int depth = 1 + (done + number) % 4;
        for (int i = 0; i < depth; i++) {
            _PyRecursiveMutex_Lock(&shared);
            counter++;
        }
        for (int i = 0; i < depth; i++) {
            _PyRecursiveMutex_Unlock(&shared);
        }
        done += depth;
        _Py_atomic_add_int(&attempts, depth);
    }
}

CLAIM_TESTS(test_a_million_recursive_acquisitions, 3)
{
    static const int crews[] = {2, 8, 64};
    share = 350000 / crews[_i];
    crew_start(crews[_i], lock_and_count);
    crew_join(crews[_i]);
    ck_assert_int_ge(counter, 349000);
    ck_assert_int_eq(counter, attempts);
    ck_assert_uint_eq(shared.mutex._bits, 0);
}
END_TEST
/* One thread sets sixteen thousand events, one after the other, and writes a
 * number before each. The other threads wait for every one of them in turn and
 * read the number. */
enum { MANY = 16400 };
static PyEvent events[MANY];
static _PyOnceFlag flags[MANY];
static int numbers[MANY], calls[MANY];

static void
follow_the_events(int number)
{
    int right = 0;
    for (int i = 0; i < MANY; i++) {
        if (number == 0) {
            numbers[i] = i + 1;
            _PyEvent_Notify(&events[i]);
        }
        else {
            PyEvent_Wait(&events[i]);
        }
        right += numbers[i] == i + 1;
    }
    _Py_atomic_add_int(&read_right, right);
}

CLAIM_TESTS(test_a_million_waits, 2)
{
    int n = _i ? 62 : 2;
    crew_start(n, follow_the_events);
    crew_join(n);
    ck_assert_int_eq(read_right, n * MANY);
}
END_TEST
static int
count_the_call(void *arg)
{
    int *call = arg;
    return ++*call < 2 ? -1 : 0;        /* the first fails, the second does not */
}

static void
call_them_all(int number)
{
    int right = 0;
    for (int i = 0; i < MANY; i++) {
        int at = number % 2 ? i : MANY - 1 - i;
        while (_PyOnceFlag_CallOnce(&flags[at], count_the_call, &calls[at]) < 0) {
            _Py_atomic_add_int(&failures, 1);
        }
        right += calls[at] == 2;
    }
    _Py_atomic_add_int(&read_right, right);
}

CLAIM_TESTS(test_a_million_calls, 2)
{
    int n = _i ? 62 : 2;
    crew_start(n, call_them_all);
    crew_join(n);
    ck_assert_int_eq(read_right, n * MANY);
    ck_assert_int_eq(failures, MANY);
}
END_TEST
