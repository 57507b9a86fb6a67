// CPython: Python/fileutils.c (v3.13.5, behaviour of 3.14)
#include "host/fileutils.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "host/allow_threads.h"
#include "host/oserrors.h"

/* After a call that set errno: 1 when a signal was all that was wrong and its
 * handler does not mind. Else 0 with an error set. errno stays. */
static int
interrupted(const char *filename)
{
    int err = errno;
    int again = 0;
    if (err != EINTR) {
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, filename);
    }
    else {
        again = PyErr_CheckSignals() == 0;
    }
    errno = err;
    return again;
}

int
_Py_open_noraise(const char *pathname, int flags)
{
    return open(pathname, flags | O_CLOEXEC);
}

int
_Py_open(const char *pathname, int flags)
{
    int fd;
    do {
        Py_BEGIN_ALLOW_THREADS
        fd = _Py_open_noraise(pathname, flags);
        Py_END_ALLOW_THREADS
    } while (fd < 0 && interrupted(pathname));
    return fd;
}

int
_Py_fstat_noraise(int fd, struct _Py_stat_struct *status)
{
    return fstat(fd, status);
}

int
_Py_fstat(int fd, struct _Py_stat_struct *status)
{
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = _Py_fstat_noraise(fd, status);
    Py_END_ALLOW_THREADS
    if (result != 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

Py_ssize_t
_Py_read(int fd, void *buf, size_t count)
{
    Py_ssize_t n;
    do {
        Py_BEGIN_ALLOW_THREADS
        n = read(fd, buf, count);
        Py_END_ALLOW_THREADS
    } while (n < 0 && interrupted(NULL));
    return n;
}
