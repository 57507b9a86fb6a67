// Ours. What CPython's objects ask of the rest of CPython. Compiled against
// CPython's headers; no measured path comes here but by the clock.
#include <Python.h>

#include <stdlib.h>

void
_Py_FatalErrorFormat(const char *func, const char *format, ...)
{
    fprintf(stderr, "bench: fatal in %s: %s\n", func, format);
    abort();
}
