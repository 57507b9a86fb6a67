// CPython: Include/internal/pycore_critical_section.h
// (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_CRITICAL_SECTION_H
#define Py_INTERNAL_CRITICAL_SECTION_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "host/listobject.h"
#include "host/pyerrors.h"
#include "host/pystate.h"
#include "pysync/critical_section.h"
#include "pysync/pycore_lock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The two low bits of a pointer to a section, in the thread state or in _cs_prev.
 *
 *   INACTIVE     its locks have been let go, and have to be taken again
 *   TWO_MUTEXES  it is a PyCriticalSection2
 *
 * Outside an INACTIVE section every section is INACTIVE: they are suspended from
 * the inside out, and resumed one at a time, when they become the innermost. */
#define _Py_CRITICAL_SECTION_INACTIVE 0x1
#define _Py_CRITICAL_SECTION_TWO_MUTEXES 0x2
#define _Py_CRITICAL_SECTION_MASK 0x3

/* The innermost section holds this mutex; the object's, unless nobody else has a
 * reference to it. Checked in the free-threaded debug build (Py_DEBUG) only. */
#ifdef Py_GIL_DISABLED
#  define _Py_CRITICAL_SECTION_ASSERT_MUTEX_LOCKED(mutex) \
    _PyCriticalSection_AssertHeld(mutex)
#else
#  define _Py_CRITICAL_SECTION_ASSERT_MUTEX_LOCKED(mutex)
#endif

#if defined(Py_GIL_DISABLED) && defined(Py_DEBUG)
#  define _Py_CRITICAL_SECTION_ASSERT_OBJECT_LOCKED(op) \
    if (Py_REFCNT((PyObject *)(op)) != 1) { \
        _Py_CRITICAL_SECTION_ASSERT_MUTEX_LOCKED(&((PyObject *)(op))->ob_mutex); \
    }
#else
#  define _Py_CRITICAL_SECTION_ASSERT_OBJECT_LOCKED(op)
#endif

/* A section round `original` if it is a list; else none. */
#ifdef Py_GIL_DISABLED
#  define Py_BEGIN_CRITICAL_SECTION_SEQUENCE_FAST(original) \
    { \
        PyObject *_py_seq = (PyObject *)(original); \
        const int _py_is_list = Py_TYPE(_py_seq) == &PyList_Type; \
        PyCriticalSection _py_cs; \
        if (_py_is_list) { \
            _PyCriticalSection_Begin(&_py_cs, _py_seq); \
        }
#  define Py_END_CRITICAL_SECTION_SEQUENCE_FAST() \
        if (_py_is_list) { \
            PyCriticalSection_End(&_py_cs); \
        } \
    }
#else
#  define Py_BEGIN_CRITICAL_SECTION_SEQUENCE_FAST(original) {
#  define Py_END_CRITICAL_SECTION_SEQUENCE_FAST() }
#endif

/* SuspendAll  let go of every lock that the thread's sections hold. The host calls
 *             it when the thread detaches.
 * Resume      take the locks of the innermost section again; it is INACTIVE. The
 *             host calls it when the thread has attached, End when it uncovers one.
 * BeginSlow   begin where the mutex was not to be had at once.
 *
 * All of them are the running thread's own affair: no other looks at its stack.
 * CPython     Python/critical_section.c, functions of the same names */
PyAPI_FUNC(void) _PyCriticalSection_Resume(PyThreadState *tstate);
PyAPI_FUNC(void) _PyCriticalSection_BeginSlow(PyCriticalSection *c, PyMutex *m);
PyAPI_FUNC(void) _PyCriticalSection2_BeginSlow(PyCriticalSection2 *c, PyMutex *m1,
                                               PyMutex *m2, int is_m1_locked);
PyAPI_FUNC(void) _PyCriticalSection_SuspendAll(PyThreadState *tstate);

#ifdef Py_GIL_DISABLED
/* Does the tag point at a section that has not been suspended? */
static inline int
_PyCriticalSection_IsActive(uintptr_t tag)
{
    return tag != 0 && !(tag & _Py_CRITICAL_SECTION_INACTIVE);
}

/* Lock m and push c; the slow way when m is not to be had at once. */
static inline void
_PyCriticalSection_BeginMutex(PyCriticalSection *c, PyMutex *m)
{
    if (!PyMutex_LockFast(m)) {
        _PyCriticalSection_BeginSlow(c, m);
        return;
    }
    uintptr_t *top = host_critical_section(_PyThreadState_GET());
    c->_cs_mutex = m;
    c->_cs_prev = *top;
    *top = (uintptr_t)c;
}
#define PyCriticalSection_BeginMutex _PyCriticalSection_BeginMutex

