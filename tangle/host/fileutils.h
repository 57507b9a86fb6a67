// CPython: Include/internal/pycore_fileutils.h (v3.13.5, behaviour of 3.14)
#ifndef HOST_FILEUTILS_H
#define HOST_FILEUTILS_H

#include <sys/stat.h>

#include "host/pyport.h"

#define _Py_stat_struct stat

/* open, fstat and read. Descriptors are closed on exec.
 *
 * Attached   required, else fatal; `noraise`: no need.
 * Returns    as the POSIX call does; on -1 errno is set. But for the two with
 *            `noraise`, OSError is set too, or the error of a signal's handler.
 * EINTR      tried again once the handler has run; in `noraise` it fails.
 * Blocks     yes, and lets other threads run; `noraise` does not let them.
 * Allocates  never, but for what a signal's handler does.
 * Requires   no error is set on entry (but for `noraise`).
 * CPython    Python/fileutils.c, functions of the same names */
PyAPI_FUNC(int) _Py_open(const char *pathname, int flags);
PyAPI_FUNC(int) _Py_open_noraise(const char *pathname, int flags);
PyAPI_FUNC(int) _Py_fstat(int fd, struct _Py_stat_struct *status);
PyAPI_FUNC(int) _Py_fstat_noraise(int fd, struct _Py_stat_struct *status);
PyAPI_FUNC(Py_ssize_t) _Py_read(int fd, void *buf, size_t count);

#endif  // HOST_FILEUTILS_H
