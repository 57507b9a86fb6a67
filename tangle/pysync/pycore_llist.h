// CPython: Include/internal/pycore_llist.h (v3.13.5, behaviour of 3.14)
#ifndef Py_INTERNAL_LLIST_H
#define Py_INTERNAL_LLIST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A ring of nodes, of which one, the head, belongs to nothing. A node sits
 * inside what it links; taken out, its two links are NULL. */
struct llist_node {
    struct llist_node *next;
    struct llist_node *prev;
};

/* The `type` whose `member` this node is. */
#define llist_data(node, type, member) \
    ((type *)((char *)(node) - offsetof(type, member)))

/* First to last. Only the second allows the body to take `node` out. */
#define llist_for_each(node, head) \
    for (node = (head)->next; node != (head); node = node->next)

#define llist_for_each_safe(node, head) \
    for (struct llist_node *_next = (node = (head)->next, node->next); \
         node != (head); node = _next, _next = node->next)

/* An empty list: as it is declared, or later. */
#define LLIST_INIT(head) { &head, &head }

static inline void
llist_init(struct llist_node *head)
{
    head->next = head->prev = head;
}

static inline int
llist_empty(struct llist_node *head)
{
    return head->next == head;
}

static inline void
llist_insert_tail(struct llist_node *head, struct llist_node *node)
{
    node->prev = head->prev;
    node->next = head;                  /* the ring closes with the head */
    head->prev->next = node;
    head->prev = node;
}

static inline void
llist_remove(struct llist_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* Append all of head2 to head1; head2 is empty afterwards. */
static inline void
llist_concat(struct llist_node *head1, struct llist_node *head2)
{
    if (!llist_empty(head2)) {
        head1->prev->next = head2->next;    /* the seam */
        head2->next->prev = head1->prev;
        head1->prev = head2->prev;          /* the new end */
        head2->prev->next = head1;
        llist_init(head2);
    }
}

#ifdef __cplusplus
}
#endif
#endif /* Py_INTERNAL_LLIST_H */
