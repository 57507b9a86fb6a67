// Claims of the book's chapters 12 and 13 and of its appendix E: the simulation.
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scenarios.h"
#include "simulation/explorer.h"
#include "simulation/world.h"
#include "support.h"

#define SIM_KEEP_THE_REAL_NAMES
#include "host/pyatomic.h"
#include "simulation/system.h"

/* every-schedule-is-run-once: sim_execute, prepare, make_stacks, begin; sim_step, sim_access,
 *        sim_note, chosen, let_one_go_on, change_places, sim_swap_locals;
 *        sim_decide, open_node, charge, sim_list_options, list_plain, can_go_on,
 *        add; next_branch; run_once, run_the_threads, walk, account; SIM_BASIC_FAMILY
 * the-bound-counts-preemptions: sim_explore
 * merging-leaves-out-no-outcome: meet, is_where_it_was, note_end, close_the_graph; sim_graph_begin,
 *        sim_graph_state, sim_graph_edge, sim_graph_end, sim_graph_break,
 *        sim_graph_key, sim_graph_size, sim_graph_ends, sim_graph_close;
 *        place_of, enlarge, enlarge_the_table, put_edges_in_order;
 *        sim_remember_globals, sim_put_globals_back, copy; sim_abandon
 * a-lost-wakeup-is-found: lock, unlock, wait_on, wake, sim_cond_signal, found; write_schedule, follow
 * broken-exclusion-is-found: touch, sim_fail
 * the-dead-are-not-touched: look_at_the_end, refuse_dead_frames, living, made, take; leave_for_ever
 * other-ends-are-told: spins_in_vain; sim_catch_faults, fault
 * what-is-vacuous-fails: refuse_what_is_vacuous
 * a-wait-ends-in-every-way: asleep, nanoseconds, sim_advance, may
 * wall-clocks-and-forks: sim_fork
 * the-port-passes-every-scenario: sim_may_hang, sim_pthread_self, sim_gettid, sim_sigmask; and with the
 *        port's other semaphore, by make museum: sim_mutex_destroy,
 *        sim_cond_destroy, sim_cond_timedwait, sim_cond_clockwait */
/* a-replay-can-be-read: sim_trace_begin, sim_trace_step, sim_trace_end, end_line, read_place,
 *        ask_for_lines, sim_find_lines, sim_value_name, sim_verb,
 *        sim_object_name, sim_forget_names
 * each-part-of-a-state-is-needed: sim_key, fold, mix, mix_bytes, mix_globals, mix_thread, clear_what_is_below
 * a-fair-circle-is-a-livelock: find_components, enter, leave, target, look_at_component, go_over,
 *        is_step_of, leads_to, leads_to_rest_of, append, walk_to, walk_around;
 *        threads_that_can_act, sim_graph_can_act, say_livelock, look_back
 * a-schedule-that-does-not-fit-is-refused: read_word, read_schedule
 * what-is-allocated-is-part-of-the-state: sim_malloc, sim_calloc, sim_realloc, sim_free
 * the-graph-is-written-as-data: sim_data_begin, sim_data_state, put, place_number, value_number,
 *        sim_named, write_places, write_states, write_strings, said_of,
 *        sim_graph_write_edges, sim_graph_write_ends, sim_graph_is_broken */

const int seconds_for_a_test = 300;

/* clang leaves in a frame what a call put there: states that are one to a reader differ. */
#ifdef __clang__
enum { frames_are_tidy = 0 };
#else
enum { frames_are_tidy = 1 };
#endif

static int x, y;
static int steps_each;              // of a toy thread

static void
toy_setup(void)
{
    x = y = 0;
    sim_name(&x, sizeof(x), "x");
}

static void
write_x(void)
{
    for (int i = 0; i < steps_each; i++) {
        _Py_atomic_store_int(&x, sim_self() + 1);
    }
}

static SIM_KEPT SimReport report;

static int
explore(const SimScenario *toy, int preemptions)
{
    return sim_explore(toy, (SimBounds){ preemptions, 1, 1 }, &report, NULL);
}

static SIM_KEPT unsigned outcomes;           // bit set of what x was in the end

static void
note_outcome(void)
{
    outcomes |= 1u << x;
}

