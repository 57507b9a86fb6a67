// Claims the-word-walks to a-reader-forks of the book, chapter 16: readers and writers.
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/pystate.h"
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

static _PyRWMutex rw;
static PyEvent step[4];

static void
read_twice(int number)
{
    (void)number;
    _PyRWMutex_RLock(&rw);
    PyEvent_Wait(&step[1]);
    _PyRWMutex_RUnlock(&rw);
    _PyRWMutex_RLock(&rw);
    PyEvent_Wait(&step[3]);
    _PyRWMutex_RUnlock(&rw);
}

static void
write_once(int number)
{
    (void)number;
    _PyRWMutex_Lock(&rw);
    PyEvent_Wait(&step[2]);
    _PyRWMutex_Unlock(&rw);
}

#define WORD_BECOMES(n) UNTIL(_Py_atomic_load_uintptr(&rw.bits) == (n))

CLAIM_TEST(test_the_word_walks)
{
    _PyRWMutex_Lock(&rw);
    ck_assert_uint_eq(rw.bits, 1);
    _PyRWMutex_Unlock(&rw);
    ck_assert_uint_eq(rw.bits, 0);

    crew_put(0, read_twice, 0);
    crew_put(1, read_twice, 0);
    WORD_BECOMES(8);            /* rwmutex_reader_count says 2 */
    crew_put(2, write_once, 0);
    WORD_BECOMES(10);           /* rwmutex_set_parked_and_wait did it */
    _PyEvent_Notify(&step[1]);
    WORD_BECOMES(3);
    _PyEvent_Notify(&step[2]);
    WORD_BECOMES(8);
    _PyEvent_Notify(&step[3]);
    crew_join(3);
    ck_assert_uint_eq(rw.bits, 0);
}
END_TEST
static int inside, came_in, saw_letter, letter;
static uintptr_t most;

static void
read_together(int number)
{
    (void)number;
    _PyRWMutex_RLock(&rw);
    _Py_atomic_add_int(&inside, 1);
    UNTIL(_Py_atomic_load_int(&inside) == 16);
    _Py_atomic_store_uintptr(&most, _Py_atomic_load_uintptr(&rw.bits));
    _Py_atomic_add_int(&came_in, 1);
    UNTIL(_Py_atomic_load_int(&came_in) == 16);
    _PyRWMutex_RUnlock(&rw);
}

CLAIM_TEST(test_readers_share)
{
    crew_start(16, read_together);
    crew_join(16);
    ck_assert_uint_eq(most, 64);
    ck_assert_uint_eq(rw.bits, 0);
}
END_TEST
static int about_to;

static void
write_the_letter(int number)
{
    (void)number;
    _PyRWMutex_Lock(&rw);
    letter = 42;                                    /* a plain int */
    _PyRWMutex_Unlock(&rw);
}

static void
read_the_letter(int number)
{
    (void)number;
    _Py_atomic_add_int(&about_to, 1);
    _PyRWMutex_RLock(&rw);
    _Py_atomic_add_int(&came_in, 1);
    _Py_atomic_add_int(&saw_letter, letter == 42);
    _PyRWMutex_RUnlock(&rw);
}

/* To wait a while for nothing to happen proves little. The proof is the last line
 * but one: a reader that came in before the writer would have missed the letter. */
CLAIM_TEST(test_a_waiting_writer_keeps_readers_out)
{
    _PyRWMutex_RLock(&rw);
    crew_put(8, write_the_letter, 0);
    WORD_BECOMES(6);
    crew_start(8, read_the_letter);
    UNTIL(_Py_atomic_load_int(&about_to) == 8);
    for (int i = 0; i < 1000; i++) {
        sched_yield();
        ck_assert_int_eq(_Py_atomic_load_int(&came_in), 0);
        ck_assert_uint_eq(_Py_atomic_load_uintptr(&rw.bits), 6);
    }
    _PyRWMutex_RUnlock(&rw);
    crew_join(9);
    ck_assert_int_eq(saw_letter, 8);
    ck_assert_uint_eq(rw.bits, 0);
}
END_TEST
/* The state 2 lasts only until the woken writer runs, too short to be watched
 * from outside. But the lock is a word, and words can be set up. */
