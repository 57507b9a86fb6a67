// Ours. Threads sit down, are counted for a while, and get up.
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "bench/peer.h"

struct bench_question {
    int threads, ms;
    unsigned section, gap;      // turns of bench_spin
    int locks;                  // 0 is 1
    uint64_t turns;             // acquisitions of each thread; 0: until ms are over
    int64_t limit;              // of the work "timed": ns
};

struct bench_count {
    uint64_t ns;                // the span that was counted
    uint64_t all;               // acquisitions in it
    uint64_t least, most;       // of one thread
    uint64_t worst, median;     // longest wait, median; of the works with a watch
    uint64_t asked, in_time;    // of the one thread with a watch, from its start
    int excluded;               // 1: as many acquisitions as the locks guarded
};

/* Let threads do `sit`, pinned in turn to the processors, and count what they do
 * in the time that was asked for. 0; or -1: no thread or no memory to be had. */
int bench_crowd(const struct bench_peer *peer, const struct bench_work *work,
                const struct bench_question *q, struct bench_count *count);

void bench_pin(int number);     // the calling thread, to processor number % all
int bench_asleep(void);         // how many threads of this process are asleep

#endif  // BENCH_CROWD_H
