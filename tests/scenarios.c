// The scenarios of the simulation: small programs, two to four threads each.
#include "scenarios.h"

#include <string.h>

#include "host/ceval.h"
#include "host/pyatomic.h"
#include "host/pystate.h"
#include "host/stoptheworld.h"
#include "pysync/pycore_critical_section.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_parking_lot.h"
#include "host/pymem.h"
#include "host/threads.h"
#include "pythread/thread_handle.h"
#include "simulation/system.h"      // sched_yield is a step, too
#include "pysync/policy.h"          // as the simulation has it

static PyThreadState states[SIM_THREADS];
static SimRegion region;
static int word, data, turn;        // what a scenario shares

static void
fresh(void)
{
    _Py_tss_tstate = NULL;
    memset(states, 0, sizeof(states));
    PyOS_AfterFork_Child();
    host_set_world_stopped(0);
    while (Py_MakePendingCalls() < 0) {
    }
    region = (SimRegion){0, 0};
    word = data = turn = 0;
    sim_name(&region, sizeof(region), "region");
    sim_name(&word, sizeof(word), "word");
    sim_name(&data, sizeof(data), "data");
    sim_name(states, sizeof(states), "state");
}

static void
attach(void)
{
    PyEval_AcquireThread(&states[sim_self()]);
}

static void
detach(void)
{
    PyEval_ReleaseThread(&states[sim_self()]);
}

static _PyRawMutex raw;

static void
raw_setup(void)
{
    fresh();
    raw = (_PyRawMutex){0};
    sim_name(&raw, sizeof(raw), "raw mutex");
}

static void
raw_turn(void)
{
    _PyRawMutex_Lock(&raw);
    sim_enter(&region);
    if ((_Py_atomic_load_uintptr(&raw.v) & ~(uintptr_t)1) != 0) {
        sim_reach("a waiter in the word");
    }
    sim_leave(&region);
    _PyRawMutex_Unlock(&raw);
}

static void
raw_finish(void)
{
    SIM_ASSERT(raw.v == 0);
}

#define RAW_MUTEX \
    { .name = "raw", .what = "three threads, a raw mutex, a signal", \
      .body = { raw_turn, raw_turn, raw_turn }, .setup = raw_setup, \
      .finish = raw_finish, .bounds = { -1, 1, 0 }, \
      .reach = { "a waiter in the word" } }, \
    { .name = "raw-two", .what = "two threads, a raw mutex", \
      .body = { raw_turn, raw_turn }, .setup = raw_setup, \
      .finish = raw_finish, .bounds = { -1, 1, 0 }, \
      .reach = { "a waiter in the word" } }

enum { FIVE_MS = 5 * 1000 * 1000 };
static int chosen[SIM_THREADS];     // the callback was told of this one

static void
note_waiter(void *arg, void *park_arg, int has_more_waiters)
{
    *(int *)arg = has_more_waiters;
    if (park_arg != NULL) {
        *(int *)park_arg = 1;
    }
}

static int
park_here(const void *address, PyTime_t timeout)
{
    int expected = 0, self = sim_self();
    int64_t start = sim_now();
    int res = _PyParkingLot_Park(address, &expected, sizeof(expected), timeout,
                                 &chosen[self], 1);
    SIM_ASSERT((res == Py_PARK_OK) == chosen[self]);
    SIM_ASSERT(res != Py_PARK_TIMEOUT || sim_now() >= start + timeout);
    chosen[self] = 0;
    return res;
}

static void
park_setup(void)
{
    fresh();
    memset(chosen, 0, sizeof(chosen));
}

static void
park_timed(void)
{
    static const char *const outcome[] = { "OK", "AGAIN", "TIMEOUT", "INTR" };
    sim_reach(outcome[-park_here(&word, FIVE_MS)]);
}

static void
park_until_it_changes(void)
{
    while (_Py_atomic_load_int(&word) == 0) {
        (void)park_here(&word, -1);
    }
}

static void
change_and_unpark(void)
{
    int more;
    _Py_atomic_store_int(&word, 1);
    _PyParkingLot_Unpark(&word, note_waiter, &more);
}

static void
change_and_unpark_twice(void)
{
    int more;
    change_and_unpark();
    _PyParkingLot_Unpark(&word, note_waiter, &more);
}

static void
change_and_unpark_all(void)
{
    _Py_atomic_store_int(&word, 1);
    _PyParkingLot_UnparkAll(&word);
}

static void
park_for_all(void)
{
    int expected = 0;
    int res = _PyParkingLot_Park(&word, &expected, sizeof(word),
                                 sim_self() == 0 ? FIVE_MS : -1, NULL, 1);
    sim_reach(res == Py_PARK_OK ? "OK" : res == Py_PARK_INTR ? "INTR"
              : res == Py_PARK_TIMEOUT ? "TIMEOUT" : "AGAIN");
    SIM_ASSERT(res != Py_PARK_AGAIN || word == 1);
}

static struct { int x; char between[257 - sizeof(int)]; char y[sizeof(int)]; }
    neighbours;

static void
park_at_x(void)
{
    int res = park_here(&neighbours.x, -1);
    SIM_ASSERT(res == Py_PARK_OK || res == Py_PARK_INTR);
}

static void
park_at_y(void)
{
    char expected = 0;
    int self = sim_self();
    int res = _PyParkingLot_Park(neighbours.y, &expected, 1, FIVE_MS,
                                 &chosen[self], 0);
    SIM_ASSERT(res != Py_PARK_OK && !chosen[self]);     // y is not unparked
}

