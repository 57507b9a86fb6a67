// Claims a-section-locks-from-begin-to-end to what-a-caller-takes-out-is-kept of the book, chapter 17: critical sections.
#define Py_DEBUG 1          // the assertions of the inner header are checked
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "pysync/critical_section.h"

/* The tests call what the inner header names, as CPython's own code does. For
 * the exported functions they need the names as an extension module has them,
 * caught before that header is read. */
/* Further down the same names mean the inline ones:
 *   _PyCriticalSection_Begin, _PyCriticalSection_BeginMutex, _PyCriticalSection_End,
 *   _PyCriticalSection2_Begin, _PyCriticalSection2_BeginMutex, _PyCriticalSection2_End */
static void (*const exported_cs_Begin)(PyCriticalSection *, PyObject *) =
    PyCriticalSection_Begin;
static void (*const exported_cs_BeginMutex)(PyCriticalSection *, PyMutex *) =
    PyCriticalSection_BeginMutex;
static void (*const exported_cs_End)(PyCriticalSection *) = PyCriticalSection_End;
static void (*const exported_cs2_Begin)(PyCriticalSection2 *, PyObject *, PyObject *) =
    PyCriticalSection2_Begin;
static void (*const exported_cs2_BeginMutex)(PyCriticalSection2 *, PyMutex *, PyMutex *) =
    PyCriticalSection2_BeginMutex;
static void (*const exported_cs2_End)(PyCriticalSection2 *) = PyCriticalSection2_End;

#include "host/ceval.h"
#include "host/listobject.h"
#include "host/pystate.h"
#include "host/pytime.h"
#include "host/pyerrors.h"
#include "host/stoptheworld.h"
#include "pysync/pycore_critical_section.h"
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

#ifdef Py_GIL_DISABLED
enum { FREE = 1 };
static int locked(PyObject *op) { return PyMutex_IsLocked(&op->ob_mutex); }
#else
enum { FREE = 0 };
static int locked(PyObject *op) { (void)op; return 0; }
#endif

/* The thread's word: its innermost section, tagged. */
static uintptr_t
top(void)
{
    return *host_critical_section(_PyThreadState_GET());
}

/* Two objects (lists), a at the lower address; and a third. */
static PyObject *a, *b, *c;

void
before_each(void)
{
    PyObject *x = PyList_New(0), *y = PyList_New(0);
    a = x < y ? x : y;
    b = x < y ? y : x;
    c = PyList_New(0);
}

void
after_each(void)
{
    ck_assert_int_eq(locked(a) + locked(b) + locked(c), 0);
    Py_DecRef(a);
    Py_DecRef(b);
    Py_DecRef(c);
}

