// SipHash-c-d as its paper draws it, and FNV by its definition: to compare with.
#ifndef TESTS_PAPER_H
#define TESTS_PAPER_H

#include <stddef.h>
#include <stdint.h>

#define TURN(x, b) ((x) << (b) | \
                    (x) >> (64 - (b)))

static inline void
paper_round(uint64_t *v)
{
    v[0] += v[1];           v[2] += v[3];
    v[1] = TURN(v[1], 13);  v[3] = TURN(v[3], 16);
    v[1] ^= v[0];           v[3] ^= v[2];
    v[0] = TURN(v[0], 32);
    v[2] += v[1];           v[0] += v[3];
    v[1] = TURN(v[1], 17);  v[3] = TURN(v[3], 21);
    v[1] ^= v[2];           v[3] ^= v[0];
    v[2] = TURN(v[2], 32);
}

static inline uint64_t
paper(int c, int d, uint64_t k0, uint64_t k1, const unsigned char *m, size_t n)
{
    static const char constants[] = "uespemosmodnarodarenegylsetybdet";
    uint64_t v[4] = {0};
    for (size_t i = 0; i < 32; i++) {
        v[i / 8] |= (uint64_t)(unsigned char)constants[i] << 8 * (i % 8);
    }
    v[0] ^= k0; v[1] ^= k1; v[2] ^= k0; v[3] ^= k1;
    for (size_t w = 0; w <= n / 8; w++) {
        uint64_t word = 0;
        for (size_t i = 8 * w; i < 8 * w + 8; i++) {
            uint64_t byte = i < n ? m[i] : i % 8 == 7 ? n % 256 : 0;
            word |= byte << 8 * (i % 8);
        }
        v[3] ^= word;
        for (int i = 0; i < c; i++) paper_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < d; i++) paper_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline uint64_t
fnv_paper(uint64_t prefix, uint64_t suffix, const unsigned char *m, size_t n)
{
    uint64_t x = prefix ^ (uint64_t)m[0] << 7, block = 0;
    for (size_t i = 0; i < n; i++) {
        if (i / 8 == (n - 1) / 8) {
            x = x * 1000003 ^ m[i];         /* the last one to eight */
            continue;
        }
        block |= (uint64_t)m[i] << 8 * (i % 8);
        if (i % 8 == 7) {
            x = x * 1000003 ^ block;
            block = 0;
        }
    }
    x ^= n ^ suffix;
    return x == UINT64_MAX ? UINT64_MAX - 1 : x;
}

#endif  // TESTS_PAPER_H
