// CPython: Include/cpython/initconfig.h, Include/internal/pycore_initconfig.h
// (v3.13.5, behaviour of 3.14). As much of the start as the hash secret needs.
// Attached: no function here needs it. None waits or allocates.
#ifndef HASH_INITCONFIG_H
#define HASH_INITCONFIG_H

#include <stddef.h>

#include "host/pyport.h"

/* What each step of initialisation returns. err_msg and func are constants. */
typedef struct {
    enum { _PyStatus_TYPE_OK, _PyStatus_TYPE_ERROR, _PyStatus_TYPE_EXIT } _type;
    const char *func;       /* where the error was noticed */
    const char *err_msg;
    int exitcode;           /* for _PyStatus_TYPE_EXIT, which nothing here returns */
} PyStatus;

/* 1 for anything but success. */
PyAPI_FUNC(int) PyStatus_Exception(PyStatus status);

#define _PyStatus_OK() ((PyStatus){._type = _PyStatus_TYPE_OK})
#define _PyStatus_ERR(text) \
    ((PyStatus){_PyStatus_TYPE_ERROR, __func__, (text), 0})

/* How a config was begun: for Python's command, or apart from its surroundings. */
typedef enum {
    _PyConfig_INIT_PYTHON = 2,
    _PyConfig_INIT_ISOLATED = 3
} _PyConfigInitEnum;

/* How to start: here, the front of CPython's own structure. */
typedef struct PyConfig {
    int _config_init;           /* a _PyConfigInitEnum */
    int isolated;
    int use_environment;        /* 0: environment variables are not looked at */
    int dev_mode;               /* this and the next: kept, and used by nobody */
    int install_signal_handlers;
    int use_hash_seed;          /* -1: not decided; 0: random; 1: hash_seed */
    unsigned long hash_seed;    /* 0 ... MAX_HASH_SEED */
} PyConfig;

_Static_assert(offsetof(PyConfig, use_environment) == 8, "as in CPython");
_Static_assert(offsetof(PyConfig, use_hash_seed) == 20, "as in CPython");
_Static_assert(offsetof(PyConfig, hash_seed) == 24, "as in CPython");

/* Fill *config in for a python like the command's, which looks at the
 * environment; or for an isolated one, which does not and hashes at random.
 * Blocks, Allocates  never.   CPython  Python/initconfig.c, same names */
PyAPI_FUNC(void) PyConfig_InitPythonConfig(PyConfig *config);
PyAPI_FUNC(void) PyConfig_InitIsolatedConfig(PyConfig *config);

/* Decide what is not decided: use_hash_seed and hash_seed, from PYTHONHASHSEED.
 *
 * Returns    a status; on error *config is as it was.
 * Blocks, Allocates  never.
 * Unchecked  another thread that changes the environment meanwhile.
 * CPython    Python/initconfig.c, PyConfig_Read, config_init_hash_seed */
PyAPI_FUNC(PyStatus) PyConfig_Read(PyConfig *config);

#endif  // HASH_INITCONFIG_H
