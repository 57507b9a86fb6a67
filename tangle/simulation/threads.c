// Simulated threads: coroutines that change places at announced steps only.
#include "simulation/threads.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "simulation/world.h"

SimWorld sim_world = { .running = -1 };
#define world sim_world

#if defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define SIM_ASAN 1
#  endif
#elif defined(__SANITIZE_ADDRESS__)
#  define SIM_ASAN 1
#endif
#ifdef SIM_ASAN
const int sim_asan = 1;
#include <sanitizer/common_interface_defs.h>
#define LEAVING(from, to, for_ever) __sanitizer_start_switch_fiber( \
    (for_ever) ? NULL : &(from)->fake, (to)->stack, (to)->size)
#define ARRIVED(self, stack, size) \
    __sanitizer_finish_switch_fiber((self)->fake, stack, size)
#else
const int sim_asan = 0;
#define LEAVING(from, to, for_ever) ((void)(for_ever))
#define ARRIVED(self, stack, size) ((void)(stack), (void)(size))
#endif
static int ending;          // the execution is given up: a thread that wakes, leaves
static jmp_buf last_look;

static void
leave_for_ever(SimThread *self, SimThread *to)
{
    self->done = 1;
    sim_swap_locals(self, to);
    LEAVING(self, to, 1);
    setcontext(&to->context);
}

static void
change_places(SimThread *from, SimThread *to)
{
    sim_swap_locals(from, to);
    from->sp = __builtin_frame_address(0);
    LEAVING(from, to, 0);
    swapcontext(&from->context, &to->context);
    ARRIVED(from, NULL, NULL);
    if (ending && from != &world.outside) {
        leave_for_ever(from, &world.outside);
    }
}
static __attribute__((noinline)) void
clear_what_is_below(void)
{
    char below[2048];
    memset(below, 0, sizeof(below));
    __asm__ volatile("" : : "r"(below) : "memory");     // it is not for nothing
}

enum { SIM_STACK = 256 * 1024 };
static const SimScenario *playing;

static SimThread *
chosen(SimOption option)
{
    SimThread *thread = &world.thread[option.thread];
    thread->event = (SimEvent)option.event;
    world.switches += option.thread != world.running;
    world.running = option.thread;
    return thread;
}

static void
begin(void)
{
    SimThread *self = &world.thread[world.running];
    const void *from_stack = NULL;
    size_t from_size = 0;
    ARRIVED(self, &from_stack, &from_size);
    if (world.outside.size == 0) {          // the first of all comes from there
        world.outside.stack = (char *)(uintptr_t)from_stack;
        world.outside.size = from_size;
    }
    clear_what_is_below();
    errno = 0;
    playing->body[world.running]();
    self->done = 1;
    SimOption option = sim_decide();        // does not return when all are done
    leave_for_ever(self, chosen(option));
}

static _Alignas(4096) char stacks[SIM_THREADS][SIM_STACK];
static ucontext_t blank;

static void
make_stacks(void)
{
    static int made;
    for (int i = 0; i < SIM_THREADS && !made && !sim_asan; i++) {
        if (mprotect(stacks[i], 4096, PROT_NONE) != 0) {
            abort();        // the lowest page is a guard; LeakSanitizer reads all
        }
    }
    if (!made++) {
        getcontext(&blank);
    }
}

