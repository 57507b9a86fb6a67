// Ours. What a peer of the bench offers, and what its threads share.
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LINE __attribute__((aligned(64)))     // a cache line of its own

struct bench_table {
    unsigned section, gap;          // turns of bench_spin
    BENCH_LINE int stop;            // written once, by whoever measures
    BENCH_LINE uint64_t guarded;    // counted up under the lock alone
    int turn;                       // whose turn it is
    BENCH_LINE char end;
};

/* One thread of a crowd; it alone writes count and worst. */
struct bench_seat {
    struct bench_table *table;
    int number;
    BENCH_LINE uint64_t count;      // acquisitions, or turns taken, so far
    uint64_t worst;                 // the longest wait for the lock, in ns
};
/* A work is one of two: `run` does something so many times and returns the
 * nanoseconds that this took; `sit` goes on until table->stop, one thread of
 * several. `fresh` makes the peer's lock new before a crowd sits down. */
struct bench_work {
    const char *name;
    uint64_t (*run)(long times);
    void (*sit)(struct bench_seat *seat);
};

struct bench_peer {
    const char *name;
    void (*fresh)(void);
    struct bench_work works[20];    // ends with one without a name
};
#ifdef __cplusplus
}
#endif
#endif  // BENCH_PEER_H
