// The claims of chapter 2, "The seam", and of appendix A, "The host, piece by piece".
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/listobject.h"
#include "host/pyerrors.h"
#include "host/pymem.h"
#include "host/pytime.h"
#include "host/pytime_units.h"
#include "support.h"

struct pair { struct { _Alignas(64) int round; } side[2]; int people; };

static int
join_pair(struct pair *p)       // which of the two am I?
{
    return _Py_atomic_add_int(&p->people, 1);
}

static void
meet(struct pair *p, int me, int round)     // not before the other is in this round too
{
    _Py_atomic_store_int(&p->side[me].round, round);
    for (int tries = 0; _Py_atomic_load_int(&p->side[!me].round) < round; tries++)
        if (tries > 1000)
            sched_yield();
}
static enum { KERNEL, BROKEN, BY_HAND } clock_kind;
static struct timespec hands;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    if (clock_kind == BROKEN) {
        errno = EINVAL;
        return -1;
    }
    if (id == CLOCK_MONOTONIC && clock_kind == BY_HAND) {
        *ts = hands;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, ts);
}

static void
set_hands(time_t seconds, long nanoseconds)
{
    clock_kind = BY_HAND;
    hands = (struct timespec){seconds, nanoseconds};
}
static int
answers(void)       // one bit for each of five allocations: was it granted?
{
    void *block[] = {
        PyMem_Malloc(8), PyMem_RawMalloc(8), PyMem_Calloc(2, 8),
        PyMem_RawCalloc(2, 8), PyMem_Realloc(NULL, 8)
    };
    int granted = 0, given = 0;
    for (int i = 0; i < 5; i++) {
        granted += (block[i] != NULL) * (int[]){1, 2, 4, 8, 16}[i];
        given += block[i] != NULL;
    }
    ck_assert_int_eq(live_blocks(), given);
    for (int i = 0; i < 5; i++)
        i % 2 ? PyMem_RawFree(block[i]) : PyMem_Free(block[i]);
    ck_assert_int_eq(live_blocks(), 0);
    return granted;
}
CLAIM_TEST(test_the_nth_allocation_fails)
{
    static const int once[] = {31, 30, 29, 27, 23, 15, 31};
    static const int for_ever[] = {31, 0, 1, 3, 7, 15, 31};
    for (int n = 0; n <= 6; n++) {
        oom_arm(n, 0);
        ck_assert_int_eq(answers(), once[n]);
        ck_assert_int_eq(oom_disarm(), 1 <= n && n <= 5);
        oom_arm(n, 1);
        ck_assert_int_eq(answers(), for_ever[n]);
        ck_assert_int_eq(oom_disarm(), 1 <= n && n <= 5);
    }
    void *block = PyMem_RawRealloc(PyMem_RawMalloc(8), 4000);
    ck_assert_int_eq(live_blocks(), 1);
    oom_arm(1, 0);
    ck_assert_ptr_null(PyMem_RawRealloc(block, 8000));
    ck_assert_int_eq(live_blocks(), 1);
    PyMem_RawFree(block);
}
END_TEST
CLAIM_TEST(test_rounding_up)
{
    ck_assert_uint_eq(_Py_SIZE_ROUND_UP(0, 8), 0);
    ck_assert_uint_eq(_Py_SIZE_ROUND_DOWN(SIZE_MAX, 8), SIZE_MAX - 7);
    for (size_t n = 1; n <= 4096; n++) {
        size_t up = _Py_SIZE_ROUND_UP(n, 16);
        size_t down = _Py_SIZE_ROUND_DOWN(n, 16);
        ck_assert(up % 16 == 0 && up >= n && up - n < 16);
        ck_assert(down % 16 == 0 && down <= n && n - down < 16);
        ck_assert_ptr_eq(_Py_ALIGN_UP((void *)(uintptr_t)n, 16), (void *)(uintptr_t)up);
    }
    ck_assert_uint_eq(_Py_SIZE_ROUND_UP(SIZE_MAX - 7, 8), SIZE_MAX - 7);
    ck_assert_uint_eq(_Py_SIZE_ROUND_UP(SIZE_MAX - 6, 8), 0);
}
END_TEST
#define CHECK_FIELD(NAME, T, A, B, C, BESIDE) \
    static void check_##NAME(void) \
    { \
        T cell[3] = {BESIDE, A, BESIDE}; \
        T *field = &cell[1]; \
        T found = C; \
        ck_assert(_Py_atomic_exchange_##NAME(field, B) == A && *field == B); \
        ck_assert(!_Py_atomic_compare_exchange_##NAME(field, &found, A)); \
        ck_assert(*field == B && found == B); \
        ck_assert(_Py_atomic_compare_exchange_##NAME(field, &found, A) == 1); \
        ck_assert(*field == A && found == B); \
        _Py_atomic_store_##NAME(field, B); \
        ck_assert(_Py_atomic_load_##NAME(field) == B); \
        _Py_atomic_store_##NAME##_relaxed(field, C); \
        ck_assert(_Py_atomic_load_##NAME##_relaxed(field) == C); \
        _Py_atomic_store_##NAME##_release(field, A); \
        ck_assert(_Py_atomic_load_##NAME##_acquire(field) == A); \
        ck_assert(cell[0] == BESIDE && cell[2] == BESIDE); \
    }
#define CHECK_ARITHMETIC(NAME, T) \
    CHECK_FIELD(NAME, T, 1, (T)-1, (T)-2, (T)-1) \
    static void check_arithmetic_##NAME(void) \
    { \
        T cell[3] = {(T)-1, 5, (T)-1}; \
        T *field = &cell[1]; \
        ck_assert(_Py_atomic_add_##NAME(field, 7) == 5 && *field == 12); \
        ck_assert(_Py_atomic_add_##NAME(field, (T)-2) == 12 && *field == 10); \
        ck_assert(_Py_atomic_and_##NAME(field, 6) == 10 && *field == 2); \
        ck_assert(_Py_atomic_or_##NAME(field, (T)-4) == 2 && *field == (T)-2); \
        ck_assert(cell[0] == (T)-1 && cell[2] == (T)-1); \
        check_##NAME(); \
    }
#define FOR_EACH_TYPE(DO) \
    DO(int, int) DO(uint8, uint8_t) DO(uint16, uint16_t) DO(uint32, uint32_t) \
    DO(uint64, uint64_t) DO(ullong, unsigned long long) DO(uintptr, uintptr_t) \
    DO(ssize, Py_ssize_t)

FOR_EACH_TYPE(CHECK_ARITHMETIC)

static char thing[2];
CHECK_FIELD(ptr, void *, NULL, (void *)&thing[0], (void *)&thing[1], (void *)thing)

CLAIM_TEST(test_each_operation_of_each_family)
{
#define CALL(NAME, T) check_arithmetic_##NAME();
    FOR_EACH_TYPE(CALL)
    check_ptr();
}
END_TEST
#define CROWD 4
#define ROUNDS 50000

#define CROWD_ON(NAME, T) \
    static void crowd_##NAME(void *arg) \
    { \
        T *field = arg; \
        for (int i = 0; i < ROUNDS; i++) { \
            _Py_atomic_add_##NAME(field, 3); \
            T seen = _Py_atomic_load_##NAME##_relaxed(field); \
            while (!_Py_atomic_compare_exchange_##NAME(field, &seen, (T)(seen - 1))) \
                continue; \
        } \
    }
FOR_EACH_TYPE(CROWD_ON)

CLAIM_TEST(test_no_addition_is_lost)
{
#define GATHER(NAME, T) \
    { T field = 0; in_threads(CROWD, crowd_##NAME, &field); \
      ck_assert(field == (T)(2 * CROWD * ROUNDS)); }
    FOR_EACH_TYPE(GATHER)
}
END_TEST
static struct { struct pair pair; uint8_t lit; int wrong; } lamps;

static void
switch_own_lamp(void *Py_UNUSED(arg))
{
    int me = join_pair(&lamps.pair), round = 0;
    for (int i = 0; i < ROUNDS / 2; i++) {
        meet(&lamps.pair, me, ++round);
        _Py_atomic_or_uint8(&lamps.lit, (uint8_t)(me + 1));
        meet(&lamps.pair, me, ++round);
        _Py_atomic_add_int(&lamps.wrong, _Py_atomic_load_uint8(&lamps.lit) != 3);
        meet(&lamps.pair, me, ++round);
        _Py_atomic_and_uint8(&lamps.lit, (uint8_t)~(me + 1));
        meet(&lamps.pair, me, ++round);
        _Py_atomic_add_int(&lamps.wrong, _Py_atomic_load_uint8(&lamps.lit) != 0);
    }
}
CLAIM_TEST(test_no_bit_is_lost)
{
    memset(&lamps, 0, sizeof(lamps));
    in_threads(2, switch_own_lamp, NULL);
    ck_assert_int_eq(lamps.wrong, 0);
}
END_TEST
struct mailbox { int people, full, letter, wrong; };

static void
pass_letters(void *arg)
{
    struct mailbox *box = arg;
    int sender = _Py_atomic_add_int(&box->people, 1) == 0;
    for (int i = 1; i <= ROUNDS; i++) {
        while (_Py_atomic_load_int_acquire(&box->full) == sender)
            sched_yield();
        if (sender)
            box->letter = i;
        else
            box->wrong += box->letter != i;
        _Py_atomic_store_int_release(&box->full, sender);
    }
}

CLAIM_TEST(test_release_publishes_to_acquire)
{
    struct mailbox box = {0};
    in_threads(2, pass_letters, &box);
    ck_assert_int_eq(box.wrong, 0);
}
END_TEST
static void
pass_letters_by_fences(void *arg)
{
    struct mailbox *box = arg;
    int sender = _Py_atomic_add_int(&box->people, 1) == 0;
    for (int i = 1; i <= ROUNDS; i++) {
        while (_Py_atomic_load_int_relaxed(&box->full) == sender)
            sched_yield();
        _Py_atomic_fence_acquire();
        if (sender)
            _Py_atomic_store_int_relaxed(&box->letter, i);
        else
            box->wrong += _Py_atomic_load_int_relaxed(&box->letter) != i;
        _Py_atomic_fence_release();
        _Py_atomic_store_int_relaxed(&box->full, sender);
    }
}

CLAIM_TEST(test_fences_publish_too)
{
    struct mailbox box = {0};
    in_threads(2, pass_letters_by_fences, &box);
    ck_assert_int_eq(box.wrong, 0);
}
END_TEST
#define DUELS 100000
static struct { struct pair pair; uint8_t up[2][DUELS], saw[2][DUELS]; } duel;

static void
raise_and_look(void *Py_UNUSED(arg))
{
    int me = join_pair(&duel.pair);
    for (int i = 0; i < DUELS; i++) {
        meet(&duel.pair, me, i + 1);
        _Py_atomic_store_uint8_relaxed(&duel.up[me][i], 1);
        _Py_atomic_fence_seq_cst();
        duel.saw[me][i] = _Py_atomic_load_uint8_relaxed(&duel.up[!me][i]);
    }
}

CLAIM_TEST(test_one_of_two_sees_the_other)
{
    memset(&duel, 0, sizeof(duel));
    in_threads(2, raise_and_look, NULL);
    int blind = 0;
    for (int i = 0; i < DUELS; i++)
        blind += !duel.saw[0][i] && !duel.saw[1][i];
    ck_assert_int_eq(blind, 0);
}
END_TEST
static const struct domain {
    PyMemAllocatorDomain id;
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
} domains[] = {
    {PYMEM_DOMAIN_RAW, PyMem_RawMalloc, PyMem_RawCalloc, PyMem_RawRealloc, PyMem_RawFree},
    {PYMEM_DOMAIN_MEM, PyMem_Malloc, PyMem_Calloc, PyMem_Realloc, PyMem_Free},
};
#define EACH_DOMAIN(d) \
    const struct domain *d = domains; d < domains + 2; d++
// By default _PyMem_RawMalloc, _PyMem_RawCalloc, _PyMem_RawRealloc and _PyMem_RawFree
// stand behind both domains.
CLAIM_TEST(test_zero_bytes_are_a_block)
{
    for (EACH_DOMAIN(d)) {
        void *block[] = {
            d->malloc(0), d->malloc(0), d->calloc(0, 0), d->calloc(0, 8),
            d->calloc(8, 0), d->realloc(NULL, 0), d->realloc(d->malloc(100), 0)
        };
        for (int i = 0; i < 7; i++) {
            ck_assert_ptr_nonnull(block[i]);
            for (int j = 0; j < i; j++)
                ck_assert_ptr_ne(block[i], block[j]);
        }
        for (int i = 0; i < 7; i++)
            d->free(block[i]);
        d->free(NULL);
    }
    ck_assert_int_eq(live_blocks(), 0);
}
END_TEST
static struct spy { int calls; void *ctx, *ptr; size_t n, size; } spy;

static void *
note(void *ctx, void *ptr, size_t n, size_t size)
{
    spy = (struct spy){spy.calls + 1, ctx, ptr, n, size};
    return &spy;
}

static void *spy_malloc(void *c, size_t n) { return note(c, NULL, n, 1); }
static void *spy_calloc(void *c, size_t n, size_t size) { return note(c, NULL, n, size); }
static void *spy_realloc(void *c, void *p, size_t n) { return note(c, p, n, 1); }
static void spy_free(void *c, void *p) { note(c, p, 0, 0); }
static PyMemAllocatorEx
plant_spy(PyMemAllocatorDomain domain)
{
    PyMemAllocatorEx old, new = {NULL, spy_malloc, spy_calloc, spy_realloc, spy_free};
    PyMem_GetAllocator(domain, &old);
    new.ctx = (void *)&domains[domain];
    PyMem_SetAllocator(domain, &new);
    spy = (struct spy){0};
    return old;
}
CLAIM_TEST(test_negative_sizes_are_refused)
{
    size_t most = PY_SSIZE_T_MAX;
    for (EACH_DOMAIN(d)) {
        PyMemAllocatorEx old = plant_spy(d->id);
        ck_assert_ptr_null(d->malloc(most + 1));
        ck_assert_ptr_null(d->calloc(most / 8 + 1, 8));
        ck_assert_ptr_null(d->calloc(8, SIZE_MAX / 8 + 2));
        ck_assert_ptr_null(d->realloc(&spy, SIZE_MAX));
        ck_assert_int_eq(spy.calls, 0);
        ck_assert(d->malloc(most) && d->calloc(most / 8, 8) && d->realloc(NULL, most));
        ck_assert_int_eq(spy.calls, 3);
        PyMem_SetAllocator(d->id, &old);
    }
}
END_TEST
#define NOTED(P, N, SIZE) \
    ck_assert(spy.ctx == d && spy.ptr == (P) && spy.n == (N) && spy.size == (SIZE))

CLAIM_TEST(test_allocators_can_be_replaced)
{
    for (EACH_DOMAIN(d)) {
        PyMemAllocatorEx old = plant_spy(d->id);
        ck_assert_ptr_eq(d->malloc(11), &spy);
        NOTED(NULL, 11, 1);
        ck_assert_ptr_eq(d->calloc(12, 13), &spy);
        NOTED(NULL, 12, 13);
        ck_assert_ptr_eq(d->realloc(&old, 14), &spy);
        NOTED(&old, 14, 1);
        d->free(&old);
        NOTED(&old, 0, 0);
        domains[!d->id].free(domains[!d->id].malloc(1));
        ck_assert_int_eq(spy.calls, 4);
        PyMem_SetAllocator(d->id, &old);
        d->free(d->malloc(1));
        ck_assert_int_eq(spy.calls, 4);
    }
}
END_TEST
CLAIM_TEST(test_unknown_domain)
{
    PyMemAllocatorEx was = {&spy, spy_malloc, spy_calloc, spy_realloc, spy_free};
    PyMem_SetAllocator((PyMemAllocatorDomain)7, &was);      // allocator_of finds none
    PyMem_GetAllocator((PyMemAllocatorDomain)7, &was);
    ck_assert(!was.ctx && !was.malloc && !was.calloc && !was.realloc && !was.free);
    PyMem_Free(PyMem_Malloc(1));
    PyMem_RawFree(PyMem_RawMalloc(1));
    ck_assert_int_eq(spy.calls, 0);
}
END_TEST
CLAIM_TEST(test_errors_take_no_memory)
{
    oom_arm(1, 1);
    ck_assert(PyErr_Occurred() == NULL && *host_error_text() == '\0');
    ck_assert(!PyErr_ExceptionMatches(NULL));
    PyErr_SetString(PyExc_ValueError, "negative argument not allowed");
    ck_assert(PyErr_Occurred() == PyExc_ValueError);
    ck_assert_str_eq(host_error_text(), "negative argument not allowed");
    ck_assert(PyErr_NoMemory() == NULL && PyErr_ExceptionMatches(PyExc_MemoryError));
    ck_assert(!PyErr_ExceptionMatches(PyExc_ValueError) && *host_error_text() == '\0');
    PyErr_SetString(PyExc_OSError, "gone");
    PyErr_Clear();
    ck_assert(PyErr_Occurred() == NULL && *host_error_text() == '\0');
    ck_assert_int_eq(oom_disarm(), 0);
}
END_TEST
CLAIM_TEST(test_long_texts_are_cut)
{
    char longer[300];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    PyErr_SetString(PyExc_OSError, longer + 44);
    ck_assert_uint_eq(strlen(host_error_text()), 255);
    PyErr_SetString(PyExc_OSError, longer);
    ck_assert_uint_eq(strlen(host_error_text()), 255);
    PyErr_SetString(PyExc_OSError, host_error_text() + 3);
    ck_assert_uint_eq(strlen(host_error_text()), 252);
    PyErr_Clear();
}
END_TEST
static void
err_in_private(void *wrong)
{
    int clean = PyErr_Occurred() == NULL;
    PyErr_NoMemory();
    if (!clean || !PyErr_ExceptionMatches(PyExc_MemoryError))
        _Py_atomic_add_int(wrong, 1);
}

CLAIM_TEST(test_an_indicator_for_each_thread)
{
    int wrong = 0;
    PyErr_SetString(PyExc_RuntimeError, "mine");
    in_threads(4, err_in_private, &wrong);
    ck_assert(wrong == 0 && PyErr_ExceptionMatches(PyExc_RuntimeError));
    ck_assert_str_eq(host_error_text(), "mine");
    PyErr_Clear();
}
END_TEST
CLAIM_TEST(test_seven_classes)
{
    PyObject *all[] = {
        PyExc_IndexError, PyExc_MemoryError, PyExc_OSError, PyExc_OverflowError,
        PyExc_RuntimeError, PyExc_SystemError, PyExc_ValueError
    };
    for (int i = 0; i < 7; i++) {
        PyErr_SetString(all[i], "");
        for (int j = 0; j < 7; j++)
            ck_assert_int_eq(PyErr_ExceptionMatches(all[j]), i == j);
        ck_assert_ptr_eq(Py_TYPE(all[i]), &PyType_Type);
    }
    ck_assert_str_eq(((PyTypeObject *)PyExc_ValueError)->tp_name, "ValueError");
    PyErr_Clear();
}
END_TEST
CLAIM_TEST(test_bad_call_names_its_place)
{
    _PyErr_BadInternalCall("list.c", 42);
    ck_assert(PyErr_ExceptionMatches(PyExc_SystemError));
    ck_assert_str_eq(host_error_text(), "list.c:42: bad argument to internal function");
    char here[256];
    snprintf(here, sizeof(here), "%s:%d: bad argument to internal function",
             __FILE__, __LINE__ + 1);
    PyErr_BadInternalCall();
    ck_assert_str_eq(host_error_text(), here);
    PyErr_Clear();
}
END_TEST
static void lost_lock(void) { Py_FatalError("unlocking mutex that is not locked"); }
static void no_function(void) { (Py_FatalError)("gone"); }
static void no_message(void) { _Py_FatalErrorFunc("who", NULL); }
static void impossible(void) { Py_UNREACHABLE(); }
static void deaf(void) { close(STDERR_FILENO); Py_FatalError("unheard"); }

static void
hard_times(void)        // stdio leads elsewhere, and there is no memory to be had
{
    stderr = fopen("/dev/null", "w");
    oom_arm(1, 1);
    Py_FatalError("hard times");
}
CLAIM_TEST(test_fatal_errors)    // fatal_error, by each of its two doors
{
    dies_saying(lost_lock, "Fatal Python error: lost_lock: unlocking mutex that is not locked\n");
    dies_saying(no_function, "Fatal Python error: gone\n");
    dies_saying(no_message, "Fatal Python error: who: <message not set>\n");
    dies_saying(impossible, "Fatal Python error: impossible: unreachable code was reached\n");
    dies_saying(hard_times, "Fatal Python error: hard_times: hard times\n");
    dies_saying(deaf, "");
}
END_TEST
CLAIM_TEST(test_upstream_layout)
{
#ifdef Py_GIL_DISABLED
    static const size_t header = 32, type = 24;
    ck_assert_uint_eq(offsetof(PyObject, ob_mutex), 10);
    ck_assert_uint_eq(offsetof(PyObject, ob_ref_shared), 16);
#else
    static const size_t header = 16, type = 8;
    ck_assert_uint_eq(offsetof(PyObject, ob_refcnt), 0);
#endif
    ck_assert_uint_eq(sizeof(PyObject), header);
    ck_assert_uint_eq(offsetof(PyObject, ob_type), type);
    ck_assert_uint_eq(sizeof(PyVarObject), header + 8);
    ck_assert_uint_eq(offsetof(PyTypeObject, tp_dealloc), header + 32);
    ck_assert_uint_eq(sizeof(PyListObject), header + 24);
    ck_assert_uint_eq(sizeof(PyMutex), 1);
}
END_TEST
struct bead { PyObject_HEAD int id; };
static int dropped[16], drops;      // which beads have died, in order

static void
bead_dealloc(PyObject *op)
{
    dropped[drops++ % 16] = ((struct bead *)op)->id;
}

static PyTypeObject Bead_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "bead", .tp_dealloc = bead_dealloc
};

static PyObject *
bead(struct bead *b, int id)
{
    b->id = id;
    return PyObject_Init(&b->ob_base, &Bead_Type);
}
CLAIM_TEST(test_the_last_reference_destroys)
{
    struct bead b;
    PyObject *o = bead(&b, 7);
    ck_assert(o == &b.ob_base && Py_TYPE(o) == &Bead_Type && Py_REFCNT(o) == 1);
    Py_IncRef(o);
    Py_IncRef(o);
    ck_assert_int_eq(Py_REFCNT(o), 3);
    Py_DecRef(o);
    Py_DecRef(o);
    ck_assert(Py_REFCNT(o) == 1 && drops == 0);
    Py_DecRef(o);       // gave_back_the_last
    ck_assert(drops == 1 && dropped[0] == 7);
    _Py_NewReference(o);
    ck_assert(Py_REFCNT(o) == 1 && Py_TYPE(o) == &Bead_Type);
    _Py_Dealloc(o);
    ck_assert_int_eq(drops, 2);
    Py_IncRef(NULL);
    Py_DecRef(NULL);
    ck_assert(PyObject_Init(NULL, &Bead_Type) == NULL);
    ck_assert(PyErr_ExceptionMatches(PyExc_MemoryError));
}
END_TEST
CLAIM_TEST(test_immortal_objects_are_not_counted)
{
    PyObject *o = PyExc_MemoryError;
    struct bead b;
    ck_assert(_Py_IsImmortal(o) && !_Py_IsImmortal(bead(&b, 0)));
    Py_ssize_t count = Py_REFCNT(o);
    PyTypeObject before = *(PyTypeObject *)o;
    ck_assert_int_eq(count, UINT_MAX);
    for (int i = 0; i < 1000; i++)
        Py_DecRef(o);
    for (int i = 0; i < 10; i++)
        Py_IncRef(o);
    ck_assert_int_eq(Py_REFCNT(o), count);
    ck_assert_mem_eq(o, &before, sizeof(before));
}
END_TEST
#ifdef Py_GIL_DISABLED
#define WITH_GIL(DO) DO
#else
static pthread_mutex_t gil = PTHREAD_MUTEX_INITIALIZER;
#define WITH_GIL(DO) \
    do { pthread_mutex_lock(&gil); DO; pthread_mutex_unlock(&gil); } while (0)
#endif

struct diary { PyObject_HEAD int writers, deaths; long sum, page[CROWD]; };

static void
diary_dealloc(PyObject *op)
{
    struct diary *d = (struct diary *)op;
    d->deaths++;
    for (int i = 0; i < CROWD; i++)
        d->sum += d->page[i];
}
static void
write_diary(void *arg)
{
    struct diary *d = arg;
    long *page = &d->page[_Py_atomic_add_int(&d->writers, 1)];
    for (int i = 0; i < ROUNDS; i++) {
        WITH_GIL(Py_IncRef(&d->ob_base));
        (*page)++;
        WITH_GIL(Py_DecRef(&d->ob_base));
    }
    WITH_GIL(Py_DecRef(&d->ob_base));
}

CLAIM_TEST(test_threads_count_together)
{
    PyTypeObject type = { .tp_dealloc = diary_dealloc };
    struct diary d = {0};
    PyObject_Init(&d.ob_base, &type);
    for (int i = 1; i < CROWD; i++)
        Py_IncRef(&d.ob_base);
    in_threads(CROWD, write_diary, &d);
    ck_assert_int_eq(d.deaths, 1);
    ck_assert_int_eq(d.sum, (long)CROWD * ROUNDS);
}
END_TEST
struct mayfly { PyObject_HEAD int deaths; };
static struct { struct pair pair; struct mayfly fly[DUELS]; } meadow;

static void
mayfly_dealloc(PyObject *op)
{
    _Py_atomic_add_int(&((struct mayfly *)op)->deaths, 1);
}

static void
let_go_of_all(void *Py_UNUSED(arg))
{
    int me = join_pair(&meadow.pair);
    for (int i = 0; i < DUELS; i++) {
        meet(&meadow.pair, me, i + 1);
        PyObject *o = &meadow.fly[i].ob_base;
        WITH_GIL(Py_IncRef(o); Py_DecRef(o); Py_DecRef(o));
    }
}
CLAIM_TEST(test_one_of_them_destroys)
{
    PyTypeObject type = { .tp_dealloc = mayfly_dealloc };
    memset(&meadow, 0, sizeof(meadow));
    for (int i = 0; i < DUELS; i++)
        Py_IncRef(PyObject_Init(&meadow.fly[i].ob_base, &type));
    in_threads(2, let_go_of_all, NULL);
    int wrong = 0;
    for (int i = 0; i < DUELS; i++)
        wrong += meadow.fly[i].deaths != 1;
    ck_assert_int_eq(wrong, 0);
}
END_TEST
CLAIM_TEST(test_growth_of_a_list)
{
    static const int upstream[] = {4, 8, 16, 24, 32, 40, 52, 64, 76};
    PyListObject *list = (PyListObject *)PyList_New(0);
    Py_ssize_t room = 0, moves = 0;
    struct bead b;
    PyObject *item = bead(&b, 0);
    ck_assert_int_eq(list->allocated, 0);
    for (int i = 1; i <= 100000; i++) {
        if (PyList_Append((PyObject *)list, item) < 0)
            ck_abort_msg("no append");
        if (list->allocated != room) {
            room = list->allocated;
            ck_assert(moves >= 9 || room == upstream[moves]);
            moves++;
        }
    }
    ck_assert_int_lt(moves, 110);       // so often list_resize moved it
    ck_assert(Py_REFCNT(item) == 100001 && PyList_Size((PyObject *)list) == 100000);
    Py_DecRef((PyObject *)list);
    ck_assert(Py_REFCNT(item) == 1 && live_blocks() == 0);
}
END_TEST
CLAIM_TEST(test_a_list_owns_its_items)
{
    struct bead b[6];
    PyObject *list = PyList_New(2);
    ck_assert(PyList_Check(list) && Py_REFCNT(list) == 1 && PyList_Size(list) == 2);
    ck_assert(PyList_GetItem(list, 1) == NULL && PyErr_Occurred() == NULL);
    for (int i = 0; i < 6; i++) {
        PyObject *o = bead(&b[i], i);
        ck_assert_int_eq(PyList_Append(list, o), 0);
        ck_assert_int_eq(Py_REFCNT(o), 2);
        Py_DecRef(o);
        ck_assert(PyList_GetItem(list, i + 2) == o && Py_REFCNT(o) == 1);
    }
    ck_assert_int_eq(drops, 0);
    Py_DecRef(list);        // list_dealloc
    ck_assert_int_eq(drops, 6);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(dropped[i], 5 - i);
    ck_assert_int_eq(live_blocks(), 0);
}
END_TEST
static int
append_twenty(PyObject *item)       // returns how often it was refused
{
    PyObject *list = PyList_New(3);
    if (list == NULL)
        return PyErr_ExceptionMatches(PyExc_MemoryError) ? 1 : -1000;
    int refused = 0;
    for (int i = 0; i < 20; i++) {
        Py_ssize_t size = PyList_Size(list), count = Py_REFCNT(item);
        int grew = PyList_Append(list, item) == 0;
        refused += !grew;
        ck_assert(grew || PyErr_ExceptionMatches(PyExc_MemoryError));
        ck_assert_int_eq(PyList_Size(list), size + grew);
        ck_assert_int_eq(Py_REFCNT(item), count + grew);
        for (Py_ssize_t j = 3; j < size; j++)
            ck_assert_ptr_eq(PyList_GetItem(list, j), item);
        PyErr_Clear();
    }
    Py_DecRef(list);
    return refused;
}
CLAIM_TEST(test_a_list_survives_failure)
{
    struct bead b;
    PyObject *item = bead(&b, 0);
    for (int sticky = 0; sticky < 2; sticky++) {
        for (long n = 1; ; n++) {
            oom_arm(n, sticky);
            int refused = append_twenty(item);
            int fired = oom_disarm();
            PyErr_Clear();
            ck_assert_msg(fired ? refused > 0 : refused == 0, "n=%ld refused=%d", n, refused);
            ck_assert(Py_REFCNT(item) == 1 && live_blocks() == 0);
            if (!fired) {
                ck_assert_int_gt(n, 4);     // every failure point was tried
                break;
            }
        }
    }
}
END_TEST
CLAIM_TEST(test_a_list_too_long_for_memory)
{
    struct bead b;
    PyObject *item = bead(&b, 0);
    ck_assert(PyList_New(PY_SSIZE_T_MAX) == NULL && PyErr_ExceptionMatches(PyExc_MemoryError));
    ck_assert(PyList_New(PY_SSIZE_T_MAX / 8 + 1) == NULL && live_blocks() == 0);
    PyErr_Clear();
    PyListObject *list = (PyListObject *)PyList_New(0);
    Py_ssize_t full = PY_SSIZE_T_MAX / 36 * 8;   // one more: 2^61 slots and 4, 32 bytes modulo 2^64
    list->ob_base.ob_size = list->allocated = full;
    ck_assert_int_eq(PyList_Append((PyObject *)list, item), -1);
    ck_assert(PyErr_ExceptionMatches(PyExc_MemoryError) && Py_REFCNT(item) == 1);
    ck_assert(list->ob_item == NULL && list->allocated == full);
    list->ob_base.ob_size = list->allocated = 0;
    Py_DecRef((PyObject *)list);
    ck_assert_int_eq(live_blocks(), 0);
}
END_TEST
#define REFUSED(CALL, ERROR) \
    do { \
        ck_assert(CALL); \
        ck_assert(PyErr_ExceptionMatches(PyExc_##ERROR)); \
        PyErr_Clear(); \
    } while (0)

CLAIM_TEST(test_misuse_of_a_list)
{
    struct bead b;
    PyObject *item = bead(&b, 0), *list = PyList_New(1);
    REFUSED(PyList_New(-1) == NULL, SystemError);
    REFUSED(PyList_Size(item) == -1, SystemError);
    REFUSED(PyList_GetItem(item, 0) == NULL, SystemError);
    REFUSED(PyList_GetItem(list, -1) == NULL, IndexError);
    REFUSED(PyList_GetItem(list, 1) == NULL, IndexError);
    REFUSED(PyList_Append(item, item) == -1, SystemError);
    REFUSED(PyList_Append(list, NULL) == -1, SystemError);
    ck_assert(PyList_Size(list) == 1 && Py_REFCNT(item) == 1);
    Py_DecRef(list);
    ck_assert_int_eq(live_blocks(), 0);
}
END_TEST
CLAIM_TEST(test_sums_saturate)
{
    ck_assert_int_eq(_PyTime_Add(40, 2), 42);
    ck_assert_int_eq(_PyTime_Add(40, -42), -2);
    ck_assert_int_eq(_PyTime_Add(PyTime_MAX, PyTime_MIN), -1);
    ck_assert_int_eq(_PyTime_Add(PyTime_MAX - 1, 1), PyTime_MAX);
    ck_assert_int_eq(_PyTime_Add(PyTime_MAX, 1), PyTime_MAX);
    ck_assert_int_eq(_PyTime_Add(1, PyTime_MAX), PyTime_MAX);
    ck_assert_int_eq(_PyTime_Add(PyTime_MIN + 1, -1), PyTime_MIN);
    ck_assert_int_eq(_PyTime_Add(PyTime_MIN, -1), PyTime_MIN);
    ck_assert_int_eq(_PyTime_Add(PyTime_MIN, PyTime_MIN), PyTime_MIN);
}
END_TEST
static PyTime_t
kernel_time(void)       // what the kernel says, in nanoseconds
{
    struct timespec ts;
    ck_assert_int_eq(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts), 0);
    return (PyTime_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

CLAIM_TEST(test_the_clock_is_monotonic)
{
    PyTime_t last = kernel_time();
    for (int i = 0; i < 1000; i++) {
        PyTime_t now, after;
        ck_assert_int_eq(PyTime_MonotonicRaw(&now), 0);
        after = kernel_time();
        ck_assert(last <= now && now <= after);
        last = now;
    }
}
END_TEST
CLAIM_TEST(test_a_clock_that_fails)
{
    PyTime_t now = 5;
    clock_kind = BROKEN;
    ck_assert(PyTime_MonotonicRaw(&now) == -1 && now == 0);
    now = 5;
    ck_assert(PyTime_TimeRaw(&now) == -1 && now == 0);
    ck_assert(_PyDeadline_Init(7) == 7 && _PyDeadline_Get(7) == 7);
    ck_assert_ptr_null(PyErr_Occurred());
    set_hands(12, 345);         // pytime_fromtimespec
    ck_assert(PyTime_MonotonicRaw(&now) == 0 && now == 12000000345);
    set_hands(-1, 999999999);
    ck_assert(PyTime_MonotonicRaw(&now) == 0 && now == -1);
    set_hands(PyTime_MAX / 1000000000, 999999999);
    ck_assert(PyTime_MonotonicRaw(&now) == 0 && now == PyTime_MAX);
    set_hands(PyTime_MAX / 1000, 0);
    ck_assert(PyTime_MonotonicRaw(&now) == 0 && now == PyTime_MAX);
    set_hands(PyTime_MIN / 1000, 0);
    ck_assert(PyTime_MonotonicRaw(&now) == 0 && now == PyTime_MIN);     // saturate
    clock_kind = KERNEL;
}
END_TEST
CLAIM_TEST(test_deadlines_count_down)
{
    set_hands(5, 0);
    PyTime_t deadline = _PyDeadline_Init(2000000000);
    ck_assert_int_eq(deadline, 7000000000);
    set_hands(6, 500000000);
    ck_assert_int_eq(_PyDeadline_Get(deadline), 500000000);
    set_hands(7, 0);
    ck_assert_int_eq(_PyDeadline_Get(deadline), 0);
    set_hands(7, 1);
    ck_assert_int_eq(_PyDeadline_Get(deadline), -1);
    ck_assert_int_eq(_PyDeadline_Init(PyTime_MAX), PyTime_MAX);
    ck_assert_int_eq(_PyDeadline_Get(PyTime_MIN), PyTime_MIN);
    ck_assert_int_eq(_PyDeadline_Get(_PyDeadline_Init(-8000000000)), -8000000000);
    set_hands(-1, 0);
    ck_assert_int_eq(_PyDeadline_Get(PyTime_MAX), PyTime_MAX);
    clock_kind = KERNEL;
}
END_TEST

void
before_each(void)      // for CK_FORK=no, where one process runs all the tests
{
    oom_disarm();
    PyErr_Clear();
    clock_kind = KERNEL;
    spy = (struct spy){0};
    drops = 0;
}
