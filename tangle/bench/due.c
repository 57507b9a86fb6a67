// Ours. A waiter that is due, and a holder that does not leave off.
#include "bench/due.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "bench/clock.h"
#include "bench/crowd.h"
#include "bench/peer.h"

uint64_t bench_due_limit = 5000000000u;

struct waiter {
    const struct bench_contest *contest;
    uint64_t had;               // when it had the lock
    pthread_t thread;
};

static int
have_rank(int policy, int priority)
{
    struct sched_param param = {.sched_priority = priority};
    return pthread_setschedparam(pthread_self(), policy, &param);
}

static void *
wait_for_the_lock(void *arg)
{
    struct waiter *me = arg;
    const struct bench_contest *c = me->contest;
    if (c->apart) {
        bench_pin(0);
    }
    if (c->rank != BENCH_EQUAL) {
        have_rank(c->rank == BENCH_IDLE ? SCHED_IDLE : SCHED_FIFO, c->rank == BENCH_FIFO);
    }
    if (c->enter) {
        c->enter();
    }
    c->lock(0);
    BENCH_STORE(&me->had, bench_now());
    c->unlock(0);
    if (c->leave) {
        c->leave();
    }
    return NULL;
}

static uint64_t
take_it_again_and_again(struct waiter *waiter)
{
    const struct bench_contest *c = waiter->contest;
    uint64_t had, now, start = bench_now();
    c->unlock(0);
    do {
        c->lock(0);
        had = BENCH_LOAD(&waiter->had);
        now = bench_now();
        c->unlock(0);
    } while (had == 0 && now - start < bench_due_limit);
    return had != 0 && had - start < bench_due_limit ? had - start : bench_due_limit;
}

static uint64_t
wait_once(const struct bench_contest *c)
{
    struct waiter waiter = {.contest = c};
    int asleep = bench_asleep();
    c->lock(0);
    if (pthread_create(&waiter.thread, NULL, wait_for_the_lock, &waiter) != 0) {
        abort();
    }
    do {
        bench_nap(1000000);
    } while (bench_asleep() <= asleep);
    bench_nap(2000000);
    if (c->enter) {
        c->enter();
    }
    uint64_t took = take_it_again_and_again(&waiter);
    if (c->leave) {
        c->leave();
    }
    pthread_join(waiter.thread, NULL);
    return took;
}

uint64_t
bench_due_times(const struct bench_contest *c, long times)
{
    uint64_t sum = 0, one = 0;
    if (c->rank == BENCH_FIFO && have_rank(SCHED_FIFO, 2) != 0) {
        return BENCH_REFUSED;
    }
    for (long i = 0; i < times && one < bench_due_limit; i++) {
        sum += one = wait_once(c);
    }
    if (c->rank == BENCH_FIFO) {
        have_rank(SCHED_OTHER, 0);
    }
    return sum;
}