static void
add_in_two_steps(void)
{
    int seen = _Py_atomic_load_int(&x);
    _Py_atomic_store_int(&y, seen);
    _Py_atomic_store_int(&x, seen + 1);
}

static void
multiply(void)
{
    int seen = _Py_atomic_load_int(&x);
    _Py_atomic_store_int(&x, 2 * seen + 1);
}

/* Both ways: the same schedules, ends, places reached, failures. */
static int
agree(const SimScenario *s, SimBounds bounds)
{
    SimReport all;
    sim_every_path = 1;
    sim_explore(s, bounds, &all, NULL);
    sim_every_path = 0;
    sim_explore(s, bounds, &report, NULL);
    return all.failed == report.failed && strcmp(all.why, report.why) == 0
        && (all.failed || all.schedules == report.schedules)
        && all.ends == report.ends && all.end_sum == report.end_sum;
}

static pthread_mutex_t toy_lock;
static pthread_cond_t toy_cond;
static SimRegion toy_region;

static void
toy_lock_setup(void)
{
    toy_setup();
    sim_mutex_init(&toy_lock, NULL);
    sim_cond_init(&toy_cond, NULL);
    toy_region = (SimRegion){0, 0};
}

static void
sleep_carelessly(void)
{
    if (_Py_atomic_load_int(&x) == 0) {
        sim_mutex_lock(&toy_lock);
        sim_cond_wait(&toy_cond, &toy_lock);
        sim_mutex_unlock(&toy_lock);
    }
}

static void
change_and_signal(void)
{
    _Py_atomic_store_int(&x, 1);
    sim_mutex_lock(&toy_lock);
    sim_cond_broadcast(&toy_cond);
    sim_mutex_unlock(&toy_lock);
}

static void
sleep_with_care(void)
{
    sim_mutex_lock(&toy_lock);
    while (_Py_atomic_load_int(&x) == 0) {
        sim_cond_wait(&toy_cond, &toy_lock);
    }
    sim_mutex_unlock(&toy_lock);
}

static int
replays_to_the_same(const SimScenario *toy)
{
    char text[4096], last[500];
    FILE *out = fmemopen(text, sizeof(text), "w");
    int failed = sim_replay(toy, report.schedule, out);
    fclose(out);
    snprintf(last, sizeof(last), "%s: %s\n", toy->name, report.why);
    size_t length = strlen(text), tail = strlen(last);
    return failed == 1 && length >= tail && strcmp(text + length - tail, last) == 0;
}

static void
fail_late_or_early(void)
{
    int before = _Py_atomic_load_int(&x);
    sim_touch(&toy_region);
    SIM_ASSERT(_Py_atomic_load_int(&x) == before);
    _Py_atomic_store_int(&y, 1);
    if (_Py_atomic_load_int(&y) == 2) {
        _Py_atomic_store_int(&y, 3);
        SIM_ASSERT(_Py_atomic_load_int(&y) != 4);
    }
}

static void
help_it_fail(void)
{
    for (int i = 1; i < 4; i += 2) {
        if (_Py_atomic_load_int(&y) == i) {
            _Py_atomic_store_int(&y, i + 1);
        }
    }
    _Py_atomic_store_int(&x, 1);
}

static void
enter_if_free(void)
{
    if (_Py_atomic_load_int(&x) == 0) {
        _Py_atomic_store_int(&x, 1);
        sim_enter(&toy_region);
        sim_leave(&toy_region);
        _Py_atomic_store_int(&x, 0);
    }
}

static void
read_together(void)
{
    sim_enter_shared(&toy_region);
    if (toy_region.readers == 2) {
        sim_reach("both");
    }
    sim_leave_shared(&toy_region);
}

static void
read_once_the_writer_is_in(void)
{
    sim_wait_for(&y);
    read_together();
}

static void
write_carelessly(void)
{
    sim_enter(&toy_region);
    y = 1;
    sim_leave(&toy_region);
}

static int *given_away;
static sem_t toy_sem;

__attribute__((noinline)) static void
give_away(void)
{
    int local = 0;
    given_away = &local;
    sim_touch(&x);
    given_away = NULL;
    sim_touch(&x);
    _Py_atomic_store_int(&local, 1);
}

static void
give_and_return(void)
{
    give_away();
    sim_touch(&y);
}

