// The bench: claims of the book, chapter 22 and appendix D.
#include <check.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include "support.h"

int bench_main(int argc, char **argv);
#define main bench_main
#include "bench/bench.c"        // before the peer: weak must be said first
#undef main
#include "bench/clock.c"
#include "bench/crowd.c"
#include "bench/due.c"
#include "bench/futex_lock.c"
#include "bench/load.c"

/* a-crowd-is-counted: peer_lock, peer_unlock, futex_sleep, fresh; crowd, wait; bench_crowd, seat_all,
 *        sit_down, count_for, sum_up, bench_pin
 * locks-and-turns: crowd, tell
 * turns-alternate: alternate
 * calls-in-time-are-counted: timed, peer_lock_for, hold_again_and_again, bench_nap, bench_after
 * waits-are-timed: latency, compare
 * a-starved-waiter-ends: bench_due_times, wait_once, wait_for_the_lock, take_it_again_and_again, have_rank
 * the-store-is-kept: keep_the_store
 * nothing-is-measured-before-a-second-thread: have_had_a_second_thread, nobody
 * the-spin-is-calibrated: bench_spin, bench_now, calibrate, turns_of
 * a-loop-is-timed-as-a-whole: uncontended, repeat
 * a-line-is-answered: find_peer, find_work, answer, list, main
 * own-load-is-seen: bench_load_now, busy_ticks
 * turns-are-passed: bench_asleep, pass, peer_sleep, peer_wake
 * make bench --smoke runs every work of every peer a few times: nothing, sleeper,
 * miss, found, last_who_came, find_last, with_full_bucket, same, other, hit, due,
 * due_equal, due_idle, due_fifo, attach, detach, poller,
 * peer_new, peer_draw, peer_drop, build_tree, arena_warm, arena_cold,
 * nothing_to_do, start, hash, hash_8, hash_64, hash_4096, urandom, STRANGER */

struct pair { struct bench_seat seat; void (*sit)(struct bench_seat *); };

static void *sit_one(void *arg)
{
    struct pair *one = arg;
    one->sit(&one->seat);
    return NULL;
}

/* Seat 1, the thread with a watch, in a thread of its own, at a lock that we hold. */
static struct bench_table one_table;
static struct pair one_watch;

static pthread_t begin_a_watch(void (*sit)(struct bench_seat *))
{
    pthread_t thread;
    one_table = (struct bench_table){.locks = 1, .limit = 2000000};
    one_watch = (struct pair){{.table = &one_table, .number = 1}, sit};
    fresh();
    peer_lock(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, sit_one, &one_watch), 0);
    return thread;
}

static void until_asked(uint64_t times)
{
    while (BENCH_LOAD(&one_table.asked) < times) {
        sched_yield();
    }
}

static void careless(struct bench_seat *seat)
{
    while (!BENCH_LOAD(&seat->table->stop)) {       /* counted, never guarded */
        BENCH_STORE(&seat->count, seat->count + 1);
    }
}

CLAIM_TEST(test_a_crowd_is_counted)
{
    struct bench_work no_lock = {"careless", NULL, careless};
    struct bench_question two = {.threads = 2, .ms = 5};
    struct bench_count c;
    for (int threads = 1; threads <= 9; threads += 4) {
        for (int w = 1; w <= 2; w++) {
            struct bench_question q = {.threads = threads, .ms = 40, .section = 100};
            do {                    /* until the machine lets anybody run */
                ck_assert_int_eq(bench_crowd(&bench_futex, &bench_futex.works[w], &q, &c), 0);
                ck_assert_int_eq(c.excluded, 1);
            } while (c.all == 0);
            ck_assert_uint_le(c.least * (uint64_t)threads, c.all);
            ck_assert_uint_ge(c.most * (uint64_t)threads, c.all);
            ck_assert_uint_ge(c.ns, 40u * 1000 * 1000);
            ck_assert(w == 1 ? c.worst == 0 : c.worst > 0);
        }
    }
    ck_assert_int_eq(bench_crowd(&bench_futex, &no_lock, &two, &c), 0);
    ck_assert_int_eq(c.excluded, 0);
}
END_TEST
CLAIM_TEST(test_waits_are_timed)
{
    pthread_t thread = begin_a_watch(latency);
    while (__atomic_load_n(&locks[0].word, __ATOMIC_RELAXED) != 2) {    /* it waits */
        sched_yield();
    }
    let_time_pass(3000000);
    peer_unlock(0);
    until_asked(2);
    BENCH_STORE(&one_table.stop, 1);
    pthread_join(thread, NULL);
    ck_assert_uint_ge(one_table.waits[0], 3000000);
    ck_assert_uint_eq(one_table.guarded[0].count, one_table.asked);

    struct bench_count c = {0};
    struct place places[2] = {{.seat = {.count = 0}}, {.seat = {.count = 5}}};
    struct bench_table table = {.asked = 5, .waits = {9, 1, 7, 3, 5}};
    sum_up(&table, places, 2, &c);
    ck_assert(c.median == 5 && c.worst == 9 && c.in_time == 5 && !c.excluded);
}
END_TEST
static pthread_t holder;
static int let_in;              // 0: the waiter is deaf until the holder has given up

