// Claims of the book's chapters 10 and 11: the mutex of one byte, and its policy.
#include <check.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "pysync/policy.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_parking_lot.h"
#include "support.h"
#include "threads.h"

static PyMutex m;
static PyTime_t timeout_of_m = -1;
static _Thread_local int yields, free_m_at;     /* at which of them: free m */
static _Thread_local struct { int at; PyTime_t ns; } long_yield;
static int in_name_only;                    /* a yield, before threads are started */

int
sched_yield(void)
{
    if (++yields == free_m_at) {
        _Py_atomic_store_uint8(&m._bits, 0);
    }
    if (yields == long_yield.at) {
        for (PyTime_t end = now() + long_yield.ns; now() < end; ) {
        }
    }
    return in_name_only ? 0 : (int)syscall(SYS_sched_yield);
}

#ifndef Py_GIL_DISABLED
enum { MOST_YIELDS = 0 };
#elif defined(GF_UPSTREAM_POLICY)
enum { MOST_YIELDS = 40 };
#else
enum { MOST_YIELDS = GF_SPIN_YIELDS };
#endif

static int yields_of_m;                     /* until the last fellow had it */

static void
lock_m(struct fellow *me)
{
    reach(me, 1);
    me->answer = _PyMutex_LockTimed(&m, timeout_of_m, (_PyLockFlags)me->number);
    yields_of_m = yields;
    reach(me, 2);
    UNTIL(at(me, 3));
    PyMutex_Unlock(&m);
}

/* Start a fellow that locks m, and return when it sleeps, or has it. */
static void
wait_for_m(struct fellow *f, _PyLockFlags flags)
{
    *f = (struct fellow){.body = lock_m, .attach = 1, .number = (int)flags};
    start(f);
    UNTIL(at(f, 1));
    UNTIL(!host_thread_is_attached(f->tstate) || at(f, 2));
}

/* When it has m, let it unlock, and join it. */
static void
let_go(struct fellow *f)
{
    UNTIL(at(f, 2));
    reach(f, 3);
    finish(f);
}

/* Unlock m and take it back before f, who parks. 0: it was handed to f. */
static int
take_m_back_from(struct fellow *f)
{
    ck_assert_int_eq(host_thread_suspend(f->tstate), 1);
    PyMutex_Unlock(&m);
    int mine = _PyMutex_LockTimed(&m, 0, 0) == PY_LOCK_ACQUIRED;
    if (mine) {
        _Py_atomic_store_uint8(&m._bits, _Py_LOCKED);
    }
    host_thread_resume(f->tstate);
    if (mine) {
        UNTIL(_Py_atomic_load_uint8(&m._bits) == 3);
        UNTIL(!host_thread_is_attached(f->tstate));
    }
    return mine;
}

static int calls_made;

static int
fail_at_third(void *Py_UNUSED(arg))
{
    return ++calls_made == 3 ? -1 : 0;
}

