// CPython: Python/initconfig.c, Python/preconfig.c: the hash seed
// (v3.13.5, behaviour of 3.14)
#include "hash/initconfig.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The variable's value; NULL when it is unset or empty, or not to be used. */
static const char *
_Py_GetEnv(int use_environment, const char *name)
{
    assert(use_environment >= 0);
    const char *value = use_environment ? getenv(name) : NULL;
    return value != NULL && *value != '\0' ? value : NULL;
}

static const char *
config_get_env(const PyConfig *config, const char *name)
{
    return _Py_GetEnv(config->use_environment, name);
}

#define MAX_HASH_SEED 4294967295UL      /* what fits the generator's 32 bits */

void
PyConfig_InitPythonConfig(PyConfig *config)
{
    *config = (PyConfig){
        ._config_init = _PyConfig_INIT_PYTHON, .use_environment = 1,
        .dev_mode = -1, .install_signal_handlers = 1, .use_hash_seed = -1};
}

void
PyConfig_InitIsolatedConfig(PyConfig *config)
{
    *config = (PyConfig){           /* and the rest 0: chance, for one */
        ._config_init = _PyConfig_INIT_ISOLATED, .isolated = 1};
}

/* Decide between a seed and chance. The text is read as strtoul reads it. */
static PyStatus
config_init_hash_seed(PyConfig *config)
{
    const char *text = config_get_env(config, "PYTHONHASHSEED");
    if (text == NULL || strcmp(text, "random") == 0) {
        config->use_hash_seed = 0;
        config->hash_seed = 0;
        return _PyStatus_OK();
    }
    char *end;
    errno = 0;
    unsigned long seed = strtoul(text, &end, 10);
    if (*end != '\0' || errno == ERANGE || seed > MAX_HASH_SEED) {
        return _PyStatus_ERR("PYTHONHASHSEED must be \"random\" "
                             "or an integer in range [0; 4294967295]");
    }
    config->use_hash_seed = 1;
    config->hash_seed = seed;
    return _PyStatus_OK();
}

PyStatus
PyConfig_Read(PyConfig *config)
{
    PyStatus status = _PyStatus_OK();
    if (config->use_hash_seed < 0) {
        status = config_init_hash_seed(config);
    }
    return status;
}

int
PyStatus_Exception(PyStatus status)
{
    return status._type != _PyStatus_TYPE_OK;
}
