// Claims of the book's chapters 9 and 11: the parking lot, and a queue for each address.
#include <check.h>
#include <stdint.h>
#include <sys/time.h>

#include "pysync/pycore_parking_lot.h"
#include "pysync/pycore_semaphore.h"
#include "own_lot.h"
#include "support.h"
#include "threads.h"

static uint8_t place[1024];
static int woken;                       /* how many came back so far */

struct stay {
    uint8_t *at;
    PyTime_t timeout;
    void *park_arg;
    int nth;                            /* the how-manieth it was to come back */
};

static void
park_as_told(struct fellow *me)
{
    static const uint8_t zero;
    struct stay *stay = me->arg;
    reach(me, 1);
    me->answer = _PyParkingLot_Park(stay->at, &zero, 1, stay->timeout,
                                    stay->park_arg, /*detach=*/1);
    stay->nth = _Py_atomic_add_int(&woken, 1);
    reach(me, 2);
}

/* Start a fellow that parks at place[where], and return when it sleeps there. */
static void
park(struct fellow *f, struct stay *stay, int where)
{
    *stay = (struct stay){.at = &place[where], .timeout = -1, .park_arg = stay};
    *f = (struct fellow){.body = park_as_told, .arg = stay, .attach = 1};
    start(f);
    await_sleep(f);
}

static struct { int calls, has_more; void *arg, *park_arg; } told;

static void
tell(void *arg, void *park_arg, int has_more_waiters)
{
    told.calls++;
    told.arg = arg;
    told.park_arg = park_arg;
    told.has_more = has_more_waiters;
}
struct item { int number; struct llist_node node; };

static int
digits_of(struct llist_node *head)          /* 1, 2, 3 gives 123 */
{
    int n = 0;
    struct llist_node *node;
    llist_for_each(node, head) {
        n = 10 * n + llist_data(node, struct item, node)->number;
    }
    return n;
}

static int
is_a_ring(struct llist_node *head)          /* every link has one that leads back */
{
    struct llist_node *node = head;
    do {
        if (node->next->prev != node || node->prev->next != node) {
            return 0;
        }
        node = node->next;
    } while (node != head);
    return 1;
}

static void
take_odd_ones_out(struct llist_node *head)
{
    struct llist_node *node;
    llist_for_each_safe(node, head) {
        if (llist_data(node, struct item, node)->number % 2) {
            llist_remove(node);
        }
    }
}

CLAIM_TEST(test_a_list_keeps_order)
{
    struct item item[8];
    struct llist_node a = LLIST_INIT(a), b;
    llist_init(&b);
    for (int i = 1; i < 8; i++) {
        item[i].number = i;
        llist_insert_tail(i < 5 ? &a : &b, &item[i].node);
    }
    ck_assert_int_eq(digits_of(&a), 1234);
    llist_concat(&a, &b);
    ck_assert_int_eq(digits_of(&a), 1234567);
    ck_assert_int_eq(llist_empty(&b), 1);
    llist_concat(&a, &b);                   /* nothing to join */
    ck_assert(is_a_ring(&a) && is_a_ring(&b));
    take_odd_ones_out(&a);
    ck_assert_int_eq(digits_of(&a), 246);
    ck_assert(is_a_ring(&a));
    llist_insert_tail(&a, &item[1].node);   /* at the end that b brought */
    ck_assert_int_eq(digits_of(&a), 2461);
    ck_assert_int_eq(llist_empty(&a), 0);
    ck_assert(item[3].node.next == NULL && item[3].node.prev == NULL);
}
END_TEST
/* own_lot.h holds a copy of the file, which shows its buckets. */
CLAIM_TEST(test_neighbours_do_not_share_buckets)
{
    static const int sizes[] = {1, 8, 16, 32, 48, 64, 80, 128, 512, 4096};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int seen[257] = {0};
        for (int i = 0; i < 257; i++) {
            Bucket *b = bucket_of((char *)buckets + 10 + i * sizes[s]);
            ck_assert_int_eq(seen[b - buckets]++, 0);
        }
    }
}
END_TEST
CLAIM_TEST(test_comparing_goes_before_sleeping)
{
    static const uint64_t zero;             /* what atomic_memcmp expects */
    for (size_t size = 1; size <= 8; size *= 2) {
        union { uint64_t word; uint8_t byte[16]; } v = {0};
        for (size_t i = 0; i < size; i++) {
            v.byte[i] = 1;
            ck_assert_int_eq(_PyParkingLot_Park(&v, &zero, size, -1, NULL, 0),
                             Py_PARK_AGAIN);
            v.byte[i] = 0;
        }
        v.byte[size] = 1;
        ck_assert_int_eq(_PyParkingLot_Park(&v, &zero, size, 0, NULL, 0),
                         Py_PARK_TIMEOUT);
    }
}
END_TEST
static void
doom_by_size(void)
{
    static const uint64_t zero;
    _PyParkingLot_Park(&zero, &zero, 3, 0, NULL, 0);
}

