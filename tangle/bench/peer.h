// Ours. What a peer of the bench offers, and what its threads share.
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LINE __attribute__((aligned(64)))     // a cache line of its own

enum { BENCH_LOCKS = 8, BENCH_WAITS = 512 };

struct bench_table {
    unsigned section, gap;          // turns of bench_spin
    int locks;                      // how many are in use, at most BENCH_LOCKS
    uint64_t turns;                 // acquisitions of one thread, at most
    int64_t limit;                  // of a wait, in ns
    BENCH_LINE int stop;            // written once, by whoever measures
    struct { BENCH_LINE uint64_t count; } guarded[BENCH_LOCKS]; // under that lock alone
    BENCH_LINE int turn;            // whose turn it is
    uint64_t asked;                 // how often the one thread with a watch asked,
    uint64_t waits[BENCH_WAITS];    // and its last waits, in ns
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
 * nanoseconds that this took, or BENCH_REFUSED if the kernel does not allow it; `sit` goes on until table->stop, one thread of
 * several. `fresh` makes the peer's lock new before a crowd sits down. */
#define BENCH_REFUSED UINT64_MAX

struct bench_work {
    const char *name;
    uint64_t (*run)(long times);
    void (*sit)(struct bench_seat *seat);
};

struct bench_peer {
    const char *name;
    void (*fresh)(void);
    struct bench_work works[24];    // ends with one without a name
};
#ifdef __cplusplus
}
#endif
#endif  // BENCH_PEER_H
