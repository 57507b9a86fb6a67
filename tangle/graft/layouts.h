// Ours: what object files of both sides have compiled in. Included twice, once
// behind the port's headers, once behind CPython's; LAYOUTS names the table.
#include <stddef.h>

#define SIZE(T) {"sizeof " #T, sizeof(T)}
#define PLACE(T, F) {#T "." #F, offsetof(T, F)}
#define NUMBER(N) {#N, (long long)(N)}

typedef struct {
    const char *what;
    long long number;
} layout;

extern __attribute__((visibility("default"))) const layout LAYOUTS[];

const layout LAYOUTS[] = {
    SIZE(PyMutex), PLACE(PyMutex, _bits), SIZE(PyEvent), PLACE(PyEvent, v),
    SIZE(_PyOnceFlag), PLACE(_PyOnceFlag, v), SIZE(_PyRawMutex), PLACE(_PyRawMutex, v),
    SIZE(_PyRecursiveMutex), PLACE(_PyRecursiveMutex, mutex),
    PLACE(_PyRecursiveMutex, thread), PLACE(_PyRecursiveMutex, level),
    SIZE(_PyRWMutex), PLACE(_PyRWMutex, bits),
    SIZE(_PySeqLock), PLACE(_PySeqLock, sequence),
    SIZE(_PySemaphore), PLACE(_PySemaphore, platform_sem),
    SIZE(struct llist_node), PLACE(struct llist_node, next), PLACE(struct llist_node, prev),
    SIZE(struct _pythread_runtime_state), PLACE(struct _pythread_runtime_state, initialized),
    PLACE(struct _pythread_runtime_state, _condattr_monotonic.ptr),
    PLACE(struct _pythread_runtime_state, _condattr_monotonic.val),
    PLACE(struct _pythread_runtime_state, handles),
    SIZE(PyThread_ident_t), SIZE(PyThread_handle_t), SIZE(PyTime_t), SIZE(PY_TIMEOUT_T),
    SIZE(Py_tss_t), PLACE(Py_tss_t, _is_initialized), PLACE(Py_tss_t, _key),
    SIZE(struct pyhash_runtime_state), PLACE(struct pyhash_runtime_state, urandom_cache.fd),
    PLACE(struct pyhash_runtime_state, urandom_cache.st_dev),
    PLACE(struct pyhash_runtime_state, urandom_cache.st_ino),
    SIZE(_Py_HashSecret_t), PLACE(_Py_HashSecret_t, fnv.suffix),
    PLACE(_Py_HashSecret_t, siphash.k1), PLACE(_Py_HashSecret_t, djbx33a.suffix),
    PLACE(_Py_HashSecret_t, expat.hashsalt),
    SIZE(PyStatus), PLACE(PyStatus, func), PLACE(PyStatus, err_msg), PLACE(PyStatus, exitcode),
    PLACE(PyConfig, use_environment), PLACE(PyConfig, use_hash_seed), PLACE(PyConfig, hash_seed),
    NUMBER(_Py_UNLOCKED), NUMBER(_Py_LOCKED), NUMBER(_Py_HAS_PARKED), NUMBER(_Py_ONCE_INITIALIZED),
    NUMBER(PY_LOCK_FAILURE), NUMBER(PY_LOCK_ACQUIRED), NUMBER(PY_LOCK_INTR),
    NUMBER(_Py_LOCK_DONT_DETACH), NUMBER(_PY_LOCK_DETACH), NUMBER(_PY_LOCK_HANDLE_SIGNALS),
    NUMBER(Py_PARK_OK), NUMBER(Py_PARK_AGAIN), NUMBER(Py_PARK_TIMEOUT), NUMBER(Py_PARK_INTR),
    NUMBER(_Py_THREAD_DETACHED), NUMBER(_Py_THREAD_ATTACHED), NUMBER(_Py_THREAD_SUSPENDED),
    NUMBER(_PyStatus_TYPE_OK), NUMBER(_PyStatus_TYPE_ERROR), NUMBER(_PyStatus_TYPE_EXIT),
    NUMBER(_PyTime_ROUND_CEILING), NUMBER(_PyTime_ROUND_TIMEOUT), NUMBER(PyThread_UNSET_TIMEOUT),
    NUMBER(PYTHREAD_INVALID_THREAD_ID),
    {NULL, 0}
};
