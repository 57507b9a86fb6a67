// libFuzzer's target: PYTHONHASHSEED, the secret and the hashes against second opinions.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paper.h"

int unused_main(int argc, char **argv);
#define main unused_main
#include "hash/groundfloor_hash.c"
#undef main

#undef Py_HASH_ALGORITHM
#undef Py_HASH_CUTOFF
#define Py_HASH_ALGORITHM Py_HASH_FNV
#define Py_HASH_CUTOFF 7
#define AGAIN(name) fnv_##name
#include "pyhash_again.h"
#undef AGAIN
#define REQUIRE(x) require((x), "not so: " #x "\n")
enum { ERROR = -2, RANDOM = -1 };

static void
require(int so, const char *else_say)
{
    if (!so) {
        fputs(else_say, stderr);
        abort();
    }
}

/* The seed that a text means, or ERROR, or RANDOM. */
static long long
second_reading(const char *text)
{
    unsigned __int128 value = 0;
    if (*text == '\0' || strcmp(text, "random") == 0) {
        return RANDOM;
    }
    text += strspn(text, " \t\n\v\f\r");
    int minus = *text == '-';
    text += *text == '-' || *text == '+';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0') {
        return ERROR;
    }
    for (; digits-- > 0; text++) {
        value = value * 10 + (unsigned)(*text - '0');
        value = value > UINT64_MAX ? (unsigned __int128)1 << 64 : value;
    }
    uint64_t seed = minus ? -(uint64_t)value : (uint64_t)value;
    return value > UINT64_MAX || seed > 4294967295 ? ERROR : (long long)seed;
}

static void
check_secret(long long seed)
{
    uint64_t x = (uint64_t)seed;
    for (int i = 0; i < 24; i++) {
        x = (x * 214013 + 2531011) % ((uint64_t)1 << 32);
        REQUIRE(_Py_HashSecret.uc[i] == (seed == 0 ? 0 : x / 65536 % 256));
    }
}

static void
check_hashes(const unsigned char *m, size_t n)
{
    uint64_t k[3], short_one = 5381;
    memcpy(k, &_Py_HashSecret, sizeof k);
    fnv__Py_HashSecret = _Py_HashSecret;
    for (size_t i = 0; i < n; i++) {
        short_one = short_one * 33 + m[i];
    }
    short_one ^= n ^ k[2];
    short_one = short_one == UINT64_MAX ? UINT64_MAX - 1 : short_one;
    uint64_t sip = paper(1, 3, k[0], k[1], m, n);
    sip = sip == UINT64_MAX ? UINT64_MAX - 1 : sip;
    REQUIRE((uint64_t)_Py_HashBytes(m, (Py_ssize_t)n) == (n == 0 ? 0 : sip));
    REQUIRE(_Py_KeyedHash(k[2], m, (Py_ssize_t)n) == paper(1, 3, k[2], 0, m, n));
    REQUIRE((uint64_t)fnv__Py_HashBytes(m, (Py_ssize_t)n) ==
            (n == 0 ? 0 : n < 7 ? short_one : fnv_paper(k[0], k[1], m, n)));
}

/* A text up to the first zero byte, and the rest: a secret of one's own where the
 * text is no seed, and a message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char variable[4096] = "PYTHONHASHSEED=", *variables[] = {variable, NULL};
    char *text = variable + strlen("PYTHONHASHSEED=");
    size_t n = strnlen((const char *)data, size < 4000 ? size : 4000);
    memcpy(text, data, n);
    text[n] = '\0';
    environ = variables;
    hash_secret_reset();
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    PyStatus status = PyConfig_Read(&config);
    long long seed = second_reading(text);
    REQUIRE(PyStatus_Exception(status) == (seed == ERROR));
    data += n < size ? n + 1 : n;
    size -= n < size ? n + 1 : n;
    if (seed >= 0) {
        REQUIRE(config.use_hash_seed == 1 && config.hash_seed == (unsigned long)seed);
        REQUIRE(!PyStatus_Exception(_Py_HashRandomization_Init(&config)));
        check_secret(seed);
    }
    else {
        REQUIRE(seed == ERROR || config.use_hash_seed == 0);
        memcpy(&_Py_HashSecret, data, size < 24 ? size : 24);
    }
    check_hashes(data, size);
    Py_hash_t hash;
    REQUIRE(hash_argument(text, &hash) == 0);
    return 0;
}