static void
use_what_is_given(void)
{
    int *there = given_away;
    sim_touch(&y);
    if (there != NULL) {
        _Py_atomic_store_int(there, 1);
    }
}

static void
sem_setup(void)
{
    toy_setup();
    sim_sem_init(&toy_sem, 0, 0);
}

static void
wait_and_destroy(void)
{
    sim_sem_wait(&toy_sem);
    sim_sem_destroy(&toy_sem);
}

static void
post_once(void)
{
    sim_sem_post(&toy_sem);
}

static void
spin_for_ever(void)
{
    while (_Py_atomic_load_int(&x) == 0) {
        sim_sched_yield();
    }
}

static void
follow_nothing(void)
{
    int *volatile nowhere = NULL;
    sim_touch(&x);
    *(volatile int *)nowhere = 1;
}

static SIM_KEPT int counter;

static void
be_different_each_time(void)
{
    if (counter++ % 3) {
        sim_touch(&x);
    }
    sim_touch(&y);
    sim_sched_yield();
}

static void
fail_an_assertion(void)
{
    sim_assert_fail("1 == 2", "here", 7, "me");
}

static void
die(void)
{
    struct iovec words[] = { { (void *)"last ", 5 }, { (void *)"words\n", 6 } };
    sim_writev(2, words, 2);
    sim_abort();
}

static void
do_nothing(void)
{
}

static void
reach_for_it(void)
{
    sim_touch(&x);
    if (x == 3) {
        sim_reach("x is three");
    }
}

static void
wait_a_second(void)
{
    struct timespec until;
    sim_clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    int64_t end = until.tv_sec * INT64_C(1000000000) + until.tv_nsec;
    int err = sim_sem_clockwait(&toy_sem, CLOCK_MONOTONIC, &until) ? errno : 0;
    SIM_ASSERT(err != ETIMEDOUT || sim_now() >= end);
    sim_reach(err == 0 ? "token" : err == EINTR ? "signal"
              : y ? "timeout, with a token there" : "timeout");
}

static void
post_and_say_so(void)
{
    sim_sem_post(&toy_sem);
    y = 1;
}

static void
destroy_it(void)
{
    sim_sem_destroy(&toy_sem);
}

static void
wait_by_the_wall(void)
{
    struct timespec until;
    int64_t start = sim_now();
    sim_clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    if (sim_sem_timedwait(&toy_sem, &until) < 0 && errno == ETIMEDOUT) {
        int64_t waited = sim_now() - start;
        sim_reach(waited < 10 * INT64_C(1000000000) ? "too early" : "in time");
    }
}

static void
set_the_clock(void)
{
    sim_set_wall(3600 * INT64_C(1000000000));
}

static void
fork_alone(void)
{
    sim_fork();
    int before = _Py_atomic_load_int(&x);
    sim_touch(&y);
    SIM_ASSERT(_Py_atomic_load_int(&x) == before);
    sim_reach(before ? "after" : "before");
}

static SIM_KEPT int reports_of_progress;

static int
keep_going(const SimReport *so_far)
{
    reports_of_progress++;
    ck_assert(so_far->executions > 0);
    return 1;
}

static int
stop_at_once(const SimReport *so_far)
{
    return so_far->executions < 0;
}

static void
write_and_take_back(void)
{
    _Py_atomic_store_int(&x, 1);
    _Py_atomic_store_int(&x, 0);
}

static void
and_say_so(void)
{
    write_and_take_back();
    _Py_atomic_store_int(&y, 1);
}

static void
keep_it_in_a_variable(void)
{
    int seen = _Py_atomic_load_int(&x);
    sim_touch(&toy_region);
    sim_reach(y == 0 ? "too soon" : seen ? "one" : "zero");
}

__attribute__((noinline)) static void
take_it_into_errno(void)
{
    errno = _Py_atomic_load_int(&x);
}

static void
keep_it_in_errno(void)
{
    take_it_into_errno();
    sim_touch(&toy_region);             // its frame is gone after this
    sim_touch(&toy_region);
    sim_reach(y == 0 ? "too soon" : errno ? "one" : "zero");
}

static void
say_in_x_what_y_was(void)
{
    _Py_atomic_store_int(&x, _Py_atomic_load_int(&y) + 1);
}