CLAIM_TEST(test_a_size_that_nobody_has_is_fatal)
{
    dies_saying(doom_by_size, "Fatal Python error: atomic_memcmp: "
                              "unreachable code was reached\n");
}
END_TEST
static void
choose_slowly(void *arg, void *park_arg, int has_more_waiters)
{
    struct fellow *chosen = arg;
    tell(arg, park_arg, has_more_waiters);
    if (park_arg != NULL) {
        let_time_pass(15 * MS);             /* its 10 ms are over now */
        if (!at(chosen, 2)) {
            pester(chosen->thread, 20);
        }
    }
}

CLAIM_TEST(test_who_is_chosen_has_been_woken)
{
    struct fellow f;
    int chosen = 0;
    on_signal(SIGUSR1, see_signal);
    for (int i = 0; i < 10 || chosen == 0; i++) {
        struct stay stay = {.at = &place[0], .timeout = 10 * MS, .park_arg = &f};
        f = (struct fellow){.body = park_as_told, .arg = &stay, .attach = i % 2};
        start(&f);
        UNTIL(at(&f, 1));
        let_time_pass(i * MS / 4);
        _PyParkingLot_Unpark(&place[0], choose_slowly, &f);
        finish(&f);
        ck_assert_int_eq(f.answer, told.park_arg ? Py_PARK_OK : Py_PARK_TIMEOUT);
        chosen += told.park_arg != NULL;
    }
    _PyParkingLot_Unpark(&place[0], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, NULL);
}
END_TEST
CLAIM_TEST(test_a_timeout_leaves_the_queue)
{
    static const PyTime_t timeouts[] = {0, 1, 1000, MS, 20 * MS};
    static const uint8_t zero;
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        PyTime_t before = now();
        int res = Py_PARK_INTR;
        while (res == Py_PARK_INTR) {       /* conditions wake for no reason */
            res = _PyParkingLot_Park(&place[0], &zero, 1, timeouts[i], &woken, 0);
        }
        ck_assert_int_eq(res, Py_PARK_TIMEOUT);
        ck_assert_int_ge(now() - before, timeouts[i]);
        _PyParkingLot_Unpark(&place[0], tell, NULL);
        ck_assert_ptr_eq(told.park_arg, NULL);
    }
    struct fellow f;
    struct stay stay;
    park(&f, &stay, 257);
    _PyParkingLot_Unpark(&place[257], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay);
    ck_assert_int_eq(told.has_more, 0);
    finish(&f);
}
END_TEST
static void
unpark_attached(struct fellow *me)              /* the GIL is free, then */
{
    while (told.park_arg == NULL) {
        _PyParkingLot_Unpark(me->arg, tell, NULL);
    }
}

