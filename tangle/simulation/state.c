// What a state is: all that can make a difference to what comes after it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "simulation/world.h"

#define world sim_world
#define NO_SANITIZER __attribute__((no_sanitize("address")))

extern char __start_simdata[] __attribute__((weak));
extern char __stop_simdata[] __attribute__((weak));
extern char __start_simbss[] __attribute__((weak));
extern char __stop_simbss[] __attribute__((weak));

static struct region { char *from; size_t size; char *image; } regions[2];
unsigned sim_blind;

int
sim_can_merge(void)
{
    return !sim_asan && __start_simdata != NULL;
}

NO_SANITIZER static void
copy(char *to, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i];
    }
}

void
sim_remember_globals(void)
{
    char *ends[2][2] = { { __start_simdata, __stop_simdata },
                         { __start_simbss, __stop_simbss } };
    for (int i = 0; i < 2 && __start_simdata != NULL; i++) {
        struct region *r = &regions[i];
        r->from = ends[i][0];
        r->size = (size_t)(ends[i][1] - r->from);
        r->image = realloc(r->image, r->size + 1);
        copy(r->image, r->from, r->size);
    }
}

/* 0: there are none to put back. */
int
sim_put_globals_back(void)
{
    for (int i = 0; i < 2; i++) {
        copy(regions[i].from, regions[i].image, regions[i].size);
    }
    return regions[0].from != NULL;
}
__extension__ typedef unsigned __int128 wide;

static uint64_t
fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void
mix(SimKey *key, uint64_t word)
{
    key->a = fold(key->a ^ word, UINT64_C(0x9E3779B97F4A7C15)) + key->b;
    key->b = fold(key->b + word, UINT64_C(0xD6E8FEB86659FD93)) ^ word;
}

static void
mix_bytes(SimKey *key, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = size - i;
        memcpy(&word, from + i, left < sizeof(word) ? left : sizeof(word));
        mix(key, word);
    }
}
static void
mix_globals(SimKey *key, const struct region *r)
{
    size_t i = 0;
    for (; i + sizeof(uint64_t) <= r->size; i += sizeof(uint64_t)) {
        if (memcmp(r->from + i, r->image + i, sizeof(uint64_t)) != 0) {
            mix(key, i);
            mix_bytes(key, r->from + i, sizeof(uint64_t));
        }
    }
    mix_bytes(key, r->from + i, r->size - i);
}

static void
mix_thread(SimKey *key, int i)
{
    const SimThread *t = &world.thread[i];
    const uint64_t pending[] = {
        (uint64_t)t->next.kind, t->next.events, (uintptr_t)t->next.object,
        t->next.size, (uintptr_t)t->next.gate, (uintptr_t)t->next.where,
        (uint64_t)t->done, (uint64_t)t->error, (uint64_t)t->no_yield,
        i == world.running ? 0 : (uintptr_t)t->local,
    };
    const uint64_t spins[] = {
        (uint64_t)(t->idle < 2 ? t->idle : 2),
        (uint64_t)(t->alone < 3 ? t->alone : 3), (uint64_t)t->touched,
        t->seen == world.writes, t->yielded == world.writes,
        t->left_off == world.switches,
    };
    if ((sim_blind & SIM_PENDING) == 0) {
        mix_bytes(key, (const char *)pending, sizeof(pending));
    }
    if ((sim_blind & SIM_SPINS) == 0 && !t->done) {
        mix_bytes(key, (const char *)spins, sizeof(spins));
    }
    if ((sim_blind & SIM_FRAMES) == 0 && !t->done) {
        mix_bytes(key, t->live, (size_t)(t->stack + t->size - t->live));
    }
}

SimKey
sim_key(int purse)
{
    SimKey key = { 1, 2 };
    if (!sim_can_merge()) {
        return key;
    }
    for (int i = 0; i < 2 && (sim_blind & SIM_GLOBALS) == 0; i++) {
        mix_globals(&key, &regions[i]);
    }
    for (int i = 0; i < world.n; i++) {
        mix_thread(&key, i);
    }
    mix(&key, (uint64_t)world.semaphores);
    mix(&key, world.excused);
    mix(&key, (uint64_t)world.alone);
    if ((sim_blind & SIM_CLOCKS) == 0) {
        mix(&key, (uint64_t)world.clock);
        mix(&key, (uint64_t)world.wall);
    }
    if ((sim_blind & SIM_STROKES) == 0) {
        mix(&key, (uint64_t)world.interrupts);
        mix(&key, (uint64_t)world.leaps);
    }
    if (purse >= 0 && (sim_blind & SIM_PURSE) == 0) {
        mix(&key, (uint64_t)purse);
        mix(&key, (uint64_t)world.running);
    }
    return key;
}