CLAIM_TEST(test_an_uncontended_mutex)
{
    ck_assert_uint_eq(sizeof(m), 1);
    for (int i = 0; i < 3; i++) {
        PyMutex_Lock(&m);                   /* that is, _PyMutex_Lock */
        ck_assert_uint_eq(m._bits, _Py_LOCKED);
        PyMutex_Unlock(&m);                 /* _PyMutex_Unlock */
        ck_assert_uint_eq(m._bits, _Py_UNLOCKED);
    }
    PyMutex_LockFlags(&m, _Py_LOCK_DONT_DETACH);
    ck_assert_uint_eq(m._bits, _Py_LOCKED);
    ck_assert_int_eq(_PyMutex_TryUnlock(&m), 0);
    ck_assert_uint_eq(m._bits, _Py_UNLOCKED);
}
END_TEST
CLAIM_TEST(test_the_four_states)
{
    for (uint8_t bits = 0; bits < 4; bits++) {
        m._bits = bits;
        ck_assert_int_eq(PyMutex_IsLocked(&m), bits & 1);   /* _PyMutex_IsLocked */
        ck_assert_int_eq(PyMutex_LockFast(&m), bits == 0);
        ck_assert_uint_eq(m._bits, bits == 0 ? 1 : bits);

        m._bits = bits;
        ck_assert_int_eq(_PyMutex_TryUnlock(&m), bits & 1 ? 0 : -1);
        ck_assert_uint_eq(m._bits, bits & 1 ? 0 : bits);
    }
}
END_TEST
/* Upstream's walk. It may look at exact bits: no other thread is parked anywhere. */
CLAIM_TEST(test_two_threads)
{
    struct fellow f;
    PyMutex_Lock(&m);
    wait_for_m(&f, _PY_LOCK_DETACH);
    ck_assert_uint_eq(_Py_atomic_load_uint8(&m._bits), 3);
    ck_assert(!at(&f, 2));
    PyMutex_Unlock(&m);
    UNTIL(at(&f, 2));
    ck_assert_int_eq(PyMutex_IsLocked(&m), 1);      /* it has it now */
    let_go(&f);
    ck_assert_int_eq(f.answer, PY_LOCK_ACQUIRED);
    ck_assert_uint_eq(m._bits, 0);
}
END_TEST
CLAIM_TEST(test_zero_is_one_try)
{
    for (uint8_t bits = 0; bits < 4; bits++) {
        m._bits = bits;
        yields = 0;
        ck_assert_int_eq(_PyMutex_LockTimed(&m, 0, _PY_LOCK_DETACH),
                         bits & 1 ? PY_LOCK_FAILURE : PY_LOCK_ACQUIRED);
        ck_assert_uint_eq(m._bits, bits | 1);
        ck_assert_int_eq(yields, 0);
    }
}
END_TEST
CLAIM_TEST(test_a_timeout_leaves_a_trace_that_an_unlock_clears)
{
    static const PyTime_t timeouts[] = {1, 1000, MS, 20 * MS};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        PyMutex_Lock(&m);
        PyTime_t before = now();
        ck_assert_int_eq(_PyMutex_LockTimed(&m, timeouts[i], _PY_LOCK_DETACH),
                         PY_LOCK_FAILURE);
        ck_assert_int_ge(now() - before, timeouts[i]);
        ck_assert(m._bits == 3 || m._bits == 1);
        PyMutex_Unlock(&m);
        ck_assert_uint_eq(m._bits, 0);
    }
}
END_TEST
CLAIM_TEST(test_in_time)
{
    struct fellow f;
    PyMutex_Lock(&m);
    f = (struct fellow){.body = lock_m, .attach = 1, .number = _PY_LOCK_DETACH};
    timeout_of_m = 3600 * (PyTime_t)1000 * MS;
    start(&f);
    await_sleep(&f);
    PyMutex_Unlock(&m);
    let_go(&f);
    ck_assert_int_eq(f.answer, PY_LOCK_ACQUIRED);
}
END_TEST
/* The layout of struct mutex_entry, with what a test likes in it. */
struct entry { PyTime_t time_to_be_fair; int handed_off; PyTime_t time_in_a_crowd; };

static void
park_with_entry(struct fellow *me)
{
    static const uint8_t three = 3;
    reach(me, 1);
    me->answer = _PyParkingLot_Park(&m._bits, &three, 1, -1, me->arg, 1);
}

static void
park_in_line(struct fellow *f, struct entry *entry, int n)
{
    for (int i = 0; i < n; i++) {
        f[i] = (struct fellow){
            .body = park_with_entry, .arg = &entry[i], .attach = 1};
        start(&f[i]);
        await_sleep(&f[i]);
    }
}

CLAIM_TEST(test_the_waiters_time_decides)     /* mutex_unpark */
{
    struct entry entry[4] = {{0, 7, PyTime_MAX}, {PyTime_MAX, 7, PyTime_MAX},
                             {PyTime_MAX, 7, 0}, {0, 7, 0}};
    static const uint8_t byte_after[4] = {3, 2, 2, 1};
    struct fellow f[4];
    m._bits = 3;
    park_in_line(f, entry, 4);
    for (int i = 0; i < 4; i++) {
        _Py_atomic_or_uint8(&m._bits, _Py_LOCKED);
        PyMutex_Unlock(&m);
        ck_assert_uint_eq(m._bits, byte_after[i]);
        finish(&f[i]);
        ck_assert_int_eq(f[i].answer, Py_PARK_OK);
        ck_assert_int_eq(entry[i].handed_off, entry[i].time_to_be_fair == 0);
    }
}
END_TEST
/* The waiter has stamped its entry itself. Woken, but held back and unable to attach, it
 * cannot take the lock; if the byte says "held", it was handed over. */