CLAIM_TEST(test_it_lets_go_and_comes_back)
{
    static const uint8_t zero;
    struct fellow f = {.body = unpark_attached, .arg = &place[0], .attach = 1};
    PyThreadState *mine = host_thread_enter();
    start(&f);
    int res = Py_PARK_INTR;
    while (res == Py_PARK_INTR) {
        res = _PyParkingLot_Park(&place[0], &zero, 1, -1, mine, 1);
    }
    ck_assert_int_eq(res, Py_PARK_OK);
    ck_assert(_PyThreadState_GET() == mine && host_thread_is_attached(mine));
    res = _PyParkingLot_Park(&place[1], &zero, 1, 0, NULL, 1);
    ck_assert(res == Py_PARK_TIMEOUT || res == Py_PARK_INTR);
    ck_assert(_PyThreadState_GET() == mine && host_thread_is_attached(mine));
    host_thread_leave();
    res = _PyParkingLot_Park(&place[1], &zero, 1, 0, NULL, 1);
    ck_assert(res == Py_PARK_TIMEOUT || res == Py_PARK_INTR);
    ck_assert_ptr_eq(_PyThreadState_GET(), NULL);
    finish(&f);
}
END_TEST
static void
park_in_own_lot(struct fellow *me)
{
    static const uint8_t zero;
    reach(me, 1);
    own_ParkingLot_Park(&place[0], &zero, 1, 50 * MS, me, 1);
    reach(me, 2);
    UNTIL(at(me, 3));
}

static size_t
waiters_at(const void *addr)
{
    Bucket *b = bucket_of(addr);
    _PyRawMutex_Lock(&b->mutex);
    size_t n = b->num_waiters;
    _PyRawMutex_Unlock(&b->mutex);
    return n;
}

CLAIM_TEST(test_who_cannot_come_back_is_not_chosen)
{
    struct fellow f;
    for (int held = 0; !held; finish(&f)) {
        f = (struct fellow){.body = park_in_own_lot, .attach = 1};
        start(&f);
        UNTIL(at(&f, 1));
        UNTIL(at(&f, 2) || !host_thread_is_attached(f.tstate));
        held = host_thread_suspend(f.tstate);       /* 0: its time was over */
        if (held) {
            PyTime_t end = now() + 5000 * (PyTime_t)MS;     /* for a wrong lot */
            UNTIL(waiters_at(&place[0]) == 0 || now() > end);
            own_ParkingLot_Unpark(&place[0], tell, NULL);
            ck_assert_ptr_eq(told.park_arg, NULL);
            ck_assert(!at(&f, 2));                  /* though it is not back */
            host_thread_resume(f.tstate);
        }
        UNTIL(at(&f, 2));
        reach(&f, 3);
    }
}
END_TEST
CLAIM_TEST(test_nobody_there)
{
    told.park_arg = &told;
    told.has_more = 1;
    _PyParkingLot_Unpark(&place[0], tell, &place[7]);
    ck_assert_int_eq(told.calls, 1);
    ck_assert_ptr_eq(told.arg, &place[7]);
    ck_assert_ptr_eq(told.park_arg, NULL);
    ck_assert_int_eq(told.has_more, 0);
    _PyParkingLot_UnparkAll(&place[0]);
}
END_TEST
CLAIM_TEST(test_first_come_first_served)
{
    struct fellow f[6];
    struct stay stay[6];
    for (int i = 0; i < 6; i++) {
        park(&f[i], &stay[i], 0);           /* enqueue */
    }
    for (int i = 0; i < 6; i++) {
        _PyParkingLot_Unpark(&place[0], tell, NULL);        /* dequeue */
        ck_assert_ptr_eq(told.park_arg, &stay[i]);
        ck_assert_int_eq(told.has_more, i < 5);
        finish(&f[i]);
        ck_assert_int_eq(f[i].answer, Py_PARK_OK);
        ck_assert_int_eq(stay[i].nth, i);
    }
    _PyParkingLot_Unpark(&place[0], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, NULL);
}
END_TEST
CLAIM_TEST(test_more_is_said_of_the_bucket)
{
    struct fellow f[3];
    struct stay stay[3];
    park(&f[0], &stay[0], 257);
    park(&f[1], &stay[1], 0);               /* the same bucket */
    park(&f[2], &stay[2], 1);               /* another */
    _PyParkingLot_Unpark(&place[0], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay[1]);
    ck_assert_int_eq(told.has_more, 1);     /* a stranger */
    _PyParkingLot_Unpark(&place[1], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay[2]);
    ck_assert_int_eq(told.has_more, 0);
    _PyParkingLot_Unpark(&place[514], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, NULL);
    ck_assert_int_eq(told.has_more, 0);
    _PyParkingLot_Unpark(&place[257], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay[0]);
    for (int i = 0; i < 3; i++) {
        finish(&f[i]);
    }
}
END_TEST
static void
write_a_letter(void *arg, void *park_arg, int Py_UNUSED(has_more))
{
    long *letter = park_arg;                /* plain: TSan looks on */
    *letter = *(long *)arg;
    _Py_atomic_store_uint8(&place[0], 1);
}

