// Ours: of pythread/thread_pthread.h, the identity; no thread starts here.
#include "simulation/system.h"

#include "pythread/pycore_pythread.h"

PyThread_ident_t
PyThread_get_thread_ident_ex(void)
{
    return (PyThread_ident_t)pthread_self();    /* sim_pthread_self, by system.h */
}

#define NEVER(name, params) int name params { abort(); }
NEVER(PyThread_start_joinable_thread, (void (*f)(void *) __attribute__((unused)),
      void *a __attribute__((unused)), PyThread_ident_t *i __attribute__((unused)),
      PyThread_handle_t *h __attribute__((unused))))
NEVER(PyThread_join_thread, (PyThread_handle_t h __attribute__((unused))))
NEVER(PyThread_detach_thread, (PyThread_handle_t h __attribute__((unused))))