CLAIM_TEST(test_after_a_millisecond_it_is_handed_over)
{
    struct fellow f;
    PyMutex_Lock(&m);
    wait_for_m(&f, _PY_LOCK_DETACH);
    let_time_pass(1 * MS);
    ck_assert_int_eq(host_thread_suspend(f.tstate), 1);
    PyMutex_Unlock(&m);
    ck_assert_uint_eq(_Py_atomic_load_uint8(&m._bits), 1);
    ck_assert(!at(&f, 2));                  /* and the owner is not even up */
    ck_assert_int_eq(_PyMutex_LockTimed(&m, 0, 0), PY_LOCK_FAILURE);
    host_thread_resume(f.tstate);
    let_go(&f);
    ck_assert_int_eq(f.answer, PY_LOCK_ACQUIRED);
    ck_assert_uint_eq(m._bits, 0);
}
END_TEST
/* Until it was fast enough, by its own clock, to be sure: mostly the first time. */
CLAIM_TEST(test_before_a_millisecond_it_is_let_go)
{
    int early = 0;
    for (int tries = 0; !early && tries < 20000; tries++) {
        struct fellow f;
        PyMutex_Lock(&m);
        PyTime_t before = now();            /* earlier than the waiter's stamp */
        wait_for_m(&f, _PY_LOCK_DETACH);
        ck_assert_int_eq(host_thread_suspend(f.tstate), 1);
        PyMutex_Unlock(&m);
        early = now() - before < 1 * MS;
        if (early) {
            ck_assert_uint_eq(_Py_atomic_load_uint8(&m._bits), 0);
        }
        host_thread_resume(f.tstate);
        let_go(&f);
    }
    ck_assert_int_eq(early, 1);
}
END_TEST
static int line[16], n_in_line;

static void
stand_in_line(struct fellow *me)
{
    reach(me, 1);
    PyMutex_Lock(&m);
    line[n_in_line++] = me->number;
    PyMutex_Unlock(&m);
}

CLAIM_TEST(test_nobody_gets_past_a_line)
{
    struct fellow f[8];
    PyMutex_Lock(&m);
    for (int i = 0; i < 8; i++) {
        f[i] = (struct fellow){.body = stand_in_line, .number = i, .attach = 1};
        start(&f[i]);
        await_sleep(&f[i]);
    }
    let_time_pass(1 * MS);
    PyMutex_Unlock(&m);
    UNTIL(PyMutex_LockFast(&m) || _PyMutex_LockTimed(&m, 0, 0));
    ck_assert_int_eq(n_in_line, 8);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(line[i], i);
    }
    PyMutex_Unlock(&m);
    for (int i = 0; i < 8; i++) {
        finish(&f[i]);
    }
}
END_TEST
CLAIM_TEST(test_unlocked_in_the_owners_name)
{
    struct fellow f;
    PyMutex_Lock(&m);
    wait_for_m(&f, _PY_LOCK_DETACH);
    let_time_pass(1 * MS);
    ck_assert_int_eq(host_thread_suspend(f.tstate), 1);
    PyMutex_Unlock(&m);                     /* handed over */
    ck_assert_int_eq(_PyMutex_TryUnlock(&m), 0);
    ck_assert_uint_eq(m._bits, 0);
    host_thread_resume(f.tstate);
    UNTIL(at(&f, 2));
    m._bits = 1;                            /* for the unlock that follows */
    let_go(&f);
    ck_assert_int_eq(f.answer, PY_LOCK_ACQUIRED);
}
END_TEST
static int enough;

static void
barge(struct fellow *me)
{
    while (!_Py_atomic_load_int(&enough)) {
        PyMutex_Lock(&m);
        for (PyTime_t end = now() + MS / 20; now() < end; ) {
        }
        PyMutex_Unlock(&m);
        me->answer++;
    }
}

