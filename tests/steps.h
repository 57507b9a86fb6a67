// Fork at every instruction of what another thread does.
#ifndef TESTS_STEPS_H
#define TESTS_STEPS_H

#include <signal.h>
#include <sys/syscall.h>

#include "threads.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) \
    && !defined(SUPPORT_COVERAGE)
#  define STEP_ON() __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "cc", "memory")
#  define STEP_OFF() __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory")
enum { stepping = 1 };
#else
#  define STEP_ON() ((void)0)
#  define STEP_OFF() ((void)0)
enum { stepping = 0 };
#endif

static struct { int phase, wanted, count, held, go, all; void (*act)(void); } steps;

#ifdef __x86_64__
/* The library blocks every signal here and there; the trap has to come through. */
int
pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t ours;
    if (set != NULL) {
        ours = *set;
        sigdelset(&ours, SIGTRAP);
    }
    return syscall(SYS_rt_sigprocmask, how, set ? &ours : NULL, before, 8) ? errno : 0;
}
#endif

static inline void
hold_here(void)
{
    _Py_atomic_store_int(&steps.held, 1);
    UNTIL(_Py_atomic_load_int(&steps.go));
}

static inline void
on_trap(int Py_UNUSED(signum))
{
    if (++steps.count == steps.wanted) {
        hold_here();
    }
}

/* Phase 1: do it once more, held at the instruction that is wanted. 2: be gone. */
static inline void
step_through(struct fellow *Py_UNUSED(me))
{
    for (int phase; (phase = _Py_atomic_load_int(&steps.phase)) != 2; sched_yield()) {
        if (phase == 1) {
            steps.count = 0;
            _Py_atomic_store_int(&steps.held, !stepping);
            STEP_ON();
            steps.act();
            STEP_OFF();
            steps.all = steps.count;
            if (stepping && steps.count < steps.wanted) {
                hold_here();
            }
            _Py_atomic_store_int(&steps.phase, 0);
        }
    }
}

/* Fork once for each instruction of act(), which another thread does again and
 * again; the deed must return 0 in each child. `between` is called in the parent,
 * when both threads are at rest. */
static inline void
fork_at_every_step(void (*act)(void), int (*deed)(void *), void (*between)(void))
{
    struct fellow f = {.body = step_through};
    steps.act = act;
    steps.phase = steps.all = 0;
    on_signal(SIGTRAP, on_trap);
    start(&f);
    for (steps.wanted = 1; steps.wanted <= (stepping ? steps.all + 1 : 100); steps.wanted++) {
        _Py_atomic_store_int(&steps.held, 0);
        _Py_atomic_store_int(&steps.go, 0);
        _Py_atomic_store_int(&steps.phase, 1);
        UNTIL(_Py_atomic_load_int(&steps.held));
        in_a_child(deed, NULL);
        _Py_atomic_store_int(&steps.go, 1);
        UNTIL(_Py_atomic_load_int(&steps.phase) == 0);
        between();
    }
    _Py_atomic_store_int(&steps.phase, 2);
    finish(&f);
}
#endif  // TESTS_STEPS_H
