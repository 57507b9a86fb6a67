// Claim at-every-instruction of the book, chapter 18: the list of handles, wherever a fork cuts it.
#include <check.h>
#include <errno.h>
#include <string.h>

#include "host/pymem.h"
#include "host/threads.h"
#include "pythread/thread_handle.h"
#include "steps.h"
#include "support.h"
#include "threads.h"

static struct { ThreadHandle handle; int used; } pool[8];

static void *
pool_calloc(void *Py_UNUSED(ctx), size_t Py_UNUSED(n), size_t Py_UNUSED(size))
{
    int i = 0;
    while (pool[i].used) {
        i++;
    }
    pool[i].used = 1;
    return memset(&pool[i].handle, 0, sizeof(ThreadHandle));
}

static void
pool_free(void *Py_UNUSED(ctx), void *handle)
{
    memset(handle, 0xDD, sizeof(ThreadHandle));
    int i = 0;
    while (&pool[i].handle != handle) {
        i++;
    }
    pool[i].used = 0;
}

/* ThreadHandle_new, _PyThread_AfterFork's first loop, ThreadHandle_decref */
static void
make_and_drop(void)
{
    ThreadHandle_decref(ThreadHandle_new());
}

/* The length of the list; -1 when it is not whole. */
static int
walk(void)
{
    int n = 0;
    struct llist_node *node, *head = &host_threads()->handles;
    llist_for_each(node, head) {
        ThreadHandle *h = llist_data(node, ThreadHandle, node);
        if (node->next->prev != node || h->state != THREAD_HANDLE_NOT_STARTED || n > 100) {
            return -1;
        }
        n++;
    }
    return head->next->prev == head && head->prev->next == head ? n : -1;
}

static int
walk_in_the_child(void *Py_UNUSED(arg))
{
    PyOS_AfterFork_Child();
    int n = walk();
    ThreadHandle *last = ThreadHandle_new();
    int ok = n >= 2 && walk() == n + 1;
    ThreadHandle_decref(last);
    return !(ok && walk() == n);
}

static void
walk_in_the_parent(void)
{
    ck_assert_int_eq(walk(), 2);
}

CLAIM_TEST(test_at_every_instruction)
{
    PyMemAllocatorEx before, pooled = {NULL, NULL, pool_calloc, NULL, pool_free};
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &before);
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &pooled);
    ThreadHandle *first = ThreadHandle_new(), *second = ThreadHandle_new();
    fork_at_every_step(make_and_drop, walk_in_the_child, walk_in_the_parent);
    ThreadHandle_decref(first);
    ThreadHandle_decref(second);
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &before);
}
END_TEST

static int over;

static void
make_and_drop_on(struct fellow *Py_UNUSED(me))
{
    while (!_Py_atomic_load_int(&over)) {
        make_and_drop();
    }
}

CLAIM_TEST(test_among_threads)
{
    struct fellow f[2] = {{.body = make_and_drop_on}, {.body = make_and_drop_on}};
    ThreadHandle *first = ThreadHandle_new(), *second = ThreadHandle_new();
    over = 0;
    start(&f[0]);
    start(&f[1]);
    for (int i = 0; i < 100; i++) {
        PyOS_BeforeFork();
        in_a_child(walk_in_the_child, NULL);
        PyOS_AfterFork_Parent();
    }
    _Py_atomic_store_int(&over, 1);
    finish(&f[0]);
    finish(&f[1]);
    walk_in_the_parent();
    ThreadHandle_decref(first);
    ThreadHandle_decref(second);
}
END_TEST
