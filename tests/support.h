// What every test program of the book leans on.
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <check.h>

/* Let the nth allocation from now on fail (1 is the next); with `sticky`, every
 * later one too. Malloc, Calloc and Realloc of both domains are counted alike.
 * A negative or zero n arms nothing. */
void oom_arm(long nth, int sticky);

/* No more failures. Returns 1 when at least one was dealt out, else 0. */
int oom_disarm(void);

/* Blocks of both domains that were allocated and not freed since the start.
 * Counted once support_run has begun; exact whenever no thread is allocating. */
long live_blocks(void);
/* Run the suite (which it frees), print Check's summary. Returns what main is
 * to return: 0 when every test passed, else 1. Check's own environment works. */
int support_run(Suite *s);

/* Run `doom` in a forked child and fail the test unless the child is killed by
 * SIGABRT, having written `text`, all of it and nothing else, to stderr. */
void dies_saying(void (*doom)(void), const char *text);

#endif  // TESTS_SUPPORT_H
