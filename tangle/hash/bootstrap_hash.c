// CPython: Python/bootstrap_hash.c (v3.13.5, behaviour of 3.14)
//
// Random bytes from the system, and the hash secret made of them or of a seed.
#include "hash/pycore_pylifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "hash/pycore_pyhash.h"
#include "host/allow_threads.h"
#include "host/fileutils.h"
#include "host/oserrors.h"
#include "host/pyatomic.h"
#include "host/runtime.h"

#ifndef HAVE_GETRANDOM
#  define HAVE_GETRANDOM 1          /* 0: build with getentropy */
#endif

static int _Py_HashSecret_Initialized = 0;

/* 0 once the kernel has said that it has no such call, or that it is forbidden. */
#if HAVE_GETRANDOM
static int getrandom_works = 1;
#else
static int getentropy_works = 1;
#endif

#if HAVE_GETRANDOM
/* Fill `size` bytes. 1: done. 0: ask the next source, because the kernel has no
 * such call, or a policy forbids it, or (only without raise and blocking) it has
 * not enough entropy yet. -1: failed, with an error set if raise. Whatever the
 * answer, part of the buffer may be written. */
static int
py_getrandom(void *buffer, Py_ssize_t size, int blocking, int raise)
{
    if (!_Py_atomic_load_int(&getrandom_works)) {
        return 0;
    }
    unsigned int flags = blocking ? 0 : GRND_NONBLOCK;
    char *dest = buffer;
    while (size > 0) {
        ssize_t n;
        if (raise) {
            Py_BEGIN_ALLOW_THREADS
            n = getrandom(dest, (size_t)size, flags);
            Py_END_ALLOW_THREADS
        }
        else {
            n = getrandom(dest, (size_t)size, flags);
        }
        if (n >= 0) {
            dest += n;
            size -= n;
            continue;
        }
        switch (errno) {
        case EINTR:
            if (raise && PyErr_CheckSignals()) {
                return -1;                  /* the handler has set the error */
            }
            continue;
        case ENOSYS:                        /* a kernel before 3.17 */
        case EPERM:                         /* seccomp, for one */
            _Py_atomic_store_int(&getrandom_works, 0);
            return 0;
        case EAGAIN:
            if (!raise && !blocking) {
                return 0;                   /* this time; it may work the next */
            }
            break;
        }
        if (raise) {
            PyErr_SetFromErrno(PyExc_OSError);
        }
        return -1;
    }
    return 1;
}

#else
/* As py_getrandom, with one mode. */
static int
py_getentropy(char *buffer, Py_ssize_t size, int raise)
{
    if (!_Py_atomic_load_int(&getentropy_works)) {
        return 0;
    }
    while (size > 0) {
        Py_ssize_t len = size < 256 ? size : 256;
        int res;
        if (raise) {
            Py_BEGIN_ALLOW_THREADS
            res = getentropy(buffer, (size_t)len);
            Py_END_ALLOW_THREADS
        }
        else {
            res = getentropy(buffer, (size_t)len);
        }
        if (res == 0) {
            buffer += len;
            size -= len;
            continue;
        }
        if (errno == ENOSYS || errno == EPERM) {
            _Py_atomic_store_int(&getentropy_works, 0);
            return 0;
        }
        if (errno != EINTR) {
            if (raise) {
                PyErr_SetFromErrno(PyExc_OSError);
            }
            return -1;
        }
        if (raise && PyErr_CheckSignals()) {
            return -1;
        }
    }
    return 1;
}

#endif
#define urandom_cache (host_pyhash_state()->urandom_cache)

/* The kept descriptor; -1 when there is none, or when its number has come to
 * belong to another file, which is not ours to close. */
static int
cached_fd(void)
{
    struct _Py_stat_struct st;
    int fd = _Py_atomic_load_int(&urandom_cache.fd);
    if (fd < 0) {
        return -1;
    }
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = _Py_fstat_noraise(fd, &st);
    Py_END_ALLOW_THREADS
    if (!failed && st.st_dev == _Py_atomic_load_uint64(&urandom_cache.st_dev)
        && st.st_ino == _Py_atomic_load_uint64(&urandom_cache.st_ino)) {
        return fd;
    }
    _Py_atomic_compare_exchange_int(&urandom_cache.fd, &fd, -1);
    return -1;
}

/* The kept descriptor, or a new one that is kept from now on; -1 with an error set. */
static int
urandom_fd(void)
{
    struct _Py_stat_struct st;
    int kept = cached_fd();
    if (kept >= 0) {
        return kept;
    }
    int fd = _Py_open("/dev/urandom", O_RDONLY);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENXIO || errno == ENODEV || errno == EACCES) {
            PyErr_SetString(PyExc_NotImplementedError,
                            "/dev/urandom (or equivalent) not found");
        }
        return -1;
    }
    if (_Py_fstat(fd, &st)) {
        close(fd);
        return -1;
    }
    _Py_atomic_store_uint64(&urandom_cache.st_dev, st.st_dev);
    _Py_atomic_store_uint64(&urandom_cache.st_ino, st.st_ino);
    kept = -1;
    if (!_Py_atomic_compare_exchange_int(&urandom_cache.fd, &kept, fd)) {
        close(fd);
        fd = kept;                      /* the other's */
    }
    return fd;
}

