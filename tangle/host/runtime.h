// CPython: Include/internal/pycore_runtime.h (v3.13.5, behaviour of 3.14)
// Attached: no function here needs it. None waits or allocates.
#ifndef HOST_RUNTIME_H
#define HOST_RUNTIME_H

#include "host/pyport.h"

struct pyhash_runtime_state;    // hash/pycore_pyhash.h

/* What _PyRuntime.pyhash_state is in CPython: one for the whole process. */
PyAPI_FUNC(struct pyhash_runtime_state *) host_pyhash_state(void);

#endif  // HOST_RUNTIME_H