/* Until x's waiter has been found. */
static void
unpark_x(void)
{
    int more = 0;
    while (!_Py_atomic_load_int(&turn)) {
        _PyParkingLot_Unpark(&neighbours.x, note_waiter, &more);
        if (chosen[0] || more) {
            sim_reach(more ? "a neighbour" : "no neighbour");
        }
        sched_yield();
    }
}

static void
park_at_x_and_tell(void)
{
    park_at_x();
    _Py_atomic_store_int(&turn, 1);
}

static void
park_attached(void)
{
    attach();
    (void)park_here(&word, FIVE_MS);
    detach();
}

static void
hold_a_back(void)
{
    if (host_thread_suspend(&states[0])) {
        sim_reach("held back");
        sim_may_hang(0);
    }
}

static void
nobody_is_in_the_queue(void)
{
    int more = 0;
    chosen[0] = 0;
    _PyParkingLot_Unpark(&word, note_waiter, &more);
    SIM_ASSERT(!chosen[0] && !more);
}

static void
set_the_wall_clock(void)
{
    sim_set_wall(3600 * INT64_C(1000000000));
}

#define PARKING_LOT_1 \
    { .name = "park", .what = "a timed wait, a signal, an unpark at any moment", \
      .body = { park_timed, change_and_unpark, set_the_wall_clock }, \
      .setup = park_setup, .finish = nobody_is_in_the_queue, \
      .bounds = { -1, 1, 0 }, .reach = { "OK", "AGAIN", "TIMEOUT", "INTR" } }, \
    { .name = "park-two", .what = "the same, without the clock, two signals", \
      .body = { park_timed, change_and_unpark }, .setup = park_setup, \
      .finish = nobody_is_in_the_queue, .bounds = { -1, 2, 0 }, \
      .reach = { "OK", "AGAIN", "TIMEOUT", "INTR" } }, \
    { .name = "park-wait", .what = "two wait for a change, two are unparked", \
      .body = { park_until_it_changes, park_until_it_changes, \
                change_and_unpark_twice }, \
      .setup = park_setup, .bounds = { 2, 1, 0 } }, \
    { .name = "park-all", .what = "unpark-all, a timeout, a signal", \
      .body = { park_for_all, park_for_all, change_and_unpark_all }, \
      .setup = park_setup, .finish = nobody_is_in_the_queue, \
      .bounds = { 2, 1, 0 }, .reach = { "OK", "AGAIN", "TIMEOUT", "INTR" } }

/* Some wait for x, the first of them not for long, and one for y, in the same bucket. */
static void
queue_at_x(void)
{
    int expected = 0;
    PyTime_t timeout = sim_self() == 0 ? FIVE_MS : -1;
    if (_PyParkingLot_Park(&neighbours.x, &expected, sizeof(expected), timeout,
                           NULL, 0) == Py_PARK_TIMEOUT) {
        sim_reach("the first leaves");
    }
}

static void
queue_at_y(void)
{
    char expected = 0;
    (void)_PyParkingLot_Park(neighbours.y, &expected, 1, -1, NULL, 0);
}

static void
empty_the_bucket(void)
{
    int more = 0;
    _Py_atomic_store_int(&neighbours.x, 1);
    _PyParkingLot_Unpark(&neighbours.x, note_waiter, &more);
    _Py_atomic_store_uint8((uint8_t *)neighbours.y, 1);
    _PyParkingLot_UnparkAll(neighbours.y);
    _PyParkingLot_Unpark(&neighbours.x, note_waiter, &more);
}

static void
empty_the_queue(void)
{
    int more = 0;
    _Py_atomic_store_int(&neighbours.x, 1);
    for (int i = 0; i < 3; i++) {
        _PyParkingLot_Unpark(&neighbours.x, note_waiter, &more);
    }
}

static void
neighbours_setup(void)
{
    park_setup();
    memset(&neighbours, 0, sizeof(neighbours));
}

#define PARKING_LOT_3 \
    { .name = "park-queues", .what = "queues of two addresses, the first leaves", \
      .body = { queue_at_x, queue_at_x, queue_at_y, empty_the_bucket }, \
      .setup = neighbours_setup, .bounds = { 1, 0, 0 }, \
      .reach = { "the first leaves" } }, \
    { .name = "park-line", .what = "a queue of three, the first leaves", \
      .body = { queue_at_x, queue_at_x, queue_at_x, empty_the_queue }, \
      .setup = neighbours_setup, .bounds = { 1, 0, 0 }, \
      .reach = { "the first leaves" } }

#define PARKING_LOT_2 \
    { .name = "park-neighbour", .what = "two addresses in one bucket", \
      .body = { park_at_x_and_tell, unpark_x, park_at_y }, \
      .setup = park_setup, .bounds = { 1, 0, 0 }, \
      .reach = { "a neighbour", "no neighbour" } }, \
    { .name = "park-hang", .what = "a waiter that cannot come back", \
      .body = { park_attached, hold_a_back }, \
      .setup = park_setup, .finish = nobody_is_in_the_queue, \
      .bounds = { -1, 1, 0 }, .reach = { "held back" } }

static PyMutex mutex;
static int owner;

static void
mutex_setup(void)
{
    fresh();
    mutex = (PyMutex){0};
    owner = -1;
    sim_name(&mutex, sizeof(mutex), "mutex");
}

static void
own(void)
{
    owner = sim_self();
    sim_enter(&region);
}

static void
disown(void)
{
    sim_leave(&region);
    owner = -1;
    PyMutex_Unlock(&mutex);
    if ((mutex._bits & _Py_LOCKED) != 0 && owner < 0) {
        sim_reach("hand-off");
    }
}

