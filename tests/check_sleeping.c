// Claims a-wakeup-is-kept to whoever-forks of the book, chapters 7 and 8: sleeping, and letting go.
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/time.h>

#include "hash/pycore_pylifecycle.h"
#include "host/fileutils.h"
#include "pysync/pycore_parking_lot.h"
#include "pysync/pycore_semaphore.h"
#include "steps.h"
#include "support.h"
#include "threads.h"

static int system_error;        /* what the calls below fail with; 0: they work */

static int
our_sem_init(sem_t *sem, int pshared, unsigned int value)
{
    errno = system_error;
    return system_error ? -1 : sem_init(sem, pshared, value);
}

static int
our_sem_wait(sem_t *sem)
{
    errno = system_error;
    return system_error ? -1 : sem_wait(sem);
}

#define sem_init our_sem_init
#define sem_wait our_sem_wait
#include "own_lot.h"
#undef sem_init
#undef sem_wait

CLAIM_TEST(test_a_wakeup_is_kept)
{
    _PySemaphore s;
    _PySemaphore_Init(&s);
    for (int i = 0; i < 3; i++) {
        _PySemaphore_Wakeup(&s);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(_PySemaphore_Wait(&s, -1, 0), Py_PARK_OK);
    }
    ck_assert_int_eq(_PySemaphore_Wait(&s, 0, 0), Py_PARK_TIMEOUT);
    _PySemaphore_Wakeup(&s);
    ck_assert_int_eq(_PySemaphore_Wait(&s, 0, 0), Py_PARK_OK);
    _PySemaphore_Destroy(&s);
}
END_TEST
CLAIM_TEST(test_a_wait_is_never_too_short)
{
    static const PyTime_t timeouts[] = {0, 1, 1000, MS, 20 * MS};
    _PySemaphore s;
    _PySemaphore_Init(&s);
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        PyTime_t before = now();            /* sema_deadline counts from here */
        int res;
        do {
            res = _PySemaphore_Wait(&s, timeouts[i], 0);
        } while (res == Py_PARK_INTR);
        ck_assert_int_eq(res, Py_PARK_TIMEOUT);
        ck_assert_int_ge(now() - before, timeouts[i]);
    }
    _PySemaphore_Destroy(&s);
}
END_TEST
struct mail { _PySemaphore there, back; PyTime_t timeout; int letter; };

static void
wait_for(_PySemaphore *s, PyTime_t timeout)
{
    while (_PySemaphore_Wait(s, timeout, 0) != Py_PARK_OK) {
    }
}

static void
answer_letters(struct fellow *me)
{
    struct mail *mail = me->arg;
    for (int i = 0; i < 5000; i++) {
        wait_for(&mail->there, mail->timeout);
        mail->letter++;                     /* a plain int: TSan looks on */
        _PySemaphore_Wakeup(&mail->back);
    }
}

CLAIM_TESTS(test_a_wakeup_publishes, 2)
{
    struct mail mail = {.timeout = _i == 0 ? -1 : PyTime_MAX};
    struct fellow f = {.body = answer_letters, .arg = &mail};
    _PySemaphore_Init(&mail.there);
    _PySemaphore_Init(&mail.back);
    start(&f);
    for (int i = 0; i < 5000; i++) {
        mail.letter++;
        _PySemaphore_Wakeup(&mail.there);
        wait_for(&mail.back, mail.timeout);
        ck_assert_int_eq(mail.letter, 2 * (i + 1));
    }
    finish(&f);
    _PySemaphore_Destroy(&mail.there);
    _PySemaphore_Destroy(&mail.back);
}
END_TEST
struct nap { _PySemaphore s; PyTime_t timeout; };

static void
take_a_nap(struct fellow *me)
{
    struct nap *nap = me->arg;
    me->answer = _PySemaphore_Wait(&nap->s, nap->timeout, 0);
    reach(me, 1);
}

CLAIM_TESTS(test_a_signal_ends_the_wait, 2)
{
    struct nap nap = {.timeout = _i == 0 ? -1 : PyTime_MAX};
    struct fellow f = {.body = take_a_nap, .arg = &nap};
    on_signal(SIGUSR1, see_signal);
    _PySemaphore_Init(&nap.s);
    start(&f);
    while (!at(&f, 1)) {
        nudge(f.thread);
    }
    finish(&f);
    ck_assert_int_eq(f.answer, Py_PARK_INTR);
    _PySemaphore_Wakeup(&nap.s);
    ck_assert_int_eq(_PySemaphore_Wait(&nap.s, nap.timeout, 0), Py_PARK_OK);
    _PySemaphore_Destroy(&nap.s);
}
END_TEST
static void
doom_by_init(void)
{
    _PySemaphore s;
    system_error = ENOSPC;
    own_Semaphore_Init(&s);
}

