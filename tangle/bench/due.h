// Ours. How long a waiter that is due waits for a lock that another thread takes
// again and again.
#ifndef BENCH_DUE_H
#define BENCH_DUE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bench_rank {
    BENCH_EQUAL,            // waiter and holder have the same priority
    BENCH_IDLE,             // the waiter is of SCHED_IDLE
    BENCH_FIFO,             // both are of SCHED_FIFO, the waiter the lower
};

struct bench_contest {
    void (*lock)(int), (*unlock)(int);
    enum bench_rank rank;
    int apart;                      // 0: both on the processor of the caller
    void (*enter)(void), (*leave)(void);    // to be attached; or NULL
};

extern uint64_t bench_due_limit;    // ns

/* The sum of so many waits, in ns, each of them from the holder's first unlock on;
 * with the first that takes bench_due_limit it ends. BENCH_REFUSED: this process may
 * not have the priority. */
uint64_t bench_due_times(const struct bench_contest *contest, long times);

#ifdef __cplusplus
}
#endif
#endif  // BENCH_DUE_H
