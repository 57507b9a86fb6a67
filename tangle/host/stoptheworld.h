// What critical sections must know of a stopped world. CPython: the field
// stoptheworld.world_stopped of PyInterpreterState (behaviour of 3.14)
#ifndef HOST_STOPTHEWORLD_H
#define HOST_STOPTHEWORLD_H

#include "host/pystate.h"

/* Are all threads but that of tstate stopped?
 * The thread that stopped them sees 1; no other thread runs meanwhile.
 * Attached   no need. */
PyAPI_FUNC(int) host_world_is_stopped(PyThreadState *tstate);

/* Say so, once they are (1), or that they may go on (0). Stops nobody itself.
 * Attached   no need. */
PyAPI_FUNC(void) host_set_world_stopped(int stopped);

#endif  // HOST_STOPTHEWORLD_H