static void
doom_by_wait(void)              /* in _PySemaphore_PlatformWait */
{
    _PySemaphore s;
    own_Semaphore_Init(&s);
    system_error = EINVAL;
    own_Semaphore_Wait(&s, -1, 0);
}

static void
doom_by_wakeup(void)
{
    _PySemaphore s;
    sem_init(&s.platform_sem, 0, SEM_VALUE_MAX);
    _PySemaphore_Wakeup(&s);
}

CLAIM_TEST(test_a_failing_system_is_fatal_sleeping)
{
    dies_saying(doom_by_init, "Fatal Python error: own_Semaphore_Init: "
                              "parking_lot: sem_init failed\n");
    dies_saying(doom_by_wait, "Fatal Python error: _PySemaphore_PlatformWait: "
                              "unexpected error from semaphore: 22\n");
    dies_saying(doom_by_wakeup, "Fatal Python error: _PySemaphore_Wakeup: "
                                "parking_lot: sem_post failed\n");
}
END_TEST

CLAIM_TEST(test_an_uncontended_raw_mutex_is_one_bit)
{
    _PyRawMutex m = {0};
    for (int i = 0; i < 3; i++) {
        _PyRawMutex_Lock(&m);
        ck_assert_uint_eq(m.v, _Py_LOCKED);
        _PyRawMutex_Unlock(&m);
        ck_assert_uint_eq(m.v, _Py_UNLOCKED);
    }
    _PyRawMutex_LockSlow(&m);               /* nor does the long way differ */
    ck_assert_uint_eq(m.v, _Py_LOCKED);
    _PyRawMutex_UnlockSlow(&m);
    ck_assert_uint_eq(m.v, _Py_UNLOCKED);
}
END_TEST
static struct { _PyRawMutex m; int order[8], n, inside; } raw;

static void
queue_for_raw(struct fellow *me)
{
    _PyRawMutex_Lock(&raw.m);
    raw.order[raw.n++] = me->number;
    _PyRawMutex_Unlock(&raw.m);
}

CLAIM_TEST(test_waiters_are_woken_newest_first)
{
    struct fellow f[8];
    _PyRawMutex_Lock(&raw.m);
    for (int i = 0; i < 8; i++) {
        uintptr_t before = _Py_atomic_load_uintptr(&raw.m.v);
        f[i] = (struct fellow){.body = queue_for_raw, .number = i};
        start(&f[i]);
        UNTIL(_Py_atomic_load_uintptr(&raw.m.v) != before);
    }
    _PyRawMutex_Unlock(&raw.m);
    for (int i = 0; i < 8; i++) {
        finish(&f[i]);
    }
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(raw.order[i], 7 - i);
    }
    ck_assert_uint_eq(raw.m.v, _Py_UNLOCKED);
}
END_TEST
struct record { struct record *next; _PySemaphore sema; };

CLAIM_TEST(test_an_unlock_does_not_hand_over)
{
    struct record older = {.next = NULL}, newer = {.next = &older};
    _PyRawMutex m = {(uintptr_t)&newer | _Py_LOCKED};
    _PySemaphore_Init(&newer.sema);
    _PyRawMutex_Unlock(&m);
    ck_assert_uint_eq(m.v, (uintptr_t)&older);      /* free, one waits */
    ck_assert_int_eq(_PySemaphore_Wait(&newer.sema, 0, 0), Py_PARK_OK);

    _PyRawMutex_Lock(&m);                           /* so anyone may barge */
    ck_assert_uint_eq(m.v, (uintptr_t)&older | _Py_LOCKED);
    _PySemaphore_Init(&older.sema);
    _PyRawMutex_Unlock(&m);
    ck_assert_uint_eq(m.v, _Py_UNLOCKED);
    ck_assert_int_eq(_PySemaphore_Wait(&older.sema, 0, 0), Py_PARK_OK);
    _PySemaphore_Destroy(&older.sema);
    _PySemaphore_Destroy(&newer.sema);
}
END_TEST
static void
doom_by_unlock(void)
{
    _PyRawMutex m = {_Py_UNLOCKED};
    _PyRawMutex_Unlock(&m);
}