static void
set_y_and_look_at_x(void)
{
    _Py_atomic_store_int(&y, 1);
    sim_touch(&toy_region);
    sim_reach(x == 2 ? "one" : x == 1 ? "zero" : "not yet");
}

static void
set_the_wall_by_y(void)
{
    sim_set_wall(_Py_atomic_load_int(&y) + 1);
}

static void
set_y_and_look_at_the_wall(void)
{
    struct timespec now;
    _Py_atomic_store_int(&y, 1);
    sim_clock_gettime(CLOCK_REALTIME, &now);
    int wall = (int)(now.tv_nsec % 10);
    sim_reach(wall == 2 ? "one" : wall == 1 ? "zero" : "not yet");
}

static void
wait_in_spite_of_signals(void)
{
    while (sim_sem_wait(&toy_sem) != 0) {
        errno = 0;
    }
    sim_sem_post(&toy_sem);
}

static void
yield_and_see(void)
{
    while (_Py_atomic_load_int(&x) == 0) {
        sim_sched_yield();
    }
}

static void
go_round_until_y(void)
{
    while (_Py_atomic_load_int(&y) == 0) {
        write_and_take_back();
    }
}

static void
set_y(void)
{
    _Py_atomic_store_int(&y, 1);
}

static void
set_y_when_woken(void)
{
    sim_sem_wait(&toy_sem);
    set_y();
}

static void
keep_it_allocated(void)
{
    int *seen = sim_malloc(sizeof(*seen));
    *seen = _Py_atomic_load_int(&x);
    _Py_atomic_store_int(&x, 1);
    sim_touch(&toy_region);
    sim_reach(*seen ? "one" : "zero");
    sim_free(seen);
}

static void
give_back_twice(void)
{
    void *p = sim_malloc(8);
    sim_touch(&x);
    sim_free(p);
    sim_free(p);
}