static void
park_for_a_letter(struct fellow *me)
{
    static const uint8_t zero;
    long letter = 0;
    reach(me, 1);
    _PyParkingLot_Park(&place[0], &zero, 1, -1, &letter, 1);
    me->answer = letter;
}

CLAIM_TEST(test_the_function_comes_before_the_waking)
{
    struct fellow f = {.body = park_for_a_letter, .attach = 1};
    long text = 1618;
    start(&f);
    await_sleep(&f);
    _PyParkingLot_Unpark(&place[0], write_a_letter, &text);
    finish(&f);
    ck_assert_int_eq(f.answer, 1618);
}
END_TEST
CLAIM_TEST(test_all_means_all_of_this_address)
{
    struct fellow f[7];
    struct stay stay[7];
    for (int i = 0; i < 7; i++) {
        park(&f[i], &stay[i], i % 3 == 1 ? 257 : 0);
    }
    _PyParkingLot_UnparkAll(&place[0]);         /* dequeue_all */
    for (int i = 0; i < 7; i++) {
        if (i % 3 != 1) {
            finish(&f[i]);
            ck_assert_int_eq(f[i].answer, Py_PARK_OK);
        }
    }
    ck_assert_int_eq(_Py_atomic_load_int(&woken), 5);
    _PyParkingLot_Unpark(&place[257], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay[1]);
    _PyParkingLot_UnparkAll(&place[257]);
    finish(&f[1]);
    finish(&f[4]);
}
END_TEST
static uint32_t turn;

static void
do_nothing(void *Py_UNUSED(arg), void *Py_UNUSED(park_arg), int Py_UNUSED(more))
{
}

static void
take_turns(struct fellow *me)
{
    for (uint32_t t = (uint32_t)me->number; t < 20000; t += 2) {
        uint32_t seen;
        while ((seen = _Py_atomic_load_uint32(&turn)) != t) {
            _PyParkingLot_Park(&turn, &seen, sizeof(seen), -1, NULL, 0);
        }
        _Py_atomic_store_uint32(&turn, t + 1);          /* change, then wake */
        _PyParkingLot_Unpark(&turn, do_nothing, NULL);
    }
}

CLAIM_TEST(test_no_wakeup_is_lost)
{
    struct fellow f[2];
    for (int i = 0; i < 2; i++) {
        f[i] = (struct fellow){.body = take_turns, .number = i};
        start(&f[i]);
    }
    finish(&f[0]);
    finish(&f[1]);
    ck_assert_uint_eq(turn, 20000);
}
END_TEST
/* Turns that are taken by chance seldom hit the gap. This test stands in it: while a
 * thread waits for the bucket's lock, on its way to sleep, the holder changes the value. */
static void
park_behind_the_lock(struct fellow *me)
{
    static const uint8_t zero;
    me->answer = own_ParkingLot_Park(&place[0], &zero, 1, 1000 * MS, NULL, 0);
}

