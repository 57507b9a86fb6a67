// Simulated threads: coroutines that change places at announced steps only.
#ifndef SIMULATION_THREADS_H
#define SIMULATION_THREADS_H

#include <stddef.h>
#include <stdint.h>

enum { SIM_THREADS = 4 };   // at most so many in a scenario

typedef enum {
    SIM_BEGIN, SIM_LOAD, SIM_STORE, SIM_RMW,    // a thread's start; atomics
    SIM_TAKE, SIM_SLEEP, SIM_POST,              // a semaphore
    SIM_LOCK, SIM_UNLOCK, SIM_WAIT, SIM_SIGNAL, // a lock, a condition
    SIM_CLOCK, SIM_YIELD, SIM_FORK, SIM_TOUCH   // the rest
} SimKind;

/* What may strike instead of, or before, the step itself. */
typedef enum {
    SIM_PLAIN, SIM_TIMEOUT, SIM_INTERRUPT, SIM_LEAP, SIM_EVENTS
} SimEvent;

typedef struct {
    SimKind kind;
    unsigned events;        // bit set of the SimEvents that may strike here
    const void *object;     // what the step touches,
    size_t size;            // and how much of it
    const int *gate;        // the step can be taken while *gate > 0, or NULL
    const void *where;      // the code that wants it
} SimOp;
/* Announce a step; return when the explorer lets this thread take it. Outside
 * of an execution (a scenario's set-up and its last look) both return at once.
 * sim_step returns the event that struck. */
void sim_access(SimKind kind, const volatile void *object, size_t size);
SimEvent sim_step(SimOp op);

/* After the step: what the object held, what it holds, was it written. */
void sim_note(uintptr_t before, uintptr_t after, int written);

/* Give up this execution: the property named in `why` does not hold. */
void sim_fail(const char *why, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

int sim_self(void);                 // 0 is thread A; -1 outside an execution
int64_t sim_now(void);              // simulated nanoseconds; not a step
void sim_advance(int64_t until);    // a wait ran out: the clock is at least so far
typedef struct {
    int preemptions;        // switches away from a thread that could go on;
                            // negative: any number, all orders
    int interrupts;         // waits that a signal ends
    int leaps;              // times that the clock leaps when it is read
} SimBounds;

typedef struct {
    const char *name, *what;
    void (*body[SIM_THREADS])(void);    // one a thread; NULL ends the list
    void (*setup)(void);                // before each execution
    void (*finish)(void);               // after it: the last look, or NULL
    SimBounds bounds;                   // those of every CI run
    const char *reach[8];               // must be seen in some execution
} SimScenario;
#define SIM_ASSERT(condition) \
    ((condition) ? (void)0 : sim_fail("%s:%d: not so: %s", \
                                      __FILE__, __LINE__, #condition))

/* Only one at a time between enter and leave (sim_enter_shared: many readers,
 * or one). A step each, so that others can come by. */
typedef struct { int writers, readers; } SimRegion;
void sim_enter(SimRegion *region);
void sim_leave(SimRegion *region);
void sim_enter_shared(SimRegion *region);
void sim_leave_shared(SimRegion *region);

void sim_name(const volatile void *object, size_t size, const char *name);
void sim_reach(const char *what);       // an execution came by here
void sim_touch(const volatile void *object);    // a step that writes *object
void sim_wait_for(const int *gate);     // a step, once *gate > 0
void sim_set_wall(int64_t forward);     // the wall clock is set
void sim_fork(void);                    // this thread lives on alone
extern int sim_plain;                   // 1: plain accesses are steps, too
extern void (*sim_handler)(void);       // called when a signal ends a sleep
void sim_may_hang(int thread);          // it may sleep when all others ended
void sim_no_yield(int on);              // from now on a yield is a failure
extern const int sim_asan;              // AddressSanitizer finds more, and aborts

/* A variable that keeps its value from one execution to the next. It is no
 * part of the scenario: no thread of it may look there. */
#define SIM_KEPT __attribute__((section("simkept")))

#endif  // SIMULATION_THREADS_H