CLAIM_TEST(test_each_part_of_a_state_is_needed)
{
    static const struct { unsigned part; SimScenario toy; int preemptions; } made[] = {
        { SIM_GLOBALS, { .name = "globals", .setup = toy_setup, .reach = { "one", "zero" },
                         .body = { set_y_and_look_at_x, say_in_x_what_y_was } }, -1 },
        { SIM_FRAMES, { .name = "frames", .setup = toy_setup, .reach = { "one", "zero" },
                        .body = { keep_it_in_a_variable, and_say_so } }, -1 },
        { SIM_PENDING, { .name = "errno", .setup = toy_setup, .reach = { "one", "zero" },
                         .body = { keep_it_in_errno, and_say_so } }, -1 },
        { SIM_CLOCKS, { .name = "wall", .setup = toy_setup, .reach = { "one", "zero" },
                        .body = { set_y_and_look_at_the_wall, set_the_wall_by_y } }, -1 },
        { SIM_SPINS, { .name = "spins", .setup = toy_setup,
                       .body = { yield_and_see, write_x } }, -1 },
        { SIM_STROKES, { .name = "strokes", .setup = sem_setup, .finish = destroy_it,
                         .body = { wait_in_spite_of_signals, post_once } }, -1 },
        { SIM_PURSE, { .name = "purse", .setup = toy_setup,
                       .body = { add_in_two_steps, multiply, add_in_two_steps } }, 2 },
    };
    steps_each = 3;
    for (size_t i = 0; i < sizeof(made) / sizeof(*made) && sim_can_merge(); i++) {
        SimBounds bounds = { made[i].preemptions, 1, 1 };
        sim_blind = 0;
        ck_assert_msg(agree(&made[i].toy, bounds) && !report.failed,
                      "%u whole: %s", made[i].part, report.why);
        sim_blind = made[i].part;
        if (made[i].part == SIM_STROKES && !frames_are_tidy) {
            continue;
        }
        ck_assert_msg(!agree(&made[i].toy, bounds), "%u is not missed",
                      made[i].part);
    }
    sim_blind = 0;
}
END_TEST
CLAIM_TEST(test_merging_leaves_out_no_outcome)
{
    SimScenario together = { .name = "together", .setup = toy_setup,
                             .finish = note_outcome,
                             .body = { add_in_two_steps, multiply, add_in_two_steps } };
    unsigned seen[2];
    for (sim_every_path = 0; sim_every_path < 2; sim_every_path++) {
        outcomes = 0;
        ck_assert_int_eq(explore(&together, 1000), 0);
        seen[sim_every_path] = outcomes;
    }
    ck_assert_uint_eq(seen[0], seen[1]);
    ck_assert(agree(&together, (SimBounds){ 1000, 0, 0 }));
    for (const SimScenario *s = scenarios; s->name && sim_can_merge(); s++) {
        SimBounds one = { s->bounds.preemptions != 0, s->bounds.interrupts, s->bounds.leaps };
        ck_assert_msg(agree(s, one), "%s: %g schedules, %ld ends: %s", s->name,
                      report.schedules, report.ends, report.why);
    }
}
END_TEST
CLAIM_TEST(test_every_schedule_is_run_once)
{
    static const long binomial[] = { 1, 2, 6, 20, 70, 252, 924, 3432, 12870 };
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { write_x, write_x } };
    for (steps_each = 0; steps_each < 8; steps_each++) {
        sim_every_path = 1;
        ck_assert_int_eq(explore(&toy, 1000), 0);
        ck_assert_int_eq(report.executions, binomial[steps_each + 1]);
        ck_assert_int_eq(report.deepest, 2 * (steps_each + 1));
        sim_every_path = 0;
        ck_assert_int_eq(explore(&toy, sim_can_merge() ? -1 : 1000), 0);
        ck_assert(report.schedules == (double)binomial[steps_each + 1]);
    }
}
END_TEST
CLAIM_TEST(test_the_bound_counts_preemptions)
{
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { write_x, write_x } };
    for (sim_every_path = 0; sim_every_path < 2; sim_every_path++) {
        for (steps_each = 1; steps_each < 8; steps_each++) {
            int n = steps_each + 1;
            explore(&toy, 0);
            ck_assert(report.schedules == 2);
            explore(&toy, 1);
            ck_assert(report.schedules == 2 + 2 * (n - 1));
            explore(&toy, 2);
            ck_assert(report.schedules == 2 + 2 * (n - 1) + 2 * (n - 1) * (n - 1));
            explore(&toy, 2 * n);
            double all = report.schedules;
            explore(&toy, 2 * n + 5);
            ck_assert(report.schedules == all);
        }
    }
}
END_TEST
CLAIM_TEST(test_a_fair_circle_is_a_livelock)
{
    SimScenario toy = { .name = "toy", .setup = sem_setup, .finish = destroy_it,
                        .body = { set_y, go_round_until_y } };
    SimBounds bounds = { -1, 0, 0 };
    if (sim_can_merge()) {
        ck_assert_int_eq(sim_explore(&toy, bounds, &report, NULL), 0);
        ck_assert(report.schedules > 1e300);            // round and round
        toy.body[0] = set_y_when_woken;
        ck_assert_int_eq(sim_explore(&toy, bounds, &report, NULL), 1);
        ck_assert_str_eq(report.why, "livelock: B can go round for ever");
        ck_assert_int_eq(strncmp(report.schedule, "A2-B", 4), 0);
        ck_assert(replays_to_the_same(&toy));
    }
}
END_TEST
CLAIM_TEST(test_what_is_vacuous_fails)
{
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { do_nothing } };
    ck_assert_int_eq(explore(&toy, 2), 1);
    ck_assert_str_eq(report.why, "nothing was explored: there was no choice to make");

    toy.body[0] = toy.body[1] = reach_for_it;
    toy.reach[0] = "x is three";
    ck_assert_int_eq(explore(&toy, 2), 1);
    ck_assert_str_eq(report.why, "no execution reached \"x is three\"");
}
END_TEST
CLAIM_TEST(test_a_replay_can_be_read)
{
    char text[4096];
    FILE *out = fmemopen(text, sizeof(text), "w");
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { write_x, write_x } };
    steps_each = 1;
    ck_assert_int_eq(sim_replay(&toy, "B1-A2-B1", out), 0);
    fclose(out);
    ck_assert_ptr_ne(strstr(text, "   1   B              begins"), NULL);
    ck_assert_ptr_ne(strstr(text, "   3 A                writes     x"), NULL);
    ck_assert_ptr_ne(strstr(text, " 0 -> 1 "), NULL);
    ck_assert_ptr_ne(strstr(text, "   4   B              writes     x"), NULL);
    ck_assert_ptr_ne(strstr(text, " 1 -> 2 "), NULL);
    ck_assert_ptr_ne(strstr(text, "toy: fine\n"), NULL);
}
END_TEST
CLAIM_TEST(test_a_schedule_that_does_not_fit_is_refused)
{
    static const struct { const char *schedule, *says; } bad[] = {
        { "", "is neither" }, { "A", "is neither" }, { "A0", "is neither" },
        { "A1-", "is neither" }, { "A1--B1", "is neither" }, { "-A1", "is neither" },
        { "A1B1", "is neither" }, { "A-1", "is neither" }, { "a1", "is neither" },
        { "A1-?", "is neither" }, { "At2", "is neither" }, { "A1 B1", "is neither" },
        { "C1", "there is no thread C, only A to B" }, { "A2-D2", "no thread D" },
        { "A99999999999999999999", "more than 3000 steps" },
        { "A2999-B2", "more than 3000 steps" },
        { "Ai", "step 1 is Ai, but A waits for no such thing" },
        { "B1-A2-A9", "step 4 is A1, but A has ended" },
    };
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { write_x, write_x } };
    char text[4096];
    steps_each = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        FILE *out = fmemopen(text, sizeof(text), "w");
        ck_assert_int_eq(sim_replay(&toy, bad[i].schedule, out), 2);
        fclose(out);
        ck_assert_msg(strstr(text, bad[i].says) != NULL, "%s: %s",
                      bad[i].schedule, text);
    }
}
END_TEST
CLAIM_TEST(test_a_lost_wakeup_is_found)
{
    SimScenario toy = { .name = "toy", .setup = toy_lock_setup,
                        .body = { sleep_carelessly, change_and_signal } };
    ck_assert_int_eq(explore(&toy, 4), 1);
    ck_assert_str_eq(report.why, "deadlock: nobody will ever wake A");
    ck_assert_int_eq(report.preemptions, 1);
    ck_assert(replays_to_the_same(&toy));
    ck_assert_int_eq(explore(&toy, -1), 1);

    toy.body[0] = sleep_with_care;
    ck_assert_int_eq(explore(&toy, 4), 0);
    ck_assert_int_eq(explore(&toy, -1), 0);

    SimScenario two = { .name = "two", .setup = toy_setup,
                        .body = { fail_late_or_early, help_it_fail } };
    ck_assert_int_eq(explore(&two, 6), 1);
    ck_assert_int_eq(report.preemptions, 1);
}
END_TEST
CLAIM_TEST(test_broken_exclusion_is_found)
{
    SimScenario toy = { .name = "toy", .setup = toy_lock_setup,
                        .body = { enter_if_free, enter_if_free } };
    ck_assert_int_eq(explore(&toy, 6), 1);
    ck_assert_ptr_ne(strstr(report.why, "exclusion is broken"), NULL);
    ck_assert_int_eq(report.preemptions, 2);
    ck_assert(replays_to_the_same(&toy));

    SimScenario readers = { .name = "readers", .setup = toy_lock_setup,
                            .body = { read_together, read_together },
                            .reach = { "both" } };
    ck_assert_int_eq(explore(&readers, 3), 0);
    readers.body[1] = write_carelessly;
    ck_assert_int_eq(explore(&readers, 3), 1);
    readers.body[0] = read_once_the_writer_is_in;
    ck_assert_int_eq(explore(&readers, 3), 1);
    ck_assert_str_eq(report.why, "A enters to read, and a writer is inside");
}
END_TEST
CLAIM_TEST(test_other_ends_are_told)
{
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { spin_for_ever, spin_for_ever } };
    ck_assert_int_eq(explore(&toy, 1), 1);
    int circle = sim_can_merge() && frames_are_tidy;
    ck_assert_str_eq(report.why, circle ? "livelock: AB can go round for ever"
                     : "livelock: 3000 steps, and no end");
    ck_assert(!circle || replays_to_the_same(&toy));
    if (!sim_asan) {
        toy.body[0] = toy.body[1] = follow_nothing;
        ck_assert_int_eq(explore(&toy, 1), 1);
        ck_assert_str_eq(report.why, "A follows a pointer that leads nowhere");
    }
    toy.body[0] = toy.body[1] = be_different_each_time;
    ck_assert_int_eq(explore(&toy, 2), 1);
    ck_assert_ptr_ne(strstr(report.why, "not the same twice"), NULL);
    toy.body[0] = toy.body[1] = fail_an_assertion;
    ck_assert_int_eq(explore(&toy, 0), 1);
    ck_assert_str_eq(report.why, "here:7: me: assertion failed: 1 == 2");
    toy.body[0] = toy.body[1] = die;
    ck_assert_int_eq(explore(&toy, 0), 1);
    ck_assert_str_eq(report.why, "last words");
}
END_TEST
CLAIM_TEST(test_the_port_passes_every_scenario)
{
    double schedules = 0;
    int merges = sim_can_merge();           // ASan and gcov do not: each step is dear
    for (const SimScenario *s = scenarios; s->name; s++) {
        SimBounds bounds = s->bounds;
        if (!merges && bounds.preemptions == 0) {
            continue;                       // a crowd has too many
        }
        if (!merges) {
            bounds.preemptions = bounds.preemptions > 0;
        }
        int failed = sim_explore(s, bounds, &report, keep_going);
        ck_assert_msg(!failed || (!merges && report.schedule[0] == '\0'),
                      "%s: %s\nschedule: %s", s->name, report.why, report.schedule);
        schedules += report.schedules;
    }
    ck_assert(schedules >= (merges ? 100000 : 10000));
    ck_assert_int_gt(reports_of_progress, merges ? 50 : 5);
}
END_TEST
CLAIM_TEST(test_the_same_every_time)
{
    const SimScenario *s = find_scenario("park");
    FILE *out = fopen("/dev/null", "w");
    sim_explore(s, (SimBounds){ 1, 1, 0 }, &report, NULL);
    SimReport before = report;
    sim_explore(s, (SimBounds){ 1, 1, 0 }, &report, NULL);
    ck_assert_mem_eq(&before, &report, sizeof(report));
    ck_assert_int_eq(sim_explore(s, s->bounds, &report, stop_at_once), 0);
    ck_assert_int_lt(report.executions, 2000);
    ck_assert_int_eq(sim_replay(s, "A3-B2", out), 0);
    ck_assert_ptr_eq(find_scenario("no such"), NULL);
    fclose(out);
}
END_TEST

