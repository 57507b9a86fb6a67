// The simulated system: semaphores, locks, conditions, clocks, death.
#define SIM_KEEP_THE_REAL_NAMES
#include "simulation/system.h"

#include <stdint.h>
#include <string.h>

#include "host/pystate.h"
#include "simulation/world.h"

#define world sim_world
#define HERE __builtin_return_address(0)

typedef struct {
    uint64_t alive;         // ALIVE + the serial number of the execution
    int gate;               // tokens of a semaphore; 1 while a lock is free
    int woken[SIM_THREADS]; // condition: this thread was signalled
} Thing;

_Static_assert(sizeof(Thing) <= sizeof(sem_t), "a semaphore has room");
_Static_assert(sizeof(Thing) <= sizeof(pthread_mutex_t), "a lock has room");
_Static_assert(sizeof(Thing) <= sizeof(pthread_cond_t), "a condition has room");

#define ALIVE (UINT64_C(0x600D) << 48)
#define DEAD UINT64_C(0xDEADDEADDEADDEAD)

static Thing *
made(void *memory, int gate)
{
    Thing *thing = memory;
    *thing = (Thing){ .alive = ALIVE + world.serial, .gate = gate };
    return thing;
}

/* What lies here, alive; or the end of this execution. */
static Thing *
living(void *memory, const char *what)
{
    Thing *thing = memory;
    if (thing->alive != ALIVE + world.serial) {
        sim_fail("%s that is not alive", what);
    }
    return thing;
}

/* The same for what may have been made by a static initialiser. */
static Thing *
found(void *memory, int gate)
{
    Thing *thing = memory;
    return thing->alive == DEAD ? living(memory, "use of a lock or condition")
         : thing->alive == ALIVE + world.serial ? thing : made(memory, gate);
}
typedef struct { clockid_t clock; const struct timespec *until; } Deadline;

static int64_t
nanoseconds(const struct timespec *t)
{
    return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

/* 0 when the gate was open; ETIMEDOUT, EINTR. */
static int
asleep(SimKind kind, const void *object, const int *gate, Deadline deadline,
       const void *where)
{
    SimOp op = { .kind = kind, .object = object, .size = sizeof(Thing),
                 .gate = gate, .where = where,
                 .events = 1u << SIM_INTERRUPT };
    op.events |= deadline.until ? 1u << SIM_TIMEOUT : 0;
    SimEvent event = sim_step(op);
    if (event == SIM_TIMEOUT) {
        int wall = deadline.clock == CLOCK_REALTIME;
        sim_advance(nanoseconds(deadline.until) - (wall ? world.wall : 0));
    }
    if (event == SIM_INTERRUPT && kind == SIM_SLEEP && sim_handler != NULL) {
        sim_handler();
    }
    return event == SIM_TIMEOUT ? ETIMEDOUT : event == SIM_INTERRUPT ? EINTR : 0;
}
int
sim_sem_init(sem_t *s, int shared, unsigned value)
{
    (void)shared;
    made(s, (int)value);
    world.semaphores++;
    return 0;
}

int
sim_sem_destroy(sem_t *s)
{
    living(s, "destruction of a semaphore")->alive = DEAD;
    world.semaphores--;
    return 0;
}

static int
take(sem_t *memory, Deadline deadline, const void *where)
{
    Thing *s = living(memory, "wait on a semaphore");
    (void)sim_step((SimOp){ .kind = SIM_TAKE, .object = s,
                            .size = sizeof(*s), .where = where });
    if (s->gate == 0) {
        errno = asleep(SIM_SLEEP, s, &s->gate, deadline, where);
        if (errno != 0) {
            return -1;
        }
        if (s->gate == 0) {
            sim_fail("a wait outside of the threads would never end");
        }
    }
    sim_note((uintptr_t)s->gate, (uintptr_t)s->gate - 1, 1);
    s->gate--;
    return 0;
}

int
sim_sem_wait(sem_t *s)
{
    return take(s, (Deadline){0}, HERE);
}

int
sim_sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until)
{
    return take(s, (Deadline){ clock, until }, HERE);
}