CLAIM_TEST(test_a_section_locks_from_begin_to_end)
{
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION(a);
    ck_assert_int_eq(locked(a), FREE);
    ck_assert_int_eq(locked(b), 0);
    ck_assert_int_eq(top() != 0, FREE);
    Py_END_CRITICAL_SECTION();
    ck_assert_int_eq(locked(a), 0);

    Py_BEGIN_CRITICAL_SECTION2(b, a);
    ck_assert_int_eq(locked(a) + locked(b), 2 * FREE);
    ck_assert_int_eq(top() != 0, FREE);
    Py_END_CRITICAL_SECTION2();
    ck_assert_int_eq(locked(a) + locked(b), 0);

    Py_BEGIN_CRITICAL_SECTION2(b, b);
    ck_assert_int_eq(locked(b), FREE);
    Py_END_CRITICAL_SECTION2();
    ck_assert_int_eq(locked(b), 0);
    ck_assert_uint_eq(top(), 0);
    host_thread_leave();
}
END_TEST
CLAIM_TEST(test_tags_and_order)
{
    host_thread_enter();
#ifdef Py_GIL_DISABLED
    PyCriticalSection one;
    PyCriticalSection2 two, same;
    PyCriticalSection_Begin(&one, c);
    ck_assert_uint_eq(top(), (uintptr_t)&one);
    ck_assert_int_eq(_PyCriticalSection_IsActive(top()), 1);
    ck_assert_uint_eq(one._cs_prev, 0);
    PyCriticalSection2_Begin(&two, b, a);
    ck_assert_uint_eq(top(), (uintptr_t)&two | 2);
    ck_assert_ptr_eq(two._cs_base._cs_mutex, &a->ob_mutex);
    ck_assert_ptr_eq(two._cs_mutex2, &b->ob_mutex);
    ck_assert_uint_eq(two._cs_base._cs_prev, (uintptr_t)&one);
    PyMutex m = {0};
    PyCriticalSection2_BeginMutex(&same, &m, &m);
    ck_assert_uint_eq(top(), (uintptr_t)&same);
    ck_assert_ptr_eq(same._cs_base._cs_mutex, &m);
    ck_assert_ptr_null(same._cs_mutex2);
    ck_assert_uint_eq(same._cs_base._cs_prev, (uintptr_t)&two | 2);
    PyCriticalSection2_End(&same);
    ck_assert_uint_eq(m._bits, 0);
    ck_assert_uint_eq(top(), (uintptr_t)&two | 2);
    PyCriticalSection2_End(&two);
    ck_assert_uint_eq(top(), (uintptr_t)&one);
    PyCriticalSection_End(&one);
#endif
    ck_assert_uint_eq(top(), 0);
    host_thread_leave();
}
END_TEST
static void
let_go_in_three(PyObject *third)
{
    Py_BEGIN_CRITICAL_SECTION(third);
    uintptr_t before = top();
    PyThreadState *tstate = PyEval_SaveThread();    /* _PyCriticalSection_SuspendAll */
    ck_assert_int_eq(locked(a) + locked(b) + locked(c), 0); /* untag_critical_section */
    ck_assert_uint_eq(*host_critical_section(tstate) & 1, FREE);
    PyEval_RestoreThread(tstate);                   /* _PyCriticalSection_Resume */
    ck_assert_uint_eq(top(), before);
    ck_assert_int_eq(locked(third), FREE);
    ck_assert_int_eq(locked(a) + locked(b) + locked(c), FREE);
    Py_END_CRITICAL_SECTION();
}

static void
let_go_in_two(void)
{
    Py_BEGIN_CRITICAL_SECTION2(a, b);
    let_go_in_three(c);
    ck_assert_int_eq(locked(a) + locked(b), 2 * FREE);
    Py_END_CRITICAL_SECTION2();
}

CLAIM_TEST(test_detached_all_let_go_attached_one_holds)
{
    host_thread_enter();
    PyObject *outer = PyList_New(0);
    Py_BEGIN_CRITICAL_SECTION(outer);
    let_go_in_two();
    ck_assert_int_eq(locked(outer), FREE);
    ck_assert_int_eq(locked(a) + locked(b) + locked(c), 0);
    Py_END_CRITICAL_SECTION();
    ck_assert_int_eq(locked(outer), 0);
    ck_assert_uint_eq(top(), 0);
    Py_DecRef(outer);
    host_thread_leave();
}
END_TEST
static PyEvent step[6];
static int letter, read_right;              /* letter is plain: the section guards it */

static void
hold_b(int number)
{
    (void)number;
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION(b);
    _PyEvent_Notify(&step[0]);
    PyEvent_WaitTimed(&step[1], -1, /*detach=*/0);
    Py_END_CRITICAL_SECTION();
    host_thread_leave();
}

static void
begin_and_end(PyObject *op)
{
    (void)op;
    Py_BEGIN_CRITICAL_SECTION(op);
    Py_END_CRITICAL_SECTION();
}

static void
want_b_inside_a(int number)
{
    (void)number;
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION(a);
    begin_and_end(b);                       /* waits */
    read_right = letter == 42;              /* a is ours again */
    Py_END_CRITICAL_SECTION();
    host_thread_leave();
}

