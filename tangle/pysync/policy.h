// Ours: where the library does otherwise than CPython, to be faster. Same names,
// same bits, same promises. With GF_UPSTREAM_POLICY it does as CPython does.
#ifndef GF_POLICY_H
#define GF_POLICY_H

/* A mutex that is held, free-threaded build: so many pauses of the processor,
 * then so many yields, a look after each; then it is time to park. */
#ifndef GF_SPIN_PAUSES
#  define GF_SPIN_PAUSES 4
#endif
#ifndef GF_SPIN_YIELDS
#  define GF_SPIN_YIELDS 31
#endif

/* A mutex that is let go: how often a waiter whose millisecond is over is woken
 * without the mutex before it is handed it. 0 is CPython's rule. */
#ifdef GF_UPSTREAM_POLICY
#  undef GF_PASSED_OVER
#  define GF_PASSED_OVER 0
#elif !defined(GF_PASSED_OVER)
#  define GF_PASSED_OVER 2
#endif

#endif  // GF_POLICY_H