static void
change_when_someone_waits(void *arg, void *Py_UNUSED(park_arg), int Py_UNUSED(more))
{
    start(arg);
    UNTIL(_Py_atomic_load_uintptr(&bucket_of(&place[0])->mutex.v) != _Py_LOCKED);
    _Py_atomic_store_uint8(&place[0], 1);
}

CLAIM_TEST(test_a_change_on_the_way_is_seen)
{
    struct fellow f = {.body = park_behind_the_lock};
    own_ParkingLot_Unpark(&place[257], change_when_someone_waits, &f);
    finish(&f);
    ck_assert_int_eq(f.answer, Py_PARK_AGAIN);
}
END_TEST
static struct { uint32_t turn, end, n; long plain; } relay;

static void
run_in_the_relay(struct fellow *me)
{
    for (uint32_t t = (uint32_t)me->number; t < relay.end; t += relay.n) {
        uint32_t seen;
        while ((seen = _Py_atomic_load_uint32(&relay.turn)) != t) {
            PyTime_t timeout = seen % 4 ? -1 : 1000 * (PyTime_t)(seen % 64);
            _PyParkingLot_Park(&relay.turn, &seen, 4, timeout, NULL, me->attach);
        }
        relay.plain++;
        _Py_atomic_store_uint32(&relay.turn, t + 1);
        _PyParkingLot_UnparkAll(&relay.turn);
        me->answer++;
    }
}

CLAIM_TESTS(test_everyone_gets_every_turn, 4)
{
    static const uint32_t crowd[] = {2, 5, 16, 64};
    struct fellow f[64];
    relay.n = crowd[_i];
    relay.end = 6400 / relay.n * relay.n;
    for (uint32_t i = 0; i < relay.n; i++) {
        f[i] = (struct fellow){
            .body = run_in_the_relay, .number = (int)i, .attach = i % 2};
        start(&f[i]);
    }
    for (uint32_t i = 0; i < relay.n; i++) {
        finish(&f[i]);
        ck_assert_int_eq(f[i].answer, relay.end / relay.n);
    }
    ck_assert_int_eq(relay.plain, relay.end);
}
END_TEST
static void
hold_the_bucket(void *arg, void *Py_UNUSED(park_arg), int Py_UNUSED(more))
{
    reach(arg, 1);
    UNTIL(at(arg, 2));
}

static void
unpark_slowly(struct fellow *me)
{
    _PyParkingLot_Unpark(&place[257], hold_the_bucket, me);
}

static int
look_round(void *Py_UNUSED(arg))
{
    static const uint8_t zero;
    _PyParkingLot_AfterFork();
    told.park_arg = &told;
    _PyParkingLot_Unpark(&place[0], tell, NULL);
    _PyParkingLot_UnparkAll(&place[257]);
    return told.park_arg != NULL || told.has_more
           || _PyParkingLot_Park(&place[0], &zero, 1, MS, NULL, 1) == Py_PARK_OK;
}

CLAIM_TEST(test_a_child_finds_an_empty_lot)
{
    struct fellow waiter, holder = {.body = unpark_slowly};
    struct stay stay;
    park(&waiter, &stay, 0);
    start(&holder);
    UNTIL(at(&holder, 1));                  /* the waiter's bucket is locked */
    in_a_child(look_round, NULL);
    reach(&holder, 2);
    finish(&holder);
    _PyParkingLot_Unpark(&place[0], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay); /* the parent's is as it was */
    finish(&waiter);
    _PyParkingLot_AfterFork();              /* on an empty lot no harm is done */
}
END_TEST
/* A bucket's queues are played against a plain list of which waiter came when, with
 * entries in which no thread sleeps. */
enum { PLAYERS = 24 };
static struct wait_entry player[PLAYERS];
static int came[PLAYERS], n_came;       /* who is in, in order of arrival */