static void
mutex_turn(void)
{
    PyMutex_Lock(&mutex);
    own();
    disown();
}

static void
mutex_two_turns(void)
{
    mutex_turn();
    mutex_turn();
}

/* Bit 1 may stay behind; one slow unlock clears it. */
static void
mutex_finish(void)
{
    SIM_ASSERT((mutex._bits & _Py_LOCKED) == 0);
    PyMutex_Lock(&mutex);
    PyMutex_Unlock(&mutex);
    SIM_ASSERT(mutex._bits == 0);
}

static void
mutex_timed(void)
{
    int64_t start = sim_now();
    PyLockStatus status = _PyMutex_LockTimed(&mutex, FIVE_MS, _PY_LOCK_DETACH);
    if (status == PY_LOCK_ACQUIRED) {
        own();
        disown();
        return;
    }
    SIM_ASSERT(status == PY_LOCK_FAILURE && sim_now() >= start + FIVE_MS);
    sim_reach("timeout");
}

/* Who asks with a timeout of 0 gets an answer: no sleep, no spin. */
static void
mutex_try(void)
{
    sim_no_yield(1);
    PyLockStatus status = _PyMutex_LockTimed(&mutex, 0, _PY_LOCK_DETACH);
    if (status == PY_LOCK_ACQUIRED) {
        own();
        disown();
    }
    sim_reach(status == PY_LOCK_ACQUIRED ? "got it" : "did not get it");
}

static int
say_no(void *arg)
{
    *(int *)arg += 1;
    return -1;
}

/* Thread A is the main thread, the only one that makes pending calls. */
static void
mutex_with_signals(void)
{
    (void)Py_AddPendingCall(say_no, &data);
    PyLockStatus status = _PyMutex_LockTimed(
        &mutex, -1, _PY_LOCK_DETACH | _PY_LOCK_HANDLE_SIGNALS);
    SIM_ASSERT(status == PY_LOCK_ACQUIRED || data == 1);
    if (status == PY_LOCK_ACQUIRED) {
        own();
        disown();
    }
    sim_reach(status == PY_LOCK_INTR ? "INTR" : "got it");
}

static void
lock_and_unlock(void)
{
    PyMutex_Lock(&mutex);
    turn = 1;
    sim_touch(&mutex);
    PyMutex_Unlock(&mutex);
    data = 1;
}

static void
lock_and_leave(void)
{
    sim_wait_for(&turn);
    PyMutex_Lock(&mutex);
}

static void
unlock_for_another(void)
{
    sim_wait_for(&data);
    while (_PyMutex_TryUnlock(&mutex) < 0) {
        sched_yield();
    }
}

static void
mutex_attached(void)
{
    attach();
    PyMutex_Lock(&mutex);
    own();
    detach();
    attach();
    disown();
    detach();
}

/* The child of a fork, with a mutex that another thread may have held. */
static void
fork_and_lock(void)
{
    sim_fork();
    if (PyMutex_IsLocked(&mutex)) {
        sim_reach("held at the fork");
    }
    PyOS_AfterFork_Child();
    _PyMutex_at_fork_reinit(&mutex);
    region = (SimRegion){0, 0};
    mutex_turn();
    PyMutex_Lock(&mutex);               // and there is room to wait, too
    SIM_ASSERT(_PyMutex_LockTimed(&mutex, FIVE_MS, 0) == PY_LOCK_FAILURE);
    PyMutex_Unlock(&mutex);
}

enum { TWO_MS = 2000000, ALL_OF_IT = TWO_MS + GF_CROWD_NS, LIMIT = 100 * TWO_MS };

static int in_line[SIM_THREADS], turns_of_waiters;
static int64_t limit_of_line;           // no waiter gives up before

static void
wait_in_line(PyTime_t limit)
{
    sim_wait_for(&word);                    // until they may set out
    attach();
    in_line[sim_self()] = 1;
    turn = ++data == 3;                     // all have set out
    sim_touch(&turn);
    PyLockStatus status = _PyMutex_LockTimed(&mutex, limit, _PY_LOCK_DETACH);
    in_line[sim_self()] = 0;
    if (status == PY_LOCK_ACQUIRED) {
        turns_of_waiters++;
        own();
        disown();
    }
    detach();
}

static int
sleepers(void)
{
    int n = 0;
    for (int i = 0; i < SIM_THREADS && mutex._bits == 3; i++) {
        n += in_line[i] && !host_thread_is_attached(&states[i]);
    }
    return n;
}

/* Unlock. If a waiter is owed the mutex, it must have it, or have had it. */
static void
disown_to_another(int owed)
{
    int before = turns_of_waiters;
    disown();
    SIM_ASSERT(!owed || PyMutex_IsLocked(&mutex) || turns_of_waiters > before
               || sim_now() >= limit_of_line);
}

static void
line_setup(void)
{
    mutex_setup();
    memset(in_line, 0, sizeof(in_line));
    turns_of_waiters = 0;
    limit_of_line = sim_now() + LIMIT;
    word = 1;
}

static void
line_wait(void)
{
    wait_in_line(-1);
}

static void
line_poll(void)
{
    attach();
    for (int i = 0; i < 3; i++) {
        PyMutex_Lock(&mutex);
        own();
        if (i == 0) {
            detach();                       // the only time
            attach();
        }
        int owed = sleepers();
        if (owed) {
            sim_advance(sim_now() + TWO_MS);
            sim_reach("due");
        }
        disown_to_another(owed);
    }
    detach();
}

static void
line_wait_timed(void)
{
    wait_in_line(LIMIT);
}

