// CPython: Include/cpython/pyatomic.h, Include/cpython/pyatomic_gcc.h
// (v3.13.5, behaviour of 3.14)
#ifndef HOST_PYATOMIC_H
#define HOST_PYATOMIC_H

#include "host/pyport.h"

/* Atomic operations on plain fields. TYPE is int, uint8, uint16, uint32,
 * uint64, ullong, uintptr, ssize or ptr; every name starts _Py_atomic_ .
 *
 *   load_TYPE(obj)                   the value           _relaxed  _acquire
 *   store_TYPE(obj, value)                               _relaxed  _release
 *   exchange_TYPE(obj, value)        the value before
 *   compare_exchange_TYPE(obj, expected, desired)
 *                                    1: it was *expected, it is desired now
 *                                    0: unchanged; its value is in *expected
 *   add_, and_, or_TYPE(obj, value)  the value before (not for ptr)
 *   fence_seq_cst(), fence_acquire(), fence_release()
 *
 * Order      sequentially consistent, but for the suffixes named above.
 * Requires   *obj aligned to its size. For ptr, obj and expected are addresses
 *            of pointers of any type.
 * Blocks     never.   Allocates  never.   A comparison never fails spuriously.
 * Unchecked  plain access to *obj by another thread at the same time.
 * CPython    Include/cpython/pyatomic.h */
/* T is the type of the field; A is what a parameter points to: T, or void. */
#define _Py_ATOMIC_LOAD_STORE(NAME, T, A) \
    static inline T _Py_atomic_load_##NAME(const A *obj) \
    { return __atomic_load_n((const T *)obj, __ATOMIC_SEQ_CST); } \
    static inline T _Py_atomic_load_##NAME##_relaxed(const A *obj) \
    { return __atomic_load_n((const T *)obj, __ATOMIC_RELAXED); } \
    static inline T _Py_atomic_load_##NAME##_acquire(const A *obj) \
    { return __atomic_load_n((const T *)obj, __ATOMIC_ACQUIRE); } \
    static inline void _Py_atomic_store_##NAME(A *obj, T value) \
    { __atomic_store_n((T *)obj, value, __ATOMIC_SEQ_CST); } \
    static inline void _Py_atomic_store_##NAME##_relaxed(A *obj, T value) \
    { __atomic_store_n((T *)obj, value, __ATOMIC_RELAXED); } \
    static inline void _Py_atomic_store_##NAME##_release(A *obj, T value) \
    { __atomic_store_n((T *)obj, value, __ATOMIC_RELEASE); }
#define _Py_ATOMIC_EXCHANGE(NAME, T, A) \
    static inline T _Py_atomic_exchange_##NAME(A *obj, T value) \
    { return __atomic_exchange_n((T *)obj, value, __ATOMIC_SEQ_CST); } \
    static inline int \
    _Py_atomic_compare_exchange_##NAME(A *obj, A *expected, T desired) \
    { return __atomic_compare_exchange_n((T *)obj, (T *)expected, desired, 0, \
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); }
#define _Py_ATOMIC_ARITHMETIC(NAME, T) \
    static inline T _Py_atomic_add_##NAME(T *obj, T value) \
    { return __atomic_fetch_add(obj, value, __ATOMIC_SEQ_CST); } \
    static inline T _Py_atomic_and_##NAME(T *obj, T value) \
    { return __atomic_fetch_and(obj, value, __ATOMIC_SEQ_CST); } \
    static inline T _Py_atomic_or_##NAME(T *obj, T value) \
    { return __atomic_fetch_or(obj, value, __ATOMIC_SEQ_CST); }
_Static_assert(__GCC_ATOMIC_CHAR_LOCK_FREE == 2 && __GCC_ATOMIC_SHORT_LOCK_FREE == 2 &&
               __GCC_ATOMIC_INT_LOCK_FREE == 2 && __GCC_ATOMIC_LONG_LOCK_FREE == 2 &&
               __GCC_ATOMIC_LLONG_LOCK_FREE == 2 && __GCC_ATOMIC_POINTER_LOCK_FREE == 2,
               "no operation takes a hidden lock");

#define _Py_ATOMIC_FAMILY(NAME, T) \
    _Py_ATOMIC_LOAD_STORE(NAME, T, T) \
    _Py_ATOMIC_EXCHANGE(NAME, T, T) \
    _Py_ATOMIC_ARITHMETIC(NAME, T)

_Py_ATOMIC_FAMILY(int, int)
_Py_ATOMIC_FAMILY(uint8, uint8_t)
_Py_ATOMIC_FAMILY(uint16, uint16_t)
_Py_ATOMIC_FAMILY(uint32, uint32_t)
_Py_ATOMIC_FAMILY(uint64, uint64_t)
_Py_ATOMIC_FAMILY(ullong, unsigned long long)
_Py_ATOMIC_FAMILY(uintptr, uintptr_t)
_Py_ATOMIC_FAMILY(ssize, Py_ssize_t)

typedef void *_Py_any_ptr __attribute__((may_alias));
_Py_ATOMIC_LOAD_STORE(ptr, _Py_any_ptr, void)
_Py_ATOMIC_EXCHANGE(ptr, _Py_any_ptr, void)
/* ThreadSanitizer does not model fences, and gcc warns of each of them. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#  pragma GCC diagnostic ignored "-Wtsan"
#endif

static inline void _Py_atomic_fence_seq_cst(void)
{ __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static inline void _Py_atomic_fence_acquire(void)
{ __atomic_thread_fence(__ATOMIC_ACQUIRE); }

static inline void _Py_atomic_fence_release(void)
{ __atomic_thread_fence(__ATOMIC_RELEASE); }

#endif  // HOST_PYATOMIC_H
