/* The arithmetic of pipeline/arithmetic in C: the same chains of additions, subtractions, products, quotients and
 * roots as its reference in numpy, so the same bits, in less time.
 *
 * No fused multiply-add, which not every processor has: the compiler is told so (-ffp-contract=off). The functions are
 * compiled once for each instruction set and each type; the end of a name says for which.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STRETCH 256 /* of an inner index, whose sums are added in float64 */
#define CACHED 32768 /* numbers that stay in a cache */
#define PASTE(name, type, set) name##_##type##_##set
#define NAME(name, type, set) PASTE(name, type, set)
#define T(name) NAME(name, TYPE, SET)

#define SET baseline
#define REGISTER_BYTES 16
#if defined(__aarch64__)
#define ROWS_IN_TILE 8
#else
#define ROWS_IN_TILE 6
#endif
#include "both_types.h"
#undef SET
#undef REGISTER_BYTES
#undef ROWS_IN_TILE

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
#define SET avx2
#define REGISTER_BYTES 32
#define ROWS_IN_TILE 6
#include "both_types.h"
#undef SET
#undef REGISTER_BYTES
#undef ROWS_IN_TILE
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512")
#endif
#define SET avx512
#define REGISTER_BYTES 64
#define ROWS_IN_TILE 8
#include "both_types.h"
#undef SET
#undef REGISTER_BYTES
#undef ROWS_IN_TILE
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

/* The widest instruction set that this processor and its operating system have: 0 baseline, 1 avx2, 2 avx512. */
int widest_set(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

/* Of the files that this library was built from; see compiled.py. */
const char *sources_digest(void)
{
    return DIGEST;
}

/* Python finds a library by the name of a module, which this is none of. */
void *PyInit_softmax_kernels(void)
{
    return NULL;
}
