// Ours. Who else was running.
#include "bench/load.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

/* Ticks of the first line of /proc/stat: busy is all but idle and iowait. */
static uint64_t
busy_ticks(void)
{
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *file = fopen("/proc/stat", "r");
    int found = file == NULL ? 0
        : fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
                 &system, &idle, &iowait, &irq, &softirq, &steal);
    if (file != NULL) {
        fclose(file);
    }
    return found == 8 ? user + nice + system + irq + softirq + steal : 0;
}

struct bench_load
bench_load_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (struct bench_load){
        .at = bench_now(),
        .busy = busy_ticks() * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK)),
        .own = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec,
    };
}
