// The parking lot once more, inside a test program: to let its system calls fail,
// to look into its buckets, to build it on the other kind of semaphore.
#include "pysync/pycore_lock.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define _PySemaphore_Init own_Semaphore_Init
#define _PySemaphore_Destroy own_Semaphore_Destroy
#define _PySemaphore_Wait own_Semaphore_Wait
#define _PySemaphore_Wakeup own_Semaphore_Wakeup
#define _PyParkingLot_Park own_ParkingLot_Park
#define _PyParkingLot_Unpark own_ParkingLot_Unpark
#define _PyParkingLot_UnparkAll own_ParkingLot_UnparkAll
#define _PyParkingLot_AfterFork own_ParkingLot_AfterFork
#include "pysync/parking_lot.c"
#ifndef KEEP_OWN_NAMES
#undef _PySemaphore_Init
#undef _PySemaphore_Destroy
#undef _PySemaphore_Wait
#undef _PySemaphore_Wakeup
#undef _PyParkingLot_Park
#undef _PyParkingLot_Unpark
#undef _PyParkingLot_UnparkAll
#undef _PyParkingLot_AfterFork
#endif
#pragma GCC diagnostic pop