CLAIM_TEST(test_the_bit_keeps_the_writers_place)
{
    rw.bits = 8 + 2;
    _PyRWMutex_RUnlock(&rw);
    ck_assert_uint_eq(rw.bits, 4 + 2);
    _PyRWMutex_RUnlock(&rw);
    ck_assert_uint_eq(rw.bits, 2);
    _PyRWMutex_Lock(&rw);
    ck_assert_uint_eq(rw.bits, 3);
    _PyRWMutex_Unlock(&rw);
    ck_assert_uint_eq(rw.bits, 0);
    _PyRWMutex_RLock(&rw);
    ck_assert_uint_eq(rw.bits, 4);
    _PyRWMutex_RUnlock(&rw);
    ck_assert_uint_eq(rw.bits, 0);
}
END_TEST
static PyThreadState *waiter;

static void
wait_attached(int writes)
{
    PyThreadState *tstate = host_thread_enter();
    _Py_atomic_store_ptr(&waiter, tstate);
    if (writes) {
        _PyRWMutex_Lock(&rw);
        _PyRWMutex_Unlock(&rw);
    }
    else {
        _PyRWMutex_RLock(&rw);
        _PyRWMutex_RUnlock(&rw);
    }
    _Py_atomic_add_int(&came_in, _PyThreadState_GET() == tstate);
    PyEvent_WaitTimed(&step[0], -1, 0);
    host_thread_leave();
}

CLAIM_TESTS(test_who_waits_is_detached, 2)
{
    _PyRWMutex_Lock(&rw);
    crew_put(0, wait_attached, _i);
    WORD_BECOMES(3);
    PyThreadState *tstate = _Py_atomic_load_ptr(&waiter);
    UNTIL(!host_thread_is_attached(tstate));
    host_thread_enter();                    /* with a GIL: it is free */
    host_thread_leave();
    ck_assert_int_eq(_Py_atomic_load_int(&came_in), 0);
    _PyRWMutex_Unlock(&rw);
    UNTIL(_Py_atomic_load_int(&came_in) == 1);
    _PyEvent_Notify(&step[0]);
    crew_join(1);
}
END_TEST
/* What is protected are two plain longs that are always equal. Every eighth
 * acquisition is a writer's. */
static long first, second;
static int share;

static void
read_and_write(int number)
{
    for (int i = 0; i < share; i++) {
        if ((i + number) % 8 == 0) {
            _PyRWMutex_Lock(&rw);
            first++;
            second++;
            _PyRWMutex_Unlock(&rw);
        }
        else {
            _PyRWMutex_RLock(&rw);
            if (first != second) {
                _Py_atomic_store_int(&saw_letter, -1);
            }
            _PyRWMutex_RUnlock(&rw);
        }
    }
}

CLAIM_TESTS(test_a_million_acquisitions, 3)
{
    static const int crews[] = {2, 8, 64};
    share = 350000 / crews[_i] / 8 * 8;
    crew_start(crews[_i], read_and_write);
    crew_join(crews[_i]);
    ck_assert_int_eq(saw_letter, 0);
    ck_assert_int_eq(first, (long)share * crews[_i] / 8);
    ck_assert_int_eq(second, first);
    ck_assert_uint_eq(rw.bits, 0);
}
END_TEST
static void
want_to_write(int number)
{
    (void)number;
    _PyRWMutex_Lock(&rw);
    _PyRWMutex_Unlock(&rw);
}

