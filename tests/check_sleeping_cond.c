// The claims of the book, chapter 7, about any semaphore and about this one, on mutex and condition.
#include <check.h>
#include <errno.h>
#include <pthread.h>

#include "support.h"
#include "threads.h"

static int mutex_error, cond_error, in_use;

static int
our_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    _Py_atomic_add_int(&in_use, mutex_error == 0);
    return mutex_error ? mutex_error : pthread_mutex_init(mutex, attr);
}

static int
our_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    _Py_atomic_add_int(&in_use, cond_error == 0);
    return cond_error ? cond_error : pthread_cond_init(cond, attr);
}

static int
our_mutex_destroy(pthread_mutex_t *mutex)
{
    _Py_atomic_add_int(&in_use, -1);
    return pthread_mutex_destroy(mutex);
}

static int
our_cond_destroy(pthread_cond_t *cond)
{
    _Py_atomic_add_int(&in_use, -1);
    return pthread_cond_destroy(cond);
}

#define pthread_mutex_init our_mutex_init
#define pthread_cond_init our_cond_init
#define pthread_mutex_destroy our_mutex_destroy
#define pthread_cond_destroy our_cond_destroy
#define GF_USE_COND_SEMAPHORE
#define KEEP_OWN_NAMES
#include "own_lot.h"

CLAIM_TEST(test_a_wakeup_is_kept)
{
    _PySemaphore s;
    _PySemaphore_Init(&s);
    for (int i = 0; i < 3; i++) {
        _PySemaphore_Wakeup(&s);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(_PySemaphore_Wait(&s, -1, 0), Py_PARK_OK);
    }
    ck_assert_int_eq(_PySemaphore_Wait(&s, 0, 0), Py_PARK_TIMEOUT);
    _PySemaphore_Wakeup(&s);
    ck_assert_int_eq(_PySemaphore_Wait(&s, 0, 0), Py_PARK_OK);
    _PySemaphore_Destroy(&s);
}
END_TEST
CLAIM_TEST(test_a_wait_is_never_too_short)
{
    static const PyTime_t timeouts[] = {0, 1, 1000, MS, 20 * MS};
    _PySemaphore s;
    _PySemaphore_Init(&s);
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        PyTime_t before = now();            /* sema_deadline counts from here */
        int res;
        do {
            res = _PySemaphore_Wait(&s, timeouts[i], 0);
        } while (res == Py_PARK_INTR);
        ck_assert_int_eq(res, Py_PARK_TIMEOUT);
        ck_assert_int_ge(now() - before, timeouts[i]);
    }
    _PySemaphore_Destroy(&s);
}
END_TEST
struct mail { _PySemaphore there, back; PyTime_t timeout; int letter; };

static void
wait_for(_PySemaphore *s, PyTime_t timeout)
{
    while (_PySemaphore_Wait(s, timeout, 0) != Py_PARK_OK) {
    }
}

static void
answer_letters(struct fellow *me)
{
    struct mail *mail = me->arg;
    for (int i = 0; i < 5000; i++) {
        wait_for(&mail->there, mail->timeout);
        mail->letter++;                     /* a plain int: TSan looks on */
        _PySemaphore_Wakeup(&mail->back);
    }
}

CLAIM_TESTS(test_a_wakeup_publishes, 2)
{
    struct mail mail = {.timeout = _i == 0 ? -1 : PyTime_MAX};
    struct fellow f = {.body = answer_letters, .arg = &mail};
    _PySemaphore_Init(&mail.there);
    _PySemaphore_Init(&mail.back);
    start(&f);
    for (int i = 0; i < 5000; i++) {
        mail.letter++;
        _PySemaphore_Wakeup(&mail.there);
        wait_for(&mail.back, mail.timeout);
        ck_assert_int_eq(mail.letter, 2 * (i + 1));
    }
    finish(&f);
    _PySemaphore_Destroy(&mail.there);
    _PySemaphore_Destroy(&mail.back);
}
END_TEST

static void
nap_twice(struct fellow *me)
{
    _PySemaphore *s = me->arg;
    me->answer = _PySemaphore_Wait(s, -1, 0);
    reach(me, 1);
    wait_for(s, -1);
}

CLAIM_TEST(test_only_an_empty_wakeup_is_told_as_a_signal)
{
    _PySemaphore s;
    struct fellow f = {.body = nap_twice, .arg = &s};
    on_signal(SIGUSR1, see_signal);
    _PySemaphore_Init(&s);
    start(&f);
    pester(f.thread, 100);
    ck_assert(!at(&f, 1));
    while (!at(&f, 1)) {
        pthread_cond_signal(&s.cond);       /* and no counter raised */
        sched_yield();
    }
    _PySemaphore_Wakeup(&s);
    finish(&f);
    ck_assert_int_eq(f.answer, Py_PARK_INTR);
    _PySemaphore_Destroy(&s);
}
END_TEST
static void
doom_by_mutex(void)
{
    _PySemaphore s;
    mutex_error = ENOMEM;
    _PySemaphore_Init(&s);
}

static void
doom_by_cond(void)
{
    _PySemaphore s;
    cond_error = ENOMEM;
    _PySemaphore_Init(&s);
}

CLAIM_TEST(test_a_failing_system_is_fatal_sleeping_too)
{
    dies_saying(doom_by_mutex, "Fatal Python error: own_Semaphore_Init: "
                               "parking_lot: pthread_mutex_init failed\n");
    dies_saying(doom_by_cond, "Fatal Python error: own_Semaphore_Init: "
                              "parking_lot: pthread_cond_init failed\n");
}
END_TEST
CLAIM_TEST(test_what_was_made_is_given_back)
{
    _PySemaphore s;
    for (int i = 0; i < 3; i++) {
        _PySemaphore_Init(&s);
        ck_assert_int_eq(in_use, 2);
        _PySemaphore_Destroy(&s);
        ck_assert_int_eq(in_use, 0);
    }
}
END_TEST