static void
went(int i)
{
    int k = 0;
    while (came[k] != i) {
        k++;
    }
    memmove(&came[k], &came[k + 1], (size_t)(--n_came - k) * sizeof(*came));
}

static int
first_of(uintptr_t addr)                /* who came first of those, or -1 */
{
    for (int k = 0; k < n_came; k++) {
        if (player[came[k]].addr == addr) {
            return came[k];
        }
    }
    return -1;
}

static void
unpark_a_player(Bucket *bucket, uintptr_t addr)
{
    struct wait_entry *woken_one = dequeue(bucket, (void *)addr);
    int expected = first_of(addr);
    ck_assert_ptr_eq(woken_one, expected < 0 ? NULL : &player[expected]);
    if (woken_one != NULL) {            /* take_first, fill_place, first_at */
        ck_assert(woken_one->is_unparking);
        went(expected);
    }
}

static void
unpark_all_players(Bucket *bucket, uintptr_t addr)
{
    struct llist_node all = LLIST_INIT(all), *node;
    dequeue_all(bucket, (void *)addr, &all);
    llist_for_each(node, &all) {
        int i = (int)(llist_data(node, struct wait_entry, node) - player);
        ck_assert_int_eq(i, first_of(addr));
        ck_assert(player[i].is_unparking);
        went(i);
    }
    ck_assert_int_eq(first_of(addr), -1);
}

static void
play(Bucket *bucket, unsigned dice)     /* successor_of, set_successor, leave_ring */
{
    int i = (int)(dice / 8 % PLAYERS);
    uintptr_t addr = 1000 + dice / 512 % 8 * 257;
    int in = player[i].addr != 0 && !player[i].is_unparking;
    if (dice % 8 < 5 && !in) {
        player[i] = (struct wait_entry){.addr = addr};
        enqueue(bucket, &player[i]);
        came[n_came++] = i;
    }
    else if (dice % 8 < 5) {
        leave_queue(bucket, &player[i]);
        player[i].addr = 0;
        went(i);
    }
    else if (dice % 8 < 7) {
        unpark_a_player(bucket, addr);
    }
    else {
        unpark_all_players(bucket, addr);
    }
    ck_assert_uint_eq(bucket->num_waiters, n_came);
}

CLAIM_TEST(test_queues_do_not_disturb_each_other)
{
    Bucket bucket = {.root = LLIST_INIT(bucket.root)};
    unsigned dice = 20190611;
    for (int i = 0; i < 500000; i++) {
        dice = dice * 1664525 + 1013904223;
        play(&bucket, dice >> 16);
    }
    for (uintptr_t addr = 1000; addr < 3000; addr += 257) {
        unpark_all_players(&bucket, addr);
    }
    ck_assert(llist_empty(&bucket.root));
}
END_TEST
/* The link from the second stranger to the third is cut: a walk along the ring would
 * follow a null pointer. (A debug build does walk along it, to see it in order.) */
CLAIM_TEST(test_strangers_are_skipped)
{
#if !defined(GF_UPSTREAM_POLICY) && !defined(Py_DEBUG)
    Bucket bucket = {.root = LLIST_INIT(bucket.root)};
    struct wait_entry crowd[3] = {{.addr = 1}, {.addr = 1}, {.addr = 1}};
    struct wait_entry mine[2] = {{.addr = 258}, {.addr = 258}};
    for (int i = 0; i < 3; i++) {
        enqueue(&bucket, &crowd[i]);
    }
    enqueue(&bucket, &mine[0]);
    struct llist_node kept = crowd[1].node;
    crowd[1].node.next = NULL;          /* who follows it, falls */
    enqueue(&bucket, &mine[1]);
    ck_assert_ptr_eq(dequeue(&bucket, (void *)258), &mine[0]);
    ck_assert_ptr_eq(dequeue(&bucket, (void *)258), &mine[1]);
    crowd[1].node.next = kept.next;
    ck_assert_ptr_eq(dequeue(&bucket, (void *)1), &crowd[0]);
    ck_assert_uint_eq(bucket.num_waiters, 2);
#endif
}
END_TEST
#ifndef GF_UPSTREAM_POLICY
static struct wait_entry stranger[1000];

