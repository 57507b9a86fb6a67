// Ours: where the library does otherwise than CPython, to be faster. Same names,
// same bits. With GF_UPSTREAM_POLICY it does as CPython does, in every build.
//
// What a waiter that sleeps in a mutex's queue can count on (its turn is the unlock
// that finds it first there):
//   in the GIL build         it is handed the mutex at its first turn after 1 ms
//   with a time limit        likewise
//   GF_CROWD or fewer others behind it, of the same mutex     likewise
//   in a larger crowd        at its first turn after 1 ms + GF_CROWD_NS
// The first line is CPython's promise, to all.
#ifndef GF_POLICY_H
#define GF_POLICY_H

/* A mutex that is held, free-threaded build: so many pauses of the processor,
 * then so many yields, a look after each; then it is time to park. A caller with
 * a time limit parks after the pauses: a busy thread would have its yields. */
#ifndef GF_SPIN_PAUSES
#  define GF_SPIN_PAUSES 4
#endif
#ifndef GF_SPIN_YIELDS
#  define GF_SPIN_YIELDS 31
#endif

/* A mutex that is let go, free-threaded build: the waiter whose turn it is may be
 * woken without it for so much longer than CPython's millisecond, if more than so
 * many others wait for the same mutex and it has no time limit. */
#ifndef GF_CROWD
#  define GF_CROWD 8
#endif
#if defined(GF_UPSTREAM_POLICY) || !defined(Py_GIL_DISABLED)
#  undef GF_CROWD_NS
#  define GF_CROWD_NS 0
#elif !defined(GF_CROWD_NS)
#  define GF_CROWD_NS (20 * 1000 * 1000)
#endif

/* What an unparker's function is told of the waiters that are left, beside CPython's
 * 0, none in the bucket, and 1, some: a crowd, at this very address. */
#define GF_IN_A_CROWD 2

#endif  // GF_POLICY_H
