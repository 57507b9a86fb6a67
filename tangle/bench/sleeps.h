// Ours. Sleep until it is one's turn: included after peer_sleep() and peer_wake().
#ifndef BENCH_SLEEPS_H
#define BENCH_SLEEPS_H

#include "bench/clock.h"
#include "bench/peer.h"

static void
pass(struct bench_seat *seat)
{
    struct bench_table *t = seat->table;
    int other = !seat->number, turn;
    while (!BENCH_LOAD(&t->stop)) {
        while ((turn = __atomic_load_n(&t->turn, __ATOMIC_SEQ_CST)) == other) {
            peer_sleep(&t->turn, other);
        }
        if (turn == 2) {
            break;              /* the other has left */
        }
        t->guarded[0].count++;
        BENCH_STORE(&seat->count, seat->count + 1);
        __atomic_store_n(&t->turn, other, __ATOMIC_SEQ_CST);
        peer_wake(&t->turn, other);
    }
    __atomic_store_n(&t->turn, 2, __ATOMIC_SEQ_CST);
    peer_wake(&t->turn, other);
}

#endif  // BENCH_SLEEPS_H