CLAIM_TEST(test_who_waits_lets_go)
{
    crew_put(0, hold_b, 0);
    PyEvent_Wait(&step[0]);
    crew_put(1, want_b_inside_a, 0);
#ifdef Py_GIL_DISABLED
    UNTIL(_Py_atomic_load_uint8(&b->ob_mutex._bits) == 3);
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION(a);           /* waits for it to let go, no more */
    letter = 42;
    Py_END_CRITICAL_SECTION();
    host_thread_leave();
#else
    letter = 42;
#endif
    _PyEvent_Notify(&step[1]);
    crew_join(2);
    ck_assert_int_eq(read_right, 1);
}
END_TEST
static void
go_out_and_come_back(int number)
{
    (void)number;
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION2(a, b);
    PyThreadState *tstate = PyEval_SaveThread();
    _PyEvent_Notify(&step[0]);
    PyEvent_Wait(&step[1]);
    PyEval_RestoreThread(tstate);
    read_right = letter == 42;
    Py_END_CRITICAL_SECTION2();
    host_thread_leave();
}

CLAIM_TESTS(test_attaching_waits_for_the_lock, 2)
{
    crew_put(0, go_out_and_come_back, 0);
    PyEvent_Wait(&step[0]);
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION(_i ? a : b);  /* resumed: m1, then m2 */
    _PyEvent_Notify(&step[1]);
#ifdef Py_GIL_DISABLED
    PyObject *wanted = _i ? a : b;
    UNTIL(_Py_atomic_load_uint8(&wanted->ob_mutex._bits) == 3);
#endif
    letter = 42;
    Py_END_CRITICAL_SECTION();
    host_thread_leave();
    crew_join(1);
    ck_assert_int_eq(read_right, 1);
}
END_TEST
/* The code asks for one thing that a program which leaves the fields alone
 * never shows it: a section that is tagged as a pair, with its first mutex and
 * no second. The test makes it up. */
CLAIM_TEST(test_nothing_is_let_go_that_is_not_held)
{
    PyThreadState *tstate = host_thread_enter();
#ifdef Py_GIL_DISABLED
    PyMutex m = {0};
    PyCriticalSection nothing = {0, NULL};
    PyCriticalSection2 half = {{(uintptr_t)&nothing, &m}, NULL};
    *host_critical_section(tstate) = (uintptr_t)&half | 2;
    PyMutex_Lock(&m);
    _PyCriticalSection_SuspendAll(tstate);
    ck_assert_uint_eq(m._bits, 0);
    ck_assert_uint_eq(top(), (uintptr_t)&half | 2 | 1);
    ck_assert_uint_eq(half._cs_base._cs_prev, (uintptr_t)&nothing | 1);
    _PyCriticalSection_SuspendAll(tstate);              /* again: finds it done */
    _PyCriticalSection_Resume(tstate);
    ck_assert_uint_eq(m._bits, 1);
    ck_assert_ptr_null(half._cs_mutex2);
    PyCriticalSection2_End(&half);                      /* _PyCriticalSection_Pop */
    ck_assert_uint_eq(top(), (uintptr_t)&nothing);      /* resumed */
    *host_critical_section(tstate) = 0;
#else
    _PyCriticalSection_SuspendAll(tstate);
    _PyCriticalSection_Resume(tstate);
    _PyCriticalSection_BeginSlow(NULL, NULL);
    _PyCriticalSection2_BeginSlow(NULL, NULL, NULL, 0);
    ck_assert_uint_eq(top(), 0);
#endif
    host_thread_leave();
}
END_TEST
/* Upstream's test of nesting goes ten deep, through one object and through a
 * pair. In our words: */
static void
nest_one(PyObject *op, int depth)
{
    Py_BEGIN_CRITICAL_SECTION(op);
    ck_assert_int_eq(locked(op), FREE);
    if (depth > 0) {
        nest_one(op, depth - 1);
    }
    ck_assert_int_eq(locked(op), FREE);
    Py_END_CRITICAL_SECTION();
}

static void
nest_two(PyObject *x, PyObject *y, int depth)
{
    Py_BEGIN_CRITICAL_SECTION2(x, y);
    if (depth > 0) {
        nest_two(y, x, depth - 1);
        nest_one(depth % 2 ? x : y, 2);
    }
    ck_assert_int_eq(locked(x) + locked(y), 2 * FREE);
    Py_END_CRITICAL_SECTION2();
}

