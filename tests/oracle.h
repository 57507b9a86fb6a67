// What upstream-refs/hash_oracle.py wrote down of CPython, and how to ask a living one.
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash/pycore_pyhash.h"
#include "hash/pycore_pylifecycle.h"

static inline FILE *
oracle_open(void)
{
    FILE *f = fopen("upstream-refs/hash_oracle.txt", "r");
    ck_assert_msg(f != NULL, "no upstream-refs/hash_oracle.txt: run from the top");
    return f;
}

/* The generator of Knuth's MMIX, its upper half; as in the script. */
static inline uint32_t
roll(uint64_t *dice)
{
    *dice = *dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*dice >> 32);
}


#define DIGEST_OF_NOTHING UINT64_C(0xcbf29ce484222325)

static inline uint64_t
digest_more(uint64_t digest, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return digest;
}

static inline void
from_hex(const char *hex, char *text, size_t size)
{
    unsigned int byte;
    size_t n = 0;
    for (; n + 1 < size && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++) {
        text[n] = (char)byte;
    }
    text[n] = '\0';
}

/* 24 bytes, in a buffer that the next call uses again. */
static inline const char *
hex_of(const unsigned char *bytes)
{
    static char hex[49];
    for (int i = 0; i < 24; i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
    return hex;
}

static inline void
start_with_seed(unsigned long seed)
{
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.use_hash_seed = 1;
    config.hash_seed = seed;
    hash_secret_reset();
    ck_assert_int_eq(PyStatus_Exception(_Py_HashRandomization_Init(&config)), 0);
}

static inline const char *
hex_of_seed(unsigned long seed)
{
    start_with_seed(seed);
    return hex_of(_Py_HashSecret.uc);
}

static inline const char *
living_python(void)
{
    return access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
}

/* Run a command; its first line of output. 0 when there is none to be had. */
static inline int
ask_python(const char *command, char *said, size_t size)
{
    FILE *p = popen(command, "r");
    int got = p != NULL && fgets(said, (int)size, p) != NULL;
    if (p != NULL && pclose(p) != 0) {
        got = 0;
    }
    said[got ? strcspn(said, "\n") : 0] = '\0';
    return got;
}

#endif  // TESTS_ORACLE_H