/* Open, read, close: nothing is kept, nothing is raised, no handler runs. */
static int
dev_urandom_noraise(char *buffer, Py_ssize_t size)
{
    int fd = _Py_open_noraise("/dev/urandom", O_RDONLY);
    if (fd < 0) {
        return -1;
    }
    while (size > 0) {
        ssize_t n = read(fd, buffer, (size_t)size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        buffer += n;
        size -= n;
    }
    close(fd);
    return size > 0 ? -1 : 0;
}

/* Fill `size` bytes, one at least. 0; or -1, with an error set if raise. */
static int
dev_urandom(char *buffer, Py_ssize_t size, int raise)
{
    if (!raise) {
        return dev_urandom_noraise(buffer, size);
    }
    int fd = urandom_fd();
    if (fd < 0) {
        return -1;
    }
    for (Py_ssize_t n; size > 0; buffer += n, size -= n) {
        n = _Py_read(fd, buffer, (size_t)size);
        if (n == 0) {
            PyErr_Format(PyExc_RuntimeError,
                         "Failed to read %zi bytes from /dev/urandom", size);
        }
        if (n <= 0) {
            return -1;
        }
    }
    return 0;
}

static void
dev_urandom_close(void)
{
    int fd = _Py_atomic_exchange_int(&urandom_cache.fd, -1);
    if (fd >= 0) {
        close(fd);
    }
}

#undef urandom_cache

/* `size` bytes that follow from x0: each is bits 16 to 23 of the next number
 * of x -> x * 214013 + 2531011 mod 2**32. Repeatable; in no way secret. */
static void
lcg_urandom(unsigned int x0, unsigned char *buffer, size_t size)
{
    uint32_t x = x0;
    for (size_t i = 0; i < size; i++) {
        x = x * 214013 + 2531011;
        buffer[i] = (unsigned char)(x >> 16);
    }
}

/* Fill `size` bytes from the best source that works. 0; or -1, with an error set
 * if raise. Without raise: no handler runs, and other threads are not let run. */
static int
pyurandom(void *buffer, Py_ssize_t size, int blocking, int raise)
{
    if (size < 0 && raise) {
        PyErr_Format(PyExc_ValueError, "negative argument not allowed");
    }
    if (size <= 0) {
        return size < 0 ? -1 : 0;
    }
#if HAVE_GETRANDOM
    int done = py_getrandom(buffer, size, blocking, raise);
#else
    int done = py_getentropy(buffer, size, raise);
    (void)blocking;                 /* it has but one mode */
#endif
    if (done != 0) {
        return done < 0 ? -1 : 0;
    }
    return dev_urandom(buffer, size, raise);
}

int
_PyOS_URandom(void *buffer, Py_ssize_t size)
{
    return pyurandom(buffer, size, 1, 1);
}

int
_PyOS_URandomNonblock(void *buffer, Py_ssize_t size)
{
    return pyurandom(buffer, size, 0, 1);
}

PyStatus
_Py_HashRandomization_Init(const PyConfig *config)
{
    if (_Py_HashSecret_Initialized) {
        return _PyStatus_OK();
    }
    if (config->use_hash_seed < 0) {
        return _PyStatus_ERR("the hash seed is not decided: read the config first");
    }
    _Py_HashSecret_Initialized = 1;

    unsigned char *secret = _Py_HashSecret.uc;
    if (!config->use_hash_seed) {
        if (pyurandom(secret, sizeof _Py_HashSecret, 0, 0) < 0) {
            memset(secret, 0, sizeof _Py_HashSecret);
            _Py_HashSecret_Initialized = 0;
            return _PyStatus_ERR("failed to get random numbers to initialize Python");
        }
    }
    else if (config->hash_seed == 0) {
        memset(secret, 0, sizeof _Py_HashSecret);   /* no secret */
    }
    else {
        lcg_urandom((unsigned int)config->hash_seed, secret, sizeof _Py_HashSecret);
    }
    return _PyStatus_OK();
}

void
_Py_HashRandomization_Fini(void)
{
    dev_urandom_close();
}

void
hash_secret_reset(void)
{
    memset(&_Py_HashSecret, 0, sizeof _Py_HashSecret);
    _Py_HashSecret_Initialized = 0;
#if HAVE_GETRANDOM
    getrandom_works = 1;
#else
    getentropy_works = 1;
#endif
}