static void deaf_lock(int i)
{
    while (!BENCH_LOAD(&let_in) && !pthread_equal(pthread_self(), holder)) {
        bench_nap(1000000);
    }
    peer_lock(i);
}

static void give_up(void) { BENCH_STORE(&let_in, 1); }

static uint64_t may_not(long times) { return times ? BENCH_REFUSED : 0; }

CLAIM_TEST(test_a_starved_waiter_ends)
{
    struct bench_contest one = {.lock = deaf_lock, .unlock = peer_unlock, .apart = 1,
                                .leave = give_up};
    struct bench_work refused = {"refused", may_not, NULL};
    long times;
    holder = pthread_self();
    bench_due_limit = 50000000;
    ck_assert_uint_eq(bench_due_times(&one, 3), 50000000);      /* the first was the last */
    bench_due_limit = 20000000000u;
    uint64_t took = bench_due_times(&one, 2);
    ck_assert(took > 0 && took < bench_due_limit);
    ck_assert_double_eq(repeat(&bench_futex, &refused, 1, &times), -1);
}
END_TEST
CLAIM_TEST(test_locks_and_turns)
{
    struct bench_table table = {.locks = 3, .turns = 100};
    struct bench_seat seat = {.table = &table, .number = 4};
    fresh();
    peer_lock(0);
    peer_lock(2);
    crowd(&seat);                           /* would wait for ever for another lock than 1 */
    ck_assert_uint_eq(table.guarded[1].count, 100);
    ck_assert_uint_eq(seat.count, 100);

    struct bench_question q = {.threads = 5, .ms = 1, .locks = 2, .turns = 700};
    struct bench_count c;
    ck_assert_int_eq(bench_crowd(&bench_futex, find_work(&bench_futex, "crowd"), &q, &c), 0);
    ck_assert_int_eq(c.excluded, 1);
    ck_assert_uint_eq(c.all, 3500);
    ck_assert(c.least == 700 && c.most == 700 && c.ns > 0);
}
END_TEST
/* Until each of two threads has had a thousand turns. */
static void two_take_turns(void (*sit)(struct bench_seat *))
{
    struct bench_table table = {0};
    struct pair two[2] = {{{.table = &table, .number = 0}, sit},
                          {{.table = &table, .number = 1}, sit}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sit_one, &two[i]), 0);
    }
    while (BENCH_LOAD(&two[0].seat.count) < 1000 || BENCH_LOAD(&two[1].seat.count) < 1000) {
        sched_yield();
    }
    BENCH_STORE(&table.stop, 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    ck_assert_uint_eq(table.guarded[0].count, two[0].seat.count + two[1].seat.count);
    ck_assert_int_le(labs((long)two[0].seat.count - (long)two[1].seat.count), 1);
}

CLAIM_TEST(test_turns_alternate)
{
    fresh();
    two_take_turns(alternate);
}
END_TEST
CLAIM_TEST(test_calls_in_time_are_counted)
{
    pthread_t thread = begin_a_watch(timed);
    until_asked(3);
    ck_assert_uint_eq(BENCH_LOAD(&one_watch.seat.count), 0);
    peer_unlock(0);
    uint64_t vain = BENCH_LOAD(&one_table.asked);
    until_asked(vain + 4);
    BENCH_STORE(&one_table.stop, 1);
    pthread_join(thread, NULL);
    ck_assert_uint_ge(one_watch.seat.count, one_table.asked - vain - 1);
    ck_assert_uint_le(one_watch.seat.count, one_table.asked - 3);

    struct bench_question q = {.threads = 2, .ms = 20, .section = 100, .limit = 1000000000};
    struct bench_count c;
    ck_assert_int_eq(bench_crowd(&bench_futex, find_work(&bench_futex, "timed"), &q, &c), 0);
    ck_assert_int_eq(c.excluded, 1);
    ck_assert_uint_le(c.in_time, c.asked);
}
END_TEST
static void *wait_for_one(void *turn)
{
    while (__atomic_load_n((int *)turn, __ATOMIC_SEQ_CST) == 0) {
        peer_sleep(turn, 0);
    }
    return NULL;
}