/* The spread is printed; no test should bind it. */
CLAIM_TEST(test_nobody_starves)
{
    struct fellow f[3];
    for (int i = 0; i < 3; i++) {
        f[i] = (struct fellow){.body = barge};
        start(&f[i]);
    }
    for (int i = 0; i < 50; i++) {
        PyMutex_Lock(&m);
        PyMutex_Unlock(&m);
        sched_yield();
    }
    _Py_atomic_store_int(&enough, 1);
    for (int i = 0; i < 3; i++) {
        finish(&f[i]);
    }
    printf("one asked 50 times; three barged %ld, %ld and %ld times\n",
           f[0].answer, f[1].answer, f[2].answer);
    ck_assert_uint_eq(m._bits & _Py_LOCKED, 0);
}
END_TEST
static void
attach_then_unlock(struct fellow *me)
{
    PyMutex_Lock(&m);
    reach(me, 1);
    host_thread_enter();                    /* waits for the GIL, if there is one */
    PyMutex_Unlock(&m);
    host_thread_leave();
}

CLAIM_TEST(test_a_waiter_lets_go_mutex)
{
    struct fellow f = {.body = attach_then_unlock};
    PyThreadState *mine = host_thread_enter();
    start(&f);
    UNTIL(at(&f, 1));
    PyMutex_Lock(&m);                       /* detaches */
    ck_assert_ptr_eq(_PyThreadState_GET(), mine);
    PyMutex_Unlock(&m);
    host_thread_leave();
    finish(&f);
    PyMutex_Lock(&m);
    f = (struct fellow){.body = lock_m, .attach = 1, .number = _Py_LOCK_DONT_DETACH};
    timeout_of_m = -1;
    start(&f);
    UNTIL(_Py_atomic_load_uint8(&m._bits) == 3);
    for (int i = 0; i < 1000; i++) {
        ck_assert(host_thread_is_attached(f.tstate));
        sched_yield();
    }
    PyMutex_Unlock(&m);
    let_go(&f);
}
END_TEST
static pthread_t main_thread;

static void
hold_for_100_signals(struct fellow *me)
{
    PyMutex_Lock(&m);
    reach(me, 1);
    pester(main_thread, 100);
    PyMutex_Unlock(&m);
}

CLAIM_TEST(test_signals_pass)
{
    struct fellow f = {.body = hold_for_100_signals};
    on_signal(SIGUSR1, see_signal);
    main_thread = pthread_self();           /* the one that makes pending calls */
    ck_assert_int_eq(Py_AddPendingCall(fail_at_third, NULL), 0);
    start(&f);
    UNTIL(at(&f, 1));
    ck_assert_int_eq(_PyMutex_LockTimed(&m, -1, _PY_LOCK_DETACH), PY_LOCK_ACQUIRED);
    ck_assert_int_ge(_Py_atomic_load_int(&signals_seen), 100);
    finish(&f);
    ck_assert_int_eq(calls_made, 0);
}
END_TEST
static void
hold_and_pester(struct fellow *me)
{
    PyMutex_Lock(&m);
    reach(me, 1);
    while (!at(me, 2)) {
        Py_AddPendingCall(fail_at_third, NULL);
        nudge(main_thread);
    }
    PyMutex_Unlock(&m);
}