static void
own_before_a_crowd(int64_t time, int owed_in_a_crowd)
{
    for (int i = 0; i < 2; i++) {
        PyMutex_Lock(&mutex);
        own();
        word = 1;
        sim_touch(&word);
        sim_wait_for(&turn);
        int n = in_line[0] + in_line[1] + in_line[2], asleep = sleepers();
        sim_advance(sim_now() + time);
        sim_reach(asleep == 3 ? "a crowd" : asleep > 0 ? "a few" : "nobody");
        disown_to_another(asleep > 0 && (n < 3 || owed_in_a_crowd));
    }
}

static void
crowd_setup(void)
{
    line_setup();
    word = 0;
}

static void
own_for_two_ms(void)
{
    own_before_a_crowd(TWO_MS, GF_CROWD_NS == 0);
}

static void
own_for_limits(void)
{
    own_before_a_crowd(TWO_MS, 1);
}

static void
own_for_all_of_it(void)
{
    own_before_a_crowd(ALL_OF_IT, 1);
}

#define MUTEX_3 \
    { .name = "mutex-due", .what = "a poller, attached, and a waiter that is due", \
      .body = { line_wait, line_poll }, \
      .setup = line_setup, .finish = mutex_finish, .bounds = { 3, 0, 0 }, \
      .reach = { "due", "hand-off" } }, \
    { .name = "mutex-crowd", .what = "three are due, and the last two are owed it", \
      .body = { line_wait, line_wait, line_wait, own_for_two_ms }, \
      .setup = crowd_setup, .finish = mutex_finish, .bounds = { 0, 0, 0 }, \
      .reach = { "a crowd", "hand-off" } }, \
    { .name = "mutex-crowd-timed", .what = "three with time limits, and due", \
      .body = { line_wait_timed, line_wait_timed, line_wait_timed, own_for_limits }, \
      .setup = crowd_setup, .finish = mutex_finish, .bounds = { 0, 0, 0 }, \
      .reach = { "a crowd", "hand-off" } }, \
    { .name = "mutex-crowd-owed", .what = "three whose second instant is over", \
      .body = { line_wait, line_wait, line_wait, own_for_all_of_it }, \
      .setup = crowd_setup, .finish = mutex_finish, .bounds = { 0, 0, 0 }, \
      .reach = { "a crowd", "hand-off" } }

#define MUTEX_1 \
    { .name = "mutex", .what = "three threads, a hand-off, a signal", \
      .body = { mutex_turn, mutex_turn, mutex_turn }, \
      .setup = mutex_setup, .finish = mutex_finish, \
      .bounds = { 2, 1, 1 }, .reach = { "hand-off" } }, \
    { .name = "mutex-two", .what = "two threads", \
      .body = { mutex_turn, mutex_two_turns }, \
      .setup = mutex_setup, .finish = mutex_finish, \
      .bounds = { -1, 0, 0 } }, \
    { .name = "mutex-timed", .what = "a timeout between two that wait", \
      .body = { mutex_turn, mutex_timed, mutex_turn }, \
      .setup = mutex_setup, .finish = mutex_finish, \
      .bounds = { 2, 0, 1 }, .reach = { "hand-off", "timeout" } }, \
    { .name = "mutex-try", .what = "a timeout of zero neither sleeps nor spins", \
      .body = { mutex_try, mutex_turn, mutex_turn }, \
      .setup = mutex_setup, .finish = mutex_finish, .bounds = { 3, 0, 0 }, \
      .reach = { "got it", "did not get it" } }

#define MUTEX_2 \
    { .name = "mutex-signals", .what = "a wait that a pending call gives up", \
      .body = { mutex_with_signals, mutex_two_turns }, \
      .setup = mutex_setup, .finish = mutex_finish, .bounds = { 3, 2, 1 }, \
      .reach = { "INTR", "got it", "hand-off" } }, \
    { .name = "mutex-foreign", .what = "unlocked by another, after a hand-off", \
      .body = { lock_and_unlock, lock_and_leave, unlock_for_another }, \
      .setup = mutex_setup, .finish = mutex_finish, .bounds = { -1, 0, 1 } }, \
    { .name = "mutex-attached", .what = "attached threads let go of their state", \
      .body = { mutex_attached, mutex_attached }, \
      .setup = mutex_setup, .finish = mutex_finish, .bounds = { -1, 1, 1 }, \
      .reach = { "hand-off" } }, \
    { .name = "mutex-fork", .what = "a fork while others hold and wait", \
      .body = { fork_and_lock, mutex_turn, mutex_turn }, \
      .setup = mutex_setup, .finish = mutex_finish, .bounds = { -1, 0, 1 }, \
      .reach = { "hand-off", "held at the fork" } }

static PyEvent event;

static void
event_setup(void)
{
    fresh();
    event = (PyEvent){0};
    sim_name(&event, sizeof(event), "event");
}

static void
event_wait(void)
{
    PyEvent_Wait(&event);
    SIM_ASSERT(data == 1 && _PyEvent_IsSet(&event));
}

static void
event_wait_timed(void)
{
    int set = PyEvent_WaitTimed(&event, FIVE_MS, 1);
    SIM_ASSERT(!set || data == 1);
    sim_reach(set ? "set" : "not yet");
}

static void
event_notify(void)
{
    data = 1;
    sim_touch(&data);
    _PyEvent_Notify(&event);
}

static _PyOnceFlag once;
static int runs, initialised;

static void
once_setup(void)
{
    fresh();
    once = (_PyOnceFlag){0};
    runs = initialised = 0;
    sim_name(&once, sizeof(once), "once");
}

static int
initialise(void *Py_UNUSED(arg))
{
    int first = runs++ == 0;
    sim_enter(&region);
    sim_leave(&region);
    initialised = !first;
    return first ? -1 : 0;
}

