// Ours: of pythread/thread_pthread.h, the identity alone.
#include "simulation/system.h"

#include "host/pythread.h"

PyThread_ident_t
PyThread_get_thread_ident_ex(void)
{
    return (PyThread_ident_t)pthread_self();    /* sim_pthread_self, by system.h */
}
