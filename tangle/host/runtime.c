// CPython: Python/pylifecycle.c, _PyRuntime (v3.13.5, behaviour of 3.14)
#include "host/runtime.h"

#include "hash/pycore_pyhash.h"

struct pyhash_runtime_state *
host_pyhash_state(void)
{
    static struct pyhash_runtime_state state = pyhash_state_INIT;
    return &state;
}
