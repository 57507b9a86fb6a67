// CPython: Include/internal/pycore_pyhash.h (v3.13.5, behaviour of 3.14)
// Attached: no function here needs it. None waits or allocates.
#ifndef Py_INTERNAL_PYHASH_H
#define Py_INTERNAL_PYHASH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hash/pyhash.h"
#include "host/pyport.h"

/* As Py_HashPointer, but may be -1. An address ends in four zero bits, mostly; they
 * go to the top, where a table looks last. */
static inline Py_hash_t
_Py_HashPointerRaw(const void *ptr)
{
    uintptr_t x = (uintptr_t)ptr, low = x << 60;
    return (Py_hash_t)(x >> 4 | low);
}

/* The hash of `len` bytes under the process's secret: that of a bytes object, or
 * of a str that is stored in these bytes.
 *
 * Returns    never -1; 0 for no bytes, whatever the secret.
 * Requires   the secret was made; src is aligned to nothing, and may be NULL when
 *            len is 0; len is not negative.
 * Blocks, Allocates  never.   Threads  any number at once.
 * CPython    Python/pyhash.c, _Py_HashBytes; Py_HashBuffer in 3.14 */
PyAPI_FUNC(Py_hash_t) _Py_HashBytes(const void *src, Py_ssize_t len);

/* The same 24 bytes for all; which of them each reads:
 *   0      8      16     24
 *   uc----------------------   the code that fills it
 *   prefix suffix              fnv
 *   k0     k1                  siphash
 *                 suffix       djbx33a: strings below the cutoff
 *   hashsalt16--- hashsalt     expat, for the names in an XML document */
typedef union {
    unsigned char uc[24];
    struct { Py_hash_t prefix, suffix; } fnv;
    struct { uint64_t k0, k1; } siphash;
    struct { unsigned char padding[16]; Py_hash_t suffix; } djbx33a;
    struct { unsigned char hashsalt16[16]; Py_hash_t hashsalt; } expat;
} _Py_HashSecret_t;

#define LIES_AT(member, place) \
    _Static_assert(offsetof(_Py_HashSecret_t, member) == (place), #member)
_Static_assert(sizeof(_Py_HashSecret_t) == 24, "as in CPython");
_Static_assert(_Alignof(_Py_HashSecret_t) == 8, "as in CPython");
LIES_AT(fnv.prefix, 0);
LIES_AT(fnv.suffix, 8);
LIES_AT(siphash.k0, 0);
LIES_AT(siphash.k1, 8);
LIES_AT(djbx33a.suffix, 16);
LIES_AT(expat.hashsalt16, 0);
LIES_AT(expat.hashsalt, 16);
#undef LIES_AT

/* Filled once, by _Py_HashRandomization_Init, before any thread but the first
 * exists; read by every hash from then on, without a lock. */
PyAPI_DATA(_Py_HashSecret_t) _Py_HashSecret;

/* The descriptor of /dev/urandom that is kept open, and which file it was when it
 * was opened. fd is -1 when none is kept; the rest counts only when it is not. */
struct pyhash_runtime_state {
    struct {
        int fd;
        dev_t st_dev;
        ino_t st_ino;
    } urandom_cache;
};

#define pyhash_state_INIT {.urandom_cache = {.fd = -1}}

_Static_assert(sizeof(dev_t) == 8 && sizeof(ino_t) == 8, "read as uint64");

/* SipHash-1-3 of the bytes by k0 = key, k1 = 0, the same in every process and
 * build. All 64-bit values are possible. src may be NULL when src_sz is 0. */
PyAPI_FUNC(uint64_t) _Py_KeyedHash(uint64_t key, const void *src, Py_ssize_t src_sz);


#endif  // Py_INTERNAL_PYHASH_H
