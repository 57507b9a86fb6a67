// Claims of the book, chapters 6, 18 and 20: threads, their handles, storage of their own.
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/ceval.h"
#include "host/pyerrors.h"
#include "host/threads.h"
#include "pythread/pycore_pythread.h"
#include "pythread/thread_handle.h"
#include "support.h"
#include "thread_tools.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct report {
    const char *told, *heard;
    PyThread_ident_t ident;
    unsigned long short_ident, native;
    int runs, meet, attached, has_task;
};

static void
make_report(void *arg)
{
    struct report *r = arg;
    char path[64];
    r->ident = PyThread_get_thread_ident_ex();
    r->short_ident = PyThread_get_thread_ident();
    r->native = PyThread_get_thread_native_id();
    r->heard = r->told;
    r->attached = _PyThreadState_GET() != NULL;
    snprintf(path, sizeof path, "/proc/self/task/%lu", r->native);
    r->has_task = access(path, F_OK) == 0;
    r->runs++;
    if (r->meet) {
        meet();
    }
}

static void count_up(void *arg) { _Py_atomic_add_int(arg, 1); }

struct stack { char *low, *here; size_t size, touched; };

static void
measure_stack(void *arg)
{
    struct stack *s = arg;
    pthread_attr_t attrs;
    void *low;
    ck_assert_int_eq(pthread_getattr_np(pthread_self(), &attrs), 0);
    ck_assert_int_eq(pthread_attr_getstack(&attrs, &low, &s->size), 0);
    pthread_attr_destroy(&attrs);
    s->low = low;
    s->here = __builtin_frame_address(0);
}

