// Claims of the book, chapters 6, 18 and 20: when the system says no.
#include "threads_again.h"

#include <limits.h>

#include "host/pyerrors.h"
#include "support.h"
#include "thread_tools.h"

static void do_nothing(void *Py_UNUSED(arg)) { }
static void must_not_run(void *Py_UNUSED(arg)) { abort(); }

CLAIM_TEST(test_the_new_thread_frees_the_block)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(again_start_joinable_thread(do_nothing, NULL, &ident, &handle), 0);
        ck_assert_int_eq(again_join_thread(handle), 0);
        ck_assert_int_eq(__atomic_load_n(&callbacks_alive, __ATOMIC_SEQ_CST), 0);
        ck_assert_int_eq(attrs_alive, 0);           /* pythread_wrapper; the starter */
    }
}
END_TEST
CLAIM_TEST(test_a_refused_start_leaves_nothing)
{
    static const struct { const char *call; int code; } ways[] = {
        {"pthread_attr_init", ENOMEM}, {"pthread_attr_setstacksize", EINVAL},
        {"pthread_create", EAGAIN}, {"pthread_create", EPERM}};
    PyThread_ident_t ident = 12345;
    PyThread_handle_t handle = 67890;
    attach_here();
    ck_assert_int_eq(again_set_stacksize(1024 * 1024), 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        doom(ways[i].call, ways[i].code, -1);       /* do_start_joinable_thread */
        ck_assert_int_eq(again_start_joinable_thread(must_not_run, NULL, &ident, &handle), -1);
        ck_assert_uint_eq(again_start_new_thread(must_not_run, NULL), (unsigned long)-1);
        ck_assert_int_eq(fate.dealt, 2);
        ck_assert(ident == 12345 && handle == 67890);
        ck_assert_ptr_null(PyErr_Occurred());
    }
    doom("", 0, 0);
    detach_here();
    ck_assert_int_eq(callbacks_alive, 0);
    ck_assert_int_eq(attrs_alive, 0);
}
END_TEST
CLAIM_TEST(test_no_memory_no_thread)
{
    PyThread_ident_t ident = 12345;
    PyThread_handle_t handle = 67890;
    again_init_thread();
    doom("malloc", ENOMEM, 2);
    ck_assert_int_eq(again_start_joinable_thread(must_not_run, NULL, &ident, &handle), -1);
    ck_assert_uint_eq(again_start_new_thread(must_not_run, NULL), (unsigned long)-1);
    ck_assert_int_eq(fate.dealt, 2);
    ck_assert(ident == 12345 && handle == 67890);
    ck_assert_int_eq(attrs_alive, 0);
    oom_arm(1, 1);                          /* whatever asks PyMem from here on gets none */
    ck_assert_int_eq(again_start_joinable_thread(do_nothing, NULL, &ident, &handle), 0);
    ck_assert_int_eq(again_join_thread(handle), 0);
    ck_assert_int_eq(oom_disarm(), 0);
    ck_assert_int_eq(__atomic_load_n(&callbacks_alive, __ATOMIC_SEQ_CST), 0);
}
END_TEST
CLAIM_TEST(test_join_and_detach_pass_the_code_on)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    ck_assert_int_eq(again_start_joinable_thread(do_nothing, NULL, &ident, &handle), 0);
    static const int codes[] = {EINVAL, ESRCH, EDEADLK};
    for (int i = 0; i < 3; i++) {
        doom("pthread_join", codes[i], 1);
        ck_assert_int_eq(again_join_thread(handle), codes[i]);
        doom("pthread_detach", codes[i], 1);
        ck_assert_int_eq(again_detach_thread(handle), codes[i]);
    }
    ck_assert_int_eq(again_join_thread(handle), 0);
}
END_TEST
static void
exit_at_once(void *Py_UNUSED(arg))
{
    void (*volatile end)(void) = again_exit_thread;         /* "noreturn" is hidden */
    end();
}

