// CPython: Python/pyhash.c (v3.13.5, behaviour of 3.14)
//
// The hashes of bytes, and so of strings, under the process's secret; and those of
// addresses and numbers, which need none. SipHash is by Aumasson and Bernstein;
// upstream's derives from Marek Majkowski's csiphash (NOTICE.md).
#include "hash/pyhash.h"

#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "hash/pycore_pyhash.h"

_Py_HashSecret_t _Py_HashSecret = {{0}};

static PyHash_FuncDef PyHash_Func;

_Static_assert(DBL_MANT_DIG <= 2 * 28, "a number has two pieces of 28 bits at most");

static inline Py_uhash_t
rotate61(Py_uhash_t x, int bits)
{
    Py_uhash_t upper = x << bits & PyHASH_MODULUS;
    return upper | x >> (PyHASH_BITS - bits);
}

/* v is m * 2**e; m is taken in pieces of 28 bits, from the top, modulo 2**61 - 1,
 * where a multiplication by 2**k is a rotation of 61 bits by k. */
Py_hash_t
_Py_HashDouble(PyObject *inst, double v)
{
    if (!isfinite(v)) {
        return isnan(v) ? PyObject_GenericHash(inst) : v > 0 ? PyHASH_INF : -PyHASH_INF;
    }
    int e;
    Py_uhash_t x = 0;
    for (double m = frexp(fabs(v), &e); m != 0; e -= 28) {
        m *= 1 << 28;
        Py_uhash_t piece = (Py_uhash_t)m;
        m -= (double)piece;
        x = rotate61(x, 28) + piece;                /* below 2**56: two pieces */
    }
    x = rotate61(x, (e % PyHASH_BITS + PyHASH_BITS) % PyHASH_BITS);
    Py_hash_t hash = v < 0 ? -(Py_hash_t)x : (Py_hash_t)x;
    return hash == -1 ? -2 : hash;
}

Py_hash_t
Py_HashPointer(const void *ptr)
{
    Py_hash_t hash = _Py_HashPointerRaw(ptr);
    return hash == -1 ? -2 : hash;
}

Py_hash_t
PyObject_GenericHash(PyObject *obj)
{
    return Py_HashPointer(obj);
}

#if Py_HASH_CUTOFF > 0
/* One to six bytes. The secret only covers the result; see the text. */
static Py_hash_t
djbx33a(const void *src, Py_ssize_t len)
{
    Py_uhash_t hash = 5381;
    for (Py_ssize_t i = 0; i < len; i++) {
        hash = hash * 33 + ((const unsigned char *)src)[i];
    }
    hash ^= (Py_uhash_t)len;
    return (Py_hash_t)(hash ^ (Py_uhash_t)_Py_HashSecret.djbx33a.suffix);
}
#endif

Py_hash_t
_Py_HashBytes(const void *src, Py_ssize_t len)
{
    if (len == 0) {
        return 0;
    }
    Py_hash_t x;
#if Py_HASH_CUTOFF > 0
    if (len < Py_HASH_CUTOFF) {
        x = djbx33a(src, len);
    }
    else
#endif
    x = PyHash_Func.hash(src, len);
    return x == -1 ? -2 : x;
}

Py_hash_t
Py_HashBuffer(const void *ptr, Py_ssize_t len)
{
    return _Py_HashBytes(ptr, len);
}

PyHash_FuncDef *
PyHash_GetFuncDef(void)
{
    return &PyHash_Func;
}

static inline uint64_t
rotate(uint64_t x, int bits)
{
    uint64_t upper = x << bits;
    return upper | x >> (64 - bits);
}

static inline void
half_round(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, int s, int t)
{
    *a += *b;
    *c += *d;
    *b = rotate(*b, s) ^ *a;
    *d = rotate(*d, t) ^ *c;
    *a = rotate(*a, 32);
}

static inline void
sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        half_round(&v[0], &v[1], &v[2], &v[3], 13, 16);
        half_round(&v[2], &v[1], &v[0], &v[3], 17, 21);
    }
}

/* Up to eight bytes as a little-endian number, whatever the machine. */
static inline uint64_t
load(const unsigned char *in, size_t n)
{
    uint64_t word = 0;
    if (n > 0) {
        memcpy(&word, in, n);
    }
    return le64toh(word);
}

static inline void
absorb(uint64_t v[4], int c, uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, c);
    v[0] ^= word;
}

static inline uint64_t
sip(int c, int d, uint64_t k0, uint64_t k1, const void *src, Py_ssize_t size)
{
    const unsigned char *in = src;
    uint64_t last = (uint64_t)size << 56;       /* its lowest byte, on top */
    uint64_t v[4] = {
        k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    for (; size >= 8; size -= 8, in += 8) {
        absorb(v, c, load(in, 8));
    }
    absorb(v, c, last | load(in, (size_t)size));
    v[2] ^= 0xff;
    sip_rounds(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
siphash13(uint64_t k0, uint64_t k1, const void *src, Py_ssize_t src_sz)
{
    return sip(1, 3, k0, k1, src, src_sz);
}

#if Py_HASH_ALGORITHM == Py_HASH_SIPHASH24
static uint64_t
siphash24(uint64_t k0, uint64_t k1, const void *src, Py_ssize_t src_sz)
{
    return sip(2, 4, k0, k1, src, src_sz);
}
#endif

uint64_t
_Py_KeyedHash(uint64_t key, const void *src, Py_ssize_t src_sz)
{
    return siphash13(key, 0, src, src_sz);
}

#if Py_HASH_ALGORITHM == Py_HASH_FNV
/* Blocks of eight bytes, and the last one to eight bytes one by one. */
static Py_hash_t
fnv(const void *src, Py_ssize_t len)
{
    const unsigned char *p = src;
    size_t rest = ((size_t)len - 1) % sizeof(Py_uhash_t) + 1;
    const unsigned char *tail = p + ((size_t)len - rest);
    Py_uhash_t x = (Py_uhash_t)_Py_HashSecret.fnv.prefix ^ (Py_uhash_t)*p << 7;
    for (; p < tail; p += sizeof(Py_uhash_t)) {
        Py_uhash_t block;
        memcpy(&block, p, sizeof block);
        x = (PyHASH_MULTIPLIER * x) ^ block;
    }
    for (; rest > 0; rest--) {
        x = (PyHASH_MULTIPLIER * x) ^ *p++;
    }
    x ^= (Py_uhash_t)len ^ (Py_uhash_t)_Py_HashSecret.fnv.suffix;
    return x == (Py_uhash_t)-1 ? -2 : (Py_hash_t)x;
}

static PyHash_FuncDef PyHash_Func = {fnv, "fnv", 64, 128};
#else
#if Py_HASH_ALGORITHM == Py_HASH_SIPHASH24
#  define SIPHASH siphash24
#  define SIPHASH_NAME "siphash24"
#else
#  define SIPHASH siphash13
#  define SIPHASH_NAME "siphash13"
#endif
static Py_hash_t
pysiphash(const void *src, Py_ssize_t src_sz)
{
    uint64_t k0 = le64toh(_Py_HashSecret.siphash.k0);
    uint64_t k1 = le64toh(_Py_HashSecret.siphash.k1);
    return (Py_hash_t)SIPHASH(k0, k1, src, src_sz);
}

static PyHash_FuncDef PyHash_Func = {pysiphash, SIPHASH_NAME, 64, 128};
#endif
