// Ours: sizes, places and numbers as the port's own headers have them.
#include "hash/pycore_pyhash.h"
#include "hash/initconfig.h"
#include "host/pystate.h"
#include "host/pytime_units.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_parking_lot.h"
#include "pysync/pycore_semaphore.h"
#include "pythread/pycore_pythread.h"

#define LAYOUTS graft_layouts_of_port
#include "graft/layouts.h"
