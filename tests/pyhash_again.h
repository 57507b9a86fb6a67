// Read hash/pyhash.c once more. Say before: AGAIN(name), which puts a prefix to a
// name; Py_HASH_ALGORITHM; Py_HASH_CUTOFF. No guard: to be included many times.
#define _Py_HashSecret AGAIN(_Py_HashSecret)
#define _Py_HashDouble AGAIN(_Py_HashDouble)
#define Py_HashPointer AGAIN(Py_HashPointer)
#define PyObject_GenericHash AGAIN(PyObject_GenericHash)
#define _Py_HashBytes AGAIN(_Py_HashBytes)
#define Py_HashBuffer AGAIN(Py_HashBuffer)
#define PyHash_GetFuncDef AGAIN(PyHash_GetFuncDef)
#define _Py_KeyedHash AGAIN(_Py_KeyedHash)
#define PyHash_Func AGAIN(PyHash_Func)
#define rotate61 AGAIN(rotate61)
#define rotate AGAIN(rotate)
#define half_round AGAIN(half_round)
#define sip_rounds AGAIN(sip_rounds)
#define load AGAIN(load)
#define absorb AGAIN(absorb)
#define sip AGAIN(sip)
#define siphash13 AGAIN(siphash13)
#define siphash24 AGAIN(siphash24)
#define pysiphash AGAIN(pysiphash)
#undef SIPHASH
#undef SIPHASH_NAME
PyAPI_DATA(_Py_HashSecret_t) _Py_HashSecret;
Py_hash_t _Py_HashDouble(PyObject *inst, double v);
Py_hash_t Py_HashPointer(const void *ptr);
Py_hash_t PyObject_GenericHash(PyObject *obj);
Py_hash_t _Py_HashBytes(const void *src, Py_ssize_t len);
Py_hash_t Py_HashBuffer(const void *ptr, Py_ssize_t len);
PyHash_FuncDef *PyHash_GetFuncDef(void);
uint64_t _Py_KeyedHash(uint64_t key, const void *src, Py_ssize_t src_sz);
#include "hash/pyhash.c"
#undef _Py_HashSecret
#undef _Py_HashDouble
#undef Py_HashPointer
#undef PyObject_GenericHash
#undef _Py_HashBytes
#undef Py_HashBuffer
#undef PyHash_GetFuncDef
#undef _Py_KeyedHash
#undef PyHash_Func
#undef rotate61
#undef rotate
#undef half_round
#undef sip_rounds
#undef load
#undef absorb
#undef sip
#undef siphash13
#undef siphash24
#undef pysiphash
