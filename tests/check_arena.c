// Claims one-call-frees-a-whole-tree to inline-and-called-draw-alike of the book, chapter 3: the arena.
#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena/pycore_pyarena.h"
#include "host/listobject.h"
#include "host/object.h"
#include "host/pyerrors.h"
#include "host/pymem.h"
#include "support.h"

enum { NOTED = 128 };
static struct { size_t size; char *at; } made[NOTED];
static void *freed[NOTED];
static long n_made, n_freed;
static PyMemAllocatorEx beneath;

static void *
note(void *p, size_t size)
{
    if (p != NULL && n_made++ < NOTED) {
        made[n_made - 1].size = size;
        made[n_made - 1].at = p;
    }
    return p;
}

static size_t refused_size;

static void *
record_malloc(void *ctx, size_t size)
{
    (void)ctx;
    if (size > (size_t)1024 * 1024 * 1024) {
        refused_size = size;
        return NULL;
    }
    return note(beneath.malloc(beneath.ctx, size), size);
}

static void *
record_calloc(void *ctx, size_t n, size_t size)
{
    (void)ctx;
    return note(beneath.calloc(beneath.ctx, n, size), n * size);
}

static void *
record_realloc(void *ctx, void *p, size_t size)
{
    (void)ctx;
    void *moved = beneath.realloc(beneath.ctx, p, size);
    return p == NULL ? note(moved, size) : moved;
}

static void
record_free(void *ctx, void *p)
{
    (void)ctx;
    if (p != NULL && n_freed++ < NOTED) {
        freed[n_freed - 1] = p;
    }
    beneath.free(beneath.ctx, p);
}

typedef struct { PyObject ob_base; } parcel_object;
static parcel_object parcels[64];
static int drops, drop_order[64];
static long n_freed_at_drop;

static void
parcel_dealloc(PyObject *op)
{
    if (drops < 64) {
        drop_order[drops] = (int)((parcel_object *)op - parcels);
    }
    drops++;
    n_freed_at_drop = n_freed;
}

static PyTypeObject parcel_type = {
    .tp_name = "parcel", .tp_dealloc = parcel_dealloc};

/* Parcel number i, with one reference, which is the caller's. */
static PyObject *
parcel(int i)
{
    return PyObject_Init(&parcels[i].ob_base, &parcel_type);
}

void
before_each(void)
{
    PyMemAllocatorEx recorder = {
        NULL, record_malloc, record_calloc, record_realloc, record_free};
    n_made = n_freed = drops = 0;
    PyErr_Clear();
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &beneath);
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &recorder);
}

void
after_each(void)
{
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &beneath);
}

struct node { struct node *left, *right; PyObject *name; };

/* Takes the caller's reference to `name`, whatever becomes of it. */
static struct node *
leaf(PyArena *arena, PyObject *name)
{
    struct node *n = _PyArena_Malloc(arena, sizeof *n);
    if (n == NULL || _PyArena_AddPyObject(arena, name) < 0) {
        Py_DecRef(name);
        return NULL;
    }
    *n = (struct node){.name = name};
    return n;
}

static struct node *
join(PyArena *arena, struct node *left, struct node *right)
{
    struct node *n = _PyArena_Malloc(arena, sizeof *n);
    if (n != NULL) {
        *n = (struct node){.left = left, .right = right};
    }
    return n;
}

/* Returns 0, or -1 with nothing left over. Hands over parcels 0, 1, ... */
static int
whole_life(int *handed)
{
    static const size_t sizes[] = {1, 100, 8192, 9000, 8, 0, 20000, 8185};
    PyArena *arena = _PyArena_New();
    int ok = arena != NULL;
    *handed = 0;
    for (size_t i = 0; ok && i < sizeof sizes / sizeof *sizes; i++) {
        ok = _PyArena_Malloc(arena, sizes[i]) != NULL;
    }
    while (ok && *handed < 40) {
        ok = _PyArena_AddPyObject(arena, parcel(*handed)) == 0;
        *handed += ok;
    }
    if (arena != NULL) {
        _PyArena_Free(arena);
    }
    return ok ? 0 : -1;
}

