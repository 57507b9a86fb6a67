// Tests of the hash functions; told and explained in book/04-hashing.md.
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int groundfloor_hash_main(int argc, char **argv);
#define main groundfloor_hash_main
#include "hash/groundfloor_hash.c"
#undef main
#include "flood.h"
#include "host/pyerrors.h"
#include "oracle.h"
#include "paper.h"
#include "support.h"

#undef Py_HASH_ALGORITHM
#undef Py_HASH_CUTOFF
#define Py_HASH_ALGORITHM Py_HASH_FNV
#define Py_HASH_CUTOFF 7
#define AGAIN(name) fnv_##name
#include "pyhash_again.h"
#undef AGAIN
#undef Py_HASH_ALGORITHM
#undef Py_HASH_CUTOFF
#define Py_HASH_ALGORITHM Py_HASH_SIPHASH24
#define Py_HASH_CUTOFF 0
#define AGAIN(name) sip24_##name
#include "pyhash_again.h"
#undef AGAIN
static void
with_their_secret(void)
{
    fnv__Py_HashSecret = sip24__Py_HashSecret = _Py_HashSecret;
}

/* fnv itself, for short strings too: around the cutoff. */
static Py_hash_t
fnv_alone(const void *src, Py_ssize_t len)
{
    return len == 0 ? 0 : fnv_PyHash_GetFuncDef()->hash(src, len);
}

static Py_hash_t
hash_of_str(const char *utf8)
{
    Py_hash_t hash = -1;
    ck_assert_int_eq(hash_argument(utf8, &hash), 0);
    return hash;
}


static int no_chance;               /* getrandom is wrapped: 1 makes it fail */
ssize_t __real_getrandom(void *buf, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned int flags);
ssize_t
__wrap_getrandom(void *buf, size_t n, unsigned int flags)
{
    errno = EIO;
    return no_chance ? -1 : __real_getrandom(buf, n, flags);
}

static int no_room;                 /* setenv is wrapped: 1 makes it fail */
int __real_setenv(const char *name, const char *value, int overwrite);
int __wrap_setenv(const char *name, const char *value, int overwrite);
int
__wrap_setenv(const char *name, const char *value, int overwrite)
{
    errno = ENOMEM;
    return no_room ? -1 : __real_setenv(name, value, overwrite);
}

static char *said, *complained;     /* what the last run wrote */

