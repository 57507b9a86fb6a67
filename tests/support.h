// What every test program of the book leans on.
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <check.h>
#include <pthread.h>

#if defined(__SANITIZE_THREAD__)
#  define UNDER_TSAN 1
#elif defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define UNDER_TSAN 1
#  endif
#endif
#ifndef UNDER_TSAN
#  define UNDER_TSAN 0
#endif
enum { under_tsan = UNDER_TSAN };

/* Let the nth allocation from now on fail (1 is the next); with `sticky`, every
 * later one too. Malloc, Calloc and Realloc of both domains are counted alike.
 * A zero or negative n arms nothing. */
void oom_arm(long nth, int sticky);

/* No more failures. Returns 1 when at least one was dealt out, else 0. */
int oom_disarm(void);

/* Blocks of both domains that were allocated and not freed since main
 * began. Exact whenever no thread is allocating. */
long live_blocks(void);
/* Run body(arg) in n threads (at most 16) that start together; return when all
 * of them have ended. */
void in_threads(int n, void (*body)(void *arg), void *arg);

/* A handler, and how often it was called. */
extern int signals_seen;
void see_signal(int signum);

/* Send the thread SIGUSR1, which has a handler, and leave it alone for 50 µs. */
void nudge(pthread_t thread);

/* Return after `ns` nanoseconds, not having slept. A handler may call it. */
void let_time_pass(long long ns);

/* Return when a thread of this process sleeps in the kernel. It stores its number,
 * of gettid(), to *tid just before; until then *tid is 0. */
void until_asleep(int *tid);

/* Run `doom` in a forked child and fail the test unless the child is killed by
 * SIGABRT, having written `text`, all of it and nothing else, to stderr. */
void dies_saying(void (*doom)(void), const char *text);

/* A test: CLAIM_TEST(test_name) { ... } END_TEST. No list names it; it joins its
 * program by itself, before main. CLAIM_TESTS has it run `times` times, with _i
 * = 0, 1, ... The program's name is the suite's; its main is here, and returns 0
 * when every test passed, else 1. Check's own environment works. With
 * GF_TESTS="test_a test_b" in the environment those tests alone are run. */
#define CLAIM_TEST(name) CLAIM_TESTS(name, 1)
#define CLAIM_TESTS(name, times) \
    static const TTest *name; \
    __attribute__((constructor)) static void add_##name(void) \
    { support_add(name, times); } \
    START_TEST(name)
void support_add(const TTest *test, int times);

/* What a program may have of its own: what goes before each test and after it,
 * in the process that runs it, and how many seconds a test may last (60). */
__attribute__((weak)) void before_each(void);
__attribute__((weak)) void after_each(void);
__attribute__((weak)) extern const int seconds_for_a_test;

#endif  // TESTS_SUPPORT_H
