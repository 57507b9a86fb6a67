// The plain accesses of files compiled with -fsanitize=thread, as steps.
#include "simulation/world.h"

#define world sim_world

int sim_plain;

static void
plain_access(SimKind kind, const void *object, size_t size, const void *where)
{
    if (!sim_plain || world.running < 0) {
        return;
    }
    for (int i = 0; i < world.n; i++) {
        if ((uintptr_t)object - (uintptr_t)world.thread[i].stack < world.thread[i].size) {
            return;
        }
    }
    (void)sim_step((SimOp){ .kind = kind, .object = object, .size = size, .where = where });
    world.writes += kind == SIM_STORE;
}

#define CALLED(name, params, ...) void name params; void name params { __VA_ARGS__; }
#define HERE __builtin_return_address(0)
#define BOTH(size, suffix) \
    CALLED(__tsan_read##suffix, (void *at), plain_access(SIM_LOAD, at, size, HERE)) \
    CALLED(__tsan_write##suffix, (void *at), plain_access(SIM_STORE, at, size, HERE)) \
    CALLED(__tsan_unaligned_read##suffix, (void *at), plain_access(SIM_LOAD, at, size, HERE)) \
    CALLED(__tsan_unaligned_write##suffix, (void *at), plain_access(SIM_STORE, at, size, HERE))

BOTH(1, 1)
BOTH(2, 2)
BOTH(4, 4)
BOTH(8, 8)
BOTH(16, 16)
CALLED(__tsan_read_range, (void *at, size_t n), plain_access(SIM_LOAD, at, n, HERE))
CALLED(__tsan_write_range, (void *at, size_t n), plain_access(SIM_STORE, at, n, HERE))
CALLED(__tsan_init, (void), (void)0)
CALLED(__tsan_func_entry, (void *from), (void)from)
CALLED(__tsan_func_exit, (void), (void)0)