CLAIM_TEST(test_the_dead_are_not_touched)
{
    SimScenario frame = { .name = "frame", .setup = toy_setup,
                          .body = { give_and_return, use_what_is_given } };
    if (!sim_asan) {            // which would abort us, with a better report
        ck_assert_int_eq(explore(&frame, 3), 1);
        ck_assert_str_eq(report.why, "B touches a record in a dead frame of A");
    }
    SimScenario sem = { .name = "sem", .setup = sem_setup,
                        .body = { wait_and_destroy, post_once, post_once } };
    ck_assert_int_eq(sim_explore(&sem, (SimBounds){ 2, 0, 0 }, &report, NULL), 1);
    ck_assert_str_eq(report.why, "post to a semaphore that is not alive");
    sem.body[0] = post_once;
    ck_assert_int_eq(explore(&sem, 2), 1);
    ck_assert_str_eq(report.why, "1 semaphores were not destroyed");
}
END_TEST
CLAIM_TEST(test_a_wait_ends_in_every_way)
{
    SimScenario toy = {
        .name = "toy", .setup = sem_setup, .finish = destroy_it,
        .body = { wait_a_second, post_and_say_so },
        .reach = { "token", "signal", "timeout", "timeout, with a token there" },
    };
    ck_assert_int_eq(explore(&toy, 2), 0);
    ck_assert_int_eq(explore(&toy, -1), 0);
    ck_assert_int_eq(sim_explore(&toy, (SimBounds){ 2, 0, 0 }, &report, NULL), 1);
    ck_assert_str_eq(report.why, "no execution reached \"signal\"");
}
END_TEST
CLAIM_TEST(test_wall_clocks_and_forks)
{
    SimScenario wall = { .name = "wall", .setup = sem_setup, .finish = destroy_it,
                         .body = { wait_by_the_wall, set_the_clock },
                         .reach = { "too early", "in time" } };
    ck_assert_int_eq(explore(&wall, 2), 0);

    steps_each = 3;
    SimScenario fork = { .name = "fork", .setup = toy_setup,
                         .body = { fork_alone, write_x },
                         .reach = { "after", "before" } };
    ck_assert_int_eq(explore(&fork, 3), 0);
    ck_assert_int_eq(explore(&fork, -1), 0);
}
END_TEST