static uint64_t dice;

static uint32_t
roll(uint32_t sides)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice >> 33) % sides;
}

static size_t
some_size(void)
{
    uint32_t kind = roll(1000);
    return kind == 0 ? 8193 + roll(12000) : kind < 50 ? roll(512) : roll(41);
}

static unsigned char
pattern(uint32_t number, size_t byte)
{
    return (unsigned char)(number * UINT32_C(2654435761) >> byte % 4 * 8);
}

struct piece { unsigned char *at; size_t size; };

static void
fill(struct piece p, uint32_t number)
{
    for (size_t b = 0; b < p.size; b++) {
        p.at[b] = pattern(number, b);
    }
}

static int
intact(struct piece p, uint32_t number)
{
    for (size_t b = 0; b < p.size; b++) {
        if (p.at[b] != pattern(number, b)) {
            return 0;
        }
    }
    return 1;
}

/* The block opened for it, if any was, and how far into the current block. */
struct place { size_t opened; ptrdiff_t offset; };

static struct place
place_of(char *p, char **current)
{
    struct place at = {0, -1};
    if (n_made > 0) {
        at.opened = made[0].size;
        *current = made[0].at;
    }
    if (p != NULL) {
        at.offset = p - *current;
    }
    n_made = 0;
    return at;
}

