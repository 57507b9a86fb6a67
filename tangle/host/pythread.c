// CPython: Python/thread_pthread.h, the identity alone (v3.13.5)
#include "host/pythread.h"

#include <pthread.h>

PyThread_ident_t
PyThread_get_thread_ident_ex(void)
{
    return (PyThread_ident_t)pthread_self();
}
