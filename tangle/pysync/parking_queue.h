// CPython: Python/parking_lot.c (v3.13.5, behaviour of 3.14)
//
// Part of parking_lot.c, which alone includes it: a bucket, its queues, and the
// ways in and out.
#ifndef GF_PARKING_QUEUE_H
#define GF_PARKING_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/pyerrors.h"
#include "pysync/policy.h"
#include "pysync/pycore_llist.h"
#include "pysync/pycore_lock.h"
#include "pysync/pycore_semaphore.h"

/* All threads that wait at an address which falls here. */
typedef struct {
    _PyRawMutex mutex;          /* guards the two below, and each entry's links */
    struct llist_node root;     /* where their queues begin */
    size_t num_waiters;         /* how many they are, of all addresses */
} Bucket;

_Static_assert(sizeof(Bucket) == 32, "as in CPython");

/* One waiter. It stands on the waiter's stack, and is gone when Park returns.
 * is_unparking is set under the bucket's lock by the thread that takes the entry out;
 * it is the promise of exactly one wake-up, until which the entry must live. */
struct wait_entry {
    void *park_arg;             /* for the unparker's function */
    uintptr_t addr;             /* what it waits for, as a number */
    _PySemaphore sema;          /* what it sleeps on */
    struct llist_node node;     /* in a queue, or in UnparkAll's list */
    #ifdef GF_UPSTREAM_POLICY
    bool is_unparking;              /* taken out; a wake-up will come */
    #else
    uintptr_t is_unparking : 1;     /* taken out; a wake-up will come */
    uintptr_t successor : 8 * sizeof(uintptr_t) - 1;    /* see successor_of */
    #endif
};

#ifdef _Py_USE_SEMAPHORES
_Static_assert(sizeof(struct wait_entry) == 72, "as in CPython");
#endif
_Static_assert(_Alignof(struct wait_entry) >= 2, "bit 0 of its address is 0");

/* The ways in and out, and one question. The caller holds the bucket's lock, so each is one
 * step to all others. None allocates or blocks. Unchecked: the lock; an entry
 * that is moved, changed or gone while it is in a queue. */

/* Let `wait` queue up behind the others of its address. */
static void enqueue(Bucket *bucket, struct wait_entry *wait);

/* Take out the waiter that came first to this address, and promise it a wake-up
 * (is_unparking). NULL: there is none. */
static struct wait_entry *dequeue(Bucket *bucket, const void *address);

/* Take out every waiter of this address, first come first, into the list `dst`
 * (linked by `node`), and promise each a wake-up. */
static void dequeue_all(Bucket *bucket, const void *address, struct llist_node *dst);

/* Let a waiter go that gives up: it is in a queue; no unparker has taken it out. */
static void leave_queue(Bucket *bucket, struct wait_entry *wait);

/* What an unparker's function is told of the waiters that are left: 0, none in the
 * bucket; 1, some; GF_IN_A_CROWD, more than GF_CROWD at this address (policy.h). */
static int who_waits_still(Bucket *bucket, const void *address);

#ifdef Py_DEBUG
#  define CHECK_INVARIANT(b) must(count_waiters(b) == (b)->num_waiters)

static void
must(int hold)
{
    if (!hold) {
        _Py_FatalErrorFunc("parking lot", "a bucket breaks its invariant");
    }
}
#else
#  define CHECK_INVARIANT(b) ((void)0)
#endif

#ifdef GF_UPSTREAM_POLICY
/* What holds of a bucket whenever its lock is free: its waiters are in one ring
 * behind root, in order of arrival; num_waiters counts them; and none of them
 * has been promised a wake-up. */
#ifdef Py_DEBUG
static size_t
count_waiters(Bucket *bucket)
{
    size_t n = 0;
    struct llist_node *node;
    llist_for_each(node, &bucket->root) {
        must(node->next->prev == node
             && !llist_data(node, struct wait_entry, node)->is_unparking);
        n++;
    }
    return n;
}
#endif

static void
enqueue(Bucket *bucket, struct wait_entry *wait)
{
    llist_insert_tail(&bucket->root, &wait->node);
    ++bucket->num_waiters;
    CHECK_INVARIANT(bucket);
}

