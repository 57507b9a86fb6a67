// The tools of the test programs: failing allocators, crowds, signals, watched deaths.
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/pyatomic.h"
#include "host/pymem.h"

static Py_ssize_t countdown;     // allocations up to the one that fails; 0: none will
static int keep_failing, fired;
static Py_ssize_t live;

static int
must_fail(void)
{
    Py_ssize_t left = _Py_atomic_load_ssize(&countdown);
    while (left > 0) {
        int last = left == 1;
        Py_ssize_t next = last && _Py_atomic_load_int(&keep_failing) ? 1 : left - 1;
        if (_Py_atomic_compare_exchange_ssize(&countdown, &left, next)) {
            if (last)
                _Py_atomic_store_int(&fired, 1);
            return last;
        }
    }
    return 0;
}

void
oom_arm(long nth, int sticky)
{
    _Py_atomic_store_int(&fired, 0);
    _Py_atomic_store_int(&keep_failing, sticky);
    _Py_atomic_store_ssize(&countdown, nth);
}

int
oom_disarm(void)
{
    _Py_atomic_store_ssize(&countdown, 0);
    return _Py_atomic_load_int(&fired);
}

long
live_blocks(void)
{
    return (long)_Py_atomic_load_ssize(&live);
}
static void *
counted(void *block)
{
    if (block)
        _Py_atomic_add_ssize(&live, 1);
    return block;
}

static void *
hook_malloc(void *ctx, size_t size)
{
    PyMemAllocatorEx *inner = ctx;
    return must_fail() ? NULL : counted(inner->malloc(inner->ctx, size));
}

static void *
hook_calloc(void *ctx, size_t nelem, size_t elsize)
{
    PyMemAllocatorEx *inner = ctx;
    return must_fail() ? NULL : counted(inner->calloc(inner->ctx, nelem, elsize));
}

static void *
hook_realloc(void *ctx, void *ptr, size_t new_size)
{
    PyMemAllocatorEx *inner = ctx;
    if (must_fail())
        return NULL;
    void *block = inner->realloc(inner->ctx, ptr, new_size);
    return ptr ? block : counted(block);
}

static void
hook_free(void *ctx, void *ptr)
{
    PyMemAllocatorEx *inner = ctx;
    if (ptr)
        _Py_atomic_add_ssize(&live, -1);
    inner->free(inner->ctx, ptr);
}
struct crowd {
    pthread_barrier_t start;
    void (*body)(void *);
    void *arg;
};

static void *
one_of_the_crowd(void *arg)
{
    struct crowd *crowd = arg;
    pthread_barrier_wait(&crowd->start);
    crowd->body(crowd->arg);
    return NULL;
}

void
in_threads(int n, void (*body)(void *arg), void *arg)
{
    pthread_t thread[16];
    struct crowd crowd = { .body = body, .arg = arg };
    ck_assert(n > 0 && n <= 16);
    ck_assert_int_eq(pthread_barrier_init(&crowd.start, NULL, (unsigned)n), 0);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, one_of_the_crowd, &crowd), 0);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    pthread_barrier_destroy(&crowd.start);
}

int signals_seen;

__attribute__((no_sanitize_thread)) void
see_signal(int Py_UNUSED(signum))
{
    __atomic_fetch_add(&signals_seen, 1, __ATOMIC_SEQ_CST);
}

static long long
monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void
let_time_pass(long long ns)
{
    for (long long end = monotonic_ns() + ns; monotonic_ns() <= end; )
        sched_yield();
}

void
nudge(pthread_t thread)
{
    ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
    let_time_pass(50000);
}

void
until_asleep(int *tid)
{
    for (char state = 0; state != 'S'; sched_yield()) {
        char name[64];
        snprintf(name, sizeof(name), "/proc/self/task/%d/stat", _Py_atomic_load_int(tid));
        FILE *stat = fopen(name, "r");
        if (stat == NULL)
            continue;                           /* it has not stored its number */
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
            state = 0;
        fclose(stat);
    }
}
#ifdef SUPPORT_COVERAGE
extern void __gcov_dump(void);
static void
save_counters(int sig)
{
    __gcov_dump();
    signal(sig, SIG_DFL);
}
#endif

static void
meet_doom(void (*doom)(void), int err)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(err, STDERR_FILENO);
#ifdef SUPPORT_COVERAGE
    signal(SIGABRT, save_counters);
#endif
    doom();
    _exit(0);
}

void
dies_saying(void (*doom)(void), const char *text)
{
    int ends[2], status = -1;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        meet_doom(doom, ends[1]);
    close(ends[1]);

    char said[1024];
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], said + n, sizeof(said) - 1 - n)) > 0; )
        n += (size_t)got;
    said[n] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                  "not killed by SIGABRT: status %#x, said: %s", (unsigned)status, said);
    ck_assert_str_eq(said, text);
}
static struct { const TTest *test; int times; } added[128];
static int n_added;

void
support_add(const TTest *test, int times)
{
    const char *wanted = getenv("GF_TESTS");
    size_t n = strlen(test->name);
    for (const char *at = wanted; at != NULL; at++) {
        at = strstr(at, test->name);
        if (at == NULL)
            return;
        if ((at == wanted || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            break;
    }
    if (n_added == sizeof(added) / sizeof(*added))
        abort();
    added[n_added].test = test;
    added[n_added++].times = times;
}

/* As a program started by hand finds its signals: none blocked, none ignored. */
static void
unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction now;
        if (sigaction(i, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            signal(i, SIG_DFL);
    }
}

static void
hook_domain(PyMemAllocatorDomain domain, PyMemAllocatorEx *inner)
{
    PyMem_GetAllocator(domain, inner);
    PyMemAllocatorEx hook = {inner, hook_malloc, hook_calloc, hook_realloc, hook_free};
    PyMem_SetAllocator(domain, &hook);
}

/* Weak: a program with a main of its own keeps it. */
__attribute__((weak)) int
main(void)
{
    static PyMemAllocatorEx raw, mem;
    unblock_signals();
    hook_domain(PYMEM_DOMAIN_RAW, &raw);
    hook_domain(PYMEM_DOMAIN_MEM, &mem);

    Suite *suite = suite_create(program_invocation_short_name);
    TCase *tc = tcase_create("claims");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, &seconds_for_a_test != NULL ? seconds_for_a_test : 60);
    tcase_add_checked_fixture(tc, before_each, after_each);
    for (int i = 0; i < n_added; i++)
        tcase_add_loop_test(tc, added[i].test, 0, added[i].times);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