CLAIM_TEST(test_nested_sections_do_not_wait_for_themselves)
{
    host_thread_enter();
    nest_one(a, 10);
    ck_assert_int_eq(locked(a), 0);
    nest_two(a, b, 10);
    ck_assert_int_eq(locked(a) + locked(b), 0);
    ck_assert_uint_eq(top(), 0);
    host_thread_leave();
}
END_TEST
#ifdef Py_GIL_DISABLED
static void
expect_skipped(PyObject *op, int skipped)
{
    uintptr_t before = top();
    PyCriticalSection again;
    PyCriticalSection2 twice;
    PyCriticalSection_Begin(&again, op);        /* held_by_top */
    ck_assert_int_eq(again._cs_mutex == NULL, skipped);
    ck_assert_int_eq(top() == before, skipped);
    PyCriticalSection_End(&again);
    ck_assert_uint_eq(top(), before);
    ck_assert_int_eq(locked(op), 1);
    if (skipped) {
        PyCriticalSection2_Begin(&twice, op, op);
        ck_assert_ptr_null(twice._cs_base._cs_mutex);
        ck_assert_ptr_null(twice._cs_mutex2);
        PyCriticalSection2_End(&twice);
        ck_assert_uint_eq(top(), before);
        ck_assert_int_eq(locked(op), 1);
    }
}
#endif

CLAIM_TEST(test_the_innermost_is_not_locked_again)
{
    host_thread_enter();
#ifdef Py_GIL_DISABLED
    PyCriticalSection one;
    PyCriticalSection2 two;
    PyCriticalSection_Begin(&one, c);
    expect_skipped(c, 1);
    PyCriticalSection2_Begin(&two, a, b);
    expect_skipped(a, 1);
    expect_skipped(b, 1);
    PyCriticalSection_Begin(&(PyCriticalSection){0, NULL}, c);  /* further out */
    PyCriticalSection *inner = (PyCriticalSection *)top();
    ck_assert_ptr_eq(inner->_cs_mutex, &c->ob_mutex);
    ck_assert_uint_eq(inner->_cs_prev, (uintptr_t)&two | 2 | 1);
    ck_assert_int_eq(locked(a) + locked(b), 0);
    PyCriticalSection_End(inner);
    ck_assert_uint_eq(top(), (uintptr_t)&two | 2);
    ck_assert_int_eq(locked(a) + locked(b), 2);
    ck_assert_int_eq(locked(c), 0);
    PyCriticalSection2_End(&two);
    ck_assert_int_eq(locked(c), 1);
    ck_assert_uint_eq(top(), (uintptr_t)&one);
    PyCriticalSection_End(&one);
#endif
    host_thread_leave();
}
END_TEST
/* The test lets it happen: a thread waits for a mutex, is stopped, and is
 * handed the mutex while it stands still. A mutex is handed to a thread that
 * has waited for over a millisecond. The test looks at the clock until that is
 * so. */
static PyMutex row[3];

#ifdef Py_GIL_DISABLED
static PyThreadState *stopped;

static void
wait_for_the_middle(int number)
{
    (void)number;
    _Py_atomic_store_ptr(&stopped, host_thread_enter());
    Py_BEGIN_CRITICAL_SECTION_MUTEX(&row[1]);
    Py_END_CRITICAL_SECTION();
    host_thread_leave();
}