static void
once_call(void)
{
    int res = _PyOnceFlag_CallOnce(&once, initialise, NULL);
    SIM_ASSERT(res == -1 || initialised);
    sim_reach(res == -1 ? "failed" : "done");
}

static void
once_finish(void)
{
    SIM_ASSERT(runs == 2 && initialised && once.v == _Py_ONCE_INITIALIZED);
}

#define EVENTS_AND_ONCE \
    { .name = "event", .what = "one waits, one waits a while, one sets", \
      .body = { event_wait, event_wait_timed, event_notify }, \
      .setup = event_setup, .bounds = { 2, 1, 0 }, \
      .reach = { "set", "not yet" } }, \
    { .name = "event-two", .what = "one waits, one sets", \
      .body = { event_wait, event_notify }, \
      .setup = event_setup, .bounds = { -1, 1, 0 } }, \
    { .name = "once", .what = "three callers, an initialiser that fails first", \
      .body = { once_call, once_call, once_call }, \
      .setup = once_setup, .finish = once_finish, .bounds = { 2, 1, 0 }, \
      .reach = { "failed", "done" } }

static _PyRecursiveMutex recursive;

static void
recursive_setup(void)
{
    fresh();
    recursive = (_PyRecursiveMutex){0};
    sim_name(&recursive, sizeof(recursive), "recursive");
}

static void
recursive_turn(void)
{
    _PyRecursiveMutex_Lock(&recursive);
    sim_enter(&region);
    _PyRecursiveMutex_Lock(&recursive);
    _PyRecursiveMutex_Unlock(&recursive);
    SIM_ASSERT(_PyRecursiveMutex_IsLockedByCurrentThread(&recursive));
    sim_leave(&region);
    _PyRecursiveMutex_Unlock(&recursive);
}

static void
recursive_stranger(void)
{
    SIM_ASSERT(_PyRecursiveMutex_TryUnlock(&recursive) == -1);
    if (_PyRecursiveMutex_LockTimed(&recursive, FIVE_MS, 0) != PY_LOCK_ACQUIRED) {
        sim_reach("timeout");
        return;
    }
    sim_enter(&region);
    sim_leave(&region);
    SIM_ASSERT(_PyRecursiveMutex_TryUnlock(&recursive) == 0);
}

static void
recursive_fork(void)
{
    _PyRecursiveMutex_Lock(&recursive);
    _PyRecursiveMutex_Lock(&recursive);
    sim_fork();
    PyOS_AfterFork_Child();
    _PyRecursiveMutex_at_fork_reinit(&recursive, 1);
    SIM_ASSERT(_PyRecursiveMutex_IsLockedByCurrentThread(&recursive));
    _PyRecursiveMutex_Unlock(&recursive);
    _PyRecursiveMutex_Unlock(&recursive);
    region = (SimRegion){0, 0};
    recursive_turn();
}

#define RECURSIVE \
    { .name = "recursive", .what = "two owners, and one that is none", \
      .body = { recursive_turn, recursive_stranger, recursive_turn }, \
      .setup = recursive_setup, .bounds = { 2, 0, 1 }, \
      .reach = { "timeout" } }, \
    { .name = "recursive-fork", .what = "a fork by the owner, others waiting", \
      .body = { recursive_fork, recursive_turn }, \
      .setup = recursive_setup, .bounds = { -1, 0, 0 } }

static _PyRWMutex rw;

static void
rw_setup(void)
{
    fresh();
    rw = (_PyRWMutex){0};
    sim_name(&rw, sizeof(rw), "rwmutex");
}

static void
rw_read(void)
{
    int writer_waits = turn == 0
        && (_Py_atomic_load_uintptr(&rw.bits) & _Py_HAS_PARKED) != 0;
    _PyRWMutex_RLock(&rw);
    SIM_ASSERT(!writer_waits || turn > 0);
    sim_enter_shared(&region);
    sim_reach(writer_waits ? "let a writer go first"
              : region.readers > 1 ? "readers together" : "");
    sim_leave_shared(&region);
    _PyRWMutex_RUnlock(&rw);
}

static void
rw_write(void)
{
    _PyRWMutex_Lock(&rw);
    turn++;
    sim_enter(&region);
    sim_leave(&region);
    _PyRWMutex_Unlock(&rw);
}

static void
rw_finish(void)
{
    SIM_ASSERT(rw.bits == 0);
}

#define READERS_WRITERS \
    { .name = "rwmutex", .what = "two readers and a writer", \
      .body = { rw_read, rw_write, rw_read }, .setup = rw_setup, \
      .finish = rw_finish, .bounds = { 3, 0, 0 }, \
      .reach = { "let a writer go first", "readers together" } }, \
    { .name = "rwmutex-writers", .what = "two writers, a reader, a signal", \
      .body = { rw_write, rw_read, rw_write }, .setup = rw_setup, \
      .finish = rw_finish, .bounds = { 2, 1, 0 } }, \
    { .name = "rwmutex-two", .what = "one of each", \
      .body = { rw_read, rw_write }, .setup = rw_setup, \
      .finish = rw_finish, .bounds = { -1, 1, 0 } }

static _PySeqLock seq;
static int half[2];

static void
seq_setup(void)
{
    fresh();
    seq = (_PySeqLock){0};
    half[0] = half[1] = 0;
    sim_name(&seq, sizeof(seq), "seqlock");
    sim_name(&half[0], sizeof(half[0]), "half 1");
    sim_name(&half[1], sizeof(half[1]), "half 2");
}