CLAIM_TEST(test_turns_are_passed)
{
    two_take_turns(pass);

    int before = bench_asleep();
    int turn = 0;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_one, &turn), 0);
    while (bench_asleep() <= before) {
        sched_yield();
    }
    __atomic_store_n(&turn, 1, __ATOMIC_SEQ_CST);
    peer_wake(&turn, 1);
    pthread_join(thread, NULL);
}
END_TEST
CLAIM_TEST(test_own_load_is_seen)
{
    struct bench_load before = bench_load_now(), after;
    do {
        after = bench_load_now();
    } while (after.own - before.own < 100u * 1000 * 1000);
    ck_assert_uint_ge(after.busy - before.busy, 50u * 1000 * 1000);
    ck_assert_uint_ge(2 * (after.at - before.at), after.own - before.own);  /* a sanitizer's thread may run beside */
}
END_TEST
CLAIM_TEST(test_the_store_is_kept)
{
    enum { BLOCKS = 1000 };
    static void *block[BLOCKS];
    keep_the_store();
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = malloc(8192);
        ck_assert_ptr_nonnull(block[i]);
    }
    void *large = malloc(16 << 20);
    ck_assert_ptr_nonnull(large);
    ck_assert_uint_eq(mallinfo2().hblks, 0);    /* nothing has a mapping of its own */
    void *end = sbrk(0);
    free(large);
    for (int i = BLOCKS; i-- > 0; ) {           /* the end of the heap comes first */
        free(block[i]);
    }
    ck_assert_ptr_eq(sbrk(0), end);
}
END_TEST
CLAIM_TEST(test_nothing_is_measured_before_a_second_thread)
{
    char *plain[] = {"bench", NULL};
    ck_assert_ptr_nonnull(freopen("/dev/null", "r", stdin));
    ck_assert_int_eq(bench_main(1, plain), 0);
    ck_assert_int_eq(__libc_single_threaded, 0);
}
END_TEST
CLAIM_TEST(test_the_spin_is_calibrated)
{
    calibrate();
    ck_assert_uint_eq(turns_of(0), 0);
    ck_assert_uint_gt(turns_of(1000), 10);
    ck_assert_int_le(abs((int)turns_of(2000) - 2 * (int)turns_of(1000)), 1);
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 200; i++) {             /* the least: nobody came between */
        uint64_t before = bench_now();
        bench_spin(turns_of(100000));
        uint64_t took = bench_now() - before;
        least = took < least ? took : least;
    }
    ck_assert_uint_ge(least, 50000);            /* the clock may have sped up since */
}
END_TEST
static uint64_t a_microsecond_each(long times) { return (uint64_t)times * 1000; }

CLAIM_TEST(test_a_loop_is_timed_as_a_whole)
{
    struct bench_work work = {"even", a_microsecond_each, NULL};
    long times;
    ck_assert_double_eq_tol(repeat(&bench_futex, &work, 10, &times), 1000, 1e-9);
    ck_assert_int_ge(times, 10000);
    ck_assert_int_lt(times, 13000);
    ck_assert_double_gt(repeat(&bench_futex, &bench_futex.works[0], 5, &times), 0);
    ck_assert_uint_eq(locks[0].word, 0);
}
END_TEST
static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

CLAIM_TEST(test_a_line_is_answered)
{
    char in[] = "/tmp/bench-in-XXXXXX", out[] = "/tmp/bench-out-XXXXXX", got[2000];
    close(mkstemp(in));
    close(mkstemp(out));
    put(in, "futex uncontended 1 0 0 1\nfutex crowd 2 50 0 5\nfutex nothing 1 0 0 1\n"
            "nobody crowd 1 0 0 1\nwhat?\nfutex crowd 0 0 0 1\n"
            "futex crowd 2 50 0 5 2 9\nfutex crowd 2 50 0 5 9\n");
    ck_assert_ptr_nonnull(freopen(in, "r", stdin));
    ck_assert_ptr_nonnull(freopen(out, "w", stdout));
    char *plain[] = {"bench", NULL}, *listing[] = {"bench", "--list", NULL};
    ck_assert_int_eq(bench_main(1, plain), 0);
    ck_assert_int_eq(bench_main(2, listing), 0);
    fflush(stdout);
    FILE *file = fopen(out, "r");
    got[fread(got, 1, sizeof(got) - 1, file)] = 0;
    fclose(file);
    remove(in);
    remove(out);
    const char *expected[] = {"{\"ns\": ", "{\"ns\": ", "{\"error\": \"no such",
                              "{\"error\": \"no such", "{\"error\": \"not a",
                              "{\"error\": \"not a", "{\"ns\": ", "{\"error\": \"not a",
                              "futex\tuncontended crowd wait"};
    char *line = got;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        ck_assert_msg(strncmp(line, expected[i], strlen(expected[i])) == 0,
                      "line %zu: %.60s", i + 1, line);
        line = strchr(line, '\n') + 1;
    }
    ck_assert_int_eq(*line, 0);
}
END_TEST
