// Ours. A lock of Rust's, through its face of C.
#include "bench/peer.h"

#define BENCH_PASTE(A, B) A ## B
#define BENCH_FACE(A, B) BENCH_PASTE(A, B)
extern void BENCH_FACE(BENCH_RUST, _lock)(int i);
extern void BENCH_FACE(BENCH_RUST, _unlock)(int i);
extern uint64_t BENCH_FACE(BENCH_RUST, _uncontended)(long times);

static inline void peer_lock(int i) { BENCH_FACE(BENCH_RUST, _lock)(i); }
static inline void peer_unlock(int i) { BENCH_FACE(BENCH_RUST, _unlock)(i); }

#define uncontended BENCH_FACE(BENCH_RUST, _uncontended)
#define BENCH_NOT_ALONE
#ifdef BENCH_TIMED              /* parking_lot; the standard library has no limit */
extern int parking_lot_lock_for(int i, int64_t ns);
#  define peer_lock_for parking_lot_lock_for
#endif
#include "bench/locks.h"

const struct bench_peer BENCH_PEER = {BENCH_NAME, 0, { BENCH_LOCK_WORKS,
#ifdef BENCH_TIMED
    {"timed", 0, timed},
#endif
    }};
