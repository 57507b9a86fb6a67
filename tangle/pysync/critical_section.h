// CPython: Include/cpython/critical_section.h (v3.13.5, behaviour of 3.14)
#ifndef Py_CPYTHON_CRITICAL_SECTION_H
#define Py_CPYTHON_CRITICAL_SECTION_H

#include "host/object.h"
#include "host/pyport.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PyCriticalSection PyCriticalSection;
typedef struct PyCriticalSection2 PyCriticalSection2;

/* Begin: have `op` (or the mutex, or both of two) for oneself, until End, or
 * until this thread waits for anything or detaches. Then others may have it;
 * when the thread goes on, the innermost section that it is in has it again.
 *
 * *c is the caller's, on its stack, and is not touched until End. Sections end
 * in the reverse order of their beginning, in the thread that began them.
 * Only the innermost section is sure to hold: a caller that needs two objects
 * at once begins one section with both. Begun again, an object is held already.
 *
 * With a GIL  does nothing, and does not look at its arguments.
 * Attached    required; unchecked.
 * Blocks      Begin: yes, and whatever else the thread holds is let go then.
 *             End: likewise, when it has to resume the section outside it.
 * Allocates   never.
 * Unchecked   ending out of order; returning, or jumping, out of a section.
 * CPython     Python/critical_section.c, functions of the same names */
PyAPI_FUNC(void) PyCriticalSection_Begin(PyCriticalSection *c, PyObject *op);
PyAPI_FUNC(void) PyCriticalSection_BeginMutex(PyCriticalSection *c, PyMutex *m);
PyAPI_FUNC(void) PyCriticalSection_End(PyCriticalSection *c);

PyAPI_FUNC(void) PyCriticalSection2_Begin(PyCriticalSection2 *c, PyObject *a,
                                          PyObject *b);
PyAPI_FUNC(void) PyCriticalSection2_BeginMutex(PyCriticalSection2 *c, PyMutex *m1,
                                               PyMutex *m2);
PyAPI_FUNC(void) PyCriticalSection2_End(PyCriticalSection2 *c);

#ifndef Py_GIL_DISABLED
#define Py_BEGIN_CRITICAL_SECTION(op) {
#define Py_BEGIN_CRITICAL_SECTION_MUTEX(mutex) {
#define Py_END_CRITICAL_SECTION() }
#define Py_BEGIN_CRITICAL_SECTION2(a, b) {
#define Py_BEGIN_CRITICAL_SECTION2_MUTEX(m1, m2) {
#define Py_END_CRITICAL_SECTION2() }
#else
/* One section that a thread is in. */
struct PyCriticalSection {
    uintptr_t _cs_prev;     /* the section outside this one, tagged; or 0 */
    PyMutex *_cs_mutex;     /* what it locks; NULL: nothing, see BeginSlow */
};

/* One with two mutexes; the one at the lower address is in the base. */
struct PyCriticalSection2 {
    PyCriticalSection _cs_base;
    PyMutex *_cs_mutex2;    /* NULL: the two were one */
};

_Static_assert(sizeof(PyCriticalSection) == 16, "as in CPython");
_Static_assert(offsetof(PyCriticalSection, _cs_prev) == 0, "as in CPython");
_Static_assert(offsetof(PyCriticalSection, _cs_mutex) == 8, "as in CPython");
_Static_assert(sizeof(PyCriticalSection2) == 24, "as in CPython");
_Static_assert(offsetof(PyCriticalSection2, _cs_base) == 0, "as in CPython");
_Static_assert(offsetof(PyCriticalSection2, _cs_mutex2) == 16, "as in CPython");

#define Py_BEGIN_CRITICAL_SECTION(op) \
    { \
        PyCriticalSection _py_cs; \
        PyCriticalSection_Begin(&_py_cs, (PyObject *)(op))

#define Py_BEGIN_CRITICAL_SECTION_MUTEX(mutex) \
    { \
        PyCriticalSection _py_cs; \
        PyCriticalSection_BeginMutex(&_py_cs, mutex)

#define Py_END_CRITICAL_SECTION() \
        PyCriticalSection_End(&_py_cs); \
    }

#define Py_BEGIN_CRITICAL_SECTION2(a, b) \
    { \
        PyCriticalSection2 _py_cs2; \
        PyCriticalSection2_Begin(&_py_cs2, (PyObject *)(a), (PyObject *)(b))

#define Py_BEGIN_CRITICAL_SECTION2_MUTEX(m1, m2) \
    { \
        PyCriticalSection2 _py_cs2; \
        PyCriticalSection2_BeginMutex(&_py_cs2, m1, m2)

#define Py_END_CRITICAL_SECTION2() \
        PyCriticalSection2_End(&_py_cs2); \
    }

#endif

#ifdef __cplusplus
}
#endif
#endif /* Py_CPYTHON_CRITICAL_SECTION_H */
