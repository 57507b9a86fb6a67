// Ours: the same as CPython's headers have them.
#include "Python.h"

#include "pycore_llist.h"
#include "pycore_lock.h"
#include "pycore_parking_lot.h"
#include "pycore_pyhash.h"
#include "pycore_pystate.h"
#include "pycore_pythread.h"
#include "pycore_runtime.h"
#include "pycore_semaphore.h"
#include "pycore_time.h"

#define LAYOUTS graft_layouts_of_cpython
#include "layouts.h"
