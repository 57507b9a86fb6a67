// Ours. The loops of every lock: included after peer_lock() and peer_unlock(),
// so that what a peer offers inline is measured inline.
#ifndef BENCH_LOCKS_H
#define BENCH_LOCKS_H

#include "bench/clock.h"
#include "bench/peer.h"

#ifndef BENCH_NOT_ALONE         // who brings a loop of another language
static uint64_t
uncontended(long times)
{
    uint64_t before = bench_now();
    for (long i = 0; i < times; i++) {
        peer_lock();
        peer_unlock();
    }
    return bench_now() - before;
}
#endif
static void
crowd(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    uint64_t count = 0;
    while (!BENCH_LOAD(&t->stop)) {
        peer_lock();
        t->guarded++;
        bench_spin(t->section);
        peer_unlock();
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
        peer_lock();
        uint64_t waited = bench_now() - before;
        t->guarded++;
        bench_spin(t->section);
        peer_unlock();
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
        peer_lock();
        if (t->turn == seat->number) {
            t->turn = !seat->number;
            BENCH_STORE(&seat->count, ++count);
            t->guarded++;
        }
        peer_unlock();
    }
}
#define BENCH_LOCK_WORKS \
    {"uncontended", uncontended, 0}, {"crowd", 0, crowd}, \
    {"wait", 0, wait}, {"alternate", 0, alternate}

#endif  // BENCH_LOCKS_H