/* The same for the mutex in the object's header. */
static inline void
_PyCriticalSection_Begin(PyCriticalSection *c, PyObject *op)
{
    _PyCriticalSection_BeginMutex(c, &op->ob_mutex);
}
#define PyCriticalSection_Begin _PyCriticalSection_Begin

/* Take the innermost section off; the one outside it holds again, from here on. */
static inline void
_PyCriticalSection_Pop(PyCriticalSection *c)
{
    PyThreadState *tstate = _PyThreadState_GET();
    uintptr_t prev = c->_cs_prev;
    *host_critical_section(tstate) = prev;
    if (prev & _Py_CRITICAL_SECTION_INACTIVE) {
        _PyCriticalSection_Resume(tstate);
    }
}

/* Unlock, then pop: what is outside is resumed with nothing in hand. */
static inline void
_PyCriticalSection_End(PyCriticalSection *c)
{
    if (c->_cs_mutex == NULL) {
        return;                     /* never pushed: see BeginSlow */
    }
    PyMutex_Unlock(c->_cs_mutex);
    _PyCriticalSection_Pop(c);
}
#define PyCriticalSection_End _PyCriticalSection_End

/* Begin with two mutexes, in whatever order they are given. */
static inline void
_PyCriticalSection2_BeginMutex(PyCriticalSection2 *c, PyMutex *m1, PyMutex *m2)
{
    if (m1 == m2) {
        c->_cs_mutex2 = NULL;       /* and no tag: it is an ordinary section */
        _PyCriticalSection_BeginMutex(&c->_cs_base, m1);
        return;
    }
    if ((uintptr_t)m2 < (uintptr_t)m1) {
        PyMutex *lower = m2;
        m2 = m1;
        m1 = lower;
    }
    if (!PyMutex_LockFast(m1)) {
        _PyCriticalSection2_BeginSlow(c, m1, m2, /*is_m1_locked=*/0);
        return;
    }
    if (!PyMutex_LockFast(m2)) {
        _PyCriticalSection2_BeginSlow(c, m1, m2, /*is_m1_locked=*/1);
        return;
    }
    uintptr_t *top = host_critical_section(_PyThreadState_GET());
    c->_cs_base._cs_mutex = m1;
    c->_cs_mutex2 = m2;
    c->_cs_base._cs_prev = *top;
    *top = (uintptr_t)c | _Py_CRITICAL_SECTION_TWO_MUTEXES;
}
#define PyCriticalSection2_BeginMutex _PyCriticalSection2_BeginMutex

static inline void
_PyCriticalSection2_Begin(PyCriticalSection2 *c, PyObject *a, PyObject *b)
{
    _PyCriticalSection2_BeginMutex(c, &a->ob_mutex, &b->ob_mutex);
}
#define PyCriticalSection2_Begin _PyCriticalSection2_Begin

/* End a section with two mutexes, or with two that were one. */
static inline void
_PyCriticalSection2_End(PyCriticalSection2 *c)
{
    if (c->_cs_base._cs_mutex == NULL) {
        return;                     /* never pushed: see BeginSlow */
    }
    if (c->_cs_mutex2) {
        PyMutex_Unlock(c->_cs_mutex2);
    }
    /* The base last: what is outside is resumed with nothing in hand. */
    PyMutex_Unlock(c->_cs_base._cs_mutex);
    _PyCriticalSection_Pop(&c->_cs_base);
}
#define PyCriticalSection2_End _PyCriticalSection2_End

/* Fatal, in a debug build, unless the innermost section holds the mutex. */
static inline void
_PyCriticalSection_AssertHeld(PyMutex *mutex)
{
#ifdef Py_DEBUG
    uintptr_t top = *host_critical_section(_PyThreadState_GET());
    uintptr_t at = top & ~(uintptr_t)_Py_CRITICAL_SECTION_MASK;
    const PyCriticalSection *c = (const PyCriticalSection *)at;
    const PyCriticalSection2 *c2 = (const PyCriticalSection2 *)at;
    int held = c != NULL && c->_cs_mutex == mutex;
    if (!held && (top & _Py_CRITICAL_SECTION_TWO_MUTEXES)) {
        held = c2->_cs_mutex2 == mutex;
    }
    if (!held) {
        Py_FatalError("the innermost critical section does not hold the mutex");
    }
#else
    (void)mutex;
#endif
}
#endif

#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_CRITICAL_SECTION_H */