static struct wait_entry *
dequeue(Bucket *bucket, const void *address)
{
    struct llist_node *node;
    llist_for_each(node, &bucket->root) {
        struct wait_entry *wait = llist_data(node, struct wait_entry, node);
        if (wait->addr == (uintptr_t)address) {
            llist_remove(node);
            --bucket->num_waiters;
            wait->is_unparking = true;      /* a promise */
            CHECK_INVARIANT(bucket);
            return wait;
        }
    }
    return NULL;
}

static void
dequeue_all(Bucket *bucket, const void *address, struct llist_node *dst)
{
    struct llist_node *node;
    llist_for_each_safe(node, &bucket->root) {
        struct wait_entry *wait = llist_data(node, struct wait_entry, node);
        if (wait->addr == (uintptr_t)address) {
            llist_remove(node);
            llist_insert_tail(dst, node);   /* its links serve once more */
            --bucket->num_waiters;
            wait->is_unparking = true;
        }
    }
    CHECK_INVARIANT(bucket);
}

static void
leave_queue(Bucket *bucket, struct wait_entry *wait)
{
    llist_remove(&wait->node);
    --bucket->num_waiters;
    CHECK_INVARIANT(bucket);
}

static int
who_waits_still(Bucket *bucket, const void *Py_UNUSED(address))
{
    return bucket->num_waiters > 0;
}
#else
/* What holds of a bucket whenever its lock is free:
 *  - The first waiter of each address stands in a tree, which begins at root.next.
 *    Its node's links are two branches; one that leads to the root is bare. The
 *    bits of way_of(addr), the uppermost first, lead to it: 1 is next, 0 is prev.
 *  - The others of its address are in a ring of their own, in order of arrival,
 *    and the first knows the second, its successor: NULL, when there is none.
 *  - num_waiters counts them all, and none of them has been promised a wake-up. */
static struct wait_entry *
successor_of(struct wait_entry *first)
{
    return (struct wait_entry *)(2 * (uintptr_t)first->successor);
}

static void
set_successor(struct wait_entry *first, struct wait_entry *second)
{
    first->successor = (uintptr_t)second / 2;   /* bit 0 of its address is 0 */
}

/* The entry at this place of the tree, or NULL. */
static struct wait_entry *
first_at(Bucket *bucket, struct llist_node *place)
{
    return place != &bucket->root ? llist_data(place, struct wait_entry, node)
                                  : NULL;
}

/* Its bits lead to the queue of this address. */
static uintptr_t
way_of(uintptr_t addr)
{
    return addr * (uintptr_t)0x9E3779B97F4A7C15;
}

/* The link that leads to the first waiter for addr; where there is none, the
 * bare one where it would stand. */
static struct llist_node **
find_queue(Bucket *bucket, uintptr_t addr)
{
    struct llist_node **link = &bucket->root.next;
    uintptr_t way = way_of(addr);
    struct wait_entry *first;
    while ((first = first_at(bucket, *link)) != NULL && first->addr != addr) {
        link = (intptr_t)way < 0 ? &first->node.next : &first->node.prev;
        way <<= 1;
    }
    return link;
}

#ifdef Py_DEBUG
static size_t
count_ring(struct wait_entry *first)        /* all but the first of its queue */
{
    struct wait_entry *second = successor_of(first), *wait = second;
    size_t n = 0;
    for (; wait != NULL && (n == 0 || wait != second); n++) {
        must(wait->addr == first->addr && !wait->is_unparking
             && wait->node.next->prev == &wait->node);
        wait = llist_data(wait->node.next, struct wait_entry, node);
    }
    return n;
}

static size_t
count_tree(Bucket *bucket, struct llist_node *place)
{
    struct wait_entry *first = first_at(bucket, place);
    if (first == NULL) {
        return 0;
    }
    must(*find_queue(bucket, first->addr) == place && !first->is_unparking);
    return 1 + count_ring(first) + count_tree(bucket, place->next)
           + count_tree(bucket, place->prev);
}

static size_t
count_waiters(Bucket *bucket)
{
    return count_tree(bucket, bucket->root.next);
}
#endif

