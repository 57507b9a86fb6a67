// Ours. Threads sit down, are counted for a while, and get up.
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "bench/peer.h"

struct bench_count {
    uint64_t ns;                // the span that was counted
    uint64_t all;               // acquisitions in it
    uint64_t least, most;       // of one thread
    uint64_t worst;             // longest wait; of the work "wait" alone
    int excluded;               // 1: as many acquisitions as the lock guarded
};

/* Let `threads` threads do `sit`, pinned in turn to the processors, and count for
 * `ms` milliseconds. 0; or -1: no thread or no memory to be had. */
int bench_crowd(const struct bench_peer *peer, const struct bench_work *work,
                int threads, unsigned section, unsigned gap, int ms,
                struct bench_count *count);

void bench_pin(int number);     // the calling thread, to processor number % all
int bench_asleep(void);         // how many threads of this process are asleep

#endif  // BENCH_CROWD_H