static int
serve_after_fork(int mine)
{
    _PyParkingLot_AfterFork();
    uintptr_t left = rw.bits - (mine < 0 ? 1 : 4);
    int ok = left == 2;                             /* P, and no thread to clear it */
    _PyRWMutex_at_fork_reinit(&rw, mine);
    if (mine < 0) {
        _PyRWMutex_Unlock(&rw);
    }
    else {
        _PyRWMutex_RUnlock(&rw);
    }
    for (int i = 0; i < 2; i++) {
        _PyRWMutex_RLock(&rw);
        _PyRWMutex_RUnlock(&rw);
        _PyRWMutex_Lock(&rw);
        _PyRWMutex_Unlock(&rw);
    }
    return ok && rw.bits == 0;
}

CLAIM_TESTS(test_a_reader_forks, 2)
{
    int status, mine = _i ? -1 : 1;
    if (mine < 0) {
        _PyRWMutex_Lock(&rw);
    }
    else {
        _PyRWMutex_RLock(&rw);
    }
    crew_put(0, want_to_write, 0);
    WORD_BECOMES(mine < 0 ? 3u : 6u);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(serve_after_fork(mine) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    if (mine < 0) {
        _PyRWMutex_Unlock(&rw);
    }
    else {
        _PyRWMutex_RUnlock(&rw);
    }
    crew_join(1);
    WORD_BECOMES(0u);
}
END_TEST
CLAIM_TEST(test_the_number_walks)
{
    static const uint32_t starts[] = {0, 2, 4242, UINT32_MAX - 1};
    for (size_t i = 0; i < 4; i++) {
        _PySeqLock lock = {starts[i]};
        _PySeqLock_LockWrite(&lock);
        ck_assert_uint_eq(lock.sequence, starts[i] + 1);
        _PySeqLock_AbandonWrite(&lock);
        ck_assert_uint_eq(lock.sequence, starts[i]);
        _PySeqLock_LockWrite(&lock);
        ck_assert_uint_eq(lock.sequence, starts[i] + 1);
        _PySeqLock_UnlockWrite(&lock);
        ck_assert_uint_eq(lock.sequence, (uint32_t)(starts[i] + 2));
    }
}
END_TEST
CLAIM_TEST(test_end_read_tells_whether_it_was_disturbed)
{
    _PySeqLock lock = {6};
    uint32_t before = _PySeqLock_BeginRead(&lock);
    ck_assert_uint_eq(before, 6);
    ck_assert_int_eq(_PySeqLock_EndRead(&lock, before), 1);
    _PySeqLock_LockWrite(&lock);
    ck_assert_int_eq(_PySeqLock_EndRead(&lock, before), 0);
    _PySeqLock_AbandonWrite(&lock);
    ck_assert_int_eq(_PySeqLock_EndRead(&lock, before), 1);
    _PySeqLock_LockWrite(&lock);
    _PySeqLock_UnlockWrite(&lock);
    ck_assert_int_eq(_PySeqLock_EndRead(&lock, before), 0);
    before = _PySeqLock_BeginRead(&lock);
    ck_assert_uint_eq(before, 8);
    ck_assert_int_eq(_PySeqLock_EndRead(&lock, before), 1);
    ck_assert_uint_eq(lock.sequence, 8);    /* readers write nothing */
}
END_TEST
static _PySeqLock seq;
static int pair[2];                     /* atomic, always: see above */

static void
read_or_write_after(int writes)
{
    _Py_atomic_add_int(&about_to, 1);
    if (writes) {
        _PySeqLock_LockWrite(&seq);
        _PySeqLock_AbandonWrite(&seq);
    }
    else {
        UNTIL(_PySeqLock_EndRead(&seq, _PySeqLock_BeginRead(&seq)));
    }
    _Py_atomic_add_int(&saw_letter, _Py_atomic_load_int_relaxed(&pair[0]) == 42);
    _Py_atomic_add_int(&came_in, 1);
}

CLAIM_TEST(test_a_writer_in_keeps_all_waiting)
{
    _PySeqLock_LockWrite(&seq);
    crew_put(0, read_or_write_after, 0);
    crew_put(1, read_or_write_after, 1);
    UNTIL(_Py_atomic_load_int(&about_to) == 2);
    for (int i = 0; i < 1000; i++) {
        sched_yield();
        ck_assert_int_eq(_Py_atomic_load_int(&came_in), 0);
        ck_assert_uint_eq(_Py_atomic_load_uint32(&seq.sequence), 1);
    }
    _Py_atomic_store_int_relaxed(&pair[0], 42);
    _PySeqLock_UnlockWrite(&seq);
    crew_join(2);
    ck_assert_int_eq(saw_letter, 2);
    ck_assert_uint_eq(seq.sequence, 2);
}
END_TEST
static void
be_in_while_others_fork(int number)
{
    (void)number;
    _PySeqLock_LockWrite(&seq);
    _PyEvent_Notify(&step[1]);
    PyEvent_Wait(&step[2]);
    _PySeqLock_UnlockWrite(&seq);
}

static int
clear_after_fork(void)
{
    _PySeqLock even = {6};
    int ok = _PySeqLock_AfterFork(&seq) == 1 && seq.sequence == 0;
    ok &= _PySeqLock_AfterFork(&seq) == 0 && seq.sequence == 0;
    ok &= _PySeqLock_AfterFork(&even) == 0 && even.sequence == 6;
    ok &= _PySeqLock_BeginRead(&seq) == 0;      /* and waits for no thread */
    _PySeqLock_LockWrite(&seq);
    return ok && seq.sequence == 1;
}

CLAIM_TEST(test_after_a_fork_rwlock)
{
    int status;
    crew_put(0, be_in_while_others_fork, 0);
    PyEvent_Wait(&step[1]);
    pid_t child = fork();
    if (child == 0) {
        _exit(clear_after_fork() ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(_Py_atomic_load_uint32(&seq.sequence), 1);
    _PyEvent_Notify(&step[2]);
    crew_join(1);
    ck_assert_int_eq(seq.sequence, 2);
    seq.sequence = 7;                       /* once more, here: for gcov */
    ck_assert_int_eq(clear_after_fork(), 1);
}
END_TEST
/* Half of the threads write and half read. A writer finds, each third time,
 * that there is nothing to write; otherwise it writes two equal numbers. */
static void
write_or_abandon(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        _PySeqLock_LockWrite(&seq);
        if (i % 3 == 0) {
            _PySeqLock_AbandonWrite(&seq);
            continue;
        }
        int next = _Py_atomic_load_int_relaxed(&pair[0]) + 1;
        _Py_atomic_store_int_relaxed(&pair[0], next);
        _Py_atomic_store_int_relaxed(&pair[1], next);
        _PySeqLock_UnlockWrite(&seq);
    }
}

static int
read_the_pair(void)
{
    uint32_t sequence;
    int a, b;
    do {
        sequence = _PySeqLock_BeginRead(&seq);
        a = _Py_atomic_load_int_relaxed(&pair[0]);
        b = _Py_atomic_load_int_relaxed(&pair[1]);
    } while (!_PySeqLock_EndRead(&seq, sequence));
    return a == b ? a : -1;
}

static void
read_or_write(int number)
{
    if (number % 2) {
        write_or_abandon(share / 10);
        return;
    }
    for (int i = 0, last = 0; i < share; i++) {
        int now = read_the_pair();
        _Py_atomic_add_int(&saw_letter, now < last);    /* torn, or from before */
        last = now;
    }
}

CLAIM_TESTS(test_a_million_reads, 3)
{
    static const int crews[] = {2, 8, 64};
    int writers = crews[_i] / 2;
    share = 350000 / writers / 30 * 30;
    crew_start(crews[_i], read_or_write);
    crew_join(crews[_i]);
    ck_assert_int_eq(saw_letter, 0);
    ck_assert_int_eq(pair[0], writers * (share / 10 / 3 * 2));
    ck_assert_uint_eq(seq.sequence, (uint32_t)pair[0] * 2);
}
END_TEST