CLAIM_TEST(test_nothing_is_left_of_it)
{
    PyThread_ident_t ident;
    PyThread_handle_t handle;
    ck_assert_int_eq(again_start_joinable_thread(exit_at_once, NULL, &ident, &handle), 0);
    ck_assert_int_eq(again_join_thread(handle), 0);
    ck_assert_int_eq(__atomic_load_n(&callbacks_alive, __ATOMIC_SEQ_CST), 0);
}
END_TEST
CLAIM_TEST(test_what_the_system_refuses_changes_nothing)
{
    attach_here();
    ck_assert_int_eq(again_set_stacksize(100000), 0);
    doom("pthread_attr_init", ENOMEM, 1);
    ck_assert_int_eq(again_set_stacksize(200000), -1);
    doom("pthread_attr_setstacksize", EINVAL, 1);   /* _pythread_pthread_set_stacksize */
    ck_assert_int_eq(again_set_stacksize(200000), -1);
    ck_assert_uint_eq(again_get_stacksize(), 100000);
    ck_assert_int_eq(attrs_alive, 0);
    detach_here();
}
END_TEST
static pthread_barrier_t gate;

static void *
come_first(void *Py_UNUSED(arg))
{
    pthread_barrier_wait(&gate);
    return (void *)(uintptr_t)again_get_thread_ident_ex();
}

static void
unmake(void)
{
    host_threads()->initialized = 0;
    host_threads()->_condattr_monotonic.ptr = NULL;
    n_condattr_init = 0;
}

CLAIM_TEST(test_the_first_use_makes_ready_once)
{
    pthread_barrier_init(&gate, NULL, 8);
    for (int round = 0; round < 200; round++) {
        pthread_t t[8];
        void *ident;
        unmake();
        for (int i = 0; i < 8; i++) {
            ck_assert_int_eq(pthread_create(&t[i], NULL, come_first, NULL), 0);
        }
        for (int i = 0; i < 8; i++) {
            ck_assert_int_eq(pthread_join(t[i], &ident), 0);
            ck_assert_uint_eq((uintptr_t)ident, (uintptr_t)t[i]);
        }
        ck_assert_int_eq(n_condattr_init, 1);       /* PyThread__init_thread */
        ck_assert_int_eq(is_initialized(), 1);
    }
    pthread_barrier_destroy(&gate);
}
END_TEST
static void use_start(void)
{ PyThread_handle_t h; PyThread_ident_t i;
  ck_assert_int_eq(again_start_joinable_thread(do_nothing, NULL, &i, &h), 0);
  ck_assert_int_eq(again_join_thread(h), 0); }
static void use_new(void)
{ ck_assert_uint_ne(again_start_new_thread(do_nothing, NULL), PYTHREAD_INVALID_THREAD_ID); }
static void use_ident(void) { ck_assert_uint_ne(again_get_thread_ident(), 0); }
static void use_native(void) { ck_assert_uint_ne(again_get_thread_native_id(), 0); }
static void use_lock(void) { again_free_lock(again_allocate_lock()); }
static void use_init(void) { again_init_thread(); again_init_thread(); }

CLAIM_TESTS(test_whoever_comes_first, 6)
{
    void (*const use[])(void) = {use_start, use_new, use_ident, use_native, use_lock, use_init};
    unmake();
    use[_i]();
    ck_assert_int_eq(n_condattr_init, 1);
    ck_assert_int_eq(is_initialized(), 1);
}
END_TEST
static void *
make_ready(void *Py_UNUSED(arg))
{
    again_init_thread();
    return NULL;
}