/* Go down from here to the last two pages, and write to each on the way. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static void
touch_stack(void *arg)
{
    struct stack *s = arg;
    measure_stack(s);
    s->touched = (size_t)((char *)__builtin_frame_address(0) - s->low) - 8192;
    volatile char *all = __builtin_alloca(s->touched);
    for (size_t i = s->touched; i > 0; i -= i < 4096 ? i : 4096) {
        all[i - 1] = 1;
    }
}

static PyThread_handle_t crowd_handles[64];

static void
crowd_waits(int n, int *args)
{
    PyThread_ident_t ident;
    gate_close();
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(PyThread_start_joinable_thread(
            pass_gate, &args[i], &ident, &crowd_handles[i]), 0);
    }
    gate_crowded(n);
}

static void
crowd_goes(int n)
{
    gate_open();
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(PyThread_join_thread(crowd_handles[i]), 0);
    }
}
CLAIM_TEST(test_a_thread_runs_its_function_once)
{
    struct report r = {.told = "before"};
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    ck_assert_int_eq(PyThread_start_joinable_thread(make_report, &r, &ident, &handle), 0);
    ck_assert_int_eq(PyThread_join_thread(handle), 0);
    ck_assert_int_eq(r.runs, 1);
    ck_assert_str_eq(r.heard, "before");            /* plain fields, both ways */
    ck_assert_uint_ne(r.native, PyThread_get_thread_native_id());
}
END_TEST
CLAIM_TEST(test_the_ident_is_the_same_on_both_sides)
{
    enum { N = 20 };
    struct report r[N] = {0};
    PyThread_ident_t ident[N];
    PyThread_handle_t handle[N];
    meet_open(N);
    for (int i = 0; i < N; i++) {
        r[i].meet = 1;                              /* all are alive together */
        ck_assert_int_eq(
            PyThread_start_joinable_thread(make_report, &r[i], &ident[i], &handle[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(PyThread_join_thread(handle[i]), 0);
        ck_assert_uint_eq(r[i].ident, ident[i]);    /* _pthread_t_to_ident */
        ck_assert_uint_eq(r[i].short_ident, (unsigned long)ident[i]);
        for (int j = 0; j < i; j++) {
            ck_assert_uint_ne(r[i].ident, r[j].ident);
            ck_assert_uint_ne(r[i].native, r[j].native);
        }
    }
}
END_TEST
CLAIM_TEST(test_ten_thousand_starts_and_joins)
{
    enum { CROWD = 100 };
    PyThread_ident_t ident;
    PyThread_handle_t handle[CROWD];
    int count = 0;
    long before = live_blocks();
    for (int crowd = 0; crowd < 10000; crowd += crowd < 5000 ? 1 : CROWD) {
        int n = crowd < 5000 ? 1 : CROWD;
        for (int i = 0; i < n; i++) {
            ck_assert_int_eq(
                PyThread_start_joinable_thread(count_up, &count, &ident, &handle[i]), 0);
        }
        for (int i = 0; i < n; i++) {
            ck_assert_int_eq(PyThread_join_thread(handle[i]), 0);
        }
    }
    ck_assert_int_eq(count, 10000);
    ck_assert_int_eq(live_blocks(), before);
    wait_for_tasks();
}
END_TEST
CLAIM_TEST(test_a_detached_thread_cleans_up)
{
    int count = 0;
    long before = live_blocks();
    for (int i = 0; i < 2000; i++) {
        ck_assert_uint_ne(PyThread_start_new_thread(count_up, &count),
                          PYTHREAD_INVALID_THREAD_ID);
    }
    wait_for_count(&count, 2000);
    wait_for_tasks();
    ck_assert_int_eq(_Py_atomic_load_int(&count), 2000);
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST
CLAIM_TEST(test_detach_races_with_the_end)
{
    int count = 0;
    for (int i = 0; i < 2000; i++) {
        PyThread_ident_t ident;
        PyThread_handle_t handle;
        ck_assert_int_eq(PyThread_start_joinable_thread(count_up, &count, &ident, &handle), 0);
        if (i % 3 == 1) {
            sched_yield();                          /* perhaps it ends now */
        }
        while (i % 3 == 2 && _Py_atomic_load_int(&count) <= i) {
            sched_yield();                          /* it is about to */
        }
        ck_assert_int_eq(PyThread_detach_thread(handle), 0);
    }
    wait_for_count(&count, 2000);
    wait_for_tasks();
    ck_assert_int_eq(_Py_atomic_load_int(&count), 2000);
}
END_TEST
CLAIM_TEST(test_the_native_id_is_the_kernels)
{
    struct report r = {0};
    unsigned long ident = PyThread_get_thread_ident();
    ck_assert_uint_eq(PyThread_get_thread_native_id(), (unsigned long)getpid());
    ck_assert_uint_eq(ident, (unsigned long)pthread_self());
    ck_assert_uint_ne(ident, 0);
    run_and_join(make_report, &r);
    ck_assert_int_eq(r.has_task, 1);

    in_child {
        leave(PyThread_get_thread_native_id() == (unsigned long)getpid()
              && PyThread_get_thread_ident() == ident);
    }
}
END_TEST
static void
leave_from_depth(int depth, int *steps)
{
    void (*volatile end)(void) = PyThread_exit_thread;      /* "noreturn" is hidden */
    *steps += 1;
    if (depth > 0) {
        leave_from_depth(depth - 1, steps);
    }
    else {
        end();
    }
    *steps = -1;                                    /* never */
}

static void
leave_early(void *arg)
{
    leave_from_depth(10, arg);
}

CLAIM_TEST(test_exit_ends_one_thread)
{
    int steps = 0;
    run_and_join(leave_early, &steps);
    ck_assert_int_eq(steps, 11);
}
END_TEST
CLAIM_TEST(test_exit_first_of_all_ends_the_process)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        host_threads()->initialized = 0;            /* as if never used */
        PyThread_exit_thread();
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST
static int hanging, hung_up;

static void
hang(void *Py_UNUSED(arg))
{
    void (*volatile never)(void) = PyThread_hang_thread;    /* "noreturn" is hidden */
    _Py_atomic_store_int(&hanging, 1);
    never();
    _Py_atomic_store_int(&hung_up, 1);
}

CLAIM_TEST(test_a_hanging_thread_stays)
{
    struct sigaction action = {.sa_handler = see_signal};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t th = (pthread_t)PyThread_start_new_thread(hang, NULL);
    while (_Py_atomic_load_int(&hanging) == 0 || _Py_atomic_load_int(&signals_seen) < 100) {
        if (_Py_atomic_load_int(&hanging)) {
            nudge(th);
        }
        sched_yield();
    }
    ck_assert_int_eq(_Py_atomic_load_int(&hung_up), 0);
}
END_TEST
CLAIM_TEST(test_the_default_is_the_systems)
{
    pthread_attr_t attrs;
    size_t given;
    struct stack s = {0};
    pthread_getattr_default_np(&attrs);
    pthread_attr_getstacksize(&attrs, &given);
    pthread_attr_destroy(&attrs);

    attach_here();
    ck_assert_uint_eq(PyThread_get_stacksize(), 0);
    run_and_join(measure_stack, &s);
    ck_assert_uint_ge(s.size, given - 64);
    ck_assert_uint_lt(s.size, given + 4096);
    detach_here();
}
END_TEST
CLAIM_TEST(test_the_edges_of_the_stack_size)
{
    long systems = sysconf(_SC_THREAD_STACK_MIN);
    size_t least = systems > 32768 ? (size_t)systems : 32768;
    size_t too_small[] = {1, 4096, 16384, least - 1}, good[] = {
        least, least + 1, 100000, (size_t)1 << 20, (size_t)1 << 40, SIZE_MAX};
    attach_here();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_int_eq(PyThread_set_stacksize(good[i]), 0);   /* host_set_stacksize */
        ck_assert_uint_eq(PyThread_get_stacksize(), good[i]);   /* host_stacksize */
        for (size_t j = 0; j < sizeof too_small / sizeof *too_small; j++) {
            ck_assert_int_eq(PyThread_set_stacksize(too_small[j]), -1);
            ck_assert_uint_eq(PyThread_get_stacksize(), good[i]);
        }
    }
    ck_assert_int_eq(PyThread_set_stacksize(0), 0);
    ck_assert_uint_eq(PyThread_get_stacksize(), 0);
    detach_here();
}
END_TEST
CLAIM_TESTS(test_the_stack_is_as_large_as_was_set, 4)
{
    static const size_t sizes[] = {
        128 * 1024, 1000 * 1000, 2 * 1024 * 1024, 64 * 1024 * 1024};
    struct stack s = {0};
    attach_here();
    ck_assert_int_eq(PyThread_set_stacksize(sizes[_i]), 0);
    run_and_join(measure_stack, &s);                /* ask_for_stack */
    ck_assert_uint_ge(s.size, sizes[_i] - 64);      /* rounded down to 64 */
    if (!under_tsan) {                              /* which asks for more */
        ck_assert_uint_lt(s.size, sizes[_i] + 4096);
    }
    ck_assert(s.low <= s.here && s.here < s.low + s.size);
    run_and_join(touch_stack, &s);
    ck_assert_uint_ge(s.touched + 64 * 1024 + (under_tsan ? s.size : 0), sizes[_i]);
    detach_here();
}
END_TEST
CLAIM_TEST(test_an_absurd_size_refuses_every_start)
{
    struct stack s = {0};
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    attach_here();
    ck_assert_int_eq(PyThread_set_stacksize((size_t)1 << 46), 0);
    ck_assert_int_eq(PyThread_start_joinable_thread(measure_stack, &s, &ident, &handle), -1);
    ck_assert_uint_eq(PyThread_start_new_thread(measure_stack, &s), PYTHREAD_INVALID_THREAD_ID);
    PyThreadState *mine = PyEval_SaveThread();
    run_and_join(measure_stack, &s);                /* not attached: it starts */
    PyEval_RestoreThread(mine);
    ck_assert_int_eq(PyThread_set_stacksize(0), 0);
    run_and_join(measure_stack, &s);
    detach_here();
}
END_TEST

static void get_unattached(void) { PyThread_get_stacksize(); }
static void set_unattached(void) { PyThread_set_stacksize(0); }
CLAIM_TEST(test_no_thread_state_no_stack_size)
{
    /* must_be_attached */
    dies_saying(get_unattached, "Fatal Python error: PyThread_get_stacksize: "
                "the calling thread is not attached: it has no interpreter\n");
    dies_saying(set_unattached, "Fatal Python error: PyThread_set_stacksize: "
                "the calling thread is not attached: it has no interpreter\n");
}
END_TEST
CLAIM_TEST(test_in_the_wrong_order)
{
    int count = 0;
    attach_here();
    ThreadHandle *h = ThreadHandle_new();
    ck_assert_int_eq(ThreadHandle_join(h, -1), -1);     /* check_started */
    ck_assert_str_eq(host_error_text(), "thread not started");
    ck_assert_int_eq(ThreadHandle_set_done(h), -1);     /* get_thread_handle_state */
    ck_assert_str_eq(host_error_text(), "thread not started");
    for (int i = 0; i < 2; i++) {
        PyErr_Clear();
        ck_assert_int_eq(ThreadHandle_start(h, count_up, &count), i == 0 ? 0 : -1);
        ck_assert_int_eq(ThreadHandle_join(h, -1), 0);
        ck_assert_int_eq(count, 1);
    }
    ck_assert_str_eq(host_error_text(), "thread already started");
    ThreadHandle_decref(h);
    detach_here();
}
END_TEST
CLAIM_TESTS(test_a_failed_start_is_done, 2)
{
    int fired = 1, count = 0;
    attach_here();
    long before = live_blocks();
    for (long n = 1; fired; n++) {
        oom_arm(n, _i);
        ThreadHandle *h = ThreadHandle_new();
        int status = h != NULL ? ThreadHandle_start(h, count_up, &count) : -1;
        fired = oom_disarm();                       /* new_bootstate, and beneath */
        ck_assert_int_eq(status, fired ? -1 : 0);
        ck_assert_int_eq(PyErr_Occurred() != NULL, fired);
        PyErr_Clear();
        if (h != NULL) {
            ck_assert_int_eq(ThreadHandle_is_done(h) || !fired, 1);     /* force_done */
            ck_assert_int_eq(ThreadHandle_join(h, -1), 0);
            ck_assert_int_eq(h->state, THREAD_HANDLE_DONE);
            ThreadHandle_decref(h);
        }
        ck_assert_int_eq(live_blocks(), before);
    }
    ck_assert_int_eq(count, 1);
    detach_here();
}
END_TEST
CLAIM_TEST(test_no_memory_to_adopt)
{
    oom_arm(1, 0);
    ck_assert_ptr_null(ThreadHandle_adopt(12345));
    ck_assert_int_eq(oom_disarm(), 1);
    ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
}
END_TEST
CLAIM_TEST(test_a_refused_thread_is_done)
{
    int count = 0;
    attach_here();
    long before = live_blocks();
    ck_assert_int_eq(PyThread_set_stacksize((size_t)1 << 46), 0);  /* none can be had */
    ThreadHandle *h = ThreadHandle_new();
    ck_assert_int_eq(ThreadHandle_start(h, count_up, &count), -1);
    ck_assert_str_eq(host_error_text(), "can't start new thread");
    /* thread_bootstate_free gave the reference back */
    PyErr_Clear();
    ck_assert_int_eq(ThreadHandle_join(h, -1), 0);
    ck_assert_int_eq(ThreadHandle_set_done(h), 0);
    ck_assert_int_eq(ThreadHandle_start(h, count_up, &count), -1);
    ThreadHandle_decref(h);
    ck_assert_int_eq(PyThread_set_stacksize(0), 0);
    ck_assert_int_eq(live_blocks(), before);
    ck_assert_int_eq(count, 0);
    detach_here();
}
END_TEST
CLAIM_TEST(test_joined_twice)
{
    struct report r = {0};
    long before = live_blocks();
    attach_here();
    ThreadHandle *h = ThreadHandle_new();
    ck_assert_int_eq(h->state, THREAD_HANDLE_NOT_STARTED);
    ck_assert_uint_eq(ThreadHandle_ident(h), 0);
    ck_assert_int_eq(ThreadHandle_is_done(h), 0);
    ck_assert_int_eq(ThreadHandle_start(h, make_report, &r), 0);
    ck_assert_int_eq(h->state, THREAD_HANDLE_RUNNING);  /* claim_start, mark_running */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ThreadHandle_join(h, -1), 0);
        ck_assert_int_eq(h->state, THREAD_HANDLE_DONE); /* set_thread_handle_state */
        ck_assert_int_eq(r.runs, 1);
        ck_assert_uint_eq(r.ident, ThreadHandle_ident(h));
        ck_assert_int_eq(ThreadHandle_is_done(h), 1);
    }
    ck_assert_int_eq(r.attached, 1);                /* thread_run did that */
    ThreadHandle_decref(h);
    detach_here();
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST
static void
join_oneself(void *arg)
{
    struct self { ThreadHandle *handle; int answer, matches; } *s = arg;
    s->answer = ThreadHandle_join(s->handle, -1);
    s->matches = strcmp(host_error_text(), "Cannot join current thread") == 0;
}

CLAIM_TEST(test_a_thread_cannot_join_itself)
{
    attach_here();
    struct { ThreadHandle *handle; int answer, matches; } s = {ThreadHandle_new(), 0, 0};
    ck_assert_int_eq(ThreadHandle_start(s.handle, join_oneself, &s), 0);
    ck_assert_int_eq(ThreadHandle_join(s.handle, -1), 0);
    ck_assert_int_eq(s.answer, -1);
    ck_assert_int_eq(s.matches, 1);
    ThreadHandle_decref(s.handle);

    ThreadHandle *own = ThreadHandle_adopt(PyThread_get_thread_ident_ex());
    ck_assert_int_eq(ThreadHandle_join(own, -1), -1);
    ck_assert_str_eq(host_error_text(), "Cannot join current thread");
    PyErr_Clear();
    ck_assert_int_eq(ThreadHandle_set_done(own), 0);
    ck_assert_int_eq(ThreadHandle_join(own, -1), 0);    /* the event goes first */
    ThreadHandle_decref(own);
    detach_here();
}
END_TEST
static ThreadHandle *joined_by_all;

static void
join_it(void *result)
{
    meet();
    attach_here();
    int status = ThreadHandle_join(joined_by_all, -1);
    /* join_thread, ThreadHandle_get_os_handle: in one of the eight */
    *(int *)result = status == 0 && _Py_atomic_load_int(&joined_by_all->state) == 4;
    detach_here();
}

CLAIM_TEST(test_many_join_one)
{
    enum { N = 8 };
    for (int round = 0; round < 100; round++) {
        int good[N] = {0}, count = 0;
        attach_here();
        joined_by_all = ThreadHandle_new();
        ck_assert_int_eq(ThreadHandle_start(joined_by_all, count_up, &count), 0);
        detach_here();
        meet_open(N);
        run_crowd(N, join_it, good);
        for (int i = 0; i < N; i++) {
            ck_assert_int_eq(good[i], 1);
        }
        ck_assert_int_eq(count, 1);
        ThreadHandle_decref(joined_by_all);         /* needs no thread state */
    }
}
END_TEST
CLAIM_TEST(test_a_join_in_time)
{
    static const PyTime_t timeouts[] = {0, 1, 1000, 2000000};
    PyTime_t began, now;
    attach_here();
    ThreadHandle *h = ThreadHandle_new();
    gate_close();
    ck_assert_int_eq(ThreadHandle_start(h, pass_gate, NULL), 0);
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        PyTime_MonotonicRaw(&began);
        ck_assert_int_eq(ThreadHandle_join(h, timeouts[i]), 0);
        PyTime_MonotonicRaw(&now);
        ck_assert_int_ge(now - began, timeouts[i]);
        ck_assert_int_eq(ThreadHandle_is_done(h), 0);
        ck_assert_int_eq(h->state, THREAD_HANDLE_RUNNING);
    }
    gate_open();
    ck_assert_int_eq(ThreadHandle_join(h, PyTime_MAX), 0);
    ck_assert_int_eq(h->state, THREAD_HANDLE_DONE);
    ThreadHandle_decref(h);
    detach_here();
}
END_TEST
static int
fail_the_third_time(void *calls)
{
    if (++*(int *)calls < 3) {
        return 0;
    }
    PyErr_SetString(PyExc_OSError, "interrupted");
    return -1;
}

CLAIM_TESTS(test_a_join_is_interrupted, 2)
{
    int calls = 0;
    attach_here();
    ThreadHandle *h = ThreadHandle_new();
    gate_close();
    ck_assert_int_eq(ThreadHandle_start(h, pass_gate, NULL), 0);
    pester_begin(fail_the_third_time, &calls);
    ck_assert_int_eq(ThreadHandle_join(h, _i ? -1 : PyTime_MAX), -1);
    pester_end();
    ck_assert_str_eq(host_error_text(), "interrupted");
    ck_assert_int_eq(calls, 3);
    PyErr_Clear();
    gate_open();
    ck_assert_int_eq(ThreadHandle_join(h, -1), 0);
    ThreadHandle_decref(h);
    detach_here();
}
END_TEST
CLAIM_TEST(test_dropped_while_it_runs)
{
    int count = 0;
    long before = live_blocks();
    attach_here();
    for (int i = 0; i < 500; i++) {
        ThreadHandle *h = ThreadHandle_new();
        ck_assert_int_eq(ThreadHandle_start(h, count_up, &count), 0);
        ThreadHandle_incref(h);
        ThreadHandle_decref(h);                     /* not the last: nothing happens */
        if (i % 2) {                                /* set_done; else detach_thread */
            ck_assert_int_eq(ThreadHandle_set_done(h) - ThreadHandle_is_done(h), -1);
            ck_assert_int_eq(ThreadHandle_join(h, -1), 0);
        }
        ThreadHandle_decref(h);
    }
    detach_here();
    while (live_blocks() != before) {               /* the last thread drops the last */
        sched_yield();
    }
    wait_for_tasks();
    ck_assert_int_eq(_Py_atomic_load_int(&count), 500);
    ck_assert(llist_empty(&host_threads()->handles));
}
END_TEST
CLAIM_TEST(test_handles_after_a_fork)
{
    int count = 0;
    attach_here();
    ThreadHandle *other = ThreadHandle_new(), *later = ThreadHandle_new();
    ThreadHandle *own = ThreadHandle_adopt(PyThread_get_thread_ident_ex());
    gate_close();
    ck_assert_int_eq(ThreadHandle_start(other, pass_gate, NULL), 0);
    PyThreadState *mine = PyEval_SaveThread();
    gate_crowded(1);                                /* it is there, and waits */
    PyEval_RestoreThread(mine);
    PyOS_BeforeFork();
    in_child {
        PyOS_AfterFork_Child();             /* and with it _PyThread_AfterFork */
        int ok = other->state == 4 && own->state == 3 && later->state == 1;
        ok = ok && other->node.next == NULL && host_threads()->handles.prev == &own->node;
        ok = ok && ThreadHandle_join(other, -1) == 0 && ThreadHandle_set_done(other) == 0;
        ok = ok && ThreadHandle_join(own, -1) == -1;
        for (int i = 0; i < 3; i++) {
            ThreadHandle_decref(other);     /* ours, and two of the thread that is not here */
        }
        if (ok && !under_tsan) {
            ok = ThreadHandle_start(later, count_up, &count) == 0
                 && ThreadHandle_join(later, -1) == 0 && count == 1;
        }
        leave(ok);
    }
    PyOS_AfterFork_Parent();
    gate_open();
    ck_assert_int_eq(ThreadHandle_join(other, -1), 0);
    ThreadHandle_decref(other);
    ThreadHandle_decref(later);
    ThreadHandle_decref(own);
    detach_here();
}
END_TEST
CLAIM_TEST(test_a_key_is_created_once)
{
    static Py_tss_t fixed = Py_tss_NEEDS_INIT;
    Py_tss_t *keys[] = {&fixed, PyThread_tss_alloc()};
    int value;
    for (int i = 0; i < 2; i++) {
        Py_tss_t *key = keys[i];
        ck_assert_int_eq(PyThread_tss_is_created(key), 0);
        ck_assert_int_eq(PyThread_tss_create(key), 0);
        ck_assert_int_eq(PyThread_tss_is_created(key), 1);
        ck_assert_ptr_null(PyThread_tss_get(key));          /* unset */
        ck_assert_int_eq(PyThread_tss_set(key, &value), 0);
        ck_assert_int_eq(PyThread_tss_create(key), 0);
        ck_assert_ptr_eq(PyThread_tss_get(key), &value);    /* still there */
        PyThread_tss_delete(key);
        PyThread_tss_delete(key);
        ck_assert_int_eq(PyThread_tss_is_created(key), 0);
        ck_assert_int_eq(PyThread_tss_create(key), 0);
        ck_assert_ptr_null(PyThread_tss_get(key));
    }
    PyThread_tss_delete(&fixed);
    PyThread_tss_free(keys[1]);                             /* deletes it, too */
    PyThread_tss_free(NULL);
}
END_TEST
CLAIM_TEST(test_set_after_delete)
{
    Py_tss_t key = Py_tss_NEEDS_INIT;
    int value;
    ck_assert_int_eq(PyThread_tss_create(&key), 0);
    ck_assert_int_eq(PyThread_tss_set(&key, &value), 0);
    PyThread_tss_delete(&key);
    ck_assert_int_eq(PyThread_tss_set(&key, &value), -1);
    ck_assert_ptr_null(PyErr_Occurred());
}
END_TEST
static Py_tss_t shared_key = Py_tss_NEEDS_INIT;

static void
keep_own_value(void *arg)
{
    void *first = PyThread_tss_get(&shared_key);
    int set = PyThread_tss_set(&shared_key, arg);
    meet();                                         /* all have set theirs */
    void *last = PyThread_tss_get(&shared_key);
    *(int *)arg = first == NULL && set == 0 && last == arg;
}

CLAIM_TEST(test_each_thread_has_its_own_value)
{
    enum { N = 10 };
    int good[N] = {0};
    ck_assert_int_eq(PyThread_tss_create(&shared_key), 0);
    ck_assert_int_eq(PyThread_tss_set(&shared_key, &shared_key), 0);
    meet_open(N);
    run_crowd(N, keep_own_value, good);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(good[i], 1);
    }
    ck_assert_ptr_eq(PyThread_tss_get(&shared_key), &shared_key);
    PyThread_tss_delete(&shared_key);
}
END_TEST
static void
leave_a_value(void *block)
{
    ck_assert_int_eq(PyThread_tss_set(&shared_key, block), 0);
}