static void
doom_by_unlock_with_a_waiter(void)
{
    struct record waiter = {.next = NULL};
    _PyRawMutex m = {(uintptr_t)&waiter};
    _PyRawMutex_Unlock(&m);
}

CLAIM_TEST(test_unlocking_a_free_one_is_fatal_sleeping)
{
    const char *text = "Fatal Python error: _PyRawMutex_UnlockSlow: "
                       "unlocking mutex that is not locked\n";
    dies_saying(doom_by_unlock, text);
    dies_saying(doom_by_unlock_with_a_waiter, text);
}
END_TEST
static void
lock_raw_and_look(struct fellow *me)
{
    _PyRawMutex_Lock(&raw.m);
    me->answer = (long)_Py_atomic_load_uintptr(&raw.m.v);
    reach(me, 1);
    UNTIL(at(me, 2));
    _PyRawMutex_Unlock(&raw.m);
}

CLAIM_TEST(test_a_signal_leaves_the_record_in_its_place)
{
    struct fellow f = {.body = lock_raw_and_look};
    on_signal(SIGUSR1, see_signal);
    _PyRawMutex_Lock(&raw.m);
    start(&f);
    UNTIL(_Py_atomic_load_uintptr(&raw.m.v) != _Py_LOCKED);
    pester(f.thread, 200);
    struct record *r = (struct record *)(_Py_atomic_load_uintptr(&raw.m.v) - 1);
    ck_assert_ptr_eq(r->next, NULL);
    _PyRawMutex_Unlock(&raw.m);
    UNTIL(at(&f, 1));
    reach(&f, 2);
    finish(&f);
    ck_assert_int_eq(f.answer, _Py_LOCKED);         /* and no address */
    ck_assert_uint_eq(raw.m.v, _Py_UNLOCKED);
}
END_TEST
CLAIM_TEST(test_no_waiter_leaves_before_its_wakeup)
{
    struct fellow f = {.body = lock_raw_and_look};
    on_signal(SIGUSR1, see_signal);
    _PyRawMutex_Lock(&raw.m);
    start(&f);
    UNTIL(_Py_atomic_load_uintptr(&raw.m.v) != _Py_LOCKED);
    struct record *r = (struct record *)(_Py_atomic_load_uintptr(&raw.m.v) - 1);
    _Py_atomic_store_uintptr(&raw.m.v, (uintptr_t)r->next);
    pester(f.thread, 200);
    ck_assert(!at(&f, 1));
    _PySemaphore_Wakeup(&r->sema);
    UNTIL(at(&f, 1));
    reach(&f, 2);
    finish(&f);
    ck_assert_uint_eq(raw.m.v, _Py_UNLOCKED);
}
END_TEST
static void
count_under_raw(struct fellow *me)
{
    long *counter = me->arg;
    for (int i = 0; i < me->number; i++) {
        _PyRawMutex_Lock(&raw.m);
        me->answer += raw.inside++ != 0;
        ++*counter;
        raw.inside--;
        _PyRawMutex_Unlock(&raw.m);
    }
    reach(me, 1);
}

CLAIM_TESTS(test_never_two_inside_sleeping, 4)
{
    static const int crowd[] = {2, 4, 16, 64};
    int n = crowd[_i];
    struct fellow f[64];
    long counter = 0, broken = 0;
    on_signal(SIGUSR1, see_signal);
    _PyRawMutex_Lock(&raw.m);               /* so that they begin as a chain */
    for (int i = 0; i < n; i++) {
        f[i] = (struct fellow){
            .body = count_under_raw, .arg = &counter, .number = 256000 / n};
        start(&f[i]);
    }
    _PyRawMutex_Unlock(&raw.m);
    for (int i = 0; i < n; i++) {
        while (!at(&f[i], 1)) {
            nudge(f[i].thread);
        }
        finish(&f[i]);
        broken += f[i].answer;
    }
    ck_assert_int_eq(broken, 0);
    ck_assert_int_eq(counter, 256000 / n * n);
    ck_assert_uint_eq(raw.m.v, _Py_UNLOCKED);
}
END_TEST

static struct { long counter; int inside; } hall;