CLAIM_TEST(test_a_fork_in_the_first_use)
{
    pthread_t first;
    unmake();
    hold_condattr_init = 1;
    ck_assert_int_eq(pthread_create(&first, NULL, make_ready, NULL), 0);
    wait_for_count(&hold_condattr_init, 2);
    in_child {
        alarm(60);
        PyOS_AfterFork_Child();
        hold_condattr_init = 0;
        again_init_thread();
        leave(is_initialized() && host_threads()->_condattr_monotonic.ptr != NULL);
    }
    _Py_atomic_store_int(&hold_condattr_init, 0);
    ck_assert_int_eq(pthread_join(first, NULL), 0);
    ck_assert_int_eq(n_condattr_init, 1);
}
END_TEST
CLAIM_TEST(test_a_refused_join_can_be_repeated)
{
    attach_here();
    ThreadHandle *joined = again_handle_new(), *left = again_handle_new();
    ck_assert_int_eq(again_handle_start(joined, do_nothing, NULL), 0);
    doom("pthread_join", EINVAL, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(again_handle_join(joined, -1), -1);    /* join_thread */
        ck_assert_str_eq(host_error_text(), "Failed joining thread");
        ck_assert_int_eq(joined->state, THREAD_HANDLE_RUNNING);
    }
    ck_assert_int_eq(again_handle_join(joined, -1), 0);
    ck_assert_int_eq(again_handle_start(left, do_nothing, NULL), 0);
    doom("pthread_detach", EINVAL, 1);
    ck_assert_int_eq(again_handle_set_done(left), -1);          /* set_done */
    ck_assert_str_eq(host_error_text(), "failed detaching handle");
    ck_assert_int_eq(again_handle_set_done(left), 0);
    PyErr_Clear();
    again_handle_decref(left);
    again_handle_decref(joined);
    ThreadHandle *dropped = again_handle_new();
    again_handle_incref(dropped);                       /* so that we are the last */
    ck_assert_int_eq(again_handle_start(dropped, do_nothing, NULL), 0);
    PyThreadState *mine = PyEval_SaveThread();
    while (_Py_atomic_load_ssize(&dropped->refcount) > 2) {
        sched_yield();
    }
    PyEval_RestoreThread(mine);
    ck_assert_int_eq(dropped->state, THREAD_HANDLE_RUNNING);
    again_handle_decref(dropped);
    PyThread_handle_t os_handle = dropped->os_handle;
    doom("pthread_detach", EINVAL, 1);
    again_handle_decref(dropped);                       /* detach_thread complains */
    ck_assert_int_eq(fate.dealt, 1);
    ck_assert_int_eq(again_detach_thread(os_handle), 0);
    detach_here();
}
END_TEST
CLAIM_TEST(test_a_stranger_that_is_over)
{
    attach_here();
    ThreadHandle *h = again_handle_adopt(12345);    /* no thread's ident */
    _PyEvent_Notify(&h->thread_is_exiting);         /* as a stranger would, at its end */
    ck_assert_int_eq(again_handle_join(h, -1), 0);  /* ThreadHandle_get_os_handle: none */
    ck_assert_int_eq(h->state, THREAD_HANDLE_DONE);
    again_handle_decref(h);
    detach_here();
}
END_TEST
static void never_called(void *Py_UNUSED(value)) { abort(); }

CLAIM_TEST(test_none_is_given_to_the_system)
{
    Py_tss_t key = Py_tss_NEEDS_INIT;
    last_key_destructor = never_called;
    ck_assert_int_eq(again_tss_create(&key), 0);
    ck_assert(last_key_destructor == NULL);
    last_key_destructor = never_called;
    int old = again_create_key();
    ck_assert_int_ge(old, 0);
    ck_assert(last_key_destructor == NULL);
    again_delete_key(old);
    again_tss_delete(&key);
}
END_TEST
CLAIM_TEST(test_a_key_that_fits_no_int_is_refused)
{
    pretend_key = (pthread_key_t)INT_MAX + 1;
    errno = 0;
    ck_assert_int_eq(again_create_key(), -1);
    ck_assert_int_eq(errno, ENOMEM);
    pretend_key = 0;
    doom("pthread_key_create", EAGAIN, 2);
    ck_assert_int_eq(again_create_key(), -1);
    Py_tss_t key = Py_tss_NEEDS_INIT;
    ck_assert_int_eq(again_tss_create(&key), -1);
    ck_assert_int_eq(again_tss_is_created(&key), 0);
    again_tss_delete(&key);
}
END_TEST
CLAIM_TEST(test_a_version_that_nobody_knows)
{
    static const int lengths[] = {0, 1, 255, 5000};     /* unknown, empty, too long */
    for (int i = 0; i < 4; i++) {
        doom("confstr", lengths[i], 1);
        PyThreadInfoObject *info = (PyThreadInfoObject *)again_GetInfo();
        ck_assert_ptr_null(info->version);              /* host_thread_info */
        ck_assert_str_eq(info->name, "pthread");
        Py_DecRef(&info->ob_base);                      /* thread_info_dealloc */
    }
    again_FiniType(NULL);                               /* host_forget_thread_info */
}
END_TEST