CLAIM_TEST(test_no_destructor_runs)
{
    char *block = malloc(100);
    ck_assert_int_eq(PyThread_tss_create(&shared_key), 0);
    memset(block, 'x', 100);
    run_and_join(leave_a_value, block);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(block[i], 'x');            /* a sanitizer looks, too */
    }
    free(block);
    PyThread_tss_delete(&shared_key);
}
END_TEST
CLAIM_TEST(test_keys_run_out)
{
    static Py_tss_t keys[PTHREAD_KEYS_MAX + 1];
    int n = 0;
    while (n <= PTHREAD_KEYS_MAX && PyThread_tss_create(&keys[n]) == 0) {
        n++;
    }
    ck_assert_int_le(n, PTHREAD_KEYS_MAX);
    ck_assert_int_eq(PyThread_tss_is_created(&keys[n]), 0);
    ck_assert_int_eq(PyThread_create_key(), -1);
    PyThread_tss_delete(&keys[n / 2]);
    ck_assert_int_eq(PyThread_tss_create(&keys[n]), 0);
    PyThread_tss_delete(&keys[n]);
    while (n-- > 0) {
        PyThread_tss_delete(&keys[n]);
    }
}
END_TEST

CLAIM_TEST(test_no_memory_no_key)
{
    oom_arm(1, 1);
    ck_assert_ptr_null(PyThread_tss_alloc());
    ck_assert_int_eq(oom_disarm(), 1);
}
END_TEST
CLAIM_TEST(test_the_old_keys)
{
    int value, key = PyThread_create_key();
    ck_assert_int_ge(key, 0);
    ck_assert_ptr_null(PyThread_get_key_value(key));
    ck_assert_int_eq(PyThread_set_key_value(key, &value), 0);
    ck_assert_ptr_eq(PyThread_get_key_value(key), &value);
    PyThread_ReInitTLS();
    ck_assert_ptr_eq(PyThread_get_key_value(key), &value);
    PyThread_delete_key_value(key);
    ck_assert_ptr_null(PyThread_get_key_value(key));
    PyThread_delete_key(key);
    ck_assert_int_eq(PyThread_set_key_value(key, &value), -1);
}
END_TEST
CLAIM_TEST(test_fork_among_threads)
{
    enum { N = 5 };
    int value, good[N];
    Py_tss_t key = Py_tss_NEEDS_INIT;
    PyThread_ident_t ident = PyThread_get_thread_ident_ex();
    ck_assert_int_eq(PyThread_tss_create(&key), 0);
    ck_assert_int_eq(PyThread_tss_set(&key, &value), 0);
    crowd_waits(N, good);                           /* N threads are there, and wait */
    in_child {
        struct report r = {0};
        PyOS_AfterFork_Child();
        int ok = PyThread_get_thread_ident_ex() == ident && PyThread_tss_get(&key) == &value;
        ok = ok && (under_tsan || tasks() == 1);
        if (ok && !under_tsan) {                    /* which allows no thread here */
            run_and_join(make_report, &r);
            ok = r.runs == 1 && r.ident != ident;
        }
        leave(ok);
    }
    crowd_goes(N);
    PyThread_tss_delete(&key);
}
END_TEST
CLAIM_TEST(test_what_the_library_is)
{
    char known[255];
    size_t length = confstr(_CS_GNU_LIBPTHREAD_VERSION, known, sizeof known);
    ck_assert_uint_gt(length, 1);
    long before = live_blocks();
    PyThreadInfoObject *info = (PyThreadInfoObject *)PyThread_GetInfo();
    ck_assert_str_eq(info->name, "pthread");
    ck_assert_str_eq(info->lock, "semaphore");
    ck_assert_str_eq(info->version, known);
    Py_DecRef(&info->ob_base);
    _PyThread_FiniType(NULL);
    ck_assert_int_eq(live_blocks(), before);
    oom_arm(1, 0);
    ck_assert_ptr_null(PyThread_GetInfo());
    ck_assert_int_eq(oom_disarm(), 1);
    ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
}
END_TEST