static int
program(const char *a, const char *b, const char *c, const char *d)
{
    char *argv[] = {"groundfloor-hash", (char *)a, (char *)b, (char *)c, (char *)d, NULL};
    int argc = 1;
    size_t n;
    while (argv[argc] != NULL) {
        argc++;
    }
    free(said);
    free(complained);
    FILE *out = open_memstream(&said, &n), *err = open_memstream(&complained, &n);
    hash_secret_reset();
    unsetenv("PYTHONHASHSEED");
    int status = groundfloor_hash(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return status;
}

static const void *
stream(char kind)
{
    static const char kinds[] = "baluw";
    static const uint32_t from[] = {0, 32, 128, 0x100, 0x10000};
    static const uint32_t span[] = {256, 95, 128, 0xff00, 0x100000};
    static uint8_t one[4096];
    static uint16_t two[4096];
    static uint32_t four[4096];
    size_t k = (size_t)(strchr(kinds, kind) - kinds);
    uint64_t dice = k;
    for (int i = 0; i < 4096; i++) {
        four[i] = from[k] + roll(&dice) % span[k];
        two[i] = (uint16_t)four[i];
        one[i] = (uint8_t)four[i];
    }
    return kind == 'w' ? (void *)four : kind == 'u' ? (void *)two : (void *)one;
}

/* Compare every line on the function `how`; the number of hashes behind digests. */
static long
compare_with_fixture(const char *how, Py_hash_t (*hash)(const void *, Py_ssize_t))
{
    char name[16], which[16], kind, given[32];
    unsigned long seed, first, count;
    long hashes = 0;
    FILE *f = oracle_open();
    for (char line[512]; fgets(line, sizeof line, f); ) {
        if (sscanf(line, "%15s %15s %lu %c %lu", name, which, &seed, &kind, &first) != 5
            || strcmp(which, how) != 0) {
            continue;
        }
        start_with_seed(seed);
        with_their_secret();
        const void *text = stream(kind);
        Py_ssize_t width = kind == 'w' ? 4 : kind == 'u' ? 2 : 1;
        char made[32];
        if (strcmp(name, "hash") == 0) {
            sscanf(line, "%*s %*s %*s %*s %*s %31s", given);
            snprintf(made, sizeof made, "%zd", hash(text, (Py_ssize_t)first * width));
        }
        else {
            sscanf(line, "%*s %*s %*s %*s %*s %lu %31s", &count, given);
            uint64_t digest = DIGEST_OF_NOTHING;
            for (unsigned long n = first; n < first + count; n++, hashes++) {
                uint64_t h = htole64((uint64_t)hash(text, (Py_ssize_t)n * width));
                digest = digest_more(digest, &h, sizeof h);
            }
            snprintf(made, sizeof made, "%016llx", (unsigned long long)digest);
        }
        ck_assert_msg(strcmp(made, given) == 0, "%s: we say %s", line, made);
    }
    fclose(f);
    return hashes;
}
CLAIM_TEST(test_a_string_is_its_memory)      /* hash_of_str decodes UTF-8 */
{
    static const uint16_t two[] = {'x', 0x2211};
    static const uint32_t four[] = {'x', 0x2211, 0x1f40d};
    start_with_seed(42);
    ck_assert_int_eq(_Py_HashBytes("x", 1), -4705332822649223158);
    ck_assert_int_eq(hash_of_str("x"), -4705332822649223158);
    ck_assert_int_eq(hash_of_str("x\u2211"), _Py_HashBytes(two, 4));
    ck_assert_int_eq(hash_of_str("x\u2211\U0001f40d"), _Py_HashBytes(four, 12));
    ck_assert_int_eq(hash_of_str("\u00e9"), _Py_HashBytes("\xe9", 1));
}
END_TEST
CLAIM_TEST(test_who_reads_which_bytes)
{
    _Py_HashSecret_t s;
    for (unsigned char i = 0; i < sizeof s; i++) {
        s.uc[i] = (unsigned char)(i + 1);
    }
    ck_assert_uint_eq(sizeof s, 24);
    ck_assert_uint_eq(le64toh(s.siphash.k0), 0x0807060504030201);
    ck_assert_uint_eq(le64toh(s.siphash.k1), 0x100f0e0d0c0b0a09);
    ck_assert_uint_eq(le64toh((uint64_t)s.fnv.prefix), 0x0807060504030201);
    ck_assert_uint_eq(le64toh((uint64_t)s.fnv.suffix), 0x100f0e0d0c0b0a09);
    ck_assert_uint_eq(le64toh((uint64_t)s.djbx33a.suffix), 0x1817161514131211);
    ck_assert_uint_eq(le64toh((uint64_t)s.expat.hashsalt), 0x1817161514131211);
    ck_assert_uint_eq(s.expat.hashsalt16[15], 16);
}
END_TEST
CLAIM_TEST(test_nothing_hashes_to_zero)
{
    for (unsigned long seed = 0; seed < 100; seed++) {
        start_with_seed(seed);
        with_their_secret();
        ck_assert_int_eq(_Py_HashBytes("unread", 0), 0);
        ck_assert_int_eq(Py_HashBuffer(NULL, 0), 0);
        ck_assert_int_eq(fnv__Py_HashBytes(NULL, 0), 0);
    }
}
END_TEST
CLAIM_TEST(test_minus_one_becomes_minus_two)
{
    start_with_seed(0);
    with_their_secret();
    Py_hash_t fnv_of = fnv__Py_HashBytes("abcdefghi", 9);
    Py_hash_t djb_of = fnv__Py_HashBytes("abc", 3);
    fnv__Py_HashSecret.fnv.suffix = ~fnv_of;        /* x ^ suffix is -1 now */
    ck_assert_int_eq(fnv__Py_HashBytes("abcdefghi", 9), -2);
    fnv__Py_HashSecret.fnv.suffix = ~fnv_of ^ 2;
    ck_assert_int_eq(fnv__Py_HashBytes("abcdefghi", 9), -3);
    fnv__Py_HashSecret.djbx33a.suffix = ~djb_of;
    ck_assert_int_eq(fnv__Py_HashBytes("abc", 3), -2);
    fnv__Py_HashSecret.djbx33a.suffix = ~djb_of ^ 4;
    ck_assert_int_eq(fnv__Py_HashBytes("abc", 3), -5);
}
END_TEST
CLAIM_TEST(test_the_secret_disarms_computed_keys)
{
    static unsigned char keys[4096 * 24];
    make_for_no_secret(keys, 4096);
    for (unsigned long seed = 0; seed < 30; seed++) {
        start_with_seed(seed);
        with_their_secret();
        struct flood f = flood(fnv__Py_HashBytes, keys, 24, 4096);
        ck_assert_int_eq(f.hashes, seed == 0 ? 1 : 4096);
        if (seed == 0) {
            ck_assert_int_ge(f.looks, 4096L * 4097 / 2);
        }
        else {
            ck_assert_int_lt(f.looks, 3 * 4096);
        }
        f = flood(_Py_HashBytes, keys, 24, 4096);
        ck_assert_int_eq(f.hashes, 4096);
        ck_assert_int_lt(f.looks, 2 * 4096);
    }
}
END_TEST
CLAIM_TEST(test_the_figure_is_a_run)
{
    static const struct { int sip; unsigned long seed; int drawn[16]; } rows[] = {
        {0, 0, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0}},
        {0, 1, {0, 0, 8, 2, 0, 0, 16, 4, 0, 0, 8, 2, 16, 8, 0, 0}},
        {0, 42, {8, 2, 8, 0, 4, 4, 4, 4, 0, 2, 16, 0, 4, 0, 4, 4}},
        {1, 1, {4, 1, 1, 6, 4, 4, 6, 6, 5, 6, 7, 2, 3, 5, 2, 2}}};
    static unsigned char keys[4096 * 24];
    int counted[16];
    make_for_no_secret(keys, 4096);
    for (int i = 0; i < 4; i++) {
        start_with_seed(rows[i].seed);
        with_their_secret();
        spread(rows[i].sip ? _Py_HashBytes : fnv__Py_HashBytes, keys, 24, counted);
        ck_assert_mem_eq(counted, rows[i].drawn, sizeof counted);
    }
    start_with_seed(42);
    with_their_secret();
    ck_assert_int_eq(flood(fnv__Py_HashBytes, keys, 24, 4096).looks, 9744);
}
END_TEST
CLAIM_TEST(test_no_secret_disarms_twins)
{
    static unsigned char keys[4096 * 200];
    make_twins(keys, 4096);
    for (unsigned long seed = 0; seed < 30; seed++) {
        start_with_seed(seed * 1000003);
        with_their_secret();
        ck_assert_int_eq(flood(fnv__Py_HashBytes, keys, 200, 4096).hashes, 1);
        ck_assert_int_eq(flood(_Py_HashBytes, keys, 200, 4096).hashes, 4096);
    }
}
END_TEST
CLAIM_TEST(test_siphash_is_siphash)
{
    unsigned char message[300];
    uint64_t k0 = UINT64_C(0x0706050403020100), k1 = UINT64_C(0x0f0e0d0c0b0a0908);
    for (int i = 0; i < 300; i++) {
        message[i] = (unsigned char)i;
    }
    /* Appendix A: key 00 … 0f, message 00 … 0e. sip24_siphash24: */
    ck_assert_uint_eq(sip24_siphash24(k0, k1, message, 15), UINT64_C(0xa129ca6149be45e5));
    for (Py_ssize_t n = 0; n < 300; n++) {
        ck_assert_uint_eq(sip24_siphash24(k0, k1, message, n),
                          paper(2, 4, k0, k1, message, (size_t)n));
        ck_assert_uint_eq(_Py_KeyedHash(k0, message, n),      /* siphash13, sip */
                          paper(1, 3, k0, 0, message, (size_t)n));
    }
}
END_TEST
CLAIM_TEST(test_the_cutoff_trusts_to_shortness)
{
    static const char *const twins[] = {
        "EzEzEz", "EzEzFY", "EzFYEz", "EzFYFY", "FYEzEz", "FYEzFY", "FYFYEz", "FYFYFY"};
    for (unsigned long seed = 0; seed < 100; seed++) {
        start_with_seed(seed);
        with_their_secret();
        for (int i = 1; i < 8; i++) {               /* djbx33a */
            ck_assert_int_eq(fnv__Py_HashBytes(twins[i], 6),
                             fnv__Py_HashBytes(twins[0], 6));
            ck_assert_int_ne(_Py_HashBytes(twins[i], 6), _Py_HashBytes(twins[0], 6));
        }
    }
}
END_TEST
CLAIM_TEST(test_a_keyed_hash_knows_no_secret)
{
    start_with_seed(0);
    uint64_t empty = _Py_KeyedHash(3571, NULL, 0);
    uint64_t text = _Py_KeyedHash(3571, "import x", 8);
    start_with_seed(42);
    ck_assert_uint_eq(_Py_KeyedHash(3571, NULL, 0), empty);
    ck_assert_uint_eq(_Py_KeyedHash(3571, "import x", 8), text);
    ck_assert_uint_ne(_Py_KeyedHash(3572, "import x", 8), text);
    start_with_seed(0);
    ck_assert_uint_eq(_Py_KeyedHash(0, "import x", 8),
                      (uint64_t)_Py_HashBytes("import x", 8));
}
END_TEST
CLAIM_TEST(test_numbers_and_addresses)
{
    unsigned long bits;
    long hash, compared = 0;
    FILE *f = oracle_open();
    for (char line[512]; fgets(line, sizeof line, f); ) {
        if (sscanf(line, "double %lx %ld", &bits, &hash) == 2) {
            double v;
            memcpy(&v, &bits, sizeof v);
            ck_assert_int_eq(_Py_HashDouble(NULL, v), hash);    /* rotate61 */
            compared++;
        }
    }
    fclose(f);
    ck_assert_int_eq(compared, 23);
    PyObject *nan = PyExc_OSError;
    ck_assert_int_eq(_Py_HashDouble(nan, (double)NAN), PyObject_GenericHash(nan));
    ck_assert_int_eq(Py_HashPointer((void *)0x123456789abcdef0), 0x0123456789abcdef);
    ck_assert_int_eq(Py_HashPointer((void *)5), 0x5000000000000000);
    ck_assert_int_eq(_Py_HashPointerRaw((void *)UINTPTR_MAX), -1);
    ck_assert_int_eq(Py_HashPointer((void *)UINTPTR_MAX), -2);
}
END_TEST
CLAIM_TEST(test_hashes_are_cpythons)
{
    ck_assert_int_eq(compare_with_fixture("siphash13", _Py_HashBytes), 7 * 5 * 4097);
}
END_TEST
CLAIM_TEST(test_the_other_functions_are_upstreams)
{
    long all = 4 * 2 * 1025;
    ck_assert_int_eq(compare_with_fixture("fnv", fnv_alone), all);
    ck_assert_int_eq(compare_with_fixture("fnv7", fnv__Py_HashBytes), all);
    ck_assert_int_eq(compare_with_fixture("siphash24", sip24__Py_HashBytes), all);
}
END_TEST
CLAIM_TEST(test_a_living_python_agrees_hashing)
{
    char command[512], theirs[256], ours[256];
    unsigned long seed = 0;
    ck_assert_int_eq(getrandom(&seed, 4, 0), 4);
    snprintf(command, sizeof command, "PYTHONHASHSEED=%lu %s -S -c 'import sys; "
             "print(sys.hash_info.algorithm, hash(\"x\"), hash(b\"groundfloor\"), "
             "hash(\"x\\u2211\"), hash(\"\\U0001f40d\" * 100))'", seed, living_python());
    if (!ask_python(command, theirs, sizeof theirs)
        || strncmp(theirs, "siphash13 ", 10) != 0) {
        return;                                     /* none here, or an older one */
    }
    uint32_t snakes[100];
    for (int i = 0; i < 100; i++) {
        snakes[i] = 0x1f40d;
    }
    start_with_seed(seed);
    snprintf(ours, sizeof ours, "siphash13 %zd %zd %zd %zd", hash_of_str("x"),
             _Py_HashBytes("groundfloor", 11), hash_of_str("x\u2211"),
             _Py_HashBytes(snakes, sizeof snakes));
    ck_assert_str_eq(ours, theirs);
}
END_TEST
CLAIM_TEST(test_the_build_says_what_it_is)
{
    const PyHash_FuncDef *def[] = {
        PyHash_GetFuncDef(), fnv_PyHash_GetFuncDef(), sip24_PyHash_GetFuncDef()};
    static const char *const name[] = {"siphash13", "fnv", "siphash24"};
    start_with_seed(7);
    with_their_secret();
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(def[i]->name, name[i]);
        ck_assert_int_eq(def[i]->hash_bits, 64);
        ck_assert_int_eq(def[i]->seed_bits, 128);
    }
    ck_assert_int_eq(def[0]->hash("x", 1), _Py_HashBytes("x", 1));  /* pysiphash */
    ck_assert_int_eq(def[1]->hash("xyxyxyx", 7), fnv__Py_HashBytes("xyxyxyx", 7));
    ck_assert_int_ne(def[1]->hash("xyxyxy", 6), fnv__Py_HashBytes("xyxyxy", 6));
}
END_TEST
CLAIM_TEST(test_alignment_does_not_matter)
{
    start_with_seed(42);
    with_their_secret();
    for (size_t n = 1; n < 70; n++) {
        unsigned char *aligned = malloc(n);         /* load, absorb: not a byte more */
        memset(aligned, (int)n, n);
        for (size_t offset = 0; offset < 8; offset++) {
            unsigned char *moved = malloc(n + offset);
            memcpy(moved + offset, aligned, n);
            Py_ssize_t size = (Py_ssize_t)n;
            ck_assert_int_eq(_Py_HashBytes(moved + offset, size),
                             _Py_HashBytes(aligned, size));
            ck_assert_int_eq(fnv__Py_HashBytes(moved + offset, size),
                             fnv__Py_HashBytes(aligned, size));
            free(moved);
        }
        free(aligned);
    }
}
END_TEST
CLAIM_TEST(test_the_program)
{
    /* groundfloor_hash, answer */
    ck_assert_int_eq(program("--seed", "42", "x", NULL), 0);
    ck_assert_str_eq(said, "af90cd68d34f50dcc1e999fe9fbb20b9c4900fdccb6af607\n"
                           "-4705332822649223158\n");
    ck_assert_int_eq(program("--bytes", "--seed=0", "--", "abc"), 0);
    ck_assert_str_eq(said, "000000000000000000000000000000000000000000000000\n"
                           "-4594863902769663758\n");
    ck_assert_int_eq(program("--seed", "random", NULL, NULL), 0);
    ck_assert_uint_eq(strlen(said), 49);
}
END_TEST
CLAIM_TEST(test_options)
{
    static const char *help[] = {"--help", "-h"}, *version[] = {"--version", "-V"};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(program("--bytes", help[i], "x", NULL), 0);
        ck_assert_str_eq(said, usage);
        ck_assert_int_eq(program(version[i], NULL, NULL, NULL), 0);
        ck_assert_str_eq(said, "groundfloor-hash " GF_VERSION "\n");
        ck_assert_str_ne(GF_VERSION, "of no version");
        ck_assert_int_eq(program("--seed=1", "--", help[i], NULL), 0);
        ck_assert_uint_gt(strlen(said), 49);            /* it is hashed */
    }
    ck_assert_int_eq(program("--seed=1", "-", NULL, NULL), 0);
    ck_assert_uint_gt(strlen(said), 49);
    static const char *none[] = {"--vers", "-v", "-hV", "-1", "--bytes=1", "---"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_int_eq(program(none[i], "x", NULL, NULL), 2);
        ck_assert_str_eq(said, "");
        ck_assert_ptr_ne(strstr(complained, "is no option\n"), NULL);
    }
}
END_TEST
CLAIM_TEST(test_bad_input)
{
    ck_assert_int_eq(program("--seed", "12 ", "x", NULL), 2);
    ck_assert_str_eq(complained, "groundfloor-hash: PYTHONHASHSEED must be \"random\" "
                                 "or an integer in range [0; 4294967295]\n");
    ck_assert_int_eq(program("--sed", NULL, NULL, NULL), 2);
    ck_assert_ptr_eq(strstr(complained, "groundfloor-hash: --sed is no option\nusage: "),
                     complained);
    ck_assert_int_eq(program("--seed", NULL, NULL, NULL), 2);
    ck_assert_ptr_eq(strstr(complained, "groundfloor-hash: --seed needs a value\nusage: "),
                     complained);
}
END_TEST
CLAIM_TEST(test_the_program_itself)
{
    char *argv[] = {"groundfloor-hash", "--seed", "0", NULL};
    fflush(stdout);
    int here = dup(1), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 1);
    int status = groundfloor_hash_main(3, argv);
    dup2(here, 1);
    close(here);
    close(nowhere);
    ck_assert_int_eq(status, 0);
}
END_TEST
CLAIM_TEST(test_the_program_in_trouble)
{
    oom_arm(1, 1);
    ck_assert_int_eq(program("--seed", "1", "x", NULL), 1);
    ck_assert_int_eq(oom_disarm(), 1);
    ck_assert_str_eq(complained, "groundfloor-hash: memory allocation failed\n");

    no_room = 1;
    ck_assert_int_eq(program("--seed", "1", "x", NULL), 1);
    ck_assert_int_eq(program("--seed=1", "x", NULL, NULL), 1);
    no_room = 0;
    ck_assert_str_eq(said, "");
    ck_assert_str_eq(complained, "groundfloor-hash: cannot set PYTHONHASHSEED: "
                                 "Cannot allocate memory\n");
    hash_secret_reset();
    no_chance = 1;
    ck_assert_int_eq(program("--seed", "random", NULL, NULL), 1);
    no_chance = 0;
    ck_assert_str_eq(complained, "groundfloor-hash: failed to get random numbers "
                                 "to initialize Python\n");
}
END_TEST
CLAIM_TEST(test_a_full_disk)
{
    static const char *asks[] = {"--seed=1", "--help", "--version"};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        for (int buffered = 0; buffered < 2; buffered++) {
            char *argv[] = {"groundfloor-hash", (char *)asks[i], "x", NULL}, *text;
            size_t n;
            FILE *full = fopen("/dev/full", "w"), *err = open_memstream(&text, &n);
            setvbuf(full, NULL, buffered ? _IOFBF : _IONBF, BUFSIZ);
            ck_assert_int_eq(groundfloor_hash(3, argv, full, err), 1);  /* finish */
            fclose(full);
            fclose(err);
            ck_assert_str_eq(text, "groundfloor-hash: cannot write\n");
            free(text);
        }
    }
}
END_TEST
CLAIM_TEST(test_arguments_are_decoded_as_python_does)
{
    static const struct { const char *bytes; uint32_t str[5]; } cases[] = {
        {"a\x80", {'a', 0xdc80}}, {"\xc1\xbf", {0xdcc1, 0xdcbf}}, {"\xff", {0xdcff}},
        {"\xe2\x82", {0xdce2, 0xdc82}}, {"\xe0\x9f\xbf", {0xdce0, 0xdc9f, 0xdcbf}},
        {"\xed\xa0\x80", {0xdced, 0xdca0, 0xdc80}}, {"\xee\x80\x80", {0xe000}},
        {"\xf4\x90\x80\x80", {0xdcf4, 0xdc90, 0xdc80, 0xdc80}},
        {"\xf4\x8f\xbf\xbf", {0x10ffff}}, {"\xf0\x9f\x90\x8d", {0x1f40d}},
        {"\xf8\x88\x80\x80", {0xdcf8, 0xdc88, 0xdc80, 0xdc80}},
        {"\xc3\xa9", {0xe9}}, {"\xf0\x8f\xbf\xbf", {0xdcf0, 0xdc8f, 0xdcbf, 0xdcbf}},
    };
    start_with_seed(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char narrow[20];
        Py_ssize_t used = 0;
        uint32_t all = 0;
        for (int k = 0; cases[i].str[k] != 0; k++) {
            all |= cases[i].str[k];
        }
        for (int k = 0; cases[i].str[k] != 0; k++) {    /* utf8_char, hash_argument */
            int width = all < 0x100 ? 1 : all < 0x10000 ? 2 : 4;
            uint32_t c = htole32(cases[i].str[k]);
            memcpy(narrow + used, &c, (size_t)width);
            used += width;
        }
        ck_assert_int_eq(hash_of_str(cases[i].bytes), _Py_HashBytes(narrow, used));
    }
}
END_TEST
