// What the scheduler, the system and the explorer share with each other.
#ifndef SIMULATION_WORLD_H
#define SIMULATION_WORLD_H

#include <stdio.h>
#include <ucontext.h>

#include "simulation/threads.h"

typedef struct {
    ucontext_t context;
    char *stack;            // SIM_STACK bytes, lowest first
    size_t size;
    void *fake;             // AddressSanitizer's shadow of the stack
    const char *sp;         // where it stopped; above it the stack is alive
    const char *live;       // the same, without the scheduler's frames
    SimOp next;             // announced, not yet taken
    SimEvent event;         // what struck it, when it goes on
    int done;
    int no_yield;
    int error;              // its errno, while it is stopped
    unsigned long seen, yielded;    // writes at the last look, the last yield
    unsigned long left_off;         // switches at the last yield
    int idle, alone, touched;       // yields in vain; looked since the last
    void *local;            // what the host keeps for it, _Py_tss_tstate
} SimThread;
typedef enum { SIM_FINE, SIM_FAILED, SIM_PRUNED } SimOutcome;

typedef struct {
    SimThread thread[SIM_THREADS];
    SimThread outside;              // the explorer itself
    int n, running;                 // running is -1 outside
    unsigned long serial;           // which execution, if globals stay
    unsigned long writes, switches; // in it, so far
    int64_t clock, wall;            // nanoseconds; wall is ahead by so many
    int interrupts, leaps;          // strokes that are left
    int semaphores, alone;          // alive; the others are gone
    unsigned excused;               // bit set: these may sleep for ever
    uintptr_t before, after;        // what the last step met and left,
    int noted;                      // if it said so
    SimOutcome outcome;
    char why[400];
} SimWorld;

extern SimWorld sim_world;
/* One way to go on: this thread takes its step, so struck, at this price. */
typedef struct {
    uint8_t thread, event, price;
} SimOption;

enum { SIM_OPTIONS = SIM_THREADS * SIM_EVENTS,
       SIM_LONGEST = 3000 };    // steps; more is taken for a livelock

int sim_list_options(SimOption *out);       // 0: no thread can go on
typedef struct { uint64_t a, b; } SimKey;

SimKey sim_key(int purse);          // preemptions that are left; -1: any number
int sim_can_merge(void);            // this build can tell states apart
void sim_remember_globals(void);
int sim_put_globals_back(void);     // 0: this build cannot

/* For the suite: parts that are left out of the key. */
enum { SIM_GLOBALS = 1, SIM_FRAMES = 2, SIM_PENDING = 4, SIM_SPINS = 8,
       SIM_CLOCKS = 16, SIM_STROKES = 32, SIM_PURSE = 64 };
extern unsigned sim_blind;
void sim_execute(const SimScenario *scenario);  // one, from set-up to last look
SimOption sim_decide(void);                 // the explorer's answer to a step
void sim_abandon(SimOutcome outcome) __attribute__((noreturn));
void sim_catch_faults(void);
void sim_forget_names(void);
void sim_trace_begin(void);
void sim_trace_step(SimOption option);
void sim_trace_end(FILE *out);
const char *sim_object_name(const void *object, char *buffer, size_t size);
const char *sim_named(int i, const void **object, size_t *size);
const char *sim_verb(SimKind kind);
void sim_value_name(char *out, size_t size, uintptr_t value);
void sim_find_lines(const void *const *where, int n, char (*place)[300]);

/* The host's thread-local word, exchanged when threads change places. */
void sim_swap_locals(SimThread *from, SimThread *to);

#endif  // SIMULATION_WORLD_H
