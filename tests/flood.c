// The first figure and the table of chapter 4, from a run: make flood.
#include "flood.h"

#include <stdio.h>

#include "hash/pycore_pyhash.h"
#include "hash/pycore_pylifecycle.h"

#undef Py_HASH_ALGORITHM
#undef Py_HASH_CUTOFF
#define Py_HASH_ALGORITHM Py_HASH_FNV
#define Py_HASH_CUTOFF 7
#define AGAIN(name) fnv_##name
#include "pyhash_again.h"
#undef AGAIN

static unsigned char made[4096 * 24], twins[4096 * 200], plain[4096 * 24];
static const unsigned long seeds[] = {0, 1, 42};

static void
start(unsigned long seed)
{
    PyConfig config = {.use_hash_seed = 1, .hash_seed = seed};
    hash_secret_reset();
    _Py_HashRandomization_Init(&config);
    fnv__Py_HashSecret = _Py_HashSecret;
}

static void
row(const char *what, unsigned long seed, const unsigned char *keys, Py_ssize_t size)
{
    start(seed);
    struct flood old = flood(fnv__Py_HashBytes, keys, size, 4096);
    struct flood now = flood(_Py_HashBytes, keys, size, 4096);
    printf("%-22s %4lu %8d %9ld %10d %9ld\n", what, seed, old.hashes, old.looks,
           now.hashes, now.looks);
}

static void
draw_spread(void)
{
    printf("\n64 of the computed keys, in 16 groups of 8 slots:\n");
    for (int i = 0; i < 6; i++) {
        int groups[16];
        start(seeds[i % 3]);
        spread(i < 3 ? fnv__Py_HashBytes : _Py_HashBytes, made, 24, groups);
        printf("%-11s seed %2lu ", i < 3 ? "FNV" : "SipHash-1-3", seeds[i % 3]);
        for (int g = 0; g < 16; g++) printf(" %2d", groups[g]);
        printf("\n");
    }
}
int
main(void)
{
    make_for_no_secret(made, 4096);
    make_twins(twins, 4096);
    for (int i = 0; i < 4096; i++) {
        memcpy(plain + 24 * i, "field number            ", 24);
        plain[24 * i + 20] = (unsigned char)('0' + i / 1000);
        plain[24 * i + 21] = (unsigned char)('0' + i / 100 % 10);
        plain[24 * i + 22] = (unsigned char)('0' + i / 10 % 10);
        plain[24 * i + 23] = (unsigned char)('0' + i % 10);
    }
    printf("%-22s %4s %18s %20s\n%-22s %4s %8s %9s %10s %9s\n", "4096 keys", "seed",
           "FNV", "SipHash-1-3", "", "", "hashes", "looked at", "hashes", "looked at");
    for (int i = 0; i < 3; i++) row("names of fields", seeds[i], plain, 24);
    for (int i = 0; i < 3; i++) row("computed, no secret", seeds[i], made, 24);
    for (int i = 0; i < 3; i++) row("twins", seeds[i], twins, 200);
    draw_spread();
}