CLAIM_TESTS(test_a_failing_call_ends_the_wait, 2)
{
    struct fellow f = {.body = hold_and_pester};
    _PyLockFlags flags = _PY_LOCK_DETACH | _PY_LOCK_HANDLE_SIGNALS;
    PyTime_t timeout = _i == 0 ? -1 : PyTime_MAX;
    on_signal(SIGUSR1, see_signal);
    main_thread = pthread_self();
    host_thread_enter();
    start(&f);
    UNTIL(at(&f, 1));
    ck_assert_int_eq(_PyMutex_LockTimed(&m, timeout, flags), PY_LOCK_INTR);
    ck_assert_int_eq(calls_made, 3);        /* two of them had let it go on */
    ck_assert_int_eq(PyMutex_IsLocked(&m), 1);
    ck_assert(host_thread_is_attached(_PyThreadState_GET()));
    reach(&f, 2);
    ck_assert_int_eq(_PyMutex_LockTimed(&m, timeout, flags), PY_LOCK_ACQUIRED);
    finish(&f);
    PyMutex_Unlock(&m);
    host_thread_leave();
}
END_TEST
/* Begun anew with each signal, one every 5 ms, these 100 ms would never end. */
CLAIM_TEST(test_interruptions_do_not_start_the_time_anew)
{
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    on_signal(SIGALRM, see_signal);
    PyMutex_Lock(&m);
    PyTime_t before = now();
    setitimer(ITIMER_REAL, &often, NULL);
    ck_assert_int_eq(_PyMutex_LockTimed(&m, 100 * MS, _PY_LOCK_HANDLE_SIGNALS),
                     PY_LOCK_FAILURE);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_int_ge(now() - before, 100 * MS);
    ck_assert_int_gt(_Py_atomic_load_int(&signals_seen), 0);
}
END_TEST
/* A handler that takes so long that less than nothing is left. */
static void
take_long(int Py_UNUSED(signum))
{
    let_time_pass(40 * MS);
}

CLAIM_TEST(test_nothing_left_is_not_for_ever)
{
    struct itimerval once = {{0, 0}, {0, 5000}};
    on_signal(SIGALRM, take_long);
    PyMutex_Lock(&m);
    setitimer(ITIMER_REAL, &once, NULL);
    ck_assert_int_eq(_PyMutex_LockTimed(&m, 20 * MS, _PY_LOCK_HANDLE_SIGNALS),
                     PY_LOCK_FAILURE);
}
END_TEST
static void
doom_by_unlock(void)
{
    PyMutex_Unlock(&m);
}

CLAIM_TEST(test_unlocking_a_free_one_is_fatal_mutex)
{
    const char *text = "Fatal Python error: PyMutex_Unlock: "
                       "unlocking mutex that is not locked\n";
    dies_saying(doom_by_unlock, text);
    m._bits = _Py_HAS_PARKED;
    dies_saying(doom_by_unlock, text);
}
END_TEST
static long counter;

static void
count(struct fellow *me)
{
    for (int i = 0; i < me->number; i++) {
        PyMutex_Lock(&m);
        if (me->arg != NULL && i % 7 == 0) {
            let_time_pass(1 * MS);
        }
        counter++;
        PyMutex_Unlock(&m);
    }
}

CLAIM_TESTS(test_nothing_is_lost, 2)
{
    struct fellow f[5];
    int slow = _i, times = slow ? 100 : 10000;
    for (int i = 0; i < 5; i++) {
        f[i] = (struct fellow){.body = count, .number = times, .attach = 1,
                               .arg = slow ? &counter : NULL};
        start(&f[i]);
    }
    for (int i = 0; i < 5; i++) {
        finish(&f[i]);
    }
    ck_assert_int_eq(counter, 5 * times);
    ck_assert_uint_eq(m._bits & _Py_LOCKED, 0);
}
END_TEST
static int
acquire_somehow(int way)
{
    switch (way % 16) {
    case 3: return PyMutex_LockFast(&m);
    case 5: PyMutex_LockFlags(&m, _PY_LOCK_DETACH); return 1;
    case 7: return _PyMutex_LockTimed(&m, 0, 0) == PY_LOCK_ACQUIRED;
    case 11: return _PyMutex_LockTimed(&m, way % 1000 * 1000, _PY_LOCK_DETACH)
                    == PY_LOCK_ACQUIRED;
    default: PyMutex_Lock(&m); return 1;
    }
}

static void
crowd_in(struct fellow *me)
{
    static int inside;                      /* plain: TSan looks on */
    for (int i = 0, done = 0; done < me->number; i++) {
        if (acquire_somehow(i)) {
            me->answer += inside++ != 0;
            counter++;
            inside--;
            me->answer += _PyMutex_TryUnlock(&m) != 0;
            done++;
        }
    }
}

