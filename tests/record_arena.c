// record_arena: draw from an arena, and write what is in it after each call.
#include <stdio.h>

#include "arena/pyarena.c"

static PyArena *arena;

static void
look(const char *call)
{
    printf("{\"call\": \"%s\", \"blocks\": [", call);
    for (block *b = arena != NULL ? arena->a_head : NULL; b != NULL; b = b->ab_next) {
        printf("[%zu, %zu]%s", b->ab_offset, b->ab_size, b->ab_next ? ", " : "");
    }
    printf("], \"objects\": %d}\n",
           arena != NULL ? (int)PyList_Size(arena->a_objects) : 0);
}

static void
draw(size_t size)
{
    char call[32];
    (void)_PyArena_Malloc(arena, size);
    snprintf(call, sizeof(call), "Malloc(%zu)", size);
    look(call);
}

int
main(void)
{
    static const size_t sizes[] = { 13, 100, 2000, 9001, 24, 8168, 1 };
    arena = _PyArena_New();
    look("New()");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        draw(sizes[i]);
    }
    _PyArena_AddPyObject(arena, PyList_New(0));
    look("AddPyObject()");
    _PyArena_Free(arena);
    arena = NULL;
    look("Free()");
}