/* A depth is how many entries an unpark looks at. */
static int
sum_of_depths(Bucket *bucket, struct llist_node *node, int depth)
{
    if (first_at(bucket, node) == NULL) {
        return 0;
    }
    ck_assert_int_le(depth, 20);
    return depth + sum_of_depths(bucket, node->next, depth + 1)
           + sum_of_depths(bucket, node->prev, depth + 1);
}
#endif

CLAIM_TESTS(test_the_way_is_short, 7)
{
#ifndef GF_UPSTREAM_POLICY
    static const uintptr_t steps[] = {1, 8, 16, 48, 64, 4096, 1 << 20};
    Bucket bucket = {.root = LLIST_INIT(bucket.root)};
    uintptr_t step = 257 * steps[_i];
    for (uintptr_t i = 0; i < 1000; i++) {
        stranger[i] = (struct wait_entry){.addr = 0x10010 + i * step};
        enqueue(&bucket, &stranger[i]);
    }
    ck_assert_int_le(sum_of_depths(&bucket, bucket.root.next, 1), 11 * 1000);
    for (int i = 0; i < 1000; i++) {            /* find_queue, way_of */
        ck_assert_ptr_eq(*find_queue(&bucket, stranger[i].addr), &stranger[i].node);
    }
    for (int i = 999; i >= 0; i--) {
        ck_assert_ptr_eq(dequeue(&bucket, (void *)stranger[i].addr), &stranger[i]);
    }
    ck_assert(llist_empty(&bucket.root));
#endif
}
END_TEST
CLAIM_TEST(test_a_crowd_is_of_one_address)   /* who_waits_still */
{
    static char far[3 * 257];
    static struct wait_entry entry[24];
    Bucket *bucket = bucket_of(far);
    int crowd = GF_CROWD_NS > 0 ? GF_IN_A_CROWD : 1;
    for (int i = 0; i < 24; i++) {          /* by turns at two addresses */
        ck_assert_int_eq(who_waits_still(bucket, far), i > 16 ? crowd : i > 0);
        ck_assert_int_eq(who_waits_still(bucket, far + 257), i > 17 ? crowd : i > 0);
        ck_assert_int_eq(who_waits_still(bucket, far + 514), i > 0);
        entry[i].addr = (uintptr_t)far + (i % 2 ? 257 : 0);
        enqueue(bucket, &entry[i]);
    }
    for (int i = 0; i < 24; i++) {
        leave_queue(bucket, &entry[i]);
    }
    ck_assert_int_eq(who_waits_still(bucket, far), 0);
}
END_TEST
#ifdef Py_DEBUG
/* A bucket of four waiters, broken in each of these ways before a fifth comes in; and
 * its count, before each of the four functions. */
static int fault;

static void
break_a_bucket(void)            /* must, count_waiters, count_ring, count_tree */
{
    Bucket bucket = {.root = LLIST_INIT(bucket.root)};
    struct wait_entry w[5] = {
        {.addr = 1}, {.addr = 1}, {.addr = 1}, {.addr = 258}, {.addr = 515}};
    for (int i = 0; i < 4; i++)
        enqueue(&bucket, &w[i]);
    struct llist_node all = LLIST_INIT(all), node = w[0].node;
    switch (fault) {
    case 3: w[0].is_unparking = true; break;
    case 4: w[1].is_unparking = true; break;
    case 5: w[2].node.prev = &w[3].node; break;
    case 6: w[0].node = (struct llist_node){node.prev, node.next}; break;
    case 7: w[2].addr = 258; break;
    case 8: w[3].addr = 1; break;
    default: bucket.num_waiters++;
    }
    if (fault == 0) dequeue(&bucket, (void *)1);
    else if (fault == 1) dequeue_all(&bucket, (void *)1, &all);
    else if (fault == 2) leave_queue(&bucket, &w[2]);
    else enqueue(&bucket, &w[4]);
}
#endif