CLAIM_TEST(test_the_simulated_atomics_compute)
{
    uint8_t byte = 250, seen = 3;
    ck_assert_uint_eq(_Py_atomic_add_uint8(&byte, 10), 250);
    ck_assert_uint_eq(_Py_atomic_load_uint8_relaxed(&byte), 4);
    ck_assert_uint_eq(_Py_atomic_or_uint8(&byte, 3), 4);
    ck_assert_uint_eq(_Py_atomic_and_uint8(&byte, 6), 7);
    ck_assert_int_eq(_Py_atomic_compare_exchange_uint8(&byte, &seen, 9), 0);
    ck_assert_uint_eq(seen, 6);
    ck_assert_int_eq(_Py_atomic_compare_exchange_uint8(&byte, &seen, 9), 1);
    ck_assert_uint_eq(_Py_atomic_exchange_uint8(&byte, 1), 9);
    void *p = &byte, *q = NULL;
    _Py_atomic_store_ptr_release(&q, p);
    ck_assert_ptr_eq(_Py_atomic_load_ptr_acquire(&q), p);
    ck_assert_int_eq(_Py_atomic_compare_exchange_ptr(&q, &p, NULL), 1);
    ck_assert_ptr_eq(_Py_atomic_exchange_ptr(&q, &seen), NULL);
    _Py_atomic_fence_seq_cst();
    _Py_atomic_fence_acquire();
    _Py_atomic_fence_release();
}
END_TEST
CLAIM_TEST(test_what_is_allocated_is_part_of_the_state)
{
    char *a = sim_malloc(100), *b = sim_calloc(4, 25);
    ck_assert_ptr_ne(a, b);
    ck_assert_int_eq(b[99], 0);
    ck_assert_ptr_nonnull(a = sim_realloc(a, 120));
    sim_free(a);
    ck_assert(sim_asan || (a = sim_malloc(1)) < b);
    sim_free(sim_asan ? NULL : a);
    sim_free(b);
    SimScenario toy = { .name = "toy", .setup = toy_setup,
                        .body = { keep_it_allocated, keep_it_allocated },
                        .reach = { "one", "zero" } };
    ck_assert_int_eq(explore(&toy, -1), 0);
    toy.body[1] = give_back_twice;
    if (!sim_asan) {
        ck_assert_int_eq(explore(&toy, -1), 1);
        ck_assert_str_eq(report.why, "memory is given back that was not allocated");
    }
}
END_TEST
CLAIM_TEST(test_the_graph_is_written_as_data)
{
    static SIM_KEPT char text[100000];
    FILE *out = fmemopen(text, sizeof(text), "w");
    SimScenario toy = { .name = "toy", .what = "a race", .setup = toy_lock_setup,
                        .body = { enter_if_free, enter_if_free } };
    SimBounds bounds = { -1, 0, 0 };
    int failed = sim_graph(&toy, bounds, "gil", "ours", out);
    fclose(out);
    ck_assert_int_eq(failed, !sim_can_merge());
    if (sim_can_merge()) {
        ck_assert_ptr_nonnull(strstr(text, "\"whole\": true"));
        ck_assert_ptr_nonnull(strstr(text, "\"words\": [\"x\"]"));
        ck_assert_ptr_nonnull(strstr(text, "\"states\": [\n[0,0,0,0,0,0,0,0],\n"));
        ck_assert_ptr_nonnull(strstr(text, "\"edges\": [0,1,0,1,2,0,"));
        ck_assert_ptr_nonnull(strstr(text, ", 1, \"\"],"));
        ck_assert_ptr_nonnull(strstr(text, ", 3, \"B enters, and 1 are inside"));
        ck_assert_ptr_nonnull(strstr(text, ",\nnull,\n"));
    }
}
END_TEST