CLAIM_TEST(test_one_call_frees_a_whole_tree)
{
    long before = live_blocks();
    PyArena *arena = _PyArena_New();
    struct node *abandoned = leaf(arena, parcel(0));
    struct node *tree = leaf(arena, parcel(1));
    for (int i = 0; i < 1000; i++) {
        tree = join(arena, tree, join(arena, tree, NULL));
    }
    ck_assert_ptr_ne(tree, NULL);
    ck_assert_ptr_eq(abandoned->name, &parcels[0].ob_base);
    ck_assert_int_eq(drops, 0);
    _PyArena_Free(arena);
    ck_assert_int_eq(drops, 2);
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST
CLAIM_TEST(test_an_unfinished_tree_goes_too)
{
    long before = live_blocks();
    PyArena *arena = _PyArena_New();
    struct node *tree = leaf(arena, parcel(0));
    int leaves = 1;
    oom_arm(5, 1);                      /* four pieces more, then none */
    do {
        tree = join(arena, tree, leaf(arena, parcel(leaves++)));
    } while (_PyArena_Malloc(arena, 1000) != NULL && leaves < 60);
    ck_assert_int_ne(oom_disarm(), 0);
    ck_assert_int_gt(leaves, 8);        /* not all in the first block */
    _PyArena_Free(arena);
    ck_assert_int_eq(drops, leaves);
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST
CLAIM_TEST(test_new_makes_arena_block_and_list)
{
    PyObject *list = PyList_New(0);
    long pieces = n_made;
    size_t list_size = made[0].size;
    Py_DecRef(list);
    ck_assert_int_ge(pieces, 1);

    n_made = 0;
    PyArena *arena = _PyArena_New();
    ck_assert_int_eq(n_made, 2 + pieces);
    ck_assert_uint_eq(made[0].size, 24);
    ck_assert_ptr_eq(made[0].at, (char *)arena);
    ck_assert_uint_eq(made[1].size, 8192 + 32);     /* block_new's sum */
    ck_assert_uint_eq(made[2].size, list_size);
    _PyArena_Free(arena);
}
END_TEST
CLAIM_TEST(test_blocks_go_oldest_first_then_list_then_arena)
{
    PyArena *arena = _PyArena_New();
    long others = n_made;                           /* arena, block, list */
    ck_assert_ptr_nonnull(_PyArena_Malloc(arena, 8192));    /* all of it */
    void *second = _PyArena_Malloc(arena, 8192);
    void *third = _PyArena_Malloc(arena, 8192);
    ck_assert_int_eq(n_made, others + 2);

    _PyArena_Free(arena);
    ck_assert_int_eq(n_freed, n_made);
    ck_assert_ptr_eq(freed[0], made[1].at);         /* block_free's order */
    ck_assert_ptr_eq(freed[1], (char *)second - 32);
    ck_assert_ptr_eq(freed[2], (char *)third - 32);
    ck_assert_ptr_eq(freed[3], made[2].at);         /* the list */
    ck_assert_ptr_eq(freed[n_freed - 1], made[0].at);
}
END_TEST
CLAIM_TEST(test_sizes_round_up_to_eight)
{
    PyArena *arena = _PyArena_New();
    char *expected = made[1].at + 32;
    for (size_t size = 0; size <= 100; size++) {
        ck_assert_ptr_eq(_PyArena_Malloc(arena, size), expected);
        expected += (size + 7) / 8 * 8;
    }
    ck_assert(expected < made[1].at + 8224);        /* all in one block */
    _PyArena_Free(arena);
}
END_TEST
CLAIM_TEST(test_zero_bytes_alias_the_next_piece)
{
    PyArena *arena = _PyArena_New();
    char *nothing = _PyArena_Malloc(arena, 0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_ptr_eq(_PyArena_Malloc(arena, 0), nothing);
    ck_assert_ptr_eq(_PyArena_Malloc(arena, 1), nothing);
    ck_assert_ptr_eq(_PyArena_Malloc(arena, 1), nothing + 8);

    /* Even at the very end of a full block: an address, and no new block. */
    ck_assert_ptr_nonnull(_PyArena_Malloc(arena, 8192 - 16));
    long blocks = n_made;
    ck_assert_ptr_eq(_PyArena_Malloc(arena, 0), made[1].at + 8224);
    ck_assert_int_eq(n_made, blocks);
    _PyArena_Free(arena);
}
END_TEST
CLAIM_TEST(test_alignment_is_eight_and_not_sixteen)
{
    PyArena *arena = _PyArena_New();
    int odd_eights = 0;
    for (int i = 0; i < 5000; i++) {
        uintptr_t at = (uintptr_t)_PyArena_Malloc(arena, (size_t)(i % 57));
        ck_assert_uint_eq(at % 8, 0);
        odd_eights += at % 16 == 8;
    }
    ck_assert_int_gt(odd_eights, 0);
    _PyArena_Free(arena);
}
END_TEST
CLAIM_TEST(test_a_block_is_filled_to_the_last_byte)
{
    static const size_t whole[] = {8, 16, 64, 1024, 4096, 8185, 8192};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        PyArena *arena = _PyArena_New();
        long blocks = n_made;
        for (size_t used = 0; used < 8192; used += (whole[i] + 7) / 8 * 8) {
            char *p = _PyArena_Malloc(arena, whole[i]);
            memset(p, 0xA5, whole[i]);
            ck_assert_int_eq(n_made, blocks);
        }
        ck_assert_ptr_nonnull(_PyArena_Malloc(arena, 1));
        ck_assert_int_eq(n_made, blocks + 1);
        _PyArena_Free(arena);
        n_made = 0;
    }
}
END_TEST
CLAIM_TEST(test_an_oversize_block_is_exact_and_current)
{
    PyArena *arena = _PyArena_New();
    char *small = _PyArena_Malloc(arena, 8);
    ck_assert_ptr_eq(small, made[1].at + 32);
    long m = n_made;

    char *large = _PyArena_Malloc(arena, 9001);
    ck_assert_uint_eq(made[m].size, 9008 + 32);
    ck_assert_ptr_eq(large, made[m].at + 32);
    memset(large, 0xA5, 9001);

    char *next = _PyArena_Malloc(arena, 8);         /* block_alloc's third */
    ck_assert_int_eq(n_made, m + 2);
    ck_assert_uint_eq(made[m + 1].size, 8192 + 32);
    ck_assert_ptr_eq(next, made[m + 1].at + 32);
    _PyArena_Free(arena);
}
END_TEST
CLAIM_TEST(test_sizes_near_size_max_are_refused)
{
    static const size_t drawn[] = {0, 8, 24, 32, 64, 8192};
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        PyArena *arena = _PyArena_New();
        _PyArena_Malloc(arena, drawn[i]);
        char *here = _PyArena_Malloc(arena, 0);
        long before = n_made;
        refused_size = 0;
        for (size_t below = 0; below < 20000; below++) {
            ck_assert_ptr_null(_PyArena_Malloc(arena, SIZE_MAX - below));
            ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
            PyErr_Clear();
        }
        ck_assert_ptr_null(_PyArena_Malloc(arena, (size_t)PY_SSIZE_T_MAX + 1));
        ck_assert_int_eq(n_made, before);
        ck_assert_uint_eq(refused_size, 0);
        ck_assert_ptr_eq(_PyArena_Malloc(arena, 0), here);
        _PyArena_Free(arena);
    }
}
END_TEST
CLAIM_TEST(test_the_largest_size_is_still_tried)
{
    PyArena *arena = _PyArena_New();
    refused_size = 0;
    ck_assert_ptr_null(_PyArena_Malloc(arena, (size_t)PY_SSIZE_T_MAX - 39));
    ck_assert_uint_eq(refused_size, (size_t)PY_SSIZE_T_MAX - 39 + 32);
    ck_assert_ptr_null(_PyArena_Malloc(arena, (size_t)PY_SSIZE_T_MAX));
    ck_assert_uint_eq(refused_size, (size_t)PY_SSIZE_T_MAX - 39 + 32);
    ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
    _PyArena_Free(arena);
}
END_TEST
CLAIM_TEST(test_a_failed_new_leaves_nothing)
{
    long before = live_blocks();
    long tried = 0;
    for (int fired = 1; fired; tried++) {
        oom_arm(tried + 1, 0);
        PyArena *arena = _PyArena_New();
        fired = oom_disarm();
        ck_assert_int_eq(arena == NULL, fired);
        if (arena != NULL) {
            _PyArena_Free(arena);
        }
        else {
            ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
            PyErr_Clear();
        }
        ck_assert_int_eq(live_blocks(), before);
    }
    ck_assert_int_ge(tried, 4);                     /* three failed, at least */
}
END_TEST
CLAIM_TEST(test_an_unused_arena_is_freed_whole)
{
    long before = live_blocks();
    PyArena *arena = _PyArena_New();
    ck_assert_int_gt(live_blocks(), before);
    _PyArena_Free(arena);
    ck_assert_int_eq(n_freed, n_made);
    ck_assert_int_eq(live_blocks(), before);
}
END_TEST
CLAIM_TEST(test_objects_go_after_the_blocks)
{
    PyArena *arena = _PyArena_New();
    for (int i = 0; i < 3; i++) {
        _PyArena_Malloc(arena, 9000);
    }
    ck_assert_int_eq(_PyArena_AddPyObject(arena, parcel(0)), 0);
    _PyArena_Free(arena);
    ck_assert_int_eq(drops, 1);
    ck_assert_int_eq(n_freed_at_drop, 4);           /* the first, and three */
    ck_assert_int_gt(n_freed, 4);
}
END_TEST
CLAIM_TEST(test_the_arena_moves_on_with_its_blocks)
{
    PyArena *arena = _PyArena_New();
    long others = n_made - 1;                       /* arena and list */
    char *last = NULL;
    for (int i = 0; i < 1000; i++) {
        char *p = _PyArena_Malloc(arena, 1000);
        ck_assert_int_eq(n_made - others, i / 8 + 1);
        if (i % 8 != 0) {
            ck_assert_ptr_eq(p, last + 1000);
        }
        last = p;
    }
    _PyArena_Free(arena);
    ck_assert_int_eq(n_freed, n_made);
}
END_TEST
CLAIM_TEST(test_a_failed_request_changes_nothing)
{
    PyArena *arena = _PyArena_New();
    char *first = _PyArena_Malloc(arena, 100);
    oom_arm(1, 1);
    ck_assert_ptr_null(_PyArena_Malloc(arena, 9000));
    ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
    PyErr_Clear();
    ck_assert_ptr_null(_PyArena_Malloc(arena, 8100));
    char *second = _PyArena_Malloc(arena, 8);       /* needs no new block */
    ck_assert_int_ne(oom_disarm(), 0);
    ck_assert_ptr_eq(second, first + 104);
    ck_assert_ptr_nonnull(_PyArena_Malloc(arena, 9000));
    _PyArena_Free(arena);
    ck_assert_int_eq(n_freed, n_made);
}
END_TEST
CLAIM_TEST(test_the_arena_owns_what_it_is_handed)
{
    PyArena *arena = _PyArena_New();
    PyObject *lent = parcel(0), *kept = parcel(1);
    Py_IncRef(kept);
    ck_assert_int_eq(_PyArena_AddPyObject(arena, lent), 0);
    ck_assert_int_eq(_PyArena_AddPyObject(arena, kept), 0);
    ck_assert_int_eq(Py_REFCNT(lent), 1);
    ck_assert_int_eq(Py_REFCNT(kept), 2);
    ck_assert_int_eq(drops, 0);
    _PyArena_Free(arena);
    ck_assert_int_eq(drops, 1);                     /* lent is gone, */
    ck_assert_int_eq(drop_order[0], 0);
    ck_assert_int_eq(Py_REFCNT(kept), 1);           /* kept is not */
    Py_DecRef(kept);
    ck_assert_int_eq(drops, 2);
}
END_TEST
CLAIM_TEST(test_last_in_first_out)
{
    PyArena *arena = _PyArena_New();
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(_PyArena_AddPyObject(arena, parcel(i)), 0);
    }
    Py_IncRef(&parcels[7].ob_base);
    ck_assert_int_eq(_PyArena_AddPyObject(arena, &parcels[7].ob_base), 0);
    _PyArena_Free(arena);
    ck_assert_int_eq(drops, 20);            /* of 7 the second drop is the end, in its old place */
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(drop_order[i], 19 - i);
    }
}
END_TEST
CLAIM_TEST(test_a_failed_hand_over_leaves_the_reference)
{
    PyArena *arena = _PyArena_New();
    oom_arm(2, 1);                      /* the list may grow once, not twice */
    int taken = 0;
    while (taken < 60 && _PyArena_AddPyObject(arena, parcel(taken)) == 0) {
        taken++;
    }
    ck_assert_int_ne(oom_disarm(), 0);
    ck_assert_int_gt(taken, 0);
    ck_assert_int_ne(PyErr_ExceptionMatches(PyExc_MemoryError), 0);
    ck_assert_int_eq(Py_REFCNT(&parcels[taken].ob_base), 1);
    Py_DecRef(&parcels[taken].ob_base);             /* as its caller must */
    ck_assert_int_eq(drops, 1);
    _PyArena_Free(arena);
    ck_assert_int_eq(drops, taken + 1);
}
END_TEST
CLAIM_TEST(test_arenas_share_nothing)
{
    enum { ARENAS = 50, WORDS = 3000 };
    PyArena *arena[ARENAS];
    size_t *word[ARENAS][WORDS];
    for (int a = 0; a < ARENAS; a++) {
        arena[a] = _PyArena_New();
        ck_assert_int_eq(_PyArena_AddPyObject(arena[a], parcel(a)), 0);
    }
    for (size_t i = 0; i < ARENAS * WORDS; i++) {
        size_t **w = &word[i % ARENAS][i / ARENAS];
        *w = _PyArena_Malloc(arena[i % ARENAS], sizeof **w);
        **w = i;
    }
    for (int n = 0; n < ARENAS; n++) {
        int a = n * 17 % ARENAS;            /* 17 and 50 share no factor: each arena once */
        for (size_t i = 0; i < WORDS; i++) {
            ck_assert_uint_eq(*word[a][i], i * ARENAS + (size_t)a);
        }
        _PyArena_Free(arena[a]);
        ck_assert_int_eq(drops, n + 1);
        ck_assert_int_eq(drop_order[n], a);
    }
    ck_assert_int_eq(n_freed, n_made);
}
END_TEST
CLAIM_TESTS(test_every_failure_is_told_and_leaks_nothing, 2)
{
    int sticky = _i, fired = 1, handed;
    long n = 0, before = live_blocks();
    while (fired) {
        drops = 0;
        oom_arm(++n, sticky);
        int status = whole_life(&handed);
        fired = oom_disarm();
        ck_assert_int_eq(status, fired ? -1 : 0);
        ck_assert_int_eq(PyErr_ExceptionMatches(PyExc_MemoryError), fired);
        PyErr_Clear();
        ck_assert_int_eq(live_blocks(), before);
        ck_assert_int_eq(drops, handed);
    }
    ck_assert_int_eq(handed, 40);
    ck_assert_int_ge(n, 10);        /* arena, 6 blocks, list, its array */
}
END_TEST
CLAIM_TEST(test_a_million_pieces_overlap_nowhere)
{
    enum { PIECES = 1000000 };
    struct piece *piece = calloc(PIECES, sizeof *piece);
    PyObject *object = parcel(0);
    PyArena *arena = _PyArena_New();
    dice = 3;
    for (uint32_t i = 0; i < PIECES; i++) {
        piece[i].size = some_size();
        piece[i].at = _PyArena_Malloc(arena, piece[i].size);
        fill(piece[i], i);
        if (i % 16 == 0) {
            Py_IncRef(object);
            ck_assert_int_eq(_PyArena_AddPyObject(arena, object), 0);
        }
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        if (!intact(piece[i], i) || (uintptr_t)piece[i].at % 8 != 0) {
            ck_abort_msg("piece %u of %zu bytes", i, piece[i].size);
        }
    }
    free(piece);
    ck_assert_int_eq(Py_REFCNT(object), 1 + PIECES / 16);
    _PyArena_Free(arena);
    ck_assert_int_eq(Py_REFCNT(object), 1);
    ck_assert_int_eq(n_freed, n_made);
    ck_assert_int_gt(n_made, 3000);     /* there were blocks enough to err in */
}
END_TEST
CLAIM_TEST(test_inline_and_called_draw_alike)
{
    static const size_t odd[] = {0, 8192, 0, 8193, 0, 8191, 1, SIZE_MAX, 0, SIZE_MAX - 7, 8185, 7};
    enum { ODD = sizeof odd / sizeof *odd };
    PyArena *one = _PyArena_New(), *other = _PyArena_New();
    char *block_of_one = made[1].at, *block_of_other = made[4].at;
    dice = 21;
    n_made = 0;
    for (int i = 0; i < 100000; i++) {
        size_t size = i < ODD ? odd[i] : some_size();
        /* _PyArena_Bump, and the function; with POLICY=upstream twice the function. */
        struct place in = place_of(_PyArena_Malloc(one, size), &block_of_one);
        struct place by = place_of((_PyArena_Malloc)(other, size), &block_of_other);
        ck_assert_msg(in.opened == by.opened && in.offset == by.offset, "request %d: %zu bytes", i, size);
    }
    PyErr_Clear();
    _PyArena_Free(one);
    _PyArena_Free(other);
}
END_TEST
