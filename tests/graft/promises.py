"""Runs in an interpreter of the graft: how long a lock lets a thread wait, asked in four ways, as JSON.

Each of them is bounded in time. A waiter that was not handed the lock within LIMIT counts as one that waited so long.
"""
import ctypes
import json
import os
import statistics
import sys
import threading
import time

LIMIT, EPISODES = 0.2, 11
now = time.perf_counter


def busy(seconds):
    end = now() + seconds
    while now() < end:
        pass


def beside_a_loop(ask, seconds):
    """What `ask` says of a lock that another thread has for 2 ms, again and again; asked as long as that."""
    lock, over, answers = threading.Lock(), threading.Event(), []

    def loop():
        while not over.is_set():
            with lock:
                busy(0.002)
    holder = threading.Thread(target=loop)
    holder.start()
    end = now() + seconds
    while now() < end:
        time.sleep(0.001)
        answers.append(ask(lock))
    over.set()
    holder.join()
    return answers


def timed(lock):
    got = lock.acquire(timeout=0.010)
    if got:
        lock.release()
    return got


def waited(lock):
    before = now()
    with lock:
        return now() - before


def asleep(thread):
    """Whether it sleeps. While its starter sleeps, nobody has the GIL: a thread that sleeps is not waiting for that."""
    with open(f"/proc/self/task/{thread.native_id}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def until_the_waiter_has_it(take, give, prepare=lambda: None):
    """Seconds from the first release until a waiter that is due has the lock, of which this thread does not leave off."""
    had = []

    def wait():
        prepare()
        take()
        had.append(now())
        give()
    take()
    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.005)
    while not asleep(waiter):
        time.sleep(0.001)
    time.sleep(0.002)           # it is parked, and its millisecond is over
    start = now()
    give()
    while not had and now() - start < LIMIT:
        take()
        give()
    took = min((had or [start + LIMIT])[0] - start, LIMIT)
    waiter.join()
    return took


def poller():
    """The lock is a PyMutex, asked for by calls that keep the GIL; and the interpreter does not ask for it in between."""
    sys.setswitchinterval(1000)
    python, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
    return until_the_waiter_has_it(lambda: python.PyMutex_Lock(mutex), lambda: python.PyMutex_Unlock(mutex))


def priority():
    """Both on one processor, and the waiter runs only when the other does not."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    lock = threading.Lock()
    return until_the_waiter_has_it(lock.acquire, lock.release, lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)))


def median(ask):
    return 1e3 * statistics.median(ask() for _ in range(EPISODES))


tries = beside_a_loop(timed, 0.5)
print(json.dumps({"in time": sum(tries) / len(tries), "tries": len(tries), "wait": 1e3 * statistics.median(beside_a_loop(waited, 0.5)),
                  "poller": median(poller), "priority": median(priority)}))