static void
seq_write(void)
{
    _PySeqLock_LockWrite(&seq);
    int before = half[0];
    SIM_ASSERT(half[0] == half[1]);
    _Py_atomic_store_int_relaxed(&half[0], before + 1);
    _Py_atomic_store_int_relaxed(&half[1], before + 1);
    _PySeqLock_UnlockWrite(&seq);
}

static void
seq_abandon(void)
{
    _PySeqLock_LockWrite(&seq);
    SIM_ASSERT(half[0] == half[1]);
    _PySeqLock_AbandonWrite(&seq);
}

static void
seq_read(void)
{
    uint32_t before;
    int a, b, tries = 0;
    do {
        before = _PySeqLock_BeginRead(&seq);
        a = _Py_atomic_load_int_relaxed(&half[0]);
        b = _Py_atomic_load_int_relaxed(&half[1]);
        tries++;
    } while (!_PySeqLock_EndRead(&seq, before));
    SIM_ASSERT(a == b);
    sim_reach(tries > 1 ? "read again" : "read once");
}

static void
seq_fork(void)
{
    sim_fork();
    int held = (int)(seq.sequence & 1);
    SIM_ASSERT(_PySeqLock_AfterFork(&seq) == held);
    if (held) {
        half[0] = half[1] = 0;      // what it guards is forgotten with it
        sim_reach("held at the fork");
    }
    seq_write();
    seq_read();
}

static void
seq_finish(void)
{
    SIM_ASSERT((seq.sequence & 1) == 0 && half[0] == half[1]);
}

#define SEQUENCE_LOCK \
    { .name = "seqlock", .what = "a writer, one that abandons, a reader", \
      .body = { seq_write, seq_abandon, seq_read }, .setup = seq_setup, \
      .finish = seq_finish, .bounds = { -1, 0, 0 }, \
      .reach = { "read again", "read once" } }, \
    { .name = "seqlock-writers", .what = "two writers", \
      .body = { seq_write, seq_write }, .setup = seq_setup, \
      .finish = seq_finish, .bounds = { -1, 0, 0 } }, \
    { .name = "seqlock-two", .what = "a writer, a reader", \
      .body = { seq_write, seq_read }, .setup = seq_setup, \
      .finish = seq_finish, .bounds = { -1, 0, 0 }, \
      .reach = { "read again", "read once" } }, \
    { .name = "seqlock-fork", .what = "a fork while another writes", \
      .body = { seq_fork, seq_write }, .setup = seq_setup, \
      .finish = seq_finish, .bounds = { -1, 0, 0 }, \
      .reach = { "held at the fork", "read once" } }

#ifdef Py_GIL_DISABLED
static struct { PyMutex a, b; } pair;
static SimRegion region_b;

static void
section_setup(void)
{
    fresh();
    memset(&pair, 0, sizeof(pair));
    event = (PyEvent){0};
    region_b = (SimRegion){0, 0};
    sim_name(&pair.a, 1, "mutex a");
    sim_name(&pair.b, 1, "mutex b");
    sim_name(&region_b, sizeof(region_b), "region b");
}

static void
pass(SimRegion *r)
{
    sim_enter(r);
    sim_leave(r);
}

static void
section_finish(void)
{
    SIM_ASSERT(!PyMutex_IsLocked(&pair.a) && !PyMutex_IsLocked(&pair.b));
    for (int i = 0; i < SIM_THREADS; i++) {
        SIM_ASSERT(states[i].critical_section == 0);
    }
}

static void
both(PyMutex *first, PyMutex *second)
{
    PyCriticalSection2 c;
    attach();
    PyCriticalSection2_BeginMutex(&c, first, second);
    pass(&region);
    detach();
    attach();
    pass(&region);
    PyCriticalSection2_End(&c);
    detach();
}

static void
both_ab(void)
{
    both(&pair.a, &pair.b);
}

static void
both_ba(void)
{
    both(&pair.b, &pair.a);
}

static void
nest(PyMutex *outer, SimRegion *outside, PyMutex *inner, SimRegion *inside)
{
    PyCriticalSection c, d;
    attach();
    PyCriticalSection_BeginMutex(&c, outer);
    pass(outside);
    PyCriticalSection_BeginMutex(&d, inner);
    pass(inside);
    PyCriticalSection_End(&d);
    pass(outside);
    PyCriticalSection_End(&c);
    detach();
}

static void
nest_ab(void)
{
    nest(&pair.a, &region, &pair.b, &region_b);
}

static void
nest_ba(void)
{
    nest(&pair.b, &region_b, &pair.a, &region);
}

/* Begun again inside itself: no other thread may come in between. */
static void
section_twice(void)
{
    PyCriticalSection2 c;
    PyCriticalSection d;
    attach();
    PyCriticalSection2_BeginMutex(&c, &pair.a, &pair.b);
    sim_enter(&region);
    PyCriticalSection_BeginMutex(&d, &pair.b);
    sim_touch(&data);
    PyCriticalSection_End(&d);
    sim_leave(&region);
    PyCriticalSection2_End(&c);
    detach();
}

static void
section_once(void)
{
    PyCriticalSection c;
    attach();
    PyCriticalSection_BeginMutex(&c, &pair.b);
    pass(&region);
    PyCriticalSection_End(&c);
    detach();
}

/* B may have been handed the mutex, and stopped before it came back. */
static void
section_and_stop(void)
{
    PyCriticalSection c;
    section_once();
    attach();
    if (host_thread_suspend(&states[1])) {
        sim_reach(PyMutex_IsLocked(&pair.b) ? "stopped, and it has the mutex"
                                            : "stopped");
        host_set_world_stopped(1);
        PyCriticalSection_BeginMutex(&c, &pair.b);
        PyCriticalSection_End(&c);
        host_set_world_stopped(0);
        host_thread_resume(&states[1]);
    }
    detach();
}