int
sim_sem_timedwait(sem_t *s, const struct timespec *until)
{
    return take(s, (Deadline){ CLOCK_REALTIME, until }, HERE);
}

int
sim_sem_post(sem_t *memory)
{
    (void)sim_step((SimOp){ .kind = SIM_POST, .object = memory,
                            .size = sizeof(Thing), .where = HERE });
    Thing *s = living(memory, "post to a semaphore");
    sim_note((uintptr_t)s->gate, (uintptr_t)s->gate + 1, 1);
    s->gate++;
    return 0;
}
int
sim_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
    (void)attr;
    made(m, 1);
    return 0;
}

int
sim_mutex_destroy(pthread_mutex_t *m)
{
    found(m, 1)->alive = DEAD;
    return 0;
}

static void
lock(pthread_mutex_t *memory, const void *where)
{
    Thing *m = found(memory, 1);
    (void)sim_step((SimOp){ .kind = SIM_LOCK, .object = m, .size = sizeof(*m),
                            .gate = &m->gate, .where = where });
    found(memory, 1)->gate = 0;
    world.writes++;
}

static void
unlock(pthread_mutex_t *memory, const void *where)
{
    (void)sim_step((SimOp){ .kind = SIM_UNLOCK, .object = memory,
                            .size = sizeof(Thing), .where = where });
    found(memory, 1)->gate = 1;
    world.writes++;
}

int
sim_mutex_lock(pthread_mutex_t *m)
{
    lock(m, HERE);
    return 0;
}

int
sim_mutex_unlock(pthread_mutex_t *m)
{
    unlock(m, HERE);
    return 0;
}
int
sim_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
    (void)attr;
    made(c, 0);
    return 0;
}

int
sim_cond_destroy(pthread_cond_t *c)
{
    found(c, 0)->alive = DEAD;
    return 0;
}

static int
wait_on(pthread_cond_t *memory, pthread_mutex_t *m, Deadline deadline,
     const void *where)
{
    Thing *c = found(memory, 0);
    if (world.running < 0) {
        sim_fail("a wait outside of the threads would never end");
    }
    int *woken = &c->woken[world.running];
    *woken = -1;
    unlock(m, where);
    int err = asleep(SIM_WAIT, c, woken, deadline, where);
    *woken = 0;
    lock(m, where);
    return err == EINTR ? 0 : err;
}

int
sim_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return wait_on(c, m, (Deadline){0}, HERE);
}

int
sim_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                   const struct timespec *until)
{
    return wait_on(c, m, (Deadline){ CLOCK_REALTIME, until }, HERE);
}

int
sim_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                   const struct timespec *until)
{
    return wait_on(c, m, (Deadline){ clock, until }, HERE);
}

static int
wake(pthread_cond_t *memory, int most, const void *where)
{
    (void)sim_step((SimOp){ .kind = SIM_SIGNAL, .object = memory,
                            .size = sizeof(Thing), .where = where });
    Thing *c = found(memory, 0);
    for (int i = 0; i < SIM_THREADS && most > 0; i++) {
        if (c->woken[i] == -1) {
            c->woken[i] = 1;
            world.writes++;
            most--;
        }
    }
    return 0;
}

int
sim_cond_signal(pthread_cond_t *c)
{
    return wake(c, 1, HERE);
}

int
sim_cond_broadcast(pthread_cond_t *c)
{
    return wake(c, SIM_THREADS, HERE);
}
enum { LEAP = 2 * 1000 * 1000 };

int64_t
sim_now(void)
{
    return world.clock;
}

void
sim_advance(int64_t until)
{
    world.clock = until > world.clock ? until : world.clock;
}

void
sim_set_wall(int64_t forward)
{
    sim_touch(&world.wall);
    world.wall += forward;
}

