// Keys that collide, and a table that counts what they cost. See make flood.
#ifndef TESTS_FLOOD_H
#define TESTS_FLOOD_H

#include <stdint.h>
#include <string.h>

#include "hash/pyhash.h"

/* n keys of 24 bytes, one behind the other, with one FNV hash under no secret. */
static inline void
make_for_no_secret(unsigned char *keys, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++, keys += 24) {
        uint64_t first = i * UINT64_C(0x9e3779b97f4a7c15);  /* whatever it is */
        uint64_t x = (first & 0xff) << 7;
        x = (PyHASH_MULTIPLIER * x) ^ first;
        uint64_t second = (PyHASH_MULTIPLIER * x) ^ UINT64_C(0x1234567890abcdef);
        memcpy(keys, &first, 8);
        memcpy(keys + 8, &second, 8);
        memcpy(keys + 16, "password", 8);
    }
}

/* n keys of 200 bytes (n is 4096 at most) with one FNV hash under any secret. */
static inline void
make_twins(unsigned char *keys, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++, keys += 200) {
        memset(keys, 'k', 200);
        for (unsigned int pair = 0; pair < 12; pair++) {
            unsigned char flip = i >> pair & 1 ? 0x80 : 0;
            keys[16 * pair + 7] ^= flip;            /* little-endian: the uppermost */
            keys[16 * pair + 15] ^= flip;
        }
    }
}

struct flood { int hashes; long looks; };

/* Put n keys (4096 at most) of `size` bytes into a table of 8192 slots. Counts the
 * different hashes, and the slots looked at until each key had its own. */
static inline struct flood
flood(Py_hash_t (*hash)(const void *, Py_ssize_t), const unsigned char *keys,
      Py_ssize_t size, int n)
{
    static Py_hash_t slot[8192];
    struct flood f = {0, 0};
    memset(slot, 0, sizeof slot);                   /* 0: free; no key hashes to 0 */
    for (int i = 0; i < n; i++) {
        Py_hash_t h = hash(keys + i * size, size);
        size_t perturb = (size_t)h, at = perturb % 8192, new_one = 1;
        for (f.looks++; slot[at] != 0; f.looks++) {
            new_one = new_one && slot[at] != h;
            perturb >>= 5;
            at = (at * 5 + perturb + 1) % 8192;
        }
        slot[at] = h;
        f.hashes += (int)new_one;
    }
    return f;
}

/* How many of 64 keys fall first into each sixteenth of a table of 128 slots. */
static inline void
spread(Py_hash_t (*hash)(const void *, Py_ssize_t), const unsigned char *keys,
       Py_ssize_t size, int sixteenth[16])
{
    memset(sixteenth, 0, 16 * sizeof *sixteenth);
    for (int i = 0; i < 64; i++) {
        sixteenth[(size_t)hash(keys + i * size, size) % 128 / 8]++;
    }
}

#endif  // TESTS_FLOOD_H