/* Waits without detaching: the section must hold all the time. */
static void
section_while_waiting(void)
{
    PyCriticalSection c;
    attach();
    PyCriticalSection_BeginMutex(&c, &pair.b);
    sim_enter(&region);
    while (!PyEvent_WaitTimed(&event, -1, /*detach=*/0)) {
    }
    sim_leave(&region);
    PyCriticalSection_End(&c);
    detach();
}

#define CRITICAL_SECTIONS \
    { .name = "section-pair", .what = "a pair in opposite order, let go midway", \
      .body = { both_ab, both_ba }, .setup = section_setup, \
      .finish = section_finish, .bounds = { 2, 0, 1 } }, \
    { .name = "section-nest", .what = "nested in opposite order", \
      .body = { nest_ab, nest_ba }, .setup = section_setup, \
      .finish = section_finish, .bounds = { 2, 1, 1 } }, \
    { .name = "section-twice", .what = "begun again inside itself", \
      .body = { section_twice, section_once }, .setup = section_setup, \
      .finish = section_finish, .bounds = { -1, 0, 1 } }, \
    { .name = "section-stop", .what = "begun while the world is stopped", \
      .body = { section_and_stop, section_once }, .setup = section_setup, \
      .finish = section_finish, .bounds = { -1, 0, 1 }, \
      .reach = { "stopped, and it has the mutex", "stopped" } }, \
    { .name = "section-event", .what = "an event awaited without detaching", \
      .body = { section_while_waiting, section_once, event_notify }, \
      .setup = section_setup, .finish = section_finish, \
      .bounds = { -1, 0, 0 } },
#else
#define CRITICAL_SECTIONS
#endif

static int calls_made[64], calls_added;

static int
make_numbered(void *arg)
{
    int i = (int)(intptr_t)arg;
    SIM_ASSERT(i < calls_added && calls_made[i] == 0);
    calls_made[i]++;
    return 0;
}

static void
add_numbered(void)
{
    calls_added++;
    (void)Py_AddPendingCall(make_numbered, (void *)(intptr_t)(calls_added - 1));
}

static void
pending_setup(void)
{
    fresh();
    memset(calls_made, 0, sizeof(calls_made));
    for (calls_added = 0; calls_added < 33; ) {
        add_numbered();
        (void)Py_MakePendingCalls();
    }
    sim_plain = 1;                          /* by plain_access */
}

static void
add_two(void)
{
    add_numbered();
    add_numbered();
}

static void
fork_and_make(void)
{
    sim_fork();
    PyOS_AfterFork_Child();
    SIM_ASSERT(Py_MakePendingCalls() == 0);
    sim_reach(calls_made[33] ? "made in the child" : "none in the child");
}

/* Thread A makes pending calls; B forks meanwhile, and is the main thread then. */
static int rest(void *arg) { word = 1; sim_touch(&word); word = 0; return arg != NULL; }
static void make_a_call(void) { (void)Py_MakePendingCalls(); }

static void
fork_meanwhile(void)
{
    sim_fork();
    if (word == 1) {
        sim_reach("in a call");
    }
    PyOS_AfterFork_Child();
    add_numbered();
    SIM_ASSERT(Py_MakePendingCalls() == 0 && calls_made[33] == 1);
}

static void
calls_setup(void)
{
    pending_setup();
    (void)Py_AddPendingCall(rest, NULL);
}

static struct { ThreadHandle handle; int used; } pool[4];

static void *
pool_calloc(void *ctx, size_t n, size_t size)
{
    int i = 0;
    while (pool[i].used) {
        i++;
    }
    pool[i].used = 1;
    return ctx == NULL ? memset(&pool[i].handle, 0, n * size) : NULL;
}

static void
pool_free(void *ctx, void *handle)
{
    for (int i = 0; i < 4 && ctx == NULL; i++) {
        pool[i].used &= &pool[i].handle != handle;
    }
}

static void
list_is_whole(void)
{
    struct llist_node *node, *head = &host_threads()->handles;
    for (node = head; node->next != head; node = node->next) {
        SIM_ASSERT(node->next->prev == node);
        int i = 0;
        while (node->next != &pool[i].handle.node) {
            SIM_ASSERT(++i < 4);            /* else it leads elsewhere */
        }
        SIM_ASSERT(pool[i].used);
    }
    SIM_ASSERT(head->prev == node);
}

static ThreadHandle *one, *other;

static void
handles_setup(void)
{
    PyMemAllocatorEx pooled = { NULL, NULL, pool_calloc, NULL, pool_free };
    fresh();
    memset(pool, 0, sizeof(pool));
    llist_init(&host_threads()->handles);
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &pooled);
    one = ThreadHandle_new();
    other = ThreadHandle_adopt(77);         /* of a thread that runs */
    sim_name(pool, sizeof(pool), "handles");
    sim_plain = 1;
}

static void
drop_and_make(void)
{
    ThreadHandle_decref(one);
    one = ThreadHandle_new();
}

static void
fork_by_the_rules(void)
{
    PyOS_BeforeFork();
    sim_fork();
    list_is_whole();
    PyOS_AfterFork_Child();
    list_is_whole();
    SIM_ASSERT(other->node.next == NULL && other->state == THREAD_HANDLE_DONE);
}

static void
fork_by_itself(void)
{
    sim_fork();
    PyOS_AfterFork_Child();
    list_is_whole();
    ThreadHandle *last = ThreadHandle_new();
    list_is_whole();
    ThreadHandle_decref(last);
    list_is_whole();
}

