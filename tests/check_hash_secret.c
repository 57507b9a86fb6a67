// Tests of the hash secret; told and explained in book/05-hash-secret.md.
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oracle.h"
#include "support.h"

#undef HAVE_GETRANDOM
#define HAVE_GETRANDOM 0
#define _PyOS_URandom bsd_URandom
#define _PyOS_URandomNonblock bsd_URandomNonblock
#define _Py_HashRandomization_Init bsd_Init
#define _Py_HashRandomization_Fini bsd_Fini
#define hash_secret_reset bsd_reset
int bsd_URandom(void *buffer, Py_ssize_t size);
int bsd_URandomNonblock(void *buffer, Py_ssize_t size);
PyStatus bsd_Init(const PyConfig *config);
void bsd_Fini(void);
void bsd_reset(void);
#include "hash/bootstrap_hash.c"
#undef _PyOS_URandom
#undef _PyOS_URandomNonblock
#undef _Py_HashRandomization_Init
#undef _Py_HashRandomization_Fini
#undef hash_secret_reset
enum call { GETRANDOM, GETENTROPY, OPEN, FSTAT, READ, CLOSE, CALLS };
static struct { Py_ssize_t from, to; int err; } plan[CALLS];
static Py_ssize_t asked[CALLS];             /* how often each was called */
static Py_ssize_t let_go, taken_back;       /* PyEval_SaveThread, _RestoreThread */
static int faking, eof, last_flags;         /* what getrandom or open was passed */
static size_t at_most;                      /* bytes in one answer; 0: no limit */
static Py_ssize_t given[2];                 /* bytes given: by the calls, the device */
static uint8_t is_device[1024];             /* descriptors that are /dev/urandom */
static void (*meanwhile)(void);             /* what another thread does, in fstat */

static int
must_fail(enum call c)
{
    Py_ssize_t n = _Py_atomic_add_ssize(&asked[c], 1) + 1;
    if (plan[c].from <= n && n <= plan[c].to) {
        errno = plan[c].err;
        return 1;
    }
    return 0;
}

/* Fill in what a source gives: its bytes count up from its base. */
static ssize_t
give(int device, void *buf, size_t n)
{
    n = at_most != 0 && n > at_most ? at_most : n;
    Py_ssize_t start = _Py_atomic_add_ssize(&given[device], (Py_ssize_t)n);
    for (size_t i = 0; i < n; i++) {
        ((unsigned char *)buf)[i] =
            (unsigned char)((device ? 0x80 : 0x40) + ((size_t)start + i) % 64);
    }
    return (ssize_t)n;
}


static int
devices_own(int fd)
{
    return 0 <= fd && fd < 1024 && _Py_atomic_load_uint8(&is_device[fd]);
}

/* 1 when `buf` holds the first n bytes of a source, the first ever given. */
static int
is_from(int device, const void *buf, size_t n)
{
    size_t i = 0;
    while (i < n && ((const unsigned char *)buf)[i] == (device ? 0x80 : 0x40) + i % 64) {
        i++;
    }
    return i == n;
}

ssize_t __real_getrandom(void *buf, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned int flags);
ssize_t
__wrap_getrandom(void *buf, size_t n, unsigned int flags)
{
    if (!faking) {
        return __real_getrandom(buf, n, flags);
    }
    _Py_atomic_store_int(&last_flags, (int)flags);
    return must_fail(GETRANDOM) ? -1 : give(0, buf, n);
}

int __wrap_getentropy(void *buf, size_t n);
int
__wrap_getentropy(void *buf, size_t n)
{
    ck_assert_uint_le(n, 256);              /* more is EIO, says the manual */
    return must_fail(GETENTROPY) ? -1 : (int)(give(0, buf, n), 0);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    if (strcmp(path, "/dev/urandom") != 0) {
        return __real_open(path, flags, mode);      /* gcov's, at the end */
    }
    if (faking && must_fail(OPEN)) {
        return -1;
    }
    _Py_atomic_store_int(&last_flags, flags);
    int fd = __real_open(path, flags);
    ck_assert(0 <= fd && fd < 1024);
    _Py_atomic_store_uint8(&is_device[fd], 1);
    return fd;
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int
__wrap_fstat(int fd, struct stat *st)
{
    if (meanwhile != NULL) {
        void (*now)(void) = meanwhile;
        meanwhile = NULL;
        now();
    }
    return faking && must_fail(FSTAT) ? -1 : __real_fstat(fd, st);
}

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t
__wrap_read(int fd, void *buf, size_t n)
{
    if (!faking || !devices_own(fd)) {
        return __real_read(fd, buf, n);
    }
    return must_fail(READ) ? -1 : eof ? 0 : give(1, buf, n);
}


int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    int ours = devices_own(fd);
    int fails = faking && ours && must_fail(CLOSE), err = errno;
    if (ours) {
        _Py_atomic_store_uint8(&is_device[fd], 0);
    }
    int result = __real_close(fd);
    errno = fails ? err : errno;
    return fails ? -1 : result;
}

int __wrap___open_2(const char *path, int flags);
int
__wrap___open_2(const char *path, int flags)
{
    return __wrap_open(path, flags);
}

ssize_t __wrap___read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t
__wrap___read_chk(int fd, void *buf, size_t n, size_t size)
{
    ck_assert_uint_le(n, size);
    return __wrap_read(fd, buf, n);
}