static void
prepare(SimThread *thread, char *stack)
{
    *thread = (SimThread){ .context = blank, .stack = stack, .size = SIM_STACK,
                           .sp = stack + SIM_STACK, .live = stack + SIM_STACK,
                           .next = { .kind = SIM_BEGIN } };
    thread->context.uc_stack.ss_sp = thread->stack;
    thread->context.uc_stack.ss_size = SIM_STACK;
    makecontext(&thread->context, begin, 0);
}
static void
refuse_dead_frames(const char *object)
{
    for (int i = 0; i < world.n; i++) {
        SimThread *t = &world.thread[i];
        if (object < t->stack || object >= t->stack + SIM_STACK) {
            continue;
        }
        const char *sp = i != world.running ? t->sp : __builtin_frame_address(0);
        if (t->done || object < sp) {
            sim_fail("%c touches a record in a dead frame of %c",
                     'A' + world.running, 'A' + i);
        }
        return;
    }
}
static __attribute__((noinline)) void
let_one_go_on(SimThread *self)
{
    self->live = (const char *)__builtin_frame_address(0) + 2 * sizeof(void *);
    SimThread *next = chosen(sim_decide());
    if (next != self) {
        change_places(self, next);
    }
}
SimEvent
sim_step(SimOp op)
{
    if (world.running < 0) {
        return SIM_PLAIN;
    }
    SimThread *self = &world.thread[world.running];
    self->next = op;
    self->error = errno;
    __builtin_unwind_init();                // the registers into this frame
    let_one_go_on(self);
    clear_what_is_below();
    errno = self->error;
    if (op.object != NULL) {
        refuse_dead_frames(op.object);
    }
    if (op.kind != SIM_YIELD) {
        self->seen = world.writes;
        self->touched = 1;
    }
    return self->event;
}
__attribute__((noinline)) void
sim_access(SimKind kind, const volatile void *object, size_t size)
{
    (void)sim_step((SimOp){ .kind = kind, .object = (const void *)object,
                            .size = size,
                            .where = __builtin_return_address(0) });
}

void
sim_note(uintptr_t before, uintptr_t after, int written)
{
    world.writes += written != 0;
    world.before = before;
    world.after = after;
    world.noted = 1;
}
static int
can_go_on(const SimThread *t)
{
    return !t->done && (t->next.gate == NULL || *t->next.gate > 0);
}

static int
spins_in_vain(const SimThread *t)
{
    return t->next.kind == SIM_YIELD
        && ((t->idle >= 2 && t->seen == world.writes) || t->alone >= 3);
}

static int
add(SimOption *out, int n, int thread, SimEvent event)
{
    const SimThread *self = world.running < 0 ? NULL
                                              : &world.thread[world.running];
    int free_of_charge = self == NULL || thread == world.running
        || !can_go_on(self) || self->next.kind == SIM_YIELD;
    out[n] = (SimOption){ (uint8_t)thread, (uint8_t)event, !free_of_charge };
    return n + 1;
}
static int
may(int i, SimEvent event)
{
    return !world.thread[i].done
        && (world.thread[i].next.events & 1u << event) != 0;
}

static int
list_plain(SimOption *out, int spinners_too)
{
    int n = 0, from = world.running < 0 ? 0 : world.running;
    int last = world.running >= 0
        && world.thread[from].next.kind == SIM_YIELD;   // the polite go last
    for (int i = last; i < world.n + last; i++) {
        const SimThread *t = &world.thread[(from + i) % world.n];
        if (can_go_on(t) && (spinners_too || !spins_in_vain(t))) {
            n = add(out, n, (from + i) % world.n, SIM_PLAIN);
        }
    }
    return n;
}
int
sim_list_options(SimOption *out)
{
    int n = list_plain(out, 0);
    for (int i = 0; i < world.n; i++) {
        n = may(i, SIM_TIMEOUT) ? add(out, n, i, SIM_TIMEOUT) : n;
    }
    if (n == 0) {
        n = list_plain(out, 1);
    }
    for (int i = 0; n > 0 && i < world.n; i++) {
        if (may(i, SIM_INTERRUPT) && world.interrupts > 0) {
            n = add(out, n, i, SIM_INTERRUPT);
        }
        if (may(i, SIM_LEAP) && world.leaps > 0) {
            n = add(out, n, i, SIM_LEAP);
        }
    }
    return n;
}
__attribute__((noinline)) static void
look_at_the_end(const SimScenario *scenario)
{
    if (setjmp(last_look) != 0) {
        return;                             // it was not as it should be
    }
    if (scenario->finish != NULL) {
        scenario->finish();
    }
    if (world.semaphores != 0 && !world.alone && !world.excused) {
        sim_fail("%d semaphores were not destroyed", world.semaphores);
    }
}

__attribute__((noinline)) static void
run_the_threads(void)
{
    if (setjmp(last_look) == 0) {           // the first choice may be refused
        change_places(&world.outside, chosen(sim_decide()));
    }
}

