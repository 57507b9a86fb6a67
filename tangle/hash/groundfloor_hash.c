// Ours: the program groundfloor-hash, which prints a hash secret and hashes.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash/pycore_pyhash.h"
#include "hash/pycore_pylifecycle.h"
#include "host/pymem.h"

#ifndef GF_VERSION
#  define GF_VERSION "of no version"
#endif

static const char usage[] =
    "usage: groundfloor-hash [--seed N|random] [--bytes] [--] [STRING ...]\n"
    "\n"
    "Print the hash secret that CPython makes of a seed, 24 bytes in hex, and then, one\n"
    "a line, what its hash() says of each STRING.\n"
    "\n"
    "  --seed N|random  as PYTHONHASHSEED, which is read when there is no --seed\n"
    "  --bytes          hash STRING as bytes, not as str (UTF-8)\n"
    "  -h, --help       print this\n"
    "  -V, --version    print which version this is\n"
    "  --               what follows is a STRING, though it begin with a -\n"
    "\n"
    "Exit status: 0; 1 when something fails; 2 when an option or the seed is wrong.\n";

/* The character that s begins with: its length in bytes, or 0 when that is no UTF-8. */
static int
utf8_char(const unsigned char *s, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int length = *s < 0x80 ? 1 : *s < 0xc0 ? 0 : *s < 0xe0 ? 2
        : *s < 0xf0 ? 3 : *s < 0xf8 ? 4 : 0;
    *c = length == 1 ? *s : *s & (0x7fU >> length);
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;                               /* also at the final '\0' */
        }
        *c = *c << 6 | (s[i] & 0x3f);
    }
    int surrogate = 0xd800 <= *c && *c < 0xe000;
    return length == 0 || *c < least[length] || *c > 0x10ffff || surrogate ? 0 : length;
}

/* hash() of the str that Python makes of an argument. 0, or -1: no memory. */
static int
hash_argument(const char *text, Py_hash_t *hash)
{
    uint32_t largest = 0, c;
    size_t n = 0;
    uint32_t *str = PyMem_RawCalloc(strlen(text) + 1, sizeof *str);
    if (str == NULL) {
        return -1;
    }
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; n++) {
        int length = utf8_char(s, &c);
        str[n] = length ? c : 0xdc00U + *s;
        largest |= str[n];
        s += length ? length : 1;
    }
    size_t width = largest < 0x100 ? 1 : largest < 0x10000 ? 2 : 4;
    unsigned char *narrow = (unsigned char *)str;
    for (size_t i = 0; i < n; i++) {
        uint8_t one = (uint8_t)str[i];
        uint16_t two = (uint16_t)str[i];
        c = str[i];
        void *from = width == 1 ? (void *)&one : width == 2 ? (void *)&two : &c;
        memcpy(narrow + i * width, from, width);
    }
    *hash = _Py_HashBytes(narrow, (Py_ssize_t)(n * width));
    PyMem_RawFree(str);
    return 0;
}

/* The exit status of a run that has printed all that it had to. */
static int
finish(FILE *out, FILE *err)
{
    if (fflush(out) != 0 || ferror(out)) {
        fputs("groundfloor-hash: cannot write\n", err);
        return 1;
    }
    return 0;
}

static int
answer(char **strings, int as_bytes, FILE *out, FILE *err)
{
    for (size_t i = 0; i < sizeof _Py_HashSecret; i++) {
        fprintf(out, "%02x", _Py_HashSecret.uc[i]);
    }
    fputc('\n', out);
    for (; *strings != NULL; strings++) {
        Py_hash_t hash = _Py_HashBytes(*strings, (Py_ssize_t)strlen(*strings));
        if (!as_bytes && hash_argument(*strings, &hash) < 0) {
            fputs("groundfloor-hash: memory allocation failed\n", err);
            return 1;
        }
        fprintf(out, "%zd\n", hash);
    }
    return finish(out, err);
}

static int
groundfloor_hash(int argc, char **argv, FILE *out, FILE *err)
{
    int as_bytes = 0, i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            fputs(usage, out);
            return finish(out, err);
        }
        if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
            fputs("groundfloor-hash " GF_VERSION "\n", out);
            return finish(out, err);
        }
        if (strcmp(argv[i], "--bytes") == 0) {
            as_bytes = 1;
            continue;
        }
        const char *seed = strncmp(argv[i], "--seed=", 7) == 0 ? argv[i] + 7 : NULL;
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = argv[++i];
        }
        if (seed == NULL) {
            fprintf(err, "groundfloor-hash: %s %s\n%s", argv[i],
                    strcmp(argv[i], "--seed") == 0 ? "needs a value" : "is no option", usage);
            return 2;
        }
        if (setenv("PYTHONHASHSEED", seed, 1) != 0) {
            fprintf(err, "groundfloor-hash: cannot set PYTHONHASHSEED: %s\n", strerror(errno));
            return 1;
        }
    }
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    PyStatus status = PyConfig_Read(&config);
    int wrong = PyStatus_Exception(status);
    if (!wrong) {
        status = _Py_HashRandomization_Init(&config);
    }
    if (PyStatus_Exception(status)) {
        fprintf(err, "groundfloor-hash: %s\n", status.err_msg);
        return wrong ? 2 : 1;
    }
    return answer(argv + i, as_bytes, out, err);
}

int
main(int argc, char **argv)
{
    return groundfloor_hash(argc, argv, stdout, stderr);
}