int
sim_clock_gettime(clockid_t clock, struct timespec *now)
{
    SimEvent event = sim_step((SimOp){ .kind = SIM_CLOCK, .size = 1,
        .object = &world.clock, .where = HERE, .events = 1u << SIM_LEAP });
    world.clock += event == SIM_LEAP ? LEAP : 0;
    int64_t t = world.clock + (clock == CLOCK_REALTIME ? world.wall : 0);
    now->tv_sec = t / 1000000000;
    now->tv_nsec = t % 1000000000;
    return 0;
}

int
sim_sched_yield(void)
{
    if (world.running < 0) {
        return 0;
    }
    SimThread *self = &world.thread[world.running];
    if (self->no_yield) {
        sim_fail("%c spins, and had asked not to wait", 'A' + world.running);
    }
    if (self->touched) {                    // several in a row are one
        self->idle = self->yielded == world.writes ? self->idle + 1 : 1;
        self->yielded = world.writes;
        self->alone = self->left_off == world.switches ? self->alone + 1 : 1;
        self->left_off = world.switches;
        self->touched = 0;
        (void)sim_step((SimOp){ .kind = SIM_YIELD, .where = HERE });
    }
    return 0;
}
static char last_words[200];

ssize_t
sim_writev(int fd, const struct iovec *piece, int n)
{
    size_t at = 0;
    (void)fd;
    for (int i = 0; i < n; i++) {
        size_t room = sizeof(last_words) - 1 - at;
        size_t length = piece[i].iov_len < room ? piece[i].iov_len : room;
        memcpy(last_words + at, piece[i].iov_base, length);
        at += length;
    }
    last_words[at] = '\0';
    last_words[strcspn(last_words, "\n")] = '\0';
    return (ssize_t)at;
}

void
sim_abort(void)
{
    sim_fail("%s", last_words);
}

void
sim_assert_fail(const char *what, const char *file, unsigned line,
                const char *function)
{
    sim_fail("%s:%u: %s: assertion failed: %s", file, line, function, what);
}

pthread_t
sim_pthread_self(void)
{
    return (pthread_t)(world.running + 1 + 100 * world.alone);
}

pid_t
sim_gettid(void)
{
    return getpid() + (world.running > 0 && !world.alone ? world.running : 0);
}

int
sim_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how, (void)set, (void)before;     // no signal comes but by an event
    return 0;
}

void
sim_swap_locals(SimThread *from, SimThread *to)
{
    from->local = _Py_tss_tstate;
    _Py_tss_tstate = to->local;
}
static struct place {
    uint64_t alive;
    _Alignas(16) char bytes[176];
} heap[16];

void *
sim_malloc(size_t size)
{
    for (size_t i = 0; i < sizeof(heap) / sizeof(*heap) && !sim_asan; i++) {
        if (heap[i].alive != ALIVE + world.serial && size <= sizeof(heap[i].bytes)) {
            heap[i].alive = ALIVE + world.serial;
            return heap[i].bytes;
        }
    }
    return sim_asan ? malloc(size) : NULL;
}

void *
sim_calloc(size_t n, size_t each)
{
    void *p = sim_malloc(n * each);
    return p != NULL ? memset(p, 0, n * each) : NULL;
}

void
sim_free(void *p)
{
    if (sim_asan || p == NULL) {
        free(p);
        return;
    }
    struct place *place = (struct place *)((char *)p - offsetof(struct place, bytes));
    if (place->alive != ALIVE + world.serial) {
        sim_fail("memory is given back that was not allocated");
    }
    memset(place->bytes, 0xDD, sizeof(place->bytes));
    place->alive = DEAD;
}

void *
sim_realloc(void *p, size_t size)
{
    if (sim_asan || p == NULL) {
        return sim_asan ? realloc(p, size) : sim_malloc(size);
    }
    return size <= sizeof(heap->bytes) ? p : NULL;
}