PyThreadState *__wrap_PyEval_SaveThread(void);
PyThreadState *
__wrap_PyEval_SaveThread(void)
{
    _Py_atomic_add_ssize(&let_go, 1);
    return (PyThreadState *)&let_go;
}

void __wrap_PyEval_RestoreThread(PyThreadState *tstate);
void
__wrap_PyEval_RestoreThread(PyThreadState *tstate)
{
    ck_assert_ptr_eq(tstate, &let_go);
    _Py_atomic_add_ssize(&taken_back, 1);
}
static Py_ssize_t handled, patience;

static int
counting_handler(void)
{
    _Py_atomic_add_ssize(&handled, 1);
    errno = EPERM;                      /* a handler's own calls fail, too */
    if (patience != 0 && handled >= patience) {
        PyErr_SetString(PyExc_RuntimeError, "enough of this");
        return -1;
    }
    return 0;
}

static int
objecting_handler(void)
{
    PyErr_SetString(PyExc_RuntimeError, "a handler's error");
    errno = EPERM;
    return -1;
}

static void
fresh(void)
{
    _Py_HashRandomization_Fini();
    hash_secret_reset();
    memset(plan, 0, sizeof plan);
    memset(asked, 0, sizeof asked);
    memset(given, 0, sizeof given);
    faking = 1;
    eof = 0;
    at_most = 0;
    let_go = taken_back = handled = patience = 0;
    PyErr_Clear();
    host_on_signal(counting_handler);
}

/* From its nth call on, a call fails: once, or for ever. */
static void
will_fail(enum call c, Py_ssize_t nth, int ever, int err)
{
    plan[c].from = nth;
    plan[c].to = ever ? PY_SSIZE_T_MAX : nth;
    plan[c].err = err;
}
enum entry { STARTUP, NONBLOCK, URANDOM, ENTRIES };

/* Ask for `size` bytes (24 by STARTUP). 0, or -1. */
static int
enter(int e, unsigned char *buf, Py_ssize_t size)
{
    PyConfig config;
    switch (e) {
    case NONBLOCK:
        return _PyOS_URandomNonblock(buf, size);
    case URANDOM:
        return _PyOS_URandom(buf, size);
    }
    PyConfig_InitIsolatedConfig(&config);
    PyStatus status = _Py_HashRandomization_Init(&config);
    memcpy(buf, &_Py_HashSecret, 24);
    if (PyStatus_Exception(status)) {
        ck_assert_str_eq(status.err_msg,
                         "failed to get random numbers to initialize Python");
        return -1;
    }
    return 0;
}
static void
another_draws(void)
{
    unsigned char buf[24];
    ck_assert_int_eq(_PyOS_URandom(buf, 24), 0);
}

static int
descriptors(void)
{
    int open_now = 0;
    for (int fd = 0; fd < 1024; fd++) {
        open_now += is_device[fd];
    }
    return open_now;
}

static pthread_barrier_t start_line;

static void *
draw_a_few(void *unused)
{
    unsigned char buf[16];
    (void)unused;
    pthread_barrier_wait(&start_line);
    for (int i = 0; i < 5; i++) {
        if (_PyOS_URandom(buf, sizeof buf) < 0) {
            return &start_line;
        }
    }
    return NULL;
}

/* 1 when getrandom's failure, if there was one, sent the caller to the device. */
static int
fell_back(int e, int err, int reached)
{
    return reached && (err == ENOSYS || err == EPERM || (err == EAGAIN && e == STARTUP));
}

static const int errors_of[CALLS][28] = {
    [GETRANDOM] = {EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS, EPERM, EIO},
    [OPEN] = {EACCES, EBADF, EBUSY, EDQUOT, EEXIST, EFAULT, EFBIG, EINTR, EINVAL,
              EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOMEM,
              ENOSPC, ENOTDIR, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ETXTBSY,
              EWOULDBLOCK},
    [FSTAT] = {EACCES, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM,
               ENOTDIR, EOVERFLOW, EIO},
    [READ] = {EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR, EPERM},
    [CLOSE] = {EBADF, EDQUOT, EINTR, EIO, ENOSPC},
};

/* What a failing call must lead to: NULL for success, else the class of error. A
 * starting process has none, but fails in the same cases; `nth` is 1 or more. */
static PyObject *
foretell(int e, enum call c, int err, int ever)
{
    switch (c) {
    case GETRANDOM:
        return err == ENOSYS || err == EPERM || (err == EINTR && !ever) ? NULL
            : err == EAGAIN && e == STARTUP ? NULL
            : err == EINTR ? PyExc_RuntimeError : PyExc_OSError;
    case OPEN:
        return err == EINTR && e != STARTUP ? ever ? PyExc_RuntimeError : NULL
            : err == ENOENT || err == ENXIO || err == ENODEV || err == EACCES
            ? PyExc_NotImplementedError : PyExc_OSError;
    case READ:
        return err != EINTR ? PyExc_OSError : ever ? PyExc_RuntimeError : NULL;
    case FSTAT:
        return e == STARTUP ? NULL : PyExc_OSError;
    default:
        return NULL;                        /* close: nobody looks */
    }
}