static void
come_and_go(struct fellow *me)
{
#ifndef Py_GIL_DISABLED
    for (int i = 0; i < 20000; i++) {
        PyEval_RestoreThread(PyEval_SaveThread());  /* host_gil_drop, _take */
        hall.counter++;                     /* the GIL guards it */
        me->answer++;
    }
#else
    _Py_atomic_add_int(&hall.inside, 1);    /* and none leaves before all came */
    UNTIL(_Py_atomic_load_int(&hall.inside) == 4);
    me->answer = 20000 * host_thread_is_attached(_PyThreadState_GET());
#endif
}

CLAIM_TEST(test_one_at_a_time_or_as_many_as_like)
{
    struct fellow f[4];
    for (int i = 0; i < 4; i++) {
        f[i] = (struct fellow){.body = come_and_go, .attach = 1};
        start(&f[i]);
    }
    for (int i = 0; i < 4; i++) {
        finish(&f[i]);
        ck_assert_int_eq(f[i].answer, 20000);
    }
#ifndef Py_GIL_DISABLED
    ck_assert_int_eq(hall.counter, 4 * 20000);
#endif
}
END_TEST
static void doom_by_none(void) { PyEval_AcquireThread(NULL); }
static void doom_by_nothing(void) { PyEval_SaveThread(); }
static void doom_by_oom(void) { oom_arm(1, 0); host_thread_enter(); }

static void
doom_by_two(void)
{
    host_thread_enter();
    PyEval_AcquireThread(host_thread_new());
}

static void
doom_by_taken(void)
{
    PyThreadState taken = {.state = _Py_THREAD_ATTACHED};
    PyEval_AcquireThread(&taken);           /* tstate_wait_attach sees it */
}

static void
doom_by_another(void)
{
    host_thread_enter();
    PyEval_ReleaseThread(host_thread_new());
}

CLAIM_TEST(test_attaching_has_rules)
{
    dies_saying(doom_by_none, "Fatal Python error: _PyThreadState_Attach: "
                              "no thread state to attach\n");
    dies_saying(doom_by_two, "Fatal Python error: _PyThreadState_Attach: "
                             "non-NULL old thread state\n");
    dies_saying(doom_by_taken, "Fatal Python error: tstate_wait_attach: "
                               "thread state is attached already\n");
    const char *text = "Fatal Python error: _PyThreadState_Detach: "
                       "detaching what is not this thread's state\n";
    dies_saying(doom_by_nothing, text);
    dies_saying(doom_by_another, text);
    dies_saying(doom_by_oom, "Fatal Python error: host_thread_enter: "
                             "no memory for a thread state\n");
}
END_TEST
static void
go_out_and_in(struct fellow *me)
{
    reach(me, 1);
    UNTIL(at(me, 2));
    PyEval_SaveThread();
    reach(me, 3);
    UNTIL(at(me, 4));
    errno = ENOSPC;
    PyEval_AcquireThread(me->tstate);
    me->answer = host_thread_is_attached(me->tstate) && errno == ENOSPC;
    reach(me, 5);
}

CLAIM_TEST(test_a_thread_can_be_held_back)
{
    struct fellow f = {.body = go_out_and_in, .attach = 1};
    start(&f);
    UNTIL(at(&f, 1));
    ck_assert_int_eq(host_thread_suspend(f.tstate), 0);
    reach(&f, 2);
    UNTIL(at(&f, 3));
    on_signal(SIGUSR1, see_signal);
    ck_assert_int_eq(host_thread_suspend(f.tstate), 1);
    ck_assert_int_eq(host_thread_suspend(f.tstate), 0);     /* it is already */
    reach(&f, 4);
    for (int i = 0; i < 1000; i++) {
        nudge(f.thread);                    /* the sleep ends with EINTR */
        ck_assert(!at(&f, 5));
    }
    host_thread_enter();                    /* it does not sit on the GIL either */
    host_thread_leave();
    host_thread_resume(f.tstate);
    finish(&f);
    ck_assert_int_eq(f.answer, 1);
}
END_TEST
static int file_call;

static void
call_detached(void)
{
    struct _Py_stat_struct st;
    char buf[16];
    switch (file_call) {
    case 0: _Py_open("/dev/null", O_RDONLY); break;
    case 1: _Py_fstat(0, &st); break;
    case 2: _Py_read(-1, buf, 1); break;
    case 3: _PyOS_URandom(buf, sizeof buf); break;
    case 4: _PyOS_URandomNonblock(buf, sizeof buf); break;
    default: PyEval_SaveThread();
    }
}