static void
stop_the_waiter(void)
{
    UNTIL(_Py_atomic_load_uint8(&row[1]._bits) == 3);
    UNTIL(host_thread_suspend(_Py_atomic_load_ptr(&stopped)));
}
#endif
static void
begin_in_the_stopped_world(int free_too)
{
    Py_BEGIN_CRITICAL_SECTION_MUTEX(&row[1]);       /* not ours, and no wait */
    Py_END_CRITICAL_SECTION();
    Py_BEGIN_CRITICAL_SECTION2_MUTEX(&row[1], &row[2]);
    Py_END_CRITICAL_SECTION2();
    Py_BEGIN_CRITICAL_SECTION2_MUTEX(&row[0], &row[1]);
    Py_END_CRITICAL_SECTION2();
    ck_assert_uint_eq(row[0]._bits + row[2]._bits, 0);
    ck_assert_int_eq(row[1]._bits & 1, free_too ? 0 : FREE);
    ck_assert_uint_eq(top(), 0);
}
CLAIM_TEST(test_the_stopped_world_does_without)
{
    host_thread_enter();
#ifdef Py_GIL_DISABLED
    PyTime_t since, now;
    Py_BEGIN_CRITICAL_SECTION_MUTEX(&row[1]);
    crew_put(0, wait_for_the_middle, 0);
    stop_the_waiter();
    PyTime_MonotonicRaw(&since);
    UNTIL((PyTime_MonotonicRaw(&now), now - since > 1500000));
    Py_END_CRITICAL_SECTION();                      /* hands it over */
#endif
    host_set_world_stopped(1);
    begin_in_the_stopped_world(0);
    host_set_world_stopped(0);
#ifdef Py_GIL_DISABLED
    ck_assert_int_eq(host_world_is_stopped(_PyThreadState_GET()), 0);
    host_thread_resume(_Py_atomic_load_ptr(&stopped));
    crew_join(1);
#endif
    begin_in_the_stopped_world(1);
    host_thread_leave();
}
END_TEST
CLAIM_TEST(test_the_exported_functions)
{
    PyMutex m[2] = {{0}, {0}};
    host_thread_enter();
#ifdef Py_GIL_DISABLED
    PyCriticalSection one, *c1 = &one;
    PyCriticalSection2 two, *c2 = &two;
#else
    PyCriticalSection *c1 = NULL;
    PyCriticalSection2 *c2 = NULL;
#endif
    exported_cs_Begin(c1, FREE ? a : NULL);
    ck_assert_int_eq(locked(a), FREE);
    exported_cs_End(c1);
    exported_cs_BeginMutex(c1, &m[0]);
    ck_assert_uint_eq(m[0]._bits, FREE);
    exported_cs_End(c1);
    exported_cs2_Begin(c2, FREE ? a : NULL, FREE ? b : NULL);
    ck_assert_int_eq(locked(a) + locked(b), 2 * FREE);
    exported_cs2_End(c2);
    exported_cs2_BeginMutex(c2, &m[1], &m[0]);
    ck_assert_uint_eq(m[0]._bits + m[1]._bits, 2 * FREE);
    exported_cs2_End(c2);
    Py_BEGIN_CRITICAL_SECTION_MUTEX(&m[0]);
    ck_assert_uint_eq(m[0]._bits, FREE);
    Py_END_CRITICAL_SECTION();
    Py_BEGIN_CRITICAL_SECTION2_MUTEX(&m[0], &m[1]);
    ck_assert_uint_eq(m[0]._bits + m[1]._bits, 2 * FREE);
    Py_END_CRITICAL_SECTION2();
    ck_assert_uint_eq(m[0]._bits + m[1]._bits, 0);
    ck_assert_uint_eq(top(), 0);
    host_thread_leave();
}
END_TEST
/* This is upstream's test with four threads, retold, with eight, and with a
 * check that the locks lock. */
static long hits[2];

static void
nest_in(PyObject *outer, PyObject *inner)
{
    Py_BEGIN_CRITICAL_SECTION(outer);
    if (outer != inner) {
        nest_in(inner, inner);
    }
    hits[outer == b]++;
    Py_END_CRITICAL_SECTION();
}
static long detached;

static void
nest_in_every_order(int number)
{
    host_thread_enter();
    for (int i = 0; i < 200; i++) {
        nest_in(number % 2 ? a : b, number % 2 ? b : a);
        Py_BEGIN_CRITICAL_SECTION2(c, a);
        nest_in(b, b);
        Py_END_CRITICAL_SECTION2();
        Py_BEGIN_CRITICAL_SECTION(c);
        PyThreadState *tstate = PyEval_SaveThread();
        PyEval_RestoreThread(tstate);
        detached++;
        Py_END_CRITICAL_SECTION();
    }
    host_thread_leave();
}

