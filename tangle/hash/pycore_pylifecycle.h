// CPython: Include/internal/pycore_pylifecycle.h: the hash secret and random bytes
// (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_LIFECYCLE_H
#define Py_INTERNAL_LIFECYCLE_H

#include "hash/initconfig.h"
#include "host/pyport.h"

/* Fill _Py_HashSecret, once in a process: by the seed, or by chance.
 *
 * Returns    a status. Done before: success, and nothing is touched. On error
 *            the secret is all zero, and the next call tries again.
 * Attached   no need.   Requires  one thread, before any hash is computed.
 * Blocks     never.   Allocates, Raises  never.   Descriptors  none is kept.
 * Checked    a config that was not read (use_hash_seed is negative) is an error.
 * CPython    Python/bootstrap_hash.c, _Py_HashRandomization_Init */
PyAPI_FUNC(PyStatus) _Py_HashRandomization_Init(const PyConfig *config);

/* Close the device that the two functions below may have kept open. The secret
 * stays as it is. Any number of times.
 * Attached   no need.   Blocks, Allocates  never.
 * CPython    Python/bootstrap_hash.c, _Py_HashRandomization_Fini */
PyAPI_FUNC(void) _Py_HashRandomization_Fini(void);

/* Ours alone, for tests: no secret, not initialised, all sources untried. Hashes
 * that were kept are wrong from here on.   Attached  no need. */
PyAPI_FUNC(void) hash_secret_reset(void);

/* Fill `buffer` with `size` bytes that no attacker can foresee.
 *
 * URandom    waits until the kernel has collected enough, once after boot.
 * Nonblock   does not; where URandom would wait, it fails. Not for keys.
 *
 * Attached   required. Checked  if not: fatal, where the system is asked.
 * Returns    0; or -1 with an error set, and then the buffer may be part written:
 *            ValueError for a negative size; NotImplementedError when there is no
 *            device to fall back on; RuntimeError when the device has an end;
 *            OSError; whatever a signal's handler sets.
 * Zero       bytes are there at once.
 * Blocks     see above; lets other threads run.   Allocates  never; it may keep
 *            a descriptor, which _Py_HashRandomization_Fini closes.
 * Threads    any number at once.
 * CPython    Python/bootstrap_hash.c, functions of the same names */
PyAPI_FUNC(int) _PyOS_URandom(void *buffer, Py_ssize_t size);
PyAPI_FUNC(int) _PyOS_URandomNonblock(void *buffer, Py_ssize_t size);

#endif  // Py_INTERNAL_LIFECYCLE_H