CLAIM_TEST(test_who_lets_go_must_be_attached)
{
    for (file_call = 0; file_call < 6; file_call++) {
        dies_saying(call_detached, "Fatal Python error: _PyThreadState_Detach: "
                                   "detaching what is not this thread's state\n");
    }
    PyThreadState *mine = host_thread_enter();
    for (file_call = 0; file_call < 5; file_call++) {
        call_detached();
        ck_assert_ptr_eq(_PyThreadState_GET(), mine);
        ck_assert(host_thread_is_attached(mine));
    }
    PyErr_Clear();                          /* of _Py_read(-1) */
    host_thread_leave();
}
END_TEST
static void
fill_the_pipe(struct fellow *me)            /* attached */
{
    me->answer = (int)write(me->number, "x", 1);
}

CLAIM_TEST(test_a_read_lets_others_attach)
{
    int ends[2];
    char x = 0;
    ck_assert_int_eq(pipe(ends), 0);
    PyThreadState *mine = host_thread_enter();
    struct fellow f = {.body = fill_the_pipe, .number = ends[1], .attach = 1};
    start(&f);
    ck_assert_int_eq(_Py_read(ends[0], &x, 1), 1);  /* attached, it would hang */
    ck_assert_int_eq(x, 'x');
    ck_assert_ptr_eq(_PyThreadState_GET(), mine);
    host_thread_leave();
    finish(&f);
    close(ends[0]);
    close(ends[1]);
}
END_TEST
static void
wake_when_attached(struct fellow *me)       /* attached: the GIL was free */
{
    _PySemaphore_Wakeup(me->arg);
}

CLAIM_TEST(test_a_wait_lets_go_and_comes_back)
{
    _PySemaphore s;
    struct fellow f = {.body = wake_when_attached, .arg = &s, .attach = 1};
    _PySemaphore_Init(&s);
    PyThreadState *mine = host_thread_enter();
    start(&f);                              /* detach_if_attached, then attach: */
    ck_assert_int_eq(_PySemaphore_Wait(&s, -1, /*detach=*/1), Py_PARK_OK);
    ck_assert_ptr_eq(_PyThreadState_GET(), mine);
    ck_assert(host_thread_is_attached(mine));
    PyEval_SaveThread();
    finish(&f);
    _PySemaphore_Wakeup(&s);
    ck_assert_int_eq(_PySemaphore_Wait(&s, -1, /*detach=*/1), Py_PARK_OK);
    ck_assert_ptr_eq(_PyThreadState_GET(), NULL);
    _Py_tss_tstate = mine;                      /* half-way in, as in attaching */
    _PySemaphore_Wakeup(&s);
    ck_assert_int_eq(_PySemaphore_Wait(&s, -1, /*detach=*/1), Py_PARK_OK);
    ck_assert_ptr_eq(_PyThreadState_GET(), mine);
    ck_assert_int_eq(*host_critical_section(mine), 0);
    _Py_tss_tstate = NULL;
    host_thread_delete(mine);
    _PySemaphore_Destroy(&s);
}
END_TEST

static int called[64], n_called;

static int
note_call(void *arg)
{
    called[n_called++] = (int)(intptr_t)arg;
    ck_assert_int_eq(Py_MakePendingCalls(), 0);     /* does nothing in here */
    return arg == (void *)7 ? -1 : 0;
}

static void
make_calls_elsewhere(struct fellow *me)
{
    me->answer = Py_MakePendingCalls() | _PyEval_MakePendingCalls(_PyThreadState_GET());
}

CLAIM_TEST(test_pending_calls_are_the_main_threads)
{
    struct fellow f = {.body = make_calls_elsewhere};
    for (intptr_t i = 0; i < 32; i++) {
        ck_assert_int_eq(Py_AddPendingCall(note_call, (void *)i), 0);
    }
    ck_assert_int_eq(Py_AddPendingCall(note_call, NULL), -1);
    start(&f);
    finish(&f);
    ck_assert_int_eq(f.answer, 0);
    ck_assert_int_eq(n_called, 0);
    ck_assert_int_eq(Py_MakePendingCalls(), -1);    /* number 7 fails */
    ck_assert_int_eq(n_called, 8);
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(n_called, 32);
    for (int i = 0; i < 32; i++) {
        ck_assert_int_eq(called[i], i);             /* make_one_pending_call */
    }
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(n_called, 32);
}
END_TEST
static int
add_itself(void *arg)
{
    n_called++;
    return Py_AddPendingCall(add_itself, arg);
}

