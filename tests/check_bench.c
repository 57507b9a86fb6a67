// Claims 16.1 to 16.8 of the book, chapter 16: the bench.
#include <check.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

#include "bench/clock.c"
#include "bench/crowd.c"
#include "bench/futex_lock.c"
#include "bench/load.c"
int bench_main(int argc, char **argv);
#define main bench_main
#include "bench/bench.c"
#undef main

/* 16.1   peer_lock, peer_unlock, futex_sleep, fresh; crowd, wait; bench_crowd, seat_all,
 *        sit_down, let_pass, count_for, bench_pin
 * 16.2   alternate
 * 16.3   keep_the_store
 * 16.4   bench_spin, bench_now, calibrate, turns_of
 * 16.5   uncontended, repeat
 * 16.6   find_peer, find_work, answer, list, main
 * 16.7   bench_load_now, busy_ticks
 * 16.8   bench_asleep, pass, peer_sleep, peer_wake
 * make bench --smoke runs every work of every peer a few times: nothing, sleeper,
 * miss, found, last_who_came, find_last, with_full_bucket, same, other, hit,
 * peer_new, peer_draw, peer_drop, build_tree, arena_warm, arena_cold,
 * nothing_to_do, start, hash, hash_8, hash_64, hash_4096, urandom, STRANGER */

static void careless(struct bench_seat *seat)
{
    while (!BENCH_LOAD(&seat->table->stop)) {       /* counted, never guarded */
        BENCH_STORE(&seat->count, seat->count + 1);
    }
}

START_TEST(test_claim_16_1_a_crowd_is_counted)
{
    struct bench_work no_lock = {"careless", NULL, careless};
    struct bench_count c;
    for (int threads = 1; threads <= 9; threads += 4) {
        for (int w = 1; w <= 2; w++) {
            do {                    /* until the machine lets anybody run */
                ck_assert_int_eq(bench_crowd(&bench_futex, &bench_futex.works[w],
                                             threads, 100, 0, 40, &c), 0);
                ck_assert_int_eq(c.excluded, 1);
            } while (c.all == 0);
            ck_assert_uint_le(c.least * (uint64_t)threads, c.all);
            ck_assert_uint_ge(c.most * (uint64_t)threads, c.all);
            ck_assert_uint_ge(c.ns, 40u * 1000 * 1000);
            ck_assert(w == 1 ? c.worst == 0 : c.worst > 0);
        }
    }
    ck_assert_int_eq(bench_crowd(&bench_futex, &no_lock, 2, 0, 0, 5, &c), 0);
    ck_assert_int_eq(c.excluded, 0);
}
END_TEST
struct pair { struct bench_seat seat; void (*sit)(struct bench_seat *); };

static void *sit_one(void *arg)
{
    struct pair *one = arg;
    one->sit(&one->seat);
    return NULL;
}

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
    ck_assert_uint_eq(table.guarded, two[0].seat.count + two[1].seat.count);
    ck_assert_int_le(labs((long)two[0].seat.count - (long)two[1].seat.count), 1);
}

START_TEST(test_claim_16_2_turns_alternate)
{
    fresh();
    two_take_turns(alternate);
}
END_TEST
START_TEST(test_claim_16_3_the_store_is_kept)
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
START_TEST(test_claim_16_4_the_spin_is_calibrated)
{
    calibrate();
    ck_assert_uint_eq(turns_of(0), 0);
    ck_assert_uint_gt(turns_of(1000), 100);
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

START_TEST(test_claim_16_5_a_loop_is_timed_as_a_whole)
{
    struct bench_work work = {"even", a_microsecond_each, NULL};
    long times;
    ck_assert_double_eq_tol(repeat(&bench_futex, &work, 10, &times), 1000, 1e-9);
    ck_assert_int_ge(times, 10000);
    ck_assert_int_lt(times, 13000);
    ck_assert_double_gt(repeat(&bench_futex, &bench_futex.works[0], 5, &times), 0);
    ck_assert_uint_eq(the_lock, 0);
}
END_TEST
static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(test_claim_16_6_a_line_is_answered)
{
    char in[] = "/tmp/bench-in-XXXXXX", out[] = "/tmp/bench-out-XXXXXX", got[2000];
    close(mkstemp(in));
    close(mkstemp(out));
    put(in, "futex uncontended 1 0 0 1\nfutex crowd 2 50 0 5\nfutex nothing 1 0 0 1\n"
            "nobody crowd 1 0 0 1\nwhat?\nfutex crowd 0 0 0 1\n");
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
                              "{\"error\": \"not a", "futex\tuncontended crowd wait"};
    char *line = got;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        ck_assert_msg(strncmp(line, expected[i], strlen(expected[i])) == 0,
                      "line %zu: %.60s", i + 1, line);
        line = strchr(line, '\n') + 1;
    }
    ck_assert_int_eq(*line, 0);
}
END_TEST
START_TEST(test_claim_16_7_own_load_is_seen)
{
    struct bench_load before = bench_load_now(), after;
    do {
        after = bench_load_now();
    } while (after.own - before.own < 100u * 1000 * 1000);
    ck_assert_uint_ge(after.busy - before.busy, 50u * 1000 * 1000);
    ck_assert_uint_ge(2 * (after.at - before.at), after.own - before.own);  /* a sanitizer's thread may run beside */
}
END_TEST
static void *wait_for_one(void *turn)
{
    while (__atomic_load_n((int *)turn, __ATOMIC_SEQ_CST) == 0) {
        peer_sleep(turn, 0);
    }
    return NULL;
}

START_TEST(test_claim_16_8_turns_are_passed)
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
static Suite *
bench_suite(void)
{
    Suite *suite = suite_create("bench");
    TCase *tc = tcase_create("claims of chapter 16");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_claim_16_1_a_crowd_is_counted);
    tcase_add_test(tc, test_claim_16_2_turns_alternate);
    tcase_add_test(tc, test_claim_16_3_the_store_is_kept);
    tcase_add_test(tc, test_claim_16_4_the_spin_is_calibrated);
    tcase_add_test(tc, test_claim_16_5_a_loop_is_timed_as_a_whole);
    tcase_add_test(tc, test_claim_16_6_a_line_is_answered);
    tcase_add_test(tc, test_claim_16_7_own_load_is_seen);
    tcase_add_test(tc, test_claim_16_8_turns_are_passed);
    return suite;
}

int
main(void)
{
    return support_run(bench_suite());
}