static void
live_through(int e, enum call c, Py_ssize_t nth, int ever, int err)
{
    unsigned char buf[24], zeros[24] = {0};
    fresh();
    at_most = 10;
    patience = 10;
    will_fail(GETRANDOM, 1, 1, ENOSYS);
    will_fail(c, nth, ever, err);
    if (e == STARTUP && ever && err == EINTR) {
        plan[c].to = 1000;
        ever = 0;
    }
    int result = enter(e, buf, 24);
    int reached = asked[c] >= nth;
    PyObject *expected = reached ? foretell(e, c, err, ever) : NULL;
    ck_assert_msg(result == (expected ? -1 : 0), "call %d, errno %d, door %d", c, err, e);
    ck_assert_ptr_eq(PyErr_Occurred(), e == STARTUP ? NULL : expected);
    int device = c != GETRANDOM || fell_back(e, err, reached);
    ck_assert(result != 0 || is_from(device, buf, 24));
    ck_assert(result == 0 || e != STARTUP || memcmp(&_Py_HashSecret, zeros, 24) == 0);
    int kept = host_pyhash_state()->urandom_cache.fd;
    ck_assert_int_eq(descriptors(), kept >= 0);
    ck_assert(e != STARTUP || kept < 0);
    ck_assert_int_eq(let_go, taken_back);
    memset(plan, 0, sizeof plan);
    given[0] = given[1] = 0;
    PyErr_Clear();
    ck_assert_int_eq(enter(e, buf, 24), 0);
    ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
    _Py_HashRandomization_Fini();
    ck_assert_int_eq(descriptors(), 0);
}
CLAIM_TEST(test_errors_out_of_errno)
{
    errno = ENOENT;
    ck_assert_ptr_null(PyErr_SetFromErrno(PyExc_OSError));
    ck_assert_str_eq(host_error_text(), "[Errno 2] No such file or directory");
    ck_assert_int_eq(errno, ENOENT);
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, "/dev/urandom");
    ck_assert_str_eq(host_error_text(),
                     "[Errno 2] No such file or directory: '/dev/urandom'");
    errno = 0;
    PyErr_SetFromErrno(PyExc_OSError);
    ck_assert_str_eq(host_error_text(), "[Errno 0] Error");

    errno = EINTR;
    host_on_signal(objecting_handler);
    PyErr_SetFromErrno(PyExc_OSError);
    ck_assert_ptr_eq(PyErr_Occurred(), PyExc_RuntimeError);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(PyErr_CheckSignals(), -1);
    host_on_signal(NULL);
    ck_assert_int_eq(PyErr_CheckSignals(), 0);
    PyErr_SetFromErrno(PyExc_OSError);
    ck_assert_ptr_eq(PyErr_Occurred(), PyExc_OSError);
    ck_assert_ptr_null(PyErr_Format(PyExc_ValueError, "%d of %s", 3, "these"));
    ck_assert_str_eq(host_error_text(), "3 of these");
}
END_TEST
CLAIM_TEST(test_files_set_them)
{
    struct stat st;
    fresh();
    ck_assert_int_eq(_Py_fstat_noraise(-1, &st), -1);
    ck_assert_ptr_null(PyErr_Occurred());
    ck_assert_int_eq(_Py_fstat(-1, &st), -1);
    ck_assert_str_eq(host_error_text(), "[Errno 9] Bad file descriptor");
    ck_assert_int_eq(_Py_open_noraise("/nowhere/at all", O_RDONLY), -1);
    ck_assert_int_eq(_Py_open("/nowhere/at all", O_RDONLY), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(host_error_text(),
                     "[Errno 2] No such file or directory: '/nowhere/at all'");
    PyErr_Clear();
    int fd = _Py_open("/dev/urandom", O_RDONLY);
    will_fail(READ, 1, 1, EINTR);
    patience = 3;
    ck_assert_int_eq(_Py_read(fd, &st, 1), -1);     /* interrupted */
    ck_assert_int_eq(errno, EINTR);
    ck_assert_str_eq(host_error_text(), "enough of this");
    ck_assert_int_eq(asked[READ], 3);
    __wrap_close(fd);
}
END_TEST
CLAIM_TEST(test_a_config_begins_as_cpythons)
{
    static const int python[] = {2, 0, 1, -1, 1, -1}, isolated[] = {3, 1, 0, 0, 0, 0};
    PyConfig config;
    memset(&config, 0x55, sizeof config);
    PyConfig_InitPythonConfig(&config);
    ck_assert_mem_eq(&config, python, sizeof python);
    ck_assert_uint_eq(config.hash_seed, 0);
    memset(&config, 0x55, sizeof config);
    PyConfig_InitIsolatedConfig(&config);
    ck_assert_mem_eq(&config, isolated, sizeof isolated);
    ck_assert_uint_eq(config.hash_seed, 0);
}
END_TEST
CLAIM_TEST(test_the_chain_on_getentropy)
{
    static const int errors[] = {0, EINTR, ENOSYS, EPERM, EFAULT, EIO};
    unsigned char buf[1000];
    for (size_t i = 0; i < 3 * sizeof errors / sizeof *errors; i++) {
        int err = errors[i / 3], raise = i % 3 > 0, other = err == EFAULT || err == EIO;
        PyConfig config = {0};
        fresh();
        bsd_reset();
        if (err != 0) {
            will_fail(GETENTROPY, i % 3 == 2 ? 2 : 1, 0, err);  /* py_getentropy */
        }
        Py_ssize_t size = raise ? 1000 : 24;
        int failed = i % 3 == 2 ? bsd_URandom(buf, size)
            : i % 3 == 1 ? bsd_URandomNonblock(buf, size)
            : PyStatus_Exception(bsd_Init(&config));
        int fell = err == ENOSYS || err == EPERM;
        ck_assert_int_eq(failed != 0, other);
        ck_assert_int_eq(PyErr_Occurred() == PyExc_OSError, raise && other);
        ck_assert(failed || is_from(fell, raise ? buf : _Py_HashSecret.uc, (size_t)size));
        ck_assert_int_eq(handled, raise && err == EINTR);
        ck_assert_int_eq(let_go, taken_back);
        PyErr_Clear();
        Py_ssize_t before = asked[GETENTROPY];
        ck_assert_int_eq(bsd_URandom(buf, 300), 0);
        ck_assert_int_eq(asked[GETENTROPY], before + (fell ? 0 : 2));
        ck_assert_int_eq(asked[GETRANDOM], 0);
        bsd_Fini();
    }
}
END_TEST
CLAIM_TEST(test_a_handler_ends_it)
{
    unsigned char buf[24];
    fresh();
    bsd_reset();
    patience = 4;
    will_fail(GETENTROPY, 1, 1, EINTR);
    ck_assert_int_eq(bsd_URandom(buf, 24), -1);
    ck_assert_str_eq(host_error_text(), "enough of this");
    ck_assert_int_eq(asked[GETENTROPY], 4);
    ck_assert_int_eq(asked[OPEN], 0);
}
END_TEST
CLAIM_TEST(test_the_environment_is_read_as_cpython_reads_it)
{
    char hex[256], kind[16], secret[64], message[256] = "";
    FILE *f = oracle_open();
    for (char line[512]; fgets(line, sizeof line, f); ) {
        if (sscanf(line, "message %255s", hex) == 1) {
            from_hex(hex, message, sizeof message);
        }
    }
    rewind(f);
    int inputs = 0;
    for (char line[512]; fgets(line, sizeof line, f); ) {
        secret[0] = '\0';
        if (sscanf(line, "env %255s %15s %63s", hex, kind, secret) >= 2) {
            char value[256] = "";
            if (strcmp(hex, "-") != 0) {
                from_hex(hex, value, sizeof value);
            }
            setenv("PYTHONHASHSEED", value, 1);
            PyConfig config;
            PyConfig_InitPythonConfig(&config);
            PyStatus status = PyConfig_Read(&config);           /* config_init_hash_seed */
            ck_assert_int_eq(PyStatus_Exception(status), strcmp(kind, "error") == 0);
            if (PyStatus_Exception(status)) {
                ck_assert_str_eq(status.err_msg, message);
                ck_assert_str_eq(status.func, "config_init_hash_seed");
                ck_assert_int_eq(config.use_hash_seed, -1);
            }
            else {
                ck_assert_int_eq(config.use_hash_seed, strcmp(kind, "seed") == 0);
                if (config.use_hash_seed) {
                    ck_assert_str_eq(hex_of_seed(config.hash_seed), secret);
                }
            }
            inputs++;
        }
    }
    fclose(f);
    ck_assert_int_eq(inputs, 95);
}
END_TEST
CLAIM_TEST(test_empty_is_unset_and_isolated_is_blind)
{
    PyConfig config;
    setenv("PYTHONHASHSEED", "", 1);                /* _Py_GetEnv */
    PyConfig_InitPythonConfig(&config);
    ck_assert_int_eq(PyStatus_Exception(PyConfig_Read(&config)), 0);
    ck_assert_int_eq(config.use_hash_seed, 0);

    setenv("PYTHONHASHSEED", "nonsense", 1);
    PyConfig_InitIsolatedConfig(&config);
    ck_assert_int_eq(PyStatus_Exception(PyConfig_Read(&config)), 0);
    ck_assert_int_eq(config.use_hash_seed, 0);
    PyConfig_InitPythonConfig(&config);
    config.use_environment = 0;                     /* config_get_env */
    ck_assert_int_eq(PyStatus_Exception(PyConfig_Read(&config)), 0);
    ck_assert_int_eq(config.use_hash_seed, 0);
    config.use_environment = 1;
    config.use_hash_seed = -1;
    ck_assert_int_eq(PyStatus_Exception(PyConfig_Read(&config)), 1);
}
END_TEST
CLAIM_TEST(test_a_decision_stands)
{
    static const char *const says[] = {"7", "random", "nonsense", ""};
    for (size_t i = 0; i < 2 * sizeof says / sizeof *says; i++) {
        setenv("PYTHONHASHSEED", says[i / 2], 1);
        PyConfig config;
        PyConfig_InitPythonConfig(&config);
        config.use_hash_seed = i % 2;
        config.hash_seed = i % 2 * 5;
        ck_assert_int_eq(PyStatus_Exception(PyConfig_Read(&config)), 0);
        ck_assert_int_eq(config.use_hash_seed, i % 2);
        ck_assert_uint_eq(config.hash_seed, i % 2 * 5);
    }
}
END_TEST
CLAIM_TEST(test_the_upper_eight_bits_of_a_seed_are_lost)
{
    uint64_t dice = 7;
    for (int i = 0; i < 5000; i++) {                /* lcg_urandom */
        unsigned long low = roll(&dice) & 0xffffff, high = roll(&dice) & 0xff000000;
        char secret[49];
        strcpy(secret, hex_of_seed(low ? low : 0x01000000));
        ck_assert_str_eq(hex_of_seed(high | (low ? low : 0x01000000)), secret);
        ck_assert_str_ne(hex_of_seed(low ^ 0x800000), secret);
    }
    ck_assert_str_eq(hex_of_seed(4294967295), hex_of_seed(0x00ffffff));
}
END_TEST
CLAIM_TEST(test_eleven_thousand_secrets_are_cpythons)
{
    char name[16], theirs[64];
    unsigned long first, count, compared = 0, samples = 0;
    FILE *f = oracle_open();
    for (char line[512]; fgets(line, sizeof line, f); ) {
        if (sscanf(line, "secret %lu %63s", &first, theirs) == 2) {
            ck_assert_str_eq(hex_of_seed(first), theirs);
            samples++;
        }
        else if (sscanf(line, "%15s %lu %lu %63s", name, &first, &count, theirs) == 4
                 && (strcmp(name, "secrets") == 0 || strcmp(name, "rolled") == 0)) {
            int rolled = name[0] == 'r';
            uint64_t dice = 2011, digest = DIGEST_OF_NOTHING;
            for (unsigned long i = 0; rolled && i < first; i++) {
                roll(&dice);
            }
            for (unsigned long i = 0; i < count; i++) {
                start_with_seed(rolled ? roll(&dice) : first + i);
                digest = digest_more(digest, &_Py_HashSecret, sizeof _Py_HashSecret);
            }
            char made[17];
            snprintf(made, sizeof made, "%016llx", (unsigned long long)digest);
            ck_assert_msg(strcmp(made, theirs) == 0, "of %s %lu: %s", name, first, made);
            compared += count;
        }
    }
    fclose(f);
    ck_assert_uint_eq(samples, 36);                 /* 2**31 and 2**32-1 among them */
    ck_assert_uint_eq(compared, 1024 + 10000);
}
END_TEST
CLAIM_TEST(test_a_living_python_agrees_secret)
{
    unsigned long seeds[12] = {0, 1, 0x00ffffff, 0x01000000, 2147483648, 4294967295};
    ck_assert_int_eq(getrandom(seeds + 6, 6 * sizeof *seeds, 0), 6 * sizeof *seeds);
    for (int i = 0; i < 12; i++) {
        char command[512], said[64] = "";
        seeds[i] &= 4294967295;
        snprintf(command, sizeof command, "PYTHONHASHSEED=%lu %s -S -c '"
                 "import ctypes; print(bytes((ctypes.c_ubyte * 24).in_dll("
                 "ctypes.pythonapi, \"_Py_HashSecret\")).hex())'",
                 seeds[i], living_python());
        if (!ask_python(command, said, sizeof said)) {
            return;                                 /* no Python here */
        }
        ck_assert_str_eq(hex_of_seed(seeds[i]), said);
    }
}
END_TEST
CLAIM_TEST(test_seed_zero_means_no_secret)
{
    const char *zeros = "000000000000000000000000000000000000000000000000";
    memset(&_Py_HashSecret, 0xA5, sizeof _Py_HashSecret);
    ck_assert_str_eq(hex_of_seed(0), zeros);
    ck_assert_str_ne(hex_of_seed(0x01000000), zeros);

    /* Were bytes 0 and 1 both zero, 2**16 values of x remained: none goes on so. */
    for (uint32_t low = 0; low < 65536; low++) {
        uint32_t x = low, zeroes = 1;
        while ((x = x * 214013 + 2531011, (x >> 16 & 0xff) == 0)) {
            zeroes++;
        }
        ck_assert_uint_lt(zeroes, 24);
    }
}
END_TEST
CLAIM_TEST(test_none_and_less_than_none)
{
    unsigned char buf[4] = {1, 2, 3, 4};
    for (int e = NONBLOCK; e <= URANDOM; e++) {
        fresh();
        ck_assert_int_eq(enter(e, buf, 0), 0);      /* pyurandom */
        ck_assert_int_eq(enter(e, NULL, 0), 0);
        ck_assert_ptr_null(PyErr_Occurred());
        for (int i = 0; i < 3; i++) {
            static const Py_ssize_t sizes[] = {-1, -24, -PY_SSIZE_T_MAX - 1};
            ck_assert_int_eq(enter(e, buf, sizes[i]), -1);
            ck_assert_ptr_eq(PyErr_Occurred(), PyExc_ValueError);
            ck_assert_str_eq(host_error_text(), "negative argument not allowed");
        }
        ck_assert_int_eq(asked[GETRANDOM] + asked[OPEN], 0);
        ck_assert_int_eq(buf[0] + buf[1] + buf[2] + buf[3], 10);
        PyErr_Clear();
        will_fail(GETRANDOM, 1, 1, ENOSYS);
        unsigned char drawn[4];
        ck_assert_int_eq(enter(e, drawn, 4), 0);    /* the device is open now */
        ck_assert_int_eq(enter(e, drawn, 0), 0);
        ck_assert_int_eq(asked[FSTAT], 1);
    }
}
END_TEST
CLAIM_TEST(test_others_run_but_not_at_the_start)
{
    unsigned char buf[24];
    for (int e = 0; e < ENTRIES; e++) {
        for (int device = 0; device < 2; device++) {
            fresh();
            at_most = 12;
            if (device) {
                will_fail(GETRANDOM, 1, 1, ENOSYS);
            }
            ck_assert_int_eq(enter(e, buf, 24), 0);
            /* 2 calls; or 1 refused, open, fstat, 2 reads */
            ck_assert_int_eq(let_go, e == STARTUP ? 0 : device ? 5 : 2);
            ck_assert_int_eq(taken_back, let_go);
        }
    }
}
END_TEST
CLAIM_TEST(test_getrandom_serves_alone)
{
    unsigned char buf[100];
    for (int e = 0; e < ENTRIES; e++) {
        fresh();
        ck_assert_int_eq(enter(e, buf, 24), 0);     /* py_getrandom */
        ck_assert(is_from(0, buf, 24));
        ck_assert_int_eq(last_flags, e == URANDOM ? 0 : GRND_NONBLOCK);
        ck_assert_int_eq(asked[GETRANDOM], 1);
        ck_assert_int_eq(asked[OPEN] + asked[GETENTROPY], 0);
        ck_assert_ptr_null(PyErr_Occurred());
    }
}
END_TEST
CLAIM_TEST(test_a_refusal_is_for_good)
{
    unsigned char buf[24];
    for (int i = 0; i < ENTRIES * 2 * 3; i++) {
        fresh();
        at_most = 10;                               /* so that it takes three calls */
        will_fail(GETRANDOM, i % 3 + 1, 0, i / 3 % 2 ? ENOSYS : EPERM);
        ck_assert_int_eq(enter(i / 6, buf, 24), 0);
        ck_assert(is_from(1, buf, 24));
        ck_assert_int_eq(asked[GETRANDOM], i % 3 + 1);
        given[1] = 0;
        ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
        ck_assert(is_from(1, buf, 24));
        ck_assert_int_eq(asked[GETRANDOM], i % 3 + 1);
    }
}
END_TEST
CLAIM_TEST(test_no_entropy_yet)
{
    unsigned char buf[24];
    fresh();
    will_fail(GETRANDOM, 1, 0, EAGAIN);
    ck_assert_int_eq(enter(STARTUP, buf, 24), 0);
    ck_assert(is_from(1, buf, 24));
    ck_assert_int_eq(enter(NONBLOCK, buf, 24), 0);
    ck_assert(is_from(0, buf, 24));

    for (int e = NONBLOCK; e <= URANDOM; e++) {
        fresh();
        will_fail(GETRANDOM, 1, 1, EAGAIN);
        ck_assert_int_eq(enter(e, buf, 24), -1);
        ck_assert_ptr_eq(PyErr_Occurred(), PyExc_OSError);
        ck_assert_int_eq(asked[OPEN], 0);
    }
}
END_TEST
CLAIM_TEST(test_interruptions_are_told)
{
    unsigned char buf[24];
    for (int e = 0; e < ENTRIES; e++) {
        fresh();
        will_fail(GETRANDOM, 1, 0, EINTR);
        plan[GETRANDOM].to = 1000;
        ck_assert_int_eq(enter(e, buf, 24), 0);
        ck_assert(is_from(0, buf, 24));
        ck_assert_int_eq(asked[GETRANDOM], 1001);
        ck_assert_int_eq(handled, e == STARTUP ? 0 : 1000);
        if (e != STARTUP) {
            fresh();
            patience = 5;
            will_fail(GETRANDOM, 2, 1, EINTR);
            at_most = 10;
            ck_assert_int_eq(enter(e, buf, 24), -1);
            ck_assert_str_eq(host_error_text(), "enough of this");
            ck_assert_int_eq(asked[GETRANDOM], 6);
        }
    }
}
END_TEST
CLAIM_TEST(test_short_answers_add_up)
{
    unsigned char buf[1000];
    for (size_t chunk = 1; chunk <= 1000; chunk += chunk < 40 ? 1 : 37) {
        for (int e = 0; e < ENTRIES; e++) {
            for (int device = 0; device < 2; device++) {
                Py_ssize_t n = e == STARTUP ? 24 : 1000;
                fresh();
                at_most = chunk;
                will_fail(GETRANDOM, 1, device, device ? ENOSYS : 0);
                plan[GETRANDOM].from += !device;    /* that is: not at all */
                ck_assert_int_eq(enter(e, buf, n), 0);
                ck_assert(is_from(device, buf, (size_t)n));
                ck_assert_int_eq(given[device], n);
            }
        }
    }
}
END_TEST
CLAIM_TEST(test_start_up_leaves_no_descriptor)
{
    unsigned char buf[24];
    fresh();
    will_fail(GETRANDOM, 1, 1, ENOSYS);
    at_most = 7;
    ck_assert_int_eq(enter(STARTUP, buf, 24), 0);   /* dev_urandom_noraise */
    ck_assert(is_from(1, buf, 24));
    ck_assert_int_eq(asked[OPEN], 1);
    ck_assert_int_eq(asked[READ], 4);
    ck_assert_int_eq(asked[CLOSE], 1);
    ck_assert_int_eq(asked[FSTAT], 0);
    ck_assert_int_ne(last_flags & O_CLOEXEC, 0);
    ck_assert_int_eq(descriptors(), 0);
    ck_assert_int_eq(host_pyhash_state()->urandom_cache.fd, -1);
}
END_TEST
CLAIM_TEST(test_one_descriptor_is_kept)
{
    unsigned char buf[500];
    fresh();
    will_fail(GETRANDOM, 1, 1, EPERM);
    for (int i = 0; i < 50; i++) {                  /* dev_urandom, urandom_fd */
        ck_assert_int_eq(enter(NONBLOCK + i % 2, buf, 10), 0);
    }
    ck_assert_int_eq(asked[OPEN], 1);
    ck_assert_int_eq(asked[FSTAT], 1 + 49);         /* cached_fd */
    ck_assert_int_eq(asked[READ], 50);
    ck_assert_int_eq(descriptors(), 1);
    _Py_HashRandomization_Fini();                   /* dev_urandom_close */
    ck_assert_int_eq(descriptors(), 0);
    ck_assert_int_eq(asked[CLOSE], 1);
    _Py_HashRandomization_Fini();
    ck_assert_int_eq(asked[CLOSE], 1);
    ck_assert_int_eq(enter(URANDOM, buf, 10), 0);
    ck_assert_int_eq(asked[OPEN], 2);
}
END_TEST
CLAIM_TEST(test_descriptor_0_is_one_as_well)
{
    unsigned char buf[24];
    int input = dup(STDIN_FILENO);
    __real_close(STDIN_FILENO);
    fresh();
    will_fail(GETRANDOM, 1, 1, EPERM);
    ck_assert_int_eq(enter(STARTUP, buf, 24), 0);   /* dev_urandom_noraise */
    ck_assert(is_from(1, buf, 24));
    ck_assert_int_eq(asked[CLOSE], 1);
    ck_assert_int_eq(enter(URANDOM, buf, 10), 0);   /* urandom_fd */
    ck_assert_int_eq(host_pyhash_state()->urandom_cache.fd, 0);
    ck_assert_ptr_null(PyErr_Occurred());           /* _Py_open */
    ck_assert_int_eq(enter(URANDOM, buf, 10), 0);   /* cached_fd */
    ck_assert_int_eq(asked[OPEN], 2);
    _Py_HashRandomization_Fini();                   /* dev_urandom_close */
    ck_assert_int_eq(asked[CLOSE], 2);
    ck_assert_int_eq(descriptors(), 0);
    dup2(input, STDIN_FILENO);
    __real_close(input);
}
END_TEST
CLAIM_TEST(test_a_foreign_descriptor_is_left_alone)
{
    unsigned char buf[24];
    for (int i = 0; i < 3; i++) {                   /* another device, file, nothing */
        int closed = i == 2;
        fresh();
        will_fail(GETRANDOM, 1, 1, ENOSYS);
        ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
        int kept = host_pyhash_state()->urandom_cache.fd;
        int other = i == 0 ? __real_open("/dev/null", O_RDWR) : memfd_create("a log", 0);
        ck_assert_int_eq(dup2(other, kept), kept);      /* the device is gone */
        is_device[kept] = 0;
        ck_assert_int_eq(pwrite(other, buf, 24, 0), 24);
        if (closed) {
            __real_close(kept);
        }
        given[1] = 0;
        ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
        ck_assert(is_from(1, buf, 24));
        ck_assert_int_eq(asked[OPEN] - asked[CLOSE], 2);
        ck_assert_int_eq(lseek(other, 0, SEEK_CUR), 0);
        if (!closed) {
            ck_assert_int_ne(host_pyhash_state()->urandom_cache.fd, kept);
            ck_assert_int_ne(fcntl(kept, F_GETFD), -1);
            __real_close(kept);
        }
        __real_close(other);
        _Py_HashRandomization_Fini();
        ck_assert_int_eq(descriptors(), 0);
    }
}
END_TEST
CLAIM_TEST(test_either_number_tells)
{
    unsigned char buf[24];
    for (int i = 0; i < 2; i++) {
        fresh();
        will_fail(GETRANDOM, 1, 1, ENOSYS);
        ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
        int kept = host_pyhash_state()->urandom_cache.fd;
        host_pyhash_state()->urandom_cache.st_dev += i == 0;
        host_pyhash_state()->urandom_cache.st_ino += i == 1;
        ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
        ck_assert_int_eq(asked[OPEN], 2);
        ck_assert_int_eq(asked[CLOSE], 0);
        ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
        ck_assert_int_eq(asked[OPEN], 2);
        __wrap_close(kept);
    }
}
END_TEST
CLAIM_TEST(test_a_device_that_ends)
{
    unsigned char buf[40];
    for (int e = 0; e < ENTRIES; e++) {
        fresh();
        will_fail(GETRANDOM, 1, 1, ENOSYS);
        eof = 1;
        ck_assert_int_eq(enter(e, buf, 40), -1);
        ck_assert_int_eq(asked[READ], 1);
        ck_assert_ptr_eq(PyErr_Occurred(), e == STARTUP ? NULL : PyExc_RuntimeError);
        ck_assert_str_eq(host_error_text(), e == STARTUP ? ""
                         : "Failed to read 40 bytes from /dev/urandom");
        ck_assert_int_eq(descriptors(), e != STARTUP);
    }
}
END_TEST
CLAIM_TEST(test_threads_share_one_descriptor)
{
    for (int round = 0; round < 200; round++) {
        pthread_t threads[4];
        fresh();
        host_on_signal(NULL);
        will_fail(GETRANDOM, 1, 1, ENOSYS);
        pthread_barrier_init(&start_line, NULL, 4);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(pthread_create(&threads[i], NULL, draw_a_few, NULL), 0);
        }
        for (int i = 0; i < 4; i++) {
            void *failed;
            pthread_join(threads[i], &failed);
            ck_assert_ptr_null(failed);
        }
        pthread_barrier_destroy(&start_line);
        ck_assert_int_eq(descriptors(), 1);
        ck_assert_int_eq(asked[OPEN], asked[CLOSE] + 1);
        ck_assert_int_eq(let_go, taken_back);
    }
}
END_TEST
CLAIM_TEST(test_the_slower_one_gives_way)
{
    unsigned char buf[24];
    fresh();
    will_fail(GETRANDOM, 1, 1, ENOSYS);
    meanwhile = another_draws;              /* between this one's open and its fstat */
    ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
    ck_assert_int_eq(asked[OPEN], 2);
    ck_assert_int_eq(asked[CLOSE], 1);
    ck_assert_int_eq(descriptors(), 1);
    ck_assert_int_eq(is_device[host_pyhash_state()->urandom_cache.fd], 1);
    ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
    ck_assert_int_eq(asked[OPEN], 2);
}
END_TEST
CLAIM_TEST(test_the_secret_is_made_once)
{
    unsigned char buf[24];
    char first[49];
    PyConfig config = {.use_hash_seed = 1, .hash_seed = 43};
    fresh();
    strcpy(first, hex_of_seed(42));
    ck_assert_int_eq(PyStatus_Exception(_Py_HashRandomization_Init(&config)), 0);
    ck_assert_str_eq(hex_of(_Py_HashSecret.uc), first);
    ck_assert_int_eq(enter(STARTUP, buf, 24), 0);
    ck_assert_str_eq(hex_of(_Py_HashSecret.uc), first);
    ck_assert_int_eq(asked[GETRANDOM] + asked[OPEN], 0);
    _Py_HashRandomization_Fini();
    ck_assert_int_eq(PyStatus_Exception(_Py_HashRandomization_Init(&config)), 0);
    ck_assert_str_eq(hex_of(_Py_HashSecret.uc), first);
    hash_secret_reset();
    ck_assert_int_eq(PyStatus_Exception(_Py_HashRandomization_Init(&config)), 0);
    ck_assert_str_ne(hex_of(_Py_HashSecret.uc), first);
}
END_TEST
CLAIM_TEST(test_an_unread_config_makes_no_secret)
{
    PyConfig config;
    fresh();
    unsetenv("PYTHONHASHSEED");
    PyConfig_InitPythonConfig(&config);
    for (int i = 0; i < 2; i++) {               /* the second time as the first */
        PyStatus status = _Py_HashRandomization_Init(&config);
        ck_assert_int_eq(PyStatus_Exception(status), 1);
        ck_assert_str_eq(status.err_msg,
                         "the hash seed is not decided: read the config first");
    }
    ck_assert_int_eq(asked[GETRANDOM], 0);
    ck_assert_int_eq(PyStatus_Exception(PyConfig_Read(&config)), 0);
    ck_assert_int_eq(PyStatus_Exception(_Py_HashRandomization_Init(&config)), 0);
    ck_assert(is_from(0, _Py_HashSecret.uc, 24));
}
END_TEST
CLAIM_TEST(test_no_half_drawn_secret)
{
    static const unsigned char zeros[24];
    unsigned char buf[24];
    for (int i = 0; i < 2 * 24; i++) {
        int device = i % 2, at = i / 2 + 1;
        fresh();
        at_most = 1;
        if (device) {
            will_fail(GETRANDOM, 1, 1, ENOSYS);
        }
        will_fail(device ? READ : GETRANDOM, at, 0, EIO);
        ck_assert_int_eq(enter(STARTUP, buf, 24), -1);
        ck_assert_int_eq(given[device], at - 1);
        ck_assert_mem_eq(&_Py_HashSecret, zeros, 24);
        given[device] = 0;
        ck_assert_int_eq(enter(STARTUP, buf, 24), 0);
        ck_assert(is_from(device, _Py_HashSecret.uc, 24));
        ck_assert_int_eq(descriptors(), 0);
    }
}
END_TEST
CLAIM_TEST(test_chance_does_not_repeat)
{
    static _Py_HashSecret_t drawn[1000];
    unsigned char buf[24];
    for (int i = 0; i < 1000; i++) {
        fresh();
        faking = 0;
        ck_assert_int_eq(enter(STARTUP, buf, 24), 0);
        drawn[i] = _Py_HashSecret;
        ck_assert(drawn[i].siphash.k0 != 0 || drawn[i].siphash.k1 != 0);
        for (int j = 0; j < i; j++) {
            ck_assert_uint_ne(drawn[i].siphash.k0, drawn[j].siphash.k0);
        }
    }
    ck_assert_int_eq(enter(URANDOM, buf, 24), 0);
    ck_assert_mem_ne(buf, &_Py_HashSecret, 24);
}
END_TEST
CLAIM_TEST(test_every_failure_of_every_call)
{
    long lives = 0;
    for (int c = 0; c < CALLS; c++) {
        for (const int *err = errors_of[c]; *err != 0; err++) {
            for (int i = 0; i < ENTRIES * 3 * 2; i++) {
                live_through(i / 6, (enum call)c, i % 3 + 1, i / 3 % 2, *err);
                lives++;
            }
        }
    }
    ck_assert_int_eq(lives, 1026);
}
END_TEST