CLAIM_TESTS(test_never_two_inside_mutex, 4)
{
    static const int crowd[] = {2, 4, 16, 64};
    int n = crowd[_i];
    struct fellow f[64];
    long broken = 0;
    PyMutex_Lock(&m);                       /* so that they begin in a queue */
    for (int i = 0; i < n; i++) {
        f[i] = (struct fellow){
            .body = crowd_in, .number = 256000 / n, .attach = i % 2};
        start(&f[i]);
    }
    PyMutex_Unlock(&m);
    for (int i = 0; i < n; i++) {
        finish(&f[i]);
        broken += f[i].answer;
    }
    ck_assert_int_eq(broken, 0);
    ck_assert_int_eq(counter, 256000 / n * n);
    ck_assert_int_eq(PyMutex_IsLocked(&m), 0);
}
END_TEST
static int
lock_in_the_child(void *Py_UNUSED(arg))
{
    PyOS_AfterFork_Child();
    if (_PyMutex_LockTimed(&m, 0, 0) != PY_LOCK_FAILURE) {
        return 1;
    }
    _PyMutex_at_fork_reinit(&m);
    PyMutex_Lock(&m);
    if (m._bits != 1 || _PyMutex_LockTimed(&m, MS, 0) != PY_LOCK_FAILURE) {
        return 2;
    }
    PyMutex_Unlock(&m);                     /* looks into the lot: empty */
    return m._bits != 0;
}

CLAIM_TEST(test_after_a_fork_mutex)
{
    struct fellow holder = {.body = lock_m}, waiter;
    start(&holder);
    UNTIL(at(&holder, 2));
    wait_for_m(&waiter, _PY_LOCK_DETACH);
    in_a_child(lock_in_the_child, NULL);
    let_go(&holder);
    let_go(&waiter);
    ck_assert_int_eq(waiter.answer, PY_LOCK_ACQUIRED);
    _PyMutex_at_fork_reinit(&m);
    ck_assert_uint_eq(m._bits, 0);
}
END_TEST
CLAIM_TEST(test_the_spin_policy)      /* mutex_spin, _Py_yield */
{
    struct fellow f[2];
    int spun = -1, cut_short = 1;
    in_name_only = 1;                       /* no slice for a busy stranger */
    for (int tries = 0; cut_short && tries < 50; tries++) {
        PyMutex_Lock(&m);
        PyTime_t before = now();
        wait_for_m(&f[0], _PY_LOCK_DETACH);
        PyTime_t took = now() - before;
        wait_for_m(&f[1], _PY_LOCK_DETACH);
        PyMutex_Unlock(&m);
        UNTIL(at(&f[0], 2));
        spun = yields_of_m;
        cut_short = spun < MOST_YIELDS && took > 1 * MS + GF_CROWD_NS;
        let_go(&f[0]);
        UNTIL(at(&f[1], 2));
        ck_assert_int_eq(yields_of_m, 0);   /* the other was parked already */
        let_go(&f[1]);
    }
    ck_assert_int_eq(spun, MOST_YIELDS);
}
END_TEST
#ifdef Py_GIL_DISABLED
/* The test's own sched_yield sets the byte free at the yield that it is told. */
static int
yields_until_taken(int free_at)
{
    m._bits = 1;
    yields = 0;
    free_m_at = free_at;
    ck_assert_int_eq(_PyMutex_LockTimed(&m, -1, 0), PY_LOCK_ACQUIRED);
    ck_assert_uint_eq(m._bits, 1);
    free_m_at = 0;
    return yields;
}
#endif