/* Join, in the child, the thread that was about to end in the parent. */
static void thread_ends(void) { _PyEvent_Notify(&other->thread_is_exiting); }

static void
fork_and_join(void)
{
    attach();
    PyOS_BeforeFork();
    sim_fork();
    if (!ThreadHandle_is_done(other)) {
        sim_reach("not over at the fork");
    }
    PyOS_AfterFork_Child();
    SIM_ASSERT(ThreadHandle_join(other, -1) == 0 && ThreadHandle_is_done(other));
    detach();
}

#ifdef GF_USE_COND_SEMAPHORE
#  define HANDLER_FORKED NULL               /* no signal ends a condition's wait */
#else
#  define HANDLER_FORKED "a handler forked"
#endif
static int parked, answer;

static void
fork_in_the_handler(void)
{
    if (sim_self() == 0 && parked) {        /* and in no other sleep */
        sim_fork();
        PyOS_AfterFork_Child();
        sim_reach("a handler forked");
    }
}

static void
parked_setup(void)
{
    fresh();
    parked = 0;
    sim_handler = fork_in_the_handler;
}

static void
park_at_word(void)
{
    int zero = 0;
    attach();
    parked = 1;
    answer = _PyParkingLot_Park(&word, &zero, sizeof(word), FIVE_MS, NULL, 1);
    parked = 0;
    detach();
    _PyParkingLot_UnparkAll(&word);
    _PyParkingLot_UnparkAll(&data);
    SIM_ASSERT(answer == Py_PARK_TIMEOUT || answer == Py_PARK_INTR);
}

static void
park_at_data(void)
{
    int zero = 0;
    (void)_PyParkingLot_Park(&data, &zero, sizeof(data), FIVE_MS, NULL, 0);
}

static void
rw_fork(void)
{
    _PyRWMutex_RLock(&rw);
    sim_fork();
    if (rw.bits & _Py_HAS_PARKED) {
        sim_reach("a writer waits");
    }
    PyOS_AfterFork_Child();
    _PyRWMutex_at_fork_reinit(&rw, 1);
    _PyRWMutex_RUnlock(&rw);
    _PyRWMutex_RLock(&rw);
    _PyRWMutex_RUnlock(&rw);
    _PyRWMutex_Lock(&rw);
    _PyRWMutex_Unlock(&rw);
}

static void
rw_other(void)
{
    _PyRWMutex_Lock(&rw);
    _PyRWMutex_Unlock(&rw);
}

static _PyOnceFlag cut_flag;
static int work(void *arg) { sim_touch(&word); return arg != NULL; }
static void once_setup_for_forks(void) { fresh(); cut_flag = (_PyOnceFlag){0}; }
static void once_other(void) { (void)_PyOnceFlag_CallOnce(&cut_flag, work, NULL); }

static void
once_fork(void)
{
    sim_fork();
    PyOS_AfterFork_Child();
    _PyOnceFlag_at_fork_reinit(&cut_flag);
    SIM_ASSERT(_PyOnceFlag_CallOnce(&cut_flag, work, NULL) == 0);
}

#define FORKS \
    { .name = "fork-pending", .what = "a fork while calls are added", \
      .body = { fork_and_make, add_two }, .setup = pending_setup, \
      .bounds = { -1, 0, 0 }, \
      .reach = { "made in the child", "none in the child" } }, \
    { .name = "fork-calls", .what = "a fork while another makes calls", \
      .body = { make_a_call, fork_meanwhile }, .setup = calls_setup, \
      .bounds = { -1, 0, 0 }, .reach = { "in a call" } }, \
    { .name = "fork-handles", .what = "a list held across a fork", \
      .body = { fork_by_the_rules, drop_and_make }, .setup = handles_setup, \
      .bounds = { -1, 0, 0 } }, \
    { .name = "fork-handles-alone", .what = "a list cut by a fork", \
      .body = { fork_by_itself, drop_and_make }, .setup = handles_setup, \
      .bounds = { -1, 0, 0 } }, \
    { .name = "fork-join", .what = "a thread that stays in the parent", \
      .body = { fork_and_join, thread_ends }, .setup = handles_setup, \
      .bounds = { -1, 0, 0 }, .reach = { "not over at the fork" } }
#define FORKS_AND_LOCKS \
    { .name = "fork-parked", .what = "a fork in a handler, parked", \
      .body = { park_at_word, park_at_data }, .setup = parked_setup, \
      .bounds = { -1, 1, 0 }, .reach = { HANDLER_FORKED } }, \
    { .name = "fork-rwmutex", .what = "a reader forks, a writer waits", \
      .body = { rw_fork, rw_other }, .setup = rw_setup, \
      .bounds = { -1, 0, 0 }, .reach = { "a writer waits" } }, \
    { .name = "fork-once", .what = "a fork in the middle of the work", \
      .body = { once_fork, once_other, once_other }, \
      .setup = once_setup_for_forks, .bounds = { -1, 0, 0 } }

const SimScenario scenarios[] = {
    RAW_MUTEX, PARKING_LOT_1, PARKING_LOT_2, PARKING_LOT_3, MUTEX_1, MUTEX_2,
    MUTEX_3,
    EVENTS_AND_ONCE, RECURSIVE, READERS_WRITERS, SEQUENCE_LOCK,
    FORKS, FORKS_AND_LOCKS,
    CRITICAL_SECTIONS
    { .name = NULL }
};

const SimScenario *
find_scenario(const char *name)
{
    for (const SimScenario *s = scenarios; s->name; s++) {
        if (strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}
