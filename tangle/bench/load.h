// Ours. Who else was running.
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdint.h>

struct bench_load {
    uint64_t at;        // when it was looked at
    uint64_t busy;      // ns that all processors were busy, this program included
    uint64_t own;       // ns of them this program's
};

/* All three since some moment in the past: take the difference of two calls. */
struct bench_load bench_load_now(void);

#endif  // BENCH_LOAD_H
