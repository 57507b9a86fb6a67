// Ours. A lock of Rust's, through its face of C.
#include "bench/peer.h"

#define BENCH_PASTE(A, B) A ## B
#define BENCH_FACE(A, B) BENCH_PASTE(A, B)
extern void BENCH_FACE(BENCH_RUST, _lock)(void);
extern void BENCH_FACE(BENCH_RUST, _unlock)(void);
extern uint64_t BENCH_FACE(BENCH_RUST, _uncontended)(long times);

static inline void peer_lock(void) { BENCH_FACE(BENCH_RUST, _lock)(); }
static inline void peer_unlock(void) { BENCH_FACE(BENCH_RUST, _unlock)(); }

#define uncontended BENCH_FACE(BENCH_RUST, _uncontended)
#define BENCH_NOT_ALONE
#include "bench/locks.h"

const struct bench_peer BENCH_PEER = {BENCH_NAME, 0, { BENCH_LOCK_WORKS }};