void
sim_execute(const SimScenario *scenario)
{
    playing = scenario;
    world.running = -1;
    world.serial += !sim_put_globals_back();
    world.n = 0;
    world.semaphores = world.alone = world.noted = 0;
    sim_plain = 0;
    sim_handler = NULL;
    world.excused = 0;
    world.writes = world.switches = 0;
    world.clock = 1000 * INT64_C(1000000000);
    world.wall = 0;
    world.outcome = SIM_FINE;
    world.why[0] = '\0';
    make_stacks();
    sim_forget_names();
    scenario->setup();
    while (world.n < SIM_THREADS && scenario->body[world.n] != NULL) {
        prepare(&world.thread[world.n], stacks[world.n]);
        world.n++;
    }
    run_the_threads();
    world.running = -1;
    ending = 1;
    for (int i = 0; i < world.n; i++) {
        SimThread *t = &world.thread[i];
        if (t->done != 1 && t->sp != t->stack + SIM_STACK) {
            change_places(&world.outside, t);   // started, and not at its end
        }
    }
    ending = 0;
    if (world.outcome == SIM_FINE) {
        look_at_the_end(scenario);
    }
    world.n = 0;
}
void
sim_abandon(SimOutcome outcome)
{
    int self = world.running;
    world.outcome = outcome;
    world.running = -1;
    if (self < 0) {
        longjmp(last_look, 1);
    }
    if (world.thread[self].done) {
        leave_for_ever(&world.thread[self], &world.outside);
    }
    change_places(&world.thread[self], &world.outside);
    __builtin_unreachable();
}

void
sim_fail(const char *why, ...)
{
    va_list arguments;
    va_start(arguments, why);
    vsnprintf(world.why, sizeof(world.why), why, arguments);
    va_end(arguments);
    sim_abandon(SIM_FAILED);
}
static void
fault(int sig)
{
    if (world.running < 0 && world.n == 0) {
        signal(sig, SIG_DFL);               // not a thread's: die of it
        raise(sig);
    }
    if (world.running >= 0) {
        world.thread[world.running].done = 1;   // it is not to be woken again
    }
    sim_fail("%c follows a pointer that leads nowhere",
             world.running < 0 ? '?' : 'A' + world.running);
}

void
sim_catch_faults(void)
{
#ifndef SIM_ASAN
    static char stack[64 * 1024];
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
    struct sigaction action = { .sa_handler = fault,
                                .sa_flags = SA_ONSTACK | SA_NODEFER };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
#else
    (void)fault;
#endif
}
int
sim_self(void)
{
    return world.running;
}

static void
touch(const volatile void *object, size_t size, const void *where)
{
    (void)sim_step((SimOp){ .kind = SIM_TOUCH, .object = (const void *)object,
                            .size = size, .where = where });
    world.writes++;
}

void
sim_touch(const volatile void *object)
{
    touch(object, 1, __builtin_return_address(0));
}

void
sim_wait_for(const int *gate)
{
    (void)sim_step((SimOp){ .kind = SIM_TOUCH, .object = gate, .gate = gate,
                            .size = sizeof(*gate),
                            .where = __builtin_return_address(0) });
}

void
sim_enter(SimRegion *region)
{
    touch(region, sizeof(*region), __builtin_return_address(0));
    if (region->writers + region->readers != 0) {
        sim_fail("%c enters, and %d are inside: exclusion is broken",
                 'A' + world.running, region->writers + region->readers);
    }
    region->writers++;
}

void
sim_leave(SimRegion *region)
{
    touch(region, sizeof(*region), __builtin_return_address(0));
    region->writers--;
}

void
sim_enter_shared(SimRegion *region)
{
    touch(region, sizeof(*region), __builtin_return_address(0));
    if (region->writers != 0) {
        sim_fail("%c enters to read, and a writer is inside",
                 'A' + world.running);
    }
    region->readers++;
}

void
sim_leave_shared(SimRegion *region)
{
    touch(region, sizeof(*region), __builtin_return_address(0));
    region->readers--;
}

void (*sim_handler)(void);

void
sim_fork(void)
{
    (void)sim_step((SimOp){ .kind = SIM_FORK,
                            .where = __builtin_return_address(0) });
    for (int i = 0; i < world.n; i++) {
        if (i != world.running && !world.thread[i].done) {
            world.thread[i].done = 2;       // gone, but not at its end
        }
    }
    world.alone = 1;
}

void
sim_may_hang(int thread)
{
    world.excused |= 1u << thread;
}

void
sim_no_yield(int on)
{
    world.thread[world.running].no_yield = on;
}
