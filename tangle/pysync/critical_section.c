// CPython: Python/critical_section.c (v3.13.5, behaviour of 3.14)
//
// With a GIL the functions exist and do nothing: an extension module that was
// compiled to call them runs in either build of its own sources.
#include "pysync/pycore_critical_section.h"

#include "host/stoptheworld.h"

#ifdef Py_GIL_DISABLED
_Static_assert(_Alignof(PyCriticalSection) >= 4, "two low bits are free for tags");

static PyCriticalSection *
untag_critical_section(uintptr_t tag)
{
    return (PyCriticalSection *)(tag & ~(uintptr_t)_Py_CRITICAL_SECTION_MASK);
}

/* `top` points, tagged, at the innermost section, which holds unless it is
 * just waiting; but then it is not running this. */
static int
held_by_top(uintptr_t top, PyMutex *m)
{
    if (top == 0) {
        return 0;
    }
    PyCriticalSection *c = untag_critical_section(top);
    return c->_cs_mutex == m
        || ((top & _Py_CRITICAL_SECTION_TWO_MUTEXES)
            && ((PyCriticalSection2 *)c)->_cs_mutex2 == m);
}
#endif

void
_PyCriticalSection_BeginSlow(PyCriticalSection *c, PyMutex *m)
{
#ifdef Py_GIL_DISABLED
    PyThreadState *tstate = _PyThreadState_GET();
    uintptr_t *top = host_critical_section(tstate);
    c->_cs_mutex = NULL;
    c->_cs_prev = 0;
    if (held_by_top(*top, m) || host_world_is_stopped(tstate)) {
        return;                     /* not pushed; End will do nothing */
    }
    c->_cs_prev = *top;
    *top = (uintptr_t)c;
    PyMutex_Lock(m);                /* may wait, which suspends what is outside */
    c->_cs_mutex = m;
#else
    (void)c, (void)m;
#endif
}

void
_PyCriticalSection2_BeginSlow(PyCriticalSection2 *c, PyMutex *m1, PyMutex *m2,
                              int is_m1_locked)
{
#ifdef Py_GIL_DISABLED
    PyThreadState *tstate = _PyThreadState_GET();
    uintptr_t *top = host_critical_section(tstate);
    c->_cs_base = (PyCriticalSection){0, NULL};
    c->_cs_mutex2 = NULL;
    if (host_world_is_stopped(tstate)) {
        if (is_m1_locked) {
            PyMutex_Unlock(m1);         /* CPython forgets it: locked for ever */
        }
        return;
    }
    c->_cs_base._cs_prev = *top;
    *top = (uintptr_t)c | _Py_CRITICAL_SECTION_TWO_MUTEXES;
    if (!is_m1_locked) {
        PyMutex_Lock(m1);
    }
    PyMutex_Lock(m2);
    /* From here on SuspendAll finds them; not before both are had. */
    c->_cs_base._cs_mutex = m1;
    c->_cs_mutex2 = m2;
#else
    (void)c, (void)m1, (void)m2, (void)is_m1_locked;
#endif
}

void
_PyCriticalSection_SuspendAll(PyThreadState *tstate)
{
#ifdef Py_GIL_DISABLED
    uintptr_t *tagptr = host_critical_section(tstate);
    while (_PyCriticalSection_IsActive(*tagptr)) {
        PyCriticalSection *c = untag_critical_section(*tagptr);
        if (c->_cs_mutex) {         /* else it is just being begun, or resumed */
            PyMutex_Unlock(c->_cs_mutex);
            if (*tagptr & _Py_CRITICAL_SECTION_TWO_MUTEXES) {
                PyCriticalSection2 *pair = (PyCriticalSection2 *)c;
                if (pair->_cs_mutex2) {
                    PyMutex_Unlock(pair->_cs_mutex2);
                }
            }
        }
        *tagptr |= _Py_CRITICAL_SECTION_INACTIVE;
        tagptr = &c->_cs_prev;
    }
#else
    (void)tstate;
#endif
}

void
_PyCriticalSection_Resume(PyThreadState *tstate)
{
#ifdef Py_GIL_DISABLED
    uintptr_t *top = host_critical_section(tstate);
    uintptr_t p = *top;
    PyCriticalSection *c = untag_critical_section(p);
    assert(!_PyCriticalSection_IsActive(p));
    PyMutex *first = c->_cs_mutex, *second = NULL;
    PyCriticalSection2 *pair = NULL;
    c->_cs_mutex = NULL;
    if (p & _Py_CRITICAL_SECTION_TWO_MUTEXES) {
        pair = (PyCriticalSection2 *)c;
        second = pair->_cs_mutex2;
        pair->_cs_mutex2 = NULL;
    }
    if (first) {
        PyMutex_Lock(first);
    }
    if (second) {
        PyMutex_Lock(second);
    }
    c->_cs_mutex = first;
    if (second) {
        pair->_cs_mutex2 = second;
    }
    *top &= ~(uintptr_t)_Py_CRITICAL_SECTION_INACTIVE;
#else
    (void)tstate;
#endif
}

#undef PyCriticalSection_Begin
#undef PyCriticalSection_BeginMutex
#undef PyCriticalSection_End
#undef PyCriticalSection2_Begin
#undef PyCriticalSection2_BeginMutex
#undef PyCriticalSection2_End

/* Do it; with a GIL, evaluate nothing and do nothing. */
#ifdef Py_GIL_DISABLED
#  define IF_FREE_THREADED(call) call
#else
#  define IF_FREE_THREADED(call) (void)0
#endif

void
PyCriticalSection_Begin(PyCriticalSection *c, PyObject *op)
{
    (void)c, (void)op;
    IF_FREE_THREADED(_PyCriticalSection_Begin(c, op));
}

void
PyCriticalSection_BeginMutex(PyCriticalSection *c, PyMutex *m)
{
    (void)c, (void)m;
    IF_FREE_THREADED(_PyCriticalSection_BeginMutex(c, m));
}

void
PyCriticalSection_End(PyCriticalSection *c)
{
    (void)c;
    IF_FREE_THREADED(_PyCriticalSection_End(c));
}

void
PyCriticalSection2_Begin(PyCriticalSection2 *c, PyObject *a, PyObject *b)
{
    (void)c, (void)a, (void)b;
    IF_FREE_THREADED(_PyCriticalSection2_Begin(c, a, b));
}

void
PyCriticalSection2_BeginMutex(PyCriticalSection2 *c, PyMutex *m1, PyMutex *m2)
{
    (void)c, (void)m1, (void)m2;
    IF_FREE_THREADED(_PyCriticalSection2_BeginMutex(c, m1, m2));
}

void
PyCriticalSection2_End(PyCriticalSection2 *c)
{
    (void)c;
    IF_FREE_THREADED(_PyCriticalSection2_End(c));
}