CLAIM_TEST(test_a_round_has_an_end)
{
    ck_assert_int_eq(Py_AddPendingCall(add_itself, NULL), 0);
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(n_called, 32);
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(n_called, 64);
}
END_TEST
static int added, made;

static int
count_call(void *Py_UNUSED(arg))
{
    made++;
    return 0;
}

static void
add_on_signal(int Py_UNUSED(signum))        /* lock_pending, unlock_pending */
{
    added += Py_AddPendingCall(count_call, NULL) == 0;
    signals_seen++;
}

CLAIM_TEST(test_a_handler_may_add_a_call)
{
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    int added_here = 0;
    on_signal(SIGALRM, add_on_signal);
    setitimer(ITIMER_REAL, &often, NULL);
    while (*(volatile int *)&signals_seen < 100) {
        added_here += Py_AddPendingCall(count_call, NULL) == 0;
        ck_assert_int_eq(Py_MakePendingCalls(), 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(made, added + added_here);
}
END_TEST

static void
add_many(struct fellow *me)
{
    for (int i = 0; i < 200000; i++) {
        me->answer += Py_AddPendingCall(count_call, NULL) == 0;
    }
    reach(me, 1);
}

CLAIM_TEST(test_every_thread_may_add_a_call)
{
    struct fellow f[2] = {{.body = add_many}, {.body = add_many}};
    start(&f[0]);
    start(&f[1]);
    while (!at(&f[0], 1) || !at(&f[1], 1)) {
        ck_assert_int_eq(Py_MakePendingCalls(), 0);
    }
    finish(&f[0]);
    finish(&f[1]);
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(made, f[0].answer + f[1].answer);
}
END_TEST

static int
live_on(void *tstate)
{
    PyOS_AfterFork_Child();
    if (tstate == NULL) {
        host_thread_enter();
    }
    else if (_PyThreadState_GET() != tstate) {
        return 1;
    }
    host_thread_leave();
    return Py_AddPendingCall(count_call, NULL) != 0
           || Py_MakePendingCalls() != 0 || made != 1;
}

static void
sit_on_the_gil(struct fellow *me)
{
    reach(me, 1);
    UNTIL(at(me, 2));
}

CLAIM_TEST(test_a_child_starts_with_a_clean_house)
{
    struct fellow f = {.body = sit_on_the_gil, .attach = 1};
    start(&f);
    UNTIL(at(&f, 1));
    in_a_child(live_on, NULL);              /* an attached thread is left behind */
    reach(&f, 2);
    finish(&f);
    in_a_child(live_on, host_thread_enter());
    host_thread_leave();

    PyOS_AfterFork_Child();                 /* and here, too, it does no harm */
    host_gil_take();
    host_gil_drop();
}
END_TEST
#if !defined(Py_GIL_DISABLED) && !UNDER_TSAN    /* which lets no child start a thread */
static int home;

static void
wait_for_the_gil(struct fellow *me)
{
    _Py_atomic_store_int(&me->number, gettid());
    host_thread_enter();
    reach(me, 1);
    UNTIL(_Py_atomic_load_int(&home));
    host_thread_leave();
}

static int
hand_the_gil_on(void *tstate)
{
    struct fellow f = {.body = wait_for_the_gil};
    PyOS_AfterFork_Child();
    PyEval_RestoreThread(tstate);
    home = 1;
    start(&f);
    until_asleep(&f.number);
    PyEval_SaveThread();
    finish(&f);
    return 0;
}
#endif

CLAIM_TEST(test_nobody_waits_for_the_gil_in_a_child)
{
#if !defined(Py_GIL_DISABLED) && !UNDER_TSAN
    struct fellow f[2] = {{.body = wait_for_the_gil}, {.body = wait_for_the_gil}};
    PyThreadState *mine = host_thread_enter();
    for (int i = 0; i < 2; i++) {
        start(&f[i]);
        until_asleep(&f[i].number);
    }
    PyEval_SaveThread();
    UNTIL(at(&f[0], 1) || at(&f[1], 1));
    in_a_child(hand_the_gil_on, mine);
    _Py_atomic_store_int(&home, 1);
    finish(&f[0]);
    finish(&f[1]);
    PyEval_RestoreThread(mine);
    host_thread_leave();
#endif
}
END_TEST
static struct { int next, made[10000], wrong; } ring;

static int
make_ringed(void *arg)
{
    int i = (int)(intptr_t)arg;
    ring.wrong += i >= ring.next + 1 || ring.made[i]++ != 0;
    return 0;
}

static void
add_ringed(void)
{
    Py_AddPendingCall(make_ringed, (void *)(intptr_t)ring.next);
    ring.next++;
}

static void
make_all(void)
{
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(ring.wrong, 0);
}

static int
make_all_here(void *Py_UNUSED(arg))
{
    PyOS_AfterFork_Child();
    return Py_MakePendingCalls() || ring.wrong;
}

CLAIM_TEST(test_no_call_is_made_twice)
{
    for (int i = 0; i < 40; i++) {          /* so that the ring has been round */
        add_ringed();
        make_all();
    }
    fork_at_every_step(add_ringed, make_all_here, make_all);
    ck_assert_int_eq(ring.made[ring.next - 1], 1);
}
END_TEST
static int
make_in_the_child(void *in_a_call)
{
    PyOS_AfterFork_Child();
    Py_AddPendingCall(count_call, NULL);
    return Py_MakePendingCalls() || made != (in_a_call == NULL);
}

static int
fork_inside(void *Py_UNUSED(arg))
{
    in_a_child(make_in_the_child, &made);
    return 0;
}

static void
fork_meanwhile(struct fellow *me)
{
    in_a_child(make_in_the_child, NULL);
    reach(me, 1);
}

static int
let_another_fork(void *f)
{
    start(f);
    finish(f);
    return 0;
}

CLAIM_TESTS(test_who_was_making_calls, 2)
{
    struct fellow f = {.body = fork_meanwhile};
    ck_assert_int_eq(Py_AddPendingCall(_i ? let_another_fork : fork_inside, &f), 0);
    ck_assert_int_eq(Py_MakePendingCalls(), 0);
    ck_assert_int_eq(at(&f, 1), _i);
    ck_assert_int_eq(made, 0);
}
END_TEST
static int inside, over;

static void
come_and_go_in_the_head(struct fellow *Py_UNUSED(me))
{
    while (!_Py_atomic_load_int(&over)) {
        host_head_lock();
        _Py_atomic_store_int(&inside, 1);
        sched_yield();
        _Py_atomic_store_int(&inside, 0);
        host_head_unlock();
    }
}

static int
look_inside(void *by_hand)
{
    int cut = _Py_atomic_load_int(&inside);
    if (by_hand != NULL) {
        PyOS_AfterFork_Child();
    }
    host_head_lock();
    host_head_unlock();
    return cut;
}

CLAIM_TESTS(test_a_fork_waits_for_the_lock, 2)
{
    struct fellow f = {.body = come_and_go_in_the_head};
    if (_i) {
        pthread_atfork(PyOS_BeforeFork, PyOS_AfterFork_Parent, PyOS_AfterFork_Child);
    }
    inside = over = 0;
    start(&f);
    for (int i = 0; i < 50; i++) {
        if (_i) {
            in_a_child(look_inside, NULL);
            continue;
        }
        PyOS_BeforeFork();
        in_a_child(look_inside, &f);        /* the parent waits for it, lock in hand */
        PyOS_AfterFork_Parent();
    }
    _Py_atomic_store_int(&over, 1);
    finish(&f);
    host_head_lock();
    host_head_unlock();
}
END_TEST
static void
sit_in_the_head(struct fellow *me)
{
    host_head_lock();
    reach(me, 1);
    UNTIL(at(me, 2));
    host_head_unlock();
}

static int
take_the_head(void *Py_UNUSED(arg))
{
    PyOS_AfterFork_Child();                 /* _PyEval_ReInitThreads among others */
    PyOS_BeforeFork();
    PyOS_AfterFork_Parent();
    return 0;
}

CLAIM_TEST(test_whoever_forks)
{
    struct fellow f = {.body = sit_in_the_head};
    start(&f);
    UNTIL(at(&f, 1));
    in_a_child(take_the_head, NULL);        /* _PyRuntimeState_ReInitThreads */
    reach(&f, 2);
    finish(&f);
}
END_TEST