static void
enqueue(Bucket *bucket, struct wait_entry *wait)
{
    struct llist_node **link = find_queue(bucket, wait->addr);
    struct wait_entry *first = first_at(bucket, *link), *second;
    if (first == NULL) {
        wait->node = (struct llist_node){ &bucket->root, &bucket->root };
        *link = &wait->node;
    }
    else if ((second = successor_of(first)) == NULL) {
        llist_init(&wait->node);            /* a ring of one */
        set_successor(first, wait);
    }
    else {
        llist_insert_tail(&second->node, &wait->node);
    }
    ++bucket->num_waiters;
    CHECK_INVARIANT(bucket);
}

/* Take one of the others out of the ring behind its first. */
static void
leave_ring(struct wait_entry *first, struct wait_entry *wait)
{
    struct llist_node *behind = wait->node.next;
    if (successor_of(first) == wait) {
        set_successor(first, behind == &wait->node ? NULL :
                          llist_data(behind, struct wait_entry, node));
    }
    llist_remove(&wait->node);
}

/* The queue is gone: an entry from the end of a branch takes its place. */
static void
fill_place(Bucket *bucket, struct llist_node **link)
{
    struct llist_node *bare = &bucket->root, *gone = *link, **end = link;
    while ((*end)->next != bare || (*end)->prev != bare) {
        end = (*end)->next != bare ? &(*end)->next : &(*end)->prev;
    }
    struct llist_node *last = *end;
    *end = bare;
    if (last != gone) {
        *last = *gone;                      /* its branches, as they are now */
        *link = last;
    }
}

static struct wait_entry *
take_first(Bucket *bucket, struct llist_node **link)
{
    struct wait_entry *first = first_at(bucket, *link);
    struct wait_entry *second = successor_of(first);
    if (second == NULL) {
        fill_place(bucket, link);
    }
    else {
        leave_ring(first, second);
        second->node = first->node;
        set_successor(second, successor_of(first));
        *link = &second->node;
    }
    --bucket->num_waiters;
    return first;
}

static struct wait_entry *
dequeue(Bucket *bucket, const void *address)
{
    struct llist_node **link = find_queue(bucket, (uintptr_t)address);
    if (first_at(bucket, *link) == NULL) {
        return NULL;
    }
    struct wait_entry *wait = take_first(bucket, link);
    wait->is_unparking = true;              /* a promise */
    CHECK_INVARIANT(bucket);
    return wait;
}

static void
dequeue_all(Bucket *bucket, const void *address, struct llist_node *dst)
{
    struct llist_node **link = find_queue(bucket, (uintptr_t)address);
    struct wait_entry *wait;
    while ((wait = first_at(bucket, *link)) != NULL
           && wait->addr == (uintptr_t)address) {
        take_first(bucket, link);
        llist_insert_tail(dst, &wait->node);    /* its links serve once more */
        wait->is_unparking = true;
    }
    CHECK_INVARIANT(bucket);
}

static void
leave_queue(Bucket *bucket, struct wait_entry *wait)
{
    struct llist_node **link = find_queue(bucket, wait->addr);
    if (*link == &wait->node) {
        take_first(bucket, link);
    }
    else {
        leave_ring(first_at(bucket, *link), wait);
        --bucket->num_waiters;
    }
    CHECK_INVARIANT(bucket);
}

static int
who_waits_still(Bucket *bucket, const void *address)
{
    if (GF_CROWD_NS == 0 || bucket->num_waiters <= GF_CROWD) {
        return bucket->num_waiters > 0;
    }
    struct wait_entry *first = first_at(bucket, *find_queue(bucket, (uintptr_t)address));
    struct wait_entry *second = first ? successor_of(first) : NULL, *wait = second;
    size_t n = (first != NULL) + (second != NULL);
    while (n > 1 && n <= GF_CROWD) {
        wait = llist_data(wait->node.next, struct wait_entry, node);
        if (wait == second) {
            break;
        }
        n++;
    }
    return n > GF_CROWD ? GF_IN_A_CROWD : 1;
}
#endif

#endif  // GF_PARKING_QUEUE_H
