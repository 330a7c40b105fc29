/* Identity of the library: which sources it was built from, and what the processor offers. */
#include "kernels.h"

const char *bioconv_source_hash(void) { return BIOCONV_SOURCE_HASH; }

int bioconv_simd_level(void) {
#if BIOCONV_X86
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi")) return SIMD_VBMI;
    if (avx2) return SIMD_AVX2;
#endif
    return SIMD_NONE;
}