CLAIM_TEST(test_a_broken_bucket_is_noticed)
{
#ifdef Py_DEBUG
#  ifdef GF_UPSTREAM_POLICY
    int faults = 7;
#  else
    int faults = 9;
#  endif
    for (fault = -1; fault < faults; fault++) {
        dies_saying(break_a_bucket, "Fatal Python error: parking lot: "
                                    "a bucket breaks its invariant\n");
    }
#endif
}
END_TEST

CLAIM_TEST(test_a_signal_leaves_the_queue)
{
    struct fellow f[2];
    struct stay stay[2];
    on_signal(SIGUSR1, see_signal);
    park(&f[0], &stay[0], 0);
    park(&f[1], &stay[1], 0);
    while (!at(&f[0], 2)) {
        nudge(f[0].thread);
    }
    finish(&f[0]);
    ck_assert_int_eq(f[0].answer, Py_PARK_INTR);
    _PyParkingLot_Unpark(&place[0], tell, NULL);
    ck_assert_ptr_eq(told.park_arg, &stay[1]);      /* the second is first now */
    finish(&f[1]);
}
END_TEST

/* The second half: other threads wait beside the one whose handler forks, one at the
 * same address, before it, and one at another address of the same bucket. In the child
 * each address is looked at, and a new thread waits there. On conditions no signal ends
 * a wait, so this test is for semaphores. */
static volatile pid_t child_of_handler;

static void
fork_in_the_handler(int Py_UNUSED(signum))
{
    if (child_of_handler == -1 && (child_of_handler = fork()) == 0) {
        struct itimerval often = {{0, 10000}, {0, 10000}};
        PyOS_AfterFork_Child();
        on_signal(SIGALRM, see_signal);     /* if we came before it slept */
        setitimer(ITIMER_REAL, &often, NULL);
    }
    signals_seen++;
}

static int
look_about(void)
{
    static const uint8_t zero;
    int bad = 0;
    for (int i = 0; i < 2; i++) {
        told.park_arg = &told;
        _PyParkingLot_Unpark(&place[257 * i], tell, NULL);
        bad |= told.park_arg != NULL || told.has_more;
        int res = Py_PARK_INTR;
        while (res == Py_PARK_INTR) {
            res = _PyParkingLot_Park(&place[257 * i], &zero, 1, MS, NULL, 0);
        }
        bad |= res != Py_PARK_TIMEOUT;
    }
    return bad;
}

static void
park_and_fork(struct fellow *me)
{
    park_as_told(me);
    if (child_of_handler == 0) {
        _exit(me->answer != Py_PARK_INTR || look_about());
    }
}

CLAIM_TESTS(test_a_handler_forks, 3)
{
    if (under_tsan) {
        return;                         /* it allows no fork in a handler */
    }
    int status;
    struct stay stay[3] = {[2] = {.at = &place[0], .timeout = -1}};
    struct fellow f[3] = {[2] = {.body = park_and_fork, .arg = &stay[2], .attach = 1}};
    park(&f[0], &stay[0], _i == 0 ? 0 : 257);
    park(&f[1], &stay[1], _i == 2 ? 0 : 257);
    on_signal(SIGUSR1, fork_in_the_handler);
    child_of_handler = -1;
    start(&f[2]);
    await_sleep(&f[2]);
    while (!at(&f[2], 2)) {
        nudge(f[2].thread);
    }
    ck_assert_int_eq(waitpid(child_of_handler, &status, 0), child_of_handler);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(f[2].answer, Py_PARK_INTR);
    _PyParkingLot_UnparkAll(&place[0]);
    _PyParkingLot_UnparkAll(&place[257]);
    for (int i = 0; i < 3; i++) {
        finish(&f[i]);
    }
}
END_TEST