CLAIM_TEST(test_a_spin_that_looks)   /* pause_processor */
{
#ifdef Py_GIL_DISABLED
    in_name_only = 1;
    for (int free_at = 1; free_at <= MOST_YIELDS; free_at++) {
#  ifdef GF_UPSTREAM_POLICY
        ck_assert_int_eq(yields_until_taken(free_at), 40);
#  else
        ck_assert_int_eq(yields_until_taken(free_at), free_at);
#  endif
    }
#endif
}
END_TEST
CLAIM_TEST(test_woken_it_spins_anew)
{
    struct fellow f;
    in_name_only = 1;
    PyMutex_Lock(&m);
    for (wait_for_m(&f, _PY_LOCK_DETACH); !take_m_back_from(&f); ) {
        let_go(&f);                         /* a millisecond was over */
        PyMutex_Lock(&m);
        wait_for_m(&f, _PY_LOCK_DETACH);
    }
    PyMutex_Unlock(&m);
    UNTIL(at(&f, 2));
#ifdef GF_UPSTREAM_POLICY
    ck_assert_int_eq(yields_of_m, MOST_YIELDS);
#else
    ck_assert_int_eq(yields_of_m, 2 * MOST_YIELDS);
#endif
    let_go(&f);
}
END_TEST
CLAIM_TEST(test_a_time_limit_is_not_yielded_away)
{
#if defined(Py_GIL_DISABLED) && !defined(GF_UPSTREAM_POLICY)
    m._bits = 1;
    ck_assert_int_eq(_PyMutex_LockTimed(&m, 1 * MS, 0), PY_LOCK_FAILURE);
    ck_assert_int_eq(yields, 0);
#endif
}
END_TEST
/* Choose the waiter as an unlocker would; under the bucket's lock its time runs out. */
static void
take_your_time(void *Py_UNUSED(arg), void *park_arg, int Py_UNUSED(more))
{
    if (park_arg != NULL) {             /* handed_off stays 0 */
        for (PyTime_t end = now() + 20 * MS; now() < end; ) {
        }
        _Py_atomic_store_uint8(&m._bits, 1);
    }
}

CLAIM_TEST(test_time_over_when_it_wakes)
{
    struct fellow f;
    int chosen = 0;
    for (int tries = 0; !chosen && tries < 1000; tries++) {
        m._bits = 3;                    /* so it parks without a spin */
        timeout_of_m = 20 * MS;
        wait_for_m(&f, _PY_LOCK_DETACH);
        _PyParkingLot_Unpark(&m._bits, take_your_time, NULL);
        chosen = _Py_atomic_load_uint8(&m._bits) == 1;  /* it had not given up yet */
        _Py_atomic_store_uint8(&m._bits, 1);
        let_go(&f);
    }
    ck_assert_int_eq(chosen, 1);
    ck_assert_int_eq(f.answer, PY_LOCK_FAILURE);
#ifndef GF_UPSTREAM_POLICY
    ck_assert_int_eq(yields_of_m, 0);
#endif
}
END_TEST
static struct fellow queued[20];
static struct entry stamps[20];

/* Whether the first of a queue is handed m, with so many behind it. */
static int
turn_of(PyTime_t fair, PyTime_t in_a_crowd, int behind)
{
    for (int i = 0; i <= behind; i++) {
        stamps[i] = (struct entry){PyTime_MAX, 7, PyTime_MAX};
    }
    stamps[0] = (struct entry){fair, 7, in_a_crowd};
    m._bits = 3;
    park_in_line(queued, stamps, 1 + behind);
    PyMutex_Unlock(&m);
    ck_assert_uint_eq(m._bits, (behind ? 2 : 0) + stamps[0].handed_off);
    _PyParkingLot_UnparkAll(&m._bits);
    for (int i = 0; i <= behind; i++) {
        finish(&queued[i]);
    }
    return stamps[0].handed_off;
}

CLAIM_TEST(test_who_is_due)                  /* mutex_is_due */
{
    static const int behind[] = {0, 1, 7, 8, 9, 16};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        int n = behind[i];
        ck_assert_int_eq(turn_of(0, 0, n), 1);
        ck_assert_int_eq(turn_of(0, PyTime_MAX, n), n <= 8 || GF_CROWD_NS == 0);
        ck_assert_int_eq(turn_of(PyTime_MAX, PyTime_MAX, n), 0);
    }
}
END_TEST
CLAIM_TEST(test_a_crowd_drains)
{
    for (int i = 0; i < 16; i++) {
        stamps[i] = (struct entry){0, 7, PyTime_MAX};
    }
    m._bits = 3;
    park_in_line(queued, stamps, 16);
    for (int i = 0; i < 16; i++) {
        int let_go = GF_CROWD_NS > 0 && i < 7;
        PyMutex_Unlock(&m);
        ck_assert_uint_eq(m._bits, (i < 15 ? 2 : 0) + !let_go);
        _Py_atomic_or_uint8(&m._bits, _Py_LOCKED);
        finish(&queued[i]);
        ck_assert_int_eq(stamps[i].handed_off, !let_go);
    }
}
END_TEST
/* Whether a waiter with this time limit, in a crowd, is handed m after `ns`. *took
 * is how long it had waited at most. */
