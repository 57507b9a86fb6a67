// The atomics of the simulation: the names of tangle/host/pyatomic.h, found
// before it on the include path. Every operation is a step of the scheduler.
#ifndef HOST_PYATOMIC_H
#define HOST_PYATOMIC_H

#include "host/pyport.h"
#include "simulation/threads.h"

#define SIM_INLINE static inline __attribute__((always_inline, unused))

/* T is the type of the field; A is what a parameter points to: T, or void.
 * All orders are one here: sequentially consistent. */
#define SIM_LOAD_AS(NAME, T, A) \
    SIM_INLINE T _Py_atomic_load_##NAME(const A *obj) \
    { sim_access(SIM_LOAD, obj, sizeof(T)); \
      T v = *(const volatile T *)obj; \
      sim_note((uintptr_t)v, (uintptr_t)v, 0); return v; }

#define SIM_STORE_AS(NAME, T, A) \
    SIM_INLINE void _Py_atomic_store_##NAME(A *obj, T value) \
    { sim_access(SIM_STORE, obj, sizeof(T)); \
      T v = *(volatile T *)obj; *(volatile T *)obj = value; \
      sim_note((uintptr_t)v, (uintptr_t)value, 1); }
#define SIM_EXCHANGE_AS(NAME, T, A) \
    SIM_INLINE T _Py_atomic_exchange_##NAME(A *obj, T value) \
    { sim_access(SIM_RMW, obj, sizeof(T)); \
      T v = *(volatile T *)obj; *(volatile T *)obj = value; \
      sim_note((uintptr_t)v, (uintptr_t)value, 1); return v; } \
    SIM_INLINE int \
    _Py_atomic_compare_exchange_##NAME(A *obj, A *expected, T desired) \
    { sim_access(SIM_RMW, obj, sizeof(T)); \
      T v = *(volatile T *)obj, *e = (T *)expected; \
      int equal = v == *e; \
      if (equal) *(volatile T *)obj = desired; else *e = v; \
      sim_note((uintptr_t)v, (uintptr_t)(equal ? desired : v), equal); \
      return equal; }
#define SIM_ARITHMETIC_AS(NAME, T, OP, SIGN) \
    SIM_INLINE T _Py_atomic_##OP##_##NAME(T *obj, T value) \
    { sim_access(SIM_RMW, obj, sizeof(T)); \
      T v = *(volatile T *)obj, w = (T)(v SIGN value); \
      *(volatile T *)obj = w; \
      sim_note((uintptr_t)v, (uintptr_t)w, 1); return v; }

#define SIM_BASIC_FAMILY(NAME, T, A) \
    SIM_LOAD_AS(NAME, T, A) \
    SIM_LOAD_AS(NAME##_relaxed, T, A) \
    SIM_LOAD_AS(NAME##_acquire, T, A) \
    SIM_STORE_AS(NAME, T, A) \
    SIM_STORE_AS(NAME##_relaxed, T, A) \
    SIM_STORE_AS(NAME##_release, T, A) \
    SIM_EXCHANGE_AS(NAME, T, A)
#define SIM_FAMILY(NAME, T) \
    SIM_BASIC_FAMILY(NAME, T, T) \
    SIM_ARITHMETIC_AS(NAME, T, add, +) \
    SIM_ARITHMETIC_AS(NAME, T, and, &) \
    SIM_ARITHMETIC_AS(NAME, T, or, |)

SIM_FAMILY(int, int)
SIM_FAMILY(uint8, uint8_t)
SIM_FAMILY(uint16, uint16_t)
SIM_FAMILY(uint32, uint32_t)
SIM_FAMILY(uint64, uint64_t)
SIM_FAMILY(ullong, unsigned long long)
SIM_FAMILY(uintptr, uintptr_t)
SIM_FAMILY(ssize, Py_ssize_t)

typedef void *_Py_any_ptr __attribute__((may_alias));
SIM_BASIC_FAMILY(ptr, _Py_any_ptr, void)
/* In a sequentially consistent world every step is its own fence. What this
 * hides is said under "What the simulation cannot see". */
SIM_INLINE void _Py_atomic_fence_seq_cst(void) { }
SIM_INLINE void _Py_atomic_fence_acquire(void) { }
SIM_INLINE void _Py_atomic_fence_release(void) { }

#endif  // HOST_PYATOMIC_H