CLAIM_TEST(test_any_order_comes_to_an_end)
{
    crew_start(8, nest_in_every_order);
    crew_join(8);
    ck_assert_int_eq(detached, 8 * 200);
    ck_assert_int_eq(hits[0], 8 * 200);
    ck_assert_int_eq(hits[1], 2 * 8 * 200);
}
END_TEST
/* Eight threads on two processors seldom meet in the one way that matters.
 * Here two threads are made to: each is in a section of its own object before
 * either begins one of the other's. */
static int rounds[2], over[2];

static void
meet(int number, int round)
{
    PyObject *mine = number ? a : b, *other = number ? b : a;
    (void)mine;
    Py_BEGIN_CRITICAL_SECTION(mine);
    _Py_atomic_store_int(&rounds[number], round);
    UNTIL(!FREE || _Py_atomic_load_int(&rounds[!number]) >= round);
    nest_in(other, other);
    Py_END_CRITICAL_SECTION();
    _Py_atomic_store_int(&over[number], round);
    UNTIL(!FREE || _Py_atomic_load_int(&over[!number]) >= round);
}

static void
meet_often(int number)
{
    host_thread_enter();
    for (int round = 1; round <= 3000; round++) {
        meet(number, round);
    }
    host_thread_leave();
}
CLAIM_TEST(test_two_that_meet_come_to_an_end)
{
    crew_start(2, meet_often);
    crew_join(2);
    ck_assert_int_eq(hits[0] + hits[1], 2 * 3000);
}
END_TEST
static long left, right, not_alone;
static int share;

static void
begin_a_pair(PyObject *x, PyObject *y, int with_a_break)
{
    (void)x, (void)y;
    Py_BEGIN_CRITICAL_SECTION2(x, y);
    not_alone += left++ != right++;
    if (with_a_break) {
        PyThreadState *tstate = PyEval_SaveThread();
        PyEval_RestoreThread(tstate);
    }
    not_alone += left++ != right++;
    Py_END_CRITICAL_SECTION2();
}
static void
begin_pairs(int number)
{
    PyObject *order[] = {a, b, a};
    host_thread_enter();
    for (int i = 0; i < share; i++) {
        int first = (number + i) % 2;
        begin_a_pair(order[first], order[first + 1], i % 16 == 0);
    }
    host_thread_leave();
}

CLAIM_TESTS(test_pairs_in_opposite_order, 3)
{
    static const int crews[] = {2, 8, 32};
    share = 60000 / crews[_i];
    crew_start(crews[_i], begin_pairs);
    crew_join(crews[_i]);
    ck_assert_int_eq(not_alone, 0);
    ck_assert_int_eq(left, 2L * share * crews[_i]);
    ck_assert_int_eq(right, left);
}
END_TEST
/* Why they do not can be seen without luck: a thread that waits for the object
 * at the lower address holds nothing yet, and one that waits for the other
 * object holds the lower. */
static void
begin_one_pair(int number)
{
    (void)number;
    host_thread_enter();
    begin_a_pair(b, a, 0);
    host_thread_leave();
}

CLAIM_TESTS(test_the_lower_address_first, 2)
{
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION(_i ? b : a);
    crew_put(0, begin_one_pair, 0);
#ifdef Py_GIL_DISABLED
    PyObject *wanted = _i ? b : a;
    UNTIL(_Py_atomic_load_uint8(&wanted->ob_mutex._bits) == 3);
    ck_assert_int_eq(locked(_i ? a : b), _i);
#endif
    Py_END_CRITICAL_SECTION();
    host_thread_leave();
    crew_join(1);
    ck_assert_int_eq(left, 2);
}
END_TEST
static void
begin_many(int number)
{
    host_thread_enter();
    for (int i = 0; i < share; i++) {
        if ((i + number) % 4) {
            Py_BEGIN_CRITICAL_SECTION(a);
            left++;
            Py_END_CRITICAL_SECTION();
        }
        else {
            Py_BEGIN_CRITICAL_SECTION(b);
            right++;
            nest_in(a, a);
            Py_END_CRITICAL_SECTION();
        }
    }
    host_thread_leave();
}

