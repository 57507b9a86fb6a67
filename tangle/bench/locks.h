// Ours. The loops of every lock: included after peer_lock() and peer_unlock(),
// so that what a peer offers inline is measured inline. A peer whose lock knows
// a time limit defines BENCH_TIMED and peer_lock_for(), and offers `timed` too.
#ifndef BENCH_LOCKS_H
#define BENCH_LOCKS_H

#include "bench/clock.h"
#include "bench/due.h"
#include "bench/peer.h"

#ifndef BENCH_NOT_ALONE         // who brings a loop of another language
static uint64_t
uncontended(long times)
{
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        peer_lock(0);
        peer_unlock(0);
    }
    return bench_now() - before;
}
#endif
static void
crowd(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    int lock = seat->number % t->locks;
    uint64_t count = 0;
    while (!BENCH_LOAD(&t->stop) && count < t->turns) {
        peer_lock(lock);
        t->guarded[lock].count++;
        bench_spin(t->section);
        peer_unlock(lock);
        BENCH_STORE(&seat->count, ++count);
        bench_spin(t->gap);
    }
}
static void
wait(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    uint64_t count = 0, worst = 0;
    while (!BENCH_LOAD(&t->stop)) {
        uint64_t before = bench_now();
        peer_lock(0);
        uint64_t waited = bench_now() - before;
        t->guarded[0].count++;
        bench_spin(t->section);
        peer_unlock(0);
        worst = waited > worst ? waited : worst;
        BENCH_STORE(&seat->count, ++count);
        bench_spin(t->gap);
    }
    seat->worst = worst;
}
static void
alternate(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    uint64_t count = 0;
    while (!BENCH_LOAD(&t->stop)) {
        peer_lock(0);
        if (t->turn == seat->number) {
            t->turn = !seat->number;
            BENCH_STORE(&seat->count, ++count);
            t->guarded[0].count++;
        }
        peer_unlock(0);
    }
}
static void
hold_again_and_again(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    for (uint64_t count = 0; !BENCH_LOAD(&t->stop); ) {
        peer_lock(0);
        t->guarded[0].count++;
        bench_spin(t->section);
        peer_unlock(0);
        BENCH_STORE(&seat->count, ++count);
    }
}

static void
latency(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    if (seat->number == 0) {
        hold_again_and_again(seat);
        return;
    }
    for (uint64_t count = 0; !BENCH_LOAD(&t->stop); ) {
        bench_nap(1000000);
        uint64_t before = bench_now();
        peer_lock(0);
        t->waits[count % BENCH_WAITS] = bench_now() - before;
        t->guarded[0].count++;
        peer_unlock(0);
        BENCH_STORE(&t->asked, ++count);
        BENCH_STORE(&seat->count, count);
    }
}
#ifdef BENCH_TIMED
static void
timed(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    if (seat->number == 0) {
        hold_again_and_again(seat);
        return;
    }
    for (uint64_t asked = 0; !BENCH_LOAD(&t->stop); ) {
        bench_nap(1000000);
        if (peer_lock_for(0, t->limit)) {
            t->guarded[0].count++;
            peer_unlock(0);
            BENCH_STORE(&seat->count, seat->count + 1);
        }
        BENCH_STORE(&t->asked, ++asked);
    }
}
#endif
static uint64_t
due(long times, enum bench_rank rank)
{
    struct bench_contest one = {.lock = peer_lock, .unlock = peer_unlock, .rank = rank};
    return bench_due_times(&one, times);
}

static uint64_t due_equal(long times) { return due(times, BENCH_EQUAL); }
static uint64_t due_idle(long times) { return due(times, BENCH_IDLE); }
static uint64_t due_fifo(long times) { return due(times, BENCH_FIFO); }
#define BENCH_LOCK_WORKS \
    {"uncontended", uncontended, 0}, {"crowd", 0, crowd}, \
    {"wait", 0, wait}, {"alternate", 0, alternate}, {"latency", 0, latency}, \
    {"due-equal", due_equal, 0}, {"due-idle", due_idle, 0}, {"due-fifo", due_fifo, 0}

#endif  // BENCH_LOCKS_H