static int
handed_after(PyTime_t limit, PyTime_t ns, PyTime_t *took)
{
    struct fellow f;
    PyMutex_Lock(&m);
    *took = -now();
    timeout_of_m = limit;
    wait_for_m(&f, _PY_LOCK_DETACH);
    memset(stamps, 0, sizeof(stamps));
    park_in_line(queued, stamps, 9);
    let_time_pass(ns);
    ck_assert_int_eq(host_thread_suspend(f.tstate), 1);
    PyMutex_Unlock(&m);
    *took += now();
    int handed = _Py_atomic_load_uint8(&m._bits) & _Py_LOCKED;
    host_thread_resume(f.tstate);
    let_go(&f);
    _PyParkingLot_UnparkAll(&m._bits);
    for (int i = 0; i < 9; i++) {
        finish(&queued[i]);
    }
    m._bits = 0;
    return handed;
}

CLAIM_TESTS(test_the_second_instant, 3)
{
    const PyTime_t hour = 3600 * (PyTime_t)1000 * MS;
    PyTime_t took;
    if (_i == 0) {
        ck_assert_int_eq(handed_after(hour, 1 * MS, &took), 1);
    }
    else if (_i == 1) {
        ck_assert_int_eq(handed_after(-1, 1 * MS + GF_CROWD_NS, &took), 1);
    }
    else {
        int handed, tries = 0;
        do {                            /* until it was fast enough to be sure */
            handed = handed_after(-1, 1 * MS, &took);
        } while (took >= 1 * MS + GF_CROWD_NS && GF_CROWD_NS > 0 && ++tries < 500);
        if (GF_CROWD_NS == 0 || took < 1 * MS + GF_CROWD_NS) {      /* else it never was */
            ck_assert_int_eq(handed, GF_CROWD_NS == 0);
        }
    }
}
END_TEST
static void
lock_after_a_long_yield(struct fellow *me)
{
    long_yield.at = 3;
    long_yield.ns = 1 * MS + GF_CROWD_NS;
    lock_m(me);
}

static void
wake_in_vain(void *Py_UNUSED(arg), void *Py_UNUSED(park_arg), int Py_UNUSED(more))
{
    _Py_atomic_store_uint8(&m._bits, 1);    /* handed_off stays 0 */
}

CLAIM_TEST(test_a_spin_has_an_end)              /* is_past */
{
    struct fellow f = {.body = lock_after_a_long_yield, .attach = 1,
                       .number = _PY_LOCK_DETACH};
    m._bits = 1;
    start(&f);
    await_sleep(&f);
    _PyParkingLot_Unpark(&m._bits, wake_in_vain, NULL);
    UNTIL(_Py_atomic_load_uint8(&m._bits) == 3);
    UNTIL(!host_thread_is_attached(f.tstate));
    PyMutex_Unlock(&m);
    let_go(&f);
    ck_assert_int_le(yields_of_m, GF_CROWD_NS > 0 ? 3 : MOST_YIELDS);
}
END_TEST

#undef PyMutex_Lock
#undef PyMutex_Unlock
#undef PyMutex_IsLocked

static void
unlock_the_others(struct fellow *me)
{
    me->answer = PyMutex_IsLocked(&m);
    PyMutex_Unlock(&m);
}

CLAIM_TEST(test_exported_twins)
{
    struct fellow f = {.body = unlock_the_others};
    PyMutex_Lock(&m);
    ck_assert_uint_eq(m._bits, 1);
    start(&f);
    finish(&f);
    ck_assert_int_eq(f.answer, 1);
    ck_assert_int_eq(PyMutex_IsLocked(&m), 0);
    ck_assert_uint_eq(m._bits, 0);
}
END_TEST