CLAIM_TESTS(test_a_million_sections, 3)
{
    static const int crews[] = {2, 8, 64};
    share = 280000 / crews[_i] / 4 * 4;
    crew_start(crews[_i], begin_many);
    crew_join(crews[_i]);
    ck_assert_int_eq(left + hits[0], (long)share * crews[_i]);
    ck_assert_int_eq(right, (long)share * crews[_i] / 4);
}
END_TEST
#ifdef Py_GIL_DISABLED
/* Of a (1) and b (2), only these are locked while the thread waits; both, afterwards. */
static void
kept_through_a_wait(PyThreadState *tstate, int kept)
{
    _PyCriticalSection_SuspendAll(tstate);
    ck_assert_int_eq(locked(a) | locked(b) * 2, kept);
    _PyCriticalSection_Resume(tstate);
    ck_assert_int_eq(locked(a) & locked(b), 1);
}
#endif

CLAIM_TEST(test_what_a_caller_takes_out_is_kept)
{
    PyThreadState *tstate = host_thread_enter();
#ifdef Py_GIL_DISABLED
    PyCriticalSection2 pair;
    PyCriticalSection2_Begin(&pair, a, b);
    PyMutex *first = pair._cs_base._cs_mutex, *second = pair._cs_mutex2;
    kept_through_a_wait(tstate, 0);
    pair._cs_mutex2 = NULL;
    kept_through_a_wait(tstate, second == &a->ob_mutex ? 1 : 2);
    pair._cs_base._cs_mutex = NULL;
    kept_through_a_wait(tstate, 3);
    pair._cs_base._cs_mutex = first;
    pair._cs_mutex2 = second;
    PyCriticalSection2_End(&pair);
    ck_assert_int_eq(locked(a) | locked(b), 0);
#endif
    ck_assert_uint_eq(*host_critical_section(tstate), 0);
    host_thread_leave();
}
END_TEST

static PyTypeObject brick_type = {.tp_name = "brick"};
static PyObject brick = {.ob_type = &brick_type};
static PyObject *asserted;

static void
assert_in_a_pair(void)
{
    Py_BEGIN_CRITICAL_SECTION2(a, b);
    Py_IncRef(asserted);                    /* so that somebody else has one too */
    _Py_CRITICAL_SECTION_ASSERT_OBJECT_LOCKED(asserted);
    Py_DecRef(asserted);
    _Py_CRITICAL_SECTION_ASSERT_OBJECT_LOCKED(c);       /* ours alone */
    Py_END_CRITICAL_SECTION2();
}

static void
assert_outside(void)
{
    _Py_CRITICAL_SECTION_ASSERT_MUTEX_LOCKED(&a->ob_mutex);
}

#define NOT_HELD "Fatal Python error: _PyCriticalSection_AssertHeld: " \
    "the innermost critical section does not hold the mutex\n"
CLAIM_TEST(test_sequences_and_assertions)
{
    host_thread_enter();
    Py_BEGIN_CRITICAL_SECTION_SEQUENCE_FAST(a);
    ck_assert_int_eq(locked(a), FREE);
    Py_END_CRITICAL_SECTION_SEQUENCE_FAST();
    Py_BEGIN_CRITICAL_SECTION_SEQUENCE_FAST(&brick);
    ck_assert_int_eq(locked(&brick), 0);
    ck_assert_uint_eq(top(), 0);
    Py_END_CRITICAL_SECTION_SEQUENCE_FAST();

    asserted = a;                               /* _PyCriticalSection_AssertHeld */
    assert_in_a_pair();
    asserted = b;
    assert_in_a_pair();
    asserted = c;
    #ifdef Py_GIL_DISABLED
    dies_saying(assert_in_a_pair, NOT_HELD);
    dies_saying(assert_outside, NOT_HELD);
    #else
    assert_in_a_pair();
    assert_outside();
    #endif
    host_thread_leave();
}
END_TEST
